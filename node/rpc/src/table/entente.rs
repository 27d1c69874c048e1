//! Entente's own methods: what the other two families lack.

use super::{GROUP, HASH, Handler, KNOWN, Method, TRANSACTION, optional, required};
use crate::{arguments::Kind, configuration, logs, members, network, proofs, reading, sending, subscriptions};

/// The methods `entente_*`.
pub(crate) static METHODS: &[Method] = &[
    Method {
        name: "entente_status",
        parameters: &[GROUP],
        result: "{group, chain_id, ethereum_chain_id, genesis_hash, suite, height, hash, state_root, \
                 transaction_count, pool: {transactions, bytes, transactions_max, bytes_max}, role, healthy, \
                 halted, node, node_version, peers, view, view_active, next_proposer, consensus, limits, compilations, oldest_block, \
                 recovered_above}",
        documentation: "How the node and the group are. Below `oldest_block` the node has the headers alone, where it began \
                        from a snapshot; `recovered_above` has the heights above which the group went on by a document that \
                        its members signed. The role `silent` is that of a sealer that lost its data and does \
                        not vote; `silent_through` is then the height above which it must be made a sealer anew.",
        example: "[\"group1\"]",
        handler: Handler::Direct(reading::status),
    },
    Method {
        name: "entente_groups",
        parameters: &[],
        result: "a list of names",
        documentation: "The groups of this node.",
        example: "[]",
        handler: Handler::Direct(reading::groups),
    },
    Method {
        name: "entente_sendTransaction",
        parameters: &[GROUP, TRANSACTION],
        result: "the hash",
        documentation: "Checks a signed transaction and lets it wait for a block.",
        example: "[\"group1\", \"{signed_1}\"]",
        handler: Handler::Waiting(sending::send),
    },
    Method {
        name: "entente_sendTransactions",
        parameters: &[GROUP, required("transactions", Kind::Transactions)],
        result: "a list, one entry for each in their order: {hash}, or {error: {code, message}}",
        documentation: "Sends many in one request; each is admitted or refused by itself.",
        example: "[\"group1\", [\"{signed_2}\", \"0x01\"]]",
        handler: Handler::Waiting(sending::send_many),
    },
    Method {
        name: "entente_transaction",
        parameters: &[GROUP, HASH],
        result: "{hash, block, block_hash, index, kind, …the transaction's fields}, or null",
        documentation: "A committed transaction and where it stands.",
        example: "[\"group1\", \"{transaction}\"]",
        handler: Handler::Direct(reading::transaction),
    },
    Method {
        name: "entente_receipt",
        parameters: &[GROUP, HASH],
        result: "{transaction, block, block_hash, index, status, output, gas_used, logs, contract, error}, or null",
        documentation: "The receipt of a committed transaction.",
        example: "[\"group1\", \"{transaction}\"]",
        handler: Handler::Direct(reading::receipt),
    },
    Method {
        name: "entente_block",
        parameters: &[GROUP, required("block", Kind::Block), optional("full", Kind::Boolean)],
        result: "{hash, header, certificate, view, access, left_out, transactions}, or null",
        documentation: "A committed block, with the hashes of its transactions or the whole of them.",
        example: "[\"group1\", \"latest\", false]",
        handler: Handler::Blocking(reading::block),
    },
    Method {
        name: "entente_call",
        parameters: &[GROUP, required("call", Kind::Call), optional("height", Kind::Number)],
        result: "{status, output, gas_used, error}, and function where the contract's code failed: in which of its functions",
        documentation: "Calls a contract without a transaction, in the state at the tip or at a height that is kept.",
        example: "[\"group1\", {\"to\": \"{contract}\", \"input\": \"0x18160ddd\"}]",
        handler: Handler::Waiting(reading::call),
    },
    Method {
        name: "entente_abi",
        parameters: &[GROUP, required("address", Kind::Address)],
        result: "a list in Ethereum's ABI JSON, or null",
        documentation: "The ABI of a native module, from its table, or the one that a Wasm contract carries; that one is \
                 its author's text, which nobody has checked.",
        example: "[\"group1\", \"0x0000000000000000000000000000000000001000\"]",
        handler: Handler::Blocking(configuration::abi),
    },
    Method {
        name: "entente_configuration",
        parameters: &[GROUP],
        result: "a list of {key, value, from, in_force, unit, minimum, maximum}",
        documentation: "The system configuration: of each key the value that was decided last, the height from which it \
                 rules, and the value that rules the next block.",
        example: "[\"group1\"]",
        handler: Handler::Direct(configuration::all),
    },
    Method {
        name: "entente_members",
        parameters: &[GROUP],
        result: "{next_height, sealers: [{node_id, account, weight}], decided: [{from, sealers}], observers: [{node_id, \
                 account}]}",
        documentation: "Who seals the next block, the sealer sets that are decided already and rule from a later height on, \
                 and who observes.",
        example: "[\"group1\"]",
        handler: Handler::Direct(members::all),
    },
    Method {
        name: "entente_sealerChanges",
        parameters: &[GROUP, required("from", Kind::Number)],
        result: "a list of {block, from, sealers: [{node_id, account, weight}], header, certificate, change}",
        documentation: "The changes of the sealer set from block `from` on, oldest first, at most 16: each a header that names \
                 another set for the next height than rules its own, and that set. `change` is the whole as one SCALE \
                 document, which a light client follows. Ask again above the last one for more.",
        example: "[\"group1\", 0]",
        handler: Handler::Blocking(members::sealer_changes),
    },
    Method {
        name: "entente_transactionProof",
        parameters: &[GROUP, HASH, KNOWN],
        result: "{transaction, index, block, block_hash, leaf, root, path: [[side, hash]], header, certificate, proof}, \
                 or null",
        documentation: "Proves that a transaction is in a block: the siblings from its leaf, the hash, up to the header's \
                 transaction root, and the header with its certificate. `proof` is the whole as one SCALE document, \
                 which `entente proof check` verifies with nothing but the genesis document. It bears the changes of the \
                 sealer set below the block; with `known`, those from that block on alone, for one who knows the others.",
        example: "[\"group1\", \"{transaction}\"]",
        handler: Handler::Blocking(proofs::transaction),
    },
    Method {
        name: "entente_receiptProof",
        parameters: &[GROUP, HASH, KNOWN],
        result: "as `entente_transactionProof`",
        documentation: "Proves the receipt of a transaction: the siblings from its leaf, its SCALE encoding, up to the \
                 header's receipt root. `proof` joins it to the transaction's hash, too.",
        example: "[\"group1\", \"{transaction}\"]",
        handler: Handler::Blocking(proofs::receipt),
    },
    Method {
        name: "entente_rowProof",
        parameters: &[
            GROUP,
            required("table", Kind::Table),
            required("key", Kind::Key),
            required("block", Kind::Number),
            KNOWN,
        ],
        result: "{table, key, value, block, block_hash, leaf, root, path: [[side, hash]], header, certificate, proof}, \
                 or null where the block did not write the row",
        documentation: "Proves that a block set a row, or removed it (`value` is null then), up to the header's change \
                 root: not that the row still holds it. Kept for as many blocks as the state's history.",
        example: "[\"group1\", \"accounts\", \"{contract}\", 1]",
        handler: Handler::Blocking(proofs::row),
    },
    Method {
        name: "entente_subscribeBlocks",
        parameters: &[GROUP],
        result: "a subscription; `entente_blocks` notifies {number, hash, timestamp_ms, state_root, gas_used, \
                 transactions: [hash], failed: [index]}",
        documentation: "Tells of each block from the next one on, in order and without a gap; who is too slow is told so, \
                 and dropped.",
        example: "[\"group1\"]",
        handler: Handler::Subscription {
            notification: "entente_blocks",
            unsubscribe: "entente_unsubscribeBlocks",
            handler: subscriptions::blocks,
        },
    },
    Method {
        name: "entente_logs",
        parameters: &[GROUP, required("filter", Kind::LogQuery)],
        result: "a list of {address, topics, data, block, block_hash, transaction, transaction_index, log_index}",
        documentation: "The logs of past blocks that fit a filter, in their order: from block `from` to block `to`, which \
                 is the last one if absent; `from` is `to` if absent. Of block `from` those from place `from_log` on, among all \
                 logs of the block. At most 10,000 blocks and 10,000 logs at a time.",
        example: "[\"group1\", {\"address\": \"{contract}\", \"from\": 0}]",
        handler: Handler::Blocking(logs::past),
    },
    Method {
        name: "entente_subscribeLogs",
        parameters: &[GROUP, required("filter", Kind::LogFilter)],
        result: "a subscription; `entente_logs` notifies for each log {address, topics, data, block, block_hash, \
                 transaction, transaction_index, log_index}",
        documentation: "Tells of the logs that fit a filter, in order, none twice and none left out: from the next block \
                 on, or first the past ones from block `from` on, which is at most 100,000 behind, and in it from place \
                 `from_log` on, among all logs of the block.",
        example: "[\"group1\", {\"address\": \"{contract}\", \"topics\": [\"{event}\"]}]",
        handler: Handler::Subscription {
            notification: "entente_logs",
            unsubscribe: "entente_unsubscribeLogs",
            handler: subscriptions::logs,
        },
    },
    Method {
        name: "entente_subscribeReceipt",
        parameters: &[GROUP, HASH],
        result: "a subscription; `entente_receipts` notifies once, as `entente_receipt` answers",
        documentation: "Tells of a transaction's receipt once it is committed, at once if it is, and ends.",
        example: "[\"group1\", \"{transaction}\"]",
        handler: Handler::Subscription {
            notification: "entente_receipts",
            unsubscribe: "entente_unsubscribeReceipt",
            handler: subscriptions::receipt,
        },
    },
    Method {
        name: "entente_network",
        parameters: &[GROUP],
        result: "{listens_at, peers: [{node_ids, subject, serial, expires_at, address, dialed, connected_seconds, groups, \
                 sent: {messages, bytes}, received}], traffic: [{class, direction, messages, bytes, unpacked_bytes}], \
                 dropped: [{why, messages}]}",
        documentation: "The nodes that this one is connected to, whatever their groups, and what went to and fro in the \
                 group since the start: bytes as they travelled, and what arrived also unpacked.",
        example: "[\"group1\"]",
        handler: Handler::Direct(network::network),
    },
    Method {
        name: "entente_readAdmission",
        parameters: &[],
        result: "true",
        documentation: "Has the node read again who is let in (`admission.toml`) and its certificate, as SIGHUP does. \
                 Nodes that are not let in any more are let go at once.",
        example: "[]",
        handler: Handler::Blocking(network::read_admission),
    },
];
