//! A node that is killed under load, again and again: what a client was told is committed is there afterwards.

mod common;

use std::time::Duration;

use common::{Home, token};
use entente_client::{
    abi::deployment,
    client::{BlockId, BlockNotice, Client, Group, SignedTransaction},
    keystore::Account,
};
use entente_types::{Address, Suite};
use tokio::time::{sleep, timeout};

/// The kills of the short form; ENTENTE_KILLS asks for more.
const KILLS: u32 = 10;
const BATCH: usize = 100;
const GAS: u64 = 1_000_000;

async fn connect(rpc: &str) -> Group {
    Client::connect(rpc).await.unwrap().group("group1").await.unwrap()
}

/// Transfers of one token each to addresses that nobody has.
async fn batch(group: &Group, account: &Account, token: Address, height: u64) -> Vec<SignedTransaction> {
    let (group, account) = (group.clone(), account.clone());
    let signing = move || {
        let one = |index: u64| {
            let mut to = [0x77; 20];
            to[..8].copy_from_slice(&index.to_be_bytes());
            let input = [&[0xa9, 0x05, 0x9c, 0xbb], [0; 12].as_slice(), &to, &[0; 31], &[1]].concat();
            let unsigned = group.transaction_at(height + 500, account.address(), Some(token), input, GAS).unwrap();
            group.sign(unsigned, &account).unwrap()
        };
        (0..BATCH as u64).map(one).collect()
    };
    tokio::task::spawn_blocking(signing).await.unwrap()
}

/// Sends for as long as the node lives.
async fn send(group: Group, account: Account, token: Address, height: u64) {
    loop {
        let batch = batch(&group, &account, token, height).await;
        if group.send_many(&batch).await.is_err() {
            return;
        }
    }
}

/// Everything that was told is there, as it was told.
async fn check(group: &Group, told: &[BlockNotice]) {
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

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_survives_kills_under_load() {
    let kills = std::env::var("ENTENTE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let home = Home::new();
    let mut chain = home.chain(&[]);
    let account = Account::random(Suite::Standard).unwrap();
    let module = std::fs::read(token()).unwrap();
    let group = connect(&chain.rpc).await;
    let deployed = group.deploy(&account, deployment(&module, &[]), 100_000_000, Duration::from_secs(30)).await;
    let token = deployed.unwrap().address;
    let mut transactions = 0;
    for _ in 0..kills {
        let group = connect(&chain.rpc).await;
        let height = group.status().await.unwrap().height;
        let mut blocks = group.blocks().await.unwrap();
        let sending = tokio::spawn(send(connect(&chain.rpc).await, account.clone(), token, height));
        let mut told = vec![timeout(Duration::from_secs(30), blocks.next()).await.unwrap().unwrap()];
        let listening = tokio::spawn(async move {
            while let Ok(notice) = blocks.next().await {
                told.push(notice);
            }
            told
        });
        // At any instant of a block, of a flush, of a start.
        let random =
            u64::from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos());
        sleep(Duration::from_micros(random % 900_000)).await;
        chain.kill();
        let told = listening.await.unwrap();
        sending.await.unwrap();

        let verified = home.json(&["verify", "--dir", "chain/node0"]);
        assert_eq!((&verified["ok"], &verified["state_root"]), (&true.into(), &verified["recomputed_root"]));
        chain.up();
        let group = connect(&chain.rpc).await;
        check(&group, &told).await;
        assert!(group.status().await.unwrap().height >= told.last().unwrap().number);
        transactions += told.iter().map(|notice| notice.transactions.len()).sum::<usize>();
    }
    assert!(transactions > BATCH * kills as usize, "{transactions} transactions were told of: no load");
    println!("{kills} kills, {transactions} transactions told of, none lost");
}
