//! Block 0.

use std::sync::Arc;

use entente_crypto::LtHash;
use entente_host::NodeFault;
use entente_state::{MapState, Overlay};
use entente_types::{Bloom, EthereumHeader, Genesis, Header, Version, sealers_hash};
use parity_scale_codec::Encode;

use crate::{
    Account, ConfigurationEntry, ExecutedBlock,
    rules::{BLOCK_GAS, BLOCK_TRANSACTIONS, PROTOCOL_VERSION, TRANSACTION_GAS, configuration_row},
};

/// What a group begins with: header 0 and the rows that stand before the first transaction.
///
/// # Errors
/// None that a validated genesis can cause.
pub fn genesis_block(genesis: &Genesis) -> Result<ExecutedBlock, NodeFault> {
    let suite = genesis.suite;
    let mut overlay = Overlay::new(Arc::new(MapState::default()));
    let numbers = [
        (PROTOCOL_VERSION, u64::from(genesis.protocol_version)),
        (BLOCK_GAS, genesis.limits.block_gas),
        (TRANSACTION_GAS, genesis.limits.transaction_gas),
        (BLOCK_TRANSACTIONS, u64::from(genesis.limits.block_transactions)),
    ];
    for (key, number) in numbers {
        let entry = ConfigurationEntry { version: Version, value: number.to_string(), from: 0 };
        overlay.set(&configuration_row(key), Some(entry.encode()))?;
    }
    for (address, amount) in &genesis.allocations {
        let mut account = Account::load(&mut overlay, address)?.unwrap_or_default();
        account.balance = *amount;
        account.store(&mut overlay, address)?;
    }
    let changes = overlay.finish();
    let mut commitment = LtHash::default();
    changes.apply_to(suite, &mut commitment);
    let empty = Header::transaction_root(suite, &[]);
    let mut header = Header {
        version: Version,
        number: 0,
        parent: entente_types::Hash::ZERO,
        proposal: genesis.hash(),
        timestamp_ms: genesis.timestamp_ms,
        proposer: entente_types::Address::ZERO,
        next_sealers: sealers_hash(suite, &genesis.sealers),
        transaction_root: empty,
        receipt_root: empty,
        change_root: changes.root(suite),
        state_root: commitment.root(suite),
        ethereum_hash: entente_types::Hash::ZERO,
        gas_used: 0,
        protocol_version: genesis.protocol_version,
    };
    header.ethereum_hash =
        ethereum_header(&header, &entente_types::Hash::ZERO, Bloom::default(), genesis.limits.block_gas).hash();
    Ok(ExecutedBlock {
        header,
        receipts: Vec::new(),
        changes: Arc::new(changes),
        commitment,
        left_out: Vec::new(),
        accesses: Vec::new(),
    })
}

/// The Ethereum header that stands beside ours.
pub(crate) fn ethereum_header(
    header: &Header,
    parent: &entente_types::Hash,
    bloom: Bloom,
    gas_limit: u64,
) -> EthereumHeader {
    EthereumHeader {
        parent: *parent,
        beneficiary: header.proposer,
        state_root: header.state_root,
        transaction_root: header.transaction_root,
        receipt_root: header.receipt_root,
        bloom,
        number: header.number,
        gas_limit,
        gas_used: header.gas_used,
        timestamp_s: header.timestamp_ms / 1000,
    }
}
