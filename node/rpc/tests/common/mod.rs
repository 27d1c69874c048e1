//! A real node in a temporary folder, served on a free port.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

pub mod raw;
pub mod scene;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use entente_client::{
    abi::deployment,
    client::{Client, Group, SignedTransaction},
    keystore::Account,
};
use entente_crypto::{SecretKey, Suite};
use entente_driver::{ChecksHeld, Node, NodeConfig};
use entente_rpc::{Server, serve};
use entente_storage::Engine;
use entente_testing::{key, node_folder};
use entente_types::{Address, Genesis, UnsignedTransaction};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

pub const PATIENCE: Duration = Duration::from_secs(30);
pub const GAS: u64 = 100_000_000;

pub struct TestNode {
    pub node: Node,
    pub server: Server,
    pub folder: TempDir,
}

/// The genesis document of the node's group.
pub fn genesis() -> Genesis {
    entente_testing::genesis(&[key(200)])
}

/// A node's folder with this storage.
pub fn folder(storage: &str) -> TempDir {
    let configuration = format!("[rpc]\nlisten = \"127.0.0.1:0\"\n[storage]\nengine = \"{storage}\"\n");
    node_folder(&genesis(), &key(200), &configuration)
}

impl TestNode {
    pub async fn start(storage: &str) -> Self {
        Self::start_with(storage, |_| {}).await
    }

    pub async fn start_with(storage: &str, change: impl FnOnce(&mut NodeConfig)) -> Self {
        let folder = folder(storage);
        let mut config = NodeConfig::read(folder.path()).unwrap();
        change(&mut config);
        let node = Node::start(folder.path(), &config).unwrap();
        Self::serve(folder, config, node).await
    }

    /// Of a group that begins with another document.
    pub async fn start_of(genesis: &Genesis) -> Self {
        Self::start_as(genesis, &key(200)).await
    }

    /// The same, for the node that signs with this key.
    pub async fn start_as(genesis: &Genesis, key: &SecretKey) -> Self {
        let configuration = "[rpc]\nlisten = \"127.0.0.1:0\"\n[storage]\nengine = \"memory\"\n";
        let folder = node_folder(genesis, key, configuration);
        let config = NodeConfig::read(folder.path()).unwrap();
        let node = Node::start(folder.path(), &config).unwrap();
        Self::serve(folder, config, node).await
    }

    /// For tests of contracts, with a coin.
    pub async fn start_for_tests() -> Self {
        let genesis = Genesis { balances: true, ..genesis() };
        let folder = node_folder(&genesis, &key(200), "[rpc]\nlisten = \"127.0.0.1:0\"\n");
        let config = NodeConfig::read(folder.path()).unwrap();
        let node = Node::start_for_tests(folder.path(), &config).unwrap();
        Self::serve(folder, config, node).await
    }

    /// On a store that the test holds, too.
    pub async fn start_on(engine: Arc<dyn Engine>) -> Self {
        let folder = folder("memory");
        let config = NodeConfig::read(folder.path()).unwrap();
        let node = Node::start_with(folder.path(), &config, |_, _| Ok(engine)).unwrap();
        Self::serve(folder, config, node).await
    }

    async fn serve(folder: TempDir, config: NodeConfig, node: Node) -> Self {
        let server = serve(node.handle().clone(), &config.rpc).await.unwrap();
        Self { node, server, folder }
    }

    pub fn address(&self) -> SocketAddr {
        self.server.local_addr()
    }

    pub async fn group(&self) -> Group {
        self.client().await.group("group1").await.unwrap()
    }

    pub async fn client(&self) -> Client {
        Client::connect(&self.address().to_string()).await.unwrap()
    }

    /// One request over HTTP: the whole answer.
    pub async fn rpc(&self, method: &str, parameters: Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": parameters });
        let (status, body) = self.post(&request.to_string()).await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// The same: the result.
    pub async fn result(&self, method: &str, parameters: Value) -> Value {
        let mut answer = self.rpc(method, parameters).await;
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    }

    /// The same: the code and message of the error.
    pub async fn error(&self, method: &str, parameters: Value) -> (i64, String) {
        let answer = self.rpc(method, parameters).await;
        let error = &answer["error"];
        assert!(error.is_object(), "{method}: {answer}");
        (error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())
    }

    pub async fn post(&self, body: &str) -> (u16, String) {
        let head = format!("POST / HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {}", body.len());
        exchange(self.address(), &head, body).await
    }

    pub async fn get(&self, path: &str) -> (u16, String) {
        exchange(self.address(), &format!("GET {path} HTTP/1.1"), "").await
    }

    /// Transactions that are sent wait unchecked until what this gives is dropped.
    pub async fn hold_checks(&self) -> ChecksHeld {
        let group = self.node.handle().groups()[0].clone();
        tokio::task::spawn_blocking(move || group.hold_checks()).await.unwrap()
    }

    /// Waits until `/metrics` has this line.
    pub async fn wait_metric(&self, line: &str) {
        let line = format!("{line}\n");
        let told = async {
            while !self.get("/metrics").await.1.contains(&line) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, told).await.unwrap_or_else(|_| panic!("never told: {line}"));
    }

    pub async fn stop(self) {
        self.server.stop();
        self.server.stopped().await;
        tokio::task::spawn_blocking(move || self.node.stop()).await.unwrap();
    }
}

/// Sends a head and a body, reads to the end: the status and the answer's body.
pub async fn exchange(address: SocketAddr, head: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let text = format!("{head}\r\nHost: node\r\nConnection: close\r\n\r\n{body}");
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(text.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    (status, body)
}

pub fn account() -> Account {
    Account::random(Suite::Standard).unwrap()
}

/// The token, where the workspace's other half was built to.
pub fn token() -> Vec<u8> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
    let path = target.join("contracts/token.wasm");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `make contracts`", path.display()))
}

pub async fn deploy_token(group: &Group, owner: &Account) -> Address {
    group.deploy(owner, deployment(&token(), &[]), GAS, PATIENCE).await.unwrap().address
}

pub fn selector(signature: &str) -> Vec<u8> {
    entente_crypto::keccak256(signature.as_bytes()).0[..4].to_vec()
}

pub fn balance_of(owner: Address) -> Vec<u8> {
    [&selector("balanceOf(address)")[..], &[0; 12], owner.as_bytes()].concat()
}

pub fn transfer(to: Address, amount: u64) -> Vec<u8> {
    [&selector("transfer(address,uint256)")[..], &[0; 12], to.as_bytes(), &[0; 24], &amount.to_be_bytes()].concat()
}

/// A signed transfer, valid until block 500.
pub fn signed(group: &Group, sender: &Account, token: Address, amount: u64) -> SignedTransaction {
    signed_with(group, sender, token, amount, |_| {})
}

pub fn signed_with(
    group: &Group,
    sender: &Account,
    token: Address,
    amount: u64,
    change: impl FnOnce(&mut UnsignedTransaction),
) -> SignedTransaction {
    let input = transfer(Address([7; 20]), amount);
    let mut transaction = group.transaction_at(500, sender.address(), Some(token), input, GAS).unwrap();
    change(&mut transaction);
    group.sign(transaction, sender).unwrap()
}

pub fn hexadecimal(bytes: &[u8]) -> String {
    entente_types::hex_bytes::encode(bytes)
}

/// The bytes of this process that are in RAM.
pub fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}
