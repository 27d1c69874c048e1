//! `eth_call` and those that find out what a transaction would need.

use std::sync::Arc;

use entente_driver::GroupHandle;
use entente_executor::{
    AccessListed, EstimateError, Executor, Overrides, Scene, Simulation, SimulationError, ethereum_words,
};
use entente_ledger::Ledger;
use entente_state::StateReader;
use entente_types::{BlockNumber, Header, Receipt, Status, hex_bytes};
use serde::Serialize;

use super::{
    FAILED,
    heights::{known_height, no_state},
    parameters::BlockReference,
    quantity::Quantity,
    revert::reverted,
    transactions::AccessView,
};
use crate::{
    arguments::Arguments,
    context::Context,
    dev,
    error::{INTERNAL, RpcError},
    table::Pending,
    views::{answer, json_answer},
};

impl From<SimulationError> for RpcError {
    fn from(error: SimulationError) -> Self {
        match error {
            SimulationError::Node(fault) => fault.into(),
            other => Self::new(FAILED, other.to_string()),
        }
    }
}

impl From<EstimateError> for RpcError {
    fn from(error: EstimateError) -> Self {
        match error {
            EstimateError::Refused(error) => error.into(),
            EstimateError::Failed(receipt) => failure(&receipt),
            EstimateError::Allowance(_) => Self::new(FAILED, error.to_string()),
        }
    }
}

/// Why what has this receipt failed.
pub(crate) fn failure(receipt: &Receipt) -> RpcError {
    if receipt.status == Status::Revert {
        return reverted(&receipt.output);
    }
    RpcError::new(FAILED, receipt.error.as_ref().map_or("execution failed", ethereum_words))
}

/// The header at a height, and the state after it.
pub(super) fn header_and_state(
    ledger: &Ledger,
    height: BlockNumber,
) -> Result<(Header, Arc<dyn StateReader>), RpcError> {
    let state = ledger.state_at(height).map_err(|error| no_state(&error))?;
    Ok((header(ledger, height)?, state))
}

/// The header at a height that is there.
pub(super) fn header(ledger: &Ledger, height: BlockNumber) -> Result<Header, RpcError> {
    ledger.header(height)?.ok_or_else(|| RpcError::new(INTERNAL, format!("block {height} has no header")))
}

/// What is simulated: where, what, and over what.
struct Asked {
    group: GroupHandle,
    height: BlockNumber,
    /// The state, where it is not that after the height: a chain for tests has what waits in it.
    pending: Option<Arc<dyn StateReader>>,
    simulation: Simulation,
    overrides: Overrides,
}

impl Asked {
    /// A call, a block, and what differs of the state and of the block.
    async fn read(context: &Context, arguments: &Arguments<'_>) -> Result<Self, RpcError> {
        let group = arguments.spoken_for(context)?.handle.clone();
        let simulation = arguments.simulation(0)?;
        let block = arguments.block_reference(1)?;
        let mut overrides = arguments.overrides(2, 3)?;
        let height = known_height(&group, block)?;
        let mut pending = None;
        if block == BlockReference::Pending && group.is_dev() {
            pending = Some(dev::in_next_block(&group, height, &mut overrides.block).await?);
        }
        Ok(Self { group, height, pending, simulation, overrides })
    }

    async fn run<T: Send + 'static>(
        self,
        run: impl FnOnce(&Executor, &Scene<'_>, &Simulation) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let Self { group, height, pending, simulation, overrides } = self;
        let work = move |ledger: &Ledger, executor: &Executor| {
            let (header, after) = header_and_state(ledger, height)?;
            let state = pending.unwrap_or(after);
            run(executor, &Scene { state, header: &header, overrides: &overrides }, &simulation)
        };
        group.execute(work).await
    }
}

/// `eth_call`.
pub(crate) fn call(context: Arc<Context>, arguments: Arguments<'_>) -> Pending<'_> {
    Box::pin(async move {
        let mut asked = Asked::read(&context, &arguments).await?;
        asked.simulation.is_free = true;
        let is_dev = asked.group.is_dev();
        let called = asked.run(|executor, scene, simulation| Ok(executor.simulate(scene, simulation)?)).await?;
        if called.receipt.status != Status::Success {
            return Err(if is_dev { dev::failed(&called.receipt) } else { failure(&called.receipt) });
        }
        // What a creation gives back is the code that is there then; tools have constructors answer by it.
        let output = if called.receipt.contract.is_some() { called.code } else { called.receipt.output };
        json_answer(format!("\"{}\"", hex_bytes::encode(&output)))
    })
}

/// `eth_estimateGas`.
pub(crate) fn estimate_gas(context: Arc<Context>, arguments: Arguments<'_>) -> Pending<'_> {
    Box::pin(async move {
        let asked = Asked::read(&context, &arguments).await?;
        let is_dev = asked.group.is_dev();
        let estimate = move |executor: &Executor, scene: &Scene<'_>, simulation: &Simulation| {
            executor.estimate_gas(scene, simulation).map_err(|error| match error {
                EstimateError::Failed(receipt) if is_dev => dev::failed(&receipt),
                other => other.into(),
            })
        };
        answer(&Quantity(asked.run(estimate).await?))
    })
}

/// `eth_createAccessList`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccessListView {
    access_list: Vec<AccessView>,
    gas_used: Quantity,
    /// Why it fails, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(crate) fn access_list(context: Arc<Context>, arguments: Arguments<'_>) -> Pending<'_> {
    Box::pin(async move {
        let asked = Asked::read(&context, &arguments).await?;
        let listed = asked.run(|executor, scene, simulation| Ok(executor.access_list(scene, simulation)?)).await?;
        let AccessListed { list, simulated } = listed;
        let receipt = simulated.receipt;
        answer(&AccessListView {
            access_list: list.into_iter().map(AccessView::from).collect(),
            gas_used: Quantity(receipt.gas_used),
            error: receipt.error.as_ref().map(|error| ethereum_words(error).to_owned()),
        })
    })
}
