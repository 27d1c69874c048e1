//! The host functions of cryptography that name their algorithm.

use entente_crypto::{
    ED25519_KEY_BYTES, POINT_BYTES, RECOVERABLE_SIGNATURE_BYTES, SIGNATURE_BYTES, SIGNED_DIGEST_BYTES, blake3,
    keccak256, recover_secp256k1, sha256, sm3, verify_ed25519, verify_secp256k1, verify_sm2,
};
use entente_host::{
    CallHost, ContractFault, DIGEST_BLAKE3, DIGEST_KECCAK256, DIGEST_SHA256, DIGEST_SM3, Fault, SIGNATURE_ED25519,
    SIGNATURE_SECP256K1, SIGNATURE_SM2, gas::GasSchedule,
};
use entente_types::Hash;
use wasmer::RuntimeError;

use super::{Env, host_call};
use crate::limits::HASH_BYTES_MAX;

/// A hash function and what each byte of it costs.
type Digest = (fn(&[u8]) -> Hash, u64);

fn digest_of(algorithm: u32, gas: &GasSchedule) -> Result<Digest, Fault> {
    Ok(match algorithm {
        DIGEST_KECCAK256 => (keccak256, gas.hash_byte),
        DIGEST_BLAKE3 => (blake3, gas.blake3_byte),
        DIGEST_SHA256 => (sha256, gas.sha256_byte),
        DIGEST_SM3 => (sm3, gas.sm3_byte),
        other => return Err(no_value("the algorithm of a digest", other)),
    })
}

/// Verifies a message's signature under a key.
type Verify = fn(&[u8], &[u8], &[u8]) -> bool;

/// How an algorithm verifies, and what that costs.
struct Verification {
    verify: Verify,
    key_bytes: usize,
    base: u64,
    byte: u64,
}

fn verification_of(algorithm: u32, length: u32, gas: &GasSchedule) -> Result<Verification, Fault> {
    let (verify, key_bytes, base, byte): (Verify, usize, u64, u64) = match algorithm {
        SIGNATURE_SECP256K1 if length as usize != SIGNED_DIGEST_BYTES => {
            return Err(no_value("the length of a digest that is verified (it is 32)", length));
        }
        SIGNATURE_SECP256K1 => (verify_secp256k1, POINT_BYTES, gas.verify_secp256k1, 0),
        SIGNATURE_SM2 => (verify_sm2, POINT_BYTES, gas.verify_sm2, gas.sm3_byte),
        SIGNATURE_ED25519 => (verify_ed25519, ED25519_KEY_BYTES, gas.verify_ed25519, gas.ed25519_byte),
        other => return Err(no_value("the algorithm of a signature", other)),
    };
    Ok(Verification { verify, key_bytes, base, byte })
}

fn no_value(what: &'static str, found: u32) -> Fault {
    ContractFault::Argument { what, found: found.into() }.into()
}

pub(super) fn digest<H: CallHost>(
    mut env: Env<'_, H>,
    algorithm: u32,
    source: u32,
    length: u32,
    destination: u32,
) -> Result<(), RuntimeError> {
    host_call(&mut env, |caller, gas| {
        let (hash, byte) = digest_of(algorithm, gas)?;
        caller.charge_by(gas.host_call + gas.hash, byte, length)?;
        let bytes = caller.read("bytes to hash", source, length, HASH_BYTES_MAX)?;
        caller.write(destination, hash(&bytes).as_ref())
    })
}

pub(super) fn recover<H: CallHost>(
    mut env: Env<'_, H>,
    algorithm: u32,
    digest: u32,
    signature: u32,
    destination: u32,
) -> Result<u32, RuntimeError> {
    host_call(&mut env, |caller, gas| {
        if algorithm != SIGNATURE_SECP256K1 {
            return Err(no_value("the algorithm of a signature whose key is recovered", algorithm));
        }
        caller.charge(gas.host_call + gas.recover_secp256k1)?;
        let digest: [u8; SIGNED_DIGEST_BYTES] = caller.read_array(digest)?;
        let signature: [u8; RECOVERABLE_SIGNATURE_BYTES] = caller.read_array(signature)?;
        let Some(key) = recover_secp256k1(&digest, &signature) else { return Ok(0) };
        caller.write(destination, &key)?;
        Ok(1)
    })
}

pub(super) fn verify<H: CallHost>(
    mut env: Env<'_, H>,
    algorithm: u32,
    message: u32,
    length: u32,
    signature: u32,
    key: u32,
) -> Result<u32, RuntimeError> {
    host_call(&mut env, |caller, gas| {
        let Verification { verify, key_bytes, base, byte } = verification_of(algorithm, length, gas)?;
        caller.charge_by(gas.host_call + base, byte, length)?;
        let signature: [u8; SIGNATURE_BYTES] = caller.read_array(signature)?;
        let key = caller.read("a public key", key, key_bytes as u32, POINT_BYTES as u32)?;
        let message = caller.read("a signed message", message, length, HASH_BYTES_MAX)?;
        Ok(u32::from(verify(&message, &signature, &key)))
    })
}
