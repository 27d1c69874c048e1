// OpenZeppelin's own configuration, with three things put in: the compiler is npm's, where Hardhat would fetch one;
// the network may be a node; and a file is told of each case. It lies beside theirs, in a copy of their tree.
const fs = require("node:fs");
const path = require("node:path");
const { subtask } = require("hardhat/config");
const { TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD } = require("hardhat/builtin-tasks/task-names");

const theirs = require("./hardhat.config.js");

subtask(TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD, async ({ solcVersion: version }) => {
  const compiler = path.join(process.env.CONFORMANCE_COMPILERS, `solc-${version}`);
  if (!fs.existsSync(compiler))
    throw new Error(`solc ${version} is wanted: name it in testing/conformance/package.json`);
  const longVersion = require(compiler).version();
  return { compilerPath: path.join(compiler, "soljson.js"), isSolcJs: true, version, longVersion };
});

const url = process.env.CONFORMANCE_URL;
// As with Hardhat's own network: every transaction is sent with the most that one may have, and none is estimated.
// Hardhat heeds that for networks of two names alone.
const localhost = { url, gas: 2 ** 24, timeout: 120_000 };

module.exports = {
  ...theirs,
  defaultNetwork: url ? "localhost" : "hardhat",
  networks: { ...theirs.networks, ...(url && { localhost }) },
  mocha: { ...theirs.mocha, reporter: path.join(__dirname, "conformance.teller.cjs"), timeout: 120_000 },
};
