//! The methods of those who test contracts: those of Hardhat's and Foundry's nodes, where the node was started with
//! `--dev`. Everywhere else they are refused before anything of them is read.

mod accounts;
pub(crate) mod node;
mod outcome;
pub(crate) mod sending;
pub(crate) mod settings;

use entente_dev::{DevChain, DevError};

use crate::{
    arguments::Arguments,
    error::{INVALID_PARAMETERS, NO_METHOD, RpcError},
    ethereum::FAILED,
    views::Answer,
};

pub(crate) use accounts::well_known;
pub(crate) use outcome::{failed, failed_in_block, in_next_block, of_transaction};

/// What is done with the chain, at this time.
pub(crate) type Act = Box<dyn FnOnce(&mut DevChain, u64) -> Answer + Send>;
/// What a method does, once its parameters are read.
pub(crate) type Acting = Result<Act, RpcError>;
/// How a method's parameters are read.
pub(crate) type Read = fn(&Arguments<'_>) -> Acting;

/// Something done with the chain: what methods end with that have read their parameters.
#[expect(clippy::unnecessary_wraps, reason = "it is what they answer")]
fn act(act: impl FnOnce(&mut DevChain, u64) -> Answer + Send + 'static) -> Acting {
    Ok(Box::new(act))
}

/// What a node that is not for tests answers.
pub(crate) fn not_offered(method: &str) -> RpcError {
    let message = format!(
        "the method {method} is for tests of contracts: this node was not started with --dev, which a chain that one \
         node orders alone can be (entente chain up DIR --dev, or entente chain dev)"
    );
    RpcError::new(NO_METHOD, message)
}

impl From<DevError> for RpcError {
    fn from(error: DevError) -> Self {
        match error {
            DevError::Refused(error) => crate::ethereum::sending::refused(&error),
            DevError::Transaction(error) => crate::ethereum::sending::undecoded(&error),
            DevError::Ledger(error) => error.into(),
            DevError::Node(fault) => fault.into(),
            DevError::Timestamp { .. }
            | DevError::Blocks(_)
            | DevError::BlockGas { .. }
            | DevError::Nonce { .. }
            | DevError::NoCoin
            | DevError::Dump
            | DevError::TypedData(_) => Self::new(INVALID_PARAMETERS, error.to_string()),
            DevError::UnknownAccount(_) | DevError::Impersonated(_) | DevError::Append(_) => {
                Self::new(FAILED, error.to_string())
            }
        }
    }
}
