//! Transactions on their way in.

use std::sync::Arc;

use entente_driver::SubmitError;
use entente_pool::AdmissionError;
use entente_types::{Hash, Transaction};

use crate::{
    arguments::{Arguments, Kind, shown},
    context::{Context, GroupEntry},
    error::{INTERNAL, RpcError},
    flow,
    table::Pending,
    views::{Answer, json_answer, push_quoted_hash},
};

/// `entente_sendTransaction` and FISCO BCOS's `sendRawTransaction`.
pub(crate) fn send(context: Arc<Context>, arguments: Arguments<'_>) -> Pending<'_> {
    Box::pin(async move {
        let group = arguments.group(&context, 0)?;
        let bytes = arguments.transaction(1)?;
        let _in_work = flow::transactions(&context, &arguments, group, 1)?;
        let transaction = Transaction::from_raw(&bytes)?;
        hash_answer(&submit_one(group, transaction, bytes.len()).await??)
    })
}

/// Lets the group look at transactions, and tells those who listen of what it let in.
pub(crate) async fn submit(
    group: &GroupEntry,
    transactions: Decoded,
) -> Result<Vec<Result<Hash, AdmissionError>>, SubmitError> {
    let results = group.handle.submit(transactions).await?;
    group.pending.tell(results.iter().flatten());
    Ok(results)
}

/// The same with one that came in so many bytes.
async fn submit_one(
    group: &GroupEntry,
    transaction: Transaction,
    bytes: usize,
) -> Result<Result<Hash, AdmissionError>, RpcError> {
    let results = submit(group, vec![(transaction, bytes)]).await?;
    results.into_iter().next().ok_or_else(unanswered)
}

/// A hash as an answer.
pub(crate) fn hash_answer(hash: &Hash) -> Answer {
    let mut text = String::with_capacity(68);
    push_quoted_hash(&mut text, hash);
    json_answer(text)
}

pub(crate) fn unanswered() -> RpcError {
    RpcError::new(INTERNAL, "the group answered fewer transactions than it was given")
}

/// `entente_sendTransactions`: each is admitted or refused by itself.
pub(crate) fn send_many(context: Arc<Context>, arguments: Arguments<'_>) -> Pending<'_> {
    Box::pin(async move {
        let group = arguments.group(&context, 0)?;
        let texts = arguments.transactions(1)?.0;
        let _in_work = flow::transactions(&context, &arguments, group, texts.len())?;
        let (transactions, refused) = decode(&texts);
        let count = texts.len();
        drop(texts);
        many_answers(group, transactions, refused, count).await
    })
}

/// Transactions with the bytes they came in.
pub(crate) type Decoded = Vec<(Transaction, usize)>;
/// What is wrong with those that do not decode, by their places.
type Undecoded = Vec<(usize, RpcError)>;

fn decode(texts: &[&str]) -> (Decoded, Undecoded) {
    let mut transactions = Vec::with_capacity(texts.len());
    let mut refused = Vec::new();
    // One buffer for all: only the decoded transaction is kept.
    let mut bytes = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        bytes.resize(digits.len() / 2, 0);
        let decoded = const_hex::decode_to_slice(digits, &mut bytes)
            .map_err(|_| {
                let expected = Kind::Transaction.expected();
                let found = shown(text);
                RpcError::parameters(format!("`transactions[{index}]` is {found:?}; expected {expected}"))
            })
            .and_then(|()| Ok(Transaction::from_raw(&bytes)?));
        match decoded {
            Ok(transaction) => transactions.push((transaction, bytes.len())),
            Err(error) => refused.push((index, error)),
        }
    }
    (transactions, refused)
}

async fn many_answers(group: &GroupEntry, transactions: Decoded, refused: Undecoded, count: usize) -> Answer {
    let results = if transactions.is_empty() { Vec::new() } else { submit(group, transactions).await? };
    let mut results = results.into_iter();
    let mut refused = refused.into_iter().peekable();
    let mut text = String::with_capacity(2 + count * 80);
    text.push('[');
    for index in 0..count {
        if index > 0 {
            text.push(',');
        }
        match refused.next_if(|(place, _)| *place == index) {
            Some((_, error)) => push_result(&mut text, Err(error)),
            None => push_result(&mut text, results.next().ok_or_else(unanswered)?.map_err(RpcError::from)),
        }
    }
    text.push(']');
    json_answer(text)
}

fn push_result(text: &mut String, result: Result<Hash, RpcError>) {
    match result {
        Ok(hash) => {
            text.push_str("{\"hash\":");
            push_quoted_hash(text, &hash);
            text.push('}');
        }
        Err(error) => {
            let error = serde_json::json!({ "error": { "code": error.code, "message": error.message } });
            text.push_str(&error.to_string());
        }
    }
}
