use libsm::sm2::signature::{SigCtx, Signature as OracleSignature};
use proptest::prelude::*;
use sm2::dsa::{self, signature::Signer as _};

use super::*;
use crate::{Hash, PublicKey, SecretKey, Signature, sm3};

/// The key of GB/T 32918.5-2017, appendix A.
const SECRET: &str = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8";
const KEY: &str = "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020\
                   ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13";
/// Its random number k.
const K: &str = "59276e27d506861a16680f3ad9c02dccef3cc1fa3cdbe4ce6d54b80deac1bc21";

fn bytes<const LENGTH: usize>(digits: &str) -> [u8; LENGTH] {
    hex::decode(digits).unwrap().try_into().unwrap()
}

fn secret(seed: &[u8]) -> Sm2Secret {
    // One in 2^32 hashes is no key.
    Sm2Secret::from_bytes(&sm3(seed).0).unwrap()
}

fn secret_key(seed: &[u8]) -> SecretKey {
    SecretKey::from_bytes(Suite::Guomi, &sm3(seed).0).unwrap()
}

#[test]
fn signing_is_the_standards() {
    // GB/T 32918.5-2017, appendix A.2.
    let secret = Sm2Secret::from_bytes(&bytes(SECRET)).unwrap();
    assert_eq!(hex::encode(secret.key()), KEY);
    let message = b"message digest";
    let identity = IDENTITY.clone().chain_update(secret.key()).finalize();
    assert_eq!(hex::encode(identity), "b2e14c5c79c6df5b85f4fe7ed8db7a262b9da7e07ccb0ea9f4747b8ccda8a4f3");
    let e = scalar_of_message(secret.hasher.clone(), message);
    assert_eq!(hex::encode(e.to_repr()), "f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640");
    let signature = secret.try_sign(&e, &scalar(&bytes(K)).unwrap()).unwrap();
    let expected = "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3\
                    b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa";
    assert_eq!(hex::encode(&signature[..64]), expected);
    assert_eq!(signer(message, &signature), Ok(*secret.key()));
}

#[test]
fn encryption_is_the_standards() {
    // GB/T 32918.5-2017, appendix A.4.
    let key = SecretKey::from_bytes(Suite::Guomi, &bytes(SECRET)).unwrap();
    let sealed = sm2_encrypt(&key.public_key(), &bytes(K), b"encryption standard").unwrap();
    let expected = "0404ebfc718e8d1798620432268e77feb6415e2ede0e073c0f4f640ecd2e149a73\
                    e858f9d81e5430a57b36daab8f950a3c64e6ee6a63094d99283aff767e124df0\
                    59983c18f809e262923c53aec295d30383b54e39d609d160afcb1908d0bd8766\
                    21886ca989ca9c7d58087307ca93092d651efa";
    assert_eq!(hex::encode(&sealed), expected);
    assert_eq!(sm2_decrypt(&key, &sealed).unwrap(), b"encryption standard");
}

#[test]
fn keys_have_exact_edges() {
    let order = Sm2::ORDER.as_ref().to_be_bytes();
    let below = |difference: u8| -> [u8; 32] {
        let mut edge: [u8; 32] = order.as_ref().try_into().unwrap();
        edge[31] -= difference;
        edge
    };
    for (edge, allowed) in
        [(below(0), false), (below(1), false), (below(2), true), ([0; 32], false), ([255; 32], false)]
    {
        assert_eq!(Sm2Secret::from_bytes(&edge).is_some(), allowed, "{}", hex::encode(edge));
    }
    let mut one = [0; 32];
    one[31] = 1;
    let generator = Sm2Secret::from_bytes(&one).unwrap();
    assert_eq!(generator.key()[..32], *CURVE[2]);
    assert_eq!(generator.key()[32..], *CURVE[3]);
    for (place, flip) in [(0, 0x80), (31, 1), (63, 1)] {
        let mut off = *generator.key();
        off[place] ^= flip;
        assert_eq!(PublicKey::from_bytes(Suite::Guomi, &off), Err(SignatureError::InvalidKey(Suite::Guomi)));
    }
    // A coordinate of p or more names no point, even where it is one's modulo p.
    assert_eq!(PublicKey::from_bytes(Suite::Guomi, &[255; 64]), Err(SignatureError::InvalidKey(Suite::Guomi)));
    assert_eq!(PublicKey::from_bytes(Suite::Guomi, &[0; 64]), Err(SignatureError::InvalidKey(Suite::Guomi)));
}

#[test]
fn the_address_is_the_end_of_sm3() {
    let key = SecretKey::from_bytes(Suite::Guomi, &bytes(SECRET)).unwrap().public_key();
    assert_eq!(key.address().0, sm3(key.as_bytes()).0[12..]);
}

#[test]
fn each_part_out_of_bounds_has_its_error() {
    let digest = Hash([7; 32]);
    let Signature::Guomi(good) = secret_key(b"x").sign(&digest) else { unreachable!() };
    let order: [u8; 32] = Sm2::ORDER.as_ref().to_be_bytes().as_ref().try_into().unwrap();
    let changed = |change: &dyn Fn(&mut [u8; 129])| {
        let mut bytes = *good;
        change(&mut bytes);
        Suite::Guomi.signer(&digest, &Signature::Guomi(Box::new(bytes))).unwrap_err()
    };
    assert!(Suite::Guomi.signer(&digest, &Signature::Guomi(good.clone())).is_ok());
    let mismatch = SignatureError::KeyMismatch;
    for start in [0, 32] {
        for edge in [[0; 32], order, [255; 32]] {
            assert_eq!(changed(&|bytes| bytes[start..start + 32].copy_from_slice(&edge)), mismatch);
        }
    }
    // t = r + s = 0.
    let opposite = -scalar(good.first_chunk().unwrap()).unwrap();
    assert_eq!(changed(&|bytes| bytes[32..64].copy_from_slice(&opposite.to_repr())), mismatch);
    assert_eq!(changed(&|bytes| bytes[64] ^= 1), mismatch);
    for parity in 2..=255 {
        assert_eq!(changed(&|bytes| bytes[64] = parity), SignatureError::Parity(parity));
    }
    assert_eq!(changed(&|bytes| bytes[128] ^= 1), SignatureError::InvalidKey(Suite::Guomi));
    let other = *secret(b"y").key();
    assert_eq!(changed(&|bytes| bytes[65..].copy_from_slice(&other)), mismatch);
    assert_eq!(Suite::Guomi.signer(&Hash([8; 32]), &Signature::Guomi(good.clone())), Err(mismatch));
}

#[test]
fn encryption_has_exact_edges() {
    let (key, random) = (secret_key(b"x"), sm3(b"random").0);
    let public = key.public_key();
    assert_eq!(sm2_encrypt(&public, &random, b""), Err(EncryptionError::Empty));
    assert_eq!(sm2_encrypt(&public, &[0; 32], b"text"), Err(EncryptionError::Randomness));
    assert_eq!(sm2_encrypt(&public, &[255; 32], b"text"), Err(EncryptionError::Randomness));
    let standard = SecretKey::from_bytes(Suite::Standard, &[7; 32]).unwrap();
    let wrong = EncryptionError::WrongSuite(Suite::Standard);
    assert_eq!(sm2_encrypt(&standard.public_key(), &random, b"text"), Err(wrong));
    assert_eq!(sm2_decrypt(&standard, &[4; 120]), Err(wrong));
    // One in 256 masks of one byte is zero and would hide nothing: those, and only those, are refused.
    let refused = (0..=255_u8).filter(|seed| {
        let sealed = sm2_encrypt(&public, &sm3(&[*seed]).0, &[9]);
        match sealed {
            Ok(sealed) => {
                assert_ne!(sealed[96 + 1], 9);
                assert_eq!(sm2_decrypt(&key, &sealed).unwrap(), [9]);
                false
            }
            Err(error) => error == EncryptionError::Randomness,
        }
    });
    assert!(refused.count() < 16);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn libsm_takes_our_signatures_and_we_take_its(seed in any::<[u8; 8]>(), message in any::<Vec<u8>>()) {
        let ours = secret(&seed);
        let oracle = SigCtx::new();
        let their_secret = oracle.load_seckey(&ours.to_bytes()).unwrap();
        let their_key = oracle.pk_from_sk(&their_secret).unwrap();
        prop_assert_eq!(&oracle.serialize_pubkey(&their_key, false).unwrap()[1..], ours.key());

        let signature = ours.sign(&message);
        let (r, rest) = signature.split_at(32);
        prop_assert!(oracle.verify(&message, &their_key, &OracleSignature::new(r, &rest[..32])).unwrap());

        let theirs = oracle.sign(&message, &their_secret, &their_key).unwrap();
        let mut bytes = signature;
        for (part, number) in [(0, theirs.get_r()), (32, theirs.get_s())] {
            let number = number.to_bytes_be();
            bytes[part..part + 32].fill(0);
            bytes[part + 32 - number.len()..part + 32].copy_from_slice(&number);
        }
        // It gives no parity: exactly one fits.
        let fits = (0..2).filter(|parity| {
            bytes[64] = *parity;
            signer(&message, &bytes) == Ok(*ours.key())
        });
        prop_assert_eq!(fits.count(), 1);
    }

    #[test]
    fn k_is_that_of_rfc_6979_as_another_crate_derives_it(seed in any::<[u8; 8]>(), message in any::<Vec<u8>>()) {
        let ours = secret(&seed);
        let theirs = dsa::SigningKey::from_slice("1234567812345678", &ours.to_bytes()).unwrap();
        let signature: dsa::Signature = theirs.sign(&message);
        prop_assert_eq!(hex::encode(&ours.sign(&message)[..64]), hex::encode(signature.to_bytes()));
    }

    #[test]
    fn any_flipped_bit_is_refused(seed in any::<[u8; 8]>(), digest in any::<[u8; 32]>(), bit in 0_usize..129 * 8) {
        let mut signature = secret(&seed).sign(&digest);
        signature[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(signer(&digest, &signature).is_err());
    }

    #[test]
    fn r_follows_from_the_signature_alone(seed in any::<[u8; 8]>(), digest in any::<[u8; 32]>()) {
        // What verifying many at once will rely on: x = r - e, and y by its parity.
        use sm2::elliptic_curve::point::DecompressPoint as _;
        let ours = secret(&seed);
        let signature = ours.sign(&digest);
        let e = scalar_of_message(ours.hasher.clone(), &digest);
        let (r, s) = (scalar(signature[..32].try_into().unwrap()).unwrap(), scalar(signature[32..64].try_into().unwrap()).unwrap());
        let point = AffinePoint::decompress(&(r - e).to_repr(), signature[64].into()).unwrap();
        prop_assert_eq!(Some(point), commitment(&e, &r, &s, &super::point(ours.key()).unwrap()));
    }

    #[test]
    fn what_is_encrypted_decrypts_and_nothing_else(
        random in any::<[u8; 31]>(),
        text in proptest::collection::vec(any::<u8>(), 8..300),
        place in any::<usize>(),
    ) {
        let key = secret_key(b"receiver");
        let mut randomness = [1; 32];
        randomness[1..].copy_from_slice(&random);
        let sealed = sm2_encrypt(&key.public_key(), &randomness, &text).unwrap();
        prop_assert_eq!(sealed.len(), text.len() + SM2_ENCRYPTION_BYTES);
        prop_assert_eq!(sm2_decrypt(&key, &sealed).unwrap(), text.clone());
        prop_assert_eq!(sm2_decrypt(&secret_key(b"other"), &sealed), Err(EncryptionError::Refused));
        let place = place % sealed.len();
        prop_assert_eq!(sm2_decrypt(&key, &sealed[..place]), Err(EncryptionError::Refused));
        let mut damaged = sealed.clone();
        damaged[place] ^= 1;
        prop_assert_eq!(sm2_decrypt(&key, &damaged), Err(EncryptionError::Refused));

        let theirs = sm2::pke::DecryptingKey::new(sm2::SecretKey::from_slice(&key.to_bytes()).unwrap());
        prop_assert_eq!(theirs.decrypt(&sealed).unwrap(), text);
    }

    #[test]
    fn no_bytes_make_decryption_panic(sealed in proptest::collection::vec(any::<u8>(), 0..200)) {
        let key = secret_key(b"receiver");
        prop_assert!(sm2_decrypt(&key, &sealed).is_err());
        let tagged = [&[4], sealed.as_slice()].concat();
        prop_assert!(sm2_decrypt(&key, &tagged).is_err());
    }
}
