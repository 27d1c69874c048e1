//! Proposals, headers, certificates and blocks.

use entente_crypto::{Domain, PublicKey, SignatureScheme, merkle_root};
use parity_scale_codec::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{Address, BlockNumber, Hash, Member, Receipt, Signature, Suite, Transaction, Version};

/// What consensus orders: which transactions, in which order, stand at a height.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Proposal {
    /// The format's version.
    pub version: Version<1>,
    /// The group it is for.
    pub genesis: Hash,
    /// The height.
    pub number: BlockNumber,
    /// The digest of the proposal one height lower.
    pub parent: Hash,
    /// The view of the first proposing.
    pub view: u64,
    /// Milliseconds since 1970, above the parent's.
    pub timestamp_ms: u64,
    /// The account of the consensus key of the node that first proposed it.
    pub proposer: Address,
    /// The hashes of its transactions, in their order.
    pub transactions: Vec<Hash>,
    /// The digest of the access records sent along, if any were.
    pub access: Option<Hash>,
}

impl Proposal {
    /// What consensus orders.
    pub fn digest(&self, suite: Suite) -> Hash {
        suite.hash_of(Domain::PROPOSAL, self)
    }
}

/// The result of executing a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Header {
    /// The format's version.
    pub version: Version<1>,
    /// The height.
    pub number: BlockNumber,
    /// The hash of the header one height lower; zero for header 0.
    pub parent: Hash,
    /// The digest of the proposal; the genesis hash for header 0.
    pub proposal: Hash,
    /// The proposal's timestamp, milliseconds since 1970.
    pub timestamp_ms: u64,
    /// The proposal's proposer.
    pub proposer: Address,
    /// The hash of the sealer set that rules the next height.
    pub next_sealers: Hash,
    /// The Merkle root over the hashes of the transactions that were run.
    pub transaction_root: Hash,
    /// The Merkle root over their receipts.
    pub receipt_root: Hash,
    /// The Merkle root over the block's sorted writes.
    pub change_root: Hash,
    /// The commitment to the whole state.
    pub state_root: Hash,
    /// The hash of the Ethereum header that stands beside this one.
    pub ethereum_hash: Hash,
    /// The gas its transactions used together, in Ethereum's unit.
    pub gas_used: u64,
    /// The version of the rules it was executed under.
    pub protocol_version: u32,
}

impl Header {
    /// The hash that names the block.
    pub fn hash(&self, suite: Suite) -> Hash {
        suite.hash_of(Domain::HEADER, self)
    }

    /// What the members of the sealer set sign about the header with this hash.
    pub fn signing_digest(suite: Suite, genesis: &Hash, number: BlockNumber, header: &Hash) -> Hash {
        suite.hash_of(Domain::HEADER_SIGNATURE, &(genesis, number, header))
    }
}

/// One member's signature on a header.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct CertificateVote {
    /// The member's place in the sealer set.
    pub member: u16,
    /// Its signature.
    pub signature: Signature,
}

/// The signatures of a quorum of the sealer set that ruled the height, ascending by member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode, Serialize, Deserialize)]
pub struct Certificate {
    /// The format's version.
    pub version: Version<1>,
    /// The votes.
    pub votes: Vec<CertificateVote>,
}

/// A transaction that was in the proposal but was not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its place in the proposal.
    pub position: u32,
    /// Its hash.
    pub hash: Hash,
}

/// A committed block: the header, its certificate, the transactions that were run, and what else of the proposal is
/// needed to give the proposal's digest again.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Block {
    /// The format's version.
    pub version: Version<1>,
    /// The header.
    pub header: Header,
    /// Who vouches for it; empty for block 0.
    pub certificate: Certificate,
    /// The proposal's view.
    pub view: u64,
    /// The proposal's digest of access records.
    pub access: Option<Hash>,
    /// The proposal's transactions that were not run, ascending by position.
    pub left_out: Vec<LeftOut>,
    /// The transactions that were run, in their order.
    pub transactions: Vec<Transaction>,
}

impl Block {
    /// The proposal that this block is the result of, made again from what the block holds.
    pub fn proposal(&self, suite: Suite, genesis: Hash, parent_proposal: Hash) -> Proposal {
        let mut run = self.transactions.iter().map(|transaction| transaction.hash(suite));
        let total = self.transactions.len().saturating_add(self.left_out.len());
        let mut hashes = Vec::with_capacity(total);
        let mut left_out = self.left_out.iter().peekable();
        for position in 0..total {
            match left_out.next_if(|left| usize::try_from(left.position) == Ok(position)) {
                Some(left) => hashes.push(left.hash),
                None => hashes.extend(run.next()),
            }
        }
        Proposal {
            version: Version,
            genesis,
            number: self.header.number,
            parent: parent_proposal,
            view: self.view,
            timestamp_ms: self.header.timestamp_ms,
            proposer: self.header.proposer,
            transactions: hashes,
            access: self.access,
        }
    }
}

/// The hash of a sealer set.
pub fn sealers_hash(suite: Suite, sealers: &[Member]) -> Hash {
    suite.hash_of(Domain::SEALERS, &sealers)
}

impl Header {
    /// The Merkle root over transaction hashes.
    pub fn transaction_root(suite: Suite, hashes: &[Hash]) -> Hash {
        merkle_root(suite, hashes)
    }

    /// The Merkle root over receipts.
    pub fn receipt_root(suite: Suite, receipts: &[Receipt]) -> Hash {
        let encoded: Vec<Vec<u8>> = receipts.iter().map(Encode::encode).collect();
        merkle_root(suite, &encoded)
    }
}

/// Why a certificate does not vouch for a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Members are unknown, repeated or out of order.
    #[error("the certificate's members are not ascending places in a sealer set of {sealers}")]
    Members {
        /// The size of the set.
        sealers: usize,
    },
    /// A signature is not the member's.
    #[error("the certificate's signature of member {0} is not that member's")]
    Signature(u16),
    /// Too little weight.
    #[error("the certificate's weight is {found}; the quorum is {quorum}")]
    Quorum {
        /// The weight that signed.
        found: u64,
        /// The weight needed.
        quorum: u64,
    },
}

/// The weight that vouches for a header: more than two thirds of the whole.
pub fn quorum(sealers: &[Member]) -> u64 {
    let total: u64 = sealers.iter().map(|member| u64::from(member.weight)).sum();
    total * 2 / 3 + 1
}

impl Certificate {
    /// Checks that a quorum of the sealer set signed this header.
    pub fn verify(
        &self,
        suite: Suite,
        genesis: &Hash,
        number: BlockNumber,
        header: &Hash,
        sealers: &[Member],
    ) -> Result<(), CertificateError> {
        self.verify_with(&suite, &Header::signing_digest(suite, genesis, number, header), sealers)
    }

    /// Checks that a quorum of the sealer set signed this digest.
    pub fn verify_with(
        &self,
        scheme: &dyn SignatureScheme,
        digest: &Hash,
        sealers: &[Member],
    ) -> Result<(), CertificateError> {
        let claims = self.claims(sealers)?;
        let signed: Vec<(Hash, &Signature)> = claims.iter().map(|claim| (*digest, claim.signature)).collect();
        for (claim, signer) in claims.iter().zip(scheme.signers(&signed)) {
            if signer.ok().map(|signer| signer.key) != Some(claim.key) {
                return Err(CertificateError::Signature(claim.member));
            }
        }
        Ok(())
    }

    /// What must hold for a quorum of the sealer set to have signed a digest: whose each signature must be. It costs
    /// nothing to see that a certificate is not one by its members or their weight.
    ///
    /// # Errors
    /// Members that are unknown, repeated or out of order, or of too little weight.
    pub fn claims(&self, sealers: &[Member]) -> Result<Vec<SignatureClaim<'_>>, CertificateError> {
        let mut weight = 0_u64;
        let mut previous = None;
        let mut claims = Vec::with_capacity(self.votes.len().min(sealers.len()));
        for CertificateVote { member, signature } in &self.votes {
            let ascends = previous.is_none_or(|last| last < *member);
            let sealer = sealers.get(usize::from(*member)).filter(|_| ascends);
            let sealer = sealer.ok_or(CertificateError::Members { sealers: sealers.len() })?;
            previous = Some(*member);
            weight = weight.saturating_add(u64::from(sealer.weight));
            claims.push(SignatureClaim { member: *member, key: sealer.key, signature });
        }
        let quorum = quorum(sealers);
        if weight < quorum { Err(CertificateError::Quorum { found: weight, quorum }) } else { Ok(claims) }
    }
}

/// One signature of a certificate, and whose it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureClaim<'a> {
    /// The member's place in the sealer set.
    pub member: u16,
    /// Its key.
    pub key: PublicKey,
    /// The signature.
    pub signature: &'a Signature,
}

#[cfg(test)]
mod tests {
    use entente_crypto::SecretKey;

    use super::*;
    use crate::{Amount, LegacyTransaction};

    fn members(suite: Suite, count: u8) -> (Vec<SecretKey>, Vec<Member>) {
        let keys: Vec<SecretKey> = (1..=count).map(|seed| SecretKey::from_bytes(suite, &[seed; 32]).unwrap()).collect();
        let members = keys.iter().map(|key| Member { key: key.public_key(), weight: 1 }).collect();
        (keys, members)
    }

    fn certificate(keys: &[SecretKey], digest: &Hash, who: &[u16]) -> Certificate {
        let votes = who
            .iter()
            .map(|member| CertificateVote { member: *member, signature: keys[usize::from(*member)].sign(digest) })
            .collect();
        Certificate { version: Version, votes }
    }

    #[test]
    fn a_quorum_of_four_is_three_and_nobody_counts_twice() {
        for (suite, other) in [(Suite::Standard, Suite::Guomi), (Suite::Guomi, Suite::Standard)] {
            let (keys, sealers) = members(suite, 4);
            let (genesis, header) = (Hash([1; 32]), Hash([2; 32]));
            let digest = Header::signing_digest(suite, &genesis, 7, &header);
            let verify_of = |keys: &[SecretKey], who: &[u16], number| {
                certificate(keys, &digest, who).verify(suite, &genesis, number, &header, &sealers)
            };
            let verify = |who: &[u16], number| verify_of(&keys, who, number);
            assert_eq!(verify(&[0, 2, 3], 7), Ok(()));
            assert_eq!(verify(&[0, 2], 7), Err(CertificateError::Quorum { found: 2, quorum: 3 }));
            assert_eq!(verify(&[0, 2, 2], 7), Err(CertificateError::Members { sealers: 4 }));
            assert_eq!(verify(&[0, 2, 3], 8), Err(CertificateError::Signature(0)));
            // The same secrets under the other suite are nobody's here.
            assert_eq!(verify_of(&members(other, 4).0, &[0, 2, 3], 7), Err(CertificateError::Signature(0)));
        }
    }

    #[test]
    fn the_proposal_is_made_again_with_what_was_left_out() {
        let hash = |byte| Hash([byte; 32]);
        let ethereum = |nonce| {
            let transaction = LegacyTransaction {
                nonce,
                gas_price: Amount::ZERO,
                gas_limit: 21_000,
                to: None,
                value: Amount::ZERO,
                input: Vec::new(),
            };
            let key = SecretKey::from_bytes(Suite::Standard, &[7; 32]).unwrap();
            Transaction::Ethereum(transaction.sign(&key, 1).unwrap())
        };
        let run = [ethereum(1), ethereum(2), ethereum(3)];
        let hashes: Vec<Hash> = run.iter().map(|transaction| transaction.hash(Suite::Standard)).collect();
        let proposal = Proposal {
            version: Version,
            genesis: hash(9),
            number: 4,
            parent: hash(8),
            view: 2,
            timestamp_ms: 77,
            proposer: Address([5; 20]),
            transactions: vec![hash(100), hashes[0], hashes[1], hash(101), hashes[2], hash(102)],
            access: None,
        };
        let header = Header {
            version: Version,
            number: 4,
            parent: hash(1),
            proposal: proposal.digest(Suite::Standard),
            timestamp_ms: 77,
            proposer: Address([5; 20]),
            next_sealers: hash(2),
            transaction_root: hash(3),
            receipt_root: hash(3),
            change_root: hash(3),
            state_root: hash(3),
            ethereum_hash: hash(3),
            gas_used: 0,
            protocol_version: 1,
        };
        let block = Block {
            version: Version,
            header,
            certificate: Certificate::default(),
            view: 2,
            access: None,
            left_out: [(0, 100), (3, 101), (5, 102)]
                .map(|(position, byte)| LeftOut { position, hash: hash(byte) })
                .to_vec(),
            transactions: run.to_vec(),
        };
        assert_eq!(block.proposal(Suite::Standard, hash(9), hash(8)), proposal);
    }
}
