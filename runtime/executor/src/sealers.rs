//! Which sealer set rules which height, read from the state.

use std::sync::Arc;

use entente_host::NodeFault;
use entente_state::{ChangeSet, Row, RowValue, StateReader};
use entente_types::{
    Address, BlockNumber, DecidedSet, Genesis, Hash, Member, MembersError, RulingSet, SealerEntry, Suite,
    sealer_set_row, sealers_row,
};

/// A sealer set with what execution asks of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ruling {
    set: RulingSet,
    /// The accounts of its keys.
    accounts: Arc<[Address]>,
}

impl Ruling {
    fn new(set: RulingSet) -> Self {
        let accounts = set.sealers.iter().map(|member| member.key.address()).collect();
        Self { set, accounts }
    }

    /// Whether it is the set that an entry names.
    fn is(&self, decided: &DecidedSet) -> bool {
        self.set.from == decided.from && self.set.hash == decided.hash
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Known {
    suite: Suite,
    genesis: Ruling,
    /// The row that names the sets; nothing where the group has changed none.
    row: Option<RowValue>,
    /// The sets that it names, ascending by height; the genesis document's where there is no row.
    first: Ruling,
    later: Vec<Ruling>,
}

/// The sealer sets of one state: the one that rules and those that are decided for later. It can answer for every
/// height from that of its state on: what is decided above it rules no height up to its own plus the pipeline's
/// depth. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealers(Arc<Known>);

impl Sealers {
    /// What a group begins with.
    pub fn of_genesis(genesis: &Genesis) -> Self {
        let first = Ruling::new(RulingSet::of_genesis(genesis));
        Self(Arc::new(Known { suite: genesis.suite, genesis: first.clone(), row: None, first, later: Vec::new() }))
    }

    /// Reads them from a state of the group with this genesis document.
    ///
    /// # Errors
    /// A damaged row, or a storage that fails.
    pub fn read(state: &dyn StateReader, genesis: &Genesis) -> Result<Self, NodeFault> {
        Self::of_genesis(genesis).of_state(state)
    }

    /// The sets of another state of the same group. What is known of them already is shared.
    pub(crate) fn of_state(&self, state: &dyn StateReader) -> Result<Self, NodeFault> {
        let row = state.row(&sealers_row())?;
        self.followed_by(row, |row| Ok(state.row(row)?))
    }

    /// Carries them over a block's changes. A block that decides nothing about sealers costs one look.
    ///
    /// # Errors
    /// A damaged row.
    pub fn apply(&self, changes: &ChangeSet) -> Result<Self, NodeFault> {
        match changes.find(&sealers_row()) {
            None => Ok(self.clone()),
            Some(change) => {
                self.followed_by(change.new.clone(), |row| Ok(changes.find(row).and_then(|change| change.new.clone())))
            }
        }
    }

    /// The sets that this row names: those known already, and others by their rows.
    fn followed_by(
        &self,
        row: Option<RowValue>,
        read: impl Fn(&Row) -> Result<Option<RowValue>, NodeFault>,
    ) -> Result<Self, NodeFault> {
        let Known { suite, genesis, .. } = &*self.0;
        if row == self.0.row {
            return Ok(self.clone());
        }
        let Some(bytes) = &row else {
            let first = genesis.clone();
            let known = Known { suite: *suite, genesis: genesis.clone(), row: None, first, later: Vec::new() };
            return Ok(Self(Arc::new(known)));
        };
        let entry = SealerEntry::from_bytes(bytes)?;
        let ruling = |decided: &DecidedSet| -> Result<Ruling, NodeFault> {
            if let Some(known) = self.all().chain([genesis]).find(|known| known.is(decided)) {
                return Ok(known.clone());
            }
            let row = read(&sealer_set_row(decided.from))?;
            let made = Ruling::new(RulingSet::of_row(*suite, decided.from, row.as_deref())?.0);
            if made.is(decided) { Ok(made) } else { Err(MembersError::set(decided.from).into()) }
        };
        let mut sets = entry.sets().map(ruling).collect::<Result<Vec<_>, _>>()?.into_iter();
        let first = sets.next().ok_or_else(MembersError::entry)?;
        let later = sets.collect();
        Ok(Self(Arc::new(Known { suite: *suite, genesis: genesis.clone(), row, first, later })))
    }

    fn all(&self) -> impl Iterator<Item = &Ruling> {
        std::iter::once(&self.0.first).chain(&self.0.later)
    }

    fn ruling(&self, height: BlockNumber) -> &Ruling {
        self.0.later.iter().rev().find(|ruling| ruling.set.from <= height).unwrap_or(&self.0.first)
    }

    /// The set that rules a height, in the order in which certificates count its members.
    pub fn at(&self, height: BlockNumber) -> Arc<[Member]> {
        Arc::clone(&self.ruling(height).set.sealers)
    }

    /// The same with its hash and the first height that it rules.
    pub fn set_at(&self, height: BlockNumber) -> &RulingSet {
        &self.ruling(height).set
    }

    /// The hash of the set that rules a height.
    pub fn hash_at(&self, height: BlockNumber) -> Hash {
        self.ruling(height).set.hash
    }

    /// The accounts of the keys that seal a height.
    pub(crate) fn accounts_at(&self, height: BlockNumber) -> Arc<[Address]> {
        Arc::clone(&self.ruling(height).accounts)
    }

    /// The set that was decided last, whether or not it rules yet.
    pub fn last(&self) -> &RulingSet {
        &self.0.later.last().unwrap_or(&self.0.first).set
    }

    /// The sets that begin to rule above a height, ascending.
    pub fn above(&self, height: BlockNumber) -> impl Iterator<Item = &RulingSet> {
        self.all().map(|ruling| &ruling.set).filter(move |set| set.from > height)
    }
}
