//! Whom this node calls, and when again.

use std::{collections::HashMap, time::Duration};

use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;
use tokio::time::Instant;

use crate::limits::{REDIAL_FIRST, REDIAL_LAST};

/// An address from the configuration.
#[derive(Debug)]
struct Target {
    address: String,
    /// Who was found there last.
    peer: Option<PeerId>,
    /// When it is called again; nothing while a call is under way, and for good where it is this node itself.
    next_at: Option<Instant>,
    delay: Duration,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Calls {
    targets: Vec<Target>,
    under_way: HashMap<ConnectionId, usize>,
}

impl Calls {
    /// Calls these addresses, `host:port` each, from now on.
    pub(crate) fn new(addresses: Vec<String>) -> Self {
        let now = Instant::now();
        let target = |address| Target { address, peer: None, next_at: Some(now), delay: REDIAL_FIRST };
        Self { targets: addresses.into_iter().map(target).collect(), under_way: HashMap::new() }
    }

    /// The addresses whose time has come, each with its place, but for those of peers that are connected. They are being
    /// called until it is said otherwise.
    pub(crate) fn due(&mut self, now: Instant, is_connected: impl Fn(&PeerId) -> bool) -> Vec<(usize, String)> {
        let mut due = Vec::new();
        for (place, target) in self.targets.iter_mut().enumerate() {
            let waits = target.next_at.is_none_or(|at| now < at);
            if !waits && !target.peer.as_ref().is_some_and(&is_connected) {
                target.next_at = None;
                due.push((place, target.address.clone()));
            }
        }
        due
    }

    /// A call is being made.
    pub(crate) fn calling(&mut self, place: usize, connection: ConnectionId) {
        self.under_way.insert(connection, place);
    }

    /// A call could not even be begun.
    pub(crate) fn refused(&mut self, place: usize, now: Instant) {
        if let Some(target) = self.targets.get_mut(place) {
            again(target, now);
        }
    }

    /// A call came to nothing; which address it was to. Whoever finds itself calls no more.
    pub(crate) fn failed(&mut self, connection: ConnectionId, own: bool, now: Instant) -> Option<&str> {
        let place = self.under_way.remove(&connection)?;
        let target = self.targets.get_mut(place)?;
        if !own {
            again(target, now);
        }
        Some(&target.address)
    }

    /// Somebody was reached.
    pub(crate) fn connected(&mut self, connection: ConnectionId, peer: PeerId) {
        let place = self.under_way.remove(&connection);
        if let Some(target) = place.and_then(|place| self.targets.get_mut(place)) {
            target.peer = Some(peer);
            // Should this connection be given up for another, the peer is connected all the same.
            target.next_at = Some(Instant::now());
        }
    }

    /// The last connection with a peer is gone; it has lasted so long. One that is let go at once is not called at once.
    pub(crate) fn lost(&mut self, peer: PeerId, lasted: Duration, now: Instant) {
        for target in self.targets.iter_mut().filter(|target| target.peer == Some(peer)) {
            if lasted >= REDIAL_LAST {
                target.delay = REDIAL_FIRST;
            }
            again(target, now);
        }
    }
}

/// Waits longer each time, and not as long as all others do.
fn again(target: &mut Target, now: Instant) {
    let mut byte = [0];
    let _ = getrandom::fill(&mut byte);
    let [lot] = byte;
    target.next_at = Some(now + target.delay.mul_f64(0.75 + f64::from(lot) / 512.0));
    target.delay = (target.delay * 2).min(REDIAL_LAST);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_is_not_there_is_called_less_and_less_often() {
        let mut calls = Calls::new(vec!["node1:30301".into()]);
        let (mut now, mut waits) = (Instant::now(), Vec::new());
        for number in 0..12 {
            assert_eq!(calls.due(now, |_| false), [(0, "node1:30301".to_owned())]);
            assert!(calls.due(now + REDIAL_LAST, |_| false).is_empty(), "it is being called");
            let connection = ConnectionId::new_unchecked(number);
            calls.calling(0, connection);
            assert_eq!(calls.failed(connection, false, now), Some("node1:30301"));
            let wait = (1..100_000).find(|ms| !calls.due(now + Duration::from_millis(*ms), |_| false).is_empty());
            let wait = Duration::from_millis(wait.expect("it is called again"));
            now += wait;
            calls.targets[0].next_at = Some(now);
            waits.push(wait);
        }
        assert!(
            waits[0] >= REDIAL_FIRST.mul_f64(0.75) && waits[0] <= REDIAL_FIRST.mul_f64(1.25) + Duration::from_millis(1)
        );
        assert!(
            waits[11] >= REDIAL_LAST.mul_f64(0.75) && waits[11] <= REDIAL_LAST.mul_f64(1.25) + Duration::from_millis(1)
        );
    }

    #[test]
    fn a_peer_that_is_connected_is_called_again_when_it_is_lost_and_this_node_never() {
        let mut calls = Calls::new(vec!["a:1".into(), "b:2".into()]);
        let now = Instant::now();
        assert_eq!(calls.due(now, |_| false).len(), 2);
        let (one, two) = (ConnectionId::new_unchecked(1), ConnectionId::new_unchecked(2));
        calls.calling(0, one);
        calls.calling(1, two);
        let peer = PeerId::random();
        calls.connected(one, peer);
        calls.failed(two, true, now);
        let later = now + REDIAL_LAST * 2;
        assert!(calls.due(later, |connected| *connected == peer).is_empty());
        calls.lost(peer, Duration::ZERO, later);
        assert!(calls.due(later, |_| false).is_empty());
        assert_eq!(calls.due(later + REDIAL_FIRST * 2, |_| false), [(0, "a:1".to_owned())]);
        // A peer that lets this node go again and again is called as one that is not there.
        let mut now = later;
        for number in 10..20 {
            let connection = ConnectionId::new_unchecked(number);
            calls.calling(0, connection);
            calls.connected(connection, peer);
            calls.lost(peer, Duration::from_secs(1), now);
            now += REDIAL_LAST * 2;
            assert_eq!(calls.due(now, |_| false).len(), 1);
        }
        assert_eq!(calls.targets[0].delay, REDIAL_LAST);
        calls.lost(peer, REDIAL_LAST, now);
        assert_eq!(calls.targets[0].delay, REDIAL_FIRST * 2, "and one that was there for long at once");
    }
}
