// Before Hardhat's own tests: what they would have as Hardhat's network is the node, begun anew each time, and compilers
// come from npm.
const construction = require("hardhat/internal/core/providers/construction");
const { HttpProvider } = require("hardhat/internal/core/providers/http");
const { CompilerDownloader } = require("hardhat/internal/solidity/compiler/downloader");

const url = process.env.CONFORMANCE_URL;
const create = construction.createProvider;

construction.createProvider = async (config, name, ...more) => {
  await new HttpProvider(url, name).request({ method: "hardhat_reset", params: [] });
  const { gas, gasPrice, gasMultiplier } = config.networks[name];
  const node = { url, accounts: "remote", gas, gasPrice, gasMultiplier, httpHeaders: {}, timeout: 120_000 };
  return create({ ...config, networks: { ...config.networks, node } }, "node", ...more);
};

Object.assign(CompilerDownloader.prototype, {
  isCompilerDownloaded: async () => true,
  getCompiler: async (version) => {
    // It is not loaded here to ask for its version: a compiler of old would end this process on whatever goes wrong.
    const compilerPath = require.resolve(`solc-${version}/soljson.js`);
    return { version, longVersion: version, compilerPath, isSolcJs: true };
  },
});
