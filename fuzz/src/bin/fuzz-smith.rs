//! Modules of wasm-smith: refused or run, on two nodes alike.
#![no_main]

entente_fuzz::target!(smith, 4096, 256 << 20);
