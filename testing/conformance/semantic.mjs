// solc's semantic tests: compiled by solc, each call of theirs a transaction, and what it answers compared.
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { Chain, account } from "./semantic/chain.mjs";
import { EVM_VERSION, compile } from "./semantic/compile.mjs";
import { parseEffect } from "./semantic/expectations.mjs";
import { read } from "./semantic/file.mjs";
import { compilers, withNode } from "./tools.mjs";

export const FOLDERS = ["solidity/test/libsolidity/semanticTests"];
export const KNOWN = "semantic.txt";
/// Theirs and ours: a test may say that it is right in the compiler of its own release alone.
const SOLC = "solc-0.8.28";

const VERSIONS = [
  "homestead",
  "tangerineWhistle",
  "spuriousDragon",
  "byzantium",
  "constantinople",
  "petersburg",
  "istanbul",
  "berlin",
  "london",
  "paris",
  "shanghai",
  "cancun",
  "prague",
  "osaka",
];

/// Why a test is none for this chain, if it is none.
function unfit({ settings, calls }) {
  const [, comparison, version] = (settings.EVMVersion ?? ">=homestead").match(/^([<>=]+)(\w+)$/) ?? [];
  const difference = VERSIONS.indexOf(EVM_VERSION) - VERSIONS.indexOf(version);
  const holds = {
    "<": difference < 0,
    "<=": difference <= 0,
    "=": difference === 0,
    ">=": difference >= 0,
    ">": difference > 0,
  };
  if (!holds[comparison]) return "is for other versions of the EVM than ours";
  if (settings.ABIEncoderV1Only === "true") return "is for the old ABI coder alone, which solc's own runs leave out";
  if (settings.bytecodeFormat && !settings.bytecodeFormat.includes("legacy")) return "is for code of another format";
  if (calls.some(({ signature }) => signature.startsWith("isoltest_"))) return "tests solc's own runner";
  return undefined;
}

const hex = (bytes) => `0x${Buffer.from(bytes).toString("hex")}`;

export async function run({ folder, entente, work }) {
  const load = createRequire(path.join(compilers(work), "entente"));
  const { keccak256 } = load("js-sha3");
  const solc = load(SOLC);
  const files = readdirSync(folder, { recursive: true }).filter(
    (file) => file.endsWith(".sol") && !/(^|\/)_/.test(file),
  );
  const cases = [];
  const add = (name, outcome, reason) => cases.push({ group: "solc's semantic tests", name, outcome, reason });
  await withNode(entente, async (url) => {
    const chain = new Chain(url);
    await chain.begin();
    for (const [done, file] of files.sort().entries()) {
      if (done % 100 === 0) console.log(`${done} of ${files.length} files`);
      const test = read(path.join(folder, file));
      const why = unfit(test);
      const yul = test.settings.compileViaYul ?? "also";
      for (const viaIR of [false, true]) {
        if (yul === String(!viaIR)) continue;
        const name = `${file}${viaIR ? " by Yul" : ""}`;
        if (why) add(name, "excluded", why);
        else
          await runTest({ chain, solc, keccak256 }, test, viaIR).then(
            () => add(name, "passed"),
            (error) => add(name, "failed", error.message),
          );
      }
    }
  });
  return cases;
}

/// Runs one test, and throws where it comes to something else.
async function runTest({ chain, solc, keccak256 }, test, viaIR) {
  const { contract, events, link } = compile(solc, test, viaIR);
  const names = new Map([...events].map((event) => [`0x${keccak256(event)}`, event]));
  await chain.again();
  const libraries = new Map();
  let address;
  for (const call of test.calls) {
    if (call.kind === "library") {
      const { contract: library, succeeded } = await chain.send(
        undefined,
        link(call.file, call.signature, libraries),
        0n,
      );
      if (!succeeded) throw new Error(`the library ${call.signature} cannot be deployed`);
      libraries.set(`${call.file}:${call.signature}`, library);
      continue;
    }
    let became;
    if (address === undefined) {
      const [input, value] = call.kind === "constructor" ? [call.input, call.value] : [[], 0n];
      became = await chain.send(undefined, link(test.main, contract, libraries) + hex(input).slice(2), value);
      address = became.contract ?? "0x";
      if (call.kind !== "constructor" && !became.succeeded) throw new Error("the contract cannot be deployed");
    }
    if (call.kind === "builtin") became = await builtIn(chain, call, address);
    else if (call.kind !== "constructor") {
      const selector = call.kind === "raw" ? "" : keccak256(call.signature).slice(0, 8);
      became = await chain.send(address, `0x${selector}${hex(call.input).slice(2)}`, call.value);
    }
    compare(call, became, address, names);
  }
}

const asWord = (number) => `0x${BigInt(number).toString(16).padStart(64, "0")}`;

/// What solc's runner answers itself.
async function builtIn(chain, { signature, input }, address) {
  const argument = input.length > 0 ? BigInt(hex(input)) : undefined;
  const answers = {
    account: async () => {
      chain.sender = account(Number(argument));
      return chain.sender;
    },
    balance: async () =>
      chain.balance(argument === undefined ? address : `0x${argument.toString(16).padStart(40, "0")}`),
    storageEmpty: async () => ((await chain.isStorageEmpty(address)) ? 1 : 0),
  };
  return { succeeded: true, output: asWord(await answers[signature]()), logs: [] };
}

function compare(call, { succeeded, output, logs }, address, names) {
  const shown = `${call.signature}: ${hex(call.input)}`.slice(0, 200);
  if (succeeded === call.fails) throw new Error(`${shown} ${succeeded ? "succeeds" : `fails with ${output}`}`);
  if (call.kind !== "constructor" && output !== hex(call.output)) {
    throw new Error(`${shown} gives ${output} instead of ${hex(call.output)}`);
  }
  // What solc's runner answers itself leaves the logs of the call before.
  if (call.kind === "builtin") return;
  const told = logs.map(({ address: from, topics, data }) => {
    const name = names.get(topics[0]);
    const words = [...(name ? topics.slice(1) : topics), "of data:", data].join(" ");
    return `${name ?? "<anonymous>"} from ${from} ${words}`;
  });
  const expected = call.effects.map(parseEffect).map(({ name, from, topics, data }) => {
    const words = [...topics.map(hex), "of data:", hex(Buffer.concat(data))].join(" ");
    return `${name} from ${from ? `0x${from.padStart(40, "0")}` : address} ${words}`;
  });
  if (told.join("\n") !== expected.join("\n"))
    throw new Error(`${shown} tells\n${told.join("\n")}\ninstead of\n${expected.join("\n")}`);
}
