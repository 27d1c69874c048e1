//! What scripts come to over contracts of all kinds, worked out without an engine.

use std::collections::BTreeMap;

use entente_crypto::{Domain, Suite};
use entente_types::{Address, Hash, created_address};

use crate::script::{CALL, DELEGATE, FAILED, REVERTED, STATIC, SUCCESS};

/// What a contract is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Wasm,
    Evm,
    Native,
    /// Ethereum's precompile that gives its input back.
    Identity,
    Nothing,
}

/// A step of a script.
#[derive(Debug, Clone)]
pub enum Step {
    Write {
        key: u8,
        value: u8,
    },
    Remove {
        key: u8,
    },
    Read {
        key: u8,
    },
    Log(u8),
    Revert(u8),
    Trap,
    Who,
    Returned,
    Call {
        kind: u8,
        target: Target,
        script: Vec<Step>,
    },
    /// Creates a contract: a Wasm one runs the script as its constructor, an EVM one does not.
    Create {
        kind: Kind,
        script: Vec<Step>,
    },
}

/// Whom a step calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// One of those there are from the beginning.
    Known(u8),
    /// Whoever calls: a way back in.
    Caller,
    /// The contract itself.
    Itself,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct World {
    /// By contract, whether EVM code wrote it, and key.
    pub storage: BTreeMap<(Address, bool, u8), [u8; 8]>,
    pub logs: Vec<(Address, u8)>,
    pub kinds: BTreeMap<Address, Kind>,
    pub nonces: BTreeMap<Address, u64>,
}

/// How a frame ended, and what it gave back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    Success(Vec<u8>),
    Reverted(u8),
    Failed,
}

impl Ended {
    fn returned(&self) -> Vec<u8> {
        match self {
            Self::Success(output) => output.clone(),
            Self::Reverted(byte) => vec![*byte],
            Self::Failed => Vec::new(),
        }
    }

    /// What a contract of this kind sees of it. EVM code cannot tell a fault from a revert.
    fn status(&self, seen_by: Kind) -> u8 {
        match (self, seen_by) {
            (Self::Success(_), _) => SUCCESS,
            (Self::Failed, Kind::Wasm) => FAILED,
            _ => REVERTED,
        }
    }
}

/// Where a script runs.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    pub caller: Address,
    pub storage: Address,
    pub kind: Kind,
    pub read_only: bool,
    pub depth: usize,
}

impl Frame {
    pub fn target(self, target: Target, known: &[Address]) -> Address {
        match target {
            Target::Known(index) => known[usize::from(index) % known.len()],
            Target::Caller => self.caller,
            Target::Itself => self.storage,
        }
    }

    /// The frame of a call from this one.
    pub fn called(self, kind: u8, address: Address, kinds: &BTreeMap<Address, Kind>) -> Self {
        let delegate = kind == DELEGATE;
        Self {
            caller: if delegate { self.caller } else { self.storage },
            storage: if delegate { self.storage } else { address },
            kind: kinds.get(&address).copied().unwrap_or(Kind::Nothing),
            read_only: self.read_only || kind == STATIC,
            depth: self.depth + 1,
        }
    }
}

/// A transaction being worked out.
pub struct Model<'a> {
    pub world: World,
    pub known: &'a [Address],
    pub transaction: Hash,
    /// How many contracts were created by the ledger's own rule.
    pub created: u32,
    /// A script as bytes, for the frame that it runs in.
    pub encode: &'a dyn Fn(&[Step], Frame) -> Vec<u8>,
}

impl Model<'_> {
    /// Runs a script in a frame of a contract.
    pub fn run(&mut self, frame: Frame, script: &[Step]) -> Ended {
        let before = self.world.clone();
        let ended = self.steps(frame, script);
        if !matches!(ended, Ended::Success(_)) {
            self.world = before;
        }
        ended
    }

    fn steps(&mut self, frame: Frame, script: &[Step]) -> Ended {
        let (mut trace, mut returned) = (Vec::new(), Vec::new());
        let is_evm = frame.kind == Kind::Evm;
        for step in script {
            match step {
                Step::Write { .. } | Step::Remove { .. } | Step::Log(_) | Step::Create { .. } if frame.read_only => {
                    return Ended::Failed;
                }
                Step::Write { key, value } => {
                    let slot = (frame.storage, is_evm, *key);
                    let value = [*value, 0, 0, 0, 0, 0, 0, 0];
                    if is_evm && value == [0; 8] {
                        self.world.storage.remove(&slot);
                    } else {
                        self.world.storage.insert(slot, value);
                    }
                }
                Step::Remove { key } => {
                    self.world.storage.remove(&(frame.storage, is_evm, *key));
                }
                Step::Read { key } => {
                    let value = self.world.storage.get(&(frame.storage, is_evm, *key));
                    trace.push(u8::from(value.is_some()));
                    trace.extend(value.copied().unwrap_or_default());
                }
                Step::Log(byte) => self.world.logs.push((frame.storage, *byte)),
                Step::Revert(byte) => return Ended::Reverted(*byte),
                Step::Trap => return Ended::Failed,
                Step::Who => {
                    trace.extend(frame.caller.0);
                    trace.extend(frame.storage.0);
                    trace.extend([0; 32]);
                }
                Step::Returned => trace.extend(&returned),
                Step::Call { kind, target, script } => {
                    let ended = self.call(frame, *kind, *target, script);
                    trace.push(ended.status(frame.kind));
                    returned = ended.returned();
                }
                Step::Create { kind, script } => {
                    let (ended, address) = self.create(frame, *kind, script);
                    trace.push(ended.status(frame.kind));
                    let made = matches!(ended, Ended::Success(_));
                    trace.extend(if made { address.0 } else { [0; 20] });
                    returned = if let Ended::Reverted(byte) = ended { vec![byte] } else { Vec::new() };
                }
            }
        }
        Ended::Success(trace)
    }

    fn call(&mut self, frame: Frame, kind: u8, target: Target, script: &[Step]) -> Ended {
        let called = frame.called(kind, frame.target(target, self.known), &self.world.kinds);
        match called.kind {
            Kind::Nothing => Ended::Success(Vec::new()),
            Kind::Identity => Ended::Success((self.encode)(script, called)),
            Kind::Native => {
                // It writes and logs, and faults where the script's first step is no write.
                let writes = matches!(script.first(), Some(Step::Write { .. }));
                if !writes || called.read_only || kind != CALL {
                    return Ended::Failed;
                }
                let Some(Step::Write { key, value }) = script.first() else { return Ended::Failed };
                self.world.storage.insert((called.storage, false, *key), [*value, 0, 0, 0, 0, 0, 0, 0]);
                self.world.logs.push((called.storage, *value));
                Ended::Success(Vec::new())
            }
            Kind::Wasm | Kind::Evm => self.run(called, script),
        }
    }

    fn create(&mut self, frame: Frame, kind: Kind, script: &[Step]) -> (Ended, Address) {
        let creator = frame.storage;
        let address = if frame.kind == Kind::Evm {
            let nonce = self.world.nonces.entry(creator).or_insert(0);
            *nonce += 1;
            created_address(&creator, *nonce - 1)
        } else {
            let index = self.created;
            self.created += 1;
            let parts: [&[u8]; 3] = [creator.as_ref(), self.transaction.as_ref(), &index.to_le_bytes()];
            Address(*Suite::Standard.hash(Domain::CREATE, &parts).0.last_chunk().expect("20 bytes"))
        };
        let before = self.world.clone();
        self.world.kinds.insert(address, kind);
        let ended = if kind == Kind::Evm {
            self.world.nonces.insert(address, 1);
            Ended::Success(Vec::new())
        } else {
            let constructor =
                Frame { caller: creator, storage: address, kind, read_only: false, depth: frame.depth + 1 };
            self.run(constructor, script)
        };
        if !matches!(ended, Ended::Success(_)) {
            self.world = before;
        }
        (ended, address)
    }
}
