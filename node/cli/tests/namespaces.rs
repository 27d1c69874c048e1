//! Four nodes in four network namespaces behave as four on one machine's loopback do: the same steps as in
//! `consortium.rs`, with a cable that is pulled instead of a process that is killed.
//!
//! No namespace sees another's sockets. The cables between them are relays, one process for each node, from TCP to sockets
//! of the file system and back: not every kernel has cables between namespaces. Namespaces are made by root alone, and not
//! in every container; where none can be made the test says so and that nothing was tested.

mod common;

use std::{
    fs,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use common::{Home, text};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const NODES: usize = 4;
const PATIENCE: Duration = Duration::from_secs(90);

/// `KIND:PLACE=KIND:PLACE`, where the kind is `tcp` or `unix`: who connects to the first is connected to the second.
const RELAY: &str = r#"
import asyncio, sys

async def pipe(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()

def relay(kind, place):
    async def connected(reader, writer):
        try:
            if kind == "tcp":
                there = await asyncio.open_connection("127.0.0.1", int(place))
            else:
                there = await asyncio.open_unix_connection(place)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pipe(reader, there[1]), pipe(there[0], writer))
    return connected

async def main():
    for cable in sys.argv[1:]:
        (kind, place), to = (end.split(":", 1) for end in cable.split("="))
        if kind == "tcp":
            await asyncio.start_server(relay(*to), "127.0.0.1", int(place))
        else:
            await asyncio.start_unix_server(relay(*to), place)
    await asyncio.Event().wait()

asyncio.run(main())
"#;

fn ip(arguments: &str) -> Result<(), String> {
    match Command::new("ip").args(arguments.split(' ')).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("ip {arguments}: {}", text(&output.stderr).trim())),
        Err(error) => Err(format!("ip: {error}")),
    }
}

/// Namespaces, and the processes in them, which end with the test.
struct Network {
    prefix: String,
    processes: Vec<Child>,
}

impl Network {
    /// Four namespaces; else what this machine says.
    fn new() -> Result<Self, String> {
        let network = Self { prefix: format!("e{:x}", std::process::id()), processes: Vec::new() };
        for node in 0..NODES {
            let name = network.name(node);
            ip(&format!("netns add {name}"))?;
            ip(&format!("-n {name} link set lo up"))?;
            ip(&format!("netns exec {name} true"))?;
        }
        Ok(network)
    }

    fn name(&self, node: usize) -> String {
        format!("{}n{node}", self.prefix)
    }

    /// A program in the namespace of a node.
    fn command(&self, home: &Home, node: usize, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name(node), program]).args(arguments);
        command.env("HOME", home.path("")).env("ENTENTE_PASSWORD", "secret").current_dir(home.path(""));
        command.stdin(Stdio::null());
        command
    }

    fn spawn(&mut self, mut command: Command) -> Pid {
        let child = command.stdout(Stdio::null()).spawn().expect("starts");
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process");
        self.processes.push(child);
        pid
    }

    /// The cables of a node to all others, and those by which its JSON-RPC is reached from the first one's namespace.
    fn cables(&mut self, home: &Home, node: usize) -> Pid {
        let others = (0..NODES).filter(|other| *other != node);
        let mut cables: Vec<String> =
            others.clone().map(|other| format!("tcp:{}=unix:p2p{other}", 30_300 + other)).collect();
        cables.push(format!("unix:p2p{node}=tcp:{}", 30_300 + node));
        let mut rpc = vec![format!("unix:rpc{node}=tcp:{}", 8_545 + node)];
        if node == 0 {
            rpc.extend(others.map(|other| format!("tcp:{}=unix:rpc{other}", 8_545 + other)));
        }
        let relay = |cables: &[String]| {
            let arguments: Vec<&str> = ["-c", RELAY].into_iter().chain(cables.iter().map(String::as_str)).collect();
            self.command(home, node, "python3", &arguments)
        };
        let (of_rpc, of_node) = (relay(&rpc), relay(&cables));
        self.spawn(of_rpc);
        self.spawn(of_node)
    }

    fn json(&self, home: &Home, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["--json"]].concat();
        let output = self.command(home, 0, env!("CARGO_BIN_EXE_entente"), &arguments).output().expect("runs");
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
        let urls: Vec<String> = nodes.iter().map(|node| format!("ws://127.0.0.1:{}", 8_545 + node)).collect();
        let token = common::token();
        let token = token.to_str().expect("a path");
        let mut arguments = vec!["load", "--contract", token, "--accounts", "20", "--count", "200"];
        urls.iter().for_each(|url| arguments.extend(["--rpc", url]));
        assert_eq!(self.json(home, &arguments)["committed"], 200);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
        for node in 0..NODES {
            let _ = ip(&format!("netns delete {}", self.name(node)));
        }
    }
}

#[test]
fn four_nodes_on_four_machines_behave_as_on_one() {
    let mut network = match Network::new() {
        Ok(network) => network,
        Err(why) => return println!("no network namespaces here, nothing was tested: {why}"),
    };
    let home = Home::new();
    home.json(&["chain", "new", "--nodes", "4", "--out", "chain"]);
    let mut cables = Vec::new();
    for node in 0..NODES {
        cables.push(network.cables(&home, node));
        let log = fs::File::create(home.path(&format!("chain/node{node}/node.log"))).expect("a file");
        let folder = format!("chain/node{node}");
        let mut command =
            network.command(&home, node, env!("CARGO_BIN_EXE_entente"), &["node", "run", "--dir", &folder]);
        command.stderr(log);
        network.spawn(command);
    }
    let tip = |node: &Value| ["height", "hash", "state_root"].map(|field| node[field].clone());
    let agree = |nodes: &[Value]| nodes.iter().all(|node| node["healthy"] == true && tip(node) == tip(&nodes[0]));
    network.until(&home, "all find one another", |nodes| nodes.iter().all(|node| node["peers"] == 3));
    network.transfer(&home, &[0, 1, 2, 3]);
    network.until(&home, "all agree", agree);
    // Nobody says that a cable is pulled: bytes go nowhere.
    kill_process(cables[3], Signal::STOP).expect("stops");
    network.transfer(&home, &[0, 1, 2]);
    kill_process(cables[3], Signal::CONT).expect("goes on");
    network.until(&home, "the one that was away catches up", |nodes| {
        agree(nodes) && nodes.iter().all(|node| node["peers"] == 3)
    });
    network.transfer(&home, &[3]);
    network.until(&home, "all agree again", agree);
}
