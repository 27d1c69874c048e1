// Before Hardhat's own tests: what they would have as Hardhat's network is the node, begun anew each time, and compilers
// come from npm.
const construction = require("hardhat/internal/core/providers/construction");
const { HttpProvider } = require("hardhat/internal/core/providers/http");
const { CompilerDownloader } = require("hardhat/internal/solidity/compiler/downloader");
const { ProviderWrapper } = require("hardhat/plugins");
const { computeAddress } = require("ethers");

const url = process.env.CONFORMANCE_URL;
const create = construction.createProvider;

/// Begins the node's chain anew, as Hardhat's own would begin.
async function begin({ blockGasLimit }) {
  const http = new HttpProvider(url, "node");
  const ask = (method, ...params) => http.request({ method, params });
  await ask("hardhat_reset");
  // The first block of Hardhat's chain is of now; the node's is as old as the node, and its clock goes on from there.
  const { timestamp } = await ask("eth_getBlockByNumber", "latest", false);
  await ask("evm_setTime", timestamp);
  await ask("evm_setBlockGasLimit", blockGasLimit);
}

/// Shows the accounts that a project has for Hardhat's own network in place of the node's. Nothing is signed for them.
class Shown extends ProviderWrapper {
  constructor(provider, accounts) {
    super(provider);
    this.addresses = accounts.map(({ privateKey }) => computeAddress(privateKey).toLowerCase());
  }

  async request(asked) {
    return asked.method === "eth_accounts" ? this.addresses : this._wrappedProvider.request(asked);
  }
}

construction.createProvider = async (config, name, artifacts, extenders = []) => {
  const { hardhat, [name]: network } = config.networks;
  await begin(hardhat);
  const { gas, gasPrice, gasMultiplier } = network;
  // Keys that a project has for a node stay its own.
  const accounts = name === "hardhat" ? "remote" : network.accounts;
  const node = { url, accounts, gas, gasPrice, gasMultiplier, httpHeaders: {}, timeout: 120_000 };
  const isShown = name === "hardhat" && Array.isArray(network.accounts);
  const shown = isShown ? [(provider) => new Shown(provider, network.accounts)] : [];
  const networks = { ...config.networks, node };
  return create({ ...config, networks }, "node", artifacts, [...extenders, ...shown]);
};

Object.assign(CompilerDownloader.prototype, {
  isCompilerDownloaded: async () => true,
  getCompiler: async (version) => {
    // It is not loaded here to ask for its version: a compiler of old would end this process on whatever goes wrong.
    const compilerPath = require.resolve(`solc-${version}/soljson.js`);
    return { version, longVersion: version, compilerPath, isSolcJs: true };
  },
});
