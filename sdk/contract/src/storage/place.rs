//! Where fields lie: in the storage struct itself, or somewhere inside of one of its fields.

use alloc::vec::Vec;

use parity_scale_codec::{Decode, Encode};

use super::Buffer;
use crate::sys;

/// Where a field lies: what the keys of its rows begin with. A field of the storage struct is at a [`Root`], which costs
/// nothing beyond its byte; one inside of another is at a [`Path`].
pub trait Place {
    /// Gives the field's own key.
    #[doc(hidden)]
    fn with_key<R>(&self, act: impl FnOnce(&[u8]) -> R) -> R;

    /// Gives the key one step further.
    #[doc(hidden)]
    fn with_step<R>(&self, step: &impl Encode, act: impl FnOnce(&[u8]) -> R) -> R;

    /// The place one step further.
    #[doc(hidden)]
    fn step(&self, step: &impl Encode) -> Path;

    /// Reads the row of a key that this place gave.
    #[doc(hidden)]
    fn read<T: Decode>(key: &[u8]) -> Option<T>;
}

/// A place in the storage struct.
#[derive(Clone, Copy, Debug)]
pub struct Root(pub(super) u8);

impl Place for Root {
    #[inline]
    fn with_key<R>(&self, act: impl FnOnce(&[u8]) -> R) -> R {
        act(&[self.0])
    }

    #[inline]
    fn with_step<R>(&self, step: &impl Encode, act: impl FnOnce(&[u8]) -> R) -> R {
        let mut key = Buffer::new();
        key.push(&[self.0]);
        step.encode_to(&mut key);
        act(key.as_slice())
    }

    fn step(&self, step: &impl Encode) -> Path {
        Path::root(self.0).step(step)
    }

    #[inline]
    fn read<T: Decode>(key: &[u8]) -> Option<T> {
        Some(super::decode(Buffer::read_row(key)?.as_slice()))
    }
}

/// A place inside of a field: the steps that lead there.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// The steps but the last field.
    steps: &'static [u8],
    /// The last field, if one comes behind the steps: a struct makes all its fields at once, which must cost little.
    field: Option<u8>,
}

impl Path {
    /// The place of a field of the storage struct.
    #[inline]
    pub const fn root(field: u8) -> Self {
        Self { steps: &[], field: Some(field) }
    }

    /// The place of a field of the struct at this place.
    #[inline]
    pub fn field(self, index: u8) -> Self {
        let steps = if self.field.is_none() { self.steps } else { self.join(&[]).leak() };
        Self { steps, field: Some(index) }
    }

    /// The bytes of the path with a step behind them.
    #[inline(never)]
    fn join(self, step: &[u8]) -> Vec<u8> {
        let field = usize::from(self.field.is_some());
        let mut bytes = sys::zeroed(self.steps.len().wrapping_add(field).wrapping_add(step.len()));
        if let Some((steps, rest)) = bytes.split_at_mut_checked(self.steps.len()) {
            copy(steps, self.steps);
            if let Some((first, last)) = rest.split_at_mut_checked(field) {
                if let (Some(place), Some(field)) = (first.first_mut(), self.field) {
                    *place = field;
                }
                copy(last, step);
            }
        }
        bytes
    }
}

/// `copy_from_slice` of slices of one length, without the report of two that are not: it would bring formatting into
/// each module.
#[inline]
fn copy(into: &mut [u8], from: &[u8]) {
    if into.len() == from.len() {
        into.copy_from_slice(from);
    }
}

impl Place for Path {
    fn with_key<R>(&self, act: impl FnOnce(&[u8]) -> R) -> R {
        act(&self.join(&[]))
    }

    fn with_step<R>(&self, step: &impl Encode, act: impl FnOnce(&[u8]) -> R) -> R {
        let mut bytes = Buffer::new();
        step.encode_to(&mut bytes);
        act(&self.join(bytes.as_slice()))
    }

    fn step(&self, step: &impl Encode) -> Path {
        let mut bytes = Buffer::new();
        step.encode_to(&mut bytes);
        // Leaked: a contract's memory lasts for one call and frees nothing, and copies of a path are then free. What a
        // native test leaks are a few bytes for each step.
        Self { steps: self.join(bytes.as_slice()).leak(), field: None }
    }

    fn read<T: Decode>(key: &[u8]) -> Option<T> {
        Some(super::decode(row(key)?.as_slice()))
    }
}

/// A row, read by code that exists once: what lies deep is read less often, and a module should be small.
#[inline(never)]
fn row(key: &[u8]) -> Option<Buffer> {
    Buffer::read_row(key)
}
