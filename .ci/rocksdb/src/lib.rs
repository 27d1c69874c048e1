//! Nothing: the build of librocksdb-sys is what is wanted.
