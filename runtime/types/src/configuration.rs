//! System configuration: the ONE table of its keys, and the entry that holds a key's value.
//!
//! Validation, the rows that a group begins with, the native module, RPC and the documentation read this table.

use parity_scale_codec::{Decode, Encode, Error, Input, Output};

use crate::{
    BlockNumber, Limits,
    limits::{PENDING_SETTINGS_MAX, PROPOSAL_TRANSACTIONS_MAX},
};

/// The most gas that any limit may allow, in Ethereum's unit: sums of it in thousandths stay far below 64 bits.
const GAS_MAX: u64 = u64::MAX / 1_000_000;

/// A key of the system configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigurationKey {
    /// How many transactions a proposal has at most.
    BlockTransactions,
    /// How much gas a transaction may ask for.
    TransactionGas,
    /// How much gas a block has.
    BlockGas,
    /// Which rules blocks are executed under.
    ProtocolVersion,
    /// After how long without a block an empty one is made.
    EmptyBlockPeriod,
}

/// From which height on a decision rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RulesFrom {
    /// From the next block on: what is read when the deciding block has been executed.
    NextBlock,
    /// From as many blocks later as the pipeline is deep: what is read before the deciding block is executed.
    Pipeline,
}

impl RulesFrom {
    /// The first height at which something decided in block `decided` rules, in a pipeline of this depth.
    pub const fn height(self, decided: BlockNumber, pipeline_depth: u32) -> BlockNumber {
        match self {
            Self::NextBlock => decided.saturating_add(1),
            Self::Pipeline => decided.saturating_add(pipeline_depth as u64),
        }
    }

    /// The same in words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::NextBlock => "n+1",
            Self::Pipeline => "n+d",
        }
    }
}

/// What the table says of a key. Every value is a whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyDescription {
    /// Its name, in rows and towards clients.
    pub name: &'static str,
    /// What it means, in one sentence.
    pub meaning: &'static str,
    /// What its value counts.
    pub unit: &'static str,
    /// The least it may be.
    pub minimum: u64,
    /// The most it may be.
    pub maximum: u64,
    /// What else its value has to be; empty if nothing.
    pub condition: &'static str,
    /// From which height on a value decided in block n rules.
    pub rules_from: RulesFrom,
}

/// Why a text is no value of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigurationValueError {
    /// It is no number as it is written down here.
    #[error("it is no decimal number without sign or leading zeros")]
    Form,
    /// It is out of its bounds.
    #[error("{found} is out of its bounds, {minimum} to {maximum}")]
    Bounds {
        /// The number.
        found: u64,
        /// The least it may be.
        minimum: u64,
        /// The most it may be.
        maximum: u64,
    },
}

impl ConfigurationKey {
    /// Every key, in the order of documents.
    pub const ALL: [Self; 5] =
        [Self::BlockTransactions, Self::TransactionGas, Self::BlockGas, Self::ProtocolVersion, Self::EmptyBlockPeriod];

    /// The table.
    pub const fn describe(self) -> KeyDescription {
        match self {
            Self::BlockTransactions => KeyDescription {
                name: "tx_count_limit",
                meaning: "How many transactions a proposal has at most; the rest waits for the next one.",
                unit: "transactions",
                minimum: 1,
                maximum: PROPOSAL_TRANSACTIONS_MAX as u64,
                condition: "",
                rules_from: RulesFrom::Pipeline,
            },
            Self::TransactionGas => KeyDescription {
                name: "tx_gas_limit",
                meaning: "How much gas a transaction may ask for.",
                unit: "gas",
                minimum: 100_000,
                maximum: GAS_MAX,
                condition: "at most `block_gas_limit`, at every height",
                rules_from: RulesFrom::Pipeline,
            },
            Self::BlockGas => KeyDescription {
                name: "block_gas_limit",
                meaning: "How much gas a block has: once it is used up, the rest of the proposal is left out.",
                unit: "gas",
                minimum: 100_000,
                maximum: GAS_MAX,
                condition: "at least `tx_gas_limit`, at every height",
                rules_from: RulesFrom::Pipeline,
            },
            Self::ProtocolVersion => KeyDescription {
                name: "protocol_version",
                meaning: "Which rules blocks are executed under; a node that does not know them stops there.",
                unit: "version",
                minimum: 1,
                maximum: u32::MAX as u64,
                condition: "one more than the version before, which has ruled a block by then",
                rules_from: RulesFrom::Pipeline,
            },
            Self::EmptyBlockPeriod => KeyDescription {
                name: "empty_block_period_ms",
                meaning: "After how long without a block an empty one is made, and voters expect it; 0: never.",
                unit: "milliseconds",
                minimum: 0,
                maximum: 24 * 60 * 60 * 1_000,
                condition: "0, or at least 100",
                // It is looked at where all below is certified, and a quiet chain would never come to a later height.
                rules_from: RulesFrom::NextBlock,
            },
        }
    }

    /// What it is where no row says otherwise: of keys that came after groups had begun without them.
    pub const fn without_row(self) -> Option<u64> {
        match self {
            Self::BlockTransactions | Self::TransactionGas | Self::BlockGas | Self::ProtocolVersion => None,
            Self::EmptyBlockPeriod => Some(0),
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        self.describe().name
    }

    /// The key of this name. Upper case is read as lower case, as FISCO BCOS does.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name().eq_ignore_ascii_case(name))
    }

    /// The number that a text is, if this key can have it. There is one way to write each number.
    ///
    /// # Errors
    /// Another form, or a number out of the key's bounds.
    pub fn parse(self, text: &str) -> Result<u64, ConfigurationValueError> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || (text.starts_with('0') && text != "0") {
            return Err(ConfigurationValueError::Form);
        }
        let KeyDescription { minimum, maximum, .. } = self.describe();
        let found = text.parse().unwrap_or(u64::MAX);
        if (minimum..=maximum).contains(&found) {
            Ok(found)
        } else {
            Err(ConfigurationValueError::Bounds { found, minimum, maximum })
        }
    }

    /// The value that a group begins with.
    pub fn begins_with(self, limits: &Limits, protocol_version: u32) -> u64 {
        match self {
            Self::BlockTransactions => limits.block_transactions.into(),
            Self::TransactionGas => limits.transaction_gas,
            Self::BlockGas => limits.block_gas,
            Self::ProtocolVersion => protocol_version.into(),
            Self::EmptyBlockPeriod => 0,
        }
    }
}

/// A value, and the first height at which it rules.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Setting {
    /// The value, as FISCO BCOS's clients write it.
    pub value: String,
    /// The first height.
    pub from: BlockNumber,
}

/// What the row of a key holds: the value in force and those decided already that rule later.
///
/// In SCALE it is version 1, one setting, where nothing is pending; else version 2, the setting in force and the
/// list of the others. So rows of a group that changes nothing are as they always were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationEntry {
    first: Setting,
    /// Ascending by height, above the first.
    later: Vec<Setting>,
}

impl ConfigurationEntry {
    /// The entry of a key that has this value and has had no other.
    pub fn new(value: u64, from: BlockNumber) -> Self {
        Self { first: Setting { value: value.to_string(), from }, later: Vec::new() }
    }

    /// The setting that rules a height.
    pub fn at(&self, height: BlockNumber) -> &Setting {
        self.later.iter().rev().find(|setting| setting.from <= height).unwrap_or(&self.first)
    }

    /// The setting that was decided last, whether or not it rules yet.
    pub fn last(&self) -> &Setting {
        self.later.last().unwrap_or(&self.first)
    }

    /// The settings that rule this height or a later one.
    pub fn from_height_on(&self, height: BlockNumber) -> impl Iterator<Item = &Setting> {
        std::iter::once(self.at(height)).chain(self.later.iter().filter(move |setting| setting.from > height))
    }

    /// The first height that this entry knows the value of.
    pub const fn since(&self) -> BlockNumber {
        self.first.from
    }

    /// Decides in block `now` that a value rules from a height on. Earlier decisions that rule before that height
    /// stay; those that rule no height from `now` on are dropped.
    pub fn set(&mut self, now: BlockNumber, setting: Setting) {
        let first = self.at(now).clone();
        self.later.retain(|other| other.from > now.max(first.from) && other.from < setting.from);
        if setting.from <= first.from {
            self.first = setting;
        } else {
            self.first = first;
            self.later.push(setting);
        }
    }
}

impl Encode for ConfigurationEntry {
    fn encode_to<O: Output + ?Sized>(&self, output: &mut O) {
        if self.later.is_empty() {
            output.push_byte(1);
            self.first.encode_to(output);
        } else {
            output.push_byte(2);
            self.first.encode_to(output);
            self.later.encode_to(output);
        }
    }
}

impl Decode for ConfigurationEntry {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let version = input.read_byte()?;
        let first = Setting::decode(input)?;
        let later = match version {
            1 => return Ok(Self { first, later: Vec::new() }),
            2 => Vec::<Setting>::decode(input)?,
            _ => return Err("unknown version of the document".into()),
        };
        let mut before = first.from;
        let ascending = later.iter().all(|setting| std::mem::replace(&mut before, setting.from) < setting.from);
        if later.is_empty() || later.len() > PENDING_SETTINGS_MAX || !ascending {
            return Err("pending settings are none, too many or out of order".into());
        }
        Ok(Self { first, later })
    }
}

#[cfg(test)]
mod tests {
    use parity_scale_codec::DecodeAll;
    use proptest::prelude::*;

    use super::*;

    fn setting(value: u64, from: BlockNumber) -> Setting {
        Setting { value: value.to_string(), from }
    }

    #[test]
    fn numbers_have_one_form_and_bounds() {
        let key = ConfigurationKey::BlockTransactions;
        assert_eq!((key.parse("1"), key.parse("100000")), (Ok(1), Ok(100_000)));
        for text in ["", "+1", "-1", "01", "1 ", " 1", "1.0", "0x1", "1e3", "one", "\u{0661}"] {
            assert_eq!(key.parse(text), Err(ConfigurationValueError::Form), "{text:?}");
        }
        for text in ["0", "100001", "18446744073709551616", &"9".repeat(200)] {
            assert!(matches!(key.parse(text), Err(ConfigurationValueError::Bounds { .. })), "{text:?}");
        }
        for key in ConfigurationKey::ALL {
            let KeyDescription { minimum, maximum, name, .. } = key.describe();
            assert_eq!(key.parse(&minimum.to_string()), Ok(minimum));
            assert_eq!(key.parse(&maximum.to_string()), Ok(maximum));
            let below = minimum.checked_sub(1).is_none_or(|below| key.parse(&below.to_string()).is_err());
            assert!(below && key.parse(&(maximum + 1).to_string()).is_err());
            assert_eq!(ConfigurationKey::from_name(&name.to_ascii_uppercase()), Some(key));
        }
        assert_eq!(ConfigurationKey::from_name("consensus_timeout"), None);
    }

    #[test]
    fn the_first_version_of_the_bytes_stands() {
        let plain = ConfigurationEntry::new(258, 7);
        assert_eq!(plain.encode(), [&[1, 3 << 2][..], b"258", &[7, 0, 0, 0, 0, 0, 0, 0]].concat());
        let mut pending = plain.clone();
        pending.set(9, setting(4, 12));
        let expected =
            [&[2, 3 << 2][..], b"258", &[7, 0, 0, 0, 0, 0, 0, 0], &[1 << 2, 1 << 2], b"4", &[12, 0, 0, 0, 0, 0, 0, 0]];
        assert_eq!(pending.encode(), expected.concat());
        for entry in [plain, pending] {
            assert_eq!(ConfigurationEntry::decode_all(&mut entry.encode().as_slice()).unwrap(), entry);
        }
        for bytes in [
            [&[3, 3 << 2][..], b"258", &[7, 0, 0, 0, 0, 0, 0, 0]].concat(),
            [&[2, 3 << 2][..], b"258", &[7, 0, 0, 0, 0, 0, 0, 0, 0]].concat(),
            [&[2, 3 << 2][..], b"258", &[7, 0, 0, 0, 0, 0, 0, 0, 1 << 2, 1 << 2], b"4", &[7, 0, 0, 0, 0, 0, 0, 0]]
                .concat(),
        ] {
            assert!(ConfigurationEntry::decode_all(&mut bytes.as_slice()).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_second_change_before_the_first_rules_loses_nothing() {
        let mut entry = ConfigurationEntry::new(1, 0);
        entry.set(10, setting(2, 13));
        entry.set(11, setting(3, 14));
        assert_eq!(
            (10..16).map(|height| entry.at(height).value.clone()).collect::<Vec<_>>(),
            ["1", "1", "1", "2", "3", "3"]
        );
        assert_eq!(entry.last(), &setting(3, 14));
        // Twice in one block: the second one counts.
        entry.set(11, setting(4, 14));
        assert_eq!((entry.at(13).value.as_str(), entry.at(14).value.as_str()), ("2", "4"));
        assert_eq!(entry.from_height_on(13).map(|setting| setting.from).collect::<Vec<_>>(), [13, 14]);
        entry.set(20, setting(5, 23));
        assert_eq!((entry.since(), entry.at(22).value.as_str(), entry.at(23).value.as_str()), (14, "4", "5"));
    }

    proptest! {
        #[test]
        fn an_entry_tells_what_the_list_of_all_decisions_tells(
            depth in 1_u32..=16,
            decisions in proptest::collection::vec((0_u64..4, 0_u64..1000), 0..60),
        ) {
            let mut entry = ConfigurationEntry::new(0, 0);
            let mut all = vec![setting(0, 0)];
            let mut now = 1;
            for (blocks, value) in decisions {
                now += blocks;
                let decided = setting(value, RulesFrom::Pipeline.height(now, depth));
                entry.set(now, decided.clone());
                all.push(decided);
                let bytes = entry.encode();
                prop_assert_eq!(&ConfigurationEntry::decode_all(&mut bytes.as_slice()).unwrap(), &entry);
                for height in now..now + 20 {
                    let expected = all.iter().rev().filter(|one| one.from <= height).max_by_key(|one| one.from);
                    let latest = all.iter().rev().find(|one| Some(one.from) == expected.map(|found| found.from));
                    prop_assert_eq!(Some(entry.at(height)), latest);
                }
            }
        }
    }
}
