//! The bytes on a stream: a head of seven, and what it announces.
//!
//! `kind u8 | group u16 | length u32 | payload`, little-endian. Of a compressed message the payload begins with the
//! length that it has as it is, a u32.

use std::{io, sync::Arc};

use entente_crypto::Hash;
use futures::{AsyncRead, AsyncReadExt as _};
use parity_scale_codec::{Decode, DecodeAll as _, Encode};

use crate::{
    Class,
    limits::{COMPRESSED_FROM_BYTES, GROUPS_MAX, READ_BYTES, message_bytes_max},
};

const HEAD_BYTES: usize = 7;
const LEVEL: i32 = 1;

/// The kinds of frames.
mod kind {
    pub(super) const HELLO: u8 = 0;
    pub(super) const GROUPS: u8 = 1;
    pub(super) const PLAIN: u8 = 2;
    pub(super) const COMPRESSED: u8 = 3;
}

/// The first frame of the consensus stream, either way.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Hello {
    /// The version of all that follows: 1.
    pub(crate) version: u8,
    /// Drawn anew for each connection: the groups' tokens are hashed with it.
    pub(crate) nonce: [u8; 32],
}

/// The groups in which the sender takes the receiver for a member: the number that it calls each by, and its token.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Default)]
pub(crate) struct Groups(pub(crate) Vec<(u16, Hash)>);

/// A frame that was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Hello(Hello),
    Groups(Groups),
    /// A message, and the bytes that it took.
    Message {
        group: u16,
        payload: Vec<u8>,
        wire_bytes: usize,
    },
}

/// What no node of ours sends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("a frame of kind {0}, which there is none of")]
    Kind(u8),
    #[error("a frame of {found} bytes; {most} is the most")]
    Size { found: usize, most: usize },
    #[error("a frame that is not what its kind says")]
    Form,
}

impl FrameError {
    /// Whether the peer did what no honest node does; else the connection was lost.
    pub(crate) const fn is_fault(&self) -> bool {
        !matches!(self, Self::Io(_))
    }
}

fn frame(kind: u8, group: u16, parts: &[&[u8]]) -> Arc<[u8]> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut bytes = Vec::with_capacity(HEAD_BYTES + length);
    bytes.push(kind);
    bytes.extend(group.to_le_bytes());
    bytes.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes.into()
}

pub(crate) fn hello(hello: &Hello) -> Arc<[u8]> {
    frame(kind::HELLO, 0, &[&hello.encode()])
}

pub(crate) fn groups(groups: &Groups) -> Arc<[u8]> {
    frame(kind::GROUPS, 0, &[&groups.encode()])
}

/// A message as it travels: compressed where that makes it smaller. Nothing where it is larger than any may be.
pub(crate) fn message(class: Class, group: u16, payload: &[u8]) -> Option<Arc<[u8]>> {
    if payload.len() > message_bytes_max(class) {
        return None;
    }
    if payload.len() >= COMPRESSED_FROM_BYTES
        && let Ok(compressed) = zstd::bulk::compress(payload, LEVEL)
        && compressed.len() + 4 < payload.len()
    {
        let length = u32::try_from(payload.len()).ok()?.to_le_bytes();
        return Some(frame(kind::COMPRESSED, group, &[&length, &compressed]));
    }
    Some(frame(kind::PLAIN, group, &[payload]))
}

/// The bytes of a frame's payload as it travels, of its head.
pub(crate) const fn wire_bytes(payload: usize) -> usize {
    HEAD_BYTES + payload
}

/// Reads the next frame; nothing at the stream's end.
pub(crate) async fn read(class: Class, stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<Frame>, FrameError> {
    let mut head = [0; HEAD_BYTES];
    let first = stream.read(&mut head).await?;
    if first == 0 {
        return Ok(None);
    }
    stream.read_exact(head.get_mut(first..).unwrap_or_default()).await?;
    let [kind, g0, g1, l0, l1, l2, l3] = head;
    let (group, length) = (u16::from_le_bytes([g0, g1]), u32::from_le_bytes([l0, l1, l2, l3]) as usize);
    let most = match kind {
        kind::HELLO => 64,
        kind::GROUPS => 4 + GROUPS_MAX * 34,
        kind::PLAIN | kind::COMPRESSED => message_bytes_max(class),
        other => return Err(FrameError::Kind(other)),
    };
    if length > most {
        return Err(FrameError::Size { found: length, most });
    }
    let payload = read_payload(stream, length).await?;
    Ok(Some(match kind {
        kind::HELLO => Frame::Hello(Hello::decode_all(&mut &payload[..]).map_err(|_| FrameError::Form)?),
        kind::GROUPS => Frame::Groups(read_groups(&payload)?),
        kind::PLAIN => Frame::Message { group, wire_bytes: wire_bytes(payload.len()), payload },
        _ => {
            let wire_bytes = wire_bytes(payload.len());
            Frame::Message { group, wire_bytes, payload: decompress(class, &payload)? }
        }
    }))
}

/// Room is made for what has come, not for what is announced.
async fn read_payload(stream: &mut (impl AsyncRead + Unpin), length: usize) -> io::Result<Vec<u8>> {
    let mut payload = Vec::new();
    while payload.len() < length {
        let start = payload.len();
        payload.resize(start + (length - start).min(READ_BYTES.max(start)), 0);
        stream.read_exact(payload.get_mut(start..).unwrap_or_default()).await?;
    }
    Ok(payload)
}

fn read_groups(payload: &[u8]) -> Result<Groups, FrameError> {
    // The count is bounded by the bytes that came, of which each entry takes 34.
    let groups = Groups::decode_all(&mut &payload[..]).map_err(|_| FrameError::Form)?;
    if groups.0.len() > GROUPS_MAX { Err(FrameError::Form) } else { Ok(groups) }
}

fn decompress(class: Class, payload: &[u8]) -> Result<Vec<u8>, FrameError> {
    let (length, compressed) = payload.split_first_chunk::<4>().ok_or(FrameError::Form)?;
    let length = u32::from_le_bytes(*length) as usize;
    let most = message_bytes_max(class);
    if length > most {
        return Err(FrameError::Size { found: length, most });
    }
    // Room for more than what is announced is never made, and what is announced is bounded by what may be sent plain.
    let plain = zstd::bulk::decompress(compressed, length).map_err(|_| FrameError::Form)?;
    if plain.len() == length { Ok(plain) } else { Err(FrameError::Form) }
}

/// A class by its stream's name.
pub(crate) const fn stream_name(class: Class) -> &'static str {
    match class {
        Class::Consensus => "/entente/consensus/1",
        Class::Transactions => "/entente/transactions/1",
        Class::Sync => "/entente/sync/1",
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;

    fn read_bytes(class: Class, bytes: &[u8]) -> Result<Option<Frame>, FrameError> {
        block_on(read(class, &mut &bytes[..]))
    }

    #[test]
    fn messages_of_any_size_arrive_as_they_were() {
        for size in [0, 1, 7, COMPRESSED_FROM_BYTES - 1, COMPRESSED_FROM_BYTES, READ_BYTES + 1, 1 << 20] {
            for payload in [vec![7; size], (0..size).map(|at| (at * at * 31 % 251) as u8).collect()] {
                let sent = message(Class::Sync, 5, &payload).expect("it fits");
                let read = read_bytes(Class::Sync, &sent).expect("a frame").expect("not the end");
                assert_eq!(read, Frame::Message { group: 5, payload, wire_bytes: sent.len() });
            }
        }
        let zeros = message(Class::Sync, 5, &[0; 1 << 20]).expect("it fits");
        assert!(zeros.len() < 1 << 12, "{} bytes", zeros.len());
        assert_eq!(message(Class::Consensus, 5, &vec![0; message_bytes_max(Class::Consensus) + 1]), None);
    }

    #[test]
    fn what_is_announced_and_does_not_come_costs_nothing() {
        let most = message_bytes_max(Class::Consensus) as u32;
        let announced = |length: u32| [&[kind::PLAIN, 0, 0][..], &length.to_le_bytes()].concat();
        assert!(matches!(read_bytes(Class::Consensus, &announced(most)), Err(FrameError::Io(_))));
        assert!(matches!(read_bytes(Class::Consensus, &announced(most + 1)), Err(FrameError::Size { .. })));
        assert!(matches!(read_bytes(Class::Consensus, &[9; HEAD_BYTES]), Err(FrameError::Kind(9))));
        assert!(matches!(read_bytes(Class::Consensus, &[]), Ok(None)));
    }

    #[test]
    fn a_small_frame_that_would_become_large_is_refused() {
        let bomb = zstd::bulk::compress(&vec![0; 40 << 20], 1).expect("compressed");
        let claim = |length: u32| frame(kind::COMPRESSED, 0, &[&length.to_le_bytes(), &bomb]);
        assert!(matches!(read_bytes(Class::Sync, &claim(40 << 20)), Err(FrameError::Size { .. })));
        assert!(matches!(read_bytes(Class::Sync, &claim(1 << 20)), Err(FrameError::Form)));
    }

    #[test]
    fn hello_and_groups_arrive_as_they_were() {
        let said = Hello { version: 1, nonce: [3; 32] };
        assert_eq!(read_bytes(Class::Consensus, &hello(&said)).expect("a frame"), Some(Frame::Hello(said)));
        let said = Groups((0..GROUPS_MAX as u16).map(|number| (number, Hash([9; 32]))).collect());
        assert_eq!(read_bytes(Class::Consensus, &groups(&said)).expect("a frame"), Some(Frame::Groups(said.clone())));
        let more = Groups([said.0, vec![(7, Hash([1; 32]))]].concat());
        assert!(matches!(
            read_bytes(Class::Consensus, &groups(&more)),
            Err(FrameError::Form | FrameError::Size { .. })
        ));
    }
}
