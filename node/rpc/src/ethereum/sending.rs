//! Ethereum's transactions on their way in, and the words in which Ethereum's nodes refuse them.

use std::sync::Arc;

use entente_pool::AdmissionError;
use entente_types::{EthereumTransaction, EthereumTransactionError, Transaction};

use super::FAILED;
use crate::{
    arguments::Arguments,
    context::Context,
    dev,
    error::RpcError,
    flow,
    sending::{hash_answer, submit_one},
    table::Pending,
};

/// `eth_sendRawTransaction`.
pub(crate) fn send_raw(context: Arc<Context>, arguments: Arguments<'_>) -> Pending<'_> {
    Box::pin(async move {
        let group = arguments.spoken_for(&context)?;
        let raw = arguments.data(0)?;
        let _in_work = flow::transactions(&context, &arguments, group, 1)?;
        let bytes = raw.len();
        let transaction = EthereumTransaction::new(raw).map_err(|error| undecoded(&error))?;
        // A field that is wrong is told here, where the envelope alone is looked at elsewhere.
        transaction.payload().map_err(|error| undecoded(&error))?;
        let admitted = submit_one(group, Transaction::Ethereum(transaction), bytes).await?;
        let hash = admitted.map_err(|error| refused(&error))?;
        if group.handle.is_dev() {
            dev::of_transaction(group, &hash)?;
        }
        hash_answer(&hash)
    })
}

/// Tools look for these words in the message.
fn in_words(words: &str, error: &dyn std::error::Error) -> RpcError {
    RpcError::new(FAILED, format!("{words}: {error}"))
}

pub(crate) fn undecoded(error: &EthereumTransactionError) -> RpcError {
    let words = match error {
        EthereumTransactionError::Kind(_) => "transaction type not supported",
        EthereumTransactionError::ChainId => "only replay-protected (EIP-155) transactions allowed over RPC",
        EthereumTransactionError::Size(_) | EthereumTransactionError::Authorizations => "oversized data",
        EthereumTransactionError::Rlp | EthereumTransactionError::Field(_) => "rlp",
    };
    in_words(words, error)
}

pub(crate) fn refused(error: &AdmissionError) -> RpcError {
    let words = match error {
        AdmissionError::Known => "already known",
        AdmissionError::Replay => "nonce too low",
        AdmissionError::Gas { .. } => "exceeds block gas limit",
        AdmissionError::ChainId { .. } => "invalid chain id for signer",
        AdmissionError::Sender { .. } | AdmissionError::Signature(_) => "invalid sender",
        AdmissionError::Full { .. } | AdmissionError::FullBytes { .. } | AdmissionError::FullSender { .. } => {
            "txpool is full"
        }
        other => return RpcError::new(FAILED, other.to_string()),
    };
    in_words(words, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_the_words_that_ethereums_tools_look_for() {
        for (error, words) in [
            (AdmissionError::Known, "already known: the transaction is in the pool already"),
            (AdmissionError::Replay, "nonce too low: the sender has used"),
            (AdmissionError::Gas { found: 9, limit: 5 }, "exceeds block gas limit: `gas_limit` is 9"),
            (AdmissionError::Full { limit: 5 }, "txpool is full: the pool holds"),
            (AdmissionError::CatchingUp, "this node is catching up"),
        ] {
            let RpcError { code, message, .. } = refused(&error);
            assert!(code == FAILED && message.starts_with(words), "{message}");
        }
        let unprotected = undecoded(&EthereumTransactionError::ChainId);
        assert!(unprotected.message.starts_with("only replay-protected"), "{unprotected:?}");
    }
}
