//! Certificates that other tools made, under RSA and SM2 keys: `ENTENTE_BLESS=1` makes them anew with OpenSSL.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use entente_crypto::{SecretKey, Suite};
use parity_scale_codec::Encode as _;
use rustls::pki_types::CertificateDer;

use crate::{
    AccessLists, Admission, Chain, Credentials, Network, NetworkOptions, NodeCertificate, TlsKey,
    certificate::{CONSENSUS_KEYS, Possession, now},
};

/// What an authority's keys are of.
#[derive(Debug, Clone, Copy)]
enum Issuers {
    Rsa,
    Sm2,
}

impl Issuers {
    fn folder(self) -> PathBuf {
        let name = match self {
            Self::Rsa => "rsa",
            Self::Sm2 => "sm2",
        };
        Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)
    }

    /// How OpenSSL makes a key, the root's first and then the agency's.
    fn key(self) -> [&'static str; 2] {
        match self {
            Self::Rsa => ["RSA -pkeyopt rsa_keygen_bits:2048", "RSA -pkeyopt rsa_keygen_bits:3072"],
            Self::Sm2 => ["EC -pkeyopt ec_paramgen_curve:SM2"; 2],
        }
    }

    /// How it signs a certificate, the root's, the agency's and the node's.
    fn signs(self) -> [&'static str; 3] {
        match self {
            Self::Rsa => ["-sha256", "-sha384", "-sha256"],
            // Without it OpenSSL signs under an empty identifier, which no standard has.
            Self::Sm2 => ["-sm3 -sigopt distid:1234567812345678"; 3],
        }
    }
}

fn consensus_key() -> SecretKey {
    SecretKey::from_bytes(Suite::Standard, &[5; 32]).expect("a key")
}

fn openssl(folder: &Path, arguments: &str) {
    let arguments = arguments.split(' ').map(|argument| argument.replace('~', " "));
    let output = Command::new("openssl").current_dir(folder).args(arguments).output().expect("openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A bank's own authority with an agency below it, and a node under the agency.
fn bless(issuers: Issuers, kept: &Path) {
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
    let ([root, agency], [signs_root, signs_agency, signs_node]) = (issuers.key(), issuers.signs());
    let request = match issuers {
        Issuers::Rsa => "req -new -sha256",
        Issuers::Sm2 => "req -new -sm3",
    };
    openssl(folder, &format!("genpkey -algorithm {root} -out root.key"));
    openssl(folder, &format!("{request} -subj /O=Bank/CN=root -key root.key -out root.csr"));
    let own = "x509 -req -in root.csr -signkey root.key -days 36500 -extfile authority.cnf -out root.pem";
    openssl(folder, &format!("{own} {signs_root}"));
    openssl(folder, &format!("genpkey -algorithm {agency} -out agency.key"));
    openssl(folder, &format!("{request} -subj /O=Bank/CN=agency -key agency.key -out agency.csr"));
    let by = |issuer: &str| format!("-CA {issuer}.pem -CAkey {issuer}.key -CAcreateserial -days 36500");
    let agency = format!("x509 -req -in agency.csr {} {signs_agency}", by("root"));
    openssl(folder, &format!("{agency} -extfile authority.cnf -out agency.pem"));
    openssl(folder, "req -new -key node.key -subj /O=Bank/CN=branch~office -out node.csr");
    let node = format!("x509 -req -in node.csr {} {signs_node}", by("agency"));
    openssl(folder, &format!("{node} -extfile node.cnf -out leaf.pem"));
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("made");
    fs::create_dir_all(kept).expect("a folder");
    fs::write(kept.join("node.pem"), read("leaf.pem") + &read("agency.pem")).expect("kept");
    for name in ["root.pem", "node.key"] {
        fs::write(kept.join(name), read(name)).expect("kept");
    }
}

async fn serves(issuers: Issuers) {
    let folder = issuers.folder();
    if env::var_os("ENTENTE_BLESS").is_some() {
        bless(issuers, &folder);
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

#[tokio::test]
async fn an_authority_with_rsa_keys_that_was_made_elsewhere_serves() {
    serves(Issuers::Rsa).await;
}

#[tokio::test]
async fn an_authority_with_sm2_keys_that_was_made_elsewhere_serves() {
    serves(Issuers::Sm2).await;
}

/// A certificate with one bit of what an authority signed changed, or of its signature, leads nowhere.
#[test]
fn what_no_authority_signed_with_sm2_is_refused() {
    let folder = Issuers::Sm2.folder();
    let root = Chain::read(&folder.join("root.pem")).and_then(|root| root.to_der()).expect("a certificate");
    let chain = Chain::read(&folder.join("node.pem")).and_then(|chain| chain.to_der()).expect("certificates");
    let anchors = [webpki::anchor_from_trusted_cert(&root[0]).expect("an authority")];
    let verify = |own: &[u8], agency: &[u8]| {
        let (own, agency) = (CertificateDer::from(own), CertificateDer::from(agency));
        NodeCertificate::verify(&anchors, &own, &[agency], webpki::KeyUsage::client_auth(), now())
    };
    assert!(verify(&chain[0], &chain[1]).is_ok());
    for place in 0..2 {
        let whole = &chain[place];
        for byte in (0..whole.len()).step_by(7).chain(whole.len() - 72..whole.len()) {
            let mut changed = chain.iter().map(|one| one.to_vec()).collect::<Vec<_>>();
            changed[place][byte] ^= 1;
            assert!(verify(&changed[0], &changed[1]).is_err(), "byte {byte} of certificate {place}");
        }
    }
}
