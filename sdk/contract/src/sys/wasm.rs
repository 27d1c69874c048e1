//! The host functions on chain.

use alloc::vec::Vec;
use core::alloc::Layout;
use core::mem::MaybeUninit;

use entente_host::ABSENT;

macro_rules! declare {
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)?;)*) => {
        mod import {
            #[link(wasm_import_module = "entente")]
            unsafe extern "C" {
                $($(#[$doc])* pub(super) fn $name($($argument: $type),*) $(-> $result)?;)*
            }
        }
    };
}

entente_host::host_functions!(declare);

/// The place of a slice that the host reads, and its length.
#[inline]
fn place(bytes: &[u8]) -> (u32, u32) {
    (bytes.as_ptr() as u32, bytes.len() as u32)
}

/// Has the host write `N` bytes.
#[inline]
fn written<const N: usize>(write: impl FnOnce(u32)) -> [u8; N] {
    let mut bytes = MaybeUninit::<[u8; N]>::uninit();
    write(bytes.as_mut_ptr() as u32);
    // SAFETY: every caller passes a host function that writes exactly `N` bytes, or ends the frame.
    unsafe { bytes.assume_init() }
}

/// Zeros on the heap, which cost nothing: the allocator gives fresh memory. Without `Vec`'s ways to fail.
#[inline]
pub(crate) fn zeroed(length: usize) -> Vec<u8> {
    if length == 0 {
        return Vec::new();
    }
    // SAFETY: the layout's size is not 0, and bytes have alignment 1; a size above `isize::MAX` ends the frame in the
    // allocator. The memory is this allocator's, of this size, and zero.
    unsafe {
        let start = alloc::alloc::alloc_zeroed(Layout::from_size_align_unchecked(length, 1));
        Vec::from_raw_parts(start, length, length)
    }
}

/// Has the host write `length` bytes onto the heap.
#[inline]
fn written_vec(length: u32, write: impl FnOnce(u32)) -> Vec<u8> {
    let mut bytes = zeroed(length as usize);
    if length != 0 {
        write(bytes.as_mut_ptr() as u32);
    }
    bytes
}

#[inline]
pub(crate) fn input() -> Vec<u8> {
    // SAFETY: takes no memory.
    let length = unsafe { import::input_length() };
    // SAFETY: the destination has room for `length` bytes, which is what the input has.
    written_vec(length, |destination| unsafe { import::input_read(destination, 0, length) })
}

#[inline]
pub(crate) fn output(bytes: &[u8]) {
    let (source, length) = place(bytes);
    // SAFETY: the host only reads the slice.
    unsafe { import::output(source, length) }
}

pub(crate) fn revert(bytes: &[u8]) -> ! {
    let (source, length) = place(bytes);
    // SAFETY: the host only reads the slice.
    unsafe { import::revert(source, length) };
    core::arch::wasm32::unreachable()
}

/// Writes at most `destination.len()` bytes of the row; answers its whole length.
#[inline]
pub(crate) fn storage_read(key: &[u8], destination: &mut [MaybeUninit<u8>]) -> Option<usize> {
    let (key, key_length) = place(key);
    let (start, capacity) = (destination.as_mut_ptr() as u32, destination.len() as u32);
    // SAFETY: the host reads the key and writes at most `capacity` bytes.
    let length = unsafe { import::storage_read(key, key_length, start, capacity) };
    (length != ABSENT).then_some(length as usize)
}

pub(crate) fn storage_length(key: &[u8]) -> Option<usize> {
    storage_read(key, &mut [])
}

#[inline]
pub(crate) fn storage_write(key: &[u8], value: &[u8]) {
    let ((key, key_length), (value, value_length)) = (place(key), place(value));
    // SAFETY: the host only reads both slices.
    unsafe { import::storage_write(key, key_length, value, value_length) }
}

pub(crate) fn storage_remove(key: &[u8]) {
    let (key, key_length) = place(key);
    // SAFETY: the host only reads the key.
    unsafe { import::storage_remove(key, key_length) }
}

macro_rules! written {
    ($($name:ident -> $length:literal),*) => {$(
        #[inline]
        pub(crate) fn $name() -> [u8; $length] {
            // SAFETY: the host writes exactly this many bytes, as its table says.
            written(|destination| unsafe { import::$name(destination) })
        }
    )*};
}

written!(caller -> 20, address -> 20, origin -> 20, value -> 32, transaction_hash -> 32);

macro_rules! number {
    ($($name:ident),*) => {$(
        #[inline]
        pub(crate) fn $name() -> u64 {
            // SAFETY: takes no memory.
            unsafe { import::$name() }
        }
    )*};
}

number!(block_number, block_timestamp, chain_id, gas_left);

/// Writes a log.
#[inline]
pub fn emit(topics: &[[u8; 32]], data: &[u8]) {
    let (start, length) = place(data);
    // SAFETY: the host only reads the topics, which lie one behind the other, and the data.
    unsafe { import::emit(topics.as_ptr() as u32, topics.len() as u32, start, length) }
}

pub(crate) fn call(kind: u32, to: &[u8; 20], gas: u64, value: &[u8; 32], input: &[u8]) -> u32 {
    let (start, length) = place(input);
    // SAFETY: the host only reads the address, the value and the input.
    unsafe { import::call(kind, to.as_ptr() as u32, gas, value.as_ptr() as u32, start, length) }
}

pub(crate) fn create(input: &[u8], value: &[u8; 32]) -> (u32, [u8; 20]) {
    let (start, length) = place(input);
    // Zeroed, since a creation that fails may leave it as it is.
    let mut address = [0; 20];
    // SAFETY: the host reads input and value, and writes at most 20 bytes.
    let status = unsafe { import::create(start, length, value.as_ptr() as u32, address.as_mut_ptr() as u32) };
    (status, address)
}

pub(crate) fn return_data() -> Vec<u8> {
    // SAFETY: takes no memory.
    let length = unsafe { import::return_length() };
    // SAFETY: the destination has room for `length` bytes, which is what the output has.
    written_vec(length, |destination| unsafe { import::return_read(destination, 0, length) })
}

macro_rules! digest {
    ($($name:ident),*) => {$(
        pub(crate) fn $name(data: &[u8]) -> [u8; 32] {
            let (source, length) = place(data);
            // SAFETY: the host reads the data and writes exactly 32 bytes.
            written(|destination| unsafe { import::$name(source, length, destination) })
        }
    )*};
}

digest!(keccak256, hash);

pub(crate) fn digest(algorithm: u32, data: &[u8]) -> [u8; 32] {
    let (source, length) = place(data);
    // SAFETY: the host reads the data and writes exactly 32 bytes.
    written(|destination| unsafe { import::digest(algorithm, source, length, destination) })
}

pub(crate) fn recover(algorithm: u32, digest: &[u8; 32], signature: &[u8; 65]) -> Option<[u8; 64]> {
    // Zeroed, since the host leaves it as it is where there is no key.
    let mut key = [0; 64];
    let (digest, signature) = (digest.as_ptr() as u32, signature.as_ptr() as u32);
    // SAFETY: the host reads 32 and 65 bytes, and writes at most 64.
    let found = unsafe { import::recover(algorithm, digest, signature, key.as_mut_ptr() as u32) };
    (found != 0).then_some(key)
}

pub(crate) fn verify(algorithm: u32, message: &[u8], signature: &[u8; 64], key: &[u8]) -> bool {
    let (message, length) = place(message);
    // SAFETY: the host only reads: the message, 64 bytes, and as many bytes of the key as the key's type has.
    unsafe { import::verify(algorithm, message, length, signature.as_ptr() as u32, key.as_ptr() as u32) != 0 }
}
