//! The one table of host functions of the `entente` import namespace.
//!
//! Every consumer expands it: `entente-wasm` into imports of the engine, `entente-contract` into the `extern`
//! block that a contract links against, the documentation into its page. A host function that is not here does
//! not exist.
//!
//! Conventions: an argument that names a place in the contract's memory is a `u32` offset; a place to write to is
//! called `destination`, a place to read from `source`, and its length stands beside it. Integers in memory are
//! little-endian. A range outside the memory ends the frame with a fault.
//!
//! A contract exports its `memory`, and the functions `deploy` and `call`, both without parameters and with one
//! `i32` result: 0 says that the frame succeeded, 1 that it reverts. Both may set an output first.

/// The import namespace of the table.
pub const NAMESPACE: &str = "entente";

/// What [`storage_read`](host_functions) answers for a key that holds nothing.
pub const ABSENT: u32 = u32::MAX;

/// A nested frame succeeded.
pub const STATUS_SUCCESS: u32 = 0;
/// A nested frame reverted; its output is the reason.
pub const STATUS_REVERTED: u32 = 1;
/// A nested frame failed (a fault, gas at its end, a limit); all gas given to it is gone.
pub const STATUS_FAILED: u32 = 2;

/// `call`'s kind: an ordinary call.
pub const CALL: u32 = 0;
/// `call`'s kind: the other contract's code over this contract's storage, caller and value kept.
pub const CALL_DELEGATE: u32 = 1;
/// `call`'s kind: a call that may change nothing.
pub const CALL_STATIC: u32 = 2;

/// `digest`'s algorithm: Keccak-256 as Ethereum uses it.
pub const DIGEST_KECCAK256: u32 = 0;
/// `digest`'s algorithm: BLAKE3, 32 bytes, without a key and without a domain.
pub const DIGEST_BLAKE3: u32 = 1;
/// `digest`'s algorithm: SHA-256 (FIPS 180-4).
pub const DIGEST_SHA256: u32 = 2;
/// `digest`'s algorithm: SM3 (GB/T 32905).
pub const DIGEST_SM3: u32 = 3;

/// `verify`'s and `recover`'s algorithm: ECDSA over secp256k1 of a digest of 32 bytes. A signature is `r`, `s`, 64
/// bytes, big-endian, `s` in the lower half; `recover` takes `v` behind it, 0 or 1 or 27 or 28. A key is a point's two
/// coordinates, 64 bytes, big-endian.
pub const SIGNATURE_SECP256K1: u32 = 0;
/// `verify`'s algorithm: SM2 (GB/T 32918) of a message of any length, hashed behind Z under the identifier
/// 1234567812345678. Signature and key are written as for secp256k1; `s` may be any.
pub const SIGNATURE_SM2: u32 = 1;
/// `verify`'s algorithm: Ed25519 (RFC 8032) of a message of any length, without the cofactor, no canonical encoding
/// given up and no point of small order accepted. A signature has 64 bytes, a key 32.
pub const SIGNATURE_ED25519: u32 = 2;

/// Expands `$consumer!` with the whole table.
///
/// Each entry reads `/// doc` `fn name(argument: type, ...) -> type;` with `u32` and `u64` as the only types.
#[macro_export]
macro_rules! host_functions {
    ($consumer:ident) => {
        $consumer! {
            /// The length in bytes of what this frame was called with.
            fn input_length() -> u32;
            /// Copies `length` bytes of the input from `offset` on to `destination`; a range beyond the input is a fault.
            fn input_read(destination: u32, offset: u32, length: u32);
            /// Sets the output of this frame; the last call counts.
            fn output(source: u32, length: u32);
            /// Ends this frame at once as reverted, with this output. Does not return.
            fn revert(source: u32, length: u32);
            /// Reads the storage of this contract: copies at most `capacity` bytes of the value to `destination`
            /// and answers the value's whole length, or `ABSENT`.
            fn storage_read(key: u32, key_length: u32, destination: u32, capacity: u32) -> u32;
            /// Sets a value in the storage of this contract; a fault in a read-only frame.
            fn storage_write(key: u32, key_length: u32, value: u32, value_length: u32);
            /// Removes a value from the storage of this contract; a fault in a read-only frame.
            fn storage_remove(key: u32, key_length: u32);
            /// Writes the caller's address, 20 bytes.
            fn caller(destination: u32);
            /// Writes the address whose storage this frame works on, 20 bytes.
            fn address(destination: u32);
            /// Writes the address of the transaction's sender, 20 bytes.
            fn origin(destination: u32);
            /// Writes the value sent along, 32 bytes.
            fn value(destination: u32);
            /// The number of the block being executed.
            fn block_number() -> u64;
            /// The timestamp of the block being executed, in milliseconds since 1970.
            fn block_timestamp() -> u64;
            /// The Ethereum chain id of the group.
            fn chain_id() -> u64;
            /// Writes the hash of the transaction, 32 bytes.
            fn transaction_hash(destination: u32);
            /// The gas left to this frame, in thousandths of Ethereum's gas.
            fn gas_left() -> u64;
            /// Emits a log with `topic_count` (at most 4) topics of 32 bytes each at `topics`.
            fn emit(topics: u32, topic_count: u32, data: u32, data_length: u32);
            /// Calls the contract whose address is at `address` with at most `gas`, the 32 bytes at `value` and
            /// an input; `kind` is `CALL`, `CALL_DELEGATE` or `CALL_STATIC`. Answers one of the `STATUS_` values.
            fn call(kind: u32, address: u32, gas: u64, value: u32, input: u32, input_length: u32) -> u32;
            /// Creates a contract from a deployment container (module and constructor arguments), sends it the
            /// 32 bytes at `value`, and writes its address. Answers one of the `STATUS_` values.
            fn create(source: u32, length: u32, value: u32, destination: u32) -> u32;
            /// The length of the output of the last nested frame.
            fn return_length() -> u32;
            /// Copies `length` bytes of that output from `offset` on to `destination`.
            fn return_read(destination: u32, offset: u32, length: u32);
            /// Writes the Keccak-256 of a range, 32 bytes.
            fn keccak256(source: u32, length: u32, destination: u32);
            /// Writes the hash of a range under the group's suite (BLAKE3 or SM3), 32 bytes.
            fn hash(source: u32, length: u32, destination: u32);
            /// Writes the hash of a range under an algorithm, 32 bytes; `algorithm` is one of the `DIGEST_` values.
            fn digest(algorithm: u32, source: u32, length: u32, destination: u32);
            /// Writes the public key, 64 bytes, that made the signature of 65 bytes at `signature` over the 32 bytes at
            /// `digest`, and answers 1; or writes nothing and answers 0. `algorithm` is `SIGNATURE_SECP256K1`.
            fn recover(algorithm: u32, digest: u32, signature: u32, destination: u32) -> u32;
            /// Answers 1 where the signature of `length` bytes at `message` was made by the key at `key`, else 0.
            /// `algorithm` is one of the `SIGNATURE_` values; the lengths of signature and key follow from it.
            fn verify(algorithm: u32, message: u32, length: u32, signature: u32, key: u32) -> u32;
        }
    };
}
