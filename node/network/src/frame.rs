//! The bytes on a stream: a head of seven, and what it announces.
//!
//! `kind u8 | group u16 | length u32 | payload`, little-endian. Of a compressed message the payload begins with the
//! length that it has as it is, a u32.

use std::{io, sync::Arc};

use entente_crypto::Hash;
use futures::{AsyncRead, AsyncReadExt as _, FutureExt as _};
use parity_scale_codec::{Decode, DecodeAll as _, Encode};

use crate::{
    Class,
    limits::{COMPRESSED_FROM_BYTES, EXPANSION_MAX, FRAME_TIMEOUT, GROUPS_MAX, READ_BYTES, message_bytes_max},
};

const HEAD_BYTES: usize = 7;
const LEVEL: i32 = 1;

/// The kinds of frames.
mod kind {
    pub(super) const HELLO: u8 = 0;
    pub(super) const GROUPS: u8 = 1;
    pub(super) const PLAIN: u8 = 2;
    pub(super) const COMPRESSED: u8 = 3;
    pub(super) const PING: u8 = 4;
}

/// The first frame of the consensus stream, either way.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Hello {
    /// The version of all that follows: 1.
    pub(crate) version: u8,
    /// Drawn anew for each connection: the groups' tokens are hashed with it.
    pub(crate) nonce: [u8; 32],
}

/// What the sender has to do with the receiver; each takes the place of the one before.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Default)]
pub(crate) struct Groups {
    /// The groups in which it takes the receiver for a member: the number that it calls each by, and its token.
    pub(crate) offered: Vec<(u16, Hash)>,
    /// Those that the receiver offers, by the receiver's numbers, and in which the sender hears it: before that nothing
    /// is sent, because the streams of a connection overtake one another.
    pub(crate) heard: Vec<u16>,
}

/// The first bytes of a frame, which were looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Head {
    Hello { length: usize },
    Groups { length: usize },
    Message { group: u16, length: usize, compressed: bool },
    Ping,
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
    #[error("version {0} of the frames, which this release does not speak")]
    Version(u8),
    #[error("a frame that took longer than {} s to come", FRAME_TIMEOUT.as_secs())]
    Slow,
}

impl FrameError {
    /// Whether the peer did what no honest node does; else the connection was lost.
    pub(crate) const fn is_fault(&self) -> bool {
        !matches!(self, Self::Io(_) | Self::Version(_))
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

/// Says nothing but that this node is there.
pub(crate) fn ping() -> Arc<[u8]> {
    frame(kind::PING, 0, &[])
}

/// A message as it travels: compressed where that makes it smaller. Nothing where it is larger than any may be.
pub(crate) fn message(class: Class, group: u16, payload: &[u8]) -> Option<Arc<[u8]>> {
    if payload.len() > message_bytes_max(class) {
        return None;
    }
    if payload.len() >= COMPRESSED_FROM_BYTES
        && let Ok(compressed) = zstd::bulk::compress(payload, LEVEL)
        && compressed.len() + 4 < payload.len()
        && payload.len() <= compressed.len() * EXPANSION_MAX
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

/// Reads the head of the next frame; nothing at the stream's end.
pub(crate) async fn head(class: Class, stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<Head>, FrameError> {
    let mut head = [0; HEAD_BYTES];
    let first = stream.read(&mut head).await?;
    if first == 0 {
        return Ok(None);
    }
    stream.read_exact(head.get_mut(first..).unwrap_or_default()).await?;
    let [kind, g0, g1, l0, l1, l2, l3] = head;
    let (group, length) = (u16::from_le_bytes([g0, g1]), u32::from_le_bytes([l0, l1, l2, l3]) as usize);
    let (most, head) = match kind {
        kind::HELLO => (64, Head::Hello { length }),
        kind::GROUPS => (16 + GROUPS_MAX * 36, Head::Groups { length }),
        kind::PLAIN => (message_bytes_max(class), Head::Message { group, length, compressed: false }),
        kind::COMPRESSED => (message_bytes_max(class), Head::Message { group, length, compressed: true }),
        kind::PING => (0, Head::Ping),
        other => return Err(FrameError::Kind(other)),
    };
    if length > most { Err(FrameError::Size { found: length, most }) } else { Ok(Some(head)) }
}

/// Reads what a head of [`Head::Hello`] announces.
pub(crate) async fn read_hello(stream: &mut (impl AsyncRead + Unpin), length: usize) -> Result<Hello, FrameError> {
    let payload = read_payload(stream, length).await?;
    Hello::decode_all(&mut &payload[..]).map_err(|_| FrameError::Form)
}

/// Reads what a head of [`Head::Groups`] announces.
pub(crate) async fn read_groups(stream: &mut (impl AsyncRead + Unpin), length: usize) -> Result<Groups, FrameError> {
    // The counts are bounded by the bytes that came.
    let payload = read_payload(stream, length).await?;
    let groups = Groups::decode_all(&mut &payload[..]).map_err(|_| FrameError::Form)?;
    let fits = groups.offered.len() <= GROUPS_MAX && groups.heard.len() <= GROUPS_MAX;
    if fits { Ok(groups) } else { Err(FrameError::Form) }
}

/// Leaves out what a head announces.
pub(crate) async fn skip(stream: &mut (impl AsyncRead + Unpin), mut length: usize) -> Result<(), FrameError> {
    let mut block = vec![0; length.min(READ_BYTES)];
    while length > 0 {
        let part = block.get_mut(..length.min(READ_BYTES)).unwrap_or_default();
        stream.read_exact(part).await?;
        length -= part.len();
    }
    Ok(())
}

/// Reads the message that a head announces. `room` is asked for the bytes that it has as it is, before there is room made
/// for them; nothing where it has none, and the message is left out.
pub(crate) async fn read_message<P>(
    class: Class,
    stream: &mut (impl AsyncRead + Unpin),
    length: usize,
    compressed: bool,
    room: impl FnOnce(usize) -> Option<P>,
) -> Result<Option<(Vec<u8>, P)>, FrameError> {
    if !compressed {
        let Some(place) = room(length) else { return skip(stream, length).await.map(|()| None) };
        return Ok(Some((read_payload(stream, length).await?, place)));
    }
    let mut announced = [0; 4];
    let rest = length.checked_sub(announced.len()).ok_or(FrameError::Form)?;
    stream.read_exact(&mut announced).await?;
    let most = message_bytes_max(class).min(rest.saturating_mul(EXPANSION_MAX));
    let plain = u32::from_le_bytes(announced) as usize;
    if plain > most {
        return Err(FrameError::Size { found: plain, most });
    }
    let Some(place) = room(plain.max(length)) else { return skip(stream, rest).await.map(|()| None) };
    let payload = decompress(&read_payload(stream, rest).await?, plain)?;
    Ok(Some((payload, place)))
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

fn decompress(compressed: &[u8], length: usize) -> Result<Vec<u8>, FrameError> {
    // Room for more than what is announced is never made.
    let plain = zstd::bulk::decompress(compressed, length).map_err(|_| FrameError::Form)?;
    if plain.len() == length { Ok(plain) } else { Err(FrameError::Form) }
}

/// The messages among the frames of a stream, each with its group's number, as a peer's bytes are read. For fuzzing.
///
/// # Errors
/// What no node of ours sends.
#[doc(hidden)]
pub fn read_stream(class: Class, mut bytes: &[u8]) -> Result<Vec<(u16, Vec<u8>)>, String> {
    let stream = &mut bytes;
    let reading = async {
        let mut messages = Vec::new();
        while let Some(found) = head(class, stream).await? {
            match found {
                Head::Hello { length } => {
                    read_hello(stream, length).await?;
                }
                Head::Groups { length } => drop(read_groups(stream, length).await?),
                Head::Message { group, length, compressed } => {
                    let read = read_message(class, stream, length, compressed, Some).await?;
                    messages.extend(read.map(|(payload, _)| (group, payload)));
                }
                Head::Ping => {}
            }
        }
        Ok::<_, FrameError>(messages)
    };
    // Bytes in memory are always there.
    let read = reading.now_or_never().ok_or_else(|| "it waits".to_owned())?;
    read.map_err(|error| error.to_string())
}

/// A stream with these messages; those that are larger than any may be are left out. For fuzzing.
#[doc(hidden)]
pub fn stream(class: Class, messages: &[(u16, Vec<u8>)]) -> Vec<u8> {
    messages
        .iter()
        .filter_map(|(group, payload)| message(class, *group, payload))
        .flat_map(|frame| frame.to_vec())
        .collect()
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

    /// A head, and the message where it is of one.
    type Whole = (Head, Option<Vec<u8>>);

    /// The frame that these bytes are; nothing where there are none.
    fn read_bytes(class: Class, bytes: &[u8]) -> Result<Option<Whole>, FrameError> {
        let stream = &mut &bytes[..];
        let Some(found) = block_on(head(class, stream))? else { return Ok(None) };
        let Head::Message { length, compressed, .. } = found else { return Ok(Some((found, None))) };
        let read = block_on(read_message(class, stream, length, compressed, Some))?;
        Ok(Some((
            found,
            read.map(|(payload, place)| {
                assert!(place >= payload.len());
                payload
            }),
        )))
    }

    #[test]
    fn messages_of_any_size_arrive_as_they_were() {
        for size in [0, 1, 7, COMPRESSED_FROM_BYTES - 1, COMPRESSED_FROM_BYTES, READ_BYTES + 1, 1 << 20] {
            for payload in [vec![7; size], (0..size).map(|at| (at * at * 31 % 251) as u8).collect()] {
                let sent = message(Class::Sync, 5, &payload).expect("it fits");
                let (found, read) = read_bytes(Class::Sync, &sent).expect("a frame").expect("not the end");
                assert!(matches!(found, Head::Message { group: 5, .. }) && read == Some(payload));
            }
        }
        let digits: String = (0..200_000).map(|number: u32| number.to_string()).collect();
        let compressed = message(Class::Sync, 5, digits.as_bytes()).expect("it fits");
        assert!(compressed.len() < digits.len() / 2, "{} of {} bytes", compressed.len(), digits.len());
        let read = read_bytes(Class::Sync, &compressed).expect("a frame").expect("not the end").1;
        assert_eq!(read.as_deref(), Some(digits.as_bytes()));
        let zeros = message(Class::Sync, 5, &vec![0; 1 << 20]).expect("it fits");
        assert_eq!(zeros.len(), HEAD_BYTES + (1 << 20), "what would shrink too much goes as it is");
        assert_eq!(message(Class::Consensus, 5, &vec![0; message_bytes_max(Class::Consensus) + 1]), None);
    }

    #[test]
    fn where_there_is_no_room_a_message_is_left_out_and_the_next_is_read() {
        let digits: String = (0..200_000).map(|number: u32| number.to_string()).collect();
        for payload in [vec![1; 10], vec![1; 1 << 20], digits.into_bytes()] {
            let size = payload.len();
            let first = message(Class::Sync, 5, &payload).expect("it fits");
            let bytes = [&first[..], &ping()].concat();
            let stream = &mut &bytes[..];
            let Ok(Some(Head::Message { length, compressed, .. })) = block_on(head(Class::Sync, stream)) else {
                panic!("a message")
            };
            let asked = std::cell::Cell::new(0);
            let room = |bytes| {
                asked.set(bytes);
                None::<()>
            };
            let read = block_on(read_message(Class::Sync, stream, length, compressed, room));
            assert!(matches!(read, Ok(None)) && asked.get() == size);
            assert!(matches!(block_on(head(Class::Sync, stream)), Ok(Some(Head::Ping))));
        }
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
        assert!(matches!(read_bytes(Class::Sync, &claim((bomb.len() * EXPANSION_MAX) as u32)), Err(FrameError::Form)));
        // Forty bytes that have sixteen million made room for: found by the fuzz target.
        let most = (bomb.len() * EXPANSION_MAX) as u32;
        let refused = read_bytes(Class::Sync, &claim(most + 1));
        assert!(
            matches!(refused, Err(FrameError::Size { most, .. }) if most == bomb.len() * EXPANSION_MAX),
            "{refused:?}"
        );
    }

    #[test]
    fn hello_and_groups_arrive_as_they_were() {
        let said = Hello { version: 1, nonce: [3; 32] };
        let bytes = hello(&said);
        let stream = &mut &bytes[..];
        let Ok(Some(Head::Hello { length })) = block_on(head(Class::Consensus, stream)) else { panic!("a hello") };
        assert_eq!(block_on(read_hello(stream, length)).expect("a hello"), said);
        let read = |said: &Groups| {
            let bytes = groups(said);
            let stream = &mut &bytes[..];
            match block_on(head(Class::Consensus, stream))? {
                Some(Head::Groups { length }) => block_on(read_groups(stream, length)),
                other => panic!("{other:?}"),
            }
        };
        let offered = (0..GROUPS_MAX as u16).map(|number| (number, Hash([9; 32]))).collect();
        let said = Groups { offered, heard: (0..GROUPS_MAX as u16).collect() };
        assert_eq!(read(&said).expect("groups"), said);
        let more = Groups { offered: [said.offered, vec![(7, Hash([1; 32]))]].concat(), heard: vec![] };
        assert!(matches!(read(&more), Err(FrameError::Form | FrameError::Size { .. })));
    }
}
