// What somebody with Hardhat does, by its plugin for ethers: hardhat run use.cjs.
const assert = require("node:assert/strict");
const { readFileSync } = require("node:fs");
const { ethers, network } = require("hardhat");

const SUPPLY = 10n ** 21n;
const kept = {};

const deploy = async (...of) => (await ethers.deployContract(...of)).waitForDeployment();

/// The name and arguments of the custom error by which a call is refused: Hardhat passes on what the node says, whose
/// data is read by the contract's ABI.
async function refusal(contract, promise) {
  const { data } = await promise.then(assert.fail, (error) => error);
  const { name, args } = contract.interface.parseError(data);
  return [name, ...args];
}

async function chain() {
  [kept.alice, kept.bob, kept.carol] = await ethers.getSigners();
  assert.equal(BigInt(await network.provider.send("eth_chainId")), (await ethers.provider.getNetwork()).chainId);
}

async function erc20() {
  const { alice, bob } = kept;
  const coin = (kept.coin = await deploy("Coin", ["Coin", "COIN", SUPPLY]));
  const receipt = (kept.transfer = await (await coin.transfer(bob, 25n)).wait());
  assert.equal(await coin.balanceOf(bob), 25n);
  assert.equal(await coin.balanceOf(bob, { blockTag: receipt.blockNumber - 1 }), 0n);
  assert.deepEqual([...receipt.logs[0].args], [alice.address, bob.address, 25n]);
}

async function erc721() {
  const deed = await deploy("Deed");
  await (await deed.mint(kept.bob, 7n)).wait();
  assert.equal(await deed.ownerOf(7n), kept.bob.address);
}

async function proxy() {
  const [first, second] = [await deploy("Counter"), await deploy("CounterByTen")];
  const call = first.interface.encodeFunctionData("initialize", [kept.alice.address]);
  const behind = await deploy("CounterProxy", [await first.getAddress(), call]);
  const counter = await ethers.getContractAt("Counter", await behind.getAddress());
  await (await counter.increase()).wait();
  await (await counter.upgradeToAndCall(second, "0x")).wait();
  await (await counter.increase()).wait();
  assert.equal(await counter.count(), 11n);
}

async function logs() {
  const { alice, bob, coin, transfer } = kept;
  const found = await coin.queryFilter(coin.filters.Transfer(alice, bob));
  assert.deepEqual(
    found.map(({ transactionHash, args }) => [transactionHash, args.value]),
    [[transfer.hash, 25n]],
  );
  const ofBlock = await ethers.provider.getLogs({ blockHash: transfer.blockHash, address: await coin.getAddress() });
  assert.deepEqual(
    ofBlock.map(({ transactionHash }) => transactionHash),
    [transfer.hash],
  );
  // Hardhat's provider passes on what the plugin has no functions for.
  const topics = await coin.filters.Transfer(null, bob).getTopicFilter();
  const filter = { address: await coin.getAddress(), topics };
  const id = await network.provider.send("eth_newFilter", [filter]);
  const receipt = await (await coin.transfer(bob, 1n)).wait();
  for (const hashes of [[receipt.hash], []]) {
    const changes = await network.provider.send("eth_getFilterChanges", [id]);
    assert.deepEqual(
      changes.map(({ transactionHash }) => transactionHash),
      hashes,
    );
  }
}

async function subscriptions() {
  // Hardhat asks for what it tells, since it has no connection by which the node could. It begins to in its own time, and
  // what was done before is not told of: so Alice acts until it is.
  const { bob, coin } = kept;
  const [blocks, events, receipts] = [[], [], []];
  await ethers.provider.on("block", (number) => blocks.push(number));
  await coin.on(coin.filters.Transfer(null, bob), (event) => events.push(event));
  for (let round = 0; round < 60 && !(blocks.length > 0 && events.length > 0); round += 1) {
    receipts.push(await (await coin.transfer(bob, 2n)).wait());
    await new Promise((resolve) => setTimeout(resolve, 600));
  }
  const [{ args, log }] = events;
  assert.equal(args.value, 2n);
  assert.ok(receipts.some(({ hash }) => hash === log.transactionHash));
  assert.ok(receipts.some(({ blockNumber }) => blockNumber === blocks[0]));
  await coin.removeAllListeners();
  await ethers.provider.removeAllListeners();
}

async function errors() {
  const { alice, bob } = kept;
  const coin = kept.coin.connect(bob);
  const expected = ["ERC20InsufficientBalance", bob.address, await coin.balanceOf(bob), SUPPLY];
  for (const attempt of ["staticCall", "estimateGas", "send"]) {
    assert.deepEqual(await refusal(coin, coin.transfer[attempt](alice, SUPPLY)), expected);
  }
  // In a block all the same.
  const response = await coin.transfer(alice, SUPPLY, { gasLimit: 100_000n });
  const { receipt } = await response.wait().then(assert.fail, (error) => error);
  assert.deepEqual([receipt.status, receipt.logs.length], [0, 0]);
  await assert.rejects(bob.sendTransaction({ to: alice, gasLimit: 21_000n, nonce: 0 }), /nonce too low/);
}

async function gas() {
  const { alice, bob, coin } = kept;
  const estimate = await coin.transfer.estimateGas(bob, 3n);
  const receipt = await (await coin.transfer(bob, 3n, { gasLimit: estimate })).wait();
  assert.ok(receipt.gasUsed <= estimate && estimate < receipt.gasUsed * 2n, `${estimate}, ${receipt.gasUsed}`);
  assert.equal(receipt.from, alice.address);
}

async function traces() {
  const { alice, coin, transfer } = kept;
  const trace = (...options) => network.provider.send("debug_traceTransaction", [transfer.hash, ...options]);
  const frame = await trace({ tracer: "callTracer" });
  assert.deepEqual(
    [frame.type, ethers.getAddress(frame.from), ethers.getAddress(frame.to), BigInt(frame.gasUsed)],
    ["CALL", alice.address, await coin.getAddress(), transfer.gasUsed],
  );
  const steps = await trace();
  assert.ok(!steps.failed && steps.structLogs.some(({ op }) => op === "SSTORE"));
}

async function fields() {
  const { alice, bob, coin } = kept;
  const to = await coin.getAddress();
  const accessList = [{ address: to, storageKeys: [ethers.ZeroHash] }];
  for (const [type, form] of [{ gasPrice: 0n }, { gasPrice: 0n, accessList }, {}].entries()) {
    const receipt = await (await coin.transfer(bob, 4n, { type, ...form })).wait();
    const transaction = await ethers.provider.getTransaction(receipt.hash);
    assert.deepEqual(
      [transaction.type, receipt.type, transaction.from, transaction.to],
      [type, type, alice.address, to],
    );
    assert.deepEqual([receipt.status, receipt.gasPrice, receipt.blockHash], [1, 0n, transaction.blockHash]);
    const block = await ethers.provider.getBlock(receipt.blockNumber, true);
    assert.equal(block.getPrefetchedTransaction(receipt.index).hash, receipt.hash);
    assert.equal((await ethers.provider.getBlock(block.number - 1)).hash, block.parentHash);
  }
}

async function nonces() {
  const { bob, carol } = kept;
  const count = (tag) => ethers.provider.getTransactionCount(carol, tag);
  const send = (nonce) => carol.sendTransaction({ to: bob, nonce, gasLimit: 21_000n });
  const sent = [await send(2)];
  assert.equal(await count("pending"), 0);
  for (const nonce of [1, 0]) sent.push(await send(nonce));
  assert.equal(await count("pending"), 3);
  for (const response of sent) assert.equal((await response.wait()).status, 1);
  assert.deepEqual([await count("latest"), await count("pending")], [3, 3]);
}

async function delegations() {
  const { alice, bob, coin } = kept;
  const [address, { chainId }] = [await coin.getAddress(), await ethers.provider.getNetwork()];
  const dave = ethers.Wallet.createRandom();
  const authorization = await dave.authorize({ address, chainId, nonce: 0 });
  const receipt = await (await alice.sendTransaction({ type: 4, to: bob, authorizationList: [authorization] })).wait();
  assert.deepEqual([receipt.status, receipt.type], [1, 4]);
  assert.equal(await ethers.provider.getCode(dave.address), ethers.concat(["0xef0100", address]));
  assert.equal(await coin.attach(dave.address).decimals(), 18n);
}

/// The Rust token, whose ABI and code lie beside this as if a compiler of Hardhat's had left them.
async function wasm() {
  const { alice, bob } = kept;
  const { abi, bytecode } = JSON.parse(readFileSync("token.json", "utf8"));
  const factory = await ethers.getContractFactory(abi, bytecode);
  const token = await (await factory.deploy()).waitForDeployment();
  assert.deepEqual([await token.symbol(), await token.decimals()], ["ENT", 18n]);
  const receipt = await (await token.transfer(bob, 25n)).wait();
  assert.deepEqual([...receipt.logs[0].args], [alice.address, bob.address, 25n]);
  assert.equal(await token.balanceOf(bob), 25n);
  assert.equal((await token.queryFilter(token.filters.Transfer(alice))).length, 1);
  const refused = await refusal(token, token.connect(bob).transfer.staticCall(alice, 26n));
  assert.deepEqual(refused, ["ERC20InsufficientBalance", bob.address, 25n, 26n]);
}

const STEPS = [
  chain,
  erc20,
  erc721,
  proxy,
  logs,
  subscriptions,
  errors,
  gas,
  traces,
  fields,
  nonces,
  delegations,
  wasm,
];

async function run() {
  for (const step of STEPS) {
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
