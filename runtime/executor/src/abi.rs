//! What code at an address is for those who ask from outside: the ABI that it says it has, which execution never looks at,
//! and what EVM code sees of it.

use entente_evm::{shown_native, shown_wasm};
use entente_host::NodeFault;
use entente_state::{Row, RowValue, StateReader, Table};
use entente_types::Address;
use entente_wasm::abi_section;

use crate::{Account, CodeKind, CodeReference, Executor};

impl Executor {
    /// The ABI of a native module, from its table, or the text that a Wasm contract carries in its section
    /// `entente:abi`. A contract's is a stranger's text: bounded, but nobody has looked at it. Nothing where there is
    /// no contract, or it carries none.
    ///
    /// # Errors
    /// Only the node's own faults.
    pub fn abi(&self, state: &dyn StateReader, address: &Address) -> Result<Option<String>, NodeFault> {
        if let Some(json) = self.natives().abi_json(address) {
            return Ok(Some(json.to_owned()));
        }
        let code = code_reference(state, address)?;
        let Some(code) = code.filter(|code| code.kind == CodeKind::Wasm) else { return Ok(None) };
        let module = stored_code(state, &code)?;
        Ok(abi_section(&module).and_then(|section| std::str::from_utf8(section).ok()).map(str::to_owned))
    }

    /// The code at an address as EVM code sees it: bytecode itself, and what stands for a Wasm contract's module or for
    /// a native module. Nothing where there is none.
    ///
    /// # Errors
    /// Only the node's own faults.
    pub fn ethereum_code(&self, state: &dyn StateReader, address: &Address) -> Result<Vec<u8>, NodeFault> {
        if self.natives().contains(address) {
            return Ok(shown_native(address));
        }
        match code_reference(state, address)? {
            None => Ok(Vec::new()),
            Some(CodeReference { kind: CodeKind::Wasm, hash }) => Ok(shown_wasm(&hash)),
            Some(code @ CodeReference { kind: CodeKind::Evm | CodeKind::Delegation, .. }) => stored_code(state, &code),
        }
    }
}

/// Where an account's code is, if it has any.
fn code_reference(state: &dyn StateReader, address: &Address) -> Result<Option<CodeReference>, NodeFault> {
    let Some(bytes) = state.row(&Account::row(address))? else { return Ok(None) };
    Ok(Account::from_bytes(address, &bytes)?.code)
}

fn stored_code(state: &dyn StateReader, code: &CodeReference) -> Result<Vec<u8>, NodeFault> {
    let row = Row::new(&Table::Code, code.hash.as_ref());
    state.row(&row)?.map(RowValue::into_vec).ok_or_else(|| NodeFault::Row(format!("code/{}", code.hash)))
}
