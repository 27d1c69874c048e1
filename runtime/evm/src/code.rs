//! Analysed code, and those kept of it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use entente_crypto::Hash;
use entente_types::Address;
use hashbrown::HashMap;
use revm_interpreter::{bytecode::Bytecode, primitives::Bytes};

/// The bytes of analysed code that are kept in memory.
pub const CODE_CACHE_BYTES_MAX: usize = 64 << 20;
/// What an entry costs beside its code.
const ENTRY_BYTES: usize = 256;

/// EVM code in which the places that can be jumped to are found. Copies share it.
#[derive(Debug, Clone, Default)]
pub struct EvmCode(pub(crate) Bytecode);

impl EvmCode {
    /// Analyses code. Any bytes are code.
    pub fn new(code: impl Into<Bytes>) -> Self {
        Self(Bytecode::new_legacy(code.into()))
    }

    /// The same of code that an account has: one that is another's address stands for that one's code (EIP-7702). Other
    /// code cannot begin so (EIP-3541).
    pub(crate) fn of_account(code: Vec<u8>) -> Self {
        let code = Bytes::from(code);
        Self(Bytecode::new_eip7702_raw(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code)))
    }

    /// Whose code stands for this, if it is another's address.
    pub fn delegate(&self) -> Option<Address> {
        self.0.eip7702_address().map(crate::adapter::ours)
    }

    /// The code itself.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.original_byte_slice()
    }

    /// The code, and a bit for each byte of it.
    fn kept_bytes(&self) -> usize {
        let length = self.as_bytes().len();
        length.saturating_add(length / 8).saturating_add(ENTRY_BYTES)
    }
}

/// Analysed code by its hash, so that an address or a caller can never decide what is found.
pub(crate) struct CodeCache {
    bytes_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    codes: HashMap<Hash, (EvmCode, u64)>,
    /// The same by when they were last asked for.
    by_use: BTreeMap<u64, Hash>,
    kept_bytes: usize,
    clock: u64,
}

impl CodeCache {
    /// An empty cache of at most so many bytes, or of one code where that has more.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, inner: Mutex::default() }
    }

    pub(crate) fn find(&self, hash: &Hash) -> Option<EvmCode> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).find(hash)
    }

    /// Adds code, and drops what was unused the longest while there are too many bytes.
    pub(crate) fn add(&self, hash: Hash, code: EvmCode) -> EvmCode {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = inner.find(&hash) {
            return there;
        }
        inner.clock += 1;
        let clock = inner.clock;
        inner.kept_bytes = inner.kept_bytes.saturating_add(code.kept_bytes());
        inner.codes.insert(hash, (code.clone(), clock));
        inner.by_use.insert(clock, hash);
        while inner.kept_bytes > self.bytes_max && inner.codes.len() > 1 {
            let oldest = inner.by_use.pop_first();
            let Some((oldest, _)) = oldest.and_then(|(_, hash)| inner.codes.remove(&hash)) else { break };
            inner.kept_bytes = inner.kept_bytes.saturating_sub(oldest.kept_bytes());
        }
        code
    }
}

impl Inner {
    fn find(&mut self, hash: &Hash) -> Option<EvmCode> {
        let (code, used) = self.codes.get_mut(hash)?;
        self.clock += 1;
        self.by_use.remove(used);
        *used = self.clock;
        self.by_use.insert(self.clock, *hash);
        Some(code.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unused_the_longest_goes_first_and_one_always_stays() {
        let cache = CodeCache::new(3 * (1_000 + 125 + ENTRY_BYTES));
        let hash = |number: u8| Hash([number; 32]);
        let code = |number: u8| EvmCode::new(vec![number; 1_000]);
        for number in 0..3 {
            cache.add(hash(number), code(number));
        }
        assert_eq!(cache.find(&hash(0)).expect("kept").as_bytes(), [0; 1_000]);
        cache.add(hash(3), code(3));
        let kept: Vec<u8> = (0..4).filter(|number| cache.find(&hash(*number)).is_some()).collect();
        assert_eq!(kept, [0, 2, 3]);
        cache.add(hash(4), EvmCode::new(vec![4; 1 << 20]));
        let kept: Vec<u8> = (0..5).filter(|number| cache.find(&hash(*number)).is_some()).collect();
        assert_eq!(kept, [4]);
    }

    #[test]
    fn only_an_accounts_code_of_23_bytes_is_anothers_address() {
        let target = Address([7; 20]);
        let code = crate::delegation(&target);
        let of_account = EvmCode::of_account(code.clone());
        assert_eq!((of_account.delegate(), of_account.as_bytes()), (Some(target), &*code));
        assert_eq!(EvmCode::new(code.clone()).delegate(), None);
        for other in [code[..22].to_vec(), [&code[..], &[0]].concat(), [&[0xef, 1, 1], &target.0[..]].concat()] {
            let of_account = EvmCode::of_account(other.clone());
            assert_eq!((of_account.delegate(), of_account.as_bytes()), (None, &*other));
        }
    }

    #[test]
    fn what_is_added_twice_counts_once() {
        let cache = CodeCache::new(1 << 20);
        cache.add(Hash([1; 32]), EvmCode::new(vec![1; 100]));
        let before = cache.inner.lock().expect("unpoisoned").kept_bytes;
        cache.add(Hash([1; 32]), EvmCode::new(vec![1; 100]));
        assert_eq!(cache.inner.lock().expect("unpoisoned").kept_bytes, before);
    }
}
