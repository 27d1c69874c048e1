//! Blocks that leave in a file and come back, and files that are not whole.

mod support;

use std::sync::Arc;

use entente_ledger::{EXPORT_RECORD_BYTES_MAX, ExportError, ExportHead, ExportReader, ExportWriter};
use entente_storage::Memory;
use entente_types::{Block, Version};
use support::Chain;

fn chain() -> (Chain, Vec<Block>) {
    let mut chain = Chain::new();
    let ledger = chain.ledger(Arc::new(Memory::new()));
    for number in 0..20_u8 {
        ledger.append(&chain.next(usize::from(number % 4), &vec![(number, Some(vec![number]))])).unwrap();
    }
    let blocks = (0..=20).map(|number| ledger.block(number).unwrap().unwrap()).collect();
    (chain, blocks)
}

fn head(chain: &Chain, first: u64, last: u64) -> ExportHead {
    ExportHead { version: Version, genesis: chain.genesis.clone(), first, last }
}

fn written(chain: &Chain, blocks: &[Block]) -> Vec<u8> {
    let head = head(chain, blocks[0].header.number, blocks[blocks.len() - 1].header.number);
    let mut writer = ExportWriter::new(Vec::new(), &head).unwrap();
    blocks.iter().for_each(|block| writer.write(block).unwrap());
    writer.finish().unwrap()
}

#[test]
fn blocks_come_back_as_they_went() {
    let (chain, blocks) = chain();
    for range in [0..21, 5..6, 7..21] {
        let file = written(&chain, &blocks[range.clone()]);
        assert!(file.starts_with(b"entente/export/1\n"));
        let reader = ExportReader::new(file.as_slice()).unwrap();
        assert_eq!(reader.head(), &head(&chain, range.start as u64, range.end as u64 - 1));
        assert_eq!(reader.map(Result::unwrap).collect::<Vec<_>>(), &blocks[range]);
    }
}

#[test]
fn blocks_go_in_their_order_and_all_of_them() {
    let (chain, blocks) = chain();
    let mut writer = ExportWriter::new(Vec::new(), &head(&chain, 3, 5)).unwrap();
    let error = writer.write(&blocks[4]).unwrap_err();
    assert!(matches!(error, ExportError::Number { found: 4, expected: 3 }), "{error}");
    writer.write(&blocks[3]).unwrap();
    assert!(matches!(writer.finish(), Err(ExportError::Number { expected: 4, .. })));
}

/// The blocks before the error, and the error.
fn read(file: &[u8]) -> (usize, Option<ExportError>) {
    match ExportReader::new(file) {
        Err(error) => (0, Some(error)),
        Ok(reader) => {
            let (mut whole, mut error) = (0, None);
            for block in reader {
                match block {
                    Ok(_) => whole += 1,
                    Err(found) => assert!(error.replace(found).is_none(), "nothing comes after an error"),
                }
            }
            (whole, error)
        }
    }
}

#[test]
fn a_file_that_was_cut_anywhere_is_told() {
    let (chain, blocks) = chain();
    let file = written(&chain, &blocks);
    for kept in (0..file.len() - 8).step_by(7) {
        let (whole, error) = read(&file[..kept]);
        assert!(whole < 21 || error.is_none());
        let error = error.unwrap_or_else(|| panic!("cut after {kept} of {} bytes", file.len()));
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    assert!(matches!(read(b"entente/export/2\n...").1, Some(ExportError::Foreign)));
    assert!(matches!(read(b"").1, Some(ExportError::Foreign)));
}

#[test]
fn a_flipped_bit_anywhere_never_gives_other_blocks() {
    let (chain, blocks) = chain();
    let file = written(&chain, &blocks);
    for place in (0..file.len()).step_by(11) {
        let mut file = file.clone();
        file[place] ^= 1 << (place % 8);
        let Ok(reader) = ExportReader::new(file.as_slice()) else { continue };
        let read: Vec<_> = reader.collect();
        if read.iter().all(Result::is_ok) {
            assert!(read.into_iter().map(Result::unwrap).eq(blocks.iter().cloned()), "byte {place}");
        }
    }
}

#[test]
fn a_length_alone_allocates_nothing_and_is_bounded() {
    for (length, expected) in [(EXPORT_RECORD_BYTES_MAX, "ends in the middle"), (u32::MAX, "at most 67108864")] {
        let stream = zstd::encode_all(length.to_le_bytes().as_slice(), 1).unwrap();
        let file = [b"entente/export/1\n".as_slice(), &stream].concat();
        let (_, error) = read(&file);
        let error = error.unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
