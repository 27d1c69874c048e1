//! Storage fields: each value of a contract is a row of its own, so that calls that touch different rows are disjoint.
//!
//! A row's key is one byte, the field's place in the storage struct, and for a [`Map`] the SCALE encoding of the
//! entry's key behind it; the row's value is SCALE. A type's layout is therefore part of a contract: append fields,
//! never reorder them.

use core::marker::PhantomData;

use parity_scale_codec::{Decode, Encode, Error, Input};

use crate::sys::{self, Scratch};

/// How many bytes of a key or a value are handled without the heap: two addresses, or a `U256` and more, fit.
const INLINE_LENGTH: usize = 64;

type Buffer = Scratch<INLINE_LENGTH>;

/// What can be a field of a storage struct.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a storage struct",
    note = "use Value<T> or Map<K, V>"
)]
pub trait Field {
    /// The field with this place in the struct.
    fn at(index: u8) -> Self;
}

/// One value.
pub struct Value<T> {
    index: u8,
    value: PhantomData<fn() -> T>,
}

impl<T> Field for Value<T> {
    #[inline]
    fn at(index: u8) -> Self {
        Self { index, value: PhantomData }
    }
}

impl<T: Encode + Decode> Value<T> {
    /// The value, or the type's default where none was set.
    #[inline]
    pub fn get(&self) -> T
    where
        T: Default,
    {
        self.find().unwrap_or_default()
    }

    /// The value, if one was set.
    #[inline]
    pub fn find(&self) -> Option<T> {
        read(&[self.index])
    }

    /// Whether a value was set.
    pub fn exists(&self) -> bool {
        sys::storage_length(&[self.index]).is_some()
    }

    /// Sets the value.
    #[inline]
    pub fn set(&mut self, value: &T) {
        write(&[self.index], value);
    }

    /// Removes the value.
    pub fn remove(&mut self) {
        sys::storage_remove(&[self.index]);
    }
}

/// A value for each key. It cannot be listed: keep what you need to list in rows of your own, or emit events.
pub struct Map<K, V> {
    index: u8,
    entry: PhantomData<fn(K) -> V>,
}

impl<K, V> Field for Map<K, V> {
    #[inline]
    fn at(index: u8) -> Self {
        Self { index, entry: PhantomData }
    }
}

impl<K: Encode, V: Encode + Decode> Map<K, V> {
    /// The value of `key`, or the type's default where none was set.
    #[inline]
    pub fn get(&self, key: &K) -> V
    where
        V: Default,
    {
        self.find(key).unwrap_or_default()
    }

    /// The value of `key`, if one was set.
    #[inline]
    pub fn find(&self, key: &K) -> Option<V> {
        read(self.key(key).as_slice())
    }

    /// Whether `key` has a value.
    pub fn contains(&self, key: &K) -> bool {
        sys::storage_length(self.key(key).as_slice()).is_some()
    }

    /// Sets the value of `key`.
    #[inline]
    pub fn set(&mut self, key: &K, value: &V) {
        write(self.key(key).as_slice(), value);
    }

    /// Removes the value of `key`.
    pub fn remove(&mut self, key: &K) {
        sys::storage_remove(self.key(key).as_slice());
    }

    #[inline]
    fn key(&self, key: &K) -> Buffer {
        let mut buffer = Buffer::new();
        buffer.push(&[self.index]);
        key.encode_to(&mut buffer);
        buffer
    }
}

#[inline]
fn read<T: Decode>(key: &[u8]) -> Option<T> {
    let value = Buffer::read_row(key)?;
    let mut rest = Rest(value.as_slice());
    match T::decode(&mut rest) {
        Ok(value) if rest.0.is_empty() => Some(value),
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
