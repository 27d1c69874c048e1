//! `entente proof`: fetching proofs from a node that need not be trusted, and checking them without one.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use entente_client::light::{LightClient, ProvedBlock};
use entente_driver::read_genesis_file;
use entente_types::{BlockNumber, Claim, Hash, Proof, Table, hex_bytes, limits::PROOF_BYTES_MAX};
use serde::Serialize;

use crate::{
    arguments::GroupArguments,
    output::{Failure, Output, read_bounded},
    runtime::block_on,
    table::{Table as TextTable, thousands},
};

/// What can be done with proofs.
#[derive(Debug, Subcommand)]
pub(crate) enum ProofCommand {
    /// Fetch the proof that a transaction is in a block.
    #[command(
        after_help = "Example:\n  entente proof transaction 0x58b1fc7e2b0d4a3c9e6f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f --out payment.proof"
    )]
    Transaction(HashArguments),
    /// Fetch the proof of what came of a transaction: its receipt.
    #[command(
        after_help = "Example:\n  entente proof receipt 0x58b1fc7e2b0d4a3c9e6f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f --out receipt.proof"
    )]
    Receipt(HashArguments),
    /// Fetch the proof of what a block wrote to a row of the state.
    #[command(
        after_help = "Example:\n  entente proof row 0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0 0x00 --block 7\n  entente proof row configuration 0x61 --block 7 --out row.proof"
    )]
    Row(RowArguments),
    /// Check a proof with nothing but the genesis document.
    #[command(after_help = "Example:\n  entente proof check payment.proof --genesis chain/node0/genesis.toml --json")]
    Check(CheckArguments),
}

/// Where a proof comes from and goes to.
#[derive(Debug, Args)]
pub(crate) struct FetchArguments {
    /// The file to write: the proof's bytes, as `proof check` reads them. One that is there is replaced.
    #[arg(long, value_name = "FILE", default_value = "proof.bin")]
    out: PathBuf,
    #[command(flatten)]
    place: GroupArguments,
}

/// Of which transaction.
#[derive(Debug, Args)]
pub(crate) struct HashArguments {
    /// The transaction's hash.
    hash: Hash,
    #[command(flatten)]
    fetch: FetchArguments,
}

/// Of which row.
#[derive(Debug, Args)]
pub(crate) struct RowArguments {
    /// The table: a contract's address, or one of accounts, code, configuration, ethereum_hashes and members.
    table: Table,
    /// The row's key there, as hexadecimal digits.
    #[arg(value_parser = digits)]
    key: Key,
    /// The block that wrote it.
    #[arg(long, value_name = "NUMBER")]
    block: BlockNumber,
    #[command(flatten)]
    fetch: FetchArguments,
}

/// What to check, and against what.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// The proof's file.
    file: PathBuf,
    /// The group's genesis document, such as a node's genesis.toml.
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// The hash that the genesis document must have, where the document comes from somebody else.
    #[arg(long, value_name = "HASH")]
    genesis_hash: Option<Hash>,
}

/// A key as it was typed.
#[derive(Debug, Clone)]
struct Key(Vec<u8>);

fn digits(text: &str) -> Result<Key, String> {
    hex_bytes::decode(text).map(Key).map_err(|_| "expected hexadecimal digits, two a byte, such as 0x00".to_owned())
}

#[derive(Serialize)]
struct FetchedLine<'a> {
    file: &'a Path,
    bytes: usize,
    genesis_hash: Hash,
    block: BlockNumber,
    block_hash: Hash,
    claim: &'a Claim,
}

#[derive(Serialize)]
struct CheckedLine<'a> {
    ok: bool,
    genesis_hash: Hash,
    block: BlockNumber,
    block_hash: Hash,
    timestamp_ms: u64,
    sealer_changes: usize,
    claim: &'a Claim,
}

impl ProofCommand {
    /// Does it.
    pub(crate) fn run(self, output: Output) -> Result<(), Failure> {
        match self {
            Self::Check(arguments) => check(&arguments, output),
            other => block_on(fetch(other, output)),
        }
    }
}

async fn fetch(command: ProofCommand, output: Output) -> Result<(), Failure> {
    let not_committed = |hash: &Hash| Failure::new(format!("{hash}: no block has this transaction; wait, or check it"));
    let (proof, group, out) = match command {
        ProofCommand::Transaction(HashArguments { hash, fetch }) => {
            let group = fetch.place.connect().await?;
            (group.transaction_proof(&hash).await?.ok_or_else(|| not_committed(&hash))?, group, fetch.out)
        }
        ProofCommand::Receipt(HashArguments { hash, fetch }) => {
            let group = fetch.place.connect().await?;
            (group.receipt_proof(&hash).await?.ok_or_else(|| not_committed(&hash))?, group, fetch.out)
        }
        ProofCommand::Row(RowArguments { table, key, block, fetch }) => {
            let group = fetch.place.connect().await?;
            let proof = group.row_proof(&table, &key.0, block).await?;
            let missing = || {
                let key = hex_bytes::encode(&key.0);
                Failure::new(format!("block {block} did not write the row {key} of {table}; name the block that did"))
            };
            (proof.ok_or_else(missing)?, group, fetch.out)
        }
        ProofCommand::Check(arguments) => return check(&arguments, output),
    };
    let bytes = proof.to_bytes();
    std::fs::write(&out, &bytes).map_err(|error| Failure::new(format!("{}: {error}", out.display())))?;
    let header = &proof.block.header;
    let line = FetchedLine {
        file: &out,
        bytes: bytes.len(),
        genesis_hash: proof.genesis,
        block: header.number,
        block_hash: header.hash(group.suite()),
        claim: &proof.claim,
    };
    output.show(&line, || {
        let (file, size, block) = (out.display(), thousands(bytes.len() as u64), header.number);
        let check = format!("entente proof check {file} --genesis genesis.toml");
        format!("{file}: {size} bytes that should prove: {} block {block}; check with: {check}", subject(&proof.claim))
    })
}

fn check(arguments: &CheckArguments, output: Output) -> Result<(), Failure> {
    let bytes = read_bounded(&arguments.file, PROOF_BYTES_MAX as u64)?;
    let at = |failure: Failure| failure.at(arguments.file.display());
    let proof = Proof::from_bytes(&bytes).map_err(|error| at(error.into()))?;
    let genesis = read_genesis_file(&arguments.genesis)?;
    let light = match &arguments.genesis_hash {
        Some(hash) => LightClient::with_hash(&genesis, hash),
        None => LightClient::new(&genesis),
    };
    let mut light = light.map_err(|error| Failure::from(error).at(arguments.genesis.display()))?;
    let ProvedBlock { number, hash, timestamp_ms } = light.verify(&proof).map_err(|error| at(error.into()))?;
    let line = CheckedLine {
        ok: true,
        genesis_hash: proof.genesis,
        block: number,
        block_hash: hash,
        timestamp_ms,
        sealer_changes: proof.sealer_changes.len(),
        claim: &proof.claim,
    };
    output.show(&line, || {
        let mut table = TextTable::default();
        let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
        row("proved", format!("{} block {number}", subject(&proof.claim)));
        row("block hash", hash.to_string());
        row("group", proof.genesis.to_string());
        row("certificate", format!("{} signatures", proof.block.certificate.votes.len()));
        if let Claim::Row(claim) = &proof.claim {
            row("value", claim.value.as_deref().map_or_else(|| "removed".to_owned(), hex_bytes::encode));
        }
        if let Claim::Receipt(claim) = &proof.claim {
            row("status", claim.receipt.status.code().to_string());
        }
        table.text()
    })
}

/// What is claimed, up to the block's number.
fn subject(claim: &Claim) -> String {
    match claim {
        Claim::Transaction(_) => "the transaction is in".to_owned(),
        Claim::Receipt(claim) => format!("the receipt of transaction {} is in", claim.transaction),
        Claim::Row(claim) => format!("the row {} of {} was written by", hex_bytes::encode(&claim.key), claim.table),
    }
}
