//! Storage fields: each value of a contract is a row of its own, so that calls that touch different rows are disjoint.
//!
//! # Where values lie
//!
//! A row's key is a path through the storage struct; the row's value is the value in SCALE. Each step of the path adds
//! bytes behind those of the steps before it:
//!
//! | step | adds |
//! | --- | --- |
//! | field `n` of the storage struct, or of a struct marked `#[storage_item]` | the byte `n`, its place from 0 |
//! | the entry of a [`Map`] under a key | the key in SCALE |
//! | the element `i` of a [`List`] | `i` as a `u32` in SCALE: 4 bytes, little-endian |
//! | the length of a [`List`], itself a `u32` | the 4 bytes `ff ff ff ff`, which no element has |
//!
//! So with `accounts: Map<Address, Account>` as the second field, and `history: List<Move>` as the first field of
//! `Account`, the third move of `0x11..11` lies under `01 | 11..11 | 00 | 02 00 00 00`.
//!
//! No key begins another one: at each step the bytes of one choice begin those of no other (SCALE's encodings of one
//! type are told apart without looking behind their end). So two values never share a row, however deeply they are
//! nested. A list without elements has no row at all. A key has at most 256 bytes on chain; a longer one ends the call
//! with the fault `limit`.
//!
//! A type's layout is part of a contract: append fields, never reorder them, and keep the types of keys.

mod borrowed;
mod list;
mod map;
mod place;
mod value;

use parity_scale_codec::{Decode, Encode, Error, Input};

use crate::sys::{self, Scratch};
pub use borrowed::{FieldMut, FieldRef};
pub use list::{List, ListIter};
pub use map::Map;
pub use place::{Path, Place, Root};
pub use value::Value;

/// How many bytes of a key or a value are handled without the heap: two addresses, or a `U256` and more, fit.
const INLINE_LENGTH: usize = 64;

type Buffer = Scratch<INLINE_LENGTH>;

/// What lies in one row, in SCALE: the value of a [`Value`], of a [`Map`] or the element of a [`List`] that is no field
/// itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no value of one row",
    note = "a field inside of a map or list is given by `at` and `at_mut`; a type of your own derives Encode and Decode"
)]
pub trait Row: Encode + Decode {}

impl<T: Encode + Decode> Row for T {}

/// What can be a field of a storage struct, the value of a map or the element of a list, and has rows of its own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a storage struct",
    note = "use Value<T>, Map<K, V>, List<T> or a struct marked #[storage_item]"
)]
pub trait Field {
    /// The same inside of another field.
    type Nested;

    /// The field with this place in the storage struct.
    fn root(index: u8) -> Self;

    /// The field inside of another one.
    fn nested(path: Path) -> Self::Nested;
}

#[inline]
fn decode<T: Decode>(value: &[u8]) -> T {
    let mut rest = Rest(value);
    match T::decode(&mut rest) {
        Ok(value) if rest.0.is_empty() => value,
        // Rows are written by this contract alone: this means that the field's type was changed under its data.
        _ => panic!("storage: a row is not of its field's type"),
    }
}

/// What is still to be decoded. SCALE reads slices too, but by a function that copies any length and is not inlined.
struct Rest<'a>(&'a [u8]);

impl Input for Rest<'_> {
    fn remaining_len(&mut self) -> Result<Option<usize>, Error> {
        Ok(Some(self.0.len()))
    }

    #[inline]
    fn read(&mut self, into: &mut [u8]) -> Result<(), Error> {
        let Some((bytes, rest)) = self.0.split_at_checked(into.len()) else {
            return Err("the row ends before its value".into());
        };
        into.copy_from_slice(bytes);
        self.0 = rest;
        Ok(())
    }
}

#[inline]
fn write<T: Encode>(key: &[u8], value: &T) {
    let mut buffer = Buffer::new();
    value.encode_to(&mut buffer);
    sys::storage_write(key, buffer.as_slice());
}
