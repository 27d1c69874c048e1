//! Keys, signatures, sealed texts, Merkle trees.
#![no_main]

entente_fuzz::target!(crypto, 64, 256 << 10);
