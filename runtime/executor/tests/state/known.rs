//! Cases that come out otherwise than Ethereum says, and why.

/// Slots that stand without an account: those tests put them into the state, and no contract of a ledger's leaves any.
const COLLISIONS: &str = "a contract is created where slots but neither code nor nonce stand (EIP-7610)";
/// What is paid for an output of more than 1,024 bytes.
const OUTPUTS: &str = "what a transaction gives back beyond 1,024 bytes is paid for";

/// Tests whose random code returns megabytes.
const LARGE_OUTPUTS: [&str; 22] = [
    "stRandom/randomStatetest4.",
    "stRandom/randomStatetest53.",
    "stRandom/randomStatetest108.",
    "stRandom/randomStatetest111.",
    "stRandom/randomStatetest151.",
    "stRandom/randomStatetest260.",
    "stRandom/randomStatetest285.",
    "stRandom/randomStatetest335.",
    "stRandom/randomStatetest336.",
    "stRandom/randomStatetest341.",
    "stRandom/randomStatetest384.",
    "stRandom2/randomStatetest387.",
    "stRandom2/randomStatetest397.",
    "stRandom2/randomStatetest410.",
    "stRandom2/randomStatetest433.",
    "stRandom2/randomStatetest448.",
    "stRandom2/randomStatetest456.",
    "stRandom2/randomStatetest469.",
    "stRandom2/randomStatetest536.",
    "stRandom2/randomStatetest560.",
    "stRandom2/randomStatetest582.",
    "stRandom2/randomStatetest589.",
];

/// Tests of slots without an account.
const STORED_SLOTS: [&str; 3] = [
    "eip7610_create_collision/",
    "stCreate2/create2collisionStorageParis.",
    "stExtCodeHash/dynamicAccountOverwriteEmpty_Paris.",
];

/// Why the case of this name does, if that is known.
pub(crate) fn reason(name: &str) -> Option<&'static str> {
    let is_among = |names: &[&str]| names.iter().any(|known| name.contains(known));
    if is_among(&STORED_SLOTS) {
        return Some(COLLISIONS);
    }
    is_among(&LARGE_OUTPUTS).then_some(OUTPUTS)
}
