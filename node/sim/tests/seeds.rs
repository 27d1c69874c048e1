//! Consortia from seeds, in the bad weather that each draws.

use entente_consensus::Sound;
use entente_sim::{SEEDS_TESTED, Setup, run, sweep};

/// A simulation allocates and frees small things all the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[test]
fn no_seed_breaks_a_consortium() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let sweep = sweep::<Sound>(0..SEEDS_TESTED, threads, 5, Setup::of, |_| {}).expect("threads");
    let failures: Vec<String> = sweep.failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    println!("{}", sweep.statistics);
    assert_eq!(sweep.statistics.seeds, SEEDS_TESTED);
    assert!(sweep.statistics.blocks >= 60 * SEEDS_TESTED && sweep.statistics.simulated_ms >= 30_000 * SEEDS_TESTED);
    assert_eq!(sweep.statistics.check(), Ok(()));
}

#[test]
fn a_seed_runs_the_same_again() {
    for seed in [3, 77, 1_234] {
        assert_eq!(run(seed), run(seed));
    }
}
/// A proposal that a node had voted for was dropped when another height was certified.
#[test]
fn a_proposal_voted_for_is_kept_until_its_height_is_certified() {
    assert_eq!(run(410).err(), None);
}

/// Two proposals stood at one height in turn, one by this node's own vote and one by a quorum's, and each was asked for
/// as the other came: the step never ended.
#[test]
fn two_proposals_of_one_height_do_not_chase_each_other() {
    assert_eq!(run(5_096).err(), None);
}

/// One of three that were left had not voted for a height that the other two had executed, and wanted another view; they
/// saw no reason to.
#[test]
fn those_who_executed_a_height_follow_the_one_that_needs_another_view_for_it() {
    assert_eq!(run(17_008).err(), None);
}

/// A node had a block on disk when its power went, told nobody, and was the first with the next block: the checker took
/// that for a fork.
#[test]
fn a_block_that_was_written_and_not_told_of_is_a_block() {
    for seed in [11_924, 16_791, 22_683] {
        assert_eq!(run(seed).err(), None);
    }
}

/// A block has only what was run of its proposal. A node that got one with some left out waited for the rest for good, or,
/// where it was executing that proposal already, did not write the block and halted at the next.
#[test]
fn a_block_with_some_left_out_is_whole_with_what_it_has() {
    for seed in [1, 4, 25, 32] {
        assert_eq!(run(seed).err(), None);
    }
}

/// A block whose transactions were all left out was taken for one that nobody had asked for.
#[test]
fn a_block_of_which_all_was_left_out_is_no_empty_block() {
    for seed in [8, 1_530] {
        assert_eq!(run(seed).err(), None);
    }
}

/// A member that was behind showed more prepared heights in its VIEW-CHANGE than the pipeline is deep, and was not heard.
#[test]
fn a_member_that_is_behind_is_heard_in_a_view_change() {
    assert_eq!(run(51_343).err(), None);
}
