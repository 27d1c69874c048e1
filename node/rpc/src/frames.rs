//! Counting the messages of a WebSocket as its bytes pass by (RFC 6455, section 5.2).

/// The bytes of the longest header: two, a length of eight, a mask of four.
const HEADER_BYTES_MAX: usize = 14;

/// The parts of a message have more bytes together than a message may have. Who reads the frames would lose its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message of several frames has more than {0} bytes")]
pub(crate) struct PartsTooLarge(u64);

/// What one direction of a connection is in the middle of.
#[derive(Debug)]
pub(crate) struct Frames {
    /// The bytes that a message of several frames may have.
    bytes_max: u64,
    /// The bytes of those of its frames that have begun.
    parts: u64,
    header: [u8; HEADER_BYTES_MAX],
    /// How many bytes of the header are known; none while the payload passes.
    known: usize,
    /// The bytes of the payload that are still to come.
    payload: u64,
    /// Whether a message ends with this frame.
    last: bool,
}

impl Frames {
    /// At the beginning of a frame.
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { bytes_max, parts: 0, header: [0; HEADER_BYTES_MAX], known: 0, payload: 0, last: false }
    }

    /// Lets bytes pass, and says how many messages ended in them. Pings, pongs and closing are none.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) -> Result<u64, PartsTooLarge> {
        let mut messages = 0;
        while let Some((first, rest)) = bytes.split_first() {
            if self.payload > 0 {
                let part = usize::try_from(self.payload).unwrap_or(usize::MAX).min(bytes.len());
                self.payload -= part as u64;
                bytes = bytes.get(part..).unwrap_or_default();
            } else {
                if let Some(place) = self.header.get_mut(self.known) {
                    *place = *first;
                }
                self.known += 1;
                bytes = rest;
                if self.known < self.header_length() {
                    continue;
                }
                self.begin()?;
            }
            if self.payload == 0 && self.last {
                self.last = false;
                messages += 1;
            }
        }
        Ok(messages)
    }

    /// How many bytes the header has, as far as is known.
    fn header_length(&self) -> usize {
        let [_, second, ..] = self.header;
        if self.known < 2 {
            return 2;
        }
        let length = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + length + if second & 0x80 == 0 { 0 } else { 4 }
    }

    /// The header is whole.
    fn begin(&mut self) -> Result<(), PartsTooLarge> {
        let [first, second, length @ ..] = &self.header;
        let number = |bytes| length.iter().take(bytes).fold(0, |number, byte| number << 8 | u64::from(*byte));
        self.payload = match second & 0x7f {
            126 => number(2),
            127 => number(8),
            short => u64::from(short),
        };
        let opcode = first & 0x0f;
        let (fin, control, continues) = (first & 0x80 != 0, opcode >= 8, opcode == 0);
        self.last = fin && !control;
        self.known = 0;
        if (continues || !fin) && !control {
            self.parts = self.parts.saturating_add(self.payload);
            if self.parts > self.bytes_max {
                return Err(PartsTooLarge(self.bytes_max));
            }
        }
        if self.last {
            self.parts = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame as a client or a server sends it.
    fn frame(first: u8, length: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![first];
        match length {
            0..126 => frame.push(mask | length as u8),
            126..0x1_0000 => {
                frame.push(mask | 0x7e);
                frame.extend((length as u16).to_be_bytes());
            }
            _ => {
                frame.push(mask | 0x7f);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(if masked { &[0x81; 4][..] } else { &[] });
        frame.extend(std::iter::repeat_n(0x81, length));
        frame
    }

    #[test]
    fn the_frames_of_a_message_are_bounded_together() {
        let text = |frames: &[(u8, usize)]| {
            let bytes: Vec<u8> = frames.iter().flat_map(|(first, length)| frame(*first, *length, true)).collect();
            Frames::new(100).pass(&bytes)
        };
        assert_eq!(text(&[(0x01, 60), (0x89, 90), (0x80, 40), (0x01, 100), (0x80, 0)]), Ok(2));
        assert_eq!(text(&[(0x01, 60), (0x80, 41)]), Err(PartsTooLarge(100)));
        assert_eq!(text(&[(0x01, 60), (0x00, 30), (0x00, 30)]), Err(PartsTooLarge(100)));
        // One frame alone is judged by who reads it, and skipped by its length.
        assert_eq!(text(&[(0x81, 101), (0x81, 1)]), Ok(2));
    }

    proptest! {
        #[test]
        fn messages_are_counted_however_the_bytes_are_cut(
            masked in any::<bool>(),
            frames in proptest::collection::vec(
                (prop_oneof![Just(0x81_u8), Just(0x82), Just(0x01), Just(0x00), Just(0x80), Just(0x89), Just(0x8a)],
                 prop_oneof![Just(0_usize), 1..130_usize, Just(125), Just(126), Just(127), Just(0xffff), Just(0x1_0000)]),
                0..12,
            ),
            cuts in proptest::collection::vec(1_usize..3000, 1..40),
        ) {
            let bytes: Vec<u8> = frames.iter().flat_map(|(first, length)| frame(*first, *length, masked)).collect();
            let ends = frames.iter().filter(|(first, _)| matches!(first, 0x80..=0x82)).count() as u64;
            let (mut counter, mut counted, mut rest) = (Frames::new(u64::MAX), 0, &bytes[..]);
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (part, after) = rest.split_at((*cut).min(rest.len()));
                counted += counter.pass(part).unwrap();
                rest = after;
            }
            prop_assert_eq!(counted, ends);
        }
    }
}
