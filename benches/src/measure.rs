//! Taking time.

use std::{
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use entente_crypto::{Domain, Hash, SecretKey, Signature, Suite};

/// The middle of some figures; of an even number the mean of the two in the middle. Zero where there are none.
pub fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    let half = figures.len() / 2;
    match (figures.len() % 2, figures.get(half), half.checked_sub(1).and_then(|below| figures.get(below))) {
        (1, Some(middle), _) => *middle,
        (0, Some(above), Some(below)) => f64::midpoint(*above, *below),
        _ => 0.0,
    }
}

/// The seconds that something takes.
pub fn time<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let started = Instant::now();
    let result = work();
    (started.elapsed().as_secs_f64(), result)
}

/// V of the performance page: signature recoveries per second on one core while all `cores` do the same.
pub fn recoveries_per_second(cores: usize, duration: Duration) -> f64 {
    let signed: Vec<(Hash, Signature)> = (1..=64_u8)
        .filter_map(|seed| {
            let digest = Suite::Standard.hash(Domain::TRANSACTION, &[&[seed]]);
            let key = SecretKey::from_bytes(Suite::Standard, &[seed; 32]).ok()?;
            Some((digest, key.sign(&digest)))
        })
        .collect();
    let on_one_core = || {
        let started = Instant::now();
        let mut count = 0_u32;
        while started.elapsed() < duration {
            for (digest, signature) in &signed {
                let _ = black_box(Suite::Standard.signer(digest, signature));
                count += 1;
            }
        }
        f64::from(count) / started.elapsed().as_secs_f64()
    };
    let figures: Vec<f64> = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(on_one_core)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    figures.iter().sum::<f64>() / figures.len().max(1) as f64
}
