//! `entente account`: keystores of this user.

use std::{
    io::{IsTerminal as _, Read as _},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use entente_client::keystore::{Account, Keystore, KeystoreEntry};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    chain::new::SuiteName,
    output::{Failure, Output, read_bounded},
    password::{PasswordArguments, ask},
    table::Table,
};

/// The bytes of a file that holds a secret key as text.
const SECRET_BYTES_MAX: u64 = 256;

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
    /// Keep a secret key that you have: 64 hexadecimal digits, from a file or from standard input.
    #[command(
        after_help = "Example:\n  entente account import carol < secret.txt\n  entente account import carol --file secret.txt"
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
    #[command(flatten)]
    new: NewArguments,
    /// The file with the secret; else it is read from standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
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
            Self::Import(ImportArguments { new, file }) => {
                refuse_taken(&keystore, &new.name)?;
                let secret = secret(file.as_deref())?;
                let password = new.password.new_one(&new.name)?;
                let account = keystore.import(&new.name, new.suite.into(), &secret, &password)?;
                show_made(&keystore, &new.name, &account, output)
            }
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

fn secret(file: Option<&Path>) -> Result<Zeroizing<[u8; 32]>, Failure> {
    let (text, place) = match file {
        Some(path) => (Zeroizing::new(read_bounded(path, SECRET_BYTES_MAX)?), path.display().to_string()),
        None if std::io::stdin().is_terminal() => {
            let typed = ask("Secret key (64 hexadecimal digits): ")?;
            (Zeroizing::new(typed.as_bytes().to_vec()), "the terminal".to_owned())
        }
        None => {
            let mut bytes = Zeroizing::new(Vec::new());
            let mut input = std::io::stdin().lock().take(SECRET_BYTES_MAX);
            input.read_to_end(&mut bytes).map_err(|error| Failure::new(format!("standard input: {error}")))?;
            (bytes, "standard input".to_owned())
        }
    };
    let digits = text.trim_ascii();
    let digits = digits.strip_prefix(b"0x").unwrap_or(digits);
    let mut secret = Zeroizing::new([0; 32]);
    // What was found is a secret, so it is not repeated.
    hex::decode_to_slice(digits, &mut *secret)
        .map_err(|_| Failure::new(format!("{place}: no secret key of 64 hexadecimal digits")))?;
    Ok(secret)
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
        format!("{name} is {address}\npublic key {public_key}\nkept in {}", file.display())
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
        file.display()
    )
}
