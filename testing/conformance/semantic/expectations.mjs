// What solc's semantic tests expect: a small language of calls, their arguments, what they answer, and events.
//
// A call is { kind, signature, file, value, input, fails, output, effects }: `input` and `output` are bytes.

/// Calls that the runner of the tests answers itself.
const BUILT_IN = new Set(["account", "balance", "storageEmpty", "isoltest_builtin_test", "isoltest_side_effects_test"]);

/// The tokens: each is what stands there, but for strings, which are { text }, and events, which are { effect }.
function* tokens(text) {
  const token =
    /\s+|#[^#]*#|\/\/|->|~([^/]*)|"((?:[^"\\]|\\.)*)"|0x[0-9a-fA-F]*|[0-9][0-9.]*|[A-Za-z_$][\w$]*|[-:,()[\]]/y;
  while (token.lastIndex < text.length) {
    const at = token.lastIndex;
    const found = token.exec(text);
    if (!found) throw new Error(`no token: ${text.slice(at, at + 40)}`);
    const [all, effect, string] = found;
    if (effect !== undefined) yield { effect: effect.trim() };
    else if (string !== undefined) yield { text: unescape(string) };
    else if (!/^[\s#]/.test(all)) yield all;
  }
}

const ESCAPES = { n: "\n", r: "\r", t: "\t", 0: "\0" };

/// A string's bytes, each as one character.
function unescape(text) {
  const escape = (_, byte, letter) => (byte ? String.fromCharCode(parseInt(byte, 16)) : (ESCAPES[letter] ?? letter));
  return text.replace(/\\(?:x([0-9a-fA-F]{1,2})|(.))/g, escape);
}

/// The bytes of digits, before which a zero stands where they are odd in number.
const hexadecimal = (digits) => Buffer.from(digits.padStart(digits.length + (digits.length % 2), "0"), "hex");

/// One value: a word, or the bytes of `hex"..."` as they are.
class Reader {
  constructor(text) {
    this.tokens = [...tokens(text)];
    this.at = 0;
  }

  get next() {
    return this.tokens[this.at];
  }

  take(wanted) {
    if (this.next !== wanted) return false;
    this.at += 1;
    return true;
  }

  expect(wanted) {
    if (!this.take(wanted)) throw new Error(`${JSON.stringify(wanted)} is missing before ${JSON.stringify(this.next)}`);
  }

  any() {
    this.at += 1;
    return this.tokens[this.at - 1];
  }

  /// Of a list that may go on in the next line.
  value() {
    this.take("//");
    for (const side of ["left", "right"]) {
      if (!this.take(side)) continue;
      this.expect("(");
      const value = this.literal(side);
      this.expect(")");
      return value;
    }
    return this.literal("right");
  }

  literal(side) {
    const negative = this.take("-");
    const token = this.any();
    if (token?.text !== undefined) return word(Buffer.from(token.text, "latin1"), "left");
    if (token === "hex") return hexadecimal(this.any().text.replace(/^0x|_/g, ""));
    if (token === "true" || token === "false") return word(Buffer.from([token === "true" ? 1 : 0]), side);
    if (token?.startsWith?.("0x")) return word(hexadecimal(token.slice(2)), side);
    if (!/^[0-9]/.test(token ?? "")) throw new Error(`no value: ${JSON.stringify(token)}`);
    const number = BigInt(token.replace(".", "").replace(/^0+(?=.)/, ""));
    const bytes = Buffer.from(
      BigInt.asUintN(256, negative ? -number : number)
        .toString(16)
        .padStart(64, "0"),
      "hex",
    );
    if (side === "right") return bytes;
    const first = bytes.findIndex((byte) => byte !== 0);
    return word(first < 0 ? Buffer.alloc(0) : bytes.subarray(first), side);
  }

  values() {
    const values = [this.value()];
    while (this.take(",")) values.push(this.value());
    return values;
  }
}

function word(bytes, side) {
  if (bytes.length > 32) throw new Error(`${bytes.length} bytes in one word`);
  const padding = Buffer.alloc(32 - bytes.length);
  return Buffer.concat(side === "left" ? [bytes, padding] : [padding, bytes]);
}

/// An event's line: { name, from, topics, data }.
export function parseEffect(text) {
  const [, name, from, rest] =
    text.match(/^emit (<anonymous>|[\w$]+\([^:]*?\))(?: from 0x([0-9a-f]+))?(?:: (.*))?$/s) ?? [];
  if (!name) throw new Error(`no event: ${text}`);
  // A mark before a value says that it is indexed: for the reader it is a token of its own.
  const reader = new Reader((rest ?? "").replace(/(^|, )#/g, "$1@").replaceAll("@", "indexed "));
  const [topics, data] = [[], []];
  while (reader.next !== undefined) {
    (reader.take("indexed") ? topics : data).push(reader.value());
    reader.take(",");
  }
  return { name, from, topics, data };
}

function signature(reader) {
  let text = "";
  const isName = /^[A-Za-z_$]/.test(reader.next);
  if (isName) text += reader.any();
  if (BUILT_IN.has(text) && reader.next !== "(") return text;
  let depth = 0;
  do {
    const token = reader.any();
    if (token === undefined) throw new Error(`a signature ends too early: ${text}`);
    depth += token === "(" ? 1 : token === ")" ? -1 : 0;
    text += token;
  } while (depth > 0);
  return text;
}

function library(reader) {
  reader.expect(":");
  let file = "";
  if (reader.next?.text !== undefined) file = reader.any().text;
  reader.take(":");
  return { kind: "library", file, signature: reader.any(), effects: [] };
}

function call(reader) {
  const of = { signature: signature(reader), value: 0n, input: [], fails: false, output: [], effects: [] };
  const kinds = { "constructor()": "constructor", "()": "raw" };
  of.kind = BUILT_IN.has(of.signature) ? "builtin" : (kinds[of.signature] ?? "call");
  if (reader.take(",")) of.value = BigInt(reader.any()) * (reader.any() === "ether" ? 10n ** 18n : 1n);
  if (reader.take(":")) of.input = reader.values();
  let at = reader.at;
  while (reader.tokens[at] === "//") at += 1;
  if (reader.tokens[at] === "->") reader.at = at;
  if (reader.take("->")) {
    if (reader.next === "//" && isAfterValues(reader)) reader.take("//");
    else if (reader.take("FAILURE")) {
      of.fails = true;
      if (reader.take(",")) of.output = reader.values();
    } else if (reader.next !== undefined && reader.next.effect === undefined) of.output = reader.values();
  }
  return of;
}

/// Whether what follows a new line is no value: the answer is empty then.
function isAfterValues(reader) {
  const token = reader.tokens[reader.at + 1];
  if (token === undefined || token.effect !== undefined) return true;
  return /^(?!hex$|true$|false$|left$|right$|FAILURE$)[A-Za-z_$(]/.test(token.text === undefined ? token : "0");
}

/// The calls of a test, one after another.
export function parse(text) {
  const reader = new Reader(text);
  const calls = [];
  while (reader.next !== undefined) {
    if (reader.take("//")) continue;
    if (reader.next.effect !== undefined) calls.at(-1).effects.push(reader.any().effect);
    else if (reader.take("gas")) while (reader.next !== undefined && reader.next !== "//") reader.any();
    else calls.push(reader.take("library") ? library(reader) : call(reader));
  }
  return calls.map((each) => ({
    ...each,
    input: Buffer.concat(each.input ?? []),
    output: Buffer.concat(each.output ?? []),
  }));
}
