// Runs one compiler: `node -e THIS SOLJSON < standard JSON input > {"version", "output"}`. The compiler is one function
// from text to text. It reads no files: every source is in the input.
"use strict";
const compiler = require(process.argv[1]);
const compile = "_solidity_compile" in compiler ? "solidity_compile" : "compileStandard";
const version = "_solidity_version" in compiler ? "solidity_version" : "version";
const input = require("fs").readFileSync(0, "utf8");
// The two numbers: no callback for imports, no context of one.
const output = compiler.cwrap(compile, "string", ["string", "number", "number"])(input, 0, 0);
const answer = { version: compiler.cwrap(version, "string", [])(), output: JSON.parse(output) };
process.stdout.write(JSON.stringify(answer));
