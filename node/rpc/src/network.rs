//! Other nodes, and what goes to and fro between them and this one.

use entente_driver::PeerStatus;
use serde::Serialize;
use serde_json::Value;

use crate::{
    arguments::Arguments,
    context::Context,
    error::{INTERNAL, RpcError},
    members::node_id,
    views::{Answer, answer},
};

/// A number of messages and of their bytes.
#[derive(Serialize)]
struct CountView {
    messages: u64,
    bytes: u64,
}

impl From<(u64, u64)> for CountView {
    fn from((messages, bytes): (u64, u64)) -> Self {
        Self { messages, bytes }
    }
}

/// A node that is connected.
#[derive(Serialize)]
struct PeerView {
    node_ids: Vec<String>,
    subject: String,
    serial: String,
    expires_at: u64,
    address: String,
    dialed: bool,
    connected_seconds: u64,
    groups: usize,
    sent: CountView,
    received: CountView,
}

impl From<PeerStatus> for PeerView {
    fn from(peer: PeerStatus) -> Self {
        Self {
            node_ids: peer.node.keys.iter().map(node_id).collect(),
            subject: peer.node.subject,
            serial: peer.node.serial,
            expires_at: peer.node.expires_at,
            address: peer.address,
            dialed: peer.dialed,
            connected_seconds: peer.connected.as_secs(),
            groups: peer.groups,
            sent: peer.sent.into(),
            received: peer.received.into(),
        }
    }
}

#[derive(Serialize)]
struct TrafficView {
    class: &'static str,
    direction: &'static str,
    messages: u64,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    unpacked_bytes: Option<u64>,
}

#[derive(Serialize)]
struct DroppedView {
    why: &'static str,
    messages: u64,
}

#[derive(Serialize)]
struct NetworkView {
    listens_at: Option<String>,
    peers: Vec<PeerView>,
    traffic: Vec<TrafficView>,
    dropped: Vec<DroppedView>,
}

/// `entente_network`.
pub(crate) fn network(context: &Context, arguments: &Arguments<'_>) -> Answer {
    let measures = arguments.group(context, 0)?.handle.measures();
    let traffic = measures.traffic.iter().map(|traffic| TrafficView {
        class: traffic.class,
        direction: if traffic.sent { "sent" } else { "received" },
        messages: traffic.messages,
        bytes: traffic.bytes,
        unpacked_bytes: (!traffic.sent).then_some(traffic.unpacked),
    });
    let dropped = measures.dropped.iter().map(|dropped| DroppedView { why: dropped.why, messages: dropped.count });
    answer(&NetworkView {
        listens_at: context.node.listens_for_peers_at().map(|address| address.to_string()),
        peers: context.node.peers().into_iter().map(PeerView::from).collect(),
        traffic: traffic.collect(),
        dropped: dropped.collect(),
    })
}

/// `entente_readAdmission`.
pub(crate) fn read_admission(context: &Context, _arguments: &Arguments<'_>) -> Answer {
    match context.node.read_admission_again() {
        Ok(()) => {
            tracing::info!("admission_read_again");
            answer(&Value::Bool(true))
        }
        Err(error) => {
            tracing::error!(%error, "admission_not_read");
            Err(RpcError::new(INTERNAL, format!("what held before holds on: {error}")))
        }
    }
}
