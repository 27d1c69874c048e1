//! The engines in memory against maps: reads, ranges, snapshots, and cursors held over later writes.

#![allow(unreachable_pub, reason = "tests of the room include this file")]

use std::{collections::BTreeMap, sync::Arc};

use entente_storage::{Batch, Column, Cursor, Durability, Engine, Entry, Memory, Reader, Snapshot, crash::CrashEngine};

use super::input::Input;

type Model = BTreeMap<(Column, Vec<u8>), Vec<u8>>;

const COLUMNS: [Column; 3] = [Column::State, Column::Meta, Column::History];

/// The same steps on both engines.
pub fn check(data: &[u8]) {
    let (memory, crash) = (Memory::new(), CrashEngine::new());
    for engine in [&memory as &dyn Engine, &crash as &dyn Engine] {
        steps(engine, Input(data), &mut Model::new());
    }
    lost(Input(data));
}

fn steps(engine: &dyn Engine, mut input: Input<'_>, model: &mut Model) {
    let mut snapshots: Vec<(Arc<dyn Snapshot>, Model)> = Vec::new();
    let mut cursors: Vec<(Cursor<'_>, std::vec::IntoIter<Entry>)> = Vec::new();
    while !input.is_empty() {
        match input.below(8) {
            0..3 => {
                let (batch, durability) = batch(&mut input, model);
                engine.write(batch, durability).expect("memory");
            }
            3 => compare(engine, model, &mut input),
            4 if snapshots.len() < 8 => snapshots.push((engine.snapshot(), model.clone())),
            5 => drop((!snapshots.is_empty()).then(|| snapshots.remove(input.below(snapshots.len())))),
            6 if cursors.len() < 4 => {
                let (column, prefix, from, limit) = query(&mut input);
                let cursor = engine.range(column, &prefix, &from, limit).expect("memory");
                cursors.push((cursor, expected(model, column, &prefix, &from, limit).into_iter()));
            }
            _ => {
                for (cursor, entries) in &mut cursors {
                    assert_eq!(cursor.next().transpose().expect("memory"), entries.next());
                }
            }
        }
        if let Some((snapshot, then)) = snapshots.last() {
            compare(&**snapshot, then, &mut input);
        }
    }
    for (snapshot, then) in &snapshots {
        compare(&**snapshot, then, &mut Input(&[0; 8]));
    }
    for (cursor, entries) in cursors {
        assert_eq!(cursor.collect::<Result<Vec<_>, _>>().expect("memory"), entries.collect::<Vec<_>>());
    }
    compare(engine, model, &mut input);
}

/// What a machine finds after its power was gone: everything synced, and as many of the buffered batches as were kept.
fn lost(mut input: Input<'_>) {
    let kept = input.below(4);
    let engine = CrashEngine::new();
    let (mut model, mut found, mut buffered) = (Model::new(), Model::new(), 0);
    while !input.is_empty() {
        let (batch, durability) = batch(&mut input, &mut model);
        engine.write(batch, durability).expect("memory");
        buffered = if durability == Durability::Synced { 0 } else { buffered + 1 };
        if buffered <= kept {
            found = model.clone();
        }
    }
    compare(&engine.crash_keeping(kept), &found, &mut Input(&[]));
}

fn batch(input: &mut Input<'_>, model: &mut Model) -> (Batch, Durability) {
    let mut batch = Batch::new();
    for _ in 0..input.below(6) {
        let (column, key) = (COLUMNS[input.below(3)], key(input));
        if input.below(3) == 0 {
            batch.delete(column, &key);
            model.remove(&(column, key));
        } else {
            let value = input.short();
            batch.put(column, &key, value);
            model.insert((column, key), value.to_vec());
        }
    }
    (batch, if input.below(2) == 0 { Durability::Synced } else { Durability::Buffered })
}

fn key(input: &mut Input<'_>) -> Vec<u8> {
    let length = input.below(4);
    input.take(length).iter().map(|byte| [0, 1, 254, 255][usize::from(byte % 4)]).collect()
}

fn query(input: &mut Input<'_>) -> (Column, Vec<u8>, Vec<u8>, usize) {
    let column = COLUMNS[input.below(3)];
    let (prefix, from) = (key(input), key(input));
    let limit = input.byte();
    (column, prefix, from, if limit > 40 { usize::MAX } else { usize::from(limit) })
}

fn expected(model: &Model, column: Column, prefix: &[u8], from: &[u8], limit: usize) -> Vec<Entry> {
    let of_column = model.iter().filter(|((of, key), _)| *of == column && key.starts_with(prefix) && &key[..] >= from);
    of_column.take(limit).map(|((_, key), value)| (key.clone(), value.clone())).collect()
}

fn compare(reader: &(impl Reader + ?Sized), model: &Model, input: &mut Input<'_>) {
    let (column, prefix, from, limit) = query(input);
    let asked = [&prefix[..], &from[..]];
    let values: Vec<Option<Vec<u8>>> = asked.iter().map(|key| model.get(&(column, key.to_vec())).cloned()).collect();
    assert_eq!(reader.get_many(column, &asked).expect("memory"), values);
    for (key, value) in asked.iter().zip(values) {
        assert_eq!(reader.get(column, key).expect("memory"), value);
    }
    for (prefix, from, limit) in [(&prefix[..], &from[..], limit), (&[], &[], usize::MAX)] {
        let found: Result<Vec<Entry>, _> = reader.range(column, prefix, from, limit).expect("memory").collect();
        assert_eq!(found.expect("memory"), expected(model, column, prefix, from, limit));
    }
}

/// Steps of every kind.
pub fn seeds() -> Vec<Vec<u8>> {
    let all: Vec<u8> = (0..=255).collect();
    let mixed: Vec<u8> = (0..600_u32).map(|step| (step.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    vec![all, mixed.clone(), mixed.into_iter().map(|byte| byte % 8).collect()]
}
