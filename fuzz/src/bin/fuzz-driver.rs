//! The files of a node's folder.
#![no_main]

entente_fuzz::target!(driver, 1024, 256 << 10);
