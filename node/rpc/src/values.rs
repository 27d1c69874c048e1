//! Lists of JSON values that a stranger sent, of which no more are kept than may be.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// The first values of a list, and how many there are.
#[derive(Debug)]
pub(crate) struct Values<'a> {
    pub(crate) first: Vec<&'a RawValue>,
    pub(crate) count: usize,
}

impl<'a> Values<'a> {
    /// Reads a list and keeps at most so many of its values. Nothing where the text is no list.
    pub(crate) fn read(text: &'a str, kept_max: usize) -> Option<Self> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let values = AtMost(kept_max).deserialize(&mut reader).ok()?;
        reader.end().ok().map(|()| values)
    }
}

struct AtMost(usize);

impl<'de> DeserializeSeed<'de> for AtMost {
    type Value = Values<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Values<'de>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for AtMost {
    type Value = Values<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Values<'de>, A::Error> {
        let mut first = Vec::new();
        while first.len() < self.0
            && let Some(value) = list.next_element()?
        {
            first.push(value);
        }
        let mut count = first.len();
        while list.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Values { first, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_kept_than_may_be_and_all_is_counted() {
        let values = Values::read(" [1, \"a\", {\"b\": []}, null] ", 2).unwrap();
        assert_eq!(
            (values.first.iter().map(|value| value.get()).collect::<Vec<_>>(), values.count),
            (vec!["1", "\"a\""], 4)
        );
        assert!(Values::read("[]", 2).unwrap().first.is_empty());
        for text in ["{}", "[1", "[1] 2", "[1,]", ""] {
            assert!(Values::read(text, 2).is_none(), "{text}");
        }
    }
}
