//! `entente cert`: the certificates of nodes, shown, renewed and revoked.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use entente_crypto::Suite;
use entente_driver::{read_access_lists, read_genesis, read_secret_key, write_access_lists};
use entente_network::{Chain, NODE_DAYS, NodeCertificate, TlsKey};
use serde::Serialize;

use crate::{
    chain::{
        authorities::{self, certificate_path, tls_key_path},
        name, node_folders,
        processes::hang_up,
    },
    output::{Failure, Output},
    running::running,
    table::Table,
};

const SECONDS_OF_DAY: u64 = 86_400;

/// What can be done with certificates.
#[derive(Debug, Subcommand)]
pub(crate) enum CertCommand {
    /// Show whose a node's certificate is, its serial number, and until when it holds.
    #[command(after_help = "Example:\n  entente cert show chain/node0\n  entente cert show node3.pem --json")]
    Show(ShowArguments),
    /// Issue a new certificate for a node with the keys that it has. A running node takes it at once.
    #[command(
        after_help = "Example:\n  entente cert renew chain/node0\n  entente cert renew chain/node0 --issuer chain/agencies/north --days 365"
    )]
    Renew(RenewArguments),
    /// Put a certificate on the deny lists of nodes, which let whoever shows it go at once.
    #[command(
        after_help = "Example:\n  entente cert revoke chain/node3 --at chain\n  entente cert revoke 4f01a2 --at chain/node0 --at chain/node1"
    )]
    Revoke(RevokeArguments),
}

/// Whose.
#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// A node's folder, or a file with its certificate.
    #[arg(value_name = "NODE")]
    node: PathBuf,
}

/// Whose, and by whom.
#[derive(Debug, Args)]
pub(crate) struct RenewArguments {
    /// The node's folder.
    #[arg(value_name = "NODE")]
    node: PathBuf,
    /// The folder of the agency that issues it. Left out: the only one of the chain that the node's folder is in.
    #[arg(long, value_name = "DIR")]
    issuer: Option<PathBuf>,
    /// For how many days from now.
    #[arg(long, default_value_t = NODE_DAYS, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
}

/// Which one, and where.
#[derive(Debug, Args)]
pub(crate) struct RevokeArguments {
    /// A node's folder, a file with a certificate, or a serial number.
    #[arg(value_name = "CERTIFICATE")]
    certificate: PathBuf,
    /// The folder of a node that shall not let it in any more, or of a chain: all its nodes.
    #[arg(long = "at", required = true, value_name = "DIR")]
    places: Vec<PathBuf>,
}

/// A certificate as it is shown.
#[derive(Debug, Serialize)]
struct CertificateLine {
    subject: String,
    serial: String,
    node_ids: Vec<String>,
    issuers: Vec<String>,
    /// Seconds since 1970.
    expires_at: u64,
    /// Days until then; 0 where it is over.
    days_left: u64,
    peer: String,
}

impl CertificateLine {
    fn new(chain: &Chain) -> Result<Self, Failure> {
        let NodeCertificate { peer, keys, serial, subject, expires_at } = chain.node()?;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok(Self {
            subject,
            serial,
            node_ids: keys.iter().map(|key| hex::encode(key.as_bytes())).collect(),
            issuers: chain.issuers(),
            expires_at,
            days_left: expires_at.saturating_sub(now) / SECONDS_OF_DAY,
            peer: peer.to_string(),
        })
    }

    fn text(&self) -> String {
        let mut table = Table::default();
        let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
        row("subject", self.subject.clone());
        row("serial", self.serial.clone());
        self.node_ids.iter().for_each(|id| row("node", id.clone()));
        row("issued by", self.issuers.join("; below "));
        let days = if self.days_left == 0 {
            "holds no longer, or ends today".to_owned()
        } else {
            format!("{} days", self.days_left)
        };
        row("holds for", days);
        row("peer", self.peer.clone());
        table.text()
    }
}

impl CertCommand {
    /// Does it.
    pub(crate) fn run(self, output: Output) -> Result<(), Failure> {
        match self {
            Self::Show(arguments) => show(&arguments, output),
            Self::Renew(arguments) => renew(&arguments, output),
            Self::Revoke(arguments) => revoke(&arguments, output),
        }
    }
}

/// The file of a certificate that is meant by a node's folder or a file.
fn file(path: &Path) -> PathBuf {
    if path.is_dir() { certificate_path(path) } else { path.to_owned() }
}

fn show(arguments: &ShowArguments, output: Output) -> Result<(), Failure> {
    let line = CertificateLine::new(&Chain::read(&file(&arguments.node))?)?;
    output.show(&line, || line.text())
}

fn renew(arguments: &RenewArguments, output: Output) -> Result<(), Failure> {
    let node = &arguments.node;
    let issuer = if let Some(folder) = &arguments.issuer {
        folder.clone()
    } else {
        let full = node.canonicalize().map_err(|error| Failure::new(format!("{}: {error}", node.display())))?;
        let chain = full.parent().unwrap_or(Path::new("."));
        authorities::find(chain, None).map_err(|failure| failure.at("no issuer; give one with --issuer"))?
    };
    let issuer = authorities::read(&issuer)?;
    let suite: Suite = read_genesis(node)?.suite;
    let key = read_secret_key(&node.join("keys").join("consensus.key"), suite)?;
    let tls_key = TlsKey::read(&tls_key_path(node))?;
    let certificate = authorities::certificate(&name(node), &tls_key, &key, &issuer, arguments.days)?;
    authorities::replace(&certificate_path(node), &certificate.to_pem()?)?;
    tell(node)?;
    let line = CertificateLine::new(&certificate)?;
    output.show(&line, || line.text())
}

fn revoke(arguments: &RevokeArguments, output: Output) -> Result<(), Failure> {
    let shown = &arguments.certificate;
    let serial = match shown.to_str().filter(|_| !shown.exists()) {
        Some(text) if (1..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            text.to_ascii_lowercase()
        }
        _ => Chain::read(&file(shown))?.node()?.serial,
    };
    let mut nodes: Vec<PathBuf> = Vec::new();
    for place in &arguments.places {
        if place.join("config.toml").is_file() {
            nodes.push(place.clone());
        } else {
            nodes.extend(node_folders(place)?);
        }
    }
    for node in &nodes {
        let mut lists = read_access_lists(node)?;
        if lists.deny_serials.insert(serial.clone()) {
            write_access_lists(node, &lists)?;
        }
        tell(node)?;
    }
    let value = serde_json::json!({ "serial": serial, "denied_by": nodes });
    output.show(&value, || {
        let nodes: Vec<String> = nodes.iter().map(|node| node.display().to_string()).collect();
        format!("the certificate with serial number {serial} is let in no more by {}", nodes.join(", "))
    })
}

/// Tells the folder's node, if it runs, to read its lists and its certificate again.
fn tell(node: &Path) -> Result<(), Failure> {
    if let Some(running) = running(node)? {
        hang_up(running.pid);
    }
    Ok(())
}
