//! What the token's holders have.

use std::time::{Duration, Instant};

use alloy_primitives::U256;
use entente_types::Address;

use super::{
    batch::Signer,
    plan::{LoadError, Phase, ProgressCallback, SupplyCheck},
    tell,
    transfers::{TOTAL_SUPPLY_INPUT, balance_input},
};
use crate::{
    client::{CallAnswer, CallRequest},
    keystore::Account,
    limits::BATCH_CALLS_MAX,
};

/// How often balances are read at most, and how long a node is given to come to rest between.
const READINGS_MAX: u32 = 10;
const SETTLING: Duration = Duration::from_millis(500);

/// What each account gets: the deployer keeps one share.
pub(super) async fn share(signer: &Signer, accounts: u32) -> Result<u128, LoadError> {
    let request = call(signer, balance_input(&signer.deployer.address()));
    let balance = number("balanceOf", &signer.group.call(&request).await?)?;
    let share = balance / U256::from(u64::from(accounts) + 1);
    if share.is_zero() {
        return Err(LoadError::Supply { balance: balance.to_string(), accounts });
    }
    Ok(u128::try_from(share).unwrap_or(u128::MAX))
}

/// Compares the sum of all balances with the total supply, at one height: where the node went on while they were read,
/// sums do not fit and they are read again.
pub(super) async fn check(signer: &Signer, progress: &ProgressCallback) -> Result<SupplyCheck, LoadError> {
    let mut reading = 1;
    loop {
        let before = signer.group.status().await?.height;
        let found = read(signer, progress).await?;
        if found.ok || reading == READINGS_MAX || signer.group.status().await?.height == before {
            return Ok(found);
        }
        reading += 1;
        tokio::time::sleep(SETTLING).await;
    }
}

async fn read(signer: &Signer, progress: &ProgressCallback) -> Result<SupplyCheck, LoadError> {
    let started = Instant::now();
    let request = call(signer, TOTAL_SUPPLY_INPUT.to_vec());
    let total_supply = number("totalSupply", &signer.group.call(&request).await?)?;
    let holders: Vec<Address> =
        std::iter::once(&signer.deployer).chain(&signer.accounts).map(Account::address).collect();
    let mut balances = U256::ZERO;
    let mut asked = 0;
    for chunk in holders.chunks(BATCH_CALLS_MAX) {
        let requests: Vec<CallRequest> = chunk.iter().map(|holder| call(signer, balance_input(holder))).collect();
        for answer in signer.group.call_many(&requests).await? {
            balances = balances.saturating_add(number("balanceOf", &answer)?);
        }
        asked += chunk.len() as u64;
        tell(progress, Phase::Checking, asked, Some(holders.len() as u64), started);
    }
    Ok(SupplyCheck {
        total_supply: total_supply.to_string(),
        balances: balances.to_string(),
        holders: holders.len() as u64,
        ok: balances == total_supply,
    })
}

fn call(signer: &Signer, input: Vec<u8>) -> CallRequest {
    CallRequest { from: None, to: signer.token, input, gas: None }
}

fn number(method: &'static str, answer: &CallAnswer) -> Result<U256, LoadError> {
    if !answer.succeeded() {
        return Err(LoadError::Token { method, found: answer.reason() });
    }
    match <[u8; 32]>::try_from(answer.output.as_slice()) {
        Ok(bytes) => Ok(U256::from_be_bytes(bytes)),
        Err(_) => Err(LoadError::Token { method, found: format!("{} bytes", answer.output.len()) }),
    }
}
