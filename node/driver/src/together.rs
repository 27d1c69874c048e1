//! Requests whose transactions are let in at one step.
//!
//! Most of Ethereum's clients bring a transaction at a time, and each message that wakes a thread costs about as much as
//! letting one in. So while others are still being checked, requests whose transactions are checked wait for a few more;
//! and what stands behind a request in the line is let in with it, each in its order and with an answer of its own.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use entente_pool::{AdmissionError, Checked};
use entente_types::Hash;
use tokio::sync::oneshot;

use crate::{handle::Held, run::Message};

/// The requests that wait for each other at most.
const REQUESTS_GATHERED: usize = 16;
/// The most transactions of several requests that are let in at one step.
const TRANSACTIONS_TOGETHER: usize = 256;
/// The most bytes of these: they are told to the other nodes in one message.
const BYTES_TOGETHER: usize = 1 << 20;

/// What came of the check of each transaction, in their order.
type CheckedTransactions = Vec<Result<Checked, AdmissionError>>;

/// What came of each transaction, in their order.
type Results = Vec<Result<Hash, AdmissionError>>;

/// A request whose transactions were checked.
pub(crate) struct Asking {
    pub(crate) checked: CheckedTransactions,
    /// Where the answer goes.
    pub(crate) answer: oneshot::Sender<Results>,
    /// Given up when the answer is out.
    pub(crate) held: Held,
}

/// Where requests that were checked wait for others that still are.
pub(crate) struct Gathering {
    /// The requests that are being checked.
    unchecked: AtomicUsize,
    checked: Mutex<Vec<Asking>>,
    messages: mpsc::Sender<Message>,
}

/// A request that is being checked. Whatever becomes of it, those that wait go on when it is over.
pub(crate) struct Unchecked(Arc<Gathering>);

impl Gathering {
    pub(crate) fn new(messages: mpsc::Sender<Message>) -> Arc<Self> {
        Arc::new(Self { unchecked: AtomicUsize::new(0), checked: Mutex::default(), messages })
    }

    /// Another request is going to be checked.
    pub(crate) fn begin(self: &Arc<Self>) -> Unchecked {
        self.unchecked.fetch_add(1, Ordering::SeqCst);
        Unchecked(Arc::clone(self))
    }
}

impl Unchecked {
    /// It was checked.
    pub(crate) fn done(self, asking: Asking) {
        self.0.checked.lock().unwrap_or_else(PoisonError::into_inner).push(asking);
    }
}

impl Drop for Unchecked {
    fn drop(&mut self) {
        let is_last = self.0.unchecked.fetch_sub(1, Ordering::SeqCst) == 1;
        let mut checked = self.0.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if (is_last || checked.len() >= REQUESTS_GATHERED) && !checked.is_empty() {
            // Where the group has stopped, whoever asks is told so by the answer that never comes.
            let _ = self.0.messages.send(Message::Admit(std::mem::take(&mut checked)));
        }
    }
}

/// Requests whose transactions are let in together.
#[derive(Default)]
pub(crate) struct Together {
    pub(crate) checked: CheckedTransactions,
    bytes: usize,
    pub(crate) waiting: Waiting,
}

/// Who waits for the answers: how many results each gets, and where they go.
#[derive(Default)]
pub(crate) struct Waiting(Vec<(usize, oneshot::Sender<Results>, Held)>);

impl Together {
    /// Takes requests from the front of a line as long as there is room. The first may be of any size.
    pub(crate) fn take_from(&mut self, line: &mut VecDeque<Asking>) {
        while let Some(next) = line.pop_front_if(|next| self.has_room_for(next)) {
            let Asking { checked, answer, held } = next;
            self.waiting.0.push((checked.len(), answer, held));
            self.bytes += bytes(&checked);
            self.checked.extend(checked);
        }
    }

    fn has_room_for(&self, next: &Asking) -> bool {
        self.waiting.0.is_empty()
            || (self.checked.len() + next.checked.len() <= TRANSACTIONS_TOGETHER
                && self.bytes + bytes(&next.checked) <= BYTES_TOGETHER)
    }
}

impl Waiting {
    /// Gives each its results, of all in their order.
    pub(crate) fn answer(self, results: Results) {
        let mut results = results.into_iter();
        for (count, answer, _held) in self.0 {
            // Somebody who is gone needs no answer.
            let _ = answer.send(results.by_ref().take(count).collect());
        }
    }
}

fn bytes(checked: &CheckedTransactions) -> usize {
    checked.iter().flatten().map(Checked::bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PoolConfig;

    fn asking(transactions: usize) -> (Asking, oneshot::Receiver<Results>) {
        let (answer, answered) = oneshot::channel();
        let checked = (0..transactions).map(|_| Err(AdmissionError::Known)).collect();
        (Asking { checked, answer, held: Held::of(&PoolConfig::default()) }, answered)
    }

    #[test]
    fn who_was_checked_waits_for_those_who_are_but_never_for_long() {
        let (messages, received) = mpsc::channel();
        let gathering = Gathering::new(messages);
        let row = || match received.try_recv() {
            Ok(Message::Admit(row)) => row.len(),
            Ok(_) => panic!("nothing else is sent"),
            Err(_) => 0,
        };
        // Alone it does not wait.
        gathering.begin().done(asking(1).0);
        assert_eq!(row(), 1);
        // While one is checked the others wait, until they are many.
        let slow = gathering.begin();
        for _ in 1..REQUESTS_GATHERED {
            gathering.begin().done(asking(1).0);
            assert_eq!(row(), 0);
        }
        gathering.begin().done(asking(1).0);
        assert_eq!(row(), REQUESTS_GATHERED);
        gathering.begin().done(asking(1).0);
        assert_eq!(row(), 0);
        // Its check came to nothing: those who wait go on.
        drop(slow);
        assert_eq!(row(), 1);
        drop(gathering.begin());
        assert_eq!(row(), 0);
    }

    #[test]
    fn each_gets_its_own_results_in_rows_of_a_bounded_length() {
        let (mut line, mut answers) = (VecDeque::new(), Vec::new());
        let sizes = [1, 0, 200, 54, 1, 2, TRANSACTIONS_TOGETHER + 1, 3];
        for size in sizes {
            let (asking, answered) = asking(size);
            line.push_back(asking);
            answers.push((size, answered));
        }
        let mut rows = Vec::new();
        while !line.is_empty() {
            let mut together = Together::default();
            together.take_from(&mut line);
            rows.push(together.checked.len());
            let results = together.checked.iter().enumerate().map(|(place, _)| Ok(Hash([place as u8; 32]))).collect();
            together.waiting.answer(results);
        }
        assert_eq!(rows, [256, 2, TRANSACTIONS_TOGETHER + 1, 3]);
        for (size, answered) in &mut answers {
            assert_eq!(answered.try_recv().map(|results| results.len()), Ok(*size));
        }
    }
}
