//! Instances waiting for their next call. An instance cannot change its thread, so each thread keeps its own.

use std::{
    any::Any,
    cell::RefCell,
    sync::{Arc, Weak},
};

use entente_host::CallHost;
use entente_types::Hash;
use hashbrown::HashMap;

use crate::{
    instance::Instance,
    limits::{INSTANCE_BYTES_KEPT_MAX, INSTANCES_KEPT_MAX},
};

/// What one thread keeps for one engine.
struct Kept<H: CallHost> {
    instances: HashMap<Hash, Vec<Instance<H>>>,
    count: usize,
    bytes: usize,
}

/// One engine's place in a thread.
struct Place {
    engine: Weak<()>,
    kept: Box<dyn Any>,
}

thread_local! {
    static PLACES: RefCell<Vec<Place>> = const { RefCell::new(Vec::new()) };
}

/// Runs `body` over what this thread keeps for the engine; places of engines that are gone are given up.
fn with<H: CallHost, T>(engine: &Arc<()>, body: impl FnOnce(&mut Kept<H>) -> T) -> Option<T> {
    PLACES.with_borrow_mut(|places| {
        places.retain(|place| place.engine.strong_count() > 0);
        let is_ours = |place: &Place| std::ptr::eq(place.engine.as_ptr(), Arc::as_ptr(engine));
        if !places.iter().any(is_ours) {
            let kept = Kept::<H> { instances: HashMap::new(), count: 0, bytes: 0 };
            places.push(Place { engine: Arc::downgrade(engine), kept: Box::new(kept) });
        }
        let place = places.iter_mut().find(|place| is_ours(place))?;
        place.kept.downcast_mut().map(body)
    })
}

/// An instance of the code with this hash, if one is kept.
pub(crate) fn take<H: CallHost>(engine: &Arc<()>, code_hash: &Hash) -> Option<Instance<H>> {
    with(engine, |kept: &mut Kept<H>| {
        let instance = kept.instances.get_mut(code_hash)?.pop()?;
        kept.count -= 1;
        kept.bytes -= instance.memory_bytes();
        Some(instance)
    })
    .flatten()
}

/// Keeps an instance that was reset. Where too many are kept all are dropped, so that contracts no longer called do
/// not hold their places for ever.
pub(crate) fn keep<H: CallHost>(engine: &Arc<()>, code_hash: Hash, instance: Instance<H>) {
    with(engine, |kept: &mut Kept<H>| {
        // Codes whose instances were all dropped leave empty places behind: they count too.
        let places = kept.instances.len().max(kept.count);
        if places >= INSTANCES_KEPT_MAX || kept.bytes + instance.memory_bytes() > INSTANCE_BYTES_KEPT_MAX {
            *kept = Kept { instances: HashMap::new(), count: 0, bytes: 0 };
        }
        kept.count += 1;
        kept.bytes += instance.memory_bytes();
        kept.instances.entry(code_hash).or_default().push(instance);
    });
}
