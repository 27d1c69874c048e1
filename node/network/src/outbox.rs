//! What waits to leave for one peer: by class, and in each by group, so that no group starves another.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::{
    Class,
    limits::{OWN_FRAMES_MAX, queue_bytes_max},
    throttle::Throttles,
};

/// A frame and the group it is of; the frames of the link itself are of none.
pub(crate) type Waiting = (Option<u16>, Arc<[u8]>);

#[derive(Default)]
struct GroupQueue {
    frames: VecDeque<Arc<[u8]>>,
    bytes: usize,
    /// When the first frame may leave, once that was looked at: its bytes are taken from the group's limit by then.
    leaves_at: Option<Instant>,
}

#[derive(Default)]
struct ClassQueue {
    /// The link's own, which go first.
    own: VecDeque<Arc<[u8]>>,
    groups: BTreeMap<u16, GroupQueue>,
    /// The group whose turn was last.
    last: u16,
    closed: bool,
}

impl ClassQueue {
    /// The next frame that may leave now; else when one may, if any waits. A group that has used up its limit holds up
    /// no other.
    fn pop(&mut self, now: Instant, throttles: &Throttles, waits: bool) -> Result<Waiting, Option<Instant>> {
        if let Some(frame) = self.own.pop_front() {
            return Ok((None, frame));
        }
        let after = self.groups.range(self.last..).skip_while(|(group, _)| **group == self.last);
        let turns: Vec<u16> = after.chain(self.groups.range(..=self.last)).map(|(group, _)| *group).collect();
        let mut soonest: Option<Instant> = None;
        for group in turns {
            let Some(queue) = self.groups.get_mut(&group) else { continue };
            let Some(bytes) = queue.frames.front().map(|frame| frame.len()) else { continue };
            let leaves_at = *queue.leaves_at.get_or_insert_with(|| throttles.reserve(group, bytes, now));
            if waits && leaves_at > now {
                soonest = Some(soonest.map_or(leaves_at, |soonest| soonest.min(leaves_at)));
                continue;
            }
            let Some(frame) = queue.frames.pop_front() else { continue };
            queue.leaves_at = None;
            queue.bytes -= frame.len();
            if queue.frames.is_empty() {
                self.groups.remove(&group);
            }
            self.last = group;
            return Ok((Some(group), frame));
        }
        Err(soonest)
    }
}

/// The queues of one link.
#[derive(Default)]
pub(crate) struct Outbox {
    classes: [(Mutex<ClassQueue>, Notify); Class::ALL.len()],
}

impl Outbox {
    fn class(&self, class: Class) -> &(Mutex<ClassQueue>, Notify) {
        let [consensus, transactions, sync] = &self.classes;
        match class {
            Class::Consensus => consensus,
            Class::Transactions => transactions,
            Class::Sync => sync,
        }
    }

    /// Has a frame of the link itself leave before all others of its class. Where many wait already the peer takes
    /// nothing, and is let go for its silence.
    pub(crate) fn push_own(&self, class: Class, frame: Arc<[u8]>) {
        let (queue, news) = self.class(class);
        {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            if queue.own.len() < OWN_FRAMES_MAX {
                queue.own.push_back(frame);
            }
        }
        news.notify_one();
    }

    /// Has a frame leave; false where too much of its group waits already, and it is dropped.
    pub(crate) fn push(&self, class: Class, group: u16, frame: &Arc<[u8]>) -> bool {
        let (queue, news) = self.class(class);
        {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            let queue = queue.groups.entry(group).or_default();
            if queue.bytes + frame.len() > queue_bytes_max(class) {
                return false;
            }
            queue.bytes += frame.len();
            queue.frames.push_back(Arc::clone(frame));
        }
        news.notify_one();
        true
    }

    /// The next frame of a class whose group may send it, consensus at any time; nothing once the outbox is closed.
    pub(crate) async fn next(&self, class: Class, throttles: &Throttles) -> Option<Waiting> {
        let (queue, news) = self.class(class);
        loop {
            let popped = {
                let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
                if queue.closed {
                    return None;
                }
                queue.pop(Instant::now(), throttles, class != Class::Consensus)
            };
            match popped {
                Ok(waiting) => return Some(waiting),
                Err(None) => news.notified().await,
                Err(Some(at)) => tokio::select! {
                    () = news.notified() => {}
                    () = sleep_until(at) => {}
                },
            }
        }
    }

    /// Forgets what waits of a group.
    pub(crate) fn forget(&self, group: u16) {
        for class in Class::ALL {
            self.class(class).0.lock().unwrap_or_else(PoisonError::into_inner).groups.remove(&group);
        }
    }

    /// Lets nothing more leave.
    pub(crate) fn close(&self) {
        for class in Class::ALL {
            let (queue, news) = self.class(class);
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            *queue = ClassQueue { closed: true, ..ClassQueue::default() };
            news.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, executor::block_on};

    use super::*;

    fn frame(byte: u8, size: usize) -> Arc<[u8]> {
        vec![byte; size].into()
    }

    fn order(outbox: &Outbox, class: Class) -> Vec<(Option<u16>, u8)> {
        let unlimited = Throttles::new(0, 0);
        let next = || outbox.next(class, &unlimited).now_or_never().flatten();
        std::iter::from_fn(next).map(|(group, frame)| (group, frame[0])).collect()
    }

    #[test]
    fn groups_take_turns_and_each_keeps_its_order() {
        let outbox = Outbox::default();
        for byte in 0..3 {
            assert!(outbox.push(Class::Consensus, 9, &frame(byte, 1)));
        }
        assert!(outbox.push(Class::Consensus, 4, &frame(10, 1)));
        assert!(outbox.push(Class::Consensus, 12, &frame(20, 1)));
        outbox.push_own(Class::Consensus, frame(99, 1));
        let expected = [(None, 99), (Some(4), 10), (Some(9), 0), (Some(12), 20), (Some(9), 1), (Some(9), 2)];
        assert_eq!(order(&outbox, Class::Consensus), expected);
    }

    #[test]
    fn a_group_that_nobody_takes_anything_of_leaves_room_for_the_others() {
        let outbox = Outbox::default();
        let large = frame(1, queue_bytes_max(Class::Transactions) / 2);
        assert!(outbox.push(Class::Transactions, 1, &large));
        assert!(outbox.push(Class::Transactions, 1, &large));
        assert!(!outbox.push(Class::Transactions, 1, &frame(2, 1)), "it is full");
        assert!(outbox.push(Class::Transactions, 2, &frame(3, 1)), "another group is not");
        assert!(outbox.push(Class::Consensus, 1, &frame(4, 1)), "nor another class");
        outbox.forget(1);
        assert_eq!(order(&outbox, Class::Transactions), [(Some(2), 3)]);
        assert!(outbox.push(Class::Transactions, 1, &frame(5, 1)));
        outbox.close();
        assert_eq!(block_on(outbox.next(Class::Transactions, &Throttles::new(0, 0))), None);
    }

    #[tokio::test]
    async fn a_group_that_has_used_up_its_limit_holds_up_no_other() {
        let (outbox, throttles) = (Outbox::default(), Throttles::new(0, 20_000));
        for (byte, size) in [(0, 20_000), (1, 2_000), (2, 2_000)] {
            assert!(outbox.push(Class::Sync, 1, &frame(byte, size)));
        }
        assert!(outbox.push(Class::Consensus, 1, &frame(20, 2_000)));
        let start = Instant::now();
        let at_once = |class| outbox.next(class, &throttles).now_or_never().flatten().map(|one| (one.0, one.1[0]));
        assert_eq!(at_once(Class::Sync), Some((Some(1), 0)), "a second's worth");
        for byte in 10..13 {
            assert!(outbox.push(Class::Sync, 2, &frame(byte, 300)));
            assert_eq!(at_once(Class::Sync), Some((Some(2), byte)), "the other group does not wait");
        }
        assert_eq!(at_once(Class::Sync), None, "the rest of the first one does");
        assert_eq!(at_once(Class::Consensus), Some((Some(1), 20)), "consensus never does");
        let sync = async || outbox.next(Class::Sync, &throttles).await.map(|one| (one.0, one.1[0]));
        assert_eq!(sync().await, Some((Some(1), 1)));
        let first = start.elapsed();
        // What consensus took is waited for by the rest of its group.
        assert_eq!(sync().await, Some((Some(1), 2)));
        let second = start.elapsed();
        assert!(first.as_millis() >= 99 && second.as_millis() >= 299, "{first:?} {second:?}");
    }
}
