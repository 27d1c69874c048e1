//! What members of a group say to one another about the order.
//!
//! Each signature covers its kind, the genesis hash, the epoch, the view and the height, so that no message is valid as
//! another. The names are those of Castro and Liskov, "Practical Byzantine Fault Tolerance" (OSDI 1999, here "the
//! paper"), section 4.

use std::collections::BTreeMap;

use entente_crypto::Domain;
use entente_types::{
    BlockNumber, Certificate, CertificateError, Hash, Header, PublicKey, Signature, SignatureClaim, Suite,
};
use parity_scale_codec::{Decode, Encode};

use crate::{Identity, SealerSet};

/// What is voted on: that a digest stands at a height, in a view of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Ballot {
    /// The first height that the sealer set rules.
    pub epoch: BlockNumber,
    /// The view.
    pub view: u64,
    /// The height.
    pub height: BlockNumber,
    /// The digest of the proposal.
    pub digest: Hash,
}

impl Ballot {
    /// What a member signs who says so as this kind of message.
    pub fn signing_digest(&self, suite: Suite, genesis: &Hash, kind: Domain) -> Hash {
        suite.hash_of(kind, &(genesis, self))
    }
}

/// One member's signed ballot.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Vote {
    /// What it says.
    pub ballot: Ballot,
    /// The member's place in the sealer set.
    pub member: u16,
    /// Its signature.
    pub signature: Signature,
}

/// One member's signature on the header that a height came to: the paper's CHECKPOINT, for every height.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Checkpoint {
    /// The first height that the sealer set rules.
    pub epoch: BlockNumber,
    /// The height.
    pub height: BlockNumber,
    /// The hash of the header.
    pub header: Hash,
    /// The member's place in the sealer set.
    pub member: u16,
    /// Its signature, as a certificate holds it.
    pub signature: Signature,
}

/// Proof that a quorum prepared a ballot: the paper's predicate "prepared", as something that can be shown.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Prepared {
    /// The ballot.
    pub ballot: Ballot,
    /// The PREPARE signatures of a quorum.
    pub certificate: Certificate,
}

/// Proof that a height is certified: the paper's stable checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Certified {
    /// The height.
    pub height: BlockNumber,
    /// The hash of its header.
    pub header: Hash,
    /// The signatures of a quorum on it.
    pub certificate: Certificate,
}

/// The paper's VIEW-CHANGE: a member wants another view, and shows what must not be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ViewChange {
    /// The first height that the sealer set rules.
    pub epoch: BlockNumber,
    /// The view that is wanted.
    pub view: u64,
    /// The last height that is certified where that is one of this epoch: the paper's `n` and `C`.
    pub certified: Option<Certified>,
    /// For each height above it that the member prepared, the prepared certificate of the highest view, ascending: the
    /// paper's `P`.
    pub prepared: Vec<Prepared>,
    /// The member's place in the sealer set.
    pub member: u16,
    /// Its signature over all the rest.
    pub signature: Signature,
}

/// The paper's NEW-VIEW: the wish of a quorum, shown. What is proposed again follows from it, the paper's `O`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct NewView {
    /// The first height that the sealer set rules.
    pub epoch: BlockNumber,
    /// The view.
    pub view: u64,
    /// The VIEW-CHANGE messages of a quorum, ascending by member: the paper's `V`.
    pub changes: Vec<ViewChange>,
    /// The place of the view's leader.
    pub member: u16,
    /// Its signature over all the rest.
    pub signature: Signature,
}

/// Everything that members say.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Message {
    /// The proposer of a height names a digest. The proposal itself travels along.
    #[codec(index = 0)]
    PrePrepare(Vote),
    /// A member accepts it.
    #[codec(index = 1)]
    Prepare(Vote),
    /// A member knows that a quorum accepts it.
    #[codec(index = 2)]
    Commit(Vote),
    /// A member has executed it.
    #[codec(index = 3)]
    Checkpoint(Checkpoint),
    /// A member wants another view.
    #[codec(index = 4)]
    ViewChange(ViewChange),
    /// Another view begins.
    #[codec(index = 5)]
    NewView(NewView),
}

impl Message {
    /// The epoch it is of.
    pub const fn epoch(&self) -> BlockNumber {
        match self {
            Self::PrePrepare(vote) | Self::Prepare(vote) | Self::Commit(vote) => vote.ballot.epoch,
            Self::Checkpoint(checkpoint) => checkpoint.epoch,
            Self::ViewChange(change) => change.epoch,
            Self::NewView(new) => new.epoch,
        }
    }

    /// The place of the member that says it.
    pub const fn member(&self) -> u16 {
        match self {
            Self::PrePrepare(vote) | Self::Prepare(vote) | Self::Commit(vote) => vote.member,
            Self::Checkpoint(checkpoint) => checkpoint.member,
            Self::ViewChange(change) => change.member,
            Self::NewView(new) => new.member,
        }
    }

    /// The height it is about, where it is about one.
    pub const fn height(&self) -> Option<BlockNumber> {
        match self {
            Self::PrePrepare(vote) | Self::Prepare(vote) | Self::Commit(vote) => Some(vote.ballot.height),
            Self::Checkpoint(checkpoint) => Some(checkpoint.height),
            Self::ViewChange(_) | Self::NewView(_) => None,
        }
    }

    /// The view it is of, where it is of one.
    pub const fn view(&self) -> Option<u64> {
        match self {
            Self::PrePrepare(vote) | Self::Prepare(vote) | Self::Commit(vote) => Some(vote.ballot.view),
            Self::Checkpoint(_) => None,
            Self::ViewChange(change) => Some(change.view),
            Self::NewView(new) => Some(new.view),
        }
    }
}

/// Why a message is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The signature is not that of the member named.
    #[error("the signature is not that of member {0}")]
    Signature(u16),
    /// A certificate in it does not hold.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// It shows heights out of order, of other epochs, or of views that are not before the one wanted.
    #[error("what is shown as prepared does not fit together")]
    Prepared,
    /// The VIEW-CHANGE messages of a NEW-VIEW are of another view, out of order, or too few.
    #[error("the view changes do not make a new view")]
    Changes,
}

impl Identity {
    fn check(&self, set: &SealerSet, member: u16, digest: &Hash, signature: &Signature) -> Result<(), MessageError> {
        let signer: Option<PublicKey> = self.scheme.signer(digest, signature).ok().map(|signer| signer.key);
        if signer.is_some() && signer == set.key(member) { Ok(()) } else { Err(MessageError::Signature(member)) }
    }

    /// What is signed about a header.
    fn header_digest(&self, height: BlockNumber, header: &Hash) -> Hash {
        Header::signing_digest(self.suite, self.lineage.at(height), height, header)
    }

    fn change_digest(&self, change: &ViewChange) -> Hash {
        let ViewChange { epoch, view, certified, prepared, member, signature: _ } = change;
        let said = (self.lineage.last(), epoch, view, certified, prepared, member);
        self.suite.hash_of(Domain::PBFT_VIEW_CHANGE, &said)
    }

    fn new_view_digest(&self, new: &NewView) -> Hash {
        let NewView { epoch, view, changes, member, signature: _ } = new;
        self.suite.hash_of(Domain::PBFT_NEW_VIEW, &(self.lineage.last(), epoch, view, changes, member))
    }

    /// What stands in the place of a signature until one is made.
    pub(crate) fn no_signature(&self) -> Signature {
        match self.suite {
            Suite::Standard => Signature::Standard([0; 65]),
            Suite::Guomi => Signature::Guomi(Box::new([0; 129])),
        }
    }

    /// Signs a ballot as a message of this kind.
    pub fn vote(&self, member: u16, kind: Domain, ballot: Ballot) -> Vote {
        let signature = self.key.sign(&ballot.signing_digest(self.suite, self.lineage.at(ballot.height), kind));
        Vote { ballot, member, signature }
    }

    /// Signs a header.
    pub fn checkpoint(&self, member: u16, epoch: BlockNumber, height: BlockNumber, header: Hash) -> Checkpoint {
        let signature = self.key.sign(&self.header_digest(height, &header));
        Checkpoint { epoch, height, header, member, signature }
    }

    /// Signs a VIEW-CHANGE in place of whatever signature it has.
    pub fn sign_view_change(&self, mut change: ViewChange) -> ViewChange {
        change.signature = self.key.sign(&self.change_digest(&change));
        change
    }

    /// Signs a NEW-VIEW in place of whatever signature it has.
    pub fn sign_new_view(&self, mut new: NewView) -> NewView {
        new.signature = self.key.sign(&self.new_view_digest(&new));
        new
    }

    /// Whether a vote is its member's.
    ///
    /// # Errors
    /// It is not.
    pub fn verify_vote(&self, set: &SealerSet, kind: Domain, vote: &Vote) -> Result<(), MessageError> {
        let digest = vote.ballot.signing_digest(self.suite, self.lineage.at(vote.ballot.height), kind);
        self.check(set, vote.member, &digest, &vote.signature)
    }

    /// Whether a checkpoint is its member's.
    ///
    /// # Errors
    /// It is not.
    pub fn verify_checkpoint(&self, set: &SealerSet, checkpoint: &Checkpoint) -> Result<(), MessageError> {
        let digest = self.header_digest(checkpoint.height, &checkpoint.header);
        self.check(set, checkpoint.member, &digest, &checkpoint.signature)
    }

    /// Whether a quorum of the set signed a header.
    ///
    /// # Errors
    /// It did not.
    pub fn verify_certified(&self, set: &SealerSet, certified: &Certified) -> Result<(), CertificateError> {
        let digest = self.header_digest(certified.height, &certified.header);
        certified.certificate.verify_with(self.scheme.as_ref(), &digest, &set.members)
    }

    /// Whether a VIEW-CHANGE is its member's, and everything in it holds (the paper, section 4.4).
    ///
    /// # Errors
    /// What does not.
    pub fn verify_view_change(&self, set: &SealerSet, change: &ViewChange) -> Result<(), MessageError> {
        // Whoever is not a member can have nobody verify much.
        self.check(set, change.member, &self.change_digest(change), &change.signature)?;
        let mut claims = Claims::default();
        self.claims_of_view_change(set, change, &mut claims)?;
        claims.verify(self, set)
    }

    /// Whether what a VIEW-CHANGE shows fits together, if its certificates are signed as they say: that is noted.
    fn claims_of_view_change<'a>(
        &self,
        set: &SealerSet,
        change: &'a ViewChange,
        claims: &mut Claims<'a>,
    ) -> Result<(), MessageError> {
        let mut below = set.since.saturating_sub(1);
        if let Some(Certified { height, header, certificate }) = &change.certified {
            if *height < set.since {
                return Err(MessageError::Prepared);
            }
            let digest = self.header_digest(*height, header);
            claims.certificate(set, digest, certificate)?;
            below = *height;
        }
        for Prepared { ballot, certificate } in &change.prepared {
            // A member prepares a height only with the one below prepared, so that there is no gap.
            let follows = ballot.height == below.saturating_add(1);
            if ballot.epoch != set.since || ballot.view >= change.view || !follows {
                return Err(MessageError::Prepared);
            }
            claims.certificate(
                set,
                ballot.signing_digest(self.suite, self.lineage.at(ballot.height), Domain::PBFT_PREPARE),
                certificate,
            )?;
            below = ballot.height;
        }
        Ok(())
    }

    /// Whether a NEW-VIEW is its leader's and shows that a quorum wants it.
    ///
    /// # Errors
    /// What does not hold.
    pub fn verify_new_view(&self, set: &SealerSet, new: &NewView) -> Result<(), MessageError> {
        if new.member != set.turn(new.view) || !new.changes.is_sorted_by(|a, b| a.member < b.member) {
            return Err(MessageError::Changes);
        }
        let weight: u64 = new.changes.iter().map(|change| set.weight(change.member)).sum();
        let fits = |change: &ViewChange| change.view == new.view && change.epoch == new.epoch;
        if weight < set.quorum() || !new.changes.iter().all(fits) {
            return Err(MessageError::Changes);
        }
        self.check(set, new.member, &self.new_view_digest(new), &new.signature)?;
        let mut claims = Claims::default();
        for change in &new.changes {
            let own = MessageError::Signature(change.member);
            claims.note(self.change_digest(change), change.member, &change.signature, own);
            self.claims_of_view_change(set, change, &mut claims)?;
        }
        claims.verify(self, set)
    }
}

/// The signatures that a message shows, with what it would mean if one were not its member's. They are verified
/// together, and each once: the VIEW-CHANGE messages of one view mostly show the same certificates.
#[derive(Default)]
struct Claims<'a> {
    signed: Vec<(Hash, &'a Signature)>,
    said: Vec<(u16, MessageError)>,
    noted: BTreeMap<(Hash, u16), &'a Signature>,
}

impl<'a> Claims<'a> {
    fn note(&mut self, digest: Hash, member: u16, signature: &'a Signature, otherwise: MessageError) {
        if self.noted.get(&(digest, member)) != Some(&signature) {
            self.noted.insert((digest, member), signature);
            self.signed.push((digest, signature));
            self.said.push((member, otherwise));
        }
    }

    fn certificate(
        &mut self,
        set: &SealerSet,
        digest: Hash,
        certificate: &'a Certificate,
    ) -> Result<(), CertificateError> {
        for SignatureClaim { member, signature, .. } in certificate.claims(&set.members)? {
            self.note(digest, member, signature, CertificateError::Signature(member).into());
        }
        Ok(())
    }

    fn verify(self, identity: &Identity, set: &SealerSet) -> Result<(), MessageError> {
        for (signer, (member, otherwise)) in identity.scheme.signers(&self.signed).into_iter().zip(self.said) {
            let signer = signer.ok().map(|signer| signer.key);
            if signer.is_none() || signer != set.key(member) {
                return Err(otherwise);
            }
        }
        Ok(())
    }
}
