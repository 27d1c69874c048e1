//! Clients that send transfers all the time, and note what they are told.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use entente_client::{
    abi::{Abi, deployment},
    client::{Client, Group, SignedTransaction},
    keystore::Account,
};
use entente_crypto::Suite;
use entente_sim::Numbers;
use entente_types::{Address, BlockNumber, Hash};
use tokio::time::{sleep, timeout};

use crate::{ChaosError, consortium::Addresses};

/// How many accounts send.
const ACCOUNTS: usize = 16;
/// What each has at first.
const FUNDS: u64 = 1_000_000_000;
/// The gas that a transfer may use, and a deployment.
const GAS: u64 = 10_000_000;
const DEPLOY_GAS: u64 = 300_000_000;
/// Transfers of one request, and the time between two of one client.
const BATCH: usize = 10;
const PAUSE: Duration = Duration::from_millis(100);
/// How long an answer may take: a node that is stopped gives none.
const ANSWER_WAIT: Duration = Duration::from_secs(3);
const RECONNECT: Duration = Duration::from_millis(200);
/// For how many blocks a transfer is valid.
const VALIDITY: u64 = 500;

/// What the nodes told.
#[derive(Default)]
pub(crate) struct Told {
    /// The hash of each block, who told it, and its transactions.
    pub(crate) blocks: BTreeMap<BlockNumber, (Hash, usize, Vec<Hash>)>,
    /// In which block each transaction is.
    pub(crate) transactions: HashMap<Hash, BlockNumber>,
    /// What cannot be.
    pub(crate) contradictions: Vec<String>,
}

impl Told {
    /// A node tells of a block.
    pub(crate) fn block(&mut self, node: usize, number: BlockNumber, hash: Hash, transactions: &[Hash]) {
        if let Some((known, by, _)) = self.blocks.get(&number) {
            if *known != hash {
                let words = format!("two blocks at height {number}: node{node} tells of {hash}, node{by} of {known}");
                self.contradictions.push(words);
            }
            return;
        }
        for transaction in transactions {
            if let Some(first) = self.transactions.insert(*transaction, number) {
                self.contradictions.push(format!("transaction {transaction} is in blocks {first} and {number}"));
            }
        }
        self.blocks.insert(number, (hash, node, transactions.to_vec()));
    }

    pub(crate) fn height(&self) -> BlockNumber {
        self.blocks.keys().next_back().copied().unwrap_or(0)
    }
}

/// Those who send, and those who listen.
pub(crate) struct Clients {
    addresses: Addresses,
    told: Mutex<Told>,
    accounts: Vec<Account>,
    pub(crate) token: Address,
    abi: Abi,
    pub(crate) supply: u128,
    sending: AtomicBool,
    pub(crate) sent: AtomicU64,
    pub(crate) refused: AtomicU64,
}

fn wrong(what: impl std::fmt::Display) -> ChaosError {
    ChaosError(what.to_string())
}

/// A connection to a node's group.
pub(crate) async fn connect(url: &str) -> Result<Group, ChaosError> {
    let connecting = async { Client::connect(url).await.map_err(wrong)?.group("group1").await.map_err(wrong) };
    timeout(ANSWER_WAIT, connecting).await.map_err(wrong)?
}

impl Clients {
    /// Deploys the token at a node and funds the accounts.
    pub(crate) async fn new(addresses: Addresses, url: &str, module: &[u8]) -> Result<Arc<Self>, ChaosError> {
        let group = connect(url).await?;
        let deployer = Account::random(Suite::Standard).map_err(wrong)?;
        let abi = Abi::from_module(module).map_err(wrong)?;
        let wait = Duration::from_mins(1);
        let contract = group.deploy(&deployer, deployment(module, &[]), DEPLOY_GAS, wait).await.map_err(wrong)?;
        let mut accounts = vec![deployer];
        for _ in 0..ACCOUNTS {
            accounts.push(Account::random(Suite::Standard).map_err(wrong)?);
        }
        let clients = Self {
            addresses,
            told: Mutex::default(),
            token: contract.address,
            abi,
            supply: 0,
            sending: AtomicBool::new(true),
            sent: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            accounts,
        };
        for place in 1..=ACCOUNTS {
            let input = clients.transfer_input(place, FUNDS)?;
            let deployer = clients.account(0)?;
            let receipt = group.send_and_wait(deployer, Some(clients.token), input, GAS, wait).await.map_err(wrong)?;
            if !receipt.succeeded() {
                return Err(wrong(format_args!("an account is not funded: {}", receipt.reason())));
            }
        }
        let supply = clients.total(&group).await?;
        Ok(Arc::new(Self { supply, ..clients }))
    }

    pub(crate) fn told<R>(&self, look: impl FnOnce(&mut Told) -> R) -> R {
        look(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn account(&self, place: usize) -> Result<&Account, ChaosError> {
        self.accounts.get(place).ok_or_else(|| wrong("there is no such account"))
    }

    fn transfer_input(&self, to: usize, amount: u64) -> Result<Vec<u8>, ChaosError> {
        let to = self.account(to)?.address().to_string();
        self.abi.encode_call("transfer", &[to, amount.to_string()]).map_err(wrong)
    }

    /// All tokens of all accounts together, as a node has it.
    pub(crate) async fn total(&self, group: &Group) -> Result<u128, ChaosError> {
        let mut requests = Vec::new();
        let method = self.abi.method("balanceOf", 1).map_err(wrong)?;
        for account in &self.accounts {
            let input = method.encode(&[account.address().to_string()]).map_err(wrong)?;
            requests.push(entente_client::client::CallRequest { from: None, to: self.token, input, gas: None });
        }
        let answers = timeout(ANSWER_WAIT, group.call_many(&requests)).await.map_err(wrong)?.map_err(wrong)?;
        let mut total = 0_u128;
        for answer in answers {
            let values = method.decode(&answer.output).map_err(wrong)?;
            let balance = values.first().and_then(|value| value.as_str()?.parse::<u128>().ok());
            let balance = balance.ok_or_else(|| wrong(format_args!("a balance is no number: {values:?}")))?;
            total = total.checked_add(balance).ok_or_else(|| wrong("there are too many tokens"))?;
        }
        Ok(total)
    }

    /// Whether clients send.
    pub(crate) fn send(&self, sending: bool) {
        self.sending.store(sending, Ordering::Relaxed);
    }

    fn url(&self, node: usize) -> Option<String> {
        self.addresses.get(node).map(|running| running.url)
    }

    /// Listens to a node for as long as this process runs.
    pub(crate) async fn listen(self: Arc<Self>, node: usize) {
        loop {
            if let Some(url) = self.url(node)
                && let Ok(group) = connect(&url).await
                && let Ok(Ok(mut blocks)) = timeout(ANSWER_WAIT, group.blocks()).await
            {
                while let Ok(block) = blocks.next().await {
                    self.told(|told| told.block(node, block.number, block.hash, &block.transactions));
                }
            }
            sleep(RECONNECT).await;
        }
    }

    /// Sends to a node for as long as this process runs.
    pub(crate) async fn load(self: Arc<Self>, node: usize, seed: u64) {
        let mut numbers = Numbers::new(seed);
        let mut connected: Option<(String, Group)> = None;
        loop {
            sleep(PAUSE).await;
            let Some(url) = self.url(node).filter(|_| self.sending.load(Ordering::Relaxed)) else { continue };
            if connected.as_ref().is_none_or(|(known, group)| *known != url || !group.client().is_connected()) {
                connected = connect(&url).await.ok().map(|group| (url, group));
            }
            let Some((_, group)) = &connected else { continue };
            let Ok(batch) = self.batch(group, &mut numbers) else { continue };
            match timeout(ANSWER_WAIT, group.send_many(&batch)).await {
                Ok(Ok(results)) => {
                    let admitted = results.iter().filter(|result| result.is_ok()).count() as u64;
                    self.sent.fetch_add(admitted, Ordering::Relaxed);
                    self.refused.fetch_add(results.len() as u64 - admitted, Ordering::Relaxed);
                }
                _ => connected = None,
            }
        }
    }

    fn batch(&self, group: &Group, numbers: &mut Numbers) -> Result<Vec<SignedTransaction>, ChaosError> {
        let valid_until = self.told(|told| told.height()) + VALIDITY;
        let one = |numbers: &mut Numbers| {
            let (from, to) = (1 + numbers.place(ACCOUNTS), 1 + numbers.place(ACCOUNTS));
            let account = self.account(from)?;
            let input = self.transfer_input(to, numbers.between(1, 9))?;
            let unsigned = group.transaction_at(valid_until, account.address(), Some(self.token), input, GAS);
            unsigned.and_then(|unsigned| group.sign(unsigned, account)).map_err(wrong)
        };
        (0..BATCH).map(|_| one(numbers)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contradicts_what_was_told_is_found() {
        let hash = |byte: u8| Hash([byte; 32]);
        let mut told = Told::default();
        told.block(0, 1, hash(1), &[hash(11), hash(12)]);
        told.block(1, 1, hash(1), &[hash(11), hash(12)]);
        assert!(told.contradictions.is_empty());
        told.block(2, 1, hash(2), &[]);
        told.block(0, 2, hash(3), &[hash(12)]);
        assert_eq!(told.contradictions.len(), 2, "{:?}", told.contradictions);
        assert!(told.contradictions[0].starts_with("two blocks at height 1: node2 tells of"));
        assert!(told.contradictions[1].ends_with("is in blocks 1 and 2"));
        assert_eq!(told.height(), 2);
    }
}
