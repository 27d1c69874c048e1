//! Blocks in a file, for a chain that leaves one machine and comes to another.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0..17 | `entente/export/1` and a line feed, so that people and tools know the file |
//! | from 17 | one Zstandard stream of records |
//!
//! A record is its length as u32, little-endian, and so many bytes. The first is an [`ExportHead`]; one for each block
//! follows, the block's SCALE encoding, ascending by height.

use std::io::{self, BufReader, BufWriter, Read, Write};

use entente_types::{Block, BlockNumber, Genesis, Version};
use parity_scale_codec::{Decode, DecodeAll, Encode};

const MAGIC: &[u8] = b"entente/export/1\n";
/// The bytes of one record: four times those of the transactions that a proposal may hold.
pub const EXPORT_RECORD_BYTES_MAX: u32 = 64 << 20;
/// Zstandard's level: the fastest that still halves a block.
const LEVEL: i32 = 3;

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ExportHead {
    /// The format's version.
    pub version: Version<1>,
    /// The document that the group began with.
    pub genesis: Genesis,
    /// The first block.
    pub first: BlockNumber,
    /// The last block.
    pub last: BlockNumber,
}

/// Why a file was not written or is not read.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The system refused.
    #[error(transparent)]
    System(#[from] io::Error),
    /// It is no such file.
    #[error("this is no export: it does not begin with entente/export/1; give a file that entente export wrote")]
    Foreign,
    /// It ends too soon.
    #[error("the file ends in the middle, after {found} blocks of {expected}; it was cut short: copy it again")]
    Short {
        /// The whole blocks.
        found: u64,
        /// Those that its head promises.
        expected: u64,
    },
    /// A record is too long.
    #[error(
        "the record after block {after} says that it has {length} bytes; at most {EXPORT_RECORD_BYTES_MAX} are allowed: the file is damaged"
    )]
    Long {
        /// The blocks before it.
        after: u64,
        /// What it says.
        length: u32,
    },
    /// A record does not decode.
    #[error("the record after {after} blocks does not decode ({message}): the file is damaged, copy it again")]
    Damaged {
        /// The blocks before it.
        after: u64,
        /// What the decoder says.
        message: String,
    },
    /// A block is not the one that comes next.
    #[error("block {found} was given where block {expected} comes next")]
    Number {
        /// The block's number.
        found: BlockNumber,
        /// The one that comes next.
        expected: BlockNumber,
    },
}

/// Writes blocks. Without [`ExportWriter::finish`] the file is cut short.
pub struct ExportWriter<W: Write> {
    stream: zstd::Encoder<'static, BufWriter<W>>,
    next: BlockNumber,
    last: BlockNumber,
    scratch: Vec<u8>,
}

impl<W: Write> ExportWriter<W> {
    /// Begins a file with what it is going to hold.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new(target: W, head: &ExportHead) -> Result<Self, ExportError> {
        let mut target = BufWriter::new(target);
        target.write_all(MAGIC)?;
        let mut stream = zstd::Encoder::new(target, LEVEL)?;
        // A bit that flipped on the way is known before anything is decoded.
        stream.include_checksum(true)?;
        let mut writer = Self { stream, next: head.first, last: head.last, scratch: Vec::new() };
        writer.record(head)?;
        Ok(writer)
    }

    /// Writes the next block.
    ///
    /// # Errors
    /// It is not the next one, or the system refuses.
    pub fn write(&mut self, block: &Block) -> Result<(), ExportError> {
        let found = block.header.number;
        if found != self.next || found > self.last {
            return Err(ExportError::Number { found, expected: self.next });
        }
        self.record(block)?;
        self.next = self.next.saturating_add(1);
        Ok(())
    }

    /// Ends the file; gives what it was written to.
    ///
    /// # Errors
    /// Blocks are missing, or the system refuses.
    pub fn finish(self) -> Result<W, ExportError> {
        if self.next <= self.last {
            return Err(ExportError::Number { found: self.last.saturating_add(1), expected: self.next });
        }
        let target = self.stream.finish()?;
        target.into_inner().map_err(|error| ExportError::System(error.into_error()))
    }

    fn record(&mut self, document: &impl Encode) -> Result<(), ExportError> {
        self.scratch.clear();
        document.encode_to(&mut self.scratch);
        let length = u32::try_from(self.scratch.len()).unwrap_or(u32::MAX);
        if length > EXPORT_RECORD_BYTES_MAX {
            return Err(ExportError::Long { after: self.next, length });
        }
        self.stream.write_all(&length.to_le_bytes())?;
        self.stream.write_all(&self.scratch)?;
        Ok(())
    }
}

/// Reads a file that [`ExportWriter`] wrote, or somebody else: whoever takes its blocks in checks them.
pub struct ExportReader<R: Read> {
    stream: zstd::Decoder<'static, BufReader<BufReader<R>>>,
    head: ExportHead,
    read: u64,
}

impl<R: Read> ExportReader<R> {
    /// Begins to read.
    ///
    /// # Errors
    /// It is no such file, or is damaged, or the system refuses.
    pub fn new(source: R) -> Result<Self, ExportError> {
        let mut source = BufReader::new(source);
        let mut magic = [0; MAGIC.len()];
        source.read_exact(&mut magic).map_err(|_| ExportError::Foreign)?;
        if magic != MAGIC {
            return Err(ExportError::Foreign);
        }
        let mut stream = zstd::Decoder::new(source)?;
        let head: ExportHead = record(&mut stream, 0)?.ok_or(ExportError::Short { found: 0, expected: 0 })?;
        if head.first > head.last {
            let message = format!("it is from block {} to block {}", head.first, head.last);
            return Err(ExportError::Damaged { after: 0, message });
        }
        Ok(Self { stream, head, read: 0 })
    }

    /// What the file says that it holds.
    pub const fn head(&self) -> &ExportHead {
        &self.head
    }

    fn expected(&self) -> u64 {
        (self.head.last - self.head.first).saturating_add(1)
    }

    /// Nothing follows but the stream's checksum, which is right.
    fn check_end(&mut self) -> Result<(), ExportError> {
        let damaged = |message: String| ExportError::Damaged { after: self.read, message };
        match self.stream.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(damaged("more follows than the file's head promises".to_owned())),
            Err(error) => Err(damaged(error.to_string())),
        }
    }

    fn next_block(&mut self) -> Result<Block, ExportError> {
        let short = ExportError::Short { found: self.read, expected: self.expected() };
        let block: Block = record(&mut self.stream, self.read)?.ok_or(short)?;
        let expected = self.head.first.saturating_add(self.read);
        if block.header.number != expected {
            return Err(ExportError::Number { found: block.header.number, expected });
        }
        self.read += 1;
        if self.read == self.expected() {
            self.check_end()?;
        }
        Ok(block)
    }
}

impl<R: Read> Iterator for ExportReader<R> {
    type Item = Result<Block, ExportError>;

    /// The next block; after an error there is none.
    fn next(&mut self) -> Option<Self::Item> {
        if self.read >= self.expected() {
            return None;
        }
        let block = self.next_block();
        if block.is_err() {
            self.read = self.expected();
        }
        Some(block)
    }
}

/// The next record; nothing where the stream ends.
fn record<T: Decode>(stream: &mut impl Read, after: u64) -> Result<Option<T>, ExportError> {
    let damaged = |message: String| ExportError::Damaged { after, message };
    let ended = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Err(error) if ended(&error) => return Ok(None),
        other => other.map_err(|error| damaged(error.to_string()))?,
    }
    let length = u32::from_le_bytes(length);
    if length > EXPORT_RECORD_BYTES_MAX {
        return Err(ExportError::Long { after, length });
    }
    // Grown as bytes come: a length alone has nothing allocated.
    let mut bytes = Vec::new();
    let read = stream.take(u64::from(length)).read_to_end(&mut bytes);
    match read {
        Err(error) if ended(&error) => return Ok(None),
        other => other.map_err(|error| damaged(error.to_string()))?,
    };
    if bytes.len() < length as usize {
        return Ok(None);
    }
    T::decode_all(&mut bytes.as_slice()).map(Some).map_err(|error| damaged(error.to_string()))
}
