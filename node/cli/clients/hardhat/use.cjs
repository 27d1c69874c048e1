// What somebody with Hardhat does, by its plugin for ethers: hardhat run use.cjs.
const assert = require("node:assert/strict");
const { ethers, network } = require("hardhat");

const SUPPLY = 10n ** 21n;
const kept = {};

async function chain() {
  [kept.alice, kept.bob] = await ethers.getSigners();
  assert.equal(BigInt(await network.provider.send("eth_chainId")), (await ethers.provider.getNetwork()).chainId);
}

async function erc20() {
  const { alice, bob } = kept;
  const coin = (kept.coin = await ethers.deployContract("Coin", ["Coin", "COIN", SUPPLY]));
  await coin.waitForDeployment();
  const receipt = await (await coin.transfer(bob, 25n)).wait();
  assert.equal(await coin.balanceOf(bob), 25n);
  assert.deepEqual([...receipt.logs[0].args], [alice.address, bob.address, 25n]);
  assert.equal((await coin.queryFilter(coin.filters.Transfer(alice, bob))).length, 1);
}

async function erc721() {
  const deed = await ethers.deployContract("Deed");
  await (await deed.mint(kept.bob, 7n)).wait();
  assert.equal(await deed.ownerOf(7n), kept.bob.address);
}

async function proxy() {
  const [first, second] = [await ethers.deployContract("Counter"), await ethers.deployContract("CounterByTen")];
  const call = first.interface.encodeFunctionData("initialize", [kept.alice.address]);
  const behind = await ethers.deployContract("CounterProxy", [await first.getAddress(), call]);
  const counter = await ethers.getContractAt("Counter", await behind.getAddress());
  await (await counter.increase()).wait();
  await (await counter.upgradeToAndCall(second, "0x")).wait();
  await (await counter.increase()).wait();
  assert.equal(await counter.count(), 11n);
}

async function errors() {
  const { alice, bob, coin } = kept;
  // Hardhat passes on what the node says; its data is read by the contract's ABI.
  for (const attempt of ["staticCall", "estimateGas", "send"]) {
    const error = await coin
      .connect(bob)
      .transfer[attempt](alice, SUPPLY)
      .then(assert.fail, (error) => error);
    const { name, args } = coin.interface.parseError(error.data);
    assert.deepEqual([name, ...args], ["ERC20InsufficientBalance", bob.address, 25n, SUPPLY]);
  }
}

async function gas() {
  const { alice, bob, coin } = kept;
  const estimate = await coin.transfer.estimateGas(bob, 3n);
  const receipt = await (await coin.transfer(bob, 3n, { gasLimit: estimate })).wait();
  assert.ok(receipt.gasUsed <= estimate);
  assert.equal(receipt.from, alice.address);
}

async function run() {
  for (const step of [chain, erc20, erc721, proxy, errors, gas]) {
    await step();
    console.log(step.name);
  }
}

run().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
