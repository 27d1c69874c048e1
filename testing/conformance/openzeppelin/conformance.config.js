// OpenZeppelin's own configuration, with three things put in: the compiler comes from npm, where Hardhat would fetch one;
// the network may be a node; and each case is told as a line of JSON. It lies beside theirs, in a copy of their tree.
const fs = require("node:fs");
const path = require("node:path");
const { subtask } = require("hardhat/config");
const { TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD } = require("hardhat/builtin-tasks/task-names");

const theirs = require("./hardhat.config.js");

subtask(TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD, async ({ solcVersion: version }) => {
  const compiler = path.join(process.env.CONFORMANCE_COMPILERS, `solc-${version}`);
  if (!fs.existsSync(compiler)) throw new Error(`solc ${version} is wanted: name it in testing/conformance/package.json`);
  const longVersion = require(compiler).version();
  return { compilerPath: path.join(compiler, "soljson.js"), isSolcJs: true, version, longVersion };
});

/// Tells a file what becomes of each case.
class Teller {
  constructor(runner) {
    const file = fs.openSync(process.env.CONFORMANCE_CASES, "a");
    const waiting = new Set();
    const faults = new Map();
    const tell = (test, outcome, error) => {
      waiting.delete(test);
      const line = { name: test.fullTitle(), outcome, file: path.relative(__dirname, test.file) };
      fs.writeSync(file, `${JSON.stringify({ ...line, reason: error && String(error.message ?? error) })}\n`);
    };
    runner.once("start", () => runner.suite.eachTest((test) => waiting.add(test)));
    runner.on("pass", (test) => tell(test, "passed"));
    runner.on("pending", (test) => tell(test, "excluded", "is skipped by its authors"));
    runner.on("fail", (test, error) => {
      // A hook is no case, and those that it keeps from running fail with it.
      if (test.type === "hook") faults.set(test.parent, error);
      else tell(test, "failed", error);
    });
    runner.once("end", () => {
      for (const test of waiting) {
        let suite = test.parent;
        while (suite && !faults.has(suite)) suite = suite.parent;
        tell(test, "failed", faults.get(suite) ?? "did not run");
      }
      fs.closeSync(file);
    });
  }
}

const url = process.env.CONFORMANCE_URL;
// As with Hardhat's own network: every transaction is sent with the most that one may have, and none is estimated. Hardhat
// heeds that for networks of two names alone.
const localhost = { url, gas: 2 ** 24, timeout: 120_000 };

module.exports = {
  ...theirs,
  defaultNetwork: url ? "localhost" : "hardhat",
  networks: { ...theirs.networks, ...(url && { localhost }) },
  mocha: { ...theirs.mocha, reporter: Teller, timeout: 120_000 },
};
