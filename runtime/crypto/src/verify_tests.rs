//! Published vectors, the edges of each rule, and bytes of any kind.

use proptest::{collection::vec, prelude::*};
use sm2::dsa::{SigningKey, signature::Signer};

use super::*;
use crate::{SecretKey, keccak256};

fn bytes(digits: &str) -> Vec<u8> {
    hex::decode(digits.replace(' ', "")).expect("hexadecimal")
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// The order of a group as its 32 bytes.
fn order_secp256k1() -> Vec<u8> {
    secp256k1::constants::CURVE_ORDER.to_vec()
}

fn order_sm2() -> Vec<u8> {
    bytes("fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123")
}

/// `left - right` of 32 bytes, big-endian.
fn less(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut result = vec![0; 32];
    let mut borrow = 0;
    for index in (0..32).rev() {
        let difference = i32::from(left[index]) - i32::from(right[index]) - borrow;
        borrow = i32::from(difference < 0);
        result[index] = difference.rem_euclid(256) as u8;
    }
    result
}

/// go-ethereum's vector of the precompile 1 (core/vm/testdata/precompiles/ecRecover.json, "ValidKey"): its `s` is high.
const ECRECOVER_HASH: &str = "18c547e4f7b0f325ad1e56f57e26c745b09a3e503d86e00e5255ff7f715d3d1c";
const ECRECOVER_R: &str = "73b1693892219d736caba55bdb67216e485557ea6b6af75f37096c9aa6a5a75f";
const ECRECOVER_S: &str = "eeb940b1d03b21e36b0e47e79769f095fe2ab855bd91e3a38756b7d75a9c4549";
const ECRECOVER_ADDRESS: &str = "a94f5374fce5edbc8e2a8697c15331677e6ebf0b";

#[test]
fn ethereums_vector_is_recovered_from_its_low_twin_only() {
    let (digest, r, high) = (bytes(ECRECOVER_HASH), bytes(ECRECOVER_R), bytes(ECRECOVER_S));
    for v in [0, 1, 27, 28] {
        assert_eq!(recover_secp256k1(&digest, &joined(&[&r, &high, &[v]])), None);
    }
    // The vector's v is 28; its twin's is 27.
    let low = less(&order_secp256k1(), &high);
    for v in [0, 27] {
        let key = recover_secp256k1(&digest, &joined(&[&r, &low, &[v]])).expect("a key");
        assert_eq!(keccak256(&key).0[12..], bytes(ECRECOVER_ADDRESS));
        assert!(verify_secp256k1(&digest, &joined(&[&r, &low]), &key));
        assert!(!verify_secp256k1(&digest, &joined(&[&r, &high]), &key));
        let other = recover_secp256k1(&digest, &joined(&[&r, &low, &[v + 1]])).expect("the other key");
        assert_ne!(key, other);
        assert!(verify_secp256k1(&digest, &joined(&[&r, &low]), &other), "both keys fit; v tells which one signed");
    }
}

#[test]
fn every_v_but_four_gives_nothing() {
    let digest = Hash([7; 32]);
    let signature = SecretKey::from_bytes(Suite::Standard, &[9; 32]).unwrap().sign(&digest);
    let mut recoverable = signature.as_bytes().to_vec();
    for v in 0..=u8::MAX {
        recoverable[64] = v;
        assert_eq!(recover_secp256k1(&digest.0, &recoverable).is_some(), matches!(v, 0 | 1 | 27 | 28), "{v}");
    }
}

#[test]
fn scalars_and_points_of_secp256k1_outside_their_ranges_are_refused() {
    let secret = SecretKey::from_bytes(Suite::Standard, &[9; 32]).unwrap();
    let (digest, key) = ([7; 32], *secret.public_key().as_bytes());
    let signed = secret.sign(&Hash(digest));
    let (r, s) = (&signed.as_bytes()[..32], &signed.as_bytes()[32..64]);
    let order = order_secp256k1();
    let half = less(&order, &bytes("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0"));
    let outside = [vec![0; 32], order, half, vec![0xff; 32]];
    assert!(verify_secp256k1(&digest, &joined(&[r, s]), &key));
    for wrong in outside {
        for (r, s) in [(&wrong[..], s), (r, &wrong[..])] {
            assert!(!verify_secp256k1(&digest, &joined(&[r, s]), &key));
        }
        assert_eq!(recover_secp256k1(&digest, &joined(&[r, &wrong, &[0]])), None);
    }
    for zero in [joined(&[&[0; 32], s, &[0]]), joined(&[r, &[0; 32], &[1]]), vec![0; 65]] {
        assert_eq!(recover_secp256k1(&digest, &zero), None);
    }
    let field = bytes("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f");
    for point in [vec![0; 64], joined(&[&field, &key[32..]]), joined(&[&key[32..], &key[..32]]), vec![0xff; 64]] {
        assert!(!verify_secp256k1(&digest, &joined(&[r, s]), &point));
    }
}

/// GB/T 32918.5-2017, appendix A.2: the recommended curve, its key, message and signature.
const SM2_KEY: &str = "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020\
                       ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13";
const SM2_SIGNATURE: &str = "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3\
                             b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa";

#[test]
fn sm2_is_the_standards() {
    let (key, signature) = (bytes(SM2_KEY), bytes(SM2_SIGNATURE));
    assert!(verify_sm2(b"message digest", &signature, &key));
    assert!(!verify_sm2(b"message digesT", &signature, &key));
    assert!(!verify_sm2(b"", &signature, &key));
}

#[test]
fn scalars_and_points_of_sm2_outside_their_ranges_are_refused() {
    let (key, signature, order) = (bytes(SM2_KEY), bytes(SM2_SIGNATURE), order_sm2());
    let (r, s) = signature.split_at(32);
    // The last one makes t = r + s = 0 (section 7.1, step B5).
    for wrong in [vec![0; 32], order.clone(), vec![0xff; 32], less(&order, r)] {
        assert!(!verify_sm2(b"message digest", &joined(&[r, &wrong]), &key));
        assert!(!verify_sm2(b"message digest", &joined(&[&wrong, s]), &key));
    }
    assert!(!verify_sm2(b"message digest", &joined(&[r, &less(&order, s)]), &key), "no twin");
    for point in [vec![0; 64], joined(&[&key[32..], &key[..32]]), vec![0xff; 64]] {
        assert!(!verify_sm2(b"message digest", &signature, &point));
    }
}

#[test]
fn ed25519_is_rfc_8032s() {
    // Section 7.1, tests 1 to 3: key, message, signature.
    let vectors = [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ];
    for (key, message, signature) in vectors {
        let (key, message, signature) = (bytes(key), bytes(message), bytes(signature));
        assert!(verify_ed25519(&message, &signature, &key));
        assert!(!verify_ed25519(&joined(&[&message, &[0]]), &signature, &key));
        for place in [0, 31, 32, 63] {
            let mut spoiled = signature.clone();
            spoiled[place] ^= 1;
            assert!(!verify_ed25519(&message, &spoiled, &key), "{place}");
        }
    }
}

/// The vectors of Chalkias, Garillot and Nikolaenko, "Taming the many EdDSAs" (2020), table 5: message, key, signature.
/// They tell every reading of RFC 8032 apart; libraries and versions disagree over all of them but the fourth.
const EDGES: [(&str, &str, &str); 10] = [
    (
        "8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a0000000000000000000000000000000000000000000000000000000000000000",
    ),
    (
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
    ),
    (
        "aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e",
    ),
    (
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009",
    ),
    (
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed5125ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09",
    ),
    (
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405",
    ),
    (
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
        "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
        "e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514",
    ),
    (
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
        "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
        "8ce5b96c8f26d0ab6c47958c9e68b937104cd36e13c33566acd2fe8d38aa19427e71f98a473474f2f13f06f97c20d58cc3f54b8bd0d272f42b695dd7e89a8c22",
    ),
    (
        "fdaebc429f4a735932a160da1301080c13280eea8bc280d1b392c6b9e6ba3a5a",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f454d370c8d9fc323a41450f8d513eafeb5b0697390c1e505a0d4ddc71f566607",
    ),
    (
        "84b698d39be126ff55fe45079e6c8bf64a0d7db6994560b4e96b7021eb39c1a1",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f084d5b99c2a9463d9c8bd5026916996984eeec87ddf1d3be329006ace1b37b09",
    ),
];

#[test]
fn only_what_the_strict_rule_says_is_an_ed25519_signature() {
    let valid = EDGES.map(|(message, key, signature)| verify_ed25519(&bytes(message), &bytes(signature), &bytes(key)));
    // The one whose points are of mixed order and fit without the cofactor.
    assert_eq!(valid, [false, false, false, true, false, false, false, false, false, false]);
}

#[test]
fn keys_of_ed25519_have_one_encoding() {
    let encoded = |lowest: u8, highest: u8| {
        let mut key = [0xff; 32];
        (key[0], key[31]) = (lowest, highest);
        key
    };
    for sign in [0x7f, 0xff] {
        assert!(is_canonical_y(&encoded(0xec, sign)), "p - 1");
        for lowest in 0xed..=0xff {
            assert!(!is_canonical_y(&encoded(lowest, sign)));
        }
        assert!(is_canonical_y(&encoded(0xff, sign - 1)));
    }
    // Some of them decode, to points of large order too: without the check a key would have two names.
    let decodable = (0xed..=0xff_u8).filter_map(|lowest| Ed25519Key::from_bytes(&encoded(lowest, 0x7f)).ok());
    assert!(decodable.filter(|key| !key.is_weak()).count() > 0);
}

#[test]
fn wrong_lengths_are_never_valid() {
    let (key, signature) = (bytes(SM2_KEY), bytes(SM2_SIGNATURE));
    for length in (0..=130).filter(|length| *length != 64) {
        let cut = vec![1; length];
        assert!(!verify_sm2(b"message digest", &cut, &key) && !verify_sm2(b"message digest", &signature, &cut));
        assert!(!verify_secp256k1(&[1; 32], &cut, &key) && !verify_secp256k1(&[1; 32], &signature, &cut));
        assert!(!verify_ed25519(b"", &cut, &[1; 32]));
        assert!(length == 32 || !verify_ed25519(b"", &signature, &cut));
        assert!(length == 32 || recover_secp256k1(&cut, &[1; 65]).is_none());
        assert!(length == 65 || recover_secp256k1(&[1; 32], &cut).is_none());
    }
}

proptest! {
    #[test]
    fn what_was_signed_verifies_and_nothing_else(secret in 1..=u64::MAX, message in vec(any::<u8>(), 0..200), bit in 0_usize..512) {
        let mut seed = [0; 32];
        seed[24..].copy_from_slice(&secret.to_be_bytes());
        let flipped = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        };

        let digest = keccak256(&message);
        let standard = SecretKey::from_bytes(Suite::Standard, &seed).unwrap();
        let signed = standard.sign(&digest);
        let (key, signature) = (*standard.public_key().as_bytes(), &signed.as_bytes()[..64]);
        prop_assert_eq!(recover_secp256k1(&digest.0, signed.as_bytes()), Some(key));
        prop_assert!(verify_secp256k1(&digest.0, signature, &key));
        prop_assert!(!verify_secp256k1(&digest.0, &flipped(signature), &key));
        prop_assert!(!verify_secp256k1(&digest.0, signature, &flipped(&key)));

        let guomi = SigningKey::new(SM2_IDENTIFIER, &sm2::SecretKey::from_slice(&seed).unwrap()).unwrap();
        let signature: Sm2Signature = guomi.sign(&message);
        let signature = signature.to_bytes();
        let key = sm2::elliptic_curve::sec1::ToSec1Point::to_sec1_point(guomi.verifying_key(), false);
        let key = &key.as_bytes()[1..];
        prop_assert!(verify_sm2(&message, &signature, key));
        prop_assert!(!verify_sm2(&message, &flipped(&signature), key));
        prop_assert!(!verify_sm2(&message, &signature, &flipped(key)));

        let edwards = ed25519_dalek::SigningKey::from_bytes(&seed);
        let key = edwards.verifying_key().to_bytes();
        let signature = ed25519_dalek::Signer::sign(&edwards, &message).to_bytes();
        prop_assert!(verify_ed25519(&message, &signature, &key));
        prop_assert!(!verify_ed25519(&message, &flipped(&signature), &key));
    }

    #[test]
    fn no_bytes_make_verifying_panic(
        message in vec(any::<u8>(), 0..100),
        signature in vec(any::<u8>(), 60..70),
        key in vec(any::<u8>(), 30..70),
        good_key in any::<bool>(),
    ) {
        let key = if good_key { bytes(SM2_KEY) } else { key };
        prop_assert!(!verify_sm2(&message, &signature, &key));
        prop_assert!(!verify_secp256k1(&message, &signature, &key));
        prop_assert!(!verify_ed25519(&message, &signature, &key));
        let _ = recover_secp256k1(&message, &signature);
        let _ = recover_secp256k1(&[1; 32], &signature);
    }
}
