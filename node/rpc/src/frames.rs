//! WebSocket's frames (RFC 6455, section 5). Memory is taken for the bytes that have come, never for those announced.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};

/// The bytes that are read ahead.
const BUFFER_BYTES: usize = 4 << 10;
/// The bytes of a long frame that memory is taken for at a time.
const STEP_BYTES: usize = 64 << 10;
/// Section 5.5: the bytes of a control frame.
const CONTROL_BYTES_MAX: u64 = 125;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// What a client said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// A whole message, text or binary.
    Data(Vec<u8>),
    /// It asks for a sign of life that repeats these bytes.
    Ping(Vec<u8>),
    /// It gives a sign of life.
    Pong,
    /// It closes the connection.
    Close,
}

/// What the server says.
#[derive(Debug)]
pub(crate) enum Frame {
    /// A whole message.
    Text(String),
    /// Asks for a sign of life.
    Ping,
    /// Gives one, with the bytes that were asked for.
    Pong(Vec<u8>),
    /// Closes the connection, with a code of section 7.4.1 and a reason of at most 123 bytes.
    Close(u16, &'static str),
}

/// Why there is no next message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// The connection is gone.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The client breaks a rule.
    #[error("{0}")]
    Protocol(&'static str),
    /// The message is longer than it may be. Its bytes are not read.
    #[error("the message is too long")]
    TooLong,
}

struct Head {
    is_last: bool,
    opcode: u8,
    length: u64,
    mask: [u8; 4],
}

/// Reads a client's messages.
pub(crate) struct FrameReader<R> {
    io: BufReader<R>,
    bytes_max: usize,
    /// The fragments of a message whose last one has not come.
    fragments: Option<Vec<u8>>,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// A reader of messages of at most so many bytes.
    pub(crate) fn new(io: R, bytes_max: usize) -> Self {
        Self { io: BufReader::with_capacity(BUFFER_BYTES, io), bytes_max, fragments: None }
    }

    /// The next message. A reader whose future was dropped half way is of no use any more.
    pub(crate) async fn next(&mut self) -> Result<Message, FrameError> {
        loop {
            let head = self.head().await?;
            if head.opcode >= CLOSE {
                return self.control(&head).await;
            }
            let mut message = match (head.opcode, self.fragments.take()) {
                (TEXT | BINARY, None) => Vec::new(),
                (CONTINUATION, Some(fragments)) => fragments,
                (CONTINUATION, None) => return Err(FrameError::Protocol("a continuation of no message")),
                (TEXT | BINARY, Some(_)) => return Err(FrameError::Protocol("a message within another")),
                _ => return Err(FrameError::Protocol("an unknown kind of frame")),
            };
            let room = self.bytes_max.saturating_sub(message.len()) as u64;
            if head.length > room {
                return Err(FrameError::TooLong);
            }
            self.payload(&head, &mut message).await?;
            if head.is_last {
                return Ok(Message::Data(message));
            }
            self.fragments = Some(message);
        }
    }

    async fn control(&mut self, head: &Head) -> Result<Message, FrameError> {
        if !head.is_last || head.length > CONTROL_BYTES_MAX {
            return Err(FrameError::Protocol("a control frame that is long or in fragments"));
        }
        let mut payload = Vec::new();
        self.payload(head, &mut payload).await?;
        match head.opcode {
            CLOSE => Ok(Message::Close),
            PING => Ok(Message::Ping(payload)),
            PONG => Ok(Message::Pong),
            _ => Err(FrameError::Protocol("an unknown kind of frame")),
        }
    }

    async fn head(&mut self) -> Result<Head, FrameError> {
        let [first, second] = self.io.read_u16().await?.to_be_bytes();
        if first & 0x70 != 0 {
            return Err(FrameError::Protocol("a reserved bit is set"));
        }
        if second & 0x80 == 0 {
            return Err(FrameError::Protocol("a client's frame without a mask"));
        }
        let length = match second & 0x7f {
            126 => u64::from(self.io.read_u16().await?),
            127 => self.io.read_u64().await?,
            short => u64::from(short),
        };
        let mask = self.io.read_u32().await?.to_be_bytes();
        Ok(Head { is_last: first & 0x80 != 0, opcode: first & 0x0f, length, mask })
    }

    async fn payload(&mut self, head: &Head, message: &mut Vec<u8>) -> Result<(), FrameError> {
        let start = message.len();
        let mut left = head.length;
        while left > 0 {
            message.reserve(left.min(STEP_BYTES as u64) as usize);
            let read = (&mut self.io).take(left).read_buf(message).await?;
            if read == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            left = left.saturating_sub(read as u64);
        }
        unmask(message.get_mut(start..).unwrap_or_default(), head.mask);
        Ok(())
    }
}

fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
    let (words, rest) = bytes.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

impl Frame {
    /// How long it is, without its head.
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Ping => 0,
            Self::Pong(bytes) => bytes.len(),
            Self::Close(_, reason) => reason.len().saturating_add(2),
        }
    }

    /// Writes it; it may stay in a buffer until that is flushed.
    pub(crate) async fn write(&self, io: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let opcode = match self {
            Self::Text(_) => TEXT,
            Self::Ping => PING,
            Self::Pong(_) => PONG,
            Self::Close(..) => CLOSE,
        };
        io.write_u8(0x80 | opcode).await?;
        let length = self.length();
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ ..126), _) => io.write_u8(short).await?,
            (_, Ok(medium)) => {
                io.write_u8(126).await?;
                io.write_u16(medium).await?;
            }
            _ => {
                io.write_u8(127).await?;
                io.write_u64(length as u64).await?;
            }
        }
        match self {
            Self::Text(text) => io.write_all(text.as_bytes()).await,
            Self::Ping => Ok(()),
            Self::Pong(bytes) => io.write_all(bytes).await,
            Self::Close(code, reason) => {
                io.write_u16(*code).await?;
                io.write_all(reason.as_bytes()).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client's frame.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [7, 11, 13, 255];
        let mut bytes = vec![first];
        match payload.len() {
            short @ ..126 => bytes.push(0x80 | short as u8),
            medium @ ..65_536 => {
                bytes.push(0xfe);
                bytes.extend((medium as u16).to_be_bytes());
            }
            long => {
                bytes.push(0xff);
                bytes.extend((long as u64).to_be_bytes());
            }
        }
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    async fn read(bytes: &[u8]) -> Vec<Result<Message, String>> {
        let mut reader = FrameReader::new(bytes, 100_000);
        let mut messages = Vec::new();
        loop {
            match reader.next().await {
                Ok(message) => messages.push(Ok(message)),
                Err(FrameError::Io(_)) => return messages,
                Err(error) => {
                    messages.push(Err(error.to_string()));
                    return messages;
                }
            }
        }
    }

    #[tokio::test]
    async fn messages_of_every_length_and_in_fragments_are_read() {
        let lengths = [0_u32, 1, 5, 125, 126, 127, 65_535, 65_536, 99_999, 100_000];
        let payloads: Vec<Vec<u8>> =
            lengths.iter().map(|length| (0..*length).map(|place| place as u8).collect()).collect();
        let bytes: Vec<u8> = payloads.iter().flat_map(|payload| frame(0x81, payload)).collect();
        let expected: Vec<_> = payloads.into_iter().map(|payload| Ok(Message::Data(payload))).collect();
        assert_eq!(read(&bytes).await, expected);
        // A ping within a message in three fragments.
        let bytes = [frame(0x02, b"one"), frame(0x89, b"!"), frame(0x00, b""), frame(0x80, b"two"), frame(0x88, b"")];
        let expected = [Message::Ping(b"!".to_vec()), Message::Data(b"onetwo".to_vec()), Message::Close].map(Ok);
        assert_eq!(read(&bytes.concat()).await, expected);
    }

    #[tokio::test]
    async fn what_breaks_the_rules_ends_the_connection() {
        let unmasked = vec![0x81, 1, b'x'];
        for (bytes, reason) in [
            (unmasked, "a client's frame without a mask"),
            (frame(0xc1, b"x"), "a reserved bit is set"),
            (frame(0x83, b"x"), "an unknown kind of frame"),
            (frame(0x8b, b"x"), "an unknown kind of frame"),
            (frame(0x80, b"x"), "a continuation of no message"),
            ([frame(0x01, b"x"), frame(0x81, b"y")].concat(), "a message within another"),
            (frame(0x09, b"x"), "a control frame that is long or in fragments"),
            (frame(0x89, &[0; 126]), "a control frame that is long or in fragments"),
            (frame(0x81, &vec![0; 100_001]), "the message is too long"),
            ([frame(0x01, &vec![0; 50_001]), frame(0x80, &vec![0; 50_000])].concat(), "the message is too long"),
        ] {
            assert_eq!(read(&bytes).await, [Err(reason.to_owned())]);
        }
    }

    #[tokio::test]
    async fn a_length_that_is_announced_takes_no_memory() {
        let mut reader =
            FrameReader::new(&[0x81, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4, 5][..], usize::MAX);
        let head = reader.head().await.unwrap();
        let mut message = Vec::new();
        assert!(reader.payload(&head, &mut message).await.is_err());
        assert!(head.length == 0xffff_ffff && message.capacity() <= 2 * STEP_BYTES, "{}", message.capacity());
    }

    #[tokio::test]
    async fn what_is_written_has_the_shortest_head() {
        for (length, head) in [(125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let mut bytes = Vec::new();
            Frame::Text("x".repeat(length)).write(&mut bytes).await.unwrap();
            assert_eq!((bytes[0], bytes.len()), (0x81, length + head));
        }
        let mut bytes = Vec::new();
        Frame::Close(1009, "long").write(&mut bytes).await.unwrap();
        assert_eq!(bytes, [&[0x88, 6, 3, 241][..], b"long"].concat());
    }
}
