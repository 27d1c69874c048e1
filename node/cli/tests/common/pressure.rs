//! Transfers as fast as a node takes them, and what must be there of them afterwards.

use std::time::Duration;

use entente_client::{
    abi::deployment,
    client::{BlockId, BlockNotice, Client, Group, SignedTransaction},
    keystore::Account,
};
use entente_types::Address;

pub const BATCH: usize = 100;
const GAS: u64 = 1_000_000;

pub async fn connect(rpc: &str) -> Group {
    Client::connect(rpc).await.unwrap().group("group1").await.unwrap()
}

/// Deploys the token, all of which is the account's then.
pub async fn deploy(group: &Group, account: &Account) -> Address {
    let module = std::fs::read(super::token()).unwrap();
    let deployed = group.deploy(account, deployment(&module, &[]), 100_000_000, Duration::from_secs(30)).await;
    deployed.unwrap().address
}

/// A signed transfer of this much of the token, valid for so many blocks from this height.
pub fn transfer(
    group: &Group,
    account: &Account,
    token: Address,
    to: u64,
    amount: u8,
    until: u64,
) -> SignedTransaction {
    let mut receiver = [0x77; 20];
    receiver[..8].copy_from_slice(&to.to_be_bytes());
    let input = [&[0xa9, 0x05, 0x9c, 0xbb], [0; 12].as_slice(), &receiver, &[0; 31], &[amount]].concat();
    let unsigned = group.transaction_at(until, account.address(), Some(token), input, GAS).unwrap();
    group.sign(unsigned, account).unwrap()
}

/// Transfers of one token each to addresses that nobody has.
pub async fn batch(group: &Group, account: &Account, token: Address, height: u64) -> Vec<SignedTransaction> {
    let (group, account) = (group.clone(), account.clone());
    let one = move |to: u64| transfer(&group, &account, token, to, 1, height + 500);
    tokio::task::spawn_blocking(move || (0..BATCH as u64).map(one).collect()).await.unwrap()
}

/// Sends for as long as the node lives.
pub async fn send(group: Group, account: Account, token: Address, height: u64) {
    loop {
        let batch = batch(&group, &account, token, height).await;
        if group.send_many(&batch).await.is_err() {
            return;
        }
    }
}

/// Everything that was told is there, as it was told.
pub async fn check(group: &Group, told: &[BlockNotice]) {
    for notice in told {
        let block = group.block(BlockId::Number(notice.number), false).await.unwrap();
        let block = block.unwrap_or_else(|| panic!("block {} was told of and is gone", notice.number));
        assert_eq!((block.hash, block.header.state_root), (notice.hash, notice.state_root));
        let told: Vec<serde_json::Value> = notice.transactions.iter().map(|hash| hash.to_string().into()).collect();
        assert_eq!(block.transactions, told);
        for (index, hash) in notice.transactions.iter().enumerate() {
            // The block's hash covers its receipts; that they are found is asked of the ends and a sample.
            if index % 16 == 0 || index + 1 == notice.transactions.len() {
                let receipt = group.receipt(hash).await.unwrap().expect("a receipt that was told of");
                assert_eq!((receipt.block, receipt.index as usize, receipt.status), (notice.number, index, 0));
            }
        }
    }
}
