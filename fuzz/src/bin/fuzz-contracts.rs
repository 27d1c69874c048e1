//! Contracts of many steps, whose memory shows at the end of each call.
#![no_main]

entente_fuzz::target!(contracts, 4096, 256 << 20);
