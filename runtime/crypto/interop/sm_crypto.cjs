// Answers questions by sm-crypto: an array of them on standard input, an array of answers on standard output.
// Bytes are hexadecimal both ways. A ciphertext has no leading 04 here.
const { sm2, sm3, sm4 } = require("sm-crypto");

const bytes = (digits) => Array.from(Buffer.from(digits, "hex"));
const C1C3C2 = 1;

const answers = {
  public_key: ({ secret }) => sm2.getPublicKeyFromPrivateKey(secret).slice(2),
  sign: ({ secret, text }) => sm2.doSignature(bytes(text), secret),
  verify: ({ key, text, signature }) => sm2.doVerifySignature(bytes(text), signature, "04" + key),
  encrypt: ({ key, text }) => sm2.doEncrypt(bytes(text), "04" + key, C1C3C2),
  decrypt: ({ secret, sealed }) =>
    Buffer.from(sm2.doDecrypt(sealed, secret, C1C3C2, { output: "array" })).toString("hex"),
  sm3: ({ text }) => sm3(bytes(text)),
  sm4_encrypt: ({ key, text }) => sm4.encrypt(bytes(text), key, { padding: "none" }),
  sm4_decrypt: ({ key, text }) =>
    Buffer.from(sm4.decrypt(text, key, { padding: "none", output: "array" })).toString("hex"),
};

let input = "";
process.stdin.on("data", (part) => (input += part));
process.stdin.on("end", () => {
  process.stdout.write(JSON.stringify(JSON.parse(input).map((question) => answers[question.ask](question))));
});
