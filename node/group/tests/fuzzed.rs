//! The fuzz target of this room over its seeds and everything that fuzzing found.

#[path = "../../../fuzz/src/replay.rs"]
mod replay;
#[path = "../../../fuzz/src/group.rs"]
mod target;

#[test]
fn what_fuzzing_found_stays_found() {
    replay::over("group", target::seeds(), target::check);
}
