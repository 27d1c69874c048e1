//! The host functions of the `entente` namespace over the Host: the one table, expanded into imports.
//!
//! Each function charges before it does anything whose cost depends on a length, and bounds the length before it
//! allocates.

mod crypto;

use entente_host::{
    ABSENT, CALL, CALL_DELEGATE, CALL_STATIC, CallHost, CallKind, CallRequest, ContractFault, CreateRequest,
    CreateScheme, Fault, FrameStatus, NAMESPACE, NodeFault, Outcome, STATUS_FAILED, STATUS_REVERTED, STATUS_SUCCESS,
    gas::{GasSchedule, all_but_a_64th},
    host_functions,
};
use entente_types::{Address, Amount, Hash, Log, limits::TOPICS_MAX};
use smallvec::SmallVec;
use wasmer::{
    AsStoreMut, Function, FunctionEnv, FunctionEnvMut, Global, Imports, Memory, RuntimeError, StoreMut, Value,
};

use crate::limits::{
    CALL_DATA_BYTES_MAX, HASH_BYTES_MAX, LOG_DATA_BYTES_MAX, STORAGE_KEY_BYTES_MAX, STORAGE_VALUE_BYTES_MAX,
};

/// What host functions find beside the instance they were called from.
pub(crate) struct Environment<H> {
    /// The host, while a frame runs here and no nested one.
    pub(crate) host: Option<Box<H>>,
    pub(crate) memory: Option<Memory>,
    pub(crate) gas: Option<Global>,
    pub(crate) schedule: Option<&'static GasSchedule>,
    /// The bitmap of written chunks, and the size of a chunk as a power of two.
    pub(crate) dirty: Option<(Global, u32)>,
    pub(crate) output: Vec<u8>,
    pub(crate) return_data: Vec<u8>,
    /// Set when the contract ended its frame by `revert`.
    pub(crate) reverted: bool,
    /// Why a host function ended the frame.
    pub(crate) fault: Option<Fault>,
}

impl<H> Default for Environment<H> {
    fn default() -> Self {
        Self {
            host: None,
            memory: None,
            gas: None,
            schedule: None,
            dirty: None,
            output: Vec::new(),
            return_data: Vec::new(),
            reverted: false,
            fault: None,
        }
    }
}

/// Bytes that take no room on the heap where they are few.
type ShortBytes = SmallVec<[u8; 64]>;

type Env<'a, H> = FunctionEnvMut<'a, Environment<H>>;

/// Stops the instance; what for stands in the environment.
#[derive(Debug, thiserror::Error)]
#[error("the frame ended inside a host function")]
struct Ended;

/// One host function's view of the instance.
struct Caller<'a, H> {
    environment: &'a mut Environment<H>,
    store: StoreMut<'a>,
}

impl<H: CallHost> Caller<'_, H> {
    fn schedule(&self) -> Result<&'static GasSchedule, Fault> {
        self.environment.schedule.ok_or_else(|| missing("gas schedule"))
    }

    fn host(&mut self) -> Result<&mut H, Fault> {
        self.environment.host.as_deref_mut().ok_or_else(|| missing("host"))
    }

    fn gas_left(&mut self) -> Result<u64, Fault> {
        let gas = self.environment.gas.as_ref().ok_or_else(|| missing("gas"))?;
        match gas.get(&mut self.store) {
            Value::I64(left) => Ok(u64::try_from(left).unwrap_or(0)),
            _ => Err(missing("gas")),
        }
    }

    fn set_gas(&mut self, left: u64) -> Result<(), Fault> {
        let gas = self.environment.gas.as_ref().ok_or_else(|| missing("gas"))?;
        let left = i64::try_from(left).unwrap_or(i64::MAX);
        gas.set(&mut self.store, Value::I64(left)).map_err(|error| Fault::Node(NodeFault::Engine(error.to_string())))
    }

    fn charge(&mut self, units: u64) -> Result<(), Fault> {
        let left = self.gas_left()?.checked_sub(units).ok_or(ContractFault::OutOfGas)?;
        self.set_gas(left)
    }

    /// Charges `base` and `each` for every one of `count`.
    fn charge_by(&mut self, base: u64, each: u64, count: u32) -> Result<(), Fault> {
        let units = each.checked_mul(u64::from(count)).and_then(|units| units.checked_add(base));
        self.charge(units.ok_or(ContractFault::OutOfGas)?)
    }

    fn read(&mut self, what: &'static str, offset: u32, length: u32, limit: u32) -> Result<Vec<u8>, Fault> {
        self.check_read(what, offset, length, limit)?;
        let mut bytes = vec![0; length as usize];
        self.fill(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// The same of what is short mostly.
    fn read_short(&mut self, what: &'static str, offset: u32, length: u32, limit: u32) -> Result<ShortBytes, Fault> {
        self.check_read(what, offset, length, limit)?;
        let mut bytes = ShortBytes::from_elem(0, length as usize);
        self.fill(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// No room is made for what is too long or not there.
    fn check_read(&self, what: &'static str, offset: u32, length: u32, limit: u32) -> Result<(), Fault> {
        if length > limit {
            let (found, limit) = (u64::from(length), u64::from(limit));
            return Err(ContractFault::Limit { what, found, limit }.into());
        }
        let memory = self.environment.memory.as_ref().ok_or_else(|| missing("memory"))?;
        if u64::from(offset) + u64::from(length) > memory.view(&self.store).data_size() {
            return Err(ContractFault::MemoryRange { offset, length }.into());
        }
        Ok(())
    }

    fn fill(&self, offset: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        let memory = self.environment.memory.as_ref().ok_or_else(|| missing("memory"))?;
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let range = ContractFault::MemoryRange { offset, length };
        memory.view(&self.store).read(u64::from(offset), bytes).map_err(|_| range.into())
    }

    fn read_array<const LENGTH: usize>(&mut self, offset: u32) -> Result<[u8; LENGTH], Fault> {
        let mut bytes = [0; LENGTH];
        self.fill(offset, &mut bytes)?;
        Ok(bytes)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Fault> {
        let memory = self.environment.memory.as_ref().ok_or_else(|| missing("memory"))?;
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let range = ContractFault::MemoryRange { offset, length };
        memory.view(&self.store).write(u64::from(offset), bytes).map_err(|_| range)?;
        self.mark(offset, length)
    }

    /// What the host writes is restored at the reset as what the contract's own stores write is.
    fn mark(&mut self, offset: u32, length: u32) -> Result<(), Fault> {
        let (Some((dirty, shift)), 1..) = (self.environment.dirty.as_ref(), length) else { return Ok(()) };
        let (first, last) = (offset >> shift, (offset + (length - 1)) >> shift);
        let Value::I64(bits) = dirty.get(&mut self.store) else { return Err(missing("bitmap")) };
        let range = (u64::MAX << (first & 63)) & (u64::MAX >> (63 - (last & 63)));
        let bits = bits | range.cast_signed();
        dirty.set(&mut self.store, Value::I64(bits)).map_err(|error| NodeFault::Engine(error.to_string()).into())
    }

    /// The pages of memory that nested frames may have together.
    fn pages_left(&mut self) -> Result<u32, Fault> {
        let memory = self.environment.memory.as_ref().ok_or_else(|| missing("memory"))?;
        let own = memory.view(&self.store).size().0;
        Ok(self.host()?.frame().memory_pages.saturating_sub(own))
    }

    /// Runs a nested frame: the host goes down and comes back, and so does the gas.
    fn nested(
        &mut self,
        gas_given: u64,
        run: impl FnOnce(Box<H>) -> (Box<H>, Result<Outcome, NodeFault>),
    ) -> Result<Outcome, Fault> {
        let left = self.gas_left()?.checked_sub(gas_given).ok_or(ContractFault::OutOfGas)?;
        self.set_gas(left)?;
        let host = self.environment.host.take().ok_or_else(|| missing("host"))?;
        let (host, outcome) = run(host);
        self.environment.host = Some(host);
        let mut outcome = outcome?;
        let returned = self.gas_left()?.checked_add(outcome.gas_left).ok_or_else(|| missing("gas"))?;
        self.set_gas(returned)?;
        self.environment.return_data = std::mem::take(&mut outcome.output);
        Ok(outcome)
    }
}

fn missing(what: &str) -> Fault {
    Fault::Node(NodeFault::Engine(format!("an instance without its {what}")))
}

fn status_of(outcome: &Outcome) -> u32 {
    match outcome.status {
        FrameStatus::Success => STATUS_SUCCESS,
        FrameStatus::Revert => STATUS_REVERTED,
        FrameStatus::Fault(_) => STATUS_FAILED,
    }
}

/// Runs the body of a host function; a fault stops the instance and is kept for the frame's outcome.
fn host_call<H: CallHost, T>(
    env: &mut Env<'_, H>,
    body: impl FnOnce(&mut Caller<'_, H>, &'static GasSchedule) -> Result<T, Fault>,
) -> Result<T, RuntimeError> {
    let (environment, store) = env.data_and_store_mut();
    let mut caller = Caller { environment, store };
    let result = caller.schedule().and_then(|schedule| body(&mut caller, schedule));
    result.map_err(|fault| {
        caller.environment.fault = Some(fault);
        RuntimeError::user(Box::new(Ended))
    })
}

macro_rules! define_imports {
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ident),*) $(-> $result:ident)?;)*) => {
        /// All host functions as imports of one store.
        pub(crate) fn imports<H: CallHost>(store: &mut impl AsStoreMut, environment: &FunctionEnv<Environment<H>>) -> Imports {
            let mut imports = Imports::new();
            $(imports.define(
                NAMESPACE,
                stringify!($name),
                Function::new_typed_with_env(store, environment, functions::$name::<H>),
            );)*
            imports
        }
    };
}

host_functions!(define_imports);

/// The bodies, one for each entry of the table.
mod functions {
    pub(super) use super::crypto::{digest, recover, verify};
    use super::{
        ABSENT, Address, Amount, CALL, CALL_DATA_BYTES_MAX, CALL_DELEGATE, CALL_STATIC, CallHost, CallKind,
        CallRequest, ContractFault, CreateRequest, CreateScheme, Ended, Env, Fault, HASH_BYTES_MAX, Hash,
        LOG_DATA_BYTES_MAX, Log, RuntimeError, STORAGE_KEY_BYTES_MAX, STORAGE_VALUE_BYTES_MAX, ShortBytes, TOPICS_MAX,
        all_but_a_64th, host_call, status_of,
    };

    pub(super) fn input_length<H: CallHost>(mut env: Env<'_, H>) -> Result<u32, RuntimeError> {
        host_call(&mut env, |caller, gas| {
            caller.charge(gas.host_call)?;
            let length = caller.host()?.frame().input.len();
            Ok(u32::try_from(length).unwrap_or(u32::MAX))
        })
    }

    pub(super) fn input_read<H: CallHost>(
        mut env: Env<'_, H>,
        destination: u32,
        offset: u32,
        length: u32,
    ) -> Result<(), RuntimeError> {
        host_call(&mut env, |caller, gas| {
            caller.charge_by(gas.host_call, gas.host_byte, length)?;
            let input = caller.host()?.frame().input.clone();
            let range = slice(&input, "input", offset, length)?;
            caller.write(destination, range)
        })
    }

    pub(super) fn output<H: CallHost>(mut env: Env<'_, H>, source: u32, length: u32) -> Result<(), RuntimeError> {
        host_call(&mut env, |caller, gas| {
            caller.charge_by(gas.host_call, gas.output_byte, length)?;
            caller.environment.output = caller.read("an output", source, length, CALL_DATA_BYTES_MAX)?;
            Ok(())
        })
    }

    pub(super) fn revert<H: CallHost>(mut env: Env<'_, H>, source: u32, length: u32) -> Result<(), RuntimeError> {
        host_call(&mut env, |caller, gas| {
            caller.charge_by(gas.host_call, gas.output_byte, length)?;
            caller.environment.output = caller.read("an output", source, length, CALL_DATA_BYTES_MAX)?;
            caller.environment.reverted = true;
            Ok(())
        })?;
        Err(RuntimeError::user(Box::new(Ended)))
    }

    pub(super) fn storage_read<H: CallHost>(
        mut env: Env<'_, H>,
        key: u32,
        key_length: u32,
        destination: u32,
        capacity: u32,
    ) -> Result<u32, RuntimeError> {
        host_call(&mut env, |caller, gas| {
            caller.charge_by(gas.host_call + gas.storage_read, gas.host_byte, key_length)?;
            let key = caller.read_short("a storage key", key, key_length, STORAGE_KEY_BYTES_MAX)?;
            let Some(value) = caller.host()?.storage_get(&key)? else { return Ok(ABSENT) };
            let length = u32::try_from(value.len()).unwrap_or(ABSENT);
            let copied = ShortBytes::from_slice(value.get(..capacity as usize).unwrap_or(value));
            caller.charge_by(0, gas.storage_read_byte, length)?;
            caller.write(destination, &copied)?;
            Ok(length)
        })
    }

    pub(super) fn storage_write<H: CallHost>(
        mut env: Env<'_, H>,
        key: u32,
        key_length: u32,
        value: u32,
        value_length: u32,
    ) -> Result<(), RuntimeError> {
        host_call(&mut env, |caller, gas| {
            let bytes = key_length.saturating_add(value_length);
            caller.charge_by(gas.host_call + gas.storage_write, gas.storage_write_byte, bytes)?;
            let key = caller.read_short("a storage key", key, key_length, STORAGE_KEY_BYTES_MAX)?;
            let value = caller.read_short("a stored value", value, value_length, STORAGE_VALUE_BYTES_MAX)?;
            let value = if value.spilled() { value.into_vec().into() } else { value.as_slice().into() };
            caller.host()?.storage_set(&key, Some(value))
        })
    }

    pub(super) fn storage_remove<H: CallHost>(
        mut env: Env<'_, H>,
        key: u32,
        key_length: u32,
    ) -> Result<(), RuntimeError> {
        host_call(&mut env, |caller, gas| {
            caller.charge_by(gas.host_call + gas.storage_write, gas.storage_write_byte, key_length)?;
            let key = caller.read_short("a storage key", key, key_length, STORAGE_KEY_BYTES_MAX)?;
            caller.host()?.storage_set(&key, None)
        })
    }

    /// Writes a few bytes that the host knows.
    fn give<H: CallHost>(
        env: &mut Env<'_, H>,
        destination: u32,
        what: impl FnOnce(&H) -> Vec<u8>,
    ) -> Result<(), RuntimeError> {
        host_call(env, |caller, gas| {
            caller.charge(gas.host_call)?;
            let bytes = what(caller.host()?);
            caller.write(destination, &bytes)
        })
    }

    pub(super) fn caller<H: CallHost>(mut env: Env<'_, H>, destination: u32) -> Result<(), RuntimeError> {
        give(&mut env, destination, |host| host.frame().caller.0.to_vec())
    }

    pub(super) fn address<H: CallHost>(mut env: Env<'_, H>, destination: u32) -> Result<(), RuntimeError> {
        give(&mut env, destination, |host| host.frame().storage_address.0.to_vec())
    }

    pub(super) fn origin<H: CallHost>(mut env: Env<'_, H>, destination: u32) -> Result<(), RuntimeError> {
        give(&mut env, destination, |host| host.transaction().origin.0.to_vec())
    }

    pub(super) fn value<H: CallHost>(mut env: Env<'_, H>, destination: u32) -> Result<(), RuntimeError> {
        give(&mut env, destination, |host| host.frame().value.to_le_bytes().to_vec())
    }

    pub(super) fn transaction_hash<H: CallHost>(mut env: Env<'_, H>, destination: u32) -> Result<(), RuntimeError> {
        give(&mut env, destination, |host| host.transaction().hash.0.to_vec())
    }

    /// Answers a number that the host knows.
    fn tell<H: CallHost>(env: &mut Env<'_, H>, what: impl FnOnce(&H) -> u64) -> Result<u64, RuntimeError> {
        host_call(env, |caller, gas| {
            caller.charge(gas.host_call)?;
            Ok(what(caller.host()?))
        })
    }

    pub(super) fn block_number<H: CallHost>(mut env: Env<'_, H>) -> Result<u64, RuntimeError> {
        tell(&mut env, |host| host.block().number)
    }

    pub(super) fn block_timestamp<H: CallHost>(mut env: Env<'_, H>) -> Result<u64, RuntimeError> {
        tell(&mut env, |host| host.block().timestamp_ms)
    }

    pub(super) fn chain_id<H: CallHost>(mut env: Env<'_, H>) -> Result<u64, RuntimeError> {
        tell(&mut env, |host| host.block().ethereum_chain_id)
    }

    pub(super) fn gas_left<H: CallHost>(mut env: Env<'_, H>) -> Result<u64, RuntimeError> {
        host_call(&mut env, |caller, gas| {
            caller.charge(gas.host_call)?;
            caller.gas_left()
        })
    }

    pub(super) fn emit<H: CallHost>(
        mut env: Env<'_, H>,
        topics: u32,
        topic_count: u32,
        data: u32,
        data_length: u32,
    ) -> Result<(), RuntimeError> {
        host_call(&mut env, |caller, gas| {
            if topic_count as usize > TOPICS_MAX {
                let (found, limit) = (u64::from(topic_count), TOPICS_MAX as u64);
                return Err(ContractFault::Limit { what: "the topics of a log", found, limit }.into());
            }
            caller.charge_by(gas.host_call + gas.log, gas.log_topic, topic_count)?;
            caller.charge_by(0, gas.log_byte, data_length)?;
            let topics = caller.read("topics", topics, topic_count * 32, TOPICS_MAX as u32 * 32)?;
            let topics = topics.as_chunks::<32>().0.iter().map(|topic| Hash(*topic)).collect();
            let data = caller.read("the data of a log", data, data_length, LOG_DATA_BYTES_MAX)?;
            let host = caller.host()?;
            let address = host.frame().storage_address;
            host.emit(Log { address, topics, data })
        })
    }

    pub(super) fn call<H: CallHost>(
        mut env: Env<'_, H>,
        kind: u32,
        address: u32,
        gas_asked: u64,
        value: u32,
        input: u32,
        input_length: u32,
    ) -> Result<u32, RuntimeError> {
        host_call(&mut env, |caller, gas| {
            let kind = match kind {
                CALL => CallKind::Call,
                CALL_DELEGATE => CallKind::Delegate,
                CALL_STATIC => CallKind::Static,
                other => return Err(ContractFault::Argument { what: "the kind of a call", found: other.into() }.into()),
            };
            caller.charge_by(gas.host_call + gas.call, gas.host_byte, input_length)?;
            let address = Address(caller.read_array(address)?);
            let value = Amount::from_le_bytes(caller.read_array(value)?);
            let input = caller.read("the input of a call", input, input_length, CALL_DATA_BYTES_MAX)?;
            let given = gas_asked.min(all_but_a_64th(caller.gas_left()?));
            let memory_pages = caller.pages_left()?;
            let request = CallRequest { kind, address, value, input: input.into(), gas: given, memory_pages };
            let outcome = caller.nested(given, |host| host.call(request))?;
            Ok(status_of(&outcome))
        })
    }

    pub(super) fn create<H: CallHost>(
        mut env: Env<'_, H>,
        source: u32,
        length: u32,
        value: u32,
        destination: u32,
    ) -> Result<u32, RuntimeError> {
        host_call(&mut env, |caller, gas| {
            caller.charge_by(gas.host_call + gas.create, gas.host_byte, length)?;
            let value = Amount::from_le_bytes(caller.read_array(value)?);
            let container = caller.read("a deployment container", source, length, CALL_DATA_BYTES_MAX)?;
            let given = all_but_a_64th(caller.gas_left()?);
            let memory_pages = caller.pages_left()?;
            let (container, scheme) = (container.into(), CreateScheme::Index);
            let request = CreateRequest { container, scheme, value, gas: given, memory_pages };
            let outcome = caller.nested(given, |host| host.create(request))?;
            if let Some(created) = outcome.created {
                caller.write(destination, created.as_ref())?;
            }
            Ok(status_of(&outcome))
        })
    }

    pub(super) fn return_length<H: CallHost>(mut env: Env<'_, H>) -> Result<u32, RuntimeError> {
        host_call(&mut env, |caller, gas| {
            caller.charge(gas.host_call)?;
            Ok(u32::try_from(caller.environment.return_data.len()).unwrap_or(u32::MAX))
        })
    }

    pub(super) fn return_read<H: CallHost>(
        mut env: Env<'_, H>,
        destination: u32,
        offset: u32,
        length: u32,
    ) -> Result<(), RuntimeError> {
        host_call(&mut env, |caller, gas| {
            caller.charge_by(gas.host_call, gas.host_byte, length)?;
            let data = std::mem::take(&mut caller.environment.return_data);
            let result = slice(&data, "return data", offset, length).and_then(|range| caller.write(destination, range));
            caller.environment.return_data = data;
            result
        })
    }

    fn hashed<H: CallHost>(
        env: &mut Env<'_, H>,
        source: u32,
        length: u32,
        destination: u32,
        hash: impl FnOnce(&H, &[u8]) -> Hash,
    ) -> Result<(), RuntimeError> {
        host_call(env, |caller, gas| {
            caller.charge_by(gas.host_call + gas.hash, gas.hash_byte, length)?;
            let bytes = caller.read("bytes to hash", source, length, HASH_BYTES_MAX)?;
            let hash = hash(caller.host()?, &bytes);
            caller.write(destination, hash.as_ref())
        })
    }

    pub(super) fn keccak256<H: CallHost>(
        mut env: Env<'_, H>,
        source: u32,
        length: u32,
        destination: u32,
    ) -> Result<(), RuntimeError> {
        hashed(&mut env, source, length, destination, |_, bytes| entente_crypto::keccak256(bytes))
    }

    pub(super) fn hash<H: CallHost>(
        mut env: Env<'_, H>,
        source: u32,
        length: u32,
        destination: u32,
    ) -> Result<(), RuntimeError> {
        hashed(&mut env, source, length, destination, |host, bytes| {
            host.block().suite.hash(entente_crypto::Domain::CONTRACT, &[bytes])
        })
    }

    fn slice<'a>(bytes: &'a [u8], what: &'static str, offset: u32, length: u32) -> Result<&'a [u8], Fault> {
        let start = offset as usize;
        bytes
            .get(start..)
            .and_then(|rest| rest.get(..length as usize))
            .ok_or_else(|| ContractFault::DataRange { what, offset, length }.into())
    }
}
