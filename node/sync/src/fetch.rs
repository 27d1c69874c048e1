//! Things with numbers that are fetched from several peers at once, each of which can be seen to be right on arrival.

use std::collections::{BTreeMap, BTreeSet};

use entente_types::PublicKey;

use crate::Instant;

/// How a [`Fetch`] asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchOptions {
    /// How many that follow one another are asked for at once.
    pub run: u64,
    /// How long an answer may take, in milliseconds.
    pub timeout_ms: u64,
    /// How long a peer is left alone that did not answer, or had nothing, in milliseconds.
    pub penalty_ms: u64,
}

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// Whom.
    pub peer: PublicKey,
    /// The first number.
    pub from: u64,
    /// How many.
    pub count: u64,
}

#[derive(Debug)]
struct Asked {
    numbers: BTreeSet<u64>,
    until: Instant,
}

/// What is missing, who was asked for what, and who is asked no more.
#[derive(Debug)]
pub struct Fetch {
    options: FetchOptions,
    missing: BTreeSet<u64>,
    asked: BTreeMap<PublicKey, Asked>,
    left_alone: BTreeMap<PublicKey, Instant>,
    /// Those that gave what is wrong.
    dropped: BTreeSet<PublicKey>,
}

impl Fetch {
    /// Fetches these.
    pub fn new(options: FetchOptions, numbers: impl IntoIterator<Item = u64>) -> Self {
        Self {
            options,
            missing: numbers.into_iter().collect(),
            asked: BTreeMap::new(),
            left_alone: BTreeMap::new(),
            dropped: BTreeSet::new(),
        }
    }

    /// Whether all of them came.
    pub fn is_done(&self) -> bool {
        self.missing.is_empty() && self.asked.is_empty()
    }

    /// How many have not come.
    pub fn missing(&self) -> u64 {
        let asked: usize = self.asked.values().map(|asked| asked.numbers.len()).sum();
        (self.missing.len() + asked) as u64
    }

    /// Whether this one has not come, whoever was asked for it: an answer may come late.
    pub fn lacks(&self, number: u64) -> bool {
        self.missing.contains(&number) || self.asked.values().any(|asked| asked.numbers.contains(&number))
    }

    /// A peer answered with these, all of them right. What it was asked for and did not give is asked again, of whoever
    /// is free: it gave as much as fits.
    pub fn answered(&mut self, now: Instant, peer: &PublicKey, numbers: impl IntoIterator<Item = u64>) {
        let mut gave = false;
        for number in numbers {
            gave = true;
            self.missing.remove(&number);
            for asked in self.asked.values_mut() {
                asked.numbers.remove(&number);
            }
        }
        let Some(mut asked) = self.asked.remove(peer) else { return };
        if !gave {
            self.leave_alone(now, peer);
        }
        self.missing.append(&mut asked.numbers);
        // Others need not answer what came meanwhile.
        self.asked.retain(|_, asked| !asked.numbers.is_empty());
    }

    /// What a peer gave is wrong: it is not asked again.
    pub fn was_wrong(&mut self, peer: &PublicKey) {
        if let Some(mut asked) = self.asked.remove(peer) {
            self.missing.append(&mut asked.numbers);
        }
        self.dropped.insert(*peer);
    }

    /// Whether a peer gave what is wrong.
    pub fn is_dropped(&self, peer: &PublicKey) -> bool {
        self.dropped.contains(peer)
    }

    fn leave_alone(&mut self, now: Instant, peer: &PublicKey) {
        self.left_alone.insert(*peer, now.saturating_add(self.options.penalty_ms));
    }

    /// What is to be asked now, of these peers.
    pub fn poll(&mut self, now: Instant, peers: impl IntoIterator<Item = PublicKey>) -> Vec<Ask> {
        let late: Vec<PublicKey> =
            self.asked.iter().filter(|(_, asked)| asked.until <= now).map(|(peer, _)| *peer).collect();
        for peer in late {
            if let Some(mut asked) = self.asked.remove(&peer) {
                self.missing.append(&mut asked.numbers);
            }
            self.leave_alone(now, &peer);
        }
        let mut asks = Vec::new();
        for peer in peers {
            let alone = self.left_alone.get(&peer).is_some_and(|until| *until > now);
            if alone || self.asked.contains_key(&peer) || self.dropped.contains(&peer) {
                continue;
            }
            let Some(from) = self.missing.first().copied() else { break };
            let run = from..from.saturating_add(self.options.run.max(1));
            let numbers: BTreeSet<u64> = run.take_while(|number| self.missing.contains(number)).collect();
            for number in &numbers {
                self.missing.remove(number);
            }
            asks.push(Ask { peer, from, count: numbers.len() as u64 });
            self.asked.insert(peer, Asked { numbers, until: now.saturating_add(self.options.timeout_ms) });
        }
        asks
    }

    /// When [`Fetch::poll`] may have something to ask again.
    pub fn wake_at(&self, now: Instant) -> Option<Instant> {
        let waits = self.left_alone.values().copied().filter(|_| !self.missing.is_empty());
        self.asked.values().map(|asked| asked.until).chain(waits).filter(|at| *at > now).min()
    }
}

#[cfg(test)]
mod tests {
    use entente_crypto::{SecretKey, Suite};
    use proptest::prelude::*;

    use super::*;

    const OPTIONS: FetchOptions = FetchOptions { run: 4, timeout_ms: 100, penalty_ms: 300 };

    fn peer(seed: u8) -> PublicKey {
        SecretKey::from_bytes(Suite::Standard, &[seed + 1; 32]).unwrap().public_key()
    }

    #[test]
    fn who_is_wrong_is_dropped_and_who_is_late_is_left_alone() {
        let mut fetch = Fetch::new(OPTIONS, 0..6);
        let all = [peer(0), peer(1)];
        let asks = fetch.poll(0, all);
        assert_eq!(asks, [Ask { peer: peer(0), from: 0, count: 4 }, Ask { peer: peer(1), from: 4, count: 2 }]);
        assert!(fetch.lacks(3) && fetch.lacks(4) && !fetch.lacks(6));
        fetch.was_wrong(&peer(1));
        fetch.answered(10, &peer(0), [0, 1]);
        assert_eq!(fetch.missing(), 4);
        // The one that is left did give something: it is asked for the rest.
        assert_eq!(fetch.poll(10, all), [Ask { peer: peer(0), from: 2, count: 4 }]);
        assert_eq!(fetch.wake_at(10), Some(110));
        assert_eq!(fetch.poll(110, all), []);
        assert_eq!(fetch.wake_at(110), Some(410));
        // An answer that comes late is as good as another.
        fetch.answered(400, &peer(0), [3]);
        assert!(!fetch.lacks(3));
        assert_eq!(fetch.poll(410, all), [Ask { peer: peer(0), from: 2, count: 1 }]);
        fetch.answered(420, &peer(0), [2]);
        assert_eq!(fetch.poll(420, all), [Ask { peer: peer(0), from: 4, count: 2 }]);
        fetch.answered(420, &peer(0), 4..6);
        assert!(fetch.is_done() && fetch.is_dropped(&peer(1)));
        fetch.answered(430, &peer(0), [2]);
        assert!(fetch.is_done());
    }

    proptest! {
        /// Whatever the others do, one that answers is enough; nothing is asked of two at once.
        #[test]
        fn one_that_answers_is_enough(
            count in 1_u64..60,
            conduct in prop::collection::vec(0_u8..4, 0..5),
            gives in 1_u64..5,
        ) {
            let mut fetch = Fetch::new(OPTIONS, 0..count);
            let honest = conduct.len() as u8;
            let peers: Vec<PublicKey> = (0..=honest).map(peer).collect();
            let (mut here, mut now) = (BTreeSet::new(), 0);
            while !fetch.is_done() {
                now += 20;
                prop_assert!(now < 200_000);
                for ask in fetch.poll(now, peers.clone()) {
                    let numbers = ask.from..ask.from + ask.count;
                    prop_assert!(numbers.clone().all(|number| !here.contains(&number)), "asked for what is here");
                    let place = peers.iter().position(|peer| *peer == ask.peer).unwrap();
                    match conduct.get(place) {
                        None | Some(3) => {
                            let given: Vec<u64> = numbers.take(gives as usize).collect();
                            here.extend(given.iter().copied());
                            fetch.answered(now, &ask.peer, given);
                        }
                        Some(0) => fetch.was_wrong(&ask.peer),
                        Some(1) => fetch.answered(now, &ask.peer, []),
                        Some(_) => {}
                    }
                }
            }
            prop_assert_eq!(here.len() as u64, count);
        }
    }
}
