//! What the node says of itself and of what waits.

use std::collections::BTreeMap;

use entente_dev::DevChain;
use entente_types::{Address, Transaction};
use serde_json::{Value, json};

use super::{Acting, act};
use crate::{
    arguments::Arguments,
    error::RpcError,
    ethereum::{node::dev_version, quantity::Quantity, transactions::TransactionView},
    views::answer,
};

/// `hardhat_metadata`.
pub(crate) fn metadata(_arguments: &Arguments<'_>) -> Acting {
    act(|chain, _| {
        let tip = chain.tip()?;
        answer(&json!({
            "clientVersion": dev_version(),
            "chainId": chain.ledger().genesis().ethereum_chain_id,
            "instanceId": chain.instance(),
            "latestBlockNumber": tip.number,
            "latestBlockHash": tip.ethereum_hash,
        }))
    })
}

/// `anvil_nodeInfo`.
pub(crate) fn info(_arguments: &Arguments<'_>) -> Acting {
    act(|chain, unix_ms| {
        let tip = chain.tip()?;
        answer(&json!({
            "currentBlockNumber": Quantity(tip.number),
            "currentBlockTimestamp": tip.timestamp_ms / 1000,
            "currentBlockHash": tip.ethereum_hash,
            "nextBlockTimestamp": chain.next_timestamp(unix_ms)?,
            "hardFork": "osaka",
            "transactionOrder": "fifo",
            "environment": {
                "baseFee": Quantity(0),
                "chainId": chain.ledger().genesis().ethereum_chain_id,
                "gasLimit": Quantity(chain.block_gas()?),
                "gasPrice": Quantity(0),
            },
            "forkConfig": {},
        }))
    })
}

/// Those of Ethereum's transactions that wait, by sender and number: those that can be in the next block, and those
/// that cannot yet.
type Waiting = [BTreeMap<Address, BTreeMap<u64, Value>>; 2];

fn waiting(
    chain: &DevChain,
    show: impl Fn(&DevChain, &Transaction) -> Result<Value, RpcError>,
) -> Result<Waiting, RpcError> {
    let mut waiting = Waiting::default();
    let [pending, queued] = &mut waiting;
    let free: std::collections::BTreeSet<_> = chain.pool().waiting().map(|pooled| pooled.hash).collect();
    for checked in chain.pool().all() {
        let Transaction::Ethereum(ethereum) = checked.transaction().as_ref() else { continue };
        let Some(origin) = ethereum.origin() else { continue };
        let place = if free.contains(&checked.hash()) { &mut *pending } else { &mut *queued };
        place.entry(origin.sender).or_default().insert(origin.nonce, show(chain, checked.transaction())?);
    }
    Ok(waiting)
}

/// `txpool_status`.
pub(crate) fn pool_status(_arguments: &Arguments<'_>) -> Acting {
    act(|chain, _| {
        let [pending, queued] = waiting(chain, |_, _| Ok(Value::Null))?;
        let count = |of: &BTreeMap<Address, BTreeMap<u64, Value>>| {
            Quantity(of.values().map(BTreeMap::len).sum::<usize>() as u64)
        };
        answer(&json!({ "pending": count(&pending), "queued": count(&queued) }))
    })
}

/// A transaction that is in no block, as `eth_getTransactionByHash` shows it.
pub(super) fn shown(chain: &DevChain, transaction: &Transaction) -> Result<Value, RpcError> {
    let genesis = chain.ledger().genesis();
    let view = TransactionView::new(genesis, transaction.hash(genesis.suite), None, transaction)?;
    serde_json::to_value(&view).map_err(|error| RpcError::new(crate::error::INTERNAL, error.to_string()))
}

/// `txpool_content`.
pub(crate) fn pool_content(_arguments: &Arguments<'_>) -> Acting {
    act(|chain, _| {
        let [pending, queued] = waiting(chain, shown)?;
        answer(&json!({ "pending": pending, "queued": queued }))
    })
}

/// `eth_pendingTransactions`.
pub(crate) fn pending(_arguments: &Arguments<'_>) -> Acting {
    act(|chain, _| {
        let by_sender = waiting(chain, shown)?.into_iter().flat_map(BTreeMap::into_values);
        answer(&by_sender.flat_map(BTreeMap::into_values).collect::<Vec<Value>>())
    })
}
