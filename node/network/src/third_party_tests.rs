//! Certificates that other tools made, under RSA keys: `ENTENTE_BLESS=1` makes them anew with OpenSSL.

use std::{env, fs, path::Path, process::Command, sync::Arc};

use entente_crypto::{SecretKey, Suite};
use parity_scale_codec::Encode as _;

use crate::{
    AccessLists, Admission, Chain, Credentials, Network, NetworkOptions, TlsKey,
    certificate::{CONSENSUS_KEYS, Possession},
};

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/rsa"))
}

fn consensus_key() -> SecretKey {
    SecretKey::from_bytes(Suite::Standard, &[5; 32]).expect("a key")
}

fn openssl(folder: &Path, arguments: &str) {
    let arguments = arguments.split(' ').map(|argument| argument.replace('~', " "));
    let output = Command::new("openssl").current_dir(folder).args(arguments).output().expect("openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A bank's own authority with an agency below it, both RSA, and a node under the agency.
fn bless(kept: &Path) {
    let made = tempfile::tempdir().expect("a folder");
    let folder = made.path();
    let key = TlsKey::generate().expect("a key");
    let possession = Possession::prove(Suite::Standard, &consensus_key(), &key.public_der().expect("a key"));
    fs::write(folder.join("node.key"), key.to_pem().expect("a key").as_bytes()).expect("written");
    let authority = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n";
    fs::write(folder.join("authority.cnf"), authority).expect("written");
    let extension = hex::encode(vec![possession].encode());
    let node = format!(
        "keyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n{CONSENSUS_KEYS}=DER:{extension}\n"
    );
    fs::write(folder.join("node.cnf"), node).expect("written");
    openssl(folder, "req -new -newkey rsa:2048 -nodes -subj /O=Bank/CN=root -keyout root.key -out root.csr");
    openssl(folder, "x509 -req -in root.csr -signkey root.key -days 36500 -extfile authority.cnf -out root.pem");
    openssl(folder, "req -new -newkey rsa:3072 -nodes -subj /O=Bank/CN=agency -keyout agency.key -out agency.csr");
    let by = |issuer: &str| format!("-CA {issuer}.pem -CAkey {issuer}.key -CAcreateserial -days 36500");
    openssl(folder, &format!("x509 -req -in agency.csr {} -sha384 -extfile authority.cnf -out agency.pem", by("root")));
    openssl(folder, "req -new -key node.key -subj /O=Bank/CN=branch~office -out node.csr");
    openssl(folder, &format!("x509 -req -in node.csr {} -extfile node.cnf -out leaf.pem", by("agency")));
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("made");
    fs::create_dir_all(kept).expect("a folder");
    fs::write(kept.join("node.pem"), read("leaf.pem") + &read("agency.pem")).expect("kept");
    for name in ["root.pem", "node.key"] {
        fs::write(kept.join(name), read(name)).expect("kept");
    }
}

#[tokio::test]
async fn an_authority_with_rsa_keys_that_was_made_elsewhere_serves() {
    let folder = folder();
    if env::var_os("ENTENTE_BLESS").is_some() {
        bless(folder);
    }
    let root = Chain::read(&folder.join("root.pem")).expect("the bank's certificate");
    let key = TlsKey::read(&folder.join("node.key")).expect("the node's key");
    let credentials = Credentials { key, chain: Chain::read(&folder.join("node.pem")).expect("its certificates") };
    let admission = || Arc::new(Admission::new(&root, AccessLists::default()).expect("an authority"));
    let one = Network::start(admission(), &credentials, NetworkOptions::default()).await.expect("a network");
    assert_eq!(one.own().keys, [consensus_key().public_key()]);
    assert_eq!(one.own().subject, "CN=branch office,O=Bank");
    let other = Admission::new(&crate::Authority::new("other").expect("one").root(), AccessLists::default());
    let refused = Network::start(Arc::new(other.expect("an authority")), &credentials, NetworkOptions::default()).await;
    assert!(refused.is_err(), "under another authority it is nothing");
}
