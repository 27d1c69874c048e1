//! SM3 in counter mode, four counters at a time: what the state's commitment spends its time on in the Guomi suite.
//!
//! The hash is GB/T 32905's; only the order of the work is another: four blocks that differ in the counter alone go
//! through the compression function side by side.

use wide::u32x4;

/// The counters that are hashed together.
const LANES: usize = 4;
/// The bytes of a hash.
const HASH_BYTES: usize = 32;
/// The initial value (GB/T 32905, section 4.1).
const INITIAL: [u32; 8] =
    [0x7380_166f, 0x4914_b2b9, 0x1724_42d7, 0xda8a_0600, 0xa96f_30bc, 0x1631_38aa, 0xe38d_ee4d, 0xb0fb_0e4e];
/// The constants T (section 4.2): of the first sixteen rounds, and of the others.
const CONSTANTS: [u32; 2] = [0x79cc_4519, 0x7a87_9d8a];

type State = [u32x4; 8];
type Block = [u32x4; 16];

/// Fills `output` with SM3(prefix || 0), SM3(prefix || 1), ...: the counters are little-endian words of 32 bits.
pub(crate) fn fill(prefix: &[u8], output: &mut [u8]) {
    let (whole, rest) = prefix.as_chunks::<64>();
    let mut state = INITIAL.map(u32x4::splat);
    for block in whole {
        compress(&mut state, &block_of(block).map(u32x4::splat));
    }
    let tail = Tail::new(rest, prefix.len());
    for (first, together) in (0_u32..).step_by(LANES).zip(output.chunks_mut(LANES * HASH_BYTES)) {
        let hashes = tail.finish(&state, first);
        for (lane, hash) in together.chunks_mut(HASH_BYTES).enumerate() {
            let words = hashes.iter().filter_map(|word| word.as_array().get(lane).copied());
            for (target, byte) in hash.iter_mut().zip(words.flat_map(u32::to_be_bytes)) {
                *target = byte;
            }
        }
    }
}

/// The last block or two of each hash, but for the counter in it.
struct Tail {
    bytes: [u8; 128],
    /// Where the counter stands.
    place: usize,
    /// The blocks with zeros for the counter.
    blocks: [Option<Block>; 2],
}

impl Tail {
    /// The tail behind this rest of a prefix of so many bytes, padded as section 5.2 says.
    fn new(rest: &[u8], prefix_bytes: usize) -> Self {
        let place = rest.len();
        // The counter, a bit, and the length in bits.
        let end = if place + 4 + 1 + 8 <= 64 { 64 } else { 128 };
        let bits = (prefix_bytes as u64 + 4) * 8;
        let mut bytes = [0; 128];
        let length = (end - 8..end).zip(bits.to_be_bytes());
        for (place, byte) in (0..).zip(rest.iter().copied()).chain([(place + 4, 0x80)]).chain(length) {
            if let Some(target) = bytes.get_mut(place) {
                *target = byte;
            }
        }
        let (halves, _) = bytes.as_chunks::<64>();
        let mut halves = halves.iter().take(end / 64).map(|half| block_of(half).map(u32x4::splat));
        let blocks = [halves.next(), halves.next()];
        Self { bytes, place, blocks }
    }

    /// The hashes of the counters from `first` on.
    fn finish(&self, state: &State, first: u32) -> State {
        // The two words, not always of one block, that the counter can reach into.
        let start = self.place / 4 * 4;
        let mut words = [[0; LANES]; 2];
        for (lane, counter) in (0..LANES).zip(first..) {
            let mut bytes = [0; 8];
            for (target, byte) in bytes.iter_mut().zip(self.bytes.iter().skip(start)) {
                *target = *byte;
            }
            for (target, byte) in bytes.iter_mut().skip(self.place - start).zip(counter.to_le_bytes()) {
                *target = byte;
            }
            let (pair, _) = bytes.as_chunks::<4>();
            for (word, bytes) in words.iter_mut().zip(pair) {
                if let Some(target) = word.get_mut(lane) {
                    *target = u32::from_be_bytes(*bytes);
                }
            }
        }
        let mut state = *state;
        for (index, block) in self.blocks.iter().enumerate() {
            let Some(mut block) = *block else { continue };
            for (place, word) in (start / 4..).zip(words) {
                if let Some(target) = place.checked_sub(index * 16).and_then(|place| block.get_mut(place)) {
                    *target = u32x4::new(word);
                }
            }
            compress(&mut state, &block);
        }
        state
    }
}

fn block_of(bytes: &[u8; 64]) -> [u32; 16] {
    let (words, _) = bytes.as_chunks::<4>();
    let mut block = [0; 16];
    for (target, word) in block.iter_mut().zip(words) {
        *target = u32::from_be_bytes(*word);
    }
    block
}

#[inline]
fn rotate<const BITS: u32>(word: u32x4) -> u32x4 {
    (word << BITS) | (word >> (32 - BITS))
}

/// The compression function (section 5.3).
#[expect(clippy::many_single_char_names, reason = "the standard's names")]
fn compress(state: &mut State, block: &Block) {
    let mut w = *block;
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    /// Round `$i` of sixteen, then word `$i` of the next sixteen. `w` holds sixteen words of W; W' is made on the way.
    macro_rules! round {
        ($i:literal, $constant:expr, $ff:expr, $gg:expr) => {{
            let turned = rotate::<12>(a);
            let ss1 = rotate::<7>(turned + e + u32x4::splat($constant.rotate_left($i)));
            let tt1 = $ff + d + (ss1 ^ turned) + (w[$i] ^ w[($i + 4) % 16]);
            let tt2 = $gg + h + ss1 + w[$i];
            (d, c, b, a) = (c, rotate::<9>(b), a, tt1);
            (h, g, f, e) = (g, rotate::<19>(f), e, tt2 ^ rotate::<9>(tt2) ^ rotate::<17>(tt2));
            let x = w[$i] ^ w[($i + 7) % 16] ^ rotate::<15>(w[($i + 13) % 16]);
            let x = x ^ rotate::<15>(x) ^ rotate::<23>(x);
            w[$i] = x ^ rotate::<7>(w[($i + 3) % 16]) ^ w[($i + 10) % 16];
        }};
    }
    macro_rules! sixteen {
        ($constant:expr, $ff:expr, $gg:expr, $($i:literal)*) => { $(round!($i, $constant, $ff, $gg);)* };
    }
    let [first, other] = CONSTANTS;
    sixteen!(first, a ^ b ^ c, e ^ f ^ g, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    // Rounds 16, 32 and 48 begin with the constant rotated by as much.
    for constant in [other.rotate_left(16), other, other.rotate_left(16)] {
        sixteen!(constant, (a & (b | c)) | (b & c), ((f ^ g) & e) ^ g, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    }
    for (word, other) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word ^= other;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sm3;

    proptest! {
        #[test]
        fn each_block_is_the_hash_of_prefix_and_counter(
            prefix in proptest::collection::vec(any::<u8>(), 0..300),
            length in 0_usize..600,
        ) {
            let mut output = vec![0; length];
            fill(&prefix, &mut output);
            for (counter, block) in (0_u32..).zip(output.chunks(32)) {
                let hash = sm3(&[prefix.as_slice(), &counter.to_le_bytes()].concat()).0;
                prop_assert_eq!(block, &hash[..block.len()]);
            }
        }
    }
}
