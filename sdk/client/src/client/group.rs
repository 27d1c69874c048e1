//! One group of a node: its transactions, receipts, blocks and calls.

use std::time::Duration;

use entente_types::{
    Address, Amount, BlockNumber, Bytes, GroupId, Hash, Proof, SealerChange, Suite, Table, Transaction,
    UnsignedTransaction, Version, hex_bytes, limits::INPUT_BYTES_MAX,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    BlockAnswer, BlockId, BlockStream, CallAnswer, CallError, CallRequest, Client, DeployError, ExecuteError,
    LogFilter, LogNotice, LogSubscription, MembersAnswer, NodeRefusal, NodeStatus, QueryError, ReceiptAnswer,
    SendError, WaitError, raw, subscriptions, unreadable,
};
use crate::{
    keystore::Account,
    limits::{BATCH_CALLS_MAX, BATCH_TRANSACTIONS_MAX, FOUND_CHARACTERS_MAX, MESSAGE_BYTES_MAX, shown},
};

/// For how many blocks a transaction is valid, unless it says otherwise. The ledger allows 1,000; the rest is for
/// nodes that lag behind the one that was asked for its height.
pub const VALIDITY_BLOCKS: u64 = 600;

/// A group, as one node sees it. Clones share the connection.
#[derive(Debug, Clone)]
pub struct Group {
    client: Client,
    id: GroupId,
    chain_id: u64,
    genesis_hash: Hash,
    suite: Suite,
    /// The height below which the changes of the sealer set are known.
    known: BlockNumber,
}

/// A signed transaction, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTransaction {
    /// Its hash.
    pub hash: Hash,
    /// Its SCALE encoding.
    pub bytes: Vec<u8>,
}

/// A contract that was deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// Where it is.
    pub address: Address,
    /// The deployment's receipt.
    pub receipt: ReceiptAnswer,
}

/// One answer of `entente_sendTransactions`.
#[derive(Deserialize)]
struct SendAnswer {
    hash: Option<Hash>,
    error: Option<RefusalAnswer>,
}

/// What is used of a proof's answer: the rest is for people, and is not what is verified.
#[derive(Deserialize)]
struct ProofAnswer {
    #[serde(with = "hex_bytes")]
    proof: Vec<u8>,
}

/// What is used of a change's answer.
#[derive(Deserialize)]
struct ChangeAnswer {
    #[serde(with = "hex_bytes")]
    change: Vec<u8>,
}

/// The error in it, for one transaction of many.
#[derive(Debug, Deserialize)]
pub(crate) struct RefusalAnswer {
    code: i32,
    #[serde(default)]
    message: String,
}

impl From<RefusalAnswer> for NodeRefusal {
    fn from(answer: RefusalAnswer) -> Self {
        Self::new(answer.code, &answer.message)
    }
}

impl Group {
    pub(super) async fn open(client: Client, name: &str) -> Result<Self, QueryError> {
        let status: NodeStatus = client.request("entente_status", &(name,)).await?;
        let id = GroupId::new(&status.group)
            .map_err(|error| QueryError::Answer { method: "entente_status".to_owned(), reason: error.to_string() })?;
        let NodeStatus { chain_id, genesis_hash, suite, .. } = status;
        Ok(Self { client, id, chain_id, genesis_hash, suite, known: 0 })
    }

    /// The same group, for one who knows the changes of its sealer set in the blocks below a height: its proofs bear
    /// those from there on alone.
    #[must_use]
    pub const fn knowing(mut self, height: BlockNumber) -> Self {
        self.known = height;
        self
    }

    /// The connection.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The group's name.
    pub const fn id(&self) -> &GroupId {
        &self.id
    }

    /// What the group's signatures cover.
    pub const fn genesis_hash(&self) -> Hash {
        self.genesis_hash
    }

    /// The group's algorithms.
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// How the node and the group are.
    pub async fn status(&self) -> Result<NodeStatus, QueryError> {
        self.client.request("entente_status", &(&self.id,)).await
    }

    /// The value of a key of the system configuration that was decided last, such as `tx_count_limit`.
    pub async fn configuration(&self, key: &str) -> Result<u64, QueryError> {
        let method = "getSystemConfigByKey";
        let value: String = self.client.request(method, &(&self.id, key)).await?;
        value.parse().map_err(|_| {
            let reason = format!("{:?} is no number", shown(&value, FOUND_CHARACTERS_MAX));
            QueryError::Answer { method: method.to_owned(), reason }
        })
    }

    /// A transaction that calls `to`, or deploys where that is nothing; its nonce is random, and it is valid for
    /// [`VALIDITY_BLOCKS`] from the node's height.
    pub async fn transaction(
        &self,
        sender: Address,
        to: Option<Address>,
        input: Vec<u8>,
        gas_limit: u64,
    ) -> Result<UnsignedTransaction, SendError> {
        let mut transaction = self.transaction_at(0, sender, to, input, gas_limit)?;
        transaction.valid_until = self.status().await?.height.saturating_add(VALIDITY_BLOCKS);
        Ok(transaction)
    }

    /// The same with nobody asked: valid until this block.
    pub fn transaction_at(
        &self,
        valid_until: BlockNumber,
        sender: Address,
        to: Option<Address>,
        input: Vec<u8>,
        gas_limit: u64,
    ) -> Result<UnsignedTransaction, SendError> {
        let found = input.len();
        let input = Bytes::new(input).ok_or(SendError::Input { found, max: INPUT_BYTES_MAX })?;
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce).map_err(|error| SendError::Randomness(error.to_string()))?;
        Ok(UnsignedTransaction {
            version: Version,
            chain_id: self.chain_id,
            group_id: self.id.clone(),
            sender,
            nonce,
            valid_until,
            gas_limit,
            to,
            value: Amount::ZERO,
            input,
            extra: Bytes::default(),
        })
    }

    /// Signs a transaction for this group.
    pub fn sign(&self, transaction: UnsignedTransaction, account: &Account) -> Result<SignedTransaction, SendError> {
        if account.key().suite() != self.suite {
            let name = |suite: Suite| format!("{suite:?}").to_lowercase();
            return Err(SendError::Suite { account: name(account.key().suite()), group: name(self.suite) });
        }
        let signed: Transaction = transaction.sign(&self.genesis_hash, account.key());
        Ok(SignedTransaction { hash: signed.hash(self.suite), bytes: signed.to_bytes() })
    }

    /// Sends a transaction; it is then in the node's pool.
    pub async fn send(&self, transaction: &SignedTransaction) -> Result<Hash, SendError> {
        let text = hex_bytes::encode(&transaction.bytes);
        let hash = self.client.request("entente_sendTransaction", &(&self.id, text)).await?;
        same_hash(hash, transaction.hash)
    }

    /// Sends many in one request. Each is admitted or refused by itself.
    pub async fn send_many(
        &self,
        transactions: &[SignedTransaction],
    ) -> Result<Vec<Result<Hash, NodeRefusal>>, SendError> {
        if transactions.len() > BATCH_TRANSACTIONS_MAX {
            return Err(SendError::Batch(transactions.len()));
        }
        // Two digits a byte, quotes and a comma; a larger message would end the connection.
        let bytes: usize = transactions.iter().map(|transaction| transaction.bytes.len() * 2 + 8).sum();
        if bytes + 1024 > MESSAGE_BYTES_MAX as usize {
            return Err(SendError::Message);
        }
        let method = "entente_sendTransactions";
        let texts: Vec<String> = transactions.iter().map(|transaction| hex_bytes::encode(&transaction.bytes)).collect();
        let answers: Vec<SendAnswer> = self.client.request(method, &(&self.id, texts)).await?;
        let unreadable = |reason: String| QueryError::Answer { method: method.to_owned(), reason };
        if answers.len() != transactions.len() {
            let reason = format!("{} answers for {} transactions", answers.len(), transactions.len());
            return Err(unreadable(reason).into());
        }
        let mut results = Vec::with_capacity(answers.len());
        for (answer, transaction) in answers.into_iter().zip(transactions) {
            results.push(match answer {
                SendAnswer { error: Some(error), .. } => Err(error.into()),
                SendAnswer { hash: Some(hash), .. } => Ok(same_hash(hash, transaction.hash)?),
                SendAnswer { .. } => return Err(unreadable("neither a hash nor an error".to_owned()).into()),
            });
        }
        Ok(results)
    }

    /// Waits until a transaction is committed, and gives its receipt.
    pub async fn wait_receipt(&self, hash: &Hash, timeout: Duration) -> Result<ReceiptAnswer, WaitError> {
        subscriptions::wait_receipt(&self.client, self.id.as_str(), hash, timeout).await
    }

    /// Makes, signs and sends a transaction and waits for its receipt, whose status may say that it failed.
    pub async fn send_and_wait(
        &self,
        account: &Account,
        to: Option<Address>,
        input: Vec<u8>,
        gas_limit: u64,
        timeout: Duration,
    ) -> Result<ReceiptAnswer, ExecuteError> {
        let transaction = self.transaction(account.address(), to, input, gas_limit).await?;
        let hash = self.send(&self.sign(transaction, account)?).await?;
        Ok(self.wait_receipt(&hash, timeout).await?)
    }

    /// Deploys a contract; the input is [`crate::abi::deployment`]'s, or EVM code. A receipt that says that it failed
    /// is an error.
    pub async fn deploy(
        &self,
        account: &Account,
        input: Vec<u8>,
        gas_limit: u64,
        timeout: Duration,
    ) -> Result<Deployed, DeployError> {
        let receipt = self.send_and_wait(account, None, input, gas_limit, timeout).await?;
        match receipt.contract {
            Some(address) if receipt.succeeded() => Ok(Deployed { address, receipt }),
            _ => Err(DeployError::Failed(Box::new(receipt))),
        }
    }

    /// Calls a contract without a transaction. A call that failed is an answer, too.
    pub async fn call(&self, request: &CallRequest) -> Result<CallAnswer, CallError> {
        Ok(self.client.request("entente_call", &(&self.id, request)).await?)
    }

    /// Calls many times, some hundred calls a request; the answers come in the order of the calls.
    pub async fn call_many(&self, requests: &[CallRequest]) -> Result<Vec<CallAnswer>, CallError> {
        let mut answers = Vec::with_capacity(requests.len());
        for requests in requests.chunks(BATCH_CALLS_MAX) {
            let method = "entente_call";
            let parameters: Result<Vec<_>, QueryError> =
                requests.iter().map(|request| raw(method, &(&self.id, request))).collect();
            answers.extend(self.client.request_many::<CallAnswer>(method, parameters?).await?);
        }
        Ok(answers)
    }

    /// The ABI of the code at an address, as JSON: a native module's, or the text that a contract carries. Nothing
    /// where the node knows none.
    pub async fn abi_json(&self, address: &Address) -> Result<Option<String>, QueryError> {
        let answer: Option<Value> = self.client.request("entente_abi", &(&self.id, address)).await?;
        Ok(answer.map(|abi| abi.to_string()))
    }

    /// A transaction's receipt, if it is committed.
    pub async fn receipt(&self, hash: &Hash) -> Result<Option<ReceiptAnswer>, QueryError> {
        self.client.request("entente_receipt", &(&self.id, hash)).await
    }

    /// A committed or waiting transaction, as the node shows it.
    pub async fn transaction_by_hash(&self, hash: &Hash) -> Result<Option<Value>, QueryError> {
        self.client.request("entente_transaction", &(&self.id, hash)).await
    }

    /// A block, with its transactions in full or their hashes.
    pub async fn block(&self, block: BlockId, full: bool) -> Result<Option<BlockAnswer>, QueryError> {
        self.client.request("entente_block", &(&self.id, block, full)).await
    }

    /// The proof that a transaction is in a block; nothing where it is not committed. Whether it proves anything is
    /// for [`LightClient::verify`](crate::light::LightClient::verify) to say.
    pub async fn transaction_proof(&self, hash: &Hash) -> Result<Option<Proof>, QueryError> {
        self.proof("entente_transactionProof", &(&self.id, hash, self.known)).await
    }

    /// The same of a transaction's receipt.
    pub async fn receipt_proof(&self, hash: &Hash) -> Result<Option<Proof>, QueryError> {
        self.proof("entente_receiptProof", &(&self.id, hash, self.known)).await
    }

    /// The same of what a block wrote to a row; nothing where it did not write it.
    pub async fn row_proof(&self, table: &Table, key: &[u8], block: BlockNumber) -> Result<Option<Proof>, QueryError> {
        let (table, key) = (table.to_string(), hex_bytes::encode(key));
        self.proof("entente_rowProof", &(&self.id, table, key, block, self.known)).await
    }

    /// The changes of the sealer set from a block on, oldest first; some at a time, nothing where there are no more.
    /// Whether they are true is for [`LightClient::follow`](crate::light::LightClient::follow) to say.
    pub async fn sealer_changes(&self, from: BlockNumber) -> Result<Vec<SealerChange>, QueryError> {
        let method = "entente_sealerChanges";
        let answers: Vec<ChangeAnswer> = self.client.request(method, &(&self.id, from)).await?;
        let read = |answer: &ChangeAnswer| SealerChange::from_bytes(&answer.change);
        answers.iter().map(read).collect::<Result<_, _>>().map_err(|error| unreadable(method, &error))
    }

    /// Who seals and who observes.
    pub async fn members(&self) -> Result<MembersAnswer, QueryError> {
        self.client.request("entente_members", &(&self.id,)).await
    }

    async fn proof(&self, method: &str, parameters: &(impl Serialize + Sync)) -> Result<Option<Proof>, QueryError> {
        let Some(answer): Option<ProofAnswer> = self.client.request(method, parameters).await? else {
            return Ok(None);
        };
        Proof::from_bytes(&answer.proof).map(Some).map_err(|error| unreadable(method, &error))
    }

    /// The past logs of a range of blocks, in their order. The node bounds the range and the count, and refuses what is
    /// beyond with what to ask instead.
    pub async fn logs(&self, filter: &LogFilter) -> Result<Vec<LogNotice>, QueryError> {
        self.client.request("entente_logs", &(&self.id, filter)).await
    }

    /// The group's logs by a filter: from the next block on, or, with `from`, first the past ones and then those to
    /// come.
    pub async fn subscribe_logs(&self, filter: &LogFilter) -> Result<LogSubscription, QueryError> {
        LogSubscription::open(&self.client, self.id.as_str(), filter).await
    }

    /// The group's blocks from the next one on.
    pub async fn blocks(&self) -> Result<BlockStream, QueryError> {
        BlockStream::open(&self.client, self.id.as_str()).await
    }
}

fn same_hash(node: Hash, client: Hash) -> Result<Hash, SendError> {
    if node == client { Ok(node) } else { Err(SendError::Hash { node, client }) }
}
