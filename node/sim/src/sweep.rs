//! Many seeds, on as many threads as there are processors.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use entente_consensus::Conduct;
use entente_executor::{EXECUTION_STACK_BYTES, Executor};

use crate::{Failure, Setup, Statistics, Violation, machine::open, run_setup};

/// What many seeds came to.
#[derive(Debug, Clone, Default)]
pub struct Sweep {
    /// How often each thing happened.
    pub statistics: Statistics,
    /// What did not hold, by seed.
    pub failures: Vec<Failure>,
}

/// Runs these seeds with engines of one conduct, each with the shape that `shape` gives it, on `threads` threads, until
/// all are run or `enough` failures are found.
///
/// # Errors
/// The system gives no thread.
pub fn sweep<C: Conduct>(
    seeds: Range<u64>,
    threads: usize,
    enough: usize,
    shape: impl Fn(u64) -> Setup + Send + Sync,
    told: impl Fn(&Result<Statistics, Failure>) + Send + Sync,
) -> Result<Sweep, rayon::ThreadPoolBuildError> {
    let next = AtomicU64::new(seeds.start);
    let sweep = Mutex::new(Sweep::default());
    let pools: Result<Vec<_>, _> = (0..threads.max(1))
        .map(|_| rayon::ThreadPoolBuilder::new().num_threads(1).stack_size(EXECUTION_STACK_BYTES).build())
        .collect();
    let pools = pools?;
    std::thread::scope(|scope| {
        for pool in &pools {
            let (next, sweep, shape, told) = (&next, &sweep, &shape, &told);
            scope.spawn(move || {
                pool.install(|| {
                    let mut executors = Executors::default();
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        let failed = sweep.lock().unwrap_or_else(PoisonError::into_inner).failures.len();
                        if seed >= seeds.end || failed >= enough {
                            return;
                        }
                        let setup = shape(seed);
                        let result = executors.of(&setup).and_then(|executor| run_setup::<C>(setup, executor));
                        told(&result);
                        let mut sweep = sweep.lock().unwrap_or_else(PoisonError::into_inner);
                        match result {
                            Ok(statistics) => sweep.statistics.add(&statistics),
                            Err(failure) => sweep.failures.push(failure),
                        }
                    }
                });
            });
        }
    });
    let mut sweep = sweep.into_inner().unwrap_or_else(PoisonError::into_inner);
    sweep.failures.sort_by_key(|failure| failure.seed);
    Ok(sweep)
}

/// The executors of one thread, warm, by the shape of the genesis they are of.
#[derive(Default)]
struct Executors(HashMap<(Vec<u32>, u32), Arc<Executor>>);

impl Executors {
    /// A thorough simulation begins with a cold one.
    fn of(&mut self, setup: &Setup) -> Result<Option<Arc<Executor>>, Failure> {
        if setup.thorough {
            return Ok(None);
        }
        let shape = (setup.weights.clone(), setup.depth);
        if let Some(executor) = self.0.get(&shape) {
            return Ok(Some(Arc::clone(executor)));
        }
        let failed = |violation| Failure { seed: setup.seed, at_ms: 0, violation };
        let genesis = setup.genesis().map_err(|error| failed(Violation(error.to_string())))?;
        let (_, executor) = open(&crate::disk::SimulatedDisk::default(), &genesis).map_err(failed)?;
        self.0.insert(shape, Arc::clone(&executor));
        Ok(Some(executor))
    }
}
