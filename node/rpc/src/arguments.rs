//! Reading a request's parameters by the table of methods. Every refusal names the parameter, what was found and
//! what is expected.

use std::{fmt, sync::Arc};

use entente_state::KEY_BYTES_MAX;
use entente_types::{Address, BlockNumber, GroupId, Hash, Table};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    context::{Context, GroupEntry},
    error::{INTERNAL, NO_GROUP, RpcError},
    ethereum::Form,
    filter::Filter,
    flow::ConnectionWork,
    limits::{FOUND_CHARACTERS_MAX, TRANSACTIONS_MAX},
    table::Method,
    values::Values,
};

/// What a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Group,
    Hash,
    Number,
    Block,
    Boolean,
    Transaction,
    Transactions,
    Call,
    FiscoCall,
    Address,
    Text,
    Table,
    Key,
    LogFilter,
    LogQuery,
    Count,
    /// As Ethereum's tools write it.
    Ethereum(Form),
}

impl Kind {
    /// What is expected, for messages and the documentation.
    pub(crate) const fn expected(self) -> &'static str {
        match self {
            Self::Group => "a group: its name, or n for \"group<n>\"",
            Self::Hash => "a hash: 64 hexadecimal digits, with or without 0x",
            Self::Number => NUMBER,
            Self::Block => "a block: its number, its hash, or \"latest\"",
            Self::Boolean => "true or false",
            Self::Transaction => "a transaction: a string of hexadecimal digits, with or without 0x",
            Self::Transactions => "a list of at most 10000 transactions, each a string of hexadecimal digits",
            Self::Call => {
                "an object {\"from\": address or absent, \"to\": address, \"input\": hexadecimal, \"gas\": integer or absent}"
            }
            Self::FiscoCall => {
                "an object {\"from\": address, \"to\": address, \"value\": ignored, \"data\": hexadecimal}"
            }
            Self::Address => ADDRESS,
            Self::Text => "a string",
            Self::Table => {
                "a table: a contract's address, or one of accounts, code, configuration, ethereum_hashes and members"
            }
            Self::Count => "a count: as a number, or -1 for all",
            Self::LogFilter => {
                "an object {\"address\": an address or a list of at most 256, \"topics\": a list of at most 4, each null, \
                 a topic or a list of at most 64, \"from\": a block's number, \"from_log\": a log's place in it}, whose \
                 fields may be absent"
            }
            Self::LogQuery => {
                "an object {\"address\": an address or a list of at most 256, \"topics\": a list of at most 4, each null, \
                 a topic or a list of at most 64, \"from\": a block's number, \"from_log\": a log's place in it, \"to\": a \
                 block's number}, whose fields may be absent"
            }
            Self::Ethereum(form) => form.expected(),
            Self::Key => "a row's key: at most 1024 bytes as hexadecimal digits, with or without 0x",
        }
    }
}

/// What a number is.
pub(crate) const NUMBER: &str = "a number: an integer from 0, or a string of decimal or of 0x and hexadecimal digits";
pub(crate) const ADDRESS: &str = "an address: 40 hexadecimal digits, with or without 0x";
const HEXADECIMAL: &str = "a string of hexadecimal digits, two a byte, with or without 0x";

/// A parameter of a method.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) optional: bool,
}

impl Parameter {
    fn refuse(&self, found: &RawValue) -> RpcError {
        refuse(self.name, found.get(), self.kind.expected())
    }
}

pub(crate) fn refuse(name: &str, found: &str, expected: &str) -> RpcError {
    RpcError::parameters(format!("`{name}` is {}; expected {expected}", shown(found)))
}

/// The beginning of a stranger's text, safe to stand in one line.
pub(crate) fn shown(text: &str) -> String {
    let mut line = String::new();
    for character in text.chars().take(FOUND_CHARACTERS_MAX) {
        if character.is_control() { line.extend(character.escape_default()) } else { line.push(character) }
    }
    if text.chars().nth(FOUND_CHARACTERS_MAX).is_some() {
        line.push_str("...");
    }
    line
}

/// Which block is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockId {
    Latest,
    Number(BlockNumber),
    Hash(Hash),
}

/// What is called, without a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallRequest {
    pub(crate) from: Option<Address>,
    pub(crate) to: Address,
    pub(crate) input: Vec<u8>,
    pub(crate) gas: Option<u64>,
}

/// A call as it stands in JSON. FISCO BCOS's clients write `data` for the input.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCall<'a> {
    #[serde(borrow, default)]
    from: Option<&'a RawValue>,
    #[serde(borrow, default)]
    to: Option<&'a RawValue>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    gas: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawFiscoCall<'a> {
    #[serde(borrow, default)]
    from: Option<&'a RawValue>,
    #[serde(borrow, default)]
    to: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

/// The values of a request's parameters, not yet read.
#[derive(Debug)]
pub(crate) struct Arguments<'a> {
    method: &'static Method,
    values: Vec<&'a RawValue>,
    /// Whose request it is, where it came over a connection.
    connection: Option<Arc<ConnectionWork>>,
    /// The place of the group that the request's path speaks for, among the node's.
    speaks_for: usize,
}

/// More values than this no method takes.
const VALUES_MAX: usize = 8;

impl<'a> Arguments<'a> {
    /// Takes a request's parameters apart: a list of as many as the method takes.
    pub(crate) fn parse(method: &'static Method, parameters: Option<&'a str>) -> Result<Self, RpcError> {
        let text = parameters.filter(|text| !text.is_empty() && *text != "null").unwrap_or("[]");
        let signature = || method.parameters.iter().map(|parameter| parameter.name).collect::<Vec<_>>().join(", ");
        let values = Values::read(text, VALUES_MAX).ok_or_else(|| {
            RpcError::parameters(format!(
                "`params` is {}; expected the list [{}] of {}",
                shown(text),
                signature(),
                method.name
            ))
        })?;
        if values.count > method.parameters.len() {
            let message = format!("`params` has {} values; {} takes [{}]", values.count, method.name, signature());
            return Err(RpcError::parameters(message));
        }
        let arguments = Self { method, values: values.first, connection: None, speaks_for: 0 };
        for (index, parameter) in method.parameters.iter().enumerate().filter(|(_, parameter)| !parameter.optional) {
            if arguments.value(index).is_none() {
                let message = format!("`{}` is missing; expected {}", parameter.name, parameter.kind.expected());
                return Err(RpcError::parameters(message));
            }
        }
        Ok(arguments)
    }

    /// The same, from this connection.
    pub(crate) fn of_connection(self, connection: Option<Arc<ConnectionWork>>) -> Self {
        Self { connection, ..self }
    }

    /// The same, where the path speaks for this group.
    pub(crate) fn speaking_for(self, speaks_for: usize) -> Self {
        Self { speaks_for, ..self }
    }

    /// The group that the request's path speaks for.
    pub(crate) fn spoken_for<'c>(&self, context: &'c Context) -> Result<&'c GroupEntry, RpcError> {
        let none = || RpcError::new(INTERNAL, "this node has no group");
        context.groups().get(self.speaks_for).ok_or_else(none)
    }

    /// Whose request it is, where it came over a connection.
    pub(crate) fn connection(&self) -> Option<&Arc<ConnectionWork>> {
        self.connection.as_ref()
    }

    /// The name that the table gives a parameter.
    pub(crate) fn name(&self, index: usize) -> &'static str {
        self.method.parameters.get(index).map_or("", |parameter| parameter.name)
    }

    /// The value of a parameter, where there is one.
    pub(crate) fn value(&self, index: usize) -> Option<&'a RawValue> {
        self.values.get(index).copied().filter(|value| value.get() != "null")
    }

    pub(crate) fn read<T>(
        &self,
        index: usize,
        read: impl FnOnce(&'a RawValue) -> Option<T>,
    ) -> Result<Option<T>, RpcError> {
        let (Some(value), Some(parameter)) = (self.value(index), self.method.parameters.get(index)) else {
            return Ok(None);
        };
        read(value).map(Some).ok_or_else(|| parameter.refuse(value))
    }

    /// The value of a parameter that is there: [`Arguments::parse`] saw to it.
    pub(crate) fn required<T>(
        &self,
        index: usize,
        read: impl FnOnce(&'a RawValue) -> Option<T>,
    ) -> Result<T, RpcError> {
        self.read(index, read)?.ok_or_else(|| RpcError::parameters(format!("parameter {index} is missing")))
    }

    /// The name of a group, whether or not there is one.
    pub(crate) fn group_id(&self, index: usize) -> Result<GroupId, RpcError> {
        self.required(index, |value| match parse::<u64>(value) {
            Some(number) => Some(GroupId::from_number(number)),
            None => GroupId::new(&parse::<String>(value)?).ok(),
        })
    }

    /// The group that is meant.
    pub(crate) fn group<'c>(&self, context: &'c Context, index: usize) -> Result<&'c GroupEntry, RpcError> {
        let id = self.group_id(index)?;
        context.group(&id).ok_or_else(|| {
            let names: Vec<&str> = context.groups().iter().map(|group| group.handle.id().as_str()).collect();
            RpcError::new(NO_GROUP, format!("GroupID does not exist: groups are {}", names.join(", ")))
        })
    }

    /// A hash.
    pub(crate) fn hash(&self, index: usize) -> Result<Hash, RpcError> {
        self.required(index, |value| parse::<String>(value)?.parse().ok())
    }

    /// A number.
    pub(crate) fn number(&self, index: usize) -> Result<u64, RpcError> {
        self.required(index, number)
    }

    /// A number that may be left out.
    pub(crate) fn optional_number(&self, index: usize) -> Result<Option<u64>, RpcError> {
        self.read(index, number)
    }

    /// How many; nothing for all.
    pub(crate) fn count(&self, index: usize) -> Result<Option<u64>, RpcError> {
        self.required(index, |value| match value.get() {
            "-1" | "\"-1\"" => Some(None),
            _ => number(value).map(Some),
        })
    }

    /// True or false; false where it is left out.
    pub(crate) fn boolean(&self, index: usize) -> Result<bool, RpcError> {
        Ok(self.read(index, parse::<bool>)?.unwrap_or(false))
    }

    /// An address.
    pub(crate) fn address(&self, index: usize) -> Result<Address, RpcError> {
        self.required(index, parse_text)
    }

    /// A string.
    pub(crate) fn text(&self, index: usize) -> Result<String, RpcError> {
        self.required(index, parse::<String>)
    }

    /// A table.
    pub(crate) fn table(&self, index: usize) -> Result<Table, RpcError> {
        self.required(index, parse_text)
    }

    /// A row's key in its table.
    pub(crate) fn key(&self, index: usize) -> Result<Vec<u8>, RpcError> {
        self.required(index, |value| hexadecimal(value).filter(|key| key.len() <= KEY_BYTES_MAX))
    }

    /// Which block is meant.
    pub(crate) fn block(&self, index: usize) -> Result<BlockId, RpcError> {
        self.required(index, |value| match parse::<String>(value) {
            Some(text) if text == "latest" => Some(BlockId::Latest),
            // Before a number: a hash may begin with as many zeros as it likes.
            Some(text) => text.parse().map(BlockId::Hash).ok().or_else(|| number(value).map(BlockId::Number)),
            None => number(value).map(BlockId::Number),
        })
    }

    /// A transaction's bytes.
    pub(crate) fn transaction(&self, index: usize) -> Result<Vec<u8>, RpcError> {
        self.required(index, hexadecimal)
    }

    /// The texts of many transactions, borrowed from the request.
    pub(crate) fn transactions(&self, index: usize) -> Result<Texts<'a>, RpcError> {
        let (Some(value), Some(parameter)) = (self.value(index), self.method.parameters.get(index)) else {
            return Err(RpcError::parameters(format!("parameter {index} is missing")));
        };
        serde_json::from_str(value.get()).map_err(|_| match serde_json::from_str::<Census>(value.get()) {
            Ok(Census { other: Some((place, found)), .. }) => {
                refuse(&format!("{}[{place}]", parameter.name), &found, Kind::Transaction.expected())
            }
            Ok(Census { count, .. }) if count > TRANSACTIONS_MAX => RpcError::parameters(format!(
                "`{}` has {count} entries; at most {TRANSACTIONS_MAX} are allowed",
                parameter.name
            )),
            _ => parameter.refuse(value),
        })
    }

    /// Which logs are meant.
    pub(crate) fn filter(&self, index: usize) -> Result<Filter, RpcError> {
        let (Some(value), Some(parameter)) = (self.value(index), self.method.parameters.get(index)) else {
            return Err(RpcError::parameters(format!("parameter {index} is missing")));
        };
        Filter::read(parameter.name, value).ok_or_else(|| parameter.refuse(value))?
    }

    /// The call of `entente_call`.
    pub(crate) fn call(&self, index: usize) -> Result<CallRequest, RpcError> {
        let raw: RawCall<'a> = self.required(index, object)?;
        Ok(CallRequest {
            from: raw.from.map(|value| field("call.from", Some(value), ADDRESS, parse_text)).transpose()?,
            to: field("call.to", raw.to, ADDRESS, parse_text)?,
            input: field("call.input", raw.input, HEXADECIMAL, hexadecimal)?,
            gas: raw.gas.map(|value| field("call.gas", Some(value), Kind::Number.expected(), number)).transpose()?,
        })
    }

    /// The call of FISCO BCOS's `call`; who calls may be missing, which has a code of its own.
    pub(crate) fn fisco_call(&self, index: usize) -> Result<CallRequest, RpcError> {
        let raw: RawFiscoCall<'a> = self.required(index, object)?;
        Ok(CallRequest {
            from: raw.from.map(|value| field("call.from", Some(value), ADDRESS, parse_text)).transpose()?,
            to: field("call.to", raw.to, ADDRESS, parse_text)?,
            input: field("call.data", raw.data, HEXADECIMAL, hexadecimal)?,
            gas: None,
        })
    }
}

fn field<'a, T>(
    name: &str,
    value: Option<&'a RawValue>,
    expected: &str,
    read: impl FnOnce(&'a RawValue) -> Option<T>,
) -> Result<T, RpcError> {
    let value = value.ok_or_else(|| RpcError::parameters(format!("`{name}` is missing; expected {expected}")))?;
    read(value).ok_or_else(|| refuse(name, value.get(), expected))
}

/// An object; the library would take a list of its fields' values for one, too.
pub(crate) fn object<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Option<T> {
    Some(value.get()).filter(|text| text.starts_with('{')).and_then(|text| serde_json::from_str(text).ok())
}

pub(crate) fn parse<T: DeserializeOwned>(value: &RawValue) -> Option<T> {
    serde_json::from_str(value.get()).ok()
}

pub(crate) fn parse_text<T: std::str::FromStr>(value: &RawValue) -> Option<T> {
    parse::<String>(value)?.parse().ok()
}

pub(crate) fn number(value: &RawValue) -> Option<u64> {
    if let Some(number) = parse::<u64>(value) {
        return Some(number);
    }
    let text = parse::<String>(value)?;
    let (digits, base) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text.as_str(), 10),
    };
    // `from_str_radix` would take a sign.
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u64::from_str_radix(digits, base).ok()).flatten()
}

fn hexadecimal(value: &RawValue) -> Option<Vec<u8>> {
    let text: &str = serde_json::from_str(value.get()).ok()?;
    hex::decode(text.strip_prefix("0x").unwrap_or(text)).ok()
}

/// Bounded texts that stand in the request without escapes, as hexadecimal does.
#[derive(Debug)]
pub(crate) struct Texts<'a>(pub(crate) Vec<&'a str>);

impl<'de: 'a, 'a> Deserialize<'de> for Texts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Texts<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of strings")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts<'de>, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    if texts.len() == TRANSACTIONS_MAX {
                        return Err(serde::de::Error::custom("too many"));
                    }
                    texts.push(text);
                }
                Ok(Texts(texts))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// What is in a list that was refused: how many entries, and the first that is no plain string.
struct Census {
    count: usize,
    other: Option<(usize, String)>,
}

impl<'de> Deserialize<'de> for Census {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Census;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Census, A::Error> {
                let mut census = Census { count: 0, other: None };
                while let Some(value) = list.next_element::<&RawValue>()? {
                    if census.other.is_none() && serde_json::from_str::<&str>(value.get()).is_err() {
                        census.other = Some((census.count, shown(value.get())));
                    }
                    census.count += 1;
                }
                Ok(census)
            }
        }
        deserializer.deserialize_seq(List)
    }
}
