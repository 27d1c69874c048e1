//! The page about the native modules, made from the tables.

use std::fmt::Write as _;

use entente_host::{
    Declaration, DeclarationError, DeclaredParameter, NativeAccess, NativeModule,
    gas::{SCHEDULE_1, to_gas},
};
use entente_types::ConfigurationKey;

use crate::{MEMBERS, MODULES, SYSTEM_CONFIGURATION, code::CODES};

const OPENING: &str = "# Native modules

This page is made from the tables in `precompiles/src` and `runtime/types/src/configuration.rs`;
`ENTENTE_BLESS=1 cargo test -p entente-precompiles` writes it again.

A native module is called like a contract, at FISCO BCOS's address and with its Solidity functions: by transactions, by
contracts, and without a transaction. `entente contract call` and `send` know the ABI of each; `entente_abi` gives it. In
a group of the Guomi suite SM3 selectors are answered beside Keccak ones. A function that writes is refused in a delegate
call and in a frame that may change nothing. Gas is Ethereum's unit; it is what the function takes beside what every
transaction, call and byte of output costs. Arguments that are not ABI-encoded, and selectors that are unknown, fail with
status 21.

";

const CONFIGURATION: &str = "
### Keys

A value decided in block n rules from the height in the last column, where d is the group's `pipeline_depth`. Until then
the value before it rules; reads show the decision at once, with its height. A second decision before the first one rules
takes nothing from it. FISCO BCOS's other keys (`rpbft_epoch_sealer_num`, `rpbft_epoch_block_num`, `consensus_timeout`)
are answered with -51300: what they would set does not exist here.

";

const ACCESS: &str = "
### Who may call

Everybody may set a limit, as in FISCO BCOS while no permission is granted: permissions (0x1005) and governance (0x1008)
are not there yet. Whoever can send a transaction can therefore lower the limits of the whole group; everybody can raise
them again. `protocol_version` cannot be taken back, and what `empty_block_period_ms` asks for is written by every node: only
the account of a sealer's key may set these two, and only by a transaction or call of its own. Each change is told by the event `ConfigurationSet`.
";

const MEMBERS_TEXT: &str = "
### From which height on

A sealer set decided in block n rules from height n+d, where d is the group's `pipeline_depth`; header n+d-1 is the first
to name it as `next_sealers`. Until then the set before it rules, whose members certify what lies between. Changes add up:
each one is made to the set that was decided last, and those of one block rule together. A new sealer stands at the end of
the set; certificates count members by their places. Observers are those of the list from the next block on. `sealers()`
shows a decision at once, with its height. Whoever seals does not observe; a node that does neither is a free node.

A node's identifier is its public key: 128 hexadecimal digits without 0x, small or capital. Whether it is reachable is not
looked at: FISCO BCOS's -51102 is its SDK's. Weights are ours; a quorum is more than two thirds of all of them.

### Who may call

Only the account of a key that seals the height may change anything, and only by a transaction or call of its own: a
contract that it calls does not act for it. FISCO BCOS lets everybody, until somebody is granted it. Whoever names the
sealers decides what counts as agreed, and nothing takes that back. One sealer is enough, so that sealers have to trust one
another with it until there is governance (0x1008). In a group with solo consensus no sealer can be added, and the one there
is cannot go. Each change is told by the event `MemberSet`, whose `role` is `sealer`, `observer` or `free`.
";

/// The page `docs/native-modules.md`.
///
/// # Errors
/// A declaration in the table that is none.
pub fn documentation() -> Result<String, DeclarationError> {
    let mut page = String::from(OPENING);
    for module in MODULES {
        section(&mut page, module)?;
    }
    Ok(page)
}

fn section(page: &mut String, module: &NativeModule) -> Result<(), DeclarationError> {
    // Writing to a string does not fail.
    let _ = writeln!(page, "## {}: {}\n\n{}\n", short(module), module.name, module.doc);
    page.push_str("| function | gives | gas | for each byte of arguments | writes | what it does |\n");
    page.push_str("| --- | --- | ---: | ---: | --- | --- |\n");
    for function in module.functions {
        let gas = (function.gas)(&SCHEDULE_1);
        let writes = if function.access == NativeAccess::Write { "yes" } else { "no" };
        let _ = writeln!(
            page,
            "| `{}` | `{}` | {} | {} | {writes} | {} |",
            function.signature,
            function.outputs,
            to_gas(gas.base),
            thousandths(gas.byte),
            function.doc
        );
    }
    page.push_str("\n| code | meaning |\n| ---: | --- |\n");
    for code in CODES.iter().filter(|code| code.module == module.address) {
        let _ = writeln!(page, "| {} | {} |", code.code, code.meaning);
    }
    if module.address == SYSTEM_CONFIGURATION {
        page.push_str(CONFIGURATION);
        keys(page);
        page.push_str(ACCESS);
    }
    if module.address == MEMBERS {
        page.push_str(MEMBERS_TEXT);
    }
    let _ = writeln!(page, "\n### Solidity\n\n```solidity\n{}```", interface(module)?);
    let _ = writeln!(page, "\n### ABI\n\n```json\n{}\n```", module.abi_json()?);
    Ok(())
}

fn keys(page: &mut String) {
    page.push_str("| key | meaning | unit | least | most | also | rules from |\n");
    page.push_str("| --- | --- | --- | ---: | ---: | --- | --- |\n");
    for key in ConfigurationKey::ALL.map(ConfigurationKey::describe) {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} | {} | {} |",
            key.name,
            key.meaning,
            key.unit,
            key.minimum,
            key.maximum,
            key.condition,
            key.rules_from.text()
        );
    }
}

/// The address as FISCO BCOS writes it.
fn short(module: &NativeModule) -> String {
    let digits: String = module.address.0.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{}", digits.trim_start_matches('0'))
}

/// Thousandths of gas as gas.
fn thousandths(units: u64) -> String {
    format!("{}.{:03}", units / 1000, units % 1000)
}

/// The module's interface for contracts in Solidity.
fn interface(module: &NativeModule) -> Result<String, DeclarationError> {
    let mut text = format!("interface {} {{\n", module.name);
    for event in module.events {
        let _ = writeln!(text, "    event {event};");
    }
    for function in module.functions {
        let inputs = Declaration::parse(function.signature)?;
        let outputs = Declaration::parse(function.outputs)?;
        let view = if function.access == NativeAccess::Read { " view" } else { "" };
        let _ = writeln!(
            text,
            "    function {}({}) external{view} returns ({});",
            inputs.name,
            solidity(&inputs),
            solidity(&outputs)
        );
    }
    text.push_str("}\n");
    Ok(text)
}

/// Parameters with the place in memory that Solidity wants to be told.
fn solidity(declaration: &Declaration) -> String {
    let one = |DeclaredParameter { ty, name, .. }: &DeclaredParameter| {
        let in_memory = matches!(*ty, "string" | "bytes") || ty.ends_with("[]");
        let place = if in_memory { " memory" } else { "" };
        let space = if name.is_empty() { "" } else { " " };
        format!("{ty}{place}{space}{name}")
    };
    declaration.parameters.iter().map(one).collect::<Vec<_>>().join(", ")
}
