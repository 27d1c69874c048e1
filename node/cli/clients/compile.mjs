// Compiles the contracts beside this file: node compile.mjs FOLDER, where node_modules are. It writes
// FOLDER/contracts.json: for each contract its ABI and the code that creates it.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const folder = path.resolve(process.argv[2]);
const solc = createRequire(path.join(folder, "node_modules/"))("solc");
const own = fileURLToPath(new URL("contracts", import.meta.url));
const names = readdirSync(own);
const input = {
  language: "Solidity",
  sources: Object.fromEntries(names.map((name) => [name, { content: readFileSync(path.join(own, name), "utf8") }])),
  settings: {
    optimizer: { enabled: true, runs: 200 },
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
  },
};
const imported = (name) => ({ contents: readFileSync(path.join(folder, "node_modules", name), "utf8") });
const output = JSON.parse(solc.compile(JSON.stringify(input), { import: imported }));
const faults = (output.errors ?? []).filter((error) => error.severity === "error");
if (faults.length > 0) throw new Error(faults.map((error) => error.formattedMessage).join("\n"));
const contracts = {};
for (const name of names) {
  for (const [contract, { abi, evm }] of Object.entries(output.contracts[name])) {
    contracts[contract] = { abi, bytecode: `0x${evm.bytecode.object}` };
  }
}
writeFileSync(path.join(folder, "contracts.json"), JSON.stringify(contracts));
