//! What executing a transaction left behind.

use parity_scale_codec::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{Address, Hash, Version, bytes::hex_bytes, limits::ERROR_MESSAGE_BYTES_MAX};

/// How a transaction ended. The numbers are FISCO BCOS's receipt status codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It succeeded.
    #[codec(index = 0)]
    Success,
    /// A fault of a kind without a code of its own.
    #[codec(index = 1)]
    Unknown,
    /// The gas limit does not cover what the transaction costs before any code runs.
    #[codec(index = 4)]
    OutOfGasIntrinsic,
    /// The sender's balance does not cover the value.
    #[codec(index = 7)]
    NotEnoughCash,
    /// The code did what it may not: a trap, a malformed module, a limit.
    #[codec(index = 10)]
    BadInstruction,
    /// The gas came to its end.
    #[codec(index = 12)]
    OutOfGas,
    /// Frames were nested too deeply.
    #[codec(index = 13)]
    OutOfStack,
    /// A native module refused.
    #[codec(index = 21)]
    PrecompiledError,
    /// The contract reverted; its reason is the output.
    #[codec(index = 22)]
    Revert,
    /// The address of the new contract is taken.
    #[codec(index = 24)]
    AddressAlreadyUsed,
    /// The called address has no code.
    #[codec(index = 26)]
    CallAddressError,
}

impl Status {
    /// FISCO BCOS's number.
    pub const fn code(self) -> u32 {
        match self {
            Self::Success => 0,
            Self::Unknown => 1,
            Self::OutOfGasIntrinsic => 4,
            Self::NotEnoughCash => 7,
            Self::BadInstruction => 10,
            Self::OutOfGas => 12,
            Self::OutOfStack => 13,
            Self::PrecompiledError => 21,
            Self::Revert => 22,
            Self::AddressAlreadyUsed => 24,
            Self::CallAddressError => 26,
        }
    }
}

/// Why a transaction failed, for machines and people. The message is the same on every node.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct ReceiptError {
    /// A stable name, such as `out_of_gas` or `module_rule/float`.
    pub code: String,
    /// One line that says what was wrong and where.
    pub message: String,
}

impl ReceiptError {
    /// An error whose message is cut to the limit, at a character's boundary.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > ERROR_MESSAGE_BYTES_MAX {
            let end = (0..=ERROR_MESSAGE_BYTES_MAX).rev().find(|end| message.is_char_boundary(*end)).unwrap_or(0);
            message.truncate(end);
        }
        Self { code: code.into(), message }
    }
}

/// Something a contract told the world.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Log {
    /// The contract.
    pub address: Address,
    /// At most four; the first is the event's signature unless the event is anonymous.
    pub topics: Vec<Hash>,
    /// The ABI-encoded rest.
    #[serde(with = "hex_bytes")]
    pub data: Vec<u8>,
}

/// The receipt of one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Receipt {
    /// The format's version.
    pub version: Version<1>,
    /// How it ended.
    pub status: Status,
    /// What the call gave back, or the reason it reverted with.
    #[serde(with = "hex_bytes")]
    pub output: Vec<u8>,
    /// The gas it used, in Ethereum's unit, rounded up.
    pub gas_used: u64,
    /// The logs, in their order; none where it did not succeed.
    pub logs: Vec<Log>,
    /// The contract it created.
    pub contract: Option<Address>,
    /// Why it failed.
    pub error: Option<ReceiptError>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_are_cut_at_a_boundary() {
        let error = ReceiptError::new("x", "ä".repeat(200));
        assert_eq!(error.message.len(), ERROR_MESSAGE_BYTES_MAX);
        let error = ReceiptError::new("x", format!("a{}", "ä".repeat(200)));
        assert_eq!(error.message.len(), ERROR_MESSAGE_BYTES_MAX - 1);
    }

    #[test]
    fn the_encoded_index_of_a_status_is_its_code() {
        for status in [Status::Success, Status::OutOfGas, Status::Revert, Status::CallAddressError] {
            assert_eq!(u32::from(status.encode()[0]), status.code());
        }
    }
}
