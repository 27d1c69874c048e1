//! Accounts, and a contract deployed, used and loaded through a running node.

mod common;

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use common::{Home, text, token};

#[test]
fn accounts_are_made_listed_shown_and_imported() {
    let home = Home::new();
    assert!(text(&home.run(&["account", "list"]).stdout).contains("entente account new"));
    let made = home.json(&["account", "new", "alice"]);
    assert_eq!(made["name"], "alice");
    assert_eq!(made["address"].as_str().unwrap().len(), 42);
    assert_eq!(made["public_key"].as_str().unwrap().len(), 130);
    let shown = home.json(&["account", "show", "alice"]);
    assert_eq!((&shown["address"], &shown["public_key"]), (&made["address"], &made["public_key"]));
    assert_eq!(home.json(&["account", "list"])["accounts"][0]["name"], "alice");
    assert!(home.failure(&["account", "new", "alice"]).contains("choose another name"));
    assert!(home.failure(&["account", "new", "Ä"]).contains("a keystore's name has"));
    assert!(home.failure(&["account", "show", "bob"]).contains("entente account new bob"));

    fs::write(home.path("secret.txt"), format!("0x{}\n", "07".repeat(32))).unwrap();
    let from_file = home.json(&["account", "import", "bob", "--file", "secret.txt"]);
    let mut importing = home.command(&["account", "import", "carol", "--json"]);
    importing.env_remove("ENTENTE_PASSWORD").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = importing.spawn().unwrap();
    child.stdin.take().unwrap().write_all("07".repeat(32).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(text(&output.stderr).starts_with("warning: the password is empty"));
    let from_input: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(from_file["address"], from_input["address"]);
    fs::write(home.path("secret.txt"), "zz").unwrap();
    assert!(home.failure(&["account", "import", "dave", "--file", "secret.txt"]).contains("64 hexadecimal digits"));
}

#[test]
fn a_token_is_deployed_sent_called_and_loaded() {
    let home = Home::new();
    let chain = home.chain(&[]);
    let rpc = ["--rpc", chain.rpc.as_str()];
    let module = token();
    let module = module.to_str().unwrap();
    let run = |arguments: &[&str]| home.json(&[arguments, &rpc].concat());
    let fail = |arguments: &[&str]| home.failure(&[arguments, &rpc].concat());
    let alice = home.json(&["account", "new", "alice"])["address"].clone();
    let bob = home.json(&["account", "new", "bob"])["address"].as_str().unwrap().to_owned();

    let deployed = run(&["contract", "deploy", module, "--account", "alice"]);
    assert_eq!(deployed["block"], 1);
    assert!(deployed["transaction"].is_string() && deployed["gas_used"].as_u64().unwrap() > 0, "{deployed}");
    let address = deployed["address"].as_str().unwrap();
    assert!(home.path(".entente/contracts").read_dir().unwrap().count() == 1);

    let sent = run(&["contract", "send", address, "transfer", &bob, "25", "--account", "alice"]);
    assert_eq!((&sent["status"], &sent["block"], &sent["output"][0]), (&0.into(), &2.into(), &true.into()));
    assert_eq!(sent["logs"][0]["event"], "Transfer(address,address,uint256)");
    assert_eq!(sent["logs"][0]["arguments"][0]["value"], alice);
    assert!(sent["transaction"].is_string() && sent["gas_used"].as_u64().unwrap() > 0, "{sent}");
    let called = run(&["contract", "call", address, "balanceOf", &bob]);
    assert_eq!(called["output"], serde_json::json!(["25"]));
    let named = run(&["contract", "call", address, "symbol", "--abi", module]);
    assert_eq!(named["output"][0], "ENT");

    let reverted = home.run(
        &[&["contract", "send", address, "transfer", &bob, "26", "--account", "bob", "--json"], rpc.as_slice()]
            .concat(),
    );
    assert_eq!(reverted.status.code(), Some(1));
    assert!(text(&reverted.stderr).contains("ERC20InsufficientBalance(sender: 0x"), "{}", text(&reverted.stderr));
    let object: serde_json::Value = serde_json::from_slice(&reverted.stdout).unwrap();
    assert_eq!(object["status"], 22);

    assert!(
        fail(&["contract", "send", address, "mint", "1", "--account", "alice"]).contains("transfer(address,uint256)")
    );
    assert!(fail(&["contract", "send", address, "transfer", &bob, "x", "--account", "alice"]).contains("\"x\""));
    assert!(
        fail(&["contract", "send", address, "transfer", &bob, "1", "--account", "eve"]).contains("account new eve")
    );
    let nowhere = format!("0x{}", "11".repeat(20));
    assert!(fail(&["contract", "call", &nowhere, "symbol"]).contains("--abi FILE"));
    assert!(home.failure(&["contract", "call", address, "symbol", "--rpc", "127.0.0.1:1"]).contains("is it running?"));

    watches(&home, &rpc, address, module, &sent);

    let load = ["load", "--contract", module, "--rate", "1000", "--seconds", "2", "--accounts", "50"];
    let loaded = run(&[&load[..], &["--conflict", "50", "--plot", "load.png"]].concat());
    assert_eq!(loaded["plot"], "load.png");
    shows_a_load(&home.path("load.png"));
    assert_eq!((&loaded["sent"], &loaded["committed"], &loaded["failed"]), (&2000.into(), &2000.into(), &0.into()));
    assert_eq!(loaded["supply"]["ok"], true);
    for field in ["seconds", "tps", "generator_cpu_seconds"] {
        assert!(loaded[field].as_f64().unwrap() > 0.0, "{field}: {loaded}");
    }
    for field in ["p50", "p90", "p99", "max"] {
        assert!(loaded["latency_ms"][field].is_number(), "{field}: {loaded}");
    }

    drop(chain);
    let verified = home.json(&["verify", "--dir", "chain/node0", "--replay"]);
    assert_eq!(verified["ok"], true);
    assert_eq!(verified["replay"]["state_root"], verified["state_root"]);
    assert_eq!(verified["replay"]["failed"], 1, "the transfer that reverted");
}

/// The events of the token so far, as they are shown.
fn watches(home: &Home, rpc: &[&str], address: &str, module: &str, sent: &serde_json::Value) {
    let watch = |more: &[&str]| {
        let output = home.run(&[&["contract", "watch", address, "--from", "0"], more, rpc].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    // The tokens that were made, and the one transfer that did not revert.
    let lines = watch(&["--count", "2", "--json"]);
    let events: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((events.len(), &events[0]["block"], &events[1]["block"]), (2, &1.into(), &2.into()));
    assert_eq!(events[1]["event"], "Transfer(address,address,uint256)");
    assert_eq!((&events[1]["transaction"], &events[1]["arguments"][2]["value"]), (&sent["transaction"], &"25".into()));
    let lines = watch(&["Transfer", "--count", "1", "--abi", module]);
    assert!(lines.starts_with("block 1, transaction 0x") && lines.contains(": Transfer(from: 0x0000"), "{lines}");
    let mistaken = home.failure(&[&["contract", "watch", address, "transfer"], rpc].concat());
    assert!(mistaken.contains("no event \"transfer\"; did you mean Transfer(address,address,uint256)?"), "{mistaken}");
}

/// A picture of the right size, in which each of the lines is drawn.
fn shows_a_load(file: &Path) {
    let decoder = png::Decoder::new(std::io::BufReader::new(fs::File::open(file).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height, info.color_type), (1400, 1080, png::ColorType::Rgb));
    let lines: [(&str, [u8; 3]); 5] = [
        ("committed", [37, 99, 235]),
        ("p50", [13, 148, 136]),
        ("p90 and gas", [217, 119, 6]),
        ("p99", [225, 29, 72]),
        ("fill", [124, 58, 237]),
    ];
    for (name, color) in lines {
        let columns: BTreeSet<usize> = pixels
            .chunks_exact(3)
            .enumerate()
            .filter(|(_, pixel)| pixel.iter().zip(color).all(|(found, wanted)| found.abs_diff(wanted) < 8))
            .map(|(place, _)| place % 1400)
            .collect();
        // The legend's sample takes some thirty columns; a line goes on.
        assert!(columns.len() > 150, "{name}: {} columns", columns.len());
    }
}

#[test]
fn what_a_load_cannot_do_gets_one_plain_line() {
    let home = Home::new();
    for workload in ["kv", "mixed"] {
        let told = home.failure(&["load", "--workload", workload]);
        assert_eq!(told, format!("--workload {workload} is not there yet; use --workload transfer or erc20"));
    }
    let told = home.failure(&["load", "--plot", "load.svg"]);
    assert_eq!(told, "--plot load.svg: pictures are PNG files; give a name that ends with .png");
    let told = home.failure(&["load", "--plot", "nowhere/load.png"]);
    assert_eq!(told, "--plot nowhere/load.png: there is no folder nowhere; make it");
    let module = token();
    let told = home.failure(&["load", "--contract", module.to_str().unwrap(), "--conflict", "101"]);
    assert_eq!(told, "the load's conflict percent is 101; allowed is 0 to 100");
}

#[test]
fn keys_of_other_tools_are_imported_with_their_suite() {
    let home = Home::new();
    // The first account of Hardhat and anvil, as openssl writes it.
    let pem = "-----BEGIN PRIVATE KEY-----\n\
        MD4CAQAwEAYHKoZIzj0CAQYFK4EEAAoEJzAlAgEBBCCsCXS+w5oX42ukprTSOP+U\n\
        S6y0eMvtXvyueE179PL/gA==\n-----END PRIVATE KEY-----\n";
    fs::write(home.path("key.pem"), pem).unwrap();
    let imported = home.json(&["account", "import", "hardhat", "--file", "key.pem"]);
    assert_eq!(imported["address"], "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266");
    assert_eq!(imported["suite"], "standard");
    let told = home.failure(&["account", "import", "other", "--file", "key.pem", "--suite", "guomi"]);
    assert_eq!(told, "key.pem: found a key of the suite standard; guomi was asked for");
    // What this program wrote is a keystore like any other: its own password, then a new one.
    home.json(&["account", "new", "first", "--suite", "guomi"]);
    fs::copy(home.path(".entente/keys/first.json"), home.path("first.json")).unwrap();
    fs::write(home.path("old.txt"), "secret\n").unwrap();
    fs::write(home.path("new.txt"), "another\n").unwrap();
    let passwords = ["--file-password-file", "old.txt", "--password-file", "new.txt"];
    let arguments = [&["account", "import", "second", "--file", "first.json"], &passwords[..]].concat();
    let imported = home.json(&arguments);
    assert_eq!(imported["suite"], "guomi");
    assert_eq!(imported["address"], home.json(&["account", "show", "first"])["address"]);
    let told = home.failure(&["account", "import", "third", "--file", "first.json", "--password-file", "new.txt"]);
    assert_eq!(told, "first.json: the password is wrong, or the file was changed");
    fs::write(home.path("key.p12"), [0x30, 0x82, 0x05, 0x80, 0xff]).unwrap();
    let told = home.failure(&["account", "import", "third", "--file", "key.p12"]);
    assert!(told.starts_with("key.p12: found a PKCS#12 file (.p12), which is not read"), "{told}");
}

#[test]
fn the_foreground_node_ends_cleanly_by_a_signal() {
    let home = Home::new();
    home.json(&["chain", "new", "--out", "chain", "--rpc-port", "0", "--storage", "memory"]);
    for signal in ["-TERM", "-INT"] {
        let mut command = home.command(&["node", "run", "--dir", "chain/node0", "--json"]);
        let mut node = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        let mut output = std::io::BufReader::new(node.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut output, &mut line).unwrap();
        let greeting: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(greeting["groups"], serde_json::json!([{ "group": "group1", "height": 0 }]));
        let kill =
            |signal: &str| Command::new("kill").args([signal, &node.id().to_string()]).status().unwrap().success();
        // Asked to read its lists again, it goes on.
        assert!(kill("-HUP"));
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert!(kill("-0") && home.json(&["chain", "status", "chain"])["nodes"][0]["healthy"] == true);
        assert!(kill(signal));
        assert_eq!(node.wait().unwrap().code(), Some(0), "{signal}");
        assert!(!home.path("chain/node0/node.pid").exists());
    }
}
