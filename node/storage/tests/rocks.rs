//! What only RocksDB can do or suffer.

use std::{fs, path::Path};

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
    let file = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "sst"))
        .unwrap();
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
