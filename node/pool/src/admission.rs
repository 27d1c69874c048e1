//! What is checked of a transaction before it may wait.

use std::sync::Arc;

use entente_crypto::{SignatureError, SignatureScheme};
use entente_types::{
    Address, Amount, BlockNumber, EthereumPayload, EthereumRefusal, EthereumTransaction, EthereumTransactionError,
    FiscoTransaction, GroupId, Hash, NativeTransaction, Suite, Transaction, limits::VALIDITY_BLOCKS_MAX,
};
use rayon::prelude::*;

use crate::{ReplayKey, Verified};

/// Why a transaction is refused at the door. The codes are FISCO BCOS's where it has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionError {
    /// An Ethereum transaction, where the group's rules have none.
    #[error(
        "the group's rules have no ethereum transactions: they come with protocol version 2, which its members can vote \
         for; send a native transaction"
    )]
    NoEthereum,
    /// An Ethereum transaction, where signatures are SM2's.
    #[error("ethereum transactions are not accepted in a guomi group, whose signatures are SM2's; send a native one")]
    GuomiEthereum,
    /// An Ethereum transaction whose fields are not as they must be.
    #[error(transparent)]
    EthereumFields(#[from] EthereumTransactionError),
    /// An Ethereum transaction whose signature nobody made.
    #[error("invalid sender: the transaction's signature is none (r and s in their range, s in its lower half: EIP-2)")]
    EthereumSignature,
    /// An Ethereum transaction that can be in no block.
    #[error(transparent)]
    Ethereum(#[from] EthereumRefusal),
    /// The sender's account cannot be read.
    #[error("the node could not read the sender's account; its log says why")]
    Account,
    /// A transaction of FISCO BCOS, where the group's rules have none.
    #[error(
        "the group's rules have no transactions of fisco bcos: they come with protocol version 2, which its members can \
         vote for; send a native transaction"
    )]
    NoFisco,
    /// A transaction of FISCO BCOS that is signed as the other suite signs.
    #[error(
        "the fisco bcos transaction is signed in the {found:?} suite; this group's is {expected:?} (ECDSA and Keccak-256, \
         or SM2 and SM3)"
    )]
    FiscoSuite {
        /// The transaction's.
        found: Suite,
        /// The group's.
        expected: Suite,
    },
    /// A transaction of FISCO BCOS whose signature nobody made.
    #[error(
        "the fisco bcos transaction's signature is nobody's: ECDSA's has s in its lower half, SM2's is that of the key in v"
    )]
    FiscoSignature,
    /// For another chain.
    #[error("`chain_id` is {found}; this chain's is {expected}")]
    ChainId {
        /// What the transaction says.
        found: u64,
        /// The chain's.
        expected: u64,
    },
    /// For another group.
    #[error("`group_id` is {found}; this group is {expected}")]
    GroupId {
        /// What the transaction says.
        found: GroupId,
        /// The group's.
        expected: GroupId,
    },
    /// Valid no more, or too far ahead.
    #[error(
        "`valid_until` is {found}; at height {height} it must be {} to {}",
        height + 1,
        height + VALIDITY_BLOCKS_MAX
    )]
    Window {
        /// What the transaction says.
        found: BlockNumber,
        /// The height.
        height: BlockNumber,
    },
    /// More gas than the group allows.
    #[error("`gas_limit` is {found}; this group allows 1 to {limit}")]
    Gas {
        /// What the transaction says.
        found: u64,
        /// The group's limit.
        limit: u64,
    },
    /// The signature is not the sender's.
    #[error("the signature is that of {signer}, but `sender` is {sender}")]
    Sender {
        /// Whose signature it is.
        signer: Address,
        /// Who is said to send.
        sender: Address,
    },
    /// The signature is none.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The node puts a snapshot in.
    #[error("this node is catching up by a snapshot; send it in some seconds, or to another node")]
    CatchingUp,
    /// It waits already.
    #[error("the transaction is in the pool already")]
    Known,
    /// Its sender used the nonce in another transaction or in a block.
    #[error("the sender has used this nonce already; draw a new one")]
    Replay,
    /// No room by count.
    #[error("the pool holds its limit of {limit} transactions (`pool.transactions_max`); send again later")]
    Full {
        /// The limit.
        limit: usize,
    },
    /// No room by bytes.
    #[error("the pool holds its limit of {limit} bytes (`pool.bytes_max`); send again later")]
    FullBytes {
        /// The limit.
        limit: usize,
    },
    /// No room for this sender.
    #[error(
        "the pool holds its limit of {limit} transactions of one sender (`pool.sender_transactions_max`), {sender}; send \
         again once some are committed"
    )]
    FullSender {
        /// Whose transactions they are.
        sender: Address,
        /// The limit.
        limit: usize,
    },
}

impl AdmissionError {
    /// The number clients see: FISCO BCOS's receipt status codes for refused transactions.
    pub const fn code(&self) -> i32 {
        match self {
            Self::NoEthereum | Self::GuomiEthereum | Self::NoFisco => 29,
            Self::EthereumFields(_) => 3,
            Self::Ethereum(refusal) => of_refusal(refusal),
            Self::Account => 1,
            Self::ChainId { .. } => 10002,
            Self::GroupId { .. } => 10003,
            Self::Window { .. } => 16,
            Self::Gas { .. } => 4,
            Self::Sender { .. }
            | Self::Signature(_)
            | Self::EthereumSignature
            | Self::FiscoSuite { .. }
            | Self::FiscoSignature => 5,
            Self::Known => 10000,
            Self::Replay => 15,
            // Come again later.
            Self::Full { .. } | Self::FullSender { .. } | Self::CatchingUp => 28,
            Self::FullBytes { .. } => 10006,
        }
    }
}

const fn of_refusal(refusal: &EthereumRefusal) -> i32 {
    match refusal {
        EthereumRefusal::ChainId { .. } => 10002,
        EthereumRefusal::GasLimit { .. } | EthereumRefusal::IntrinsicGas { .. } => 4,
        EthereumRefusal::PriorityFee
        | EthereumRefusal::BaseFee { .. }
        | EthereumRefusal::SetCode
        | EthereumRefusal::InitCode { .. } => 3,
        EthereumRefusal::NoCoin | EthereumRefusal::Funds { .. } => 7,
        EthereumRefusal::NonceLow { .. } | EthereumRefusal::Replacement { .. } => 15,
        EthereumRefusal::NonceHigh { .. } | EthereumRefusal::NonceEnd(_) => 6,
        EthereumRefusal::SenderCode(_) => 5,
    }
}

/// What Ethereum transactions are held against before their senders' accounts are looked at: the rules are the
/// executor's, which this crate does not know.
pub trait EthereumRules: std::fmt::Debug + Send + Sync {
    /// Whether a transaction may be in a block, as far as that depends on no account.
    ///
    /// # Errors
    /// Why it may not.
    fn check(&self, payload: &EthereumPayload) -> Result<(), EthereumRefusal>;
}

/// What is known of an Ethereum transaction in somebody's proposal or block: the executor leaves out what cannot apply.
#[derive(Debug)]
struct Unruled;

impl EthereumRules for Unruled {
    fn check(&self, _: &EthereumPayload) -> Result<(), EthereumRefusal> {
        Ok(())
    }
}

/// What a pool compares transactions with.
#[derive(Debug, Clone)]
pub struct PoolRules {
    /// The group's suite.
    pub suite: Suite,
    /// Finds signers.
    pub scheme: Arc<dyn SignatureScheme>,
    /// Its genesis hash.
    pub genesis: Hash,
    /// Its chain.
    pub chain_id: u64,
    /// Its name.
    pub group_id: GroupId,
    /// The gas one transaction may ask for.
    pub transaction_gas: u64,
    /// What Ethereum transactions are held against; nothing where the group's rules have none, and none of FISCO BCOS.
    pub ethereum: Option<Arc<dyn EthereumRules>>,
    /// Whose signatures are known already.
    pub verified: Arc<Verified>,
}

/// How long a transaction can be in a block, and what it may take.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Terms {
    /// Up to this block.
    Until(BlockNumber),
    /// While its sender can pay this; nothing where that exceeds 256 bits.
    Costs(Option<Amount>),
}

impl Terms {
    /// The most that it may cost, where that is known.
    pub(crate) const fn cost(&self) -> Option<Amount> {
        match self {
            Self::Until(_) => None,
            Self::Costs(cost) => *cost,
        }
    }

    /// Whether it can be in a block above `height`, as far as that depends on no account.
    pub(crate) const fn in_window(&self, height: BlockNumber) -> bool {
        match self {
            Self::Until(valid_until) => in_window(*valid_until, height),
            Self::Costs(_) => true,
        }
    }
}

/// What is found of a transaction: what makes it unique, how long it can be in a block, and the gas that it asks for.
type Found = (ReplayKey, Terms, Option<u64>);

/// A transaction whose signature was found to be its sender's. Only this module makes one.
#[derive(Debug, Clone)]
pub struct Checked {
    pub(crate) transaction: Arc<Transaction>,
    pub(crate) hash: Hash,
    pub(crate) key: ReplayKey,
    pub(crate) terms: Terms,
    /// The gas it asks for; nothing where it gets the group's limit.
    pub(crate) gas_limit: Option<u64>,
    pub(crate) bytes: usize,
}

impl Checked {
    /// Its hash.
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// The transaction.
    pub const fn transaction(&self) -> &Arc<Transaction> {
        &self.transaction
    }

    /// The bytes it came in.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// What makes it unique.
    pub const fn key(&self) -> ReplayKey {
        self.key
    }
}

impl PoolRules {
    /// The same for transactions of somebody's proposal or block: what may be asked for is for those who form blocks, and
    /// the executor leaves out what cannot apply.
    #[must_use]
    pub fn of_blocks(&self) -> Self {
        Self { transaction_gas: u64::MAX, ethereum: Some(Arc::new(Unruled)), ..self.clone() }
    }

    /// The checks that cost little: the chain, the group and the window.
    fn form(&self, height: BlockNumber, chain: u64, group: &GroupId, until: BlockNumber) -> Result<(), AdmissionError> {
        if chain != self.chain_id {
            return Err(AdmissionError::ChainId { found: chain, expected: self.chain_id });
        }
        if *group != self.group_id {
            let (found, expected) = (group.clone(), self.group_id.clone());
            return Err(AdmissionError::GroupId { found, expected });
        }
        if !in_window(until, height) {
            return Err(AdmissionError::Window { found: until, height });
        }
        Ok(())
    }

    /// The check that a change of the system configuration can decide anew.
    pub(crate) const fn gas(&self, found: u64) -> Result<(), AdmissionError> {
        let limit = self.transaction_gas;
        if found == 0 || found > limit { Err(AdmissionError::Gas { found, limit }) } else { Ok(()) }
    }

    /// Checks one transaction, of so many bytes where it came from: what costs little first, its signature last.
    ///
    /// # Errors
    /// Why it may not be let in.
    pub fn check_one(
        &self,
        height: BlockNumber,
        transaction: Arc<Transaction>,
        bytes: usize,
    ) -> Result<Checked, AdmissionError> {
        let hash = transaction.hash(self.suite);
        let (key, terms, gas_limit) = match &*transaction {
            Transaction::Native(native) => self.native(height, native, hash)?,
            Transaction::Ethereum(ethereum) => self.ethereum(ethereum)?,
            Transaction::Fisco(fisco) => self.fisco(height, fisco)?,
        };
        Ok(Checked { transaction, hash, key, terms, gas_limit, bytes })
    }

    fn native(&self, height: BlockNumber, native: &NativeTransaction, hash: Hash) -> Result<Found, AdmissionError> {
        let unsigned = &native.unsigned;
        self.form(height, unsigned.chain_id, &unsigned.group_id, unsigned.valid_until)?;
        self.gas(unsigned.gas_limit)?;
        if !self.verified.has(&hash) {
            let digest = unsigned.signing_digest(self.suite, &self.genesis);
            let signer = self.scheme.signer(&digest, &native.signature)?.address;
            if signer != unsigned.sender {
                return Err(AdmissionError::Sender { signer, sender: unsigned.sender });
            }
            self.verified.put(hash);
        }
        let key = ReplayKey::Native { sender: unsigned.sender, nonce: unsigned.nonce };
        Ok((key, Terms::Until(unsigned.valid_until), Some(unsigned.gas_limit)))
    }

    /// Under the rules of native ones, but for its gas: FISCO BCOS gives each transaction the group's limit.
    fn fisco(&self, height: BlockNumber, fisco: &FiscoTransaction) -> Result<Found, AdmissionError> {
        if self.ethereum.is_none() {
            return Err(AdmissionError::NoFisco);
        }
        let fields = fisco.fields();
        self.form(height, fields.chain_id, &fisco.group_id(), fields.block_limit)?;
        let (found, expected) = (fisco.suite(), self.suite);
        if found != expected {
            return Err(AdmissionError::FiscoSuite { found, expected });
        }
        // Found once for all clones, so that it need not be remembered.
        let sender = fisco.sender().ok_or(AdmissionError::FiscoSignature)?;
        Ok((ReplayKey::Native { sender, nonce: fields.nonce }, Terms::Until(fields.block_limit), None))
    }

    fn ethereum(&self, ethereum: &EthereumTransaction) -> Result<Found, AdmissionError> {
        if self.suite == Suite::Guomi {
            return Err(AdmissionError::GuomiEthereum);
        }
        let rules = self.ethereum.as_ref().ok_or(AdmissionError::NoEthereum)?;
        let payload = ethereum.payload()?;
        rules.check(&payload)?;
        let origin = ethereum.origin().ok_or(AdmissionError::EthereumSignature)?;
        Ok((ReplayKey::Ethereum(origin), Terms::Costs(payload.cost()), Some(payload.gas_limit)))
    }
}

/// Whether a transaction valid until `valid_until` can be in a block above `height`.
pub const fn in_window(valid_until: BlockNumber, height: BlockNumber) -> bool {
    height < valid_until && valid_until <= height.saturating_add(VALIDITY_BLOCKS_MAX)
}

/// Checks many transactions, each with the bytes it came in, on rayon's pool. It needs no pool and no lock.
pub fn check<T: Into<Arc<Transaction>> + Send>(
    rules: &PoolRules,
    height: BlockNumber,
    transactions: Vec<(T, usize)>,
) -> Vec<Result<Checked, AdmissionError>> {
    transactions
        .into_par_iter()
        .with_min_len(8)
        .map(|(transaction, bytes)| rules.check_one(height, transaction.into(), bytes))
        .collect()
}
