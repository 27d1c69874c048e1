//! `entente group`: what is done with a group as a whole.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use entente_driver::{NodeConfig, StorageEngine, open_engine, read_genesis, read_secret_key};
use entente_executor::Executor;
use entente_group::{can_recover, open, recover, recovering_members, recovery_of};
use entente_ledger::Ledger;
use entente_storage::SharedResources;
use entente_types::{Certificate, CertificateVote, Member, PublicKey, SignedRecovery, Suite, Version};
use serde::Serialize;

use crate::{
    output::{Failure, Output, read_bounded},
    running::RunningMark,
};

/// The bytes of a document with the signatures of as many members as there may be.
const DOCUMENT_BYTES_MAX: u64 = 1 << 20;

/// What can be done with a group.
#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// Go on where the members of a group came to different headers: begin a document, sign it, take it in.
    #[command(
        after_help = "Example:\n  entente group recover --dir chain/node0 --begin recovery.json\n  entente group recover --dir chain/node1 --sign recovery.json\n  entente group recover --dir chain/node0 --apply recovery.json\n\nAll nodes are stopped and have the release on which their members agreed. Every member signs, then every node takes the\ndocument in."
    )]
    Recover(RecoverArguments),
}

/// Which node, and how far things are.
#[derive(Debug, Args)]
pub(crate) struct RecoverArguments {
    /// The node's folder. The node must not run.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    #[command(flatten)]
    step: Step,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Step {
    /// Write a document that names this node's last block, signed by this node.
    #[arg(long, value_name = "FILE")]
    begin: Option<PathBuf>,
    /// Add this node's signature to a document.
    #[arg(long, value_name = "FILE")]
    sign: Option<PathBuf>,
    /// Take in a document that all members signed.
    #[arg(long, value_name = "FILE")]
    apply: Option<PathBuf>,
}

impl GroupCommand {
    /// Does it.
    pub(crate) fn run(self, output: Output) -> Result<(), Failure> {
        let Self::Recover(arguments) = self;
        let Step { begin, sign, apply } = &arguments.step;
        let stopped = Stopped::open(&arguments.dir)?;
        match (begin, sign, apply) {
            (Some(file), ..) => stopped.begin(file, output),
            (_, Some(file), _) => stopped.sign(file, output),
            (.., Some(file)) => stopped.apply(file, output),
            (None, None, None) => Err(Failure::new("give one of --begin, --sign and --apply")),
        }
    }
}

/// A node that does not run.
struct Stopped {
    folder: PathBuf,
    ledger: std::sync::Arc<Ledger>,
    executor: std::sync::Arc<Executor>,
    members: Vec<Member>,
    _mark: RunningMark,
}

/// What a step came to.
#[derive(Serialize)]
struct RecoveryLine<'a> {
    file: &'a Path,
    height: u64,
    header: String,
    /// How many have signed, and how many must.
    signed: usize,
    members: usize,
    applied: bool,
}

impl Stopped {
    fn open(folder: &Path) -> Result<Self, Failure> {
        let config = NodeConfig::read(folder)?;
        let genesis = read_genesis(folder)?;
        let place = folder.display();
        let data = folder.join("data").join(genesis.group_id.as_str());
        if config.storage.engine == StorageEngine::Memory || !data.is_dir() {
            return Err(Failure::new(format!("{place}: there is no ledger on disk; a recovery begins with one")));
        }
        let mark = RunningMark::take(folder)?;
        let narrow = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
        let storage = &config.storage;
        let resources = SharedResources::new(narrow(storage.block_cache_bytes), narrow(storage.write_buffer_bytes));
        let engine = open_engine(folder, &genesis.group_id, storage, &resources)?;
        let (ledger, executor) = open(engine, &genesis, storage.ledger())?;
        let members = recovering_members(&ledger, &executor)?;
        Ok(Self { folder: folder.into(), ledger, executor, members, _mark: mark })
    }

    fn suite(&self) -> Suite {
        self.ledger.genesis().suite
    }

    fn begin(&self, file: &Path, output: Output) -> Result<(), Failure> {
        if file.exists() {
            return Err(Failure::new(format!(
                "{}: there is such a file; give another one, or --sign it",
                file.display()
            )));
        }
        let recovery = recovery_of(&self.ledger);
        can_recover(&self.ledger, &recovery)?;
        let signatures = Certificate { version: Version, votes: Vec::new() };
        self.add_own(SignedRecovery { recovery, signatures }, file, output)
    }

    fn sign(&self, file: &Path, output: Output) -> Result<(), Failure> {
        let signed = read(file)?;
        can_recover(&self.ledger, &signed.recovery)?;
        self.add_own(signed, file, output)
    }

    /// Adds this node's signature and writes the document.
    fn add_own(&self, mut signed: SignedRecovery, file: &Path, output: Output) -> Result<(), Failure> {
        let key = read_secret_key(&self.folder.join("keys").join("consensus.key"), self.suite())?;
        let own: PublicKey = key.public_key();
        let place = self.members.iter().position(|member| member.key == own);
        let Some(member) = place.and_then(|place| u16::try_from(place).ok()) else {
            let address = own.address();
            return Err(Failure::new(format!("{}: {address} is no sealer of the next block", self.folder.display())));
        };
        let votes = &mut signed.signatures.votes;
        votes.retain(|vote| vote.member != member);
        votes.push(CertificateVote { member, signature: key.sign(&signed.recovery.signing_digest(self.suite())) });
        votes.sort_by_key(|vote| vote.member);
        // Before anybody can see the signature.
        self.ledger.note_signed_recovery(&signed.recovery)?;
        write(file, &signed)?;
        self.show(&signed, file, false, output)
    }

    fn apply(&self, file: &Path, output: Output) -> Result<(), Failure> {
        let signed = read(file)?;
        recover(&self.ledger, &self.executor, signed.clone())?;
        self.ledger.engine().flush()?;
        self.show(&signed, file, true, output)
    }

    fn show(&self, signed: &SignedRecovery, file: &Path, applied: bool, output: Output) -> Result<(), Failure> {
        let line = RecoveryLine {
            file,
            height: signed.recovery.height,
            header: signed.recovery.header.to_string(),
            signed: signed.signatures.votes.len(),
            members: self.members.len(),
            applied,
        };
        output.show(&line, || {
            let RecoveryLine { height, header, signed, members, .. } = &line;
            let file = file.display();
            let what = format!(
                "{file}: the group goes on above block {height}, header {header}; {signed} of {members} signed"
            );
            match (applied, signed == members) {
                (true, _) => format!("{what}\ntaken in: start the node once all others have it"),
                (false, true) => {
                    format!("{what}\ntake it in at every node: entente group recover --dir DIR --apply {file}")
                }
                (false, false) => format!("{what}\nthe others sign it: entente group recover --dir DIR --sign {file}"),
            }
        })
    }
}

/// Writes a document whole: what others signed before is not lost with the power.
fn write(file: &Path, signed: &SignedRecovery) -> Result<(), Failure> {
    let at = |error: std::io::Error| Failure::new(format!("{}: {error}", file.display()));
    let mut partial = file.as_os_str().to_owned();
    partial.push(".partial");
    let text = serde_json::to_string_pretty(signed)? + "\n";
    let mut target = fs::File::create(&partial).map_err(at)?;
    target.write_all(text.as_bytes()).and_then(|()| target.sync_all()).map_err(at)?;
    fs::rename(&partial, file).map_err(at)
}

fn read(file: &Path) -> Result<SignedRecovery, Failure> {
    let bytes = read_bounded(file, DOCUMENT_BYTES_MAX)?;
    let wrong = |error| Failure::new(format!("{}: it is no recovery document: {error}", file.display()));
    serde_json::from_slice(&bytes).map_err(wrong)
}
