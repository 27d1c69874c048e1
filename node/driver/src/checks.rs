//! Transactions from clients are checked on threads of their own, first come, first served.
//!
//! They share no threads with the execution of blocks: whoever executes would wait behind everything that clients sent.
//! And a request is done before those that came after it: its transactions are in a block while later ones are still
//! being checked, so that no core waits for the other stage.

use std::sync::{Arc, Mutex, PoisonError, mpsc};

use entente_pool::{AdmissionError, Checked, PoolRules};
use entente_types::{BlockNumber, Transaction};

use crate::calls::panicked;

/// How many transactions a thread takes at once: little against a block, much against the taking.
const TRANSACTIONS_AT_ONCE: usize = 32;

/// What came of a request's transactions, in their order.
type Results = Vec<Result<Checked, AdmissionError>>;

/// The threads, as many as there are cores.
pub(crate) struct CheckPool {
    threads: rayon::ThreadPool,
}

/// Every thread that checks, kept from its work until this is dropped. For tests of what becomes of those who wait.
pub struct ChecksHeld {
    _holders: Vec<mpsc::Sender<()>>,
}

/// A request of which some parts are still being checked.
struct Request<F> {
    state: Mutex<Unfinished<F>>,
}

struct Unfinished<F> {
    parts: Vec<Results>,
    missing: usize,
    then: Option<F>,
}

impl<F: FnOnce(Results)> Request<F> {
    fn done(&self, place: usize, results: Results) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(part) = state.parts.get_mut(place) {
            *part = results;
        }
        state.missing -= 1;
        if state.missing == 0
            && let Some(then) = state.then.take()
        {
            let parts = std::mem::take(&mut state.parts);
            drop(state);
            then(parts.into_iter().flatten().collect());
        }
    }
}

impl CheckPool {
    pub(crate) fn new() -> Result<Self, rayon::ThreadPoolBuildError> {
        let threads = rayon::ThreadPoolBuilder::new()
            .thread_name(|index| format!("check-{index}"))
            .panic_handler(|payload| panicked("transaction", payload.as_ref()))
            .build()?;
        Ok(Self { threads })
    }

    /// Does something in turn with what is checked.
    pub(crate) fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        self.threads.spawn_fifo(work);
    }

    /// Keeps every thread, once it has done what came before.
    pub(crate) fn hold(&self) -> ChecksHeld {
        let (began, begins) = mpsc::channel();
        let hold = |_| {
            let (holder, held) = mpsc::channel::<()>();
            let began = began.clone();
            self.threads.spawn_fifo(move || {
                let _ = began.send(());
                let _ = held.recv();
            });
            holder
        };
        let holders: Vec<_> = (0..self.threads.current_num_threads()).map(hold).collect();
        begins.iter().take(holders.len()).for_each(drop);
        ChecksHeld { _holders: holders }
    }

    /// Checks transactions, each with the bytes it came in, against a height, and does this with what came of them.
    pub(crate) fn check(
        &self,
        rules: &Arc<PoolRules>,
        height: BlockNumber,
        mut transactions: Vec<(Transaction, usize)>,
        then: impl FnOnce(Results) + Send + 'static,
    ) {
        let missing = transactions.len().div_ceil(TRANSACTIONS_AT_ONCE);
        if missing == 0 {
            return then(Vec::new());
        }
        let parts = (0..missing).map(|_| Vec::new()).collect();
        let request = Arc::new(Request { state: Mutex::new(Unfinished { parts, missing, then: Some(then) }) });
        for place in 0..missing {
            let rest = transactions.split_off(transactions.len().min(TRANSACTIONS_AT_ONCE));
            let part = std::mem::replace(&mut transactions, rest);
            let (rules, request) = (Arc::clone(rules), Arc::clone(&request));
            self.threads.spawn_fifo(move || {
                let check =
                    |(transaction, bytes): (Transaction, usize)| rules.check_one(height, Arc::new(transaction), bytes);
                request.done(place, part.into_iter().map(check).collect());
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use entente_pool::PoolRules;
    use entente_testing::{genesis, keys, unsigned};
    use entente_types::{Limits, Suite};

    use super::*;

    /// Signed by the account they name but for every fifth one.
    fn transactions(count: usize) -> Vec<(Transaction, usize)> {
        let keys = keys(2);
        let genesis = genesis(&keys[..1]);
        let sign = |number: usize| {
            let unsigned = unsigned(&genesis, &keys[0], number as u64);
            let signed = unsigned.sign(&genesis.hash(), &keys[usize::from(number % 5 == 4)]);
            (signed, 200)
        };
        (0..count).map(sign).collect()
    }

    fn rules() -> Arc<PoolRules> {
        let genesis = genesis(&keys(1));
        Arc::new(PoolRules {
            suite: Suite::Standard,
            scheme: Arc::new(Suite::Standard),
            genesis: genesis.hash(),
            chain_id: genesis.chain_id,
            group_id: genesis.group_id.clone(),
            transaction_gas: Limits::default().transaction_gas,
            ethereum: None,
            verified: Arc::default(),
        })
    }

    #[test]
    fn results_stand_in_the_order_of_the_transactions() {
        let pool = CheckPool::new().expect("threads");
        for count in [0, 1, TRANSACTIONS_AT_ONCE, TRANSACTIONS_AT_ONCE + 1, 5 * TRANSACTIONS_AT_ONCE + 7] {
            let sent = transactions(count);
            let hashes: Vec<_> = sent.iter().map(|(one, _)| one.hash(Suite::Standard)).collect();
            let (answer, answered) = mpsc::channel();
            pool.check(&rules(), 0, sent, move |results| answer.send(results).expect("somebody waits"));
            let results = answered.recv().expect("an answer");
            assert_eq!(results.len(), count);
            for (place, (result, hash)) in results.iter().zip(hashes).enumerate() {
                match result {
                    Ok(checked) => assert_eq!((checked.hash(), place % 5 == 4), (hash, false)),
                    Err(error) => assert!(place % 5 == 4, "{place}: {error}"),
                }
            }
        }
    }

    #[test]
    fn who_comes_first_is_served_first() {
        let threads = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
        let pool = CheckPool { threads };
        let (answer, answered) = mpsc::channel();
        for request in 0..20 {
            let answer = answer.clone();
            let then = move |results: Results| answer.send((request, results.len())).expect("somebody waits");
            pool.check(&rules(), 0, transactions(70), then);
        }
        let order: Vec<(usize, usize)> = answered.iter().take(20).collect();
        assert_eq!(order, (0..20).map(|request| (request, 70)).collect::<Vec<_>>());
    }
}
