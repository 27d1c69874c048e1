//! Ethereum's transactions on their way in, and the words in which Ethereum's nodes refuse them.

use std::sync::Arc;

use entente_pool::AdmissionError;
use entente_types::{EthereumTransaction, EthereumTransactionError, Transaction};

use super::FAILED;
use crate::{
    arguments::Arguments,
    context::{Context, GroupEntry},
    dev,
    error::RpcError,
    flow,
    sending::{hash_answer, submit, unanswered},
    table::PendingMany,
};

/// `eth_sendRawTransaction`.
pub(crate) fn send_raw(context: Arc<Context>, requests: Vec<Result<Arguments<'_>, RpcError>>) -> PendingMany<'_> {
    Box::pin(async move {
        let mut transactions = Vec::with_capacity(requests.len());
        // The places that they take are given back when all are answered.
        let mut in_work = Vec::with_capacity(requests.len());
        let read = requests.into_iter().map(|arguments| {
            let arguments = arguments?;
            let group = arguments.spoken_for(&context)?;
            let raw = arguments.data(0)?;
            in_work.push(flow::transactions(&context, &arguments, group, 1)?);
            let bytes = raw.len();
            let transaction = EthereumTransaction::new(raw).map_err(|error| undecoded(&error))?;
            // A field that is wrong is told here, where the envelope alone is looked at elsewhere.
            transaction.payload().map_err(|error| undecoded(&error))?;
            transactions.push((Transaction::Ethereum(transaction), bytes));
            Ok(group)
        });
        let read: Vec<Result<&GroupEntry, RpcError>> = read.collect();
        // All came over one connection, whose path speaks for one group.
        let Some(group) = read.iter().flatten().next().copied() else {
            return read.into_iter().filter_map(Result::err).map(Err).collect();
        };
        let mut admitted = submit(group, transactions).await.map(Vec::into_iter);
        let answer = |read: Result<&GroupEntry, RpcError>| {
            let group = read?;
            let admitted = admitted.as_mut().map_err(|error| RpcError::from(*error))?;
            let hash = admitted.next().ok_or_else(unanswered)?.map_err(|error| refused(&error))?;
            if group.handle.is_dev() {
                dev::of_transaction(group, &hash)?;
            }
            hash_answer(&hash)
        };
        read.into_iter().map(answer).collect()
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
