// What a program with ethers does.
import assert from "node:assert/strict";

import { contracts, http, load, run, socket, told, token } from "./common.mjs";

const ethers = load("ethers");
const { Contract, ContractFactory, JsonRpcProvider, Wallet, WebSocketProvider } = ethers;

const provider = new JsonRpcProvider(http, undefined, { cacheTimeout: -1 });
provider.pollingInterval = 100;
const account = () => new Wallet(ethers.hexlify(ethers.randomBytes(32)), provider);
const [alice, bob] = [account(), account()];
const SUPPLY = ethers.parseEther("1000");
const kept = {};

async function deploy({ abi, bytecode }, ...parameters) {
  const contract = await new ContractFactory(abi, bytecode, alice).deploy(...parameters);
  const receipt = await contract.deploymentTransaction().wait();
  assert.equal(receipt.status, 1);
  assert.equal(receipt.contractAddress, await contract.getAddress());
  return contract;
}

/// How a call, an estimate or a transaction was refused.
async function refusal(promise) {
  const error = await promise.then(
    () => assert.fail("it was not refused"),
    (error) => error,
  );
  assert.equal(error.code, "CALL_EXCEPTION", error);
  return error;
}

/// The name and the arguments of the custom error of a refusal. ethers decodes those of calls itself.
async function reverted(contract, promise) {
  const error = await refusal(promise);
  const { name, args } = error.revert ?? contract.interface.parseError(error.data);
  return [name, ...args];
}

async function chain() {
  const { chainId } = await provider.getNetwork();
  assert.equal(chainId, BigInt(await provider.send("net_version", [])));
  assert.match(await provider.send("web3_clientVersion", []), /^entente/i);
  assert.equal((await provider.getFeeData()).gasPrice, 0n);
  const genesis = await provider.getBlock(0);
  assert.equal(genesis.number, 0);
  assert.equal(await provider.getBalance(alice), 0n);
}

async function erc20() {
  const coin = (kept.coin = await deploy(contracts.Coin, "Coin", "COIN", SUPPLY));
  assert.notEqual(await provider.getCode(coin), "0x");
  assert.equal(await coin.name(), "Coin");
  const response = await coin.transfer(bob, 25n);
  const receipt = await response.wait();
  assert.deepEqual([await coin.balanceOf(bob), await coin.balanceOf(alice)], [25n, SUPPLY - 25n]);
  assert.equal(await coin.balanceOf(bob, { blockTag: receipt.blockNumber - 1 }), 0n);
  const [log] = receipt.logs;
  assert.deepEqual([...log.args], [alice.address, bob.address, 25n]);
  kept.transfer = receipt;
}

async function erc721() {
  const deed = await deploy(contracts.Deed);
  await (await deed.mint(alice, 7n)).wait();
  await (await deed["safeTransferFrom(address,address,uint256)"](alice, bob, 7n)).wait();
  assert.equal(await deed.ownerOf(7n), bob.address);
  assert.deepEqual(await reverted(deed, deed.ownerOf(8n)), ["ERC721NonexistentToken", 8n]);
}

async function proxy() {
  const [first, second] = [await deploy(contracts.Counter), await deploy(contracts.CounterByTen)];
  const call = first.interface.encodeFunctionData("initialize", [alice.address]);
  const behind = await deploy(contracts.CounterProxy, await first.getAddress(), call);
  const counter = new Contract(await behind.getAddress(), contracts.Counter.abi, alice);
  await (await counter.increase()).wait();
  const upgrade = counter.connect(bob).upgradeToAndCall.staticCall(second, "0x");
  assert.deepEqual(await reverted(counter, upgrade), ["NotOwner", bob.address, alice.address]);
  await (await counter.upgradeToAndCall(second, "0x")).wait();
  await (await counter.increase()).wait();
  assert.equal(await counter.count(), 11n);
  // Where ERC-1967 says that the implementation stands.
  const slot = ethers.toBeHex(BigInt(ethers.id("eip1967.proxy.implementation")) - 1n, 32);
  assert.equal(
    ethers.getAddress(ethers.dataSlice(await provider.getStorage(counter, slot), 12)),
    await second.getAddress(),
  );
}

async function logs() {
  const { coin, transfer } = kept;
  const found = await coin.queryFilter(coin.filters.Transfer(alice, bob), 0, "latest");
  assert.deepEqual(
    found.map((log) => log.transactionHash),
    [transfer.hash],
  );
  const ofBlock = await provider.getLogs({ blockHash: transfer.blockHash, address: coin });
  assert.equal(ofBlock.length, 1);
  assert.equal((await coin.queryFilter(coin.filters.Transfer(bob))).length, 0);
  // ethers keeps a filter at the node, by eth_newFilter, and asks it.
  const heard = new Promise((resolve) => coin.once(coin.filters.Transfer(null, bob), resolve));
  const [{ args, log }, receipts] = await told(heard, transferred(1n));
  assert.equal(args.value, 1n);
  assert.ok(receipts.some(({ hash }) => hash === log.transactionHash));
}

const transferred = (value) => async () => (await kept.coin.transfer(bob, value)).wait();

async function subscriptions() {
  const listening = new WebSocketProvider(socket);
  const coin = new Contract(await kept.coin.getAddress(), contracts.Coin.abi, listening);
  const once = (emitter, event) => new Promise((resolve) => emitter.once(event, resolve));
  const heard = [once(coin, coin.filters.Transfer(null, bob)), once(listening, "block"), once(listening, "pending")];
  const [[{ args }, number, pending], receipts] = await told(Promise.all(heard), transferred(2n));
  assert.equal(args.value, 2n);
  assert.ok(receipts.some(({ blockNumber }) => blockNumber === number));
  assert.ok(receipts.some(({ hash }) => hash === pending));
}

async function errors() {
  const coin = kept.coin.connect(bob);
  const held = await coin.balanceOf(bob);
  const expected = ["ERC20InsufficientBalance", bob.address, held, SUPPLY];
  for (const attempt of ["staticCall", "estimateGas", "send"]) {
    assert.deepEqual(await reverted(coin, coin.transfer[attempt](alice, SUPPLY)), expected);
  }
  // In a block all the same.
  const response = await coin.transfer(alice, SUPPLY, { gasLimit: 100_000n });
  const { receipt } = await refusal(response.wait());
  assert.deepEqual([receipt.status, receipt.logs.length], [0, 0]);
  // What ethers makes of a node's words.
  const raw = await bob.signTransaction({
    ...(await bob.populateTransaction({ to: alice, gasLimit: 21_000n })),
    nonce: 0,
  });
  await assert.rejects(provider.broadcastTransaction(raw), { code: "NONCE_EXPIRED" });
}

async function gas() {
  const { coin } = kept;
  const estimate = await coin.transfer.estimateGas(bob, 3n);
  const receipt = await (await coin.transfer(bob, 3n, { gasLimit: estimate })).wait();
  assert.ok(receipt.gasUsed <= estimate && estimate < receipt.gasUsed * 2n, `${estimate}, ${receipt.gasUsed}`);
  assert.equal(await alice.estimateGas({ to: bob }), 21_000n);
}

async function traces() {
  const { hash, blockNumber } = kept.transfer;
  const [to, input] = [await kept.coin.getAddress(), (await provider.getTransaction(hash)).data];
  const frame = await provider.send("debug_traceTransaction", [hash, { tracer: "callTracer" }]);
  assert.deepEqual(
    [frame.type, ethers.getAddress(frame.from), ethers.getAddress(frame.to), frame.input],
    ["CALL", alice.address, to, input],
  );
  assert.equal(BigInt(frame.gasUsed), kept.transfer.gasUsed);
  const steps = await provider.send("debug_traceTransaction", [hash, {}]);
  assert.ok(!steps.failed && steps.structLogs.some(({ op }) => op === "SSTORE"));
  const touched = await provider.send("debug_traceCall", [
    { from: alice.address, to, data: input },
    "latest",
    { tracer: "prestateTracer" },
  ]);
  assert.ok(to.toLowerCase() in touched, JSON.stringify(touched));
  const ofBlock = await provider.send("debug_traceBlockByNumber", [
    ethers.toQuantity(blockNumber),
    { tracer: "callTracer" },
  ]);
  assert.equal(ofBlock[0].txHash, hash);
}

async function fields() {
  const { coin } = kept;
  const access = [{ address: await coin.getAddress(), storageKeys: [ethers.ZeroHash] }];
  for (const type of [0, 1, 2]) {
    const response = await coin.transfer(bob, 4n, { type, ...(type === 1 ? { accessList: access } : {}) });
    const receipt = await response.wait();
    const transaction = await provider.getTransaction(receipt.hash);
    assert.deepEqual(
      [transaction.type, receipt.type, transaction.from, transaction.to],
      [type, type, alice.address, access[0].address],
    );
    assert.deepEqual(
      [transaction.nonce, transaction.index, receipt.index],
      [response.nonce, receipt.index, transaction.index],
    );
    assert.deepEqual(
      [receipt.gasPrice, receipt.blockHash, transaction.blockHash],
      [0n, transaction.blockHash, receipt.blockHash],
    );
    // ethers takes the sender from the signature; the hash covers all fields.
    assert.equal(ethers.Transaction.from(transaction).hash, receipt.hash);
    const block = await provider.getBlock(receipt.blockNumber, true);
    assert.equal(block.hash, receipt.blockHash);
    assert.equal(block.getPrefetchedTransaction(receipt.hash).from, alice.address);
    assert.equal((await provider.getBlock(block.number - 1)).hash, block.parentHash);
    assert.ok(block.gasUsed >= receipt.gasUsed && block.gasLimit >= block.gasUsed && block.baseFeePerGas === 0n);
  }
}

async function nonces() {
  const carol = account();
  const before = await carol.getNonce("pending");
  const send = (nonce) => carol.sendTransaction({ to: bob, nonce, gasLimit: 21_000n });
  // The first waits for those before it.
  const responses = [await send(before + 2)];
  assert.equal(await carol.getNonce("pending"), before);
  responses.push(...(await Promise.all([0, 1, 3, 4].map((place) => send(before + place)))));
  assert.equal(await carol.getNonce("pending"), before + 5);
  const receipts = await Promise.all(responses.map((response) => response.wait()));
  assert.ok(receipts.every(({ status }) => status === 1));
  assert.deepEqual([await carol.getNonce("latest"), await carol.getNonce("pending")], [before + 5, before + 5]);
}

async function delegations() {
  const carol = account();
  const authorization = await carol.authorize({ address: await kept.coin.getAddress(), nonce: 0 });
  const receipt = await (await alice.sendTransaction({ type: 4, to: bob, authorizationList: [authorization] })).wait();
  assert.deepEqual([receipt.status, receipt.type], [1, 4]);
  assert.equal(await provider.getCode(carol), ethers.concat(["0xef0100", await kept.coin.getAddress()]));
  assert.equal(await kept.coin.attach(carol.address).decimals(), 18n);
  const transaction = await provider.getTransaction(receipt.hash);
  assert.equal(transaction.authorizationList[0].address, await kept.coin.getAddress());
}

async function wasm() {
  const rust = token();
  const contract = await deploy(rust);
  const address = await contract.getAddress();
  assert.deepEqual(await provider.send("entente_abi", ["group1", address]), rust.abi);
  assert.deepEqual([await contract.symbol(), await contract.decimals()], ["ENT", 18n]);
  const supply = await contract.totalSupply();
  const estimate = await contract.transfer.estimateGas(bob, 25n);
  const receipt = await (await contract.transfer(bob, 25n, { gasLimit: estimate })).wait();
  assert.deepEqual([...receipt.logs[0].args], [alice.address, bob.address, 25n]);
  assert.deepEqual([await contract.balanceOf(bob), await contract.balanceOf(alice)], [25n, supply - 25n]);
  await (await contract.approve(bob, 5n)).wait();
  await (await contract.connect(bob).transferFrom(alice, bob, 5n)).wait();
  assert.equal((await contract.queryFilter(contract.filters.Transfer(alice))).length, 2);
  const refused = reverted(contract, contract.connect(bob).transfer.staticCall(alice, supply));
  assert.deepEqual(await refused, ["ERC20InsufficientBalance", bob.address, 30n, supply]);
}

await run([chain, erc20, erc721, proxy, logs, subscriptions, errors, gas, traces, fields, nonces, delegations, wasm]);
