//! What an Ethereum transaction is held against before its sender's account is looked at.

use std::sync::Arc;

use entente_evm::{Evm, IntrinsicGas};
use entente_host::{
    CONTAINER_MAGIC, Fork, NodeFault,
    gas::{EVM_CODE_BYTES_MAX, UNITS_PER_GAS},
};
use entente_types::{Amount, BlockNumber, EthereumKind, EthereumPayload, EthereumRefusal, Genesis};

use crate::{Configuration, context::Context, machine::Machine};

/// What creating a contract costs beside the input, in Ethereum's gas (yellow paper, appendix G).
const CREATE_GAS: u64 = 32_000;
/// The bytes of the code that creates a contract, under a version without EVM code.
const INIT_CODE_BYTES_MAX: usize = 2 * EVM_CODE_BYTES_MAX as usize;

/// What an Ethereum transaction is held against before its sender's account is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EthereumRules {
    /// The fork whose rules it has.
    pub fork: Fork,
    /// The chain that it must be for.
    pub chain_id: u64,
    /// Whether the group has coin.
    pub balances: bool,
    /// The gas that it may ask for, in Ethereum's unit.
    pub transaction_gas: u64,
    /// What a unit of gas costs at least.
    pub base_fee: Amount,
    /// The bytes of the code that creates a contract (EIP-3860).
    pub init_code_bytes_max: usize,
}

impl EthereumRules {
    /// Those of the block that a transaction is executed in. A version without EVM code has those of a later one.
    pub(crate) fn of(context: &Context) -> Self {
        Self {
            fork: context.evm.as_ref().map_or(Fork::Osaka, |evm| evm.fork()),
            chain_id: context.block.ethereum_chain_id,
            balances: context.block.balances,
            transaction_gas: context.rules.transaction_gas,
            base_fee: context.block.ethereum.base_fee,
            init_code_bytes_max: context.evm.as_ref().map_or(INIT_CODE_BYTES_MAX, |evm| evm.init_code_bytes_max()),
        }
    }

    /// What a transaction costs before any code runs, if it can be in a block (yellow paper, section 6; EIP-155, 1559,
    /// 3860, 7623, 7702).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, payload: &EthereumPayload) -> Result<IntrinsicGas, EthereumRefusal> {
        self.fields(payload)?;
        let intrinsic = self.intrinsic(payload);
        Self::covers(payload, intrinsic)?;
        Ok(intrinsic)
    }

    /// What is checked before what it costs.
    pub(crate) fn fields(&self, payload: &EthereumPayload) -> Result<(), EthereumRefusal> {
        if payload.chain_id != self.chain_id {
            return Err(EthereumRefusal::ChainId { found: payload.chain_id, expected: self.chain_id });
        }
        if payload.max_priority_fee > payload.max_fee {
            return Err(EthereumRefusal::PriorityFee);
        }
        if payload.gas_price(self.base_fee).is_none() {
            return Err(EthereumRefusal::BaseFee { found: payload.max_fee, base_fee: self.base_fee });
        }
        if payload.kind == EthereumKind::SetCode && self.fork < Fork::Prague {
            return Err(EthereumRefusal::SetCode);
        }
        let limit = self.transaction_gas.min(u64::MAX / UNITS_PER_GAS);
        if payload.gas_limit > limit {
            return Err(EthereumRefusal::GasLimit { found: payload.gas_limit, limit });
        }
        if payload.to.is_none() && !is_container(payload) && payload.input.len() > self.init_code_bytes_max {
            return Err(EthereumRefusal::InitCode { found: payload.input.len(), limit: self.init_code_bytes_max });
        }
        if !self.balances && !payload.value.is_zero() {
            return Err(EthereumRefusal::NoCoin);
        }
        Ok(())
    }

    /// Whether its gas is what it costs before any code runs, or more.
    pub(crate) const fn covers(payload: &EthereumPayload, intrinsic: IntrinsicGas) -> Result<(), EthereumRefusal> {
        let needed = if intrinsic.initial > intrinsic.floor { intrinsic.initial } else { intrinsic.floor };
        if payload.gas_limit < needed {
            return Err(EthereumRefusal::IntrinsicGas { found: payload.gas_limit, needed });
        }
        Ok(())
    }

    /// A deployment container is no code of the EVM: what is paid for such code (EIP-3860) is not paid for it.
    pub(crate) fn intrinsic(&self, payload: &EthereumPayload) -> IntrinsicGas {
        let keys = payload.access_list.iter().map(|entry| entry.keys.len()).sum();
        let (creates, addresses) = (payload.to.is_none(), payload.access_list.len());
        let authorizations = payload.authorizations.len();
        let of = |creates| IntrinsicGas::of(self.fork, &payload.input, creates, addresses, keys, authorizations);
        if creates && is_container(payload) {
            let called = of(false);
            return IntrinsicGas { initial: called.initial.saturating_add(CREATE_GAS), ..called };
        }
        of(creates)
    }
}

fn is_container(payload: &EthereumPayload) -> bool {
    payload.input.starts_with(&CONTAINER_MAGIC)
}

/// Which versions of the rules run Ethereum's transactions in a group.
#[derive(Debug, Clone)]
pub struct EthereumVersions {
    /// Of each version the fork and the bytes of the code that creates a contract, where it has EVM code.
    evms: Vec<(u32, Option<(Fork, usize)>)>,
    chain_id: u64,
    balances: bool,
}

impl EthereumVersions {
    pub(crate) fn new(genesis: &Genesis, machine: &Machine) -> Self {
        let limits = |evm: &Arc<Evm>| (evm.fork(), evm.init_code_bytes_max());
        let evms = machine.evms().map(|(number, evm)| (number, evm.map(limits))).collect();
        Self { evms, chain_id: genesis.ethereum_chain_id, balances: genesis.balances }
    }

    /// The rules of a height, as a configuration below it has them; nothing where that height runs no Ethereum
    /// transactions.
    ///
    /// # Errors
    /// A damaged row, or a version that this node does not know.
    pub fn rules(
        &self,
        configuration: &Configuration,
        height: BlockNumber,
    ) -> Result<Option<EthereumRules>, NodeFault> {
        let version = configuration.protocol_version(height)?;
        let known = self.evms.iter().find(|(number, _)| *number == version);
        let (_, evm) = known.ok_or_else(|| NodeFault::ProtocolVersion {
            version,
            height,
            known: self.evms.iter().map(|(number, _)| *number).max().unwrap_or(0),
        })?;
        let Some((fork, init_code_bytes_max)) = *evm else { return Ok(None) };
        let transaction_gas = configuration.limits(height)?.transaction_gas;
        let (chain_id, balances) = (self.chain_id, self.balances);
        let base_fee = Amount::ZERO;
        Ok(Some(EthereumRules { fork, chain_id, balances, transaction_gas, base_fee, init_code_bytes_max }))
    }
}
