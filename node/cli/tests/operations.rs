//! The operator's page: every command on it is run, in the state that its section speaks of.

mod common;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use common::{Home, StopsChain, text};
use serde_json::Value;

/// How long anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// Where the page has no section yet.
const BEFORE_ALL: &str = "";

/// The commands of each section of the page.
fn commands() -> BTreeMap<String, Vec<String>> {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md")).expect("a page");
    let (mut sections, mut section, mut inside) =
        (BTreeMap::<String, Vec<String>>::new(), BEFORE_ALL.to_owned(), false);
    for line in page.lines() {
        match (inside, line) {
            (false, "```sh") => inside = true,
            (true, "```") => inside = false,
            (true, line) => sections.entry(section.clone()).or_default().push(line.to_owned()),
            (false, line) => {
                if let Some(title) = line.strip_prefix("## ") {
                    title.clone_into(&mut section);
                }
            }
        }
    }
    sections
}

/// An operator at the chain of the page.
struct Operator<'home> {
    home: &'home Home,
    sections: BTreeMap<String, Vec<String>>,
    /// The node that the page's commands name.
    id: String,
}

impl Operator<'_> {
    fn nodes(&self) -> Vec<Value> {
        self.home.json(&["chain", "status", "chain"])["nodes"].as_array().expect("nodes").clone()
    }

    /// The nodes, once this holds.
    fn until(&self, what: &str, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let nodes = self.nodes();
            if holds(&nodes) {
                return nodes;
            }
            assert!(Instant::now() < deadline, "{what}: {nodes:#?}");
            sleep(Duration::from_millis(100));
        }
    }

    fn pid(&self, node: usize) -> String {
        self.nodes()[node]["pid"].to_string()
    }

    fn kill(&self, signal: &str, node: usize) {
        assert!(Command::new("kill").args([signal, &self.pid(node)]).status().expect("kill").success());
    }

    fn rpc(&self, node: usize) -> String {
        self.nodes()[node]["rpc"].as_str().expect("an address").replace("http", "ws")
    }

    /// The next command of a section, as an operator types it: what it says, and whether it succeeded.
    fn run(&mut self, section: &str, begins: &str) -> (String, bool) {
        let rest = self.sections.get_mut(section).unwrap_or_else(|| panic!("no section {section} with commands"));
        assert!(!rest.is_empty(), "{section} has no command {begins}");
        let line = rest.remove(0);
        assert!(line.starts_with(begins), "{section}: {line}, and not {begins}");
        let line = line.replace("NODE_ID", &self.id);
        let output = self.home.shell(&line).env("ENTENTE_RPC", self.rpc(0)).output().expect("a shell");
        (format!("{line}: {}{}", text(&output.stdout), text(&output.stderr)), output.status.success())
    }

    fn runs(&mut self, section: &str, begins: &str) -> String {
        let (said, succeeded) = self.run(section, begins);
        assert!(succeeded, "{said}");
        said
    }

    fn transfers(&self, places: &[usize]) {
        let token = common::token();
        let mut arguments =
            vec!["load", "--contract", token.to_str().expect("a path"), "--accounts", "20", "--count", "100"];
        let urls: Vec<String> = places.iter().map(|place| self.rpc(*place)).collect();
        urls.iter().for_each(|url| arguments.extend(["--rpc", url]));
        let loaded = self.home.json(&arguments);
        assert_eq!(loaded["committed"], 100, "{loaded}");
    }

    /// All the nodes of this chain that run have the same last block.
    fn agree(&self, places: &'static [usize]) -> Vec<Value> {
        self.until("they agree", move |nodes| {
            places
                .iter()
                .all(|place| nodes[*place]["healthy"] == true && nodes[*place]["hash"] == nodes[places[0]]["hash"])
        })
    }

    /// A node that the page has ended by its `kill`.
    fn ends(&self, node: usize) {
        self.until("it ends", |nodes| nodes[node]["pid"].is_null());
    }
}

fn killed_and_stopped(operator: &mut Operator<'_>) {
    let section = "A node was killed, or lost its power";
    operator.kill("-9", 3);
    operator.ends(3);
    operator.transfers(&[0, 1, 2]);
    assert!(operator.runs(section, "entente chain up").contains("node3 is up"));
    operator.agree(&[0, 1, 2, 3]);
    operator.runs(section, "entente chain status");

    let section = "A node was stopped for a while, or is far behind";
    let pid = operator.pid(3);
    assert!(Command::new("kill").args(["-STOP", &pid]).status().expect("kill").success());
    operator.transfers(&[0, 1, 2]);
    operator.runs(section, "kill -CONT");
    operator.agree(&[0, 1, 2, 3]);

    let section = "The disk is full";
    operator.runs(section, "kill");
    operator.ends(3);
    operator.runs(section, "entente chain status");
    // What it says of this machine's disk is as it is.
    assert!(operator.run(section, "entente doctor").0.contains("disk"));
    operator.runs(section, "entente chain up");
    operator.agree(&[0, 1, 2, 3]);
}

fn damaged_and_fetched(operator: &mut Operator<'_>) {
    let section = "Files are damaged";
    operator.kill("-9", 3);
    operator.ends(3);
    fs::write(operator.home.path("chain/node3/data/group1/CURRENT"), "nothing\n").expect("damaged");
    let (said, healthy) = operator.run(section, "entente doctor");
    assert!(!healthy && said.contains("entente node fetch"), "{said}");
    operator.runs(section, "entente node fetch");
    operator.runs(section, "entente chain up");
    silent_and_again(operator, "Data was removed, and the node is silent");

    let section = "A node comes to another header";
    operator.runs(section, "kill");
    operator.ends(3);
    for begins in
        ["entente chain status", "entente --version", "entente verify", "entente export", "entente node fetch"]
    {
        operator.runs(section, begins);
    }
    operator.runs(section, "entente chain up");
    operator.until("it is silent once more", |nodes| nodes[3]["role"] == "silent");
}

fn silent_and_again(operator: &mut Operator<'_>, section: &str) {
    operator.transfers(&[0, 1, 2]);
    operator.agree(&[0, 1, 2, 3]);
    operator.until("it is silent", |nodes| nodes[3]["role"] == "silent");
    operator.runs(section, "entente member add");
    operator.transfers(&[0, 1, 2]);
    let said = operator.runs(section, "entente member add");
    assert!(said.contains("sealer from height"), "{said}");
    operator.transfers(&[0, 1, 2]);
    operator.until("it seals", |nodes| nodes[3]["role"] == "sealer");
    assert!(operator.runs(section, "entente chain status").contains("sealer"));
}

/// The page's own node gives way to a new one.
fn added_removed_and_revoked(operator: &mut Operator<'_>) {
    let section = "A member is added or replaced";
    // The page's configuration takes the ports above the first node's; here those are taken by chance.
    let third = operator.id.clone();
    let added = operator.runs(section, "entente chain add");
    added.split_once("node4: ").and_then(|(_, rest)| rest.get(..128)).expect("an id").clone_into(&mut operator.id);
    operator.runs(section, "entente chain up");
    operator.runs(section, "entente member add");
    operator.agree(&[0, 1, 2, 4]);
    operator.runs(section, "entente chain status");
    operator.runs(section, "entente member add");
    operator.transfers(&[0, 1, 2]);
    operator.until("the new one seals", |nodes| nodes[4]["role"] == "sealer");
    assert!(operator.runs(section, "entente member list").contains(&operator.id));

    operator.id = third;
    let section = "A node's certificate expires, or is revoked";
    assert!(operator.runs(section, "entente cert show").contains(&operator.id));
    operator.runs(section, "entente cert renew");
    operator.runs(section, "entente cert revoke");
    operator.runs(section, "entente member remove");
    operator.transfers(&[0, 1, 2]);
    operator.until("it is gone", |nodes| nodes[3]["role"] != "sealer");

    let section = "A proposer is gone";
    let members = operator.home.json(&["member", "list", "--rpc", &operator.rpc(0)]);
    members["sealers"][1]["node_id"].as_str().expect("an identifier").clone_into(&mut operator.id);
    operator.runs(section, "entente member remove");
}

#[test]
fn every_command_of_the_operators_page_is_run() {
    let home = Home::new();
    let _stops = StopsChain(&home);
    let mut operator = Operator { home: &home, sections: commands(), id: String::new() };
    let ports = ["--rpc-port", "0", "--p2p-port", "0"];
    operator.home.json(&[&["chain", "new", "--nodes", "4", "--out", "chain"][..], &ports].concat());
    operator.home.json(&["chain", "up", "chain"]);
    operator.until("all find one another", |nodes| nodes.iter().all(|node| node["peers"] == 3));
    operator.runs(BEFORE_ALL, "entente account import");
    let shown = operator.home.json(&["cert", "show", "chain/node3"]);
    shown["node_ids"][0].as_str().expect("an identifier").clone_into(&mut operator.id);
    killed_and_stopped(&mut operator);
    damaged_and_fetched(&mut operator);
    added_removed_and_revoked(&mut operator);
    let left: Vec<_> = operator.sections.iter().filter(|(_, commands)| !commands.is_empty()).collect();
    assert!(left.is_empty(), "never run: {left:?}");
}
