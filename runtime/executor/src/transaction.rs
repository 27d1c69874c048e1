//! One transaction from its charges to its receipt, and the deployment container.

use entente_host::{
    CONTAINER_MAGIC, CallKind, CallRequest, ContractFault, CreateRequest, CreateScheme, FrameStatus, NodeFault,
    Outcome, STACK_MEMORY_PAGES_MAX, TransactionContext,
    gas::{UNITS_PER_GAS, to_gas},
};
use entente_types::{
    Address, Amount, FiscoTransaction, Hash, Receipt, ReceiptError, Status, Transaction, UnsignedTransaction, Version,
};

use crate::{InputTransaction, context::Context};

/// A deployment input: the module and the ABI-encoded arguments of its constructor.
pub fn container(module: &[u8], arguments: &[u8]) -> Vec<u8> {
    let mut container = CONTAINER_MAGIC.to_vec();
    container.extend_from_slice(&(module.len() as u32).to_le_bytes());
    container.extend_from_slice(module);
    container.extend_from_slice(arguments);
    container
}

/// The module and the constructor's arguments of a deployment input.
///
/// # Errors
/// Input that is no container.
pub fn parse_container(container: &[u8]) -> Result<(&[u8], &[u8]), ContractFault> {
    let rest =
        container.strip_prefix(&CONTAINER_MAGIC).ok_or(ContractFault::Container("it does not begin with 0xEF5741"))?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(ContractFault::Container("it ends in its length"))?;
    let length = u32::from_le_bytes(*length) as usize;
    rest.split_at_checked(length).ok_or(ContractFault::Container("it ends before its module does"))
}

/// What comes back beside the context: the receipt, or nothing where the transaction does not apply in this state.
pub(crate) type Ran = (Box<Context>, Result<Option<Receipt>, NodeFault>);

/// Runs a transaction of the block.
pub(crate) fn run(context: Box<Context>, input: &InputTransaction) -> Ran {
    let fork = context.evm.as_ref().map(|evm| evm.fork());
    match (&*input.transaction, fork) {
        (Transaction::Native(native), _) => {
            let (context, receipt) = run_native(context, &Native::of(&native.unsigned), input.hash);
            (context, receipt.map(Some))
        }
        (Transaction::Fisco(fisco), Some(_)) => match Native::of_fisco(&context, fisco) {
            Some(native) => {
                let (context, receipt) = run_native(context, &native, input.hash);
                (context, receipt.map(Some))
            }
            // The pool and every voter refuse it.
            None => (context, Ok(None)),
        },
        (Transaction::Ethereum(ethereum), Some(_)) => crate::ethereum::run(context, ethereum, input.hash),
        (_, None) => {
            // The pool and every voter refuse these; a block that has one all the same gets the same receipt everywhere.
            let error = ReceiptError::new("kind", "this version executes native transactions only");
            let receipt = failed(Status::Unknown, to_gas(context.rules.gas.transaction), error);
            (context, Ok(Some(receipt)))
        }
    }
}

/// What a transaction under native rules says.
struct Native<'a> {
    sender: Address,
    to: Option<Address>,
    value: Amount,
    input: &'a [u8],
    gas_limit: u64,
}

impl<'a> Native<'a> {
    fn of(unsigned: &'a UnsignedTransaction) -> Self {
        let UnsignedTransaction { sender, to, value, gas_limit, .. } = *unsigned;
        Self { sender, to, value, input: &unsigned.input, gas_limit }
    }

    /// FISCO BCOS gives each transaction the group's limit, whatever gas it asks for. Nothing where its signature is
    /// nobody's, or the other suite's.
    fn of_fisco(context: &Context, fisco: &'a FiscoTransaction) -> Option<Self> {
        let fields = fisco.fields();
        let sender = fisco.sender().filter(|_| fisco.suite() == context.block.suite)?;
        let gas_limit = context.rules.transaction_gas.min(u64::MAX / UNITS_PER_GAS);
        Some(Self { sender, to: fields.to, value: fields.value, input: fisco.input(), gas_limit })
    }
}

fn run_native(
    mut context: Box<Context>,
    native: &Native<'_>,
    hash: Hash,
) -> (Box<Context>, Result<Receipt, NodeFault>) {
    context.begin(TransactionContext { hash, origin: native.sender });
    let gas = match gas_to_begin_with(&context, native) {
        Ok(gas) => gas,
        Err(receipt) => return (context, Ok(*receipt)),
    };
    let begun = Start { sender: native.sender, to: native.to, value: native.value, input: native.input.to_vec(), gas };
    let (mut context, outcome) = start(context, begun);
    let receipt = outcome.and_then(|outcome| {
        let used = to_gas(native.gas_limit.saturating_mul(UNITS_PER_GAS).saturating_sub(outcome.gas_left));
        let used = used.saturating_sub(crate::ethereum::refund(&context, used));
        context.remove_marked()?;
        let logs = std::mem::take(&mut context.logs);
        Ok(receipt_of(used, outcome, logs))
    });
    context.end();
    (context, receipt)
}

/// The units left for code when everything that comes before is paid.
fn gas_to_begin_with(context: &Context, native: &Native<'_>) -> Result<u64, Box<Receipt>> {
    let rules = &context.rules;
    // It pays for its place in the block at most: a limit that was never granted must not fill the block.
    let gas_used = native.gas_limit.min(to_gas(rules.gas.transaction));
    let refused = |message: String| {
        Err(Box::new(failed(Status::OutOfGasIntrinsic, gas_used, ReceiptError::new("intrinsic_gas", message))))
    };
    if native.gas_limit > rules.transaction_gas {
        return refused(format!("gas limit {} exceeds the group's {}", native.gas_limit, rules.transaction_gas));
    }
    let intrinsic = rules.gas.intrinsic(native.input, native.to.is_none());
    let given = native.gas_limit.checked_mul(UNITS_PER_GAS);
    match given.zip(intrinsic).and_then(|(given, intrinsic)| given.checked_sub(intrinsic)) {
        Some(gas) => Ok(gas),
        None => refused(format!(
            "gas limit {} is below the {} that this transaction costs before any code runs",
            native.gas_limit,
            intrinsic.map_or(u64::MAX, to_gas)
        )),
    }
}

/// What a transaction does once its gas is paid.
pub(crate) struct Start {
    pub(crate) sender: Address,
    pub(crate) to: Option<Address>,
    pub(crate) value: Amount,
    pub(crate) input: Vec<u8>,
    /// The units left for code.
    pub(crate) gas: u64,
}

/// Runs what a native transaction does.
pub(crate) fn start(mut context: Box<Context>, begun: Start) -> (Box<Context>, Result<Outcome, NodeFault>) {
    let Start { sender, to, value, input, gas } = begun;
    let memory_pages = STACK_MEMORY_PAGES_MAX;
    let Some(address) = to else {
        let (container, scheme) = (input.into(), CreateScheme::Index);
        let request = CreateRequest { container, scheme, value, gas, memory_pages };
        return context.construct(sender, &request);
    };
    // Calling where there is nothing is an error, as with FISCO BCOS, unless it pays.
    match context.has_code(&address) {
        Ok(false) if value.is_zero() => return (context, Ok(Outcome::fault(ContractFault::NoCode))),
        Err(fault) => return (context, Err(fault)),
        Ok(_) => {}
    }
    let (kind, input) = (CallKind::Call, input.into());
    context.enter_first(sender, CallRequest { kind, address, value, input, gas, memory_pages })
}

impl Context {
    pub(crate) fn has_code(&mut self, address: &Address) -> Result<bool, NodeFault> {
        Ok(self.is_built_in(address)
            || crate::Account::load(&mut self.overlay, address)?.is_some_and(|account| account.code.is_some()))
    }
}

fn failed(status: Status, gas_used: u64, error: ReceiptError) -> Receipt {
    Receipt {
        version: Version,
        status,
        output: Vec::new(),
        gas_used,
        logs: Vec::new(),
        contract: None,
        error: Some(error),
    }
}

/// The receipt of what a transaction came to.
pub(crate) fn receipt_of(gas_used: u64, outcome: Outcome, logs: Vec<entente_types::Log>) -> Receipt {
    match outcome.status {
        FrameStatus::Success => Receipt {
            version: Version,
            status: Status::Success,
            output: outcome.output,
            gas_used,
            logs,
            contract: outcome.created,
            error: None,
        },
        FrameStatus::Revert => {
            let error = ReceiptError::new("revert", "the contract reverted; its reason is the output");
            Receipt { output: outcome.output, ..failed(Status::Revert, gas_used, error) }
        }
        FrameStatus::Fault(fault) => failed(fault.status(), gas_used, fault.receipt_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_round_trip_and_short_ones_are_refused() {
        let whole = container(b"module", b"arguments");
        assert_eq!(parse_container(&whole), Ok((&b"module"[..], &b"arguments"[..])));
        for end in 0..7 + 6 {
            assert!(matches!(parse_container(&whole[..end]), Err(ContractFault::Container(_))), "{end}");
        }
        assert!(parse_container(&[0x60, 0x80, 0x60, 0x40, 0, 0, 0, 0]).is_err());
    }
}
