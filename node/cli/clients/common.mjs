// What the scripts for Node have in common: node SCRIPT URL TOKEN, in the folder where the clients are installed.
// URL is the node's, TOKEN the Rust token's module.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const [url, module] = process.argv.slice(2);

/// A package that is installed in the working folder.
export const load = createRequire(path.join(process.cwd(), "node_modules/"));
export const http = url;
export const socket = url.replace("http", "ws");
/// By name: { abi, bytecode }.
export const contracts = JSON.parse(readFileSync("contracts.json", "utf8"));

/// The same of the Rust token: its ABI lies in the module, and what deploys it is the container of a Wasm contract.
export function token() {
  const bytes = readFileSync(module);
  const [abi] = WebAssembly.Module.customSections(new WebAssembly.Module(bytes), "entente:abi");
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  const container = Buffer.concat([Buffer.from("ef5741", "hex"), length, bytes]);
  return { abi: JSON.parse(Buffer.from(abi).toString("utf8")), bytecode: `0x${container.toString("hex")}` };
}

/// Runs steps one after another and says each that is done; the first that fails ends the script.
export async function run(steps) {
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      console.error(step.name, error);
      process.exit(1);
    }
    console.log(step.name);
  }
  process.exit(0);
}

/// What is told when somebody acts, and what all the acts came to. Listening begins in its own time, and what was done
/// before is not told of: so they act until it is.
export async function told(heard, act) {
  const acts = [];
  for (let round = 0; round < 60; round += 1) {
    acts.push(await act());
    const pause = new Promise((resolve) => setTimeout(resolve, 500, undefined));
    const answer = await Promise.race([heard, pause]);
    if (answer !== undefined) return [answer, acts];
  }
  throw new Error("nothing is told of what is done");
}
