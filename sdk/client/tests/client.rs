//! The client against a node that is none: answers, refusals, lost connections, subscriptions.

mod common;

use std::time::Duration;

use common::{Chain, TOKEN};
use entente_client::{
    abi::deployment,
    client::{
        BlockId, CallRequest, Client, ConnectError, DeployError, Group, NodeRefusal, QueryError, SendError,
        StreamError, WaitError,
    },
    keystore::Account,
};
use entente_types::{Address, Hash, Suite};

const PATIENCE: Duration = Duration::from_secs(20);

async fn group(chain: &Chain) -> (Group, jsonrpsee::server::ServerHandle) {
    let (address, handle) = chain.serve().await;
    let group = Client::connect(&format!("http://{address}")).await.unwrap().group("group1").await.unwrap();
    (group, handle)
}

fn chain() -> Chain {
    Chain::start(1000, Duration::from_millis(10))
}

fn account() -> Account {
    Account::random(Suite::Standard).unwrap()
}

#[tokio::test]
async fn a_contract_is_deployed_called_and_sent_to() {
    let chain = chain();
    let (group, _handle) = group(&chain).await;
    assert_eq!(group.client().groups().await.unwrap(), ["group1"]);
    let status = group.status().await.unwrap();
    assert_eq!((status.height, status.role.as_str(), status.pool.bytes), (10, "sealer", 5));
    assert_eq!(status.more["later"], serde_json::json!([1]));
    let (alice, mut blocks) = (account(), group.blocks().await.unwrap());
    let deployed = group.deploy(&alice, deployment(b"\0asm", &[]), 1_000_000, PATIENCE).await.unwrap();
    assert_eq!((deployed.address, deployed.receipt.block), (TOKEN, 11));
    let notice = blocks.next().await.unwrap();
    assert_eq!((notice.number, notice.transactions), (11, vec![deployed.receipt.transaction]));
    assert_eq!(group.receipt(&deployed.receipt.transaction).await.unwrap(), Some(deployed.receipt));
    let input = [&[0x70, 0xa0, 0x82, 0x31][..], &[0; 12], &alice.address().0].concat();
    let call = CallRequest { from: None, to: TOKEN, input, gas: None };
    let answer = group.call(&call).await.unwrap();
    assert!(answer.succeeded());
    assert_eq!(answer.output[16..], common::SUPPLY.to_be_bytes());
    assert_eq!(group.call_many(&vec![call; 1100]).await.unwrap(), vec![answer; 1100]);
}

#[tokio::test]
async fn what_a_node_refuses_keeps_its_code() {
    let chain = chain();
    let (group, _handle) = group(&chain).await;
    let error = group.client().group("group9").await.unwrap_err();
    assert_eq!(error.code(), Some(-40001));
    assert_eq!(
        error.to_string(),
        "the node refused entente_status: GroupID does not exist: groups are group1 (code -40001)"
    );
    let unknown: QueryError = group.client().request::<u64>("entente_unknown", &()).await.unwrap_err();
    assert_eq!(unknown.code(), Some(-32601));
    let alice = account();
    let expired = group.transaction_at(3, alice.address(), None, vec![], 1).unwrap();
    let expired = group.sign(expired, &alice).unwrap();
    assert_eq!(group.send(&expired).await.unwrap_err().code(), Some(-40020));
    let fresh = group.transaction(alice.address(), None, vec![], 1).await.unwrap();
    assert_eq!(fresh.valid_until, 610);
    let fresh = group.sign(fresh, &alice).unwrap();
    let results = group.send_many(&[fresh.clone(), expired, fresh.clone()]).await.unwrap();
    assert_eq!(results[0], Ok(fresh.hash));
    let codes: Vec<i32> = results[1..].iter().map(|result| result.as_ref().unwrap_err().code).collect();
    assert_eq!(codes, [-40020, -40021]);
    let mut heavy = fresh.clone();
    heavy.bytes = vec![0; 1 << 20];
    assert_eq!(group.send_many(&vec![heavy; 9]).await, Err(SendError::Message));
    let large = group.transaction(alice.address(), None, vec![0; 2 << 20], 1).await.unwrap_err();
    assert!(matches!(large, SendError::Input { found: 2_097_152, .. }));
}

#[tokio::test]
async fn a_failed_deployment_says_why() {
    let chain = chain();
    let (group, _handle) = group(&chain).await;
    let error = group.deploy(&account(), vec![1, 2, 3], 1_000_000, PATIENCE).await.unwrap_err();
    assert!(matches!(error, DeployError::Failed(_)));
    assert!(error.to_string().ends_with("in block 11 but the deployment failed: too little (status 22)"), "{error}");
}

#[tokio::test]
async fn answers_of_another_shape_are_told() {
    let chain = chain();
    let (group, _handle) = group(&chain).await;
    assert_eq!(group.block(BlockId::Number(4), true).await.unwrap(), None);
    assert_eq!(group.block(BlockId::Hash(Hash::ZERO), true).await.unwrap(), None);
    let error = group.block(BlockId::Latest, false).await.unwrap_err();
    assert!(matches!(&error, QueryError::Answer { method, .. } if method == "entente_block"), "{error}");
    assert!(error.to_string().contains("malformed"), "{error}");
}

#[tokio::test]
async fn a_receipt_is_waited_for_no_longer_than_asked() {
    let chain = chain();
    let (group, _handle) = group(&chain).await;
    let error = group.wait_receipt(&Hash([1; 32]), Duration::from_millis(100)).await.unwrap_err();
    assert!(matches!(error, WaitError::Timeout { .. }));
    assert!(error.to_string().contains("ask for its receipt later"), "{error}");
    // The connection is as good as before.
    assert!(group.status().await.is_ok());
}

#[tokio::test]
async fn a_lost_connection_is_told_by_all_that_wait() {
    let chain = chain();
    let (group, handle) = group(&chain).await;
    let mut blocks = group.blocks().await.unwrap();
    let waiting = {
        let group = group.clone();
        tokio::spawn(async move { group.wait_receipt(&Hash([1; 32]), PATIENCE).await })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    handle.stop().unwrap();
    handle.stopped().await;
    assert!(matches!(blocks.next().await, Err(StreamError::Lost { .. })));
    let error = waiting.await.unwrap().unwrap_err();
    assert!(matches!(error, WaitError::Query(QueryError::Lost { .. })), "{error}");
    let error = group.status().await.unwrap_err();
    assert!(matches!(error, QueryError::Lost { .. }), "{error}");
    assert!(error.to_string().ends_with("is the node still running?"), "{error}");
    assert!(!group.client().is_connected());
    let again = Client::connect(group.client().url()).await.unwrap_err();
    assert!(matches!(again, ConnectError::Unreachable { .. }), "{again}");
}

#[tokio::test]
async fn a_subscription_that_the_node_ends_tells_the_nodes_reason() {
    let chain = chain();
    let (group, _handle) = group(&chain).await;
    let mut streams = [group.blocks().await.unwrap(), group.blocks().await.unwrap()];
    let reason = "more than 64 blocks behind, 7 were missed; the subscription has ended: subscribe again";
    chain.end_subscriptions(-32010, reason);
    for stream in &mut streams {
        let error = stream.next().await.unwrap_err();
        let StreamError::Ended { refusal, .. } = &error else { panic!("{error}") };
        assert_eq!(*refusal, NodeRefusal::new(-32010, reason));
        assert!(error.to_string().contains(" ended the subscription: more than 64 blocks behind"), "{error}");
    }
    // The connection is as good as before.
    let mut again = group.blocks().await.unwrap();
    group.deploy(&account(), deployment(b"\0asm", &[]), 1_000_000, PATIENCE).await.unwrap();
    assert_eq!(again.next().await.unwrap().number, 11);
}

#[test]
fn a_node_that_has_no_room_now_is_asked_again_and_no_other() {
    // The pool's two limits, the node's own, and its server's: docs/rpc.md.
    for (code, later) in [(28, true), (10_006, true), (-40_011, true), (-32_009, true), (15, false), (-32_603, false)] {
        assert_eq!(NodeRefusal::new(code, "").is_flow_control(), later, "{code}");
    }
}

#[tokio::test]
async fn somebody_who_is_no_node_is_told_apart() {
    use tokio::io::AsyncWriteExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"SSH-2.0-nothing\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    });
    let error = Client::connect(&address.to_string()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Handshake { .. }), "{error}");
}

#[test]
fn call_requests_leave_out_what_is_not_said() {
    let call = CallRequest { from: None, to: Address::ZERO, input: vec![1], gas: None };
    let expected = serde_json::json!({"to": Address::ZERO, "input": "0x01"});
    assert_eq!(serde_json::to_value(call).unwrap(), expected);
}
