//! The ONE table of methods, by families: registration, the documentation and the metrics are made from it.

mod dev;
mod entente;
mod ethereum;
mod ethereum_calls;
mod fisco;

use crate::{
    arguments::{Kind, Parameter},
    error::RpcError,
    ethereum::in_ethereums_codes,
};

pub(crate) use crate::method::{Handler, Many, Method, Pending, PendingMany, Subscribed};
pub(crate) use fisco::ABSENT;

const fn required(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind, optional: false }
}

const fn optional(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind, optional: true }
}

const GROUP: Parameter = required("group", Kind::Group);
const HASH: Parameter = required("hash", Kind::Hash);
const TRANSACTION: Parameter = required("transaction", Kind::Transaction);
const KNOWN: Parameter = optional("known", Kind::Number);

/// Whose names and habits a method has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Entente,
    Fisco,
    /// The group is that of the path, and error codes are those of Ethereum's tools.
    Ethereum,
    /// The same: those of them that execute code and keep nothing.
    EthereumCalls,
    /// The same: those that tests of contracts use, where the node was started for them.
    Dev,
}

impl Family {
    /// Every family, in the order in which they are documented.
    pub(crate) const ALL: [Self; 5] = [Self::Entente, Self::Ethereum, Self::EthereumCalls, Self::Dev, Self::Fisco];

    /// Its methods.
    pub(crate) fn methods(self) -> &'static [Method] {
        match self {
            Self::Entente => entente::METHODS,
            Self::Fisco => fisco::METHODS,
            Self::Ethereum => ethereum::METHODS,
            Self::EthereumCalls => ethereum_calls::METHODS,
            Self::Dev => dev::METHODS,
        }
    }

    /// Its heading in the documentation, and what is said below it.
    pub(crate) const fn heading(self) -> (&'static str, &'static str) {
        match self {
            Self::Entente => ("Entente's methods", "The first parameter is the group, where there is one."),
            Self::Fisco => (
                "FISCO BCOS's methods",
                "Numbers in answers are hexadecimal strings; the first parameter is the group.",
            ),
            Self::Ethereum => ("Ethereum's methods", ethereum::OPENING),
            Self::EthereumCalls => ("Ethereum's calls and traces", ethereum_calls::OPENING),
            Self::Dev => ("Methods for tests of contracts", dev::OPENING),
        }
    }

    /// An error as the family's clients know it.
    pub(crate) fn error(self, error: RpcError) -> RpcError {
        match self {
            Self::Entente | Self::Fisco => error,
            Self::Ethereum | Self::EthereumCalls | Self::Dev => in_ethereums_codes(error),
        }
    }
}

/// Every method of this server, with its family.
pub(crate) fn methods() -> impl Iterator<Item = (Family, &'static Method)> {
    Family::ALL.into_iter().flat_map(|family| family.methods().iter().map(move |method| (family, method)))
}
