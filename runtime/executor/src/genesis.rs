//! Block 0.

use std::sync::Arc;

use entente_crypto::LtHash;
use entente_host::{NodeFault, configuration_row};
use entente_state::{MapState, Overlay};
use entente_types::{Bloom, ConfigurationKey, EthereumHeader, Genesis, Header};
use parity_scale_codec::Encode;

use crate::{Account, Configuration, ExecutedBlock, Sealers};

/// What a group begins with: header 0 and the rows that stand before the first transaction.
///
/// # Errors
/// None that a validated genesis can cause.
pub fn genesis_block(genesis: &Genesis) -> Result<ExecutedBlock, NodeFault> {
    let suite = genesis.suite;
    let mut overlay = Overlay::new(Arc::new(MapState::default()));
    let configuration = Configuration::of_genesis(genesis);
    for key in ConfigurationKey::ALL.into_iter().filter(|key| key.without_row().is_none()) {
        overlay.set(&configuration_row(key), Some(configuration.entry(key).encode()))?;
    }
    for (address, amount) in &genesis.allocations {
        let mut account = Account::load(&mut overlay, address)?.unwrap_or_default();
        account.balance = *amount;
        account.store(&mut overlay, address)?;
    }
    let changes = overlay.finish();
    let mut commitment = LtHash::default();
    changes.apply_to(suite, &mut commitment);
    let mut header = genesis.header(changes.root(suite), commitment.root(suite));
    header.ethereum_hash =
        ethereum_header(&header, &entente_types::Hash::ZERO, Bloom::default(), genesis.limits.block_gas).hash();
    Ok(ExecutedBlock {
        header,
        receipts: Vec::new(),
        changes: Arc::new(changes),
        commitment,
        configuration,
        sealers: Sealers::of_genesis(genesis),
        left_out: Vec::new(),
        accesses: Vec::new(),
    })
}

/// The first version whose empty blocks have Ethereum's roots over nothing, which its clients look for.
const EMPTY_ROOTS_SINCE: u32 = 2;

/// The Ethereum header that stands beside ours. It follows from our header, the parent's Ethereum hash, the filter over
/// the logs of the block's receipts, and the gas limit that ruled the block.
pub fn ethereum_header(header: &Header, parent: &entente_types::Hash, bloom: Bloom, gas_limit: u64) -> EthereumHeader {
    // Every transaction uses gas.
    let is_empty = header.gas_used == 0 && header.protocol_version >= EMPTY_ROOTS_SINCE;
    let root = |root| if is_empty { EthereumHeader::NO_TRANSACTIONS } else { root };
    EthereumHeader {
        parent: *parent,
        beneficiary: header.proposer,
        state_root: header.state_root,
        transaction_root: root(header.transaction_root),
        receipt_root: root(header.receipt_root),
        bloom,
        number: header.number,
        gas_limit,
        gas_used: header.gas_used,
        timestamp_s: header.timestamp_ms / 1000,
    }
}
