//! The ONE table of the keys of `config.toml`, and those of `admission.toml` and `genesis.toml`: checks, comments and the page about them are
//! made from it.

use entente_types::{
    ConfigurationKey,
    limits::{PIPELINE_DEPTH_MAX, TRANSACTION_BYTES_MAX},
};

/// What a key may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Values {
    /// A whole number within bounds.
    Number { minimum: u64, maximum: u64 },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// True or false.
    Boolean,
    /// A text of at least one and at most so many characters, none of which is a control character.
    Text { characters_max: usize },
    /// What can only be said in words; whoever reads it checks it.
    Other(&'static str),
}

impl Values {
    /// What is allowed, for messages and the page.
    pub(crate) fn allowed(self) -> String {
        match self {
            Self::Number { minimum, maximum } => format!("{minimum} to {maximum}"),
            Self::Choice(words) => words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or "),
            Self::Boolean => "true or false".to_owned(),
            Self::Text { characters_max } => format!("a text of 1 to {characters_max} characters"),
            Self::Other(words) => words.to_owned(),
        }
    }
}

/// A key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// What it means, in one sentence or two.
    pub(crate) meaning: &'static str,
    /// What its number counts; empty if it is none.
    pub(crate) unit: &'static str,
    pub(crate) values: Values,
}

/// A section of a file, and its keys. The keys before the first section of a file have one without a name.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) keys: &'static [Key],
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// What no machine has: bounds against mistakes of the keyboard.
const BYTES_MAX: u64 = 1 << 44;
/// The transactions that one request may have: `TRANSACTIONS_MAX` of the RPC room. Fewer at a time would refuse some
/// requests for ever.
pub const REQUEST_TRANSACTIONS_MAX: u64 = 10_000;

const fn number(minimum: u64, maximum: u64) -> Values {
    Values::Number { minimum, maximum }
}

/// `config.toml`.
pub(crate) const CONFIGURATION: &[Section] = &[
    Section {
        name: "node",
        meaning: "The node itself.",
        keys: &[Key {
            name: "name",
            meaning: "The name it is shown by.",
            unit: "",
            values: Values::Text { characters_max: 64 },
        }],
    },
    Section {
        name: "rpc",
        meaning: "The JSON-RPC server: HTTP, WebSocket, /health and /metrics on one port.",
        keys: RPC,
    },
    Section { name: "storage", meaning: "What lies on disk, in the folder data.", keys: STORAGE },
    Section { name: "pool", meaning: "The transactions that wait for a block, in each group.", keys: POOL },
    Section {
        name: "consensus",
        meaning: "How this node takes part in consensus.",
        keys: &[
            Key {
                name: "interval_ms_min",
                meaning: "The least time between two proposals of this node. A node that orders alone waits for up to 100 \
                      milliseconds after a large block, 0.1 for each of its transactions.",
                unit: "milliseconds",
                values: number(0, 3_600_000),
            },
            Key {
                name: "view_timeout_ms",
                meaning: "How long the next height may take to be ordered before this node wants another proposer, with \
                      pbft. It grows while that does not help, and shrinks again.",
                unit: "milliseconds",
                values: number(100, 3_600_000),
            },
        ],
    },
    Section {
        name: "sync",
        meaning: "How this node catches up with the others.",
        keys: &[Key {
            name: "snapshot_lead_blocks",
            meaning: "From how many blocks behind on the node takes a snapshot of the state from the others, where they have \
                      one, in place of executing every block. Of the blocks below it it has the headers, and the last 1,000 \
                      whole. 0: never; with storage.archive it never does.",
            unit: "blocks",
            values: number(0, u64::MAX >> 1),
        }],
    },
    Section {
        name: "network",
        meaning: "The other nodes. Who is let in stands in admission.toml, the node's own certificate in the folder certs.",
        keys: NETWORK,
    },
    Section {
        name: "log",
        meaning: "What the node says of itself, on standard error. docs/logs.md lists the events.",
        keys: &[
            Key {
                name: "level",
                meaning: "From which level on events are written, of all rooms or by room.",
                unit: "",
                values: Values::Other("error, warn, info, debug or trace, or such as \"info,entente_driver=debug\""),
            },
            Key {
                name: "format",
                meaning: "text, for people; json, one object a line.",
                unit: "",
                values: Values::Choice(&["text", "json"]),
            },
        ],
    },
];

const RPC: &[Key] = &[
    Key {
        name: "listen",
        meaning: "Where it listens. Port 0 takes a free one; keep to 127.0.0.1 unless strangers may call.",
        unit: "",
        values: Values::Other("an address and a port, such as \"127.0.0.1:8545\""),
    },
    Key {
        name: "connections_max",
        meaning: "The connections open at a time. One more is told so and closed.",
        unit: "connections",
        values: number(1, 65_535),
    },
    Key {
        name: "request_bytes_max",
        meaning: "The bytes of one request.",
        unit: "bytes",
        values: number(KIB, 256 * MIB),
    },
    Key {
        name: "response_bytes_max",
        meaning: "The bytes of one response.",
        unit: "bytes",
        values: number(KIB, 256 * MIB),
    },
    Key {
        name: "batch_requests_max",
        meaning: "The requests in one JSON-RPC batch.",
        unit: "requests",
        values: number(1, 100_000),
    },
    Key {
        name: "subscriptions_max",
        meaning: "The subscriptions of one connection.",
        unit: "subscriptions",
        values: number(0, 10_000),
    },
    Key {
        name: "cors_origins",
        meaning: "The web pages that may ask. A browser keeps all others from it.",
        unit: "",
        values: Values::Other("a list of at most 64 of \"*\" and scheme://host or scheme://host:port, without a path"),
    },
    Key {
        name: "header_ms_max",
        meaning: "How long a request's head may take to come, and then its body besides a second for each 64 KiB.",
        unit: "milliseconds",
        values: number(1, 3_600_000),
    },
    Key {
        name: "idle_ms_max",
        meaning: "How long a connection may say nothing between requests.",
        unit: "milliseconds",
        values: number(1, 86_400_000),
    },
    Key {
        name: "stall_ms_max",
        meaning: "How long a client may take next to nothing of what is sent to it.",
        unit: "milliseconds",
        values: number(1, 3_600_000),
    },
    Key {
        name: "connection_requests_max",
        meaning: "The requests of one connection that are worked on at a time; a batch is one.",
        unit: "requests",
        values: number(1, 65_535),
    },
    Key {
        name: "connection_transactions_max",
        meaning: "The transactions of one connection that are worked on at a time, until they wait in the pool or are \
                  refused.",
        unit: "transactions",
        values: number(REQUEST_TRANSACTIONS_MAX, 1_000_000),
    },
    Key {
        name: "work_bytes_max",
        meaning: "The bytes of all requests that are worked on at a time. At least request_bytes_max.",
        unit: "bytes",
        values: number(KIB, BYTES_MAX),
    },
    Key {
        name: "calls_max",
        meaning: "The calls of contracts that wait or run at a time, of all groups together.",
        unit: "calls",
        values: number(1, 65_535),
    },
    Key {
        name: "requests_per_second_max",
        meaning: "The requests that the node takes in a second, each transaction counting as one. 0: as many as come.",
        unit: "requests a second",
        values: number(0, 10_000_000),
    },
    Key {
        name: "group_requests_per_second_max",
        meaning: "The same for each group: requests that name it. 0: as many as come.",
        unit: "requests a second",
        values: number(0, 10_000_000),
    },
];

const NETWORK: &[Key] = &[
    Key {
        name: "listen",
        meaning: "Where the node listens for other nodes. Empty: it is alone.",
        unit: "",
        values: Values::Other("an address such as \"0.0.0.0:30300\", or \"\""),
    },
    Key {
        name: "peers",
        meaning: "The nodes that it calls, and calls again when they are lost. Those that call it need not stand here.",
        unit: "",
        values: Values::Other("a list of at most 1024 addresses such as \"node1.example.org:30301\""),
    },
    Key {
        name: "introduced",
        meaning: "Nodes that are taken for members of a group as long as this node is none itself by the blocks that it \
                  has: a new node knows the members of the genesis document alone, and these may all be gone.",
        unit: "",
        values: Values::Other("a list of at most 1024 node identifiers, 128 hexadecimal digits each"),
    },
    Key {
        name: "bytes_per_second_max",
        meaning: "The bytes that leave for other nodes in a second, of all groups together. Consensus does not wait for \
                  it, but all else waits for consensus. 0: any number.",
        unit: "bytes",
        values: number(0, BYTES_MAX),
    },
    Key {
        name: "group_bytes_per_second_max",
        meaning: "The same for each group.",
        unit: "bytes",
        values: number(0, BYTES_MAX),
    },
];

const STORAGE: &[Key] = &[
    Key {
        name: "engine",
        meaning: "rocksdb, or memory: then everything is gone when the node stops.",
        unit: "",
        values: Values::Choice(&["rocksdb", "memory"]),
    },
    Key {
        name: "history_blocks",
        meaning: "The heights below the tip whose state can be read.",
        unit: "blocks",
        values: number(0, 1_000_000_000_000),
    },
    Key {
        name: "archive",
        meaning: "Whether the state of every height can be read; history_blocks then has no effect.",
        unit: "",
        values: Values::Boolean,
    },
    Key {
        name: "block_cache_bytes",
        meaning: "The bytes of the store's blocks kept in memory, of all groups together.",
        unit: "bytes",
        values: number(MIB, BYTES_MAX),
    },
    Key {
        name: "write_buffer_bytes",
        meaning: "The bytes of writes kept in memory before they go to sorted files, of all groups together.",
        unit: "bytes",
        values: number(MIB, BYTES_MAX),
    },
    Key {
        name: "row_cache_bytes",
        meaning: "The bytes of rows kept in memory, of each group.",
        unit: "bytes",
        values: number(0, BYTES_MAX),
    },
    Key {
        name: "code_cache_bytes",
        meaning: "The bytes of compiled contracts kept in files, of all groups together. 0: compile anew after each start.",
        unit: "bytes",
        values: number(0, BYTES_MAX),
    },
];

const POOL: &[Key] = &[
    Key {
        name: "transactions_max",
        meaning: "How many may wait.",
        unit: "transactions",
        values: number(1, 10_000_000),
    },
    Key {
        name: "bytes_max",
        meaning: "How many bytes they may have together; one may have a MiB.",
        unit: "bytes",
        values: number(TRANSACTION_BYTES_MAX as u64, 1024 * GIB),
    },
    Key {
        name: "sender_transactions_max",
        meaning: "How many of one sender may wait, so that nobody keeps all others out.",
        unit: "transactions",
        values: number(1, 10_000_000),
    },
    Key {
        name: "submissions_max",
        meaning: "The requests with transactions that are worked on at a time.",
        unit: "requests",
        values: number(1, 65_535),
    },
    Key {
        name: "checking_transactions_max",
        meaning: "The transactions being checked, or on their way into the pool, at a time: how long somebody else's \
                  transaction waits for its check.",
        unit: "transactions",
        values: number(REQUEST_TRANSACTIONS_MAX, 1_000_000),
    },
];

/// `admission.toml`.
pub(crate) const ADMISSION: &[Section] = &[Section {
    name: "",
    meaning: "Nodes are named by their consensus keys, as `entente member list` and `entente cert show` tell them, and \
              certificates by their serial numbers. Whoever is on a deny list is not let in. Where an allow list has \
              entries, nobody else is let in.",
    keys: &[
        Key { name: "allow_nodes", meaning: "The only nodes let in.", unit: "", values: NODES },
        Key { name: "allow_certificates", meaning: "The only certificates let in.", unit: "", values: CERTIFICATES },
        Key { name: "deny_nodes", meaning: "Nodes that are not let in.", unit: "", values: NODES },
        Key {
            name: "deny_certificates",
            meaning: "Certificates that are not let in, such as those whose keys were lost.",
            unit: "",
            values: CERTIFICATES,
        },
    ],
}];

const NODES: Values = Values::Other("a list of at most 10000 nodes, 128 hexadecimal digits each");
const CERTIFICATES: Values = Values::Other("a list of at most 10000 serial numbers, 1 to 40 hexadecimal digits each");

const fn limit(key: ConfigurationKey) -> Values {
    let description = key.describe();
    number(description.minimum, description.maximum)
}

const fn gas(name: &'static str, meaning: &'static str, key: ConfigurationKey) -> Key {
    Key { name, meaning, unit: key.describe().unit, values: limit(key) }
}

/// `genesis.toml`. What the fields may hold is checked by `Genesis::validate` of the types' room.
pub(crate) const GENESIS: &[Section] = &[
    Section { name: "", meaning: "The group, and what never changes.", keys: GENESIS_ROOT },
    Section {
        name: "limits",
        meaning: "The limits that the group begins with; transactions change them later (docs/native-modules.md).",
        keys: &[
            gas(
                "block_gas",
                "The gas of a block: once it is used up, the rest of the proposal is left out and comes in the next \
                 block. At least transaction_gas.",
                ConfigurationKey::BlockGas,
            ),
            gas("transaction_gas", "The gas that one transaction may ask for.", ConfigurationKey::TransactionGas),
            gas("block_transactions", "The transactions in a proposal.", ConfigurationKey::BlockTransactions),
        ],
    },
    Section {
        name: "sealers",
        meaning: "The sealers that the group begins with, 1 to 1024 of them, each once; one with solo.",
        keys: &[
            Key {
                name: "key",
                meaning: "Its public key, of the group's suite: what `keys/consensus.key` of that node makes.",
                unit: "",
                values: Values::Other("a public key in hexadecimal digits, such as `entente chain new` writes"),
            },
            Key {
                name: "weight",
                meaning: "The weight of its vote.",
                unit: "votes",
                values: number(1, u32::MAX as u64),
            },
        ],
    },
];

const GENESIS_ROOT: &[Key] = &[
    Key { name: "version", meaning: "The version of this document's format.", unit: "", values: number(1, 1) },
    Key {
        name: "chain_id",
        meaning: "The chain's number, which every transaction names.",
        unit: "",
        values: number(0, i64::MAX as u64),
    },
    Key {
        name: "group_id",
        meaning: "The group's name, which every transaction names.",
        unit: "",
        values: Values::Other("1 to 64 of a-z, 0-9, _ and -"),
    },
    Key {
        name: "ethereum_chain_id",
        meaning: "The chain id that Ethereum's tools see.",
        unit: "",
        values: number(0, i64::MAX as u64),
    },
    Key {
        name: "suite",
        meaning: "The algorithms, throughout: BLAKE3 and ECDSA over secp256k1, or SM3 and SM2.",
        unit: "",
        values: Values::Choice(&["standard", "guomi"]),
    },
    Key {
        name: "timestamp_ms",
        meaning: "When the group begins.",
        unit: "milliseconds since 1970",
        values: number(0, i64::MAX as u64),
    },
    Key {
        name: "consensus",
        meaning: "How the group agrees on an order. This version has solo and pbft.",
        unit: "",
        values: Values::Choice(&["solo", "pbft", "rpbft", "raft"]),
    },
    Key {
        name: "pipeline_depth",
        meaning: "How many heights may be in flight; 1 with solo.",
        unit: "heights",
        values: number(1, PIPELINE_DEPTH_MAX as u64),
    },
    Key {
        name: "protocol_version",
        meaning: "The version of the rules that the first block is executed under.",
        unit: "",
        values: limit(ConfigurationKey::ProtocolVersion),
    },
    Key {
        name: "evm_hash",
        meaning: "The hash function that EVM contracts see.",
        unit: "",
        values: Values::Choice(&["keccak256", "sm3"]),
    },
    Key {
        name: "evm_timestamp",
        meaning: "The unit of time that EVM contracts see.",
        unit: "",
        values: Values::Choice(&["seconds", "milliseconds"]),
    },
    Key { name: "balances", meaning: "Whether there is a coin.", unit: "", values: Values::Boolean },
    Key {
        name: "allocations",
        meaning: "What accounts hold at the beginning; empty unless there is a coin. May be left out.",
        unit: "",
        values: Values::Other("a list of [address, amount]"),
    },
];

/// The key with this dotted path, if the sections have one.
pub(crate) fn find(sections: &'static [Section], path: &str) -> Option<&'static Key> {
    let (section, name) = path.rsplit_once('.').unwrap_or(("", path));
    sections.iter().find(|found| found.name == section)?.keys.iter().find(|key| key.name == name)
}

#[cfg(test)]
mod tests {
    use entente_crypto::Suite;
    use entente_types::limits::{GROUP_ID_BYTES_MAX, SEALERS_MAX};

    use super::*;

    #[test]
    fn words_that_stand_for_constants_say_what_they_are() {
        assert_eq!((GROUP_ID_BYTES_MAX, SEALERS_MAX), (64, 1024), "in the table's words");
        let suites = [Suite::Standard, Suite::Guomi].map(|suite| toml::Value::try_from(suite).unwrap());
        assert_eq!(suites, ["standard".into(), "guomi".into()]);
    }

    #[test]
    fn every_key_has_a_meaning_and_bounds_that_hold_something() {
        for section in CONFIGURATION.iter().chain(GENESIS).chain(ADMISSION) {
            assert!(section.meaning.ends_with('.'), "{}", section.name);
            for key in section.keys {
                assert!(key.meaning.ends_with('.'), "{}", key.name);
                if let Values::Number { minimum, maximum } = key.values {
                    assert!(minimum <= maximum, "{}", key.name);
                    assert!(i64::try_from(maximum).is_ok(), "{}: TOML's numbers end there", key.name);
                }
            }
        }
    }
}
