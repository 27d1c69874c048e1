//! Every length that a stranger supplies in a document, in one place.

/// The bytes of an encoded transaction.
pub const TRANSACTION_BYTES_MAX: usize = 1 << 20;
/// The bytes of a transaction's input; a deployment's module is in there.
pub const INPUT_BYTES_MAX: usize = TRANSACTION_BYTES_MAX - (8 << 10);
/// The authorizations of a transaction that sets code (EIP-7702). Within the gas of Ethereum's own transactions (EIP-7825)
/// no more than 670 can be paid for.
pub const AUTHORIZATIONS_MAX: usize = 1 << 10;
/// The bytes of a transaction's free field.
pub const EXTRA_BYTES_MAX: usize = 1 << 10;
/// The characters of a group's name.
pub const GROUP_ID_BYTES_MAX: usize = 64;
/// The blocks for which a native transaction can be valid ahead of the height it is looked at.
pub const VALIDITY_BLOCKS_MAX: u64 = 1000;
/// The members of a sealer set.
pub const SEALERS_MAX: usize = 1024;
/// The observers of a group.
pub const OBSERVERS_MAX: usize = 1024;
/// The transactions a proposal names.
pub const PROPOSAL_TRANSACTIONS_MAX: usize = 100_000;
/// The bytes of an encoded proof: as hexadecimal digits they fill the largest message to or from a node.
pub const PROOF_BYTES_MAX: usize = 8 << 20;
/// The topics of a log.
pub const TOPICS_MAX: usize = 4;
/// The bytes of the message in a receipt's error; longer ones are cut.
pub const ERROR_MESSAGE_BYTES_MAX: usize = 256;
/// The heights that may be in flight at a time.
pub const PIPELINE_DEPTH_MAX: u32 = 16;
/// The settings of one configuration key that are decided and do not rule yet: at most one for each height in flight.
pub const PENDING_SETTINGS_MAX: usize = PIPELINE_DEPTH_MAX as usize;
