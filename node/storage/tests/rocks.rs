//! What only RocksDB can do or suffer.

use std::{
    fs,
    path::{Path, PathBuf},
};

use entente_storage::{Batch, Column, Durability, Engine, Reader, RocksDb, SharedResources, StorageError};

fn open(path: &Path) -> Result<RocksDb, StorageError> {
    RocksDb::open(path, &SharedResources::new(8 << 20, 8 << 20))
}

fn filled(path: &Path) -> RocksDb {
    let engine = open(path).unwrap();
    let mut batch = Batch::new();
    for key in 0..2000_u32 {
        batch.put(Column::State, &key.to_be_bytes(), &[7; 100]);
    }
    engine.write(batch, Durability::Synced).unwrap();
    engine
}

#[test]
fn a_store_that_is_open_elsewhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(folder.path()).unwrap();
    let error = open(folder.path()).err().unwrap();
    assert_eq!(error, StorageError::Locked { path: folder.path().to_owned() });
    assert!(error.to_string().contains("another process"), "{error}");
}

#[test]
fn a_snapshot_keeps_the_store_alive() {
    let folder = tempfile::tempdir().unwrap();
    let engine = filled(folder.path());
    let snapshot = engine.snapshot();
    drop(engine);
    assert_eq!(snapshot.get(Column::State, &7_u32.to_be_bytes()).unwrap(), Some(vec![7; 100]));
    assert!(matches!(open(folder.path()).err(), Some(StorageError::Locked { .. })));
    drop(snapshot);
    open(folder.path()).unwrap();
}

#[test]
fn synced_writes_are_counted_and_buffered_ones_are_not_synced() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path()).unwrap();
    let write = |durability| {
        let mut batch = Batch::new();
        batch.put(Column::State, b"key", b"value");
        engine.write(batch, durability).unwrap();
        engine.metrics()
    };
    let start = engine.metrics().log_syncs;
    assert_eq!(write(Durability::Buffered).log_syncs, start);
    assert_eq!(write(Durability::Synced).log_syncs, start + 1);
    let metrics = write(Durability::Synced);
    assert_eq!((metrics.log_syncs, metrics.batches), (start + 2, 3));
    assert!(metrics.log_bytes > 0 && metrics.live_bytes > 0);
}

#[test]
fn a_damaged_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let engine = filled(folder.path());
    engine.flush().unwrap();
    drop(engine);
    let file = newest(folder.path(), "sst");
    let mut bytes = fs::read(&file).unwrap();
    for byte in bytes.iter_mut().take(200) {
        *byte ^= 0x55;
    }
    fs::write(&file, bytes).unwrap();
    let error = match open(folder.path()) {
        Ok(engine) => engine.get(Column::State, &7_u32.to_be_bytes()).unwrap_err(),
        Err(error) => error,
    };
    let StorageError::Corruption { place, .. } = &error else { unreachable!("{error}") };
    assert!(place.ends_with(file.file_name().unwrap().to_str().unwrap()), "{error}");
    assert!(error.to_string().contains("fetch the chain from peers"), "{error}");
}

/// The newest file with this extension.
fn newest(folder: &Path, extension: &str) -> PathBuf {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    files.pop().unwrap()
}

/// A store whose log holds a hundred synced writes.
fn logged(path: &Path) {
    let engine = open(path).unwrap();
    for key in 0..100_u32 {
        let mut batch = Batch::new();
        batch.put(Column::State, &key.to_be_bytes(), &[7; 100]);
        batch.put(Column::Meta, b"last", &key.to_be_bytes());
        engine.write(batch, Durability::Synced).unwrap();
    }
}

#[test]
fn a_log_that_was_removed_or_cut_short_is_told() {
    for cut in [None, Some(0), Some(5000), Some(1)] {
        let folder = tempfile::tempdir().unwrap();
        logged(folder.path());
        let log = newest(folder.path(), "log");
        match cut {
            None => fs::remove_file(&log).unwrap(),
            Some(left) if left > 1 => fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(left).unwrap(),
            Some(less) => {
                let length = if less == 0 { 0 } else { fs::metadata(&log).unwrap().len() - less };
                fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(length).unwrap();
            }
        }
        let error = open(folder.path()).err().unwrap();
        let StorageError::Missing { found, synced, .. } = error else { unreachable!("{error}") };
        assert!(found < synced && synced == 200, "{found} {synced}");
        assert!(error.to_string().contains("removed, cut short or replaced by an older one"), "{error}");
    }
}

#[test]
fn a_log_that_is_damaged_in_what_was_synced_is_named_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    logged(folder.path());
    let log = newest(folder.path(), "log");
    let mut bytes = fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&log, &bytes).unwrap();
    for _ in 0..2 {
        let error = open(folder.path()).err().unwrap();
        let StorageError::Corruption { .. } = &error else { unreachable!("{error}") };
        assert_eq!(fs::read(&log).unwrap(), bytes);
    }
    bytes[middle] ^= 1;
    fs::write(&log, &bytes).unwrap();
    let engine = open(folder.path()).unwrap();
    assert!(!engine.repaired());
    assert_eq!(engine.get(Column::Meta, b"last").unwrap(), Some(99_u32.to_be_bytes().to_vec()));
}

#[test]
fn what_an_unfinished_write_left_in_any_order_is_cut_off() {
    for garbage in [vec![0; 300], vec![0x5a; 300], [vec![0; 4096], vec![0x77; 4096]].concat()] {
        let folder = tempfile::tempdir().unwrap();
        logged(folder.path());
        // The record of a write that was never synced, some of whose sectors are not there.
        let engine = open(folder.path()).unwrap();
        let mut batch = Batch::new();
        batch.put(Column::Meta, b"last", &[9; 12_000]);
        engine.write(batch, Durability::Buffered).unwrap();
        drop(engine);
        let log = newest(folder.path(), "log");
        let mut bytes = fs::read(&log).unwrap();
        let start = bytes.len() - 9_000;
        bytes[start..start + garbage.len()].copy_from_slice(&garbage);
        fs::write(&log, bytes).unwrap();
        let engine = open(folder.path()).unwrap();
        assert!(engine.repaired());
        assert_eq!(engine.get(Column::Meta, b"last").unwrap(), Some(99_u32.to_be_bytes().to_vec()));
        drop(engine);
        assert!(!open(folder.path()).unwrap().repaired());
    }
}

#[test]
fn files_without_the_one_that_leads_to_them_are_not_overwritten() {
    for (missing, place) in [("CURRENT", "CURRENT"), ("MANIFEST", "MANIFEST"), ("sst", ".sst")] {
        let folder = tempfile::tempdir().unwrap();
        let engine = filled(folder.path());
        engine.flush().unwrap();
        drop(engine);
        let is_it = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().contains(missing);
        let files = || fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        fs::remove_file(files().find(is_it).unwrap()).unwrap();
        let tables = files().filter(|path| path.extension().is_some_and(|extension| extension == "sst")).count();
        let error = match open(folder.path()) {
            Ok(engine) => engine.get(Column::State, &7_u32.to_be_bytes()).unwrap_err(),
            Err(error) => error,
        };
        assert!(error.to_string().contains(place), "{missing}: {error}");
        assert_eq!(
            files().filter(|path| path.extension().is_some_and(|extension| extension == "sst")).count(),
            tables,
            "{missing}"
        );
    }
}

#[test]
fn columns_of_a_later_version_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    let mut options = rocksdb::Options::default();
    options.create_missing_column_families(true);
    let mut names = rocksdb::DB::list_cf(&options, folder.path()).unwrap();
    names.push("novelty".to_owned());
    drop(rocksdb::DB::open_cf(&options, folder.path(), names).unwrap());
    let error = open(folder.path()).err().unwrap();
    assert!(matches!(&error, StorageError::UnknownColumns { columns, .. } if columns == "novelty"), "{error}");
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    assert!(matches!(open(&file.join("data")).err(), Some(StorageError::Open { .. })));
}
