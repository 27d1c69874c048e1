// One of solc's semantic tests as it lies in a file: sources, settings, and what is expected.
import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "./expectations.mjs";

/// What soltest puts before each source.
function preamble(source) {
  const license = source.includes("SPDX-License-Identifier:") ? "" : "// SPDX-License-Identifier: GPL-3.0\n";
  return `pragma solidity >=0.0;\n${license}${source}`;
}

/// { sources, main, settings, calls }: the contract is the last one of the source `main`.
export function read(file) {
  const lines = readFileSync(file, "latin1").split("\n");
  const sources = {};
  const settings = {};
  let main = "";
  let text = "";
  let isSource = true;
  let line = 0;
  const put = () => {
    if (main !== "" || text !== "") sources[main] = Buffer.from(text, "latin1").toString("utf8");
  };
  for (; line < lines.length && !lines[line].startsWith("// ----"); line += 1) {
    const [, external, rest] = lines[line].match(/^==== (External)?Source:(.*)====$/) ?? [];
    const [, setting, value] = lines[line].match(/^\/\/ (\w+): (.*)$/) ?? [];
    if (lines[line].startsWith("// ====")) isSource = false;
    else if (!isSource && setting) settings[setting] = value.trim();
    else if (!isSource) continue;
    else if (external) {
      const [name, from = name] = rest.trim().split("=");
      sources[name] = readFileSync(path.join(path.dirname(file), from), "utf8");
    } else if (rest !== undefined) {
      put();
      [main, text] = [rest.trim(), ""];
    } else text += `${lines[line]}\n`;
  }
  put();
  for (const name of Object.keys(sources)) sources[name] = preamble(sources[name]);
  return { sources, main, settings, calls: parse(lines.slice(line + 1).join("")) };
}
