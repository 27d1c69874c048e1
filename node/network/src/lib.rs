//! Nodes that talk to one another: mutual TLS under the consortium's certificate authority, groups, bounded queues.
//!
//! This crate owns sockets between nodes, certificates, and the lists of who is let in. It carries bytes for groups and
//! never looks at what they say. Nobody without a certificate of the consortium gets past the handshake, and nobody
//! outside a group gets a byte of it.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod authority;
mod calls;
mod certificate;
mod frame;
mod group;
#[cfg(test)]
mod hostile_tests;
mod limits;
mod link;
mod lists;
mod muxing;
mod network;
mod outbox;
mod running;
mod scores;
mod sm2;
mod streams;
#[cfg(test)]
mod third_party_tests;
mod throttle;
mod tls;

pub use authority::{AUTHORITY_DAYS, Authority, AuthorityError, Chain, NODE_DAYS, TlsKey, between, days};
pub use certificate::{CertificateError, NodeCertificate};
pub use frame::{read_stream, stream};
pub use group::{Count, GroupCounters, Inboxes, Place, Received};
pub use lists::{AccessLists, LIST_ENTRIES_MAX};
pub use network::{GroupLine, Network, NetworkError, NetworkOptions, PeerStatus};
pub use tls::{Admission, Credentials, TlsError};

/// What a message is about, in the order in which it leaves and arrives: each class has streams and queues of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Votes and proposals.
    Consensus,
    /// Transactions.
    Transactions,
    /// Blocks, and requests for them.
    Sync,
}

impl Class {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Consensus, Self::Transactions, Self::Sync];
}
