// What people with Foundry do: forge compiles and deploys, by itself and by a script; cast asks and sends.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { contracts, http, run, socket, token } from "./common.mjs";

const beside = (name) => fileURLToPath(new URL(name, import.meta.url));
const modules = path.resolve("node_modules");
const project = mkdtempSync(path.join(tmpdir(), "entente-foundry-"));
process.on("exit", () => rmSync(project, { recursive: true, force: true }));
cpSync(beside("contracts"), path.join(project, "src"), { recursive: true });
cpSync(beside("foundry/Deploy.s.sol"), path.join(project, "script/Deploy.s.sol"));
const configuration = {
  libs: [modules],
  remappings: [`@openzeppelin/=${modules}/@openzeppelin/`],
  allow_paths: [modules],
  solc: beside("foundry/solc.cjs"),
  offline: true,
};
const lines = Object.entries(configuration).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
writeFileSync(path.join(project, "foundry.toml"), `[profile.default]\n${lines.join("\n")}\n`);

const environment = { ...process.env, HOME: project, NODE_PATH: modules, ETH_RPC_URL: http, NO_COLOR: "1" };
const started = promisify(execFile);
// The programs themselves: the scripts that npm puts before them do not pass on how they end.
const machine = `${process.platform}-${process.arch === "x64" ? "amd64" : process.arch}`;
const command = async (name, ...parameters) => {
  const program = path.join(modules, "@foundry-rs", `${name}-${machine}`, "bin", name);
  const { stdout } = await started(program, parameters, { cwd: project, env: environment });
  return stdout.trim();
};
const cast = (...parameters) => command("cast", ...parameters);
const json = async (...parameters) => JSON.parse(await cast(...parameters, "--json"));
const forge = (...parameters) => command("forge", ...parameters);

const person = async () => {
  const key = `0x${randomBytes(32).toString("hex")}`;
  return { key, address: await cast("wallet", "address", key) };
};
const [alice, bob] = [await person(), await person()];
const SUPPLY = 10n ** 21n;
const kept = {};

async function send({ key }, ...parameters) {
  const receipt = await json("send", "--private-key", key, ...parameters);
  assert.equal(receipt.status, "0x1", JSON.stringify(receipt));
  return receipt;
}
const first = (text) => text.split(/\s/)[0];
const call = async (...parameters) => first(await cast("call", ...parameters));

/// What a command says that fails.
async function refusal(promise) {
  const error = await promise.then(
    () => assert.fail("it was not refused"),
    (error) => error,
  );
  return error.stderr;
}

async function chain() {
  assert.equal(await cast("chain-id"), await cast("rpc", "net_version").then(JSON.parse));
  assert.match(await cast("client"), /^entente/i);
  assert.equal(await cast("gas-price"), "0");
  assert.equal(await cast("balance", alice.address), "0");
  assert.equal(await cast("chain-id", "--rpc-url", socket), await cast("chain-id"));
}

async function erc20() {
  await forge("build");
  const parameters = ["src/Coin.sol:Coin", "--broadcast", "--private-key", alice.key, "--json"];
  const created = JSON.parse(await forge("create", ...parameters, "--constructor-args", "Coin", "COIN", `${SUPPLY}`));
  const coin = (kept.coin = created.deployedTo);
  assert.equal(await cast("call", coin, "name()(string)"), '"Coin"');
  // Left to itself cast offers one wei, which the sender does not have when cast runs the transaction again.
  const free = ["--gas-price", "0", "--priority-gas-price", "0"];
  kept.transfer = await send(alice, coin, "transfer(address,uint256)", bob.address, "25", ...free);
  assert.equal(await call(coin, "balanceOf(address)(uint256)", bob.address), "25");
  const before = `${BigInt(kept.transfer.blockNumber) - 1n}`;
  assert.equal(await call(coin, "balanceOf(address)(uint256)", bob.address, "--block", before), "0");
}

async function erc721() {
  const { contractAddress } = await send(alice, "--create", contracts.Deed.bytecode);
  await send(alice, contractAddress, "mint(address,uint256)", bob.address, "7");
  assert.equal(await call(contractAddress, "ownerOf(uint256)(address)", "7"), bob.address);
  const told = await refusal(cast("call", contractAddress, "ownerOf(uint256)(address)", "8"));
  assert.ok(told.includes((await cast("sig", "ERC721NonexistentToken(uint256)")).slice(2)), told);
}

async function proxy() {
  // The script deploys a counter and its proxy, counts, upgrades it and counts again.
  await forge("script", "script/Deploy.s.sol", "--rpc-url", http, "--broadcast", "--private-key", alice.key);
  const broadcast = path.join(project, "broadcast/Deploy.s.sol", await cast("chain-id"), "run-latest.json");
  const { transactions, receipts } = JSON.parse(readFileSync(broadcast, "utf8"));
  assert.ok(transactions.length > 0 && receipts.every(({ status }) => status === "0x1"));
}

async function logs() {
  const { coin, transfer } = kept;
  const found = await json(
    "logs",
    "--from-block",
    "0",
    "--address",
    coin,
    "Transfer(address indexed,address indexed,uint256)",
    alice.address,
  );
  assert.deepEqual(
    found.map(({ transactionHash }) => transactionHash),
    [transfer.transactionHash],
  );
}

async function errors() {
  const parameters = [kept.coin, "transfer(address,uint256)", alice.address, `${SUPPLY}`];
  const selector = await cast("sig", "ERC20InsufficientBalance(address,uint256,uint256)");
  for (const attempt of ["call", "estimate"]) {
    const told = await refusal(cast(attempt, "--from", bob.address, ...parameters));
    assert.ok(told.includes(selector.slice(2)), told);
  }
}

async function gas() {
  const transfer = [kept.coin, "transfer(address,uint256)", bob.address, "3"];
  const estimate = BigInt(await cast("estimate", "--from", alice.address, ...transfer));
  const used = BigInt((await send(alice, ...transfer, "--gas-limit", `${estimate}`)).gasUsed);
  assert.ok(used <= estimate && estimate < used * 2n, `${estimate}, ${used}`);
  const listed = await json("access-list", "--from", alice.address, ...transfer);
  assert.ok(JSON.stringify(listed).includes(kept.coin.toLowerCase()), JSON.stringify(listed));
}

async function traces() {
  const { transactionHash, gasUsed } = kept.transfer;
  const frame = JSON.parse(await cast("rpc", "debug_traceTransaction", transactionHash, '{"tracer":"callTracer"}'));
  assert.deepEqual([frame.type, frame.gasUsed], ["CALL", gasUsed]);
  // cast runs the transaction itself, on the state that it asks for, and comes to the same.
  const replayed = await cast("run", transactionHash);
  assert.match(replayed, /emit Transfer|Transaction successfully executed/);
  assert.ok(replayed.includes(`Gas used: ${BigInt(gasUsed)}`), replayed);
}

async function fields() {
  const { coin, transfer } = kept;
  const transaction = await json("tx", transfer.transactionHash);
  assert.deepEqual(
    [transaction.type, transaction.blockHash, transaction.to],
    ["0x2", transfer.blockHash, coin.toLowerCase()],
  );
  const block = await json("block", transfer.blockHash, "--full");
  assert.equal(block.transactions[Number(transaction.transactionIndex)].hash, transfer.transactionHash);
  const receipt = await json("receipt", transfer.transactionHash);
  assert.deepEqual([receipt.status, receipt.effectiveGasPrice], ["0x1", "0x0"]);
  const legacy = await send(alice, coin, "transfer(address,uint256)", bob.address, "1", "--legacy");
  assert.equal(legacy.type, "0x0");
}

async function nonces() {
  const carol = await person();
  const count = (block) => cast("nonce", carol.address, "--block", block);
  const later = (nonce) =>
    cast("send", "--async", "--private-key", carol.key, bob.address, "--nonce", `${nonce}`, "--gas-limit", "21000");
  const hashes = [await later(1), await later(2)];
  assert.equal(await count("pending"), "0");
  hashes.push(await later(0));
  assert.equal(await count("pending"), "3");
  const receipts = await Promise.all(hashes.map((hash) => json("receipt", hash)));
  assert.ok(receipts.every(({ status }) => status === "0x1"));
}

async function delegations() {
  const carol = await person();
  const authorization = await cast("wallet", "sign-auth", kept.coin, "--private-key", carol.key);
  const receipt = await send(alice, bob.address, "--auth", authorization);
  assert.equal(receipt.type, "0x4");
  assert.equal(await cast("code", carol.address), `0xef0100${kept.coin.slice(2).toLowerCase()}`);
  assert.equal(await call(carol.address, "decimals()(uint8)"), "18");
}

async function wasm() {
  const { contractAddress } = await send(alice, "--create", token().bytecode);
  await send(alice, contractAddress, "transfer(address,uint256)", bob.address, "25");
  assert.equal(await call(contractAddress, "balanceOf(address)(uint256)", bob.address), "25");
  assert.equal(await cast("call", contractAddress, "symbol()(string)"), '"ENT"');
}

await run([chain, erc20, erc721, proxy, logs, errors, gas, traces, fields, nonces, delegations, wasm]);
