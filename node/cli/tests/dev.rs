//! Chains for tests of contracts, as they are started: from nothing, from a folder, and not from one of several nodes.

mod common;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Stdio},
};

use common::{Home, StopsChain};
use serde_json::{Value, json};

/// One request over HTTP: the whole answer.
fn ask(rpc: &str, method: &str, parameters: &Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters }).to_string();
    let mut stream = TcpStream::connect(rpc.trim_start_matches("http://")).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: node\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn result(rpc: &str, method: &str, parameters: &Value) -> Value {
    let mut answer = ask(rpc, method, parameters);
    assert!(answer.get("error").is_none(), "{method}: {answer}");
    answer["result"].take()
}

/// A program in the foreground, ended with the test.
struct Foreground(Child);

impl Drop for Foreground {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_chain_for_tests_is_there_by_one_command_and_leaves_nothing_behind() {
    let home = Home::new();
    let scratch = home.path("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let mut command = home.command(&["chain", "dev", "--rpc-port", "0", "--while-stdin-open", "--json"]);
    command.env("TMPDIR", &scratch).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut node = Foreground(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(node.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let greeting: Value = serde_json::from_str(&line).unwrap();
    let rpc = greeting["rpc"].as_str().unwrap();
    assert_eq!(result(rpc, "eth_chainId", &json!([])), "0x7a69");
    let accounts = result(rpc, "eth_accounts", &json!([]));
    assert_eq!(accounts.as_array().unwrap().len(), 20);
    assert_eq!(result(rpc, "eth_getBalance", &json!([accounts[19], "latest"])), "0x21e19e0c9bab2400000");
    let block = result(rpc, "eth_getBlockByNumber", &json!(["latest", false]));
    assert_eq!(block["gasLimit"], "0x3938700");
    let transfer = json!([{ "from": accounts[0], "to": accounts[1], "value": "0x1" }]);
    let hash = result(rpc, "eth_sendTransaction", &transfer);
    assert_eq!(result(rpc, "eth_getTransactionReceipt", &json!([hash]))["blockNumber"], "0x1");
    drop(node.0.stdin.take());
    assert_eq!(node.0.wait().unwrap().code(), Some(0));
    assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0);
}

#[test]
fn a_chain_of_one_node_is_for_tests_where_it_is_started_so() {
    let home = Home::new();
    let _stops = StopsChain(&home);
    home.json(&["chain", "new", "--out", "chain", "--rpc-port", "0"]);
    let up = home.json(&["chain", "up", "chain", "--dev"]);
    let rpc = up["nodes"][0]["rpc"].as_str().unwrap().to_owned();
    result(&rpc, "hardhat_mine", &json!(["0x5"]));
    assert_eq!(result(&rpc, "eth_blockNumber", &json!([])), "0x5");
    let refused = ask(&rpc, "hardhat_setBalance", &json!(["0x00000000000000000000000000000000000c0de5", "0x1"]));
    assert!(refused["error"]["message"].as_str().unwrap().contains("no coin"), "{refused}");
    let line = home.failure(&["chain", "up", "chain", "--dev"]);
    assert!(line.contains("runs already"), "{line}");
    home.json(&["chain", "down", "chain"]);
    // Of its blocks nothing is left, and without the option nothing of it is there.
    let up = home.json(&["chain", "up", "chain"]);
    let rpc = up["nodes"][0]["rpc"].as_str().unwrap().to_owned();
    assert_eq!(result(&rpc, "eth_blockNumber", &json!([])), "0x0");
    let refused = ask(&rpc, "evm_mine", &json!([]));
    assert_eq!(refused["error"]["code"], -32601);
    assert!(refused["error"]["message"].as_str().unwrap().contains("--dev"), "{refused}");
}

#[test]
fn a_chain_of_several_and_one_of_guomi_are_not_for_tests() {
    let home = Home::new();
    home.json(&["chain", "new", "--out", "four", "--nodes", "4", "--rpc-port", "0", "--p2p-port", "0"]);
    for arguments in [&["node", "run", "--dir", "four/node0", "--dev"][..], &["chain", "up", "four", "--dev"]] {
        let output = home.run(arguments);
        let line = common::text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{line}");
        assert!(line.contains("4 sealers under pbft") && line.contains("entente chain dev"), "{line}");
    }
    home.json(&["chain", "new", "--out", "one", "--suite", "guomi", "--rpc-port", "0"]);
    let line = home.failure(&["node", "run", "--dir", "one/node0", "--dev"]);
    assert!(line.contains("--dev is for the standard suite"), "{line}");
}
