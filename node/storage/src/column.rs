//! The columns of a store.

macro_rules! columns {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal;)*) => {
        /// A column: keys of one kind, ordered among themselves. The names are on disk and never change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Column {
            $($(#[doc = $doc])* $name,)*
        }

        impl Column {
            /// Every column, in the order of the enum.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name on disk.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// What the column holds, as its documentation says it.
            pub const fn doc(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc, "\n"),*),)*
                }
            }
        }
    };
}

columns! {
    /// What there is one of: the store's format, the genesis document, the tip, the state commitment's lanes.
    Meta = "meta";
    /// Block number to header, certificate and whatever else of the block is not a transaction.
    Blocks = "blocks";
    /// Block number and chunk to transactions, in their order.
    Transactions = "transactions";
    /// Block number and chunk to receipts, in their order.
    Receipts = "receipts";
    /// Hashes of transactions and blocks to where they stand.
    Lookup = "lookup";
    /// Rows of the state at the tip.
    State = "state";
    /// What rows held before blocks overwrote them, and which rows each block overwrote.
    History = "history";
    /// Block number to the senders and nonces that may not come again.
    Replay = "replay";
    /// What consensus must remember over a crash.
    Consensus = "consensus";
    /// Block number to the record of what each of its transactions read and wrote.
    Access = "access";
    /// What has arrived of a snapshot that is not there whole.
    Staging = "staging";
}

impl Column {
    /// The place in [`Column::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unlike_and_places_fit() {
        for (index, column) in Column::ALL.iter().enumerate() {
            assert_eq!(column.index(), index);
            assert!(!column.doc().trim().is_empty());
            assert_eq!(Column::ALL.iter().filter(|other| other.name() == column.name()).count(), 1);
        }
    }
}
