//! Every limit of a frame that its code meets, in one place: engines keep them, and the contract kit's chain for tests
//! keeps the same. Beyond one of them the frame ends with a fault.

/// How deep frames of all kinds may nest.
pub const DEPTH_MAX: u16 = 1024;
/// How many of them may be Wasm or native.
pub const NATIVE_DEPTH_MAX: u16 = 64;
/// The bytes of a key that a contract stores under.
pub const STORAGE_KEY_BYTES_MAX: u32 = 256;
/// The bytes of a value that a contract stores.
pub const STORAGE_VALUE_BYTES_MAX: u32 = 128 << 10;
/// The bytes of an input or output that passes between frames.
pub const CALL_DATA_BYTES_MAX: u32 = 1 << 20;
/// The bytes of a log's data.
pub const LOG_DATA_BYTES_MAX: u32 = 128 << 10;
/// The bytes that a contract has hashed at a time.
pub const HASH_BYTES_MAX: u32 = 1 << 20;

/// What a deployment container begins with. EVM code cannot begin with 0xEF (EIP-3541).
pub const CONTAINER_MAGIC: [u8; 3] = [0xef, 0x57, 0x41];
