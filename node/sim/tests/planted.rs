//! Engines with one defect each: the simulator finds every one out.

use entente_consensus::{Conduct, Sound, planted};
use entente_sim::{Behaviour, Setup, run_setup, sweep};

/// A simulation allocates and frees small things all the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many seeds a defect may survive.
const SEEDS: u64 = 1_000;

/// The defect is found out, and without it the same seed shows nothing.
fn is_found_out<C: Conduct>(shape: impl Fn(u64) -> Setup + Send + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let sweep = sweep::<C>(0..SEEDS, threads, 1, &shape, |_| {}).expect("threads");
    let found = sweep.failures.first().expect("no seed found it out");
    println!("{}: {} seeds held, then {found}", std::any::type_name::<C>(), sweep.statistics.seeds);
    assert_eq!(run_setup::<Sound>(shape(found.seed), None).err(), None);
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
