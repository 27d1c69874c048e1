// Hardhat's own tests of what people test contracts with, whose network is a node for tests of contracts.
import { copyFileSync, cpSync, existsSync, mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { beside, install, program, readCases, withNode } from "./tools.mjs";

export const FOLDERS = ["hardhat/packages"];
export const KNOWN = "hardhat.txt";
/// Of each hundred of a package's cases so many may be none for this chain; of the others enough must pass.
export const EXCLUDED_MAX = 10;

/// Packages, and what each is called.
const GROUPS = {
  "hardhat-network-helpers": "Hardhat's network helpers",
  "hardhat-chai-matchers": "Hardhat's matchers for Chai",
  "hardhat-ethers": "Hardhat's plugin for ethers",
};
/// What is of no use to ask this chain, by the cases' names, and why.
const UNFIT = [
  {
    names: /^time#\w+ blocks with same timestamp /,
    why: "is of a project with `allowBlocksWithSameTimestamp`, which no node is told: Hardhat's, asked so, fails too",
  },
  {
    names: /^setNextBlockBaseFeePerGas /,
    why: "tests a base fee, which is 0 in every block here, and nothing else can be set",
  },
  {
    names: /^gas price overrides .* should use (EIP-1559 values|a default value for maxPriorityFeePerGas) if /,
    why: "sets a base fee first, which is 0 in every block here, and nothing else can be set",
  },
];

/// Their own setting of TypeScript's compiler lies elsewhere in their tree; what counts of it is this.
const TYPESCRIPT = { module: "commonjs", target: "es2020", esModuleInterop: true };

export async function run({ folder, entente, work }) {
  const installed = path.join(work, "hardhat");
  mkdirSync(installed, { recursive: true });
  for (const name of ["package.json", "package-lock.json", "preload.cjs"]) {
    copyFileSync(beside(`hardhat/${name}`), path.join(installed, name));
  }
  install(installed, beside("hardhat/package-lock.json"));
  const cases = [];
  for (const [name, group] of Object.entries(GROUPS)) {
    const project = path.join(installed, name);
    rmSync(project, { recursive: true, force: true });
    for (const part of ["src", "test"]) cpSync(path.join(folder, name, part), path.join(project, part), { recursive: true });
    const told = path.join(work, `${name}.jsonl`);
    rmSync(told, { force: true });
    await withNode(entente, async (url) => test(project, { CONFORMANCE_CASES: told, CONFORMANCE_URL: url }));
    cases.push(...readCases(told).map(({ file, ...each }) => ({ group, ...each, ...unfit(each) })));
  }
  return cases;
}

/// What becomes of a case that is none for this chain, whatever it came to.
function unfit({ name }) {
  const found = UNFIT.find(({ names }) => names.test(name));
  return found && { outcome: "excluded", reason: found.why };
}

function test(project, own) {
  const environment = {
    ...process.env,
    ...own,
    HARDHAT_DISABLE_TELEMETRY_PROMPT: "true",
    TS_NODE_SKIP_PROJECT: "true",
    TS_NODE_TRANSPILE_ONLY: "true",
    TS_NODE_COMPILER_OPTIONS: JSON.stringify(TYPESCRIPT),
  };
  const words = ["--no-config", "--recursive", "test/**/*.ts", "--ignore", "test/fixture-projects/**/*", "--exit"];
  words.push("--timeout", "60000", "--reporter", beside("teller.cjs"));
  for (const each of ["ts-node/register", "../preload.cjs"]) words.push("--require", each);
  if (existsSync(path.join(project, "test/setup.ts"))) words.push("--file", "./test/setup.ts");
  program("../node_modules/.bin/mocha", words, { cwd: project, env: environment });
}
