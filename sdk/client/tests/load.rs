//! The load generator against a chain that is none: nothing is lost, nothing counted twice, refusals are sent again.

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use common::Chain;
use entente_client::load::{Load, LoadEnd, LoadError, LoadPlan, Phase, ProgressCallback, Workload};

fn silent() -> ProgressCallback {
    Arc::new(|_| ())
}

async fn plan(chain: &Chain, nodes: usize) -> (LoadPlan, Vec<jsonrpsee::server::ServerHandle>) {
    let (mut urls, mut handles) = (Vec::new(), Vec::new());
    for _ in 0..nodes {
        let (address, handle) = chain.serve().await;
        urls.push(address.to_string());
        handles.push(handle);
    }
    let plan = LoadPlan {
        urls,
        end: LoadEnd::Transactions(2000),
        accounts: 50,
        batch: 100,
        window: 1000,
        ..LoadPlan::default()
    };
    (plan, handles)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_sent_is_committed_and_no_token_is_lost() {
    let chain = Chain::start(100_000, Duration::from_millis(10));
    let (plan, _handles) = plan(&chain, 4).await;
    let phases = Arc::new(Mutex::new(Vec::new()));
    let seen = phases.clone();
    let progress: ProgressCallback = Arc::new(move |progress| seen.lock().unwrap().push(progress.phase));
    let mut load = Load::prepare(plan, None, b"\0asm", progress).await.unwrap();
    let result = load.run().await.unwrap();
    assert_eq!((result.sent, result.committed, result.failed, result.lost), (2000, 2000, 0, 0), "{result:?}");
    assert_eq!((result.setup.signed_before, result.setup.signed_during), (2000, 0));
    assert!(result.tps > 0.0 && result.blocks >= 4 && result.generator_cpu_seconds > 0.0);
    let latency = result.latency_ms;
    assert!(
        0.0 < latency.p50 && latency.p50 <= latency.p90 && latency.p90 <= latency.p99 && latency.p99 <= latency.max
    );
    let supply = load.check_supply().await.unwrap();
    assert!(supply.ok, "{supply:?}");
    assert_eq!(supply.holders, 51);
    // A second run of the same accounts has nonces of its own.
    assert_eq!(load.run().await.unwrap().committed, 2000);
    let phases = phases.lock().unwrap();
    for phase in [Phase::Accounts, Phase::Deploying, Phase::Funding, Phase::Signing, Phase::Sending, Phase::Checking] {
        assert!(phases.contains(&phase), "{phase:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_pool_costs_time_and_nothing_else() {
    let chain = Chain::start(130, Duration::from_millis(10));
    let (plan, _handles) = plan(&chain, 1).await;
    let mut load = Load::prepare(plan, None, b"\0asm", silent()).await.unwrap();
    let result = load.run().await.unwrap();
    assert_eq!((result.committed, result.failed), (2000, 0), "{result:?}");
    assert!(result.refused > 0);
    assert!(load.check_supply().await.unwrap().ok);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_is_kept_and_the_time_too() {
    let chain = Chain::start(100_000, Duration::from_millis(10));
    let (plan, _handles) = plan(&chain, 1).await;
    let plan = LoadPlan { rate: Some(500), end: LoadEnd::After(Duration::from_secs(2)), conflict_percent: 50, ..plan };
    let mut load = Load::prepare(plan, None, b"\0asm", silent()).await.unwrap();
    let result = load.run().await.unwrap();
    assert!((700..=1000).contains(&result.sent), "{result:?}");
    assert_eq!(result.sent, result.committed + result.failed);
    assert!((1.5..10.0).contains(&result.seconds), "{result:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_rate_the_time_ends_it() {
    let chain = Chain::start(100_000, Duration::from_millis(10));
    let (plan, _handles) = plan(&chain, 1).await;
    let plan = LoadPlan { end: LoadEnd::After(Duration::from_secs(1)), window: 200, ..plan };
    let mut load = Load::prepare(plan, None, b"\0asm", silent()).await.unwrap();
    let result = load.run().await.unwrap();
    assert!(result.sent > 200 && result.failed == 0, "{result:?}");
    assert!((0.5..10.0).contains(&result.seconds), "{result:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_expire_is_signed_anew_and_committed_once() {
    let chain = Chain::start(100_000, Duration::from_millis(2));
    let (plan, _handles) = plan(&chain, 1).await;
    let plan = LoadPlan { end: LoadEnd::Transactions(4000), batch: 50, window: 50, ..plan };
    let mut load = Load::prepare(plan, None, b"\0asm", silent()).await.unwrap();
    // From here on eighty blocks raise the height by twelve hundred: what was signed at the start expires.
    chain.ledger.lock().unwrap().stride = 15;
    let result = load.run().await.unwrap();
    assert_eq!((result.sent, result.committed, result.failed), (4000, 4000, 0), "{result:?}");
    assert!(result.setup.signed_during > 0, "{result:?}");
    assert!(load.check_supply().await.unwrap().ok);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_expired_is_counted_and_holds_nothing_up() {
    let chain = Chain::start(100_000, Duration::from_millis(2));
    let (plan, _handles) = plan(&chain, 1).await;
    let mut load = Load::prepare(LoadPlan { window: 100, ..plan }, None, b"\0asm", silent()).await.unwrap();
    // Each block is three hundred heights above the last, more than the margin for signing anew.
    chain.ledger.lock().unwrap().stride = 300;
    let result = load.run().await.unwrap();
    assert_eq!(result.sent, 2000, "{result:?}");
    assert_eq!(result.sent, result.committed + result.failed, "{result:?}");
    assert!(load.check_supply().await.unwrap().ok);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_takes_nothing_with_it() {
    let chain = Chain::start(100_000, Duration::from_millis(10));
    let (plan, handles) = plan(&chain, 4).await;
    let mut load = Load::prepare(LoadPlan { rate: Some(2000), ..plan }, None, b"\0asm", silent()).await.unwrap();
    let victim = handles[1].clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        victim.stop().unwrap();
    });
    let result = load.run().await.unwrap();
    assert_eq!((result.sent, result.committed, result.lost), (2000, 2000, 0), "{result:?}");
    assert!(load.check_supply().await.unwrap().ok);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_the_load_ends_with_an_error() {
    let chain = Chain::start(100_000, Duration::from_millis(10));
    let (plan, handles) = plan(&chain, 1).await;
    let mut load = Load::prepare(LoadPlan { rate: Some(1000), ..plan }, None, b"\0asm", silent()).await.unwrap();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        handles[0].stop().unwrap();
    });
    let error = load.run().await.unwrap_err();
    assert!(matches!(error, LoadError::Stream(_) | LoadError::Query(_)), "{error}");
}

#[tokio::test]
async fn plans_that_cannot_be_kept_are_refused_with_the_number() {
    let refused = |change: fn(&mut LoadPlan)| {
        let mut plan = LoadPlan::default();
        change(&mut plan);
        plan.check().unwrap_err().to_string()
    };
    assert_eq!(refused(|plan| plan.accounts = 1), "the load's accounts is 1; allowed is 2 to 1000000");
    assert_eq!(refused(|plan| plan.conflict_percent = 101), "the load's conflict percent is 101; allowed is 0 to 100");
    assert_eq!(refused(|plan| plan.batch = 0), "the load's batch is 0; allowed is 1 to 10000");
    assert_eq!(refused(|plan| plan.window = 1), "the load's window is 1; allowed is 500 to 1000000");
    assert_eq!(refused(|plan| plan.urls.clear()), "the load's nodes is 0; allowed is 1 to 64");
    assert_eq!(refused(|plan| plan.workload = Workload::Kv), "the workload Kv is not there yet; use transfer or erc20");
    assert!(LoadPlan::default().check().is_ok());
}
