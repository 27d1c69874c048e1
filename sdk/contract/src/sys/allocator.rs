//! An allocator that frees nothing: an instance is reset after each call, so what one call allocates is all there is.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::{memory_grow, memory_size, unreachable};
use core::cell::UnsafeCell;

const PAGE_LENGTH: usize = 65_536;

unsafe extern "C" {
    /// The linker's mark of where static data ends; its address is its meaning.
    static __heap_base: u8;
}

struct Bump {
    /// The end of what was handed out; 0 before the first allocation.
    end: UnsafeCell<usize>,
    /// The end of the memory known to exist; 0 before the first allocation.
    limit: UnsafeCell<usize>,
}

// SAFETY: a contract's instance has one thread.
unsafe impl Sync for Bump {}

#[global_allocator]
static ALLOCATOR: Bump = Bump { end: UnsafeCell::new(0), limit: UnsafeCell::new(0) };

impl Bump {
    /// Puts the end of the heap to `end`, growing the memory if it must.
    #[inline]
    unsafe fn extend_to(&self, end: usize) {
        // SAFETY: one thread, and no reference to the cells outlives a statement.
        unsafe {
            if end > *self.limit.get() {
                self.extend_limit(end);
            }
            *self.end.get() = end;
        }
    }

    #[cold]
    #[inline(never)]
    unsafe fn extend_limit(&self, end: usize) {
        // The memory that the module starts with comes first; growing costs the instance its place in the pool.
        let limit = memory_size::<0>() * PAGE_LENGTH;
        let missing = end.saturating_sub(limit).div_ceil(PAGE_LENGTH);
        if missing > 0 && memory_grow::<0>(missing) == usize::MAX {
            unreachable();
        }
        // SAFETY: one thread, and no reference to the cell outlives the statement.
        unsafe { *self.limit.get() = limit + missing * PAGE_LENGTH };
    }

    #[inline]
    unsafe fn end(&self) -> usize {
        // SAFETY: one thread, and no reference to the cell outlives the statement.
        let end = unsafe { *self.end.get() };
        if end == 0 { (&raw const __heap_base) as usize } else { end }
    }
}

// SAFETY: what `alloc` gives begins at or behind the end of everything given before, aligned, and ends inside the
// memory; no sum wraps, since a `Layout`'s size is at most `isize::MAX` and `end` never passes 4 GiB unnoticed.
unsafe impl GlobalAlloc for Bump {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: see the statements of the methods; `checked_add` refuses what passes the address space, and an
        // end near it is not reached.
        unsafe {
            let start = self.end().wrapping_add(layout.align() - 1) & !(layout.align() - 1);
            let Some(end) = start.checked_add(layout.size()) else { unreachable() };
            self.extend_to(end);
            // The heap lies behind the stack and the static data. Said here, the code that would report a failed
            // allocation, and formatting with it, is in no module.
            core::hint::assert_unchecked(start != 0);
            start as *mut u8
        }
    }

    /// Memory that was never handed out is zero: a module's memory begins so, and nothing is freed.
    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the same contract as `alloc`.
        unsafe { self.alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, _pointer: *mut u8, _layout: Layout) {}

    /// The last allocation grows in its place; the end never moves back, which `alloc_zeroed` relies on.
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if new_size <= layout.size() {
            return pointer;
        }
        // SAFETY: the caller gives a pointer of ours with its layout; the new place does not overlap the old one, and
        // is longer.
        unsafe {
            let start = pointer as usize;
            if start + layout.size() == self.end() {
                let Some(end) = start.checked_add(new_size) else { unreachable() };
                self.extend_to(end);
                return pointer;
            }
            let new = self.alloc(Layout::from_size_align_unchecked(new_size, layout.align()));
            core::ptr::copy_nonoverlapping(pointer, new, layout.size());
            new
        }
    }
}
