//! Real nodes under faults of every kind, and what must hold after each.
//!
//! This crate owns the plan, drawn from a seed, the links between the nodes, clients that send all the time, and the
//! checks after each fault: every node has every block that any node told of, one hash a height, and all that clients were
//! told of; the tokens of all accounts are as many as before; memory stays within its bound; and each node votes. The
//! nodes are processes of the program that operators run; nothing in them knows of this.
//!
//! ```no_run
//! # async fn example() -> Result<(), entente_chaos::ChaosError> {
//! use entente_chaos::{Options, Pace, run};
//!
//! let options = Options {
//!     program: "target/release/entente".into(),
//!     token: "target/contracts/token.wasm".into(),
//!     seed: 7,
//!     pace: Pace::SHORT,
//!     minutes: 0,
//! };
//! let report = run(&options, |line| println!("{line}")).await?;
//! assert!(report.violations.is_empty());
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod checks;
mod clients;
mod consortium;
mod faults;
mod links;
mod picture;
mod plan;
mod report;
mod watch;

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use entente_sim::Numbers;

use clients::Clients;
use consortium::Consortium;
pub use links::{LinkState, Links};
pub use picture::draw;
pub use plan::{Fault, NODES, Pace, round};
pub use report::{Happened, Report, Sample};
use watch::Watch;

/// The nodes or the program could not be used: nothing is said of what holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ChaosError(pub(crate) String);

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The program.
    pub program: PathBuf,
    /// The token's module.
    pub token: PathBuf,
    /// Where the plan comes from.
    pub seed: u64,
    /// How long things take.
    pub pace: Pace,
    /// For how many minutes rounds are begun; one is run at least.
    pub minutes: u64,
}

/// What one run works with.
pub(crate) struct Run {
    pub(crate) consortium: Consortium,
    pub(crate) clients: Arc<Clients>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) pace: Pace,
    pub(crate) report: Report,
    pub(crate) started: Instant,
    /// The identifier of each node.
    pub(crate) ids: Vec<String>,
    /// The last height that was checked on all nodes.
    pub(crate) checked: u64,
}

/// Runs rounds of faults, and tells of each as it goes.
///
/// # Errors
/// The nodes, the program or this machine fail in a way that is none of the plan's. What does not hold is in the report.
pub async fn run(options: &Options, mut show: impl FnMut(&str)) -> Result<Report, ChaosError> {
    let module = std::fs::read(&options.token)
        .map_err(|error| ChaosError(format!("{}: {error}; run `make contracts`", options.token.display())))?;
    let mut consortium = Consortium::new(&options.program, options.seed, options.pace.disk_bytes).await?;
    for node in 0..NODES {
        consortium.start_well(node).await?;
    }
    let url = consortium.url(0).ok_or_else(|| ChaosError("node0 does not run".into()))?;
    let clients = Clients::new(consortium.addresses.clone(), &url, &module).await?;
    let started = Instant::now();
    let watch = Watch::new(consortium.addresses.clone(), started);
    for node in 0..NODES {
        tokio::spawn(Arc::clone(&clients).listen(node));
        tokio::spawn(Arc::clone(&clients).load(node, options.seed ^ node as u64));
        tokio::spawn(Arc::clone(&watch).look(node));
    }
    let mut report = Report::new(options.seed);
    if consortium.small_disk.is_none() {
        report.left_out.push("a full disk: this user may mount none".into());
    }
    let ids = identifiers(&consortium).await?;
    let mut run = Run { consortium, clients, watch, pace: options.pace, report, started, ids, checked: 0 };
    let mut numbers = Numbers::new(options.seed);
    loop {
        for fault in round(&mut numbers, &options.pace) {
            run.meet(fault, &mut show).await?;
        }
        run.report.rounds += 1;
        if started.elapsed() >= Duration::from_secs(options.minutes * 60) {
            break;
        }
    }
    run.finish().await
}

/// What each node is called in consensus.
async fn identifiers(consortium: &Consortium) -> Result<Vec<String>, ChaosError> {
    let mut ids = Vec::new();
    for node in 0..NODES {
        let url = consortium.url(node).unwrap_or_default();
        let group = clients::connect(&url).await?;
        let info: Result<serde_json::Value, _> = group.client().request("getNodeInfo", &[(); 0]).await;
        let info = info.map_err(|error| ChaosError(error.to_string()))?;
        let id = info["NodeID"].as_str().ok_or_else(|| ChaosError(format!("node{node} has no identifier")))?;
        ids.push(id.to_owned());
    }
    Ok(ids)
}

impl Run {
    /// One fault: clients send before and after it, and then all is looked at.
    async fn meet(&mut self, fault: Fault, show: &mut impl FnMut(&str)) -> Result<(), ChaosError> {
        if fault == Fault::FullDisk && self.consortium.small_disk.is_none() {
            return Ok(());
        }
        tokio::time::sleep(self.pace.between).await;
        let begins = self.started.elapsed().as_secs_f64();
        let known = self.report.violations.len();
        self.go_wrong(fault).await?;
        let healed = self.started.elapsed().as_secs_f64();
        self.consortium.links.heal();
        self.check(fault).await?;
        let ends = self.started.elapsed().as_secs_f64();
        let name = fault.to_string();
        let verdict = match self.report.violations.get(known..) {
            None | Some([]) => "all holds".to_owned(),
            Some(violations) => format!("VIOLATED: {}", violations.join("; ")),
        };
        show(&format!(
            "{begins:>7.1} s  {name:<52} {:>5.1} s, then {:>4.1} s until {verdict}",
            healed - begins,
            ends - healed
        ));
        self.report.happened.push(Happened { name, begins, healed, ends });
        Ok(())
    }

    async fn finish(mut self) -> Result<Report, ChaosError> {
        self.clients.send(false);
        for node in self.consortium.up() {
            if !self.consortium.stop(node).await {
                self.report.violations.push(format!("node{node} did not end cleanly"));
            }
        }
        // Whatever was written is whole, by the words of the program that operators ask.
        for node in 0..NODES {
            let folder = self.consortium.folder(node).display().to_string();
            let verified = self.consortium.entente(&["verify", "--dir", &folder]);
            let ok = verified.as_ref().is_ok_and(|answer| answer["ok"] == true);
            if !ok {
                self.report.violations.push(format!("verify of node{node}: {verified:?}"));
            }
        }
        self.report.seconds = self.started.elapsed().as_secs_f64();
        self.report.samples = self.watch.samples();
        self.report.sent = self.clients.sent.load(Ordering::Relaxed);
        self.report.refused = self.clients.refused.load(Ordering::Relaxed);
        self.clients.told(|told| {
            self.report.told = told.transactions.len() as u64;
            self.report.blocks = told.height();
            self.report.violations.append(&mut told.contradictions);
        });
        Ok(self.report)
    }
}
