//! Whose sources are compiled: those of a folder, one file with what it imports, or what a standard JSON input holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::{SolidityError, read_text, remapping::Remapping, source::Outline};

/// What a project says to the compiler beside its sources: a standard JSON input, of which the settings are used.
pub(super) const SETTINGS_FILE: &str = "solc.json";
/// Remappings of imports, as Foundry keeps them.
const REMAPPINGS_FILE: &str = "remappings.txt";
/// Where a project's sources lie; the first of these that is there.
const SOURCE_FOLDERS: [&str; 2] = ["contracts", "src"];
/// Where a project's tests lie.
const TEST_FOLDER: &str = "test";
/// What tests end with, wherever they lie.
const TEST_ENDING: &str = ".t.sol";
/// Where packages of npm lie, in the project's folder or one above it.
const PACKAGES_FOLDER: &str = "node_modules";

/// The sources that are compiled at once.
const SOURCES_MAX: usize = 4096;
/// The bytes of one source, or of a file of settings.
pub(super) const SOURCE_BYTES_MAX: u64 = 4 << 20;
/// How deep folders of sources are nested.
const FOLDERS_DEEP_MAX: usize = 32;

/// A source as it was read.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) text: String,
    pub(super) outline: Outline,
    /// The names of the sources that it imports.
    pub(super) imports: Vec<String>,
}

/// What is compiled.
#[derive(Debug)]
pub(super) struct Project {
    /// The folder that the sources' names begin in.
    pub(super) root: PathBuf,
    /// What it is called.
    pub(super) name: String,
    /// The names of its own sources, tests not among them.
    pub(super) own: BTreeSet<String>,
    /// The names of its tests.
    pub(super) tests: BTreeSet<String>,
    /// The author's settings of the compiler.
    pub(super) settings: Map<String, Value>,
    /// What imports stand for.
    pub(super) remappings: Vec<Remapping>,
    /// Sources that are in no file.
    given: BTreeMap<String, String>,
}

/// Whether a path is Solidity's: one of its files, a folder of them, or a standard JSON input.
pub(crate) fn is_solidity(path: &Path) -> bool {
    let has_ending = |ending: &str| path.extension().is_some_and(|extension| extension == ending);
    if has_ending("sol") || (has_ending("json") && path.is_file()) {
        return true;
    }
    !path.join("Cargo.toml").is_file() && source_folder(path).is_some()
}

impl Project {
    /// The project at a path.
    pub(super) fn open(path: &Path) -> Result<Self, SolidityError> {
        if path.is_dir() {
            return Self::of_folder(path);
        }
        if path.extension().is_some_and(|extension| extension == "json") {
            return Self::of_input(path);
        }
        let file = fs::canonicalize(path).map_err(|source| SolidityError::File { path: path.to_owned(), source })?;
        let folder = file.parent().unwrap_or(Path::new("/"));
        let is_root = |folder: &&Path| {
            let has = |name: &str| folder.join(name).exists();
            has(SETTINGS_FILE) || has("package.json") || has(PACKAGES_FOLDER) || has(REMAPPINGS_FILE)
        };
        let root = file.ancestors().skip(1).find(is_root).unwrap_or(folder).to_owned();
        let own = BTreeSet::from([source_name(&root, &file)?]);
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (settings, remappings) = settings(&root)?;
        Ok(Self { root, name, own, tests: BTreeSet::new(), settings, remappings, given: BTreeMap::new() })
    }

    fn of_folder(folder: &Path) -> Result<Self, SolidityError> {
        let root =
            fs::canonicalize(folder).map_err(|source| SolidityError::File { path: folder.to_owned(), source })?;
        let sources = source_folder(&root).ok_or_else(|| SolidityError::NotAProject(folder.to_owned()))?;
        let (mut own, mut tests) = (BTreeSet::new(), BTreeSet::new());
        let deep = if sources == root { 0 } else { FOLDERS_DEEP_MAX };
        for file in sources_below(&sources, deep)? {
            let name = source_name(&root, &file)?;
            if name.ends_with(TEST_ENDING) {
                tests.insert(name)
            } else {
                own.insert(name)
            };
        }
        for file in sources_below(&root.join(TEST_FOLDER), FOLDERS_DEEP_MAX)? {
            tests.insert(source_name(&root, &file)?);
        }
        if own.is_empty() {
            return Err(SolidityError::NotAProject(folder.to_owned()));
        }
        let name = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (settings, remappings) = settings(&root)?;
        Ok(Self { root, name, own, tests, settings, remappings, given: BTreeMap::new() })
    }

    /// A standard JSON input that has its sources inside. What they import and it has not is read from its folder.
    fn of_input(path: &Path) -> Result<Self, SolidityError> {
        let unfit = |reason: String| SolidityError::Settings { path: path.to_owned(), reason };
        let mut input = standard_input(path)?;
        let Some(Value::Object(sources)) = input.remove("sources") else {
            return Err(unfit("there are no `sources` in it; it is no standard JSON input of solc".to_owned()));
        };
        let mut given = BTreeMap::new();
        for (name, source) in sources {
            let Some(content) = source.get("content").and_then(Value::as_str) else {
                return Err(unfit(format!(
                    "the source {name:?} has no `content`; name the folder of the sources instead"
                )));
            };
            given.insert(name, content.to_owned());
        }
        let file = fs::canonicalize(path).map_err(|source| SolidityError::File { path: path.to_owned(), source })?;
        let settings = taken_settings(path, input)?;
        let remappings = remappings_in(path, &settings)?;
        Ok(Self {
            root: file.parent().unwrap_or(Path::new("/")).to_owned(),
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            own: given.keys().cloned().collect(),
            tests: BTreeSet::new(),
            settings,
            remappings,
            given,
        })
    }

    /// Reads these sources and all that they import.
    pub(super) fn read(
        &self,
        roots: impl IntoIterator<Item = String>,
    ) -> Result<BTreeMap<String, Source>, SolidityError> {
        let mut waiting: Vec<(String, Option<String>)> = roots.into_iter().map(|name| (name, None)).collect();
        let mut sources: BTreeMap<String, Source> = BTreeMap::new();
        while let Some((name, importer)) = waiting.pop() {
            if sources.contains_key(&name) {
                continue;
            }
            if sources.len() >= SOURCES_MAX {
                return Err(SolidityError::TooMany(SOURCES_MAX));
            }
            let (path, text) = self.text(&name, importer.as_deref())?;
            let outline = Outline::of(&text).map_err(|error| SolidityError::Requirement { path, error })?;
            let imports = outline.imports.iter().map(|import| self.imported(&name, import)).collect::<Vec<_>>();
            waiting.extend(imports.iter().map(|import| (import.clone(), Some(name.clone()))));
            sources.insert(name, Source { text, outline, imports });
        }
        Ok(sources)
    }

    /// The name of the source that an import means: beside its importer where it begins with a point, else as it stands.
    fn imported(&self, importer: &str, import: &str) -> String {
        let name = if import.starts_with("./") || import.starts_with("../") {
            let mut parts: Vec<&str> = importer.split('/').collect();
            parts.pop();
            for part in import.split('/') {
                match part {
                    "" | "." => {}
                    ".." => drop(parts.pop()),
                    name => parts.push(name),
                }
            }
            parts.join("/")
        } else {
            import.to_owned()
        };
        Remapping::apply(&self.remappings, importer, &name)
    }

    fn text(&self, name: &str, importer: Option<&str>) -> Result<(PathBuf, String), SolidityError> {
        if let Some(text) = self.given.get(name) {
            return Ok((PathBuf::from(name), text.clone()));
        }
        let is_below = !name.is_empty() && name.split('/').all(|part| !matches!(part, "" | "." | ".."));
        let here = self.root.join(name);
        let packages = self.root.ancestors().map(|folder| folder.join(PACKAGES_FOLDER).join(name));
        let found = std::iter::once(here).chain(packages).find(|path| is_below && path.is_file());
        let path = found.ok_or_else(|| SolidityError::Import {
            name: name.to_owned(),
            importer: importer.unwrap_or_default().to_owned(),
            root: self.root.clone(),
        })?;
        let text = read_text(&path, SOURCE_BYTES_MAX)?;
        Ok((path, text))
    }
}

/// Where a folder's sources lie, if it has any.
fn source_folder(root: &Path) -> Option<PathBuf> {
    let named = SOURCE_FOLDERS.iter().map(|name| root.join(name));
    let has_sources = |folder: &PathBuf, deep| sources_below(folder, deep).is_ok_and(|sources| !sources.is_empty());
    let found = named.into_iter().find(|folder| has_sources(folder, FOLDERS_DEEP_MAX));
    found.or_else(|| Some(root.to_owned()).filter(|root| has_sources(root, 0)))
}

/// The files of Solidity below a folder, so many folders deep; none where it is not there.
fn sources_below(folder: &Path, deep: usize) -> Result<Vec<PathBuf>, SolidityError> {
    let mut waiting = vec![(folder.to_owned(), deep)];
    let mut found = Vec::new();
    while let Some((folder, deep)) = waiting.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(|source| SolidityError::File { path: folder.clone(), source })?,
        };
        for entry in entries {
            let path = entry.map_err(|source| SolidityError::File { path: folder.clone(), source })?.path();
            let is_package = path.file_name().is_some_and(|name| name == PACKAGES_FOLDER);
            if path.is_dir() {
                if deep > 0 && !is_package {
                    waiting.push((path, deep - 1));
                }
            } else if path.extension().is_some_and(|extension| extension == "sol") {
                found.push(path);
            }
            if found.len() > SOURCES_MAX {
                return Err(SolidityError::TooMany(SOURCES_MAX));
            }
        }
    }
    Ok(found)
}

/// How the compiler calls a file: by its path below the root, with slashes.
fn source_name(root: &Path, file: &Path) -> Result<String, SolidityError> {
    let below = file.strip_prefix(root).ok();
    let parts: Option<Vec<&str>> =
        below.and_then(|below| below.components().map(|part| part.as_os_str().to_str()).collect());
    parts.map(|parts| parts.join("/")).ok_or_else(|| SolidityError::FileName(file.to_owned()))
}

/// The author's settings and remappings in a project's folder.
fn settings(root: &Path) -> Result<(Map<String, Value>, Vec<Remapping>), SolidityError> {
    let path = root.join(SETTINGS_FILE);
    let mut settings = Map::new();
    if path.is_file() {
        let input = standard_input(&path)?;
        if input.contains_key("sources") {
            let reason =
                "`sources` are the project's files; remove them here, or build this file by its path".to_owned();
            return Err(SolidityError::Settings { path, reason });
        }
        settings = taken_settings(&path, input)?;
    }
    let mut remappings = remappings_in(&path, &settings)?;
    let file = root.join(REMAPPINGS_FILE);
    if remappings.is_empty() && file.is_file() {
        let text = read_text(&file, SOURCE_BYTES_MAX)?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        remappings =
            lines.map(|line| Remapping::parse(line).ok_or(line)).collect::<Result<_, _>>().map_err(|line| {
                SolidityError::Settings {
                    path: file.clone(),
                    reason: format!("{line:?} is no remapping, such as a/=lib/a/"),
                }
            })?;
    }
    Ok((settings, remappings))
}

fn standard_input(path: &Path) -> Result<Map<String, Value>, SolidityError> {
    let text = read_text(path, SOURCE_BYTES_MAX * 16)?;
    let unfit = |reason: String| SolidityError::Settings { path: path.to_owned(), reason };
    let input: Map<String, Value> = serde_json::from_str(&text).map_err(|error| unfit(error.to_string()))?;
    match input.get("language").and_then(Value::as_str) {
        None | Some("Solidity") => Ok(input),
        Some(language) => Err(unfit(format!("the language is {language:?}; Solidity is what is compiled here"))),
    }
}

fn taken_settings(path: &Path, mut input: Map<String, Value>) -> Result<Map<String, Value>, SolidityError> {
    match input.remove("settings") {
        None => Ok(Map::new()),
        Some(Value::Object(settings)) => Ok(settings),
        Some(_) => Err(SolidityError::Settings { path: path.to_owned(), reason: "`settings` is no object".to_owned() }),
    }
}

fn remappings_in(path: &Path, settings: &Map<String, Value>) -> Result<Vec<Remapping>, SolidityError> {
    let Some(remappings) = settings.get("remappings") else { return Ok(Vec::new()) };
    let parse = |value: &Value| value.as_str().and_then(Remapping::parse);
    let parsed = remappings.as_array().and_then(|list| list.iter().map(parse).collect::<Option<Vec<_>>>());
    parsed.ok_or_else(|| SolidityError::Settings {
        path: path.to_owned(),
        reason: "`settings.remappings` is no list of remappings, such as \"a/=lib/a/\"".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("below")).expect("folders");
            fs::write(path, text).expect("written");
        }
        let path = folder.path().to_owned();
        (folder, path)
    }

    fn names(sources: &BTreeMap<String, Source>) -> Vec<&str> {
        sources.keys().map(String::as_str).collect()
    }

    #[test]
    fn imports_are_found_beside_the_importer_below_the_root_and_in_packages() {
        let (_folder, root) = project(&[
            ("app/contracts/A.sol", "import './deep/B.sol'; import 'contracts/C.sol'; import '@acme/d/D.sol';"),
            ("app/contracts/deep/B.sol", "import '../C.sol';"),
            ("app/contracts/C.sol", ""),
            ("app/contracts/A.t.sol", "import './A.sol';"),
            ("app/test/deep/More.sol", ""),
            ("node_modules/@acme/d/D.sol", "import './E.sol';"),
            ("node_modules/@acme/d/E.sol", ""),
        ]);
        let project = Project::open(&root.join("app")).expect("a project");
        let own: Vec<_> = project.own.iter().map(String::as_str).collect();
        assert_eq!(own, ["contracts/A.sol", "contracts/C.sol", "contracts/deep/B.sol"]);
        let tests: Vec<_> = project.tests.iter().map(String::as_str).collect();
        assert_eq!(tests, ["contracts/A.t.sol", "test/deep/More.sol"]);
        let sources = project.read(["contracts/A.sol".to_owned()]).expect("all are there");
        assert_eq!(
            names(&sources),
            ["@acme/d/D.sol", "@acme/d/E.sol", "contracts/A.sol", "contracts/C.sol", "contracts/deep/B.sol"]
        );
        assert!(is_solidity(&root.join("app")) && !is_solidity(&root.join("node_modules")));
        let single = Project::open(&root.join("app/contracts/C.sol")).expect("a file");
        assert_eq!(single.own.iter().collect::<Vec<_>>(), ["app/contracts/C.sol"], "the root has the packages");
    }

    #[test]
    fn an_import_that_is_not_there_is_named_with_its_importer() {
        let outside = "import '../../../secret.sol';";
        for (text, missing) in [
            ("import './X.sol';", "contracts/X.sol"),
            ("import '/etc/x.sol';", "/etc/x.sol"),
            (outside, "secret.sol"),
            (
                "import '@openzeppelin/contracts/token/ERC20/ERC20.sol';",
                "@openzeppelin/contracts/token/ERC20/ERC20.sol",
            ),
            ("import 'a/../../b.sol';", "a/../../b.sol"),
        ] {
            let (_folder, root) = project(&[("contracts/A.sol", text)]);
            let project = Project::open(&root).expect("a project");
            let error = project.read(project.own.clone()).expect_err("missing").to_string();
            assert!(error.starts_with(&format!("contracts/A.sol imports {missing:?}")), "{error}");
        }
    }

    #[test]
    fn remappings_say_where_imports_lie() {
        let (_folder, root) = project(&[
            ("src/A.sol", "import 'oz/X.sol';"),
            ("lib/openzeppelin/X.sol", ""),
            ("remappings.txt", "# of Foundry\noz/=lib/openzeppelin/\n"),
        ]);
        let project = Project::open(&root).expect("a project");
        let sources = project.read(project.own.clone()).expect("found");
        assert_eq!(names(&sources), ["lib/openzeppelin/X.sol", "src/A.sol"]);
    }

    #[test]
    fn a_standard_json_input_has_its_sources_inside() {
        let input = serde_json::json!({
            "language": "Solidity",
            "sources": { "A.sol": { "content": "import './B.sol';" } },
            "settings": { "optimizer": { "runs": 1 } },
        });
        let (_folder, root) = project(&[("input.json", &input.to_string()), ("B.sol", "")]);
        let project = Project::open(&root.join("input.json")).expect("an input");
        assert_eq!(names(&project.read(project.own.clone()).expect("found")), ["A.sol", "B.sol"]);
        assert_eq!(project.settings["optimizer"]["runs"], 1);
        for (text, reason) in [
            ("{}", "no `sources`"),
            ("{", "EOF"),
            (r#"{"language": "Yul", "sources": {}}"#, "the language is \"Yul\""),
            (r#"{"sources": {"a": {"urls": ["a"]}}}"#, "has no `content`"),
            (r#"{"sources": {}, "settings": 1}"#, "`settings` is no object"),
            (r#"{"sources": {}, "settings": {"remappings": [1]}}"#, "no list of remappings"),
        ] {
            fs::write(root.join("input.json"), text).expect("written");
            let error = Project::open(&root.join("input.json")).expect_err("unfit").to_string();
            assert!(error.contains(reason) && error.contains("input.json"), "{error}");
        }
    }
}
