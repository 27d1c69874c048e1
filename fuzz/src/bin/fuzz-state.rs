//! The overlay, change sets and LtHash against maps.
#![no_main]

entente_fuzz::target!(state, 4096, 1 << 20);
