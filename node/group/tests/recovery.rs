//! Members that come to different headers: the group stands, and goes on by a document that all of them signed.

mod common;

use std::{collections::VecDeque, sync::Arc};

use common::{COUNTER, genesis, key};
use entente_consensus::Report;
use entente_executor::{CodeOptions, Executor, container};
use entente_group::{
    Effect, Event, Group, GroupError, GroupOptions, Halt, Incoming, Message, Now, RecoverError, Signing, can_recover,
    note_loss, open_with, recover, recovered, recovering_members, recovery_of,
};
use entente_host::gas::{GasSchedule, PROTOCOL_VERSION_2, PROTOCOL_VERSIONS, ProtocolVersion, SCHEDULE_1};
use entente_ledger::{Ledger, LedgerOptions};
use entente_pool::check;
use entente_storage::{Engine, Memory};
use entente_types::{
    Amount, Bytes, Certificate, CertificateVote, ConsensusKind, Genesis, Hash, Limits, Member, PublicKey, Recovery,
    RecoveryError, SignedRecovery, Transaction, UnsignedTransaction, Version,
};

/// A release in which a transaction costs more than in the others.
const DEFECT: &[ProtocolVersion] = &[ProtocolVersion { gas: &DEFECTIVE, ..PROTOCOL_VERSION_2 }];
static DEFECTIVE: GasSchedule = GasSchedule { transaction: SCHEDULE_1.transaction + 5_000, ..SCHEDULE_1 };
const SEEDS: [u8; 4] = [11, 12, 13, 14];

struct Node {
    seed: u8,
    ledger: Arc<Ledger>,
    executor: Arc<Executor>,
    group: Group,
    wake_at: Option<u64>,
    halted: Option<Halt>,
    reports: Vec<Report>,
}

impl Node {
    fn start(engine: &Arc<dyn Engine>, seed: u8, versions: &[ProtocolVersion]) -> Result<Self, GroupError> {
        let options = LedgerOptions::default();
        let opened = open_with(Arc::clone(engine), &four(), options, versions, &CodeOptions::default());
        let (ledger, executor) = opened.expect("opens");
        let group = Group::new(&ledger, &executor, Signing::new(key(seed)), GroupOptions::default())?;
        Ok(Self { seed, ledger, executor, group, wake_at: Some(0), halted: None, reports: Vec::new() })
    }
}

fn four() -> Genesis {
    let sealers = SEEDS.map(|seed| Member { key: key(seed).public_key(), weight: 1 }).to_vec();
    Genesis { consensus: ConsensusKind::Pbft, pipeline_depth: 2, sealers, ..genesis(Limits::default()) }
}

/// Four nodes whose messages arrive at once.
struct Net {
    engines: Vec<Arc<dyn Engine>>,
    nodes: Vec<Node>,
    arriving: VecDeque<(usize, PublicKey, Message)>,
    now: u64,
}

impl Net {
    fn new() -> Self {
        let engines = SEEDS.map(|_| Arc::new(Memory::new()) as Arc<dyn Engine>).to_vec();
        let mut net = Self { engines, nodes: Vec::new(), arriving: VecDeque::new(), now: 0 };
        net.restart(|_| PROTOCOL_VERSIONS);
        net
    }

    /// All of them end, and begin with a release each.
    fn restart(&mut self, release: impl Fn(usize) -> &'static [ProtocolVersion]) {
        self.arriving.clear();
        let start = |place: usize| Node::start(&self.engines[place], SEEDS[place], release(place)).expect("begins");
        self.nodes = (0..4).map(start).collect();
    }

    fn tell(&mut self, place: usize, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let now = Now { monotonic_ms: self.now, unix_ms: 1_700_000_000_000 + self.now };
            let node = &mut self.nodes[place];
            for effect in node.group.step(now, event) {
                let own = key(node.seed).public_key();
                match effect {
                    Effect::Execute(task) => {
                        let result = task.run(&node.ledger, &node.executor);
                        events.push_back(Event::Executed { height: task.height(), result });
                    }
                    Effect::Write(task) => {
                        let height = task.height();
                        let result = task.run(&node.ledger).map(drop);
                        events.push_back(Event::Written { height, result });
                    }
                    Effect::Persist(task) => {
                        let ticket = task.ticket();
                        events.push_back(Event::Persisted { ticket, result: task.run(&node.ledger) });
                    }
                    Effect::Serve(task) => {
                        let message = task.run(&node.ledger).expect("reads");
                        let to = SEEDS.iter().position(|seed| key(*seed).public_key() == task.to());
                        self.arriving.push_back((to.expect("a member"), own, message));
                    }
                    Effect::Broadcast(message) => {
                        let others = (0..4).filter(|other| *other != place);
                        self.arriving.extend(others.map(|other| (other, own, message.clone())));
                    }
                    Effect::Send { to, message } => {
                        let to = SEEDS.iter().position(|seed| key(*seed).public_key() == to).expect("a member");
                        self.arriving.push_back((to, own, message));
                    }
                    Effect::Report(report) => node.reports.push(report),
                    Effect::WakeAt(at) => node.wake_at = Some(at),
                    Effect::Halt(why) => node.halted = Some(why),
                    Effect::Answer { results, .. } => assert!(results.iter().all(Result::is_ok), "{results:?}"),
                    Effect::Stage(_) | Effect::Install(_) | Effect::Joining(_) | Effect::Introduce(_) => {
                        panic!("nobody is far behind")
                    }
                }
            }
        }
    }

    /// Lets time go by until this holds; whether it came to hold.
    fn until(&mut self, for_ms: u64, holds: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + for_ms;
        loop {
            if holds(self) {
                return true;
            }
            if let Some((place, from, message)) = self.arriving.pop_front() {
                let pool = self.nodes[place].group.pool();
                if let Ok(incoming) = Incoming::new(pool.rules(), pool.height(), message) {
                    self.tell(place, Event::Message { from, incoming });
                }
                continue;
            }
            let next = (0..4).filter_map(|place| Some((self.nodes[place].wake_at?, place))).min();
            match next {
                Some((at, place)) if at <= end => {
                    self.now = self.now.max(at);
                    self.nodes[place].wake_at = None;
                    self.tell(place, Event::Tick);
                }
                _ => {
                    self.now = end;
                    return false;
                }
            }
        }
    }

    fn heights(&self) -> [u64; 4] {
        [0, 1, 2, 3].map(|place| self.nodes[place].ledger.tip().number)
    }

    fn all_at(&mut self, height: u64) -> bool {
        self.until(20_000, |net| net.heights() == [height; 4])
    }

    /// A client sends to the first node.
    fn send(&mut self, nonce: u8) {
        let sender = key(1);
        let unsigned = UnsignedTransaction {
            version: Version,
            chain_id: 1,
            group_id: four().group_id,
            sender: sender.public_key().address(),
            nonce: [nonce; 32],
            valid_until: 500,
            // Less is used, and how much depends on the release.
            gas_limit: 5_000_000,
            to: None,
            value: Amount::default(),
            input: Bytes::new(container(&wat::parse_str(COUNTER).expect("wat"), &[])).expect("short"),
            extra: Bytes::default(),
        };
        let transaction: Transaction = unsigned.sign(&four().hash(), &sender);
        let pool = self.nodes[0].group.pool();
        let checked = check(pool.rules(), pool.height(), vec![(transaction, 250)]);
        self.tell(0, Event::Admit { ticket: 1, checked });
    }
}

fn signed(ledger: &Ledger, executor: &Executor, recovery: Recovery, seeds: &[u8]) -> SignedRecovery {
    let members = recovering_members(ledger, executor).expect("reads");
    let digest = recovery.signing_digest(four().suite);
    let mut votes: Vec<CertificateVote> = Vec::new();
    for seed in seeds {
        let place = members.iter().position(|member| member.key == key(*seed).public_key()).expect("a member");
        votes.push(CertificateVote { member: place as u16, signature: key(*seed).sign(&digest) });
    }
    votes.sort_by_key(|vote| vote.member);
    SignedRecovery { recovery, signatures: Certificate { version: Version, votes } }
}

/// Two releases come to different headers of block 2: the group stands, whatever release its nodes then have.
fn halted_on_roots() -> Net {
    let mut net = Net::new();
    net.send(1);
    assert!(net.all_at(1));
    net.restart(|place| if place < 2 { PROTOCOL_VERSIONS } else { DEFECT });
    net.send(2);
    assert!(!net.all_at(2), "two and two");
    assert_eq!(net.heights(), [1; 4]);
    let overdue = |report: &Report| matches!(report, Report::CertificateOverdue { height: 2 });
    assert!(net.nodes.iter().all(|node| node.reports.iter().any(overdue)), "it is told");

    net.restart(|_| PROTOCOL_VERSIONS);
    assert!(!net.all_at(2), "who signed another header signs no second one");
    for node in &net.nodes[2..] {
        let why = node.halted.as_ref().expect("halted").to_string();
        assert!(why.contains("this node signed") && why.contains("entente group recover"), "{why}");
    }
    assert_eq!(net.heights(), [1; 4]);
    net
}

#[test]
fn a_group_halted_on_roots_goes_on_when_all_have_signed() {
    let mut net = halted_on_roots();
    let recovery = recovery_of(&net.nodes[0].ledger);
    for node in &net.nodes {
        assert_eq!(recovery_of(&node.ledger), recovery);
        let quorum = signed(&node.ledger, &node.executor, recovery, &SEEDS[..3]);
        let error = recover(&node.ledger, &node.executor, quorum).expect_err("one has not signed");
        assert!(
            matches!(error, RecoverError::Refused(RecoveryError::Incomplete { missing: 3, members: 4 })),
            "{error}"
        );
    }
    // Who signed does not vote until it has taken the document in.
    net.nodes[3].ledger.note_signed_recovery(&recovery).expect("noted");
    let error = Node::start(&net.engines[3], SEEDS[3], PROTOCOL_VERSIONS).err().expect("it does not begin");
    assert!(matches!(error, GroupError::Recovering { height: 1 }), "{error}");
    for node in &net.nodes {
        let document = signed(&node.ledger, &node.executor, recovery, &SEEDS);
        recover(&node.ledger, &node.executor, document).expect("taken in");
    }

    net.restart(|_| PROTOCOL_VERSIONS);
    net.send(3);
    assert!(net.all_at(2), "{:?}", net.heights());
    net.send(4);
    assert!(net.all_at(3));
    for node in &net.nodes {
        let ledger = &node.ledger;
        assert!(ledger.verify(&mut |_| {}).expect("reads").ok);
        assert_eq!(ledger.lineage().recovered().collect::<Vec<_>>(), [1]);
        assert!(matches!(can_recover(ledger, &recovery), Err(RecoverError::Refused(RecoveryError::Known(1)))));
        let block = ledger.block(2).expect("reads").expect("there");
        let (suite, sealers) = (four().suite, four().sealers);
        let verify =
            |identity: &Hash| block.certificate.verify(suite, identity, 2, &block.header.hash(suite), &sealers);
        assert_eq!(verify(&recovery.hash(suite)), Ok(()));
        assert!(verify(&four().hash()).is_err(), "under the identity before nobody signed it");
    }
}

#[test]
fn members_that_differ_once_more_sign_another_document_for_the_same_block() {
    let mut net = halted_on_roots();
    for round in 0..2 {
        let recovery = recovery_of(&net.nodes[0].ledger);
        for node in &net.nodes {
            let document = signed(&node.ledger, &node.executor, recovery, &SEEDS);
            recover(&node.ledger, &node.executor, document).expect("taken in");
        }
        if round == 0 {
            net.restart(|place| if place % 2 == 0 { PROTOCOL_VERSIONS } else { DEFECT });
            net.send(5);
            assert!(!net.all_at(2));
        }
    }
    net.restart(|_| PROTOCOL_VERSIONS);
    net.send(6);
    assert!(net.all_at(2), "{:?}", net.heights());
    assert_eq!(net.nodes[0].ledger.lineage().recovered().collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn who_does_not_know_what_it_promised_stays_silent_over_a_recovery() {
    let mut net = Net::new();
    net.send(1);
    assert!(net.all_at(1));
    let engine: Arc<dyn Engine> = Arc::new(Memory::new());
    assert_eq!(note_loss(engine.as_ref()).ok(), Some(true));
    let options = LedgerOptions::default();
    let opened = open_with(engine, &four(), options, PROTOCOL_VERSIONS, &CodeOptions::default());
    let (ledger, executor) = opened.expect("opens");
    let recovery = recovery_of(&ledger);
    assert_eq!(recovery.height, 0);
    recover(&ledger, &executor, signed(&ledger, &executor, recovery, &SEEDS)).expect("taken in");
    assert!(recovered(&ledger).expect("reads").loss.is_some());
}
