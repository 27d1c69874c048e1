//! A contract's author from nothing to an event: the project that `contract new` makes builds, passes its tests, and is
//! deployed by the very commands that are printed.

mod common;

use std::{fs, path::Path};

use common::{Home, StopsChain, on_a_free_port, text};

#[test]
fn a_new_contract_builds_passes_its_tests_and_is_deployed_as_printed() {
    let home = Home::of_an_author();
    let _stops = StopsChain(&home);
    // The folder is that of README's test, so that what is compiled for the one is there for the other.
    let printed = home.succeeds("entente contract new my-bakery --path bakery");
    let commands: Vec<&str> = printed.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    let [build, test, new, up, account, deploy] = commands.as_slice() else { panic!("{printed}") };
    assert_eq!(*build, "entente contract build bakery");
    assert!(deploy.starts_with("entente contract deploy target/contracts/my_bakery.wasm "), "{deploy}");
    // What the author is given is formatted, and in the versions that the library is tested with.
    home.succeeds("cargo fmt --manifest-path bakery/Cargo.toml --check");
    home.succeeds("cargo metadata --manifest-path bakery/Cargo.toml --format-version 1 --locked");

    let methods = home.succeeds(build);
    assert!(methods.contains("methods: claim(string), give(string,address), ownerOf(string)"), "{methods}");
    let tested = home.succeeds(test);
    assert!(tested.contains("test result: ok. 3 passed"), "{tested}");
    let readme = fs::read_to_string(home.path("bakery/README.md")).unwrap();
    assert!(commands.iter().all(|command| readme.contains(&format!("    {command}\n"))), "{readme}");

    home.succeeds(new);
    on_a_free_port(&home.path("chain"));
    let started = home.succeeds(up);
    let rpc = started.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    let with_rpc = |line: &str| format!("ENTENTE_RPC={rpc} {line}");
    home.succeeds(account);
    let deployed = home.succeeds(&with_rpc(deploy));
    let address = deployed.lines().next().unwrap();
    let sent = home.succeeds(&with_rpc(&format!("entente contract send {address} claim bakery --account alice")));
    let alice = home.json(&["account", "show", "alice"])["address"].as_str().unwrap().to_owned();
    let nobody = format!("0x{}", "00".repeat(20));
    assert!(sent.contains(&format!("event: Owned(owner: {alice}, before: {nobody}, name: bakery)")), "{sent}");
    let owner = home.succeeds(&with_rpc(&format!("entente contract call {address} ownerOf bakery")));
    assert_eq!(owner.trim_end(), alice);
    let mut late = home.shell(&with_rpc(&format!("entente contract send {address} claim bakery --account alice")));
    let late = late.output().unwrap();
    assert!(text(&late.stderr).contains(&format!("Taken(owner: {alice})")), "{}", text(&late.stderr));
    home.succeeds("entente chain down chain");
}

#[test]
fn a_new_contract_can_use_the_library_of_a_checkout() {
    let home = Home::new();
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let made = home.json(&["contract", "new", "shop", "--path", "my shop", "--sdk", checkout.to_str().unwrap()]);
    assert_eq!((&made["name"], &made["dir"]), (&"shop".into(), &"my shop".into()));
    assert_eq!(made["commands"][0], "entente contract build 'my shop'");
    assert!(!home.path("my shop/vendor").exists());
    home.succeeds("cargo metadata --manifest-path 'my shop/Cargo.toml' --format-version 1");
    let line = home.failure(&["contract", "new", "other", "--sdk", "my shop"]);
    assert_eq!(line, "my shop: there is no sdk/contract/Cargo.toml here; give --sdk the root of a checkout of Entente");
}

#[test]
fn what_cannot_be_a_new_contract_gets_one_plain_line() {
    let home = Home::new();
    fs::create_dir_all(home.path("taken/src")).unwrap();
    let told = |arguments: &[&str]| home.failure(&[&["contract", "new"], arguments].concat());
    let rule = "a contract's name has 1 to 64 of a-z, 0-9, _ and -, and begins with a letter";
    assert_eq!(told(&["Bakery"]), format!("\"Bakery\": {rule}"));
    assert_eq!(told(&["2nd"]), format!("\"2nd\": {rule}"));
    assert_eq!(told(&["../up"]), format!("\"../up\": {rule}"));
    assert_eq!(told(&["match"]), "\"match\" is a word of Rust's, which cannot be a contract's name; choose another");
    assert_eq!(told(&["std"]), "\"std\" is the name of a library that contracts use; choose another");
    assert_eq!(told(&["taken"]), "taken: the folder is not empty; name another with --path");
    assert_eq!(told(&["x", "--path", "taken"]), "taken: the folder is not empty; name another with --path");
    assert_eq!(told(&["Bakery", "--lang", "solidity"]), format!("\"Bakery\": {rule}"));
    assert_eq!(told(&["taken", "--lang", "solidity"]), "taken: the folder is not empty; name another with --path");
    let library = "--sdk: a contract in Solidity uses no library of ours; leave it out";
    assert_eq!(told(&["x", "--lang", "solidity", "--sdk", "."]), library);
    assert!(!home.path("x").exists() && !home.path("Bakery").exists());
}
