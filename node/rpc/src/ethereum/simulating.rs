//! `eth_simulateV1`: blocks of calls that would follow a block.

use std::sync::Arc;

use entente_dev::unsigned;
use entente_executor::{
    Executor, Sequence, SequenceError, SequenceLimits, SequencedBlock, SequencedCall, Simulation, SimulationError,
    ethereum_words,
};
use entente_ledger::Ledger;
use entente_types::{EthereumRefusal, Genesis, Receipt, Status, Transaction, hex_bytes};
use serde::Serialize;

use super::{
    EthereumLog,
    blocks::{BlockView, Transactions},
    calls::header_and_state,
    heights::known_height,
    quantity::Quantity,
    revert::reverted,
    sequence_parameters::AskedSequence,
    transactions::TransactionView,
};
use crate::{
    arguments::Arguments,
    context::Context,
    error::{ErrorData, INVALID_PARAMETERS, RpcError},
    limits::{SEQUENCE_BLOCKS_MAX, SEQUENCE_BYTES_MAX},
    table::Pending,
    views::{Answer, Place, answer},
};

/// The codes that Ethereum's execution API gives to what ends such a call.
const NONCE_LOW: i32 = -38010;
const NONCE_HIGH: i32 = -38011;
const BASE_FEE: i32 = -38012;
const INTRINSIC_GAS: i32 = -38013;
const FUNDS: i32 = -38014;
const BLOCK_GAS: i32 = -38015;
const NUMBER: i32 = -38020;
const TIMESTAMP: i32 = -38021;
const SENDER_CODE: i32 = -38024;
const INIT_CODE: i32 = -38025;
const LIMIT: i32 = -38026;
/// And to a call that fails in its code.
const EXECUTION: i32 = -32015;

impl From<SequenceError> for RpcError {
    fn from(error: SequenceError) -> Self {
        let code = match &error {
            SequenceError::Number { .. } => NUMBER,
            SequenceError::Timestamp { .. } => TIMESTAMP,
            SequenceError::Blocks { .. } | SequenceError::Gas { .. } | SequenceError::Bytes { .. } => LIMIT,
            SequenceError::BlockGas { .. } => BLOCK_GAS,
            SequenceError::Transaction { .. } => INVALID_PARAMETERS,
            SequenceError::Call { error: SimulationError::Refused(refusal), .. } => refused(refusal),
            SequenceError::Call { error, .. } | SequenceError::Override(error) => return error.clone().into(),
            SequenceError::Node(fault) => return fault.clone().into(),
        };
        Self::new(code, error.to_string())
    }
}

const fn refused(refusal: &EthereumRefusal) -> i32 {
    match refusal {
        EthereumRefusal::NonceLow { .. } => NONCE_LOW,
        EthereumRefusal::NonceHigh { .. } | EthereumRefusal::NonceEnd(_) => NONCE_HIGH,
        EthereumRefusal::BaseFee { .. } => BASE_FEE,
        EthereumRefusal::IntrinsicGas { .. } => INTRINSIC_GAS,
        EthereumRefusal::Funds { .. } | EthereumRefusal::NoCoin => FUNDS,
        EthereumRefusal::SenderCode(_) => SENDER_CODE,
        EthereumRefusal::InitCode { .. } => INIT_CODE,
        _ => INVALID_PARAMETERS,
    }
}

/// A block that would be, and what its calls came to.
#[derive(Serialize)]
struct SequencedView<'a> {
    #[serde(flatten)]
    block: BlockView<'a>,
    calls: Vec<CallView<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallView<'a> {
    return_data: String,
    logs: Vec<EthereumLog<'a>>,
    gas_used: Quantity,
    /// Before any came back.
    max_used_gas: Quantity,
    status: Quantity,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<CallError>,
}

/// Why a call failed, or was taken back.
#[derive(Serialize)]
struct CallError {
    code: i32,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<ErrorData>,
}

impl CallError {
    fn of(receipt: &Receipt) -> Option<Self> {
        match receipt.status {
            Status::Success => None,
            Status::Revert => {
                let RpcError { code, message, data } = reverted(&receipt.output);
                Some(Self { code, message, data })
            }
            _ => {
                let message = receipt.error.as_ref().map_or("execution failed", ethereum_words);
                Some(Self { code: EXECUTION, message: message.to_owned(), data: None })
            }
        }
    }
}

/// `eth_simulateV1`.
pub(crate) fn sequence(context: Arc<Context>, arguments: Arguments<'_>) -> Pending<'_> {
    Box::pin(async move {
        let group = arguments.spoken_for(&context)?.handle.clone();
        let asked = arguments.sequence(0)?;
        let height = known_height(&group, arguments.block_reference(1)?)?;
        let _turn = context.traces.acquire().await;
        let work = move |ledger: &Ledger, executor: &Executor| {
            let (header, state) = header_and_state(ledger, height)?;
            let genesis = ledger.genesis();
            let AskedSequence { blocks, tells_transfers, validates, whole } = asked;
            let transaction =
                |simulation: &Simulation, nonce, gas| unsigned(simulation, genesis.ethereum_chain_id, nonce, gas);
            let limits = SequenceLimits { blocks: SEQUENCE_BLOCKS_MAX as u64, bytes: SEQUENCE_BYTES_MAX };
            let sequence = Sequence {
                state,
                header: &header,
                blocks: &blocks,
                validates,
                tells_transfers,
                limits,
                transaction: &transaction,
            };
            shown(genesis, &executor.sequence(&sequence)?, whole)
        };
        group.execute(work).await
    })
}

fn shown(genesis: &Genesis, blocks: &[SequencedBlock], whole: bool) -> Answer {
    let transaction = |call: &SequencedCall| Transaction::Ethereum(call.transaction.clone());
    let transactions: Vec<Vec<Transaction>> =
        blocks.iter().map(|block| block.calls.iter().map(transaction).collect()).collect();
    let views = blocks.iter().zip(&transactions).map(|(block, transactions)| view(genesis, block, transactions, whole));
    answer(&views.collect::<Result<Vec<_>, _>>()?)
}

fn view<'a>(
    genesis: &Genesis,
    block: &'a SequencedBlock,
    transactions: &'a [Transaction],
    whole: bool,
) -> Result<SequencedView<'a>, RpcError> {
    let places = (0_u32..).zip(&block.calls);
    let places: Vec<Place> = places
        .map(|(index, call)| Place { hash: call.hash, block: block.header.number, block_hash: block.hash, index })
        .collect();
    let told = if whole {
        let view = |(transaction, place): (&'a Transaction, &Place)| {
            TransactionView::new(genesis, place.hash, Some(*place), transaction).map(TransactionView::without_signature)
        };
        Transactions::Whole(transactions.iter().zip(&places).map(view).collect::<Result<_, _>>()?)
    } else {
        Transactions::Hashes(places.iter().map(|place| place.hash).collect())
    };
    let mut log_index = 0;
    let mut call_view = |(call, place): (&'a SequencedCall, &Place)| {
        let receipt = &call.simulated.receipt;
        let logs = receipt.logs.iter().map(|log| {
            log_index += 1;
            EthereumLog::new(*place, block.timestamp_ms, log_index - 1, log)
        });
        let output = match receipt.status {
            Status::Success if receipt.contract.is_some() => &call.simulated.code,
            Status::Success => &receipt.output,
            // Why it was taken back stands in the error.
            _ => &Vec::new(),
        };
        CallView {
            return_data: hex_bytes::encode(output),
            logs: logs.collect(),
            gas_used: Quantity(receipt.gas_used),
            max_used_gas: Quantity(call.simulated.gas_peak),
            status: Quantity(u64::from(receipt.status == Status::Success)),
            error: CallError::of(receipt),
        }
    };
    let calls = block.calls.iter().zip(&places).map(&mut call_view).collect();
    let bytes = block.calls.iter().map(|call| call.transaction.raw().len()).sum();
    Ok(SequencedView { block: BlockView::sequenced(block, bytes, told), calls })
}
