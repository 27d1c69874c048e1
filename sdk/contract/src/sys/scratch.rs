//! A buffer on the stack for keys and values, which spills to the heap.

use alloc::vec::Vec;
use core::mem::MaybeUninit;

use parity_scale_codec::Output;

/// Up to `N` bytes on the stack, never zeroed beforehand; more on the heap.
pub(crate) struct Scratch<const N: usize> {
    bytes: [MaybeUninit<u8>; N],
    /// How many of `bytes` are written; without meaning once `spill` is there.
    length: usize,
    spill: Option<Vec<u8>>,
}

impl<const N: usize> Scratch<N> {
    #[inline]
    pub(crate) fn new() -> Self {
        Self { bytes: [const { MaybeUninit::uninit() }; N], length: 0, spill: None }
    }

    /// The value of a row of this contract's storage.
    #[inline]
    pub(crate) fn read_row(key: &[u8]) -> Option<Self> {
        let mut scratch = Self::new();
        let length = super::storage_read(key, &mut scratch.bytes)?;
        if length <= N {
            scratch.length = length;
        } else {
            scratch.spill = Some(Self::read_long_row(key, length));
        }
        Some(scratch)
    }

    #[cold]
    fn read_long_row(key: &[u8], length: usize) -> Vec<u8> {
        let mut value = super::zeroed(length);
        super::storage_read(key, as_uninit(&mut value));
        value
    }

    #[inline]
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.spill.is_none()
            && let Some(place) = self.bytes.get_mut(self.length..).and_then(|rest| rest.get_mut(..bytes.len()))
        {
            place.write_copy_of_slice(bytes);
            self.length = self.length.wrapping_add(bytes.len());
        } else {
            self.push_spilled(bytes);
        }
    }

    #[cold]
    fn push_spilled(&mut self, bytes: &[u8]) {
        let mut spill = if let Some(spill) = self.spill.take() {
            spill
        } else {
            let mut spill = super::zeroed(self.length);
            spill.copy_from_slice(self.as_slice());
            spill
        };
        extend(&mut spill, bytes);
        self.spill = Some(spill);
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        match &self.spill {
            Some(spill) => spill,
            // SAFETY: `new`, `read_row` and `push` keep the first `length` bytes written, and `length` at most `N`.
            None => unsafe { core::slice::from_raw_parts(self.bytes.as_ptr().cast(), self.length) },
        }
    }
}

/// `Vec::extend_from_slice` without the report of a failed allocation, which would bring formatting into each module.
fn extend(vec: &mut Vec<u8>, bytes: &[u8]) {
    let start = vec.len();
    assert!(vec.try_reserve(bytes.len()).is_ok(), "out of memory");
    if let Some(place) = vec.spare_capacity_mut().get_mut(..bytes.len()) {
        place.write_copy_of_slice(bytes);
        // SAFETY: this many bytes behind `start` were just written, inside the capacity.
        unsafe { vec.set_len(start.wrapping_add(bytes.len())) };
    }
}

/// A slice to be overwritten, as `storage_read` takes it.
fn as_uninit(bytes: &mut [u8]) -> &mut [MaybeUninit<u8>] {
    // SAFETY: the layouts are the same, and `storage_read` writes nothing but bytes: none becomes uninitialized.
    unsafe { core::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), bytes.len()) }
}

impl<const N: usize> Output for Scratch<N> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.push(bytes);
    }
}
