//! What an import stands for, where a project says so: `context:prefix=target`.

/// One remapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remapping {
    /// What the importer's name begins with.
    context: String,
    /// What the import begins with.
    prefix: String,
    /// What stands there instead.
    target: String,
}

impl Remapping {
    /// Reads one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (from, target) = text.split_once('=')?;
        let (context, prefix) = from.split_once(':').unwrap_or(("", from));
        let remapping = Self { context: context.to_owned(), prefix: prefix.to_owned(), target: target.to_owned() };
        (!prefix.is_empty()).then_some(remapping)
    }

    /// As the compiler's settings have it.
    pub(super) fn text(&self) -> String {
        format!("{}:{}={}", self.context, self.prefix, self.target)
    }

    /// The name that an import comes to. The longest context wins, then the longest prefix, then the last.
    pub(super) fn apply(remappings: &[Self], importer: &str, name: &str) -> String {
        let fitting = remappings
            .iter()
            .filter(|remapping| importer.starts_with(&remapping.context) && name.starts_with(&remapping.prefix))
            .max_by_key(|remapping| (remapping.context.len(), remapping.prefix.len()));
        match fitting {
            Some(Self { prefix, target, .. }) => {
                format!("{target}{}", name.strip_prefix(prefix.as_str()).unwrap_or_default())
            }
            None => name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_particular_remapping_is_applied() {
        let remappings: Option<Vec<Remapping>> = ["a/=one/", "a/b/=two/", "lib/:a/=three/", "a/b/=four/"]
            .iter()
            .map(|text| Remapping::parse(text))
            .collect();
        let remappings = remappings.expect("remappings");
        let cases = [
            ("src/X.sol", "a/c.sol", "one/c.sol"),
            ("src/X.sol", "a/b/c.sol", "four/c.sol"),
            ("lib/X.sol", "a/b/c.sol", "three/b/c.sol"),
            ("src/X.sol", "b/c.sol", "b/c.sol"),
        ];
        for (importer, name, expected) in cases {
            assert_eq!(Remapping::apply(&remappings, importer, name), expected, "{importer} {name}");
        }
        assert_eq!(remappings[2].text(), "lib/:a/=three/");
        assert_eq!(Remapping::parse("=x"), None);
        assert_eq!(Remapping::parse("x"), None);
    }
}
