//! Clients that do not read, and very many that do nothing: what they hold is bounded, and others do not notice.

mod common;

use std::{
    net::SocketAddr,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use common::{
    PATIENCE, TestNode, account, deploy_token, exchange,
    raw::{RawSocket, closed_after, metric, resident_bytes},
    signed,
};
use entente_client::{client::Group, keystore::Account};
use entente_types::Address;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

const MIB: usize = 1 << 20;
/// Held by whoever looks at this process's memory, and by whoever else would use much of it.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn metrics(address: SocketAddr, name: &str) -> i64 {
    metric(&exchange(address, "GET /metrics HTTP/1.1", "").await.1, name)
}

/// A block with so many transfers.
async fn block(group: &Group, owner: &Account, token: Address, count: u64) -> u64 {
    let many: Vec<_> = (0..count).map(|amount| signed(group, owner, token, amount)).collect();
    assert!(group.send_many(&many).await.unwrap().iter().all(Result::is_ok));
    group.wait_receipt(&many.last().unwrap().hash, PATIENCE).await.unwrap().block
}

/// The most memory in use until something is done, above what is in use now.
async fn growth<T>(work: impl Future<Output = T>) -> (T, usize) {
    let before = resident_bytes();
    let mut most = before;
    let mut work = std::pin::pin!(work);
    loop {
        match tokio::time::timeout(Duration::from_millis(5), &mut work).await {
            Ok(done) => return (done, most.max(resident_bytes()) - before),
            Err(_) => most = most.max(resident_bytes()),
        }
    }
}

/// Asks again and again over HTTP, does not read, and is closed.
async fn over_http(address: std::net::SocketAddr, request: &str) {
    let mut http = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{request}",
        request.len()
    );
    for _ in 0..8 {
        http.write_all(head.as_bytes()).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    closed_after(&mut http).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_holds_little_and_is_dropped() {
    let _alone = ALONE.lock().await;
    let node = TestNode::start_with("memory", |config| {
        config.rpc.stall_ms_max = 1_500;
        config.consensus.interval_ms_min = 200;
    })
    .await;
    let (group, owner) = (node.group().await, account());
    let token = deploy_token(&group, &owner).await;
    // A block whose JSON has some 2 MB.
    let number = block(&group, &owner, token, 2_500).await;
    let request =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "entente_block", "params": [1, number, true] }).to_string();
    let (_, body) = node.post(&request).await;
    assert!(body.len() > 3 * MIB / 2, "{}", body.len());
    drop(body);

    // Thousands of requests, gigabytes of answers; and nobody reads.
    let mut asking = RawSocket::connect(node.address(), "").await.unwrap();
    let (mut reading, mut writing) = asking.stream.split();
    let frame = RawSocket::frame(&request);
    let ask = async {
        let mut sent = 0;
        // It is not even listened to after a while.
        while writing.write_all(&frame).await.is_ok() && sent < 1_000_000 {
            sent += 1;
        }
        sent
    };
    let (sent, grown) = growth(ask).await;
    println!("{sent} requests were taken from a client that does not read; memory grew by {} MiB", grown / MIB);
    assert!(sent < 1_000_000 && grown < 120 * MIB, "{sent} requests, {} MiB", grown / MIB);
    let _ = tokio::time::timeout(PATIENCE, reading.read_to_end(&mut Vec::new())).await.expect("it is closed");

    // Many subscriptions to long notices and many logs; nobody reads either.
    let mut listening = RawSocket::connect(node.address(), "").await.unwrap();
    for id in 0..64 {
        let (method, parameters) = match id % 2 {
            0 => ("entente_subscribeBlocks", json!([1])),
            _ => ("entente_subscribeLogs", json!([1, { "from": 0 }])),
        };
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": parameters });
        listening.send(&request.to_string()).await;
    }
    let blocks = async {
        for _ in 0..4 {
            block(&group, &owner, token, 2_000).await;
        }
        tokio::time::sleep(Duration::from_millis(2_500)).await;
    };
    let ((), grown) = growth(blocks).await;
    println!("memory grew by {} MiB under 64 subscriptions that nobody reads", grown / MIB);
    assert!(grown < 120 * MIB, "{} MiB", grown / MIB);
    closed_after(&mut listening.stream).await;

    over_http(node.address(), &request).await;
    assert_eq!(metrics(node.address(), "entente_rpc_slow_clients_dropped_total").await, 3);
    // Only who asks is left: the group's own connection, and the one that asks for metrics.
    assert_eq!(metrics(node.address(), "entente_rpc_connections ").await, 2);
    assert!(group.status().await.unwrap().healthy);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_slowly_but_reads_is_served_to_the_end() {
    let _alone = ALONE.lock().await;
    let node = TestNode::start_with("memory", |config| config.rpc.stall_ms_max = 1_000).await;
    let (group, owner) = (node.group().await, account());
    let token = deploy_token(&group, &owner).await;
    let number = block(&group, &owner, token, 2_000).await;
    let request =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "entente_block", "params": [1, number, true] }).to_string();
    let mut socket = RawSocket::connect(node.address(), "").await.unwrap();
    for _ in 0..2 {
        socket.send(&request).await;
    }
    // Several times longer than it might stand still.
    let mut read = 0;
    let began = Instant::now();
    let mut part = vec![0; 128 << 10];
    while began.elapsed() < Duration::from_secs(3) {
        read += tokio::time::timeout(PATIENCE, socket.stream.read(&mut part)).await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(read > 100_000, "{read}");
    assert_eq!(metrics(node.address(), "entente_rpc_slow_clients_dropped_total").await, 0);
    node.stop().await;
}

/// Which part this process plays in the test of very many sockets.
const ROLE: &str = "ENTENTE_TEST_ROLE";
const IDLE_SOCKETS: usize = 10_000;

/// This test again in a process of its own, in this role, with as many files as the system allows.
fn again(role: &str) -> Command {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n \"$(ulimit -Hn)\"; exec \"$0\" \"$@\""]).arg(program);
    command.args(["--exact", "ten_thousand_sockets_that_do_nothing_disturb_nobody", "--nocapture"]).env(ROLE, role);
    command
}

#[test]
fn ten_thousand_sockets_that_do_nothing_disturb_nobody() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match std::env::var(ROLE) {
        // The node has the files of its ends for itself.
        Err(_) => assert!(again("node").status().unwrap().success()),
        Ok(role) if role == "node" => runtime().block_on(serve_the_idle()),
        Ok(address) => runtime().block_on(idle(address.parse().unwrap())),
    }
}

/// Opens the sockets, half of them WebSockets, says so, and closes them when standard input ends.
async fn idle(address: SocketAddr) {
    let mut opening = JoinSet::new();
    let mut open = Vec::with_capacity(IDLE_SOCKETS);
    for index in 0..IDLE_SOCKETS {
        if opening.len() >= 100 {
            open.push(opening.join_next().await.unwrap().unwrap());
        }
        opening.spawn(async move {
            match index % 2 {
                0 => RawSocket::connect(address, "").await.unwrap().stream,
                _ => TcpStream::connect(address).await.unwrap(),
            }
        });
    }
    open.extend(opening.join_all().await);
    println!("open");
    tokio::task::spawn_blocking(|| std::io::read_to_string(std::io::stdin()).unwrap()).await.unwrap();
    drop(open);
}

/// The times of requests to a node, one after the other, in order of length.
async fn times(group: &Group, count: usize) -> Vec<Duration> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let began = Instant::now();
        assert!(group.status().await.unwrap().healthy);
        times.push(began.elapsed());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    times.sort_unstable();
    times
}

async fn serve_the_idle() {
    let node = TestNode::start_with("memory", |config| config.rpc.connections_max = 10_100).await;
    let (address, group, owner) = (node.address(), node.group().await, account());
    let before = resident_bytes();
    let mut clients = again(&address.to_string());
    let mut clients = clients.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let output = std::io::BufReader::new(clients.stdout.take().unwrap());
    let (open, opened) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut lines = std::io::BufRead::lines(output).map(Result::unwrap);
        if lines.any(|line| line.ends_with("open")) {
            open.send(()).unwrap();
        }
        // What else it says is read, lest it fail on that.
        lines.for_each(drop);
    });
    // While they come, and while they are there.
    let coming = times(&group, 200).await;
    tokio::time::timeout(Duration::from_mins(1), opened).await.expect("in time").unwrap();
    let all = i64::try_from(IDLE_SOCKETS).unwrap() + 2;
    let began = Instant::now();
    while metrics(address, "entente_rpc_connections ").await != all {
        assert!(began.elapsed() < PATIENCE, "they are not all there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let each = resident_bytes().saturating_sub(before) / IDLE_SOCKETS;
    let there = times(&group, 200).await;
    println!(
        "{IDLE_SOCKETS} idle sockets: {each} bytes each; a request took {:?} at the median and {:?} at the 99th of 100 while \
         they came, {:?} and {:?} when they were there",
        coming[100], coming[198], there[100], there[198]
    );
    assert!(each < 48 << 10, "{each} bytes for each socket");
    assert!(coming[198] < Duration::from_secs(1) && there[198] < Duration::from_millis(250), "{coming:?} {there:?}");
    // Work goes on.
    let token = deploy_token(&group, &owner).await;
    block(&group, &owner, token, 500).await;
    // And all is as before when they are gone.
    drop(clients.stdin.take());
    assert!(tokio::task::spawn_blocking(move || clients.wait()).await.unwrap().unwrap().success());
    let began = Instant::now();
    while metrics(address, "entente_rpc_connections ").await != 2 {
        assert!(began.elapsed() < PATIENCE, "some are still counted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(metrics(address, "entente_rpc_connections_refused_total").await, 0);
    assert_eq!(metrics(address, "entente_rpc_slow_clients_dropped_total").await, 0);
    node.stop().await;
}
