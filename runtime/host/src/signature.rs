//! Reading the Solidity declarations in the table of native modules. Everything else that is said of a function or
//! an event is made from its declaration: the selector, the ABI as JSON, the interface for Solidity.

use std::{string::String, vec::Vec};

/// One parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeclaredParameter {
    /// Its type, such as `uint256` or `string[]`.
    pub ty: &'static str,
    /// Whether it stands in a topic of its own; only an event's can.
    pub indexed: bool,
    /// Its name; empty if it has none.
    pub name: &'static str,
}

/// A declaration such as `setValueByKey(string key, string value)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// The function's or event's name; empty in a list of outputs.
    pub name: &'static str,
    /// Its parameters, in their order.
    pub parameters: Vec<DeclaredParameter>,
}

/// A text that is no declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no declaration: expected NAME(TYPE [indexed] [NAME], ...) with elementary types and arrays of them")]
pub struct DeclarationError(pub &'static str);

impl Declaration {
    /// Reads a declaration. Tuples are not among the types.
    pub fn parse(text: &'static str) -> Result<Self, DeclarationError> {
        let error = || DeclarationError(text);
        let (name, list) = text.strip_suffix(')').and_then(|text| text.split_once('(')).ok_or_else(error)?;
        if !name.is_empty() && !is_name(name) {
            return Err(error());
        }
        let parameters = if list.is_empty() {
            Vec::new()
        } else {
            list.split(',').map(|part| parameter(part.trim())).collect::<Option<_>>().ok_or_else(error)?
        };
        Ok(Self { name, parameters })
    }

    /// The name and the types alone, as selectors and topics are made from them.
    pub fn signature(&self) -> String {
        let types: Vec<&str> = self.parameters.iter().map(|parameter| parameter.ty).collect();
        std::format!("{}({})", self.name, types.join(","))
    }

    /// The parameters as a list in ABI JSON.
    pub(crate) fn json(&self, of_event: bool) -> String {
        let one = |parameter: &DeclaredParameter| {
            let DeclaredParameter { ty, indexed, name } = parameter;
            let indexed = if of_event { std::format!(r#","indexed":{indexed}"#) } else { String::new() };
            std::format!(r#"{{"name":"{name}","type":"{ty}"{indexed}}}"#)
        };
        let parameters: Vec<String> = self.parameters.iter().map(one).collect();
        std::format!("[{}]", parameters.join(","))
    }
}

fn parameter(text: &'static str) -> Option<DeclaredParameter> {
    let mut words = text.split(' ');
    let ty = words.next().filter(|ty| is_type(ty))?;
    let (indexed, name) = match (words.next(), words.next(), words.next()) {
        (None, ..) => (false, ""),
        (Some("indexed"), None, _) => (true, ""),
        (Some("indexed"), Some(name), None) => (true, name),
        (Some(name), None, _) => (false, name),
        _ => return None,
    };
    (name.is_empty() || is_name(name)).then_some(DeclaredParameter { ty, indexed, name })
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// An elementary type, or an array of one. `uint` for `uint256` would give another selector.
fn is_type(text: &str) -> bool {
    let element = text.trim_end_matches("[]");
    let sized = |prefix: &str, step: u16, most: u16| {
        let digits = element.strip_prefix(prefix).filter(|digits| !digits.starts_with('0'));
        let bits = digits.and_then(|digits| digits.parse::<u16>().ok());
        bits.is_some_and(|bits| (step..=most).contains(&bits) && bits % step == 0)
    };
    matches!(element, "address" | "bool" | "string" | "bytes")
        || sized("uint", 8, 256)
        || sized("int", 8, 256)
        || sized("bytes", 1, 32)
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn names_are_kept_and_signatures_have_types_alone() {
        let declaration = Declaration::parse("setValueByKey(string key, string[] values, uint256)").unwrap();
        assert_eq!(declaration.signature(), "setValueByKey(string,string[],uint256)");
        assert_eq!(
            declaration.json(false),
            r#"[{"name":"key","type":"string"},{"name":"values","type":"string[]"},{"name":"","type":"uint256"}]"#
        );
        assert_eq!(Declaration::parse("transfer(address,uint256)").unwrap().signature(), "transfer(address,uint256)");
        assert_eq!(Declaration::parse("()").unwrap().json(false), "[]");
        let event = Declaration::parse("Set(address indexed by, bytes32 what)").unwrap();
        assert_eq!(
            event.json(true),
            r#"[{"name":"by","type":"address","indexed":true},{"name":"what","type":"bytes32","indexed":false}]"#
        );
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "f",
            "f(",
            "f)",
            "f(,)",
            "f(uint)",
            "f(uint9)",
            "f(uint08)",
            "f(string memory x)",
            "f((uint256))",
            "f(string \"x\")",
            "1f()",
            "f(uint256,)",
            "f(int264)",
            "f(bytes33)",
        ] {
            assert_eq!(Declaration::parse(text), Err(DeclarationError(text)));
        }
        assert!(DeclarationError("f(").to_string().contains("\"f(\""));
    }
}
