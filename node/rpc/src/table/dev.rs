//! The methods of those who test contracts, by Hardhat's and Foundry's names.

use super::{HASH, Handler, Method, optional, required};
use crate::{
    arguments::{Kind, Parameter},
    dev::{node, sending, settings},
    ethereum::Form,
};

/// What the documentation says first.
pub(super) const OPENING: &str = "\
They are for tests of contracts, and there where a chain that one node orders alone was started with `--dev`
(`entente chain dev`, `entente chain up DIR --dev`): such a chain lies in memory, begins at its genesis each time, and has
each transaction in a block at once. Elsewhere they are refused with error -32601. Hardhat's and Foundry's test libraries
call them. Transactions that fail are in a block, and the request that sent them fails with what they gave back.";

const ADDRESS: Parameter = required("address", Kind::Address);
const AMOUNT: Kind = Kind::Ethereum(Form::Amount);
const DATA: Kind = Kind::Ethereum(Form::Data);
const TRUE: &str = "true";

const SET_BALANCE: Method = Method {
    name: "hardhat_setBalance",
    parameters: &[ADDRESS, required("balance", AMOUNT)],
    result: TRUE,
    documentation: "Sets the coin that an account holds, where the chain has a coin.",
    example: "[\"{known}\", \"0x56bc75e2d63100000\"]",
    handler: Handler::Test(settings::set_balance),
};
const SET_CODE: Method = Method {
    name: "hardhat_setCode",
    parameters: &[ADDRESS, required("code", DATA)],
    result: TRUE,
    documentation: "Sets the EVM code at an address.",
    example: "[\"0x00000000000000000000000000000000000c0de5\", \"0x60015f5260205ff3\"]",
    handler: Handler::Test(settings::set_code),
};
const SET_NONCE: Method = Method {
    name: "hardhat_setNonce",
    parameters: &[ADDRESS, required("nonce", Kind::Number)],
    result: TRUE,
    documentation: "Sets the number of an account's next transaction: it rises, and never falls.",
    example: "[\"0x00000000000000000000000000000000000c0de5\", \"0x15\"]",
    handler: Handler::Test(settings::set_nonce),
};
const SET_STORAGE: Method = Method {
    name: "hardhat_setStorageAt",
    parameters: &[ADDRESS, required("slot", Kind::Ethereum(Form::Slot)), required("value", AMOUNT)],
    result: TRUE,
    documentation: "Sets a slot of a contract's storage.",
    example: "[\"0x00000000000000000000000000000000000c0de5\", \"0x0\", \"0x07\"]",
    handler: Handler::Test(settings::set_storage),
};
const SET_COINBASE: Method = Method {
    name: "hardhat_setCoinbase",
    parameters: &[ADDRESS],
    result: TRUE,
    documentation: "Says who is shown as the maker of the next blocks, and gets what is paid in them.",
    example: "[\"0x00000000000000000000000000000000000c0de5\"]",
    handler: Handler::Test(settings::set_coinbase),
};
const SET_BASE_FEE: Method = Method {
    name: "hardhat_setNextBlockBaseFeePerGas",
    parameters: &[required("fee", AMOUNT)],
    result: TRUE,
    documentation: "Takes 0 alone, which the base fee of every block is here.",
    example: "[\"0x0\"]",
    handler: Handler::Test(settings::set_base_fee),
};
const SET_RANDAO: Method = Method {
    name: "hardhat_setPrevRandao",
    parameters: &[required("value", AMOUNT)],
    result: TRUE,
    documentation: "Says what PREVRANDAO answers in the next block; in all others it answers 0.",
    example: "[\"0x1234\"]",
    handler: Handler::Test(settings::set_prevrandao),
};
const IMPERSONATE: Method = Method {
    name: "hardhat_impersonateAccount",
    parameters: &[ADDRESS],
    result: TRUE,
    documentation: "Lets `eth_sendTransaction` send for an account whose key nobody has here, a contract's too where it \
                    has no code.",
    example: "[\"0x00000000000000000000000000000000000c0de5\"]",
    handler: Handler::Test(sending::impersonate),
};
const STOP_IMPERSONATING: Method = Method {
    name: "hardhat_stopImpersonatingAccount",
    parameters: &[ADDRESS],
    result: "whether it was impersonated",
    documentation: "Lets it send for that account no more.",
    example: "[\"0x00000000000000000000000000000000000c0de5\"]",
    handler: Handler::Test(sending::stop_impersonating),
};
const DROP: Method = Method {
    name: "hardhat_dropTransaction",
    parameters: &[HASH],
    result: "whether it waited",
    documentation: "Lets go of a transaction that waits for a block.",
    example: "[\"{transaction}\"]",
    handler: Handler::Test(settings::drop_transaction),
};
const MINE: Method = Method {
    name: "hardhat_mine",
    parameters: &[optional("blocks", Kind::Number), optional("interval", Kind::Number)],
    result: TRUE,
    documentation: "Makes so many blocks, one if it is not said, so many seconds apart; at most 100,000. The first has what \
                    waits.",
    example: "[\"0x2\", \"0xc\"]",
    handler: Handler::Test(settings::mine),
};
const RESET: Method = Method {
    name: "hardhat_reset",
    parameters: &[optional("options", Kind::Ethereum(Form::Nothing))],
    result: TRUE,
    documentation: "Goes back to the chain's beginning; snapshots and impersonated accounts are gone then, and snapshots \
                    are counted anew. Other chains are not forked.",
    example: "[]",
    handler: Handler::Test(settings::reset),
};
const AUTOMINE: Method = Method {
    name: "hardhat_getAutomine",
    parameters: &[],
    result: "true or false",
    documentation: "Whether each transaction is in a block at once.",
    example: "[]",
    handler: Handler::Test(settings::automine),
};
const METADATA: Method = Method {
    name: "hardhat_metadata",
    parameters: &[],
    result: "{clientVersion, chainId, instanceId, latestBlockNumber, latestBlockHash}",
    documentation: "What the node is, and which chain: the instance is another one after each beginning.",
    example: "[]",
    handler: Handler::Test(node::metadata),
};
const SNAPSHOT: Method = Method {
    name: "evm_snapshot",
    parameters: &[],
    result: "the snapshot's number",
    documentation: "Remembers the chain as it is now: its blocks, state, clock and what waits.",
    example: "[]",
    handler: Handler::Test(settings::snapshot),
};
const REVERT: Method = Method {
    name: "evm_revert",
    parameters: &[required("snapshot", Kind::Number)],
    result: "whether there was one",
    documentation: "Goes back to a snapshot. It and those taken after it are gone then.",
    example: "[\"0x99\"]",
    handler: Handler::Test(settings::revert),
};
const INCREASE_TIME: Method = Method {
    name: "evm_increaseTime",
    parameters: &[required("seconds", Kind::Number)],
    result: "how many seconds the clock is ahead then, as a decimal string",
    documentation: "Moves the clock of blocks ahead.",
    example: "[60]",
    handler: Handler::Test(settings::increase_time),
};
const NEXT_TIMESTAMP: Method = Method {
    name: "evm_setNextBlockTimestamp",
    parameters: &[required("time", Kind::Number)],
    result: "the time, as a decimal string",
    documentation: "Says the time of the next block, in seconds since 1970, above the last block's. The clock goes on from \
                    there.",
    example: "[4000000000]",
    handler: Handler::Test(settings::set_next_timestamp),
};
const SET_TIME: Method = Method {
    name: "evm_setTime",
    parameters: &[required("time", Kind::Number)],
    result: "by how many seconds the clock moved",
    documentation: "Sets the clock of blocks, in seconds since 1970.",
    example: "[4000000100]",
    handler: Handler::Test(settings::set_time),
};
const BLOCK_GAS: Method = Method {
    name: "evm_setBlockGasLimit",
    parameters: &[required("gas", Kind::Number)],
    result: TRUE,
    documentation: "Says how much gas blocks have from the next one on, and a transaction may ask for.",
    example: "[\"0x1c9c3800\"]",
    handler: Handler::Test(settings::set_block_gas),
};

/// The methods that are there with `--dev`.
pub(crate) static METHODS: &[Method] = &[
    Method {
        name: "eth_sendTransaction",
        parameters: &[required("transaction", Kind::Ethereum(Form::Call))],
        result: "the hash",
        documentation: "Sends a transaction of an account of `eth_accounts`, or of one that is impersonated. Its nonce is the \
                        next and its gas all that a transaction may ask for, where they are not said.",
        example: "[{\"from\": \"{known}\", \"to\": \"0x0000000000000000000000000000000000000001\", \"value\": \"0x1\"}]",
        handler: Handler::Test(sending::send),
    },
    Method {
        name: "eth_signTransaction",
        parameters: &[required("transaction", Kind::Ethereum(Form::Call))],
        result: "{raw, tx}: its bytes, and what `eth_getTransactionByHash` shows of it but for `from` and the block",
        documentation: "Signs a transaction with the key of an account of `eth_accounts`, and does not send it. What is not \
                        said is as in `eth_sendTransaction`. For an account that is impersonated nothing can be signed.",
        example: "[{\"from\": \"{known}\", \"to\": \"0x0000000000000000000000000000000000000001\", \"value\": \"0x1\"}]",
        handler: Handler::Test(sending::sign_transaction),
    },
    Method {
        name: "eth_sign",
        parameters: &[ADDRESS, required("data", DATA)],
        result: "r, s, and 27 or 28",
        documentation: "Signs a text with the key of an account of `eth_accounts` (EIP-191).",
        example: "[\"{known}\", \"0x68656c6c6f\"]",
        handler: Handler::Test(sending::sign),
    },
    Method {
        name: "personal_sign",
        parameters: &[required("data", DATA), ADDRESS],
        result: "r, s, and 27 or 28",
        documentation: "The same as `eth_sign`.",
        example: "[\"0x68656c6c6f\", \"{known}\"]",
        handler: Handler::Test(sending::sign_personal),
    },
    Method {
        name: "eth_signTypedData_v4",
        parameters: &[ADDRESS, required("data", Kind::Ethereum(Form::TypedData))],
        result: "r, s, and 27 or 28",
        documentation: "Signs structured data with the key of an account of `eth_accounts` (EIP-712).",
        example: "[\"{known}\", {\"types\": {\"EIP712Domain\": [{\"name\": \"name\", \"type\": \"string\"}], \"Note\": \
                  [{\"name\": \"text\", \"type\": \"string\"}]}, \"primaryType\": \"Note\", \"domain\": {\"name\": \"Test\"}, \
                  \"message\": {\"text\": \"hello\"}}]",
        handler: Handler::Test(sending::sign_typed),
    },
    SNAPSHOT,
    REVERT,
    Method {
        name: "evm_mine",
        parameters: &[optional("time", Kind::Number)],
        result: "\"0x0\"",
        documentation: "Makes a block of what waits, at a time in seconds since 1970 where one is said.",
        example: "[]",
        handler: Handler::Test(settings::mine_one),
    },
    Method {
        name: "evm_setAutomine",
        parameters: &[required("automine", Kind::Boolean)],
        result: TRUE,
        documentation: "Says whether each transaction is in a block at once. What waits already goes on waiting.",
        example: "[true]",
        handler: Handler::Test(settings::set_automine),
    },
    Method {
        name: "evm_setIntervalMining",
        parameters: &[required("interval", Kind::Number)],
        result: TRUE,
        documentation: "Says after how many milliseconds a block comes by itself; never for 0.",
        example: "[0]",
        handler: Handler::Test(settings::set_interval),
    },
    INCREASE_TIME,
    NEXT_TIMESTAMP,
    SET_TIME,
    BLOCK_GAS,
    MINE,
    AUTOMINE,
    METADATA,
    RESET,
    SET_BALANCE,
    SET_CODE,
    SET_NONCE,
    SET_STORAGE,
    SET_COINBASE,
    SET_BASE_FEE,
    SET_RANDAO,
    IMPERSONATE,
    STOP_IMPERSONATING,
    DROP,
    Method {
        name: "anvil_setIntervalMining",
        parameters: &[required("interval", Kind::Number)],
        result: TRUE,
        documentation: "Says after how many seconds a block comes by itself; never for 0.",
        example: "[0]",
        handler: Handler::Test(settings::set_interval_seconds),
    },
    Method {
        name: "anvil_setBlockTimestampInterval",
        parameters: &[required("seconds", Kind::Number)],
        result: "null",
        documentation: "Says how many seconds blocks are apart, whenever they are made.",
        example: "[12]",
        handler: Handler::Test(settings::set_apart),
    },
    Method {
        name: "anvil_removeBlockTimestampInterval",
        parameters: &[],
        result: "whether it was said",
        documentation: "Lets blocks have the time at which they are made again.",
        example: "[]",
        handler: Handler::Test(settings::unset_apart),
    },
    Method {
        name: "anvil_autoImpersonateAccount",
        parameters: &[required("all", Kind::Boolean)],
        result: TRUE,
        documentation: "Lets `eth_sendTransaction` send for every account.",
        example: "[false]",
        handler: Handler::Test(sending::impersonate_all),
    },
    Method {
        name: "anvil_dumpState",
        parameters: &[],
        result: "bytes",
        documentation: "All accounts, code and storage, for `anvil_loadState` of a node like this one; it must fit into an \
                        answer (`rpc.response_bytes_max`).",
        example: "[]",
        handler: Handler::Test(settings::dump),
    },
    Method {
        name: "anvil_loadState",
        parameters: &[required("state", DATA)],
        result: TRUE,
        documentation: "Takes in what `anvil_dumpState` gave: what is here stays beside it, as far as it is not the same \
                        accounts and slots.",
        example: "[\"0x0100\"]",
        handler: Handler::Test(settings::load),
    },
    Method {
        name: "anvil_nodeInfo",
        parameters: &[],
        result: "{currentBlockNumber, currentBlockTimestamp, currentBlockHash, nextBlockTimestamp, hardFork, \
                 transactionOrder, environment, forkConfig}",
        documentation: "What the node is, and how its chain stands.",
        example: "[]",
        handler: Handler::Test(node::info),
    },
    Method { name: "anvil_metadata", ..METADATA },
    Method { name: "anvil_snapshot", ..SNAPSHOT },
    Method { name: "anvil_revert", ..REVERT },
    Method { name: "anvil_mine", ..MINE },
    Method { name: "anvil_getAutomine", ..AUTOMINE },
    Method { name: "anvil_increaseTime", ..INCREASE_TIME },
    Method { name: "anvil_setNextBlockTimestamp", example: "[5000000000]", ..NEXT_TIMESTAMP },
    Method { name: "anvil_setTime", ..SET_TIME },
    Method { name: "anvil_setBlockGasLimit", ..BLOCK_GAS },
    Method { name: "anvil_reset", ..RESET },
    Method { name: "anvil_setBalance", ..SET_BALANCE },
    Method { name: "anvil_setCode", ..SET_CODE },
    Method { name: "anvil_setNonce", ..SET_NONCE },
    Method { name: "anvil_setStorageAt", ..SET_STORAGE },
    Method { name: "anvil_setCoinbase", ..SET_COINBASE },
    Method { name: "anvil_setNextBlockBaseFeePerGas", ..SET_BASE_FEE },
    Method { name: "anvil_impersonateAccount", ..IMPERSONATE },
    Method { name: "anvil_stopImpersonatingAccount", ..STOP_IMPERSONATING },
    Method { name: "anvil_dropTransaction", ..DROP },
    Method {
        name: "txpool_status",
        parameters: &[],
        result: "{pending, queued}",
        documentation: "How many of Ethereum's transactions wait: those that can be in the next block, and those that wait \
                        for one with a lower number.",
        example: "[]",
        handler: Handler::Test(node::pool_status),
    },
    Method {
        name: "txpool_content",
        parameters: &[],
        result: "{pending, queued}, each by sender and number",
        documentation: "Those transactions, as `eth_getTransactionByHash` shows them.",
        example: "[]",
        handler: Handler::Test(node::pool_content),
    },
    Method {
        name: "eth_pendingTransactions",
        parameters: &[],
        result: "a list",
        documentation: "Ethereum's transactions that wait, as `eth_getTransactionByHash` shows them: those that can be in \
                        the next block, and then those that wait for one with a lower number.",
        example: "[]",
        handler: Handler::Test(node::pending),
    },
];
