//! A flood of transactions, valid and not, from several connections: the node stays small, answers, and serves an honest
//! client meanwhile.

mod common;

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use common::{
    Chain, Home,
    pressure::{connect, deploy, transfer},
};
use entente_client::{
    client::{CallRequest, Client, Group, QueryError, SendError, SignedTransaction},
    keystore::Account,
};
use entente_types::{Address, Suite, hex_bytes};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep};

const TRANSACTIONS: usize = 200_000;
const CONNECTIONS: usize = 4;
/// The transactions of one request, and the requests of one connection at a time.
const BATCH: usize = 200;
const AT_A_TIME: usize = 8;
/// How many of the flood are good ones; the others copy and spoil them.
const VALID: usize = 4_000;
/// Those who send one transaction after the other meanwhile.
const HONEST_CLIENTS: usize = 5;
/// What the node may have grown by, after the flood and at its height.
const GROWTH_BYTES_MAX: u64 = 160 << 20;
const PEAK_GROWTH_BYTES_MAX: u64 = 384 << 20;
/// What the slowest hundredth of the honest client's work may take, on two cores that do the flooding, too.
const LATENCY_MAX: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_mins(1);

fn account() -> Account {
    Account::random(Suite::Standard).unwrap()
}

/// The flood, a list of texts for each request.
struct Flood {
    requests: Vec<Vec<String>>,
}

/// Texts of one kind, given out in turn.
struct Kind {
    texts: Vec<String>,
    next: usize,
}

impl Kind {
    fn new(texts: impl Iterator<Item = Vec<u8>>) -> Self {
        Self { texts: texts.map(|bytes| hex_bytes::encode(&bytes)).collect(), next: 0 }
    }

    fn take(&mut self) -> String {
        self.next += 1;
        self.texts[(self.next - 1) % self.texts.len()].clone()
    }
}

fn spoilt(transaction: &SignedTransaction, place: usize) -> Vec<u8> {
    let mut bytes = transaction.bytes.clone();
    // The signature is the last thing in it.
    let last = bytes.len() - 2 - place % 60;
    bytes[last] ^= 1;
    bytes
}

impl Flood {
    /// Of each 50 transactions: 1 that is good, 19 that are copies of good ones, 10 with a signature that is not the
    /// sender's, 10 that have expired, 5 of another chain, and 5 that are none.
    fn prepare(group: &Group, token: Address, height: u64) -> Self {
        let senders: Vec<Account> = (0..40).map(|_| account()).collect();
        // Nobody has any of the token, and everybody may transfer none of it.
        let good =
            |index: usize| transfer(group, &senders[index % senders.len()], token, index as u64, 0, height + 900);
        let valid: Vec<SignedTransaction> = (0..VALID).map(good).collect();
        let bad_signature = valid.iter().enumerate().map(|(place, one)| spoilt(one, place));
        let expired = (0..100).map(|index| transfer(group, &senders[0], token, index, 0, 1).bytes);
        let foreign = (0..100).map(|index| {
            let input = index.to_string().into_bytes();
            let mut unsigned = group.transaction_at(height + 900, senders[0].address(), None, input, 100_000).unwrap();
            unsigned.chain_id += 1;
            group.sign(unsigned, &senders[0]).unwrap().bytes
        });
        let rubbish = valid.iter().take(100).map(|one| one.bytes[..one.bytes.len() / 2].to_vec());
        let mut fresh = Kind::new(valid.iter().map(|one| one.bytes.clone()));
        let mut copies = Kind::new(valid.iter().map(|one| one.bytes.clone()));
        let mut others = [
            (10, Kind::new(bad_signature)),
            (10, Kind::new(expired)),
            (5, Kind::new(foreign)),
            (5, Kind::new(rubbish)),
        ];
        let mut texts = Vec::with_capacity(TRANSACTIONS);
        while texts.len() < TRANSACTIONS {
            texts.push(fresh.take());
            (0..19).for_each(|_| texts.push(copies.take()));
            for (count, kind) in &mut others {
                (0..*count).for_each(|_| texts.push(kind.take()));
            }
        }
        Self { requests: texts.chunks(BATCH).map(<[String]>::to_vec).collect() }
    }
}

/// What came of a connection's part of the flood.
#[derive(Default)]
struct Answered {
    accepted: HashSet<String>,
    refused: u64,
    /// The transactions of requests that were refused whole, for coming too fast.
    not_looked_at: u64,
}

/// Sends a part of the flood, never slower than the node takes it.
async fn flood(client: Client, requests: Vec<Vec<String>>) -> Answered {
    let mut answered = Answered::default();
    let mut sending: JoinSet<Result<Vec<Value>, QueryError>> = JoinSet::new();
    let mut requests = requests.into_iter();
    loop {
        while sending.len() < AT_A_TIME
            && let Some(texts) = requests.next()
        {
            let client = client.clone();
            sending.spawn(async move { client.request("entente_sendTransactions", &("group1", texts)).await });
        }
        let Some(result) = sending.join_next().await else { return answered };
        match result.unwrap() {
            Ok(answers) => {
                for answer in answers {
                    match answer["hash"].as_str() {
                        Some(hash) => _ = answered.accepted.insert(hash.to_owned()),
                        None => answered.refused += 1,
                    }
                }
            }
            Err(QueryError::Refused { refusal, .. }) if refusal.is_flow_control() => {
                answered.not_looked_at += BATCH as u64;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// What the honest client saw.
struct Honest {
    sent: u64,
    /// From sending a transaction to its receipt.
    latencies: Vec<Duration>,
    /// From asking for a balance to the answer.
    calls: Vec<Duration>,
}

async fn be_honest(group: Group, owner: Account, token: Address, flooding: Arc<AtomicBool>) -> Honest {
    let mut honest = Honest { sent: 0, latencies: Vec::new(), calls: Vec::new() };
    let input = [&[0x70, 0xa0, 0x82, 0x31], [0; 12].as_slice(), owner.address().as_bytes()].concat();
    let call = CallRequest { from: None, to: token, input, gas: None };
    // A few more once it is over, so that there is a hundredth.
    while flooding.load(Ordering::Relaxed) || honest.sent < 20 {
        let started = Instant::now();
        let height = group.status().await.unwrap().height;
        let transaction = transfer(&group, &owner, token, honest.sent, 1, height + 500);
        // Who is told to come again does so.
        while let Err(error) = group.send(&transaction).await {
            let SendError::Query(QueryError::Refused { refusal, .. }) = &error else { panic!("{error}") };
            assert!(refusal.is_flow_control(), "{error}");
            assert!(started.elapsed() < PATIENCE, "{error}");
            sleep(Duration::from_millis(10)).await;
        }
        honest.sent += 1;
        let receipt = group.wait_receipt(&transaction.hash, PATIENCE).await.unwrap();
        assert_eq!(receipt.status, 0);
        honest.latencies.push(started.elapsed());
        let started = Instant::now();
        assert_eq!(group.call(&call).await.unwrap().status, 0);
        honest.calls.push(started.elapsed());
    }
    honest
}

fn quantile(latencies: &mut [Duration], hundredths: usize) -> Duration {
    latencies.sort_unstable();
    latencies[(latencies.len() * hundredths).div_ceil(100).saturating_sub(1)]
}

/// The bytes of the node that are in RAM.
fn resident_bytes(chain: &Chain<'_>) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", chain.pid)).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

async fn until_the_pool_is_empty(group: &Group) {
    let started = Instant::now();
    while group.status().await.unwrap().pool.transactions > 0 {
        assert!(started.elapsed() < PATIENCE, "the pool does not empty");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_of_transactions_leaves_the_node_small_and_honest_clients_served() {
    let home = Home::new();
    let chain = home.chain(&[]);
    let (group, owner) = (connect(&chain.rpc).await, account());
    let token = deploy(&group, &owner).await;
    let height = group.status().await.unwrap().height;
    let prepared = group.clone();
    let flooded = tokio::task::spawn_blocking(move || Flood::prepare(&prepared, token, height)).await.unwrap();
    // Warm: what the node needs once is there before it is measured.
    be_honest(group.clone(), owner.clone(), token, Arc::new(AtomicBool::new(false))).await;
    let (before, counted) = (resident_bytes(&chain), group.status().await.unwrap().transaction_count);

    let flooding = Arc::new(AtomicBool::new(true));
    let mut honest = JoinSet::new();
    for _ in 0..HONEST_CLIENTS {
        let group = connect(&chain.rpc).await;
        honest.spawn(be_honest(group, owner.clone(), token, Arc::clone(&flooding)));
    }
    let started = Instant::now();
    let mut connections = JoinSet::new();
    for part in flooded.requests.chunks(flooded.requests.len() / CONNECTIONS) {
        let client = Client::connect(&chain.rpc).await.unwrap();
        connections.spawn(flood(client, part.to_vec()));
    }
    drop(flooded);
    let (mut accepted, mut refused, mut not_looked_at, mut peak) = (HashSet::new(), 0, 0, before);
    loop {
        tokio::select! {
            answered = connections.join_next() => {
                let Some(answered) = answered else { break };
                let answered = answered.unwrap();
                accepted.extend(answered.accepted);
                refused += answered.refused;
                not_looked_at += answered.not_looked_at;
            }
            () = sleep(Duration::from_millis(50)) => peak = peak.max(resident_bytes(&chain)),
        }
    }
    let took = started.elapsed();
    flooding.store(false, Ordering::Relaxed);
    let honest = honest.join_all().await;
    let sent: u64 = honest.iter().map(|client| client.sent).sum();
    let mut latencies: Vec<Duration> = honest.iter().flat_map(|client| client.latencies.clone()).collect();
    let mut calls: Vec<Duration> = honest.iter().flat_map(|client| client.calls.clone()).collect();
    until_the_pool_is_empty(&group).await;
    let after = resident_bytes(&chain);
    let (p99, calls_p99) = (quantile(&mut latencies, 99), quantile(&mut calls, 99));
    println!(
        "{TRANSACTIONS} in {took:.1?}: {} accepted, {refused} refused, {not_looked_at} not looked at; honest: {sent} sent, \
         p99 {p99:?}, calls p99 {calls_p99:?}; memory {} MiB before, {} MiB at most, {} MiB after",
        accepted.len(),
        before >> 20,
        peak >> 20,
        after >> 20
    );
    assert!(after.saturating_sub(before) < GROWTH_BYTES_MAX && peak - before < PEAK_GROWTH_BYTES_MAX);
    assert!(p99 < LATENCY_MAX && calls_p99 < LATENCY_MAX);
    assert!(accepted.len() > VALID / 2, "no flood: {} accepted", accepted.len());

    let transactions = counted + sent + accepted.len() as u64;
    all_is_committed_once(&home, &chain, &group, transactions, &accepted).await;
}

/// Each that was accepted is committed once, and nothing else is.
async fn all_is_committed_once(
    home: &Home,
    chain: &Chain<'_>,
    group: &Group,
    transactions: u64,
    accepted: &HashSet<String>,
) {
    let status = group.status().await.unwrap();
    assert_eq!((status.pool.transactions, status.pool.bytes), (0, 0));
    assert_eq!(status.transaction_count, transactions);
    for hash in accepted.iter().step_by(37) {
        assert!(group.receipt(&hash.parse().unwrap()).await.unwrap().is_some(), "{hash}");
    }
    let metrics = get(&chain.rpc, "/metrics").await;
    for place in ["submissions", "checking_transactions", "calls"] {
        let start = format!("entente_place_used{{place=\"{place}\"");
        let line = metrics.lines().find(|line| line.starts_with(&start)).unwrap();
        assert!(line.ends_with(" 0"), "{line}");
    }
    home.json(&["chain", "down", "chain"]);
    let verified = home.json(&["verify", "--dir", "chain/node0"]);
    assert_eq!((&verified["ok"], &verified["height"]), (&json!(true), &json!(status.height)));
}

/// What is at a path of the node's port.
async fn get(rpc: &str, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let address = rpc.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
