//! Why an Ethereum transaction can be in no block.

use crate::{Address, Amount, EthereumPayload};

/// Why an Ethereum transaction can be in no block. The texts begin as those of Ethereum's nodes do, since its tools look
/// for these words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EthereumRefusal {
    /// For another chain.
    #[error("invalid chain id: the transaction is for chain {found}; this group's is {expected}")]
    ChainId {
        /// What the transaction says.
        found: u64,
        /// The group's.
        expected: u64,
    },
    /// It gives whoever makes the block more than it pays (EIP-1559).
    #[error("max priority fee per gas higher than max fee per gas")]
    PriorityFee,
    /// It does not pay what each unit of gas costs at least.
    #[error("max fee per gas less than block base fee: {found}, where it is {base_fee}")]
    BaseFee {
        /// What the transaction pays.
        found: Amount,
        /// What the block asks for.
        base_fee: Amount,
    },
    /// It sets accounts' code (EIP-7702), which the fork does not know.
    #[error("transaction type not supported: set-code transactions come with a later protocol version")]
    SetCode,
    /// More gas than the group allows.
    #[error("exceeds block gas limit: the gas limit is {found}; this group allows {limit} to a transaction")]
    GasLimit {
        /// What the transaction asks for.
        found: u64,
        /// The group's limit.
        limit: u64,
    },
    /// More code than may create a contract (EIP-3860).
    #[error("max initcode size exceeded: {found} bytes, where {limit} are allowed")]
    InitCode {
        /// The bytes of the code.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Less gas than it costs before any code runs.
    #[error("intrinsic gas too low: the gas limit is {found}, where {needed} are needed before any code runs")]
    IntrinsicGas {
        /// What the transaction asks for.
        found: u64,
        /// What is needed.
        needed: u64,
    },
    /// Coin, where there is none.
    #[error("insufficient funds for gas * price + value: this group has no coin, so that `value` must be 0")]
    NoCoin,
    /// The account sent it, or another one with its number, already.
    #[error("nonce too low: the transaction's is {found}; the next of {sender} is {next}")]
    NonceLow {
        /// What the transaction says.
        found: u64,
        /// Whose it is.
        sender: Address,
        /// The account's next.
        next: u64,
    },
    /// So much further than what is known that it is not kept.
    #[error("nonce too high: the transaction's is {found}; of {sender} none above {most} can wait yet")]
    NonceHigh {
        /// What the transaction says.
        found: u64,
        /// Whose it is.
        sender: Address,
        /// The highest that could wait.
        most: u64,
    },
    /// Another one with its number waits.
    #[error(
        "replacement transaction underpriced: another transaction of {sender} with nonce {nonce} waits, and none is \
         replaced"
    )]
    Replacement {
        /// Whose it is.
        sender: Address,
        /// The number that both have.
        nonce: u64,
    },
    /// No account can send more (EIP-2681).
    #[error("nonce has max value: {0} can send no more")]
    NonceEnd(Address),
    /// A contract does not send (EIP-3607).
    #[error("sender not an eoa: {0} is a contract")]
    SenderCode(Address),
    /// It may cost more than its sender has.
    #[error("insufficient funds for gas * price + value: it may cost {}; {sender} has {balance}", shown(*cost))]
    Funds {
        /// What it may cost; nothing where that exceeds 256 bits.
        cost: Option<Amount>,
        /// Whose it is.
        sender: Address,
        /// What that account has.
        balance: Amount,
    },
}

fn shown(cost: Option<Amount>) -> String {
    cost.map_or_else(|| "more than 256 bits hold".to_owned(), |cost| cost.to_string())
}

/// An account, as far as it matters to the transactions that it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SenderAccount {
    /// The number of the next Ethereum transaction.
    pub nonce: u64,
    /// The coin that it has; nothing where the group has no coin.
    pub balance: Option<Amount>,
    /// Whether it is a contract.
    pub is_contract: bool,
}

impl SenderAccount {
    /// Whether the account can send a transaction once those with lower numbers are done (yellow paper, section 6;
    /// EIP-2681, 3607).
    ///
    /// # Errors
    /// Why it cannot.
    pub fn check(&self, sender: Address, payload: &EthereumPayload) -> Result<(), EthereumRefusal> {
        self.can_send(sender, payload.nonce, payload.cost())
    }

    /// The same for what was noted of a transaction: its number and the most that it may cost.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn can_send(&self, sender: Address, nonce: u64, cost: Option<Amount>) -> Result<(), EthereumRefusal> {
        if nonce < self.nonce {
            return Err(EthereumRefusal::NonceLow { found: nonce, sender, next: self.nonce });
        }
        if nonce == u64::MAX {
            return Err(EthereumRefusal::NonceEnd(sender));
        }
        if self.is_contract {
            return Err(EthereumRefusal::SenderCode(sender));
        }
        match self.balance {
            Some(balance) if cost.is_none_or(|cost| cost > balance) => {
                Err(EthereumRefusal::Funds { cost, sender, balance })
            }
            _ => Ok(()),
        }
    }
}
