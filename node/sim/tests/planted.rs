//! Engines with one defect each: the simulator finds every one out.

use entente_consensus::{Conduct, planted};
use entente_sim::{Behaviour, Setup, sweep};

/// How many seeds a defect may survive.
const SEEDS: u64 = 3_000;

fn is_found_out<C: Conduct>(shape: impl Fn(u64) -> Setup + Send + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let sweep = sweep::<C>(0..SEEDS, threads, 1, shape, |_| {}).expect("threads");
    let found = sweep.failures.first();
    println!("{}: {} seeds, then: {}", std::any::type_name::<C>(), sweep.statistics.seeds, found.map_or_else(String::new, ToString::to_string));
    assert!(found.is_some(), "{SEEDS} seeds did not find it out");
}

fn equivocation_in_a_storm(seed: u64) -> Setup {
    Setup::storm(seed, Some(Behaviour::Equivocates))
}

#[test]
fn committing_with_2f_votes() {
    is_found_out::<planted::ShortQuorum>(|seed| Setup::lossy(seed, Behaviour::Conceals));
}

#[test]
fn a_prepared_certificate_forgotten_in_a_view_change() {
    is_found_out::<planted::ForgottenCertificate>(Setup::of);
}

#[test]
fn two_proposals_signed_after_a_restart() {
    is_found_out::<planted::ForgottenVotes>(equivocation_in_a_storm);
}

#[test]
fn a_vote_sent_before_it_is_durable() {
    is_found_out::<planted::HastyVote>(Setup::death_on_slow_disks);
}

#[test]
fn one_signer_counted_twice_in_a_quorum() {
    is_found_out::<planted::DoubleCount>(Setup::of);
}

#[test]
fn a_membership_change_one_height_too_early() {
    is_found_out::<planted::EarlyMembers>(Setup::of);
}

#[test]
fn bodies_not_synced_before_the_commit_vote() {
    is_found_out::<planted::UnsyncedBodies>(Setup::of);
}

#[test]
fn another_digest_proposed_under_a_new_view() {
    is_found_out::<planted::AnotherDigest>(Setup::of);
}
