//! Modules that were damaged in any way are refused or run: nothing crashes.

mod common;

use common::{engine, run, wat};
use entente_host::Fault;
use entente_wasm::check;
use proptest::prelude::*;

fn seed() -> Vec<u8> {
    wat(r#"(module
        (type $t (func (param i32) (result i32)))
        (import "entente" "input_length" (func $input_length (result i32)))
        (import "entente" "output" (func $output (param i32 i32)))
        (import "entente" "storage_write" (func $storage_write (param i32 i32 i32 i32)))
        (memory (export "memory") 1)
        (table 4 funcref) (elem (i32.const 0) $double $sum)
        (global $calls (mut i32) (i32.const 0))
        (data (i32.const 8) "some data of the module")
        (func $double (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
        (func $sum (param i32) (result i32) (local $total i64)
            (block (loop
                (br_if 1 (i32.eqz (local.get 0)))
                (local.set $total (i64.add (local.get $total) (i64.extend_i32_u (local.get 0))))
                (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
                (br 0)))
            (i64.store (i32.const 64) (local.get $total))
            (i32.wrap_i64 (local.get $total)))
        (func (export "deploy") (result i32) (call $storage_write (i32.const 0) (i32.const 8) (i32.const 8) (i32.const 9)) i32.const 0)
        (func (export "call") (result i32)
            (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
            (i32.store (i32.const 100) (call_indirect (type $t) (i32.const 100) (i32.and (call $input_length) (i32.const 1))))
            (memory.copy (i32.const 200) (i32.const 8) (i32.const 16))
            (drop (memory.grow (i32.const 1)))
            (call $output (i32.const 64) (i32.const 200))
            (if (result i32) (i32.eq (call $input_length) (i32.const 3)) (then (i32.const 1)) (else (i32.const 0)))))"#)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_damaged_module_is_refused_or_runs(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..3), 1..4)
    ) {
        let mut module = seed();
        for (place, byte, kind) in changes {
            let place = place.index(module.len());
            match kind {
                0 => module[place] = byte,
                1 => module.insert(place, byte),
                _ => { module.remove(place); }
            }
        }
        if check(&module).is_ok() {
            let (_, first) = run(&engine(), &module, b"ab", 200_000_000);
            let (_, second) = run(&engine(), &module, b"ab", 200_000_000);
            prop_assert_eq!(first, second);
        } else {
            let refused = engine().prepare(&common::code_hash(&module), &module);
            prop_assert!(matches!(refused, Err(Fault::Contract(_))));
        }
    }
}
