//! Compiles the shim over RocksDB's own faulty file system, with the headers and definitions that RocksDB was built
//! with.

use std::{env, path::PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=src/shim.cc");
    let sources = env::var_os("DEP_ROCKSDB_CARGO_MANIFEST_DIR").map(PathBuf::from);
    let Some(sources) = sources else { panic!("librocksdb-sys does not say where its sources are") };
    let rocksdb = sources.join("rocksdb");
    let mut build = cc::Build::new();
    build.cpp(true).std("c++20").warnings(false).file("src/shim.cc");
    build.include(rocksdb.join("include")).include(&rocksdb);
    for definition in ["NDEBUG", "HAVE_ALIGNED_NEW", "HAVE_UINT128_EXTENSION", "ROCKSDB_PLATFORM_POSIX"] {
        build.define(definition, None);
    }
    for definition in ["ROCKSDB_LIB_IO_POSIX", "OS_LINUX", "ROCKSDB_FALLOCATE_PRESENT", "ROCKSDB_RANGESYNC_PRESENT"] {
        build.define(definition, None);
    }
    build.compile("entente_disk");
}
