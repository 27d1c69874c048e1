//! Requests to a node's server: each is answered, and never with an error of the node's.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

use entente_driver::{Node, NodeConfig};
use entente_rpc::{Server, documentation, serve};
use entente_testing::{genesis, key, node_folder};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// JSON-RPC's code for "the node cannot answer".
const INTERNAL: i64 = -32603;

/// The first byte chooses the method, or that the rest is the whole request and not the parameters.
pub fn check(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let method = METHODS.get(usize::from(*kind));
    let request = match method {
        Some(method) => {
            let head = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":"#);
            [head.as_bytes(), rest, b"}"].concat()
        }
        None => rest.to_vec(),
    };
    let mut served = SERVED.lock().unwrap_or_else(PoisonError::into_inner);
    let (status, body) = served.ask(&request);
    assert!((200..500).contains(&status), "HTTP {status}: {}", String::from_utf8_lossy(&body));
    let Ok(answer) = serde_json::from_slice::<Value>(&body) else {
        assert!(status != 200 || body.is_empty(), "no JSON: {}", String::from_utf8_lossy(&body));
        return;
    };
    assert_ne!(answer.pointer("/error/code").and_then(Value::as_i64), Some(INTERNAL), "{answer}");
}

/// Every method, as the documentation that is made from the table names them.
static METHODS: LazyLock<Vec<String>> =
    LazyLock::new(|| documentation().lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_owned).collect());

/// A node in memory with its server, and a connection to it.
struct Served {
    _runtime: Runtime,
    _folder: TempDir,
    _node: Node,
    server: Server,
    connection: Option<BufReader<TcpStream>>,
}

static SERVED: LazyLock<Mutex<Served>> = LazyLock::new(|| Mutex::new(Served::new()));

impl Served {
    fn new() -> Self {
        let configuration = "[rpc]\nlisten = \"127.0.0.1:0\"\n[storage]\nengine = \"memory\"\n";
        let folder = node_folder(&genesis(&[key(200)]), &key(200), configuration);
        let config = NodeConfig::read(folder.path()).expect("a configuration");
        let node = Node::start(folder.path(), &config).expect("a node");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let server = runtime.block_on(serve(node.handle().clone(), &config.rpc)).expect("a server");
        Self { _runtime: runtime, _folder: folder, _node: node, server, connection: None }
    }

    /// Sends a request, on the connection that is open where there is one.
    fn ask(&mut self, body: &[u8]) -> (u16, Vec<u8>) {
        let open = || {
            let stream = TcpStream::connect(self.server.local_addr()).expect("a connection");
            stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
            stream.set_nodelay(true).expect("a socket");
            BufReader::new(stream)
        };
        let mut connection = self.connection.take().unwrap_or_else(open);
        let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ";
        let request = [head.as_bytes(), body.len().to_string().as_bytes(), b"\r\n\r\n", body].concat();
        connection.get_mut().write_all(&request).expect("a server that listens");
        let (status, body, stays) = answer(&mut connection);
        self.connection = stays.then_some(connection);
        (status, body)
    }
}

/// An answer's status and body, and whether the connection stays open.
fn answer(connection: &mut BufReader<TcpStream>) -> (u16, Vec<u8>, bool) {
    let mut line = String::new();
    connection.read_line(&mut line).expect("an answer");
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let (mut length, mut stays) = (None, true);
    loop {
        line.clear();
        connection.read_line(&mut line).expect("a header");
        let (name, value) = line.trim().split_once(": ").unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "" => break,
            "content-length" => length = value.parse().ok(),
            "connection" if value == "close" => stays = false,
            _ => {}
        }
    }
    let mut body = vec![0; length.expect("a length")];
    connection.read_exact(&mut body).expect("the whole body");
    (status, body, stays)
}

/// Parameters of every shape for every method.
pub fn seeds() -> Vec<Vec<u8>> {
    let hash = format!("\"0x{}\"", "00".repeat(32));
    let address = format!("\"0x{}\"", "00".repeat(20));
    let shapes = [
        "[\"group1\"]".to_owned(),
        "[1,\"latest\",true]".to_owned(),
        format!("[1,{hash},false]"),
        "[1,\"0x0\",\"0x0\"]".to_owned(),
        "[1,\"0xcd0102030405060708090a0b0c0d\"]".to_owned(),
        "[1,[\"0x01\",\"cd0102030405060708090a0b0c0d\"]]".to_owned(),
        format!("[1,{{\"from\":{address},\"to\":{address},\"input\":\"0x\",\"gas\":5}}]"),
        format!("[1,{{\"from\":{address},\"to\":{address},\"value\":\"0x0\",\"data\":\"0x\"}}]"),
        "[1,\"tx_gas_limit\"]".to_owned(),
        format!("[1,{{\"address\":[{address}],\"topics\":[null,[{hash}]],\"from\":0,\"to\":\"0x0\"}}]"),
        "[1,\"0x0\",\"0\",\"-1\",true]".to_owned(),
    ];
    let of_method = |index: usize| {
        shapes.iter().map(move |shape| [&[u8::try_from(index).unwrap_or(u8::MAX)], shape.as_bytes()].concat())
    };
    let mut seeds: Vec<Vec<u8>> = (0..METHODS.len()).flat_map(of_method).collect();
    let batch = br#"[{"jsonrpc":"2.0","id":1,"method":"entente_status"},{"jsonrpc":"2.0","id":2,"method":"no"}]"#;
    seeds.push([&[255][..], batch].concat());
    seeds
}
