//! 0x1003: who seals, who observes, and who does neither. The rows are those of `runtime/types/src/members.rs`.

use entente_crypto::{PublicKey, keccak256};
use entente_host::{
    Fault, Host, NativeAccess, NativeFunction, NativeGas, NativeModule, NativeResult, gas::GasSchedule,
};
use entente_types::{
    Address, DecidedSet, Hash, Log, Member, MembersError, Observers, RulesFrom, SealerEntry, SealerSet, Version,
    limits::{OBSERVERS_MAX, SEALERS_MAX},
    observers_row, sealer_set_row, sealers_hash, sealers_row,
};
use parity_scale_codec::Encode;

use crate::{
    abi::{Arguments, Value, address_topic, encode},
    code::{
        ALREADY_OBSERVER, ALREADY_SEALER, INVALID_NODE_ID, INVALID_WEIGHT, LAST_SEALER, NO_ROW, NOT_A_SEALER,
        NOT_IN_GROUP, ONE_ROW, PERMISSION_DENIED, TOO_MANY_OBSERVERS, TOO_MANY_SEALERS,
    },
    permission::may_change_members,
};

/// Where it is called.
pub const ADDRESS: Address = crate::address(0x1003);

const SET_EVENT: &str = "MemberSet(address indexed by, string nodeID, string role, uint256 weight, uint256 from)";
const SET_EVENT_SIGNATURE: &str = "MemberSet(address,string,string,uint256,uint256)";

/// The digits of a node's identifier: its public key, without 0x.
const NODE_ID_DIGITS: usize = 128;

/// The rows are at most so long: the names of the sets, a set, the observers. A key is a byte and 64, a weight four.
const ENTRY_BYTES: u64 = 1 << 10;
const SET_BYTES: u64 = SEALERS_MAX as u64 * 69 + 16;
const OBSERVERS_BYTES: u64 = OBSERVERS_MAX as u64 * 65 + 8;
/// An event's data is at most so long.
const EVENT_BYTES: u64 = 416;
/// What reading a key takes: that it lies on the curve.
const KEY: u64 = 200_000;

/// The largest set that there can be is read.
const fn sealers_gas(schedule: &GasSchedule) -> NativeGas {
    let base =
        2 * schedule.storage_read + (ENTRY_BYTES + SET_BYTES) * schedule.storage_read_byte + SEALERS_MAX as u64 * KEY;
    NativeGas { base, byte: 2 * schedule.host_byte }
}

/// The most observers that there can be are read.
const fn observers_gas(schedule: &GasSchedule) -> NativeGas {
    let base = schedule.storage_read + OBSERVERS_BYTES * schedule.storage_read_byte + OBSERVERS_MAX as u64 * KEY;
    NativeGas { base, byte: 2 * schedule.host_byte }
}

/// Both are read and written, and the set is hashed; an event is told.
const fn change_gas(schedule: &GasSchedule) -> NativeGas {
    let base = sealers_gas(schedule).base
        + observers_gas(schedule).base
        + 3 * schedule.storage_write
        + (ENTRY_BYTES + SET_BYTES + OBSERVERS_BYTES) * schedule.storage_write_byte
        + schedule.hash
        + SET_BYTES * schedule.hash_byte
        + schedule.log
        + 2 * schedule.log_topic
        + EVENT_BYTES * schedule.log_byte;
    NativeGas { base, byte: 2 * schedule.host_byte }
}

const fn change(
    signature: &'static str,
    doc: &'static str,
    run: fn(&mut dyn Host, &[u8]) -> NativeResult,
) -> NativeFunction {
    NativeFunction { signature, outputs: "(int256)", gas: change_gas, access: NativeAccess::Write, doc, run }
}

pub(crate) const MODULE: NativeModule = NativeModule {
    address: ADDRESS,
    name: "Consensus",
    doc: "Who seals the group's blocks, who observes, and who does neither.",
    functions: &[
        change(
            "addSealer(string nodeID)",
            "Makes a node a sealer of weight 1, whatever it was before; gives back 1, or a negative code and changes \
             nothing.",
            |host, arguments| set(host, Arguments(arguments).string(0)?, Change::Sealer),
        ),
        change(
            "addObserver(string nodeID)",
            "Makes a node an observer, whatever it was before, unless it is the last sealer.",
            |host, arguments| set(host, Arguments(arguments).string(0)?, Change::Observer),
        ),
        change(
            "remove(string nodeID)",
            "Makes a sealer or observer a free node, unless it is the last sealer.",
            |host, arguments| set(host, Arguments(arguments).string(0)?, Change::Free),
        ),
        change(
            "setWeight(string nodeID, uint256 weight)",
            "Gives a sealer's vote a weight; 0 is given back where it has it already.",
            |host, arguments| {
                let arguments = Arguments(arguments);
                let weight = arguments.unsigned(1)?.and_then(|weight| u32::try_from(weight).ok()).unwrap_or(0);
                set(host, arguments.string(0)?, Change::Weight(weight))
            },
        ),
        NativeFunction {
            signature: "sealers()",
            outputs: "(string[] nodeIDs, uint256[] weights, uint256 from)",
            gas: sealers_gas,
            access: NativeAccess::Read,
            doc: "Gives the sealer set that was decided last, in its order, with the height from which it rules.",
            run: sealers,
        },
        NativeFunction {
            signature: "observers()",
            outputs: "(string[] nodeIDs)",
            gas: observers_gas,
            access: NativeAccess::Read,
            doc: "Gives the observers.",
            run: observers,
        },
    ],
    events: &[SET_EVENT],
};

/// What is to become of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Sealer,
    Observer,
    Free,
    /// A sealer of this weight; 0 is none.
    Weight(u32),
}

impl Change {
    /// The role that an event tells, and the weight.
    const fn told(self) -> (&'static str, u32) {
        match self {
            Self::Sealer => ("sealer", 1),
            Self::Weight(weight) => ("sealer", weight),
            Self::Observer => ("observer", 0),
            Self::Free => ("free", 0),
        }
    }
}

/// The members as they were decided last.
struct Members {
    sealers: Vec<Member>,
    observers: Observers,
}

impl Members {
    /// Makes a change, or says by which code it is refused.
    fn change(&mut self, key: PublicKey, change: Change, sealers_max: usize) -> i64 {
        let sealer = self.sealers.iter().position(|member| member.key == key);
        let observer = self.observers.keys.iter().position(|other| *other == key);
        match (change, sealer) {
            (Change::Sealer, Some(_)) => return ALREADY_SEALER,
            (Change::Sealer, None) if self.sealers.len() >= sealers_max => return TOO_MANY_SEALERS,
            (Change::Observer, _) if observer.is_some() => return ALREADY_OBSERVER,
            (Change::Observer | Change::Free, Some(_)) if self.sealers.len() == 1 => return LAST_SEALER,
            (Change::Observer, _) if self.observers.keys.len() >= OBSERVERS_MAX => return TOO_MANY_OBSERVERS,
            (Change::Free, None) if observer.is_none() => return NOT_IN_GROUP,
            (Change::Weight(_), None) => return NOT_A_SEALER,
            (Change::Weight(weight), Some(place)) => {
                let Some(member) = self.sealers.get_mut(place).filter(|member| member.weight != weight) else {
                    return NO_ROW;
                };
                member.weight = weight;
                return ONE_ROW;
            }
            (Change::Sealer | Change::Observer | Change::Free, _) => {}
        }
        self.sealers.retain(|member| member.key != key);
        self.observers.keys.retain(|other| *other != key);
        match change {
            Change::Sealer => self.sealers.push(Member { key, weight: 1 }),
            Change::Observer => self.observers.keys.push(key),
            Change::Free | Change::Weight(_) => {}
        }
        ONE_ROW
    }
}

fn set(host: &mut dyn Host, node_id: &str, change: Change) -> NativeResult {
    let code = decide(host, node_id, change)?;
    Ok(encode(&[Value::Signed(code)]))
}

/// Decides what becomes of a node, or says by which code that is refused.
fn decide(host: &mut dyn Host, node_id: &str, change: Change) -> Result<i64, Fault> {
    let Some(key) = key(host, node_id) else { return Ok(INVALID_NODE_ID) };
    if change == Change::Weight(0) {
        return Ok(INVALID_WEIGHT);
    }
    if !may_change_members(host) {
        return Ok(PERMISSION_DENIED);
    }
    let (entry, before) = last_sealers(host)?;
    let observers = load_observers(host)?;
    let mut members = Members { sealers: before.sealers.clone(), observers: observers.clone() };
    let code = members.change(key, change, host.block().sealers_max as usize);
    if code != ONE_ROW {
        return Ok(code);
    }
    let (now, depth) = (host.block().number, host.block().pipeline_depth);
    // What execution alone knows of rules from the next block on: nobody has to agree on who observes.
    let mut from = RulesFrom::NextBlock.height(now, depth);
    if members.observers != observers {
        let row = (!members.observers.keys.is_empty()).then(|| members.observers.encode().into());
        host.row_set(&observers_row(), row)?;
    }
    if members.sealers != before.sealers {
        from = RulesFrom::Pipeline.height(now, depth);
        store_sealers(host, entry, before.before, members.sealers, from)?;
    }
    tell(host, &key, change, from)?;
    Ok(ONE_ROW)
}

/// The key that a node's identifier is.
fn key(host: &dyn Host, node_id: &str) -> Option<PublicKey> {
    if node_id.len() != NODE_ID_DIGITS {
        return None;
    }
    let mut point = [0; 64];
    for (byte, digits) in point.iter_mut().zip(node_id.as_bytes().chunks_exact(2)) {
        let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    PublicKey::from_bytes(host.block().suite, &point).ok()
}

/// The names of the sets, and the set that was decided last. Its `before` is that of a set decided now.
fn last_sealers(host: &mut dyn Host) -> Result<(SealerEntry, SealerSet), Fault> {
    let entry = host.row_get(&sealers_row())?.map(SealerEntry::from_bytes).transpose()?;
    let (now, depth) = (host.block().number, host.block().pipeline_depth);
    match entry {
        // Nothing was changed yet: what rules is the genesis document's.
        None => {
            let sealers = host.block().sealer_set.to_vec();
            let hash = sealers_hash(host.block().suite, &sealers);
            let entry = SealerEntry::new(DecidedSet { from: 0, hash });
            Ok((entry, SealerSet { version: Version, before: 0, sealers }))
        }
        Some(entry) => {
            let from = entry.last().from;
            let row = host.row_get(&sealer_set_row(from))?.ok_or_else(|| MembersError::set(from))?;
            let mut set = SealerSet::from_bytes(from, row)?;
            // A second decision of one block takes the place of the first one.
            if from != RulesFrom::Pipeline.height(now, depth) {
                set.before = from;
            }
            Ok((entry, set))
        }
    }
}

fn store_sealers(
    host: &mut dyn Host,
    mut entry: SealerEntry,
    before: u64,
    sealers: Vec<Member>,
    from: u64,
) -> Result<(), Fault> {
    let hash: Hash = sealers_hash(host.block().suite, &sealers);
    entry.decide(host.block().number, DecidedSet { from, hash });
    host.row_set(&sealer_set_row(from), Some(SealerSet { version: Version, before, sealers }.encode().into()))?;
    host.row_set(&sealers_row(), Some(entry.encode().into()))
}

fn load_observers(host: &mut dyn Host) -> Result<Observers, Fault> {
    Ok(Observers::from_row(host.row_get(&observers_row())?)?)
}

fn tell(host: &mut dyn Host, key: &PublicKey, change: Change, from: u64) -> Result<(), Fault> {
    let (role, weight) = change.told();
    let (node_id, by) = (node_id(key), host.frame().caller);
    let data = [Value::Text(&node_id), Value::Text(role), Value::Unsigned(weight.into()), Value::Unsigned(from)];
    host.emit(Log {
        address: host.frame().storage_address,
        topics: vec![keccak256(SET_EVENT_SIGNATURE.as_bytes()), address_topic(&by)],
        data: encode(&data),
    })
}

/// The identifier of the node with this key.
fn node_id(key: &PublicKey) -> String {
    use std::fmt::Write as _;
    let mut digits = String::with_capacity(NODE_ID_DIGITS);
    for byte in key.as_bytes() {
        // Writing to a string does not fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

fn sealers(host: &mut dyn Host, _arguments: &[u8]) -> NativeResult {
    let (entry, SealerSet { sealers, .. }) = last_sealers(host)?;
    let node_ids: Vec<String> = sealers.iter().map(|member| node_id(&member.key)).collect();
    let weights: Vec<u64> = sealers.iter().map(|member| member.weight.into()).collect();
    Ok(encode(&[Value::Texts(&node_ids), Value::Numbers(&weights), Value::Unsigned(entry.last().from)]))
}

fn observers(host: &mut dyn Host, _arguments: &[u8]) -> NativeResult {
    let node_ids: Vec<String> = load_observers(host)?.keys.iter().map(node_id).collect();
    Ok(encode(&[Value::Texts(&node_ids)]))
}

#[cfg(test)]
mod tests {
    use entente_crypto::{SecretKey, Suite};
    use entente_host::{
        Declaration,
        gas::{SCHEDULE_1, to_gas},
    };

    use super::*;

    #[test]
    fn the_events_signature_is_that_of_its_declaration() {
        assert_eq!(Declaration::parse(SET_EVENT).unwrap().signature(), SET_EVENT_SIGNATURE);
    }

    #[test]
    fn rows_and_events_are_no_longer_than_gas_is_taken_for() {
        let key = SecretKey::from_bytes(Suite::Standard, &[1; 32]).unwrap().public_key();
        let sealers = vec![Member { key, weight: u32::MAX }; SEALERS_MAX];
        assert!(SealerSet { version: Version, before: 0, sealers }.encode().len() as u64 <= SET_BYTES);
        let observers = Observers { version: Version, keys: vec![key; OBSERVERS_MAX] };
        assert!(observers.encode().len() as u64 <= OBSERVERS_BYTES);
        let mut entry = SealerEntry::new(DecidedSet { from: 0, hash: Hash::ZERO });
        (1..17).for_each(|from| entry.decide(0, DecidedSet { from, hash: Hash::ZERO }));
        assert!(entry.encode().len() as u64 <= ENTRY_BYTES);
        let digits = node_id(&key);
        let data = [Value::Text(&digits), Value::Text("observer"), Value::Unsigned(0), Value::Unsigned(0)];
        assert!(encode(&data).len() as u64 <= EVENT_BYTES);
    }

    #[test]
    fn a_change_fits_what_every_group_lets_a_transaction_ask_for_at_first() {
        assert!(to_gas(change_gas(&SCHEDULE_1).base) < 1_500_000, "{}", to_gas(change_gas(&SCHEDULE_1).base));
    }
}
