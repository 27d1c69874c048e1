//! What a load is, and what came of it.

use std::{sync::Arc, time::Duration};

use entente_types::{Address, BlockNumber, EthereumTransactionError};
use serde::{Deserialize, Serialize};

use crate::{
    client::{CallError, ConnectError, DeployError, QueryError, SendError, StreamError},
    limits::{BATCH_TRANSACTIONS_MAX, LOAD_ACCOUNTS_MAX, LOAD_TRANSACTIONS_MAX, LOAD_WINDOW_MAX},
};

/// The nodes that one load may be spread over.
pub(super) const NODES_MAX: usize = 64;

/// What the transactions do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Workload {
    /// Transfers of a token between accounts, both ends drawn uniformly.
    Transfer,
    /// Setting rows of a key-value table.
    Kv,
    /// Transfers of an ERC-20 in Ethereum's envelopes, by `eth_sendRawTransaction`.
    Erc20,
    /// All of them.
    Mixed,
}

/// When no more is sent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadEnd {
    /// After so long.
    After(Duration),
    /// After so many transactions.
    Transactions(u64),
}

/// What is sent, where, and how fast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadPlan {
    /// The nodes; batches go to them in turn, and a transaction counts when more than two thirds of them have told
    /// of its block.
    pub urls: Vec<String>,
    /// The group.
    pub group: String,
    /// What the transactions do.
    pub workload: Workload,
    /// Transactions a second, whatever becomes of them (an open loop); or, without a rate, as fast as `window` lets.
    pub rate: Option<u32>,
    /// When no more is sent.
    pub end: LoadEnd,
    /// The accounts.
    pub accounts: u32,
    /// The share of transfers that go to one hot account, in percent.
    pub conflict_percent: u8,
    /// The transactions in one request at most; a rate makes batches smaller, so that one goes at least every 20 ms.
    pub batch: usize,
    /// The transactions that may be sent and not yet committed. With a rate it is only a bound on memory: latency
    /// counts from the intended time all the same.
    pub window: usize,
    /// From what accounts and transfers are drawn. Accounts that send Ethereum's transactions are others in each
    /// [`Load`](super::Load): what an earlier one left waiting would hold up their numbers.
    pub seed: u64,
    /// The gas limit of a transfer.
    pub transfer_gas: u64,
    /// The gas limit of the token's deployment.
    pub deploy_gas: u64,
}

impl Default for LoadPlan {
    fn default() -> Self {
        Self {
            urls: vec!["ws://127.0.0.1:8545".to_owned()],
            group: "group1".to_owned(),
            workload: Workload::Transfer,
            rate: None,
            end: LoadEnd::After(Duration::from_secs(10)),
            accounts: 1000,
            conflict_percent: 0,
            batch: 500,
            window: 20_000,
            seed: 1,
            transfer_gas: 1_000_000,
            deploy_gas: 100_000_000,
        }
    }
}

impl LoadPlan {
    /// Checks every number against what is allowed.
    pub fn check(&self) -> Result<(), LoadError> {
        let within = |key: &'static str, found: u64, min: u64, max: u64| {
            let allowed = (min..=max).contains(&found);
            if allowed {
                Ok(())
            } else {
                Err(LoadError::Plan { key, found: found.to_string(), allowed: format!("{min} to {max}") })
            }
        };
        within("nodes", self.urls.len() as u64, 1, NODES_MAX as u64)?;
        within("accounts", u64::from(self.accounts), 2, u64::from(LOAD_ACCOUNTS_MAX))?;
        within("conflict percent", u64::from(self.conflict_percent), 0, 100)?;
        within("batch", self.batch as u64, 1, BATCH_TRANSACTIONS_MAX as u64)?;
        within("window", self.window as u64, self.batch as u64, LOAD_WINDOW_MAX as u64)?;
        if let Some(rate) = self.rate {
            within("rate", u64::from(rate), 1, 10_000_000)?;
        }
        match self.end {
            LoadEnd::After(duration) => {
                within("seconds", duration.as_secs().max(u64::from(!duration.is_zero())), 1, 7 * 86_400)?;
            }
            LoadEnd::Transactions(count) => within("transactions", count, 1, LOAD_TRANSACTIONS_MAX)?,
        }
        match self.workload {
            Workload::Transfer | Workload::Erc20 => Ok(()),
            other => Err(LoadError::NotYet(other)),
        }
    }

    /// The transactions in one request: at most `batch`, and no more than a fiftieth of a second's.
    pub(super) fn batch_size(&self) -> usize {
        self.rate.map_or(self.batch, |rate| (rate as usize / 50).clamp(1, self.batch))
    }
}

/// Latencies from the intended send time to the news of the commit, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Latency {
    /// Half were faster.
    pub p50: f64,
    /// Nine of ten were faster.
    pub p90: f64,
    /// All but one in a hundred were faster.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
}

/// How long the preparation took, in seconds, and what of it fell into the measured time.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct LoadSetup {
    /// Making the accounts.
    pub accounts_seconds: f64,
    /// Deploying the token and funding the accounts.
    pub funding_seconds: f64,
    /// Signing, before the measured time.
    pub signing_seconds: f64,
    /// Transactions signed before the measured time.
    pub signed_before: u64,
    /// Transactions signed within the measured time, since they would have expired otherwise or were not foreseen.
    pub signed_during: u64,
}

/// What came of a load.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LoadResult {
    /// Transactions handed to a node, each once: `committed + failed`.
    pub sent: u64,
    /// In a block, and successful.
    pub committed: u64,
    /// In a block but not successful, refused for good, or never seen in a block.
    pub failed: u64,
    /// Those of `failed` that were never seen in a block.
    pub lost: u64,
    /// How often a node said "not now"; each of these was sent again.
    pub refused: u64,
    /// From the first intended send time to the last commit.
    pub seconds: f64,
    /// `committed / seconds`.
    pub tps: f64,
    /// Latencies of the committed ones.
    pub latency_ms: Latency,
    /// The processor time that this process used within the measured time, all threads together.
    pub generator_cpu_seconds: f64,
    /// The blocks that held at least one of the transactions.
    pub blocks: u64,
    /// The last block's number.
    pub height: BlockNumber,
    /// The token's address.
    pub token: Address,
    /// The preparation.
    pub setup: LoadSetup,
    /// The reason of the first failure, if there was one.
    pub first_failure: Option<String>,
}

/// Whether the token is all there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupplyCheck {
    /// What the token says there is, as a decimal number.
    pub total_supply: String,
    /// What the deployer and the accounts have together, as a decimal number.
    pub balances: String,
    /// How many balances were added.
    pub holders: u64,
    /// Whether the two are equal.
    pub ok: bool,
}

/// What a load is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Making accounts.
    Accounts,
    /// Deploying the token.
    Deploying,
    /// Funding the accounts.
    Funding,
    /// Signing in advance.
    Signing,
    /// The measured time.
    Sending,
    /// Adding up the balances.
    Checking,
}

/// How far a load is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What it is busy with.
    pub phase: Phase,
    /// How much of it is done: transactions committed, or accounts or signatures made.
    pub done: u64,
    /// How much there is to do, where that is known.
    pub total: Option<u64>,
    /// How long the phase has taken.
    pub elapsed: Duration,
}

/// Who wants to know how far a load is; called a few times a second.
pub type ProgressCallback = Arc<dyn Fn(&Progress) + Send + Sync>;

/// Why a load did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The plan has a number that is not allowed.
    #[error("the load's {key} is {found}; allowed is {allowed}")]
    Plan {
        /// Which number.
        key: &'static str,
        /// What it is.
        found: String,
        /// What it may be.
        allowed: String,
    },
    /// The workload is promised and not there yet.
    #[error("the workload {0:?} is not there yet; use transfer or erc20")]
    NotYet(Workload),
    /// A node was not reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A node did not answer as it should.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A transaction could not be made.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The token was not deployed.
    #[error("the token was not deployed: {0}")]
    Deploy(#[from] DeployError),
    /// The token was not asked.
    #[error("the token did not answer: {0}")]
    Call(#[from] CallError),
    /// The token answered something else than a number.
    #[error("the token's {method} answered {found}; is this a token like contracts/token?")]
    Token {
        /// The method.
        method: &'static str,
        /// What it answered.
        found: String,
    },
    /// There is too little to share out.
    #[error("the deployer has {balance} of the token: too little for {accounts} accounts")]
    Supply {
        /// What the deployer has.
        balance: String,
        /// How many accounts want a share.
        accounts: u32,
    },
    /// A transfer does not fit Ethereum's envelope.
    #[error(transparent)]
    Envelope(#[from] EthereumTransactionError),
    /// An account's key could not be made.
    #[error("an account could not be made: {0}")]
    Account(String),
    /// Some accounts were not funded.
    #[error("{failed} of {accounts} accounts were not funded; the first reason: {reason}")]
    Funding {
        /// How many.
        failed: u64,
        /// Of how many.
        accounts: u32,
        /// Why the first was not.
        reason: String,
    },
    /// Too few nodes still tell of their blocks.
    #[error("too few nodes are left to form a quorum: {0}")]
    Stream(#[from] StreamError),
    /// Nothing was committed for long, though something waited.
    #[error("nothing was committed for {seconds} s while {waiting} transactions waited; look at the node's log")]
    Stalled {
        /// For how long.
        seconds: u64,
        /// How many transactions waited.
        waiting: u64,
    },
    /// Two nodes have different blocks at one height.
    #[error("two nodes have different blocks at height {0}: the chain has forked")]
    Fork(BlockNumber),
    /// A thread of the generator ended.
    #[error("a thread of the load generator ended: {0}")]
    Thread(String),
}
