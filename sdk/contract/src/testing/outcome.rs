//! What a transaction came to.

use alloc::string::String;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt;

use entente_host::{ContractFault, FrameStatus, Outcome};
use entente_types::Status;

use crate::abi::{AbiDecodeParameters, AbiError};
use crate::panics::PANIC;
use crate::{Address, Bytes, ContractError, Event, Hash32, U256};

/// A log that a contract wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The contract.
    pub address: Address,
    /// The topics; the first is the event's.
    pub topics: Vec<Hash32>,
    /// The ABI encoding of the fields that are not indexed.
    pub data: Vec<u8>,
}

impl Log {
    /// The event that the log is, if it is this one.
    pub fn event<E: Event>(&self) -> Option<E> {
        E::from_log(&self.topics, &self.data)
    }
}

/// Why a call or a transaction did not succeed. `E` is what the message declares to fail with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure<E = Infallible> {
    /// It reverted with an error that it declares.
    Error(E),
    /// It reverted with a text: what it panicked with, or what the dispatch found wrong.
    Reason(String),
    /// It reverted with one of Solidity's panic codes, such as 0x11 for an overflow.
    Panic(u64),
    /// It reverted with something else.
    Reverted(Bytes),
    /// It did what it may not, or ran out of something.
    Fault(ContractFault),
}

impl<E: ContractError> Failure<E> {
    fn of_revert(data: Vec<u8>) -> Self {
        if let Some(error) = E::from_revert_data(&data) {
            return Self::Error(error);
        }
        if let Some(reason) = String::from_revert_data(&data) {
            return Self::Reason(reason);
        }
        let code = data.strip_prefix(&PANIC).and_then(|code| <(U256,)>::decode_parameters(code).ok());
        match code.and_then(|(code,)| code.to_u64()) {
            Some(code) => Self::Panic(code),
            None => Self::Reverted(Bytes(data)),
        }
    }
}

impl<E: fmt::Debug> fmt::Display for Failure<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => write!(formatter, "reverted with {error:?}"),
            Self::Reason(reason) => write!(formatter, "reverted: {reason}"),
            Self::Panic(code) => write!(formatter, "reverted with panic {code:#04x}"),
            Self::Reverted(data) => write!(formatter, "reverted with {data:?}"),
            Self::Fault(fault) => write!(formatter, "{fault}"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for Failure<E> {}

/// What a transaction left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt<R, E = Infallible> {
    /// What it gave back; for a creation, the contract's address.
    pub result: Result<R, Failure<E>>,
    /// The status of the node's receipt.
    pub status: Status,
    /// The gas it used in Ethereum's unit, rounded up: that of host functions, frames and the transaction itself.
    pub gas_used: u64,
    /// The output as it is, or the reason of the revert.
    pub output: Vec<u8>,
    /// The logs, in their order; none where it did not succeed.
    pub logs: Vec<Log>,
}

impl<R, E> Receipt<R, E> {
    /// The events of this kind, in their order, whichever contract wrote them.
    pub fn events<T: Event>(&self) -> Vec<T> {
        self.logs.iter().filter_map(Log::event).collect()
    }
}

/// A transaction's outcome, before anybody reads its output.
pub(super) struct Raw {
    pub(super) outcome: Outcome,
    pub(super) status: Status,
    pub(super) gas_used: u64,
    pub(super) logs: Vec<Log>,
}

impl Raw {
    pub(super) fn new(outcome: Outcome, gas_used: u64, logs: Vec<Log>) -> Self {
        let status = match &outcome.status {
            FrameStatus::Success => Status::Success,
            FrameStatus::Revert => Status::Revert,
            FrameStatus::Fault(fault) => fault.status(),
        };
        Self { outcome, status, gas_used, logs }
    }

    /// The receipt, with the output read.
    pub(super) fn receipt<R, E: ContractError>(
        self,
        read: impl FnOnce(&Outcome) -> Result<R, AbiError>,
    ) -> Receipt<R, E> {
        let Self { outcome, status, gas_used, logs } = self;
        let result = match &outcome.status {
            FrameStatus::Success => match read(&outcome) {
                Ok(result) => Ok(result),
                Err(error) => panic!("the output is not what the message gives ({error}): is it the right contract?"),
            },
            FrameStatus::Revert => Err(Failure::of_revert(outcome.output.clone())),
            FrameStatus::Fault(fault) => Err(Failure::Fault(fault.clone())),
        };
        Receipt { result, status, gas_used, output: outcome.output, logs }
    }
}
