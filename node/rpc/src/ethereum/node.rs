//! What a node and its chain are.

use entente_crypto::keccak256;
use serde_json::json;

use super::quantity::Quantity;
use crate::{
    arguments::Arguments,
    context::Context,
    dev,
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
    /// Others have a block a moment earlier: that is no lag.
    const AHEAD: u64 = 2;
    let status = arguments.spoken_for(context)?.handle.status();
    if status.best_peer_height <= status.height.saturating_add(AHEAD) {
        return answer(&false);
    }
    answer(&json!({
        "startingBlock": "0x0",
        "currentBlock": Quantity(status.height),
        "highestBlock": Quantity(status.best_peer_height),
    }))
}

/// `eth_accounts`: the node keeps no keys for others, but has those that everybody knows where it runs for tests.
pub(crate) fn accounts(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let is_dev = arguments.spoken_for(context)?.handle.is_dev();
    answer(&if is_dev { dev::well_known() } else { &[] })
}

/// `eth_coinbase`: the account of the key that signs the node's blocks.
pub(crate) fn coinbase(context: &Context, arguments: &Arguments<'_>) -> Answer {
    answer(&arguments.spoken_for(context)?.handle.node_key().address())
}

/// `eth_gasPrice`, `eth_maxPriorityFeePerGas` and `eth_blobBaseFee`: nobody has to pay for gas.
pub(crate) fn no_price(_context: &Context, _arguments: &Arguments<'_>) -> Answer {
    answer(&Quantity(0))
}
