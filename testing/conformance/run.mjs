// Other people's suites, whole: node run.mjs FIXTURES ENTENTE WORK [ONLY]. FIXTURES is the folder that holds them,
// ENTENTE our program, WORK a folder for what is installed and compiled; ONLY names one of the suites.
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { explain, readKnown, report } from "./cases.mjs";
import * as hardhat from "./hardhat.mjs";
import * as openzeppelin from "./openzeppelin.mjs";
import * as semantic from "./semantic.mjs";
import * as states from "./states.mjs";
import { beside } from "./tools.mjs";

const SUITES = { states, semantic, openzeppelin, hardhat };

const [fixtures, entente, work, only] = process.argv.slice(2).map((text) => text && path.resolve(text));
const wanted = only && path.basename(only);
if (!work || (wanted && !(wanted in SUITES))) {
  console.error(`usage: node run.mjs FIXTURES ENTENTE WORK [${Object.keys(SUITES).join("|")}]`);
  process.exit(2);
}
mkdirSync(work, { recursive: true });

const ran = [];
for (const [name, suite] of Object.entries(SUITES)) {
  if (wanted && wanted !== name) continue;
  const folder = suite.FOLDERS.map((each) => path.join(fixtures, each)).find(existsSync);
  if (!folder) {
    console.log(`${name}: not run, for ${fixtures} has no ${suite.FOLDERS.join(" and no ")}`);
    continue;
  }
  console.log(`${name}: ${folder}`);
  const cases = await suite.run({ folder, entente, work });
  const wrong = suite.KNOWN ? explain(cases, readKnown(beside(`known/${suite.KNOWN}`))) : [];
  ran.push({ cases, wrong, excludedMax: suite.EXCLUDED_MAX });
}
process.exit(report(ran) ? 0 : 1);
