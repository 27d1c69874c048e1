//! The frames of a stream between nodes, and certificates.
#![no_main]

entente_fuzz::target!(network, 4096, 1 << 20);
