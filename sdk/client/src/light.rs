//! Believing a proof with nothing but the genesis document.
//!
//! Header n counts when a quorum of the sealer set that rules height n signed it. The set of height 1 stands in the
//! genesis document; the hash of the set of height n + 1 stands in header n. Where it changes, a proof carries that
//! header, signed by the set before, with the new set, and the light client goes on from there.
//!
//! What it trusts are the quorums of the sets that it knows, for as long as it uses them: members that have left and
//! whose keys were stolen since could sign a second history above the height at which they left. So a client that is
//! used for years keeps what it has learned, or is given a proof with all changes.
//!
//! ```
//! # use entente_client::light::LightClient;
//! # let keys = entente_testing::keys(4);
//! # let genesis = entente_testing::genesis(&keys);
//! # let content = entente_testing::BlockContent::new(&genesis, &keys[0], 3);
//! # let mut header = entente_testing::header(&genesis, 8);
//! # content.seal(&genesis, &mut header);
//! # let certificate = entente_testing::certificate(&genesis, &header, &keys, &[0, 1, 3]);
//! # let block = entente_types::CertifiedHeader { header, certificate };
//! # let claim = content.claims(&genesis).remove(0);
//! # let (sealer_changes, version) = (vec![], Default::default());
//! # let proof = entente_types::Proof { version, genesis: genesis.hash(), sealer_changes, block, claim };
//! let mut light = LightClient::new(&genesis)?;
//! let proved = light.verify(&proof)?;
//! println!("it is in block {}, {}", proved.number, proved.hash);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use entente_types::{
    BlockNumber, CertificateError, CertifiedHeader, ClaimError, Genesis, GenesisError, Hash, Header, Member, Proof,
    SealerChange, Suite, sealers_hash, validate_sealers,
};

/// Why a genesis document is not one to begin from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// The document breaks a rule.
    #[error("the genesis document is refused: {0}")]
    Genesis(#[from] GenesisError),
    /// It is another group's.
    #[error("the genesis document has the hash {found}; expected {expected}")]
    Hash {
        /// The document's hash.
        found: Hash,
        /// The hash that was asked for.
        expected: Hash,
    },
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LightError {
    /// It is about another group.
    #[error("the proof is for the group with the genesis hash {found}, not for {expected}")]
    Group {
        /// The group it is for.
        found: Hash,
        /// The group that is trusted.
        expected: Hash,
    },
    /// Nobody signs header 0.
    #[error("block 0 has no certificate: what is in it follows from the genesis document")]
    BlockZero,
    /// Header 0 is not the genesis document's, or not the one that header 1 follows.
    #[error("header 0 has the {field} {found}, expected {expected}")]
    HeaderZero {
        /// The field.
        field: &'static str,
        /// What it holds.
        found: String,
        /// What it must hold.
        expected: String,
    },
    /// No quorum of the ruling set signed the header.
    #[error("header {number} is not vouched for: {reason}")]
    Certificate {
        /// The header's height.
        number: BlockNumber,
        /// What is wrong.
        reason: CertificateError,
    },
    /// The changes of the sealer set are not in their order.
    #[error("the change of the sealer set at block {number} stands after that at block {before}")]
    Order {
        /// The height of one.
        number: BlockNumber,
        /// The height of the one before it.
        before: BlockNumber,
    },
    /// The header of a change names the set that rules already.
    #[error("header {0} does not change the sealer set")]
    NoChange(BlockNumber),
    /// The set is not the one that the header names.
    #[error("the sealer set after block {number} has the hash {found}; its header says {expected}")]
    Sealers {
        /// The header's height.
        number: BlockNumber,
        /// The hash of the set that came with it.
        found: Hash,
        /// The hash in the header.
        expected: Hash,
    },
    /// The set is none.
    #[error("the sealer set after block {number} is refused: {reason}")]
    Set {
        /// The header's height.
        number: BlockNumber,
        /// What is wrong.
        reason: GenesisError,
    },
    /// A quorum signed a header that contradicts one that it signed before.
    #[error(
        "header {number} names the sealer set {found} for the next height, but an earlier proof showed {expected}: a \
         quorum signed two histories"
    )]
    Conflict {
        /// The header's height.
        number: BlockNumber,
        /// The set that it names.
        found: Hash,
        /// The set that is known.
        expected: Hash,
    },
    /// The claim does not follow from the header.
    #[error(transparent)]
    Claim(#[from] ClaimError),
}

/// The block that something was proved to be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProvedBlock {
    /// Its height.
    pub number: BlockNumber,
    /// The hash of its header.
    pub hash: Hash,
    /// When it was proposed, milliseconds since 1970.
    pub timestamp_ms: u64,
}

/// A sealer set and the first height that it rules.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RulingSet {
    from: BlockNumber,
    hash: Hash,
    sealers: Vec<Member>,
}

/// One who knows a group's genesis document, and the sealer sets that proofs have shown since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LightClient {
    genesis: Hash,
    suite: Suite,
    first: RulingSet,
    /// Ascending by height.
    later: Vec<RulingSet>,
}

impl LightClient {
    /// Begins from a document that its holder trusts.
    pub fn new(genesis: &Genesis) -> Result<Self, TrustError> {
        genesis.validate()?;
        let (suite, sealers) = (genesis.suite, genesis.sealers.clone());
        let first = RulingSet { from: 1, hash: sealers_hash(suite, &sealers), sealers };
        Ok(Self { genesis: genesis.hash(), suite, first, later: Vec::new() })
    }

    /// Begins from a document that anybody gave, which must have the hash that its holder trusts.
    pub fn with_hash(genesis: &Genesis, expected: &Hash) -> Result<Self, TrustError> {
        let light = Self::new(genesis)?;
        let found = light.genesis;
        if found == *expected { Ok(light) } else { Err(TrustError::Hash { found, expected: *expected }) }
    }

    /// The group.
    pub const fn genesis_hash(&self) -> Hash {
        self.genesis
    }

    /// The height below which the changes of the sealer set are known: proofs need those from there on alone.
    pub fn known_below(&self) -> BlockNumber {
        self.later.last().map_or(0, |set| set.from)
    }

    /// Verifies a whole proof, and keeps the changes of the sealer set that it shows.
    pub fn verify(&mut self, proof: &Proof) -> Result<ProvedBlock, LightError> {
        if proof.genesis != self.genesis {
            return Err(LightError::Group { found: proof.genesis, expected: self.genesis });
        }
        let mut before = None;
        for change in &proof.sealer_changes {
            let number = change.block.header.number;
            if let Some(before) = before.filter(|before| number <= *before) {
                return Err(LightError::Order { number, before });
            }
            self.follow(change)?;
            before = Some(number);
        }
        let block = self.verify_header(&proof.block)?;
        proof.claim.verify(self.suite, &proof.block.header)?;
        Ok(block)
    }

    /// Verifies that a header is the group's: a quorum of the set that rules its height signed it, and it contradicts
    /// nothing that is known of the sets.
    pub fn verify_header(&self, block: &CertifiedHeader) -> Result<ProvedBlock, LightError> {
        let header = &block.header;
        let number = header.number;
        if number == 0 {
            return Err(LightError::BlockZero);
        }
        let ruling = self.ruling(number);
        let certificate = |reason| LightError::Certificate { number, reason };
        let hash = block.verify(self.suite, &self.genesis, &ruling.sealers).map_err(certificate)?;
        // Of the heights above the last known change nothing is known.
        if let Some(next) = self.known_after(number)
            && header.next_sealers != next.hash
        {
            return Err(LightError::Conflict { number, found: header.next_sealers, expected: next.hash });
        }
        Ok(ProvedBlock { number, hash, timestamp_ms: header.timestamp_ms })
    }

    /// Verifies a change of the sealer set and keeps it. One that is known already must be the same.
    pub fn follow(&mut self, change: &SealerChange) -> Result<(), LightError> {
        let block = self.verify_header(&change.block)?;
        let (number, expected) = (block.number, change.block.header.next_sealers);
        if expected == self.ruling(number).hash {
            return Err(LightError::NoChange(number));
        }
        let found = sealers_hash(self.suite, &change.sealers);
        if found != expected {
            return Err(LightError::Sealers { number, found, expected });
        }
        validate_sealers(self.suite, &change.sealers).map_err(|reason| LightError::Set { number, reason })?;
        if self.known_after(number).is_none() {
            let from = number.saturating_add(1);
            self.later.push(RulingSet { from, hash: found, sealers: change.sealers.clone() });
        }
        Ok(())
    }

    /// Verifies header 0 by the document that it must follow from and by a header 1 that is vouched for, and gives
    /// its hash. What its state and change roots are is known by header 1 alone: whoever executes could tell.
    pub fn verify_header_zero(&self, zero: &Header, one: &CertifiedHeader) -> Result<Hash, LightError> {
        self.verify_header(one)?;
        let hash = zero.hash(self.suite);
        let equal = |field, found: String, expected: String| {
            if found == expected { Ok(()) } else { Err(LightError::HeaderZero { field, found, expected }) }
        };
        equal("number", zero.number.to_string(), "0".to_owned())?;
        equal("proposal", zero.proposal.to_string(), self.genesis.to_string())?;
        equal("parent", zero.parent.to_string(), Hash::ZERO.to_string())?;
        equal("next_sealers", zero.next_sealers.to_string(), self.first.hash.to_string())?;
        equal("successor's number", one.header.number.to_string(), "1".to_owned())?;
        equal("hash", hash.to_string(), one.header.parent.to_string())?;
        Ok(hash)
    }

    /// The set that rules a height above 0.
    fn ruling(&self, number: BlockNumber) -> &RulingSet {
        self.later.iter().rev().find(|set| set.from <= number).unwrap_or(&self.first)
    }

    /// The set that rules the height after this one, if a later change or this very one is known.
    fn known_after(&self, number: BlockNumber) -> Option<&RulingSet> {
        let next = number.saturating_add(1);
        self.later.last().filter(|last| next <= last.from).map(|_| self.ruling(next))
    }
}
