// node --test testing/conformance: what the runner itself reads and says.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "node:test";
import { explain, readKnown, report } from "./cases.mjs";
import { parse, parseEffect } from "./semantic/expectations.mjs";
import { read } from "./semantic/file.mjs";

/// What is done with a file of this text.
function withFile(name, text, use) {
  const folder = mkdtempSync(path.join(tmpdir(), "entente-conformance-"));
  try {
    writeFileSync(path.join(folder, name), text);
    return use(path.join(folder, name));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/// What is printed meanwhile, and what comes of it.
function printed(what) {
  const lines = [];
  const { log } = console;
  console.log = (line) => lines.push(line);
  try {
    return { result: what(), text: lines.join("\n") };
  } finally {
    console.log = log;
  }
}

const word = (number) => BigInt.asUintN(256, BigInt(number)).toString(16).padStart(64, "0");
const text = (characters) => Buffer.from(characters).toString("hex").padEnd(64, "0");
const hex = (bytes) => Buffer.from(bytes).toString("hex");
const cases = (outcome, names) => names.map((name) => ({ group: "suite", name, outcome, reason: "why" }));

test("a list gives its reasons, and what it is wrong about is told", () => {
  const reasons = withFile("known.txt", "# a list\nfor a reason\n    one case\n    another\n\n    gone\n", readKnown);
  assert.deepEqual(
    [...reasons],
    [
      ["one case", "for a reason"],
      ["another", "for a reason"],
      ["gone", "for a reason"],
    ],
  );
  const all = [
    ...cases("failed", ["one\n  case", "unknown"]),
    ...cases("passed", ["another"]),
    ...cases("excluded", ["not run"]),
  ];
  assert.deepEqual(explain(all, reasons), [
    "another: is listed and passes",
    "gone: is listed and is no case of this suite",
  ]);
  assert.deepEqual(
    all.map(({ known }) => known),
    ["for a reason", undefined, undefined, "why"],
  );
  assert.throws(() => withFile("known.txt", "    one case\n", readKnown), /above the first reason: one case/);
});

test("a run is as it should be where enough pass, no more are excluded than may be and all have a reason", () => {
  const many = cases("passed", Array(95).fill("good"));
  const five = cases("failed", Array(5).fill("bad"));
  const explained = (some) => some.map((each) => ({ ...each, known: "for a reason" }));
  const known = explained(five);
  const good = printed(() => report([{ cases: [...many, ...known] }]));
  assert.equal(good.result, true);
  assert.match(good.text, /suite\s+100\s+95\s+5\s+0\s+95\.0 %\s+95\.0 %/);
  assert.match(good.text, /for a reason\n {2}failed {4}suite: bad/);
  const unexplained = printed(() => report([{ cases: [...many, ...known.slice(1), five[0]] }]));
  assert.equal(unexplained.result, false);
  assert.match(unexplained.text, /WITHOUT A REASON\n {2}failed {4}suite: bad\n\s+why/);
  const few = printed(() => report([{ cases: [...many.slice(1), ...known] }]));
  assert.equal(few.result, false);
  assert.match(few.text, /suite: fewer than 95 of 100 pass/);
  const apart = (count) => explained(cases("excluded", Array(count).fill("apart")));
  const whole = printed(() => report([{ cases: [...many, ...known, ...apart(1)] }]));
  assert.equal(whole.result, false);
  assert.match(whole.text, /suite: fewer than 95 of 100 pass/);
  const some = printed(() => report([{ cases: [...many, ...known, ...apart(11)], excludedMax: 10 }]));
  assert.equal(some.result, true);
  assert.match(some.text, /suite\s+100\s+95\s+5\s+11\s+95\.0 %\s+85\.5 %/);
  const most = printed(() => report([{ cases: [...many, ...known, ...apart(12)], excludedMax: 10 }]));
  assert.equal(most.result, false);
  assert.match(most.text, /suite: more than 10 of 100 are excluded/);
  assert.equal(printed(() => report([])).result, false);
});

test("what a semantic test expects is read", () => {
  const [library, constructed, called, failing, raw, builtin] = parse(
    [
      '// library: "a.sol":L',
      "// constructor(), 2 wei: 3, -1, true ->",
      "// gas irOptimized: 100",
      '// f((uint256,bytes[2])[],string): 0x20, "ab\\x01", left(0x0102), hex"304"',
      "// -> # on the next line #",
      "// 7, right(8)",
      "// ~ emit E(uint256): #0x05, 6",
      '// g() -> FAILURE, hex"4e487b71", 0x11',
      "// (), 1 ether ->",
      "// balance -> 1",
    ].join(""),
  );
  assert.deepEqual([library.kind, library.file, library.signature], ["library", "a.sol", "L"]);
  assert.deepEqual([constructed.kind, constructed.value, constructed.fails], ["constructor", 2n, false]);
  assert.equal(hex(constructed.input), word(3) + word(-1) + word(1));
  assert.equal(called.signature, "f((uint256,bytes[2])[],string)");
  assert.equal(hex(called.input), `${word(32)}${text("ab\x01")}${"0102".padEnd(64, "0")}0304`);
  assert.equal(hex(called.output), word(7) + word(8));
  assert.deepEqual(called.effects, ["emit E(uint256): #0x05, 6"]);
  assert.deepEqual([failing.fails, hex(failing.output)], [true, `4e487b71${word(0x11)}`]);
  assert.deepEqual([raw.kind, raw.value, raw.output.length], ["raw", 10n ** 18n, 0]);
  assert.deepEqual([builtin.kind, hex(builtin.output)], ["builtin", word(1)]);
  assert.throws(() => parse("// f() -> !"), /no token/);
});

test("an event of a semantic test is read", () => {
  const told = parseEffect('emit E(uint256,string) from 0x0a: #0x05, #"x", 0x20, "y"');
  assert.deepEqual([told.name, told.from], ["E(uint256,string)", "0a"]);
  assert.deepEqual(told.topics.map(hex), [word(5), text("x")]);
  assert.deepEqual(told.data.map(hex), [word(32), text("y")]);
  assert.deepEqual(parseEffect("emit <anonymous>"), { name: "<anonymous>", from: undefined, topics: [], data: [] });
});

test("a semantic test is read from its file", () => {
  const lines = [
    "==== Source: a ====",
    "contract A {}",
    "==== Source: b ====",
    "contract B {}",
    "// ====",
    "// compileViaYul: true",
    "// ----",
    "// f() -> 1",
  ];
  const found = withFile("a.sol", lines.join("\n"), read);
  assert.deepEqual(Object.keys(found.sources), ["a", "b"]);
  assert.match(found.sources.b, /^pragma solidity >=0\.0;\n\/\/ SPDX-License-Identifier: GPL-3\.0\ncontract B \{\}\n$/);
  assert.deepEqual([found.main, found.settings.compileViaYul, found.calls.length], ["b", "true", 1]);
});
