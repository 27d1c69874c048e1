//! Making a ledger, and opening one that is there.

use std::sync::Arc;

use entente_crypto::{Hash, LtHash, Suite};
use entente_state::KEY_BYTES_MAX;
use entente_storage::{Batch, Column, Durability, Engine, Snapshot, StorageError};
use entente_types::{BlockNumber, Genesis, Header, Lineage, Receipt, SealerHistory, SignedRecovery, sealers_hash};
use parity_scale_codec::Decode;

use crate::{
    CreateError, GenesisRecord, Ledger, LedgerOptions, OpenError, ReadError, Tip,
    append::{BlockParts, put_block, put_tip},
    format::{
        META_COMMITMENT, META_FORMAT, META_GENESIS, META_HISTORY, META_OLDEST, META_RECOVERIES, META_TIP, STORE_FORMAT,
        Stored, StoredTip, decode, put_row,
    },
    ledger::Published,
    read::{read_block, read_receipts},
    snapshot::finish_installation,
    state::read_members,
};

impl Ledger {
    /// Makes the ledger of a new group in an empty store: block 0 in one synced batch.
    ///
    /// # Errors
    /// The document is refused, block 0 does not fit it, or the store holds a ledger.
    pub fn create(engine: Arc<dyn Engine>, record: GenesisRecord) -> Result<Self, CreateError> {
        Self::create_with(engine, record, LedgerOptions::default())
    }

    /// The same with options of this node.
    pub fn create_with(
        engine: Arc<dyn Engine>,
        record: GenesisRecord,
        options: LedgerOptions,
    ) -> Result<Self, CreateError> {
        record.genesis.validate()?;
        check_block0(&record)?;
        if engine.get(Column::Meta, META_FORMAT).map_err(ReadError::from)?.is_some() {
            return Err(CreateError::NotEmpty);
        }
        let GenesisRecord { genesis, block0, changes, commitment } = record;
        let tip = Tip {
            number: 0,
            header_hash: block0.header.hash(genesis.suite),
            proposal: block0.header.proposal,
            total_transactions: 0,
        };
        let mut batch = Batch::new();
        batch.put(Column::Meta, META_FORMAT, &[STORE_FORMAT]);
        batch.put_with(Column::Meta, |key| key.extend_from_slice(META_GENESIS), |value| encode(&genesis, value));
        put_block(
            &mut batch,
            &BlockParts { block: &block0, header_hash: &tip.header_hash, hashes: &[], receipts: &[] },
        );
        for change in changes.iter() {
            put_row(&mut batch, &change.row, change.new.as_deref());
        }
        put_tip(&mut batch, tip, 0, &commitment);
        engine.write(batch, Durability::Synced).map_err(ReadError::from)?;
        let published = Published {
            tip,
            history_floor: 0,
            oldest_block: 1,
            transactions_below: 0,
            commitment,
            snapshot: engine.snapshot(),
        };
        let lineage = Lineage::new(genesis.hash());
        Ok(Self::new(engine, genesis, lineage, options, published))
    }

    /// Whether a store holds a ledger, of whatever group.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn is_begun(engine: &dyn Engine) -> Result<bool, StorageError> {
        Ok(engine.get(Column::Meta, META_FORMAT)?.is_some())
    }

    /// Opens the ledger of this group. What it reads does not grow with the number of blocks.
    ///
    /// # Errors
    /// There is none, it is of another group or a later version, or what it says of its tip contradicts itself.
    pub fn open(engine: Arc<dyn Engine>, expected: &Genesis) -> Result<Self, OpenError> {
        Self::open_with(engine, expected, LedgerOptions::default())
    }

    /// The same with options of this node.
    pub fn open_with(engine: Arc<dyn Engine>, expected: &Genesis, options: LedgerOptions) -> Result<Self, OpenError> {
        let snapshot = engine.snapshot();
        check_format(&*snapshot)?;
        let genesis: Genesis = read_meta(&*snapshot, META_GENESIS)?;
        let (found, expected) = (genesis.hash(), expected.hash());
        if found != expected {
            return Err(OpenError::ForeignGenesis { found, expected });
        }
        let lineage = read_lineage(&*snapshot, found, genesis.suite)?;
        // A snapshot that was being put in when the node stopped is put in now.
        finish_installation(&*engine, genesis.suite)?;
        let published = read_published(engine.snapshot(), &genesis)?;
        Ok(Self::new(engine, genesis, lineage, options, published))
    }
}

/// What a store says of its tip, which contradicts itself nowhere.
pub(crate) fn read_published(snapshot: Arc<dyn Snapshot>, genesis: &Genesis) -> Result<Published, OpenError> {
    let published = stored(snapshot)?;
    check_tip(&*published.snapshot, genesis, published.tip, &published.commitment)?;
    Ok(published)
}

/// What a store says of its tip.
pub(crate) fn stored(snapshot: Arc<dyn Snapshot>) -> Result<Published, ReadError> {
    let tip = Tip::from(read_meta::<StoredTip>(&*snapshot, META_TIP)?);
    let lanes = read_meta::<Stored<Vec<u8>>>(&*snapshot, META_COMMITMENT)?.value;
    let commitment = LtHash::from_bytes(&lanes)
        .map_err(|error| ReadError::damaged(Column::Meta, META_COMMITMENT, error.to_string()))?;
    let history_floor = read_meta::<Stored<BlockNumber>>(&*snapshot, META_HISTORY)?.value;
    let oldest = snapshot.get(Column::Meta, META_OLDEST).map_err(ReadError::from)?;
    let (oldest_block, transactions_below) = match oldest {
        Some(bytes) => decode::<Stored<(BlockNumber, u64)>>(Column::Meta, META_OLDEST, &bytes)?.value,
        None => (1, 0),
    };
    Ok(Published { tip, history_floor, oldest_block, transactions_below, commitment, snapshot })
}

fn encode(value: &impl parity_scale_codec::Encode, bytes: &mut Vec<u8>) {
    value.encode_to(bytes);
}

fn read_meta<T: Decode>(snapshot: &dyn Snapshot, key: &[u8]) -> Result<T, ReadError> {
    let bytes = snapshot.get(Column::Meta, key)?;
    let bytes = bytes.ok_or_else(|| {
        ReadError::damaged(Column::Meta, key, format!("`{}` is missing", String::from_utf8_lossy(key)))
    })?;
    decode(Column::Meta, key, &bytes)
}

/// The recoveries that were taken in, whose signatures were verified then.
pub(crate) fn read_recoveries(snapshot: &dyn Snapshot) -> Result<Vec<SignedRecovery>, ReadError> {
    let Some(bytes) = snapshot.get(Column::Meta, META_RECOVERIES)? else { return Ok(Vec::new()) };
    Ok(decode::<Stored<Vec<SignedRecovery>>>(Column::Meta, META_RECOVERIES, &bytes)?.value)
}

fn read_lineage(snapshot: &dyn Snapshot, genesis: Hash, suite: Suite) -> Result<Lineage, ReadError> {
    let mut lineage = Lineage::new(genesis);
    for signed in read_recoveries(snapshot)? {
        lineage
            .recover(suite, &signed.recovery)
            .map_err(|error| ReadError::damaged(Column::Meta, META_RECOVERIES, error.to_string()))?;
    }
    Ok(lineage)
}

fn check_format(snapshot: &dyn Snapshot) -> Result<(), OpenError> {
    let format = snapshot.get(Column::Meta, META_FORMAT).map_err(ReadError::from)?;
    match format.as_deref() {
        None => Err(OpenError::Empty),
        Some([STORE_FORMAT]) => Ok(()),
        Some([found, ..]) => Err(OpenError::UnknownFormat { found: *found, known: STORE_FORMAT }),
        Some([]) => Err(ReadError::damaged(Column::Meta, META_FORMAT, "the format is empty").into()),
    }
}

/// The tip's block is there, and everything that it commits to and that is cheap to make again is as it says.
fn check_tip(snapshot: &dyn Snapshot, genesis: &Genesis, tip: Tip, commitment: &LtHash) -> Result<(), OpenError> {
    let suite = genesis.suite;
    let number = tip.number;
    let missing = |column, what: &str| {
        ReadError::damaged(column, &number.to_be_bytes(), format!("{what} of the tip, block {number}, are missing"))
    };
    let block = read_block(snapshot, number)?.ok_or_else(|| missing(Column::Blocks, "header and certificate"))?;
    let receipts: Vec<Receipt> =
        read_receipts(snapshot, number)?.ok_or_else(|| missing(Column::Receipts, "the receipts"))?;
    let header = &block.header;
    let hashes: Vec<Hash> = block.transactions.iter().map(|transaction| transaction.hash(suite)).collect();
    let next = number.saturating_add(1);
    let next_sealers = read_members(snapshot, |state| SealerHistory::new(state, genesis)?.ruling(next))?.hash;
    let checks = [
        ("header hash", header.hash(suite), tip.header_hash),
        ("proposal", tip.proposal, header.proposal),
        ("state root", commitment.root(suite), header.state_root),
        ("sealer set of the next height", next_sealers, header.next_sealers),
        ("transaction root", Header::transaction_root(suite, &hashes), header.transaction_root),
        ("receipt root", Header::receipt_root(suite, &receipts), header.receipt_root),
    ];
    match checks.into_iter().find(|(_, found, expected)| found != expected) {
        Some((what, found, expected)) => Err(OpenError::Tip { number, what, found, expected }),
        None => Ok(()),
    }
}

/// Block 0 follows from the document, but for its rows, which whoever executes knows.
fn check_block0(record: &GenesisRecord) -> Result<(), CreateError> {
    let GenesisRecord { genesis, block0, changes, commitment } = record;
    let suite = genesis.suite;
    let header = &block0.header;
    let hashes = [
        ("parent", header.parent, Hash::ZERO),
        ("proposal", header.proposal, genesis.hash()),
        ("next_sealers", header.next_sealers, sealers_hash(suite, &genesis.sealers)),
        ("transaction_root", header.transaction_root, Header::transaction_root(suite, &[])),
        ("receipt_root", header.receipt_root, Header::receipt_root(suite, &[])),
        ("change_root", header.change_root, changes.root(suite)),
        ("state_root", header.state_root, commitment.root(suite)),
    ];
    let counts = [
        ("number", header.number, 0),
        ("transactions", block0.transactions.len() as u64, 0),
        ("certificate", block0.certificate.votes.len() as u64, 0),
    ];
    let wrong = |field, found: String, expected: String| Err(CreateError::Block { field, found, expected });
    if let Some((field, found, expected)) = hashes.into_iter().find(|(_, found, expected)| found != expected) {
        return wrong(field, found.to_string(), expected.to_string());
    }
    if let Some((field, found, expected)) = counts.into_iter().find(|(_, found, expected)| found != expected) {
        return wrong(field, found.to_string(), expected.to_string());
    }
    match changes.iter().map(|change| change.row.key().len()).find(|length| *length > KEY_BYTES_MAX) {
        Some(length) => Err(CreateError::Key(length)),
        None => Ok(()),
    }
}
