//! What is written at once.

use std::ops::Range;

use crate::Column;

/// One write of a batch, borrowed from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation<'a> {
    /// The column.
    pub column: Column,
    /// The key.
    pub key: &'a [u8],
    /// The value; nothing where the key is to be removed.
    pub value: Option<&'a [u8]>,
}

#[derive(Debug, Clone)]
struct Places {
    column: Column,
    key: Range<usize>,
    value: Option<Range<usize>>,
}

/// Writes over any columns that happen together or not at all. Later ones win over earlier ones to the same key.
///
/// All keys and values lie in one buffer: a block has tens of thousands of them.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    operations: Vec<Places>,
}

impl Batch {
    /// A batch without writes.
    pub fn new() -> Self {
        Self::default()
    }

    /// A batch with room for this many writes and bytes.
    pub fn with_capacity(operations: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), operations: Vec::with_capacity(operations) }
    }

    /// Sets a key.
    pub fn put(&mut self, column: Column, key: &[u8], value: &[u8]) {
        self.put_with(column, |bytes| bytes.extend_from_slice(key), |bytes| bytes.extend_from_slice(value));
    }

    /// Sets a key; key and value are appended to the batch's buffer by those who make them. They may only append.
    pub fn put_with(&mut self, column: Column, key: impl FnOnce(&mut Vec<u8>), value: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        key(&mut self.bytes);
        let middle = self.bytes.len();
        value(&mut self.bytes);
        let end = self.bytes.len();
        self.operations.push(Places { column, key: start..middle, value: Some(middle..end) });
    }

    /// Removes a key.
    pub fn delete(&mut self, column: Column, key: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        self.operations.push(Places { column, key: start..self.bytes.len(), value: None });
    }

    /// The writes in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Operation<'_>> {
        self.operations.iter().map(|places| Operation {
            column: places.column,
            key: self.slice(&places.key),
            value: places.value.as_ref().map(|range| self.slice(range)),
        })
    }

    /// How many writes there are.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// The bytes of all keys and values.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_come_out_as_they_went_in() {
        let mut batch = Batch::with_capacity(3, 16);
        batch.put(Column::State, b"a", b"");
        batch.delete(Column::Meta, b"b");
        batch.put_with(Column::State, |key| key.push(1), |value| value.extend([2, 3]));
        let all: Vec<Operation<'_>> = batch.iter().collect();
        assert_eq!(
            all,
            [
                Operation { column: Column::State, key: b"a", value: Some(b"") },
                Operation { column: Column::Meta, key: b"b", value: None },
                Operation { column: Column::State, key: &[1], value: Some(&[2, 3]) },
            ]
        );
        assert_eq!((batch.len(), batch.size(), batch.is_empty()), (3, 5, false));
    }
}
