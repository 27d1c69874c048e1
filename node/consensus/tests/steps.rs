//! PBFT, one step at a time: one engine among four members whose other three are played here.

use std::sync::Arc;

use entente_consensus::{
    Ballot, Certified, ConsensusFault, Engine, Identity, Input, LossRecord, Message, MessageError, NewView, Output,
    Pbft, PbftOptions, Persist, Prepared, Recovered, Report, SealerSet, ViewChange, Vote,
};
use entente_crypto::{Domain, SecretKey, Suite};
use entente_types::{Certificate, CertificateVote, Hash, Header, Lineage, Member, PublicKey, Version};

const GENESIS: Hash = Hash([7; 32]);
const DIGEST: Hash = Hash([0xd1; 32]);
const OTHER: Hash = Hash([0xd2; 32]);
const HEADER: Hash = Hash([0xe1; 32]);

fn identity(member: u16) -> Identity {
    let key = SecretKey::from_bytes(Suite::Standard, &[member as u8 + 1; 32]).expect("a key");
    Identity {
        suite: Suite::Standard,
        lineage: Arc::new(Lineage::new(GENESIS)),
        key: Arc::new(key),
        scheme: Arc::new(Suite::Standard),
    }
}

fn key(member: u16) -> PublicKey {
    identity(member).key.public_key()
}

fn set_since(since: u64, weights: &[u32]) -> Arc<SealerSet> {
    let members = (0..).zip(weights).map(|(member, weight)| Member { key: key(member), weight: *weight });
    Arc::new(SealerSet { since, members: members.collect() })
}

fn set() -> Arc<SealerSet> {
    set_since(1, &[1; 4])
}

fn ballot(view: u64, height: u64, digest: Hash) -> Ballot {
    Ballot { epoch: 1, view, height, digest }
}

fn pre_prepare(member: u16, ballot: Ballot) -> Message {
    Message::PrePrepare(identity(member).vote(member, Domain::PBFT_PRE_PREPARE, ballot))
}

fn prepare(member: u16, ballot: Ballot) -> Message {
    Message::Prepare(identity(member).vote(member, Domain::PBFT_PREPARE, ballot))
}

fn commit(member: u16, ballot: Ballot) -> Message {
    Message::Commit(identity(member).vote(member, Domain::PBFT_COMMIT, ballot))
}

fn checkpoint(member: u16, height: u64, header: Hash) -> Message {
    Message::Checkpoint(identity(member).checkpoint(member, 1, height, header))
}

fn signed_by(members: &[u16], digest: &Hash) -> Certificate {
    let vote = |member: &u16| CertificateVote { member: *member, signature: identity(*member).key.sign(digest) };
    Certificate { version: Version, votes: members.iter().map(vote).collect() }
}

fn prepared(ballot: Ballot) -> Prepared {
    let digest = ballot.signing_digest(Suite::Standard, &GENESIS, Domain::PBFT_PREPARE);
    Prepared { ballot, certificate: signed_by(&[0, 1, 3], &digest) }
}

fn certified(height: u64, header: Hash) -> Certified {
    let digest = Header::signing_digest(Suite::Standard, &GENESIS, height, &header);
    Certified { height, header, certificate: signed_by(&[0, 1, 3], &digest) }
}

fn view_change(member: u16, view: u64, prepared: Vec<Prepared>) -> ViewChange {
    let signature = identity(member).key.sign(&GENESIS);
    let change = ViewChange { epoch: 1, view, certified: None, prepared, member, signature };
    identity(member).sign_view_change(change)
}

fn new_view(view: u64, changes: Vec<ViewChange>) -> Message {
    let member = (view % 4) as u16;
    let signature = identity(member).key.sign(&GENESIS);
    Message::NewView(identity(member).sign_new_view(NewView { epoch: 1, view, changes, member, signature }))
}

/// One engine whose disk answers when it is told to.
struct Seat {
    engine: Pbft,
    now: u64,
    asked: Vec<Persist>,
}

impl Seat {
    /// Above header 0, as this member of a set.
    fn of(member: u16, set: Arc<SealerSet>, recovered: Recovered) -> Self {
        let tip = Certified { height: 0, header: Hash([0; 32]), certificate: Certificate::default() };
        let engine = Pbft::new(identity(member), PbftOptions::default(), tip, vec![set], recovered);
        Self { engine, now: 0, asked: Vec::new() }
    }

    fn new(member: u16) -> Self {
        Self::of(member, set(), Recovered::default())
    }

    /// What the engine does but for writing, which waits, and for asking to be woken.
    fn step(&mut self, input: Input) -> Vec<Output> {
        let mut rest = Vec::new();
        for output in self.engine.step(self.now, input) {
            match output {
                Output::Persist(persist) => self.asked.push(persist),
                Output::WakeAt(_) => {}
                output => rest.push(output),
            }
        }
        rest
    }

    fn hear(&mut self, message: Message) -> Vec<Output> {
        let from = key(message.member());
        self.step(Input::Message { from, message })
    }

    fn hear_all(&mut self, messages: impl IntoIterator<Item = Message>) -> Vec<Output> {
        messages.into_iter().flat_map(|message| self.hear(message)).collect()
    }

    /// The disk answers all that it was asked.
    fn synced(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        while !self.asked.is_empty() {
            for Persist { ticket, .. } in std::mem::take(&mut self.asked) {
                outputs.extend(self.step(Input::Persisted { ticket }));
            }
        }
        outputs
    }

    fn judged(&mut self, height: u64, digest: Hash) -> Vec<Output> {
        self.step(Input::Judged { height, digest, refused: None })
    }

    fn executed(&mut self, height: u64, header: Hash, sealers: Arc<SealerSet>) -> Vec<Output> {
        self.step(Input::Executed { height, header, sealers })
    }

    /// A height is ordered, executed and certified with the votes of 0, 1 and this member, from view 0's proposer on.
    fn order(&mut self, height: u64, digest: Hash, header: Hash, sealers: Arc<SealerSet>) -> Vec<Output> {
        let ballot = ballot(0, height, digest);
        self.hear(pre_prepare((height % 4) as u16, ballot));
        self.judged(height, digest);
        self.synced();
        self.hear_all([prepare(0, ballot), prepare(1, ballot), prepare(3, ballot)]);
        self.synced();
        self.hear_all([commit(0, ballot), commit(1, ballot), commit(3, ballot)]);
        self.synced();
        self.executed(height, header, sealers);
        self.synced();
        self.hear_all([checkpoint(0, height, header), checkpoint(1, height, header), checkpoint(3, height, header)])
    }
}

fn said(outputs: &[Output]) -> Vec<Message> {
    let said = |output: &Output| if let Output::Broadcast(message) = output { Some(message.clone()) } else { None };
    outputs.iter().filter_map(said).collect()
}

#[test]
fn a_backup_goes_through_the_three_phases_and_the_checkpoint() {
    let mut seat = Seat::new(2);
    let ballot = ballot(0, 1, DIGEST);

    let outputs = seat.hear(pre_prepare(1, ballot));
    let judge = Output::Judge { height: 1, digest: DIGEST, parent: None, view: 0, proposer: key(1) };
    assert_eq!(outputs, [judge]);

    assert_eq!(seat.judged(1, DIGEST), [], "a vote waits for the disk");
    let [Persist { heights, proposals, .. }] = &seat.asked[..] else { panic!("{:?}", seat.asked) };
    assert_eq!(heights[0].1.voted, Some((0, DIGEST)));
    assert_eq!(proposals[..], [(1, DIGEST)], "with all that it votes for");
    assert_eq!(seat.synced(), [Output::Broadcast(prepare(2, ballot))]);

    assert_eq!(seat.hear(prepare(1, ballot)), [], "two of four are no quorum");
    assert_eq!(seat.hear(prepare(3, ballot)), []);
    let [Persist { heights, .. }] = &seat.asked[..] else { panic!("{:?}", seat.asked) };
    let kept = heights[0].1.prepared.as_ref().expect("the prepared certificate");
    assert_eq!((kept.ballot, kept.certificate.votes.len()), (ballot, 3));
    assert_eq!(seat.synced(), [Output::Broadcast(commit(2, ballot))]);

    assert_eq!(seat.hear(commit(1, ballot)), []);
    assert_eq!(seat.hear(commit(3, ballot)), [Output::Execute { height: 1, digest: DIGEST }]);

    assert_eq!(seat.executed(1, HEADER, set()), []);
    assert_eq!(seat.asked[0].heights[0].1.signed, Some(HEADER));
    assert_eq!(seat.synced(), [Output::Broadcast(checkpoint(2, 1, HEADER))]);
    assert_eq!(seat.hear(checkpoint(0, 1, HEADER)), []);
    let outputs = seat.hear(checkpoint(3, 1, HEADER));
    let [Output::Commit { height: 1, certificate }] = &outputs[..] else { panic!("{outputs:?}") };
    let digest = Header::signing_digest(Suite::Standard, &GENESIS, 1, &HEADER);
    assert_eq!(certificate.verify_with(&Suite::Standard, &digest, &set().members), Ok(()));
}

#[test]
fn the_proposer_asks_for_a_proposal_and_votes_for_it() {
    let mut seat = Seat::new(1);
    let propose = Output::Propose { height: 1, parent: None, view: 0 };
    assert_eq!(seat.step(Input::TransactionsWait), [propose]);
    assert_eq!(seat.step(Input::Proposed { height: 1, digest: DIGEST, transactions: 1 }), []);
    let ballot = ballot(0, 1, DIGEST);
    assert_eq!(said(&seat.synced()), [pre_prepare(1, ballot), prepare(1, ballot)]);
    // Another has its turn at the next height.
    assert_eq!(seat.step(Input::TransactionsWait), []);
}

#[test]
fn no_empty_block_is_proposed() {
    let mut seat = Seat::new(1);
    assert_eq!(seat.step(Input::Tick), []);
    seat.step(Input::TransactionsWait);
    assert_eq!(seat.step(Input::NothingToPropose { height: 1 }), []);
    seat.now = 100_000;
    assert_eq!(seat.step(Input::Tick), [], "and nobody is suspected for it");
}

#[test]
fn a_vote_counts_once_and_only_with_its_members_signature() {
    let mut seat = Seat::new(2);
    let ballot = ballot(0, 1, DIGEST);
    seat.hear(pre_prepare(1, ballot));
    seat.judged(1, DIGEST);
    seat.synced();
    let Message::Prepare(own) = prepare(1, ballot) else { unreachable!() };
    let stolen = Message::Prepare(Vote { member: 3, ..own });
    let outputs = seat.hear_all([prepare(1, ballot), prepare(1, ballot), stolen]);
    assert!(matches!(outputs[..], [Output::Report(Report::BadMessage { .. })]), "{outputs:?}");
    assert!(seat.asked.is_empty(), "two votes prepare nothing");
}

#[test]
fn a_proposer_that_names_two_digests_is_told_of_and_the_first_stands() {
    let mut seat = Seat::new(2);
    seat.hear(pre_prepare(1, ballot(0, 1, DIGEST)));
    let outputs = seat.hear(pre_prepare(1, ballot(0, 1, OTHER)));
    assert_eq!(outputs, [Output::Report(Report::Equivocation { member: key(1), height: 1 })]);
    seat.judged(1, DIGEST);
    assert_eq!(said(&seat.synced()), [prepare(2, ballot(0, 1, DIGEST))]);
}

#[test]
fn who_is_not_the_proposer_proposes_nothing() {
    let mut seat = Seat::new(2);
    assert_eq!(seat.hear(pre_prepare(3, ballot(0, 1, DIGEST))), []);
    assert_eq!(seat.hear(pre_prepare(1, ballot(1, 1, DIGEST))), [], "nor in a view that has not begun");
}

#[test]
fn what_a_quorum_prepared_takes_the_place_of_what_this_member_voted_for() {
    let mut seat = Seat::new(2);
    seat.hear(pre_prepare(1, ballot(0, 1, OTHER)));
    seat.judged(1, OTHER);
    seat.synced();
    let quorum = ballot(0, 1, DIGEST);
    let outputs = seat.hear_all([prepare(0, quorum), prepare(1, quorum), prepare(3, quorum)]);
    let abandoned = outputs.contains(&Output::Abandon { height: 1, digest: OTHER });
    assert!(abandoned && outputs.contains(&Output::Hold { height: 1, digest: DIGEST }), "{outputs:?}");
    seat.synced();
    seat.step(Input::Held { height: 1, digest: DIGEST });
    assert_eq!(said(&seat.synced()), [commit(2, quorum)], "it commits that, and prepares nothing twice");
}

#[test]
fn the_pipeline_judges_a_height_above_a_prepared_one_and_no_further_than_its_depth() {
    let mut seat = Seat::new(2);
    let (first, second, third) = (ballot(0, 1, DIGEST), ballot(0, 2, OTHER), ballot(0, 3, HEADER));
    assert_eq!(seat.hear(pre_prepare(3, third)), []);
    seat.hear(pre_prepare(1, first));
    seat.judged(1, DIGEST);
    seat.synced();
    // This member proposes height 2 itself, and may not before height 1 is prepared.
    assert_eq!(seat.step(Input::TransactionsWait), []);
    let outputs = seat.hear_all([prepare(1, first), prepare(3, first)]);
    assert_eq!(outputs, [Output::Propose { height: 2, parent: Some(DIGEST), view: 0 }]);
    seat.step(Input::Proposed { height: 2, digest: OTHER, transactions: 1 });
    seat.synced();
    assert_eq!(seat.hear_all([prepare(1, second), prepare(3, second)]), [], "height 3 waits for the certificate of 1");
    seat.synced();
    seat.hear_all([commit(1, first), commit(3, first)]);
    seat.executed(1, HEADER, set());
    seat.synced();
    let outputs = seat.hear_all([checkpoint(1, 1, HEADER), checkpoint(3, 1, HEADER)]);
    let judge = Output::Judge { height: 3, digest: HEADER, parent: Some(OTHER), view: 0, proposer: key(3) };
    assert!(matches!(outputs[..], [Output::Commit { height: 1, .. }, ..]) && outputs.contains(&judge), "{outputs:?}");
}

/// What is committed above a height that a member holds no certificate of would be missing from its VIEW-CHANGE, which
/// ends at the first gap: the next view could then begin with something else there.
#[test]
fn a_member_commits_from_the_lowest_height_up_and_shows_all_that_it_committed() {
    let mut seat = Seat::new(0);
    let (first, second) = (ballot(0, 1, DIGEST), ballot(0, 2, OTHER));
    let hold = |seat: &mut Seat, height, digest| seat.step(Input::Held { height, digest });
    // The votes of height 1 are lost on the way; those of height 2 come.
    seat.hear_all([2, 3, 1].map(|member| prepare(member, second)));
    hold(&mut seat, 2, OTHER);
    assert_eq!(said(&seat.synced()), [], "there is a gap below");
    seat.hear_all([2, 3].map(|member| prepare(member, first)));
    assert_eq!(said(&seat.synced()), []);
    seat.hear(prepare(1, first));
    hold(&mut seat, 1, DIGEST);
    let both = said(&seat.synced());
    let commits: Vec<&Message> = both.iter().filter(|message| matches!(message, Message::Commit(_))).collect();
    assert_eq!(commits, [&commit(0, first), &commit(0, second)], "the lower one first");
    seat.hear_all([1, 2].map(|member| Message::ViewChange(view_change(member, 3, vec![]))));
    let shown: Vec<u64> = said(&seat.synced())
        .iter()
        .filter_map(|message| if let Message::ViewChange(change) = message { Some(&change.prepared) } else { None })
        .flatten()
        .map(|prepared| prepared.ballot.height)
        .collect();
    assert_eq!(shown, [1, 2]);
}

#[test]
fn a_timeout_starts_a_view_change_and_the_next_one_takes_twice_as_long() {
    let mut seat = Seat::new(2);
    let timeout = PbftOptions::default().view_timeout_ms;
    seat.step(Input::TransactionsWait);
    seat.now = timeout - 1;
    assert_eq!(seat.step(Input::Tick), []);
    seat.now = timeout;
    assert_eq!(seat.step(Input::Tick), [Output::Report(Report::ViewChangeStarted { view: 1 })]);
    assert_eq!(said(&seat.synced()), [Message::ViewChange(view_change(2, 1, vec![]))]);
    assert_eq!(seat.engine.position().timeout_ms, 2 * timeout);
    // It takes no part in view 0 any more, and goes on only when a quorum wanted view 1 for so long.
    assert_eq!(seat.hear(pre_prepare(1, ballot(0, 1, DIGEST))), []);
    seat.now += 10 * timeout;
    assert_eq!(seat.step(Input::Tick).len(), 1, "it says its wish again");
    assert_eq!(seat.engine.position().view, 1);
    seat.hear_all([view_change(0, 1, vec![]), view_change(3, 1, vec![])].map(Message::ViewChange));
    seat.now += 2 * timeout;
    let outputs = seat.step(Input::Tick);
    assert!(outputs.contains(&Output::Report(Report::ViewChangeStarted { view: 2 })), "{outputs:?}");
}

#[test]
fn who_has_executed_a_height_joins_the_one_that_left_and_lacks_votes_for_it() {
    // Members 0 and 3 committed with this one, 3 died, and 1, which had voted for nothing, wants view 1: alone it never
    // gets there, and without it the height is never certified.
    let mut seat = Seat::new(2);
    let ballot = ballot(0, 1, DIGEST);
    seat.hear(pre_prepare(1, ballot));
    seat.judged(1, DIGEST);
    seat.synced();
    seat.hear_all([prepare(0, ballot), prepare(3, ballot)]);
    seat.synced();
    seat.hear_all([commit(0, ballot), commit(3, ballot)]);
    seat.executed(1, HEADER, set());
    seat.synced();
    seat.hear(checkpoint(0, 1, HEADER));
    let timeout = PbftOptions::default().view_timeout_ms;
    seat.now = 10 * timeout;
    let left = |outputs: &[Output]| outputs.contains(&Output::Report(Report::ViewChangeStarted { view: 1 }));
    assert!(!left(&seat.step(Input::Tick)), "others may be slow: that is no reason to leave a view");
    seat.hear(Message::ViewChange(view_change(1, 1, vec![])));
    seat.now += timeout - 1;
    assert!(!left(&seat.step(Input::Tick)), "nor is one that wants another");
    seat.now += 1;
    assert!(left(&seat.step(Input::Tick)), "but both are");
    let outputs = seat.synced();
    let shown = |message: &Message| matches!(message, Message::ViewChange(change) if change.prepared.len() == 1);
    assert!(said(&outputs).iter().any(shown), "and it shows what it prepared: {outputs:?}");
}

#[test]
fn more_than_may_be_faulty_are_joined() {
    let mut seat = Seat::new(2);
    assert_eq!(seat.hear(Message::ViewChange(view_change(0, 5, vec![]))), [], "one may lie");
    let outputs = seat.hear(Message::ViewChange(view_change(3, 7, vec![])));
    assert_eq!(outputs, [Output::Report(Report::ViewChangeStarted { view: 5 })]);
}

/// A member three heights behind showed five prepared ones in a pipeline of three: nobody took its VIEW-CHANGE, and with
/// another one dead the view never began.
#[test]
fn who_is_behind_may_show_more_prepared_than_the_pipeline_is_deep() {
    let mut seat = Seat::new(2);
    let shown = |count: u64| (1..=count).map(|height| prepared(ballot(0, height, DIGEST))).collect::<Vec<_>>();
    let depth = PbftOptions::default().depth;
    let outputs = seat.hear(Message::ViewChange(view_change(0, 2, shown(depth + 9))));
    let refused = [Output::Report(Report::BadMessage { from: key(0), error: MessageError::Prepared })];
    assert_eq!(outputs, refused, "no member sees so far");
    seat.hear_all([view_change(0, 2, shown(depth + 8)), view_change(3, 2, vec![])].map(Message::ViewChange));
    let outputs = seat.synced();
    assert!(outputs.contains(&Output::Report(Report::ViewBegan { view: 2 })), "{outputs:?}");
}

#[test]
fn the_leader_begins_a_view_with_what_was_prepared() {
    let mut seat = Seat::new(2);
    let ballot0 = ballot(0, 1, DIGEST);
    let changes = [view_change(0, 2, vec![prepared(ballot0)]), view_change(3, 2, vec![])];
    seat.hear_all(changes.map(Message::ViewChange));
    let outputs = seat.synced();
    let new_views: Vec<Message> =
        said(&outputs).into_iter().filter(|message| matches!(message, Message::NewView(_))).collect();
    let [Message::NewView(new)] = &new_views[..] else { panic!("{outputs:?}") };
    assert_eq!(new.changes.iter().map(|change| change.member).collect::<Vec<_>>(), [0, 2, 3]);
    assert!(outputs.contains(&Output::Report(Report::ViewBegan { view: 2 })));
    assert!(outputs.contains(&Output::Hold { height: 1, digest: DIGEST }), "it is vouched for: {outputs:?}");
    seat.step(Input::Held { height: 1, digest: DIGEST });
    assert_eq!(said(&seat.synced()), [prepare(2, ballot(2, 1, DIGEST))]);
}

#[test]
fn a_new_view_takes_the_digest_prepared_in_the_highest_view() {
    let mut seat = Seat::new(2);
    let (old, new) = (prepared(ballot(0, 1, DIGEST)), prepared(ballot(1, 1, OTHER)));
    let changes = vec![view_change(0, 3, vec![old]), view_change(1, 3, vec![new]), view_change(3, 3, vec![])];
    let outputs = seat.hear(new_view(3, changes));
    assert!(outputs.contains(&Output::Hold { height: 1, digest: OTHER }), "{outputs:?}");
    // What the view began with is not the proposer's to choose.
    assert_eq!(seat.hear(pre_prepare(3, ballot(3, 1, DIGEST))), []);
}

#[test]
fn a_new_view_that_hides_what_was_prepared_is_not_believed() {
    let mut seat = Seat::new(2);
    let changes = vec![view_change(0, 3, vec![]), view_change(1, 3, vec![])];
    let outputs = seat.hear(new_view(3, changes.clone()));
    assert!(matches!(outputs[..], [Output::Report(Report::BadMessage { .. })]), "two wishes are no quorum");
    let forged = Prepared { ballot: ballot(2, 1, OTHER), ..prepared(ballot(0, 1, DIGEST)) };
    let changes = [changes, vec![view_change(3, 3, vec![forged])]].concat();
    let outputs = seat.hear(new_view(3, changes));
    assert!(matches!(outputs[..], [Output::Report(Report::BadMessage { .. })]), "{outputs:?}");
    assert_eq!(seat.engine.position().view, 0);
}

#[test]
fn one_in_an_earlier_view_is_told_how_this_one_began() {
    let mut seat = Seat::new(2);
    let begun = new_view(3, [0, 1, 3].map(|member| view_change(member, 3, vec![])).to_vec());
    seat.hear(begun.clone());
    seat.synced();
    let outputs = seat.hear(prepare(0, ballot(0, 1, DIGEST)));
    assert_eq!(outputs, [Output::Send { to: key(0), message: begun }]);
    assert_eq!(
        seat.hear(prepare(0, ballot(0, 1, OTHER))).len(),
        1,
        "once for a while; two votes in one view are told of"
    );
}

#[test]
fn what_was_voted_before_a_restart_binds() {
    let mut seat = Seat::new(2);
    seat.hear(pre_prepare(1, ballot(0, 1, DIGEST)));
    seat.judged(1, DIGEST);
    let heights = seat.asked.remove(0).heights;
    let recovered = Recovered { heights, ..Recovered::default() };
    let mut again = Seat::of(2, set(), recovered);
    let twice = Output::Report(Report::Equivocation { member: key(1), height: 1 });
    let outputs = again.hear(pre_prepare(1, ballot(0, 1, OTHER)));
    assert_eq!(outputs, [twice, Output::Hold { height: 1, digest: DIGEST }], "what it voted for stands again");
    assert_eq!(again.judged(1, OTHER), []);
    assert_eq!(said(&again.synced()), [], "nothing is voted for in the place of what was");
    again.now = PbftOptions::default().view_timeout_ms / 2;
    let outputs = again.step(Input::Tick);
    assert!(said(&outputs).contains(&prepare(2, ballot(0, 1, DIGEST))), "it says again what it said: {outputs:?}");
}

/// Its votes and wishes of before are in the hands of others: it says nothing in the epochs in which it may have said
/// something, and speaks in the first one that began above.
#[test]
fn who_lost_what_it_promised_is_silent_until_a_new_epoch_above_all_of_it() {
    let lost = Recovered { loss: Some(LossRecord { version: Version, through: None }), ..Recovered::default() };
    let mut seat = Seat::of(3, set(), lost.clone());
    assert_eq!(seat.engine.position().loss, lost.loss);
    let silent = |seat: &mut Seat, height: u64, sealers| {
        // Whole blocks are all that it goes by.
        let header = Hash([height as u8; 32]);
        let outputs = seat.step(Input::Fetched { digest: DIGEST, certified: certified(height, header) });
        assert_eq!(outputs, [Output::Execute { height, digest: DIGEST }]);
        let outputs = seat.executed(height, header, sealers);
        assert!(outputs.iter().any(|output| matches!(output, Output::Commit { .. })), "{outputs:?}");
        said(&outputs)
    };
    let ballot = ballot(0, 1, DIGEST);
    assert_eq!(seat.hear_all([pre_prepare(1, ballot), prepare(1, ballot), prepare(2, ballot)]), []);
    seat.now = 100 * PbftOptions::default().view_timeout_ms;
    assert_eq!(seat.step(Input::Tick), [], "it wants no view");
    let told = seat.step(Input::PromisedThrough { height: 2 });
    assert_eq!(told, [Output::Report(Report::SilentThrough { height: 2 })]);
    assert_eq!(seat.step(Input::PromisedThrough { height: 9 }), [], "once");
    let through_2 = LossRecord { version: Version, through: Some(2) };
    assert_eq!(seat.asked.last().map(|persist| persist.loss), Some(Some(through_2)));
    assert_eq!(silent(&mut seat, 1, set_since(2, &[1, 1, 1, 2])), []);
    assert_eq!(seat.engine.position().loss, Some(through_2), "an epoch that begins at 2 is none above 2");
    let mut again = Seat::of(3, set_since(3, &[1; 4]), Recovered { loss: Some(through_2), ..lost.clone() });
    assert_eq!(again.engine.position().loss, None, "one that begins at 3 is");
    assert_eq!(again.step(Input::PromisedThrough { height: 9 }), [], "it knows enough");
    let unknown = Seat::of(3, set_since(3, &[1; 4]), lost);
    assert!(unknown.engine.position().loss.is_some(), "as long as nothing is known it says nothing at all");
}

#[test]
fn one_header_is_signed_for_a_height_ever() {
    let mut seat = Seat::new(2);
    let ballot = ballot(0, 1, DIGEST);
    let committed = |seat: &mut Seat| {
        seat.hear(pre_prepare(1, ballot));
        seat.judged(1, DIGEST);
        seat.hear_all([0, 1, 3].map(|member| commit(member, ballot)))
    };
    committed(&mut seat);
    seat.asked.clear();
    seat.executed(1, HEADER, set());
    let heights = seat.asked.remove(0).heights;
    let recovered = Recovered { heights, ..Recovered::default() };
    let mut again = Seat::of(2, set(), recovered);
    committed(&mut again);
    let outputs = again.executed(1, OTHER, set());
    let halt = Output::Halt(ConsensusFault::Signed { height: 1, found: OTHER, signed: HEADER });
    assert!(outputs.contains(&halt), "{outputs:?}");
    assert_eq!(again.step(Input::TransactionsWait), [], "it does nothing any more");
}

#[test]
fn a_node_whose_header_differs_from_the_certified_one_stops() {
    let mut seat = Seat::new(2);
    let outputs = seat.order(1, DIGEST, HEADER, set());
    assert!(matches!(outputs[..], [Output::Commit { height: 1, .. }, ..]), "{outputs:?}");
    let ballot = ballot(0, 2, OTHER);
    seat.hear_all([0, 1, 3].map(|member| commit(member, ballot)));
    seat.step(Input::Held { height: 2, digest: OTHER });
    seat.executed(2, HEADER, set());
    seat.synced();
    let outputs = seat.hear_all([0, 1, 3].map(|member| checkpoint(member, 2, OTHER)));
    let halt = Output::Halt(ConsensusFault::Diverged { height: 2, found: HEADER, certified: OTHER });
    assert_eq!(outputs.last(), Some(&halt));
}

#[test]
fn a_fetched_block_is_believed_for_its_certificate_alone() {
    let mut seat = Seat::new(2);
    let forged = Certified { header: OTHER, ..certified(1, HEADER) };
    let fetched = |certified| Input::Fetched { digest: DIGEST, certified };
    assert_eq!(seat.step(fetched(forged)), [Output::BadBlock { height: 1 }]);
    let outputs = seat.step(fetched(certified(1, HEADER)));
    assert_eq!(outputs, [Output::Execute { height: 1, digest: DIGEST }]);
    let outputs = seat.executed(1, HEADER, set());
    assert!(matches!(outputs[..], [Output::Commit { height: 1, .. }]), "{outputs:?}");
}

#[test]
fn other_sealers_rule_once_all_below_is_certified() {
    let mut seat = Seat::new(2);
    let others = set_since(3, &[1; 5]);
    let committed = seat.order(1, DIGEST, HEADER, Arc::clone(&others));
    assert!(matches!(committed[..], [Output::Commit { height: 1, .. }, ..]), "{committed:?}");
    assert_eq!(seat.engine.position().epoch, 1);
    // Height 3 is of the others: nobody proposes it while height 2 is in flight.
    assert_eq!(seat.hear(pre_prepare(3, Ballot { epoch: 3, ..ballot(0, 3, OTHER) })), []);
    let block = certified(2, HEADER);
    seat.step(Input::Fetched { digest: OTHER, certified: block });
    seat.executed(2, HEADER, others);
    let position = seat.engine.position();
    assert_eq!((position.certified, position.epoch, position.view), (2, 3, 0));
    let ballot = Ballot { epoch: 3, ..ballot(0, 3, DIGEST) };
    let outputs = seat.hear(pre_prepare(3, ballot));
    assert!(matches!(outputs[..], [Output::Judge { height: 3, .. }]), "{outputs:?}");
    let outputs = seat.hear(prepare(0, self::ballot(0, 2, OTHER)));
    assert_eq!(outputs, [Output::Behind { peer: key(0) }], "one that is behind is told so");
}

#[test]
fn weights_stand_for_counts() {
    // A quorum of 10 is 7: member 0 and member 1 are one, and without member 0 there is none.
    let weighted = set_since(1, &[5, 2, 2, 1]);
    let mut seat = Seat::of(3, Arc::clone(&weighted), Recovered::default());
    let ballot = ballot(0, 1, DIGEST);
    assert_eq!(seat.hear_all([commit(1, ballot), commit(2, ballot)]), []);
    assert_eq!(seat.hear(commit(0, ballot)), [Output::Hold { height: 1, digest: DIGEST }]);
    let mut seat = Seat::of(3, weighted, Recovered::default());
    assert_eq!(seat.hear_all([commit(1, ballot), commit(2, ballot)]), []);
    let more = Message::ViewChange(view_change(0, 1, vec![]));
    let outputs = seat.hear(more);
    assert_eq!(outputs, [Output::Report(Report::ViewChangeStarted { view: 1 })], "5 is more than may be faulty");
}

#[test]
fn one_that_is_no_member_follows_by_blocks_alone() {
    let mut seat = Seat::of(9, set(), Recovered::default());
    let ballot = ballot(0, 1, DIGEST);
    assert_eq!(seat.hear_all([pre_prepare(1, ballot), prepare(0, ballot), commit(0, ballot)]), []);
    let outputs = seat.step(Input::Fetched { digest: DIGEST, certified: certified(1, HEADER) });
    assert_eq!(outputs, [Output::Execute { height: 1, digest: DIGEST }]);
}
