//! Four nodes in four network namespaces behave as four on one machine's loopback do: the same steps as in
//! `consortium.rs`, with a cable that is pulled instead of a process that is killed.
//!
//! Namespaces are made by root alone, and not in every container; where none can be made the test says so and that nothing
//! was tested.

mod common;

use std::{
    fs,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use common::{Home, text};
use serde_json::Value;

const NODES: usize = 4;
const PATIENCE: Duration = Duration::from_secs(90);

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().expect("the program ip");
    assert!(output.status.success(), "ip {arguments}: {}", text(&output.stderr));
}

/// Whether this machine lets us have what the test needs; else what it says.
fn possible() -> Result<(), String> {
    let probe = format!("e{:x}p", std::process::id());
    let run = |arguments: String| match Command::new("ip").args(arguments.split(' ')).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("ip {arguments}: {}", text(&output.stderr).trim())),
        Err(error) => Err(format!("ip: {error}")),
    };
    run(format!("netns add {probe}"))?;
    let tried = run(format!("-n {probe} link add br type bridge"))
        .and_then(|()| run(format!("-n {probe} link add v0 type veth peer name v1")))
        .and_then(|()| run(format!("netns exec {probe} true")));
    run(format!("netns delete {probe}"))?;
    tried
}

/// A switch and four namespaces with a cable to it each: 10.77.0.1 to 10.77.0.4.
struct Network {
    prefix: String,
}

impl Network {
    fn new() -> Self {
        let network = Self { prefix: format!("e{:x}", std::process::id()) };
        let switch = network.switch();
        ip(&format!("netns add {switch}"));
        ip(&format!("-n {switch} link add br type bridge"));
        ip(&format!("-n {switch} link set br up"));
        for node in 0..NODES {
            let name = network.node(node);
            ip(&format!("netns add {name}"));
            ip(&format!("-n {switch} link add v{node} type veth peer name cable netns {name}"));
            ip(&format!("-n {switch} link set v{node} master br up"));
            ip(&format!("-n {name} addr add 10.77.0.{}/24 dev cable", node + 1));
            ip(&format!("-n {name} link set lo up"));
            ip(&format!("-n {name} link set cable up"));
        }
        network
    }

    fn switch(&self) -> String {
        format!("{}s", self.prefix)
    }

    fn node(&self, node: usize) -> String {
        format!("{}n{node}", self.prefix)
    }

    fn cable(&self, node: usize, state: &str) {
        ip(&format!("-n {} link set v{node} {state}", self.switch()));
    }

    /// A command of the program in the namespace of a node.
    fn command(&self, home: &Home, node: usize, arguments: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.node(node), env!("CARGO_BIN_EXE_entente")]).args(arguments);
        command.env("HOME", home.path("")).env("ENTENTE_PASSWORD", "secret").current_dir(home.path(""));
        command.stdin(Stdio::null());
        command
    }

    fn json(&self, home: &Home, arguments: &[&str]) -> Value {
        let output = self.command(home, 0, &[arguments, &["--json"]].concat()).output().expect("runs");
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("one object")
    }

    fn until(&self, home: &Home, what: &str, holds: impl Fn(&[Value]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.json(home, &["chain", "status", "chain"]);
            if holds(status["nodes"].as_array().expect("nodes")) {
                return;
            }
            assert!(Instant::now() < deadline, "{what}: {status:#}");
            sleep(Duration::from_millis(200));
        }
    }

    fn transfer(&self, home: &Home, nodes: &[usize]) {
        let urls: Vec<String> = nodes.iter().map(|node| format!("ws://10.77.0.{}:{}", node + 1, 8545 + node)).collect();
        let token = common::token();
        let mut arguments =
            vec!["load", "--contract", token.to_str().expect("a path"), "--accounts", "20", "--count", "200"];
        urls.iter().for_each(|url| arguments.extend(["--rpc", url]));
        assert_eq!(self.json(home, &arguments)["committed"], 200);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in (0..NODES).map(|node| self.node(node)).chain([self.switch()]) {
            let _ = Command::new("ip").args(["netns", "delete", &name]).status();
        }
    }
}

/// Processes that end with the test.
struct Nodes(Vec<Child>);

impl Drop for Nodes {
    fn drop(&mut self) {
        for node in &mut self.0 {
            let _ = node.kill();
            let _ = node.wait();
        }
    }
}

#[test]
fn four_nodes_on_four_machines_behave_as_on_one() {
    if let Err(why) = possible() {
        println!("no network namespaces here, nothing was tested: {why}");
        return;
    }
    let home = Home::new();
    home.json(&["chain", "new", "--nodes", "4", "--out", "chain"]);
    let network = Network::new();
    let mut nodes = Nodes(Vec::new());
    for node in 0..NODES {
        let path = home.path(&format!("chain/node{node}/config.toml"));
        let mut config = fs::read_to_string(&path).expect("a configuration");
        for other in 0..NODES {
            for port in [8545 + other, 30300 + other] {
                config = config.replace(&format!("127.0.0.1:{port}"), &format!("10.77.0.{}:{port}", other + 1));
            }
        }
        fs::write(&path, config).expect("written");
        let log = fs::File::create(home.path(&format!("chain/node{node}/node.log"))).expect("a file");
        let folder = format!("chain/node{node}");
        let mut command = network.command(&home, node, &["node", "run", "--dir", &folder]);
        nodes.0.push(command.stdout(Stdio::null()).stderr(log).spawn().expect("starts"));
    }
    let tip = |node: &Value| ["height", "hash", "state_root"].map(|field| node[field].clone());
    let agree = |nodes: &[Value]| nodes.iter().all(|node| node["healthy"] == true && tip(node) == tip(&nodes[0]));
    network.until(&home, "all find one another", |nodes| nodes.iter().all(|node| node["peers"] == 3));
    network.transfer(&home, &[0, 1, 2, 3]);
    network.until(&home, "all agree", agree);
    // No packet says that a cable is pulled.
    network.cable(3, "down");
    network.transfer(&home, &[0, 1, 2]);
    network.cable(3, "up");
    network.until(&home, "the one that was away catches up", |nodes| {
        agree(nodes) && nodes.iter().all(|node| node["peers"] == 3)
    });
    network.transfer(&home, &[3]);
    network.until(&home, "all agree again", agree);
}
