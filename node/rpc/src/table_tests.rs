//! Every method of the table, asked rightly and wrongly; what is asked rightly stands in the documentation.

use std::{collections::BTreeMap, path::PathBuf};

use entente_testing::key;
use entente_types::{Address, Amount, Hash, LegacyTransaction, Transaction, hex_bytes};
use serde_json::{Map, Value, json};

use crate::{
    arguments::Kind,
    ethereum::Form,
    frames::Frame,
    table::{Family, Handler, Method, methods},
    testing::{Local, token_deployment},
};

/// A chain that every example speaks of, and what stands for the names in braces.
struct Scene {
    local: Local,
    /// A chain for tests of contracts, which the methods for them speak of.
    dev: Local,
    names: Vec<(&'static str, String)>,
    /// A transaction that is sent once a subscription waits for it.
    nonce: u64,
    contract: Address,
}

fn transfer(amount: u8) -> Vec<u8> {
    let selector = entente_crypto::keccak256(b"transfer(address,uint256)").0;
    [&selector[..4], &[0; 12], &[7; 20], &[0; 31], &[amount]].concat()
}

impl Scene {
    async fn new() -> Self {
        let local = Local::new();
        let sender = key(1);
        let deployed = local.commit(local.signed(&sender, 1, None, token_deployment())).await;
        let contract = local.group().ledger().receipt(&deployed).unwrap().unwrap().receipt.contract.unwrap();
        let transaction = local.commit(local.signed(&sender, 2, Some(contract), transfer(25))).await;
        let tip = local.group().ledger().header(local.group().ledger().tip().number).unwrap().unwrap();
        let call = LegacyTransaction {
            nonce: 0,
            gas_price: Amount::ZERO,
            gas_limit: 1_000_000,
            to: Some(contract),
            value: Amount::ZERO,
            input: transfer(0),
        };
        let ethereum = call.sign(&sender, local.group().genesis().ethereum_chain_id).unwrap();
        let filter = local.ask("eth_newFilter", &json!([{ "address": contract }]).to_string()).await;
        let mut names = vec![
            ("transaction", transaction.to_string()),
            ("block_hash", local.group().ledger().tip().header_hash.to_string()),
            ("ethereum_block", tip.ethereum_hash.to_string()),
            ("signed_ethereum", hex_bytes::encode(ethereum.raw())),
            ("filter", filter["result"].as_str().unwrap().to_owned()),
            ("contract", contract.to_string()),
            ("sender", sender.public_key().address().to_string()),
            ("event", entente_crypto::keccak256(b"Transfer(address,address,uint256)").to_string()),
        ];
        for (name, nonce) in [("signed_1", 11), ("signed_2", 12), ("signed_3", 13), ("signed_4", 14)] {
            let signed: Transaction = local.signed(&sender, nonce, Some(contract), transfer(1));
            names.push((name, hex_bytes::encode(&signed.to_bytes())));
        }
        names.push(("known", crate::dev::well_known()[0].to_string()));
        Self { local, dev: Local::for_tests(), names, nonce: 100, contract }
    }

    /// The chain that a family's methods speak of.
    fn of(&self, family: Family) -> &Local {
        if family == Family::Dev { &self.dev } else { &self.local }
    }

    async fn stop(self) {
        self.local.stop().await;
        self.dev.stop().await;
    }

    /// The parameters of a method's example.
    fn parameters(&self, method: &Method) -> Vec<Value> {
        let mut text = method.example.to_owned();
        for (name, value) in &self.names {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}: {text}", method.name))
    }

    /// A block with one transfer.
    async fn block(&mut self) -> Hash {
        self.nonce += 1;
        self.local.commit(self.local.signed(&key(1), self.nonce, Some(self.contract), transfer(1))).await
    }

    /// What a method answers to its example, and what it tells afterwards.
    async fn example(&mut self, family: Family, method: &Method) -> (Value, Option<Value>) {
        let parameters = Value::from(self.parameters(method)).to_string();
        let answer = self.of(family).ask(method.name, &parameters).await;
        let Handler::Subscription { notification, .. } = method.handler else { return (answer, None) };
        if method.name != "entente_subscribeReceipt" {
            self.block().await;
        }
        // Those that began before it are told things, too.
        let mut told = Value::Null;
        while told["method"] != *notification {
            let next = tokio::time::timeout(std::time::Duration::from_secs(20), self.local.queue.recv()).await;
            let Frame::Text(text) = next.expect("in time").unwrap().frame else { panic!("no text") };
            told = serde_json::from_str(&text).unwrap();
        }
        (answer, Some(told["params"]["result"].take()))
    }
}

/// A value as it stands in the documentation: long texts and lists are cut.
fn shortened(value: &Value) -> Value {
    const CHARACTERS: usize = 70;
    match value {
        Value::String(text) if text.len() > CHARACTERS => {
            Value::String(text.chars().take(CHARACTERS - 4).chain(['…']).collect())
        }
        Value::Array(values) => values.iter().take(2).map(shortened).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), shortened(value))).collect(),
        other => other.clone(),
    }
}

/// What stays the same whenever the same is asked.
fn shape(value: &Value) -> Value {
    match value {
        Value::String(text) if text.starts_with("0x") => json!("hexadecimal"),
        Value::String(_) => json!("text"),
        Value::Number(_) => json!("number"),
        Value::Bool(_) => json!("boolean"),
        Value::Null => Value::Null,
        // How many there are depends on what else was in a block.
        Value::Array(values) => values.iter().take(1).map(shape).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), shape(value))).collect(),
    }
}

/// What is documented by an error.
const REFUSED: [&str; 2] = ["getPbftView", "eth_getProof"];

#[tokio::test]
async fn every_example_is_answered_in_the_shape_that_the_documentation_shows() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/examples.json");
    let mut scene = Scene::new().await;
    let mut found = BTreeMap::new();
    for (family, method) in methods() {
        let parameters: Value = scene.parameters(method).iter().map(shortened).collect();
        let (mut answer, told) = scene.example(family, method).await;
        assert_ne!(answer["error"]["code"], json!(-32602), "{}: {answer}", method.name);
        let refused = answer.get("error").is_some();
        assert_eq!(refused, REFUSED.contains(&method.name), "{}: {answer}", method.name);
        let outcome = if refused { "error" } else { "result" };
        let mut example = Map::new();
        example.insert("params".into(), parameters);
        example.insert(outcome.into(), shortened(&answer[outcome].take()));
        if let Some(told) = told {
            example.insert("notification".into(), shortened(&told));
        }
        found.insert(method.name, Value::from(example));
    }
    scene.stop().await;
    if std::env::var_os("ENTENTE_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
        return;
    }
    let recorded: BTreeMap<String, Value> = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(recorded.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
    for (method, example) in &found {
        assert_eq!(shape(example), shape(&recorded[*method]), "{method}: {example}");
    }
}

/// Values that are none of a kind.
fn wrong(kind: Kind) -> Vec<Value> {
    let long = "f".repeat(100_000);
    let common = vec![json!({ "colour": 1 }), json!(1.5), json!(-7), json!(true), json!("\u{7}\""), json!(long)];
    let without = |types: fn(&Value) -> bool| common.iter().filter(move |value| !types(value)).cloned();
    let address = Address::ZERO;
    match kind {
        Kind::Boolean => without(Value::is_boolean).chain([json!(0), json!("true"), json!([])]).collect(),
        Kind::Number | Kind::Block => {
            let more = [json!("+1"), json!("0x"), json!(""), json!("18446744073709551616"), json!(1e19), json!([])];
            common.into_iter().chain(more).collect()
        }
        Kind::Count => common.into_iter().chain([json!("-2"), json!("all"), json!([])]).collect(),
        Kind::Group => common.into_iter().chain([json!("Group 1"), json!("x".repeat(65)), json!([1])]).collect(),
        Kind::Hash => {
            let digits = |count| json!("1".repeat(count));
            common.into_iter().chain([digits(63), digits(65), digits(0), json!(0)]).collect()
        }
        Kind::Address | Kind::Table => {
            let digits = |count| json!("1".repeat(count));
            common.into_iter().chain([digits(39), digits(41), digits(0), json!(0)]).collect()
        }
        Kind::Transaction => {
            // Many digits are the transaction's own affair: they have a code of their own.
            let short = without(|value| value.as_str().is_some_and(|text| text.len() > 1000));
            short.chain([json!("0x0"), json!("0xzz"), json!(0)]).collect()
        }
        Kind::Transactions => {
            let many = json!(vec!["0x"; 10_001]);
            common.into_iter().chain([json!([5]), json!(["0x01", {}]), many]).collect()
        }
        Kind::Key => {
            let short = without(|value| value.as_str().is_some_and(|text| text.len() > 100_000));
            short.chain([json!("0x0"), json!("00".repeat(1025)), json!(0)]).collect()
        }
        Kind::Text => without(Value::is_string).chain([json!(0), json!([])]).collect(),
        Kind::Call => {
            let call = |field: &str, value: Value| {
                let mut call = json!({ "to": address, "input": "0x" });
                call[field] = value;
                call
            };
            let more = [
                json!({ "to": address }),
                json!({ "input": "0x" }),
                call("to", json!(5)),
                call("input", json!("0x0")),
                call("from", json!("0x12")),
                call("gas", json!(-1)),
                call("colour", json!(1)),
            ];
            common.into_iter().chain(more).collect()
        }
        Kind::FiscoCall => {
            let from = json!({ "from": "0x12", "to": address, "data": "0x" });
            let more = [json!({ "to": address }), json!({ "data": "0x" }), json!({ "to": address, "data": 5 }), from];
            common.into_iter().chain(more).collect()
        }
        Kind::Ethereum(form) => wrong_form(form, common),
        Kind::LogFilter | Kind::LogQuery => common.into_iter().chain(wrong_filters(address)).collect(),
    }
}

/// Values that are none of what Ethereum's tools write.
fn wrong_form(form: Form, common: Vec<Value>) -> Vec<Value> {
    let is_object = |value: &Value| value.is_object();
    let more = match form {
        Form::Block => vec![json!("0x"), json!("0x11112222333344445"), json!("newest"), json!({ "blockHash": "0x1" })],
        Form::Quantity => vec![json!("0x"), json!("0x11112222333344445"), json!("latest"), json!(5)],
        Form::Slot | Form::Amount => vec![json!("0x"), json!("00"), json!(5), json!([])],
        Form::Slots => vec![json!("0x0"), json!([5]), json!(vec!["0x0"; 1025])],
        Form::Data => vec![json!("0x1"), json!("00"), json!("0xzz"), json!(5)],
        Form::Percentiles => vec![json!([5, 4]), json!([101]), json!(vec![1; 101]), json!("0x1")],
        Form::Subject => vec![json!("Syncing"), json!("newheads"), json!(5)],
        Form::TypedData => vec![json!({ "types": {}, "primaryType": "Note" }), json!([]), json!("{}")],
        Form::Nothing => vec![json!({ "forking": {} }), json!([]), json!("{}")],
        // A field that they do not know, Ethereum's nodes pass over.
        Form::SubjectOptions => return common.into_iter().filter(|value| !is_object(value)).collect(),
        Form::Call | Form::Overrides | Form::BlockOverrides | Form::Tracing | Form::Sequence => {
            let more = match form {
                Form::Call => json!({ "input": "0x0" }),
                Form::Overrides => json!({ "0x12": {} }),
                Form::BlockOverrides => json!({ "number": 5 }),
                Form::Sequence => json!({ "blockStateCalls": [{ "calls": 5 }] }),
                _ => json!({ "tracer": "x" }),
            };
            return common.into_iter().filter(|value| !is_object(value)).chain([more, json!([])]).collect();
        }
        Form::Logs => {
            let both = json!({ "blockHash": Hash::ZERO, "toBlock": "0x1" });
            let filters = [
                json!({ "address": "0x12" }),
                json!({ "address": vec![Address::ZERO; 257] }),
                json!({ "topics": [1] }),
                json!({ "topics": [null, null, null, null, null] }),
                json!({ "fromBlock": 1 }),
                json!({ "toBlock": "x" }),
                json!({ "blockHash": "0x1" }),
                both,
            ];
            return common.into_iter().filter(|value| !is_object(value)).chain(filters).collect();
        }
    };
    common.into_iter().chain(more).collect()
}

/// Filters for logs that are none.
fn wrong_filters(address: Address) -> [Value; 10] {
    [
        json!({ "address": "0x12" }),
        json!({ "address": vec![address; 257] }),
        json!({ "topics": [1] }),
        json!({ "topics": [null, null, null, null, null] }),
        json!({ "topics": [vec![Hash::ZERO; 65]] }),
        json!({ "from": -1 }),
        json!({ "to": "x" }),
        json!({ "from": 9, "to": 1 }),
        json!({ "from_log": 1 }),
        json!({ "from": 1, "from_log": "x" }),
    ]
}

#[tokio::test]
async fn every_parameter_of_every_method_is_checked_and_named() {
    let scene = Scene::new().await;
    let mut checked = 0;
    for (family, method) in methods() {
        let good = scene.parameters(method);
        for (index, parameter) in method.parameters.iter().enumerate() {
            let named = format!("`{}", parameter.name);
            let mut cases: Vec<(Vec<Value>, bool)> = Vec::new();
            let mut with = |value: Value| {
                let mut values = good.clone();
                values.resize(values.len().max(index + 1), Value::Null);
                values[index] = value;
                cases.push((values, false));
            };
            wrong(parameter.kind).into_iter().for_each(&mut with);
            if !parameter.optional {
                with(Value::Null);
                cases.push((good[..index].to_vec(), true));
            }
            for (values, missing) in cases {
                let text = Value::from(values).to_string();
                let (code, message) = scene.of(family).error(method.name, &text).await;
                let context =
                    || format!("{}({}): {code} {message}", method.name, text.chars().take(300).collect::<String>());
                assert_eq!(code, -32602, "{}", context());
                assert!(message.contains(&named) && message.len() < 600, "{}", context());
                assert!(!missing || message.starts_with(&format!("{named}` is missing; expected ")), "{}", context());
                checked += 1;
            }
        }
        let signature: Vec<&str> = method.parameters.iter().map(|parameter| parameter.name).collect();
        for more in [1, 5000] {
            let mut values = vec![Value::Null; method.parameters.len() + more];
            values[..good.len()].clone_from_slice(&good);
            let (code, message) = scene.of(family).error(method.name, &Value::from(values).to_string()).await;
            let count = method.parameters.len() + more;
            let expected = format!("`params` has {count} values; {} takes [{}]", method.name, signature.join(", "));
            assert_eq!((code, message), (-32602, expected));
        }
        let (code, message) = scene.of(family).error(method.name, "{\"group\":1}").await;
        let expected =
            format!("`params` is {{\"group\":1}}; expected the list [{}] of {}", signature.join(", "), method.name);
        assert_eq!((code, message), (-32602, expected));
    }
    assert!(checked > 500, "{checked}");
    scene.stop().await;
}

#[tokio::test]
async fn what_is_well_formed_and_does_not_exist_has_its_own_code() {
    let scene = Scene::new().await;
    for (_, method) in methods() {
        let good = scene.parameters(method);
        let of_kind = |kind: Kind| method.parameters.iter().position(|parameter| parameter.kind == kind);
        let with = |index: usize, value: Value| {
            let mut values = good.clone();
            values[index] = value;
            Value::from(values).to_string()
        };
        if let Some(index) = of_kind(Kind::Group).filter(|_| method.name != "queryGroupStatus") {
            let (code, message) = scene.local.error(method.name, &with(index, json!("nowhere"))).await;
            assert_eq!(
                (code, message.as_str()),
                (-40001, "GroupID does not exist: groups are group1"),
                "{}",
                method.name
            );
        }
        if let Some(index) = method.parameters.iter().position(|parameter| parameter.name == "blockHash") {
            let (code, _) = scene.local.error(method.name, &with(index, json!(Hash::ZERO))).await;
            assert_eq!(code, -40003, "{}", method.name);
        }
        if let Some(index) = method.parameters.iter().position(|parameter| parameter.name == "blockNumber") {
            let (code, _) = scene.local.error(method.name, &with(index, json!(9_999))).await;
            assert_eq!(code, -40004, "{}", method.name);
        }
        if let Some(index) = of_kind(Kind::Transaction) {
            let (code, _) = scene.local.error(method.name, &with(index, json!("00".repeat(2 << 20)))).await;
            assert_eq!(code, 10005, "{}", method.name);
        }
    }
    scene.stop().await;
}
