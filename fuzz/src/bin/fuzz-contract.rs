//! The ABI of contracts against alloy's.
#![no_main]

entente_fuzz::target!(contract, 512, 256 << 10);
