//! Values in an order, each in a row of its own.

use alloc::vec::Vec;
use core::marker::PhantomData;

use super::{Field, FieldMut, FieldRef, Path, Place, Root, Row, write};
use crate::sys;

/// What stands where an element's index would: the length. So a list has at most this many elements.
const LENGTH: u32 = u32::MAX;

/// Values in an order, from index 0 on; or, where `T` is itself a field, such fields.
///
/// Each element is a row, and the length is one more: [`List::push`] writes two rows, [`List::get`] reads one. A list
/// can be longer than a call can read: [`List::page`] reads a part of it, and [`List::iter`] reads only what is asked
/// of it.
pub struct List<T, P = Root> {
    place: P,
    element: PhantomData<fn() -> T>,
}

impl<T> Field for List<T> {
    type Nested = List<T, Path>;

    #[inline]
    fn root(index: u8) -> Self {
        Self { place: Root(index), element: PhantomData }
    }

    #[inline]
    fn nested(path: Path) -> List<T, Path> {
        List { place: path, element: PhantomData }
    }
}

impl<T, P: Place> List<T, P> {
    /// How many elements there are.
    pub fn len(&self) -> u32 {
        self.place.with_step(&LENGTH, P::read).unwrap_or(0)
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn set_len(&mut self, length: u32) {
        self.place.with_step(&LENGTH, |key| if length == 0 { sys::storage_remove(key) } else { write(key, &length) });
    }

    /// Makes room for one more element, and gives its index.
    fn grow(&mut self) -> u32 {
        let index = self.len();
        assert!(index < LENGTH, "list: it has 2^32 - 1 elements, which is the most it can have");
        self.set_len(index.wrapping_add(1));
        index
    }
}

impl<T: Row, P: Place> List<T, P> {
    fn write(&mut self, index: u32, value: &T) {
        self.place.with_step(&index, |key| write(key, value));
    }

    /// The element at `index`, or nothing where the list is shorter.
    pub fn get(&self, index: u32) -> Option<T> {
        if index == LENGTH {
            return None;
        }
        self.place.with_step(&index, P::read)
    }

    /// Puts `value` behind the last element, and gives its index.
    pub fn push(&mut self, value: &T) -> u32 {
        let index = self.grow();
        self.write(index, value);
        index
    }

    /// Takes the last element off.
    pub fn pop(&mut self) -> Option<T> {
        let last = self.len().checked_sub(1)?;
        let value = self.get(last);
        self.truncate_by_one(last);
        value
    }

    /// Sets the element at `index`. Panics, and so reverts, where the list is shorter.
    pub fn set(&mut self, index: u32, value: &T) {
        assert!(index < self.len(), "list: there is no element at this index");
        self.write(index, value);
    }

    /// Takes the element at `index` out and puts the last one in its place: the order changes, and two rows are
    /// written whatever the list's length. Nothing where the list is shorter.
    pub fn swap_remove(&mut self, index: u32) -> Option<T> {
        let last = self.len().checked_sub(1)?;
        if index > last {
            return None;
        }
        let value = self.get(index);
        if index < last
            && let Some(moved) = self.get(last)
        {
            self.write(index, &moved);
        }
        self.truncate_by_one(last);
        value
    }

    /// Removes every element: as many rows are written as there are elements.
    pub fn clear(&mut self) {
        for index in 0..self.len() {
            self.place.with_step(&index, sys::storage_remove);
        }
        self.set_len(0);
    }

    /// The elements from `start` on, at most `count_max` of them: what a message that answers with a list reads, so
    /// that its caller decides how much.
    pub fn page(&self, start: u32, count_max: u32) -> Vec<T> {
        let end = self.len().min(start.saturating_add(count_max));
        // Of a known length, so that the list is allocated once.
        (start..end).map(|index| self.existing(index)).collect()
    }

    /// The elements in their order, each read when it is asked for.
    pub fn iter(&self) -> ListIter<'_, T, P> {
        ListIter { list: self, next: 0, end: self.len() }
    }

    /// The element at an index below the length.
    fn existing(&self, index: u32) -> T {
        match self.get(index) {
            Some(value) => value,
            // Rows are written by this contract alone: this means that the field's type was changed under its data.
            None => panic!("storage: a list has no row for an element"),
        }
    }

    /// Removes the last element, which is at `last`.
    fn truncate_by_one(&mut self, last: u32) {
        self.place.with_step(&last, sys::storage_remove);
        self.set_len(last);
    }
}

impl<T: Field, P: Place> List<T, P> {
    /// The field at `index`, to read; nothing where the list is shorter.
    pub fn at(&self, index: u32) -> Option<FieldRef<'_, T::Nested>> {
        (index < self.len()).then(|| FieldRef::new(T::nested(self.place.step(&index))))
    }

    /// The field at `index`, to read and change; nothing where the list is shorter.
    pub fn at_mut(&mut self, index: u32) -> Option<FieldMut<'_, T::Nested>> {
        (index < self.len()).then(|| FieldMut::new(T::nested(self.place.step(&index))))
    }

    /// Adds a field without rows behind the last one. Such elements cannot be taken off again: a field does not know
    /// its rows.
    pub fn add(&mut self) -> FieldMut<'_, T::Nested> {
        let index = self.grow();
        FieldMut::new(T::nested(self.place.step(&index)))
    }
}

impl<'a, T: Row, P: Place> IntoIterator for &'a List<T, P> {
    type Item = T;
    type IntoIter = ListIter<'a, T, P>;

    fn into_iter(self) -> ListIter<'a, T, P> {
        self.iter()
    }
}

/// The elements of a [`List`], from either end.
pub struct ListIter<'a, T, P = Root> {
    list: &'a List<T, P>,
    next: u32,
    end: u32,
}

impl<T: Row, P: Place> Iterator for ListIter<'_, T, P> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let index = self.next;
        if index >= self.end {
            return None;
        }
        self.next = index.wrapping_add(1);
        Some(self.list.existing(index))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.end.saturating_sub(self.next) as usize;
        (left, Some(left))
    }

    /// Passes over elements without reading them.
    fn nth(&mut self, count: usize) -> Option<T> {
        self.next = self.next.saturating_add(u32::try_from(count).unwrap_or(u32::MAX)).min(self.end);
        self.next()
    }
}

impl<T: Row, P: Place> DoubleEndedIterator for ListIter<'_, T, P> {
    fn next_back(&mut self) -> Option<T> {
        if self.next >= self.end {
            return None;
        }
        self.end = self.end.wrapping_sub(1);
        Some(self.list.existing(self.end))
    }
}

impl<T: Row, P: Place> ExactSizeIterator for ListIter<'_, T, P> {}
