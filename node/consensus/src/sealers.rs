//! The set of members that agree.

use entente_types::{BlockNumber, Member, PublicKey, quorum};

/// The sealers that rule heights from one on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealerSet {
    /// The first height that they rule: the epoch that their messages name.
    pub since: BlockNumber,
    /// They themselves, in the order that certificates count them by.
    pub members: Vec<Member>,
}

impl SealerSet {
    /// The weight that decides: two sets of members with so much have one in common that is honest.
    pub fn quorum(&self) -> u64 {
        quorum(&self.members)
    }

    /// The weight that may be faulty: whatever has more of it has one in it that is honest.
    pub fn tolerated(&self) -> u64 {
        let total: u64 = self.members.iter().map(|member| u64::from(member.weight)).sum();
        total.saturating_sub(self.quorum())
    }

    /// The weight of a member; none for a place that is not taken.
    pub fn weight(&self, member: u16) -> u64 {
        self.members.get(usize::from(member)).map_or(0, |member| u64::from(member.weight))
    }

    /// The place of a key.
    pub fn place(&self, key: &PublicKey) -> Option<u16> {
        let place = self.members.iter().position(|member| member.key == *key)?;
        u16::try_from(place).ok()
    }

    /// The key at a place.
    pub fn key(&self, member: u16) -> Option<PublicKey> {
        self.members.get(usize::from(member)).map(|member| member.key)
    }

    /// How many there are; at least one.
    pub fn len(&self) -> u64 {
        self.members.len().max(1) as u64
    }

    /// Whether there is none, which no group's set is.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The member at this place in the round.
    pub(crate) fn turn(&self, number: u64) -> u16 {
        u16::try_from(number % self.len()).unwrap_or(0)
    }
}
