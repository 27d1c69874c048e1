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

/// The codes that may have a place: those with instances, and those whose instances are all in use or were dropped.
const PLACES_MAX: usize = 2 * INSTANCES_KEPT_MAX;

/// What one thread keeps, by code. The last one that was kept of a code is the first to be taken again.
struct Kept<I> {
    instances: HashMap<Hash, Vec<(u64, I)>>,
    count: usize,
    bytes: usize,
    /// Counts what was kept, so that the numbers beside instances tell their age.
    clock: u64,
}

/// What takes room.
trait Weigh {
    /// The bytes it counts for. They never change.
    fn weight(&self) -> usize;
}

impl<H: CallHost> Weigh for Instance<H> {
    fn weight(&self) -> usize {
        self.kept_bytes()
    }
}

impl<I: Weigh> Kept<I> {
    fn new() -> Self {
        Self { instances: HashMap::new(), count: 0, bytes: 0, clock: 0 }
    }

    fn take(&mut self, code_hash: &Hash) -> Option<I> {
        let (_, instance) = self.instances.get_mut(code_hash)?.pop()?;
        self.count -= 1;
        self.bytes -= instance.weight();
        Some(instance)
    }

    fn keep(&mut self, code_hash: Hash, instance: I) {
        let weight = instance.weight();
        while self.count >= INSTANCES_KEPT_MAX || self.bytes.saturating_add(weight) > INSTANCE_BYTES_KEPT_MAX {
            if !self.drop_oldest() {
                break;
            }
        }
        if self.instances.len() >= PLACES_MAX {
            self.instances.retain(|_, of_code| !of_code.is_empty());
        }
        self.clock += 1;
        self.count += 1;
        self.bytes = self.bytes.saturating_add(weight);
        self.instances.entry(code_hash).or_default().push((self.clock, instance));
    }

    /// Drops the instance that was kept the longest ago. Looking at all of them takes a small part of what making the
    /// next instance takes, and calls that find theirs do nothing for it.
    fn drop_oldest(&mut self) -> bool {
        self.instances.retain(|_, of_code| !of_code.is_empty());
        let ages = self.instances.iter().filter_map(|(code, of_code)| Some((of_code.first()?.0, *code)));
        let Some((_, code)) = ages.min() else { return false };
        let Some(of_code) = self.instances.get_mut(&code) else { return false };
        let (_, oldest) = of_code.remove(0);
        self.count -= 1;
        self.bytes -= oldest.weight();
        true
    }
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
fn with<H: CallHost, T>(engine: &Arc<()>, body: impl FnOnce(&mut Kept<Instance<H>>) -> T) -> Option<T> {
    PLACES.with_borrow_mut(|places| {
        places.retain(|place| place.engine.strong_count() > 0);
        let is_ours = |place: &Place| std::ptr::eq(place.engine.as_ptr(), Arc::as_ptr(engine));
        if !places.iter().any(is_ours) {
            places.push(Place { engine: Arc::downgrade(engine), kept: Box::new(Kept::<Instance<H>>::new()) });
        }
        let place = places.iter_mut().find(|place| is_ours(place))?;
        place.kept.downcast_mut().map(body)
    })
}

/// An instance of the code with this hash, if one is kept.
pub(crate) fn take<H: CallHost>(engine: &Arc<()>, code_hash: &Hash) -> Option<Instance<H>> {
    with(engine, |kept: &mut Kept<Instance<H>>| kept.take(code_hash)).flatten()
}

/// Keeps an instance that was reset. Where too many are kept, those unused the longest are dropped.
pub(crate) fn keep<H: CallHost>(engine: &Arc<()>, code_hash: Hash, instance: Instance<H>) {
    with(engine, |kept: &mut Kept<Instance<H>>| kept.keep(code_hash, instance));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Weighed(usize, u64);

    impl Weigh for Weighed {
        fn weight(&self) -> usize {
            self.0
        }
    }

    fn code(number: usize) -> Hash {
        let mut hash = Hash::ZERO;
        hash.0[..8].copy_from_slice(&(number as u64).to_le_bytes());
        hash
    }

    proptest! {
        /// The model: a list in the order of keeping, the oldest first.
        #[test]
        fn kept_instances_equal_the_models_and_the_oldest_go_first(
            steps in proptest::collection::vec((any::<bool>(), 0_usize..300, 1_usize..40), 1..1500)
        ) {
            let mut kept = Kept::new();
            let mut model: Vec<(usize, Weighed)> = Vec::new();
            for (number, (keeps, name, weight)) in (0_u64..).zip(steps) {
                let weight = weight << 17;
                if keeps {
                    kept.keep(code(name), Weighed(weight, number));
                    let bytes = |model: &[(usize, Weighed)]| model.iter().map(|(_, one)| one.0).sum::<usize>();
                    while model.len() >= INSTANCES_KEPT_MAX || bytes(&model) + weight > INSTANCE_BYTES_KEPT_MAX {
                        model.remove(0);
                    }
                    model.push((name, Weighed(weight, number)));
                } else {
                    let place = model.iter().rposition(|(of, _)| *of == name);
                    prop_assert_eq!(kept.take(&code(name)), place.map(|place| model.remove(place).1));
                }
                prop_assert_eq!(kept.count, model.len());
                prop_assert_eq!(kept.bytes, model.iter().map(|(_, one)| one.0).sum::<usize>());
                prop_assert!(kept.instances.len() <= PLACES_MAX);
            }
        }
    }

    #[test]
    fn one_that_is_larger_than_the_bound_is_kept_alone() {
        let mut kept = Kept::new();
        kept.keep(code(1), Weighed(1, 1));
        kept.keep(code(2), Weighed(INSTANCE_BYTES_KEPT_MAX + 1, 2));
        assert_eq!((kept.count, kept.take(&code(1))), (1, None));
        kept.keep(code(1), Weighed(1, 3));
        assert_eq!(kept.take(&code(2)), None);
        assert_eq!(kept.take(&code(1)), Some(Weighed(1, 3)));
    }
}
