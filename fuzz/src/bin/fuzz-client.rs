//! ABIs, answers, typed arguments and keystores.
#![no_main]

entente_fuzz::target!(client, 1024, 2 << 20);
