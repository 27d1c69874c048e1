//! A node that is told to end under load ends in time, in order, and with everything that it told.

mod common;

use std::{
    fs,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use common::{
    Home,
    pressure::{BATCH, check, connect, deploy, send},
};
use entente_client::keystore::Account;
use entente_types::Suite;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

/// How often a node is stopped, unless `ENTENTE_STOPS` says otherwise.
const STOPS: u32 = 2;
const SENDERS: usize = 3;
/// How long a node may take to end.
const LIMIT: Duration = Duration::from_secs(5);

/// A node in the foreground of a process of its own, whose log goes into a file.
struct ForegroundNode<'home> {
    home: &'home Home,
    child: Child,
}

impl<'home> ForegroundNode<'home> {
    async fn start(home: &'home Home) -> (Self, String) {
        let log = fs::File::create(home.path("node.log")).unwrap();
        let mut command = home.command(&["node", "run", "--dir", "chain/node0"]);
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut node = Self { home, child };
        let address = home.path("chain/node0/node.rpc");
        let waiting = Instant::now();
        loop {
            if let Ok(text) = fs::read_to_string(&address) {
                return (node, text.trim().to_owned());
            }
            assert!(node.child.try_wait().unwrap().is_none(), "{}", node.log());
            assert!(waiting.elapsed() < Duration::from_mins(1), "it does not listen");
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.home.path("node.log")).unwrap()
    }

    /// Sends SIGTERM and waits for the end: how it ended, and how long that took.
    async fn terminate(mut self) -> (ExitStatus, Duration, String) {
        let told = Instant::now();
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, told.elapsed(), self.log());
            }
            assert!(told.elapsed() < 6 * LIMIT, "it does not end\n{}", self.log());
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for ForegroundNode<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection in the middle of a request that never comes to its end.
async fn half_a_request(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "POST / HTTP/1.1\r\nHost: node\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"json";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// A connection that was served and is kept.
async fn kept_open(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: node\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_under_load_ends_within_five_seconds_and_loses_nothing() {
    let home = Home::new();
    home.json(&["chain", "new", "--out", "chain", "--rpc-port", "0"]);
    let account = Account::random(Suite::Standard).unwrap();
    let (mut node, mut address) = ForegroundNode::start(&home).await;
    let token = deploy(&connect(&address).await, &account).await;
    let (mut transactions, mut slowest) = (0, Duration::ZERO);
    let stops = std::env::var("ENTENTE_STOPS").map_or(STOPS, |stops| stops.parse().expect("a number of stops"));
    for stop in 0..stops {
        let group = connect(&address).await;
        let height = group.status().await.unwrap().height;
        let mut blocks = group.blocks().await.unwrap();
        let mut senders = Vec::new();
        for _ in 0..SENDERS {
            senders.push(tokio::spawn(send(connect(&address).await, account.clone(), token, height)));
        }
        let _others = (half_a_request(&address).await, kept_open(&address).await);
        let mut told = vec![timeout(Duration::from_secs(30), blocks.next()).await.unwrap().unwrap()];
        let listening = tokio::spawn(async move {
            while let Ok(notice) = blocks.next().await {
                told.push(notice);
            }
            told
        });
        sleep(Duration::from_millis(700 + 130 * u64::from(stop))).await;
        let (status, took, log) = node.terminate().await;
        assert_eq!(status.code(), Some(0), "{status}\n{log}");
        assert!(took < LIMIT, "it took {took:?}\n{log}");
        assert!(log.trim_end().ends_with("node_stopped") && !log.contains("store_left_open"), "{log}");
        slowest = slowest.max(took);
        let told = listening.await.unwrap();
        for sender in senders {
            sender.await.unwrap();
        }
        // The last block that the log tells of is the one that it begins with again.
        let last = log.lines().rev().find(|line| line.contains("block_written")).unwrap();
        let last: u64 = last.split("height=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!(!home.path("chain/node0/node.pid").exists(), "the folder is free again");

        (node, address) = ForegroundNode::start(&home).await;
        let group = connect(&address).await;
        assert_eq!(group.status().await.unwrap().height, last);
        assert!(told.last().unwrap().number <= last);
        check(&group, &told).await;
        transactions += told.iter().map(|notice| notice.transactions.len()).sum::<usize>();
    }
    let (status, _, log) = node.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
    let verified = home.json(&["verify", "--dir", "chain/node0"]);
    assert_eq!((&verified["ok"], &verified["state_root"]), (&true.into(), &verified["recomputed_root"]));
    assert!(transactions > BATCH * stops as usize, "{transactions} transactions were told of: no load");
    println!("{stops} stops under load, the slowest took {slowest:?}; {transactions} transactions told of, none lost");
}
