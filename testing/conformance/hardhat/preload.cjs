// Before Hardhat's own tests: what they would have as Hardhat's network is the node, begun anew each time.
const construction = require("hardhat/internal/core/providers/construction");
const { HttpProvider } = require("hardhat/internal/core/providers/http");

const url = process.env.CONFORMANCE_URL;
const create = construction.createProvider;
const NODE = {
  url,
  accounts: "remote",
  gas: "auto",
  gasPrice: "auto",
  gasMultiplier: 1,
  httpHeaders: {},
  timeout: 120_000,
};

construction.createProvider = async (config, name, ...more) => {
  await new HttpProvider(url, name).request({ method: "hardhat_reset", params: [] });
  return create({ ...config, networks: { ...config.networks, node: NODE } }, "node", ...more);
};
