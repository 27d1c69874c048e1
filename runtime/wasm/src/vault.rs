//! Compiled code outside the process: who keeps its bytes, and how they are sealed.
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | the version, 1 |
//! | 32 | the key that the code is kept under |
//! | | wasmer's artefact |
//! | 32 | BLAKE3 over all of these, keyed with the node's own key |
//!
//! Nothing that a frame needs beside machine code is in there: it is made anew from the module, which is in the state.

use std::sync::Arc;

use entente_crypto::{Domain, Suite};
use entente_types::Hash;

/// The version of sealed code: its first byte.
const VERSION: u8 = 1;
const KEY_BYTES: usize = 32;
const MAC_BYTES: usize = 32;

/// Keeps bytes by key, beyond the life of the process. What goes wrong there never decides a result: it is for the
/// implementor to log. Bytes that come back changed are noticed and never used.
pub trait CodeStore: Send + Sync {
    /// The bytes kept under this key, if any. How many there may be is for the implementor to bound.
    fn get(&self, key: &Hash) -> Option<Vec<u8>>;

    /// Keeps these bytes instead of what was there. A block may be waiting: whatever takes long is done elsewhere.
    fn put(&self, key: &Hash, bytes: Vec<u8>);
}

/// The secret under which a node seals its compiled code.
#[derive(Clone)]
pub struct CodeKey([u8; 32]);

impl CodeKey {
    /// The key that follows from a secret of the node, and tells nothing of it.
    pub fn derive(secret: &[u8]) -> Self {
        Self(Suite::Standard.hash(Domain::CODE_CACHE_KEY, &[secret]).0)
    }

    fn mac(&self, parts: &[&[u8]]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in parts {
            hasher.update(part);
        }
        hasher.finalize()
    }
}

/// A store with the key that tells this node's own code from all other bytes.
#[derive(Clone)]
pub struct CodeVault {
    store: Arc<dyn CodeStore>,
    key: CodeKey,
}

impl CodeVault {
    /// Keeps code in this store, sealed with this key.
    pub fn new(store: Arc<dyn CodeStore>, key: CodeKey) -> Self {
        Self { store, key }
    }

    /// The artefact that was kept under this key, if it is there and is this node's own.
    pub(crate) fn get(&self, key: &Hash) -> Option<Trusted> {
        open(&self.key, key, &self.store.get(key)?)
    }

    pub(crate) fn put(&self, key: &Hash, artefact: &[u8]) {
        self.store.put(key, seal(&self.key, key, artefact));
    }
}

/// An artefact that this node itself sealed, under the key it was asked for. Only [`open`] makes one.
pub(crate) struct Trusted(Vec<u8>);

impl Trusted {
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

fn seal(secret: &CodeKey, key: &Hash, artefact: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(1 + KEY_BYTES + artefact.len() + MAC_BYTES);
    sealed.push(VERSION);
    sealed.extend_from_slice(key.as_ref());
    sealed.extend_from_slice(artefact);
    let mac = secret.mac(&[&sealed]);
    sealed.extend_from_slice(mac.as_bytes());
    sealed
}

fn open(secret: &CodeKey, key: &Hash, sealed: &[u8]) -> Option<Trusted> {
    let (inside, mac) = sealed.split_last_chunk::<MAC_BYTES>()?;
    // The comparison of BLAKE3's hashes takes the same time wherever they differ.
    if secret.mac(&[inside]) != blake3::Hash::from_bytes(*mac) {
        return None;
    }
    let (version, inside) = inside.split_first()?;
    let (found, artefact) = inside.split_first_chunk::<KEY_BYTES>()?;
    // A copy: wasmer wants an artefact at an address of its own alignment.
    (*version == VERSION && found == key.as_bytes()).then(|| Trusted(artefact.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opens(secret: &CodeKey, key: &Hash, sealed: &[u8]) -> bool {
        open(secret, key, sealed).is_some()
    }

    #[test]
    fn what_was_sealed_opens_and_nothing_else_does() {
        let (secret, key) = (CodeKey::derive(b"node"), Hash([7; 32]));
        let artefact: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let sealed = seal(&secret, &key, &artefact);
        assert_eq!(open(&secret, &key, &sealed).unwrap().into_bytes(), artefact);
        for place in 0..sealed.len() {
            for bit in 0..8 {
                let mut damaged = sealed.clone();
                damaged[place] ^= 1 << bit;
                assert!(!opens(&secret, &key, &damaged), "bit {bit} of byte {place}");
            }
        }
        for length in 0..sealed.len() {
            assert!(!opens(&secret, &key, &sealed[..length]), "{length} bytes");
        }
        assert!(!opens(&secret, &key, &[&sealed[..], &[0]].concat()));
        assert!(!opens(&CodeKey::derive(b"another node"), &key, &sealed));
        assert!(!opens(&secret, &Hash([8; 32]), &sealed), "moved to another key");
    }

    #[test]
    fn another_version_is_not_opened_even_with_the_right_key() {
        let (secret, key) = (CodeKey::derive(b"node"), Hash([7; 32]));
        let mut sealed = seal(&secret, &key, b"artefact");
        sealed.truncate(sealed.len() - MAC_BYTES);
        sealed[0] = VERSION + 1;
        let mac = secret.mac(&[&sealed]);
        sealed.extend_from_slice(mac.as_bytes());
        assert!(!opens(&secret, &key, &sealed));
    }
}
