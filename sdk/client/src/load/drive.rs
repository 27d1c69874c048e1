//! Sending batches by their schedule, and again what was told to wait.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use entente_types::BlockNumber;
use tokio::{task::JoinSet, time::sleep_until};

use super::{
    batch::{Batch, Key, Signer},
    plan::LoadError,
    producer::{Producer, VALIDITY},
    tracker::Tracker,
};
use crate::client::{Client, NodeRefusal, QueryError};

/// The first pause after a node said "not now"; it doubles up to the longest.
const BACKOFF_FIRST: Duration = Duration::from_millis(5);
const BACKOFF_LONGEST: Duration = Duration::from_millis(500);
/// For how long nothing may be committed while something waits.
const STALL: Duration = Duration::from_mins(1);
/// For how long the last ones are waited for, after the last commit.
const DRAIN: Duration = Duration::from_secs(15);
/// How often what can go wrong beside the sending is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// A transaction that expires within so many blocks is signed anew before it is sent.
const EXPIRY_MARGIN: u64 = 100;

/// A batch and what its node said.
struct Delivery {
    node: usize,
    batch: Batch,
    /// What each transaction was refused for, if it was.
    outcome: Result<Vec<Option<NodeRefusal>>, QueryError>,
}

/// A row of batches on its way.
pub(super) struct Drive {
    signer: Arc<Signer>,
    tracker: Arc<Tracker>,
    nodes: Vec<Client>,
    alive: Vec<bool>,
    next_node: usize,
    /// Transactions a second; without it the window alone says how fast.
    rate: Option<u32>,
    deadline: Option<Instant>,
    start: Instant,
    scheduled: u64,
    ended: bool,
    held: Option<Batch>,
    retries: VecDeque<Batch>,
    backoff: Duration,
    pause_until: Instant,
    under_way: JoinSet<Delivery>,
    /// Transactions that were signed anew.
    pub(super) renewed: u64,
}

impl Drive {
    pub(super) fn new(
        signer: Arc<Signer>,
        tracker: Arc<Tracker>,
        nodes: Vec<Client>,
        rate: Option<u32>,
        duration: Option<Duration>,
    ) -> Result<Self, LoadError> {
        let start = tracker.begin()?;
        Ok(Self {
            signer,
            tracker,
            alive: vec![true; nodes.len()],
            nodes,
            next_node: 0,
            rate,
            deadline: duration.and_then(|duration| start.checked_add(duration)),
            start,
            scheduled: 0,
            ended: false,
            held: None,
            retries: VecDeque::new(),
            backoff: BACKOFF_FIRST,
            pause_until: start,
            under_way: JoinSet::new(),
            renewed: 0,
        })
    }

    /// Sends until the producer or the time is at its end, then waits for the last commits.
    pub(super) async fn run(&mut self, producer: &mut Producer) -> Result<(), LoadError> {
        while let Some(batch) = self.next(producer).await? {
            self.dispatch(batch).await?;
        }
        loop {
            self.check()?;
            let (waiting, quiet) = self.tracker.waiting();
            if waiting == 0 || quiet > DRAIN {
                self.tracker.give_up();
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The next batch, at the time when it is to be sent: one that was told to wait before a new one.
    async fn next(&mut self, producer: &mut Producer) -> Result<Option<Batch>, LoadError> {
        loop {
            while let Some(delivery) = self.under_way.try_join_next() {
                self.received(delivery)?;
            }
            self.check()?;
            if let Some(batch) = self.retries.pop_front() {
                sleep_until(self.pause_until.into()).await;
                return Ok(Some(batch));
            }
            self.ended |= self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if self.ended {
                self.held = None;
                match tokio::time::timeout(LOOK, self.under_way.join_next()).await {
                    Ok(Some(delivery)) => self.received(delivery)?,
                    Ok(None) => return Ok(None),
                    Err(_) => {}
                }
                continue;
            }
            if self.held.is_none() {
                // Waits only where signing has fallen behind.
                self.held = producer.next().await;
                self.ended = self.held.is_none();
                continue;
            }
            if let Some(batch) = self.take_with_permits().await? {
                return Ok(Some(self.scheduled_at_its_time(batch).await));
            }
        }
    }

    /// The held batch, once the window has room for it; nothing if there is something else to look at first.
    async fn take_with_permits(&mut self) -> Result<Option<Batch>, LoadError> {
        let Some(batch) = self.held.take() else { return Ok(None) };
        let window = self.tracker.window.clone();
        let wanted = batch.len() as u32;
        let finished = tokio::select! {
            permits = window.acquire_many_owned(wanted) => {
                permits.map_err(|error| LoadError::Thread(error.to_string()))?.forget();
                return Ok(Some(batch));
            }
            Some(delivery) = self.under_way.join_next(), if !self.under_way.is_empty() => Some(delivery),
            () = tokio::time::sleep(LOOK) => None,
        };
        self.held = Some(batch);
        finished.map_or(Ok(()), |delivery| self.received(delivery))?;
        Ok(None)
    }

    /// Sleeps until the batch's intended time and enters it there.
    async fn scheduled_at_its_time(&mut self, batch: Batch) -> Batch {
        let due = self.rate.map(|rate| {
            let seconds = self.scheduled as f64 / f64::from(rate.max(1));
            self.start + Duration::from_secs_f64(seconds)
        });
        self.scheduled += batch.len() as u64;
        if let Some(due) = due {
            sleep_until(due.into()).await;
        }
        // The intended time stands, though a node may have asked for a pause.
        let intended = due.unwrap_or_else(Instant::now);
        self.tracker.register(&batch.keys, intended, tracked_until(batch.valid_until, self.tracker.height()));
        sleep_until(self.pause_until.into()).await;
        batch
    }

    async fn dispatch(&mut self, batch: Batch) -> Result<(), LoadError> {
        let batch = self.renewed_if_expiring(batch).await?;
        let Some(node) = self.pick() else {
            let reason = "no node is left to send to".to_owned();
            return Err(QueryError::Lost { url: "every node".to_owned(), reason }.into());
        };
        let Some(client) = self.nodes.get(node).cloned() else { return Ok(()) };
        self.under_way.spawn(async move {
            let outcome = batch.send(&client).await;
            Delivery { node, batch, outcome }
        });
        Ok(())
    }

    async fn renewed_if_expiring(&mut self, batch: Batch) -> Result<Batch, LoadError> {
        let height = self.tracker.height();
        if !is_expiring(batch.valid_until, height) {
            return Ok(batch);
        }
        let (signer, old): (_, Vec<Key>) = (self.signer.clone(), batch.keys.clone());
        let renewed = tokio::task::spawn_blocking(move || signer.renew(batch, height.saturating_add(VALIDITY)))
            .await
            .map_err(|error| LoadError::Thread(error.to_string()))??;
        self.tracker.rename(&old, &renewed.keys, renewed.valid_until);
        self.renewed += renewed.len() as u64;
        Ok(renewed)
    }

    /// The next node, in turn, that still answers.
    fn pick(&mut self) -> Option<usize> {
        let count = self.nodes.len();
        let node =
            (0..count).map(|step| (self.next_node + step) % count).find(|node| self.alive.get(*node) == Some(&true))?;
        self.next_node = node + 1;
        Some(node)
    }

    fn received(&mut self, delivery: Result<Delivery, tokio::task::JoinError>) -> Result<(), LoadError> {
        let Delivery { node, mut batch, outcome } = delivery.map_err(|error| LoadError::Thread(error.to_string()))?;
        match outcome {
            Ok(refusals) if refusals.len() == batch.len() => self.answered(&batch, refusals),
            Ok(refusals) => {
                let reason = format!("{} answers for {} transactions", refusals.len(), batch.len());
                Err(QueryError::Answer { method: batch.method().to_owned(), reason }.into())
            }
            Err(QueryError::Refused { refusal, .. }) if refusal.is_flow_control() => {
                self.slow_down(batch.len());
                self.retries.push_back(batch);
                Ok(())
            }
            Err(QueryError::Lost { .. } | QueryError::Timeout { .. }) => {
                // The node may have it or not. Sent again elsewhere, it is committed at most once all the same.
                if let Some(alive) = self.alive.get_mut(node) {
                    *alive = self.nodes.get(node).is_some_and(Client::is_connected);
                }
                batch.uncertain = true;
                self.retries.push_back(batch);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sorts a node's answers: what is to be sent again, and what has failed.
    fn answered(&mut self, batch: &Batch, refusals: Vec<Option<NodeRefusal>>) -> Result<(), LoadError> {
        let (mut again, mut failures) = (Vec::new(), Vec::new());
        for (place, (refusal, key)) in refusals.into_iter().zip(&batch.keys).enumerate() {
            let Some(refusal) = refusal else { continue };
            if refusal.is_flow_control() {
                again.push(place);
            } else if !batch.uncertain {
                // One that may have been accepted before is refused as known: its block will tell.
                failures.push((*key, format!("a node refused it: {refusal}")));
            }
        }
        self.tracker.fail(&failures);
        if again.is_empty() {
            self.backoff = BACKOFF_FIRST;
            return Ok(());
        }
        self.slow_down(again.len());
        self.retries.push_back(batch.part(self.signer.group.id().as_str(), &again)?);
        Ok(())
    }

    fn slow_down(&mut self, refused: usize) {
        self.tracker.refused(refused as u64);
        self.pause_until = Instant::now() + self.backoff;
        self.backoff = (self.backoff * 2).min(BACKOFF_LONGEST);
    }

    fn check(&self) -> Result<(), LoadError> {
        if let Some(fault) = self.tracker.fault() {
            return Err(fault);
        }
        match self.tracker.waiting() {
            (waiting, quiet) if waiting > 0 && quiet > STALL => {
                Err(LoadError::Stalled { seconds: quiet.as_secs(), waiting })
            }
            _ => Ok(()),
        }
    }
}

/// Whether a batch that is valid until then is signed anew before it is sent.
const fn is_expiring(valid_until: BlockNumber, height: BlockNumber) -> bool {
    valid_until <= height.saturating_add(EXPIRY_MARGIN)
}

/// Until when the tracker waits for a batch that is to be sent. One that is expiring is about to be signed anew: it must
/// not be given up in between.
const fn tracked_until(valid_until: BlockNumber, height: BlockNumber) -> BlockNumber {
    if is_expiring(valid_until, height) { height.saturating_add(VALIDITY) } else { valid_until }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_anew_before_it_is_sent_is_not_given_up_before() {
        for age in 0..3000 {
            let (valid_until, height) = (VALIDITY, age);
            let tracked = tracked_until(valid_until, height);
            assert!(tracked > height + EXPIRY_MARGIN, "signed {age} blocks ago");
            assert!(tracked == valid_until || is_expiring(valid_until, height));
        }
    }
}
