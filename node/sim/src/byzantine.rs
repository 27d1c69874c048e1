//! Nodes that lie: what leaves such a node is changed on its way out, and signed with its key.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use entente_consensus::{Ballot, Certified, Identity, Message as ConsensusMessage, Prepared, ViewChange, Vote};
use entente_crypto::Domain;
use entente_group::Message;
use entente_types::{Block, BlockNumber, Certificate, CertificateVote, Hash, Proposal, Suite, Version};

use crate::{Behaviour, Numbers, Statistics};

/// How many old messages are kept for sending again.
const OLD_MESSAGES: usize = 64;

pub(crate) struct Mischief {
    pub(crate) behaviour: Behaviour,
    identity: Identity,
    /// The second digest that some are told, by height and view.
    second: BTreeMap<(BlockNumber, u64), Hash>,
    old: VecDeque<Message>,
}

impl Mischief {
    pub(crate) const fn new(behaviour: Behaviour, identity: Identity) -> Self {
        Self { behaviour, identity, second: BTreeMap::new(), old: VecDeque::new() }
    }

    /// What really leaves for this node in place of a message.
    pub(crate) fn corrupt(
        &mut self,
        to: usize,
        message: Message,
        numbers: &mut Numbers,
        statistics: &mut Statistics,
    ) -> Vec<Message> {
        if is_answer(&message) && self.behaviour != Behaviour::Twins {
            return spoil(message, numbers, statistics).into_iter().collect();
        }
        match self.behaviour {
            Behaviour::Equivocates => vec![self.equivocate(to, message, numbers, statistics)],
            Behaviour::Withholds => {
                let keeps = (to + self.old.len()).is_multiple_of(2) || numbers.per_mille(300);
                self.remember(&message, numbers);
                statistics.withheld += u64::from(!keeps);
                if keeps { vec![message] } else { Vec::new() }
            }
            Behaviour::ProposesNonsense => vec![self.nonsense(message, numbers, statistics)],
            Behaviour::LiesAboutRoots => vec![self.lie(message, numbers, statistics)],
            Behaviour::Replays => {
                let again = (!self.old.is_empty()).then(|| self.old[numbers.place(self.old.len())].clone());
                self.remember(&message, numbers);
                statistics.replays += u64::from(again.is_some());
                std::iter::once(message).chain(again).collect()
            }
            Behaviour::Forges => self.forge(message, numbers, statistics),
            Behaviour::Twins => vec![message],
            Behaviour::Conceals => self.conceal(to, message, statistics).into_iter().collect(),
        }
    }

    fn remember(&mut self, message: &Message, numbers: &mut Numbers) {
        if numbers.per_mille(200) {
            self.old.push_back(message.clone());
            if self.old.len() > OLD_MESSAGES {
                self.old.pop_front();
            }
        }
    }

    fn propose(&self, member: u16, ballot: Ballot, proposal: Proposal) -> (Hash, Message) {
        let digest = proposal.digest(Suite::Standard);
        let vote = self.identity.vote(member, Domain::PBFT_PRE_PREPARE, Ballot { digest, ..ballot });
        (digest, Message::PrePrepare { vote, proposal: Arc::new(proposal) })
    }

    fn equivocate(
        &mut self,
        to: usize,
        message: Message,
        numbers: &mut Numbers,
        statistics: &mut Statistics,
    ) -> Message {
        let other = (to as u64 + numbers.below(2)).is_multiple_of(2);
        match message {
            Message::PrePrepare { vote, proposal } if other => {
                let timestamp_ms = proposal.timestamp_ms + 1;
                let Ballot { height, view, .. } = vote.ballot;
                let (digest, message) =
                    self.propose(vote.member, vote.ballot, Proposal { timestamp_ms, ..(*proposal).clone() });
                statistics.equivocations += u64::from(self.second.insert((height, view), digest).is_none());
                message
            }
            Message::Consensus(ConsensusMessage::Prepare(vote)) if other => {
                let vote = self.second_vote(vote, Domain::PBFT_PREPARE);
                Message::Consensus(ConsensusMessage::Prepare(vote))
            }
            Message::Consensus(ConsensusMessage::Commit(vote)) if other => {
                Message::Consensus(ConsensusMessage::Commit(self.second_vote(vote, Domain::PBFT_COMMIT)))
            }
            message => message,
        }
    }

    fn second_vote(&self, vote: Vote, kind: Domain) -> Vote {
        match self.second.get(&(vote.ballot.height, vote.ballot.view)) {
            Some(digest) => self.identity.vote(vote.member, kind, Ballot { digest: *digest, ..vote.ballot }),
            None => vote,
        }
    }

    fn nonsense(&self, message: Message, numbers: &mut Numbers, statistics: &mut Statistics) -> Message {
        let Message::PrePrepare { vote, proposal } = message else { return message };
        if numbers.per_mille(300) {
            return Message::PrePrepare { vote, proposal };
        }
        statistics.nonsense_proposals += 1;
        let mut wrong = (*proposal).clone();
        match numbers.below(7) {
            0 => wrong.timestamp_ms += 60_000,
            1 => wrong.timestamp_ms = 1,
            2 => wrong.parent = Hash([7; 32]),
            3 => wrong.number += 1,
            4 => wrong.transactions.clear(),
            5 => wrong.transactions.extend_from_within(..),
            _ => wrong.transactions.push(Hash([9; 32])),
        }
        self.propose(vote.member, vote.ballot, wrong).1
    }

    fn lie(&self, message: Message, numbers: &mut Numbers, statistics: &mut Statistics) -> Message {
        let Message::Consensus(ConsensusMessage::Checkpoint(said)) = message else { return message };
        statistics.root_lies += 1;
        let header = Hash([numbers.below(3) as u8; 32]);
        let lie = self.identity.checkpoint(said.member, said.epoch, said.height, header);
        Message::Consensus(ConsensusMessage::Checkpoint(lie))
    }

    /// One node alone gets the votes on a height; nobody is shown what was prepared.
    fn conceal(&self, to: usize, message: Message, statistics: &mut Statistics) -> Option<Message> {
        match message {
            Message::Consensus(ConsensusMessage::ViewChange(change)) => {
                let change = self.identity.sign_view_change(ViewChange { prepared: Vec::new(), ..change });
                Some(Message::Consensus(ConsensusMessage::ViewChange(change)))
            }
            Message::Consensus(ConsensusMessage::Prepare(vote) | ConsensusMessage::Commit(vote))
                if !(vote.ballot.height / 4 + to as u64).is_multiple_of(4) =>
            {
                statistics.withheld += 1;
                None
            }
            message => Some(message),
        }
    }

    /// Signatures of this node in the places of others.
    fn certificate(&self, digest: &Hash) -> Certificate {
        let votes =
            (0..4).map(|member| CertificateVote { member, signature: self.identity.key.sign(digest) }).collect();
        Certificate { version: Version, votes }
    }

    fn forge(&self, message: Message, numbers: &mut Numbers, statistics: &mut Statistics) -> Vec<Message> {
        let Message::Consensus(said) = message else { return vec![message] };
        let (suite, genesis) = (self.identity.suite, *self.identity.lineage.genesis());
        let forged = match said.clone() {
            ConsensusMessage::ViewChange(change) => {
                let height = change.certified.as_ref().map_or(change.epoch, |certified| certified.height + 1);
                let ballot = Ballot { epoch: change.epoch, view: change.view - 1, height, digest: Hash([5; 32]) };
                let digest = ballot.signing_digest(suite, &genesis, Domain::PBFT_PREPARE);
                let prepared = vec![Prepared { ballot, certificate: self.certificate(&digest) }];
                let certified = change.certified.clone().map(|certified| Certified { height: height + 9, ..certified });
                let certified = if numbers.per_mille(500) { certified } else { change.certified.clone() };
                let change = ViewChange { prepared, certified, ..change };
                ConsensusMessage::ViewChange(self.identity.sign_view_change(change))
            }
            ConsensusMessage::Prepare(vote) => {
                ConsensusMessage::Prepare(Vote { member: numbers.below(4) as u16, ..vote })
            }
            ConsensusMessage::Commit(vote) => {
                ConsensusMessage::Commit(Vote { member: numbers.below(4) as u16, ..vote })
            }
            ConsensusMessage::NewView(mut new) => {
                new.changes.truncate(1);
                ConsensusMessage::NewView(self.identity.sign_new_view(new))
            }
            other => other,
        };
        statistics.forgeries += 1;
        vec![Message::Consensus(forged), Message::Consensus(said)]
    }
}

/// Whether somebody who catches up asked for this.
const fn is_answer(message: &Message) -> bool {
    matches!(
        message,
        Message::Blocks(_)
            | Message::Headers(_)
            | Message::Snapshots(_)
            | Message::Snapshot(_)
            | Message::Part { .. }
            | Message::Chunk { .. }
            | Message::Bodies(_)
    )
}

/// What a liar answers those who catch up: sometimes nothing, sometimes something that is a little wrong.
fn spoil(message: Message, numbers: &mut Numbers, statistics: &mut Statistics) -> Option<Message> {
    if numbers.per_mille(200) {
        statistics.answers_kept += 1;
        return None;
    }
    if numbers.per_mille(400) {
        return Some(message);
    }
    let before = message.clone();
    let which = numbers.below(4);
    let changed = match message {
        Message::Blocks(mut blocks) => {
            if let Some(block) = blocks.last_mut().map(Arc::make_mut) {
                spoil_block(block, which);
            }
            Message::Blocks(blocks)
        }
        Message::Bodies(mut bodies) => {
            if let Some(body) = bodies.first_mut().map(Arc::make_mut) {
                match which {
                    0 => drop(body.receipts.pop()),
                    1 => body.block.certificate.votes.truncate(1),
                    _ => spoil_block(&mut body.block, which),
                }
            }
            Message::Bodies(bodies)
        }
        Message::Headers(mut steps) => {
            if let Some(step) = steps.last_mut() {
                match which {
                    0 => step.block.header.state_root = Hash([3; 32]),
                    1 => step.block.certificate.votes.truncate(1),
                    2 => step.block.header.next_sealers = Hash([3; 32]),
                    _ => step.sealers = Some(Vec::new()),
                }
            }
            Message::Headers(steps)
        }
        Message::Snapshots(heights) => Message::Snapshots(heights.into_iter().map(|height| height + which).collect()),
        Message::Snapshot(mut head) => {
            let spoilt = Arc::make_mut(&mut head);
            match which {
                0 => spoilt.header = Hash([3; 32]),
                1 => spoilt.total_transactions += 1,
                2 => spoilt.parts.iter_mut().for_each(|part| *part = Hash([3; 32])),
                _ => spoilt.chunks += 1,
            }
            Message::Snapshot(head)
        }
        Message::Part { height, number, mut part } => {
            if let Some(lane) = part.as_mut().map(Arc::make_mut).and_then(|part| part.lanes.last_mut()) {
                *lane ^= 1;
            }
            Message::Part { height, number, part: part.filter(|_| which > 0) }
        }
        Message::Chunk { height, number, mut chunk } => {
            if let Some(chunk) = chunk.as_mut().map(Arc::make_mut) {
                match which {
                    1 => drop(chunk.rows.pop()),
                    2 => chunk.rows.extend_from_within(..),
                    _ => chunk.rows.iter_mut().rev().take(1).for_each(|byte| *byte ^= 1),
                }
            }
            Message::Chunk { height, number, chunk: chunk.filter(|_| which > 0) }
        }
        other => other,
    };
    statistics.answers_changed += u64::from(changed != before);
    Some(changed)
}

fn spoil_block(block: &mut Block, which: u64) {
    match which {
        1 => drop(block.transactions.pop()),
        2 => block.header.receipt_root = Hash([3; 32]),
        _ => block.view += 1,
    }
}
