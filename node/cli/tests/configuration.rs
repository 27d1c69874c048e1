//! The system configuration through the real program, with the ABI that the node tells.

mod common;

use common::{Home, token};
use serde_json::json;

const SYSTEM: &str = "0x0000000000000000000000000000000000001000";

#[test]
fn limits_are_read_set_and_told_without_a_local_abi() {
    let home = Home::new();
    let chain = home.chain(&[]);
    let rpc = ["--rpc", chain.rpc.as_str()];
    let run = |arguments: &[&str]| home.json(&[arguments, &rpc].concat());
    let alice = home.json(&["account", "new", "alice"])["address"].clone();
    let set = |name: &str, value: &str| {
        run(&["contract", "send", SYSTEM, "setValueByKey", name, value, "--account", "alice"])
    };
    let get = |name: &str| run(&["contract", "call", SYSTEM, "getValueByKey", name])["output"].clone();

    assert_eq!(get("tx_count_limit"), json!(["5000", "0"]));
    let told = set("tx_count_limit", "7");
    assert_eq!((&told["status"], &told["block"], &told["output"]), (&json!(0), &json!(1), &json!(["1"])));
    let log = &told["logs"][0];
    assert_eq!(log["event"], "ConfigurationSet(address,string,string,uint256)");
    let values: Vec<_> = (0..4).map(|index| log["arguments"][index]["value"].clone()).collect();
    assert_eq!(values, [alice, json!("tx_count_limit"), json!("7"), json!("2")]);
    assert_eq!(get("tx_count_limit"), json!(["7", "2"]));
    assert_eq!(set("tx_count_limit", "07")["output"], json!(["-51300"]));
    assert_eq!(set("consensus_timeout", "5")["output"], json!(["-51300"]));
    assert_eq!(set("protocol_version", "3")["output"], json!(["-50000"]));
    let line = home.failure(&[&["contract", "call", SYSTEM, "getValueByKey", "colour"], rpc.as_slice()].concat());
    assert!(line.contains("it has tx_count_limit, tx_gas_limit"), "{line}");
    let line = home.failure(&[&["contract", "call", SYSTEM, "getValue", "x"], rpc.as_slice()].concat());
    assert!(line.contains("setValueByKey(string,string)"), "{line}");
}

#[test]
fn a_contract_that_somebody_else_deployed_is_used_by_the_abi_it_carries() {
    let home = Home::new();
    let chain = home.chain(&[]);
    let rpc = ["--rpc", chain.rpc.as_str()];
    home.json(&["account", "new", "alice"]);
    let module = token();
    let deploy = ["contract", "deploy", module.to_str().unwrap(), "--account", "alice"];
    let deployed = home.json(&[deploy.as_slice(), &rpc].concat());
    let address = deployed["address"].as_str().unwrap();
    // Another user, with a home folder that remembers nothing.
    let other = Home::new();
    let named = other.json(&[["contract", "call", address, "symbol"].as_slice(), &rpc].concat());
    assert_eq!(named["output"], json!(["ENT"]));
}

#[test]
fn a_version_that_the_release_does_not_know_stops_the_node_with_a_plain_line() {
    let home = Home::new();
    let chain = home.chain(&[]);
    let rpc = ["--rpc", chain.rpc.as_str()];
    home.json(&["account", "import", "sealer", "--file", "chain/node0/keys/consensus.key"]);
    let raise = ["contract", "send", SYSTEM, "setValueByKey", "protocol_version", "3", "--account", "sealer"];
    assert_eq!(home.json(&[raise.as_slice(), &rpc].concat())["output"], json!(["1"]));
    let expected = "protocol version 3 rules from block 2 on, and this release knows versions up to 2: \
                    install a newer release";
    // The next transaction is let in, and its block cannot be executed.
    let again = ["contract", "send", SYSTEM, "setValueByKey", "tx_count_limit", "7", "--account", "sealer"];
    let mut waiting = home.command(&[again.as_slice(), &rpc].concat());
    let mut waiting = waiting.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let started = std::time::Instant::now();
    let status = loop {
        let status = chain.status();
        if status["healthy"] == false || started.elapsed().as_secs() > 30 {
            break status;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    assert_eq!((&status["healthy"], &status["height"]), (&json!(false), &json!(1)));
    assert!(status["fault"].as_str().unwrap().contains(expected), "{status}");
    // Reads go on.
    let read = ["contract", "call", SYSTEM, "getValueByKey", "protocol_version"];
    assert_eq!(home.json(&[read.as_slice(), &rpc].concat())["output"], json!(["3", "2"]));
    waiting.kill().unwrap();
    waiting.wait().unwrap();

    home.json(&["chain", "down", "chain"]);
    let line = home.failure(&["chain", "up", "chain"]);
    assert!(line.contains("node0 did not start") && line.contains(expected), "{line}");
    let verified = home.json(&["verify", "--dir", "chain/node0", "--replay"]);
    assert_eq!(
        (&verified["height"], &verified["ok"], &verified["replay"]["ok"]),
        (&json!(1), &json!(true), &json!(true))
    );
}
