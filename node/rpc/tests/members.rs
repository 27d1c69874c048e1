//! Members as clients see them, and changes of the sealer set as a light client follows them.

mod common;

use common::{PATIENCE, TestNode, account, genesis};
use entente_client::{
    abi::Abi,
    client::Group,
    keystore::Account,
    light::{LightClient, LightError},
};
use entente_testing::key;
use entente_types::{Address, CertificateError, Hash, Table};
use serde_json::{Value, json};

const MEMBERS: Address = Address([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 3]);

/// The node's identifier of the key with this number.
fn id(number: u8) -> String {
    key(number).public_key().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Calls the module in a block of its own: the code and the transaction.
async fn change(group: &Group, by: &Account, function: &str, arguments: &[String]) -> (i64, Hash) {
    let abi = Abi::from_json(&group.abi_json(&MEMBERS).await.unwrap().unwrap()).unwrap();
    let input = abi.encode_call(function, arguments).unwrap();
    let receipt = group.send_and_wait(by, Some(MEMBERS), input, 2_000_000, PATIENCE).await.unwrap();
    assert_eq!(receipt.status, 0, "{receipt:?}");
    (i64::from_be_bytes(receipt.output[24..].try_into().unwrap()), receipt.transaction)
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_follow_the_state() {
    let node = TestNode::start("memory").await;
    let (group, sealer) = (node.group().await, Account::new(key(200)));
    let list = async |method: &str| node.result(method, json!([1])).await;
    assert_eq!(list("getSealerList").await, json!([id(200)]));
    assert_eq!(list("getObserverList").await, json!([]));
    assert_eq!(list("getGroupPeers").await, json!([id(200)]));

    let stranger = account();
    assert_eq!(change(&group, &stranger, "addObserver", &[id(3)]).await.0, -50_000);
    assert_eq!(change(&group, &sealer, "addObserver", &[id(3)]).await.0, 1);
    assert_eq!(change(&group, &sealer, "addSealer", &[id(4)]).await.0, -51_110, "solo is one node");
    assert_eq!(list("getSealerList").await, json!([id(200)]));
    assert_eq!(list("getObserverList").await, json!([id(3)]));
    assert_eq!(list("getGroupPeers").await, json!([id(200), id(3)]));
    assert_eq!(change(&group, &sealer, "setWeight", &[id(200), "7".into()]).await.0, 1);
    let members = group.members().await.unwrap();
    assert_eq!((members.next_height, members.decided.len()), (5, 0));
    let [one] = members.sealers.as_slice() else { panic!("{members:?}") };
    assert_eq!((&one.node_id, one.account, one.weight), (&id(200), sealer.address(), Some(7)));
    let [one] = members.observers.as_slice() else { panic!("{members:?}") };
    assert_eq!((&one.node_id, one.account, one.weight), (&id(3), key(3).public_key().address(), None));
    let status = list("getConsensusStatus").await;
    assert_eq!((&status[0]["nodeNum"], &status[0]["sealer.0"]), (&json!(1), &json!(id(200))));
    let block = node.result("getBlockByNumber", json!([1, 2, false])).await;
    assert_eq!((&block["sealer"], &block["sealerList"]), (&json!("0x0"), &json!([id(200)])));
    assert_eq!(change(&group, &sealer, "remove", &[id(3)]).await.0, 1);
    assert_eq!(list("getObserverList").await, json!([]));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_light_client_follows_the_sealer_sets_with_nothing_but_the_genesis_document() {
    // What the blocks overwrote is dropped soon: the sets are there all the same.
    let node = TestNode::start_with("memory", |config| config.storage.history_blocks = 2).await;
    let (group, sealer) = (node.group().await, Account::new(key(200)));
    let weigh = async |weight: u32| {
        let (code, hash) = change(&group, &sealer, "setWeight", &[id(200), weight.to_string()]).await;
        assert_eq!(code, 1);
        hash
    };
    let mut hashes = vec![];
    for weight in [5, 6, 2, 9] {
        hashes.push(weigh(weight).await);
    }
    // Each block is proved with the changes below it: a quorum of its own set signed it.
    let mut fresh = vec![];
    for (count, hash) in hashes.iter().enumerate() {
        let mut light = LightClient::new(&genesis()).unwrap();
        let proof = group.transaction_proof(hash).await.unwrap().unwrap();
        assert_eq!(proof.sealer_changes.len(), count);
        let weights: Vec<u32> = proof.sealer_changes.iter().map(|change| change.sealers[0].weight).collect();
        assert_eq!(weights, [5, 6, 2, 9][..count]);
        assert_eq!(light.verify(&proof).unwrap().number, count as u64 + 1);
        let receipt = group.receipt_proof(hash).await.unwrap().unwrap();
        assert_eq!(light.verify(&receipt).unwrap().number, count as u64 + 1);
        // A change that is missing is missed.
        if count > 1 {
            let mut cut = proof.clone();
            cut.sealer_changes.remove(0);
            let refused = LightClient::new(&genesis()).unwrap().verify(&cut);
            assert!(refused.is_ok() || matches!(refused, Err(LightError::Certificate { .. })), "{refused:?}");
        }
        fresh.push(light);
    }
    // One who knows some is sent the rest.
    let mut light = fresh.remove(2);
    assert_eq!(light.known_below(), 3);
    let proof = group.clone().knowing(light.known_below()).transaction_proof(&hashes[3]).await.unwrap().unwrap();
    assert_eq!(proof.sealer_changes.len(), 1);
    assert_eq!(light.verify(&proof).unwrap().number, 4);
    let row = group.row_proof(&Table::Members, b"sealers", 4).await.unwrap().unwrap();
    assert_eq!((row.sealer_changes.len(), light.verify(&row).unwrap().number), (3, 4));

    // The changes by themselves, from any block on.
    let changes = group.sealer_changes(0).await.unwrap();
    assert_eq!(changes.iter().map(|change| change.block.header.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let mut light = LightClient::new(&genesis()).unwrap();
    changes.iter().for_each(|change| light.follow(change).unwrap());
    assert_eq!(light.known_below(), 5);
    assert_eq!(group.sealer_changes(3).await.unwrap(), changes[2..]);
    assert_eq!(group.sealer_changes(5).await.unwrap(), []);
    let shown = node.result("entente_sealerChanges", json!([1, 4])).await;
    assert_eq!((&shown[0]["block"], &shown[0]["from"]), (&json!(4), &json!(5)));
    assert_eq!(shown[0]["sealers"], json!([{ "node_id": id(200), "account": sealer.address(), "weight": 9 }]));
    assert_ne!(shown[0]["certificate"], Value::Null);
    // Someone else's set is not believed.
    let mut forged = changes[0].clone();
    forged.sealers[0].key = key(9).public_key();
    let refused = LightClient::new(&genesis()).unwrap().follow(&forged);
    assert!(matches!(refused, Err(LightError::Sealers { number: 1, .. })), "{refused:?}");
    let mut unsigned = changes[0].clone();
    unsigned.block.certificate.votes.clear();
    let refused = LightClient::new(&genesis()).unwrap().follow(&unsigned);
    let reason = CertificateError::Quorum { found: 0, quorum: 1 };
    assert_eq!(refused, Err(LightError::Certificate { number: 1, reason }));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_told_some_at_a_time() {
    let node = TestNode::start("memory").await;
    let (group, sealer) = (node.group().await, Account::new(key(200)));
    for weight in 2..22 {
        assert_eq!(change(&group, &sealer, "setWeight", &[id(200), weight.to_string()]).await.0, 1);
    }
    let mut light = LightClient::new(&genesis()).unwrap();
    let mut counts = vec![];
    loop {
        let changes = group.sealer_changes(light.known_below()).await.unwrap();
        counts.push(changes.len());
        if changes.is_empty() {
            break;
        }
        changes.iter().for_each(|change| light.follow(change).unwrap());
    }
    assert_eq!((counts, light.known_below()), (vec![16, 4, 0], 21));
    node.stop().await;
}
