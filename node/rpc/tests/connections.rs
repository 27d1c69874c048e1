//! Connections: who is let in, who is dropped and why, and what is bounded on each.

mod common;

use std::time::Duration;

use common::{
    TestNode, account, exchange,
    raw::{RawSocket, closed_after, metric, read_head},
};
use entente_driver::NodeConfig;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const STATUS: &str = r#"{"jsonrpc":"2.0","id":1,"method":"entente_status","params":[1]}"#;
const GROUPS: &str = r#"{"jsonrpc":"2.0","id":1,"method":"entente_groups","params":[]}"#;

async fn metrics(node: &TestNode, name: &str) -> i64 {
    metric(&node.get("/metrics").await.1, name)
}

async fn quick() -> TestNode {
    TestNode::start_with("memory", |config| {
        config.rpc.header_ms_max = 300;
        config.rpc.idle_ms_max = 2_400;
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_request_is_not_waited_for_and_silence_not_for_long() {
    let node = quick().await;
    let connect = async || TcpStream::connect(node.address()).await.unwrap();
    // Half a head; a head that trickles in; a head after which no body comes.
    let mut half = connect().await;
    half.write_all(b"POST / HTTP/1.1\r\nHost").await.unwrap();
    let mut without_body = connect().await;
    let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{";
    without_body.write_all(head.as_bytes()).await.unwrap();
    let trickling = connect().await;
    let (mut reading, mut writing) = trickling.into_split();
    let trickle = tokio::spawn(async move {
        for byte in b"POST / HTTP/1.1\r\nHost: a-name-that-is-long-enough-for-more-than-a-second\r\n" {
            if writing.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it was waited for");
    });
    let patience = Duration::from_millis(250)..Duration::from_secs(2);
    let waited = closed_after(&mut half).await;
    assert!(patience.contains(&waited), "{waited:?}");
    let answer = read_head(&mut without_body).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let _ = reading.read_to_end(&mut Vec::new()).await;
    trickle.await.unwrap();
    // Nothing at all; and nothing more.
    let mut silent = connect().await;
    let mut once = connect().await;
    let request = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{STATUS}",
        STATUS.len()
    );
    for _ in 0..3 {
        // The same connection serves again, also after more than a head may take.
        once.write_all(request.as_bytes()).await.unwrap();
        let head = read_head(&mut once).await;
        assert!(head.starts_with("HTTP/1.1 200 ") && !head.to_lowercase().contains("connection: close"), "{head}");
        let length = head.to_lowercase().split("content-length: ").nth(1).unwrap().split('\r').next().unwrap().parse();
        let mut body = vec![0; length.unwrap()];
        once.read_exact(&mut body).await.unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["result"]["healthy"], json!(true));
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    for stream in [&mut silent, &mut once] {
        let waited = closed_after(stream).await;
        assert!(waited < Duration::from_secs(6), "{waited:?}");
    }
    assert_eq!(metrics(&node, "entente_rpc_slow_clients_dropped_total").await, 3);
    assert_eq!(metrics(&node, "entente_rpc_connections ").await, 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_lives_as_long_as_it_gives_signs_of_life() {
    let node = quick().await;
    // The client's library answers pings by itself.
    let alive = node.group().await;
    let mut silent = RawSocket::connect(node.address(), "").await.unwrap();
    let began = std::time::Instant::now();
    let mut pings = 0;
    let close = loop {
        match silent.next().await.expect("it is told why") {
            (9, _) => pings += 1,
            (8, bytes) => break bytes,
            other => panic!("{other:?}"),
        }
    };
    assert!(pings >= 2 && began.elapsed() < Duration::from_secs(6), "{pings} {:?}", began.elapsed());
    assert_eq!(close[..2], 1001_u16.to_be_bytes());
    assert_eq!(&close[2..], b"silent for longer than `rpc.idle_ms_max`");
    // One that pings is answered, and stays.
    let mut pinging = RawSocket::connect(node.address(), "").await.unwrap();
    for _ in 0..6 {
        pinging.stream.write_all(&[0x89, 0x82, 0, 0, 0, 0, b'o', b'k']).await.unwrap();
        while pinging.next().await.unwrap() != (10, b"ok".to_vec()) {}
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    assert!(alive.status().await.unwrap().healthy);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_limit_connections_are_told_so_and_served_when_there_is_room() {
    let node = TestNode::start_with("memory", |config| config.rpc.connections_max = 2).await;
    let one = node.client().await;
    let other = TcpStream::connect(node.address()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    for _ in 0..3 {
        let (status, body) = node.post(STATUS).await;
        let line = "the node serves 2 connections, its limit (`rpc.connections_max`); close one or try again later\n";
        assert_eq!((status, body.as_str()), (503, line));
    }
    drop(other);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(node.post(STATUS).await.0, 200);
    assert_eq!(metrics(&node, "entente_rpc_connections_refused_total").await, 3);
    assert_eq!(one.groups().await.unwrap(), ["group1"]);
    node.stop().await;
}

async fn with_origin(node: &TestNode, head: &str, origin: &str) -> String {
    let mut stream = TcpStream::connect(node.address()).await.unwrap();
    let text = format!("{head}\r\nHost: {}\r\nOrigin: {origin}\r\nConnection: close\r\n\r\n", node.address());
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.to_lowercase()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_places_may_ask_only_if_they_are_named() {
    let page = "https://wallet.example";
    let allow = |origins: &[&str]| {
        let origins: Vec<String> = origins.iter().map(ToString::to_string).collect();
        move |config: &mut NodeConfig| config.rpc.cors_origins = origins
    };
    let preflight = "OPTIONS / HTTP/1.1\r\nAccess-Control-Request-Method: POST";
    let none = TestNode::start("memory").await;
    let answer = with_origin(&none, preflight, page).await;
    assert!(answer.starts_with("http/1.1 403 ") && answer.contains("`rpc.cors_origins` in config.toml"), "{answer}");
    assert!(!with_origin(&none, "GET /health HTTP/1.1", page).await.contains("access-control"));
    let refused = RawSocket::connect(none.address(), &format!("Origin: {page}\r\n")).await.map(|_| ()).unwrap_err();
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
    let own = format!("Origin: http://{}\r\n", none.address());
    assert!(RawSocket::connect(none.address(), &own).await.is_ok());
    none.stop().await;

    let some = TestNode::start_with("memory", allow(&["https://other.example", page])).await;
    let answer = with_origin(&some, preflight, page).await;
    assert!(answer.starts_with("http/1.1 204 "), "{answer}");
    for line in [
        "access-control-allow-origin: https://wallet.example\r\n",
        "access-control-allow-methods: get, post\r\n",
        "access-control-allow-headers: content-type\r\n",
        "vary: origin\r\n",
    ] {
        assert!(answer.contains(line), "{line} in {answer}");
    }
    let answer = with_origin(&some, "GET /health HTTP/1.1", page).await;
    assert!(answer.contains("access-control-allow-origin: https://wallet.example\r\n"), "{answer}");
    assert!(with_origin(&some, preflight, "https://evil.example").await.starts_with("http/1.1 403 "));
    assert!(RawSocket::connect(some.address(), &format!("Origin: {page}\r\n")).await.is_ok());
    some.stop().await;

    let all = TestNode::start_with("memory", allow(&["*"])).await;
    assert!(with_origin(&all, preflight, page).await.contains("access-control-allow-origin: *\r\n"));
    all.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_spoken_to_at_its_path_and_what_is_nowhere_is_told() {
    let node = TestNode::start("memory").await;
    let post = async |path: &str| {
        let head =
            format!("POST {path} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {}", STATUS.len());
        exchange(node.address(), &head, STATUS).await
    };
    let (status, body) = post("/g/group1").await;
    assert_eq!(
        (status, serde_json::from_str::<Value>(&body).unwrap()["result"]["group"].clone()),
        (200, json!("group1"))
    );
    let mut socket = RawSocket::connect(node.address(), "").await.unwrap();
    socket.send(STATUS).await;
    assert_eq!(socket.json().await["result"]["group"], json!("group1"));
    for (path, line) in [
        ("/g/group9", "there is no group group9 on this node; its groups are group1\n"),
        ("/g/", "there is no group  on this node; its groups are group1\n"),
        ("/x", "nothing is at /x; JSON-RPC is at / and at /g/GROUP\n"),
    ] {
        assert_eq!(post(path).await, (404, line.to_owned()));
    }
    let (status, line) = exchange(node.address(), "DELETE / HTTP/1.1", "").await;
    assert_eq!((status, line.as_str()), (405, "DELETE is not answered; JSON-RPC is POST or WebSocket\n"));
    let (status, line) = exchange(node.address(), "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c", "").await;
    assert!(status == 400 && line.starts_with("this is no request for a WebSocket of version 13: "), "{line}");
    let long = format!("GET / HTTP/1.1\r\nX-Long: {}", "x".repeat(300_000));
    assert_eq!(exchange(node.address(), &long, "").await.0, 431);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_answers_are_bounded_over_both() {
    let node = TestNode::start_with("memory", |config| {
        config.rpc.request_bytes_max = 10_000;
        config.rpc.response_bytes_max = 500;
        config.rpc.batch_requests_max = 30;
    })
    .await;
    let code = |answer: &Value| answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("{answer}"));
    let post = async |body: &str| serde_json::from_str::<Value>(&node.post(body).await.1).unwrap();
    let mut socket = RawSocket::connect(node.address(), "").await.unwrap();
    // An answer that is too long, by itself and as a part of many.
    let long =
        r#"{"jsonrpc":"2.0","id":1,"method":"entente_abi","params":[1,"0x0000000000000000000000000000000000001000"]}"#;
    assert_eq!(code(&post(long).await), -32008);
    socket.send(long).await;
    assert_eq!(code(&socket.json().await), -32008);
    let batch = |count: usize| format!("[{}]", vec![GROUPS; count].join(","));
    assert_eq!(post(&batch(2)).await.as_array().unwrap().len(), 2);
    assert_eq!(code(&post(&batch(30)).await), -32011);
    socket.send(&batch(30)).await;
    assert_eq!(code(&socket.json().await), -32011);
    // A batch that is too long.
    assert_eq!(code(&post(&batch(31)).await), -32010);
    socket.send(&batch(31)).await;
    assert_eq!(code(&socket.json().await), -32010);
    // A request that is too long: announced, or not.
    let spaces = " ".repeat(10_001);
    assert_eq!(node.post(&spaces).await.0, 413);
    let chunks = "POST / HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked";
    let (status, _) = exchange(node.address(), chunks, &format!("{:x}\r\n{spaces}\r\n0\r\n\r\n", spaces.len())).await;
    assert_eq!(status, 413);
    socket.send(&spaces).await;
    let (kind, close) = socket.next().await.unwrap();
    assert_eq!((kind, &close[..2]), (8, &1009_u16.to_be_bytes()[..]));
    assert_eq!(&close[2..], b"the message is longer than `rpc.request_bytes_max`");
    assert!(socket.next().await.is_none());
    // What is no JSON, and what is no request.
    let mut socket = RawSocket::connect(node.address(), "").await.unwrap();
    for (text, expected) in [("", -32700), ("x", -32700), ("{", -32700), ("[1", -32700), ("{}", -32600), ("[]", -32600)]
    {
        socket.send(text).await;
        assert_eq!(code(&socket.json().await), expected, "{text}");
    }
    socket.send(&format!("[1, {GROUPS}]")).await;
    let answers = socket.json().await;
    assert_eq!((code(&answers[0]), &answers[1]["result"]), (-32600, &json!(["group1"])));
    // A notification has no answer; what comes next has one.
    socket.send(&GROUPS.replace("\"id\":1,", "")).await;
    socket.send(GROUPS).await;
    assert_eq!(socket.json().await["id"], json!(1));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_server_answers_whoever_was_heard() {
    let node = TestNode::start("memory").await;
    let mut socket = RawSocket::connect(node.address(), "").await.unwrap();
    // Something that takes a while: a transaction to a group that is busy with nothing else.
    let group = node.group().await;
    let sent = common::signed(&group, &account(), entente_types::Address([1; 20]), 1);
    let bytes = common::hexadecimal(&sent.bytes);
    let request = json!({ "jsonrpc": "2.0", "id": 7, "method": "entente_sendTransaction", "params": [1, bytes] });
    socket.send(&request.to_string()).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    node.server.stop();
    assert_eq!(socket.json().await["result"], json!(sent.hash));
    let (kind, close) = socket.next().await.unwrap();
    assert_eq!((kind, &close[2..]), (8, &b"the node stops"[..]));
    node.stop().await;
}
