//! One value.

use core::marker::PhantomData;

use super::{Field, Path, Place, Root, Row, write};
use crate::sys;

/// One value, in one row.
pub struct Value<T, P = Root> {
    place: P,
    value: PhantomData<fn() -> T>,
}

impl<T> Field for Value<T> {
    type Nested = Value<T, Path>;

    #[inline]
    fn root(index: u8) -> Self {
        Self { place: Root(index), value: PhantomData }
    }

    #[inline]
    fn nested(path: Path) -> Value<T, Path> {
        Value { place: path, value: PhantomData }
    }
}

impl<T: Row, P: Place> Value<T, P> {
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
        self.place.with_key(P::read)
    }

    /// Whether a value was set.
    pub fn exists(&self) -> bool {
        self.place.with_key(|key| sys::storage_length(key).is_some())
    }

    /// Sets the value.
    #[inline]
    pub fn set(&mut self, value: &T) {
        self.place.with_key(|key| write(key, value));
    }

    /// Removes the value.
    pub fn remove(&mut self) {
        self.place.with_key(sys::storage_remove);
    }
}
