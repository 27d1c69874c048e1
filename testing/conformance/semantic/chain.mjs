// The chain that semantic tests run on: a node for tests of contracts, taken back before each test.

/// Whose transactions they are: the first account of solc's runner, and how far the others are from one another.
const FIRST = 0x1212121212121212121212121212120000000012n;
const APART = 0x1000n;
const GAS = "0x2faf080";

const quantity = (number) => `0x${BigInt(number).toString(16)}`;
export const account = (index) => `0x${(FIRST + BigInt(index) * APART).toString(16).padStart(40, "0")}`;

export class Chain {
  constructor(url) {
    this.url = url;
    this.id = 0;
  }

  async ask(method, ...params) {
    this.id += 1;
    const body = JSON.stringify({ jsonrpc: "2.0", id: this.id, method, params });
    const answer = await fetch(this.url, { method: "POST", headers: { "content-type": "application/json" }, body });
    const { result, error } = await answer.json();
    if (error) throw Object.assign(new Error(`${method}: ${error.message}`), { data: error.data });
    return result;
  }

  /// As solc's runner has it: ten accounts with 2^100 wei, the first creates with the number 1; each precompile one;
  /// and its own makers and limits of blocks.
  async begin() {
    for (let index = 0; index < 20; index += 1) {
      await this.ask("hardhat_impersonateAccount", account(index));
      if (index < 10) await this.ask("hardhat_setBalance", account(index), quantity(1n << 100n));
    }
    await this.ask("hardhat_setNonce", account(0), "0x1");
    for (let index = 1; index <= 8; index += 1) {
      await this.ask("hardhat_setBalance", `0x${index.toString(16).padStart(40, "0")}`, "0x1");
    }
    await this.ask("hardhat_setCoinbase", `0x${"78".repeat(20)}`);
    this.snapshot = await this.ask("evm_snapshot");
  }

  async again() {
    await this.ask("evm_revert", this.snapshot);
    this.snapshot = await this.ask("evm_snapshot");
    this.sender = account(0);
    this.sent = [];
  }

  /// Sends a transaction; what became of it: { succeeded, output, contract, logs }.
  async send(to, data, value) {
    const transaction = {
      from: this.sender,
      data,
      value: quantity(value),
      gas: GAS,
      gasPrice: "0x0",
      ...(to && { to }),
    };
    let hash;
    try {
      hash = await this.ask("eth_sendTransaction", transaction);
    } catch (error) {
      if (error.data?.txHash === undefined) throw error;
      hash = error.data.txHash;
    }
    this.sent.push(hash);
    const { contractAddress: contract, logs, status } = await this.ask("eth_getTransactionReceipt", hash);
    const { output } = await this.ask("entente_receipt", "group1", hash);
    return { succeeded: status === "0x1", output, contract, logs };
  }

  /// Whether every slot that a test has written is zero again.
  async isStorageEmpty(address) {
    for (const hash of this.sent) {
      const tracer = { tracer: "prestateTracer", tracerConfig: { diffMode: true } };
      const { pre, post } = await this.ask("debug_traceTransaction", hash, tracer);
      const slots = new Set([pre, post].flatMap((side) => Object.keys(side[address]?.storage ?? {})));
      for (const slot of slots) {
        if (BigInt(await this.ask("eth_getStorageAt", address, slot, "latest")) !== 0n) return false;
      }
    }
    return true;
  }

  async balance(address) {
    return BigInt(await this.ask("eth_getBalance", address, "latest"));
  }
}
