// Ethereum's state tests: the executor's own test runs them, knows its reasons, and writes what became of each case.
import { rmSync } from "node:fs";
import path from "node:path";
import { beside, program, readCases } from "./tools.mjs";

export const FOLDERS = ["state_tests", "eest-fixtures/state_tests"];

export async function run({ folder, work }) {
  const file = path.join(work, "states.jsonl");
  rmSync(file, { force: true });
  const words = ["test", "--release", "--workspace", "--locked", "--test", "state", "all_of_a_folder"];
  const environment = { ENTENTE_STATE_TESTS: folder, ENTENTE_STATE_CASES: file };
  program("cargo", words, { cwd: beside("../.."), env: { ...process.env, ...environment } });
  return readCases(file).map((each) => ({ group: "Ethereum's state tests", ...each }));
}
