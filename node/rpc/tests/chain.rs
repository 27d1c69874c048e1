//! Deploying, sending, reading and proving, through the client and through plain HTTP.

mod common;

use common::{GAS, PATIENCE, TestNode, account, balance_of, deploy_token, hexadecimal, signed, transfer};
use entente_client::client::{BlockId, CallRequest};
use entente_crypto::{MerkleProof, MerkleSide, Suite};
use entente_types::{Address, Hash, Receipt};
use parity_scale_codec::DecodeAll;
use serde_json::{Value, json};

async fn whole_way(storage: &str) {
    let node = TestNode::start(storage).await;
    let (group, owner) = (node.group().await, account());
    assert_eq!(group.client().groups().await.unwrap(), ["group1"]);
    let status = group.status().await.unwrap();
    assert_eq!((status.height, status.transaction_count, status.healthy), (0, 0, true));
    assert_eq!((status.role.as_str(), status.ethereum_chain_id), ("sealer", 20200));
    assert_eq!(status.more["peers"], json!(0));
    assert_eq!(status.more["limits"]["block_transactions"], json!(5000));
    assert_eq!(status.genesis_hash, node.node.handle().groups()[0].genesis_hash());
    let token = deploy_token(&group, &owner).await;

    let to = Address([7; 20]);
    let receipt = group.send_and_wait(&owner, Some(token), transfer(to, 5), GAS, PATIENCE).await.unwrap();
    assert!(receipt.succeeded(), "{}", receipt.reason());
    assert_eq!(receipt.logs.len(), 1);
    let call = CallRequest { from: None, to: token, input: balance_of(to), gas: None };
    let answer = group.call(&call).await.unwrap();
    assert_eq!((answer.status, answer.output.last()), (0, Some(&5)));
    assert_eq!(group.call_many(&vec![call.clone(); 700]).await.unwrap(), vec![answer; 700]);
    // One block earlier there was nothing yet.
    let earlier: Value = group.client().request("entente_call", &("group1", &call, receipt.block - 1)).await.unwrap();
    assert_eq!(earlier["output"], json!(format!("0x{:064x}", 0)));

    // The same receipt by its hash, and at once where it is waited for.
    let hash = receipt.transaction;
    assert_eq!(group.receipt(&hash).await.unwrap().as_ref(), Some(&receipt));
    assert_eq!(group.wait_receipt(&hash, PATIENCE).await.unwrap(), receipt);
    let transaction = group.transaction_by_hash(&hash).await.unwrap().unwrap();
    assert_eq!((&transaction["hash"], &transaction["kind"]), (&json!(hash), &json!("native")));
    assert_eq!(transaction["sender"], json!(owner.address()));
    assert_eq!(transaction["nonce"].as_str().unwrap().len(), 66);
    assert_eq!(group.transaction_by_hash(&Hash([1; 32])).await.unwrap(), None);
    assert_eq!(group.receipt(&Hash([1; 32])).await.unwrap(), None);

    let latest = group.block(BlockId::Latest, false).await.unwrap().unwrap();
    assert_eq!((latest.hash, &latest.transactions), (receipt.block_hash, &vec![json!(hash)]));
    assert_eq!(group.block(BlockId::Hash(latest.hash), false).await.unwrap().as_ref(), Some(&latest));
    let full = group.block(BlockId::Number(receipt.block), true).await.unwrap().unwrap();
    assert_eq!((full.header, &full.transactions), (latest.header, &vec![transaction]));
    assert_eq!(group.block(BlockId::Number(99), false).await.unwrap(), None);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_deployed_sent_and_read_in_memory() {
    whole_way("memory").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_deployed_sent_and_read_on_rocksdb() {
    whole_way("rocksdb").await;
}

fn proof_of(answer: &Value) -> (MerkleProof, Vec<u8>, Hash) {
    let side = |text: &Value| if text == "left" { MerkleSide::Left } else { MerkleSide::Right };
    let hash = |text: &Value| text.as_str().unwrap().parse::<Hash>().unwrap();
    let path = answer["path"].as_array().unwrap().iter().map(|step| (side(&step[0]), hash(&step[1]))).collect();
    let leaf = entente_types::hex_bytes::decode(answer["leaf"].as_str().unwrap()).unwrap();
    (MerkleProof { path }, leaf, hash(&answer["root"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_and_receipts_are_proved_against_the_header() {
    let node = TestNode::start("memory").await;
    let (group, owner) = (node.group().await, account());
    let token = deploy_token(&group, &owner).await;
    let many: Vec<_> = (0..9).map(|amount| signed(&group, &owner, token, amount)).collect();
    let hashes: Vec<Hash> = group.send_many(&many).await.unwrap().into_iter().map(Result::unwrap).collect();
    for hash in hashes {
        let receipt = group.wait_receipt(&hash, PATIENCE).await.unwrap();
        let header = group.block(BlockId::Number(receipt.block), false).await.unwrap().unwrap().header;
        let (proof, leaf, root) = proof_of(&node.result("entente_transactionProof", json!([1, hash])).await);
        assert_eq!((leaf.as_slice(), root), (hash.as_bytes().as_slice(), header.transaction_root));
        assert_eq!(proof.root(Suite::Standard, &leaf), root);
        let (proof, leaf, root) = proof_of(&node.result("entente_receiptProof", json!([1, hash])).await);
        assert_eq!(root, header.receipt_root);
        assert_eq!(proof.root(Suite::Standard, &leaf), root);
        assert_eq!(Receipt::decode_all(&mut leaf.as_slice()).unwrap().gas_used, receipt.gas_used);
    }
    assert_eq!(node.result("entente_receiptProof", json!([1, Hash([1; 32])])).await, Value::Null);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fisco_bcos_methods_answer_in_its_shapes() {
    let node = TestNode::start("memory").await;
    let (group, owner) = (node.group().await, account());
    let token = deploy_token(&group, &owner).await;
    let sent = signed(&group, &owner, token, 5);
    // Its clients send digits without 0x.
    let hash = node.result("sendRawTransaction", json!([1, hexadecimal(&sent.bytes)[2..]])).await;
    assert_eq!(hash, json!(sent.hash));
    group.wait_receipt(&sent.hash, PATIENCE).await.unwrap();

    assert_eq!(node.result("getGroupList", json!([])).await, json!([1]));
    assert_eq!(node.result("getClientVersion", json!([])).await["Chain Id"], json!("1"));
    assert_eq!(node.result("getBlockNumber", json!([1])).await, json!("0x2"));
    assert_eq!(node.result("getBlockNumber", json!(["group1"])).await, json!("0x2"));
    assert_eq!(node.result("getPendingTxSize", json!([1])).await, json!("0x0"));
    let total = json!({ "blockNumber": "0x2", "txSum": "0x2" });
    assert_eq!(node.result("getTotalTransactionCount", json!([1])).await, total);
    assert_eq!(node.result("getSystemConfigByKey", json!([1, "tx_count_limit"])).await, json!("5000"));
    let sealers = node.result("getSealerList", json!([1])).await;
    assert_eq!(sealers[0].as_str().unwrap().len(), 128);

    let receipt = node.result("getTransactionReceipt", json!([1, hash])).await;
    assert_eq!((&receipt["status"], &receipt["blockNumber"]), (&json!("0x0"), &json!("0x2")));
    assert_eq!((&receipt["from"], &receipt["to"]), (&json!(owner.address()), &json!(token)));
    assert_eq!(receipt["contractAddress"], json!(Address::ZERO));
    assert_eq!(receipt["logsBloom"].as_str().unwrap().len(), 514);
    assert_eq!(receipt["logs"][0]["address"], json!(token));

    let block = node.result("getBlockByNumber", json!([1, "0x2", false])).await;
    assert_eq!(block["transactions"], json!([hash]));
    assert_eq!((&block["sealer"], &block["sealerList"]), (&json!("0x0"), &sealers));
    assert_eq!(block["hash"], receipt["blockHash"]);
    assert_eq!(block["signatureList"][0]["index"], json!("0x0"));
    assert_eq!(block["stateRoot"], receipt["root"]);
    let full = node.result("getBlockByHash", json!([1, block["hash"], true])).await;
    let transaction = node.result("getTransactionByHash", json!([1, hash])).await;
    assert_eq!(full["transactions"], json!([transaction]));
    assert_eq!((&transaction["blockLimit"], &transaction["groupId"]), (&json!("0x1f4"), &json!("0x1")));
    assert_eq!(node.result("getTransactionByBlockNumberAndIndex", json!([1, "0x2", "0x0"])).await, transaction);
    let by_hash = node.result("getTransactionByBlockHashAndIndex", json!([1, block["hash"], "0x0"])).await;
    assert_eq!(by_hash, transaction);
    assert_eq!(node.result("getBlockHashByNumber", json!([1, "2"])).await, block["hash"]);
    let header = node.result("getBlockHeaderByNumber", json!([1, 2, true])).await;
    assert_eq!((&header["signatureList"], header.get("transactions")), (&block["signatureList"], None));
    let header = node.result("getBlockHeaderByHash", json!([1, block["hash"]])).await;
    assert_eq!(header.get("signatureList"), None);

    let input = hexadecimal(&balance_of(Address([7; 20])));
    let call = json!([1, { "from": owner.address(), "to": token, "value": "0x0", "data": input }]);
    let answer = node.result("call", call).await;
    let output = format!("0x{:064x}", 5);
    assert_eq!(answer, json!({ "currentBlockNumber": "0x2", "output": output, "status": "0x0" }));
    node.stop().await;
}
