// OpenZeppelin's own suites, with Hardhat, whose network is a node for tests of contracts.
import { copyFileSync, cpSync, existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { beside, compilers, install, program, readCases, withNode } from "./tools.mjs";

export const FOLDERS = ["openzeppelin-contracts"];
export const KNOWN = "openzeppelin.txt";

/// The folders of their tests, and what each is called.
const GROUPS = {
  "test/token/ERC20": "OpenZeppelin ERC-20",
  "test/token/ERC721": "OpenZeppelin ERC-721",
  "test/token/ERC1155": "OpenZeppelin ERC-1155",
  "test/access": "OpenZeppelin access",
  "test/governance": "OpenZeppelin governance",
  "test/proxy": "OpenZeppelin proxies",
};

/// What lies in their folder and belongs to somebody's work there.
const NOT_COPIED = new Set([".git", "node_modules", "artifacts", "cache", "contracts-exposed"]);

/// A copy of their tree, with what it needs: they write into theirs.
function copy(folder, work) {
  const project = path.join(work, "openzeppelin");
  const lock = path.join(folder, "package-lock.json");
  const isSame =
    existsSync(project) && readFileSync(lock).equals(readFileSync(path.join(project, "package-lock.json")));
  if (!isSame) rmSync(project, { recursive: true, force: true });
  const filter = (from) => !NOT_COPIED.has(path.relative(folder, from));
  cpSync(folder, project, { recursive: true, filter });
  copyFileSync(beside("openzeppelin/conformance.config.js"), path.join(project, "conformance.config.js"));
  copyFileSync(beside("teller.cjs"), path.join(project, "conformance.teller.cjs"));
  install(project, lock);
  return project;
}

function tests(project, folder) {
  const files = readdirSync(path.join(project, folder), { recursive: true }).filter((file) =>
    file.endsWith(".test.js"),
  );
  return files.map((file) => path.join(folder, file)).sort();
}

export async function run({ folder, entente, work }) {
  const project = copy(folder, work);
  const told = path.join(work, "openzeppelin.jsonl");
  rmSync(told, { force: true });
  const own = {
    CONFORMANCE_CASES: told,
    CONFORMANCE_COMPILERS: compilers(work),
    HARDHAT_DISABLE_TELEMETRY_PROMPT: "true",
    NODE_OPTIONS: "--max-old-space-size=8192",
  };
  const hardhat = (words, more) => {
    const options = { cwd: project, env: { ...process.env, ...own, ...more } };
    return program("node_modules/.bin/hardhat", ["--config", "conformance.config.js", ...words], options);
  };
  if (hardhat(["compile"]) !== 0) throw new Error("Hardhat cannot compile OpenZeppelin's contracts");
  const files = Object.keys(GROUPS).flatMap((each) => tests(project, each));
  await withNode(entente, async (url) => hardhat(["test", "--no-compile", ...files], { CONFORMANCE_URL: url }));
  const group = (file) =>
    GROUPS[Object.keys(GROUPS).find((each) => path.relative(project, file).startsWith(`${each}/`))];
  return readCases(told).map(({ file, ...each }) => ({ group: group(file), ...each }));
}
