//! The engines in memory against maps.
#![no_main]

entente_fuzz::target!(storage, 4096, 1 << 20);
