//! One case of a fixture: what it begins with, what it runs and what must come of it.

use std::{collections::BTreeMap, sync::Arc};

use alloy_rlp::Header as RlpHeader;
use entente_crypto::{SecretKey, Suite};
use entente_host::EthereumEnvironment;
use entente_types::{Address, Amount, EthereumTransaction, EthereumTransactionError, Hash};
use ruint::aliases::U256;
use serde_json::Value;

use crate::ethereum::{Environment, State, difference, execute, logs_hash, sign_legacy};

/// The fork that is run.
const FORK: &str = "Osaka";

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    /// The ledger does not carry such a transaction.
    NotCarried(&'static str),
    /// Something came out otherwise than the case says.
    Failed(String),
}

/// One case.
pub(crate) struct Case {
    pub(crate) name: String,
    test: Arc<Value>,
    position: usize,
}

type Read<T> = Result<T, String>;

fn text<'a>(value: &'a Value, field: &str) -> Read<&'a str> {
    value.get(field).and_then(Value::as_str).ok_or_else(|| format!("no text `{field}`"))
}

fn bytes(text: &str) -> Read<Vec<u8>> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let digits = if digits.len() % 2 == 1 { format!("0{digits}") } else { digits.to_owned() };
    hex::decode(digits).map_err(|error| format!("{text}: {error}"))
}

fn number(text: &str) -> Read<U256> {
    U256::try_from_be_slice(&bytes(text)?).ok_or_else(|| format!("{text}: more than 256 bits"))
}

fn small(text: &str) -> Read<u64> {
    number(text)?.try_into().map_err(|_| format!("{text}: more than 64 bits"))
}

fn address(text: &str) -> Read<Address> {
    bytes(text)?.try_into().map(Address).map_err(|_| format!("{text} is no address"))
}

fn accounts(value: &Value) -> Read<BTreeMap<Address, State>> {
    let object = value.as_object().ok_or("the accounts are no object")?;
    let mut found = BTreeMap::new();
    for (name, account) in object {
        let mut storage = BTreeMap::new();
        for (key, value) in account.get("storage").and_then(Value::as_object).into_iter().flatten() {
            let value = number(value.as_str().ok_or("a slot is no text")?)?;
            if !value.is_zero() {
                storage.insert(number(key)?, value);
            }
        }
        let state = State {
            balance: number(text(account, "balance")?)?,
            nonce: small(text(account, "nonce")?)?,
            code: bytes(text(account, "code")?)?,
            storage,
        };
        found.insert(address(name)?, state);
    }
    Ok(found)
}

impl Case {
    /// The cases of a file for the fork that is run.
    pub(crate) fn read_all(file: &[u8]) -> Read<Vec<Self>> {
        let whole: Value = serde_json::from_slice(file).map_err(|error| error.to_string())?;
        let Value::Object(tests) = whole else { return Err("the file is no object".into()) };
        let mut cases = Vec::new();
        for (name, test) in tests {
            let count = test.get("post").and_then(|post| post.get(FORK)).and_then(Value::as_array).map_or(0, Vec::len);
            let test = Arc::new(test);
            for position in 0..count {
                cases.push(Self { name: format!("{name} {position}"), test: Arc::clone(&test), position });
            }
        }
        Ok(cases)
    }

    pub(crate) fn run(&self) -> Verdict {
        self.try_run().unwrap_or_else(Verdict::Failed)
    }

    fn post(&self) -> Read<&Value> {
        let posts = self.test.get("post").and_then(|post| post.get(FORK)).and_then(Value::as_array);
        posts.and_then(|posts| posts.get(self.position)).ok_or_else(|| "no such case".into())
    }

    fn try_run(&self) -> Read<Verdict> {
        let post = self.post()?;
        let must_be_refused = post.get("expectException").is_some();
        let raw = bytes(text(post, "txbytes")?)?;
        if raw.first() == Some(&3) {
            return Ok(Verdict::NotCarried("transactions with blobs are not carried"));
        }
        let before = accounts(self.test.get("pre").ok_or("no `pre`")?)?;
        let Some(transaction) = self.transaction(&raw)? else {
            let outcome = if must_be_refused { Verdict::Passed } else { Verdict::Failed("not read".into()) };
            return Ok(outcome);
        };
        let executed = execute(&self.environment()?, &before, vec![transaction])?;
        if executed.block.receipts.is_empty() != must_be_refused {
            let taken = executed.block.receipts.first();
            return Ok(Verdict::Failed(format!(
                "it must {}be refused: {taken:?}",
                if must_be_refused { "" } else { "not " }
            )));
        }
        let after = accounts(post.get("state").ok_or("no `state`")?)?;
        if let Some(difference) = difference(&executed.state, &after) {
            return Ok(Verdict::Failed(format!("{difference}; {:?}", executed.block.receipts.first())));
        }
        let logs = executed.block.receipts.first().map_or(&[][..], |receipt| &receipt.logs);
        let expected = text(post, "logs")?;
        let found = logs_hash(logs).to_string();
        if found.eq_ignore_ascii_case(expected) {
            Ok(Verdict::Passed)
        } else {
            Ok(Verdict::Failed("other logs".into()))
        }
    }

    /// The transaction. One that names no chain, which no ledger of ours takes, is signed again for the test's.
    fn transaction(&self, raw: &[u8]) -> Read<Option<EthereumTransaction>> {
        let Ok(transaction) = EthereumTransaction::new(raw.to_vec()) else { return Ok(None) };
        match transaction.payload() {
            Ok(_) => Ok(Some(transaction)),
            Err(EthereumTransactionError::ChainId) => {
                let secret = bytes(text(self.test.get("transaction").ok_or("no `transaction`")?, "secretKey")?)?;
                Ok(Some(sign_again(raw, &secret, self.chain_id()?)?))
            }
            Err(_) => Ok(None),
        }
    }

    fn chain_id(&self) -> Read<u64> {
        self.test.get("config").and_then(|config| config.get("chainid")).and_then(Value::as_str).map_or(Ok(1), small)
    }

    fn environment(&self) -> Read<Environment> {
        let env = self.test.get("env").ok_or("no `env`")?;
        let optional = |field| env.get(field).and_then(Value::as_str).map(number).transpose();
        let excess = optional("currentExcessBlobGas")?.unwrap_or_default();
        Ok(Environment {
            chain_id: self.chain_id()?,
            height: small(text(env, "currentNumber")?)?,
            timestamp_s: small(text(env, "currentTimestamp")?)?,
            gas_limit: small(text(env, "currentGasLimit")?)?,
            proposer: address(text(env, "currentCoinbase")?)?,
            ethereum: EthereumEnvironment {
                base_fee: Amount(optional("currentBaseFee")?.unwrap_or_default()),
                blob_base_fee: Amount(self.blob_base_fee(excess)?),
                prevrandao: Hash(optional("currentRandom")?.unwrap_or_default().to_be_bytes()),
            },
        })
    }

    /// The price of a blob's gas (EIP-4844).
    fn blob_base_fee(&self, excess: U256) -> Read<U256> {
        let schedule = self.test.get("config").and_then(|config| config.get("blobSchedule")?.get(FORK));
        let fraction = match schedule {
            Some(schedule) => number(text(schedule, "baseFeeUpdateFraction")?)?,
            None => U256::from(5_007_716),
        };
        let (mut sum, mut term, mut index) = (U256::ZERO, fraction, U256::from(1));
        while !term.is_zero() {
            sum = sum.saturating_add(term);
            term = term.saturating_mul(excess) / (fraction * index);
            index += U256::from(1);
        }
        Ok(sum / fraction)
    }
}

/// Signs a legacy transaction that names no chain again, with a chain's id.
fn sign_again(raw: &[u8], secret: &[u8], chain_id: u64) -> Read<EthereumTransaction> {
    let error = |error: alloy_rlp::Error| error.to_string();
    let mut rest = raw;
    let mut list = RlpHeader::decode_bytes(&mut rest, true).map_err(error)?;
    let whole = list;
    for _ in 0..6 {
        RlpHeader::decode_bytes(&mut list, false).map_err(error)?;
    }
    let secret: [u8; 32] = secret.try_into().map_err(|_| "a key has 32 bytes")?;
    let key = SecretKey::from_bytes(Suite::Standard, &secret).map_err(|error| error.to_string())?;
    sign_legacy(&whole[..whole.len() - list.len()], &key, chain_id)
}
