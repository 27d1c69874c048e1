// A project with Hardhat, whose network is the node at NODE_URL. Its compiler comes from npm: Hardhat would fetch one.
const { subtask } = require("hardhat/config");
const { TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD } = require("hardhat/builtin-tasks/task-names");

require("@nomicfoundation/hardhat-ethers");

const solc = require("solc");

subtask(TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD, async () => ({
  compilerPath: require.resolve("solc/soljson.js"),
  isSolcJs: true,
  version: "0.8.37",
  longVersion: solc.version(),
}));

module.exports = {
  solidity: { version: "0.8.37", settings: { evmVersion: "osaka", optimizer: { enabled: true, runs: 200 } } },
  defaultNetwork: "entente",
  networks: { entente: { url: process.env.NODE_URL, accounts: process.env.NODE_KEYS.split(" ") } },
};
