//! The documents that hold keys or signatures, as a Guomi group has them.

use entente_crypto::{SecretKey, Suite};
use entente_types::{
    Block, Certificate, CertificateVote, Genesis, Header, Member, Transaction, UnsignedTransaction, Version,
};

pub(crate) fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(Suite::Guomi, &[seed; 32]).expect("a key")
}

pub(crate) fn genesis() -> Genesis {
    let sealers =
        [(1, 1), (2, 1), (3, 2), (4, 1)].map(|(seed, weight)| Member { key: key(seed).public_key(), weight }).into();
    Genesis { sealers, ..super::genesis(Suite::Guomi) }
}

pub(crate) fn native() -> Transaction {
    let unsigned = UnsignedTransaction { sender: key(7).public_key().address(), ..super::unsigned() };
    unsigned.sign(&genesis().hash(), &key(7))
}

pub(crate) fn fisco() -> Transaction {
    super::fisco_by(&key(7))
}

pub(crate) fn certificate() -> Certificate {
    let header = super::header();
    let digest = Header::signing_digest(Suite::Guomi, &genesis().hash(), header.number, &header.hash(Suite::Guomi));
    let vote = |member: u16| CertificateVote { member, signature: key(member as u8 + 1).sign(&digest) };
    Certificate { version: Version, votes: vec![vote(0), vote(2), vote(3)] }
}

pub(crate) fn block() -> Block {
    Block { certificate: certificate(), transactions: vec![native(), fisco()], ..super::block(Suite::Guomi) }
}
