//! Writing head and tail in one pass.
//!
//! Sums of lengths wrap here, which they cannot do in fact: the values whose lengths they are lie in memory. A check of
//! each would cost every contract code, and the buffer's bounds are checked at each write.

use super::WORD_LENGTH;

/// Writes values into a buffer of zeros that has exactly the length of their encoding.
pub struct Encoder<'a> {
    buffer: &'a mut [u8],
    /// Where the tuple at hand begins: offsets count from here.
    base: usize,
    /// Where the next head goes.
    head: usize,
    /// Where the next tail goes.
    tail: usize,
}

impl<'a> Encoder<'a> {
    /// An encoder of a tuple with heads of `heads_length` bytes.
    #[inline]
    pub fn new(buffer: &'a mut [u8], heads_length: usize) -> Self {
        Self { buffer, base: 0, head: 0, tail: heads_length }
    }

    /// The next word of the head, to be written by the caller.
    #[inline]
    pub fn word(&mut self) -> &mut [u8; WORD_LENGTH] {
        let at = self.head;
        self.head = at.wrapping_add(WORD_LENGTH);
        self.word_at(at)
    }

    /// Writes a dynamic value: its offset into the head, and into the tail its `count` (unless it is a tuple) and
    /// then its bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.offset();
        self.count(bytes.len());
        let end = self.tail.wrapping_add(bytes.len());
        let Some(place) = self.buffer.get_mut(self.tail..end) else { too_small() };
        place.copy_from_slice(bytes);
        self.tail = self.tail.wrapping_add(super::padded(bytes.len()));
    }

    /// Writes a dynamic sequence whose elements have heads of `heads_length` bytes together; with a `count` in front
    /// where it is a list.
    pub fn sequence(&mut self, count: Option<usize>, heads_length: usize, write: impl FnOnce(&mut Self)) {
        self.offset();
        if let Some(count) = count {
            self.count(count);
        }
        let outer = (self.base, self.head);
        self.base = self.tail;
        self.head = self.tail;
        self.tail = self.tail.wrapping_add(heads_length);
        write(self);
        (self.base, self.head) = outer;
    }

    /// Writes the tail's offset into the head.
    fn offset(&mut self) {
        let offset = self.tail.wrapping_sub(self.base);
        write_length(self.word(), offset);
    }

    /// Writes a count into the tail.
    fn count(&mut self, count: usize) {
        let at = self.tail;
        self.tail = at.wrapping_add(WORD_LENGTH);
        write_length(self.word_at(at), count);
    }

    #[inline]
    fn word_at(&mut self, at: usize) -> &mut [u8; WORD_LENGTH] {
        match self.buffer.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            Some(word) => word,
            None => too_small(),
        }
    }
}

/// Lengths of values in memory fit 32 bits on Wasm, and whatever does not is no output of a contract.
fn write_length(word: &mut [u8; WORD_LENGTH], length: usize) {
    word[WORD_LENGTH - 8..].copy_from_slice(&(length as u64).to_be_bytes());
}

#[cold]
fn too_small() -> ! {
    panic!("abi: the buffer is smaller than the value")
}
