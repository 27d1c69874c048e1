//! Taking in the document by which a group goes on whose members came to different headers.

use entente_executor::Executor;
use entente_host::NodeFault;
use entente_ledger::{Ledger, ReadError, Staging};
use entente_storage::{Batch, Column, Durability, StorageError};
use entente_types::{BlockNumber, Hash, Member, Recovery, RecoveryError, SignedRecovery, Version};

use crate::remembered::is_loss;

/// How many keys one read brings.
const PAGE: usize = 256;

/// Why a recovery cannot be made or taken in.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// It names another block than this node's last one.
    #[error(
        "the recovery document names block {found} with header {found_header}, but the last block here is {tip} with header \
         {header}: {remedy}"
    )]
    Tip {
        /// The height that it names.
        found: BlockNumber,
        /// Its header.
        found_header: Hash,
        /// This node's last height.
        tip: BlockNumber,
        /// Its header.
        header: Hash,
        /// What to do.
        remedy: &'static str,
    },
    /// It is not signed as it must be, or does not follow what there is.
    #[error(transparent)]
    Refused(#[from] RecoveryError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The state cannot be read.
    #[error(transparent)]
    Node(#[from] NodeFault),
    /// The store fails.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The document for this node's last block, which nobody has signed.
pub fn recovery_of(ledger: &Ledger) -> Recovery {
    let tip = ledger.tip();
    Recovery { version: Version, identity: *ledger.lineage().last(), height: tip.number, header: tip.header_hash }
}

/// Those who must sign it: the sealers of the next height.
///
/// # Errors
/// The state cannot be read.
pub fn recovering_members(ledger: &Ledger, executor: &Executor) -> Result<Vec<Member>, NodeFault> {
    let sealers = executor.sealers(ledger.state().as_ref())?;
    Ok(sealers.at(ledger.tip().number.saturating_add(1)).to_vec())
}

/// Whether a document is one for this node: for its last block, and above what it took in before.
///
/// # Errors
/// It is not: what to do is said.
pub fn can_recover(ledger: &Ledger, recovery: &Recovery) -> Result<(), RecoverError> {
    let own = recovery_of(ledger);
    let follows = ledger.lineage().as_ref().clone().recover(ledger.genesis().suite, recovery);
    if (own.height, own.header) == (recovery.height, recovery.header) {
        return Ok(follows?);
    }
    // What was taken in already needs no more words.
    if let Err(known @ RecoveryError::Known(_)) = follows {
        return Err(known.into());
    }
    let remedy = match own.height.cmp(&recovery.height) {
        std::cmp::Ordering::Less => {
            "let this node catch up first, from others that run, or from another's folder with: entente import"
        }
        std::cmp::Ordering::Greater => {
            "this node has a certified block above, which all must keep: have the others import it from this folder with \
             `entente import`, and begin a document that names it"
        }
        std::cmp::Ordering::Equal => "these are two chains: compare the folders of all members before anything else",
    };
    let (found, found_header) = (recovery.height, recovery.header);
    Err(RecoverError::Tip { found, found_header, tip: own.height, header: own.header, remedy })
}

/// Takes a document in that all members signed: from the next height on signatures cover its hash, and what this node
/// promised above its last block is forgotten, since it means nothing any more; but not that it lost what it promised. It rules once the ledger is opened again.
///
/// # Errors
/// It is not for this node's last block, does not follow the recovery before, or somebody did not sign it. Nothing is
/// changed then.
pub fn recover(ledger: &Ledger, executor: &Executor, signed: SignedRecovery) -> Result<(), RecoverError> {
    let suite = ledger.genesis().suite;
    can_recover(ledger, &signed.recovery)?;
    signed.verify(&suite, suite, &recovering_members(ledger, executor)?)?;
    // What was fetched was checked under the identity before.
    ledger.stage(&Staging::Clear)?;
    let mut batch = Batch::new();
    ledger.note_recovery(&mut batch, signed)?;
    let engine = ledger.engine();
    let mut from = Vec::new();
    loop {
        let page: Vec<(Vec<u8>, Vec<u8>)> =
            engine.range(Column::Consensus, &[], &from, PAGE)?.collect::<Result<_, StorageError>>()?;
        let Some((last, _)) = page.last() else { break };
        from.clone_from(last);
        from.push(0);
        // A loss may be younger than the document: who is silent stays so.
        let forgotten = page.iter().filter(|(key, _)| !is_loss(key));
        forgotten.for_each(|(key, _)| batch.delete(Column::Consensus, key));
    }
    engine.write(batch, Durability::Synced)?;
    Ok(())
}
