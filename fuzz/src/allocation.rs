//! Counts what is allocated: no input may ask for more memory than its own length explains.
#![allow(unsafe_code, reason = "an allocator is unsafe by its trait; this one hands every call on unchanged")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

/// The system's allocator, counting.
struct Counting;

static CURRENT: AtomicUsize = AtomicUsize::new(0);
static HIGHEST: AtomicUsize = AtomicUsize::new(0);

fn grown(bytes: usize) {
    let now = CURRENT.fetch_add(bytes, Ordering::Relaxed).wrapping_add(bytes);
    HIGHEST.fetch_max(now, Ordering::Relaxed);
}

// SAFETY: each call goes to the system's allocator with the arguments it came with, and its answer goes back as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller keeps the trait's rules.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller keeps the trait's rules.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        grown(new_size);
        CURRENT.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the trait's rules.
        unsafe { System.realloc(pointer, layout, new_size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        CURRENT.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the trait's rules.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What an input may have allocated at once, beside what was there before.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// For each byte of it.
    pub byte: usize,
    /// However long it is.
    pub fixed: usize,
}

/// Runs a target's check, and checks the memory it used.
pub fn bounded(allowance: Allowance, data: &[u8], check: impl Fn(&[u8])) {
    let before = CURRENT.load(Ordering::Relaxed);
    HIGHEST.store(before, Ordering::Relaxed);
    check(data);
    let used = HIGHEST.load(Ordering::Relaxed).saturating_sub(before);
    let allowed = allowance.byte.saturating_mul(data.len()).saturating_add(allowance.fixed);
    assert!(used <= allowed, "{} bytes of input had {used} bytes allocated; allowed are {allowed}", data.len());
}
