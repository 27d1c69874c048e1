// A reporter for Mocha: what becomes of each case, as a line of JSON in the file that CONFORMANCE_CASES names.
const fs = require("node:fs");

module.exports = class Teller {
  constructor(runner) {
    const file = fs.openSync(process.env.CONFORMANCE_CASES, "a");
    const waiting = new Set();
    const faults = new Map();
    const tell = (test, outcome, error) => {
      waiting.delete(test);
      const line = {
        name: test.fullTitle(),
        outcome,
        file: test.file,
        reason: error && String(error.message ?? error),
      };
      fs.writeSync(file, `${JSON.stringify(line)}\n`);
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
};
