//! What the nodes of a group say to one another.

use std::sync::Arc;

use entente_consensus::{Message as ConsensusMessage, Vote};
use entente_pool::{AdmissionError, Checked, PoolRules, check};
use entente_types::{Block, BlockNumber, Hash, Proposal, Transaction};
use parity_scale_codec::{Decode, Encode};

use crate::brief::{BRIEF_TRANSACTIONS_MIN, Brief};

/// The most transactions that one message may hold: a whole proposal's.
pub const MESSAGE_TRANSACTIONS_MAX: usize = entente_types::limits::PROPOSAL_TRANSACTIONS_MAX;

/// The most blocks that one request gets.
pub const MESSAGE_BLOCKS_MAX: u64 = 64;

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
        if transactions > MESSAGE_TRANSACTIONS_MAX {
            return Err(MessageFault::Transactions { found: transactions });
        }
        match places {
            Some(places) if !places.is_sorted_by(|a, b| a < b) => Err(MessageFault::Places),
            _ => Ok(()),
        }
    }
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
}

impl Incoming {
    /// Looks at a message's transactions, on rayon's threads; `height` is the node's.
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
                look(&PoolRules { transaction_gas: u64::MAX, ..rules.clone() }, height, transactions)
            }
            Message::Blocks(blocks) => {
                let rules = PoolRules { transaction_gas: u64::MAX, ..rules.clone() };
                let of_block = |block: &Arc<Block>| {
                    let transactions = block.transactions.iter().map(|one| Arc::new(one.clone())).collect();
                    look(&rules, block.header.number.saturating_sub(1), transactions)
                };
                blocks.iter().flat_map(of_block).collect()
            }
            _ => Vec::new(),
        };
        Ok(Self { message, looked })
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
