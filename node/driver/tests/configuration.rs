//! What is written into `config.toml` and `genesis.toml`, and what bad files are refused with.

use std::{fs, path::Path};

use entente_crypto::{SecretKey, Suite};
use entente_driver::{
    ConfigError, NodeConfig, commented_configuration, commented_genesis, configuration_page, read_genesis,
};
use entente_testing::{genesis, key};

fn refusal(error: &ConfigError) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    let (_, told) = text.split_once(".toml, line ").unwrap_or_else(|| panic!("{text}"));
    told.to_owned()
}

fn configuration(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.toml"), text).unwrap();
    match NodeConfig::read(folder.path()) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => refusal(&error),
    }
}

fn genesis_file(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("genesis.toml"), text).unwrap();
    match read_genesis(folder.path()) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => refusal(&error),
    }
}

/// Compares what each file is told, and shows all that differ.
fn compare(told: impl Iterator<Item = (String, &'static str)>) {
    let differing: Vec<String> = told
        .filter(|(told, expected)| told != expected)
        .map(|(told, expected)| format!("expected: {expected}\ntold:     {told}"))
        .collect();
    assert!(differing.is_empty(), "\n{}", differing.join("\n"));
}

#[test]
fn pages_are_named_as_browsers_name_them() {
    let listed = |origins: &str| configuration(&format!("[rpc]\ncors_origins = [{origins}]\n"));
    assert_eq!(listed("\"*\", \"https://wallet.example\", \"http://localhost:3000\""), "accepted");
    for origin in ["wallet.example", "https://wallet.example/", "https://", "://x", "https://*.example", ""] {
        let told = listed(&format!("\"{origin}\""));
        assert!(told.starts_with(&format!("2: `rpc.cors_origins` is \"{origin}\"; allowed is a list")), "{told}");
    }
    let told = listed(&"\"*\",".repeat(65));
    assert!(told.starts_with("2: `rpc.cors_origins` is 65 entries; allowed is a list of at most 64"), "{told}");
}

#[test]
fn other_nodes_are_named_by_host_and_port() {
    let section = |lines: &str| configuration(&format!("[network]\n{lines}\n"));
    assert_eq!(section("listen = \"\"\npeers = []"), "accepted", "alone");
    assert_eq!(section("listen = \"0.0.0.0:30300\"\npeers = [\"node1.example.org:30301\", \"[::1]:2\"]"), "accepted");
    for listen in ["30300", "localhost:30300", "1.2.3.4", "1.2.3.4:65536", "here"] {
        let told = section(&format!("listen = \"{listen}\""));
        assert!(told.starts_with(&format!("2: `network.listen` is \"{listen}\"; allowed is an address")), "{told}");
    }
    for peer in ["node1", ":30300", "node1:0", "node1:port", "node1:65536", ""] {
        let told = section(&format!("\npeers = [\"node0:1\", \"{peer}\"]"));
        assert!(told.starts_with(&format!("3: `network.peers` is \"{peer}\"; allowed is a list")), "{told}");
    }
    // The generator of secp256k1 is a key; these are none of any suite, and a slip of the pen is not passed over.
    let x = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    let y = "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8";
    assert_eq!(section(&format!("introduced = [\"{x}{y}\"]")), "accepted");
    for name in [format!("{x}{x}"), format!("{x}{}", &y[1..]), format!("0x{x}{y}"), String::new()] {
        let told = section(&format!("introduced = [\"{x}{y}\", \"{name}\"]"));
        assert!(told.starts_with(&format!("2: `network.introduced` is \"{name}\"; allowed is a list")), "{told}");
    }
    let told = section(&format!("peers = [{}]", "\"a:1\",".repeat(1_025)));
    assert!(told.starts_with("2: `network.peers` is 1025 entries; allowed is a list of at most 1024"), "{told}");
}

#[test]
fn the_page_is_that_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = configuration_page();
    if std::env::var_os("ENTENTE_BLESS").is_some() {
        fs::write(&path, page).unwrap();
        return;
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "docs/configuration.md is not what the table says; run this test with ENTENTE_BLESS=1");
}

#[test]
fn an_empty_file_is_all_defaults_and_defaults_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, "").unwrap();
    assert_eq!(NodeConfig::read(folder.path()).unwrap(), NodeConfig::default());
    for text in
        [toml::to_string(&NodeConfig::default()).unwrap(), commented_configuration(&NodeConfig::default()).unwrap()]
    {
        fs::write(&path, text).unwrap();
        assert_eq!(NodeConfig::read(folder.path()).unwrap(), NodeConfig::default());
    }
}

#[test]
fn the_edges_of_bounds_are_inside() {
    for text in [
        "[rpc]\nconnections_max = 1\n",
        "[rpc]\nconnections_max = 65_535\n",
        "[rpc]\nrequests_per_second_max = 0\n",
        "[rpc]\nsubscriptions_max = 0\n",
        "rpc.listen = \"[::1]:0\"\n",
        "[pool]\nbytes_max = 0x100000\n",
        "[storage]\nrow_cache_bytes = 0\n",
        "[node]\nname = \"\u{9280}\u{884c}\"\n",
    ] {
        assert_eq!(configuration(text), "accepted", "{text}");
    }
}

/// A file, and what it is refused with.
const BAD_CONFIGURATIONS: &[(&str, &str)] = &[
    ("[pool]\ntransactions_max = 0\n", "2: `pool.transactions_max` is 0; allowed is 1 to 10000000"),
    (
        "\n\n[pool]\n# many\ntransactions_max = 1_000_000_000",
        "5: `pool.transactions_max` is 1_000_000_000; allowed is 1 to 10000000",
    ),
    ("[pool]\ntransactions_max = -1\n", "2: `pool.transactions_max` is -1; allowed is 1 to 10000000"),
    ("[pool]\ntransactions_max = 1.5\n", "2: `pool.transactions_max` is 1.5; allowed is 1 to 10000000"),
    ("[pool]\ntransactions_max = \"many\"\n", "2: `pool.transactions_max` is \"many\"; allowed is 1 to 10000000"),
    ("pool.transactions_max = true\n", "1: `pool.transactions_max` is true; allowed is 1 to 10000000"),
    ("[pool]\nbytes_max = 1048575\n", "2: `pool.bytes_max` is 1048575; allowed is 1048576 to 1099511627776"),
    (
        "[pool]\nchecking_transactions_max = 9999\n",
        "2: `pool.checking_transactions_max` is 9999; allowed is 10000 to 1000000",
    ),
    ("[rpc]\nconnections_max = 5_000_000_000\n", "2: `rpc.connections_max` is 5_000_000_000; allowed is 1 to 65535"),
    ("[rpc]\nconnections_max = 0xffff_ffff\n", "2: `rpc.connections_max` is 0xffff_ffff; allowed is 1 to 65535"),
    (
        "[rpc]\nconnections_max = 99999999999999999999\n",
        "2: `rpc.connections_max` is 99999999999999999999; allowed is 1 to 65535",
    ),
    (
        "[rpc]\nlisten = \"localhost\"\n",
        "2: `rpc.listen` is \"localhost\"; allowed is an address and a port, such as \"127.0.0.1:8545\"",
    ),
    ("[rpc]\nlisten = 8545\n", "2: `rpc.listen` is 8545; allowed is an address and a port, such as \"127.0.0.1:8545\""),
    (
        "[rpc]\nrequest_bytes_max = 0x1000_0000\nwork_bytes_max = 0xfff_ffff\n",
        "3: `rpc.work_bytes_max` is 268435455; allowed is `rpc.request_bytes_max`, 268435456, and above",
    ),
    ("[rpc]\nrequest_bytes_max = 1\n", "2: `rpc.request_bytes_max` is 1; allowed is 1024 to 268435456"),
    ("[storage]\n\nengine = \"leveldb\"\n", "3: `storage.engine` is \"leveldb\"; allowed is \"rocksdb\" or \"memory\""),
    ("[storage]\narchive = \"yes\"\n", "2: `storage.archive` is \"yes\"; allowed is true or false"),
    ("[storage]\narchive = 1\n", "2: `storage.archive` is 1; allowed is true or false"),
    ("[storage]\nblock_cache_bytes = 7\n", "2: `storage.block_cache_bytes` is 7; allowed is 1048576 to 17592186044416"),
    ("[node]\nname = \"\"\n", "2: `node.name` is \"\"; allowed is a text of 1 to 64 characters"),
    ("[node]\nname = \"a\\u0007b\"\n", "2: `node.name` is \"a\\u0007b\"; allowed is a text of 1 to 64 characters"),
    (
        "[node]\nname = \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"\n",
        "2: `node.name` is \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...; allowed is a text of 1 to 64 characters",
    ),
    (
        "[sync]\nsnapshot_lead_blocks = -1\n",
        "2: `sync.snapshot_lead_blocks` is -1; allowed is 0 to 9223372036854775807",
    ),
    ("[consensus]\ninterval_ms_min = 3600001\n", "2: `consensus.interval_ms_min` is 3600001; allowed is 0 to 3600000"),
    ("[log]\nformat = \"xml\"\n", "2: `log.format` is \"xml\"; allowed is \"text\" or \"json\""),
    (
        "[log]\nlevel = [\"info\"]\n",
        "2: `log.level` is [\"info\"]; allowed is error, warn, info, debug or trace, or such as \"info,entente_driver=debug\"",
    ),
    ("pool = 5\n", "1: `pool` is 5; allowed is a section, [pool]"),
    (
        "[rpc]\nlisten = \"127.0.0.1:1\"\nlistne = 5\n",
        "3: unknown field `listne`, expected one of `listen`, `connections_max`, `request_bytes_max`, `response_bytes_max`, `batch_requests_max`, `subscriptions_max`, `cors_origins`, `header_ms_max`, `idle_ms_max`, \
         `stall_ms_max`, `connection_requests_max`, `connection_transactions_max`, `work_bytes_max`, \
         `calls_max`, `requests_per_second_max`, `group_requests_per_second_max`",
    ),
    (
        "\n[pol]\n",
        "2: unknown field `pol`, expected one of `node`, `rpc`, `storage`, `pool`, `consensus`, `sync`, `network`, `log`",
    ),
    (
        "transactions_max = 5\n",
        "1: unknown field `transactions_max`, expected one of `node`, `rpc`, `storage`, `pool`, `consensus`, `sync`, `network`, `log`",
    ),
    ("[pool]\nbytes_max = 1048576\nbytes_max = 1048577\n", "3: duplicate key"),
    ("[pool]\n[pool]\n", "2: duplicate key"),
    ("[pool\n", "1: unclosed table, expected `]`"),
    (
        "[storage]\nengine = rocksdb # the usual\n",
        "2: `storage.engine` is rocksdb # the usual; allowed is \"rocksdb\" or \"memory\"",
    ),
    ("[node]\nname = \"open\n", "2: `node.name` is \"open; allowed is a text of 1 to 64 characters"),
    ("[node]\nname =\n", "2: `node.name` is ; allowed is a text of 1 to 64 characters"),
    (
        "[log]\nlevel = info\n",
        "2: `log.level` is info; allowed is error, warn, info, debug or trace, or such as \"info,entente_driver=debug\"",
    ),
];

#[test]
fn bad_configurations_are_refused_with_line_key_and_what_is_allowed() {
    compare(BAD_CONFIGURATIONS.iter().map(|(text, expected)| (configuration(text), *expected)));
}

#[test]
fn bad_genesis_documents_are_refused_with_line_key_and_what_is_allowed() {
    let good = toml::to_string(&genesis(&[key(1)])).unwrap();
    assert_eq!(genesis_file(&good), "accepted");
    let line = |start: &str| good.lines().position(|line| line.starts_with(start)).unwrap() + 1;
    let guomi = SecretKey::from_bytes(Suite::Guomi, &[3; 32]).unwrap().public_key();
    let guomi = toml::Value::try_from(guomi).unwrap();
    let twice = good.replace("consensus = \"solo\"", "consensus = \"pbft\"");
    let sealers = twice.find("[[sealers]]").unwrap();
    let twice = format!("{twice}\n{}", &twice[sealers..]);
    let second = twice.lines().enumerate().filter(|(_, line)| *line == "[[sealers]]").nth(1).unwrap().0 + 1;
    let address = key(1).public_key().address();
    let replaced = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replace(from, to)
    };
    let cases = [
        (replaced("suite = \"standard\"", "suite = \"gm\""), line("suite"), "`suite` is \"gm\"; allowed is \"standard\" or \"guomi\"".to_owned()),
        (replaced("consensus = \"solo\"", "consensus = \"poa\""), line("consensus"), "`consensus` is \"poa\"; allowed is \"solo\" or \"pbft\" or \"rpbft\" or \"raft\"".to_owned()),
        (replaced("pipeline_depth = 1", "pipeline_depth = 17"), line("pipeline_depth"), "`pipeline_depth` is 17; allowed is 1 to 16".to_owned()),
        (replaced("pipeline_depth = 1", "pipeline_depth = 2"), line("pipeline_depth"), "`consensus = \"solo\"` needs exactly one sealer and `pipeline_depth = 1`".to_owned()),
        (replaced("group_id = \"group1\"", "group_id = \"Group 1\""), line("group_id"), "`group_id` is \"Group 1\"; allowed is 1 to 64 of a-z, 0-9, _ and -".to_owned()),
        (replaced("chain_id = 1\n", "chain_id = -1\n"), line("chain_id"), "`chain_id` is -1; allowed is 0 to 9223372036854775807".to_owned()),
        (replaced("balances = false", "balances = 0"), line("balances"), "`balances` is 0; allowed is true or false".to_owned()),
        (replaced("version = 1\nchain_id", "version = 2\nchain_id"), line("version"), "`version` is 2; allowed is 1 to 1".to_owned()),
        (replaced("block_gas = 800000000", "block_gas = 200000000"), line("block_gas"), "`limits.block_gas` is 200000000; allowed are limits.transaction_gas to 18446744073709".to_owned()),
        (replaced("transaction_gas = 300000000", "transaction_gas = 1"), line("transaction_gas"), "`limits.transaction_gas` is 1; allowed is 100000 to 18446744073709".to_owned()),
        (replaced("block_transactions = 5000", "block_transactions = 100001"), line("block_transactions"), "`limits.block_transactions` is 100001; allowed is 1 to 100000".to_owned()),
        (replaced("weight = 1", "weight = 0"), line("weight"), "`sealers.weight` is 0; allowed is 1 to 4294967295".to_owned()),
        (replaced("balances = false", "balances = false\nallowances = []"), line("balances") + 1, "unknown field `allowances`".to_owned()),
        (replaced("[[sealers]]", "[[sealers]]\nname = \"x\""), line("[[sealers]]") + 1, "unknown field `name`, expected `key` or `weight`".to_owned()),
        (twice, second, format!("`sealers` names the key of {address} twice")),
        (good.replace(&line_with(&good, "key = "), &format!("key = {guomi}")), line("[[sealers]]"), "`sealers` holds a key of the Guomi suite, but `suite` is Standard".to_owned()),
        (good.replace(&line_with(&good, "key = "), "key = \"0x01\""), line("key"), "`sealers.key` is \"0x01\"; allowed is a public key in hexadecimal digits, such as `entente chain new` writes".to_owned()),
        (replaced("suite = \"standard\"\n", ""), 1, "missing field `suite`".to_owned()),
    ];
    for (text, line, expected) in cases {
        let told = genesis_file(&text);
        assert!(told.starts_with(&format!("{line}: {expected}")), "expected {line}: {expected}\ntold     {told}");
    }
}

/// The first line that begins so.
fn line_with(text: &str, start: &str) -> String {
    text.lines().find(|line| line.starts_with(start)).unwrap().to_owned()
}

#[test]
fn a_commented_genesis_is_the_same_group() {
    let genesis = genesis(&[key(1)]);
    let folder = tempfile::tempdir().unwrap();
    let text = commented_genesis("# A group.\n", &genesis).unwrap();
    fs::write(folder.path().join("genesis.toml"), &text).unwrap();
    assert_eq!(read_genesis(folder.path()).unwrap().hash(), genesis.hash());
    assert!(text.starts_with("# A group.\n"), "{text}");
}

#[test]
fn a_value_that_only_its_reader_can_judge_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.toml"), "[log]\nlevel = \"=,=\"\n").unwrap();
    let error = NodeConfig::refuse(folder.path(), "log.level");
    let allowed = "error, warn, info, debug or trace, or such as \"info,entente_driver=debug\"";
    assert_eq!(refusal(&error), format!("2: `log.level` is \"=,=\"; allowed is {allowed}"));
}
