//! Every length that a stranger supplies to the client, in one place.

/// The characters of a keystore's name.
pub const KEY_NAME_BYTES_MAX: usize = 64;
/// The bytes of a keystore file.
pub const KEYSTORE_BYTES_MAX: u64 = 16 << 10;
/// The keystores that a folder is searched for.
pub const KEYSTORES_MAX: usize = 10_000;
/// The memory that a keystore file may ask scrypt to use, in bytes: what go-ethereum's own files ask for.
pub const SCRYPT_MEMORY_BYTES_MAX: u64 = 256 << 20;
/// The work that a keystore file may ask of scrypt: `n * r * p`. go-ethereum's own files ask for 2^21.
pub const SCRYPT_WORK_MAX: u64 = 1 << 23;
/// The rounds that a keystore file may ask of PBKDF2: some seconds. go-ethereum's own files ask for 2^18.
pub const PBKDF2_ROUNDS_MAX: u32 = 1 << 22;
/// The bytes of a keystore's salt.
pub const SALT_BYTES_MAX: usize = 64;

/// The bytes of a contract's ABI in the section `entente:abi`.
pub const ABI_SECTION_BYTES_MAX: usize = 64 << 10;
/// The bytes of a contract's ABI as JSON from elsewhere, such as a compiler's artefact.
pub const ABI_BYTES_MAX: usize = 4 << 20;
/// The bytes of what a compiler of Solidity writes of one contract: ABI, code and what others put beside them.
pub const ARTEFACT_BYTES_MAX: usize = 16 << 20;
/// The digits of an EVM contract's code: those of the bytes that a transaction may have.
pub const CODE_DIGITS_MAX: usize = 2 << 20;
/// The characters of a name in an ABI.
pub const ABI_NAME_BYTES_MAX: usize = 128;
/// The dimensions of an array type in an ABI.
pub const ABI_DIMENSIONS_MAX: usize = 8;
/// The parts that one item's types may be made of, fixed arrays counted by their length. The decoder allocates by
/// the type before it looks at the bytes, so the type must be bounded.
pub const ABI_PARTS_MAX: usize = 1 << 14;
/// The methods an error message lists.
pub const METHODS_LISTED_MAX: usize = 20;
/// The characters of a found value that an error message repeats.
pub const FOUND_CHARACTERS_MAX: usize = 60;
/// The characters of a reason that a contract gave for reverting.
pub const REASON_CHARACTERS_MAX: usize = 256;

/// The bytes of one message to or from a node.
pub const MESSAGE_BYTES_MAX: u32 = 16 << 20;
/// The characters of a node's error message that are kept.
pub const NODE_MESSAGE_CHARACTERS_MAX: usize = 512;
/// The requests that may wait for their answers on one connection.
pub const REQUESTS_MAX: usize = 4096;
/// The notifications of one subscription that may wait to be read; the subscription ends where there are more.
pub const NOTIFICATIONS_MAX: usize = 1024;
/// The bytes of a notification by which a node ends a subscription; the reason in a longer one is not kept.
pub const ENDING_BYTES_MAX: usize = 4096;
/// The reasons for ended subscriptions that are kept on one connection until somebody asks; more are not kept.
pub const ENDINGS_MAX: usize = 1024;
/// The transactions in one request.
pub const BATCH_TRANSACTIONS_MAX: usize = 10_000;
/// The calls in one request.
pub const BATCH_CALLS_MAX: usize = 500;

/// The accounts that a load may spread over.
pub const LOAD_ACCOUNTS_MAX: u32 = 1_000_000;
/// The transactions of a load that may be signed and not yet sent: about 600 bytes each.
pub const LOAD_PREPARED_MAX: usize = 2_000_000;
/// The transactions of a load altogether.
pub const LOAD_TRANSACTIONS_MAX: u64 = 100_000_000;
/// The transactions of a load that may be sent and not yet committed.
pub const LOAD_WINDOW_MAX: usize = 1_000_000;
/// The points in time that what came of a load is kept for; a longer load has longer points.
pub const TIMELINE_POINTS_MAX: usize = 2048;

/// At most so many characters of a text, with control characters escaped, so that a stranger's text can stand in one
/// line on a terminal.
pub(crate) fn shown(text: &str, characters_max: usize) -> String {
    let escape = |character: char| -> String {
        if character.is_control() { character.escape_default().collect() } else { character.to_string() }
    };
    let mut line: String = text.chars().take(characters_max).map(escape).collect();
    if text.chars().nth(characters_max).is_some() {
        line.push_str("...");
    }
    line
}
