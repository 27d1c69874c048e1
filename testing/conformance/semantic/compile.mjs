// Compiles a semantic test as solc's runner of them does: without optimizer, by the old way and by way of Yul.

/// What is tried by way of Yul when a function's variables find no room: the optimizer's steps that make room.
const YUL_STEPS = [
  { enabled: false },
  { enabled: false, details: { yul: true, yulDetails: { optimizerSteps: "uljmul jmul" } } },
  { enabled: true },
];

const NO_ROOM = /[Ss]tack ?too ?deep|StackTooDeep|too deep inside the stack/;

/// The code's version: the newest that the compiler takes for finished.
export const EVM_VERSION = "cancun";

/// { contract, events, link } of a test: the contract's name, the signatures of all events, and what gives the creation
/// code of a contract by its source and name, with the addresses of libraries put in.
export function compile(solc, test, viaIR) {
  const steps = viaIR ? YUL_STEPS : [{ enabled: false }];
  for (const [at, optimizer] of steps.entries()) {
    const output = answer(solc, test, viaIR, optimizer);
    const errors = (output.errors ?? []).filter(({ severity }) => severity === "error");
    if (errors.length === 0) return unit(output, test.main);
    const text = errors.map((error) => error.formattedMessage ?? error.message).join("\n");
    if (at + 1 === steps.length || !NO_ROOM.test(text)) throw new Error(`solc: ${text}`);
  }
}

function answer(solc, { sources, settings }, viaIR, optimizer) {
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(Object.entries(sources).map(([name, content]) => [name, { content }])),
    settings: {
      viaIR,
      optimizer,
      evmVersion: EVM_VERSION,
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.bytecode.linkReferences"], "": ["ast"] } },
      ...(settings.revertStrings && { debug: { revertStrings: settings.revertStrings } }),
    },
  };
  return JSON.parse(solc.compile(JSON.stringify(input)));
}

function unit(output, main) {
  const named = output.sources[main].ast.nodes.filter(({ nodeType }) => nodeType === "ContractDefinition");
  const events = new Set();
  for (const contracts of Object.values(output.contracts)) {
    for (const { abi } of Object.values(contracts)) {
      for (const entry of abi) if (entry.type === "event" && !entry.anonymous) events.add(signature(entry));
    }
  }
  const of = (file, name) =>
    output.contracts[file]?.[name] ?? Object.values(output.contracts).find((each) => each[name])?.[name];
  const link = (file, name, libraries) => {
    const { object, linkReferences } = of(file, name).evm.bytecode;
    let code = object;
    for (const [source, names] of Object.entries(linkReferences)) {
      for (const [library, places] of Object.entries(names)) {
        const address = libraries.get(`${source}:${library}`) ?? libraries.get(`:${library}`);
        if (!address) throw new Error(`the library ${source}:${library} is not deployed`);
        for (const { start } of places) code = code.slice(0, 2 * start) + address.slice(2) + code.slice(2 * start + 40);
      }
    }
    return `0x${code}`;
  };
  return { contract: named.at(-1)?.name, events, link };
}

/// As it is hashed: tuples are spelled out.
function signature({ name, inputs }) {
  const type = (each) =>
    each.type.startsWith("tuple") ? `(${each.components.map(type).join(",")})${each.type.slice(5)}` : each.type;
  return `${name}(${inputs.map(type).join(",")})`;
}
