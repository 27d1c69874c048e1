//! The domains of every hash and signature of ours.

/// What a hash is of. A domain stands before the hashed bytes, so that a hash of one kind never equals one of
/// another kind. No domain is a prefix of another: each ends in `/1` and kinds contain no `/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Domain(&'static str);

macro_rules! domains {
    ($($(#[$doc:meta])* $name:ident = $kind:literal;)*) => {
        impl Domain {
            $($(#[$doc])* pub const $name: Self = Self(concat!("entente/", $kind, "/1"));)*

            /// Every domain there is.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

domains! {
    /// The genesis document: its hash names the group.
    GENESIS = "genesis";
    /// What the sender of a native transaction signs.
    TRANSACTION_SIGNATURE = "transaction-signature";
    /// A native transaction with its signature.
    TRANSACTION = "transaction";
    /// A proposal: what consensus orders.
    PROPOSAL = "proposal";
    /// A block header.
    HEADER = "header";
    /// What the members of a sealer set sign about a header.
    HEADER_SIGNATURE = "header-signature";
    /// That a member of the sealer set is the one who proposes a digest at a height and in a view.
    PBFT_PRE_PREPARE = "pbft-pre-prepare";
    /// A member's vote that a digest stands at a height in a view.
    PBFT_PREPARE = "pbft-prepare";
    /// A member's vote that a quorum prepared a digest.
    PBFT_COMMIT = "pbft-commit";
    /// A member's wish for another view, with what it prepared.
    PBFT_VIEW_CHANGE = "pbft-view-change";
    /// The beginning of a view.
    PBFT_NEW_VIEW = "pbft-new-view";
    /// The document by which a group goes on whose members came to different headers.
    RECOVERY = "recovery";
    /// What each member signs about it.
    RECOVERY_SIGNATURE = "recovery-signature";
    /// The sealer set that rules a height.
    SEALERS = "sealers";
    /// One receipt.
    RECEIPT = "receipt";
    /// The access records of a proposal.
    ACCESS = "access";
    /// A leaf of a Merkle tree.
    MERKLE_LEAF = "merkle-leaf";
    /// An inner node of a Merkle tree.
    MERKLE_NODE = "merkle-node";
    /// The root of a Merkle tree without leaves.
    MERKLE_EMPTY = "merkle-empty";
    /// A row of the state: the element that LtHash adds.
    ROW = "row";
    /// The state root, over LtHash's lanes.
    STATE = "state";
    /// The address of a contract that no rule of Ethereum names.
    CREATE = "create";
    /// Contract code.
    CODE = "code";
    /// The head of a snapshot.
    SNAPSHOT = "snapshot";
    /// A part of a snapshot's manifest.
    SNAPSHOT_PART = "snapshot-part";
    /// The lanes of a snapshot's chunk, which name it.
    SNAPSHOT_CHUNK = "snapshot-chunk";
    /// The key of a row, for where a snapshot's chunks end.
    SNAPSHOT_CUT = "snapshot-cut";
    /// What a contract hashes for itself.
    CONTRACT = "contract";
    /// What names compiled code among a node's files.
    CODE_CACHE = "code-cache";
    /// The key under which a node seals its compiled code.
    CODE_CACHE_KEY = "code-cache-key";
    /// That whoever has a TLS key has a consensus key too.
    POSSESSION = "possession";
    /// What tells a peer that both belong to a group, and anybody else nothing.
    GROUP_TOKEN = "group-token";
    /// The key that the Guomi suite seals with, from a longer one.
    SEAL_KEY = "seal-key";
}

impl Domain {
    /// The domain's text.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_domain_is_a_prefix_of_another() {
        for (left_index, left) in Domain::ALL.iter().enumerate() {
            for (right_index, right) in Domain::ALL.iter().enumerate() {
                assert!(
                    left_index == right_index || !right.as_str().starts_with(left.as_str()),
                    "{} begins {}",
                    left.as_str(),
                    right.as_str()
                );
            }
        }
    }
}
