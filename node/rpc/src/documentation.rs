//! The page about the methods, made from the table.

use std::fmt::Write as _;

use crate::{
    error::CODES,
    table::{Handler, METHODS, Method},
};

const OPENING: &str = "# JSON-RPC

This page is made from the table of methods in `node/rpc/src/table.rs`; `ENTENTE_BLESS=1 cargo test -p entente-rpc`
writes it again.

A node answers JSON-RPC 2.0 over HTTP (`POST /`) and WebSocket on one port, `rpc.listen` in `config.toml`.
Parameters are a list. `GET /health` answers 200 while every group of the node follows its chain, 503 otherwise;
`GET /metrics` answers in Prometheus' text format. Methods without a prefix are FISCO BCOS 2's, with its shapes:
numbers in answers are hexadecimal strings, the first parameter is the group. Subscriptions need WebSocket.

";

/// The page `docs/rpc.md`.
pub fn documentation() -> String {
    let mut page = String::from(OPENING);
    // Writing to a string does not fail.
    let _ = writeln!(page, "## Methods\n");
    for method in METHODS {
        section(&mut page, method);
    }
    let _ = writeln!(page, "## Error codes\n\n| code | meaning |\n| ---: | --- |");
    for code in CODES {
        let _ = writeln!(page, "| {} | {} |", code.code, code.meaning);
    }
    page
}

fn section(page: &mut String, method: &Method) {
    let _ = writeln!(page, "### {}\n\n{}\n", method.name, method.documentation);
    for parameter in method.parameters {
        let optional = if parameter.optional { " (may be left out)" } else { "" };
        let _ = writeln!(page, "- `{}`{optional}: {}", parameter.name, parameter.kind.expected());
    }
    let _ = writeln!(page, "- result: {}", method.result);
    if let Handler::Subscription { unsubscribe, .. } = method.handler {
        let _ = writeln!(page, "- `{unsubscribe}` with the subscription's identifier ends it");
    }
    let _ = writeln!(
        page,
        "\n```json\n{{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"{}\", \"params\": {}}}\n```\n",
        method.name, method.example
    );
}
