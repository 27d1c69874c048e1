//! Certified headers above the tip: they come before the blocks, and each is checked along the sealer sets.

use std::{collections::BTreeMap, sync::Arc};

use entente_crypto::SignatureScheme;
use entente_ledger::{HeaderStep, StagedHeaders};
use entente_sync::SyncOptions;
use entente_types::{
    BlockNumber, CertifiedHeader, Hash, Header, Lineage, Member, PublicKey, Signature, Suite, sealers_hash,
    validate_sealers,
};

use crate::message::MESSAGE_HEADERS_MAX;

/// The headers that are remembered at most; those of a snapshot's last blocks are among them.
pub(crate) const HEADERS_REMEMBERED: usize = 8_192;
/// How long a peer is left alone whose headers are wrong, in milliseconds.
const WRONG_MS: u64 = 60_000;

/// The headers whose signatures are verified together.
const STEPS_AT_ONCE: usize = 32;

/// How headers of a group are checked.
pub(crate) struct HeaderRules {
    pub(crate) suite: Suite,
    pub(crate) scheme: Arc<dyn SignatureScheme>,
    pub(crate) lineage: Arc<Lineage>,
}

/// Where the next header must follow on.
#[derive(Clone)]
struct Last {
    number: BlockNumber,
    hash: Hash,
    /// The hash of the set that rules the next height, and the set.
    ruling: Hash,
    sealers: Arc<[Member]>,
}

pub(crate) struct HeaderChain {
    rules: HeaderRules,
    tip: BlockNumber,
    last: Last,
    /// Those above the tip, ascending, as far as they are remembered.
    headers: BTreeMap<BlockNumber, Header>,
    asked: Option<(PublicKey, u64)>,
    left_alone: BTreeMap<PublicKey, u64>,
}

impl HeaderChain {
    /// Above this header, where this set rules the next height.
    pub(crate) fn new(rules: HeaderRules, tip: &Header, sealers: Arc<[Member]>) -> Self {
        let last = Last::new(rules.suite, tip, sealers);
        Self { rules, tip: tip.number, last, headers: BTreeMap::new(), asked: None, left_alone: BTreeMap::new() }
    }

    /// The last height whose header is known.
    pub(crate) const fn last(&self) -> BlockNumber {
        self.last.number
    }

    /// The set that rules the height above it.
    pub(crate) fn sealers(&self) -> &[Member] {
        &self.last.sealers
    }

    /// The hash of that set.
    pub(crate) const fn ruling(&self) -> Hash {
        self.last.ruling
    }

    /// A header above the tip.
    pub(crate) fn get(&self, number: BlockNumber) -> Option<&Header> {
        self.headers.get(&number)
    }

    /// The node has come to this header; whether it overtook the last one that was known.
    pub(crate) fn tip_is(&mut self, tip: &Header, sealers: impl FnOnce() -> Arc<[Member]>) -> bool {
        if self.tip == tip.number {
            return false;
        }
        self.tip = tip.number;
        self.headers = self.headers.split_off(&tip.number.saturating_add(1));
        let overtakes = tip.number > self.last.number;
        if overtakes {
            self.begin_at(tip, sealers());
        }
        overtakes
    }

    /// Forgets what is known and begins above this header.
    pub(crate) fn begin_at(&mut self, tip: &Header, sealers: Arc<[Member]>) {
        self.headers.clear();
        self.last = Last::new(self.rules.suite, tip, sealers);
        self.asked = None;
    }

    /// Goes on above headers that were found right before a restart, if they lead on from here.
    pub(crate) fn resume(&mut self, staged: &StagedHeaders) -> bool {
        let leads_on = |last: &&Header| {
            last.number >= self.tip && sealers_hash(self.rules.suite, &staged.sealers) == last.next_sealers
        };
        let Some(last) = staged.recent.last().filter(leads_on).cloned() else { return false };
        self.begin_at(&last, staged.sealers.as_slice().into());
        let above = staged.recent.iter().filter(|header| header.number > self.tip);
        self.headers = above.map(|header| (header.number, header.clone())).collect();
        true
    }

    /// Whom to ask for headers from where, of peers at these heights, up to this height.
    pub(crate) fn poll(
        &mut self,
        now: u64,
        options: &SyncOptions,
        peers: impl Iterator<Item = (PublicKey, BlockNumber)>,
        through: BlockNumber,
    ) -> Option<(PublicKey, BlockNumber, u64)> {
        if let Some((peer, _)) = self.asked.take_if(|(_, until)| *until <= now) {
            self.left_alone.insert(peer, now.saturating_add(options.penalty_ms));
        }
        let from = self.last.number.saturating_add(1);
        if self.asked.is_some() || from > through {
            return None;
        }
        let free = |peer: &PublicKey| self.left_alone.get(peer).copied().unwrap_or(0);
        let able = peers.filter(|(peer, height)| *height >= from && free(peer) <= now);
        // Whoever was left alone last is asked last.
        let (peer, height) = able.min_by_key(|(peer, _)| free(peer))?;
        self.asked = Some((peer, now.saturating_add(options.timeout_ms)));
        let count = options.request_headers.min(MESSAGE_HEADERS_MAX).min(height.min(through) - from + 1);
        Some((peer, from, count))
    }

    /// When [`HeaderChain::poll`] may have something to ask again.
    pub(crate) fn wake_at(&self, now: u64) -> Option<u64> {
        let until = self.asked.map(|(_, until)| until);
        until.into_iter().chain(self.left_alone.values().copied()).filter(|at| *at > now).min()
    }

    /// Headers came: as many of them as hold, from the first on. Who gives what does not hold is left alone for long.
    pub(crate) fn take_in(
        &mut self,
        now: u64,
        options: &SyncOptions,
        from: PublicKey,
        steps: Vec<HeaderStep>,
    ) -> Vec<CertifiedHeader> {
        if self.asked.take_if(|(peer, _)| *peer == from).is_none() {
            return Vec::new();
        }
        let mut hold = 0;
        for some in steps.chunks(STEPS_AT_ONCE) {
            let before = hold;
            match self.follow(some) {
                Some(last) => {
                    self.last = last;
                    hold += some.len();
                }
                // One by one up to the first that does not: those before it are as good as any.
                None => {
                    for one in some {
                        let Some(last) = self.follow(std::slice::from_ref(one)) else { break };
                        self.last = last;
                        hold += 1;
                    }
                }
            }
            if hold < before + some.len() {
                break;
            }
        }
        let alone_ms = match (steps.is_empty(), hold == steps.len()) {
            (true, _) => options.penalty_ms,
            (false, false) => WRONG_MS,
            // The others' turn comes first.
            (false, true) => 0,
        };
        self.left_alone.insert(from, now.saturating_add(alone_ms));
        let taken: Vec<CertifiedHeader> = steps.into_iter().take(hold).map(|step| step.block).collect();
        self.headers.extend(taken.iter().map(|taken| (taken.header.number, taken.header.clone())));
        while self.headers.len() > HEADERS_REMEMBERED {
            self.headers.pop_first();
        }
        taken
    }

    /// Where the chain is after these headers, if each follows the one before it, is certified by the set that rules its
    /// height and names the set that comes with it.
    fn follow(&self, steps: &[HeaderStep]) -> Option<Last> {
        let suite = self.rules.suite;
        let mut last = self.last.clone();
        let mut signed: Vec<(Hash, &Signature)> = Vec::new();
        let mut keys = Vec::new();
        for HeaderStep { block: CertifiedHeader { header, certificate }, sealers } in steps {
            if Some(header.number) != last.number.checked_add(1) || header.parent != last.hash {
                return None;
            }
            let hash = header.hash(suite);
            let digest = Header::signing_digest(suite, self.rules.lineage.at(header.number), header.number, &hash);
            for claim in certificate.claims(&last.sealers).ok()? {
                signed.push((digest, claim.signature));
                keys.push(claim.key);
            }
            let sealers: Arc<[Member]> = match sealers {
                Some(sealers) if sealers_hash(suite, sealers) == header.next_sealers => {
                    validate_sealers(suite, sealers).ok()?;
                    sealers.as_slice().into()
                }
                None if header.next_sealers == last.ruling => Arc::clone(&last.sealers),
                _ => return None,
            };
            last = Last { number: header.number, hash, ruling: header.next_sealers, sealers };
        }
        let signers = self.rules.scheme.signers(&signed);
        let hold = signers.iter().zip(&keys).all(|(signer, key)| signer.as_ref().is_ok_and(|found| found.key == *key));
        hold.then_some(last)
    }
}

impl Last {
    fn new(suite: Suite, header: &Header, sealers: Arc<[Member]>) -> Self {
        Self { number: header.number, hash: header.hash(suite), ruling: header.next_sealers, sealers }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use entente_crypto::SecretKey;
    use entente_types::{Genesis, Version};

    use super::*;

    static OPTIONS: LazyLock<SyncOptions> =
        LazyLock::new(|| SyncOptions { request_headers: 100, ..SyncOptions::default() });

    /// Changes a header on its way.
    type Spoil = fn(&mut HeaderStep);

    struct Fixture {
        genesis: Genesis,
        keys: Vec<SecretKey>,
        steps: Vec<HeaderStep>,
    }

    impl Fixture {
        /// Headers 1 to `count`; from 41 on the third of the four sealers seals no more.
        fn new(count: u64) -> Self {
            let keys = entente_testing::keys(4);
            let genesis = entente_testing::genesis(&keys);
            let suite = genesis.suite;
            let members =
                |places: &[usize]| places.iter().map(|place| genesis.sealers[*place]).collect::<Vec<Member>>();
            let (all, three) = (members(&[0, 1, 2, 3]), members(&[0, 1, 3]));
            let mut parent = genesis.header(Hash([1; 32]), Hash([2; 32]));
            let mut steps = Vec::new();
            for number in 1..=count {
                let next = if number < 40 { &all } else { &three };
                let header = Header {
                    version: Version,
                    number,
                    parent: parent.hash(suite),
                    next_sealers: sealers_hash(suite, next),
                    ..parent.clone()
                };
                let signing: Vec<SecretKey> = if number <= 40 {
                    keys.clone()
                } else {
                    [0, 1, 3].map(|place: usize| keys[place].clone()).to_vec()
                };
                let certificate = entente_testing::certificate(&genesis, &header, &signing, &[0, 1, 2]);
                let sealers = (number == 40).then(|| three.clone());
                steps.push(HeaderStep { block: CertifiedHeader { header: header.clone(), certificate }, sealers });
                parent = header;
            }
            Self { genesis, keys, steps }
        }

        fn chain(&self) -> HeaderChain {
            let rules = HeaderRules {
                suite: self.genesis.suite,
                scheme: Arc::new(self.genesis.suite),
                lineage: Arc::new(Lineage::new(self.genesis.hash())),
            };
            let header0 = self.genesis.header(Hash([1; 32]), Hash([2; 32]));
            HeaderChain::new(rules, &header0, self.genesis.sealers.clone().into())
        }

        fn peers(&self, height: u64) -> Vec<(PublicKey, BlockNumber)> {
            self.keys.iter().map(|key| (key.public_key(), height)).collect()
        }
    }

    #[test]
    fn headers_are_followed_along_the_sealer_sets_and_of_one_peer_after_the_other() {
        let fixture = Fixture::new(120);
        let mut chain = fixture.chain();
        let peers = fixture.peers(120);
        let mut asked = Vec::new();
        for now in [10, 20, 30] {
            let Some((peer, from, count)) = chain.poll(now, &OPTIONS, peers.iter().copied(), 120) else { break };
            assert_eq!(chain.poll(now, &OPTIONS, peers.iter().copied(), 120), None, "one question at a time");
            let answer = fixture.steps[from as usize - 1..][..(count as usize).min(50)].to_vec();
            let other = peers.iter().find(|(other, _)| *other != peer).unwrap().0;
            assert!(chain.take_in(now, &OPTIONS, other, answer.clone()).is_empty(), "it was not asked");
            assert_eq!(chain.take_in(now, &OPTIONS, peer, answer.clone()).len(), answer.len());
            asked.push((peer, from));
        }
        assert_eq!(asked.iter().map(|(_, from)| *from).collect::<Vec<_>>(), [1, 51, 101]);
        assert!(asked[0].0 != asked[1].0 && asked[1].0 != asked[2].0 && asked[0].0 != asked[2].0);
        assert_eq!((chain.last(), chain.sealers().len()), (120, 3));
        assert_eq!(chain.get(77), Some(&fixture.steps[76].block.header));
        let tip = fixture.steps[76].block.header.clone();
        assert!(!chain.tip_is(&tip, || unreachable!("it is not overtaken")));
        assert_eq!((chain.get(77), chain.get(78).is_some()), (None, true));
    }

    #[test]
    fn what_holds_is_taken_and_who_gave_the_rest_is_left_alone() {
        let spoil: [(u64, Spoil); 5] = [
            (36, |step| step.block.header.timestamp_ms += 1),
            (40, |step| step.sealers = None),
            (40, |step| step.sealers.as_mut().unwrap().truncate(2)),
            (70, |step| step.block.certificate.votes.truncate(2)),
            (97, |step| step.block.header.number += 1),
        ];
        for (number, spoil) in spoil {
            let mut fixture = Fixture::new(100);
            spoil(&mut fixture.steps[number as usize - 1]);
            let (mut chain, peers) = (fixture.chain(), fixture.peers(100));
            let (peer, ..) = chain.poll(0, &OPTIONS, peers.iter().copied(), 100).unwrap();
            let taken = chain.take_in(0, &OPTIONS, peer, fixture.steps.clone());
            assert_eq!((taken.len() as u64, chain.last()), (number - 1, number - 1));
            let alone = std::iter::once((peer, 100));
            assert_eq!(chain.poll(WRONG_MS - 1, &OPTIONS, alone.clone(), 100), None);
            assert_eq!(chain.wake_at(0), Some(WRONG_MS));
            assert!(chain.poll(WRONG_MS, &OPTIONS, alone, 100).is_some());
        }
    }
}
