//! Modules from bytes: refused or run, on two nodes alike.
#![no_main]

entente_fuzz::target!(executor, 4096, 256 << 20);
