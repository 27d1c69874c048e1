//! The load generator: signed transfers of a token, sent in an open loop, as the ledger's own transactions or as
//! Ethereum's.
//!
//! [`Load::prepare`] makes accounts from the seed, deploys the token and gives each account its share;
//! [`Load::run`] signs in advance, sends batches by their schedule over WebSocket and learns the results from block
//! subscriptions alone; [`Load::check_supply`] adds up what everybody has afterwards.
//!
//! **Time.** Latency counts from the time at which a transaction was meant to be sent, not from when it was sent: a
//! node that slows the generator down does not thereby look faster. Within a batch all have the batch's time.
//! **Quorum.** A transaction counts when more than two thirds of the nodes in the plan have told of its block.
//! **Once.** A transfer that is sent again, signed anew or not, keeps its nonce: it is committed at most once.
//! **Funding.** Accounts get their share by the deployer's own transactions, whatever the transfers are: of Ethereum's, a
//! node keeps few of one sender.
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "rates and times for people: never below zero, far below 2^52"
)]

mod batch;
mod drive;
mod plan;
mod producer;
mod supply;
mod timeline;
mod tracker;
mod transfers;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use entente_crypto::Suite;
use entente_types::Address;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Deserializer, de::Error as _};
use tokio::task::AbortHandle;

pub use plan::{
    Latency, LoadEnd, LoadError, LoadPlan, LoadResult, LoadSetup, Phase, Progress, ProgressCallback, SupplyCheck,
    Workload,
};
pub use timeline::{Point, Timeline};

use crate::{
    abi::deployment,
    client::{BlockStream, Client, Group, SendError, raw},
    keystore::Account,
    limits::{BATCH_CALLS_MAX, LOAD_PREPARED_MAX, LOAD_TRANSACTIONS_MAX},
};
use batch::Signer;
use drive::Drive;
use producer::{Order, Producer};
use tracker::Tracker;
use transfers::{DEPLOYER, Numbered, Transfer, Transfers, funding};

/// How long the token's deployment may take.
const DEPLOY_TIMEOUT: Duration = Duration::from_mins(1);
/// The method that tells an account's next number.
const COUNT: &str = "eth_getTransactionCount";
/// How often progress is told.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);
/// Of a transaction's validity, the blocks that may pass between signing and sending.
const AHEAD_BLOCKS: f64 = 600.0;
/// How much faster than the funding the transfers may turn out to be, with nobody's account in common.
const FASTER_THAN_FUNDING: f64 = 3.0;

/// A token with its accounts, ready to be used.
pub struct Load {
    plan: LoadPlan,
    nodes: Vec<Client>,
    observers: Vec<AbortHandle>,
    tracker: Arc<Tracker>,
    signer: Arc<Signer>,
    progress: ProgressCallback,
    setup: LoadSetup,
    /// What the funding showed of the chain.
    pace: Pace,
    serial: u64,
}

/// How fast a chain is, roughly.
#[derive(Debug, Clone, Copy)]
struct Pace {
    transactions_per_second: f64,
    blocks_per_second: f64,
}

impl Drop for Load {
    fn drop(&mut self) {
        for observer in &self.observers {
            observer.abort();
        }
    }
}

/// Tells progress a few times a second, until it is dropped.
struct Ticker(AbortHandle);

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Load {
    /// Connects, makes the accounts, deploys the token and funds the accounts. The deployer is one of the seed's
    /// unless one is given; `code` is the token's Wasm, or the input of its deployment: its constructor takes nothing
    /// and mints to the deployer.
    pub async fn prepare(
        plan: LoadPlan,
        deployer: Option<Account>,
        code: &[u8],
        progress: ProgressCallback,
    ) -> Result<Self, LoadError> {
        plan.check()?;
        let mut nodes = Vec::with_capacity(plan.urls.len());
        for url in &plan.urls {
            nodes.push(Client::connect(&url_of(&plan, url)).await?);
        }
        let Some(first) = nodes.first() else { return Err(LoadError::Thread("there is no node".to_owned())) };
        let group = first.group(&plan.group).await?;
        let height = group.status().await?.height;
        let tracker = Arc::new(Tracker::new(nodes.len(), plan.window, height)?);
        let mut observers = Vec::with_capacity(nodes.len());
        for (index, node) in nodes.iter().enumerate() {
            let stream = BlockStream::open(node, group.id().as_str()).await?;
            observers.push(tracker::observe(tracker.clone(), index, stream, node.url().to_owned()));
        }

        let started = Instant::now();
        tell(&progress, Phase::Accounts, 0, Some(u64::from(plan.accounts)), started);
        let run = random_bytes()?;
        let (suite, seed, count) = (group.suite(), plan.seed, plan.accounts);
        let (senders_suite, senders_seed) = match plan.workload {
            Workload::Erc20 => (Suite::Standard, seed ^ u64::from_be_bytes(random_bytes()?)),
            _ => (suite, seed),
        };
        let making = move || {
            let accounts = transfers::accounts(senders_suite, senders_seed, count)?;
            Ok::<_, LoadError>((transfers::account(suite, seed, DEPLOYER)?, accounts))
        };
        let (own, accounts) = blocking(making).await??;
        let deployer = deployer.unwrap_or(own);
        let accounts_seconds = started.elapsed().as_secs_f64();

        let started = Instant::now();
        tell(&progress, Phase::Deploying, 0, None, started);
        let input = if code.starts_with(b"\0asm") { deployment(code, &[]) } else { code.to_vec() };
        let token = group.deploy(&deployer, input, plan.deploy_gas, DEPLOY_TIMEOUT).await?.address;
        let signer = Arc::new(Signer { group, deployer, accounts, token, gas: plan.transfer_gas, run });
        let setup = LoadSetup { accounts_seconds, ..LoadSetup::default() };
        let pace = Pace { transactions_per_second: 1.0, blocks_per_second: 1.0 };
        let mut load =
            Self { serial: u64::from(plan.accounts), plan, nodes, observers, tracker, signer, progress, setup, pace };
        load.fund().await?;
        load.setup.funding_seconds = started.elapsed().as_secs_f64();
        Ok(load)
    }

    /// The token.
    pub fn token(&self) -> Address {
        self.signer.token
    }

    /// The group, as the first node sees it.
    pub fn group(&self) -> &Group {
        &self.signer.group
    }

    /// The plan.
    pub const fn plan(&self) -> &LoadPlan {
        &self.plan
    }

    /// Gives each account its share of what the deployer has, and learns how fast the chain is.
    async fn fund(&mut self) -> Result<(), LoadError> {
        let share = supply::share(&self.signer, self.plan.accounts).await?;
        let count = u64::from(self.plan.accounts);
        let order = Order {
            transfers: funding(self.plan.accounts, share),
            total: count,
            batch: self.plan.batch,
            prefill: 0,
            low: LOAD_PREPARED_MAX as u64,
        };
        let height = self.tracker.height();
        let mut producer = Producer::start(self.signer.clone(), self.tracker.clone(), order);
        let mut drive = self.drive(None, None)?;
        let ticker = self.ticker(Phase::Funding, Some(count));
        let driven = drive.run(&mut producer).await;
        let signed = producer.stop().await;
        drop(ticker);
        driven?;
        signed?;
        let counts = self.tracker.counts();
        if counts.committed < count {
            let reason = counts.first_failure.unwrap_or_else(|| "they were not sent".to_owned());
            return Err(LoadError::Funding { failed: count - counts.committed, accounts: self.plan.accounts, reason });
        }
        let seconds = counts.last_commit.as_secs_f64().max(0.001);
        let blocks = self.tracker.height().saturating_sub(height).max(1);
        self.pace = Pace {
            transactions_per_second: counts.committed as f64 / seconds,
            blocks_per_second: blocks as f64 / seconds,
        };
        Ok(())
    }

    /// The measured load: signs in advance, sends, and waits for the last commits. It may be run again.
    pub async fn run(&mut self) -> Result<LoadResult, LoadError> {
        let mut producer = self.sign_ahead().await?;
        let signed_before = producer.signed();
        let duration = match self.plan.end {
            LoadEnd::After(duration) => Some(duration),
            LoadEnd::Transactions(_) => None,
        };
        let mut drive = self.drive(self.plan.rate, duration)?;
        let cpu_before = cpu_seconds();
        let ticker = self.ticker(Phase::Sending, self.planned());
        let driven = drive.run(&mut producer).await;
        let generator_cpu_seconds = cpu_seconds() - cpu_before;
        drop(ticker);
        let signed_during = producer.signed().saturating_sub(signed_before).saturating_add(drive.renewed);
        let signing = producer.stop().await;
        driven?;
        signing?;
        let counts = self.tracker.counts();
        self.setup = LoadSetup { signed_before, signed_during, ..self.setup };
        let seconds = counts.last_commit.as_secs_f64();
        let quantile = |quantile: f64| counts.latency_us.value_at_quantile(quantile) as f64 / 1000.0;
        Ok(LoadResult {
            sent: counts.sent,
            committed: counts.committed,
            failed: counts.failed,
            lost: counts.lost,
            refused: counts.refused,
            seconds,
            tps: if seconds > 0.0 { counts.committed as f64 / seconds } else { 0.0 },
            latency_ms: Latency {
                p50: quantile(0.5),
                p90: quantile(0.9),
                p99: quantile(0.99),
                max: counts.latency_us.max() as f64 / 1000.0,
            },
            generator_cpu_seconds,
            blocks: counts.blocks,
            height: self.tracker.height(),
            token: self.signer.token,
            setup: self.setup,
            first_failure: counts.first_failure,
        })
    }

    /// What came of the last run over time.
    pub fn timeline(&self) -> Timeline {
        self.tracker.counts().timeline
    }

    /// Adds up what the deployer and all accounts have, and compares it with what the token says there is. To be
    /// asked when nothing is under way.
    pub async fn check_supply(&self) -> Result<SupplyCheck, LoadError> {
        supply::check(&self.signer, &self.progress).await
    }

    /// How many transactions the plan sends, where it says so.
    fn planned(&self) -> Option<u64> {
        match (self.plan.end, self.plan.rate) {
            (LoadEnd::Transactions(count), _) => Some(count),
            (LoadEnd::After(duration), Some(rate)) => Some((duration.as_secs_f64() * f64::from(rate)).ceil() as u64),
            (LoadEnd::After(_), None) => None,
        }
    }

    /// Starts to sign and waits until enough is signed: all of it, or what will be sent while it is valid.
    async fn sign_ahead(&mut self) -> Result<Producer, LoadError> {
        let started = Instant::now();
        let speed = match self.plan.rate {
            Some(rate) => f64::from(rate),
            None => self.pace.transactions_per_second * FASTER_THAN_FUNDING,
        };
        let total = self.planned().unwrap_or(LOAD_TRANSACTIONS_MAX);
        let foreseen = match (self.planned(), self.plan.end) {
            (None, LoadEnd::After(duration)) => (speed * duration.as_secs_f64()) as u64 + self.plan.window as u64,
            _ => total,
        };
        // Blocks with fewer transactions come faster.
        let blocks_per_second = self.pace.blocks_per_second * (self.pace.transactions_per_second / speed).max(1.0);
        let while_valid = (speed * AHEAD_BLOCKS / blocks_per_second) as u64;
        let prefill = foreseen.min(while_valid.max(self.plan.batch as u64)).min(LOAD_PREPARED_MAX as u64);
        let transfers = self.transfers().await?;
        // A second run goes on with other nonces.
        self.serial = self.serial.saturating_add(LOAD_TRANSACTIONS_MAX);
        // A quarter of a second's: more would be signed in vain when the time is over.
        let low = (speed as u64 / 4).min(prefill / 2);
        let order = Order { transfers, total, batch: self.plan.batch_size(), prefill, low };
        let producer = Producer::start(self.signer.clone(), self.tracker.clone(), order);
        while producer.signed() < prefill && !producer.is_finished() {
            tell(&self.progress, Phase::Signing, producer.signed(), Some(prefill), started);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.setup.signing_seconds = started.elapsed().as_secs_f64();
        Ok(producer)
    }

    /// The transfers of a run, in the envelopes of the plan's workload.
    async fn transfers(&self) -> Result<Box<dyn Iterator<Item = Transfer> + Send>, LoadError> {
        let LoadPlan { seed, accounts, conflict_percent, workload, .. } = self.plan;
        let transfers = Transfers::new(seed, accounts, conflict_percent, self.serial);
        if workload != Workload::Erc20 {
            return Ok(Box::new(transfers));
        }
        let client = self.signer.group.client();
        let Quantity(chain_id) = client.request("eth_chainId", &()).await?;
        let mut nonces = Vec::with_capacity(self.signer.accounts.len());
        for accounts in self.signer.accounts.chunks(BATCH_CALLS_MAX) {
            let parameters = accounts.iter().map(|account| raw(COUNT, &(account.address(), "pending")));
            let counts: Vec<Quantity> = client.request_many(COUNT, parameters.collect::<Result<_, _>>()?).await?;
            nonces.extend(counts.into_iter().map(|Quantity(count)| count));
        }
        Ok(Box::new(Numbered { transfers, chain_id, nonces }))
    }

    fn drive(&self, rate: Option<u32>, duration: Option<Duration>) -> Result<Drive, LoadError> {
        Drive::new(self.signer.clone(), self.tracker.clone(), self.nodes.clone(), rate, duration)
    }

    fn ticker(&self, phase: Phase, total: Option<u64>) -> Ticker {
        let (tracker, progress, started) = (self.tracker.clone(), self.progress.clone(), Instant::now());
        let ticking = async move {
            loop {
                tell(&progress, phase, tracker.done(), total, started);
                tokio::time::sleep(PROGRESS_INTERVAL).await;
            }
        };
        Ticker(tokio::spawn(ticking).abort_handle())
    }
}

/// Where a node's methods speak for the plan's group: Ethereum's have no parameter that would name it.
fn url_of(plan: &LoadPlan, url: &str) -> String {
    match plan.workload {
        Workload::Erc20 => format!("{}/g/{}", url.trim_end_matches('/'), plan.group),
        _ => url.to_owned(),
    }
}

fn random_bytes<const COUNT: usize>() -> Result<[u8; COUNT], LoadError> {
    let mut bytes = [0; COUNT];
    getrandom::fill(&mut bytes).map_err(|error| SendError::Randomness(error.to_string()))?;
    Ok(bytes)
}

/// A number as Ethereum's methods write it.
#[derive(Debug)]
struct Quantity(u64);

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
        number.map(Self).ok_or_else(|| D::Error::custom(format!("{text:?} is no number below 2^64")))
    }
}

fn tell(progress: &ProgressCallback, phase: Phase, done: u64, total: Option<u64>, started: Instant) {
    progress(&Progress { phase, done, total, elapsed: started.elapsed() });
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, LoadError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| LoadError::Thread(error.to_string()))
}

/// The processor time of this process, all threads together.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
