//! The system configuration and ABIs, as clients see them.

mod common;

use common::{GAS, PATIENCE, TestNode, account, deploy_token, hexadecimal, selector, signed, token};
use entente_client::abi::Abi;
use entente_types::Address;
use serde_json::{Value, json};

const SYSTEM: &str = "0x0000000000000000000000000000000000001000";

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_shown_at_once_and_refuses_at_the_door() {
    let node = TestNode::start("memory").await;
    let (group, owner) = (node.group().await, account());
    let coin = deploy_token(&group, &owner).await;
    let of = |list: &Value, index: usize| {
        let entry = &list[index];
        (entry["key"].clone(), entry["value"].clone(), entry["from"].clone(), entry["in_force"].clone())
    };
    let before = node.result("entente_configuration", json!([1])).await;
    assert_eq!(before.as_array().unwrap().len(), 5);
    assert_eq!(of(&before, 1), (json!("tx_gas_limit"), json!("300000000"), json!(0), json!("300000000")));
    assert_eq!((&before[1]["unit"], &before[1]["minimum"]), (&json!("gas"), &json!(100_000)));

    let abi = Abi::from_json(&group.abi_json(&SYSTEM.parse().unwrap()).await.unwrap().unwrap()).unwrap();
    let set = |name: &str, value: &str| abi.encode_call("setValueByKey", &[name.into(), value.into()]).unwrap();
    let system = Some(SYSTEM.parse().unwrap());
    for (name, value) in [("tx_gas_limit", "2000000"), ("block_gas_limit", "3000000")] {
        let receipt = group.send_and_wait(&owner, system, set(name, value), 2_000_000, PATIENCE).await.unwrap();
        assert_eq!((receipt.status, receipt.output.last()), (0, Some(&1)));
    }
    let after = node.result("entente_configuration", json!(["group1"])).await;
    assert_eq!(of(&after, 1), (json!("tx_gas_limit"), json!("2000000"), json!(3), json!("2000000")));
    assert_eq!(node.result("getSystemConfigByKey", json!([1, "TX_GAS_LIMIT"])).await, json!("2000000"));
    assert_eq!(node.result("getSystemConfigByKey", json!([1, "protocol_version"])).await, json!("2"));
    let status = group.status().await.unwrap();
    assert_eq!(
        status.more["limits"],
        json!({ "block_gas": 3_000_000, "transaction_gas": 2_000_000, "block_transactions": 5000 })
    );

    // A transaction that would have been let in before.
    let (code, message) =
        node.error("entente_sendTransaction", json!([1, hexadecimal(&signed(&group, &owner, coin, 1).bytes)])).await;
    assert_eq!((code, message), (4, format!("`gas_limit` is {GAS}; this group allows 1 to 2000000")));
    // A call asks for nothing and gets what a transaction may have.
    let call = json!([1, { "to": coin, "input": hexadecimal(&selector("totalSupply()")) }]);
    assert_eq!(node.result("entente_call", call).await["status"], json!(0));

    // Each block shows the limit that ruled it.
    let transaction = group.transaction_at(500, owner.address(), system, set("tx_count_limit", "9"), 200_000).unwrap();
    let last = group.sign(transaction, &owner).unwrap();
    group.send(&last).await.unwrap();
    group.wait_receipt(&last.hash, PATIENCE).await.unwrap();
    for (number, gas) in [(1, 800_000_000_u64), (3, 800_000_000), (4, 3_000_000)] {
        let header = node.result("getBlockHeaderByNumber", json!([1, number])).await;
        assert_eq!(header["gasLimit"], json!(format!("{gas:#x}")), "{number}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abi_is_told_of_native_modules_and_of_what_contracts_carry() {
    let node = TestNode::start("memory").await;
    let (group, owner) = (node.group().await, account());
    let coin = deploy_token(&group, &owner).await;
    let native = node.result("entente_abi", json!([1, SYSTEM])).await;
    assert_eq!((&native[0]["name"], &native[1]["stateMutability"]), (&json!("setValueByKey"), &json!("view")));
    let carried = Abi::from_json(&group.abi_json(&coin).await.unwrap().unwrap()).unwrap();
    assert_eq!(carried, Abi::from_module(&token()).unwrap());
    for nobody in [owner.address(), Address([7; 20])] {
        assert_eq!(node.result("entente_abi", json!([1, nobody])).await, Value::Null);
    }
    // A stranger's section may hold anything: what is no list in JSON is not told.
    for (section, told) in [("[1,2]", json!([1, 2])), ("{}", Value::Null), ("[1", Value::Null), ("no", Value::Null)] {
        let text = format!(
            r#"(module (@custom "entente:abi" "{section}") (memory (export "memory") 1)
               (func (export "deploy") (result i32) (i32.const 0)) (func (export "call") (result i32) (i32.const 0)))"#
        );
        let module = wat::parse_str(text).unwrap();
        let input = entente_client::abi::deployment(&module, &[]);
        let address = group.deploy(&owner, input, GAS, PATIENCE).await.unwrap().address;
        assert_eq!(node.result("entente_abi", json!([1, address])).await, told, "{section}");
    }
    let (code, message) = node.error("entente_abi", json!([1, "0x1000"])).await;
    assert_eq!(code, -32602);
    assert!(message.contains("`address` is \"0x1000\"; expected an address"), "{message}");
    node.stop().await;
}
