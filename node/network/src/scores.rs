//! Who did what no honest node does, and how often.

use std::collections::HashMap;

use libp2p_identity::PeerId;
use tokio::time::Instant;

use crate::limits::{BANNED_FOR, FORGIVEN_IN, POINTS_MAX};

/// How bad it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It can happen between releases, or at a change of members.
    Slight,
    /// It cannot happen.
    Grave,
}

impl Fault {
    const fn points(self) -> u32 {
        match self {
            Self::Slight => 5,
            Self::Grave => POINTS_MAX,
        }
    }
}

#[derive(Debug)]
struct Score {
    points: u32,
    /// When the next point is forgiven.
    forgiven_at: Instant,
    banned_until: Option<Instant>,
}

/// The points of each peer that has any.
#[derive(Debug, Default)]
pub(crate) struct Scores(HashMap<PeerId, Score>);

impl Scores {
    /// Notes a fault; true where the peer has to go for it.
    pub(crate) fn note(&mut self, peer: PeerId, fault: Fault, now: Instant) -> bool {
        let new = Score { points: 0, forgiven_at: now + FORGIVEN_IN, banned_until: None };
        let score = self.0.entry(peer).or_insert(new);
        score.points = score.points.saturating_add(fault.points());
        if score.points < POINTS_MAX {
            return false;
        }
        (score.points, score.banned_until) = (0, Some(now + BANNED_FOR));
        true
    }

    pub(crate) fn is_banned(&self, peer: &PeerId, now: Instant) -> bool {
        self.0.get(peer).and_then(|score| score.banned_until).is_some_and(|until| now < until)
    }

    /// Forgets what is long ago.
    pub(crate) fn forgive(&mut self, now: Instant) {
        for score in self.0.values_mut().filter(|score| score.forgiven_at <= now) {
            score.points = score.points.saturating_sub(1);
            score.forgiven_at = now + FORGIVEN_IN;
        }
        self.0.retain(|_, score| score.points > 0 || score.banned_until.is_some_and(|until| now < until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grave_fault_bans_at_once_and_slight_ones_where_they_come_often() {
        let (mut scores, start) = (Scores::default(), Instant::now());
        let [one, other] = [PeerId::random(), PeerId::random()];
        assert!(scores.note(one, Fault::Grave, start));
        assert!(scores.is_banned(&one, start) && !scores.is_banned(&one, start + BANNED_FOR));
        let slight = POINTS_MAX / Fault::Slight.points();
        for number in 1..=slight {
            assert_eq!(scores.note(other, Fault::Slight, start), number == slight);
        }
        scores.forgive(start + BANNED_FOR);
        assert!(scores.0.is_empty(), "and nothing is kept of it");
    }

    #[test]
    fn slight_faults_that_are_rare_never_ban() {
        let (mut scores, mut now) = (Scores::default(), Instant::now());
        let peer = PeerId::random();
        for _ in 0..100 {
            assert!(!scores.note(peer, Fault::Slight, now));
            for _ in 0..Fault::Slight.points() {
                now += FORGIVEN_IN;
                scores.forgive(now);
            }
        }
    }
}
