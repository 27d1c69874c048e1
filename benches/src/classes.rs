//! The pieces of code whose price the gas bench compares with their time.

use std::fmt::Write;

use entente_crypto::keccak256;
use entente_executor::container;
use entente_types::Address;

use crate::{WorkloadError, evm_classes::evm_classes};

/// Something that a contract repeats.
pub(crate) struct Class {
    pub(crate) name: String,
    /// Repeats the piece as often as the first four bytes of its input say. The addresses of the others follow there. A
    /// module, or EVM code that creates a contract.
    pub(crate) module: Vec<u8>,
    /// Contracts that it calls.
    pub(crate) others: Vec<Vec<u8>>,
    /// How often the loop runs.
    pub(crate) times: u32,
    /// How many pieces one round of the loop has.
    pub(crate) pieces: u32,
}

const IMPORTS: &str = r#"
    (import "entente" "input_length" (func $input_length (result i32)))
    (import "entente" "input_read" (func $input_read (param i32 i32 i32)))
    (import "entente" "output" (func $output (param i32 i32)))
    (import "entente" "revert" (func $revert (param i32 i32)))
    (import "entente" "storage_read" (func $storage_read (param i32 i32 i32 i32) (result i32)))
    (import "entente" "storage_write" (func $storage_write (param i32 i32 i32 i32)))
    (import "entente" "storage_remove" (func $storage_remove (param i32 i32)))
    (import "entente" "caller" (func $caller (param i32)))
    (import "entente" "block_number" (func $block_number (result i64)))
    (import "entente" "emit" (func $emit (param i32 i32 i32 i32)))
    (import "entente" "call" (func $call (param i32 i32 i64 i32 i32 i32) (result i32)))
    (import "entente" "create" (func $create (param i32 i32 i32 i32) (result i32)))
    (import "entente" "return_length" (func $return_length (result i32)))
    (import "entente" "keccak256" (func $keccak256 (param i32 i32 i32)))
    (import "entente" "hash" (func $hash (param i32 i32 i32)))
"#;

fn assemble(text: &str) -> Result<Vec<u8>, WorkloadError> {
    wat::parse_str(text).map_err(|error| WorkloadError::Wrong(error.to_string()))
}

/// A contract whose `call` repeats a body.
fn repeating(pages: u32, declarations: &str, prepare: &str, body: &str) -> Result<Vec<u8>, WorkloadError> {
    assemble(&format!(
        r#"(module {IMPORTS} {declarations} (memory (export "memory") {pages})
            (func (export "deploy") (result i32) i32.const 0)
            (func (export "call") (result i32)
                (local $i i32) (local $x i32) (local $y i32) (local $a i64) (local $b i64)
                (call $input_read (i32.const 0) (i32.const 0) (call $input_length))
                (local.set $i (i32.load (i32.const 0)))
                (local.set $x (i32.const 12345)) (local.set $a (i64.const 88172645463325252)) (local.set $b (i64.const 3))
                {prepare}
                (loop $next {body} (br_if $next (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
                (i32.store (i32.const 0) (local.get $x)) (i64.store (i32.const 8) (i64.xor (local.get $a) (local.get $b)))
                (i32.const 0)))"#
    ))
}

/// A contract whose `call` has this body, to be called by others.
fn called(declarations: &str, pages: u32, body: &str) -> Result<Vec<u8>, WorkloadError> {
    assemble(&format!(
        r#"(module {IMPORTS} {declarations} (memory (export "memory") {pages})
            (func (export "deploy") (result i32) i32.const 0)
            (func (export "call") (result i32) (local $x i32) (local $y i32) {body}))"#
    ))
}

fn class(name: &str, times: u32, pieces: u32, module: Vec<u8>) -> Class {
    Class { name: name.into(), module, others: Vec::new(), times, pieces }
}

/// The next of numbers that look random, in `$a` (Marsaglia 2003: xorshift).
const RANDOM: &str = "(local.set $a (i64.xor (local.get $a) (i64.shl (local.get $a) (i64.const 13))))
    (local.set $a (i64.xor (local.get $a) (i64.shr_u (local.get $a) (i64.const 7))))
    (local.set $a (i64.xor (local.get $a) (i64.shl (local.get $a) (i64.const 17))))";

/// Calls the other contract whose number is in `$y`, with this gas and an input.
fn call_other(gas: &str, input: u32) -> String {
    format!(
        "(drop (call $call (i32.const 0) (i32.add (i32.const 4) (i32.mul (i32.const 20) (local.get $y))) {gas}
            (i32.const 60000) (i32.const 0) (i32.const {input})))"
    )
}

pub(crate) fn classes() -> Result<Vec<Class>, WorkloadError> {
    let mut all = instructions()?;
    all.extend(function_calls()?);
    all.extend(memory()?);
    all.extend(host_functions()?);
    all.extend(storage()?);
    all.extend(nested()?);
    all.extend(native_and_created()?);
    all.extend(evm_classes());
    Ok(all)
}

fn instructions() -> Result<Vec<Class>, WorkloadError> {
    let many = |name: &str, piece: &str| {
        Ok::<_, WorkloadError>(class(name, 40_000, 32, repeating(1, "", "", &piece.repeat(32))?))
    };
    let table = (0..16).fold(String::new(), |text, _| text + "(block ");
    let arms = (0..16).fold(String::new(), |mut text, arm| {
        let _ = write!(text, ") (local.set $x (i32.add (local.get $x) (i32.const {arm})))");
        text
    });
    let labels = (0..16).rev().map(|label| format!("{label} ")).collect::<String>();
    Ok(vec![
        many("plain: additions one after the other", "(local.set $x (i32.add (local.get $x) (i32.const 3)))")?,
        many("plain: multiplications one after the other", "(local.set $a (i64.mul (local.get $a) (local.get $b)))")?,
        many("plain: rotations and counts", "(local.set $a (i64.rotl (i64.popcnt (local.get $a)) (local.get $a)))")?,
        many("plain: selects", "(local.set $x (select (local.get $i) (local.get $x) (local.get $y)))")?,
        many(
            "division: 64 bits, one after the other",
            "(local.set $a (i64.div_u (i64.const -1) (i64.or (local.get $a) (i64.const 1))))",
        )?,
        many("global: read, changed, written", "").and_then(|_| {
            Ok(class(
                "global: read, changed, written",
                40_000,
                32,
                repeating(
                    1,
                    "(global $g (mut i64) (i64.const 1))",
                    "",
                    &"(global.set $g (i64.add (global.get $g) (i64.const 1)))".repeat(32),
                )?,
            ))
        })?,
        class(
            "branch: one that nobody can predict",
            200_000,
            1,
            repeating(
                1,
                "",
                "",
                &format!(
                    "{RANDOM} (if (i64.lt_s (local.get $a) (i64.const 0)) (then (local.set $x (i32.add (local.get $x) (i32.const 1)))))"
                ),
            )?,
        ),
        class(
            "branch: a table that nobody can predict",
            200_000,
            1,
            repeating(
                1,
                "",
                "",
                &format!(
                    "{RANDOM} {table} (br_table {labels} (i32.and (i32.wrap_i64 (local.get $a)) (i32.const 15))) {arms}"
                ),
            )?,
        ),
    ])
}

fn function_calls() -> Result<Vec<Class>, WorkloadError> {
    let indirect =
        "(type $t (func (param i32) (result i32))) (table 8 funcref) (elem (i32.const 0) $f $g $f $g $g $f $g $f)
        (func $f (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
        (func $g (param i32) (result i32) (i32.xor (local.get 0) (i32.const 9)))";
    let recursion = "(func $deep (param i32) (result i32) (if (result i32) (local.get 0)
        (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1))))) (else (i32.const 0))))";
    Ok(vec![
        class(
            "call: a function that does little",
            100_000,
            8,
            repeating(
                1,
                "(func $f (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))",
                "",
                &"(local.set $x (call $f (local.get $x)))".repeat(8),
            )?,
        ),
        class("call: 500 deep and back", 300, 500, repeating(1, recursion, "", "(drop (call $deep (i32.const 500)))")?),
        class(
            "call: indirect, always the same",
            100_000,
            8,
            repeating(
                1,
                indirect,
                "",
                &"(local.set $x (call_indirect (type $t) (local.get $x) (i32.const 1)))".repeat(8),
            )?,
        ),
        class(
            "call: indirect, nobody can predict which",
            200_000,
            1,
            repeating(
                1,
                indirect,
                "",
                &format!(
                    "{RANDOM} (local.set $x (call_indirect (type $t) (local.get $x) (i32.and (i32.wrap_i64 (local.get $a)) (i32.const 7))))"
                ),
            )?,
        ),
    ])
}

fn memory() -> Result<Vec<Class>, WorkloadError> {
    let random_place = "(i32.and (i32.wrap_i64 (local.get $a)) (i32.const 0xfffff8))";
    // Every place is written before, so that what is timed is the cache and not the first touch.
    let touch = "(memory.fill (i32.const 4096) (i32.const 1) (i32.const 0xffe000))";
    let fill = |bytes: u32| format!("(memory.fill (i32.const 4096) (local.get $i) (i32.const {bytes}))");
    let copy = |bytes: u32| format!("(memory.copy (i32.const 4096) (i32.const 8388608) (i32.const {bytes}))");
    Ok(vec![
        class("memory: loads at one place", 40_000, 32, repeating(1, "", "", &"(local.set $x (i32.add (local.get $x) (i32.load offset=64 (i32.const 0))))".repeat(32))?),
        class("memory: stores in a row", 40_000, 32, repeating(1, "", "", &"(i64.store offset=64 (i32.and (local.get $x) (i32.const 0x7ff8)) (local.get $b)) (local.set $x (i32.add (local.get $x) (i32.const 8)))".repeat(32))?),
        class("memory: loads all over 16 MiB, each waits for the last", 200_000, 1, repeating(256, "", touch, &format!("{RANDOM} (local.set $a (i64.add (local.get $a) (i64.load {random_place})))"))?),
        class("memory: stores all over 16 MiB", 200_000, 1, repeating(256, "", touch, &format!("{RANDOM} (i64.store {random_place} (local.get $a))"))?),
        class("memory: fill of 16 bytes", 50_000, 8, repeating(256, "", touch, &fill(16).repeat(8))?),
        class("memory: fill of 4 KiB, byte by byte", 5_000, 4 << 12, repeating(256, "", touch, &fill(1 << 12).repeat(4))?),
        class("memory: fill of 8 MiB, byte by byte", 20, 8 << 20, repeating(256, "", touch, &fill(8 << 20))?),
        class("memory: copy of 16 bytes", 50_000, 8, repeating(256, "", touch, &copy(16).repeat(8))?),
        class("memory: copy of 8 MiB, byte by byte", 20, 8 << 20, repeating(256, "", touch, &copy(8_384_512))?),
    ])
}

/// A class with a mebibyte in memory that is not zero.
fn one(name: &str, times: u32, body: &str) -> Result<Class, WorkloadError> {
    let filled = "(memory.fill (i32.const 4096) (i32.const 7) (i32.const 1048576))";
    Ok(class(name, times, 1, repeating(32, "", filled, body)?))
}

fn host_functions() -> Result<Vec<Class>, WorkloadError> {
    Ok(vec![
        one("host: a number", 100_000, "(drop (call $block_number))")?,
        one("host: an address", 100_000, "(call $caller (i32.const 64))")?,
        one(
            "host: the input's first 32 bytes",
            100_000,
            "(call $input_read (i32.const 64) (i32.const 0) (i32.const 4))",
        )?,
        one("host: output of 32 bytes", 100_000, "(call $output (i32.const 4096) (i32.const 32))")?,
        one("host: output of 1 MiB", 30, "(call $output (i32.const 4096) (i32.const 1048576))")?,
        one(
            "host: keccak-256 of 32 bytes",
            50_000,
            "(call $keccak256 (i32.const 4096) (i32.const 32) (i32.const 64))",
        )?,
        one("host: keccak-256 of 1 MiB", 20, "(call $keccak256 (i32.const 4096) (i32.const 1048576) (i32.const 64))")?,
        one(
            "host: the suite's hash of 32 bytes",
            50_000,
            "(call $hash (i32.const 4096) (i32.const 32) (i32.const 64))",
        )?,
        one("host: the suite's hash of 1 MiB", 20, "(call $hash (i32.const 4096) (i32.const 1048576) (i32.const 64))")?,
        one(
            "host: a log without topics",
            3_000,
            "(call $emit (i32.const 4096) (i32.const 0) (i32.const 4096) (i32.const 0))",
        )?,
        one(
            "host: a log of four topics and 1 KiB",
            3_000,
            "(call $emit (i32.const 4096) (i32.const 4) (i32.const 4096) (i32.const 1024))",
        )?,
        one(
            "host: a log of 128 KiB",
            100,
            "(call $emit (i32.const 4096) (i32.const 0) (i32.const 4096) (i32.const 131072))",
        )?,
    ])
}

fn storage() -> Result<Vec<Class>, WorkloadError> {
    let key = "(i32.store (i32.const 5000) (local.get $i))";
    Ok(vec![
        one(
            "storage: read of nothing, another key each time",
            20_000,
            &format!("{key} (drop (call $storage_read (i32.const 5000) (i32.const 32) (i32.const 64) (i32.const 32)))"),
        )?,
        one(
            "storage: read of one value of 32 bytes",
            20_000,
            "(if (i32.eq (local.get $y) (i32.const 0)) (then (call $storage_write (i32.const 5000) (i32.const 32) (i32.const 4096) (i32.const 32)) (local.set $y (i32.const 1)))) (drop (call $storage_read (i32.const 5000) (i32.const 32) (i32.const 64) (i32.const 32)))",
        )?,
        one(
            "storage: read of one value of 128 KiB",
            2_000,
            "(if (i32.eq (local.get $y) (i32.const 0)) (then (call $storage_write (i32.const 5000) (i32.const 32) (i32.const 4096) (i32.const 131072)) (local.set $y (i32.const 1)))) (drop (call $storage_read (i32.const 5000) (i32.const 32) (i32.const 4096) (i32.const 131072)))",
        )?,
        one(
            "storage: read of one value of 128 KiB into one byte",
            2_000,
            "(if (i32.eq (local.get $y) (i32.const 0)) (then (call $storage_write (i32.const 5000) (i32.const 32) (i32.const 4096) (i32.const 131072)) (local.set $y (i32.const 1)))) (drop (call $storage_read (i32.const 5000) (i32.const 32) (i32.const 4096) (i32.const 1)))",
        )?,
        one(
            "storage: write of 32 bytes, another key each time",
            10_000,
            &format!("{key} (call $storage_write (i32.const 5000) (i32.const 32) (i32.const 4096) (i32.const 32))"),
        )?,
        one(
            "storage: write of 32 bytes under one key",
            10_000,
            "(call $storage_write (i32.const 5000) (i32.const 32) (i32.const 4096) (i32.const 32))",
        )?,
        one(
            "storage: write of 128 KiB under one key",
            200,
            "(call $storage_write (i32.const 5000) (i32.const 32) (i32.const 4096) (i32.const 131072))",
        )?,
        one(
            "storage: removal, another key each time",
            10_000,
            &format!("{key} (call $storage_remove (i32.const 5000) (i32.const 32))"),
        )?,
    ])
}

/// A body that grows memory by so many pages and touches them all.
fn grown(pages: u32) -> String {
    format!(
        "(drop (memory.grow (i32.const {pages}))) (loop $all (i32.store offset=65536 (local.get $x) (i32.const 1)) (br_if $all (i32.lt_u (local.tee $x (i32.add (local.get $x) (i32.const 4096))) (i32.const {})))) (i32.const 0)",
        pages << 16
    )
}

/// Frames: what is called, and how.
fn nested() -> Result<Vec<Class>, WorkloadError> {
    let of = |name: &str, times: u32, others: Vec<Vec<u8>>| {
        let all = "(i64.const -1)";
        let count = others.len();
        let next = format!("(local.set $y (i32.rem_u (local.get $i) (i32.const {count})))");
        let module = repeating(1, "", "", &format!("{next} {}", call_other(all, 0)))?;
        Ok::<_, WorkloadError>(Class { name: name.into(), module, others, times, pieces: 1 })
    };
    let little = |text: &str| called("", 1, text);
    let different = |count: u32, declarations: &str, pages: u32, body: &str| {
        (0..count)
            .map(|number| called(&format!("{declarations} (global i32 (i32.const {number}))"), pages, body))
            .collect::<Result<Vec<_>, _>>()
    };
    let given = |name: &str, times: u32, gas: u64, other: Vec<u8>| {
        let module = repeating(1, "", "", &call_other(&format!("(i64.const {gas})"), 0))?;
        Ok::<_, WorkloadError>(Class { name: name.into(), module, others: vec![other], times, pieces: 1 })
    };
    let globals = "(global (mut i64) (i64.const 1))".repeat(400);
    let table = format!("(table 10000 funcref) (func $n) (elem (i32.const 0) func {})", "$n ".repeat(10_000));
    let data = format!("(data (i32.const 65536) \"{}\")", "x".repeat(400_000));
    let read_all = "(loop $all (drop (i32.load (local.get $x))) (br_if $all (i32.lt_u (local.tee $x (i32.add (local.get $x) (i32.const 4096))) (i32.const 0x1000000)))) (i32.const 0)";
    let write_all = "(loop $all (i32.store (local.get $x) (i32.const 1)) (br_if $all (i32.lt_u (local.tee $x (i32.add (local.get $x) (i32.const 4096))) (i32.const 0x1000000)))) (i32.const 0)";
    let deep = "(func $deep (param i32) (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1)))) (else unreachable)))";
    Ok(vec![
        of("frame: does nothing", 20_000, vec![little("i32.const 0")?])?,
        of(
            "frame: reverts with nothing",
            5_000,
            vec![little("(call $revert (i32.const 0) (i32.const 0)) (i32.const 1)")?],
        )?,
        given("frame: traps at once", 5_000, 100_000_000, little("unreachable")?)?,
        given("frame: has no gas", 5_000, 0, little("(loop $l nop (br $l)) (i32.const 0)")?)?,
        given(
            "frame: traps 500 functions deep",
            2_000,
            100_000_000,
            called(deep, 1, "(call $deep (i32.const 500)) (i32.const 0)")?,
        )?,
        of("frame: 300 contracts in turn", 3_000, different(300, "", 1, "i32.const 0")?)?,
        of("frame: 300 contracts in turn, 400 globals each", 900, different(300, &globals, 1, "i32.const 0")?)?,
        of("frame: 300 contracts in turn, 10,000 table elements each", 900, different(300, &table, 1, "i32.const 0")?)?,
        of("frame: 40 contracts in turn, 400 KB of data each", 200, different(40, &data, 256, "i32.const 0")?)?,
        of("frame: 40 contracts of 16 MiB in turn, all pages read", 200, different(40, "", 256, read_all)?)?,
        of("frame: 16 MiB, all pages read", 200, vec![called("", 256, read_all)?])?,
        of("frame: 16 MiB, all pages written", 200, vec![called("", 256, write_all)?])?,
        of(
            "frame: 64 KiB filled",
            5_000,
            vec![little("(memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)) (i32.const 0)")?],
        )?,
        of(
            "frame: 128 KiB of 16 MiB filled",
            2_000,
            vec![called("", 256, "(memory.fill (i32.const 0) (i32.const 1) (i32.const 131072)) (i32.const 0)")?],
        )?,
        of("frame: 400 globals", 5_000, vec![called(&globals, 1, "i32.const 0")?])?,
        of(
            "frame: memory grown by nothing, in vain",
            2_000,
            vec![little("(drop (memory.grow (i32.const 0))) (i32.const 0)")?],
        )?,
        of("frame: memory grown by 1 page, all of it touched", 1_000, vec![little(&grown(1))?])?,
        of("frame: memory grown by 255 pages, all of it touched", 60, vec![little(&grown(255))?])?,
    ])
}

/// Calls of a native module, and creations. The bytes that they take stand in memory.
fn native_and_created() -> Result<Vec<Class>, WorkloadError> {
    let text = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| text + &format!("\\{byte:02x}"));
    let one = |name: &str, times: u32, bytes: &[u8], body: &str| {
        let address = text(Address(NATIVE).as_ref());
        let data = format!("(data (i32.const 40000) \"{address}\") (data (i32.const 40100) \"{}\")", text(bytes));
        Ok::<_, WorkloadError>(class(name, times, 1, repeating(1, &data, "", body)?))
    };
    let native = |name: &str, times: u32, signature: &str, texts: &[&str]| {
        let input = [&keccak256(signature.as_bytes()).0[..4], &abi_texts(texts)].concat();
        let length = input.len();
        one(
            name,
            times,
            &input,
            &format!(
                "(if (call $call (i32.const 0) (i32.const 40000) (i64.const -1) (i32.const 60000) (i32.const 40100) (i32.const {length})) (then unreachable))"
            ),
        )
    };
    let created = container(&called("", 1, "i32.const 0")?, &[]);
    let create = format!(
        "(if (call $create (i32.const 40100) (i32.const {}) (i32.const 60000) (i32.const 64)) (then unreachable))",
        created.len()
    );
    Ok(vec![
        native("native: a key of the configuration read", 10_000, "getValueByKey(string)", &["tx_count_limit"])?,
        native(
            "native: a key of the configuration set",
            5_000,
            "setValueByKey(string,string)",
            &["tx_count_limit", "5"],
        )?,
        one("create: code that is there already", 150, &created, &create)?,
    ])
}

/// The address of the system configuration, 0x1000.
const NATIVE: [u8; 20] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0];

/// Texts of at most 32 bytes as arguments of the Solidity ABI.
fn abi_texts(texts: &[&str]) -> Vec<u8> {
    let word = |number: usize| {
        let mut word = [0; 32];
        word[24..].copy_from_slice(&(number as u64).to_be_bytes());
        word
    };
    let mut bytes: Vec<u8> = (0..texts.len()).flat_map(|place| word(32 * texts.len() + 64 * place)).collect();
    for text in texts {
        let mut padded = [0; 32];
        padded[..text.len()].copy_from_slice(text.as_bytes());
        bytes.extend(word(text.len()));
        bytes.extend(padded);
    }
    bytes
}
