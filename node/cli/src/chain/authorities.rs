//! Those who issue certificates, as a chain's folder keeps them, and the certificates of nodes.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use entente_crypto::{SecretKey, SigningKey as ConsensusKey, Suite};
use entente_network::{Authority, Chain, NODE_DAYS, TlsKey, days};

use crate::output::Failure;

/// The folder of the consortium's own authority, in the chain's.
pub(crate) const CHAIN: &str = "ca";
/// The folder of its agencies, one folder each.
pub(crate) const AGENCIES: &str = "agencies";

const KEY_FILE: &str = "ca.key";
const CHAIN_FILE: &str = "ca.pem";

/// Whether a name can be an agency's: it is a folder's, too.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let known = |character: char| character.is_ascii_alphanumeric() || " -".contains(character);
    if (1..=64).contains(&name.len()) && name.trim() == name && name.chars().all(known) {
        Ok(())
    } else {
        Err(format!("{name:?} is no agency's name: 1 to 64 letters, digits, spaces and hyphens"))
    }
}

/// Writes a file that nobody but the user can read.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error: std::io::Error| Failure::new(format!("{}: {error}", path.display())))
}

/// Writes a file in one piece: whoever reads meanwhile finds the old one or the new one.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let partial = path.with_extension("partial");
    let write = fs::write(&partial, text).and_then(|()| fs::rename(&partial, path));
    write.map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

/// Writes an authority's folder: its key, and its certificates up to the consortium's.
pub(crate) fn write(folder: &Path, authority: &Authority) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;
    write_private(&folder.join(KEY_FILE), &authority.key().to_pem()?)?;
    replace(&folder.join(CHAIN_FILE), &authority.chain().to_pem()?)
}

/// Reads an authority's folder.
pub(crate) fn read(folder: &Path) -> Result<Authority, Failure> {
    Ok(Authority::read(&folder.join(KEY_FILE), &folder.join(CHAIN_FILE))?)
}

/// The only agency of a chain, or the one with this name.
pub(crate) fn find(chain: &Path, name: Option<&str>) -> Result<PathBuf, Failure> {
    let place = chain.join(AGENCIES);
    if let Some(name) = name {
        check_name(name).map_err(Failure::new)?;
        return Ok(place.join(name));
    }
    let entries = fs::read_dir(&place).map_err(|error| Failure::new(format!("{}: {error}", place.display())))?;
    let mut agencies: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    agencies.sort();
    match agencies.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Failure::new(format!("{}: no agency is here", place.display()))),
        many => {
            let names: Vec<_> = many.iter().filter_map(|path| path.file_name()?.to_str()).collect();
            Err(Failure::new(format!(
                "{}: name one of the agencies with --agency: {}",
                place.display(),
                names.join(", ")
            )))
        }
    }
}

/// Where a node keeps its TLS key.
pub(crate) fn tls_key_path(node: &Path) -> PathBuf {
    node.join("keys").join("tls.key")
}

/// Where a node keeps its certificate, and those above it but the consortium's.
pub(crate) fn certificate_path(node: &Path) -> PathBuf {
    node.join("certs").join("node.pem")
}

/// Gives a new node a TLS key and a certificate.
pub(crate) fn certify_new(node: &Path, name: &str, key: &SecretKey, issuer: &Authority) -> Result<(), Failure> {
    let tls_key = TlsKey::generate()?;
    write_private(&tls_key_path(node), &tls_key.to_pem()?)?;
    replace(&node.join("certs").join("ca.pem"), &issuer.root().to_pem()?)?;
    replace(&certificate_path(node), &certificate(name, &tls_key, key, issuer, NODE_DAYS)?.to_pem()?)
}

/// Issues a certificate for so many days from now.
pub(crate) fn certificate(
    name: &str,
    tls_key: &TlsKey,
    key: &SecretKey,
    issuer: &Authority,
    for_days: u32,
) -> Result<Chain, Failure> {
    let keys: [(Suite, &dyn ConsensusKey); 1] = [(key.suite(), key)];
    Ok(issuer.node(name, tls_key, &keys, days(for_days)?)?)
}
