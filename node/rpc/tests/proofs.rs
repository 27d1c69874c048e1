//! Proofs from a real node, believed by whoever has nothing but the genesis document.

mod common;

use common::{PATIENCE, TestNode, account, deploy_token, genesis, signed};
use entente_client::{
    client::Group,
    light::{LightClient, LightError},
};
use entente_crypto::{MerkleProof, MerkleSide, Suite};
use entente_ledger::RowWrite;
use entente_state::{RowValue, Table};
use entente_types::{Claim, Genesis, Hash, Proof, RowClaim};
use parity_scale_codec::{Decode, Encode};
use serde_json::{Value, json};

/// Deploys the token and sends some transfers: their hashes.
async fn transfers(group: &Group, count: u64) -> Vec<Hash> {
    let owner = account();
    let token = deploy_token(group, &owner).await;
    let many: Vec<_> = (0..count).map(|amount| signed(group, &owner, token, amount)).collect();
    let hashes: Vec<Hash> = group.send_many(&many).await.unwrap().into_iter().map(Result::unwrap).collect();
    for hash in &hashes {
        group.wait_receipt(hash, PATIENCE).await.unwrap();
    }
    hashes
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_says_is_believed_with_nothing_but_the_genesis_document() {
    let node = TestNode::start("memory").await;
    let group = node.group().await;
    let mut light = LightClient::new(&genesis()).unwrap();
    let other = Genesis { chain_id: 2, ..genesis() };
    let mut stranger = LightClient::new(&other).unwrap();
    for hash in transfers(&group, 9).await {
        let receipt = group.receipt(&hash).await.unwrap().unwrap();
        let proof = group.transaction_proof(&hash).await.unwrap().unwrap();
        let proved = light.verify(&proof).unwrap();
        assert_eq!((proved.number, proved.hash), (receipt.block, receipt.block_hash));
        let Claim::Transaction(claim) = &proof.claim else { panic!("{proof:?}") };
        assert_eq!(claim.transaction.hash(Suite::Standard), hash);
        assert!(matches!(stranger.verify(&proof), Err(LightError::Group { .. })));
        // Even one who pretends that it is his group's: the signatures cover whose it is.
        let pretended = Proof { genesis: other.hash(), ..proof };
        assert!(matches!(stranger.verify(&pretended), Err(LightError::Certificate { .. })));

        let proof = group.receipt_proof(&hash).await.unwrap().unwrap();
        assert_eq!(light.verify(&proof).unwrap(), proved);
        let Claim::Receipt(claim) = &proof.claim else { panic!("{proof:?}") };
        assert_eq!(
            (claim.transaction, claim.receipt.gas_used, &claim.receipt.logs),
            (hash, receipt.gas_used, &receipt.logs)
        );
    }
    let nothing = Hash([1; 32]);
    assert_eq!(group.transaction_proof(&nothing).await.unwrap(), None);
    assert_eq!(group.receipt_proof(&nothing).await.unwrap(), None);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_that_a_block_wrote_is_proved_as_long_as_history_is_kept() {
    let node = TestNode::start_with("memory", |config| config.storage.history_blocks = 2).await;
    let group = node.group().await;
    let mut light = LightClient::new(&genesis()).unwrap();
    // Four blocks or more.
    for _ in 0..2 {
        transfers(&group, 3).await;
    }
    let ledger = node.node.handle().groups()[0].ledger().clone();
    let tip = ledger.tip().number;
    let (mut proved, mut contract) = (0, false);
    for number in tip - 1..=tip {
        for RowWrite { row, value } in ledger.writes(number).unwrap() {
            let table = Table::decode(&mut row.table()).unwrap();
            let proof = group.row_proof(&table, row.key(), number).await.unwrap().unwrap();
            assert_eq!(light.verify(&proof).unwrap().number, number);
            let Claim::Row(claim) = &proof.claim else { panic!("{proof:?}") };
            let RowClaim { path, .. } = claim;
            contract |= matches!(table, Table::Contract(_));
            assert_eq!(
                *claim,
                RowClaim { table, key: row.key().to_vec(), value: value.map(RowValue::into_vec), path: path.clone() }
            );
            proved += 1;
        }
    }
    assert!(proved > 3 && contract, "{proved} rows");
    assert_eq!(group.row_proof(&Table::Accounts, &[1; 20], tip).await.unwrap(), None);
    let pruned = tip - 2;
    let error = async |number: u64| node.error("entente_rowProof", json!([1, "accounts", "0x00", number])).await;
    let expected = format!(
        "what block {pruned} wrote is not kept any more; it is kept of blocks above {pruned} (`history_blocks`, `archive`)"
    );
    assert_eq!(error(pruned).await, (-40004, expected));
    assert_eq!(error(tip + 1).await, (-40004, format!("there is no block {} yet; the tip is {tip}", tip + 1)));
    let zero = "block 0 wrote what follows from the genesis document; nobody signs it";
    assert_eq!(error(0).await, (-40004, zero.to_owned()));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_altered_byte_of_a_nodes_proof_is_believed() {
    let node = TestNode::start("memory").await;
    let group = node.group().await;
    let hash = transfers(&group, 5).await[3];
    let number = group.receipt(&hash).await.unwrap().unwrap().block;
    let ledger = node.node.handle().groups()[0].ledger().clone();
    let writes = ledger.writes(number).unwrap();
    let row = &writes[writes.len() / 2].row;
    let table = Table::decode(&mut row.table()).unwrap();
    let proofs = [
        group.transaction_proof(&hash).await.unwrap(),
        group.receipt_proof(&hash).await.unwrap(),
        group.row_proof(&table, row.key(), number).await.unwrap(),
    ];
    for proof in proofs {
        let bytes = proof.unwrap().to_bytes();
        let mut light = LightClient::new(&genesis()).unwrap();
        assert!(light.verify(&Proof::from_bytes(&bytes).unwrap()).is_ok());
        for place in 0..bytes.len() {
            for flip in [1, 0x80] {
                let mut altered = bytes.clone();
                altered[place] ^= flip;
                if let Ok(altered) = Proof::from_bytes(&altered) {
                    assert!(light.verify(&altered).is_err(), "byte {place} of {} with {flip:#x}", bytes.len());
                }
            }
        }
    }
    node.stop().await;
}

/// The siblings of a level that stand on one side.
fn siblings(level: &Value, name: &str, side: MerkleSide) -> Vec<(MerkleSide, Hash)> {
    let digits = level[name].as_array().unwrap().iter().map(|digits| digits.as_str().unwrap());
    digits.map(|digits| (side, digits.parse().unwrap())).collect()
}

/// The root that FISCO BCOS's levels lead a leaf to, by our tree.
fn root(levels: &Value, leaf: &[u8]) -> Hash {
    let mut path = Vec::new();
    for level in levels.as_array().unwrap() {
        let before = path.len();
        path.extend(siblings(level, "left", MerkleSide::Left));
        path.extend(siblings(level, "right", MerkleSide::Right));
        assert_eq!(path.len(), before + 1, "{level}");
    }
    MerkleProof { path }.root(Suite::Standard, leaf)
}

#[tokio::test(flavor = "multi_thread")]
async fn fisco_bcos_methods_give_the_same_paths_in_its_shape() {
    let node = TestNode::start("memory").await;
    let group = node.group().await;
    for hash in transfers(&group, 6).await {
        let with_proof = node.result("getTransactionByHashWithProof", json!([1, hash])).await;
        assert_eq!(with_proof["transaction"], node.result("getTransactionByHash", json!([1, hash])).await);
        let block_hash = &with_proof["transaction"]["blockHash"];
        let block = node.result("getBlockByHash", json!([1, block_hash, false])).await;
        assert_eq!(json!(root(&with_proof["txProof"], hash.as_bytes())), block["transactionsRoot"]);
        let with_proof = node.result("getTransactionReceiptByHashWithProof", json!([1, hash])).await;
        assert_eq!(with_proof["transactionReceipt"], node.result("getTransactionReceipt", json!([1, hash])).await);
        let Claim::Receipt(claim) = group.receipt_proof(&hash).await.unwrap().unwrap().claim else { panic!("another") };
        assert_eq!(json!(root(&with_proof["receiptProof"], &claim.receipt.encode())), block["receiptsRoot"]);
    }
    for method in ["getTransactionByHashWithProof", "getTransactionReceiptByHashWithProof"] {
        assert_eq!(node.result(method, json!([1, Hash([1; 32])])).await, Value::Null);
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_beside_a_proof_is_what_the_proof_says() {
    let node = TestNode::start("memory").await;
    let group = node.group().await;
    let hash = transfers(&group, 3).await[1];
    let answer = node.result("entente_transactionProof", json!([1, hash])).await;
    let bytes = entente_types::hex_bytes::decode(answer["proof"].as_str().unwrap()).unwrap();
    let proof = Proof::from_bytes(&bytes).unwrap();
    assert_eq!(answer["header"], json!(proof.block.header));
    assert_eq!(answer["certificate"], json!(proof.block.certificate));
    assert_eq!(answer["block_hash"], json!(proof.block.header.hash(Suite::Standard)));
    assert_eq!((&answer["leaf"], &answer["transaction"]), (&json!(hash), &json!(hash)));
    let Claim::Transaction(claim) = proof.claim else { panic!("another") };
    assert_eq!(answer["path"], json!(claim.path.path));
    assert_eq!(answer["root"], json!(proof.block.header.transaction_root));
    node.stop().await;
}
