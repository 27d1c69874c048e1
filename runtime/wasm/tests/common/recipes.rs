//! Bodies made at random from a recipe: what the search for bombs changes little by little.
#![allow(dead_code, unreachable_pub, reason = "each user takes its part")]

use wasm_encoder::{BlockType, Function, Instruction as I, MemArg};

use super::bombs::Body;

/// The kinds of pieces that a body is made of.
pub const KINDS: usize = 20;

/// How a body is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// Locals, at least 3.
    pub locals: u32,
    /// Bytes of the body.
    pub bytes: usize,
    /// How often each kind of piece is taken.
    pub mix: [u8; KINDS],
    /// How many different constants there are: few make many equal expressions.
    pub constants: u32,
    /// Blocks in one another at most.
    pub depth: u32,
    /// Targets of a branch table at most.
    pub targets: u32,
    /// Whether all locals are loaded at the beginning and stored at the end.
    pub all_alive: bool,
    /// Where the random numbers begin.
    pub seed: u64,
}

/// Numbers that look random and are the same everywhere (Steele, Lea, Flood 2014: SplitMix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: u32) -> u32 {
        (self.next() % u64::from(limit.max(1))) as u32
    }
}

impl Recipe {
    pub fn random(random: &mut Random, bytes_max: usize) -> Self {
        let up_to = |random: &mut Random, bits: u32| 1 << random.below(bits);
        let mut mix = [0; KINDS];
        for _ in 0..=random.below(6) {
            mix[random.below(KINDS as u32) as usize] = 1 + random.below(20) as u8;
        }
        Self {
            locals: {
                let most = up_to(random, 11);
                3 + random.below(most)
            },
            bytes: 200 + random.below(bytes_max as u32) as usize,
            mix,
            constants: up_to(random, 16),
            depth: 1 + random.below(240),
            targets: {
                let most = up_to(random, 11);
                1 + random.below(most)
            },
            all_alive: random.below(2) == 0,
            seed: random.next(),
        }
    }

    /// The same with something changed.
    pub fn changed(&self, random: &mut Random, bytes_max: usize) -> Self {
        let mut changed = self.clone();
        for _ in 0..=random.below(3) {
            let scaled = |random: &mut Random, value: u32, low: u32, high: u32| {
                (value.saturating_mul(50 + random.below(150)) / 100 + random.below(3)).clamp(low, high)
            };
            match random.below(8) {
                0 => changed.locals = scaled(random, self.locals, 3, 1000),
                1 => changed.bytes = scaled(random, self.bytes as u32, 200, bytes_max as u32) as usize,
                2 => changed.constants = scaled(random, self.constants, 1, 100_000),
                3 => changed.depth = scaled(random, self.depth, 1, 240),
                4 => changed.targets = scaled(random, self.targets, 1, 1000),
                5 => changed.all_alive = !self.all_alive,
                6 => changed.mix[random.below(KINDS as u32) as usize] = random.below(20) as u8,
                _ => changed.mix[random.below(KINDS as u32) as usize] = 0,
            }
        }
        changed
    }

    pub fn function(&self) -> Function {
        Maker { recipe: self, body: Body::new(self.locals), random: Random(self.seed), open: Vec::new() }.make()
    }
}

struct Maker<'a> {
    recipe: &'a Recipe,
    body: Body,
    random: Random,
    /// The constructs that are open, and for each whether it is an `if` without an `else` yet.
    open: Vec<bool>,
}

fn place(offset: u64) -> MemArg {
    MemArg { offset, align: 0, memory_index: 0 }
}

impl Maker<'_> {
    fn make(mut self) -> Function {
        if self.recipe.all_alive {
            self.body.load_locals();
        }
        let total: u32 = self.recipe.mix.iter().map(|times| u32::from(*times)).sum();
        while self.body.bytes() + 16 * self.recipe.locals as usize * usize::from(self.recipe.all_alive) / 2
            < self.recipe.bytes
        {
            let mut choice = self.random.below(total);
            let kind = self.recipe.mix.iter().position(|times| {
                let taken = choice < u32::from(*times);
                choice = choice.saturating_sub(u32::from(*times));
                taken
            });
            let before = self.body.bytes();
            self.piece(kind.unwrap_or(0));
            if self.body.bytes() == before {
                self.body.add(&[I::Nop]);
            }
        }
        while self.open.pop().is_some() {
            self.body.add(&[I::End]);
        }
        if self.recipe.all_alive {
            self.body.store_locals();
        }
        self.body.end()
    }

    fn local(&mut self) -> u32 {
        1 + self.random.below(self.recipe.locals - 1)
    }

    fn constant(&mut self) -> i64 {
        i64::from(self.random.below(self.recipe.constants)) * 2 + 3
    }

    fn label(&mut self) -> u32 {
        self.random.below(self.open.len() as u32 + 1)
    }

    fn begin(&mut self, start: I<'_>, is_if: bool) {
        if self.open.len() < self.recipe.depth as usize {
            self.body.add(&[start]);
            self.open.push(is_if);
        } else {
            // Beneath the deepest, what is opened is closed at once.
            self.body.add(&[start, I::End]);
        }
    }

    fn piece(&mut self, kind: usize) {
        match kind {
            6 => {
                self.body.add(&[I::LocalGet(0)]);
                self.begin(I::If(BlockType::Empty), true);
            }
            7 => self.begin(I::Loop(BlockType::Empty), false),
            8 => self.begin(I::Block(BlockType::Empty), false),
            9 => {
                if self.open.pop().is_some() {
                    self.body.add(&[I::End]);
                }
            }
            10 => {
                if let Some(is_if) = self.open.last_mut().filter(|is_if| **is_if) {
                    *is_if = false;
                    self.body.add(&[I::Else]);
                }
            }
            11 => {
                let (from, label) = (self.local(), self.label());
                self.body.add(&[I::LocalGet(from), I::I32WrapI64, I::BrIf(label)]);
            }
            12 => {
                let count = 1 + self.random.below(self.recipe.targets);
                let targets: Vec<u32> = (0..count).map(|_| 1 + self.label()).collect();
                self.body.add(&[I::Block(BlockType::Empty), I::LocalGet(0), I::BrTable((&targets).into(), 0), I::End]);
            }
            _ => self.straight(kind),
        }
    }

    fn straight(&mut self, kind: usize) {
        let (from, other, to) = (self.local(), self.local(), self.local());
        let constant = self.constant();
        let offset = constant.cast_unsigned() % 65_000;
        let body = &mut self.body;
        match kind {
            0 => body.add(&[I::LocalGet(from), I::LocalSet(to)]),
            1 => body.add(&[I::LocalGet(from), I::I64Const(constant), I::I64Mul, I::LocalSet(to)]),
            2 => body.add(&[I::LocalGet(from), I::LocalGet(other), I::I64Add, I::LocalSet(to)]),
            3 => body.add(&[I::I32Const(0), I::I64Load(place(offset)), I::LocalSet(to)]),
            4 => body.add(&[I::LocalGet(0), I::LocalGet(from), I::I64Store(place(offset))]),
            5 => body
                .add(&[I::I32Const(0), I::LocalGet(1), I::I64Const(constant), I::I64Mul])
                .add(&[I::I64Store(place(0))]),
            13 => body.add(&[I::Call(0), I::LocalSet(0)]),
            14 => body.add(&[I::LocalGet(0), I::CallIndirect { type_index: 1, table_index: 0 }]),
            15 => body.add(&[I::LocalGet(from), I::LocalGet(to), I::LocalGet(0), I::Select, I::LocalSet(to)]),
            16 => body.add(&[I::LocalGet(from), I::LocalGet(other), I::I64DivU, I::LocalSet(to)]),
            17 => body.add(&[I::LocalGet(0), I::LocalGet(0), I::LocalGet(0), I::MemoryFill(0)]),
            18 => body.add(&[I::GlobalGet(constant.cast_unsigned() as u32 % 100), I::LocalSet(to)]),
            _ => body.add(&[I::I64Const(constant), I::LocalSet(to)]),
        };
    }
}
