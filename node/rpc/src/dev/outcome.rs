//! What transactions come to: those that failed are told of to whoever sent them, though they are in a block, as Hardhat's
//! node does; and calls see what the next one would see.

use std::sync::Arc;

use entente_dev::DevChain;
use entente_driver::GroupHandle;
use entente_executor::{BlockOverride, ethereum_words};
use entente_state::StateReader;
use entente_types::{BlockNumber, EvmTimestamp, Hash, Receipt, RevertReason, Status, hex_bytes, panic_meaning};

use crate::{
    context::GroupEntry,
    error::{ErrorData, RpcError},
    ethereum::calls::failure,
};

/// What Hardhat's node says first of most failures.
const FAILING: &str = "VM Exception while processing transaction";
/// The characters of a stranger's reason that are repeated.
const REASON_CHARACTERS_MAX: usize = 1024;
/// The bytes of an error without a name that are repeated.
const UNNAMED_BYTES_MAX: usize = 256;

/// Why what has this receipt failed. Those who test look for what it gave back, even where that is nothing.
pub(crate) fn failed(receipt: &Receipt) -> RpcError {
    let error = failure(receipt);
    if error.data.is_none() { error.bearing(&[]) } else { error }
}

/// The same of a transaction that is in a block: its hash is in no result. Hardhat's node alone lets such a request
/// fail, so that its words are looked for.
pub(crate) fn failed_in_block(hash: Hash, receipt: &Receipt) -> RpcError {
    let RpcError { code, data, .. } = failed(receipt);
    let message = words(receipt);
    let data = match data {
        Some(ErrorData::Output(data)) => Some(ErrorData::Sent { message: message.clone(), transaction: hash, data }),
        other => other,
    };
    RpcError { code, message, data }
}

/// Why what has this receipt failed, as Hardhat's node says it.
fn words(receipt: &Receipt) -> String {
    match (receipt.status, &receipt.error) {
        (Status::Revert, _) => reverted(&receipt.output),
        (Status::OutOfGas | Status::OutOfGasIntrinsic, _) => "Transaction ran out of gas".to_owned(),
        (_, Some(error)) => format!("{FAILING}: {}", ethereum_words(error)),
        (_, None) => FAILING.to_owned(),
    }
}

/// The same of what reverted with this output. What a panic means is in our own words.
fn reverted(output: &[u8]) -> String {
    if output.is_empty() {
        return "Transaction reverted without a reason string".to_owned();
    }
    match RevertReason::decode(output) {
        Some(RevertReason::Error(reason)) => {
            let reason: String = reason.chars().take(REASON_CHARACTERS_MAX).collect();
            format!("{FAILING}: reverted with reason string '{reason}'")
        }
        Some(RevertReason::Panic(code)) => {
            format!("{FAILING}: reverted with panic code {code:#x} ({})", panic_meaning(code))
        }
        None => {
            let (shown, more) = match output.get(..UNNAMED_BYTES_MAX) {
                Some(first) if first.len() < output.len() => (first, "..."),
                _ => (output, ""),
            };
            let shown = hex_bytes::encode(shown);
            format!("{FAILING}: reverted with an unrecognized custom error (return data: {shown}{more})")
        }
    }
}

/// That a transaction which is in a block by now did not fail there.
pub(crate) fn of_transaction(group: &GroupEntry, hash: &Hash) -> Result<(), RpcError> {
    match group.handle.ledger().receipt(hash)? {
        Some(found) if found.receipt.status != Status::Success => Err(failed_in_block(*hash, &found.receipt)),
        _ => Ok(()),
    }
}

/// What a call sees that is to see what a transaction would that came now: of the block above the tip, where the call does
/// not say otherwise; and the state, in which is what waits.
pub(crate) async fn in_next_block(
    group: &GroupHandle,
    tip: BlockNumber,
    block: &mut BlockOverride,
) -> Result<Arc<dyn StateReader>, RpcError> {
    let next = |chain: &mut DevChain, unix_ms: u64| {
        Ok::<_, RpcError>((chain.next_timestamp(unix_ms)?, chain.next_block(), chain.pending_state(unix_ms)?))
    };
    let (time_s, (proposer, prevrandao), state) = group.test(next).await??;
    let time = match group.genesis().evm_timestamp {
        EvmTimestamp::Seconds => time_s,
        EvmTimestamp::Milliseconds => time_s.saturating_mul(1000),
    };
    block.number.get_or_insert(tip.saturating_add(1));
    block.timestamp.get_or_insert(time);
    block.proposer.get_or_insert(proposer);
    block.prevrandao.get_or_insert(prevrandao);
    Ok(state)
}

#[cfg(test)]
mod tests {
    use entente_types::{ReceiptError, Version};
    use serde_json::{Value, json};

    use super::*;
    use crate::{dev::well_known, testing::Local};

    /// An address at which the tests put code.
    const PLACE: &str = "0x00000000000000000000000000000000000c0de5";

    fn receipt(status: Status, output: Vec<u8>, error: Option<ReceiptError>) -> Receipt {
        Receipt { version: Version, status, output, gas_used: 0, logs: Vec::new(), contract: None, error }
    }

    fn word(number: u8) -> [u8; 32] {
        let mut word = [0; 32];
        word[31] = number;
        word
    }

    #[test]
    fn a_revert_is_told_in_the_words_of_hardhats_node() {
        let error = [&[0x08, 0xc3, 0x79, 0xa0][..], &word(32), &word(11), b"some reason"].concat();
        let panic = [&[0x4e, 0x48, 0x7b, 0x71][..], &word(0x11)].concat();
        for (output, expected) in [
            (Vec::new(), "Transaction reverted without a reason string".to_owned()),
            (error, format!("{FAILING}: reverted with reason string 'some reason'")),
            (panic, format!("{FAILING}: reverted with panic code 0x11 (an arithmetic operation overflowed)")),
            (vec![1, 2], format!("{FAILING}: reverted with an unrecognized custom error (return data: 0x0102)")),
        ] {
            let data = hex_bytes::encode(&output);
            let told = failed_in_block(Hash([3; 32]), &receipt(Status::Revert, output, None));
            assert_eq!((told.code, &told.message), (3, &expected));
            assert_eq!(told.data, Some(ErrorData::Sent { message: expected, transaction: Hash([3; 32]), data }));
        }
        let long = words(&receipt(Status::Revert, vec![0xee; 1_000], None));
        assert!(long.ends_with("eeee...)") && long.len() < 700, "{long}");
    }

    #[test]
    fn what_fails_otherwise_is_told_in_ethereums_words_behind_hardhats() {
        let fault = |code: &str| Some(ReceiptError::new(code, "why"));
        for (status, error, expected) in [
            (Status::OutOfGas, fault("out_of_gas"), "Transaction ran out of gas".to_owned()),
            (Status::BadInstruction, fault("unknown_instruction"), format!("{FAILING}: invalid opcode")),
            (Status::PrecompiledError, fault("native"), format!("{FAILING}: why")),
        ] {
            let told = failed_in_block(Hash([3; 32]), &receipt(status, Vec::new(), error));
            assert_eq!((told.code, &told.message), (-32000, &expected));
            let data = "0x".to_owned();
            assert_eq!(told.data, Some(ErrorData::Sent { message: expected, transaction: Hash([3; 32]), data }));
        }
    }

    #[tokio::test]
    async fn a_call_of_what_is_pending_sees_what_waits_and_whoever_makes_it() {
        let local = Local::for_tests();
        let ask = async |method: &str, parameters: Value| {
            let mut answer = local.ask(method, &parameters.to_string()).await;
            assert!(answer.get("error").is_none(), "{method}: {answer}");
            answer["result"].take()
        };
        // EVM code that answers SELFBALANCE.
        ask("hardhat_setCode", json!([PLACE, "0x4760005260206000f3"])).await;
        ask("evm_setAutomine", json!([false])).await;
        for value in ["0x3", "0x4"] {
            ask("eth_sendTransaction", json!([{ "from": well_known()[0], "to": PLACE, "value": value }])).await;
        }
        for (block, balance) in [("latest", 0), ("pending", 7)] {
            let held = ask("eth_call", json!([{ "to": PLACE }, block])).await;
            assert_eq!(held, format!("0x{balance:064x}"), "{block}");
        }
        assert_eq!(ask("eth_blockNumber", json!([])).await, "0x0", "nothing of it is kept");
        let maker = ask("eth_coinbase", json!([])).await;
        ask("hardhat_setCoinbase", json!([PLACE])).await;
        assert_eq!(ask("eth_coinbase", json!([])).await.as_str().unwrap().to_lowercase(), PLACE);
        ask("hardhat_reset", json!([])).await;
        assert_eq!(ask("eth_coinbase", json!([])).await, maker);
        local.stop().await;
    }
}
