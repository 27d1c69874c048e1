//! The store on RocksDB: one database, a column family for each column.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRawIterator,
    DBRecoveryMode, DataBlockIndexType, Env, Options, ReadOptions, WriteBatch, WriteBufferManager, WriteOptions,
    properties,
    statistics::{StatsLevel, Ticker},
};
use self_cell::self_cell;

use crate::{
    Batch, Column, Cursor, Durability, Engine, Entry, Metrics, Reader, Snapshot, StorageError,
    synced::{SYNCED_FILE_NAME, SyncedMark},
};

/// The bytes of one column's write buffer; when full, it is written out.
const WRITE_BUFFER_BYTES: usize = 64 << 20;
/// The bytes of the log at which the oldest write buffers are written out, so that it can be cut. It bounds the time
/// that opening takes after a crash.
const LOG_BYTES_MAX: u64 = 256 << 20;
/// Files kept open at most, by each store.
const OPEN_FILES_MAX: i32 = 1024;
/// Bits of the Bloom filters for each key: about one in a hundred absent keys is looked for in vain.
const BLOOM_BITS: f64 = 10.0;
/// The bytes of a block of rows: what a point read decompresses.
const ROW_BLOCK_BYTES: usize = 4 << 10;
/// The bytes of a block of documents, which are read in order.
const DOCUMENT_BLOCK_BYTES: usize = 16 << 10;
/// The name that RocksDB insists on for a column family of its own.
const DEFAULT_FAMILY: &str = "default";

/// What all the stores of a node share: one cache of blocks read, one limit on what waits to be written out.
#[derive(Clone)]
pub struct SharedResources {
    cache: Cache,
    write_buffers: WriteBufferManager,
}

impl SharedResources {
    /// A cache of this many bytes, and write buffers of at most this many bytes together. Write buffers count as
    /// part of the cache; writers are not stopped at the limit, but the fullest buffers are written out.
    pub fn new(cache_bytes: usize, write_buffer_bytes: usize) -> Self {
        let cache = Cache::new_lru_cache(cache_bytes);
        let write_buffers =
            WriteBufferManager::new_write_buffer_manager_with_cache(write_buffer_bytes, false, cache.clone());
        Self { cache, write_buffers }
    }

    /// The bytes of blocks that the cache holds.
    pub fn cache_bytes(&self) -> usize {
        self.cache.get_usage()
    }

    /// The bytes of all write buffers.
    pub fn write_buffer_bytes(&self) -> usize {
        self.write_buffers.get_usage()
    }
}

impl Default for SharedResources {
    fn default() -> Self {
        Self::new(256 << 20, 256 << 20)
    }
}

/// A store on RocksDB.
pub struct RocksDb {
    shared: Arc<Shared>,
}

struct Shared {
    database: DB,
    /// Kept for its counters.
    options: Options,
    path: PathBuf,
    batches: std::sync::atomic::AtomicU64,
    mark: SyncedMark,
    repaired: bool,
}

self_cell!(
    struct RocksSnapshot {
        owner: Arc<Shared>,
        #[covariant]
        dependent: PinnedSnapshot,
    }
);

type PinnedSnapshot<'a> = rocksdb::Snapshot<'a>;

impl RocksDb {
    /// Opens the store in this folder, or makes it.
    ///
    /// What a loss of power left half written at the end of the log is cut off, as long as it was never reported
    /// synced; see [`RocksDb::repaired`].
    ///
    /// # Errors
    /// Another process has it open, it is damaged, something is missing that was synced, it has columns of a later
    /// version, or the disk refuses.
    pub fn open(path: &Path, resources: &SharedResources) -> Result<Self, StorageError> {
        Self::open_on(path, resources, None)
    }

    /// The same on another environment of RocksDB than the operating system's files.
    pub fn open_on(path: &Path, resources: &SharedResources, env: Option<&Env>) -> Result<Self, StorageError> {
        let options = database_options(resources, env);
        refuse_unknown_columns(path, &options)?;
        let (database, repaired) = match DB::open_cf_descriptors(&options, path, families(resources)) {
            Ok(database) => (database, false),
            Err(error) => (open_cut(path, resources, env, &error)?, true),
        };
        let mark = SyncedMark::open(path)?;
        let found = database.latest_sequence_number();
        if found < mark.synced() {
            return Err(StorageError::Missing { path: path.to_owned(), found, synced: mark.synced() });
        }
        let shared = Shared { database, options, path: path.to_owned(), batches: 0.into(), mark, repaired };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Whether opening cut off what a loss of power left half written.
    pub fn repaired(&self) -> bool {
        self.shared.repaired
    }
}

/// Every column with its options.
fn families(resources: &SharedResources) -> impl Iterator<Item = ColumnFamilyDescriptor> {
    Column::ALL.iter().map(|column| ColumnFamilyDescriptor::new(column.name(), column_options(*column, resources)))
}

/// Opens a store whose log has a damaged record, if that record and all after it were never reported synced: a disk
/// may write the sectors of an unfinished write in any order. Nothing on disk is changed where they were.
fn open_cut(
    path: &Path,
    resources: &SharedResources,
    env: Option<&Env>,
    refused: &rocksdb::Error,
) -> Result<DB, StorageError> {
    let error = || open_error(path, refused);
    if refused.kind() != rocksdb::ErrorKind::Corruption {
        return Err(error());
    }
    let mut options = database_options(resources, env);
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    let synced = SyncedMark::read(path).ok_or_else(error)?;
    let probe = DB::open_cf_descriptors_read_only(&options, path, families(resources), false);
    let found = probe.map_err(|_| error())?.latest_sequence_number();
    if found < synced {
        return Err(error());
    }
    DB::open_cf_descriptors(&options, path, families(resources)).map_err(|_| error())
}

/// Options of the whole database.
fn database_options(resources: &SharedResources, env: Option<&Env>) -> Options {
    let mut options = Options::default();
    if let Some(env) = env {
        options.set_env(env);
    }
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_paranoid_checks(true);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_background_jobs(2);
    options.set_write_buffer_manager(&resources.write_buffers);
    options.set_max_total_wal_size(LOG_BYTES_MAX);
    // A torn record at the end is a write that was never reported done; damage before it is damage.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    // A log that was closed and is missing or short is told when the store is opened.
    options.set_track_and_verify_wals_in_manifest(true);
    // Background writes go to disk in steps, so that they do not delay the sync of a block.
    options.set_bytes_per_sync(1 << 20);
    // One block is written at a time: without the locks for many writers each insertion is cheaper.
    options.set_allow_concurrent_memtable_write(false);
    options.set_keep_log_file_num(4);
    options.set_max_log_file_size(4 << 20);
    options.enable_statistics();
    options.set_statistics_level(StatsLevel::ExceptHistogramOrTimers);
    options
}

/// Whether reads ask for single keys, many of which are absent.
fn is_read_by_key(column: Column) -> bool {
    matches!(column, Column::Meta | Column::Lookup | Column::State)
}

/// Options of one column.
fn column_options(column: Column, resources: &SharedResources) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&resources.cache);
    table.set_format_version(6);
    table.set_bloom_filter(BLOOM_BITS, false);
    // Filters and indexes count against the cache's limit; those of new files stay in it.
    table.set_cache_index_and_filter_blocks(true);
    table.set_cache_index_and_filter_blocks_with_high_priority(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_optimize_filters_for_memory(true);
    if is_read_by_key(column) {
        table.set_block_size(ROW_BLOCK_BYTES);
        table.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
        table.set_data_block_hash_ratio(0.75);
    } else {
        table.set_block_size(DOCUMENT_BLOCK_BYTES);
    }
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_level_compaction_dynamic_level_bytes(true);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_bottommost_compression_type(DBCompressionType::Zstd);
    options.set_paranoid_checks(true);
    options
}

/// A column family that is not in the list was written by a later version: RocksDB would not open the store, but say
/// less.
fn refuse_unknown_columns(path: &Path, options: &Options) -> Result<(), StorageError> {
    if !path.join("CURRENT").exists() {
        return refuse_headless(path);
    }
    let families = DB::list_cf(options, path).map_err(|error| open_error(path, &error))?;
    let known = |name: &String| name == DEFAULT_FAMILY || Column::ALL.iter().any(|column| column.name() == name);
    let unknown: Vec<String> = families.into_iter().filter(|name| !known(name)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(StorageError::UnknownColumns { path: path.to_owned(), columns: unknown.join(", ") })
}

/// A folder with files of a store but without the one that leads to them: RocksDB would begin a new store there and
/// remove them.
fn refuse_headless(path: &Path) -> Result<(), StorageError> {
    let Ok(entries) = std::fs::read_dir(path) else { return Ok(()) };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let is_data = |name: &String| damaged_file(name).is_some() || name == SYNCED_FILE_NAME;
    match names.filter(is_data).min() {
        None => Ok(()),
        Some(name) => Err(StorageError::Corruption {
            path: path.to_owned(),
            place: "CURRENT".to_owned(),
            message: format!("the file is missing, but {name} is there"),
        }),
    }
}

fn open_error(path: &Path, error: &rocksdb::Error) -> StorageError {
    let message = error.as_ref().to_owned();
    let path = path.to_owned();
    // RocksDB has no kind of its own for it. The second text is that of a second opening in one process.
    let locked = message.contains("LOCK")
        && (message.contains("While lock file") || message.contains("lock hold by current process"));
    match error.kind() {
        _ if locked => StorageError::Locked { path },
        rocksdb::ErrorKind::Corruption => {
            let place = damaged_file(&message).unwrap_or_else(|| "its files".to_owned());
            StorageError::Corruption { path, place, message }
        }
        _ => StorageError::Open { path, message },
    }
}

/// The file that a message of RocksDB names.
fn damaged_file(message: &str) -> Option<String> {
    let is_file = |word: &&str| {
        let extension = Path::new(word).extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("sst" | "log" | "ldb")) || word.contains("MANIFEST") || word.ends_with("CURRENT")
    };
    let mut words = message.split(|letter: char| letter.is_whitespace() || matches!(letter, ':' | ',' | '"' | '\''));
    words.find(is_file).map(str::to_owned)
}

impl Shared {
    fn family(&self, column: Column) -> Result<&ColumnFamily, StorageError> {
        self.database.cf_handle(column.name()).ok_or_else(|| StorageError::Open {
            path: self.path.clone(),
            message: format!("column {} is missing", column.name()),
        })
    }

    fn read_error(&self, column: Column, error: &rocksdb::Error) -> StorageError {
        let message = error.as_ref().to_owned();
        let path = self.path.clone();
        if error.kind() == rocksdb::ErrorKind::Corruption {
            let place = damaged_file(&message).unwrap_or_else(|| format!("column {}", column.name()));
            return StorageError::Corruption { path, place, message };
        }
        StorageError::Read { path, column, message }
    }

    fn write_error(&self, error: &rocksdb::Error) -> StorageError {
        StorageError::Write { path: self.path.clone(), message: error.as_ref().to_owned() }
    }

    fn get(&self, column: Column, key: &[u8], options: &ReadOptions) -> Result<Option<Vec<u8>>, StorageError> {
        let found = self.database.get_pinned_cf_opt(self.family(column)?, key, options);
        let found = found.map_err(|error| self.read_error(column, &error))?;
        Ok(found.map(|value| value.to_vec()))
    }

    fn get_many(
        &self,
        column: Column,
        keys: &[&[u8]],
        options: &ReadOptions,
    ) -> Result<Vec<Option<Vec<u8>>>, StorageError> {
        let family = self.family(column)?;
        let found = self.database.batched_multi_get_cf_opt(family, keys.iter(), false, options);
        let value = |value: Result<Option<rocksdb::DBPinnableSlice<'_>>, rocksdb::Error>| {
            let value = value.map_err(|error| self.read_error(column, &error))?;
            Ok(value.map(|value| value.to_vec()))
        };
        found.into_iter().map(value).collect()
    }

    fn range(
        &self,
        column: Column,
        prefix: &[u8],
        from: &[u8],
        limit: usize,
        mut options: ReadOptions,
    ) -> Result<Cursor<'_>, StorageError> {
        let family = self.family(column)?;
        if let Some(end) = prefix_end(prefix) {
            options.set_iterate_upper_bound(end);
        }
        let mut iterator = self.database.raw_iterator_cf_opt(family, options);
        iterator.seek(prefix.max(from));
        Ok(Box::new(RocksCursor { shared: self, column, iterator, left: limit }))
    }
}

/// The first key that is above every key with this prefix, if there is one.
fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix.get(..=kept)?.to_vec();
    *end.last_mut()? += 1;
    Some(end)
}

struct RocksCursor<'a> {
    shared: &'a Shared,
    column: Column,
    iterator: DBRawIterator<'a>,
    left: usize,
}

impl Iterator for RocksCursor<'_> {
    type Item = Result<Entry, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        if let Some((key, value)) = self.iterator.item() {
            let entry = (key.to_vec(), value.to_vec());
            // The last one is not stepped over: a step past many removed keys costs.
            if self.left > 0 {
                self.iterator.next();
            }
            return Some(Ok(entry));
        }
        self.left = 0;
        self.iterator.status().err().map(|error| Err(self.shared.read_error(self.column, &error)))
    }
}

impl Reader for RocksDb {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.shared.get(column, key, &ReadOptions::default())
    }

    fn get_many(&self, column: Column, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StorageError> {
        self.shared.get_many(column, keys, &ReadOptions::default())
    }

    fn range(&self, column: Column, prefix: &[u8], from: &[u8], limit: usize) -> Result<Cursor<'_>, StorageError> {
        self.shared.range(column, prefix, from, limit, ReadOptions::default())
    }
}

impl RocksSnapshot {
    fn options(&self) -> ReadOptions {
        let mut options = ReadOptions::default();
        options.set_snapshot(self.borrow_dependent());
        options
    }
}

impl Reader for RocksSnapshot {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.borrow_owner().get(column, key, &self.options())
    }

    fn get_many(&self, column: Column, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StorageError> {
        self.borrow_owner().get_many(column, keys, &self.options())
    }

    fn range(&self, column: Column, prefix: &[u8], from: &[u8], limit: usize) -> Result<Cursor<'_>, StorageError> {
        self.borrow_owner().range(column, prefix, from, limit, self.options())
    }
}

impl Snapshot for RocksSnapshot {}

impl Engine for RocksDb {
    fn snapshot(&self) -> Arc<dyn Snapshot> {
        Arc::new(RocksSnapshot::new(Arc::clone(&self.shared), |shared| shared.database.snapshot()))
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StorageError> {
        let families: Vec<&ColumnFamily> =
            Column::ALL.iter().map(|column| self.shared.family(*column)).collect::<Result<_, _>>()?;
        // Each write adds at most about fifteen bytes of lengths and marks to its key and value.
        let mut writes = WriteBatch::with_capacity_bytes(batch.size() + batch.len() * 16);
        // Each goes into a sorted list, where its place is found faster from its neighbour's. Those of one key stay in
        // their order.
        let mut operations: Vec<_> = batch.iter().collect();
        operations.sort_by(|a, b| (a.column.index(), a.key).cmp(&(b.column.index(), b.key)));
        for operation in operations {
            let Some(family) = families.get(operation.column.index()) else { continue };
            match operation.value {
                Some(value) => writes.put_cf(family, operation.key, value),
                None => writes.delete_cf(family, operation.key),
            }
        }
        drop(batch);
        let mut options = WriteOptions::default();
        options.set_sync(durability == Durability::Synced);
        options.set_memtable_insert_hint_per_batch(true);
        // Each write of a batch takes one number. Others may write meanwhile: this is the least that was synced.
        let synced = self.shared.database.latest_sequence_number().saturating_add(writes.len() as u64);
        self.shared.database.write_opt(writes, &options).map_err(|error| self.shared.write_error(&error))?;
        if durability == Durability::Synced {
            self.shared.mark.set(synced)?;
        }
        self.shared.batches.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(())
    }

    fn flush(&self) -> Result<(), StorageError> {
        for column in Column::ALL {
            let family = self.shared.family(*column)?;
            self.shared.database.flush_cf(family).map_err(|error| self.shared.write_error(&error))?;
        }
        Ok(())
    }

    fn metrics(&self) -> Metrics {
        let ticker = |ticker| self.shared.options.get_ticker_count(ticker);
        let property = |name: &'static properties::PropName| {
            let of = |column: &Column| {
                let family = self.shared.family(*column).ok()?;
                self.shared.database.property_int_value_cf(family, name).ok().flatten()
            };
            Column::ALL.iter().filter_map(of).fold(0, u64::saturating_add)
        };
        Metrics {
            batches: self.shared.batches.load(std::sync::atomic::Ordering::Relaxed),
            log_syncs: ticker(Ticker::WalFileSynced),
            log_bytes: ticker(Ticker::WalFileBytes),
            compaction_bytes: ticker(Ticker::CompactWriteBytes),
            block_cache_hits: ticker(Ticker::BlockCacheHit),
            block_cache_misses: ticker(Ticker::BlockCacheMiss),
            live_bytes: property(properties::LIVE_SST_FILES_SIZE)
                .saturating_add(property(properties::CUR_SIZE_ALL_MEM_TABLES)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_the_next_key_without_it() {
        assert_eq!(prefix_end(b"a"), Some(b"b".to_vec()));
        assert_eq!(prefix_end(&[1, 255, 255]), Some(vec![2]));
        assert_eq!(prefix_end(&[255]), None);
        assert_eq!(prefix_end(&[]), None);
    }

    #[test]
    fn the_damaged_file_is_found_in_a_message() {
        let message = "Corruption: block checksum mismatch: stored = 1, computed = 2 in node/data/000012.sst offset 0";
        assert_eq!(damaged_file(message).unwrap(), "node/data/000012.sst");
        assert_eq!(damaged_file("Corruption: bad"), None);
    }
}
