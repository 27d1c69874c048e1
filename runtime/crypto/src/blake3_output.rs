//! BLAKE3's extendable output of short inputs, eight blocks at a time: what the state's commitment spends its time on in the
//! Standard suite.
//!
//! The function is the BLAKE3 paper's (O'Connor, Aumasson, Neves, Wilcox-O'Hearn, 2020), sections 2.1 to 2.6; only the order
//! of the work is another: eight blocks of output, which differ in their counter alone, go through the compression function
//! side by side, on processors that have AVX2. Where there is AVX-512, the library does the like by itself.

#![expect(clippy::inline_always, reason = "whatever is not inlined is compiled for other processors, and slow")]

use std::arch::x86_64::__m256i;

use pulp::{NullaryFnOnce, cast, x86::V3};

/// The longest input, a chunk: above it BLAKE3 is a tree.
const INPUT_BYTES_MAX: usize = 1024;
/// The blocks of output that are made together.
const LANES: usize = 8;
/// The bytes of a block, of input and of output.
const BLOCK_BYTES: usize = 64;
/// The initial value (table 1).
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
/// The domain flags (table 3) that a single chunk needs.
const CHUNK_START: u32 = 1;
const CHUNK_END: u32 = 2;
const ROOT: u32 = 8;
/// Where the bytes of each word of 32 bits come from that is rotated by two bytes, and by one.
const ROTATED_BY_16: [[u8; 16]; 2] = [[2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13]; 2];
const ROTATED_BY_8: [[u8; 16]; 2] = [[1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12]; 2];

/// Fills `output` with the extendable output of `input`. Tells whether it did: on another processor, or for a longer
/// input, it does nothing.
pub(crate) fn fill(input: &[u8], output: &mut [u8]) -> bool {
    let library_is_faster =
        std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512vl");
    if input.len() > INPUT_BYTES_MAX || library_is_faster {
        return false;
    }
    let Some(simd) = V3::try_new() else { return false };
    simd.vectorize(Fill { simd, input, output });
    true
}

/// Eight words of the state, each of eight lanes.
type Lanes = [__m256i; 8];

/// The work, which is compiled for such a processor as a whole.
struct Fill<'a> {
    simd: V3,
    input: &'a [u8],
    output: &'a mut [u8],
}

/// A block of input with what the compression function takes beside it.
struct Block {
    words: [u32; 16],
    length: u32,
    flags: u32,
}

impl NullaryFnOnce for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { simd, input, output } = self;
        let last = input.len().saturating_sub(1) / BLOCK_BYTES;
        let (before, rest) = input.split_at(last * BLOCK_BYTES);
        let mut chaining = INITIAL;
        let mut flags = CHUNK_START;
        for block in before.as_chunks::<BLOCK_BYTES>().0 {
            let [state, _] = compress(simd, &chaining, &Block::new(block, BLOCK_BYTES, flags), [0; LANES]);
            for (word, lanes) in chaining.iter_mut().zip(state) {
                [*word, ..] = cast::<_, [u32; LANES]>(lanes);
            }
            flags = 0;
        }
        let mut padded = [0; BLOCK_BYTES];
        for (target, byte) in padded.iter_mut().zip(rest) {
            *target = *byte;
        }
        let block = Block::new(&padded, rest.len(), flags | CHUNK_END | ROOT);
        for (first, together) in (0_u32..).step_by(LANES).zip(output.chunks_mut(LANES * BLOCK_BYTES)) {
            let counters = std::array::from_fn(|lane| first + lane as u32);
            let [starts, ends] = compress(simd, &chaining, &block, counters);
            let (starts, ends) = (transpose(simd, starts), transpose(simd, ends));
            let (whole, rest) = together.as_chunks_mut::<BLOCK_BYTES>();
            // A part of a block is left at the end of an output alone.
            if let (Some(start), Some(end)) = (starts.get(whole.len()), ends.get(whole.len())) {
                let bytes: [u8; BLOCK_BYTES] = cast([*start, *end]);
                rest.iter_mut().zip(bytes).for_each(|(target, byte)| *target = byte);
            }
            for ((start, end), block) in starts.into_iter().zip(ends).zip(whole) {
                *block = cast([start, end]);
            }
        }
    }
}

impl Block {
    #[inline(always)]
    fn new(bytes: &[u8; BLOCK_BYTES], length: usize, flags: u32) -> Self {
        let mut words = [0; 16];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        Self { words, length: length as u32, flags }
    }
}

#[inline(always)]
fn splat(word: u32) -> __m256i {
    cast([word; LANES])
}

/// The compression function (section 2.2), each lane with its own counter. No counter here reaches 2^32.
#[inline(always)]
fn compress(simd: V3, chaining: &[u32; 8], block: &Block, counters: [u32; LANES]) -> [Lanes; 2] {
    let (avx, m) = (simd.avx2, block.words);
    let (by_16, by_8): (__m256i, __m256i) = (cast(ROTATED_BY_16), cast(ROTATED_BY_8));
    let add = |left, right| avx._mm256_add_epi32(left, right);
    let xor = |left, right| avx._mm256_xor_si256(left, right);
    let chained = chaining.map(splat);
    let [mut v0, mut v1, mut v2, mut v3, mut v4, mut v5, mut v6, mut v7] = chained;
    let [mut v8, mut v9, mut v10, mut v11, ..] = INITIAL.map(splat);
    let (mut v12, mut v13) = (cast(counters), splat(0));
    let (mut v14, mut v15) = (splat(block.length), splat(block.flags));
    macro_rules! mix {
        ($a:ident $b:ident $c:ident $d:ident $x:literal $y:literal) => {
            $a = add(add($a, $b), splat(m[$x]));
            $d = avx._mm256_shuffle_epi8(xor($d, $a), by_16);
            $c = add($c, $d);
            $b = xor($b, $c);
            $b = avx._mm256_or_si256(avx._mm256_srli_epi32::<12>($b), avx._mm256_slli_epi32::<20>($b));
            $a = add(add($a, $b), splat(m[$y]));
            $d = avx._mm256_shuffle_epi8(xor($d, $a), by_8);
            $c = add($c, $d);
            $b = xor($b, $c);
            $b = avx._mm256_or_si256(avx._mm256_srli_epi32::<7>($b), avx._mm256_slli_epi32::<25>($b));
        };
    }
    /// The columns and then the diagonals, with the words of the message in a round's order (table 2).
    macro_rules! round {
        ($a:literal $b:literal $c:literal $d:literal $e:literal $f:literal $g:literal $h:literal
         $i:literal $j:literal $k:literal $l:literal $m:literal $n:literal $o:literal $p:literal) => {
            mix!(v0 v4 v8 v12 $a $b);
            mix!(v1 v5 v9 v13 $c $d);
            mix!(v2 v6 v10 v14 $e $f);
            mix!(v3 v7 v11 v15 $g $h);
            mix!(v0 v5 v10 v15 $i $j);
            mix!(v1 v6 v11 v12 $k $l);
            mix!(v2 v7 v8 v13 $m $n);
            mix!(v3 v4 v9 v14 $o $p);
        };
    }
    round!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    round!(2 6 3 10 7 0 4 13 1 11 12 5 9 14 15 8);
    round!(3 4 10 12 13 2 7 14 6 5 9 0 11 15 8 1);
    round!(10 7 12 9 14 3 13 15 4 0 11 2 5 8 1 6);
    round!(12 13 9 11 15 10 14 8 7 2 5 3 0 1 6 4);
    round!(9 14 11 5 8 12 15 1 13 3 0 10 2 6 4 7);
    round!(11 15 5 0 1 9 8 6 14 10 2 12 3 4 7 13);
    let (mut starts, mut ends) = ([v0, v1, v2, v3, v4, v5, v6, v7], [v8, v9, v10, v11, v12, v13, v14, v15]);
    for ((start, end), chained) in starts.iter_mut().zip(&mut ends).zip(chained) {
        *start = xor(*start, *end);
        *end = xor(*end, chained);
    }
    [starts, ends]
}

/// Words of eight lanes, to lanes of eight words.
#[inline(always)]
fn transpose(simd: V3, rows: Lanes) -> Lanes {
    let avx = simd.avx2;
    let words = |a, b| (avx._mm256_unpacklo_epi32(a, b), avx._mm256_unpackhi_epi32(a, b));
    let pairs = |a, b| (avx._mm256_unpacklo_epi64(a, b), avx._mm256_unpackhi_epi64(a, b));
    let halves = |a, b| (avx._mm256_permute2x128_si256::<0x20>(a, b), avx._mm256_permute2x128_si256::<0x31>(a, b));
    let [r0, r1, r2, r3, r4, r5, r6, r7] = rows;
    let ((a0, a1), (b0, b1)) = (words(r0, r1), words(r2, r3));
    let ((c0, c1), (d0, d1)) = (words(r4, r5), words(r6, r7));
    let ((e0, e1), (e2, e3)) = (pairs(a0, b0), pairs(a1, b1));
    let ((f0, f1), (f2, f3)) = (pairs(c0, d0), pairs(c1, d1));
    let ((o0, o4), (o1, o5)) = (halves(e0, f0), halves(e1, f1));
    let ((o2, o6), (o3, o7)) = (halves(e2, f2), halves(e3, f3));
    [o0, o1, o2, o3, o4, o5, o6, o7]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The library's.
    fn expected(input: &[u8], length: usize) -> Vec<u8> {
        let mut output = vec![0; length];
        blake3::Hasher::new().update(input).finalize_xof().fill(&mut output);
        output
    }

    #[test]
    fn output_is_the_librarys_for_every_length_of_input() {
        let input: Vec<u8> = (0..=INPUT_BYTES_MAX).map(|index| (index * 7 % 251) as u8).collect();
        for length in 0..=INPUT_BYTES_MAX {
            let mut output = [0; 2048];
            // Where the processor cannot, nothing was touched.
            if !fill(&input[..length], &mut output) {
                assert_eq!(output, [0; 2048]);
                continue;
            }
            assert_eq!(output[..], expected(&input[..length], 2048), "{length} bytes");
        }
        assert!(!fill(&input, &mut [0; 64]), "longer than a chunk");
    }

    #[test]
    fn output_may_end_anywhere() {
        for length in 0..600 {
            let mut output = vec![0; length];
            if fill(b"entente", &mut output) {
                assert_eq!(output, expected(b"entente", length), "{length} bytes");
            }
        }
    }
}
