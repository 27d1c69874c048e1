//! What the nodes of a group say to one another.

use std::sync::Arc;

use entente_consensus::{Message as ConsensusMessage, Vote};
use entente_ledger::{Body, HeaderStep, SNAPSHOT_PARTS_MAX, SnapshotHead, SnapshotPart, StateChunk, chunk_name};
use entente_pool::{AdmissionError, Checked, PoolRules, check};
use entente_types::{Block, BlockNumber, Hash, Header, Proposal, Suite, Transaction};
use parity_scale_codec::{Decode, Encode};

use crate::brief::{BRIEF_TRANSACTIONS_MIN, Brief};

/// The most transactions that one message may hold: a whole proposal's.
pub const MESSAGE_TRANSACTIONS_MAX: usize = entente_types::limits::PROPOSAL_TRANSACTIONS_MAX;

/// The most blocks that one request gets.
pub const MESSAGE_BLOCKS_MAX: u64 = 64;

/// The most headers that one request gets.
pub(crate) const MESSAGE_HEADERS_MAX: u64 = 512;

/// The most heights with a snapshot that one node tells of.
pub(crate) const MESSAGE_SNAPSHOTS_MAX: usize = 16;

/// One message. The first byte says which.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Message {
    /// About the order.
    #[codec(index = 0)]
    Consensus(ConsensusMessage),
    /// A proposal, from the one who proposes it.
    #[codec(index = 1)]
    PrePrepare {
        /// That it is the one.
        vote: Vote,
        /// The proposal, which names its transactions by hash.
        proposal: Arc<Proposal>,
    },
    /// Transactions that a client sent.
    #[codec(index = 2)]
    Transactions(Vec<Arc<Transaction>>),
    /// Asks for a proposal.
    #[codec(index = 3)]
    GetProposal {
        /// Its height.
        height: BlockNumber,
        /// Its digest.
        digest: Hash,
    },
    /// Answers that.
    #[codec(index = 4)]
    Proposal(Arc<Proposal>),
    /// Asks for transactions of a proposal.
    #[codec(index = 5)]
    GetProposed {
        /// Its height.
        height: BlockNumber,
        /// Its digest.
        digest: Hash,
        /// Their places in it, ascending.
        positions: Vec<u32>,
    },
    /// Answers that, with what there is.
    #[codec(index = 6)]
    Proposed {
        /// The digest of the proposal.
        digest: Hash,
        /// The places and what stands there.
        transactions: Vec<(u32, Arc<Transaction>)>,
    },
    /// How far a node is.
    #[codec(index = 7)]
    Status {
        /// The last block that it has on disk.
        height: BlockNumber,
    },
    /// Asks for blocks.
    #[codec(index = 8)]
    GetBlocks {
        /// The first.
        from: BlockNumber,
        /// How many.
        count: u64,
    },
    /// Answers that: blocks that follow one another, as many as there are and fit.
    #[codec(index = 9)]
    Blocks(Vec<Arc<Block>>),
    /// A proposal, from the one who proposes it, to those who have its transactions.
    #[codec(index = 10)]
    Brief {
        /// That it is the one.
        vote: Vote,
        /// The proposal.
        brief: Arc<Brief>,
    },
    /// Asks for headers.
    #[codec(index = 11)]
    GetHeaders {
        /// The first.
        from: BlockNumber,
        /// How many.
        count: u64,
    },
    /// Answers that: headers that follow one another, as many as there are and fit.
    #[codec(index = 12)]
    Headers(Vec<HeaderStep>),
    /// Asks at which heights there are snapshots.
    #[codec(index = 13)]
    GetSnapshots,
    /// Answers that.
    #[codec(index = 14)]
    Snapshots(Vec<BlockNumber>),
    /// Asks for the head of the snapshot at a height.
    #[codec(index = 15)]
    GetSnapshot {
        /// The height.
        height: BlockNumber,
    },
    /// Answers that.
    #[codec(index = 16)]
    Snapshot(Arc<SnapshotHead>),
    /// Asks for a part of its manifest.
    #[codec(index = 17)]
    GetPart {
        /// The height.
        height: BlockNumber,
        /// Which part.
        part: u32,
    },
    /// Answers that; with nothing where the snapshot is not there any more.
    #[codec(index = 18)]
    Part {
        /// The height.
        height: BlockNumber,
        /// Which part.
        number: u32,
        /// The part.
        part: Option<Arc<SnapshotPart>>,
    },
    /// Asks for a chunk of it.
    #[codec(index = 19)]
    GetChunk {
        /// The height.
        height: BlockNumber,
        /// Which chunk.
        chunk: u32,
    },
    /// Answers that; with nothing where the snapshot is not there any more.
    #[codec(index = 20)]
    Chunk {
        /// The height.
        height: BlockNumber,
        /// Which chunk.
        number: u32,
        /// The chunk.
        chunk: Option<Arc<StateChunk>>,
    },
    /// Asks for blocks with their receipts.
    #[codec(index = 21)]
    GetBodies {
        /// The first.
        from: BlockNumber,
        /// How many.
        count: u64,
    },
    /// Answers that: as many as there are and fit.
    #[codec(index = 22)]
    Bodies(Vec<Arc<Body>>),
}

/// Why a message is not looked at: no honest node sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageFault {
    /// More transactions than a proposal may have.
    #[error("the message has {found} transactions; allowed are {MESSAGE_TRANSACTIONS_MAX}")]
    Transactions {
        /// How many.
        found: usize,
    },
    /// More blocks than one answer may have.
    #[error("the message has {found} blocks; allowed are {MESSAGE_BLOCKS_MAX}")]
    Blocks {
        /// How many.
        found: usize,
    },
    /// Places that come twice or out of order: a short question would get a long answer.
    #[error("the places of transactions are not ascending")]
    Places,
    /// More of something than one answer may have.
    #[error("the message has {found} {what}; allowed are {allowed}")]
    Many {
        /// What.
        what: &'static str,
        /// How many.
        found: usize,
        /// How many there may be.
        allowed: usize,
    },
}

impl Message {
    /// The message as it travels: a large proposal in brief.
    pub fn in_brief(self) -> Self {
        match self {
            Self::PrePrepare { vote, proposal } if proposal.transactions.len() >= BRIEF_TRANSACTIONS_MIN => {
                Self::Brief { vote, brief: Arc::new(Brief::of(&proposal)) }
            }
            other => other,
        }
    }

    /// What holds of every message before any of it is worked on.
    fn check(&self) -> Result<(), MessageFault> {
        let (transactions, places): (usize, Option<Vec<u32>>) = match self {
            Self::PrePrepare { proposal, .. } | Self::Proposal(proposal) => (proposal.transactions.len(), None),
            Self::Brief { brief, .. } => (brief.transactions(), None),
            Self::Transactions(transactions) => (transactions.len(), None),
            Self::GetProposed { positions, .. } => (positions.len(), Some(positions.clone())),
            Self::Proposed { transactions, .. } => {
                (transactions.len(), Some(transactions.iter().map(|(place, _)| *place).collect()))
            }
            Self::Blocks(blocks) if blocks.len() as u64 > MESSAGE_BLOCKS_MAX => {
                return Err(MessageFault::Blocks { found: blocks.len() });
            }
            _ => (0, None),
        };
        if let Some((what, found, allowed)) = self.counted().filter(|(_, found, allowed)| found > allowed) {
            return Err(MessageFault::Many { what, found, allowed });
        }
        if transactions > MESSAGE_TRANSACTIONS_MAX {
            return Err(MessageFault::Transactions { found: transactions });
        }
        match places {
            Some(places) if !places.is_sorted_by(|a, b| a < b) => Err(MessageFault::Places),
            _ => Ok(()),
        }
    }
}

impl Message {
    /// How many of what there are, and may be.
    fn counted(&self) -> Option<(&'static str, usize, usize)> {
        match self {
            Self::Headers(headers) => Some(("headers", headers.len(), MESSAGE_HEADERS_MAX as usize)),
            Self::Snapshots(heights) => Some(("heights", heights.len(), MESSAGE_SNAPSHOTS_MAX)),
            Self::Snapshot(head) => Some(("parts", head.parts.len(), SNAPSHOT_PARTS_MAX)),
            Self::Bodies(bodies) => Some(("blocks", bodies.len(), MESSAGE_BLOCKS_MAX as usize)),
            _ => None,
        }
    }
}

/// What a part of a snapshot was found to be, which takes time and needs no group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It is none.
    Nothing,
    /// The name of a chunk; nothing where its rows are none.
    Chunk(Option<Hash>),
    /// Whether each block's transactions and receipts are those of its header.
    Bodies(Vec<bool>),
}

impl Seen {
    fn of(suite: Suite, message: &Message) -> Self {
        match message {
            Message::Chunk { chunk: Some(chunk), .. } => {
                Self::Chunk(chunk.lanes(suite).ok().map(|lanes| chunk_name(suite, &lanes.to_bytes())))
            }
            Message::Bodies(bodies) => Self::Bodies(bodies.iter().map(|body| is_whole(suite, body)).collect()),
            _ => Self::Nothing,
        }
    }
}

fn is_whole(suite: Suite, body: &Body) -> bool {
    let header = &body.block.header;
    let hashes: Vec<Hash> = body.block.transactions.iter().map(|transaction| transaction.hash(suite)).collect();
    hashes.len() == body.receipts.len()
        && Header::transaction_root(suite, &hashes) == header.transaction_root
        && Header::receipt_root(suite, &body.receipts) == header.receipt_root
}

/// A transaction from elsewhere, looked at.
#[derive(Debug, Clone)]
pub struct Looked {
    /// Its hash.
    pub hash: Hash,
    /// The transaction.
    pub transaction: Arc<Transaction>,
    /// Whether it is well-formed, in its window and signed.
    pub checked: Result<Checked, AdmissionError>,
}

/// A message whose transactions were looked at, which takes time and needs no group.
#[derive(Debug, Clone)]
pub struct Incoming {
    pub(crate) message: Message,
    /// Of [`Message::Transactions`], [`Message::Proposed`] and [`Message::Blocks`], all of them in their order.
    pub(crate) looked: Vec<Looked>,
    pub(crate) seen: Seen,
}

impl Incoming {
    /// Looks at a message's transactions, or at what came of a snapshot, on rayon's threads; `height` is the node's.
    ///
    /// # Errors
    /// A message that no honest node sends.
    pub fn new(rules: &PoolRules, height: BlockNumber, message: Message) -> Result<Self, MessageFault> {
        message.check()?;
        let looked = match &message {
            Message::Transactions(transactions) => look(rules, height, transactions.clone()),
            // How much gas may be asked for is for those who form blocks.
            Message::Proposed { transactions, .. } => {
                let transactions = transactions.iter().map(|(_, transaction)| Arc::clone(transaction)).collect();
                look(&rules.of_blocks(), height, transactions)
            }
            Message::Blocks(blocks) => {
                let rules = rules.of_blocks();
                let of_block = |block: &Arc<Block>| {
                    let transactions = block.transactions.iter().map(|one| Arc::new(one.clone())).collect();
                    look(&rules, block.header.number.saturating_sub(1), transactions)
                };
                blocks.iter().flat_map(of_block).collect()
            }
            _ => Vec::new(),
        };
        let seen = Seen::of(rules.suite, &message);
        Ok(Self { message, looked, seen })
    }

    /// The message.
    pub const fn message(&self) -> &Message {
        &self.message
    }
}

fn look(rules: &PoolRules, height: BlockNumber, transactions: Vec<Arc<Transaction>>) -> Vec<Looked> {
    let sized = transactions.iter().map(|one| (Arc::clone(one), one.encoded_size())).collect();
    let checked = check(rules, height, sized);
    let looked = transactions.into_iter().zip(checked).map(|(transaction, checked)| {
        let hash = checked.as_ref().map_or_else(|_| transaction.hash(rules.suite), Checked::hash);
        Looked { hash, transaction, checked }
    });
    looked.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_costs_more_than_it_should_is_refused() {
        let (height, digest) = (1, Hash([1; 32]));
        let ask = |positions: Vec<u32>| Message::GetProposed { height, digest, positions }.check();
        assert_eq!(ask(vec![0, 3, 9]), Ok(()));
        assert_eq!(ask(vec![3, 3]), Err(MessageFault::Places));
        assert_eq!(ask(vec![4, 3]), Err(MessageFault::Places));
        let found = MESSAGE_TRANSACTIONS_MAX + 1;
        assert_eq!(ask((0..found as u32).collect()), Err(MessageFault::Transactions { found }));
    }
}
