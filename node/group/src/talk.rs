//! What the nodes of a group tell one another.

use std::sync::Arc;

use entente_consensus::{Input, Message as ConsensusMessage};
use entente_types::{PublicKey, Version};

use crate::{
    Effect, Group, Incoming, Looked, Message, Now, ServeTask,
    brief::Unfolding,
    message::Seen,
    proposals::Want,
    remembered::StoredProposal,
    retelling::{Told, messages},
    task::Wanted,
};

/// How often a node tells the others how far it is, where no block does, in milliseconds.
const STATUS_INTERVAL_MS: u64 = 1_000;

impl Group {
    pub(crate) fn hear(&mut self, now: Now, from: PublicKey, incoming: Incoming, effects: &mut Vec<Effect>) {
        let Incoming { message, looked, seen } = incoming;
        let mut input = None;
        let mut unfolding = None;
        match message {
            Message::Consensus(message) => input = Some(Input::Message { from, message }),
            Message::PrePrepare { vote, proposal } => {
                self.candidate = Some(proposal);
                input = Some(Input::Message { from, message: ConsensusMessage::PrePrepare(vote) });
            }
            Message::Brief { vote, brief } => {
                let begun = Unfolding::new(brief, &self.pool);
                match begun.proposal() {
                    Some(proposal) => self.candidate = Some(proposal),
                    None => unfolding = Some((vote.ballot.digest, begun)),
                }
                input = Some(Input::Message { from, message: ConsensusMessage::PrePrepare(vote) });
            }
            Message::Transactions(_) => {
                for looked in looked {
                    // Whoever sent it was told; here it is in the pool or it is not.
                    if let Ok(hash) = looked.checked.and_then(|checked| self.let_in(checked, effects)) {
                        self.proposals.admitted(&hash);
                    }
                }
                self.filled();
            }
            Message::GetProposal { digest, .. } => {
                let found = self.proposals.get(&digest).map(|held| Arc::clone(&held.proposal));
                effects.extend(found.map(|found| Effect::Send { to: from, message: Message::Proposal(found) }));
            }
            Message::Proposal(proposal) => {
                let digest = proposal.digest(self.suite);
                if self.proposals.is_asked_for(&digest) {
                    self.insert_proposal(digest, proposal);
                    self.proposals.hurry(now.monotonic_ms, &digest);
                }
            }
            Message::GetProposed { digest, positions, .. } => {
                let transactions = self.proposals.bodies(&digest, &positions);
                if !transactions.is_empty() {
                    effects.push(Effect::Send { to: from, message: Message::Proposed { digest, transactions } });
                }
            }
            Message::Proposed { digest, transactions } => {
                let places: Vec<u32> = transactions.iter().map(|(place, _)| *place).collect();
                self.proposals.take_in(&digest, &places, looked);
                self.unfold();
            }
            Message::Status { height } => self.catching_up.peer_is_at(from, height),
            Message::Blocks(blocks) => {
                self.catching_up.take_in(now.monotonic_ms, (from, self.suite), blocks, looked, &self.headers);
            }
            other => self.hear_of_sync(now, from, other, &seen, effects),
        }
        self.drive(now, input, effects);
        self.candidate = None;
        if let Some((digest, unfolding)) = unfolding {
            self.proposals.unfold(digest, unfolding);
        }
    }

    /// Questions of those who catch up, and answers to this node where it does.
    fn hear_of_sync(&mut self, now: Now, from: PublicKey, message: Message, seen: &Seen, effects: &mut Vec<Effect>) {
        let now = now.monotonic_ms;
        let wanted = match message {
            Message::GetBlocks { from, count } => Wanted::Blocks { from, count },
            Message::GetHeaders { from, count } => Wanted::Headers { from, count },
            Message::GetSnapshots => Wanted::Snapshots,
            Message::GetSnapshot { height } => Wanted::Snapshot { height },
            Message::GetPart { height, part } => Wanted::Part { height, part },
            Message::GetChunk { height, chunk } => Wanted::Chunk { height, chunk },
            Message::GetBodies { from, count } => Wanted::Bodies { from, count },
            Message::Headers(steps) => return self.hear_headers(now, from, steps, effects),
            Message::Snapshots(heights) => return self.hear_snapshots(from, heights),
            Message::Snapshot(head) => return self.hear_snapshot(from, head),
            Message::Part { height, number, part } => {
                return self.hear_part(now, (from, height, number), part.as_deref(), effects);
            }
            Message::Chunk { height, number, chunk } => {
                return self.hear_chunk(now, (from, height, number), chunk, seen, effects);
            }
            Message::Bodies(bodies) => return self.hear_bodies(now, from, &bodies, seen, effects),
            _ => return,
        };
        effects.push(Effect::Serve(ServeTask { to: from, wanted }));
    }

    /// Transactions were let into the pool: proposals may be whole or understood with them.
    pub(crate) fn filled(&mut self) {
        self.proposals.fill_from(&self.pool);
        self.unfold();
    }

    /// Takes in what was brief and is understood now. What is not what was voted for is asked for as it is.
    fn unfold(&mut self) {
        for (digest, unfolding) in self.proposals.unfolded() {
            let proposal = unfolding.proposal().filter(|proposal| proposal.digest(self.suite) == digest);
            if let Some(proposal) = proposal {
                self.insert_proposal(digest, proposal);
                let (places, looked): (Vec<u32>, Vec<Looked>) = unfolding.came.into_iter().unzip();
                self.proposals.take_in(&digest, &places, looked);
            }
        }
    }

    /// Tells the others what this node's own clients sent.
    pub(crate) fn tell(&mut self, now: Now, told: Vec<Told>, effects: &mut Vec<Effect>) {
        self.retelling.told(now.monotonic_ms, told.iter().map(|one| one.hash), &self.pool);
        effects.extend(messages(told).into_iter().map(|message| Effect::Broadcast(Message::Transactions(message))));
    }

    /// Tells the others again what this node's own clients sent and waits for long.
    pub(crate) fn tell_again(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let due = self.retelling.due(now.monotonic_ms, &self.pool);
        if !due.is_empty() {
            effects.push(Effect::Broadcast(Message::Transactions(due)));
        }
    }

    /// Tells the others how far this node is: after each block, and from time to time, since messages are lost.
    pub(crate) fn tell_status(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if !self.alone && self.status_at <= now.monotonic_ms {
            self.status_at = now.monotonic_ms + STATUS_INTERVAL_MS;
            effects.push(Effect::Broadcast(Message::Status { height: self.written }));
        }
    }

    /// Asks others for proposals and transactions that are not here: the proposer first, then whoever may have them.
    pub(crate) fn fetch_proposals(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let sealers = self.chain.sealers.at(self.chain.height() + 1);
        let others: Vec<PublicKey> = sealers.iter().map(|member| member.key).filter(|key| *key != self.own).collect();
        for (want, attempts) in self.proposals.wants(now.monotonic_ms) {
            let digest = match &want {
                Want::Proposal { digest, .. } | Want::Bodies { digest, .. } => *digest,
            };
            let proposer = self.proposals.proposer(&digest);
            let first = others.iter().position(|key| Some(key.address()) == proposer).unwrap_or(0);
            let Some(to) = others.get((first + attempts) % others.len().max(1)).copied() else { continue };
            let message = match want {
                Want::Proposal { height, digest } => Message::GetProposal { height, digest },
                Want::Bodies { height, digest, positions } => Message::GetProposed { height, digest, positions },
            };
            effects.push(Effect::Send { to, message });
        }
    }

    /// Blocks that came whole, as far as it is their turn.
    pub(crate) fn feed(&mut self, now: Now) -> Vec<Input> {
        let mut inputs = Vec::new();
        if self.join.has_target() {
            return inputs;
        }
        let mut parent = self.chain.certified.header.proposal;
        for height in self.chain.height() + 1..=self.chain.height() + self.depth {
            let Some(fetched) = self.catching_up.take(now.monotonic_ms, height, &self.pool) else { break };
            let proposal = fetched.block.proposal(self.suite, self.genesis, parent);
            let digest = proposal.digest(self.suite);
            if digest != fetched.block.header.proposal {
                self.catching_up.bad_block(now.monotonic_ms, height);
                break;
            }
            parent = digest;
            let certified = fetched.certified(self.suite);
            let stored =
                StoredProposal { version: Version, proposal: Arc::new(proposal), transactions: fetched.transactions };
            self.pool.set_aside(&stored.proposal.transactions);
            self.proposals.insert_whole(digest, stored, fetched.block.left_out.clone());
            inputs.push(Input::Fetched { digest, certified });
        }
        inputs
    }
}
