//! What people read about the keys: the page, and the comments in the files that `entente chain new` writes.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{
    NodeConfig,
    admission::Admission,
    config_keys::{ADMISSION, CONFIGURATION, GENESIS, Key, Section, Values},
};

const OPENING: &str = "# Configuration

This page is made from the table of keys in `node/driver/src/config_keys.rs`; `ENTENTE_BLESS=1 cargo test -p
entente-driver` writes it again.

A node's folder has three files that a person may edit. `config.toml` is this node's own affair, and is read when the node
starts. `admission.toml` says which other nodes are let in; it is read at the start and whenever the node is told to read
it again, by SIGHUP or by the method `entente_readAdmission`. `genesis.toml` is what all nodes of a group agreed on before its first block: whoever changes it makes another
group.

A file with an unknown key, a key twice, or a value that is not allowed is refused with the file, the line, the key,
what was found and what is allowed; the node does not start.

";

/// The page `docs/configuration.md`.
pub fn configuration_page() -> String {
    let mut page = String::from(OPENING);
    let defaults = toml::Table::try_from(NodeConfig::default()).unwrap_or_default();
    // Writing to a string does not fail.
    let _ = writeln!(page, "## config.toml\n\nEvery key may be left out; it then has its default.\n");
    for section in CONFIGURATION {
        let _ = writeln!(page, "### [{}]\n\n{}\n", section.name, section.meaning);
        let _ = writeln!(page, "| key | default | allowed | meaning |\n| --- | --- | --- | --- |");
        let values = defaults.get(section.name).and_then(toml::Value::as_table);
        for key in section.keys {
            let default = values.and_then(|values| values.get(key.name)).map(|value| shown(key, value));
            let default = default.unwrap_or_default();
            let _ = writeln!(page, "| `{}` | {default} | {} | {} |", key.name, allowed(key), key.meaning);
        }
        page.push('\n');
    }
    for section in ADMISSION {
        let _ = writeln!(page, "## admission.toml\n\n{} Every key may be left out.\n", section.meaning);
        let _ = writeln!(page, "| key | allowed | meaning |\n| --- | --- | --- |");
        for key in section.keys {
            let _ = writeln!(page, "| `{}` | {} | {} |", key.name, allowed(key), key.meaning);
        }
        page.push('\n');
    }
    let _ = writeln!(page, "## genesis.toml\n\nEvery key must be there, unless its meaning says otherwise.\n");
    for section in GENESIS {
        let name = match section.name {
            "" => "The document itself".to_owned(),
            "sealers" => "[[sealers]], one for each".to_owned(),
            name => format!("[{name}]"),
        };
        let _ = writeln!(page, "### {name}\n\n{}\n", section.meaning);
        let _ = writeln!(page, "| key | allowed | meaning |\n| --- | --- | --- |");
        for key in section.keys {
            let _ = writeln!(page, "| `{}` | {} | {} |", key.name, allowed(key), key.meaning);
        }
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn shown(key: &Key, value: &toml::Value) -> String {
    let bytes = value.as_integer().filter(|_| key.unit == "bytes");
    match bytes.and_then(|bytes| u64::try_from(bytes).ok()) {
        Some(bytes) => format!("{bytes} ({})", human(bytes)),
        None => format!("`{value}`"),
    }
}

/// Bytes in the largest unit that leaves no rest.
fn human(bytes: u64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let whole = units.iter().find(|(size, _)| bytes >= *size && bytes.is_multiple_of(*size));
    whole.map_or_else(|| format!("{bytes} bytes"), |(size, unit)| format!("{} {unit}", bytes / size))
}

fn allowed(key: &Key) -> String {
    match key.values {
        Values::Number { minimum, maximum } if key.unit == "bytes" => {
            format!("{} to {}", human(minimum), human(maximum))
        }
        values => {
            let unit = if key.unit.is_empty() { String::new() } else { format!(" {}", key.unit) };
            format!("{}{unit}", values.allowed()).replace('|', "\\|")
        }
    }
}

/// `config.toml` as a person reads it: every key with its meaning above it.
///
/// # Errors
/// A value that TOML cannot hold: none of this crate's.
pub fn commented_configuration(config: &NodeConfig) -> Result<String, toml::ser::Error> {
    let opening =
        "# One node's configuration. A key that is left out has its default; docs/configuration.md lists them.\n";
    commented(opening, CONFIGURATION, config)
}

/// Empty lists of who is let in, in the same manner.
///
/// # Errors
/// As [`commented_configuration`].
pub fn commented_admission() -> Result<String, toml::ser::Error> {
    commented_lists(&Admission::default())
}

pub(crate) fn commented_lists(lists: &Admission) -> Result<String, toml::ser::Error> {
    let meaning = ADMISSION.first().map(|section| section.meaning).unwrap_or_default();
    let opening = format!(
        "# {meaning}\n# The node reads this again on SIGHUP: whoever is not let in any more is let go at once.\n"
    );
    commented(&opening, ADMISSION, lists)
}

/// A genesis document in the same manner, below these lines of comment.
///
/// # Errors
/// As [`commented_configuration`].
pub fn commented_genesis(opening: &str, genesis: &entente_types::Genesis) -> Result<String, toml::ser::Error> {
    commented(opening, GENESIS, genesis)
}

fn commented(opening: &str, sections: &[Section], value: &impl Serialize) -> Result<String, toml::ser::Error> {
    let text = toml::to_string(value)?;
    let mut commented = opening.to_owned();
    let mut section = sections.iter().find(|section| section.name.is_empty());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = sections.iter().find(|section| section.name == name.trim_matches(['[', ']']));
            if let Some(section) = section {
                let _ = writeln!(commented, "# {}", section.meaning);
            }
        } else if let Some((name, _)) = line.split_once(" = ")
            && let Some(key) = section.and_then(|section| section.keys.iter().find(|key| key.name == name))
        {
            let _ = writeln!(commented, "# {} Allowed: {}.", key.meaning, allowed(key));
        }
        let _ = writeln!(commented, "{line}");
    }
    Ok(commented)
}

#[cfg(test)]
mod tests {
    use entente_types::Genesis;

    use super::*;

    /// The names in a table of TOML that are no tables themselves.
    fn names(table: &toml::Table, found: &mut Vec<String>, prefix: &str) {
        for (name, value) in table {
            match value {
                toml::Value::Table(inner) => names(inner, found, &format!("{name}.")),
                toml::Value::Array(list) if list.first().is_some_and(toml::Value::is_table) => {
                    names(list[0].as_table().unwrap(), found, &format!("{name}."));
                }
                _ => found.push(format!("{prefix}{name}")),
            }
        }
    }

    fn described(sections: &[Section]) -> Vec<String> {
        let path = |section: &Section, key: &Key| match section.name {
            "" => key.name.to_owned(),
            name => format!("{name}.{}", key.name),
        };
        sections.iter().flat_map(|section| section.keys.iter().map(move |key| path(section, key))).collect()
    }

    fn genesis() -> Genesis {
        Genesis { balances: true, ..entente_testing::genesis(&entente_testing::keys(1)) }
    }

    #[test]
    fn the_table_has_every_key_that_the_files_have_and_no_other() {
        for (sections, value) in [
            (CONFIGURATION, toml::Table::try_from(NodeConfig::default()).unwrap()),
            (GENESIS, toml::Table::try_from(genesis()).unwrap()),
            (ADMISSION, toml::Table::try_from(Admission::default()).unwrap()),
        ] {
            let mut found = Vec::new();
            names(&value, &mut found, "");
            let mut described = described(sections);
            found.sort();
            described.sort();
            assert_eq!(found, described);
        }
    }

    #[test]
    fn every_key_is_written_with_its_meaning_and_reads_back() {
        let config = NodeConfig::default();
        let text = commented_configuration(&config).unwrap();
        assert_eq!(toml::from_str::<NodeConfig>(&text).unwrap(), config);
        let genesis = genesis();
        let document = commented_genesis("# A group.\n", &genesis).unwrap();
        assert_eq!(toml::from_str::<Genesis>(&document).unwrap(), genesis);
        let lists = commented_admission().unwrap();
        assert_eq!(toml::from_str::<Admission>(&lists).unwrap(), Admission::default());
        for text in [text, document, lists] {
            let lines: Vec<&str> = text.lines().collect();
            for pair in lines.windows(2).filter(|pair| pair[1].contains(" = ") || pair[1].starts_with('[')) {
                assert!(pair[0].starts_with("# "), "no comment above {}", pair[1]);
            }
        }
    }

    #[test]
    fn bytes_are_told_in_the_largest_unit_that_fits() {
        assert_eq!([1, 1024, 3 << 20, 1 << 40].map(human), ["1 bytes", "1 KiB", "3 MiB", "1 TiB"]);
    }
}
