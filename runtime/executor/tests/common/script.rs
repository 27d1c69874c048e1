//! A contract that does what its input says, and how such inputs are written.

use entente_types::Address;

pub const SUCCESS: u8 = 0;
pub const REVERTED: u8 = 1;
pub const FAILED: u8 = 2;

pub const CALL: u8 = 0;
pub const DELEGATE: u8 = 1;
pub const STATIC: u8 = 2;

/// Interprets its input, and gives back a trace of what its steps answered.
pub const SCRIPT: &str = r#"(module
    (import "entente" "input_length" (func $input_length (result i32)))
    (import "entente" "input_read" (func $input_read (param i32 i32 i32)))
    (import "entente" "output" (func $output (param i32 i32)))
    (import "entente" "revert" (func $revert (param i32 i32)))
    (import "entente" "storage_read" (func $storage_read (param i32 i32 i32 i32) (result i32)))
    (import "entente" "storage_write" (func $storage_write (param i32 i32 i32 i32)))
    (import "entente" "storage_remove" (func $storage_remove (param i32 i32)))
    (import "entente" "caller" (func $caller (param i32)))
    (import "entente" "address" (func $address (param i32)))
    (import "entente" "value" (func $value (param i32)))
    (import "entente" "emit" (func $emit (param i32 i32 i32 i32)))
    (import "entente" "call" (func $call (param i32 i32 i64 i32 i32 i32) (result i32)))
    (import "entente" "create" (func $create (param i32 i32 i32 i32) (result i32)))
    (import "entente" "return_length" (func $return_length (result i32)))
    (import "entente" "return_read" (func $return_read (param i32 i32 i32)))
    (memory (export "memory") 4)
    (func $main (result i32) (local $at i32) (local $end i32) (local $to i32) (local $n i32)
        (local.set $at (i32.const 65536))
        (local.set $end (i32.add (i32.const 65536) (call $input_length)))
        (local.set $to (i32.const 196608))
        (call $input_read (i32.const 65536) (i32.const 0) (call $input_length))
        (block $done (loop $next
            (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
            (local.set $n (i32.load8_u (local.get $at)))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (block $10 (block $9 (block $8 (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1
                (br_table $4 $1 $2 $3 $4 $5 $6 $7 $8 $9 $10 $4 (local.get $n)))
            ;; 1: write a key of one byte and a value of eight
            (call $storage_write (local.get $at) (i32.const 1) (i32.add (local.get $at) (i32.const 1)) (i32.const 8))
            (local.set $at (i32.add (local.get $at) (i32.const 9))) (br $next))
            ;; 2: a log of one byte
            (call $emit (i32.const 0) (i32.const 0) (local.get $at) (i32.const 1))
            (local.set $at (i32.add (local.get $at) (i32.const 1))) (br $next))
            ;; 3: revert with one byte
            (call $revert (local.get $at) (i32.const 1)) unreachable)
            ;; 4: trap
            unreachable)
            ;; 5: call: kind, address, value, gas, length, input
            (local.set $n (i32.load (i32.add (local.get $at) (i32.const 61))))
            (i32.store8 (local.get $to) (call $call
                (i32.load8_u (local.get $at)) (i32.add (local.get $at) (i32.const 1))
                (i64.load (i32.add (local.get $at) (i32.const 53))) (i32.add (local.get $at) (i32.const 21))
                (i32.add (local.get $at) (i32.const 65)) (local.get $n)))
            (local.set $to (i32.add (local.get $to) (i32.const 1)))
            (local.set $at (i32.add (local.get $at) (i32.add (i32.const 65) (local.get $n)))) (br $next))
            ;; 6: create: value, length, container
            (local.set $n (i32.load (i32.add (local.get $at) (i32.const 32))))
            (i32.store8 (local.get $to) (call $create
                (i32.add (local.get $at) (i32.const 36)) (local.get $n) (local.get $at) (i32.add (local.get $to) (i32.const 1))))
            (local.set $to (i32.add (local.get $to) (i32.const 21)))
            (local.set $at (i32.add (local.get $at) (i32.add (i32.const 36) (local.get $n)))) (br $next))
            ;; 7: read a key
            (i32.store8 (local.get $to) (i32.ne (i32.const -1)
                (call $storage_read (local.get $at) (i32.const 1) (i32.add (local.get $to) (i32.const 1)) (i32.const 8))))
            (local.set $to (i32.add (local.get $to) (i32.const 9)))
            (local.set $at (i32.add (local.get $at) (i32.const 1))) (br $next))
            ;; 8: who and where: caller, address, value
            (call $caller (local.get $to))
            (call $address (i32.add (local.get $to) (i32.const 20)))
            (call $value (i32.add (local.get $to) (i32.const 40)))
            (local.set $to (i32.add (local.get $to) (i32.const 72))) (br $next))
            ;; 9: what the last nested frame gave back
            (call $return_read (local.get $to) (i32.const 0) (call $return_length))
            (local.set $to (i32.add (local.get $to) (call $return_length))) (br $next))
            ;; 10: remove a key
            (call $storage_remove (local.get $at) (i32.const 1))
            (local.set $at (i32.add (local.get $at) (i32.const 1))) (br $next)))
        (call $output (i32.const 196608) (i32.sub (local.get $to) (i32.const 196608)))
        (i32.const 0))
    (func (export "deploy") (result i32) (call $main))
    (func (export "call") (result i32) (call $main)))"#;

pub fn write(key: u8, value: u64) -> Vec<u8> {
    [&[1, key][..], &value.to_le_bytes()].concat()
}

pub fn log(byte: u8) -> Vec<u8> {
    vec![2, byte]
}

pub fn revert(byte: u8) -> Vec<u8> {
    vec![3, byte]
}

pub fn trap() -> Vec<u8> {
    vec![4]
}

pub fn nested(kind: u8, address: Address, value: u64, gas: u64, input: &[u8]) -> Vec<u8> {
    let mut amount = [0; 32];
    amount[..8].copy_from_slice(&value.to_le_bytes());
    let length = (input.len() as u32).to_le_bytes();
    [&[5, kind][..], &address.0, &amount, &gas.to_le_bytes(), &length, input].concat()
}

/// An ordinary call without value and with all the gas there is.
pub fn call(address: Address, input: &[u8]) -> Vec<u8> {
    nested(CALL, address, 0, u64::MAX, input)
}

pub fn create(value: u64, container: &[u8]) -> Vec<u8> {
    let mut amount = [0; 32];
    amount[..8].copy_from_slice(&value.to_le_bytes());
    [&[6][..], &amount, &(container.len() as u32).to_le_bytes(), container].concat()
}

pub fn read(key: u8) -> Vec<u8> {
    vec![7, key]
}

pub fn who() -> Vec<u8> {
    vec![8]
}

pub fn returned() -> Vec<u8> {
    vec![9]
}

pub fn remove(key: u8) -> Vec<u8> {
    vec![10, key]
}

/// What `read` traces.
pub fn seen(value: Option<u64>) -> Vec<u8> {
    let mut trace = vec![u8::from(value.is_some())];
    trace.extend(value.unwrap_or(0).to_le_bytes());
    trace
}
