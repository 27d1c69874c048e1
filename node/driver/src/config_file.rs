//! Reading a node's folder: `config.toml`, `genesis.toml` and the keys. Each refusal names the file, the line, the key,
//! what was found and what is allowed.

use std::{
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

use entente_crypto::{SecretKey, SignatureError, Suite};
use entente_types::{Genesis, GenesisError};
use serde::de::DeserializeOwned;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    NodeConfig,
    config_keys::{CONFIGURATION, GENESIS, Section, Values, find},
};

/// The bytes of one file of the node's folder.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// The characters of a found value that a message repeats.
const FOUND_CHARACTERS_MAX: usize = 60;

/// Why a file of the node's folder is refused. The node does not start.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It could not be read.
    #[error("{}: {error}; check the folder given with --dir", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// It is no TOML, or a key is unknown or missing, or a rule is broken that is about several keys.
    #[error("{}, line {line}: {message}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What was found and what is allowed.
        message: String,
    },
    /// A value that is not allowed.
    #[error("{}, line {line}: `{key}` is {found}; allowed is {allowed}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key, with its section.
        key: String,
        /// What was found.
        found: String,
        /// What is allowed.
        allowed: String,
    },
    /// A file that should hold a key holds none.
    #[error("{}: no secret key of 64 hexadecimal digits", path.display())]
    KeyText {
        /// The file.
        path: PathBuf,
    },
    /// The digits are no key.
    #[error("{}: {error}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: SignatureError,
    },
}

impl NodeConfig {
    /// Reads `config.toml` of a node's folder.
    ///
    /// # Errors
    /// The file, the line, the key, what was found and what is allowed.
    pub fn read(folder: &Path) -> Result<Self, ConfigError> {
        let file = File::read(folder.join("config.toml"))?;
        let (config, table) = file.parse::<Self>(CONFIGURATION)?;
        file.check(table.get_ref(), CONFIGURATION)?;
        if config.rpc.work_bytes_max < u64::from(config.rpc.request_bytes_max) {
            let (found, request) = (config.rpc.work_bytes_max, config.rpc.request_bytes_max);
            let (key, allowed) = ("rpc.work_bytes_max", format!("`rpc.request_bytes_max`, {request}, and above"));
            // The one of the two that is in the file; its default fits the other's.
            let line = [key, "rpc.request_bytes_max"].iter().find_map(|key| file.line_of(table.get_ref(), key));
            return Err(file.value(line.unwrap_or(1), key, found.to_string(), allowed));
        }
        let origin = config.rpc.wrong_origin().map(|found| ("rpc.cors_origins", found));
        if let Some((key, found)) = origin.or_else(|| config.network.wrong()) {
            let allowed = find(CONFIGURATION, key).map(|key| key.values.allowed()).unwrap_or_default();
            let line = file.line_of(table.get_ref(), key).unwrap_or(1);
            return Err(file.value(line, key, found, allowed));
        }
        Ok(config)
    }

    /// The refusal of a value that only its reader can judge, such as a filter of logs: with the line that it stands in.
    pub fn refuse(folder: &Path, key: &str) -> ConfigError {
        let file = match File::read(folder.join("config.toml")) {
            Ok(file) => file,
            Err(error) => return error,
        };
        let allowed = find(CONFIGURATION, key).map(|key| key.values.allowed()).unwrap_or_default();
        match DeTable::parse(&file.text) {
            Ok(table) => match entry(table.get_ref(), key) {
                Some(value) => file.value(file.line(value.span().start), key, file.found(value.span()), allowed),
                None => file.value(1, key, "absent".to_owned(), allowed),
            },
            Err(error) => file.toml(error.span(), error.message()),
        }
    }
}

/// Reads `genesis.toml` of a node's folder.
///
/// # Errors
/// As [`NodeConfig::read`], or a rule of genesis that is broken.
pub fn read_genesis(folder: &Path) -> Result<Genesis, ConfigError> {
    read_genesis_file(&folder.join("genesis.toml"))
}

/// The same from a file anywhere.
pub fn read_genesis_file(path: &Path) -> Result<Genesis, ConfigError> {
    let file = File::read(path.to_owned())?;
    let (genesis, table) = file.parse::<Genesis>(GENESIS)?;
    file.check(table.get_ref(), GENESIS)?;
    genesis.validate().map_err(|error| {
        let line = broken_rule(table.get_ref(), &genesis, &error).map_or(1, |place| file.line(place));
        ConfigError::Toml { path: file.path.clone(), line, message: error.to_string() }
    })?;
    Ok(genesis)
}

/// Where the value at fault stands.
fn broken_rule(table: &DeTable<'_>, genesis: &Genesis, error: &GenesisError) -> Option<usize> {
    let sealer = |index: usize| Some(entry(table, "sealers")?.get_ref().get(index)?.span().start);
    let of = |key: &str| Some(entry(table, key)?.span().start);
    match error {
        GenesisError::Sealers(_) => of("sealers"),
        GenesisError::SealerTwice(address) => {
            sealer(genesis.sealers.iter().rposition(|member| member.key.address() == *address)?)
        }
        GenesisError::SealerSuite { suite, .. } => {
            sealer(genesis.sealers.iter().position(|member| member.key.suite() != *suite)?)
        }
        GenesisError::Weight(_) => sealer(genesis.sealers.iter().position(|member| member.weight == 0)?),
        GenesisError::Solo if genesis.pipeline_depth != 1 => of("pipeline_depth"),
        GenesisError::Solo => of("consensus"),
        GenesisError::PipelineDepth(_) => of("pipeline_depth"),
        GenesisError::Limit { key, .. } => of(&format!("limits.{key}")),
        GenesisError::AllocationsWithoutBalances => of("allocations"),
    }
}

/// A file of the folder, in memory.
pub(crate) struct File {
    path: PathBuf,
    text: String,
}

impl File {
    pub(crate) fn read(path: PathBuf) -> Result<Self, ConfigError> {
        let read = fs::metadata(&path).and_then(|found| match found.len() {
            bytes if bytes > FILE_BYTES_MAX => {
                Err(io::Error::other(format!("it has {bytes} bytes; allowed are {FILE_BYTES_MAX}")))
            }
            _ => fs::read_to_string(&path),
        });
        match read {
            Ok(text) => Ok(Self { path, text }),
            Err(error) => Err(ConfigError::Read { path, error }),
        }
    }

    /// The line, from 1, of a byte.
    fn line(&self, byte: usize) -> usize {
        self.text.as_bytes().iter().take(byte).filter(|byte| **byte == b'\n').count() + 1
    }

    pub(crate) fn line_of(&self, table: &DeTable<'_>, key: &str) -> Option<usize> {
        Some(self.line(entry(table, key)?.span().start))
    }

    /// What stands there, on one line and not too long.
    fn found(&self, span: Range<usize>) -> String {
        let text = self.text.get(span).unwrap_or_default();
        let mut line: String = text.chars().take(FOUND_CHARACTERS_MAX).flat_map(shown).collect();
        if text.chars().nth(FOUND_CHARACTERS_MAX).is_some() {
            line.push_str("...");
        }
        line
    }

    pub(crate) fn value(&self, line: usize, key: &str, found: String, allowed: String) -> ConfigError {
        ConfigError::Value { path: self.path.clone(), line, key: key.to_owned(), found, allowed }
    }

    fn toml(&self, span: Option<Range<usize>>, message: &str) -> ConfigError {
        // The library's message can have several lines, and repeat what stands in the file.
        let message: String = message.lines().collect::<Vec<_>>().join(" ").chars().flat_map(shown).collect();
        ConfigError::Toml { path: self.path.clone(), line: self.line(span.map_or(0, |span| span.start)), message }
    }

    /// The value, and where each of its parts stands.
    pub(crate) fn parse<T: DeserializeOwned>(
        &self,
        sections: &'static [Section],
    ) -> Result<(T, Spanned<DeTable<'_>>), ConfigError> {
        let table = DeTable::parse(&self.text).map_err(|error| {
            let known = error.span().and_then(|span| self.no_value(sections, span.start));
            known.unwrap_or_else(|| self.toml(error.span(), error.message()))
        })?;
        match toml::from_str(&self.text) {
            Ok(value) => Ok((value, table)),
            Err(error) => Err(match error.span().and_then(|span| self.wrong(table.get_ref(), sections, &span)) {
                Some(known) => known,
                None => self.toml(error.span(), error.message()),
            }),
        }
    }

    /// The refusal in this table's words, where what stands behind a key that the table has is no TOML, such as a word
    /// without quotes: the library's words for that puzzle people.
    fn no_value(&self, sections: &'static [Section], fault: usize) -> Option<ConfigError> {
        let before = self.text.get(..fault)?;
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let line = self.text.get(start..)?.lines().next()?;
        let (name, found) = line.split_once('=').filter(|(name, _)| start + name.len() < fault)?;
        let header = before.lines().rev().find_map(|line| line.trim().strip_prefix('['));
        let path = match header {
            Some(header) => format!("{}.{}", header.trim_matches(['[', ']', ' ']), name.trim()),
            None => name.trim().to_owned(),
        };
        let key = find(sections, &path)?;
        let found: String = found.trim().chars().take(FOUND_CHARACTERS_MAX).flat_map(shown).collect();
        Some(self.value(self.line(fault), &path, found, key.values.allowed()))
    }

    /// The refusal in this table's words, where the place at fault is the value of a key that the table has.
    fn wrong(&self, table: &DeTable<'_>, sections: &'static [Section], span: &Range<usize>) -> Option<ConfigError> {
        for section in sections {
            for (path, value) in values(table, section) {
                let inside = value.span().start <= span.start && span.end <= value.span().end;
                let Some(key) = find(sections, &path).filter(|_| inside) else { continue };
                let line = self.line(value.span().start);
                return Some(self.value(line, &path, self.found(value.span()), key.values.allowed()));
            }
            let value = entry(table, section.name).filter(|value| value.span() == *span);
            if let Some(value) = value.filter(|value| !value.get_ref().is_table() && !value.get_ref().is_array()) {
                let allowed = format!("a section, [{}]", section.name);
                let line = self.line(value.span().start);
                return Some(self.value(line, section.name, self.found(value.span()), allowed));
            }
        }
        None
    }

    /// Holds what is in the file against the bounds of the table.
    fn check(&self, table: &DeTable<'_>, sections: &'static [Section]) -> Result<(), ConfigError> {
        for (path, value) in sections.iter().flat_map(|section| values(table, section)) {
            let Some(key) = find(sections, &path) else { continue };
            let allowed = match (key.values, value.get_ref()) {
                (Values::Number { minimum, maximum }, DeValue::Integer(found)) => {
                    let found = i128::from_str_radix(&found.as_str().replace('_', ""), found.radix());
                    found.is_ok_and(|found| (i128::from(minimum)..=i128::from(maximum)).contains(&found))
                }
                (Values::Text { characters_max }, DeValue::String(found)) => {
                    let count = found.chars().take(characters_max + 1).count();
                    (1..=characters_max).contains(&count) && !found.chars().any(char::is_control)
                }
                // What the deserializer has judged already.
                _ => true,
            };
            if !allowed {
                let (line, found) = (self.line(value.span().start), self.found(value.span()));
                return Err(self.value(line, &path, found, key.values.allowed()));
            }
        }
        Ok(())
    }
}

/// A character that is safe in one line.
fn shown(character: char) -> impl Iterator<Item = char> {
    let (plain, escaped) = if character.is_control() { (None, Some(character)) } else { (Some(character), None) };
    plain.into_iter().chain(escaped.into_iter().flat_map(char::escape_default))
}

/// The value with this dotted path.
fn entry<'t, 'a>(table: &'t DeTable<'a>, path: &str) -> Option<&'t Spanned<DeValue<'a>>> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let (_, value) = table.iter().find(|(key, _)| key.get_ref() == first)?;
    match rest {
        Some(rest) => entry(value.get_ref().as_table()?, rest),
        None => Some(value),
    }
}

/// The values of a section's keys that the file has, with their paths; of each entry, where it is a list of sections.
fn values<'t, 'a>(table: &'t DeTable<'a>, section: &Section) -> Vec<(String, &'t Spanned<DeValue<'a>>)> {
    let tables: Vec<&DeTable<'a>> = match section.name {
        "" => vec![table],
        name => match entry(table, name).map(Spanned::get_ref) {
            Some(DeValue::Table(inner)) => vec![inner],
            Some(DeValue::Array(list)) => list.iter().filter_map(|inner| inner.get_ref().as_table()).collect(),
            _ => Vec::new(),
        },
    };
    let path = |name: &str| if section.name.is_empty() { name.to_owned() } else { format!("{}.{name}", section.name) };
    let of = |inner: &'t DeTable<'a>| {
        section.keys.iter().filter_map(move |key| Some((key.name, entry(inner, key.name)?))).collect::<Vec<_>>()
    };
    tables.into_iter().flat_map(of).map(|(name, value)| (path(name), value)).collect()
}

/// Reads a secret key from a file of the node's `keys` folder: 64 hexadecimal digits.
pub fn read_secret_key(path: &Path, suite: Suite) -> Result<SecretKey, ConfigError> {
    let text = fs::read_to_string(path).map_err(|error| ConfigError::Read { path: path.into(), error })?;
    let mut bytes = [0; 32];
    hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| ConfigError::KeyText { path: path.into() })?;
    SecretKey::from_bytes(suite, &bytes).map_err(|error| ConfigError::Key { path: path.into(), error })
}

/// Writes a secret key where only the node's user can read it. The file must not be there yet.
pub fn write_secret_key(path: &Path, key: &SecretKey) -> io::Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", hex::encode(key.to_bytes()))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_private_and_written_once() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("consensus.key");
        let key = SecretKey::from_bytes(Suite::Standard, &[9; 32]).unwrap();
        write_secret_key(&path, &key).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(write_secret_key(&path, &key).is_err());
        assert_eq!(read_secret_key(&path, Suite::Standard).unwrap().to_bytes(), [9; 32]);
        fs::write(&path, "zz").unwrap();
        assert!(matches!(read_secret_key(&path, Suite::Standard), Err(ConfigError::KeyText { .. })));
    }
}
