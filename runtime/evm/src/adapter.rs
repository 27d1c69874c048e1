//! Our host as revm's interpreter asks for it.

use std::{borrow::Cow, sync::Arc};

use entente_host::Fault;
use entente_types::{Address, Amount, Hash, Log};
use revm_interpreter::{
    Host, SStoreResult, SelfDestructResult, StateLoad,
    context_interface::{cfg::GasParams, host::LoadError, journaled_state::AccountInfoLoad},
    primitives::{Address as EthereumAddress, B256, KECCAK_EMPTY, Log as EthereumLog, U256},
    state::AccountInfo,
};

use crate::{EvmCode, EvmHost, ShownCode, Word, hashes::Hashes};

/// The length that CREATE takes at most, before it is known whether the code is a deployment container: then the EVM's
/// own limit (EIP-3860) does not hold.
const CREATE_BYTES_MAX: usize = entente_host::limits::CALL_DATA_BYTES_MAX as usize;

pub(crate) fn theirs(address: &Address) -> EthereumAddress {
    EthereumAddress::new(address.0)
}

pub(crate) fn ours(address: EthereumAddress) -> Address {
    Address(address.into_array())
}

/// Our host, and the first fault that an instruction met there: revm knows only that there was one.
pub(crate) struct Adapter<H> {
    pub(crate) host: Box<H>,
    pub(crate) gas: GasParams,
    pub(crate) hashes: Arc<Hashes>,
    pub(crate) fault: Option<Fault>,
    /// What the levels below the innermost get back so far, where somebody watches.
    pub(crate) refund_below: i64,
}

impl<H: EvmHost> Adapter<H> {
    pub(crate) const fn new(host: Box<H>, gas: GasParams, hashes: Arc<Hashes>) -> Self {
        Self { host, gas, hashes, fault: None, refund_below: 0 }
    }

    /// Notes a fault, which ends the frame, or all where it is the node's.
    pub(crate) fn note(&mut self, fault: impl Into<Fault>) -> LoadError {
        self.fault.get_or_insert(fault.into());
        LoadError::DBError
    }

    /// Makes an address warm. Tells whether it was cold; refuses where that is not to be paid for.
    fn warm(&mut self, address: &Address, skip_cold_load: bool) -> Result<bool, LoadError> {
        if self.host.is_warm(address) {
            return Ok(false);
        }
        if skip_cold_load {
            return Err(LoadError::ColdLoadSkipped);
        }
        self.host.warm(address);
        Ok(true)
    }

    fn warm_slot(&mut self, address: &Address, key: &Word, skip_cold_load: bool) -> Result<bool, LoadError> {
        if skip_cold_load && !self.host.is_slot_warm(address, key) {
            return Err(LoadError::ColdLoadSkipped);
        }
        Ok(self.host.warm_slot(address, key))
    }

    fn shown(&mut self, code: ShownCode, load_code: bool) -> Result<(B256, Option<EvmCode>), Fault> {
        Ok(match code {
            ShownCode::None => (KECCAK_EMPTY, Some(EvmCode::default())),
            ShownCode::Evm(hash) => (B256::new(hash.0), load_code.then(|| self.host.code(&hash)).transpose()?),
            ShownCode::Other(bytes) => {
                let hash = B256::new(entente_crypto::keccak256(&bytes).0);
                (hash, load_code.then(|| EvmCode::new(bytes)))
            }
        })
    }
}

impl<H: EvmHost> Host for Adapter<H> {
    fn basefee(&self) -> U256 {
        self.host.block().ethereum.base_fee.0
    }

    fn blob_gasprice(&self) -> U256 {
        self.host.block().ethereum.blob_base_fee.0
    }

    fn gas_limit(&self) -> U256 {
        U256::from(self.host.block().gas_limit)
    }

    fn difficulty(&self) -> U256 {
        U256::ZERO
    }

    fn prevrandao(&self) -> Option<U256> {
        Some(U256::from_be_bytes(self.host.block().ethereum.prevrandao.0))
    }

    fn block_number(&self) -> U256 {
        U256::from(self.host.block().number)
    }

    fn timestamp(&self) -> U256 {
        U256::from(self.host.block().evm_time())
    }

    fn beneficiary(&self) -> EthereumAddress {
        theirs(&self.host.block().proposer)
    }

    fn slot_num(&self) -> U256 {
        U256::ZERO
    }

    fn chain_id(&self) -> U256 {
        U256::from(self.host.block().ethereum_chain_id)
    }

    fn effective_gas_price(&self) -> U256 {
        self.host.gas_price().0
    }

    fn caller(&self) -> EthereumAddress {
        theirs(&self.host.transaction().origin)
    }

    fn blob_hash(&self, _: usize) -> Option<U256> {
        None
    }

    fn max_initcode_size(&self) -> usize {
        CREATE_BYTES_MAX
    }

    fn gas_params(&self) -> &GasParams {
        &self.gas
    }

    fn is_amsterdam_eip8037_enabled(&self) -> bool {
        false
    }

    fn block_hash(&mut self, number: u64) -> Option<B256> {
        match self.host.ethereum_hash(number) {
            Ok(hash) => Some(B256::new(hash.0)),
            Err(fault) => {
                self.note(fault);
                None
            }
        }
    }

    fn selfdestruct(
        &mut self,
        _: EthereumAddress,
        target: EthereumAddress,
        skip_cold_load: bool,
    ) -> Result<StateLoad<SelfDestructResult>, LoadError> {
        let target = ours(target);
        let is_cold = self.warm(&target, skip_cold_load)?;
        let done = self.host.self_destruct(&target).map_err(|fault| self.note(fault))?;
        let result = SelfDestructResult {
            had_value: done.had_value,
            target_exists: done.target_existed,
            previously_destroyed: done.was_marked,
        };
        Ok(StateLoad::new(result, is_cold))
    }

    fn log(&mut self, log: EthereumLog) {
        let address = ours(log.address);
        // Neither is copied.
        let (topics, data) = log.data.split();
        let log = Log { address, topics: topics.into_iter().map(|topic| Hash(topic.0)).collect(), data: data.0.into() };
        if let Err(fault) = self.host.emit(log) {
            self.note(fault);
        }
    }

    fn sstore_skip_cold_load(
        &mut self,
        address: EthereumAddress,
        key: U256,
        value: U256,
        skip_cold_load: bool,
    ) -> Result<StateLoad<SStoreResult>, LoadError> {
        let (address, key) = (ours(address), key.to_be_bytes());
        let is_cold = self.warm_slot(&address, &key, skip_cold_load)?;
        let stored = self.host.store(&address, &key, &value.to_be_bytes()).map_err(|fault| self.note(fault))?;
        let result = SStoreResult {
            original_value: U256::from_be_bytes(stored.original),
            present_value: U256::from_be_bytes(stored.present),
            new_value: value,
        };
        Ok(StateLoad::new(result, is_cold))
    }

    fn sload_skip_cold_load(
        &mut self,
        address: EthereumAddress,
        key: U256,
        skip_cold_load: bool,
    ) -> Result<StateLoad<U256>, LoadError> {
        let (address, key) = (ours(address), key.to_be_bytes());
        let is_cold = self.warm_slot(&address, &key, skip_cold_load)?;
        let word = self.host.load(&address, &key).map_err(|fault| self.note(fault))?;
        Ok(StateLoad::new(U256::from_be_bytes(word), is_cold))
    }

    fn tstore(&mut self, address: EthereumAddress, key: U256, value: U256) {
        if let Err(fault) = self.host.store_transient(&ours(address), &key.to_be_bytes(), &value.to_be_bytes()) {
            self.note(fault);
        }
    }

    fn tload(&mut self, address: EthereumAddress, key: U256) -> U256 {
        U256::from_be_bytes(self.host.load_transient(&ours(address), &key.to_be_bytes()))
    }

    fn balance(&mut self, address: EthereumAddress) -> Option<StateLoad<U256>> {
        let address = ours(address);
        let is_cold = self.warm(&address, false).ok()?;
        let account = self.host.account(&address).map_err(|fault| self.note(fault)).ok()?;
        Some(StateLoad::new(account.balance.0, is_cold))
    }

    fn load_account_info_skip_cold_load(
        &mut self,
        address: EthereumAddress,
        load_code: bool,
        skip_cold_load: bool,
    ) -> Result<AccountInfoLoad<'_>, LoadError> {
        let address = ours(address);
        let is_cold = self.warm(&address, skip_cold_load)?;
        let account = self.host.account(&address).map_err(|fault| self.note(fault))?;
        let is_empty = account.is_empty();
        let (Amount(balance), nonce) = (account.balance, account.nonce);
        let (code_hash, code) = self.shown(account.code, load_code).map_err(|fault| self.note(fault))?;
        let code = code.map(|code| code.0);
        let info = AccountInfo { balance, nonce, code_hash, account_id: None, code };
        Ok(AccountInfoLoad { account: Cow::Owned(info), is_cold, is_empty })
    }
}
