//! The nodes over time.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use entente_client::client::Group;
use tokio::time::{sleep, timeout};

use crate::{
    Sample,
    clients::connect,
    consortium::{Addresses, Running, resident_bytes},
};

/// How often a node is looked at.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long it may take to answer. One that is stopped does not.
const ANSWER_WAIT: Duration = Duration::from_millis(400);

pub(crate) struct Watch {
    addresses: Addresses,
    started: Instant,
    samples: Mutex<Vec<Sample>>,
}

impl Watch {
    pub(crate) fn new(addresses: Addresses, started: Instant) -> Arc<Self> {
        Arc::new(Self { addresses, started, samples: Mutex::default() })
    }

    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The most memory that each of so many nodes had.
    pub(crate) fn most_resident(&self, nodes: usize) -> Vec<u64> {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let of =
            |node: usize| samples.iter().filter(move |sample| sample.node == node).map(|sample| sample.resident_bytes);
        (0..nodes).map(|node| of(node).max().unwrap_or(0)).collect()
    }

    /// Looks at a node for as long as this process runs.
    pub(crate) async fn look(self: Arc<Self>, node: usize) {
        let mut connected: Option<(String, Group)> = None;
        loop {
            sleep(INTERVAL).await;
            let Some(Running { url, pid }) = self.addresses.get(node) else { continue };
            if connected.as_ref().is_none_or(|(known, group)| *known != url || !group.client().is_connected()) {
                connected = connect(&url).await.ok().map(|group| (url, group));
            }
            let Some((_, group)) = &connected else { continue };
            let Ok(Ok(status)) = timeout(ANSWER_WAIT, group.status()).await else { continue };
            let number = |field: &str| status.more.get(field).and_then(serde_json::Value::as_u64).unwrap_or(0);
            let sample = Sample {
                at: self.started.elapsed().as_secs_f64(),
                node,
                height: status.height,
                view: number("view"),
                resident_bytes: resident_bytes(pid),
            };
            self.samples.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
        }
    }
}
