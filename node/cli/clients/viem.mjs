// What a program with viem does.
import assert from "node:assert/strict";

import { contracts, http, load, run, socket, told, token } from "./common.mjs";

const viem = load("viem");
const { generatePrivateKey, privateKeyToAccount } = load("viem/accounts");

const asked = viem.createPublicClient({ transport: viem.http(http) });
const chainOfNode = viem.defineChain({
  id: await asked.getChainId(),
  name: "Entente",
  nativeCurrency: { name: "none", symbol: "NONE", decimals: 18 },
  rpcUrls: { default: { http: [http], webSocket: [socket] } },
});
const common = { chain: chainOfNode, pollingInterval: 100, cacheTime: 0 };
const client = viem.createPublicClient({ ...common, transport: viem.http() });
const person = () =>
  viem.createWalletClient({ ...common, transport: viem.http(), account: privateKeyToAccount(generatePrivateKey()) });
const [alice, bob] = [person(), person()];
const [ALICE, BOB] = [alice, bob].map(({ account }) => account.address);
const SUPPLY = viem.parseEther("1000");
const kept = {};

async function mined(hash) {
  const receipt = await client.waitForTransactionReceipt({ hash });
  assert.equal(receipt.status, "success");
  return receipt;
}

async function deploy({ abi, bytecode }, ...args) {
  const receipt = await mined(await alice.deployContract({ abi, bytecode, args }));
  const address = viem.getAddress(receipt.contractAddress);
  return { address, abi };
}

const read = (contract, functionName, ...args) => client.readContract({ ...contract, functionName, args });
const write = async (wallet, contract, functionName, ...args) =>
  mined(await wallet.writeContract({ ...contract, functionName, args }));

/// The name and arguments of the custom error by which a call is refused.
async function refusal(promise) {
  const error = await promise.then(
    () => assert.fail("it was not refused"),
    (error) => error,
  );
  const reverted = error.walk((cause) => cause instanceof viem.ContractFunctionRevertedError);
  assert.ok(reverted?.data, error);
  return [reverted.data.errorName, ...reverted.data.args];
}

async function chain() {
  assert.equal(await client.getGasPrice(), 0n);
  const fees = await client.estimateFeesPerGas();
  assert.deepEqual([fees.maxFeePerGas, fees.maxPriorityFeePerGas], [0n, 0n]);
  const history = await client.getFeeHistory({ blockCount: 2, rewardPercentiles: [50] });
  assert.ok(history.baseFeePerGas.every((fee) => fee === 0n));
  assert.equal(await client.getBalance({ address: ALICE }), 0n);
}

async function erc20() {
  const coin = (kept.coin = await deploy(contracts.Coin, "Coin", "COIN", SUPPLY));
  assert.ok((await client.getCode(coin)).length > 2);
  assert.equal(await read(coin, "name"), "Coin");
  const receipt = (kept.transfer = await write(alice, coin, "transfer", BOB, 25n));
  assert.equal(await read(coin, "balanceOf", BOB), 25n);
  const before = { functionName: "balanceOf", args: [BOB], blockNumber: receipt.blockNumber - 1n };
  assert.equal(await client.readContract({ ...coin, ...before }), 0n);
  const [event] = viem.parseEventLogs({ abi: coin.abi, logs: receipt.logs });
  assert.deepEqual(event.args, { from: ALICE, to: BOB, value: 25n });
}

async function erc721() {
  const deed = await deploy(contracts.Deed);
  await write(alice, deed, "mint", ALICE, 7n);
  await write(alice, deed, "safeTransferFrom", ALICE, BOB, 7n);
  assert.equal(await read(deed, "ownerOf", 7n), BOB);
  assert.deepEqual(await refusal(read(deed, "ownerOf", 8n)), ["ERC721NonexistentToken", 8n]);
  // Without deploying it: viem calls a creation, whose code is the answer.
  const { abi, bytecode } = contracts.Deed;
  assert.equal(await client.readContract({ abi, code: bytecode, functionName: "symbol" }), "DEED");
  const batch = [7n, 8n].map((id) => ({ ...deed, functionName: "ownerOf", args: [id] }));
  const [found, missing] = await client.multicall({ contracts: batch, deployless: true });
  assert.deepEqual([found.result, missing.status], [BOB, "failure"]);
}

async function proxy() {
  const [first, second] = [await deploy(contracts.Counter), await deploy(contracts.CounterByTen)];
  const call = viem.encodeFunctionData({ ...first, functionName: "initialize", args: [ALICE] });
  const { address } = await deploy(contracts.CounterProxy, first.address, call);
  const counter = { address, abi: contracts.Counter.abi };
  await write(alice, counter, "increase");
  const upgrade = { ...counter, functionName: "upgradeToAndCall", args: [second.address, "0x"] };
  assert.deepEqual(await refusal(client.simulateContract({ ...upgrade, account: BOB })), ["NotOwner", BOB, ALICE]);
  const { request } = await client.simulateContract({ ...upgrade, account: alice.account });
  await mined(await alice.writeContract(request));
  await write(alice, counter, "increase");
  assert.equal(await read(counter, "count"), 11n);
}

async function logs() {
  const { coin, transfer } = kept;
  const transfers = { ...coin, eventName: "Transfer" };
  const found = await client.getContractEvents({ ...transfers, args: { from: ALICE, to: BOB }, fromBlock: 0n });
  assert.deepEqual(
    found.map(({ transactionHash, args }) => [transactionHash, args.value]),
    [[transfer.transactionHash, 25n]],
  );
  const filter = await client.createContractEventFilter({ ...transfers, args: { to: BOB } });
  const { transactionHash } = await write(alice, coin, "transfer", BOB, 1n);
  assert.deepEqual(
    (await client.getFilterChanges({ filter })).map((log) => log.transactionHash),
    [transactionHash],
  );
  assert.deepEqual(await client.getFilterChanges({ filter }), []);
  assert.ok(await client.uninstallFilter({ filter }));
  const blocks = await client.createBlockFilter();
  const { blockHash } = await write(alice, coin, "transfer", BOB, 1n);
  assert.ok((await client.getFilterChanges({ filter: blocks })).includes(blockHash));
}

async function subscriptions() {
  const listening = viem.createPublicClient({ ...common, transport: viem.webSocket(socket) });
  const stops = [];
  const heard = (watch, parameters, listener) =>
    new Promise((resolve, onError) => stops.push(listening[watch]({ ...parameters, [listener]: resolve, onError })));
  const transfers = { ...kept.coin, eventName: "Transfer", args: { to: BOB } };
  const all = Promise.all([
    heard("watchContractEvent", transfers, "onLogs"),
    heard("watchBlocks", {}, "onBlock"),
    heard("watchPendingTransactions", {}, "onTransactions"),
  ]);
  const [[[log], block, pending], receipts] = await told(all, () => write(alice, kept.coin, "transfer", BOB, 2n));
  assert.equal(log.args.value, 2n);
  for (const hash of [log.blockHash, block.hash]) assert.ok(receipts.some(({ blockHash }) => blockHash === hash));
  assert.ok(receipts.some(({ transactionHash }) => pending.includes(transactionHash)));
  stops.forEach((stop) => stop());
}

async function errors() {
  const { coin } = kept;
  const held = await read(coin, "balanceOf", BOB);
  const transfer = { ...coin, functionName: "transfer", args: [ALICE, SUPPLY] };
  const expected = ["ERC20InsufficientBalance", BOB, held, SUPPLY];
  assert.deepEqual(await refusal(client.simulateContract({ ...transfer, account: BOB })), expected);
  assert.deepEqual(await refusal(client.estimateContractGas({ ...transfer, account: BOB })), expected);
  // In a block all the same.
  const hash = await bob.writeContract({ ...transfer, gas: 100_000n });
  const receipt = await client.waitForTransactionReceipt({ hash });
  assert.deepEqual([receipt.status, receipt.logs.length], ["reverted", 0]);
  const low = bob.sendTransaction({ to: ALICE, gas: 21_000n, nonce: 0 });
  await assert.rejects(low, (error) => error.walk((cause) => cause instanceof viem.NonceTooLowError) !== null);
}

async function gas() {
  const { coin } = kept;
  const transfer = { ...coin, functionName: "transfer", args: [BOB, 3n] };
  const estimate = await client.estimateContractGas({ ...transfer, account: ALICE });
  const receipt = await mined(await alice.writeContract({ ...transfer, gas: estimate }));
  assert.ok(receipt.gasUsed <= estimate && estimate < receipt.gasUsed * 2n, `${estimate}, ${receipt.gasUsed}`);
  const data = viem.encodeFunctionData(transfer);
  const { accessList, gasUsed } = await client.createAccessList({ account: ALICE, to: coin.address, data });
  assert.ok(accessList.some(({ address }) => viem.isAddressEqual(address, coin.address)) && gasUsed > 21_000n);
  // A balance that is not there, by an override of the state: that of the account at slot 0.
  const slot = viem.keccak256(viem.encodeAbiParameters([{ type: "address" }, { type: "uint256" }], [ALICE, 0n]));
  const stateOverride = [{ address: coin.address, stateDiff: [{ slot, value: viem.toHex(77n, { size: 32 }) }] }];
  assert.equal(await client.readContract({ ...coin, functionName: "balanceOf", args: [ALICE], stateOverride }), 77n);
  await blocksOfCalls(coin);
}

async function blocksOfCalls(coin) {
  const to = coin.address;
  const pay = { to, abi: coin.abi, functionName: "transfer", args: [BOB, 6n], account: ALICE };
  const count = { to, abi: coin.abi, functionName: "balanceOf", args: [BOB], account: ALICE };
  const more = { ...pay, account: BOB, args: [ALICE, SUPPLY] };
  const before = await read(coin, "balanceOf", BOB);
  const blocks = await client.simulateBlocks({ blocks: [{ calls: [pay, count] }, { calls: [more, pay, count] }] });
  assert.equal(blocks[1].number, blocks[0].number + 1n);
  assert.deepEqual([blocks[0].calls[1].result, blocks[1].calls[2].result], [before + 6n, before + 12n]);
  assert.equal(viem.parseEventLogs({ abi: coin.abi, logs: blocks[0].calls[0].logs })[0].args.value, 6n);
  const [failed] = blocks[1].calls;
  const reverted = failed.error.walk((cause) => cause instanceof viem.ContractFunctionRevertedError);
  assert.deepEqual([failed.status, reverted?.data?.errorName], ["failure", "ERC20InsufficientBalance"]);
  assert.equal(await read(coin, "balanceOf", BOB), before);
}

async function traces() {
  const { transactionHash: hash, gasUsed } = kept.transfer;
  const frame = await client.request({ method: "debug_traceTransaction", params: [hash, { tracer: "callTracer" }] });
  assert.deepEqual(
    [frame.type, viem.getAddress(frame.to), BigInt(frame.gasUsed)],
    ["CALL", kept.coin.address, gasUsed],
  );
}

async function fields() {
  const { coin } = kept;
  for (const type of ["legacy", "eip2930", "eip1559"]) {
    const accessList = type === "eip2930" ? [{ address: coin.address, storageKeys: [viem.zeroHash] }] : undefined;
    const parameters = { ...coin, functionName: "transfer", args: [BOB, 4n], type, accessList };
    const receipt = await mined(await alice.writeContract(parameters));
    const transaction = await client.getTransaction({ hash: receipt.transactionHash });
    assert.deepEqual([transaction.type, receipt.type, transaction.chainId], [type, type, chainOfNode.id]);
    assert.deepEqual([viem.getAddress(transaction.from), viem.getAddress(receipt.to)], [ALICE, coin.address]);
    assert.deepEqual([receipt.effectiveGasPrice, transaction.blockHash], [0n, receipt.blockHash]);
    const block = await client.getBlock({ blockHash: receipt.blockHash, includeTransactions: true });
    assert.equal(block.transactions[receipt.transactionIndex].hash, receipt.transactionHash);
    const parent = await client.getBlock({ blockNumber: block.number - 1n });
    assert.deepEqual([block.parentHash, block.number], [parent.hash, receipt.blockNumber]);
    assert.ok((await client.getTransactionConfirmations({ transactionReceipt: receipt })) >= 1n);
  }
}

async function nonces() {
  const carol = person();
  const count = (blockTag) => client.getTransactionCount({ address: carol.account.address, blockTag });
  const send = (nonce) => carol.sendTransaction({ to: BOB, nonce, gas: 21_000n });
  const hashes = [await send(2)];
  assert.equal(await count("pending"), 0);
  hashes.push(...(await Promise.all([0, 1, 3, 4].map(send))));
  assert.equal(await count("pending"), 5);
  await Promise.all(hashes.map(mined));
  assert.deepEqual([await count("latest"), await count("pending")], [5, 5]);
  // viem asks for the number itself.
  const { nonceManager } = viem;
  const account = privateKeyToAccount(generatePrivateKey(), { nonceManager });
  const dave = viem.createWalletClient({ ...common, transport: viem.http(), account });
  await Promise.all((await Promise.all([1, 2, 3].map(() => dave.sendTransaction({ to: BOB })))).map(mined));
}

async function delegations() {
  const carol = person();
  const authorization = await carol.signAuthorization({ contractAddress: kept.coin.address });
  const receipt = await mined(await alice.sendTransaction({ to: BOB, authorizationList: [authorization] }));
  assert.equal(receipt.type, "eip7702");
  const code = await client.getCode({ address: carol.account.address });
  assert.equal(code, viem.concat(["0xef0100", kept.coin.address.toLowerCase()]));
  assert.equal(await read({ ...kept.coin, address: carol.account.address }, "decimals"), 18);
}

async function wasm() {
  const rust = token();
  const contract = await deploy(rust);
  assert.deepEqual([await read(contract, "symbol"), await read(contract, "decimals")], ["ENT", 18]);
  const receipt = await write(alice, contract, "transfer", BOB, 25n);
  const [event] = viem.parseEventLogs({ abi: rust.abi, logs: receipt.logs });
  assert.deepEqual(event.args, { from: ALICE, to: BOB, value: 25n });
  assert.equal(await read(contract, "balanceOf", BOB), 25n);
  const much = { ...contract, functionName: "transfer", args: [ALICE, 26n], account: BOB };
  assert.deepEqual(await refusal(client.simulateContract(much)), ["ERC20InsufficientBalance", BOB, 25n, 26n]);
}

await run([chain, erc20, erc721, proxy, logs, subscriptions, errors, gas, traces, fields, nonces, delegations, wasm]);
