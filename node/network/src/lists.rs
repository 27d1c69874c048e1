//! Who is let in of those whose certificates hold, and who is not.

use std::collections::BTreeSet;

use crate::{CertificateError, NodeCertificate, certificate};

/// The entries of one list at most.
pub const LIST_ENTRIES_MAX: usize = 10_000;

/// Names of nodes and of certificates.
///
/// As with FISCO BCOS's `certificate_blacklist` and `certificate_whitelist`: an empty allow list lets all in, and whoever
/// is on both lists is not let in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccessLists {
    /// The only nodes let in, where there are any: consensus keys as 128 hexadecimal digits.
    pub allow_nodes: BTreeSet<String>,
    /// The only certificates let in, where there are any: serial numbers as hexadecimal digits.
    pub allow_serials: BTreeSet<String>,
    /// Nodes that are not let in.
    pub deny_nodes: BTreeSet<String>,
    /// Certificates that are not let in.
    pub deny_serials: BTreeSet<String>,
}

impl AccessLists {
    /// Whether a node is let in.
    ///
    /// # Errors
    /// The list that keeps it out.
    pub fn check(&self, node: &NodeCertificate) -> Result<(), CertificateError> {
        let names: Vec<String> = node.keys.iter().map(|key| hex::encode(key.as_bytes())).collect();
        let lists_node = |list: &BTreeSet<String>, name: &String| list.iter().any(|one| one.eq_ignore_ascii_case(name));
        if let Some(name) = names.iter().find(|name| lists_node(&self.deny_nodes, name)) {
            return Err(CertificateError::Denied(format!("node {name}")));
        }
        let serial = || format!("the certificate with serial number {}", node.serial);
        let lists_serial = |list: &BTreeSet<String>| list.iter().any(|one| certificate::serial(one) == node.serial);
        if lists_serial(&self.deny_serials) {
            return Err(CertificateError::Denied(serial()));
        }
        let all = self.allow_nodes.is_empty() && self.allow_serials.is_empty();
        if all || names.iter().any(|name| lists_node(&self.allow_nodes, name)) || lists_serial(&self.allow_serials) {
            return Ok(());
        }
        Err(CertificateError::NotAllowed(names.first().map_or_else(serial, |name| format!("node {name}"))))
    }
}
