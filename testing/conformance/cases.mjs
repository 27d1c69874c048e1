// What became of cases, held against the list of those that are known not to pass.
//
// A case is { group, name, outcome, reason }. Its outcome is `passed`, `failed` or `excluded`; the reason is what the
// suite said, and `known` the reason that we give for it, if there is one.
import { readFileSync } from "node:fs";

/// Of each hundred cases of a group so many must pass: of all, or of those that are run where a suite says how many of
/// each hundred it may exclude.
export const PASSING_MIN = 95;

/// The reasons of a list by the names of cases. A line without indentation is a reason; those below it are names.
export function readKnown(file) {
  const reasons = new Map();
  let reason;
  for (const line of readFileSync(file, "utf8").split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    if (!line.startsWith("    ")) reason = line;
    else if (reason === undefined) throw new Error(`${file}: a case stands above the first reason: ${line.trim()}`);
    else reasons.set(line.trim(), reason);
  }
  return reasons;
}

/// A case's name on one line, as it stands in a list.
const listed = (name) => name.replace(/\s+/g, " ").trim();

/// Gives each case that does not pass its reason, and says which of those listed do pass, or are no cases any more.
export function explain(cases, reasons) {
  const passing = new Map([...reasons.keys()].map((name) => [name, "is no case of this suite"]));
  for (const each of cases) {
    const name = listed(each.name);
    // What is not run at all says why itself.
    if (each.outcome === "excluded") each.known ??= each.reason;
    if (!reasons.has(name)) continue;
    if (each.outcome === "passed") {
      if (passing.has(name)) passing.set(name, "passes");
      continue;
    }
    each.known = reasons.get(name);
    passing.delete(name);
  }
  return [...passing].map(([name, why]) => `${name}: is listed and ${why}`);
}

const COLUMNS = ["suite", "run", "passed", "failed", "excluded", "passed of run", "passed of all"];

/// One row for each group: its figures, and what is wrong with them.
function row(group, { cases, excludedMax }) {
  const count = (outcome) => cases.filter((each) => each.outcome === outcome).length;
  const [passed, failed, excluded] = ["passed", "failed", "excluded"].map(count);
  const run = passed + failed;
  const shares = [run, cases.length].map((all) => (100 * passed) / Math.max(all, 1));
  const cells = [group, run, passed, failed, excluded].map(String);
  const shown = shares.map((share) => `${(Math.floor(share * 10) / 10).toFixed(1)} %`);
  const faults = [];
  const counted = excludedMax === undefined ? shares[1] : shares[0];
  if (counted < PASSING_MIN) faults.push(`fewer than ${PASSING_MIN} of 100 pass`);
  if (100 * excluded > excludedMax * cases.length) faults.push(`more than ${excludedMax} of 100 are excluded`);
  return { cells: [...cells, ...shown], faults };
}

function table(rows) {
  const lines = [COLUMNS, ...rows.map(({ cells }) => cells)];
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const pad = (cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]));
  return lines.map((line) => line.map(pad).join("  ")).join("\n");
}

/// Prints the cases that do not pass with their reasons, what the lists are wrong about, and the table. Whether all is
/// as it should be.
export function report(suites) {
  const all = suites.flatMap(({ cases }) => cases);
  const left = all.filter(({ outcome }) => outcome !== "passed");
  const reasons = new Set(left.map(({ known }) => known).filter(Boolean));
  for (const reason of reasons) {
    console.log(`\n${reason}`);
    for (const each of left.filter(({ known }) => known === reason)) {
      console.log(`  ${each.outcome.padEnd(8)}  ${each.group}: ${listed(each.name)}`);
    }
  }
  const unexplained = left.filter(({ known }) => known === undefined);
  if (unexplained.length > 0) console.log("\nWITHOUT A REASON");
  for (const each of unexplained) {
    console.log(`  ${each.outcome.padEnd(8)}  ${each.group}: ${listed(each.name)}`);
    if (each.reason) console.log(`            ${listed(each.reason).slice(0, 300)}`);
  }
  const wrong = suites.flatMap((suite) => suite.wrong ?? []);
  for (const line of wrong) console.log(`\nthe list is out of date: ${line}`);
  const groups = new Map();
  for (const { cases, excludedMax } of suites) {
    for (const each of cases) {
      const group = groups.get(each.group) ?? { cases: [], excludedMax };
      group.cases.push(each);
      groups.set(each.group, group);
    }
  }
  const rows = [...groups].map(([group, of]) => row(group, of));
  console.log(`\n${table(rows)}`);
  const faults = rows.flatMap(({ cells: [group], faults }) => faults.map((fault) => `${group}: ${fault}`));
  for (const fault of faults) console.log(fault);
  return unexplained.length === 0 && faults.length === 0 && all.length > 0;
}
