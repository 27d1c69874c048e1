//! A node that is none: a token's balances behind the node's JSON-RPC methods, in this process.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test binary uses its part")]

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use entente_types::{Address, Hash, Status, Suite, Transaction, hex_bytes};
use jsonrpsee::{
    RpcModule, SubscriptionCloseResponse, SubscriptionMessage, SubscriptionSink,
    core::{SubscriptionError, SubscriptionResult},
    server::{Server, ServerHandle},
    types::{ErrorObjectOwned, Params},
};
use serde_json::{Value, json};
use tokio::sync::broadcast;

pub const GENESIS: Hash = Hash([7; 32]);
pub const TOKEN: Address = Address([0xee; 20]);
pub const SUPPLY: u128 = 1_000_000_000;

pub struct Ledger {
    pub pool: VecDeque<(Hash, Transaction)>,
    pub pool_max: usize,
    pub nonces: HashSet<(Address, [u8; 32])>,
    pub balances: HashMap<Address, u128>,
    pub receipts: HashMap<Hash, Value>,
    pub height: u64,
    /// Blocks by which the height jumps with each block, to make transactions expire.
    pub stride: u64,
    pub paused: bool,
}

#[derive(Clone)]
pub struct Chain {
    pub ledger: Arc<Mutex<Ledger>>,
    blocks: broadcast::Sender<Value>,
}

fn refusal(code: i32, message: &str) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(code, message, None::<()>)
}

fn word(value: u128) -> Vec<u8> {
    [[0; 16], value.to_be_bytes()].concat()
}

impl Chain {
    pub fn start(pool_max: usize, block_time: Duration) -> Self {
        let ledger = Ledger {
            pool: VecDeque::new(),
            pool_max,
            nonces: HashSet::new(),
            balances: HashMap::new(),
            receipts: HashMap::new(),
            height: 10,
            stride: 1,
            paused: false,
        };
        let chain = Self { ledger: Arc::new(Mutex::new(ledger)), blocks: broadcast::channel(4096).0 };
        let blocks = chain.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(block_time).await;
                blocks.seal();
            }
        });
        chain
    }

    fn seal(&self) {
        let mut ledger = self.ledger.lock().unwrap();
        if ledger.paused || ledger.pool.is_empty() {
            return;
        }
        ledger.height += ledger.stride;
        let height = ledger.height;
        let block_hash = Hash([height as u8; 32]);
        let count = ledger.pool.len().min(500);
        let (mut hashes, mut failed) = (Vec::new(), Vec::new());
        for (hash, transaction) in ledger.pool.drain(..count).collect::<Vec<_>>() {
            let Transaction::Native(native) = transaction else { continue };
            if native.unsigned.valid_until <= height {
                continue;
            }
            let index = hashes.len();
            let (status, contract) =
                ledger.execute(&native.unsigned.sender, native.unsigned.to, &native.unsigned.input);
            if status != Status::Success {
                failed.push(index);
            }
            let receipt = json!({
                "transaction": hash, "block": height, "block_hash": block_hash, "index": index, "status": status.code(),
                "output": "0x", "gas_used": 21, "logs": [], "contract": contract, "surprise": true,
                "error": (status != Status::Success).then(|| json!({"code": "revert", "message": "too little"})),
            });
            ledger.receipts.insert(hash, receipt);
            hashes.push(hash);
        }
        let _ = self.blocks.send(json!({
            "number": height, "hash": block_hash, "timestamp_ms": 5, "state_root": Hash::ZERO, "gas_used": 7,
            "transactions": hashes, "failed": failed,
        }));
    }

    /// Ends all subscriptions to blocks with this error.
    pub fn end_subscriptions(&self, code: i32, message: &str) {
        let _ = self.blocks.send(json!({ "end": { "code": code, "message": message } }));
    }

    /// Serves the chain at a new port.
    pub async fn serve(&self) -> (SocketAddr, ServerHandle) {
        let server = Server::builder().build("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        (address, server.start(self.module()))
    }

    fn admit(&self, text: &str) -> Result<Hash, ErrorObjectOwned> {
        let bytes = hex_bytes::decode(text).map_err(|_| refusal(-32602, "no hexadecimal"))?;
        let transaction = Transaction::from_bytes(&bytes).map_err(|error| refusal(-32602, &error.to_string()))?;
        let hash = transaction.hash(Suite::Standard);
        let Transaction::Native(native) = &transaction else { return Err(refusal(-32602, "not native")) };
        let digest = native.unsigned.signing_digest(Suite::Standard, &GENESIS);
        let signer = Suite::Standard.signer(&digest, &native.signature).unwrap();
        assert_eq!(signer.address, native.unsigned.sender);
        let mut ledger = self.ledger.lock().unwrap();
        if native.unsigned.valid_until <= ledger.height || native.unsigned.valid_until > ledger.height + 1000 {
            return Err(refusal(-40020, "expired"));
        }
        if ledger.pool.len() >= ledger.pool_max {
            return Err(refusal(28, "the pool holds its limit of transactions; send again later"));
        }
        if !ledger.nonces.insert((native.unsigned.sender, native.unsigned.nonce)) {
            return Err(refusal(-40021, "known"));
        }
        ledger.pool.push_back((hash, transaction));
        Ok(hash)
    }

    fn status(&self) -> Value {
        let ledger = self.ledger.lock().unwrap();
        json!({
            "group": "group1", "chain_id": 1, "ethereum_chain_id": 20, "genesis_hash": GENESIS, "suite": "standard",
            "height": ledger.height, "hash": Hash::ZERO, "state_root": Hash::ZERO, "transaction_count": 3,
            "pool": {"transactions": ledger.pool.len(), "bytes": 5}, "role": "sealer", "healthy": true,
            "node_version": "0.1.0", "block_limits": {"gas": 7}, "later": [1],
        })
    }

    fn call(&self, input: &[u8]) -> Value {
        let ledger = self.ledger.lock().unwrap();
        let answer = |status: u32, output: &[u8]| json!({"status": status, "output": hex_bytes::encode(output), "gas_used": 9, "error": null});
        match input.get(..4) {
            Some([0x70, 0xa0, 0x82, 0x31]) => {
                let holder = Address::from_slice(&input[16..36]).unwrap();
                answer(0, &word(ledger.balances.get(&holder).copied().unwrap_or_default()))
            }
            Some([0x18, 0x16, 0x0d, 0xdd]) => answer(0, &word(SUPPLY)),
            _ => answer(22, &[]),
        }
    }

    fn module(&self) -> RpcModule<Chain> {
        let mut module = RpcModule::new(self.clone());
        let group = |params: &mut jsonrpsee::types::params::ParamsSequence<'_>| -> Result<(), ErrorObjectOwned> {
            let group: String = params.next()?;
            if group == "group1" { Ok(()) } else { Err(refusal(-40001, "GroupID does not exist: groups are group1")) }
        };
        let mut method = |name: &'static str, answer: fn(&Chain, Params<'_>) -> Result<Value, ErrorObjectOwned>| {
            module
                .register_method(name, move |params, chain, _| {
                    group(&mut params.sequence())?;
                    answer(chain, params)
                })
                .unwrap();
        };
        method("entente_status", |chain, _| Ok(chain.status()));
        method("entente_sendTransaction", |chain, params| {
            let (_, text): (Value, String) = params.parse()?;
            chain.admit(&text).map(|hash| json!(hash))
        });
        method("entente_sendTransactions", |chain, params| {
            let (_, texts): (Value, Vec<String>) = params.parse()?;
            let answer = |text: &String| match chain.admit(text) {
                Ok(hash) => json!({"hash": hash}),
                Err(error) => json!({"error": {"code": error.code(), "message": error.message()}}),
            };
            Ok(Value::Array(texts.iter().map(answer).collect()))
        });
        method("entente_receipt", |chain, params| {
            let (_, hash): (Value, Hash) = params.parse()?;
            Ok(chain.ledger.lock().unwrap().receipts.get(&hash).cloned().unwrap_or_default())
        });
        method("entente_call", |chain, params| {
            let (_, call): (Value, Value) = params.parse()?;
            Ok(chain.call(&hex_bytes::decode(call["input"].as_str().unwrap()).unwrap()))
        });
        method("entente_block", |_, params| {
            let (_, block, full): (Value, Value, bool) = params.parse()?;
            Ok(if block == "latest" && !full { json!({"hash": "malformed"}) } else { Value::Null })
        });
        module.register_method("entente_groups", |_, _, _| vec!["group1"]).unwrap();
        subscriptions(&mut module);
        module
    }
}

fn subscriptions(module: &mut RpcModule<Chain>) {
    module
        .register_subscription(
            "entente_subscribeBlocks",
            "entente_blocks",
            "entente_unsubscribeBlocks",
            |_, pending, chain, _| async move {
                let mut blocks = chain.blocks.subscribe();
                let Ok(sink) = pending.accept().await else { return SubscriptionCloseResponse::None };
                while let Ok(block) = blocks.recv().await {
                    if let Some(error) = block.get("end") {
                        let error = serde_json::value::to_raw_value(error).unwrap();
                        return SubscriptionCloseResponse::NotifErr(SubscriptionError::from_json(error));
                    }
                    if send(&sink, &block).await.is_err() {
                        break;
                    }
                }
                SubscriptionCloseResponse::None
            },
        )
        .unwrap();
    module
        .register_subscription(
            "entente_subscribeReceipt",
            "entente_receipts",
            "entente_unsubscribeReceipt",
            |params, pending, chain, _| async move {
                let (_, hash): (String, Hash) = params.parse()?;
                let sink = pending.accept().await?;
                loop {
                    let receipt = chain.ledger.lock().unwrap().receipts.get(&hash).cloned();
                    if let Some(receipt) = receipt {
                        send(&sink, &receipt).await?;
                        return SubscriptionResult::Ok(());
                    }
                    if sink.is_closed() {
                        return SubscriptionResult::Ok(());
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            },
        )
        .unwrap();
}

async fn send(sink: &SubscriptionSink, value: &Value) -> SubscriptionResult {
    let message = serde_json::value::to_raw_value(value).unwrap();
    sink.send(SubscriptionMessage::from(message)).await?;
    Ok(())
}

impl Ledger {
    fn execute(&mut self, sender: &Address, to: Option<Address>, input: &[u8]) -> (Status, Option<Address>) {
        if to.is_none() {
            if !input.starts_with(&[0xef, 0x57, 0x41]) {
                return (Status::Revert, None);
            }
            self.balances.insert(*sender, SUPPLY);
            return (Status::Success, Some(TOKEN));
        }
        let receiver = Address::from_slice(&input[16..36]).unwrap();
        let amount = u128::from_be_bytes(input[52..68].try_into().unwrap());
        let have = self.balances.get(sender).copied().unwrap_or_default();
        if have < amount {
            return (Status::Revert, None);
        }
        self.balances.insert(*sender, have - amount);
        *self.balances.entry(receiver).or_default() += amount;
        (Status::Success, None)
    }
}
