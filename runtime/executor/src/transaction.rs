//! One transaction from its charges to its receipt, and the deployment container.

use entente_host::{
    CallKind, CallRequest, ContractFault, CreateRequest, FrameStatus, NodeFault, Outcome, STACK_MEMORY_PAGES_MAX,
    TransactionContext,
    gas::{UNITS_PER_GAS, to_gas},
};
use entente_types::{Hash, Receipt, ReceiptError, Status, Transaction, UnsignedTransaction, Version};

use crate::context::Context;

/// What a deployment input begins with. EVM code cannot begin with 0xEF (EIP-3541).
pub const CONTAINER_MAGIC: [u8; 3] = [0xef, 0x57, 0x41];

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

/// Runs a transaction of the block.
pub(crate) fn run(
    mut context: Box<Context>,
    transaction: &Transaction,
    hash: Hash,
) -> (Box<Context>, Result<Receipt, NodeFault>) {
    let Transaction::Native(native) = transaction else {
        // The pool and every voter refuse these; a block that has one all the same gets the same receipt everywhere.
        let error = ReceiptError::new("kind", "this version executes native transactions only");
        let receipt = failed(Status::Unknown, to_gas(context.rules.gas.transaction), error);
        return (context, Ok(receipt));
    };
    let unsigned = &native.unsigned;
    context.begin(TransactionContext { hash, origin: unsigned.sender });
    let gas = match gas_to_begin_with(&context, unsigned) {
        Ok(gas) => gas,
        Err(receipt) => return (context, Ok(*receipt)),
    };
    let (mut context, outcome) = start(context, unsigned, gas);
    let logs = std::mem::take(&mut context.logs);
    context.overlay.seal();
    let receipt = outcome.map(|outcome| receipt(unsigned, outcome, logs));
    (context, receipt)
}

/// The units left for code when everything that comes before is paid.
fn gas_to_begin_with(context: &Context, unsigned: &UnsignedTransaction) -> Result<u64, Box<Receipt>> {
    let rules = &context.rules;
    // It pays for its place in the block at most: a limit that was never granted must not fill the block.
    let gas_used = unsigned.gas_limit.min(to_gas(rules.gas.transaction));
    let refused = |message: String| {
        Err(Box::new(failed(Status::OutOfGasIntrinsic, gas_used, ReceiptError::new("intrinsic_gas", message))))
    };
    if unsigned.gas_limit > rules.transaction_gas {
        return refused(format!("gas limit {} exceeds the group's {}", unsigned.gas_limit, rules.transaction_gas));
    }
    let intrinsic = rules.gas.intrinsic(&unsigned.input, unsigned.to.is_none());
    let given = unsigned.gas_limit.checked_mul(UNITS_PER_GAS);
    match given.zip(intrinsic).and_then(|(given, intrinsic)| given.checked_sub(intrinsic)) {
        Some(gas) => Ok(gas),
        None => refused(format!(
            "gas limit {} is below the {} that this transaction costs before any code runs",
            unsigned.gas_limit,
            intrinsic.map_or(u64::MAX, to_gas)
        )),
    }
}

fn start(
    mut context: Box<Context>,
    unsigned: &UnsignedTransaction,
    gas: u64,
) -> (Box<Context>, Result<Outcome, NodeFault>) {
    let (value, sender) = (unsigned.value, unsigned.sender);
    let Some(address) = unsigned.to else {
        let container = unsigned.input.to_vec();
        let request = CreateRequest { container, value, gas, memory_pages: STACK_MEMORY_PAGES_MAX };
        return context.construct(sender, &request);
    };
    // Calling where there is nothing is an error, as with FISCO BCOS, unless it pays.
    match context.has_code(&address) {
        Ok(false) if value.is_zero() => return (context, Ok(Outcome::fault(ContractFault::NoCode))),
        Err(fault) => return (context, Err(fault)),
        Ok(_) => {}
    }
    let request = CallRequest {
        kind: CallKind::Call,
        address,
        value,
        input: unsigned.input.to_vec(),
        gas,
        memory_pages: STACK_MEMORY_PAGES_MAX,
    };
    context.enter(sender, request)
}

impl Context {
    pub(crate) fn has_code(&mut self, address: &entente_types::Address) -> Result<bool, NodeFault> {
        let native = self.machine.natives.contains(address);
        Ok(native || crate::Account::load(&mut self.overlay, address)?.is_some_and(|account| account.code.is_some()))
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

fn receipt(unsigned: &UnsignedTransaction, outcome: Outcome, logs: Vec<entente_types::Log>) -> Receipt {
    let limit = unsigned.gas_limit.saturating_mul(UNITS_PER_GAS);
    let gas_used = to_gas(limit.saturating_sub(outcome.gas_left));
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
