//! Certificates that an authority signed with SM2 and SM3 (GM/T 0015-2012), for chains that lead to a node.
//!
//! The TLS handshake itself is of curves that TLS 1.3 has everywhere: a node's own TLS key is of P-256.

use der::{Decode as _, Reader as _, SliceReader, asn1::UintRef};
use entente_crypto::verify_sm2;
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};

/// The bytes of a coordinate, and of each half of a signature.
const SCALAR_BYTES: usize = 32;

/// `id-ecPublicKey` (1.2.840.10045.2.1) on the curve SM2 (1.2.156.10197.1.301).
const PUBLIC_KEY: &[u8] =
    &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x82, 0x2d];

/// SM2 with SM3 (1.2.156.10197.1.501) as GM/T 0015 writes it, without parameters.
const SIGNATURE: &[u8] = &[0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x75];

/// The same with parameters that are NULL, as some tools write it.
const SIGNATURE_WITH_NULL: &[u8] = &[0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x75, 0x05, 0x00];

/// Both ways to write it.
pub(crate) static SM2_WITH_SM3: &[&dyn SignatureVerificationAlgorithm] =
    &[&Sm2WithSm3 { named: SIGNATURE }, &Sm2WithSm3 { named: SIGNATURE_WITH_NULL }];

/// Verifies signatures under the identifier that certificates have (GM/T 0009-2012, section 10).
#[derive(Debug)]
struct Sm2WithSm3 {
    named: &'static [u8],
}

impl SignatureVerificationAlgorithm for Sm2WithSm3 {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        // An uncompressed point.
        let (Some((4, key)), Some(signature)) =
            (public_key.split_first().map(|(tag, key)| (*tag, key)), halves(signature))
        else {
            return Err(InvalidSignature);
        };
        if verify_sm2(message, &signature, key) { Ok(()) } else { Err(InvalidSignature) }
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        AlgorithmIdentifier::from_slice(PUBLIC_KEY)
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        AlgorithmIdentifier::from_slice(self.named)
    }
}

/// r and s, from the DER of a sequence of both.
fn halves(signature: &[u8]) -> Option<[u8; 2 * SCALAR_BYTES]> {
    let mut reader = SliceReader::new(signature).ok()?;
    let (r, s) =
        reader.sequence(|reader| Ok::<_, der::Error>((UintRef::decode(reader)?, UintRef::decode(reader)?))).ok()?;
    if !reader.is_finished() {
        return None;
    }
    let mut both = [0; 2 * SCALAR_BYTES];
    for (target, half) in both.chunks_exact_mut(SCALAR_BYTES).zip([r.as_bytes(), s.as_bytes()]) {
        let start = SCALAR_BYTES.checked_sub(half.len())?;
        target.get_mut(start..)?.copy_from_slice(half);
    }
    Some(both)
}
