//! Recoveries: how a group goes on whose members came to different headers.

use entente_storage::{Batch, Column, Durability};
use entente_types::{Recovery, SignedRecovery};
use parity_scale_codec::Encode as _;

use crate::{
    Ledger, ReadError,
    format::{META_RECOVERIES, META_SIGNED, Stored, decode},
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
        batch.delete(Column::Meta, META_SIGNED);
        Ok(())
    }

    /// Notes that this node signed a recovery: from then on it must not sign anything else above that block.
    ///
    /// # Errors
    /// The storage fails.
    pub fn note_signed_recovery(&self, recovery: &Recovery) -> Result<(), ReadError> {
        let mut batch = Batch::new();
        batch.put(Column::Meta, META_SIGNED, &Stored::new(recovery).encode());
        Ok(self.engine.write(batch, Durability::Synced)?)
    }

    /// The recovery that this node signed last and has not taken in.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn signed_recovery(&self) -> Result<Option<Recovery>, ReadError> {
        let Some(bytes) = self.engine.get(Column::Meta, META_SIGNED)? else { return Ok(None) };
        Ok(Some(decode::<Stored<Recovery>>(Column::Meta, META_SIGNED, &bytes)?.value))
    }
}
