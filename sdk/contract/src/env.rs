//! What a contract can ask about the call it is in.

use crate::{Address, Hash32, U256, sys};

/// Who called: an account, or the contract that made this call.
pub fn caller() -> Address {
    Address(sys::caller())
}

/// The contract's own address, whose storage it works on.
pub fn address() -> Address {
    Address(sys::address())
}

/// The account that sent the transaction. Not who called: never authorize by it.
pub fn origin() -> Address {
    Address(sys::origin())
}

/// The value sent along; zero unless the group's genesis enables balances.
pub fn value() -> U256 {
    U256::from_le_bytes(&sys::value())
}

/// The number of the block.
pub fn block_number() -> u64 {
    sys::block_number()
}

/// The block's timestamp, in milliseconds since 1970.
pub fn block_timestamp() -> u64 {
    sys::block_timestamp()
}

/// The group's Ethereum chain id.
pub fn chain_id() -> u64 {
    sys::chain_id()
}

/// The hash of the transaction.
pub fn transaction_hash() -> Hash32 {
    sys::transaction_hash()
}

/// The gas left, in thousandths of Ethereum's gas.
pub fn gas_left() -> u64 {
    sys::gas_left()
}

/// The Keccak-256 of `data`, in every suite.
pub fn keccak256(data: &[u8]) -> Hash32 {
    sys::keccak256(data)
}

/// The hash of `data` under the group's suite: BLAKE3, or SM3 in a Guomi group.
pub fn hash(data: &[u8]) -> Hash32 {
    sys::hash(data)
}
