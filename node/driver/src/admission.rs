//! `admission.toml`: who is let in of those whose certificates hold.

use std::{collections::BTreeSet, fs, io, path::Path};

use entente_network::{AccessLists, LIST_ENTRIES_MAX};
use serde::{Deserialize, Serialize};
use toml_edit::{Array, DocumentMut, value};

use crate::{
    ConfigError,
    config_file::File,
    config_keys::{ADMISSION, find},
    config_page::commented_lists,
};

/// The file's name in a node's folder.
pub const ADMISSION_FILE: &str = "admission.toml";
/// The hexadecimal digits of a node's name: those of a consensus key, which has 64 bytes.
const NODE_DIGITS: usize = 128;
/// Those of a serial number at most: RFC 5280, section 4.1.2.2, allows 20 bytes.
const SERIAL_DIGITS_MAX: usize = 40;

/// What is in the file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Admission {
    allow_nodes: BTreeSet<String>,
    allow_certificates: BTreeSet<String>,
    deny_nodes: BTreeSet<String>,
    deny_certificates: BTreeSet<String>,
}

impl Admission {
    /// The first key whose value is wrong, and that value.
    fn wrong(&self) -> Option<(&'static str, String)> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let node = |name: &str| name.len() == NODE_DIGITS && digits(name);
        let serial = |name: &str| (1..=SERIAL_DIGITS_MAX).contains(&name.len()) && digits(name);
        let lists = [
            ("allow_nodes", &self.allow_nodes, true),
            ("allow_certificates", &self.allow_certificates, false),
            ("deny_nodes", &self.deny_nodes, true),
            ("deny_certificates", &self.deny_certificates, false),
        ];
        lists.into_iter().find_map(|(key, list, of_nodes)| {
            if list.len() > LIST_ENTRIES_MAX {
                return Some((key, format!("a list of {}", list.len())));
            }
            let fits = |name: &String| if of_nodes { node(name) } else { serial(name) };
            list.iter().find(|name| !fits(name)).map(|name| (key, format!("{name:?}")))
        })
    }
}

/// Reads the lists of a node's folder. Where the file is missing, nobody is kept out.
///
/// # Errors
/// The file, the line, the key, what was found and what is allowed.
pub fn read_access_lists(folder: &Path) -> Result<AccessLists, ConfigError> {
    let path = folder.join(ADMISSION_FILE);
    if !path.exists() {
        return Ok(AccessLists::default());
    }
    let file = File::read(path)?;
    let (lists, table) = file.parse::<Admission>(ADMISSION)?;
    if let Some((key, found)) = lists.wrong() {
        let allowed = find(ADMISSION, key).map(|key| key.values.allowed()).unwrap_or_default();
        return Err(file.value(file.line_of(table.get_ref(), key).unwrap_or(1), key, found, allowed));
    }
    Ok(AccessLists {
        allow_nodes: lists.allow_nodes,
        allow_serials: lists.allow_certificates,
        deny_nodes: lists.deny_nodes,
        deny_serials: lists.deny_certificates,
    })
}

/// Writes the lists of a node's folder, in one piece, and leaves what else is in the file as it is. A running node reads
/// them when it is told to.
///
/// # Errors
/// The file cannot be read as what it should be, or not be written.
pub fn write_access_lists(folder: &Path, lists: &AccessLists) -> io::Result<()> {
    let path = folder.join(ADMISSION_FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => changed(&text, lists)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let AccessLists { allow_nodes, allow_serials, deny_nodes, deny_serials } = lists.clone();
            let lists = Admission {
                allow_nodes,
                allow_certificates: allow_serials,
                deny_nodes,
                deny_certificates: deny_serials,
            };
            commented_lists(&lists).map_err(io::Error::other)?
        }
        Err(error) => return Err(error),
    };
    let partial = folder.join("admission.partial");
    fs::write(&partial, text)?;
    fs::rename(&partial, path)
}

/// The file's text with these lists in it. Comments and the order of what stays are the operator's.
fn changed(text: &str, lists: &AccessLists) -> io::Result<String> {
    let mut document: DocumentMut = text.parse().map_err(io::Error::other)?;
    for (key, list) in [
        ("allow_nodes", &lists.allow_nodes),
        ("allow_certificates", &lists.allow_serials),
        ("deny_nodes", &lists.deny_nodes),
        ("deny_certificates", &lists.deny_serials),
    ] {
        let entry = document.entry(key).or_insert_with(|| value(Array::new()));
        let array = entry.as_array_mut().ok_or_else(|| io::Error::other(format!("`{key}` is no list")))?;
        array.retain(|name| name.as_str().is_some_and(|name| list.contains(name)));
        let there: BTreeSet<String> = array.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
        array.extend(list.difference(&there));
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<AccessLists, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(ADMISSION_FILE), text).unwrap();
        let place = format!("{}, ", folder.path().join(ADMISSION_FILE).display());
        read_access_lists(folder.path()).map_err(|error| error.to_string().replace(&place, ""))
    }

    #[test]
    fn lists_are_read_and_what_is_no_name_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_access_lists(folder.path()).unwrap(), AccessLists::default(), "no file");
        let node = "ab".repeat(64);
        let text = format!("deny_nodes = [\"{node}\"]\ndeny_certificates = [\"4F01\"]\n");
        let lists = read(&text).unwrap();
        assert_eq!(lists.deny_nodes, [node.clone()].into());
        assert_eq!(lists.deny_serials, ["4F01".to_owned()].into());
        assert!(lists.allow_nodes.is_empty() && lists.allow_serials.is_empty());
        write_access_lists(folder.path(), &lists).unwrap();
        assert_eq!(read_access_lists(folder.path()).unwrap(), lists);
        for (text, told) in [
            ("allow_nodes = [\"12\"]", "line 1: `allow_nodes` is \"12\"; allowed is a list of at most 10000 nodes"),
            ("\ndeny_certificates = [\"xyz\"]", "line 2: `deny_certificates` is \"xyz\"; allowed is a list"),
            ("deny_nodes = 3", "line 1: `deny_nodes` is 3; allowed is a list of at most 10000 nodes"),
            ("deny = []", "line 1: unknown field `deny`"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn what_an_operator_wrote_beside_the_lists_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(ADMISSION_FILE);
        let node = "ab".repeat(64);
        let text = format!(
            "# Mine.\ndeny_certificates = [\n  \"4f02\", # stolen\n  \"4f01\",\n]\ndeny_nodes = [\"{node}\"]\n"
        );
        fs::write(&path, text).unwrap();
        let mut lists = read_access_lists(folder.path()).unwrap();
        lists.deny_serials.insert("4f03".to_owned());
        lists.allow_serials.insert("4f04".to_owned());
        write_access_lists(folder.path(), &lists).unwrap();
        let written = fs::read_to_string(&path).unwrap();
        assert!(written.starts_with("# Mine.\ndeny_certificates = [\n  \"4f02\", # stolen\n  \"4f01\""), "{written}");
        assert_eq!(read_access_lists(folder.path()).unwrap(), lists, "{written}");
        lists.deny_nodes.clear();
        lists.deny_serials.remove("4f01");
        write_access_lists(folder.path(), &lists).unwrap();
        assert_eq!(read_access_lists(folder.path()).unwrap(), lists);
        // A file that is no such list is left as it is.
        fs::write(&path, "deny_nodes = 3").unwrap();
        assert!(write_access_lists(folder.path(), &lists).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "deny_nodes = 3");
    }
}
