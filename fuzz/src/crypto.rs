//! Keys, signatures, sealed texts and commitments from bytes.

#![allow(unreachable_pub, reason = "tests of the room include this file")]

use entente_crypto::{
    Address, Hash, LtHash, MerkleProof, PublicKey, SEAL_NONCE_BYTES, SEAL_TAG_BYTES, SecretKey, Signature, Suite,
    merkle_proof, merkle_root,
};
use parity_scale_codec::{DecodeAll, Encode};

use super::input::Input;

/// The first byte chooses what is read from the rest, the second the suite.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let kind = input.byte();
    let suite = if input.byte().is_multiple_of(2) { Suite::Standard } else { Suite::Guomi };
    match kind {
        0 => signature(suite, &mut input, false),
        // Apart, since waiting for other threads takes most of its time.
        7 => signature(suite, &mut input, true),
        1 => public_key(suite, input),
        2 => secret_key(suite, &mut input),
        3 => sealed(suite, &mut input),
        4 => commitment(suite, input.0),
        5 => merkle(suite, input),
        6 => _ = std::str::from_utf8(input.0).map(|text| (text.parse::<Hash>(), text.parse::<Address>())),
        _ => {}
    }
}

fn signature(suite: Suite, input: &mut Input<'_>, together: bool) {
    let digest = Hash(input.array());
    if let Ok(signature) = Signature::from_bytes(input.0) {
        assert_eq!(signature.as_bytes(), input.0);
        let encoded = signature.encode();
        assert_eq!(Signature::decode_all(&mut &*encoded), Ok(signature.clone()));
        judge(suite, &digest, &signature, together);
    }
    if let Ok(signature) = Signature::decode_all(&mut &*input.0) {
        assert_eq!(signature.encode(), input.0);
        judge(suite, &digest, &signature, together);
    }
}

/// Whoever a signature is said to be by is a key of the suite.
fn judge(suite: Suite, digest: &Hash, signature: &Signature, together: bool) {
    let signer = suite.signer(digest, signature);
    if together {
        assert_eq!(suite.signers(vec![(digest, signature)]).first(), Some(&signer));
    }
    let Ok(signer) = signer else { return };
    assert_eq!(signer.key.suite(), suite);
    assert_eq!(signer.address, signer.key.address());
    assert_eq!(PublicKey::from_bytes(suite, signer.key.as_bytes()), Ok(signer.key));
}

fn public_key(suite: Suite, mut input: Input<'_>) {
    if let Ok(key) = PublicKey::decode_all(&mut &*input.0) {
        assert_eq!(key.encode(), input.0);
        key.address();
    }
    let point = input.array();
    if let Ok(key) = PublicKey::from_bytes(suite, &point) {
        assert_eq!((key.suite(), key.as_bytes()), (suite, &point));
        assert_eq!(PublicKey::decode_all(&mut &*key.encode()), Ok(key));
    }
}

fn secret_key(suite: Suite, input: &mut Input<'_>) {
    let Ok(key) = SecretKey::from_bytes(suite, &input.array()) else { return };
    let digest = Hash(input.array());
    let signature = key.sign(&digest);
    assert_eq!(signature, key.sign(&digest));
    let signer = suite.signer(&digest, &signature).expect("a signature just made");
    assert_eq!(signer.key, key.public_key());
    // Another digest, or a bit of the signature turned over, is never this key's.
    let mut other = digest;
    other.0[input.below(32)] ^= 1;
    assert_ne!(suite.signer(&other, &signature).ok(), Some(signer));
    let mut bytes = signature.as_bytes().to_vec();
    let place = input.below(bytes.len());
    bytes[place] ^= 1 << input.below(8);
    let damaged = Signature::from_bytes(&bytes).expect("of the same length");
    assert_ne!(suite.signer(&digest, &damaged).ok(), Some(signer));
}

fn sealed(suite: Suite, input: &mut Input<'_>) {
    let (key, nonce): ([u8; 32], [u8; SEAL_NONCE_BYTES]) = (input.array(), input.array());
    let associated = input.short();
    let text = input.0;
    assert!(suite.open(&key, &nonce, associated, text).is_err());
    let Ok(mut sealed) = suite.seal(&key, &nonce, associated, text) else { return };
    assert_eq!(sealed.len(), text.len() + SEAL_TAG_BYTES);
    assert_eq!(suite.open(&key, &nonce, associated, &sealed).as_deref(), Ok(text));
    let place = usize::from(nonce[0]) % sealed.len();
    sealed[place] ^= 0x80;
    assert!(suite.open(&key, &nonce, associated, &sealed).is_err());
}

fn commitment(suite: Suite, bytes: &[u8]) {
    let Ok(mut hash) = LtHash::from_bytes(bytes) else { return };
    assert_eq!(hash.to_bytes(), bytes);
    let before = hash.root(suite);
    hash.add(suite, &[b"element"]);
    hash.subtract(suite, &[b"ele", b"ment"]);
    assert_eq!(hash.root(suite), before);
}

fn merkle(suite: Suite, mut input: Input<'_>) {
    if let Ok(proof) = MerkleProof::decode_all(&mut &*input.0) {
        assert_eq!(proof.encode(), input.0);
        proof.root(suite, b"leaf");
    }
    let mut leaves = Vec::new();
    while !input.is_empty() && leaves.len() < 40 {
        leaves.push(input.short());
    }
    let root = merkle_root(suite, &leaves);
    for (index, leaf) in leaves.iter().enumerate() {
        let proof = merkle_proof(suite, &leaves, index).expect("a leaf that is there");
        assert_eq!(proof.root(suite, leaf), root);
        assert_eq!(MerkleProof::decode_all(&mut &*proof.encode()), Ok(proof));
    }
    assert_eq!(merkle_proof(suite, &leaves, leaves.len()), None);
}

/// One of each kind, in the suite that every build has.
pub fn seeds() -> Vec<Vec<u8>> {
    let key = SecretKey::from_bytes(Suite::Standard, &[7; 32]).expect("a key");
    let digest = Hash([3; 32]);
    let signature = key.sign(&digest);
    let leaves: Vec<Vec<u8>> = (0..9).map(|leaf| vec![leaf; usize::from(leaf)]).collect();
    let proof = merkle_proof(Suite::Standard, &leaves, 4).expect("a leaf");
    vec![
        [&[0, 0][..], &digest.0, signature.as_bytes()].concat(),
        [&[0, 0][..], &digest.0, &signature.encode()].concat(),
        [&[0, 1][..], &digest.0, &[2; 129]].concat(),
        [&[7, 0][..], &digest.0, signature.as_bytes()].concat(),
        [&[1, 0][..], key.public_key().as_bytes()].concat(),
        [&[1, 0][..], &key.public_key().encode()].concat(),
        [&[2, 0][..], &[7; 32], &digest.0, &[5, 6, 7]].concat(),
        [&[2, 1][..], &[7; 32], &digest.0, &[5, 6, 7]].concat(),
        [&[3, 0][..], &[1; 32], &[2; SEAL_NONCE_BYTES], &[3, b'a', b'b', b'c'], b"a text"].concat(),
        [&[4, 0][..], &[5; 2048]].concat(),
        [&[5, 0][..], &proof.encode()].concat(),
        [&[5, 1][..], &[1, 2, 3, 4, 5, 0, 0, 2, 1, 1, 9]].concat(),
        b"\x06\x000x00112233445566778899aabbccddeeff00112233".to_vec(),
    ]
}
