//! How far a store was synced, beside it: a file that says so, so that a log which was removed or cut short is told.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0 | the version, 1 |
//! | 1..9 | the number of the last write that was synced, little-endian |
//! | 9..17 | the same with every bit turned over, by which a torn mark is known |
//!
//! The mark is written after the write that it tells of and is itself not synced: after a loss of power it may say
//! too little, never too much. After the end of the process alone it says all.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::StorageError;

/// The file in the store's folder.
pub(crate) const SYNCED_FILE_NAME: &str = "SYNCED";
const VERSION: u8 = 1;
const MARK_BYTES: usize = 17;

/// The mark of an open store.
pub(crate) struct SyncedMark {
    file: File,
    path: PathBuf,
    synced: AtomicU64,
}

impl SyncedMark {
    /// The mark of the store in this folder, if there is a whole one.
    pub(crate) fn read(folder: &Path) -> Option<u64> {
        decode(&fs::read(folder.join(SYNCED_FILE_NAME)).ok()?)
    }

    /// Opens it or makes it. A mark that is not whole says nothing.
    pub(crate) fn open(folder: &Path) -> Result<Self, StorageError> {
        let synced = Self::read(folder).unwrap_or(0);
        let path = folder.join(SYNCED_FILE_NAME);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|error| StorageError::Open { path: path.clone(), message: error.to_string() })?;
        Ok(Self { file, path, synced: AtomicU64::new(synced) })
    }

    /// The number of the last write that is known to have been synced.
    pub(crate) fn synced(&self) -> u64 {
        self.synced.load(Ordering::SeqCst)
    }

    /// Notes that every write up to this number is on disk.
    pub(crate) fn set(&self, synced: u64) -> Result<(), StorageError> {
        if self.synced.fetch_max(synced, Ordering::SeqCst) >= synced {
            return Ok(());
        }
        let wrong = |error: io::Error| StorageError::Write { path: self.path.clone(), message: error.to_string() };
        self.file.write_all_at(&encode(synced), 0).map_err(wrong)
    }
}

fn encode(synced: u64) -> [u8; MARK_BYTES] {
    let mut mark = [VERSION; MARK_BYTES];
    let numbers = synced.to_le_bytes().into_iter().chain((!synced).to_le_bytes());
    mark.iter_mut().skip(1).zip(numbers).for_each(|(target, byte)| *target = byte);
    mark
}

fn decode(mark: &[u8]) -> Option<u64> {
    let (version, numbers) = mark.split_first()?;
    let (synced, rest) = numbers.split_first_chunk::<8>()?;
    let synced = u64::from_le_bytes(*synced);
    (*version == VERSION && rest == (!synced).to_le_bytes()).then_some(synced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_comes_back_and_a_torn_one_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(SyncedMark::read(folder.path()), None);
        let mark = SyncedMark::open(folder.path()).unwrap();
        assert_eq!(mark.synced(), 0);
        mark.set(7).unwrap();
        mark.set(5).unwrap();
        assert_eq!(SyncedMark::open(folder.path()).unwrap().synced(), 7);
        for kept in 0..MARK_BYTES {
            assert_eq!(decode(&encode(300)[..kept]), None);
        }
        let mut torn = encode(300);
        torn[9] ^= 1;
        assert_eq!(decode(&torn), None);
        assert_eq!(decode(&encode(u64::MAX)), Some(u64::MAX));
    }
}
