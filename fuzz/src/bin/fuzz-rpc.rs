//! Requests to a node's server.
#![no_main]

entente_fuzz::target!(rpc, 64, 8 << 20);
