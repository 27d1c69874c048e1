//! How much a peer may have us keep, wait for or do.

use std::time::Duration;

use crate::Class;

/// Connections whose handshake is not done yet, at most; each costs a few tens of KiB.
pub(crate) const HANDSHAKES_MAX: u32 = 128;
/// Connections at most.
pub(crate) const CONNECTIONS_MAX: u32 = 1_024;
/// Connections with one peer at most: two where both ends began one at once, and for a moment one that takes its place.
pub(crate) const CONNECTIONS_PER_PEER_MAX: u32 = 3;
/// How long a handshake may take.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a peer may take to open its streams and say hello.
pub(crate) const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a frame may take to come, once it has begun.
pub(crate) const FRAME_TIMEOUT: Duration = Duration::from_mins(1);
/// How often a node says that it is there, and after what silence it is taken for gone.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(2);
/// See above.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(15);
/// After what silence a new connection takes the place of one that was begun first.
pub(crate) const SILENCE_SUSPICIOUS: Duration = Duration::from_secs(5);
/// Handshakes with one address that are not done yet, at most.
pub(crate) const HANDSHAKES_PER_ADDRESS_MAX: usize = 32;
/// Streams of one connection at most, both ways: three each, and those that take their place.
pub(crate) const STREAMS_MAX: usize = 16;
/// The bytes of all streams of one connection that may be on their way to whoever reads them.
pub(crate) const CONNECTION_WINDOW_BYTES: usize = 16 << 20;
/// How many streams beyond its three a peer may open before it is let go.
pub(crate) const STREAMS_TOO_MANY_MAX: u32 = 32;
/// The bytes of a block of which one is read at a time: what is announced and does not come costs no more.
pub(crate) const READ_BYTES: usize = 64 << 10;
/// From how many bytes on a message is compressed.
pub(crate) const COMPRESSED_FROM_BYTES: usize = 1 << 10;
/// How many times as long as it travels a message may be at most: what a peer sends must cost it something. What would be
/// compressed better is sent as it is.
pub(crate) const EXPANSION_MAX: usize = 64;
/// The frames of a link itself that may wait to leave.
pub(crate) const OWN_FRAMES_MAX: usize = 256;
/// Groups of a node at most.
pub(crate) const GROUPS_MAX: usize = 1_024;
/// The bytes of one peer's messages in one group and class that may wait to be worked on.
pub(crate) const WAITING_BYTES_MAX: usize = 48 << 20;
/// What a message counts as at least.
pub(crate) const PLACE_BYTES: usize = 1 << 10;
/// The least and greatest time until a lost peer is called again.
pub(crate) const REDIAL_FIRST: Duration = Duration::from_millis(250);
/// See above.
pub(crate) const REDIAL_LAST: Duration = Duration::from_secs(15);
/// From how many points on a peer is let go, and for how long it stays away.
pub(crate) const POINTS_MAX: u32 = 100;
/// See above.
pub(crate) const BANNED_FOR: Duration = Duration::from_mins(1);
/// How fast points are forgiven: one in so long.
pub(crate) const FORGIVEN_IN: Duration = Duration::from_secs(2);

/// The bytes of one message at most, as it is and as it travels.
pub(crate) const fn message_bytes_max(class: Class) -> usize {
    match class {
        Class::Consensus => 16 << 20,
        Class::Transactions => 8 << 20,
        Class::Sync => 32 << 20,
    }
}

/// The bytes of one group that may wait to leave for one peer.
pub(crate) const fn queue_bytes_max(class: Class) -> usize {
    match class {
        Class::Consensus => 32 << 20,
        Class::Transactions => 16 << 20,
        Class::Sync => 64 << 20,
    }
}
