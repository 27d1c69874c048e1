//! What another node may send: the bytes of a stream, and certificates.

#![allow(unreachable_pub, reason = "tests of the room include this file")]

use entente_crypto::{SecretKey, SigningKey, Suite};
use entente_network::{Authority, Chain, Class, NodeCertificate, TlsKey, days, read_stream, stream};

/// The first byte chooses what the rest is: the bytes of a stream of one class, or a certificate.
pub fn check(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    if let Some(class) = Class::ALL.get(usize::from(kind % 4)) {
        let Ok(messages) = read_stream(*class, rest) else { return };
        // What was read is written, and read again.
        let again = stream(*class, &messages);
        assert_eq!(read_stream(*class, &again).expect("what was written is read"), messages);
        return;
    }
    let Ok(node) = NodeCertificate::from_der(rest) else { return };
    assert!(!node.keys.is_empty() && node.keys.len() <= 2, "one key for each suite");
    assert_eq!(NodeCertificate::from_der(rest).expect("the same"), node);
}

/// Streams and certificates as nodes of ours make them.
pub fn seeds() -> Vec<Vec<u8>> {
    let with = |kind: u8, bytes: &[u8]| [&[kind], bytes].concat();
    let small = stream(Class::Consensus, &[(1, b"a vote".to_vec()), (2, Vec::new())]);
    let large = stream(Class::Sync, &[(7, vec![9; 3_000])]);
    let mut seeds = vec![with(0, &small), with(1, &small), with(2, &large), with(0, &[4, 0, 0, 0, 0, 0, 0])];
    seeds.push(with(0, &[[0, 0, 0, 33, 0, 0, 0].as_slice(), &[1; 33]].concat()));
    seeds.push(with(0, &[[1, 0, 0, 2, 0, 0, 0].as_slice(), &[0; 2]].concat()));
    seeds.push(with(3, &certificate()));
    seeds
}

fn certificate() -> Vec<u8> {
    let secret = SecretKey::from_bytes(Suite::Standard, &[7; 32]).expect("a key");
    let keys: [(Suite, &dyn SigningKey); 1] = [(Suite::Standard, &secret)];
    let chain: Chain = Authority::new("consortium")
        .and_then(|root| root.node("node0", &TlsKey::generate()?, &keys, days(30)?))
        .expect("a certificate");
    chain.to_der().expect("DER").first().expect("one").to_vec()
}
