//! A call or a creation as a value: what a contract's `Messages` make, and what a chain for tests is sent.

use alloc::vec::Vec;
use core::convert::Infallible;
use core::marker::PhantomData;

use crate::U256;
use crate::abi::{AbiError, AbiParameters};

/// How a message's output is read.
type Read<R> = fn(&[u8]) -> Result<R, AbiError>;

/// A call of a contract's message: its input, and how its output (`R`) and its own errors (`E`) are read.
///
/// [`contract`](macro@crate::contract) writes a function for each message of a contract, under the name `Messages`
/// beside the storage struct: `Messages::transfer(to, value)`.
#[derive(Clone, Debug)]
pub struct Message<R, E = Infallible> {
    input: Vec<u8>,
    pub(crate) value: U256,
    pub(crate) gas: Option<u64>,
    read: Read<R>,
    error: PhantomData<fn() -> E>,
}

impl<R, E> Message<R, E> {
    /// The message of this selector with these arguments.
    pub fn new(selector: [u8; 4], arguments: &impl AbiParameters, read: Read<R>) -> Self {
        Self { input: arguments.encode_after(&selector), value: U256::ZERO, gas: None, read, error: PhantomData }
    }

    /// Sends this value along.
    #[must_use]
    pub fn value(mut self, value: U256) -> Self {
        self.value = value;
        self
    }

    /// Lets it use at most this much of Ethereum's gas.
    #[must_use]
    pub fn gas(mut self, gas: u64) -> Self {
        self.gas = Some(gas);
        self
    }

    /// The selector and the ABI-encoded arguments.
    pub fn input(&self) -> &[u8] {
        &self.input
    }

    /// Reads what the message gave back.
    pub fn read(&self, output: &[u8]) -> Result<R, AbiError> {
        (self.read)(output)
    }
}

/// The creation of a contract `C`: its constructor's arguments, and how its errors (`E`) are read.
#[derive(Clone, Debug)]
pub struct Creation<C, E = Infallible> {
    pub(crate) arguments: Vec<u8>,
    pub(crate) value: U256,
    pub(crate) gas: Option<u64>,
    contract: PhantomData<fn() -> (C, E)>,
}

impl<C, E> Creation<C, E> {
    /// A creation with these arguments.
    pub fn new(arguments: &impl AbiParameters) -> Self {
        Self { arguments: arguments.encode_parameters(), value: U256::ZERO, gas: None, contract: PhantomData }
    }

    /// Sends this value along.
    #[must_use]
    pub fn value(mut self, value: U256) -> Self {
        self.value = value;
        self
    }

    /// Lets it use at most this much of Ethereum's gas.
    #[must_use]
    pub fn gas(mut self, gas: u64) -> Self {
        self.gas = Some(gas);
        self
    }

    /// The ABI-encoded arguments.
    pub fn arguments(&self) -> &[u8] {
        &self.arguments
    }
}
