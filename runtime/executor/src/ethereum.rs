//! One Ethereum transaction, by Ethereum's rules.

use std::sync::Arc;

use entente_evm::IntrinsicGas;
use entente_host::{
    CallKind, CallRequest, CreateRequest, CreateScheme, NodeFault, Outcome, STACK_MEMORY_PAGES_MAX, TransactionContext,
    gas::UNITS_PER_GAS,
};
use entente_state::Place;
use entente_types::{Address, Amount, EthereumPayload, EthereumTransaction, Hash, Receipt, SenderAccount, Suite};

use crate::{Account, EthereumRules, context::Context, transaction::receipt_of};

/// The part of the gas used that comes back at most is one of this many (EIP-3529).
const REFUND_QUOTIENT: u64 = 5;

/// A transaction that can apply, with what its checks found out.
pub(crate) struct Valid {
    pub(crate) sender: Address,
    /// Where the sender's account is, and what it was before.
    pub(crate) place: Place,
    pub(crate) account: Account,
    pub(crate) payload: Arc<EthereumPayload>,
    pub(crate) price: Amount,
    pub(crate) intrinsic: IntrinsicGas,
}

/// What comes back beside the context: the receipt, or nothing where the transaction does not apply in this state.
pub(crate) type RanEthereum = (Box<Context>, Result<Option<Receipt>, NodeFault>);

/// Runs an Ethereum transaction, unless Ethereum holds it invalid in this state: then nothing has happened.
pub(crate) fn run(mut context: Box<Context>, transaction: &EthereumTransaction, hash: Hash) -> RanEthereum {
    let valid = match validate(&mut context, transaction) {
        Ok(Some(valid)) => valid,
        Ok(None) => return (context, Ok(None)),
        Err(fault) => return (context, Err(fault)),
    };
    context.begin(TransactionContext { hash, origin: valid.sender });
    if let Err(fault) = begin(&mut context, &valid) {
        return (context, Err(fault));
    }
    let (mut context, outcome) = start(context, &valid);
    let receipt = outcome.and_then(|outcome| finish(&mut context, &valid, outcome).map(Some));
    context.end();
    (context, receipt)
}

/// Checks it against the rules and the state (EIP-2681, 3607).
fn validate(context: &mut Context, transaction: &EthereumTransaction) -> Result<Option<Valid>, NodeFault> {
    // Where signatures are SM2's, the accounts of Ethereum's keys are nobody's.
    if context.block.suite == Suite::Guomi {
        return Ok(None);
    }
    let Ok(payload) = transaction.payload() else { return Ok(None) };
    let base_fee = context.block.ethereum.base_fee;
    let Ok(intrinsic) = EthereumRules::of(context).check(&payload) else { return Ok(None) };
    let (Some(price), Some(origin)) = (payload.gas_price(base_fee), transaction.origin()) else { return Ok(None) };
    let sender = origin.sender;
    let (place, account) = Account::find(&mut context.overlay, &sender)?;
    let account = account.unwrap_or_default();
    let found = account.as_sender(context.block.balances);
    // On a chain for tests a contract may be impersonated; of others nobody has the key (EIP-3607).
    let found = SenderAccount { is_contract: found.is_contract && !transaction.is_impersonated(), ..found };
    let is_next = account.nonce == payload.nonce;
    if !is_next || context.machine.natives.contains(&sender) || found.check(sender, &payload).is_err() {
        return Ok(None);
    }
    Ok(Some(Valid { sender, place, account, payload, price, intrinsic }))
}

fn cost(gas: u64, price: Amount) -> Option<Amount> {
    Amount::from(gas).0.checked_mul(price.0).map(Amount)
}

/// Takes the gas from the sender, raises its nonce and sets the code of accounts that let it: this stands whatever
/// becomes of the rest.
pub(crate) fn begin(context: &mut Context, valid: &Valid) -> Result<(), NodeFault> {
    let Valid { place, mut account, ref payload, ref price, .. } = *valid;
    account.nonce = account.nonce.saturating_add(1);
    if context.block.balances {
        let bought = cost(payload.gas_limit, *price).unwrap_or(account.balance);
        account.balance = Amount(account.balance.0.saturating_sub(bought.0));
        context.gas_price = *price;
    }
    account.store_at(&mut context.overlay, place);
    for entry in &payload.access_list {
        context.touched.warm(&entry.address);
        for key in &entry.keys {
            context.touched.warm_slot(&entry.address, key);
        }
    }
    payload.authorizations.iter().try_for_each(|authorization| context.authorize(authorization))
}

/// Runs what it calls or creates.
pub(crate) fn start(context: Box<Context>, valid: &Valid) -> (Box<Context>, Result<Outcome, NodeFault>) {
    let Valid { sender, payload, intrinsic, .. } = valid;
    let gas = payload.gas_limit.saturating_sub(intrinsic.initial).saturating_mul(UNITS_PER_GAS);
    let (value, memory_pages) = (payload.value, STACK_MEMORY_PAGES_MAX);
    match payload.to {
        None => {
            let (container, scheme) = (payload.input.clone(), CreateScheme::Nonce);
            context.construct(*sender, &CreateRequest { container, scheme, value, gas, memory_pages })
        }
        Some(address) => {
            let (kind, input) = (CallKind::Call, payload.input.clone());
            context.enter_first(*sender, CallRequest { kind, address, value, input, gas, memory_pages })
        }
    }
}

/// Gives back what was not used, pays whoever made the block, and removes what is to be removed.
pub(crate) fn finish(context: &mut Context, valid: &Valid, outcome: Outcome) -> Result<Receipt, NodeFault> {
    let Valid { sender, payload, price, intrinsic, .. } = valid;
    let used = payload.gas_limit.saturating_sub(outcome.gas_left / UNITS_PER_GAS);
    let used = used.saturating_sub(refund(context, used)).max(intrinsic.floor);
    if context.block.balances {
        let rest = payload.gas_limit.saturating_sub(used);
        let tip = Amount(price.0.saturating_sub(context.block.ethereum.base_fee.0));
        let proposer = context.block.proposer;
        give(context, sender, cost(rest, *price))?;
        give(context, &proposer, cost(used, tip))?;
    }
    context.remove_marked()?;
    let logs = std::mem::take(&mut context.logs);
    Ok(receipt_of(used, outcome, logs))
}

/// What comes back of the gas used (EIP-3529). What frames that failed earned is undone with them.
pub(crate) fn refund(context: &Context, used: u64) -> u64 {
    u64::try_from(context.touched.refunded()).unwrap_or(0).min(used / REFUND_QUOTIENT)
}

fn give(context: &mut Context, to: &Address, amount: Option<Amount>) -> Result<(), NodeFault> {
    let Some(amount) = amount.filter(|amount| !amount.is_zero()) else { return Ok(()) };
    let mut account = Account::load(&mut context.overlay, to)?.unwrap_or_default();
    account.balance = Amount(account.balance.0.saturating_add(amount.0));
    account.store(&mut context.overlay, to)
}
