//! One node orders by itself.
//!
//! Height n+1 is proposed as soon as n is certified, so that it executes while n is being written; but it is not
//! certified before n is written, and at most one height is in each stage.

use entente_types::{BlockNumber, Certificate, CertificateVote, Version};

use crate::{Engine, Identity, Input, Instant, Output, Position};

/// How long the next proposal waits for each transaction of this one, in microseconds. Under load blocks become larger
/// by that, and what a block costs whatever is in it is shared by more; below ten thousand a second it makes no
/// difference.
const WAIT_US_PER_TRANSACTION: u64 = 100;

/// The longest that a proposal waits for that reason, in milliseconds.
const WAIT_MS_MAX: u64 = 100;

/// Where the height above the certified one stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// Nothing was asked for.
    Idle,
    /// A proposal is being formed.
    Proposing,
    /// It is being executed.
    Executing,
    /// Its certificate is there, but the block below is still being written.
    Certified(Certificate),
}

/// The engine of a group with one sealer.
#[derive(Debug)]
pub struct Solo {
    identity: Identity,
    certified: BlockNumber,
    written: BlockNumber,
    stage: Stage,
    transactions_wait: bool,
    /// The height at which a block is due, be it an empty one.
    due: BlockNumber,
    /// When the next proposal may be made.
    next_proposal_at: Instant,
    interval_ms_min: u64,
}

impl Solo {
    /// The engine above a chain whose last written block is at `tip`. Proposals are at least `interval_ms_min` apart.
    pub fn new(identity: Identity, tip: BlockNumber, interval_ms_min: u64) -> Self {
        Self {
            identity,
            certified: tip,
            written: tip,
            stage: Stage::Idle,
            transactions_wait: false,
            due: 0,
            next_proposal_at: 0,
            interval_ms_min,
        }
    }

    const fn next(&self) -> BlockNumber {
        self.certified + 1
    }

    /// Proposes when it may.
    fn propose(&mut self, now: Instant) -> Vec<Output> {
        let wanted = self.transactions_wait || self.due == self.next();
        // A block in execution and one being written is all that may be in flight.
        if self.stage != Stage::Idle || !wanted || self.written + 1 < self.certified {
            return Vec::new();
        }
        if now < self.next_proposal_at {
            return vec![Output::WakeAt(self.next_proposal_at)];
        }
        self.next_proposal_at = now.saturating_add(self.interval_ms_min);
        self.transactions_wait = false;
        self.stage = Stage::Proposing;
        vec![Output::Propose { height: self.next(), parent: None, view: 0 }]
    }

    fn commit(&mut self, now: Instant, certificate: Certificate) -> Vec<Output> {
        if self.written < self.certified {
            self.stage = Stage::Certified(certificate);
            return Vec::new();
        }
        let height = self.next();
        self.certified = height;
        self.stage = Stage::Idle;
        let mut outputs = vec![Output::Commit { height, certificate }];
        outputs.extend(self.propose(now));
        outputs
    }
}

impl Engine for Solo {
    fn step(&mut self, now: Instant, input: Input) -> Vec<Output> {
        match (input, &self.stage) {
            (Input::Tick, Stage::Idle) => self.propose(now),
            (Input::TransactionsWait, _) => {
                self.transactions_wait = true;
                self.propose(now)
            }
            (Input::BlockDue { height }, _) => {
                self.due = height;
                self.propose(now)
            }
            (Input::Proposed { height, digest, transactions }, Stage::Proposing) if height == self.next() => {
                self.stage = Stage::Executing;
                let wait = (transactions.saturating_mul(WAIT_US_PER_TRANSACTION) / 1_000).min(WAIT_MS_MAX);
                self.next_proposal_at = self.next_proposal_at.max(now.saturating_add(wait));
                vec![Output::Execute { height, digest }]
            }
            (Input::NothingToPropose { height }, Stage::Proposing) if height == self.next() => {
                self.stage = Stage::Idle;
                self.propose(now)
            }
            (Input::Executed { height, header, .. }, Stage::Executing) if height == self.next() => {
                let signature = self.identity.checkpoint(0, 1, height, header).signature;
                let votes = vec![CertificateVote { member: 0, signature }];
                self.commit(now, Certificate { version: Version, votes })
            }
            (Input::Written { height }, stage) if height == self.written + 1 && height <= self.certified => {
                let waiting = if let Stage::Certified(certificate) = stage { Some(certificate.clone()) } else { None };
                self.written = height;
                match waiting {
                    Some(certificate) => self.commit(now, certificate),
                    None => self.propose(now),
                }
            }
            _ => Vec::new(),
        }
    }

    fn position(&self) -> Position {
        let proposer = Some(self.identity.key.public_key());
        Position { certified: self.certified, epoch: 1, view: 0, active: true, timeout_ms: 0, proposer, loss: None }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use entente_crypto::{SecretKey, Suite};
    use entente_types::{Hash, Header, Lineage, Member};
    use proptest::prelude::*;

    use super::*;
    use crate::SealerSet;

    fn solo(interval_ms_min: u64) -> Solo {
        let key = SecretKey::from_bytes(Suite::Standard, &[7; 32]).unwrap();
        let scheme = Arc::new(Suite::Standard);
        let identity = Identity {
            suite: Suite::Standard,
            lineage: Arc::new(Lineage::new(Hash([9; 32]))),
            key: Arc::new(key),
            scheme,
        };
        Solo::new(identity, 0, interval_ms_min)
    }

    fn executed(height: u64, header: Hash) -> Input {
        let sealers = Arc::new(SealerSet { since: 1, members: Vec::new() });
        Input::Executed { height, header, sealers }
    }

    #[test]
    fn the_next_height_executes_while_the_last_is_written_but_waits_to_commit() {
        let mut solo = solo(0);
        let digest = Hash([1; 32]);
        let header = Hash([2; 32]);
        assert_eq!(solo.step(0, Input::TransactionsWait), [Output::Propose { height: 1, parent: None, view: 0 }]);
        assert_eq!(
            solo.step(0, Input::Proposed { height: 1, digest, transactions: 1 }),
            [Output::Execute { height: 1, digest }]
        );
        assert_eq!(solo.step(0, Input::TransactionsWait), []);
        let outputs = solo.step(0, executed(1, header));
        let [Output::Commit { height: 1, certificate }, Output::Propose { height: 2, .. }] = &outputs[..] else {
            panic!("{outputs:?}");
        };
        let signed = Header::signing_digest(Suite::Standard, solo.identity.lineage.at(1), 1, &header);
        let sealer = Member { key: solo.identity.key.public_key(), weight: 1 };
        assert_eq!(certificate.verify_with(&Suite::Standard, &signed, &[sealer]), Ok(()));
        solo.step(0, Input::Proposed { height: 2, digest, transactions: 1 });
        assert_eq!(solo.step(0, executed(2, header)), []);
        let outputs = solo.step(0, Input::Written { height: 1 });
        assert!(matches!(&outputs[..], [Output::Commit { height: 2, .. }]));
        assert_eq!(solo.position().certified, 2);
    }

    #[test]
    fn proposals_keep_their_distance() {
        let mut solo = solo(10);
        solo.step(100, Input::TransactionsWait);
        solo.step(100, Input::NothingToPropose { height: 1 });
        assert_eq!(solo.step(101, Input::TransactionsWait), [Output::WakeAt(110)]);
        assert_eq!(solo.step(110, Input::Tick), [Output::Propose { height: 1, parent: None, view: 0 }]);
    }

    #[test]
    fn after_a_large_block_the_next_is_given_time_to_be_large_too() {
        let (digest, header) = (Hash([1; 32]), Hash([2; 32]));
        let waits_until = |transactions| {
            let mut solo = solo(10);
            solo.step(100, Input::TransactionsWait);
            solo.step(100, Input::Proposed { height: 1, digest, transactions });
            solo.step(101, executed(1, header));
            match solo.step(101, Input::TransactionsWait)[..] {
                [Output::WakeAt(time)] => time,
                ref other => panic!("{other:?}"),
            }
        };
        assert_eq!([1, 100, 700, 1_000, 10_000].map(waits_until), [110, 110, 170, 200, 200]);
    }

    fn inputs() -> impl Strategy<Value = Input> {
        let (height, hash) = (0_u64..6, any::<[u8; 32]>().prop_map(Hash));
        prop_oneof![
            Just(Input::Tick),
            Just(Input::TransactionsWait),
            (height.clone(), hash.clone()).prop_map(|(height, digest)| Input::Proposed {
                height,
                digest,
                transactions: 1
            }),
            height.clone().prop_map(|height| Input::NothingToPropose { height }),
            (height.clone(), hash).prop_map(|(height, header)| executed(height, header)),
            height.prop_map(|height| Input::Written { height }),
        ]
    }

    proptest! {
        #[test]
        fn heights_are_committed_once_and_in_order(steps in proptest::collection::vec(inputs(), 0..200)) {
            let mut solo = solo(0);
            let (mut committed, mut written) = (0, 0);
            for (now, input) in steps.into_iter().enumerate() {
                if let Input::Written { height } = input && height == written + 1 && height <= committed {
                    written = height;
                }
                for output in solo.step(now as u64, input) {
                    if let Output::Commit { height, .. } = output {
                        prop_assert_eq!(height, committed + 1);
                        prop_assert!(height <= written + 1, "two writes at once");
                        committed = height;
                    }
                }
            }
        }
    }
}
