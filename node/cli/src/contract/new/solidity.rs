//! The project of a Solidity contract.

use std::path::{Path, PathBuf};

use super::{Made, quoted};

/// The project's files.
const TEMPLATE: [(&str, &str); 5] = [
    ("contracts/{{contract}}.sol", include_str!("template/solidity/contract.sol.txt")),
    ("test/{{contract}}.t.sol", include_str!("template/solidity/test.sol.txt")),
    ("package.json", include_str!("template/solidity/package.json.txt")),
    ("README.md", include_str!("template/solidity/README.md.txt")),
    (".gitignore", include_str!("template/solidity/gitignore.txt")),
];

/// The project, and what comes next.
pub(super) fn project(name: &str, folder: &Path) -> Made {
    let contract = contract_name(name);
    let commands = vec![
        format!("entente contract build {}", quoted(folder)),
        format!("entente contract test {}", quoted(folder)),
        "entente chain new --out chain".to_owned(),
        "entente chain up chain".to_owned(),
        "entente account new alice".to_owned(),
        format!("entente contract deploy target/contracts/{contract}.json 32 --account alice"),
    ];
    let listed: String = commands.iter().map(|command| format!("    {command}\n")).collect();
    let filled =
        |text: &str| text.replace("{{name}}", name).replace("{{contract}}", &contract).replace("{{commands}}", &listed);
    let files: Vec<(PathBuf, String)> =
        TEMPLATE.iter().map(|(file, text)| (folder.join(filled(file)), filled(text))).collect();
    Made { files, sdk: None, commands }
}

/// How Solidity names what is called so: `my-bakery` is `MyBakery`.
fn contract_name(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
    };
    name.split(['-', '_']).map(capital).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contracts_are_named_as_solidity_names_them() {
        for (name, expected) in [("bakery", "Bakery"), ("my-bakery", "MyBakery"), ("a_b--c2", "ABC2"), ("x-", "X")] {
            assert_eq!(contract_name(name), expected);
        }
    }

    #[test]
    fn nothing_is_left_to_fill_in() {
        let Made { files, commands, .. } = project("my-bakery", Path::new("my bakery"));
        assert_eq!(commands[1], "entente contract test 'my bakery'");
        for (path, text) in &files {
            assert!(!text.contains("{{contract}}") && !text.contains("{{name}}") && !text.contains("{{commands}}"));
            assert!(!path.display().to_string().contains('{'), "{}", path.display());
        }
        let test = files.iter().find(|(path, _)| path.ends_with("test/MyBakery.t.sol")).expect("a test");
        assert!(test.1.contains("import {MyBakery} from \"../contracts/MyBakery.sol\";"), "{}", test.1);
    }
}
