//! The bytes of messages and records, which never change: `ENTENTE_BLESS=1` writes them anew where that is meant.

use std::{fmt::Write, fs, path::Path, sync::Arc};

use entente_consensus::{
    Certified, HeightRecord, Identity, Message, MessageError, NewView, Prepared, SealerSet, ViewChange, ViewRecord,
};
use entente_crypto::{Domain, SecretKey, Suite};
use entente_types::{Certificate, CertificateVote, Hash, Header, Lineage, Member, Version};
use parity_scale_codec::{Decode, Encode};

const MEMBERS: u8 = 4;

fn identity(member: u8) -> Identity {
    let key = SecretKey::from_bytes(Suite::Standard, &[member + 1; 32]).expect("a key");
    let scheme = Arc::new(Suite::Standard);
    Identity { suite: Suite::Standard, lineage: Arc::new(Lineage::new(Hash([7; 32]))), key: Arc::new(key), scheme }
}

fn set() -> SealerSet {
    let members = (0..MEMBERS).map(|member| Member { key: identity(member).key.public_key(), weight: 1 }).collect();
    SealerSet { since: 1, members }
}

fn certificate(digest: &Hash) -> Certificate {
    let votes = (0..3).map(|member| CertificateVote { member, signature: identity(member as u8).key.sign(digest) });
    Certificate { version: Version, votes: votes.collect() }
}

fn ballot(view: u64) -> entente_consensus::Ballot {
    entente_consensus::Ballot { epoch: 1, view, height: 6, digest: Hash([3; 32]) }
}

fn prepared() -> Prepared {
    let digest = ballot(0).signing_digest(Suite::Standard, &Hash([7; 32]), Domain::PBFT_PREPARE);
    Prepared { ballot: ballot(0), certificate: certificate(&digest) }
}

fn change(member: u16) -> ViewChange {
    let header = Hash([4; 32]);
    let signed = Header::signing_digest(Suite::Standard, &Hash([7; 32]), 5, &header);
    let identity = identity(member as u8);
    identity.sign_view_change(ViewChange {
        epoch: 1,
        view: 1,
        certified: Some(Certified { height: 5, header, certificate: certificate(&signed) }),
        prepared: vec![prepared()],
        member,
        signature: identity.key.sign(&header),
    })
}

fn new_view() -> NewView {
    let identity = identity(1);
    let changes = vec![change(0), change(1), change(3)];
    let signature = identity.key.sign(&Hash([0; 32]));
    identity.sign_new_view(NewView { epoch: 1, view: 1, changes, member: 1, signature })
}

fn messages() -> Vec<(&'static str, Message)> {
    let one = identity(2);
    vec![
        ("pre-prepare", Message::PrePrepare(one.vote(2, Domain::PBFT_PRE_PREPARE, ballot(2)))),
        ("prepare", Message::Prepare(one.vote(2, Domain::PBFT_PREPARE, ballot(2)))),
        ("commit", Message::Commit(one.vote(2, Domain::PBFT_COMMIT, ballot(2)))),
        ("checkpoint", Message::Checkpoint(one.checkpoint(2, 1, 6, Hash([5; 32])))),
        ("view-change", Message::ViewChange(change(2))),
        ("new-view", Message::NewView(new_view())),
    ]
}

#[test]
fn bytes_of_messages_and_records_stand() {
    let mut text = String::new();
    for (name, message) in messages() {
        writeln!(text, "{name} {}", hex::encode(message.encode())).expect("a text");
    }
    let view = ViewRecord { version: Version, epoch: 1, view: 1, new_view: Some(new_view()) };
    let height = HeightRecord {
        version: Version,
        epoch: 1,
        voted: Some((1, Hash([3; 32]))),
        prepared: Some(prepared()),
        signed: Some(Hash([5; 32])),
    };
    writeln!(text, "view-record {}", hex::encode(view.encode())).expect("a text");
    writeln!(text, "height-record {}", hex::encode(height.encode())).expect("a text");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/golden.txt");
    if std::env::var_os("ENTENTE_BLESS").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, &text).expect("writes");
    }
    assert_eq!(fs::read_to_string(&path).expect("the golden file"), text);
}

#[test]
fn what_members_say_is_believed_and_any_other_byte_is_not() {
    let (one, set) = (identity(0), set());
    let verify = |message: &Message| match message {
        Message::PrePrepare(vote) => one.verify_vote(&set, Domain::PBFT_PRE_PREPARE, vote),
        Message::Prepare(vote) => one.verify_vote(&set, Domain::PBFT_PREPARE, vote),
        Message::Commit(vote) => one.verify_vote(&set, Domain::PBFT_COMMIT, vote),
        Message::Checkpoint(checkpoint) => one.verify_checkpoint(&set, checkpoint),
        Message::ViewChange(change) => one.verify_view_change(&set, change),
        Message::NewView(new) => one.verify_new_view(&set, new),
    };
    for (name, message) in messages() {
        assert_eq!(verify(&message), Ok(()), "{name}");
        let bytes = message.encode();
        // The first byte is the kind, and in epochs the set is chosen before anything is verified.
        for place in (9..bytes.len()).step_by(if bytes.len() > 500 { 23 } else { 1 }) {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            if let Ok(decoded) = Message::decode(&mut &damaged[..]) {
                assert!(decoded == message || verify(&decoded).is_err(), "{name}: byte {place}");
            }
        }
    }
    let Message::Prepare(vote) = &messages()[1].1 else { panic!("a prepare") };
    let error = one.verify_vote(&set, Domain::PBFT_COMMIT, vote);
    assert_eq!(error, Err(MessageError::Signature(2)), "a vote to prepare is none to commit");
}

#[test]
fn a_new_view_needs_a_quorum_that_wants_it() {
    let (one, set) = (identity(1), set());
    let with = |changes: Vec<ViewChange>| {
        let new = one.sign_new_view(NewView { changes, ..new_view() });
        identity(0).verify_new_view(&set, &new)
    };
    assert_eq!(with(vec![change(0), change(1), change(2)]), Ok(()));
    assert_eq!(with(vec![change(0), change(1)]), Err(MessageError::Changes));
    assert_eq!(with(vec![change(0), change(1), change(1)]), Err(MessageError::Changes));
    let other = identity(3).sign_view_change(ViewChange { view: 5, ..change(3) });
    assert_eq!(with(vec![change(0), change(1), other]), Err(MessageError::Changes));
    let gap = ViewChange { certified: None, ..change(3) };
    assert_eq!(with(vec![change(0), change(1), identity(3).sign_view_change(gap)]), Err(MessageError::Prepared));
    let forged = Prepared { certificate: certificate(&Hash([9; 32])), ..prepared() };
    let forged = identity(3).sign_view_change(ViewChange { prepared: vec![forged], ..change(3) });
    assert!(matches!(with(vec![change(0), change(1), forged]), Err(MessageError::Certificate(_))));
}
