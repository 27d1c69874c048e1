//! How frames nest and end, as the node's do (`runtime/executor/src/context.rs`), over native code.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use entente_crypto::Domain;
use entente_host::{
    CallKind, CallRequest, ContractFault, CreateRequest, Frame, FrameStatus, NATIVE_DEPTH_MAX, Outcome, STATUS_FAILED,
    STATUS_REVERTED, STATUS_SUCCESS,
};
use entente_types::Address as HostAddress;

use super::host::SCHEDULE;
use super::world::{Code, Export, Running, StandIn};
use super::{Ended, World, host, leave, world};
use crate::Address;
use crate::error::error_string;
use crate::panics::{PANIC_TEXT_LENGTH_MAX, panic_data};

/// What a deployment input begins with.
const CONTAINER_MAGIC: [u8; 3] = [0xef, 0x57, 0x41];

/// What a frame runs.
enum Entry {
    Native(Export),
    StandIn(StandIn),
    /// Nothing: the value moves and that is all.
    None,
}

/// A nested call's status, as the host function answers it.
pub(crate) fn status_of(outcome: &Outcome) -> u32 {
    match outcome.status {
        FrameStatus::Success => STATUS_SUCCESS,
        FrameStatus::Revert => STATUS_REVERTED,
        FrameStatus::Fault(_) => STATUS_FAILED,
    }
}

/// Calls a contract from outside or from the running frame.
pub(crate) fn enter(caller: HostAddress, request: CallRequest) -> Outcome {
    let delegate = request.kind == CallKind::Delegate;
    let (frame, entry) = world(|world| {
        let entry = match world.codes.get(&Address(request.address.0)) {
            Some(Code::Native { call, .. }) => Entry::Native(*call),
            Some(Code::StandIn(answer)) => Entry::StandIn(answer.clone()),
            None => Entry::None,
        };
        let parent = world.frames.last().map(|running| &running.frame);
        let kept = parent.filter(|_| delegate);
        let frame = Frame {
            caller: kept.map_or(caller, |parent| parent.caller),
            storage_address: kept.map_or(request.address, |parent| parent.storage_address),
            code_address: request.address,
            value: kept.map_or(request.value, |parent| parent.value),
            input: request.input,
            gas: request.gas,
            memory_pages: request.memory_pages,
            read_only: request.kind == CallKind::Static || parent.is_some_and(|parent| parent.read_only),
            depth: u16::try_from(world.frames.len()).unwrap_or(u16::MAX),
            creating: false,
        };
        (frame, entry)
    });
    if frame.read_only && !frame.value.is_zero() && !delegate {
        return Outcome::fault(ContractFault::ReadOnly("send value"));
    }
    // A delegate call shows its parent's value, which has moved already.
    run(frame, entry, !delegate)
}

/// Creates a contract from outside or from the running frame.
pub(crate) fn construct(creator: HostAddress, request: &CreateRequest) -> Outcome {
    if world(|world| world.frames.last().is_some_and(|running| running.frame.read_only)) {
        return Outcome::fault(ContractFault::ReadOnly("create a contract"));
    }
    let checkpoint = world(|world| world.checkpoint());
    let mut outcome = match world(|world| world.prepare_creation(creator, request)) {
        Ok((frame, export)) => {
            let address = frame.storage_address;
            let mut outcome = run(frame, Entry::Native(export), true);
            outcome.created = (outcome.status == FrameStatus::Success).then_some(address);
            outcome
        }
        Err(fault) => Outcome::fault(fault),
    };
    if outcome.created.is_some() {
        outcome.output.clear();
    } else {
        world(|world| world.revert(&checkpoint));
    }
    outcome
}

impl World {
    fn prepare_creation(
        &mut self,
        creator: HostAddress,
        request: &CreateRequest,
    ) -> Result<(Frame, Export), ContractFault> {
        let (module, arguments) = parse_container(&request.container)?;
        let cost = SCHEDULE.code_byte.saturating_mul(module.len() as u64);
        let gas = request.gas.checked_sub(cost).ok_or(ContractFault::OutOfGas)?;
        let Some(code @ Code::Native { deploy, .. }) = self.modules.get(module).cloned() else {
            leave(Ended::Test(format!(
                "a contract creates another one from a module of {} bytes that this chain does not know; name the \
                 contract that it is with Chain::register",
                module.len()
            )))
        };
        let address = self.created_address(creator);
        if self.codes.contains_key(&Address(address.0)) {
            return Err(ContractFault::AddressTaken);
        }
        self.set_code(Address(address.0), code);
        let frame = Frame {
            caller: creator,
            storage_address: address,
            code_address: address,
            value: request.value,
            input: request.container.slice_ref(arguments),
            gas,
            memory_pages: request.memory_pages,
            read_only: false,
            depth: u16::try_from(self.frames.len()).unwrap_or(u16::MAX),
            creating: true,
        };
        Ok((frame, deploy))
    }

    /// The address of the next contract that this transaction creates.
    fn created_address(&mut self, creator: HostAddress) -> HostAddress {
        let index = self.created;
        self.created = index.saturating_add(1);
        let parts: [&[u8]; 3] = [creator.as_ref(), self.transaction.hash.as_ref(), &index.to_le_bytes()];
        let hash = self.block.suite.hash(Domain::CREATE, &parts);
        hash.0.last_chunk::<20>().map(|bytes| HostAddress(*bytes)).unwrap_or_default()
    }

    /// Takes the innermost frame off, and what it came to.
    fn finish(&mut self, success: bool) -> Outcome {
        let status = if success { FrameStatus::Success } else { FrameStatus::Revert };
        match self.frames.pop() {
            Some(Running { gas_left, output, .. }) => {
                Outcome { status, output, gas_left, created: None, function: None }
            }
            None => Outcome::fault(ContractFault::OutOfGas),
        }
    }
}

/// The module and the constructor's arguments of a deployment input.
fn parse_container(container: &[u8]) -> Result<(&[u8], &[u8]), ContractFault> {
    let rest = container.strip_prefix(&CONTAINER_MAGIC);
    let rest = rest.ok_or(ContractFault::Container("it does not begin with 0xEF5741"))?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(ContractFault::Container("it ends in its length"))?;
    let length = u32::from_le_bytes(*length) as usize;
    rest.split_at_checked(length).ok_or(ContractFault::Container("it ends before its module does"))
}

/// The deployment input of a module and arguments.
pub(super) fn container(module: &[u8], arguments: &[u8]) -> Vec<u8> {
    let length = u32::try_from(module.len()).unwrap_or(u32::MAX).to_le_bytes();
    [&CONTAINER_MAGIC[..], &length, module, arguments].concat()
}

/// Runs a frame and undoes exactly what it did unless it succeeds.
fn run(frame: Frame, entry: Entry, moves_value: bool) -> Outcome {
    let checkpoint = world(|world| world.checkpoint());
    let moved = if moves_value { world(|world| world.move_value(&frame)) } else { Ok(()) };
    let outcome = match moved {
        Ok(()) => dispatch(frame, entry),
        Err(fault) => Outcome::fault(fault),
    };
    if outcome.status != FrameStatus::Success {
        world(|world| world.revert(&checkpoint));
    }
    outcome
}

fn dispatch(frame: Frame, entry: Entry) -> Outcome {
    let too_deep = world(|world| {
        if world.frames.len() >= usize::from(NATIVE_DEPTH_MAX) {
            return true;
        }
        let gas_left = frame.gas;
        world.frames.push(Running { frame, gas_left, output: Vec::new(), return_data: Vec::new() });
        false
    });
    if too_deep {
        return Outcome::fault(ContractFault::Depth { limit: NATIVE_DEPTH_MAX });
    }
    match entry {
        Entry::Native(export) => run_native(export),
        Entry::StandIn(answer) => {
            let input = world(|world| world.frame().input.clone());
            let (success, output) = match answer(&input) {
                Ok(output) => (true, output),
                Err(reason) => (false, reason),
            };
            let outcome = world(|world| world.finish(success));
            Outcome { output, ..outcome }
        }
        Entry::None => world(|world| world.finish(true)),
    }
}

/// Runs an export until it returns, panics or is ended by a host function.
fn run_native(export: Export) -> Outcome {
    let fault = match catch_unwind(AssertUnwindSafe(|| crate::entry::run(export))) {
        Ok(status) => return world(|world| world.finish(status == 0)),
        Err(payload) => match payload.downcast::<Ended>() {
            Ok(ended) => match *ended {
                Ended::Fault(fault) => fault,
                test @ Ended::Test(_) => leave(test),
            },
            Err(payload) => {
                // What the panic handler of a contract does on chain: it reverts with the message.
                let data = revert_data_of(&*payload);
                match world(|world| world.output(&data)) {
                    Ok(()) => return world(|world| world.finish(false)),
                    Err(fault) => fault,
                }
            }
        },
    };
    world(|world| world.finish(false));
    Outcome::fault(fault)
}

/// What a panic reverts with.
fn revert_data_of(payload: &(dyn Any + Send)) -> Vec<u8> {
    if let Some(message) = payload.downcast_ref::<&'static str>() {
        return panic_data(message);
    }
    let mut message = match payload.downcast_ref::<String>() {
        Some(message) => message.clone(),
        None => "a panic without a message".into(),
    };
    let end = (0..=PANIC_TEXT_LENGTH_MAX.min(message.len())).rev().find(|end| message.is_char_boundary(*end));
    message.truncate(end.unwrap_or(0));
    error_string(&message)
}

/// The host function `call`.
pub(crate) fn call(kind: u32, to: [u8; 20], gas: u64, value: [u8; 32], input: &[u8]) -> u32 {
    let (caller, request) = host(|world| {
        let request = world.begin_call(kind, to, gas, value, input)?;
        Ok((world.frame().storage_address, request))
    });
    let outcome = enter(caller, request);
    let status = status_of(&outcome);
    world(|world| world.end_nested(outcome));
    status
}

/// The host function `create`.
pub(crate) fn create(input: &[u8], value: [u8; 32]) -> (u32, [u8; 20]) {
    let (creator, request) = host(|world| {
        let request = world.begin_create(input, value)?;
        Ok((world.frame().storage_address, request))
    });
    let outcome = construct(creator, &request);
    let (status, created) = (status_of(&outcome), outcome.created);
    world(|world| world.end_nested(outcome));
    (status, created.map_or([0; 20], |address| address.0))
}

/// Runs test code in a frame of its own, without a contract's dispatch; keeps what it did if it succeeds.
pub(super) fn run_test_code<T, E>(frame: Frame, code: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let checkpoint = world(|world| {
        let gas_left = frame.gas;
        world.frames.push(Running { frame, gas_left, output: Vec::new(), return_data: Vec::new() });
        world.checkpoint()
    });
    let result = code();
    world(|world| {
        world.frames.pop();
        if result.is_err() {
            world.revert(&checkpoint);
        }
    });
    result
}

/// Ends a test that asked for the impossible, or goes on with another panic.
pub(super) fn rethrow(payload: Box<dyn Any + Send>) -> ! {
    match payload.downcast::<Ended>() {
        Ok(ended) => match *ended {
            Ended::Fault(fault) => panic!("outside of a transaction: {fault}"),
            Ended::Test(message) => panic!("{message}"),
        },
        Err(payload) => std::panic::resume_unwind(payload),
    }
}
