//! A node that is killed under load, again and again: what a client was told is committed is there afterwards.

mod common;

use std::time::Duration;

use common::{
    Home,
    pressure::{BATCH, check, connect, deploy, send},
};
use entente_client::keystore::Account;
use entente_types::Suite;
use tokio::time::{sleep, timeout};

/// The kills of the short form; ENTENTE_KILLS asks for more.
const KILLS: u32 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_survives_kills_under_load() {
    let kills = std::env::var("ENTENTE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let home = Home::new();
    let mut chain = home.chain(&[]);
    let account = Account::random(Suite::Standard).unwrap();
    let token = deploy(&connect(&chain.rpc).await, &account).await;
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
