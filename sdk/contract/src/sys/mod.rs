//! The one place with unsafe code: the host functions, the allocator, the panic handler, and memory not yet written.
//!
//! `wasm.rs` calls the chain; `native.rs` has the same functions for every other target.
#![allow(unsafe_code)]

#[cfg(target_arch = "wasm32")]
mod allocator;
#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod panic;
mod scratch;
#[cfg(target_arch = "wasm32")]
mod wasm;

pub(crate) use entente_host::{
    CALL, CALL_DELEGATE, CALL_STATIC, DIGEST_BLAKE3, DIGEST_KECCAK256, DIGEST_SHA256, DIGEST_SM3, SIGNATURE_ED25519,
    SIGNATURE_SECP256K1, SIGNATURE_SM2, STATUS_REVERTED, STATUS_SUCCESS,
};
#[cfg(not(target_arch = "wasm32"))]
pub use native::emit;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::*;
pub(crate) use scratch::Scratch;
#[cfg(target_arch = "wasm32")]
pub use wasm::emit;
#[cfg(target_arch = "wasm32")]
pub(crate) use wasm::*;
