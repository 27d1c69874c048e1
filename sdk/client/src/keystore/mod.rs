//! A folder of encrypted keys: one file `NAME.json` for each, in Ethereum's V3 form.
//!
//! The form is that of the Web3 Secret Storage Definition, version 3 (ethereum.org, developers/docs/data-structures-
//! and-encoding/web3-secret-storage), so that other tools can read the files. One key of ours stands beside
//! theirs: `entente`, with the suite and the public key, which lets a folder be listed without a password. A key of the
//! Guomi suite is kept in the same form under SM4 and SM3.

mod file;
mod foreign;
mod v3;

use std::{
    io,
    path::{Path, PathBuf},
};

use entente_crypto::{Address, PublicKey, SecretKey, SignatureError, Suite};
use zeroize::Zeroizing;

pub use foreign::{ForeignKey, ForeignKeyError};
pub use v3::V3Error;

use crate::limits::{KEY_NAME_BYTES_MAX, KEYSTORES_MAX, shown};

/// A text that cannot name a keystore.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a keystore's name has 1 to {KEY_NAME_BYTES_MAX} of a-z, 0-9, _ and -; found {0:?}")]
pub struct KeyNameError(pub String);

/// Why the keys folder has no usual place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("HOME is not set, so there is no usual folder for keystores; set it, or name the folder")]
pub struct NoHomeError;

/// Why no keystore was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The name is none.
    #[error(transparent)]
    Name(#[from] KeyNameError),
    /// There is one of that name.
    #[error("there is a keystore {name} in {}; choose another name", folder.display())]
    Exists {
        /// The name.
        name: String,
        /// The keys folder.
        folder: PathBuf,
    },
    /// The secret is no key of the suite.
    #[error("the secret cannot be used: {0}")]
    Secret(#[from] SignatureError),
    /// The system gave no randomness.
    #[error("the system gave no random bytes: {0}")]
    Randomness(String),
    /// The key could not be encrypted.
    #[error(transparent)]
    Encrypt(V3Error),
    /// The file could not be written.
    #[error("{} cannot be written: {source}; check the folder's owner and free space", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a keystore was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The name is none.
    #[error(transparent)]
    Name(#[from] KeyNameError),
    /// There is none of that name.
    #[error("there is no keystore {name} in {}; make one with: entente account new {name}", folder.display())]
    Missing {
        /// The name.
        name: String,
        /// The keys folder.
        folder: PathBuf,
    },
    /// The file could not be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no keystore that can be opened, or the password is another.
    #[error("{}: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: V3Error,
    },
}

/// Why a folder was not listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The folder could not be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// More files than a keys folder may hold.
    #[error("{} holds more than {KEYSTORES_MAX} files; is it a keys folder?", .0.display())]
    TooMany(PathBuf),
}

/// A key that can sign, and the address it signs for.
#[derive(Debug, Clone)]
pub struct Account {
    key: SecretKey,
    address: Address,
}

impl Account {
    /// The account of a key.
    pub fn new(key: SecretKey) -> Self {
        let address = key.public_key().address();
        Self { key, address }
    }

    /// A new account from the system's randomness, for tests and tools that keep it in memory.
    pub fn random(suite: Suite) -> Result<Self, CreateError> {
        Ok(Self::new(SecretKey::from_bytes(suite, &*random_secret()?)?))
    }

    /// The key.
    pub const fn key(&self) -> &SecretKey {
        &self.key
    }

    /// The address.
    pub const fn address(&self) -> Address {
        self.address
    }
}

/// What a keystore shows without its password.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct KeystoreEntry {
    /// The name.
    pub name: String,
    /// The account's address, as the file claims; it is checked on opening.
    pub address: Option<Address>,
    /// The public key, as the file claims.
    pub public_key: Option<PublicKey>,
    /// The suite, as the file claims; files of other tools are of the standard suite.
    pub suite: Suite,
    /// Why the file cannot be used, if it cannot.
    pub fault: Option<String>,
}

/// A folder of keystores.
#[derive(Debug, Clone)]
pub struct Keystore {
    folder: PathBuf,
}

impl Keystore {
    /// The keystores in this folder, which is made when the first is written.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The keystores in `$HOME/.entente/keys`.
    pub fn of_user() -> Result<Self, NoHomeError> {
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).ok_or(NoHomeError)?;
        Ok(Self::new(Path::new(&home).join(".entente").join("keys")))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes a new key from the system's randomness and stores it under a name that is still free.
    pub fn create(&self, name: &str, suite: Suite, password: &str) -> Result<Account, CreateError> {
        self.import(name, suite, &*random_secret()?, password)
    }

    /// Stores a secret under a name that is still free.
    pub fn import(&self, name: &str, suite: Suite, secret: &[u8; 32], password: &str) -> Result<Account, CreateError> {
        let path = self.path(name)?;
        let exists = || CreateError::Exists { name: name.to_owned(), folder: self.folder.clone() };
        if path.exists() {
            return Err(exists());
        }
        let key = SecretKey::from_bytes(suite, secret)?;
        let text = v3::encrypt(&key, password).map_err(CreateError::Encrypt)?;
        file::write_new(&path, text.as_bytes()).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => exists(),
            _ => CreateError::Write { path, source },
        })?;
        Ok(Account::new(key))
    }

    /// Opens a keystore.
    pub fn open(&self, name: &str, password: &str) -> Result<Account, OpenError> {
        let path = self.path(name)?;
        let text = match file::read(&path) {
            Ok(text) => text,
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                return Err(OpenError::Missing { name: name.to_owned(), folder: self.folder.clone() });
            }
            Err(source) => return Err(OpenError::Read { path, source }),
        };
        v3::decrypt(&text, password).map(Account::new).map_err(|source| OpenError::Content { path, source })
    }

    /// What stands in the folder, by name. A folder that is not there holds nothing; a file that is no keystore is
    /// listed with its fault.
    pub fn list(&self) -> Result<Vec<KeystoreEntry>, ListError> {
        let fault = |source| ListError::Read { path: self.folder.clone(), source };
        let files = match std::fs::read_dir(&self.folder) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(fault(error)),
        };
        let mut entries = Vec::new();
        for (count, file) in files.enumerate() {
            if count >= KEYSTORES_MAX {
                return Err(ListError::TooMany(self.folder.clone()));
            }
            let file_name = file.map_err(fault)?.file_name();
            let name = file_name.to_str().and_then(|name| name.strip_suffix(".json"));
            if let Some(name) = name.filter(|name| check_name(name).is_ok()) {
                entries.push(self.entry(name));
            }
        }
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(entries)
    }

    /// What one keystore shows without its password.
    pub fn show(&self, name: &str) -> Result<KeystoreEntry, OpenError> {
        let path = self.path(name)?;
        if !path.exists() {
            return Err(OpenError::Missing { name: name.to_owned(), folder: self.folder.clone() });
        }
        Ok(self.entry(name))
    }

    fn entry(&self, name: &str) -> KeystoreEntry {
        let path = self.folder.join(format!("{name}.json"));
        let claims = file::read(&path)
            .map_err(|error| error.to_string())
            .and_then(|text| v3::claims(&text).map_err(|error| error.to_string()));
        let name = name.to_owned();
        match claims {
            Ok((address, public_key, suite)) => KeystoreEntry { name, address, public_key, suite, fault: None },
            Err(fault) => {
                let fault = Some(fault);
                KeystoreEntry { name, address: None, public_key: None, suite: Suite::Standard, fault }
            }
        }
    }

    fn path(&self, name: &str) -> Result<PathBuf, KeyNameError> {
        check_name(name)?;
        Ok(self.folder.join(format!("{name}.json")))
    }
}

fn check_name(name: &str) -> Result<(), KeyNameError> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    if name.is_empty() || name.len() > KEY_NAME_BYTES_MAX || !name.bytes().all(allowed) {
        return Err(KeyNameError(shown(name, KEY_NAME_BYTES_MAX)));
    }
    Ok(())
}

fn random_secret() -> Result<Zeroizing<[u8; 32]>, CreateError> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *secret).map_err(|error| CreateError::Randomness(error.to_string()))?;
    Ok(secret)
}
