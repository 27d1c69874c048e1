//! What the nodes of a group tell one another.
#![no_main]

entente_fuzz::target!(group, 4096, 1 << 20);
