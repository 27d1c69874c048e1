//! What gas cost: nothing, unless genesis enables balances and senders paid for it.

use entente_driver::GroupHandle;
use entente_executor::Configuration;
use entente_types::{Amount, BlockNumber, ConfigurationKey, Header, Transaction};
use serde::Serialize;

use super::{blocks::known_header, heights::known_height, places::receipts, quantity::Quantity, transactions::Summary};
use crate::{
    arguments::Arguments,
    configuration,
    context::Context,
    error::{INTERNAL, RpcError},
    limits::{FEE_HISTORY_BLOCKS_MAX, FEE_HISTORY_TRANSACTIONS_MAX},
    views::{Answer, answer},
};

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct HistoryView {
    oldest_block: Quantity,
    /// One more than there are blocks: the next one's, too.
    base_fee_per_gas: Vec<Quantity>,
    gas_used_ratio: Vec<f64>,
    base_fee_per_blob_gas: Vec<Quantity>,
    blob_gas_used_ratio: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reward: Option<Vec<Vec<Amount>>>,
}

/// `eth_feeHistory`.
pub(crate) fn history(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let group = &arguments.spoken_for(context)?.handle;
    let count = arguments.number(0)?.min(FEE_HISTORY_BLOCKS_MAX);
    if count == 0 {
        return answer(&HistoryView::default());
    }
    let newest = known_height(group, arguments.block_reference(1)?)?;
    let percentiles = arguments.percentiles(2)?;
    let limits = GasLimits::new(group)?;
    let (mut ratios, mut rewards, mut looked_through) = (Vec::new(), Vec::new(), 0_usize);
    let mut oldest = newest.saturating_add(1);
    // From the newest on, as far as the work is bounded: fewer blocks than asked for are an answer, too.
    while (ratios.len() as u64) < count && oldest > 0 && looked_through < FEE_HISTORY_TRANSACTIONS_MAX {
        let header = known_header(group, oldest - 1)?;
        if !percentiles.is_empty() {
            if RpcError::not_kept(group.ledger(), header.number).is_some() {
                break;
            }
            let (reward, transactions) = rewards_of(group, &header, &percentiles)?;
            looked_through = looked_through.saturating_add(transactions);
            rewards.push(reward);
        }
        ratios.push(ratio(header.gas_used, limits.at(header.number)));
        oldest -= 1;
    }
    ratios.reverse();
    rewards.reverse();
    let zeros = vec![Quantity(0); ratios.len().saturating_add(1)];
    answer(&HistoryView {
        oldest_block: Quantity(oldest),
        base_fee_per_gas: zeros.clone(),
        base_fee_per_blob_gas: zeros,
        blob_gas_used_ratio: vec![0.0; ratios.len()],
        gas_used_ratio: ratios,
        reward: (!percentiles.is_empty()).then_some(rewards),
    })
}

/// The gas limits of blocks.
struct GasLimits<'a> {
    group: &'a GroupHandle,
    configuration: Configuration,
}

impl<'a> GasLimits<'a> {
    fn new(group: &'a GroupHandle) -> Result<Self, RpcError> {
        let configuration = Configuration::read(group.ledger().state().as_ref())?;
        Ok(Self { group, configuration })
    }

    fn at(&self, height: BlockNumber) -> u64 {
        // Most heights have the limit that the tip's state knows of.
        let known = self.configuration.entry(ConfigurationKey::BlockGas).since() <= height;
        let limits = known.then(|| self.configuration.limits(height).ok()).flatten();
        let limit = limits.map(|limits| limits.block_gas);
        limit.or_else(|| configuration::block_gas(self.group, height)).unwrap_or(0)
    }
}

/// The part of the gas limit that was used.
fn ratio(used: u64, limit: u64) -> f64 {
    if limit == 0 { 0.0 } else { used as f64 / limit as f64 }
}

/// What was paid for a unit of gas at these percentiles of a block's gas, and how many transactions were looked at.
fn rewards_of(group: &GroupHandle, header: &Header, percentiles: &[f64]) -> Result<(Vec<Amount>, usize), RpcError> {
    let genesis = group.genesis();
    if !genesis.balances || header.gas_used == 0 {
        return Ok((vec![Amount::ZERO; percentiles.len()], 0));
    }
    let missing = || RpcError::new(INTERNAL, format!("block {} is missing", header.number));
    let block = group.ledger().block(header.number)?.ok_or_else(missing)?;
    let receipts = receipts(group, header.number)?;
    let paid = |transaction: &Transaction| {
        let hash = transaction.hash(genesis.suite);
        Summary::new(genesis, &hash, transaction).map(|summary| summary.price)
    };
    let prices: Vec<Amount> = block.transactions.iter().map(paid).collect::<Result<_, _>>()?;
    let used = receipts.iter().map(|receipt| receipt.gas_used);
    let rewards = at_percentiles(prices.into_iter().zip(used).collect(), header.gas_used, percentiles);
    Ok((rewards, block.transactions.len()))
}

/// Of prices, each with the gas bought for it, the one at each percentile of all gas.
fn at_percentiles(mut bought: Vec<(Amount, u64)>, gas: u64, percentiles: &[f64]) -> Vec<Amount> {
    bought.sort_unstable();
    let mut rest = bought.into_iter();
    let Some((mut price, mut below)) = rest.next() else { return vec![Amount::ZERO; percentiles.len()] };
    let mut at = |percentile: &f64| {
        let threshold = gas as f64 * percentile / 100.0;
        while (below as f64) < threshold
            && let Some((next, used)) = rest.next()
        {
            (price, below) = (next, below.saturating_add(used));
        }
        price
    };
    percentiles.iter().map(&mut at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_gas_and_not_of_the_transactions() {
        let bought = [(5, 10), (1, 70), (3, 20)].map(|(price, gas): (u64, u64)| (Amount::from(price), gas)).to_vec();
        let expected = [1, 1, 3, 5].map(Amount::from).to_vec();
        assert_eq!(at_percentiles(bought, 100, &[0.0, 70.0, 90.0, 100.0]), expected);
        assert_eq!(at_percentiles(vec![], 0, &[50.0]), [Amount::ZERO]);
    }

    #[test]
    fn no_limit_is_no_division() {
        assert!(ratio(5, 0).abs() < f64::EPSILON);
        assert!((ratio(5, 10) - 0.5).abs() < f64::EPSILON);
    }
}
