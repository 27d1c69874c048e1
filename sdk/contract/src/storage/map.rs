//! A value, or a whole field, for each key.

use core::marker::PhantomData;

use parity_scale_codec::Encode;

use super::{Field, FieldMut, FieldRef, Path, Place, Root, Row, write};
use crate::sys;

/// A value for each key; or, where `V` is itself a field (a map, a list, a struct marked `#[storage_item]`), such a
/// field for each key, which [`Map::at`] and [`Map::at_mut`] give.
///
/// A map cannot be listed: keep a [`List`](super::List) of its keys, or emit events.
pub struct Map<K, V, P = Root> {
    place: P,
    entry: PhantomData<fn(K) -> V>,
}

impl<K, V> Field for Map<K, V> {
    type Nested = Map<K, V, Path>;

    #[inline]
    fn root(index: u8) -> Self {
        Self { place: Root(index), entry: PhantomData }
    }

    #[inline]
    fn nested(path: Path) -> Map<K, V, Path> {
        Map { place: path, entry: PhantomData }
    }
}

impl<K: Encode, V, P: Place> Map<K, V, P> {
    /// The value of `key`, or the type's default where none was set.
    #[inline]
    pub fn get(&self, key: &K) -> V
    where
        V: Row + Default,
    {
        self.find(key).unwrap_or_default()
    }

    /// The value of `key`, if one was set.
    #[inline]
    pub fn find(&self, key: &K) -> Option<V>
    where
        V: Row,
    {
        self.place.with_step(key, P::read)
    }

    /// Whether `key` has a value.
    pub fn contains(&self, key: &K) -> bool
    where
        V: Row,
    {
        self.place.with_step(key, |key| sys::storage_length(key).is_some())
    }

    /// Sets the value of `key`.
    #[inline]
    pub fn set(&mut self, key: &K, value: &V)
    where
        V: Row,
    {
        self.place.with_step(key, |key| write(key, value));
    }

    /// Removes the value of `key`.
    pub fn remove(&mut self, key: &K)
    where
        V: Row,
    {
        self.place.with_step(key, sys::storage_remove);
    }
}

impl<K: Encode, V: Field, P: Place> Map<K, V, P> {
    /// The field of `key`, to read. There is one for every key; without rows, it is as empty as a new one.
    pub fn at(&self, key: &K) -> FieldRef<'_, V::Nested> {
        FieldRef::new(V::nested(self.place.step(key)))
    }

    /// The field of `key`, to read and change. What is in it is removed piece by piece: it does not know its rows.
    pub fn at_mut(&mut self, key: &K) -> FieldMut<'_, V::Nested> {
        FieldMut::new(V::nested(self.place.step(key)))
    }
}
