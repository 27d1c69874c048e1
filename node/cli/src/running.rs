//! Whether a node's folder is in use, by whom, and where it listens.
//!
//! A node holds a lock on `node.pid` for as long as it runs, so that a number left behind by a crash misleads nobody.
//! `node.rpc` names its address once it listens.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read as _, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::output::Failure;

const PID_FILE: &str = "node.pid";
const RPC_FILE: &str = "node.rpc";
/// Whoever only looks holds the lock for an instant.
const LOCK_TRIES: u32 = 20;
const LOCK_WAIT: Duration = Duration::from_millis(10);

/// A node that runs on a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Running {
    /// Its process.
    pub(crate) pid: u32,
    /// Where it listens, once it does.
    pub(crate) rpc: Option<SocketAddr>,
}

/// Says that this process runs the folder's node, until it is dropped.
#[derive(Debug)]
pub(crate) struct RunningMark {
    folder: PathBuf,
    _locked: File,
}

fn fault(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::new(format!("{}: {error}; check the folder's owner and free space", path.display()))
}

impl RunningMark {
    /// Takes the folder for this process.
    pub(crate) fn take(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(PID_FILE);
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = open.map_err(|error| fault(&path, error))?;
        let mut tries = 0;
        while let Err(error) = file.try_lock() {
            tries += 1;
            match error {
                TryLockError::WouldBlock if tries < LOCK_TRIES => std::thread::sleep(LOCK_WAIT),
                TryLockError::WouldBlock => {
                    let folder = folder.display();
                    return Err(Failure::new(format!("{folder}: the node runs already; see {}", path.display())));
                }
                TryLockError::Error(error) => return Err(fault(&path, error)),
            }
        }
        forget_address(folder);
        let write = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        write.map_err(|error| fault(&path, error))?;
        Ok(Self { folder: folder.into(), _locked: file })
    }

    /// Says where the node listens.
    pub(crate) fn listens(&self, address: SocketAddr) -> Result<(), Failure> {
        let path = self.folder.join(RPC_FILE);
        // Renamed, so that nobody reads half of it.
        let partial = self.folder.join("node.rpc.partial");
        let write = fs::write(&partial, format!("{address}\n")).and_then(|()| fs::rename(&partial, &path));
        write.map_err(|error| fault(&path, error))
    }
}

impl Drop for RunningMark {
    fn drop(&mut self) {
        forget_address(&self.folder);
        let _ = fs::remove_file(self.folder.join(PID_FILE));
    }
}

fn forget_address(folder: &Path) {
    // One that is left is believed only while the lock is held.
    let _ = fs::remove_file(folder.join(RPC_FILE));
}

/// The node that runs on this folder, if one does.
pub(crate) fn running(folder: &Path) -> Result<Option<Running>, Failure> {
    let path = folder.join(PID_FILE);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(&path, error)),
    };
    match file.try_lock_shared() {
        Ok(()) => return Ok(None),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(fault(&path, error)),
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|error| fault(&path, error))?;
    // Locked and not written yet: as good as not running, for an instant.
    let Ok(pid) = text.trim().parse() else { return Ok(None) };
    let rpc = fs::read_to_string(folder.join(RPC_FILE)).ok().and_then(|text| text.trim().parse().ok());
    Ok(Some(Running { pid, rpc }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_seen_while_it_is_held_and_not_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(running(folder.path()).unwrap(), None);
        let mark = RunningMark::take(folder.path()).unwrap();
        let pid = std::process::id();
        assert_eq!(running(folder.path()).unwrap(), Some(Running { pid, rpc: None }));
        let address = "127.0.0.1:8545".parse().unwrap();
        mark.listens(address).unwrap();
        assert_eq!(running(folder.path()).unwrap(), Some(Running { pid, rpc: Some(address) }));
        assert!(RunningMark::take(folder.path()).unwrap_err().line().contains("runs already"));
        drop(mark);
        assert_eq!(running(folder.path()).unwrap(), None);
        fs::write(folder.path().join(PID_FILE), "1\n").unwrap();
        assert_eq!(running(folder.path()).unwrap(), None, "left behind by a crash");
    }
}
