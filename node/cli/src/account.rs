//! `entente account`: keystores of this user.

use std::{
    io::{IsTerminal as _, Read as _},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use entente_client::{
    keystore::{Account, ForeignKey, Keystore, KeystoreEntry},
    limits::KEYSTORE_BYTES_MAX,
};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    chain::new::SuiteName,
    output::{Failure, Output, read_bounded},
    password::{PasswordArguments, ask, from_file},
    table::Table,
};

/// What can be done with keystores.
#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Make a key and keep it encrypted in $HOME/.entente/keys.
    #[command(
        after_help = "Example:\n  entente account new alice\n  entente account new bob --suite guomi --password-file password.txt"
    )]
    New(NewArguments),
    /// List the keystores of this user.
    #[command(after_help = "Example:\n  entente account list")]
    List,
    /// Show one keystore; no password is needed.
    #[command(after_help = "Example:\n  entente account show alice")]
    Show {
        /// Its name.
        name: String,
    },
    /// Keep a secret key that you have: 64 hexadecimal digits, a keystore of Ethereum's, or a PEM file.
    ///
    /// A keystore is the JSON of version 3 that geth, wallets and this program write, with scrypt or PBKDF2. A PEM file
    /// is PKCS#8 or SEC 1 on secp256k1 or SM2, as FISCO BCOS's get_account.sh and openssl write it; it says itself of
    /// which suite its key is. PKCS#12 (.p12) is not read.
    #[command(
        after_help = "Example:\n  entente account import carol < secret.txt\n  entente account import carol --file carol.pem\n  entente account import carol --file UTC--2026-01-31T08-00-00Z--carol --file-password-file old.txt"
    )]
    Import(ImportArguments),
}

/// A new key.
#[derive(Debug, Args)]
pub(crate) struct NewArguments {
    /// A name for it: 1 to 64 of a-z, 0-9, _ and -.
    name: String,
    /// The algorithms: those of the groups that the key is for.
    #[arg(long, value_enum, default_value_t = SuiteName::Standard)]
    suite: SuiteName,
    #[command(flatten)]
    password: PasswordArguments,
}

/// A key from elsewhere.
#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// A name for it: 1 to 64 of a-z, 0-9, _ and -.
    name: String,
    /// The algorithms. A keystore and a PEM file say them; 64 digits are standard unless this says otherwise.
    #[arg(long, value_enum)]
    suite: Option<SuiteName>,
    #[command(flatten)]
    password: PasswordArguments,
    /// The file with the secret; else it is read from standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// A file whose first line is the password of the keystore that is imported; else the terminal is asked, else it
    /// is the same as the new one's.
    #[arg(long, value_name = "FILE")]
    file_password_file: Option<PathBuf>,
}

#[derive(Serialize)]
struct AccountLine<'a> {
    name: &'a str,
    address: String,
    public_key: String,
    suite: String,
    file: PathBuf,
}

#[derive(Serialize)]
struct AccountList {
    folder: PathBuf,
    accounts: Vec<KeystoreEntry>,
}

impl AccountCommand {
    /// Does it.
    pub(crate) fn run(self, output: Output) -> Result<(), Failure> {
        let keystore = Keystore::of_user()?;
        match self {
            Self::New(arguments) => {
                refuse_taken(&keystore, &arguments.name)?;
                let password = arguments.password.new_one(&arguments.name)?;
                let account = keystore.create(&arguments.name, arguments.suite.into(), &password)?;
                show_made(&keystore, &arguments.name, &account, output)
            }
            Self::Import(arguments) => import(&keystore, &arguments, output),
            Self::List => list(&keystore, output),
            Self::Show { name } => {
                let entry = keystore.show(&name)?;
                if let Some(fault) = &entry.fault {
                    let file = keystore.folder().join(format!("{name}.json"));
                    return Err(Failure::new(format!("{}: {fault}", file.display())));
                }
                output.show(&entry, || lines(&entry, &keystore))
            }
        }
    }
}

/// Before a password is asked for.
fn refuse_taken(keystore: &Keystore, name: &str) -> Result<(), Failure> {
    match keystore.show(name) {
        Ok(_) => {
            let folder = keystore.folder().display();
            Err(Failure::new(format!("there is a keystore {name} in {folder}; choose another name")))
        }
        Err(_) => Ok(()),
    }
}

fn import(keystore: &Keystore, arguments: &ImportArguments, output: Output) -> Result<(), Failure> {
    let ImportArguments { name, suite, password, file, file_password_file } = arguments;
    refuse_taken(keystore, name)?;
    let (bytes, place) = found(file.as_deref())?;
    let foreign = ForeignKey::read(&bytes).map_err(|error| Failure::from(error).at(&place))?;
    let asked = || -> Result<Option<Zeroizing<String>>, Failure> {
        match file_password_file {
            Some(path) => from_file(path).map(Some),
            None if !foreign.is_encrypted() => Ok(Some(Zeroizing::default())),
            None if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() => {
                ask(&format!("Password of {place}: ")).map(Some)
            }
            None => Ok(None),
        }
    };
    let old = asked()?;
    let new = password.new_one(name)?;
    let key = foreign.open(suite.map(Into::into), old.as_ref().unwrap_or(&new));
    let key = key.map_err(|error| Failure::from(error).at(&place))?;
    let account = keystore.import(name, key.suite(), &key.to_bytes(), &new)?;
    show_made(keystore, name, &account, output)
}

/// A secret in some form, and where it comes from.
fn found(file: Option<&Path>) -> Result<(Zeroizing<Vec<u8>>, String), Failure> {
    Ok(match file {
        Some(path) => (Zeroizing::new(read_bounded(path, KEYSTORE_BYTES_MAX)?), path.display().to_string()),
        None if std::io::stdin().is_terminal() => {
            let typed = ask("Secret key (64 hexadecimal digits): ")?;
            (Zeroizing::new(typed.as_bytes().to_vec()), "the terminal".to_owned())
        }
        None => {
            let place = "standard input";
            let mut bytes = Zeroizing::new(Vec::new());
            let mut input = std::io::stdin().lock().take(KEYSTORE_BYTES_MAX + 1);
            input.read_to_end(&mut bytes).map_err(|error| Failure::new(format!("{place}: {error}")))?;
            if bytes.len() as u64 > KEYSTORE_BYTES_MAX {
                return Err(Failure::new(format!("{place}: more than {KEYSTORE_BYTES_MAX} bytes, which is no key")));
            }
            (bytes, place.to_owned())
        }
    })
}

fn show_made(keystore: &Keystore, name: &str, account: &Account, output: Output) -> Result<(), Failure> {
    let line = AccountLine {
        name,
        address: account.address().to_string(),
        public_key: format!("{:?}", account.key().public_key()),
        suite: format!("{:?}", account.key().suite()).to_lowercase(),
        file: keystore.folder().join(format!("{name}.json")),
    };
    output.show(&line, || {
        let AccountLine { address, public_key, file, .. } = &line;
        format!("{name} is {address}\npublic key {public_key}\nkept in {}", for_people(file))
    })
}

fn list(keystore: &Keystore, output: Output) -> Result<(), Failure> {
    let list = AccountList { folder: keystore.folder().to_owned(), accounts: keystore.list()? };
    output.show(&list, || {
        if list.accounts.is_empty() {
            return format!("no keystores in {}; make one with: entente account new NAME", list.folder.display());
        }
        let mut table = Table::new(["name", "address", "suite"]);
        for entry in &list.accounts {
            let address = match (&entry.address, &entry.fault) {
                (Some(address), None) => address.to_string(),
                (_, fault) => fault.clone().unwrap_or_else(|| "-".to_owned()),
            };
            table.row([entry.name.clone(), address, format!("{:?}", entry.suite).to_lowercase()]);
        }
        table.text()
    })
}

fn lines(entry: &KeystoreEntry, keystore: &Keystore) -> String {
    let shown = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let file = keystore.folder().join(format!("{}.json", entry.name));
    format!(
        "{} is {}\npublic key {}\nkept in {}",
        entry.name,
        shown(entry.address.as_ref().map(ToString::to_string)),
        shown(entry.public_key.as_ref().map(|key| format!("{key:?}"))),
        for_people(&file)
    )
}

/// A path as people write it: below their home, from ~ on.
fn for_people(path: &Path) -> String {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    match home.and_then(|home| path.strip_prefix(home).ok()) {
        Some(below) => Path::new("~").join(below).display().to_string(),
        None => path.display().to_string(),
    }
}
