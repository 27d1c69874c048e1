//! One node: a real group on a simulated disk, with what it has under way.

use std::{collections::VecDeque, sync::Arc};

use entente_consensus::{Conduct, Engine as Consensus, Pbft};
use entente_executor::{CodeOptions, Executor};
use entente_group::{
    ExecuteTask, Group, GroupOptions, InstallTask, PersistTask, Signing, StageTask, WriteTask, certified_tip, identity,
    note_loss, open_with, pbft_options, recovered, sealer_sets,
};
use entente_host::gas::PROTOCOL_VERSIONS;
use entente_ledger::{HistoryRetention, Ledger, LedgerOptions, SnapshotOptions};
use entente_types::{Genesis, PublicKey};

use crate::{Behaviour, Keys, byzantine::Mischief, check::Violation, disk::SimulatedDisk};

/// What a disk is asked for, in this order.
pub(crate) enum Writing {
    Block(WriteTask),
    Promise(PersistTask),
    Stage(StageTask),
    Install(InstallTask),
}

/// A machine: its disk outlives the node on it.
pub(crate) struct Machine {
    /// Whose key it has.
    pub(crate) key: usize,
    pub(crate) disk: SimulatedDisk,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) executor: Arc<Executor>,
    /// The node; nothing while it is down.
    pub(crate) group: Option<Group>,
    /// How often it was started: what was under way in an earlier life reaches nobody.
    pub(crate) life: u32,
    pub(crate) executing: VecDeque<ExecuteTask>,
    pub(crate) writing: VecDeque<Writing>,
    /// How far its clock is ahead, in milliseconds.
    pub(crate) skew_ms: i64,
    pub(crate) slow: bool,
    /// It never comes back.
    pub(crate) dead: bool,
    pub(crate) mischief: Option<Mischief>,
    pub(crate) wake_at_ms: Option<u64>,
    /// Whether somebody was found out who spoilt what it fetches.
    pub(crate) spoilt: bool,
}

/// What every machine of a simulation is made from.
pub(crate) struct Parts {
    pub(crate) genesis: Genesis,
    pub(crate) keys: Keys,
    pub(crate) options: GroupOptions,
    pub(crate) executor: Arc<Executor>,
}

fn ledger_options() -> LedgerOptions {
    LedgerOptions {
        history: HistoryRetention::Blocks(4),
        row_cache_bytes: 1 << 16,
        snapshots: SnapshotOptions {
            interval_blocks: 8,
            chunk_bytes_min: 1 << 11,
            chunk_bytes_max: 1 << 13,
            rows_to_cut: 16,
        },
    }
}

/// The ledger on a disk.
pub(crate) fn open(disk: &SimulatedDisk, genesis: &Genesis) -> Result<(Arc<Ledger>, Arc<Executor>), Violation> {
    open_with(Arc::new(disk.clone()), genesis, ledger_options(), PROTOCOL_VERSIONS, &CodeOptions::default())
        .map_err(|error| Violation(format!("a ledger does not open: {error}")))
}

impl Machine {
    pub(crate) fn new(
        parts: &Parts,
        key: usize,
        skew_ms: i64,
        behaviour: Option<Behaviour>,
    ) -> Result<Self, Violation> {
        let disk = SimulatedDisk::default();
        let (ledger, _) = open(&disk, &parts.genesis)?;
        let signing = Signing { key: parts.keys.signing(key), scheme: parts.keys.scheme() };
        let mischief = behaviour.map(|behaviour| Mischief::new(behaviour, identity(&ledger, &signing)));
        Ok(Self {
            key,
            disk,
            ledger,
            executor: Arc::clone(&parts.executor),
            group: None,
            life: 0,
            executing: VecDeque::new(),
            writing: VecDeque::new(),
            skew_ms,
            slow: false,
            dead: false,
            mischief,
            wake_at_ms: None,
            spoilt: false,
        })
    }

    /// Whether it does what it should.
    pub(crate) const fn honest(&self) -> bool {
        self.mischief.is_none()
    }

    /// Starts the node on what its disk holds.
    pub(crate) fn start<C: Conduct>(&mut self, parts: &Parts) -> Result<(), Violation> {
        let wrong = |error: &dyn std::fmt::Display| Violation(format!("a node does not start: {error}"));
        self.life += 1;
        let (ledger, _) = open(&self.disk, &parts.genesis)?;
        self.ledger = ledger;
        let signing = Signing { key: parts.keys.signing(self.key), scheme: parts.keys.scheme() };
        let remembered = recovered(&self.ledger).map_err(|error| wrong(&error))?;
        let options = pbft_options(&self.ledger, &parts.options);
        let sets = sealer_sets(&self.ledger, &self.executor).map_err(|error| wrong(&error))?;
        let tip = certified_tip(&self.ledger).map_err(|error| wrong(&error))?;
        let engine: Box<dyn Consensus> =
            Box::new(Pbft::<C>::new(identity(&self.ledger, &signing), options, tip, sets, remembered));
        let group = Group::with_engine(&self.ledger, &self.executor, signing, parts.options, engine)
            .map_err(|error| wrong(&error))?;
        self.group = Some(group);
        Ok(())
    }

    /// Whether there is a ledger on its disk, or room for a new one.
    pub(crate) fn can_start(&self) -> bool {
        !self.disk.is_full() || Ledger::is_begun(&self.disk).unwrap_or(false)
    }

    /// Whether it is a sealer by its own state, and does not vote.
    pub(crate) fn is_silent(&self, key: &PublicKey) -> bool {
        let sealers = self.executor.sealers(self.ledger.state().as_ref());
        let seals = sealers.is_ok_and(|sealers| sealers.last().sealers.iter().any(|member| member.key == *key));
        seals && self.group.as_ref().is_some_and(|group| group.position().loss.is_some())
    }

    /// Its disk is lost; the new one has nothing but the note that the node was in the group before.
    pub(crate) fn lose_disk(&mut self) -> Result<(), Violation> {
        self.disk = SimulatedDisk::default();
        match note_loss(&self.disk) {
            Ok(true) => Ok(()),
            other => Err(Violation(format!("a loss is not noted: {other:?}"))),
        }
    }

    /// The power is gone. What the disk was at work on may have happened.
    pub(crate) fn crash(&mut self, first_write_happened: bool) {
        self.group = None;
        self.life += 1;
        self.executing.clear();
        if first_write_happened {
            match self.writing.pop_front() {
                Some(Writing::Block(task)) => drop(task.run(&self.ledger)),
                Some(Writing::Promise(task)) => drop(task.run(&self.ledger)),
                Some(Writing::Stage(task)) => drop(task.run(&self.ledger)),
                Some(Writing::Install(task)) => drop(task.run(&self.ledger)),
                None => {}
            }
        }
        self.writing.clear();
    }
}
