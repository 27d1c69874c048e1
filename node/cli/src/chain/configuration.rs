//! `config.toml` as a person reads it: every key with its meaning above it.

use std::fmt::Write as _;

use entente_driver::NodeConfig;

use crate::output::Failure;

/// A section: its name, its meaning, its keys with theirs.
type Section = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// The meaning of every key there is.
const SECTIONS: &[Section] = &[
    ("node", "The node itself.", &[("name", "The name it is shown by.")]),
    (
        "rpc",
        "The JSON-RPC server: HTTP, WebSocket, /health and /metrics on one port.",
        &[
            ("listen", "Where it listens. Port 0 takes a free one; keep to 127.0.0.1 unless strangers may call."),
            ("connections_max", "The connections open at a time."),
            ("request_bytes_max", "The bytes of one request."),
            ("response_bytes_max", "The bytes of one response."),
            ("batch_requests_max", "The requests in one JSON-RPC batch."),
            ("subscriptions_max", "The subscriptions of one connection."),
            ("cors_origins", "The web pages that may ask, each as https://host:port; * is any."),
            ("header_ms_max", "How long a request's head may take to come, then its body besides 1 s for each 64 KiB."),
            ("idle_ms_max", "How long a connection may say nothing between requests, in milliseconds."),
            ("stall_ms_max", "How long a client may take next to nothing of what is sent to it, in milliseconds."),
        ],
    ),
    (
        "storage",
        "What lies on disk, in the folder data.",
        &[
            ("engine", "rocksdb, or memory: then everything is gone when the node stops."),
            ("history_blocks", "The heights below the tip whose state can be read."),
            ("archive", "Whether the state of every height can be read; history_blocks then has no effect."),
            ("block_cache_bytes", "The bytes of the store's blocks kept in memory, of all groups together."),
            ("write_buffer_bytes", "The bytes of writes kept in memory before they go to sorted files."),
            ("row_cache_bytes", "The bytes of rows kept in memory, of each group."),
            ("code_cache_bytes", "The bytes of compiled contracts kept in files. 0: compile anew after each start."),
        ],
    ),
    (
        "pool",
        "The transactions that wait for a block.",
        &[("transactions_max", "How many may wait."), ("bytes_max", "How many bytes they may have together.")],
    ),
    (
        "consensus",
        "How this node takes part in consensus.",
        &[("interval_ms_min", "The least time between two proposals of this node, in milliseconds.")],
    ),
    (
        "log",
        "What the node says of itself, on standard error.",
        &[
            ("level", "error, warn, info, debug or trace, or by room: info,entente_driver=debug"),
            ("format", "text, for people; json, one object a line."),
        ],
    ),
];

/// The configuration with a comment above every key.
pub(crate) fn text(config: &NodeConfig) -> Result<String, Failure> {
    let values = toml::Table::try_from(config)?;
    let mut text = "# One node's configuration. A key that is left out has the value that it has here.\n".to_owned();
    for (section, meaning, keys) in SECTIONS {
        writeln!(text, "\n# {meaning}\n[{section}]")?;
        let Some(values) = values.get(*section).and_then(toml::Value::as_table) else { continue };
        for (key, meaning) in *keys {
            if let Some(value) = values.get(*key) {
                writeln!(text, "# {meaning}\n{key} = {value}")?;
            }
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_written_with_its_meaning_and_reads_back() {
        let config = NodeConfig::default();
        let text = text(&config).unwrap();
        let read: NodeConfig = toml::from_str(&text).unwrap();
        assert_eq!(read, config);
        let (written, all): (toml::Table, toml::Table) =
            (toml::from_str(&text).unwrap(), toml::Table::try_from(&config).unwrap());
        assert_eq!(written, all, "a key has no comment in SECTIONS");
        let keys = text.lines().filter(|line| line.contains(" = ")).count();
        let comments = text.lines().filter(|line| line.starts_with("# ")).count();
        assert_eq!(comments, keys + all.len() + 1);
    }
}
