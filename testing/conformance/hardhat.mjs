// Hardhat's own tests of its network helpers, whose network is a node for tests of contracts.
import { copyFileSync, cpSync, mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { beside, install, program, readCases, withNode } from "./tools.mjs";

export const FOLDERS = ["hardhat/packages/hardhat-network-helpers"];
export const KNOWN = "hardhat.txt";

export async function run({ folder, entente, work }) {
  const installed = path.join(work, "hardhat");
  mkdirSync(installed, { recursive: true });
  for (const name of ["package.json", "package-lock.json"])
    copyFileSync(beside(`hardhat/${name}`), path.join(installed, name));
  install(installed, beside("hardhat/package-lock.json"));
  const project = path.join(installed, "helpers");
  rmSync(project, { recursive: true, force: true });
  for (const name of ["src", "test", ".mocharc.json"]) {
    cpSync(path.join(folder, name), path.join(project, name), { recursive: true });
  }
  copyFileSync(beside("hardhat/preload.cjs"), path.join(project, "preload.cjs"));
  const told = path.join(work, "hardhat.jsonl");
  rmSync(told, { force: true });
  const own = {
    CONFORMANCE_CASES: told,
    HARDHAT_DISABLE_TELEMETRY_PROMPT: "true",
    TS_NODE_SKIP_PROJECT: "true",
    TS_NODE_TRANSPILE_ONLY: "true",
    TS_NODE_COMPILER_OPTIONS: JSON.stringify({ module: "commonjs", target: "es2020", esModuleInterop: true }),
  };
  const words = ["--recursive", "test/**/*.ts", "--exit", "--timeout", "60000", "--reporter", beside("teller.cjs")];
  await withNode(entente, async (url) => {
    const options = { cwd: project, env: { ...process.env, ...own, CONFORMANCE_URL: url } };
    program("../node_modules/.bin/mocha", [...words, "--require", "./preload.cjs"], options);
  });
  return readCases(told).map(({ file, ...each }) => ({ group: "Hardhat's network helpers", ...each }));
}
