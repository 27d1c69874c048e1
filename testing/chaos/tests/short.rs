//! One round of every fault against the real program.

use std::path::PathBuf;

use entente_chaos::{Options, Pace, draw, run};

/// The folder of all that is built: this test lies in `release/deps` below it.
fn target() -> PathBuf {
    let own = std::env::current_exe().expect("this test's own path");
    own.ancestors().nth(3).expect("the target folder").to_owned()
}

#[test]
fn nothing_told_is_lost_whatever_happens() {
    let target = target();
    let options = Options {
        program: target.join("release/entente"),
        token: target.join("contracts/token.wasm"),
        seed: 1,
        pace: Pace::SHORT,
        minutes: 0,
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let report = runtime.block_on(run(&options, |line| println!("{line}"))).expect("the nodes run");
    runtime.shutdown_background();
    assert_eq!(report.violations, Vec::<String>::new());
    let met = report.happened.len() + report.left_out.len();
    assert_eq!((met, report.rounds), (11, 1), "{:?}", report.left_out);
    assert!(report.told > 500 && report.blocks > 50, "{} in {}", report.told, report.blocks);
    let folder = tempfile::tempdir().expect("a folder");
    let picture = folder.path().join("timeline.svg");
    draw(&report, &picture).expect("a picture");
    let drawn = std::fs::read_to_string(&picture).expect("a picture").replace("&apos;", "'");
    assert!(report.happened.iter().all(|happened| drawn.contains(&happened.name)));
}
