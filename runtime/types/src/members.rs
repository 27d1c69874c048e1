//! The members of a group as its state holds them: which sealer sets were decided, from which height on each of them
//! rules, and who observes.
//!
//! Three kinds of rows, all in the table [`Table::Members`]. One names the sets that rule or will; each set that was
//! ever decided has a row of its own that stays, under the height from which it rules, and leads to the one before it;
//! one lists the observers. A group that has never changed its members has none of them: its sealers are the genesis
//! document's, and nobody observes. So every set of a group can be found in its last state alone, and whoever knows
//! the headers can tell that it is the right one, since they name it by its hash.

use std::sync::Arc;

use entente_crypto::PublicKey;
use entente_state::{Row, StateReadError, StateReader, Table};
use parity_scale_codec::{Decode, DecodeAll, Encode, Error, Input};

use crate::{
    BlockNumber, Genesis, Hash, Member, Suite, Version,
    limits::{OBSERVERS_MAX, PENDING_SETTINGS_MAX, SEALERS_MAX},
    sealers_hash, validate_sealers,
};

const SEALERS: &[u8] = b"sealers";
const OBSERVERS: &[u8] = b"observers";

/// The row that names the sealer sets that rule or will: a [`SealerEntry`].
pub fn sealers_row() -> Row {
    Row::new(&Table::Members, SEALERS)
}

/// The row of the sealer set that rules from this height on: a [`SealerSet`].
pub fn sealer_set_row(from: BlockNumber) -> Row {
    Row::new(&Table::Members, &[SEALERS, &from.to_be_bytes()].concat())
}

/// The row of the observers: [`Observers`].
pub fn observers_row() -> Row {
    Row::new(&Table::Members, OBSERVERS)
}

/// Why the members cannot be told from a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MembersError {
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StateReadError),
    /// A row holds what no block can have written.
    #[error("the state row {0} is damaged")]
    Damaged(String),
}

impl MembersError {
    /// The row of the sets is damaged.
    pub fn entry() -> Self {
        Self::Damaged("members/sealers".to_owned())
    }

    /// The row of the set that rules from this height on is damaged.
    pub fn set(from: BlockNumber) -> Self {
        Self::Damaged(format!("members/sealers/{from}"))
    }

    fn observers() -> Self {
        Self::Damaged("members/observers".to_owned())
    }
}

/// A sealer set by its hash, and the first height that it rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct DecidedSet {
    /// The height; 0 for the genesis document's.
    pub from: BlockNumber,
    /// The hash, as headers name it.
    pub hash: Hash,
}

/// Which sealer set rules, and which are decided already that rule later.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
pub struct SealerEntry {
    version: Version<1>,
    first: DecidedSet,
    /// Ascending by height, above the first.
    later: Vec<DecidedSet>,
}

impl SealerEntry {
    /// The entry of a group that has had this set alone.
    pub const fn new(first: DecidedSet) -> Self {
        Self { version: Version, first, later: Vec::new() }
    }

    /// The entry that a row holds.
    ///
    /// # Errors
    /// Bytes that are none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MembersError> {
        Self::decode_all(&mut &*bytes).map_err(|_| MembersError::entry())
    }

    /// The set that rules a height, which is not below the one at which the last decision was made.
    pub fn at(&self, height: BlockNumber) -> &DecidedSet {
        self.later.iter().rev().find(|set| set.from <= height).unwrap_or(&self.first)
    }

    /// The set that was decided last, whether or not it rules yet.
    pub fn last(&self) -> &DecidedSet {
        self.later.last().unwrap_or(&self.first)
    }

    /// The sets, ascending by height.
    pub fn sets(&self) -> impl Iterator<Item = &DecidedSet> {
        std::iter::once(&self.first).chain(&self.later)
    }

    /// Decides in block `now` that a set rules from a height above it on. Earlier decisions that rule before that
    /// height stay; those that rule no height from `now` on are dropped.
    pub fn decide(&mut self, now: BlockNumber, set: DecidedSet) {
        let first = *self.at(now);
        self.later.retain(|other| other.from > now.max(first.from) && other.from < set.from);
        self.first = first;
        self.later.push(set);
    }
}

impl Decode for SealerEntry {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let version = Version::decode(input)?;
        let first = DecidedSet::decode(input)?;
        let later = Vec::<DecidedSet>::decode(input)?;
        let mut before = first.from;
        let ascending = later.iter().all(|set| std::mem::replace(&mut before, set.from) < set.from);
        if later.len() > PENDING_SETTINGS_MAX || !ascending {
            return Err("the sets decided for later are too many or out of order".into());
        }
        Ok(Self { version, first, later })
    }
}

/// What the row of a sealer set holds.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
pub struct SealerSet {
    /// The format's version.
    pub version: Version<1>,
    /// The height from which the set before it rules; 0 where that is the genesis document's.
    pub before: BlockNumber,
    /// The set.
    pub sealers: Vec<Member>,
}

impl SealerSet {
    /// The set that the row of this height holds.
    ///
    /// # Errors
    /// Bytes that are none, or that lead to no lower height.
    pub fn from_bytes(from: BlockNumber, bytes: &[u8]) -> Result<Self, MembersError> {
        let set = Self::decode_all(&mut &*bytes).map_err(|_| MembersError::set(from))?;
        if set.before < from { Ok(set) } else { Err(MembersError::set(from)) }
    }
}

impl Decode for SealerSet {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let set = Self {
            version: Version::decode(input)?,
            before: BlockNumber::decode(input)?,
            sealers: Vec::decode(input)?,
        };
        if (1..=SEALERS_MAX).contains(&set.sealers.len()) { Ok(set) } else { Err("no sealers, or too many".into()) }
    }
}

/// The nodes that follow a group and do not seal.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode)]
pub struct Observers {
    /// The format's version.
    pub version: Version<1>,
    /// Their keys, in the order in which they came.
    pub keys: Vec<PublicKey>,
}

impl Observers {
    /// The observers that their row holds; none where there is no row.
    ///
    /// # Errors
    /// Bytes that are no list of observers.
    pub fn from_row(row: Option<&[u8]>) -> Result<Self, MembersError> {
        let Some(mut bytes) = row else { return Ok(Self::default()) };
        Self::decode_all(&mut bytes).map_err(|_| MembersError::observers())
    }
}

impl Decode for Observers {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let observers = Self { version: Version::decode(input)?, keys: Vec::decode(input)? };
        if observers.keys.len() <= OBSERVERS_MAX { Ok(observers) } else { Err("too many observers".into()) }
    }
}

/// The observers that a state has.
///
/// # Errors
/// A damaged row, or a storage that fails.
pub fn read_observers(state: &dyn StateReader) -> Result<Vec<PublicKey>, MembersError> {
    Ok(Observers::from_row(state.row(&observers_row())?.as_deref())?.keys)
}

/// A sealer set and the first height that it rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulingSet {
    /// The height; 0 for the genesis document's.
    pub from: BlockNumber,
    /// Its hash, as headers name it.
    pub hash: Hash,
    /// Its members, in the order in which certificates count them.
    pub sealers: Arc<[Member]>,
}

impl RulingSet {
    /// The set that a group begins with.
    pub fn of_genesis(genesis: &Genesis) -> Self {
        let hash = sealers_hash(genesis.suite, &genesis.sealers);
        Self { from: 0, hash, sealers: genesis.sealers.as_slice().into() }
    }

    /// The set in the row of a height.
    ///
    /// # Errors
    /// A row that is missing or holds no sealer set of this suite.
    pub fn of_row(suite: Suite, from: BlockNumber, row: Option<&[u8]>) -> Result<(Self, BlockNumber), MembersError> {
        let damaged = || MembersError::set(from);
        let SealerSet { before, sealers, .. } = SealerSet::from_bytes(from, row.ok_or_else(damaged)?)?;
        validate_sealers(suite, &sealers).map_err(|_| damaged())?;
        Ok((Self { from, hash: sealers_hash(suite, &sealers), sealers: sealers.into() }, before))
    }
}

/// Every sealer set that a group has had or has decided, by its state: the last decided first, the genesis document's
/// at the end. Ends with the first error.
pub struct SealerHistory<'a> {
    state: &'a dyn StateReader,
    genesis: &'a Genesis,
    /// The height from which the next one rules.
    next: Option<BlockNumber>,
}

impl<'a> SealerHistory<'a> {
    /// The sets that a state of the group with this genesis document tells of.
    ///
    /// # Errors
    /// A damaged row, or a storage that fails.
    pub fn new(state: &'a dyn StateReader, genesis: &'a Genesis) -> Result<Self, MembersError> {
        let entry = state.row(&sealers_row())?.map(|bytes| SealerEntry::from_bytes(&bytes)).transpose()?;
        Ok(Self { state, genesis, next: Some(entry.map_or(0, |entry| entry.last().from)) })
    }

    /// The set that rules a height.
    ///
    /// # Errors
    /// A damaged row, or a storage that fails.
    pub fn ruling(self, height: BlockNumber) -> Result<RulingSet, MembersError> {
        let genesis = self.genesis;
        for set in self {
            let set = set?;
            if set.from <= height {
                return Ok(set);
            }
        }
        Ok(RulingSet::of_genesis(genesis))
    }

    fn read(&mut self, from: BlockNumber) -> Result<RulingSet, MembersError> {
        if from == 0 {
            return Ok(RulingSet::of_genesis(self.genesis));
        }
        let row = self.state.row(&sealer_set_row(from))?;
        let (set, before) = RulingSet::of_row(self.genesis.suite, from, row.as_deref())?;
        self.next = Some(before);
        Ok(set)
    }
}

impl Iterator for SealerHistory<'_> {
    type Item = Result<RulingSet, MembersError>;

    fn next(&mut self) -> Option<Self::Item> {
        let from = self.next.take()?;
        Some(self.read(from))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(from: BlockNumber, name: u8) -> DecidedSet {
        DecidedSet { from, hash: Hash([name; 32]) }
    }

    #[test]
    fn the_first_version_of_the_bytes_stands() {
        let mut entry = SealerEntry::new(set(0, 1));
        let first = [&[1][..], &[0; 8], &[1; 32]].concat();
        assert_eq!(entry.encode(), [&first[..], &[0]].concat());
        entry.decide(3, set(5, 2));
        assert_eq!(entry.encode(), [&first[..], &[1 << 2, 5, 0, 0, 0, 0, 0, 0, 0], &[2; 32]].concat());
        assert_eq!(SealerEntry::from_bytes(&entry.encode()), Ok(entry.clone()));
        // Another version, a set that does not rule later, bytes behind.
        for (place, byte) in [(0, 2), (1, 5)] {
            let mut bytes = entry.encode();
            bytes[place] = byte;
            assert_eq!(SealerEntry::from_bytes(&bytes), Err(MembersError::entry()));
        }
        let behind = [entry.encode(), vec![0]].concat();
        assert_eq!(
            SealerEntry::from_bytes(&behind).unwrap_err().to_string(),
            "the state row members/sealers is damaged"
        );
    }

    #[test]
    fn rows_of_sets_stand_in_the_order_of_heights() {
        assert_eq!(sealer_set_row(258).key(), [&b"sealers"[..], &[0, 0, 0, 0, 0, 0, 1, 2]].concat());
        assert!(sealers_row() < sealer_set_row(0) && sealer_set_row(255) < sealer_set_row(256));
        assert!(observers_row() < sealers_row());
    }

    proptest! {
        #[test]
        fn an_entry_tells_what_the_list_of_all_decisions_tells(
            depth in 1_u64..=16, decisions in proptest::collection::vec((0_u64..4, any::<u8>()), 0..60),
        ) {
            let mut entry = SealerEntry::new(set(0, 0));
            let mut all = vec![set(0, 0)];
            let mut now = 1;
            for (blocks, name) in decisions {
                now += blocks;
                entry.decide(now, set(now + depth, name));
                all.retain(|other| other.from < now + depth);
                all.push(set(now + depth, name));
                prop_assert_eq!(&SealerEntry::from_bytes(&entry.encode()).unwrap(), &entry);
                for height in now..now + 20 {
                    prop_assert_eq!(Some(entry.at(height)), all.iter().rev().find(|one| one.from <= height));
                }
            }
        }
    }
}
