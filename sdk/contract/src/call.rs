//! Calls to other contracts and their creation.
//!
//! An [`interface`](macro@crate::interface) gives typed calls; this is what it stands on.

use alloc::vec::Vec;
use core::convert::Infallible;

use crate::abi::{AbiDecodeParameters, AbiParameters};
use crate::error::error_string;
use crate::{Address, Bytes, ContractError, U256, sys};

/// Why a nested call gave no result. `E` is what the called contract declares to fail with: an `#[error]` enum, or
/// nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError<E = Infallible> {
    /// It reverted with an error that it declares.
    Error(E),
    /// It reverted, with this other reason.
    Reverted(Bytes),
    /// It failed: a fault, the end of its gas or a limit.
    Failed,
    /// It succeeded, and its output is not of the expected types (or there is no code at the address).
    Undecodable,
}

impl CallError {
    /// The same, with the reason read as one of the called contract's own errors where it is one.
    pub fn declared<E: ContractError>(self) -> CallError<E> {
        match self {
            Self::Error(never) => match never {},
            Self::Reverted(reason) => match E::from_revert_data(&reason.0) {
                Some(error) => CallError::Error(error),
                None => CallError::Reverted(reason),
            },
            Self::Failed => CallError::Failed,
            Self::Undecodable => CallError::Undecodable,
        }
    }
}

impl<E: ContractError> ContractError for CallError<E> {
    /// A reason is passed on as it is.
    fn revert_data(&self) -> Vec<u8> {
        match self {
            Self::Error(error) => error.revert_data(),
            Self::Reverted(reason) => reason.0.clone(),
            Self::Failed => error_string("a nested call failed"),
            Self::Undecodable => error_string("a nested call answered with something else than expected"),
        }
    }

    fn from_revert_data(data: &[u8]) -> Option<Self> {
        E::from_revert_data(data).map(Self::Error)
    }
}

/// What kind of call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ordinary,
    Static,
    Delegate,
}

/// A call to make.
#[derive(Clone, Debug)]
pub struct Call {
    kind: Kind,
    to: Address,
    gas: u64,
    value: U256,
}

impl Call {
    /// An ordinary call.
    pub const fn to(to: Address) -> Self {
        Self { kind: Kind::Ordinary, to, gas: u64::MAX, value: U256::ZERO }
    }

    /// A call that may change nothing.
    pub const fn static_call(to: Address) -> Self {
        Self { kind: Kind::Static, to, gas: u64::MAX, value: U256::ZERO }
    }

    /// The other contract's code over this contract's storage, with this contract's caller and value.
    pub const fn delegate_call(to: Address) -> Self {
        Self { kind: Kind::Delegate, to, gas: u64::MAX, value: U256::ZERO }
    }

    /// Gives at most this much gas; without it, all that may be given.
    pub const fn gas(mut self, gas: u64) -> Self {
        self.gas = gas;
        self
    }

    /// Sends this value along.
    pub const fn value(mut self, value: U256) -> Self {
        self.value = value;
        self
    }

    /// Calls the function of this selector and reads its results: a tuple, `()` where there are none.
    pub fn invoke<R: AbiDecodeParameters>(
        &self,
        selector: [u8; 4],
        arguments: &impl AbiParameters,
    ) -> Result<R, CallError> {
        let output = self.raw(&arguments.encode_after(&selector))?;
        R::decode_parameters(&output.0).map_err(|_| CallError::Undecodable)
    }

    /// Calls with this input and gives the output as it is.
    pub fn raw(&self, input: &[u8]) -> Result<Bytes, CallError> {
        let kind = match self.kind {
            Kind::Ordinary => sys::CALL,
            Kind::Static => sys::CALL_STATIC,
            Kind::Delegate => sys::CALL_DELEGATE,
        };
        let status = sys::call(kind, &self.to.0, self.gas, &self.value.to_le_bytes(), input);
        outcome(status).map(|()| Bytes(sys::return_data()))
    }
}

/// Creates a contract from a Wasm module and its constructor's arguments, sends it `value`, and gives its address.
pub fn create(module: &[u8], arguments: &impl AbiParameters, value: U256) -> Result<Address, CallError> {
    let arguments = arguments.encode_parameters();
    let Ok(length) = u32::try_from(module.len()) else { return Err(CallError::Failed) };
    let mut container = Vec::with_capacity(7 + module.len() + arguments.len());
    container.extend_from_slice(&[0xef, 0x57, 0x41]);
    container.extend_from_slice(&length.to_le_bytes());
    container.extend_from_slice(module);
    container.extend_from_slice(&arguments);
    create_raw(&container, value)
}

/// Creates a contract from a whole deployment input, Wasm or EVM.
pub fn create_raw(input: &[u8], value: U256) -> Result<Address, CallError> {
    let (status, address) = sys::create(input, &value.to_le_bytes());
    outcome(status).map(|()| Address(address))
}

fn outcome(status: u32) -> Result<(), CallError> {
    match status {
        sys::STATUS_SUCCESS => Ok(()),
        sys::STATUS_REVERTED => Err(CallError::Reverted(Bytes(sys::return_data()))),
        _ => Err(CallError::Failed),
    }
}
