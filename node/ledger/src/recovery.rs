//! Recoveries: how a group goes on whose members came to different headers.

use entente_storage::{Batch, Column};
use entente_types::SignedRecovery;
use parity_scale_codec::Encode as _;

use crate::{
    Ledger, ReadError,
    format::{META_RECOVERIES, Stored},
    open::read_recoveries,
};

impl Ledger {
    /// The recoveries that this node took in, the oldest first.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn recoveries(&self) -> Result<Vec<SignedRecovery>, ReadError> {
        read_recoveries(&*self.published().snapshot)
    }

    /// Has a batch note a recovery, which was verified. It rules once the ledger is opened again.
    ///
    /// # Errors
    /// Those before it cannot be read.
    pub fn note_recovery(&self, batch: &mut Batch, signed: SignedRecovery) -> Result<(), ReadError> {
        let mut all = self.recoveries()?;
        all.push(signed);
        batch.put(Column::Meta, META_RECOVERIES, &Stored::new(all).encode());
        Ok(())
    }
}
