//! Where a keystore's password comes from: a file, the environment, the terminal; else it is empty.

use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
};

use clap::Args;
use console::Term;
use zeroize::Zeroizing;

use crate::output::{Failure, read_bounded};

const PASSWORD_VARIABLE: &str = "ENTENTE_PASSWORD";
/// The bytes of a password file.
const PASSWORD_BYTES_MAX: u64 = 4096;

/// Where the password comes from.
#[derive(Debug, Clone, Args)]
pub(crate) struct PasswordArguments {
    /// A file whose first line is the keystore's password; else ENTENTE_PASSWORD, else the terminal is asked.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl PasswordArguments {
    /// The password of a keystore that is there.
    pub(crate) fn existing(&self, name: &str) -> Result<Zeroizing<String>, Failure> {
        self.password(&format!("Password of {name}: "), false)
    }

    /// The password of a new keystore; a person gives it twice.
    pub(crate) fn new_one(&self, name: &str) -> Result<Zeroizing<String>, Failure> {
        self.password(&format!("New password of {name}: "), true)
    }

    fn password(&self, prompt: &str, twice: bool) -> Result<Zeroizing<String>, Failure> {
        if let Some(path) = &self.password_file {
            return from_file(path);
        }
        if let Some(password) = std::env::var_os(PASSWORD_VARIABLE) {
            let text = password.into_string().map_err(|_| Failure::new("ENTENTE_PASSWORD is not UTF-8"))?;
            return Ok(Zeroizing::new(text));
        }
        if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
            let password = ask(prompt)?;
            if twice && *ask("The same again: ")? != *password {
                return Err(Failure::new("the two passwords differ; nothing was written, so try again"));
            }
            return Ok(password);
        }
        eprintln!("warning: the password is empty; give one with --password-file or ENTENTE_PASSWORD");
        Ok(Zeroizing::default())
    }
}

/// The first line of a file.
pub(crate) fn from_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let bytes = Zeroizing::new(read_bounded(path, PASSWORD_BYTES_MAX)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::new(format!("{}: not UTF-8", path.display())))?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

/// Asks at the terminal; what is typed is not shown.
pub(crate) fn ask(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    let terminal = Term::stderr();
    let fault = |error: std::io::Error| Failure::new(format!("the terminal: {error}"));
    terminal.write_str(prompt).map_err(fault)?;
    terminal.read_secure_line().map(Zeroizing::new).map_err(fault)
}
