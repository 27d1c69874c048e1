#!/usr/bin/env node
// The compiler from npm, as forge calls one: it cannot fetch its own.
const solc = require("solc");

if (process.argv.includes("--version")) {
  console.log(`Version: ${solc.version().replace("Emscripten.clang", "Linux.g++")}`);
} else {
  process.stdout.write(solc.compile(require("fs").readFileSync(0, "utf8")));
}
