//! Objects whose names are a stranger's.

use std::fmt;

use serde::{
    Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The fields of an object whose names are a stranger's, of which no more are kept than may be.
pub(super) struct Fields<'a> {
    first: Vec<(&'a str, &'a RawValue)>,
    is_short: bool,
}

impl<'a> Fields<'a> {
    /// Nothing where it is no object, or one with too many fields.
    pub(super) fn read(value: &'a RawValue, kept_max: usize) -> Option<Vec<(&'a str, &'a RawValue)>> {
        struct AtMost(usize);
        impl<'de> Visitor<'de> for AtMost {
            type Value = Fields<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Fields<'de>, A::Error> {
                let mut first = Vec::new();
                while first.len() < self.0 {
                    match fields.next_entry()? {
                        Some(field) => first.push(field),
                        None => return Ok(Fields { first, is_short: true }),
                    }
                }
                let is_short = fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_none();
                while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Fields { first, is_short })
            }
        }
        let mut reader = serde_json::Deserializer::from_str(value.get());
        let fields = reader.deserialize_map(AtMost(kept_max)).ok()?;
        fields.is_short.then_some(fields.first)
    }
}
