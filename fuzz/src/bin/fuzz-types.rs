//! Documents, RLP envelopes and their JSON.
#![no_main]

entente_fuzz::target!(types, 64, 64 << 10);
