//! How a group goes on whose members came to different headers.
//!
//! A node signs one header for a height, ever. Where members compute otherwise than one another, no quorum signs one, and
//! the group stands. All its members then sign a document that names the last certified header. From the height above on,
//! its hash stands in the place of the genesis hash in whatever the group's nodes sign: what was signed before for those
//! heights means nothing any more, and nobody signs two headers for one height under one identity.

use entente_crypto::{Domain, Hash, SignatureScheme, Suite};
use parity_scale_codec::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{BlockNumber, Certificate, CertificateError, Member, Version};

/// What all members agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Recovery {
    /// The format's version.
    pub version: Version<1>,
    /// What signatures covered until then: the genesis hash, or the hash of the recovery before.
    pub identity: Hash,
    /// The height of the last certified header.
    pub height: BlockNumber,
    /// The hash of that header.
    pub header: Hash,
}

impl Recovery {
    /// What signatures cover above [`Recovery::height`].
    pub fn hash(&self, suite: Suite) -> Hash {
        suite.hash_of(Domain::RECOVERY, self)
    }

    /// What each member signs.
    pub fn signing_digest(&self, suite: Suite) -> Hash {
        suite.hash_of(Domain::RECOVERY_SIGNATURE, self)
    }
}

/// A recovery with signatures: of all members, where it is to be believed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct SignedRecovery {
    /// What is signed.
    pub recovery: Recovery,
    /// By whom: members of the set that rules the height above.
    pub signatures: Certificate,
}

/// Why a recovery is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    /// A signature does not hold, or there are too few even for a quorum.
    #[error("the recovery document: {0}")]
    Signatures(#[from] CertificateError),
    /// Somebody did not sign.
    #[error("the recovery document lacks the signature of member {missing}; all {members} members must sign it")]
    Incomplete {
        /// The first that is missing.
        missing: u16,
        /// How many there are.
        members: usize,
    },
    /// It does not begin where the group is.
    #[error(
        "the recovery document is for signatures that cover {found}, but above block {height} this group's cover \
         {expected}: it is another group's, or an older one"
    )]
    Identity {
        /// The height that it names.
        height: BlockNumber,
        /// What it says.
        found: Hash,
        /// What is so.
        expected: Hash,
    },
    /// It was taken in already.
    #[error("this node took the recovery document above block {0} in already")]
    Known(BlockNumber),
    /// It names a height below one that was recovered already.
    #[error("the recovery document names block {found}, but the group was recovered above block {last} already")]
    Height {
        /// What it names.
        found: BlockNumber,
        /// The last one.
        last: BlockNumber,
    },
}

impl SignedRecovery {
    /// Whether every member of the set signed it.
    ///
    /// # Errors
    /// What does not hold.
    pub fn verify(&self, scheme: &dyn SignatureScheme, suite: Suite, members: &[Member]) -> Result<(), RecoveryError> {
        self.signatures.verify_with(scheme, &self.recovery.signing_digest(suite), members)?;
        // They are ascending and in the set: as many as members are all of them.
        let signed = |place: u16| self.signatures.votes.iter().any(|vote| vote.member == place);
        match (0_u16..).take(members.len()).find(|place| !signed(*place)) {
            Some(missing) => Err(RecoveryError::Incomplete { missing, members: members.len() }),
            None => Ok(()),
        }
    }
}

/// What the signatures of a group's nodes cover, height by height.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    genesis: Hash,
    /// The heights above which something else is covered, ascending, and what.
    recovered: Vec<(BlockNumber, Hash)>,
}

impl Lineage {
    /// Of a group that was never recovered.
    pub const fn new(genesis: Hash) -> Self {
        Self { genesis, recovered: Vec::new() }
    }

    /// What names the group, whatever became of it.
    pub const fn genesis(&self) -> &Hash {
        &self.genesis
    }

    /// The heights above which something else is covered than up to them, ascending.
    pub fn recovered(&self) -> impl Iterator<Item = BlockNumber> {
        self.recovered.iter().map(|(height, _)| *height)
    }

    /// What signatures about a height cover.
    pub fn at(&self, height: BlockNumber) -> &Hash {
        let above = self.recovered.iter().rev().find(|(recovered, _)| *recovered < height);
        above.map_or(&self.genesis, |(_, hash)| hash)
    }

    /// What signatures cover now that are about no height.
    pub fn last(&self) -> &Hash {
        self.recovered.last().map_or(&self.genesis, |(_, hash)| hash)
    }

    /// Takes a recovery in, whose signatures were verified.
    ///
    /// # Errors
    /// It does not follow what there is.
    pub fn recover(&mut self, suite: Suite, recovery: &Recovery) -> Result<(), RecoveryError> {
        let height = recovery.height;
        match self.recovered.last() {
            Some((_, hash)) if *hash == recovery.hash(suite) => return Err(RecoveryError::Known(height)),
            Some((last, _)) if *last > height => return Err(RecoveryError::Height { found: height, last: *last }),
            _ => {}
        }
        if recovery.identity != *self.last() {
            let (found, expected) = (recovery.identity, *self.last());
            return Err(RecoveryError::Identity { height, found, expected });
        }
        self.recovered.push((height, recovery.hash(suite)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use entente_crypto::SecretKey;

    use super::*;
    use crate::CertificateVote;

    const GENESIS: Hash = Hash([7; 32]);

    fn keys() -> Vec<SecretKey> {
        (1..=4).map(|seed| SecretKey::from_bytes(Suite::Standard, &[seed; 32]).unwrap()).collect()
    }

    fn signed(recovery: Recovery, by: &[u16]) -> SignedRecovery {
        let (keys, digest) = (keys(), recovery.signing_digest(Suite::Standard));
        let vote =
            |member: &u16| CertificateVote { member: *member, signature: keys[usize::from(*member)].sign(&digest) };
        let votes = by.iter().map(vote).collect();
        SignedRecovery { recovery, signatures: Certificate { version: Version, votes } }
    }

    #[test]
    fn all_members_must_sign_and_each_for_itself() {
        let members: Vec<Member> = keys().iter().map(|key| Member { key: key.public_key(), weight: 1 }).collect();
        let recovery = Recovery { version: Version, identity: GENESIS, height: 9, header: Hash([1; 32]) };
        let verify = |signed: &SignedRecovery| signed.verify(&Suite::Standard, Suite::Standard, &members);
        assert_eq!(verify(&signed(recovery, &[0, 1, 2, 3])), Ok(()));
        let quorum = verify(&signed(recovery, &[0, 1, 3]));
        assert_eq!(quorum, Err(RecoveryError::Incomplete { missing: 2, members: 4 }), "a quorum is not all");
        let mut other = signed(recovery, &[0, 1, 2, 3]);
        other.recovery.height = 8;
        assert!(matches!(verify(&other), Err(RecoveryError::Signatures(CertificateError::Signature(0)))));
        let twice = verify(&signed(recovery, &[0, 1, 1, 3]));
        assert!(matches!(twice, Err(RecoveryError::Signatures(CertificateError::Members { .. }))));
    }

    #[test]
    fn each_height_has_one_identity() {
        let mut lineage = Lineage::new(GENESIS);
        assert_eq!((lineage.at(0), lineage.at(99), lineage.last()), (&GENESIS, &GENESIS, &GENESIS));
        let first = Recovery { version: Version, identity: GENESIS, height: 9, header: Hash([1; 32]) };
        lineage.recover(Suite::Standard, &first).unwrap();
        let hash = first.hash(Suite::Standard);
        assert_eq!((lineage.at(9), lineage.at(10), lineage.last()), (&GENESIS, &hash, &hash));
        assert_eq!(lineage.recover(Suite::Standard, &first), Err(RecoveryError::Known(9)));
        let below = Recovery { height: 8, identity: hash, ..first };
        assert_eq!(lineage.recover(Suite::Standard, &below), Err(RecoveryError::Height { found: 8, last: 9 }));
        // Members came to different headers once more.
        let again = Recovery { identity: hash, ..first };
        let mut twice = lineage.clone();
        twice.recover(Suite::Standard, &again).unwrap();
        assert_eq!((twice.at(9), twice.at(10)), (&GENESIS, &again.hash(Suite::Standard)));
        let foreign = Recovery { height: 20, ..first };
        assert_eq!(
            lineage.recover(Suite::Standard, &foreign),
            Err(RecoveryError::Identity { height: 20, found: GENESIS, expected: hash })
        );
        let second = Recovery { height: 20, identity: hash, ..first };
        lineage.recover(Suite::Standard, &second).unwrap();
        assert_eq!((lineage.at(20), lineage.at(21)), (&hash, &second.hash(Suite::Standard)));
        assert_eq!(lineage.genesis(), &GENESIS);
    }
}
