//! What a module's memory holds in a new instance.

use std::{collections::BTreeMap, ops::Range};

use wasmer::MemoryView;

/// The bytes of one block. Every chunk of the bitmap is a whole number of them.
const BLOCK: usize = 1 << 10;

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// The blocks that are not zero: a module of a few bytes that begins with all the memory it may have must not cost
/// its node as much.
#[derive(Debug, Default)]
pub(crate) struct Image {
    blocks: BTreeMap<usize, Box<[u8; BLOCK]>>,
    memory_bytes: usize,
}

impl Image {
    /// The memory that these segments of the module make. Segments that do not fit make no instance.
    pub(crate) fn new(module: &[u8], memory_bytes: usize, data: &[(u32, Range<usize>)]) -> Self {
        let mut image = Self { blocks: BTreeMap::new(), memory_bytes };
        for (offset, range) in data {
            let bytes = module.get(range.clone()).unwrap_or_default();
            let start = *offset as usize;
            if start.checked_add(bytes.len()).is_some_and(|end| end <= memory_bytes) {
                image.put(start, bytes);
            }
        }
        image
    }

    fn put(&mut self, mut start: usize, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let within = start % BLOCK;
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - within));
            let block = self.blocks.entry(start / BLOCK).or_insert_with(|| Box::new([0; BLOCK]));
            if let Some(place) = block.get_mut(within..within + now.len()) {
                place.copy_from_slice(now);
            }
            start += now.len();
            bytes = later;
        }
    }

    /// The bytes of memory that a new instance has.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// The bytes that the image itself takes.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.blocks.len() * BLOCK
    }

    /// Makes a range of memory what it is in a new instance. Answers false where that fails.
    pub(crate) fn restore(&self, memory: &MemoryView<'_>, range: Range<usize>) -> bool {
        let end = range.end.min(self.memory_bytes);
        let mut start = range.start;
        while start < end {
            let index = start / BLOCK;
            let piece = if let Some(block) = self.blocks.get(&index) {
                let within = start % BLOCK;
                block.get(within..BLOCK.min(within + (end - start)))
            } else {
                let next = self.blocks.range(index..).next().map_or(end, |(next, _)| next * BLOCK);
                ZEROS.get(..(next.min(end) - start).min(ZEROS.len()))
            };
            let Some(piece) = piece else { return false };
            if memory.write(start as u64, piece).is_err() {
                return false;
            }
            start += piece.len();
        }
        true
    }
}
