//! What a node and its chain are.

use std::sync::Arc;

use entente_crypto::keccak256;

use super::{quantity::Quantity, syncing::Syncing};
use crate::{
    arguments::Arguments,
    context::Context,
    dev,
    table::Pending,
    views::{Answer, answer},
};

/// What the node is.
fn version() -> String {
    let (version, system, processor) = (env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH);
    format!("Entente/v{version}/{system}-{processor}")
}

/// The same where it runs for tests: their libraries go on only where the first word says that it does what Hardhat's
/// node does.
pub(crate) fn dev_version() -> String {
    format!("HardhatNetwork/{}", version())
}

/// `web3_clientVersion`.
pub(crate) fn client_version(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let is_dev = arguments.spoken_for(context)?.handle.is_dev();
    answer(&if is_dev { dev_version() } else { version() })
}

/// `web3_sha3`.
pub(crate) fn sha3(_context: &Context, arguments: &Arguments<'_>) -> Answer {
    answer(&keccak256(&arguments.data(0)?))
}

/// `net_version`: the same number as `eth_chainId`, in decimal.
pub(crate) fn network(context: &Context, arguments: &Arguments<'_>) -> Answer {
    answer(&arguments.spoken_for(context)?.handle.genesis().ethereum_chain_id.to_string())
}

/// `net_listening`: whoever hears the answer knows it.
pub(crate) fn listening(_context: &Context, _arguments: &Arguments<'_>) -> Answer {
    answer(&true)
}

/// `net_peerCount`.
pub(crate) fn peer_count(context: &Context, arguments: &Arguments<'_>) -> Answer {
    answer(&Quantity(arguments.spoken_for(context)?.handle.connected().len() as u64))
}

/// `eth_chainId`.
pub(crate) fn chain_id(context: &Context, arguments: &Arguments<'_>) -> Answer {
    answer(&Quantity(arguments.spoken_for(context)?.handle.genesis().ethereum_chain_id))
}

/// `eth_blockNumber`.
pub(crate) fn block_number(context: &Context, arguments: &Arguments<'_>) -> Answer {
    answer(&Quantity(arguments.spoken_for(context)?.handle.ledger().tip().number))
}

/// `eth_syncing`: false, or how far the node is.
pub(crate) fn syncing(context: &Context, arguments: &Arguments<'_>) -> Answer {
    match Syncing::of(&arguments.spoken_for(context)?.handle) {
        Some(syncing) => answer(&syncing),
        None => answer(&false),
    }
}

/// `eth_accounts`: the node keeps no keys for others, but has those that everybody knows where it runs for tests.
pub(crate) fn accounts(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let is_dev = arguments.spoken_for(context)?.handle.is_dev();
    answer(&if is_dev { dev::well_known() } else { &[] })
}

/// `eth_coinbase`: the account of the key that signs the node's blocks, or whom a test said to make them.
pub(crate) fn coinbase(context: Arc<Context>, arguments: Arguments<'_>) -> Pending<'_> {
    Box::pin(async move {
        let group = arguments.spoken_for(&context)?.handle.clone();
        if !group.is_dev() {
            return answer(&group.node_key().address());
        }
        let (coinbase, _) = group.test(|chain, _| chain.next_block()).await?;
        answer(&coinbase)
    })
}

/// `eth_gasPrice`, `eth_maxPriorityFeePerGas` and `eth_blobBaseFee`: nobody has to pay for gas.
pub(crate) fn no_price(_context: &Context, _arguments: &Arguments<'_>) -> Answer {
    answer(&Quantity(0))
}
