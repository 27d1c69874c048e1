//! The host functions over the world: each charges, bounds and refuses as the node's does (`runtime/wasm/src/imports.rs`).

use alloc::vec::Vec;
use core::mem::MaybeUninit;

use entente_crypto::Domain;
use entente_host::gas::{GasSchedule, SCHEDULE_1, all_but_a_64th};
use entente_host::limits::{
    CALL_DATA_BYTES_MAX, HASH_BYTES_MAX, LOG_DATA_BYTES_MAX, STORAGE_KEY_BYTES_MAX, STORAGE_VALUE_BYTES_MAX,
};
use entente_host::{
    CALL, CALL_DELEGATE, CALL_STATIC, CallKind, CallRequest, ContractFault, CreateRequest, CreateScheme, DIGEST_BLAKE3,
    DIGEST_KECCAK256, DIGEST_SHA256, DIGEST_SM3, Frame, Outcome, SIGNATURE_ED25519, SIGNATURE_SECP256K1, SIGNATURE_SM2,
    STACK_MEMORY_PAGES_MAX, TransactionContext,
};
use entente_types::limits::TOPICS_MAX;
use entente_types::{Address as HostAddress, Amount, Hash};

use super::world::{Block, Running};
use super::{Log, World};
use crate::{Address, Hash32};

/// What the node charges.
pub(super) const SCHEDULE: &GasSchedule = &SCHEDULE_1;

/// Verifies a message's signature under a key.
type Verify = fn(&[u8], &[u8], &[u8]) -> bool;

type Answer<T> = Result<T, ContractFault>;

/// Refuses what is longer than a limit.
fn bound(what: &'static str, length: usize, limit: u32) -> Answer<()> {
    if length > limit as usize {
        return Err(ContractFault::Limit { what, found: length as u64, limit: u64::from(limit) });
    }
    Ok(())
}

fn no_value(what: &'static str, found: u32) -> ContractFault {
    ContractFault::Argument { what, found: found.into() }
}

impl World {
    fn running(&mut self) -> &mut Running {
        // A host function without a frame is refused before it comes here, by `super::host`.
        self.frames.last_mut().expect("a frame runs")
    }

    /// The innermost frame.
    pub(crate) fn frame(&mut self) -> &Frame {
        &self.running().frame
    }

    /// The block that the transaction is in.
    pub(crate) const fn block(&self) -> &Block {
        &self.block
    }

    /// The transaction.
    pub(crate) const fn transaction(&self) -> &TransactionContext {
        &self.transaction
    }

    fn storage_address(&mut self) -> Address {
        Address(self.frame().storage_address.0)
    }

    fn may_write(&mut self, what: &'static str) -> Answer<()> {
        if self.frame().read_only { Err(ContractFault::ReadOnly(what)) } else { Ok(()) }
    }

    pub(crate) fn charge(&mut self, units: u64) -> Answer<()> {
        let running = self.running();
        running.gas_left = running.gas_left.checked_sub(units).ok_or(ContractFault::OutOfGas)?;
        Ok(())
    }

    /// Charges a host function that costs `base` beside its call, and `each` for every one of `count`.
    pub(crate) fn charge_by(&mut self, base: u64, each: u64, count: usize) -> Answer<()> {
        let units = each.checked_mul(count as u64).and_then(|units| units.checked_add(base));
        self.charge(units.ok_or(ContractFault::OutOfGas)?)
    }

    /// Charges a host function that answers something small.
    pub(crate) fn charge_call(&mut self) -> Answer<()> {
        self.charge(SCHEDULE.host_call)
    }

    /// Charges a host function that copies so many bytes to the contract, which asks for none where there are none.
    fn charge_copy(&mut self, length: usize) -> Answer<()> {
        if length == 0 { Ok(()) } else { self.charge_by(SCHEDULE.host_call, SCHEDULE.host_byte, length) }
    }

    pub(crate) fn input(&mut self) -> Answer<Vec<u8>> {
        self.charge_call()?;
        let input = self.frame().input.to_vec();
        self.charge_copy(input.len())?;
        Ok(input)
    }

    pub(crate) fn output(&mut self, bytes: &[u8]) -> Answer<()> {
        self.charge_by(SCHEDULE.host_call, SCHEDULE.output_byte, bytes.len())?;
        bound("an output", bytes.len(), CALL_DATA_BYTES_MAX)?;
        self.running().output = bytes.to_vec();
        Ok(())
    }

    pub(crate) fn storage_read(&mut self, key: &[u8], into: &mut [MaybeUninit<u8>]) -> Answer<Option<usize>> {
        self.charge_by(SCHEDULE.host_call + SCHEDULE.storage_read, SCHEDULE.host_byte, key.len())?;
        bound("a storage key", key.len(), STORAGE_KEY_BYTES_MAX)?;
        let address = self.storage_address();
        let Some(value) = self.rows.get(&address).and_then(|rows| rows.get(key)) else { return Ok(None) };
        let (copied, length) = (value.len().min(into.len()), value.len());
        into[..copied].write_copy_of_slice(&value[..copied]);
        self.charge_by(0, SCHEDULE.storage_read_byte, length)?;
        Ok(Some(length))
    }

    pub(crate) fn storage_write(&mut self, key: &[u8], value: &[u8]) -> Answer<()> {
        let bytes = key.len().saturating_add(value.len());
        self.charge_by(SCHEDULE.host_call + SCHEDULE.storage_write, SCHEDULE.storage_write_byte, bytes)?;
        bound("a storage key", key.len(), STORAGE_KEY_BYTES_MAX)?;
        bound("a stored value", value.len(), STORAGE_VALUE_BYTES_MAX)?;
        self.set_storage(key, Some(value.to_vec()))
    }

    pub(crate) fn storage_remove(&mut self, key: &[u8]) -> Answer<()> {
        self.charge_by(SCHEDULE.host_call + SCHEDULE.storage_write, SCHEDULE.storage_write_byte, key.len())?;
        bound("a storage key", key.len(), STORAGE_KEY_BYTES_MAX)?;
        self.set_storage(key, None)
    }

    fn set_storage(&mut self, key: &[u8], value: Option<Vec<u8>>) -> Answer<()> {
        self.may_write("write to the storage")?;
        let address = self.storage_address();
        self.set_row(address, key, value);
        Ok(())
    }

    pub(crate) fn gas_left(&mut self) -> Answer<u64> {
        self.charge_call()?;
        Ok(self.running().gas_left)
    }

    pub(crate) fn emit(&mut self, topics: &[Hash32], data: &[u8]) -> Answer<()> {
        if topics.len() > TOPICS_MAX {
            let (found, limit) = (topics.len() as u64, TOPICS_MAX as u64);
            return Err(ContractFault::Limit { what: "the topics of a log", found, limit });
        }
        self.charge_by(SCHEDULE.host_call + SCHEDULE.log, SCHEDULE.log_topic, topics.len())?;
        self.charge_by(0, SCHEDULE.log_byte, data.len())?;
        bound("the data of a log", data.len(), LOG_DATA_BYTES_MAX)?;
        self.may_write("emit a log")?;
        let address = self.storage_address();
        self.logs.push(Log { address, topics: topics.to_vec(), data: data.to_vec() });
        Ok(())
    }

    /// Charges a hash of so many bytes.
    fn charge_hash(&mut self, data: &[u8]) -> Answer<()> {
        self.charge_by(SCHEDULE.host_call + SCHEDULE.hash, SCHEDULE.hash_byte, data.len())?;
        bound("bytes to hash", data.len(), HASH_BYTES_MAX)
    }

    pub(crate) fn keccak256(&mut self, data: &[u8]) -> Answer<Hash32> {
        self.charge_hash(data)?;
        Ok(super::keccak256(data))
    }

    pub(crate) fn hash(&mut self, data: &[u8]) -> Answer<Hash32> {
        self.charge_hash(data)?;
        Ok(self.block.suite.hash(Domain::CONTRACT, &[data]).0)
    }

    pub(crate) fn digest(&mut self, algorithm: u32, data: &[u8]) -> Answer<Hash32> {
        let (hash, byte): (fn(&[u8]) -> Hash, u64) = match algorithm {
            DIGEST_KECCAK256 => (entente_crypto::keccak256, SCHEDULE.hash_byte),
            DIGEST_BLAKE3 => (entente_crypto::blake3, SCHEDULE.blake3_byte),
            DIGEST_SHA256 => (entente_crypto::sha256, SCHEDULE.sha256_byte),
            DIGEST_SM3 => (entente_crypto::sm3, SCHEDULE.sm3_byte),
            other => return Err(no_value("the algorithm of a digest", other)),
        };
        self.charge_by(SCHEDULE.host_call + SCHEDULE.hash, byte, data.len())?;
        bound("bytes to hash", data.len(), HASH_BYTES_MAX)?;
        Ok(hash(data).0)
    }

    pub(crate) fn recover(
        &mut self,
        algorithm: u32,
        digest: &Hash32,
        signature: &[u8; 65],
    ) -> Answer<Option<[u8; 64]>> {
        if algorithm != SIGNATURE_SECP256K1 {
            return Err(no_value("the algorithm of a signature whose key is recovered", algorithm));
        }
        self.charge(SCHEDULE.host_call + SCHEDULE.recover_secp256k1)?;
        Ok(entente_crypto::recover_secp256k1(digest, signature))
    }

    pub(crate) fn verify(&mut self, algorithm: u32, message: &[u8], signature: &[u8; 64], key: &[u8]) -> Answer<bool> {
        let (verify, base, byte): (Verify, u64, u64) = match algorithm {
            SIGNATURE_SECP256K1 => (entente_crypto::verify_secp256k1, SCHEDULE.verify_secp256k1, 0),
            SIGNATURE_SM2 => (entente_crypto::verify_sm2, SCHEDULE.verify_sm2, SCHEDULE.sm3_byte),
            SIGNATURE_ED25519 => (entente_crypto::verify_ed25519, SCHEDULE.verify_ed25519, SCHEDULE.ed25519_byte),
            other => return Err(no_value("the algorithm of a signature", other)),
        };
        self.charge_by(SCHEDULE.host_call + base, byte, message.len())?;
        bound("a signed message", message.len(), HASH_BYTES_MAX)?;
        Ok(verify(message, signature, key))
    }

    /// Charges a call, and takes the gas that goes down with it.
    pub(crate) fn begin_call(
        &mut self,
        kind: u32,
        to: [u8; 20],
        gas: u64,
        value: [u8; 32],
        input: &[u8],
    ) -> Answer<CallRequest> {
        let kind = match kind {
            CALL => CallKind::Call,
            CALL_DELEGATE => CallKind::Delegate,
            CALL_STATIC => CallKind::Static,
            other => return Err(no_value("the kind of a call", other)),
        };
        self.charge_by(SCHEDULE.host_call + SCHEDULE.call, SCHEDULE.host_byte, input.len())?;
        bound("the input of a call", input.len(), CALL_DATA_BYTES_MAX)?;
        let gas = self.give_down(gas)?;
        let (address, value) = (HostAddress(to), Amount::from_le_bytes(value));
        Ok(CallRequest {
            kind,
            address,
            value,
            input: input.to_vec().into(),
            gas,
            memory_pages: STACK_MEMORY_PAGES_MAX,
        })
    }

    /// Charges a creation, and takes the gas that goes down with it.
    pub(crate) fn begin_create(&mut self, container: &[u8], value: [u8; 32]) -> Answer<CreateRequest> {
        self.charge_by(SCHEDULE.host_call + SCHEDULE.create, SCHEDULE.host_byte, container.len())?;
        bound("a deployment container", container.len(), CALL_DATA_BYTES_MAX)?;
        let gas = self.give_down(u64::MAX)?;
        Ok(CreateRequest {
            container: container.to_vec().into(),
            scheme: CreateScheme::Index,
            value: Amount::from_le_bytes(value),
            gas,
            memory_pages: STACK_MEMORY_PAGES_MAX,
        })
    }

    fn give_down(&mut self, asked: u64) -> Answer<u64> {
        let given = asked.min(all_but_a_64th(self.running().gas_left));
        self.charge(given)?;
        Ok(given)
    }

    /// Takes what a nested frame left: its output, and the gas that it did not use.
    pub(crate) fn end_nested(&mut self, outcome: Outcome) {
        let running = self.running();
        running.gas_left = running.gas_left.saturating_add(outcome.gas_left);
        running.return_data = outcome.output;
    }

    pub(crate) fn return_data(&mut self) -> Answer<Vec<u8>> {
        self.charge_call()?;
        let data = self.running().return_data.clone();
        self.charge_copy(data.len())?;
        Ok(data)
    }
}
