// What the suites have in common: installing, running programs, a node to use.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import path from "node:path";
import { fileURLToPath } from "node:url";

/// A file of this folder.
export const beside = (name) => fileURLToPath(new URL(name, import.meta.url));

/// Runs a program to its end, and shows what it says. Its exit status.
export function program(name, words, options = {}) {
  const { status, error } = spawnSync(name, words, { stdio: ["ignore", "inherit", "inherit"], ...options });
  if (error) throw error;
  return status;
}

/// What was told of cases, each on a line of JSON.
export function readCases(file) {
  const lines = readFileSync(file, "utf8").split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line));
}

/// Installs what a lock file names into a folder, unless it is there.
export function install(folder, lock) {
  const hash = createHash("sha256").update(readFileSync(lock)).digest("hex");
  const mark = path.join(folder, "installed");
  if (existsSync(mark) && readFileSync(mark, "utf8") === hash) return;
  console.log(`installing into ${folder}`);
  rmSync(mark, { force: true });
  const words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"];
  if (program("npm", words, { cwd: folder }) !== 0) throw new Error(`npm cannot install what ${lock} names`);
  writeFileSync(mark, hash);
}

/// The folder in which the compilers of `package.json` lie, each under `solc-VERSION`.
export function compilers(work) {
  const folder = path.join(work, "compilers");
  mkdirSync(folder, { recursive: true });
  for (const name of ["package.json", "package-lock.json"])
    writeFileSync(path.join(folder, name), readFileSync(beside(name)));
  install(folder, beside("package-lock.json"));
  return path.join(folder, "node_modules");
}

/// Has something done with a node for tests of contracts, which is stopped afterwards.
export async function withNode(entente, use) {
  const node = spawn(entente, ["chain", "dev", "--rpc-port", "0", "--while-stdin-open"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise((resolve) => node.once("exit", resolve));
  try {
    const lines = createInterface({ input: node.stdout });
    const told = (async () => {
      for await (const line of lines) {
        const [url] = line.match(/http:\/\/[\d.]+:\d+/) ?? [];
        if (url) return url;
      }
      throw new Error(`${entente} chain dev ended and told of no address`);
    })();
    const url = await told;
    lines.on("line", () => {});
    return await use(url);
  } finally {
    node.stdin.end();
    await ended;
  }
}
