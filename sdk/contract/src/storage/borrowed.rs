//! Fields inside of fields, borrowed from the one around them: what a view holds cannot be changed.

use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

/// A field inside another one, to read.
pub struct FieldRef<'a, F> {
    field: F,
    around: PhantomData<&'a ()>,
}

impl<F> FieldRef<'_, F> {
    #[inline]
    pub(super) fn new(field: F) -> Self {
        Self { field, around: PhantomData }
    }
}

impl<F> Deref for FieldRef<'_, F> {
    type Target = F;

    #[inline]
    fn deref(&self) -> &F {
        &self.field
    }
}

/// A field inside another one, to read and change.
pub struct FieldMut<'a, F> {
    field: F,
    around: PhantomData<&'a mut ()>,
}

impl<F> FieldMut<'_, F> {
    #[inline]
    pub(super) fn new(field: F) -> Self {
        Self { field, around: PhantomData }
    }
}

impl<F> Deref for FieldMut<'_, F> {
    type Target = F;

    #[inline]
    fn deref(&self) -> &F {
        &self.field
    }
}

impl<F> DerefMut for FieldMut<'_, F> {
    #[inline]
    fn deref_mut(&mut self) -> &mut F {
        &mut self.field
    }
}
