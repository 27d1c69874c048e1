//! A node for the tests beside the code.

use std::{path::PathBuf, sync::Arc, time::Duration};

use entente_crypto::SecretKey;
use entente_driver::{GroupHandle, Node, NodeConfig, RpcConfig};
use entente_executor::container;
use entente_testing::{genesis, key, node_folder, unsigned};
use entente_types::{Address, Bytes, Genesis, Hash, Transaction};
use jsonrpsee::{
    Methods,
    core::{middleware::RpcServiceT as _, server::BoundedSubscriptions},
    server::{ConnectionId, MethodSink},
    types::Request,
};
use serde_json::{Value, value::RawValue};
use tempfile::TempDir;
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    calls::{Calls, Subscriptions},
    context::Context,
    feed,
    flow::Requester,
    outbox::{Outbox, Outgoing},
    server::{module, together},
};

/// A running node in memory, and its folder.
pub(crate) fn node() -> (TempDir, Node) {
    let key = key(200);
    let folder = node_folder(&genesis(std::slice::from_ref(&key)), &key, "[storage]\nengine = \"memory\"\n");
    let config = NodeConfig::read(folder.path()).unwrap();
    let node = Node::start(folder.path(), &config).unwrap();
    (folder, node)
}

/// A node for tests of contracts, and its folder.
fn node_for_tests() -> (TempDir, Node) {
    let key = key(200);
    let genesis = Genesis { balances: true, ..genesis(std::slice::from_ref(&key)) };
    let folder = node_folder(&genesis, &key, "");
    let node = Node::start_for_tests(folder.path(), &NodeConfig::read(folder.path()).unwrap()).unwrap();
    (folder, node)
}

/// A node, and a WebSocket to it without a socket.
pub(crate) struct Local {
    _folder: TempDir,
    node: Node,
    pub(crate) context: Arc<Context>,
    _feeds: JoinSet<()>,
    calls: Calls,
    outbox: Outbox,
    pub(crate) from_library: mpsc::Receiver<Box<RawValue>>,
    pub(crate) queue: mpsc::UnboundedReceiver<Outgoing>,
}

impl Local {
    pub(crate) fn new() -> Self {
        Self::of(node())
    }

    pub(crate) fn for_tests() -> Self {
        Self::of(node_for_tests())
    }

    fn of((folder, node): (TempDir, Node)) -> Self {
        let context = Arc::new(Context::new(node.handle(), &RpcConfig::default()));
        let mut feeds = JoinSet::new();
        for group in context.groups() {
            let next = group.handle.ledger().tip().number + 1;
            feeds.spawn(feed::run(group.handle.clone(), Arc::clone(&group.feed), group.handle.blocks(), next));
        }
        let methods = Methods::from(module(Arc::clone(&context)).unwrap());
        let (library, from_library) = mpsc::channel(1000);
        let (outbox, queue) = Outbox::new();
        let subscriptions = Subscriptions { sink: MethodSink::new(library), places: BoundedSubscriptions::new(1000) };
        let connection = ConnectionId(1);
        let together = Arc::new(together(&context));
        let calls =
            Calls { methods, together, response_bytes_max: 16 << 20, connection, subscriptions: Some(subscriptions) };
        Self { _folder: folder, node, context, _feeds: feeds, calls, outbox, from_library, queue }
    }

    pub(crate) fn group(&self) -> &GroupHandle {
        &self.context.groups()[0].handle
    }

    /// The whole answer to a request.
    pub(crate) async fn ask(&self, method: &str, parameters: &str) -> Value {
        let text = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\",\"params\":{parameters}}}");
        let mut request: Request<'_> = serde_json::from_str(&text).unwrap();
        let requester = Requester { outbox: Some(self.outbox.clone()), ..Requester::default() };
        *request.extensions_mut() = requester.into_extensions();
        let answer = self.calls.call(request).await.into_json();
        serde_json::from_str(answer.get()).unwrap()
    }

    /// The code and message of the error.
    pub(crate) async fn error(&self, method: &str, parameters: &str) -> (i64, String) {
        let answer = self.ask(method, parameters).await;
        let error = &answer["error"];
        let code = error["code"].as_i64().unwrap_or_else(|| panic!("{method}{parameters}: {answer}"));
        (code, error["message"].as_str().unwrap().to_owned())
    }

    /// A signed transaction.
    pub(crate) fn signed(&self, sender: &SecretKey, nonce: u64, to: Option<Address>, input: Vec<u8>) -> Transaction {
        let mut transaction = unsigned(self.group().genesis(), sender, nonce);
        (transaction.to, transaction.gas_limit) = (to, 100_000_000);
        transaction.input = Bytes::new(input).unwrap();
        transaction.sign(&self.group().genesis_hash(), sender)
    }

    /// Sends a transaction and waits until its block is there.
    pub(crate) async fn commit(&self, transaction: Transaction) -> Hash {
        let mut blocks = self.group().blocks();
        let hash = self.group().submit(vec![(transaction, 400)]).await.unwrap().remove(0).unwrap();
        tokio::time::timeout(Duration::from_secs(20), blocks.recv()).await.expect("in time").expect("a block");
        hash
    }

    pub(crate) async fn stop(self) {
        let node = self.node;
        tokio::task::spawn_blocking(move || node.stop()).await.unwrap();
    }
}

/// The deployment of the token, where the workspace's other half was built to.
pub(crate) fn token_deployment() -> Vec<u8> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
    let path = target.join("contracts/token.wasm");
    let module =
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `make contracts`", path.display()));
    container(&module, &[])
}
