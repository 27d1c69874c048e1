//! Accounts for which another's code stands (EIP-7702).

use entente_crypto::keccak256;
use entente_evm::{REFUND_OF_KNOWN_AUTHORITY, delegation};
use entente_host::{CallRequest, ContractFault, Fault, NodeFault};
use entente_types::{Address, Authorization, Hash};
use ruint::aliases::U256;

use crate::{
    Account, CodeKind, CodeReference,
    context::{Code, Context},
};

impl Context {
    /// Does what an account authorized. One that is not for this chain, is nobody's or comes too early or too late does
    /// nothing, and has cost what it costs. The steps are those of EIP-7702, "Behavior".
    pub(crate) fn authorize(&mut self, authorization: &Authorization) -> Result<(), NodeFault> {
        let Authorization { chain_id, address, nonce, .. } = authorization;
        if !chain_id.is_zero() && *chain_id != U256::from(self.block.ethereum_chain_id) {
            return Ok(());
        }
        let Some(next) = nonce.checked_add(1) else { return Ok(()) };
        let Some(authority) = authorization.authority() else { return Ok(()) };
        self.touched.warm(&authority);
        let found = Account::load(&mut self.overlay, &authority)?;
        let mut account = found.unwrap_or_default();
        if account.is_contract() || account.nonce != *nonce {
            return Ok(());
        }
        if found.is_some() {
            self.touched.refund(REFUND_OF_KNOWN_AUTHORITY);
        }
        account.code = if *address == Address::ZERO { None } else { Some(self.keep_delegation(address)?) };
        account.nonce = next;
        account.store(&mut self.overlay, &authority)
    }

    fn keep_delegation(&mut self, address: &Address) -> Result<CodeReference, NodeFault> {
        let code = delegation(address);
        let hash = keccak256(&code);
        self.keep_code(&hash, &code)?;
        Ok(CodeReference { kind: CodeKind::Delegation, hash })
    }

    /// The code that stands for the delegation stored under this hash. It is looked for once: another delegation there
    /// is run as code, which it is not. Precompiles and native modules have no code that could stand for another's.
    pub(crate) fn code_that_stands_for(&mut self, hash: &Hash) -> Result<Code, Fault> {
        let delegate = self.evm_code(hash)?.delegate();
        let address = delegate.ok_or_else(|| NodeFault::Row(format!("code/{hash}")))?;
        self.touched.warm(&address);
        if self.machine.natives.contains(&address) || self.is_precompile(&address) {
            return Ok(Code::None);
        }
        match Account::load(&mut self.overlay, &address)?.and_then(|account| account.code) {
            None => Ok(Code::None),
            Some(reference) => self.code_at(reference),
        }
    }

    /// Takes what it costs that another's code stands for the callee's: what another call does. EVM code has paid for it
    /// by Ethereum's rule, and a transaction does not pay.
    pub(crate) fn pay_for_delegation(&mut self, request: &mut CallRequest) -> Result<(), Fault> {
        let is_fixed = |address| self.machine.natives.contains(address) || self.is_precompile(address);
        if self.evm.is_none() || self.parent().is_none() || is_fixed(&request.address) {
            return Ok(());
        }
        let code = Account::load(&mut self.overlay, &request.address)?.and_then(|account| account.code);
        if code.is_some_and(|code| code.kind == CodeKind::Delegation) {
            request.gas = request.gas.checked_sub(self.rules.gas.call).ok_or(ContractFault::OutOfGas)?;
        }
        Ok(())
    }
}
