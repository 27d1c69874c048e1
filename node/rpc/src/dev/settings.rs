//! Blocks, time, snapshots, and what is set of the state.

use std::collections::BTreeMap;

use entente_executor::AccountOverride;
use entente_types::{Hash, hex_bytes};

use super::{Acting, act};
use crate::{
    arguments::{Arguments, parse},
    error::RpcError,
    ethereum::quantity::{Quantity, big_endian},
    views::{answer, json_answer},
};

/// `evm_mine`.
pub(crate) fn mine_one(arguments: &Arguments<'_>) -> Acting {
    let time_s = arguments.optional_number(0)?;
    act(move |chain, unix_ms| {
        chain.mine_one(unix_ms, time_s)?;
        answer(&Quantity(0))
    })
}

/// `hardhat_mine`.
pub(crate) fn mine(arguments: &Arguments<'_>) -> Acting {
    let count = arguments.optional_number(0)?.unwrap_or(1);
    let apart_s = arguments.optional_number(1)?.unwrap_or(1);
    act(move |chain, unix_ms| {
        chain.mine(unix_ms, count, apart_s)?;
        answer(&true)
    })
}

/// `evm_setAutomine`.
pub(crate) fn set_automine(arguments: &Arguments<'_>) -> Acting {
    let automine = arguments.required(0, parse::<bool>)?;
    act(move |chain, _| {
        chain.set_automine(automine);
        answer(&true)
    })
}

/// `hardhat_getAutomine`.
pub(crate) fn automine(_arguments: &Arguments<'_>) -> Acting {
    act(|chain, _| answer(&chain.automine()))
}

/// `evm_setIntervalMining`: in milliseconds.
pub(crate) fn set_interval(arguments: &Arguments<'_>) -> Acting {
    let interval_ms = arguments.number(0)?;
    act(move |chain, _| {
        chain.set_interval_ms(Some(interval_ms));
        answer(&true)
    })
}

/// `anvil_setIntervalMining`: in seconds.
pub(crate) fn set_interval_seconds(arguments: &Arguments<'_>) -> Acting {
    let interval_ms = arguments.number(0)?.saturating_mul(1000);
    act(move |chain, _| {
        chain.set_interval_ms(Some(interval_ms));
        answer(&true)
    })
}

/// `evm_increaseTime`.
pub(crate) fn increase_time(arguments: &Arguments<'_>) -> Acting {
    let seconds = arguments.number(0)?;
    act(move |chain, _| answer(&chain.increase_time(seconds).to_string()))
}

/// `evm_setNextBlockTimestamp`.
pub(crate) fn set_next_timestamp(arguments: &Arguments<'_>) -> Acting {
    let time_s = arguments.number(0)?;
    act(move |chain, _| {
        chain.set_next_timestamp(time_s)?;
        answer(&time_s.to_string())
    })
}

/// `evm_setTime`.
pub(crate) fn set_time(arguments: &Arguments<'_>) -> Acting {
    let time_s = arguments.number(0)?;
    act(move |chain, unix_ms| answer(&chain.set_time(unix_ms, time_s)))
}

/// `anvil_setBlockTimestampInterval`.
pub(crate) fn set_apart(arguments: &Arguments<'_>) -> Acting {
    let seconds = arguments.number(0)?;
    act(move |chain, _| {
        chain.set_apart(Some(seconds));
        answer(&())
    })
}

/// `anvil_removeBlockTimestampInterval`.
pub(crate) fn unset_apart(_arguments: &Arguments<'_>) -> Acting {
    act(|chain, _| answer(&chain.set_apart(None)))
}

/// `evm_snapshot`.
pub(crate) fn snapshot(_arguments: &Arguments<'_>) -> Acting {
    act(|chain, unix_ms| answer(&Quantity(chain.snapshot(unix_ms))))
}

/// `evm_revert`.
pub(crate) fn revert(arguments: &Arguments<'_>) -> Acting {
    let snapshot = arguments.number(0)?;
    act(move |chain, unix_ms| answer(&chain.revert(unix_ms, snapshot)?))
}

/// `hardhat_reset`.
pub(crate) fn reset(arguments: &Arguments<'_>) -> Acting {
    arguments.read(0, |value| {
        let fields: BTreeMap<String, serde_json::Value> = parse(value)?;
        fields.is_empty().then_some(())
    })?;
    act(|chain, unix_ms| {
        chain.reset(unix_ms)?;
        answer(&true)
    })
}

/// Something of the account that the first parameter names.
fn set_account(arguments: &Arguments<'_>, account: AccountOverride) -> Acting {
    let address = arguments.address(0)?;
    act(move |chain, _| {
        chain.set_account(&address, &account)?;
        answer(&true)
    })
}

/// `hardhat_setBalance`.
pub(crate) fn set_balance(arguments: &Arguments<'_>) -> Acting {
    let balance = Some(big_endian(&arguments.slot(1)?));
    set_account(arguments, AccountOverride { balance, ..AccountOverride::default() })
}

/// `hardhat_setNonce`.
pub(crate) fn set_nonce(arguments: &Arguments<'_>) -> Acting {
    let nonce = Some(arguments.number(1)?);
    set_account(arguments, AccountOverride { nonce, ..AccountOverride::default() })
}

/// `hardhat_setCode`.
pub(crate) fn set_code(arguments: &Arguments<'_>) -> Acting {
    let code = Some(arguments.data(1)?);
    set_account(arguments, AccountOverride { code, ..AccountOverride::default() })
}

/// `hardhat_setStorageAt`.
pub(crate) fn set_storage(arguments: &Arguments<'_>) -> Acting {
    let slots = BTreeMap::from([(arguments.slot(1)?, arguments.slot(2)?)]);
    set_account(arguments, AccountOverride { slots, ..AccountOverride::default() })
}

/// `evm_setBlockGasLimit`.
pub(crate) fn set_block_gas(arguments: &Arguments<'_>) -> Acting {
    let gas = arguments.number(0)?;
    act(move |chain, _| {
        chain.set_block_gas(gas)?;
        answer(&true)
    })
}

/// `hardhat_setCoinbase`.
pub(crate) fn set_coinbase(arguments: &Arguments<'_>) -> Acting {
    let address = arguments.address(0)?;
    act(move |chain, _| {
        chain.set_coinbase(address);
        answer(&true)
    })
}

/// `hardhat_setNextBlockBaseFeePerGas`: a block's base fee is 0.
pub(crate) fn set_base_fee(arguments: &Arguments<'_>) -> Acting {
    if arguments.slot(0)? != [0; 32] {
        let message = "the base fee of a block is 0 here, on every chain: nobody has to pay for gas";
        return Err(RpcError::parameters(message));
    }
    act(|_, _| answer(&true))
}

/// `hardhat_setPrevRandao`.
pub(crate) fn set_prevrandao(arguments: &Arguments<'_>) -> Acting {
    let prevrandao = Hash(arguments.slot(0)?);
    act(move |chain, _| {
        chain.set_prevrandao(prevrandao);
        answer(&true)
    })
}

/// `anvil_dumpState`.
pub(crate) fn dump(_arguments: &Arguments<'_>) -> Acting {
    act(|chain, _| json_answer(format!("\"{}\"", hex_bytes::encode(&chain.dump()?))))
}

/// `anvil_loadState`.
pub(crate) fn load(arguments: &Arguments<'_>) -> Acting {
    let state = arguments.data(0)?;
    act(move |chain, _| {
        chain.load(&state)?;
        answer(&true)
    })
}

/// `hardhat_dropTransaction`.
pub(crate) fn drop_transaction(arguments: &Arguments<'_>) -> Acting {
    let hash = arguments.hash(0)?;
    act(move |chain, _| answer(&chain.drop_transaction(&hash)))
}
