//! Bringing a group's rooms up.

use std::sync::Arc;

use crate::RememberedError;
use entente_executor::{CodeOptions, Executor, genesis_block};
use entente_host::{
    NativeRegistryError, NodeFault,
    gas::{PROTOCOL_VERSIONS, ProtocolVersion},
};
use entente_ledger::{CreateError, GenesisRecord, Ledger, LedgerOptions, OpenError, ReadError};
use entente_storage::Engine;
use entente_types::{Address, Block, Certificate, ConsensusKind, Genesis, GenesisError, Version};

/// Why a group's ledger could not be opened or begun.
#[derive(Debug, thiserror::Error)]
pub enum OpenGroupError {
    /// The genesis document is refused.
    #[error("genesis.toml: {0}")]
    Genesis(#[from] GenesisError),
    /// The ledger that is there does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There was none, and none could be made.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// The tables of the native modules clash.
    #[error(transparent)]
    Natives(#[from] NativeRegistryError),
    /// Block 0 could not be made.
    #[error(transparent)]
    Node(#[from] NodeFault),
}

/// Why a group could not begin on its ledger.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// The ledger could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The state or its rules could not be read.
    #[error(transparent)]
    Node(#[from] NodeFault),
    /// An engine that this version lacks.
    #[error("consensus {0:?} is not there in this version; use pbft, or solo with one node")]
    Consensus(ConsensusKind),
    /// The node's key is no sealer's.
    #[error("the consensus key of this node, {found}, is not the sealer of genesis.toml, {expected}")]
    NotASealer {
        /// This node's.
        found: Address,
        /// The sealer's.
        expected: Address,
    },
    /// What consensus promised could not be read.
    #[error(transparent)]
    Remembered(#[from] RememberedError),
    /// It signed a recovery and has not taken it in.
    #[error(
        "this node signed a recovery document above block {height} and must sign nothing else there: take it in with \
         `entente group recover --apply FILE` once all have signed it; if they decided otherwise, fetch the chain anew, so that \
         this node does not vote before it is made a sealer again: entente node fetch"
    )]
    Recovering {
        /// The block.
        height: u64,
    },
    /// The tip's header is missing.
    #[error("the ledger has no header at its tip, block {0}")]
    NoTip(u64),
}

/// Opens the group's ledger on an engine, beginning it from genesis where the engine is empty.
///
/// # Errors
/// A genesis that is refused, or a ledger that is damaged or another group's.
pub fn open(
    engine: Arc<dyn Engine>,
    genesis: &Genesis,
    options: LedgerOptions,
) -> Result<(Arc<Ledger>, Arc<Executor>), OpenGroupError> {
    open_with(engine, genesis, options, PROTOCOL_VERSIONS, &CodeOptions::default())
}

/// The same with other versions of the rules than those of this release, and with a choice of how contracts are
/// compiled and kept.
///
/// # Errors
/// As [`open`].
pub fn open_with(
    engine: Arc<dyn Engine>,
    genesis: &Genesis,
    options: LedgerOptions,
    versions: &[ProtocolVersion],
    code: &CodeOptions,
) -> Result<(Arc<Ledger>, Arc<Executor>), OpenGroupError> {
    genesis.validate()?;
    let ledger = match Ledger::open_with(Arc::clone(&engine), genesis, options) {
        Err(OpenError::Empty) => {
            let first = genesis_block(genesis)?;
            let block0 = Block {
                version: Version,
                header: first.header,
                certificate: Certificate::default(),
                view: 0,
                access: None,
                left_out: Vec::new(),
                transactions: Vec::new(),
            };
            let record = GenesisRecord {
                genesis: genesis.clone(),
                block0,
                changes: first.changes,
                commitment: first.commitment,
            };
            Ledger::create_with(engine, record, options)?
        }
        other => other?,
    };
    let natives = entente_precompiles::registry(genesis.suite)?;
    let executor = Executor::with(genesis, natives, versions, code);
    Ok((Arc::new(ledger), Arc::new(executor)))
}
