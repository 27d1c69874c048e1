//! Compiled contracts in files, so that a node that starts again need not compile them again.
//!
//! Each file is named by its key in hexadecimal digits. It is written under another name and then renamed, and not
//! synced: what a crash tears fails the check of its seal and is compiled anew. Errors are logged and never passed on.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{SendError, SyncSender, sync_channel},
    },
    thread::{Builder, JoinHandle},
    time::SystemTime,
};

use entente_executor::CodeStore;
use entente_types::Hash;

use crate::Place;

/// The bytes of one file. A larger one is not read, and not written.
pub const CODE_FILE_BYTES_MAX: u64 = 64 << 20;
/// The files that wait to be written. Beyond it whoever has one waits.
const FILES_WAITING_MAX: usize = 4;

/// A folder of compiled contracts with a bound on its bytes. Files unused the longest are removed first.
pub struct CodeFolder {
    files: Arc<Files>,
    writer: Mutex<Option<Writer>>,
}

struct Writer {
    waiting: SyncSender<(Hash, Vec<u8>)>,
    thread: JoinHandle<()>,
}

/// What the folder's thread writes to.
struct Files {
    folder: PathBuf,
    bytes_max: u64,
    index: Mutex<Index>,
    /// Tells the names of files apart that are being written.
    written: AtomicU64,
    /// The files that wait to be written, and the one being written.
    waiting: AtomicU64,
}

impl CodeFolder {
    /// Opens the folder, making it where it is not there, and removes what is beyond the bound.
    ///
    /// # Errors
    /// Where it cannot be made or listed, or a thread cannot be started.
    pub fn open(folder: &Path, bytes_max: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let files = Arc::new(Files {
            folder: folder.into(),
            bytes_max,
            index: Mutex::new(Index::list(folder)?),
            written: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
        });
        files.shrink();
        let (waiting, to_write) = sync_channel::<(Hash, Vec<u8>)>(FILES_WAITING_MAX);
        let target = Arc::clone(&files);
        let thread = Builder::new().name("code-write".into()).spawn(move || {
            for (key, bytes) in to_write {
                target.write(&key, &bytes);
                target.waiting.fetch_sub(1, Ordering::Relaxed);
            }
        })?;
        Ok(Self { files, writer: Mutex::new(Some(Writer { waiting, thread })) })
    }

    /// The files that wait to be written, and how many may.
    pub(crate) fn place(&self) -> Place {
        // One more is being written.
        let maximum = FILES_WAITING_MAX as u64 + 1;
        // Whoever waits to hand one over is counted already.
        let used = self.files.waiting.load(Ordering::Relaxed).min(maximum);
        Place { name: "code_write", used, maximum }
    }

    /// Waits until everything is written. What is put later is written at once.
    pub fn finish(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Writer { waiting, thread }) = writer {
            drop(waiting);
            let _ = thread.join();
        }
    }
}

impl Drop for CodeFolder {
    fn drop(&mut self) {
        self.finish();
    }
}

impl CodeStore for CodeFolder {
    fn get(&self, key: &Hash) -> Option<Vec<u8>> {
        self.files.read(key)
    }

    fn put(&self, key: &Hash, bytes: Vec<u8>) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = match writer.as_ref() {
            Some(writer) => {
                self.files.waiting.fetch_add(1, Ordering::Relaxed);
                match writer.waiting.send((*key, bytes)) {
                    Ok(()) => return,
                    Err(SendError((_, bytes))) => {
                        self.files.waiting.fetch_sub(1, Ordering::Relaxed);
                        bytes
                    }
                }
            }
            None => bytes,
        };
        drop(writer);
        self.files.write(key, &bytes);
    }
}

impl Files {
    fn path(&self, key: &Hash) -> PathBuf {
        self.folder.join(hex::encode(key))
    }

    fn index(&self) -> std::sync::MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, key: &Hash) -> Option<Vec<u8>> {
        let path = self.path(key);
        match read_file(&path) {
            Ok(bytes) => {
                self.index().touch(key);
                Some(bytes)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "code_not_read");
                None
            }
        }
    }

    fn write(&self, key: &Hash, bytes: &[u8]) {
        let length = bytes.len() as u64;
        let path = self.path(key);
        if length > CODE_FILE_BYTES_MAX.min(self.bytes_max) {
            tracing::warn!(path = %path.display(), length, "code_too_large_to_keep");
            return;
        }
        let part = path.with_extension(format!("{}.part", self.written.fetch_add(1, Ordering::Relaxed)));
        let written = fs::write(&part, bytes).and_then(|()| fs::rename(&part, &path));
        if let Err(error) = written {
            tracing::warn!(path = %path.display(), %error, "code_not_written");
            let _ = fs::remove_file(&part);
            return;
        }
        self.index().add(*key, length);
        self.shrink();
    }

    /// Removes the files unused the longest while there are too many bytes.
    fn shrink(&self) {
        loop {
            let Some(oldest) = self.index().pop_beyond(self.bytes_max) else { return };
            let path = self.path(&oldest);
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "code_not_removed");
            }
        }
    }
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    // Looked at before it is opened: opening what is no file can wait for ever.
    let length = match fs::symlink_metadata(path)? {
        found if found.is_file() => found.len(),
        _ => return Err(wrong("it is no file".into())),
    };
    if length > CODE_FILE_BYTES_MAX {
        return Err(wrong(format!("it has {length} bytes; at most {CODE_FILE_BYTES_MAX} are read")));
    }
    let file = File::open(path)?;
    // For the order in which files are removed, across restarts.
    let _ = file.set_modified(SystemTime::now());
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.take(CODE_FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Which files there are, and in which order they were used.
#[derive(Default)]
struct Index {
    files: HashMap<Hash, (u64, u64)>,
    by_use: BTreeMap<u64, Hash>,
    bytes: u64,
    clock: u64,
}

impl Index {
    /// What is in the folder. Files that were being written when a node ended are removed, others are left alone.
    fn list(folder: &Path) -> io::Result<Self> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if Path::new(&name).extension().is_some_and(|extension| extension == "part") {
                let _ = fs::remove_file(entry.path());
            }
            let mut key = Hash::ZERO;
            // A file that is gone meanwhile is none.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_file() && hex::decode_to_slice(&name, &mut key.0).is_ok() {
                found.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), key, metadata.len()));
            }
        }
        found.sort_unstable();
        let mut index = Self::default();
        found.into_iter().for_each(|(_, key, bytes)| index.add(key, bytes));
        Ok(index)
    }

    fn add(&mut self, key: Hash, bytes: u64) {
        self.remove(&key);
        self.clock += 1;
        self.files.insert(key, (bytes, self.clock));
        self.by_use.insert(self.clock, key);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn touch(&mut self, key: &Hash) {
        if let Some((bytes, _)) = self.files.get(key) {
            self.add(*key, *bytes);
        }
    }

    fn remove(&mut self, key: &Hash) {
        if let Some((bytes, used)) = self.files.remove(key) {
            self.by_use.remove(&used);
            self.bytes -= bytes;
        }
    }

    /// Takes out the file unused the longest if there are more bytes than that.
    fn pop_beyond(&mut self, bytes_max: u64) -> Option<Hash> {
        let oldest = *self.by_use.values().next().filter(|_| self.bytes > bytes_max)?;
        self.remove(&oldest);
        Some(oldest)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn key(number: u8) -> Hash {
        Hash([number; 32])
    }

    fn names(folder: &Path) -> BTreeSet<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn name(number: u8) -> String {
        hex::encode(key(number))
    }

    #[test]
    fn what_is_put_is_there_when_the_folder_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let code = CodeFolder::open(&folder.path().join("new/code"), 1 << 20).unwrap();
        for number in 0..20 {
            code.put(&key(number), vec![number; 100]);
        }
        code.put(&key(3), vec![33; 7]);
        code.finish();
        assert_eq!(code.get(&key(3)), Some(vec![33; 7]));
        code.put(&key(20), vec![20; 100]);
        let code = CodeFolder::open(&folder.path().join("new/code"), 1 << 20).unwrap();
        for number in (0..3).chain(4..21) {
            assert_eq!(code.get(&key(number)), Some(vec![number; 100]), "{number}");
        }
        assert_eq!(code.get(&key(21)), None);
    }

    #[test]
    fn the_folder_keeps_to_its_bytes_and_drops_what_is_unused_the_longest() {
        let folder = tempfile::tempdir().unwrap();
        let code = CodeFolder::open(folder.path(), 1000).unwrap();
        code.finish();
        for number in 0..5 {
            code.put(&key(number), vec![number; 200]);
        }
        assert!(code.get(&key(0)).is_some());
        code.put(&key(5), vec![5; 300]);
        assert_eq!(names(folder.path()), [0, 3, 4, 5].map(name).into());
        code.put(&key(6), vec![6; 1001]);
        assert_eq!(code.get(&key(6)), None, "larger than the bound");
        assert_eq!(names(folder.path()), [0, 3, 4, 5].map(name).into());
        drop(code);
        // The order outlives a restart, and a smaller bound takes hold at once.
        let later = SystemTime::now() + std::time::Duration::from_secs(5);
        File::open(folder.path().join(name(3))).unwrap().set_modified(later).unwrap();
        CodeFolder::open(folder.path(), 250).unwrap();
        assert_eq!(names(folder.path()), [name(3)].into());
    }

    #[test]
    fn what_is_no_file_of_ours_is_not_read_and_only_remains_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("readme"), "a word").unwrap();
        fs::write(at(&format!("{}.3.part", name(1))), "torn").unwrap();
        fs::create_dir(at(&name(2))).unwrap();
        std::os::unix::fs::symlink(at("readme"), at(&name(3))).unwrap();
        File::create(at(&name(4))).unwrap().set_len(CODE_FILE_BYTES_MAX + 1).unwrap();
        let code = CodeFolder::open(folder.path(), 1 << 30).unwrap();
        code.finish();
        for number in 1..5 {
            assert_eq!(code.get(&key(number)), None, "{number}");
        }
        code.put(&key(2), vec![2; 10]);
        assert_eq!(code.get(&key(2)), None, "a folder stands there");
        code.put(&key(4), vec![4; 10]);
        assert_eq!(code.get(&key(4)), Some(vec![4; 10]));
        assert_eq!(names(folder.path()), ["readme".into(), name(2), name(3), name(4)].into());
        fs::remove_dir_all(folder.path()).unwrap();
        code.put(&key(5), vec![5; 10]);
        assert_eq!(code.get(&key(5)), None);
    }
}
