//! What a source says before any compiler has read it: which compilers it wants, and what it imports.

use super::pragma::{Requirement, RequirementError};

/// What is found in one source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Outline {
    /// The compilers that it wants; all of them must hold.
    pub(super) requirements: Vec<Requirement>,
    /// What it imports, as it is written there.
    pub(super) imports: Vec<String>,
}

/// A piece of a source that is neither space nor comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// A name or a number.
    Word(&'a str),
    /// A text without its quotes.
    Text(&'a str),
    /// Anything else.
    Mark(char),
}

impl Outline {
    /// Looks a source over.
    pub(super) fn of(source: &str) -> Result<Self, RequirementError> {
        let mut outline = Self::default();
        let mut tokens = Tokens { source, place: 0 };
        let mut depth = 0_usize;
        while let Some((_, token)) = tokens.next() {
            match token {
                Token::Mark('{') => depth += 1,
                Token::Mark('}') => depth = depth.saturating_sub(1),
                Token::Word("import") if depth == 0 => outline.imports.extend(tokens.import()),
                Token::Word("pragma") if depth == 0 => {
                    if let Some(wanted) = tokens.pragma() {
                        outline.requirements.push(Requirement::parse(&wanted)?);
                    }
                }
                _ => {}
            }
        }
        Ok(outline)
    }
}

/// The tokens of a source, with where each begins.
struct Tokens<'a> {
    source: &'a str,
    place: usize,
}

impl<'a> Tokens<'a> {
    fn rest(&self) -> &'a str {
        self.source.get(self.place..).unwrap_or_default()
    }

    fn skip_spaces_and_comments(&mut self) {
        loop {
            let rest = self.rest();
            let spaces = rest.len()
                - rest.trim_start_matches(|letter: char| letter.is_whitespace() || letter == '\u{feff}').len();
            self.place += spaces;
            let rest = self.rest();
            let comment = if rest.starts_with("//") {
                rest.find(['\n', '\r']).unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                rest.get(2..).and_then(|inner| inner.find("*/")).map_or(rest.len(), |end| end + 4)
            } else {
                return;
            };
            self.place += comment;
        }
    }

    fn next(&mut self) -> Option<(usize, Token<'a>)> {
        self.skip_spaces_and_comments();
        let (begin, rest) = (self.place, self.rest());
        let first = rest.chars().next()?;
        let belongs = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '$');
        let (length, token) = match first {
            '"' | '\'' => {
                let end = end_of_text(rest, first);
                (end + 1, Token::Text(rest.get(1..end).unwrap_or_default()))
            }
            letter if belongs(letter) => {
                let end = rest.find(|letter| !belongs(letter)).unwrap_or(rest.len());
                (end, Token::Word(rest.get(..end).unwrap_or_default()))
            }
            mark => (mark.len_utf8(), Token::Mark(mark)),
        };
        self.place = (begin + length).min(self.source.len());
        Some((begin, token))
    }

    /// What is imported by the statement that has begun: each form of it has one text.
    fn import(&mut self) -> Option<String> {
        let mut found = None;
        while let Some((_, token)) = self.next() {
            match token {
                Token::Text(text) if found.is_none() => found = Some(text.to_owned()),
                Token::Mark(';') => break,
                _ => {}
            }
        }
        found
    }

    /// What `pragma solidity` asks for; nothing where the pragma is another.
    fn pragma(&mut self) -> Option<String> {
        let is_of_version = self.next()?.1 == Token::Word("solidity");
        let mut wanted = String::new();
        let mut end = self.place;
        while let Some((begin, token)) = self.next() {
            if token == Token::Mark(';') {
                break;
            }
            // A comment is a space.
            if begin > end {
                wanted.push(' ');
            }
            wanted.push_str(self.source.get(begin..self.place).unwrap_or_default());
            end = self.place;
        }
        is_of_version.then_some(wanted)
    }
}

/// Where the text that begins with this quote ends: at the same one, or with its line.
fn end_of_text(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (place, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\n' | '\r' => return place,
            _ if letter == quote => return place,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(source: &str) -> (Vec<String>, Vec<String>) {
        let outline = Outline::of(source).expect("understood");
        (outline.requirements.iter().map(ToString::to_string).collect(), outline.imports)
    }

    #[test]
    fn every_form_of_an_import_is_found() {
        let source = r#"
            // SPDX-License-Identifier: MIT
            pragma solidity ^0.8.20;
            import "./a.sol";
            import './b.sol';
            import "./c.sol" as C;
            import * as D from "./d.sol";
            import {E, F as G} from "@scope/package/e.sol";import{H}from"h.sol";
            import /* "not.sol" */ "./i.sol"; // import "not.sol";
            contract K { function import_() public { string memory s = "import 'not.sol';"; } }
            import
                "./j.sol"
            ;
        "#;
        let (wanted, imports) = outline(source);
        assert_eq!(wanted, ["^0.8.20"]);
        let expected =
            ["./a.sol", "./b.sol", "./c.sol", "./d.sol", "@scope/package/e.sol", "h.sol", "./i.sol", "./j.sol"];
        assert_eq!(imports, expected);
    }

    #[test]
    fn only_the_compilers_version_is_a_requirement() {
        let source = "\u{feff}pragma abicoder v2; pragma experimental SMTChecker;\n\
                      pragma solidity >=0.6.0 /* not 0.5 */ <0.9.0;\npragma solidity\n0.8.19 ;";
        assert_eq!(outline(source).0, [">=0.6.0 <0.9.0", "0.8.19"]);
        assert_eq!(outline("/* pragma solidity 0.4.0; */ contract A {}"), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_source_that_breaks_off_is_looked_over_to_its_end() {
        for source in [
            "import",
            "import \"a",
            "pragma",
            "pragma solidity",
            "/*",
            "/",
            "\"",
            "'\\",
            "contract A {{{",
            "}}}",
            "/*/",
        ] {
            let outline = Outline::of(source);
            assert!(outline.is_ok() || source == "pragma solidity", "{source}");
        }
        assert_eq!(outline("import 'a.sol'").1, ["a.sol"]);
    }
}
