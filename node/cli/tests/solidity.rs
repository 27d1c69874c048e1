//! An author of Solidity: a project that builds and passes its tests at once, compilers from 0.4 to 0.8, what goes wrong in
//! plain lines, and contracts that are deployed, used and watched on a node.

mod common;

use std::fs;

use common::{Chain, Home, StopsChain, on_a_free_port, text};
use serde_json::{Value, json};

/// Writes files below a folder of the home.
fn write(home: &Home, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = home.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// The last line of a command that fails, and all that it said before.
fn fails(home: &Home, line: &str) -> (String, String) {
    let output = home.shell(line).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{line}: {said}");
    let (before, last) = said.trim_end().rsplit_once('\n').unwrap_or(("", said.trim_end()));
    (before.to_owned(), last.strip_prefix("error: ").unwrap_or_else(|| panic!("{said}")).to_owned())
}

#[test]
fn a_new_contract_builds_and_passes_its_tests() {
    let home = Home::new();
    let printed = home.succeeds("entente contract new my-bakery --lang solidity --path bakery");
    let commands: Vec<&str> = printed.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    let [build, test, ..] = commands.as_slice() else { panic!("{printed}") };
    assert_eq!((*build, *test), ("entente contract build bakery", "entente contract test bakery"));
    let readme = fs::read_to_string(home.path("bakery/README.md")).unwrap();
    assert!(commands.iter().all(|command| readme.contains(&format!("    {command}\n"))), "{readme}");

    let lines = home.succeeds(build);
    assert!(lines.starts_with("target/contracts/MyBakery.json: ") && lines.contains(" by solc 0.8."), "{lines}");
    assert!(lines.contains("methods: claim(string), give(string,address), ownerOf(string)"), "{lines}");
    let tested = home.succeeds(test);
    assert!(tested.starts_with("test/MyBakery.t.sol: MyBakeryTest\n"), "{tested}");
    assert!(tested.contains("  ok      testOnlyItsOwnerGivesANameAway  gas "), "{tested}");
    assert!(tested.ends_with("\n3 passed, 0 failed\n"), "{tested}");

    let read = |name: &str| fs::read_to_string(home.path("target/contracts").join(name)).unwrap();
    let artefact: Value = serde_json::from_str(&read("MyBakery.json")).unwrap();
    assert_eq!(artefact["bytecode"], format!("0x{}", read("MyBakery.bin")));
    assert_eq!(artefact["abi"], serde_json::from_str::<Value>(&read("MyBakery.abi")).unwrap());
    assert_eq!(
        (&artefact["contractName"], &artefact["sourceName"]),
        (&json!("MyBakery"), &json!("contracts/MyBakery.sol"))
    );
    let version = artefact["compiler"].as_str().unwrap().split('+').next().unwrap();
    let input: Value = serde_json::from_str(&read(&format!("bakery.solc-{version}.input.json"))).unwrap();
    assert_eq!((&input["language"], &input["settings"]["evmVersion"]), (&json!("Solidity"), &json!("osaka")));
    let output: Value = serde_json::from_str(&read(&format!("bakery.solc-{version}.output.json"))).unwrap();
    assert!(output["contracts"]["contracts/MyBakery.sol"]["MyBakery"]["abi"].is_array(), "{output}");

    // A rule that does not hold any more is told by the test that says so.
    let contract = home.path("bakery/contracts/MyBakery.sol");
    let source = fs::read_to_string(&contract).unwrap();
    fs::write(&contract, source.replace("revert Taken(owner)", "revert NotOwner(owner)")).unwrap();
    let failed = home.shell(test).output().unwrap();
    let (shown, told) = (text(&failed.stdout), text(&failed.stderr));
    assert_eq!(failed.status.code(), Some(1), "{shown}{told}");
    let line = "  FAILED  testAFreeNameBelongsToWhoeverClaimsItFirst: it was refused with another error\n";
    assert!(shown.contains(line) && shown.ends_with("2 passed, 1 failed\n"), "{shown}");
    assert_eq!(told, "error: one test failed\n");
}

/// One source for each of the compilers' lines, each with a test in its own language; all read one interface.
#[test]
fn each_source_is_compiled_by_the_newest_compiler_that_it_allows() {
    let home = Home::new();
    let shared =
        "pragma solidity >=0.4.11 <0.9.0;\ninterface Answering { function answer() external returns (uint); }\n";
    write(&home, &[("old/contracts/Answering.sol", shared)]);
    let lines =
        [("4", "^0.4.11", "0.4.26"), ("5", "^0.5.0", "0.5.17"), ("6", "~0.6.2", "0.6.12"), ("7", "0.7.6", "0.7.6")];
    for (minor, wanted, _) in lines {
        let source = format!(
            "pragma solidity {wanted};\nimport \"./Answering.sol\";\n\
             contract Old{minor} {{ uint public kept = 6; function answer() external returns (uint) {{ kept += 1; return kept * {minor}; }} }}\n"
        );
        let test = format!(
            "pragma solidity {wanted};\nimport {{Old{minor}}} from \"../contracts/Old{minor}.sol\";\n\
             contract Old{minor}Test {{ Old{minor} old; function setUp() public {{ old = new Old{minor}(); }}\n\
             function testAnswer() public {{ require(old.answer() == 7 * {minor}, \"seven\"); }}\n\
             function testNoAnswer() public {{ require(old.answer() != 7 * {minor}, \"not seven\"); }} }}\n"
        );
        let (contract, tests) = (format!("old/contracts/Old{minor}.sol"), format!("old/test/Old{minor}.t.sol"));
        write(&home, &[(&contract, &source), (&tests, &test)]);
    }
    let built = home.json(&["contract", "build", "old"]);
    let compilers: Vec<&str> =
        built["compilations"].as_array().unwrap().iter().map(|one| one["compiler"].as_str().unwrap()).collect();
    let is_of = |version: &str| compilers.iter().any(|compiler| compiler.starts_with(&format!("{version}+commit.")));
    assert_eq!(compilers.len(), 5, "{compilers:?}");
    for (minor, _, version) in lines {
        assert!(is_of(version), "{version}: {compilers:?}");
        assert!(home.path("target/contracts").join(format!("Old{minor}.bin")).is_file());
    }
    // The interface has an ABI, no code, and the newest of all.
    let interface = built["contracts"].as_array().unwrap().iter().find(|one| one["name"] == "Answering").unwrap();
    assert_eq!((&interface["bytes"], &interface["methods"]), (&json!(0), &json!(["answer()"])));
    assert!(interface["compiler"].as_str().unwrap().starts_with("0.8."));
    assert!(home.path("target/contracts/Answering.abi").is_file());
    assert!(!home.path("target/contracts/Answering.bin").exists());

    let tested = home.run(&["contract", "test", "old", "--json"]);
    let tested: Value = serde_json::from_slice(&tested.stdout).unwrap();
    assert_eq!((&tested["passed"], &tested["failed"]), (&json!(4), &json!(4)), "{tested}");
    let reasons: Vec<&Value> = tested["tests"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|test| test["ok"] == false)
        .map(|test| &test["reason"])
        .collect();
    assert_eq!(reasons, [&json!("not seven"); 4]);

    let exact = home.json(&["contract", "build", "old/contracts/Old7.sol", "--solc", "0.7.6", "--out", "one"]);
    assert_eq!(exact["contracts"].as_array().unwrap().len(), 1);
    let refused = home.failure(&["contract", "build", "old/contracts/Old7.sol", "--solc", "0.8.20"]);
    assert!(refused.starts_with("solc 0.8.20 is not allowed by: ") && refused.contains("(0.7.6)"), "{refused}");
}

/// A project that uses a package and a library that is deployed by itself, with names that are there twice.
const PACKAGES: [(&str, &str); 5] = [
    (
        "node_modules/@acme/math/contracts/Sum.sol",
        "pragma solidity ^0.8.0;\nimport './Plus.sol';\nabstract contract Sum { function sum(uint a, uint b) public pure returns (uint) { return Plus.plus(a, b); } }\n",
    ),
    (
        "node_modules/@acme/math/contracts/Plus.sol",
        "pragma solidity ^0.8.0;\nlibrary Plus { function plus(uint a, uint b) internal pure returns (uint) { return a + b; } }\ncontract Deployable { fallback() external {} }\n",
    ),
    (
        "shop/contracts/Shop.sol",
        "// SPDX-License-Identifier: MIT\npragma solidity ^0.8.20;\nimport {Sum} from '@acme/math/contracts/Sum.sol';\nimport {Prices} from './Prices.sol';\n\
         interface Door { function open() external; }\n\
         contract Shop is Sum { function price(uint a) external view returns (uint) { return Prices.of_(sum(a, 1)); } }\n",
    ),
    (
        "shop/contracts/Prices.sol",
        "// SPDX-License-Identifier: MIT\npragma solidity ^0.8.20;\ninterface Door { function close() external; }\n\
         library Prices { function of_(uint a) external pure returns (uint) { return a * 2; } }\n",
    ),
    ("shop/solc.json", r#"{ "settings": { "optimizer": { "enabled": true, "runs": 7 } } }"#),
];

#[test]
fn packages_are_imported_and_namesakes_are_kept_apart() {
    let home = Home::new();
    write(&home, &PACKAGES);
    let built = home.json(&["contract", "build", "shop", "--out", "made"]);
    let files: Vec<&str> =
        built["contracts"].as_array().unwrap().iter().map(|one| one["file"].as_str().unwrap()).collect();
    let expected =
        ["made/Prices.json", "made/Shop.json", "made/contracts/Prices/Door.json", "made/contracts/Shop/Door.json"];
    assert_eq!(files, expected);
    // Of packages, what can be deployed.
    let of_package = home.path("made/@acme/math/contracts/Plus");
    assert!(of_package.join("Deployable.bin").is_file() && !of_package.join("Plus.bin").exists());
    assert!(!home.path("made/@acme/math/contracts/Sum").exists());
    let input = built["compilations"][0]["input"].as_str().unwrap();
    let input: Value = serde_json::from_slice(&fs::read(home.path(input)).unwrap()).unwrap();
    assert_eq!(input["settings"]["optimizer"]["runs"], 7);
    // What solc was given can be given to it again, and comes to the same code.
    fs::write(home.path("again.json"), input.to_string()).unwrap();
    let again = home.json(&["contract", "build", "again.json", "--out", "again"]);
    // Warnings about packages are for their authors; in an input of its own every source is the author's.
    let warnings = |built: &Value| built["warnings"].as_array().unwrap().len();
    assert_eq!((warnings(&built), warnings(&again)), (1, 3), "{built}\n{again}");
    let code = |folder: &str| fs::read_to_string(home.path(folder).join("Shop.bin")).unwrap();
    assert!(code("made").contains("__$"), "a library's address is missing in it");
    assert_eq!(code("made"), code("again"));
}

#[test]
fn what_goes_wrong_gets_one_plain_line() {
    let home = Home::new();
    write(
        &home,
        &[
            ("broken/contracts/A.sol", "pragma solidity ^0.8.0;\ncontract A { function f() public { missing(); } }\n"),
            ("odd/contracts/A.sol", "pragma solidity newest;\n"),
            ("ancient/contracts/A.sol", "pragma solidity ^0.3.0;\n"),
            ("lost/contracts/A.sol", "import '@acme/nothing.sol';\n"),
            ("untested/contracts/A.sol", "// SPDX-License-Identifier: MIT\npragma solidity ^0.8.0;\ncontract A {}\n"),
            ("rust/Cargo.toml", ""),
            ("empty/notes.txt", ""),
        ],
    );
    let (said, line) = fails(&home, "entente contract build broken");
    assert!(said.contains("contracts/A.sol:2:36:") && said.contains("Undeclared identifier"), "{said}");
    assert!(
        line.starts_with("the contracts do not compile (solc 0.8.") && line.ends_with(", one error in them)"),
        "{line}"
    );
    let told = |arguments: &[&str]| {
        home.failure(&[&["contract"], arguments].concat()).replace(home.path("").to_str().unwrap(), "")
    };
    let understood = "`pragma solidity newest` is not understood; it looks like ^0.8.20, or >=0.6.0 <0.9.0";
    assert_eq!(told(&["build", "odd"]), format!("odd/contracts/A.sol: {understood}"));
    assert!(told(&["build", "ancient"]).ends_with("is allowed by all of: contracts/A.sol (^0.3.0)"));
    let lost = "contracts/A.sol imports \"@acme/nothing.sol\", which is neither below lost nor in a node_modules there or \
                above; is a package missing? install it there with npm";
    assert_eq!(told(&["build", "lost"]), lost);
    let nothing = "there is neither a Cargo.toml nor a file of Solidity here; give the folder of a contract";
    assert_eq!(told(&["build", "empty"]), format!("empty: {nothing}"));
    let untested =
        "untested: there is no test here; tests are contracts in test, with methods whose names begin with test";
    assert_eq!(told(&["test", "untested"]), untested);
    assert!(told(&["test", "empty"]).starts_with("empty: there is no file of Solidity here"));
    let rust = "rust: a Rust contract is tested by: cargo test --manifest-path rust/Cargo.toml";
    assert_eq!(told(&["test", "rust"]), rust);
    assert_eq!(
        told(&["build", "untested", "--target", "wasm"]),
        "--target wasm: Solidity to Wasm is not there yet; use --target evm"
    );
    assert_eq!(
        told(&["build", "rust", "--target", "evm"]),
        "--target evm: a Rust contract is compiled to wasm; leave --target out"
    );
    assert!(told(&["build", "missing.sol"]).starts_with("missing.sol: No such file"));
}

#[test]
fn a_compiler_that_cannot_be_had_is_told_in_one_line() {
    let home = Home::new();
    write(&home, &[("a/A.sol", "// SPDX-License-Identifier: MIT\npragma solidity ^0.8.0;\ncontract A {}\n")]);
    let without = |name: &str, value: &str| {
        let mut command = home.command(&["contract", "build", "a"]);
        command.env("ENTENTE_CACHE", home.path("cache")).env(name, value);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        text(&output.stderr)
    };
    let told = without("npm_config_registry", "http://127.0.0.1:9");
    assert!(
        told.contains(" cannot be fetched with npm: ECONNREFUSED: ") && told.contains("it is fetched once"),
        "{told}"
    );
    assert!(fs::read_dir(home.path("cache/solc")).unwrap().next().is_none(), "nothing half is left");
    let told = without("PATH", "");
    assert!(told.contains("cannot run `npm`: ") && told.contains("apt-get install nodejs npm"), "{told}");
}

/// A contract that fails in every way, and says something before.
const COUNTER: &str = r#"
// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;
contract Counter {
    struct Step { uint64 by; string why; }
    uint256 public count;
    string public name;
    event Counted(address indexed who, uint256 count, string why);
    error TooFar(uint256 wanted, uint256 limit);
    constructor(string memory name_, uint256[] memory begin) {
        require(bytes(name_).length > 0, "a counter has a name");
        name = name_;
        for (uint256 i = 0; i < begin.length; i++) count += begin[i];
    }
    function add(Step calldata step) external returns (uint256) {
        if (count + step.by > 100) revert TooFar(count + step.by, 100);
        count += step.by;
        emit Counted(msg.sender, count, step.why);
        return count;
    }
    function fail(uint256 how) external view returns (uint256) {
        if (how == 0) revert("by its own words");
        if (how == 1) assert(count > 1000);
        if (how == 2) return count / (how - 2);
        if (how == 3) return type(uint256).max + count;
        if (how == 4) revert();
        uint256[] memory none = new uint256[](0);
        return none[how];
    }
}
"#;

/// A home with a chain and an account, and the counter as it was built.
struct Author<'home> {
    home: &'home Home,
    chain: Chain<'home>,
}

impl<'home> Author<'home> {
    fn new(home: &'home Home) -> Self {
        write(home, &[("Counter.sol", COUNTER)]);
        home.json(&["contract", "build", "Counter.sol", "--out", "."]);
        let chain = home.chain(&[]);
        home.json(&["account", "new", "alice"]);
        Self { home, chain }
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.home.json(&[&["contract"], arguments, &["--rpc", &self.chain.rpc]].concat())
    }

    fn told(&self, arguments: &[&str]) -> String {
        self.home.failure(&[&["contract"], arguments, &["--rpc", &self.chain.rpc]].concat())
    }
}

#[test]
fn a_contract_is_deployed_sent_called_and_watched() {
    let home = Home::new();
    let author = Author::new(&home);
    let deployed = author.json(&["deploy", "Counter.json", "steps", "[40,2]", "--account", "alice"]);
    let address = deployed["address"].as_str().unwrap();
    assert!(deployed["gas_used"].as_u64().unwrap() > 100_000, "{deployed}");
    assert_eq!(author.json(&["call", address, "count"])["output"], json!(["42"]));
    assert_eq!(author.json(&["call", address, "name"])["output"], json!(["steps"]));
    let sent = author.json(&["send", address, "add", "(8,\"a walk\")", "--account", "alice"]);
    assert_eq!((&sent["status"], &sent["output"]), (&json!(0), &json!(["50"])));
    assert_eq!(sent["logs"][0]["event"], "Counted(address,uint256,string)");
    let watched =
        home.run(&["contract", "watch", address, "Counted", "--from", "1", "--count", "1", "--rpc", &author.chain.rpc]);
    let alice = home.json(&["account", "show", "alice"])["address"].as_str().unwrap().to_owned();
    let event = format!("Counted(who: {alice}, count: 50, why: a walk)");
    assert!(text(&watched.stdout).trim_end().ends_with(&event), "{}{}", text(&watched.stdout), text(&watched.stderr));

    // The code and the ABI as two files, and an ABI that is named.
    let again = author.json(&["deploy", "Counter.bin", "other", "[]", "--account", "alice"]);
    let other = again["address"].as_str().unwrap();
    assert_eq!(author.json(&["call", other, "name"])["output"], json!(["other"]));
    fs::remove_dir_all(home.path(".entente/contracts")).unwrap();
    assert!(author.told(&["call", other, "name"]).contains("--abi FILE"));
    for abi in ["Counter.abi", "Counter.json"] {
        assert_eq!(author.json(&["call", other, "name", "--abi", abi])["output"], json!(["other"]));
    }
}

#[test]
fn reverts_panics_and_errors_of_its_own_are_told_in_words() {
    let home = Home::new();
    let author = Author::new(&home);
    let refused = author.told(&["deploy", "Counter.json", "", "[]", "--account", "alice"]);
    assert!(refused.contains("failed: a counter has a name (status 22)"), "{refused}");
    let wrong = author.told(&["deploy", "Counter.json", "steps", "40", "--account", "alice"]);
    assert!(wrong.starts_with("Counter.json: argument 2 (begin: uint256[]): found \"40\""), "{wrong}");
    let deployed = author.json(&["deploy", "Counter.json", "steps", "[42]", "--account", "alice"]);
    let address = deployed["address"].as_str().unwrap();
    let far = author.told(&["send", address, "add", "(59,too far)", "--account", "alice"]);
    assert!(far.contains("but failed: TooFar(wanted: 101, limit: 100) (status 22)"), "{far}");
    let reasons = [
        ("0", "by its own words (status 22)"),
        ("1", "panic 0x01: an assertion failed (status 22)"),
        ("2", "panic 0x12: division by zero (status 22)"),
        ("3", "panic 0x11: an arithmetic operation overflowed (status 22)"),
        ("4", "the contract reverted; its reason is the output (status 22)"),
        ("5", "panic 0x32: an index out of bounds (status 22)"),
    ];
    for (how, reason) in reasons {
        let told = author.told(&["call", address, "fail", how]);
        assert_eq!(told, format!("fail(uint256) of {address} failed: {reason}"));
    }
    // Who has another ABI learns which error it was by its selector.
    write(
        &home,
        &[(
            "other.json",
            r#"[{"type": "function", "name": "add", "inputs": [{"name": "step", "type": "tuple",
        "components": [{"name": "by", "type": "uint64"}, {"name": "why", "type": "string"}]}], "outputs": []}]"#,
        )],
    );
    let unnamed = author.told(&["call", address, "add", "(59,x)", "--abi", "other.json"]);
    assert!(unnamed.contains("failed: an error that no ABI here names: 0x"), "{unnamed}");
}

#[test]
fn a_library_that_is_deployed_by_itself_is_linked() {
    let home = Home::new();
    write(&home, &PACKAGES);
    home.json(&["contract", "build", "shop", "--out", "made"]);
    let author = Author::new(&home);
    let unlinked = author.told(&["deploy", "made/Shop.json", "--account", "alice"]);
    assert!(unlinked.ends_with("name their addresses with --library Prices=ADDRESS"), "{unlinked}");
    let prices = author.json(&["deploy", "made/Prices.json", "--account", "alice"]);
    let library = format!("Prices={}", prices["address"].as_str().unwrap());
    let shop = author.json(&["deploy", "made/Shop.json", "--library", &library, "--account", "alice"]);
    assert_eq!(author.json(&["call", shop["address"].as_str().unwrap(), "price", "20"])["output"], json!(["42"]));
    let door = author.told(&["deploy", "made/contracts/Shop/Door.json", "--account", "alice"]);
    assert!(door.ends_with("an interface or an abstract contract cannot be deployed"), "{door}");
}

#[test]
fn a_new_contract_goes_onto_a_chain_as_printed() {
    let home = Home::new();
    let _stops = StopsChain(&home);
    let printed = home.succeeds("entente contract new bakery --lang solidity");
    let commands: Vec<&str> = printed.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    let [build, test, new, up, account, deploy] = commands.as_slice() else { panic!("{printed}") };
    for line in [build, test, new] {
        home.succeeds(line);
    }
    on_a_free_port(&home.path("chain"));
    let started = home.succeeds(up);
    let rpc = started.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    let with_rpc = |line: &str| format!("ENTENTE_RPC={rpc} {line}");
    home.succeeds(account);
    let deployed = home.succeeds(&with_rpc(deploy));
    let address = deployed.lines().next().unwrap();
    let claim = with_rpc(&format!("entente contract send {address} claim bakery --account alice"));
    assert!(home.succeeds(&claim).contains("event: Owned(owner: 0x"));
    let alice = home.json(&["account", "show", "alice"])["address"].as_str().unwrap().to_owned();
    assert_eq!(home.succeeds(&with_rpc(&format!("entente contract call {address} ownerOf bakery"))).trim_end(), alice);
    let (_, late) = fails(&home, &claim);
    assert!(late.contains(&format!("Taken(owner: {alice}) (status 22)")), "{late}");
}
