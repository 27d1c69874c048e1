//! Which ABI the code at an address says it has. Execution never looks at it.

use entente_host::NodeFault;
use entente_state::{Row, StateReader, Table};
use entente_types::Address;
use entente_wasm::abi_section;

use crate::{Account, CodeKind, Executor};

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
        let Some(bytes) = state.row(&Account::row(address))? else { return Ok(None) };
        let code = Account::from_bytes(address, &bytes)?.code;
        let Some(code) = code.filter(|code| code.kind == CodeKind::Wasm) else { return Ok(None) };
        let row = Row::new(&Table::Code, code.hash.as_ref());
        let module = state.row(&row)?.ok_or_else(|| NodeFault::Row(format!("code/{}", code.hash)))?;
        Ok(abi_section(&module).and_then(|section| std::str::from_utf8(section).ok()).map(str::to_owned))
    }
}
