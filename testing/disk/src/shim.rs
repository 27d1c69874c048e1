//! The C++ side, the one module here that is not safe.
#![allow(unsafe_code, reason = "calls into the C++ shim; each block says why it is sound")]

use std::ffi::c_void;

unsafe extern "C" {
    fn entente_disk_new(disk: *mut *mut c_void) -> *mut librocksdb_sys::rocksdb_env_t;
    fn entente_disk_cut_power(disk: *mut c_void);
    fn entente_disk_restore_power(disk: *mut c_void, unsynced: u32, seed: u32) -> bool;
}

/// The C++ object, which lives as long as the environment.
pub(crate) struct Handle {
    env: rocksdb::Env,
    disk: *mut c_void,
}

// SAFETY: the object behind the pointer is RocksDB's faulty environment, which takes its own mutex in every call.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Handle {
    pub(crate) fn new() -> Self {
        let mut disk = std::ptr::null_mut();
        // SAFETY: the shim sets `disk` and gives an environment as RocksDB's C interface makes one, which `Env` alone
        // frees.
        let env = unsafe { rocksdb::Env::from_raw(entente_disk_new(&raw mut disk)) };
        Self { env, disk }
    }

    pub(crate) fn env(&self) -> rocksdb::Env {
        self.env.clone()
    }

    pub(crate) fn cut_power(&self) {
        // SAFETY: `env` keeps the object alive.
        unsafe { entente_disk_cut_power(self.disk) }
    }

    pub(crate) fn restore_power(&self, unsynced: u32, seed: u32) -> bool {
        // SAFETY: `env` keeps the object alive.
        unsafe { entente_disk_restore_power(self.disk, unsynced, seed) }
    }
}
