//! What the sources log is what the table of events says.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use entente_driver::{EVENTS, events_page};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The Rust files below a folder, but for those of tests and benches.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !matches!(name.as_str(), "target" | "tests" | "benches" | "examples" | "testdata") {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// A use of one of tracing's macros: its level, and what stands between its parentheses.
#[derive(Debug, PartialEq)]
struct Use {
    level: String,
    arguments: String,
}

fn uses(text: &str) -> Vec<Use> {
    let mut uses = Vec::new();
    for level in ["error", "warn", "info", "debug", "trace", "event", "span", "info_span", "debug_span"] {
        let start = format!("tracing::{level}!(");
        for (place, _) in text.match_indices(&start) {
            let inside = &text[place + start.len()..];
            let line = text[..place].rsplit('\n').next().unwrap();
            if line.trim_start().starts_with("//") {
                continue;
            }
            uses.push(Use { level: level.to_owned(), arguments: inside[..closing(inside)].to_owned() });
        }
    }
    uses
}

/// Where the parenthesis closes that was open before the text. Texts in quotes do not count.
fn closing(text: &str) -> usize {
    let (mut depth, mut quoted, mut escaped) = (1, false, false);
    for (place, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return place;
                }
            }
            _ => {}
        }
    }
    panic!("no end of a macro: {}", &text[..text.len().min(80)]);
}

/// The name of the event: the last argument, a text that is a name and nothing else.
fn name(arguments: &str) -> Result<&str, String> {
    let fault = || Err(format!("no name of an event as its last argument: {arguments}"));
    let Some(rest) = arguments.trim_end().trim_end_matches(',').strip_suffix('"') else { return fault() };
    let Some((before, name)) = rest.rsplit_once('"') else { return fault() };
    let fields = before.trim_end();
    if !(fields.is_empty() || fields.ends_with(',')) {
        return fault();
    }
    let snake = name.split('_').all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()));
    if snake { Ok(name) } else { Err(format!("{name:?} is no name of an event: words of a-z joined by _")) }
}

#[test]
fn the_sources_log_the_events_of_the_table_and_no_others() {
    let mut files = Vec::new();
    for folder in ["node", "runtime", "precompiles", "sdk"] {
        sources(&root().join(folder), &mut files);
    }
    assert!(files.len() > 100, "{} files", files.len());
    let (mut faults, mut logged) = (Vec::new(), BTreeSet::new());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        if text.contains("use tracing::") {
            faults.push(format!(
                "{}: macros are named in full, tracing::info!(...), so that they are found",
                file.display()
            ));
        }
        for found in uses(&text) {
            let fault = match name(&found.arguments) {
                Err(fault) => fault,
                Ok(name) => match EVENTS.iter().find(|event| event.name == name) {
                    Some(event) if event.level.word() == found.level => {
                        logged.insert(event.name);
                        continue;
                    }
                    Some(event) => {
                        format!("{name} is logged as {}, the table says {}", found.level, event.level.word())
                    }
                    None => format!("{name} is not in the table of events, node/driver/src/events.rs"),
                },
            };
            faults.push(format!("{}: {fault}", file.display()));
        }
    }
    let unused = EVENTS.iter().filter(|event| !logged.contains(event.name));
    faults.extend(unused.map(|event| format!("nothing logs {}", event.name)));
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn each_event_is_told_once_with_its_meaning_and_what_to_do() {
    let names: BTreeSet<&str> = EVENTS.iter().map(|event| event.name).collect();
    assert_eq!(names.len(), EVENTS.len());
    for event in EVENTS {
        assert!(name(&format!("\"{}\"", event.name)).is_ok(), "{}", event.name);
        assert!(event.meaning.ends_with('.') && event.action.ends_with('.'), "{}", event.name);
    }
}

#[test]
fn macros_are_found_and_names_told_from_sentences() {
    let text = r#"
        // tracing::info!("not_code");
        tracing::warn!(path = %path.display(), %error, "code_not_read");
        tracing::error!(
            group = %id, "a (text) with \" quotes", why,
            "group_halted"
        );
        tracing::info!("node_stopped");
        tracing::info!("The node stopped");
        tracing::info!(count);
        tracing::info!("stopped {}", "now");
    "#;
    let found: Vec<(String, Result<String, ()>)> = uses(text)
        .into_iter()
        .map(|found| (found.level, name(&found.arguments).map(str::to_owned).map_err(|_| ())))
        .collect();
    let expected = [
        ("error", Ok("group_halted")),
        ("warn", Ok("code_not_read")),
        ("info", Ok("node_stopped")),
        ("info", Err(())),
        ("info", Err(())),
        ("info", Ok("now")),
    ];
    let expected: Vec<(String, Result<String, ()>)> =
        expected.into_iter().map(|(level, name)| (level.to_owned(), name.map(str::to_owned))).collect();
    assert_eq!(found, expected, "a name that is not the message is caught by the table");
}

#[test]
fn the_page_is_that_of_the_table() {
    let path = root().join("docs/logs.md");
    let page = events_page();
    if std::env::var_os("ENTENTE_BLESS").is_some() {
        fs::write(&path, page).unwrap();
        return;
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "docs/logs.md is not what the table says; run this test with ENTENTE_BLESS=1");
}
