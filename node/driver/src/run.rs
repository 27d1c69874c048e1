//! The threads of one group.

use std::{
    any::Any,
    collections::{HashMap, VecDeque},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError, atomic::Ordering, mpsc},
    thread::{Builder, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use entente_dev::DevChain;
use entente_executor::EXECUTION_STACK_BYTES;
use entente_group::{
    Effect, Event, ExecuteTask, Group, GroupError, Halt, Incoming, InstallTask, Joining, Now, PersistTask, StageTask,
    WriteTask,
};
use entente_network::Place;
use entente_types::{BlockNumber, PublicKey};

use crate::{
    GroupHandle,
    handle::{Looked, Shown},
    measures::Counted,
    network::{Speaker, members},
    together::{Asking, Together, Waiting},
};

/// A short look at whatever runs a group.
type Look = Box<dyn FnOnce(&dyn Looked) + Send>;

/// Something done with a chain for those who test contracts, at this time; it gives what sends the answer.
pub(crate) type Test = Box<dyn FnOnce(&mut DevChain, u64) -> Box<dyn FnOnce() + Send> + Send>;

/// What reaches the thread that steps a group.
#[expect(clippy::large_enum_variant, reason = "few at a time, and each is moved once")]
pub(crate) enum Message {
    /// Something the group itself is told.
    Event(Event),
    /// Requests whose transactions were checked.
    Admit(Vec<Asking>),
    /// What another node of the group said.
    Heard {
        from: PublicKey,
        incoming: Incoming,
        /// Given up when the group has taken it in.
        place: Place,
    },
    /// Somebody looks at the group, shortly, and sends what was found himself.
    Look(Look),
    /// Somebody who tests contracts does something with a chain that is for that. A group has no ear for it.
    Test(Test),
    /// The end.
    Stop,
}

/// What the writing thread does, in this order.
enum Writing {
    Block(WriteTask),
    Promise(PersistTask),
    Stage(StageTask),
    Install(InstallTask),
}

/// Begins a group on its ledger: once the ledger holds a snapshot in place of what it held.
pub(crate) type Rebuild = Box<dyn Fn() -> Result<Group, GroupError> + Send>;

/// The running threads of a group.
pub(crate) struct Running {
    pub(crate) handle: GroupHandle,
    pub(crate) threads: Vec<JoinHandle<()>>,
}

impl Running {
    /// Starts the threads of a group.
    pub(crate) fn start(
        group: Group,
        rebuild: Rebuild,
        handle: GroupHandle,
        messages: mpsc::Receiver<Message>,
    ) -> io::Result<Self> {
        let (execute, to_execute) = mpsc::channel::<ExecuteTask>();
        let (write, to_write) = mpsc::channel::<Writing>();
        let name = handle.id().to_string();
        let executing = handle.clone();
        let writing = handle.clone();
        let speaking = handle.shared.line.as_ref().map(|line| Speaker::start(&handle, line)).transpose()?;
        let (speaker, speaking) = speaking.unzip();
        let stepping = Loop {
            speaker,
            group,
            rebuild,
            handle: handle.clone(),
            execute,
            write,
            started: Instant::now(),
            // The first event is a tick.
            wake_at: Some(0),
            line: VecDeque::new(),
            put_back: None,
            waiting: HashMap::new(),
            next_ticket: 0,
        };
        let mut threads = vec![
            Builder::new()
                .name(format!("{name}-execute"))
                .stack_size(EXECUTION_STACK_BYTES)
                .spawn(move || to_execute.into_iter().for_each(|task| run_execute(&executing, &task)))?,
            Builder::new().name(format!("{name}-write")).spawn(move || {
                to_write.into_iter().for_each(|task| match task {
                    Writing::Block(task) => run_write(&writing, task),
                    Writing::Promise(task) => run_persist(&writing, task),
                    Writing::Stage(task) => {
                        let height = writing.shared.ledger.tip().number;
                        work(&writing, height, || Event::Staged { result: task.run(&writing.shared.ledger) });
                    }
                    Writing::Install(task) => run_install(&writing, &task),
                });
            })?,
            Builder::new().name(format!("{name}-step")).spawn(move || stepping.run(&messages))?,
        ];
        threads.extend(speaking.into_iter().flatten());
        Ok(Self { handle, threads })
    }

    /// Lets the block being written reach the disk, and ends the threads.
    pub(crate) fn stop(self) {
        let _ = self.handle.shared.messages.send(Message::Stop);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!(group = %self.handle.id(), "group_thread_panicked");
            }
        }
    }
}

/// Does a group's work on a height, and sends what it came to: a group halts at a defect, and never waits for a thread
/// that is gone.
fn work(handle: &GroupHandle, height: BlockNumber, task: impl FnOnce() -> Event) {
    handle.send(event_of(height, task));
}

fn event_of(height: BlockNumber, task: impl FnOnce() -> Event) -> Event {
    // What a task leaves half done is its own: it changes the ledger in one batch, and caches at their ends.
    catch_unwind(AssertUnwindSafe(task))
        .unwrap_or_else(|payload| Event::Panicked { height, message: panic_text(payload.as_ref()).to_owned() })
}

/// What a panic said.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("it says nothing")
}

fn run_execute(handle: &GroupHandle, task: &ExecuteTask) {
    let started = Instant::now();
    let height = task.height();
    let counters = &handle.shared.counters;
    let _counted = Counted(&counters.executing);
    work(handle, height, || {
        let result = task.run(&handle.shared.ledger, &handle.shared.executor);
        let elapsed = started.elapsed();
        counters.execute.record(elapsed);
        tracing::debug!(group = %handle.id(), height, elapsed_us = elapsed.as_micros() as u64, "block_executed");
        Event::Executed { height, result }
    });
}

fn run_write(handle: &GroupHandle, task: WriteTask) {
    let started = Instant::now();
    let height = task.height();
    let counters = &handle.shared.counters;
    let _counted = Counted(&counters.writing);
    work(handle, height, || {
        let result = task.run(&handle.shared.ledger).map(|block| {
            let elapsed = started.elapsed();
            counters.write.record(elapsed);
            let transactions = block.record.transaction_hashes.len();
            tracing::info!(
                group = %handle.id(), height, transactions, hash = %block.hash,
                elapsed_us = elapsed.as_micros() as u64, "block_written"
            );
            open_to_members(handle);
            // Nobody listens: that is no fault.
            let _ = handle.shared.blocks.send(block);
        });
        Event::Written { height, result }
    });
}

/// Opens the group on the network to those who are its members after the last block, and to nobody else.
fn open_to_members(handle: &GroupHandle) {
    let shared = &handle.shared;
    let Some(line) = &shared.line else { return };
    match members(&shared.ledger, &shared.executor, &shared.introduction) {
        Ok(members) => line.set_members(members),
        // Whoever executes the next block meets the same fault, and says so.
        Err(fault) => tracing::error!(group = %handle.id(), %fault, "members_unknown"),
    }
}

fn run_persist(handle: &GroupHandle, task: PersistTask) {
    let ticket = task.ticket();
    let height = handle.shared.ledger.tip().number;
    work(handle, height, || Event::Persisted { ticket, result: task.run(&handle.shared.ledger) });
}

/// Puts a snapshot in the place of what the ledger holds.
fn run_install(handle: &GroupHandle, task: &InstallTask) {
    let started = Instant::now();
    let height = task.height();
    work(handle, height, || {
        let result = task.run(&handle.shared.ledger);
        if result.is_ok() {
            let elapsed_us = started.elapsed().as_micros() as u64;
            tracing::info!(group = %handle.id(), height, elapsed_us, "snapshot_installed");
            open_to_members(handle);
        }
        Event::Installed { height, result }
    });
}

/// The thread that steps a group.
struct Loop {
    /// Where there are others.
    speaker: Option<Speaker>,
    group: Group,
    rebuild: Rebuild,
    handle: GroupHandle,
    execute: mpsc::Sender<ExecuteTask>,
    write: mpsc::Sender<Writing>,
    started: Instant,
    wake_at: Option<u64>,
    /// Requests whose transactions were checked, which were not let in yet.
    line: VecDeque<Asking>,
    /// The message that stood behind requests that were let in together.
    put_back: Option<Message>,
    waiting: HashMap<u64, Waiting>,
    next_ticket: u64,
}

impl Loop {
    fn run(mut self, messages: &mpsc::Receiver<Message>) {
        loop {
            if !self.line.is_empty() {
                let event = self.admit(messages);
                self.step(event);
                continue;
            }
            let event = match self.next(messages) {
                Some(Message::Event(event)) => event,
                Some(Message::Admit(requests)) => {
                    self.line.extend(requests);
                    continue;
                }
                Some(Message::Heard { from, incoming, place }) => {
                    let event = Event::Message { from, incoming };
                    self.step(event);
                    drop(place);
                    continue;
                }
                Some(Message::Look(look)) => {
                    look(&self.group);
                    continue;
                }
                // Whoever sent it is told that there is no answer.
                Some(Message::Test(_)) => continue,
                Some(Message::Stop) | None => return,
            };
            self.step(event);
        }
    }

    /// Lets in what requests bring, as many of them as go together.
    fn admit(&mut self, messages: &mpsc::Receiver<Message>) -> Event {
        let mut together = Together::default();
        together.take_from(&mut self.line);
        while self.line.is_empty() && self.put_back.is_none() {
            match messages.try_recv() {
                Ok(Message::Admit(requests)) => {
                    self.line.extend(requests);
                    together.take_from(&mut self.line);
                }
                Ok(other) => self.put_back = Some(other),
                Err(_) => break,
            }
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.waiting.insert(ticket, together.waiting);
        Event::Admit { ticket, checked: together.checked }
    }

    fn step(&mut self, event: Event) {
        let ends = event.ends_group();
        if let Event::Installed { height, result: Err(error) } = &event {
            tracing::warn!(group = %self.handle.id(), height, %error, "snapshot_not_installed");
        }
        let effects = self.group.step(self.now(), event);
        effects.into_iter().for_each(|effect| self.carry_out(effect));
        if ends {
            self.begin_anew();
        }
        let mut shown = self.handle.shared.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.look(&self.group);
        if shown.halted.is_some() {
            // Whoever waits is told that there will be no answer.
            self.waiting.clear();
        }
    }

    /// The ledger holds a snapshot: the group goes on above it. What waited in the pool its clients' other nodes know too.
    fn begin_anew(&mut self) {
        match (self.rebuild)() {
            Ok(group) => {
                self.handle.shared.introduction.vouch(Vec::new());
                open_to_members(&self.handle);
                self.group = group;
                self.wake_at = Some(0);
            }
            Err(error) => {
                let why = Halt::Snapshot(error.to_string());
                self.carry_out(Effect::Halt(why));
            }
        }
    }

    /// To one node of the group, or to all. A node that is alone says nothing.
    fn say(&self, to: Option<PublicKey>, message: entente_group::Message) {
        if let Some(speaker) = &self.speaker {
            speaker.say(to, message);
        }
    }

    /// The next message, or a tick when its time has come. Nothing when all senders are gone.
    fn next(&mut self, messages: &mpsc::Receiver<Message>) -> Option<Message> {
        if let Some(message) = self.put_back.take() {
            return Some(message);
        }
        let Some(wake_at) = self.wake_at else { return messages.recv().ok() };
        let now = self.now().monotonic_ms;
        let received = if wake_at <= now {
            messages.try_recv().map_err(|error| error == mpsc::TryRecvError::Disconnected)
        } else {
            messages
                .recv_timeout(Duration::from_millis(wake_at - now))
                .map_err(|error| error == mpsc::RecvTimeoutError::Disconnected)
        };
        match received {
            Ok(message) => Some(message),
            Err(true) => None,
            Err(false) => {
                self.wake_at = None;
                Some(Message::Event(Event::Tick))
            }
        }
    }

    fn now(&self) -> Now {
        let monotonic_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { monotonic_ms, unix_ms: unix_ms() }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Execute(task) => {
                self.handle.shared.counters.executing.fetch_add(1, Ordering::Relaxed);
                let _ = self.execute.send(task);
            }
            Effect::Write(task) => {
                self.handle.shared.counters.writing.fetch_add(1, Ordering::Relaxed);
                let _ = self.write.send(Writing::Block(task));
            }
            Effect::Persist(task) => {
                let _ = self.write.send(Writing::Promise(task));
            }
            Effect::Stage(task) => {
                let _ = self.write.send(Writing::Stage(task));
            }
            Effect::Install(task) => {
                let _ = self.write.send(Writing::Install(task));
            }
            Effect::Introduce(members) => {
                self.handle.shared.introduction.vouch(members);
                open_to_members(&self.handle);
            }
            Effect::Joining(joining) => self.tell_joining(joining),
            Effect::Broadcast(message) => self.say(None, message),
            Effect::Send { to, message } => self.say(Some(to), message),
            Effect::Serve(task) => {
                if let Some(speaker) = &self.speaker {
                    speaker.serve(task);
                }
            }
            Effect::Report(report) => tracing::warn!(group = %self.handle.id(), ?report, "consensus_report"),
            Effect::Answer { ticket, results } => {
                let refused = results.iter().filter_map(|result| result.as_ref().err());
                refused.for_each(|error| self.handle.shared.counters.refused(error));
                if let Some(waiting) = self.waiting.remove(&ticket) {
                    waiting.answer(results);
                }
            }
            Effect::WakeAt(time) => self.wake_at = Some(time),
            Effect::Halt(why) => {
                tracing::error!(group = %self.handle.id(), %why, "group_halted");
                let mut shown = self.handle.shared.shown.lock().unwrap_or_else(PoisonError::into_inner);
                *shown = Shown { halted: Some(why.to_string()), ..shown.clone() };
            }
        }
    }
}

impl Loop {
    fn tell_joining(&self, joining: Joining) {
        let group = self.handle.id();
        match joining {
            Joining::Begins { height, best } => tracing::info!(%group, height, best, "snapshot_wanted"),
            Joining::Fetches { height, chunks, missing } => {
                tracing::info!(%group, height, chunks, missing, "snapshot_fetched");
            }
            Joining::Gone { height } => tracing::warn!(%group, height, "snapshot_gone"),
            Joining::Whole { height } => tracing::info!(%group, height, "snapshot_whole"),
            Joining::Wrong { peer, what } => tracing::warn!(%group, ?peer, what, "snapshot_wrong"),
        }
    }
}

/// Milliseconds since 1970, as the machine's clock has it.
pub(crate) fn unix_ms() -> u64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(unix.as_millis()).unwrap_or(u64::MAX)
}

/// Shares a group's handle with its threads.
pub(crate) fn channel() -> (mpsc::Sender<Message>, mpsc::Receiver<Message>) {
    mpsc::channel()
}

/// What a handle shows before the first step.
pub(crate) fn shown(group: &Group) -> Shown {
    let pool = group.pool();
    Shown {
        pool_transactions: pool.len(),
        pool_bytes: pool.bytes(),
        position: group.position(),
        best_peer_height: group.best_peer_height(),
        peer_heights: Vec::new(),
        rules: Arc::clone(pool.rules()),
        halted: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_panics_is_told_with_its_words() {
        for (task, words) in [
            ((|| panic!("no row")) as fn() -> Event, "no row"),
            (|| panic!("row {}", std::hint::black_box(7)), "row 7"),
            (|| std::panic::panic_any(7), "it says nothing"),
        ] {
            let Event::Panicked { height: 5, message } = event_of(5, task) else { panic!("it is told") };
            assert_eq!(message, words);
        }
        assert!(matches!(event_of(5, || Event::Tick), Event::Tick));
    }
}
