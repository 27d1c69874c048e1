//! The page about the methods, made from the table.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value;

use crate::{
    error::CODES,
    table::{ABSENT, Family, Handler, Method},
};

/// What a node answered to each method's example, as a test wrote it down.
const EXAMPLES: &str = include_str!("../testdata/examples.json");

const OPENING: &str = "# JSON-RPC

This page is made from the table of methods in `node/rpc/src/table`; `ENTENTE_BLESS=1 cargo test -p entente-rpc`
writes it again.

A node answers JSON-RPC 2.0 over HTTP (`POST /`) and WebSocket on one port, `rpc.listen` in `config.toml`.
`POST /g/GROUP`, and a WebSocket there, speak for one group: there Ethereum's methods are that group's, and at `/` those
of the node's first one. Parameters are a list; unknown and malformed ones are
refused with error -32602, which names them. Web pages of other places may ask only if `rpc.cors_origins` names them.
`GET /health` answers 200 while no group of the node has halted, 503 otherwise;
`GET /metrics` answers in Prometheus' text format. Methods without a prefix are FISCO BCOS 2's, with its shapes; those
of Ethereum begin with `eth_`, `net_` and `web3_`, ours with `entente_`. Subscriptions need WebSocket.

The examples are what a node answered in a test of this server; long texts and lists are cut.

";

/// The page `docs/rpc.md`.
pub fn documentation() -> String {
    let mut page = String::from(OPENING);
    // Writing to a string does not fail.
    // The file is part of this program, and a test reads it.
    let examples: BTreeMap<String, Value> = serde_json::from_str(EXAMPLES).unwrap_or_default();
    for family in Family::ALL {
        let (title, about) = family.heading();
        let _ = writeln!(page, "## {title}\n\n{about}\n");
        for method in family.methods() {
            section(&mut page, method, examples.get(method.name));
        }
    }
    let _ = writeln!(page, "## FISCO BCOS's methods that are not there yet\n\n| method | why |\n| --- | --- |");
    for (name, why) in ABSENT {
        let _ = writeln!(page, "| `{name}` | {why} |");
    }
    page.push('\n');
    let _ = writeln!(page, "## Error codes\n\n| code | meaning |\n| ---: | --- |");
    for code in CODES {
        let _ = writeln!(page, "| {} | {} |", code.code, code.meaning);
    }
    page
}

fn section(page: &mut String, method: &Method, example: Option<&Value>) {
    let _ = writeln!(page, "### {}\n\n{}\n", method.name, method.documentation);
    for parameter in method.parameters {
        let optional = if parameter.optional { " (may be left out)" } else { "" };
        let _ = writeln!(page, "- `{}`{optional}: {}", parameter.name, parameter.kind.expected());
    }
    let _ = writeln!(page, "- result: {}", method.result);
    if let Handler::Subscription { unsubscribe, .. } = method.handler {
        let _ = writeln!(page, "- `{unsubscribe}` with the subscription's identifier ends it");
    }
    let part = |name: &str| example.and_then(|example| example.get(name));
    let parameters = part("params").map_or_else(|| method.example.to_owned(), Value::to_string);
    let _ = writeln!(
        page,
        "\n```json\n{{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"{}\", \"params\": {parameters}}}\n```\n",
        method.name
    );
    for (name, title) in [("result", "Result"), ("error", "Error"), ("notification", "Notification")] {
        if let Some(value) = part(name) {
            // JSON that was read can be written.
            let pretty = serde_json::to_string_pretty(value).unwrap_or_default();
            let _ = writeln!(page, "{title}:\n\n```json\n{pretty}\n```\n");
        }
    }
}
