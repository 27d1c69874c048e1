//! The ONE table of methods: registration, the documentation and the metrics are made from it.

use crate::{
    arguments::{Kind, Parameter},
    configuration, fisco, fisco_consensus, fisco_node, logs, members, network, proofs, reading, sending, subscriptions,
};

pub(crate) use crate::method::{Handler, Method, Pending, Subscribed};

const fn required(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind, optional: false }
}

const fn optional(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind, optional: true }
}

const GROUP: Parameter = required("group", Kind::Group);
const HASH: Parameter = required("hash", Kind::Hash);
const TRANSACTION: Parameter = required("transaction", Kind::Transaction);
/// FISCO BCOS's names for the same.
const GROUP_ID: Parameter = required("groupID", Kind::Group);
const TRANSACTION_HASH: Parameter = required("transactionHash", Kind::Hash);
const BLOCK_NUMBER: Parameter = required("blockNumber", Kind::Number);
const BLOCK_HASH: Parameter = required("blockHash", Kind::Hash);
const TRANSACTION_INDEX: Parameter = required("transactionIndex", Kind::Number);
const FROM: Parameter = required("from", Kind::Number);
const COUNT: Parameter = required("count", Kind::Count);
const COMPRESS: Parameter = required("compressFlag", Kind::Boolean);
const INCLUDE_TRANSACTIONS: Parameter = optional("includeTransactions", Kind::Boolean);
const KNOWN: Parameter = optional("known", Kind::Number);
const INCLUDE_SIGNATURES: Parameter = optional("includeSignatures", Kind::Boolean);

/// Every method of this server.
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
        name: "getClientVersion",
        parameters: &[],
        result: "{\"Build Type\", \"Chain Id\", \"FISCO-BCOS Version\", \"Supported Version\", \"Entente \
                 Version\", …}",
        documentation: "The node's version, and the version of FISCO BCOS whose clients it serves.",
        example: "[]",
        handler: Handler::Direct(fisco::client_version),
    },
    Method {
        name: "getGroupList",
        parameters: &[],
        result: "a list of numbers, or of names that are not `group<n>`",
        documentation: "The groups of this node.",
        example: "[]",
        handler: Handler::Direct(fisco::group_list),
    },
    Method {
        name: "getBlockNumber",
        parameters: &[GROUP_ID],
        result: "a number",
        documentation: "The number of the last block.",
        example: "[1]",
        handler: Handler::Direct(fisco::block_number),
    },
    Method {
        name: "getBlockByNumber",
        parameters: &[GROUP_ID, BLOCK_NUMBER, INCLUDE_TRANSACTIONS],
        result: "{number, hash, parentHash, sealer, sealerList, signatureList, transactionsRoot, receiptsRoot, \
                 stateRoot, dbHash, logsBloom, gasUsed, gasLimit, timestamp, extraData, transactions}",
        documentation: "A block.",
        example: "[1, \"0x2\", true]",
        handler: Handler::Blocking(fisco::block_by_number),
    },
    Method {
        name: "getBlockByHash",
        parameters: &[GROUP_ID, BLOCK_HASH, INCLUDE_TRANSACTIONS],
        result: "as `getBlockByNumber`",
        documentation: "A block.",
        example: "[1, \"{block_hash}\", true]",
        handler: Handler::Blocking(fisco::block_by_hash),
    },
    Method {
        name: "getBlockHeaderByNumber",
        parameters: &[GROUP_ID, BLOCK_NUMBER, INCLUDE_SIGNATURES],
        result: "as `getBlockByNumber`, without transactions; `signatureList` if asked for",
        documentation: "A block's header.",
        example: "[1, \"0x2\", true]",
        handler: Handler::Blocking(fisco::header_by_number),
    },
    Method {
        name: "getBlockHeaderByHash",
        parameters: &[GROUP_ID, BLOCK_HASH, INCLUDE_SIGNATURES],
        result: "as `getBlockHeaderByNumber`",
        documentation: "A block's header.",
        example: "[1, \"{block_hash}\", true]",
        handler: Handler::Blocking(fisco::header_by_hash),
    },
    Method {
        name: "getBlockHashByNumber",
        parameters: &[GROUP_ID, BLOCK_NUMBER],
        result: "the hash",
        documentation: "A block's hash.",
        example: "[1, \"0x1\"]",
        handler: Handler::Direct(fisco::block_hash_by_number),
    },
    Method {
        name: "getTransactionByHash",
        parameters: &[GROUP_ID, TRANSACTION_HASH],
        result: "{hash, blockHash, blockNumber, transactionIndex, from, to, input, nonce, blockLimit, chainId, \
                 groupId, gas, gasPrice, value, extraData, signature: {r, s, v, signature}}, or null",
        documentation: "A committed transaction.",
        example: "[1, \"{transaction}\"]",
        handler: Handler::Direct(fisco::transaction_by_hash),
    },
    Method {
        name: "getTransactionByBlockNumberAndIndex",
        parameters: &[GROUP_ID, BLOCK_NUMBER, TRANSACTION_INDEX],
        result: "as `getTransactionByHash`",
        documentation: "The transaction at a place.",
        example: "[1, \"0x2\", \"0x0\"]",
        handler: Handler::Direct(fisco::transaction_by_number),
    },
    Method {
        name: "getTransactionByBlockHashAndIndex",
        parameters: &[GROUP_ID, BLOCK_HASH, TRANSACTION_INDEX],
        result: "as `getTransactionByHash`",
        documentation: "The transaction at a place.",
        example: "[1, \"{block_hash}\", \"0x0\"]",
        handler: Handler::Direct(fisco::transaction_by_block_hash),
    },
    Method {
        name: "getTransactionReceipt",
        parameters: &[GROUP_ID, TRANSACTION_HASH],
        result: "{transactionHash, transactionIndex, blockHash, blockNumber, from, to, input, output, status, \
                 gasUsed, contractAddress, logs, logsBloom, root}, or null",
        documentation: "The receipt of a committed transaction.",
        example: "[1, \"{transaction}\"]",
        handler: Handler::Direct(fisco::receipt),
    },
    Method {
        name: "getTransactionByHashWithProof",
        parameters: &[GROUP_ID, TRANSACTION_HASH],
        result: "{transaction, txProof: [{left: [digits], right: [digits]}]}, or null",
        documentation: "A committed transaction, and the siblings from its hash up to `transactionsRoot`, a level each. \
                 The tree and its hashes are ours, so FISCO BCOS's own check does not fit: \
                 `entente_transactionProof` gives the proof to check.",
        example: "[1, \"{transaction}\"]",
        handler: Handler::Blocking(proofs::fisco_transaction),
    },
    Method {
        name: "getTransactionReceiptByHashWithProof",
        parameters: &[GROUP_ID, TRANSACTION_HASH],
        result: "{transactionReceipt, receiptProof: [{left: [digits], right: [digits]}]}, or null",
        documentation: "The receipt of a committed transaction, and the siblings from its SCALE encoding up to \
                 `receiptsRoot`, a level each. The tree and its hashes are ours, so FISCO BCOS's own check does not \
                 fit: `entente_receiptProof` gives the proof to check.",
        example: "[1, \"{transaction}\"]",
        handler: Handler::Blocking(proofs::fisco_receipt),
    },
    Method {
        name: "getPendingTxSize",
        parameters: &[GROUP_ID],
        result: "a number",
        documentation: "How many transactions wait.",
        example: "[1]",
        handler: Handler::Direct(fisco::pending_size),
    },
    Method {
        name: "getTotalTransactionCount",
        parameters: &[GROUP_ID],
        result: "{blockNumber, txSum}",
        documentation: "How many transactions are committed; how many of them failed is not counted.",
        example: "[1]",
        handler: Handler::Direct(fisco::total),
    },
    Method {
        name: "getSealerList",
        parameters: &[GROUP_ID],
        result: "a list of public keys",
        documentation: "The nodes that order, as it was decided last; from which height they do tells `entente_members`.",
        example: "[1]",
        handler: Handler::Direct(members::sealer_list),
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
    Method {
        name: "getPbftView",
        parameters: &[GROUP_ID],
        result: "a hexadecimal quantity",
        documentation: "The view that the node is in, or wants. Where the consensus has none: error -40007.",
        example: "[1]",
        handler: Handler::Direct(fisco_consensus::pbft_view),
    },
    Method {
        name: "getConsensusStatus",
        parameters: &[GROUP_ID],
        result: "a list of {accountType, highestblockNumber, highestblockHash, nodeId, nodeNum, sealer.0, …}; with pbft \
                 also connectedNodes, currentView, toView, leaderFailed, and the list's second entry is a list of \
                 {nodeId, view}; else leaderId, leaderIdx",
        documentation: "How the node takes part in consensus. What does not exist here is 0 or false; of views the node's \
                 own is told.",
        example: "[1]",
        handler: Handler::Direct(fisco_consensus::consensus_status),
    },
    Method {
        name: "getSyncStatus",
        parameters: &[GROUP_ID],
        result: "{blockNumber, genesisHash, isSyncing, knownHighestNumber, knownLatestHash, latestHash, nodeId, peers, \
                 protocolId, txPoolSize}",
        documentation: "How far the node is, and the others of the group that it is connected to. Hashes of blocks that \
                 are not here yet are 0.",
        example: "[1]",
        handler: Handler::Direct(fisco_consensus::sync_status),
    },
    Method {
        name: "getPeers",
        parameters: &[GROUP_ID],
        result: "a list of {IPAndPort, nodeId, Topic}",
        documentation: "The nodes that this one is connected to, whatever their groups.",
        example: "[1]",
        handler: Handler::Direct(fisco_consensus::peers),
    },
    Method {
        name: "getObserverList",
        parameters: &[GROUP_ID],
        result: "a list of public keys",
        documentation: "The nodes that follow and do not order.",
        example: "[1]",
        handler: Handler::Direct(members::observer_list),
    },
    Method {
        name: "getGroupPeers",
        parameters: &[GROUP_ID],
        result: "a list of public keys",
        documentation: "The nodes that order, and those that follow.",
        example: "[1]",
        handler: Handler::Direct(members::group_peers),
    },
    Method {
        name: "getNodeIDList",
        parameters: &[GROUP_ID],
        result: "a list of public keys",
        documentation: "This node, and those it is connected to.",
        example: "[1]",
        handler: Handler::Direct(fisco_consensus::node_ids),
    },
    Method {
        name: "getNodeInfo",
        parameters: &[],
        result: "{Agency, IPAndPort, Node, NodeID, Topic}",
        documentation: "The node's name, its public key, and where it listens for other nodes. Agency and topics are \
                 empty.",
        example: "[]",
        handler: Handler::Direct(fisco_node::node_info),
    },
    Method {
        name: "queryGroupStatus",
        parameters: &[GROUP_ID],
        result: "{code, message, status}; status is RUNNING, STOPPED or INEXISTENT",
        documentation: "Whether a group runs on this node.",
        example: "[1]",
        handler: Handler::Direct(fisco_node::group_status),
    },
    Method {
        name: "getCode",
        parameters: &[GROUP_ID, required("address", Kind::Address)],
        result: "the code in hexadecimal; \"0x\" where there is none",
        documentation: "The code at an address: a contract's module.",
        example: "[1, \"{contract}\"]",
        handler: Handler::Blocking(fisco_node::code),
    },
    Method {
        name: "getPendingTransactions",
        parameters: &[GROUP_ID],
        result: "a list of {from, gas, gasPrice, hash, input, nonce, to, value}",
        documentation: "The transactions that wait and are in no proposal, oldest first: at most 1,000, and at most 8 MiB \
                 of inputs.",
        example: "[1]",
        handler: Handler::Waiting(fisco_node::pending),
    },
    Method {
        name: "getBatchReceiptsByBlockNumberAndRange",
        parameters: &[GROUP_ID, BLOCK_NUMBER, FROM, COUNT, COMPRESS],
        result: "{blockInfo: {blockHash, blockNumber, receiptRoot, receiptsCount}, transactionReceipts: [{contractAddress, \
                 from, gasUsed, logs, output, status, to, transactionHash, transactionIndex}]}; where `compressFlag` is \
                 true, a string: that JSON's zlib in Base64",
        documentation: "Some receipts of a block, from a place on.",
        example: "[1, \"0x1\", \"0\", \"-1\", false]",
        handler: Handler::Blocking(fisco_node::receipts_by_number),
    },
    Method {
        name: "getBatchReceiptsByBlockHashAndRange",
        parameters: &[GROUP_ID, BLOCK_HASH, FROM, COUNT, COMPRESS],
        result: "as `getBatchReceiptsByBlockNumberAndRange`",
        documentation: "Some receipts of a block, from a place on.",
        example: "[1, \"{block_hash}\", \"0\", \"-1\", true]",
        handler: Handler::Blocking(fisco_node::receipts_by_hash),
    },
    Method {
        name: "getSystemConfigByKey",
        parameters: &[GROUP_ID, required("key", Kind::Text)],
        result: "a decimal string",
        documentation: "The value of a key of the system configuration that was decided last, whether or not it rules \
                 yet; the keys are in `docs/native-modules.md`.",
        example: "[1, \"tx_count_limit\"]",
        handler: Handler::Direct(configuration::by_key),
    },
    Method {
        name: "call",
        parameters: &[GROUP_ID, required("call", Kind::FiscoCall)],
        result: "{currentBlockNumber, output, status}",
        documentation: "Calls a contract without a transaction.",
        example: "[1, {\"from\": \"{sender}\", \"to\": \"{contract}\", \"data\": \"0x18160ddd\"}]",
        handler: Handler::Waiting(fisco::call),
    },
    Method {
        name: "sendRawTransaction",
        parameters: &[GROUP_ID, TRANSACTION],
        result: "the hash",
        documentation: "Sends a signed transaction: SCALE of ours, or the RLP of FISCO BCOS 2 (first byte 0xc0 or above).",
        example: "[1, \"{signed_4}\"]",
        handler: Handler::Waiting(sending::send),
    },
    Method {
        name: "sendRawTransactionAndGetProof",
        parameters: &[GROUP_ID, TRANSACTION],
        result: "the hash",
        documentation: "As `sendRawTransaction`: FISCO BCOS tells receipt and proofs over its own channel, which is not there \
                 yet; ask with `getTransactionByHashWithProof` and `getTransactionReceiptByHashWithProof`.",
        example: "[1, \"{signed_3}\"]",
        handler: Handler::Waiting(sending::send),
    },
];

/// FISCO BCOS's methods whose subject does not exist yet, and what that is.
pub(crate) static ABSENT: &[(&str, &str)] = &[
    ("generateGroup", GROUPS),
    ("startGroup", GROUPS),
    ("stopGroup", GROUPS),
    ("removeGroup", GROUPS),
    ("recoverGroup", GROUPS),
    ("addPeers", PEERS),
    ("erasePeers", PEERS),
    ("queryPeers", PEERS),
];
const GROUPS: &str = "a node of this version runs the one group of its genesis.toml";
const PEERS: &str = "a node of this version calls the peers that config.toml names when it starts";
