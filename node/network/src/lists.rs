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

#[cfg(test)]
mod tests {
    //! The rules of FISCO BCOS's manual, `2.x/en/docs/design/security_control/certificate_list.md`, in its order.

    use entente_crypto::{SecretKey, Suite};
    use libp2p_identity::PeerId;

    use super::*;

    fn node(seed: u8) -> NodeCertificate {
        let key = SecretKey::from_bytes(Suite::Standard, &[seed; 32]).unwrap().public_key();
        NodeCertificate {
            peer: PeerId::random(),
            keys: vec![key],
            serial: format!("4f{seed:02x}"),
            subject: format!("CN=node{seed}"),
            expires_at: u64::MAX,
        }
    }

    fn names(nodes: &[u8]) -> BTreeSet<String> {
        nodes.iter().map(|seed| hex::encode(node(*seed).keys[0].as_bytes())).collect()
    }

    fn let_in(lists: &AccessLists) -> Vec<u8> {
        (1..=4).filter(|seed| lists.check(&node(*seed)).is_ok()).collect()
    }

    #[test]
    fn who_is_on_the_deny_list_is_refused() {
        let lists = AccessLists { deny_nodes: names(&[2]), ..AccessLists::default() };
        assert_eq!(let_in(&lists), [1, 3, 4]);
        let refusal = lists.check(&node(2)).unwrap_err().to_string();
        assert!(refusal.starts_with("node ") && refusal.ends_with(" is on the deny list"), "{refusal}");
    }

    #[test]
    fn who_is_not_on_the_allow_list_is_refused_and_an_empty_one_lets_all_in() {
        assert_eq!(let_in(&AccessLists::default()), [1, 2, 3, 4]);
        let lists = AccessLists { allow_nodes: names(&[2, 3]), ..AccessLists::default() };
        assert_eq!(let_in(&lists), [2, 3]);
        let refusal = lists.check(&node(1)).unwrap_err().to_string();
        assert!(refusal.ends_with(" is not on the allow list"), "{refusal}");
    }

    #[test]
    fn the_deny_list_stands_above_the_allow_list() {
        // The manual's example: A, B and C are allowed, A is denied.
        let lists = AccessLists { allow_nodes: names(&[1, 2, 3]), deny_nodes: names(&[1]), ..AccessLists::default() };
        assert_eq!(let_in(&lists), [2, 3]);
    }

    #[test]
    fn certificates_are_named_by_serial_number_however_it_is_written() {
        for serial in ["4f02", "4F02", "004f02"] {
            let lists = AccessLists { deny_serials: [serial.to_owned()].into(), ..AccessLists::default() };
            assert_eq!(let_in(&lists), [1, 3, 4], "{serial}");
            let lists = AccessLists { allow_serials: [serial.to_owned()].into(), ..AccessLists::default() };
            assert_eq!(let_in(&lists), [2], "{serial}");
        }
        // Either list lets in, either keeps out.
        let lists = AccessLists {
            allow_nodes: names(&[1]),
            allow_serials: ["4f02".to_owned()].into(),
            deny_nodes: names(&[1]),
            ..AccessLists::default()
        };
        assert_eq!(let_in(&lists), [2]);
    }
}
