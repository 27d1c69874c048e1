//! Small files that only their owner may read, written whole or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use crate::limits::KEYSTORE_BYTES_MAX;

/// Reads a file that must be no longer than a keystore may be.
pub(super) fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(KEYSTORE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > KEYSTORE_BYTES_MAX {
        let message = format!("it has more than {KEYSTORE_BYTES_MAX} bytes, which is no keystore");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(text)
}

/// Writes a file that must not be there yet. It appears under its name only when all its bytes are on the disk: a
/// crash leaves nothing or a hidden file, and no other file is ever overwritten.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make_folder(folder)?;
    let unfinished = Unfinished::new(folder, path)?;
    let mut file = private_file(&unfinished.0)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    // A second name, unlike renaming, fails where the name is taken.
    fs::hard_link(&unfinished.0, path)?;
    drop(unfinished);
    File::open(folder)?.sync_all()
}

/// A file that is removed again, whatever happens.
struct Unfinished(PathBuf);

impl Unfinished {
    fn new(folder: &Path, path: &Path) -> io::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self(folder.join(format!(".{name}.{}", hex::encode(random)))))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // What remains hidden and encrypted in the keys folder does no harm.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(unix)]
fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(unix)]
fn private_file(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}
