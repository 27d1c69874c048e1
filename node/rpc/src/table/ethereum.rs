//! Ethereum's methods, by its names (ethereum/execution-apis).

use super::{HASH, Handler, Method, optional, required};
use crate::{
    arguments::{Kind, Parameter},
    ethereum::{Form, blocks, fees, filters, logs, node, receipts, sending, state, subscriptions, transactions},
};

/// What the documentation says first.
pub(super) const OPENING: &str = "\
They speak of the group of the path: at `/` of the node's first one. Numbers are quantities (0x and hexadecimal digits).
Every committed block is final: `latest`, `safe`, `finalized` and `pending` are the last one. The state of old blocks is
read as far as the node keeps it (`history_blocks`); beyond, the error says `missing trie node`. Errors that have no code
of their own in Ethereum have -32000, and limits -32005.";

const BLOCK_KIND: Kind = Kind::Ethereum(Form::Block);
const BLOCK: Parameter = required("block", BLOCK_KIND);
const FULL: Parameter = optional("full", Kind::Boolean);
const INDEX: Parameter = required("index", Kind::Ethereum(Form::Quantity));
const ADDRESS: Parameter = required("address", Kind::Address);
/// After which block.
const AT: Parameter = optional("block", BLOCK_KIND);
const FILTER: Parameter = required("filter", Kind::Ethereum(Form::Logs));
const FILTER_ID: Parameter = required("filter", Kind::Ethereum(Form::Quantity));

/// The methods `eth_*`, `net_*` and `web3_*`.
pub(crate) static METHODS: &[Method] = &[
    Method {
        name: "web3_clientVersion",
        parameters: &[],
        result: "a string",
        documentation: "The node's kind, version and machine. With `--dev` it begins with `HardhatNetwork/`: Hardhat's helpers \
                        go on only where they read that.",
        example: "[]",
        handler: Handler::Direct(node::client_version),
    },
    Method {
        name: "web3_sha3",
        parameters: &[required("data", Kind::Ethereum(Form::Data))],
        result: "a hash",
        documentation: "The Keccak-256 of bytes.",
        example: "[\"0x68656c6c6f\"]",
        handler: Handler::Direct(node::sha3),
    },
    Method {
        name: "net_version",
        parameters: &[],
        result: "a decimal string",
        documentation: "The number of `eth_chainId`.",
        example: "[]",
        handler: Handler::Direct(node::network),
    },
    Method {
        name: "net_listening",
        parameters: &[],
        result: "true",
        documentation: "Whoever reads the answer is listened to.",
        example: "[]",
        handler: Handler::Direct(node::listening),
    },
    Method {
        name: "net_peerCount",
        parameters: &[],
        result: "a quantity",
        documentation: "The nodes of the group that are connected to this one.",
        example: "[]",
        handler: Handler::Direct(node::peer_count),
    },
    Method {
        name: "eth_chainId",
        parameters: &[],
        result: "a quantity",
        documentation: "The group's chain id for Ethereum's tools, from its genesis document.",
        example: "[]",
        handler: Handler::Direct(node::chain_id),
    },
    Method {
        name: "eth_blockNumber",
        parameters: &[],
        result: "a quantity",
        documentation: "The number of the last block.",
        example: "[]",
        handler: Handler::Direct(node::block_number),
    },
    Method {
        name: "eth_syncing",
        parameters: &[],
        result: "false, or {startingBlock, currentBlock, highestBlock}",
        documentation: "Whether the node is more than two blocks behind the group.",
        example: "[]",
        handler: Handler::Direct(node::syncing),
    },
    Method {
        name: "eth_accounts",
        parameters: &[],
        result: "an empty list",
        documentation: "The node keeps no keys for others. With `--dev` they are the twenty accounts whose keys everybody \
                        knows, of the mnemonic `test test test test test test test test test test test junk`.",
        example: "[]",
        handler: Handler::Direct(node::accounts),
    },
    Method {
        name: "eth_coinbase",
        parameters: &[],
        result: "an address",
        documentation: "The account of the key that signs the node's blocks; on a chain for tests, of whom \
                        `hardhat_setCoinbase` named.",
        example: "[]",
        handler: Handler::Waiting(node::coinbase),
    },
    Method {
        name: "eth_gasPrice",
        parameters: &[],
        result: "\"0x0\"",
        documentation: "Nobody has to pay for gas.",
        example: "[]",
        handler: Handler::Direct(node::no_price),
    },
    Method {
        name: "eth_maxPriorityFeePerGas",
        parameters: &[],
        result: "\"0x0\"",
        documentation: "Nobody has to pay for gas.",
        example: "[]",
        handler: Handler::Direct(node::no_price),
    },
    Method {
        name: "eth_blobBaseFee",
        parameters: &[],
        result: "\"0x0\"",
        documentation: "There are no blobs.",
        example: "[]",
        handler: Handler::Direct(node::no_price),
    },
    Method {
        name: "eth_feeHistory",
        parameters: &[
            required("blockCount", Kind::Number),
            required("newestBlock", BLOCK_KIND),
            optional("rewardPercentiles", Kind::Ethereum(Form::Percentiles)),
        ],
        result: "{oldestBlock, baseFeePerGas, gasUsedRatio, baseFeePerBlobGas, blobGasUsedRatio, reward}",
        documentation: "How full blocks were, and what was paid for gas where genesis enables balances. Of at most \
                        1,024 blocks; fewer where their transactions are many.",
        example: "[\"0x2\", \"latest\", [25, 75]]",
        handler: Handler::Blocking(fees::history),
    },
    Method {
        name: "eth_getBlockByNumber",
        parameters: &[BLOCK, FULL],
        result: "{hash, parentHash, sha3Uncles, miner, stateRoot, transactionsRoot, receiptsRoot, logsBloom, \
                 difficulty, number, gasLimit, gasUsed, timestamp, extraData, mixHash, nonce, baseFeePerGas, \
                 totalDifficulty, size, uncles, transactions}, or null",
        documentation: "A block by its Ethereum header, whose roots are ours; `hash` is the Keccak-256 of that \
                        header. Where the node does not know the gas limit of an old block any more, `gasLimit` is \
                        0.",
        example: "[\"0x2\", false]",
        handler: Handler::Blocking(blocks::block),
    },
    Method {
        name: "eth_getBlockByHash",
        parameters: &[BLOCK, FULL],
        result: "as `eth_getBlockByNumber`",
        documentation: "The same.",
        example: "[\"{ethereum_block}\", true]",
        handler: Handler::Blocking(blocks::block),
    },
    Method {
        name: "eth_getBlockTransactionCountByNumber",
        parameters: &[BLOCK],
        result: "a quantity, or null",
        documentation: "How many transactions a block has.",
        example: "[\"latest\"]",
        handler: Handler::Blocking(blocks::transaction_count),
    },
    Method {
        name: "eth_getBlockTransactionCountByHash",
        parameters: &[BLOCK],
        result: "a quantity, or null",
        documentation: "How many transactions a block has.",
        example: "[\"{ethereum_block}\"]",
        handler: Handler::Blocking(blocks::transaction_count),
    },
    Method {
        name: "eth_getUncleCountByBlockNumber",
        parameters: &[BLOCK],
        result: "\"0x0\", or null",
        documentation: "No block has uncles.",
        example: "[\"latest\"]",
        handler: Handler::Direct(blocks::uncle_count),
    },
    Method {
        name: "eth_getUncleCountByBlockHash",
        parameters: &[BLOCK],
        result: "\"0x0\", or null",
        documentation: "No block has uncles.",
        example: "[\"{ethereum_block}\"]",
        handler: Handler::Direct(blocks::uncle_count),
    },
    Method {
        name: "eth_getUncleByBlockNumberAndIndex",
        parameters: &[BLOCK, INDEX],
        result: "null",
        documentation: "No block has uncles.",
        example: "[\"latest\", \"0x0\"]",
        handler: Handler::Direct(blocks::uncle),
    },
    Method {
        name: "eth_getUncleByBlockHashAndIndex",
        parameters: &[BLOCK, INDEX],
        result: "null",
        documentation: "No block has uncles.",
        example: "[\"{ethereum_block}\", \"0x0\"]",
        handler: Handler::Direct(blocks::uncle),
    },
    Method {
        name: "eth_getTransactionByHash",
        parameters: &[HASH],
        result: "{hash, blockHash, blockNumber, transactionIndex, type, chainId, nonce, from, to, value, gas, \
                 gasPrice, input, v, r, s, …the type's other fields}, or null",
        documentation: "A transaction that is committed, or waits on this node: then it has no block. A native one \
                        has type 0x0 and nonce 0x0; its own fields stand in `entente`.",
        example: "[\"{transaction}\"]",
        handler: Handler::Waiting(transactions::by_hash),
    },
    Method {
        name: "eth_getTransactionByBlockHashAndIndex",
        parameters: &[BLOCK, INDEX],
        result: "as `eth_getTransactionByHash`",
        documentation: "The transaction at a place.",
        example: "[\"{ethereum_block}\", \"0x0\"]",
        handler: Handler::Direct(transactions::by_place),
    },
    Method {
        name: "eth_getTransactionByBlockNumberAndIndex",
        parameters: &[BLOCK, INDEX],
        result: "as `eth_getTransactionByHash`",
        documentation: "The transaction at a place.",
        example: "[\"0x2\", \"0x0\"]",
        handler: Handler::Direct(transactions::by_place),
    },
    Method {
        name: "eth_getTransactionReceipt",
        parameters: &[HASH],
        result: "{transactionHash, transactionIndex, blockHash, blockNumber, from, to, cumulativeGasUsed, gasUsed, \
                 effectiveGasPrice, contractAddress, logs, logsBloom, type, status, entente: {status, output, \
                 error}}, or null",
        documentation: "The receipt of a committed transaction. `entente` has what it gave back, and why it failed.",
        example: "[\"{transaction}\"]",
        handler: Handler::Blocking(receipts::by_hash),
    },
    Method {
        name: "eth_getBlockReceipts",
        parameters: &[BLOCK],
        result: "a list of what `eth_getTransactionReceipt` answers, or null",
        documentation: "The receipts of a block.",
        example: "[\"latest\"]",
        handler: Handler::Blocking(receipts::of_block),
    },
    Method {
        name: "eth_getBalance",
        parameters: &[ADDRESS, AT],
        result: "a quantity",
        documentation: "The coin of an account; 0 where genesis has no balances.",
        example: "[\"{sender}\", \"latest\"]",
        handler: Handler::Direct(state::balance),
    },
    Method {
        name: "eth_getCode",
        parameters: &[ADDRESS, AT],
        result: "bytes",
        documentation: "The code at an address as EVM code sees it: of a Wasm contract 0xef5741 and the hash of its \
                        module, of a native module 0xef4e54 and its address.",
        example: "[\"{contract}\", \"latest\"]",
        handler: Handler::Direct(state::code),
    },
    Method {
        name: "eth_getStorageAt",
        parameters: &[ADDRESS, required("slot", Kind::Ethereum(Form::Slot)), AT],
        result: "32 bytes",
        documentation: "A slot of a contract's storage; zero where a Wasm contract stored something that is not 32 \
                        bytes long.",
        example: "[\"{contract}\", \"0x0\", \"latest\"]",
        handler: Handler::Direct(state::storage),
    },
    Method {
        name: "eth_getTransactionCount",
        parameters: &[ADDRESS, AT],
        result: "a quantity",
        documentation: "How many Ethereum transactions of an account are committed; native ones do not count. With \
                        `pending` those that wait for a block, and for none with a lower number, are counted too.",
        example: "[\"{sender}\", \"latest\"]",
        handler: Handler::Waiting(state::nonce),
    },
    Method {
        name: "eth_getProof",
        parameters: &[ADDRESS, required("slots", Kind::Ethereum(Form::Slots)), AT],
        result: "error -32000",
        documentation: "The state has no Merkle-Patricia trie; `entente_rowProof` proves what a block wrote.",
        example: "[\"{contract}\", [\"0x0\"], \"latest\"]",
        handler: Handler::Direct(state::proof),
    },
    Method {
        name: "eth_getLogs",
        parameters: &[FILTER],
        result: "a list of {address, topics, data, blockNumber, blockHash, blockTimestamp, transactionHash, \
                 transactionIndex, logIndex, removed}",
        documentation: "The logs of past blocks that fit a filter, in their order. At most 10,000 blocks and 10,000 \
                        logs at a time; `fromBlock` and `toBlock` are the last block if absent.",
        example: "[{\"address\": \"{contract}\", \"fromBlock\": \"0x1\"}]",
        handler: Handler::Blocking(logs::past),
    },
    Method {
        name: "eth_newFilter",
        parameters: &[FILTER],
        result: "the filter's identifier",
        documentation: "Keeps a filter for logs of blocks from the next one on. One that nobody asks for in 300 \
                        seconds is dropped.",
        example: "[{\"address\": \"{contract}\"}]",
        handler: Handler::Direct(filters::new_logs),
    },
    Method {
        name: "eth_newBlockFilter",
        parameters: &[],
        result: "the filter's identifier",
        documentation: "Keeps a filter for blocks, in the same way.",
        example: "[]",
        handler: Handler::Direct(filters::new_blocks),
    },
    Method {
        name: "eth_newPendingTransactionFilter",
        parameters: &[],
        result: "the filter's identifier",
        documentation: "Keeps a filter for transactions that this node is sent and lets in, in the same way.",
        example: "[]",
        handler: Handler::Direct(filters::new_transactions),
    },
    Method {
        name: "eth_getFilterChanges",
        parameters: &[FILTER_ID],
        result: "a list: logs, or hashes of blocks or transactions",
        documentation: "What is new since it was asked last. Where that is more than 10,000 entries or 8 MiB, the \
                        rest comes when it is asked again; of transactions the last 32,768 are remembered.",
        example: "[\"{filter}\"]",
        handler: Handler::Blocking(filters::changes),
    },
    Method {
        name: "eth_getFilterLogs",
        parameters: &[FILTER_ID],
        result: "as `eth_getLogs`",
        documentation: "All logs that a kept filter means, with the bounds of `eth_getLogs`.",
        example: "[\"{filter}\"]",
        handler: Handler::Blocking(filters::all_logs),
    },
    Method {
        name: "eth_uninstallFilter",
        parameters: &[FILTER_ID],
        result: "true or false",
        documentation: "Drops a filter: whether there was one.",
        example: "[\"{filter}\"]",
        handler: Handler::Direct(filters::uninstall),
    },
    Method {
        name: "eth_sendRawTransaction",
        parameters: &[required("data", Kind::Ethereum(Form::Data))],
        result: "the hash",
        documentation: "Checks a signed transaction of Ethereum's and lets it wait for a block: legacy with a chain \
                        id, with an access list (type 1), with dynamic fees (type 2), or one that sets \
                        accounts' code (type 4). With `--dev` it is in a block when this answers, and an error is \
                        answered where it failed there.",
        example: "[\"{signed_ethereum}\"]",
        handler: Handler::Together(sending::send_raw),
    },
    Method {
        name: "eth_subscribe",
        parameters: &[
            required("subject", Kind::Ethereum(Form::Subject)),
            optional("options", Kind::Ethereum(Form::SubjectOptions)),
        ],
        result: "a subscription; `eth_subscription` notifies a header as in `eth_getBlockByNumber`, a log as in `eth_getLogs`, \
                 a transaction's hash or the whole of it, or {syncing: true, status} with what `eth_syncing` answers, and then \
                 false",
        documentation: "Tells of each block, of the logs that fit a filter, or of the transactions that this node is sent and \
                        lets in, from the next one on. Who is too slow is told so, and dropped. Of `syncing` it tells when \
                        the node is behind the group by the rule of `eth_syncing`, at once where it is, and when that is \
                        over; it is looked at with each block, and each second.",
        example: "[\"logs\", {\"address\": \"{contract}\"}]",
        handler: Handler::Subscription {
            notification: "eth_subscription",
            unsubscribe: "eth_unsubscribe",
            handler: subscriptions::subscribe,
        },
    },
];
