//! How much work a compiler has with a module, as a model: what bounds the time that deploying a contract can take
//! from every node, and what a creation is charged for.
//!
//! The unit stands for a nanosecond of one core at most; `benches/bombs.rs` measures how close the worst modules come.
//! Straight code costs by its instructions. What grows faster than the code is what control flow carries along: at
//! every join and on every branch the compiler looks at each local that is still needed there, and has more to do for
//! those that were assigned meanwhile; and some of its work grows with the square of how many blocks a function has, how
//! many branches lead to one label, and how deep loops nest. And the optimiser may keep the result of any instruction for later code that
//! computes the same, or move it out of a loop; so kept values count with each other and with the blocks they cross.
//!
//! A body is walked twice: forwards while it is validated, noting what reads and writes locals and where control goes;
//! then backwards, with the set of the locals that are still needed. A loop is taken to need at its head whatever is
//! read anywhere in it, so that one walk is enough; this makes some weights larger than they need be, never smaller.

use wasmparser::Operator;

/// A function, whatever is in it.
const FUNCTION: u64 = 30_000;
/// A declared local.
const LOCAL: u64 = 80;
/// A type: its trampoline; and each parameter or result of it.
const TYPE: u64 = 100_000;
const TYPE_VALUE: u64 = 5_000;
/// An imported function: its trampoline.
const IMPORT: u64 = 120_000;
/// A join or a branch, and the charge for the straight run that begins there.
const EDGE: u64 = 14_000;
/// A value that passes there, or is carried along by a branch.
const PASSING: u64 = 700;
/// A local that passes there and was assigned meanwhile.
const ASSIGNED: u64 = 5_000;
/// What keeping values costs: for each two of them, and for each of them and each block.
const KEPT_PAIR: u64 = 8;
const KEPT_BLOCK: u64 = 2;
/// The values that registers hold without more ado; what passes a block beyond them is kept on the stack.
const REGISTERS: u64 = 8;
/// What a value on the stack costs at a block, for each thousand reads of locals that come from other blocks: where all
/// compete for registers, each of these reads is fitted in among all others.
const COMPETING: u64 = 1_000;
/// Two blocks of a function; two branches to one label; a loop and one that it is in.
const BLOCK_PAIR: u64 = 1;
const BRANCH_PAIR: u64 = 7;
const LOOP_PAIR: u64 = 1_500;

/// The weight of a type that takes and gives so many values.
pub(crate) const fn type_weight(values: usize) -> u64 {
    TYPE + TYPE_VALUE * values as u64
}

/// The weight of an imported function.
pub(crate) const fn import_weight() -> u64 {
    IMPORT
}

/// What an instruction costs the compiler, with what is added to it, and how many results it has that the optimiser
/// may keep.
fn instruction(operator: &Operator<'_>) -> (u64, u64) {
    use Operator as O;
    match operator {
        O::Nop | O::Drop | O::Block { .. } | O::LocalGet { .. } | O::LocalSet { .. } | O::LocalTee { .. } => (200, 0),
        O::I32Const { .. } | O::I64Const { .. } => (300, 0),
        O::Loop { .. } | O::If { .. } | O::Else | O::End | O::Br { .. } | O::BrIf { .. } | O::Return => (500, 0),
        O::BrTable { targets } => (5_000 + 40 * u64::from(targets.len()), 0),
        O::Unreachable => (3_000, 0),
        O::Call { .. } | O::MemoryGrow { .. } => (6_500, 0),
        O::CallIndirect { .. } => (32_000, 2),
        O::MemoryCopy { .. } | O::MemoryFill { .. } => (42_000, 8),
        O::GlobalGet { .. } => (1_500, 1),
        O::GlobalSet { .. } => (1_500, 0),
        O::I32Store { .. }
        | O::I32Store8 { .. }
        | O::I32Store16 { .. }
        | O::I64Store { .. }
        | O::I64Store8 { .. }
        | O::I64Store16 { .. }
        | O::I64Store32 { .. } => (8_000, 3),
        O::I32DivS
        | O::I32DivU
        | O::I32RemS
        | O::I32RemU
        | O::I64DivS
        | O::I64DivU
        | O::I64RemS
        | O::I64RemU
        | O::I32Load { .. }
        | O::I32Load8S { .. }
        | O::I32Load8U { .. }
        | O::I32Load16S { .. }
        | O::I32Load16U { .. }
        | O::I64Load { .. }
        | O::I64Load8S { .. }
        | O::I64Load8U { .. }
        | O::I64Load16S { .. }
        | O::I64Load16U { .. }
        | O::I64Load32S { .. }
        | O::I64Load32U { .. } => (6_000, 1),
        _ => (3_500, 1),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Block,
    Loop,
    If,
}

#[derive(Clone, Copy)]
enum Step {
    Get(u32),
    Set(u32),
    /// A construct begins.
    Open {
        kind: Kind,
        values: u32,
    },
    Else {
        values: u32,
    },
    Close {
        construct: usize,
        is_loop: bool,
        values: u32,
    },
    /// A branch to the label so many levels out, which carries values along.
    Branch {
        depth: u32,
        values: u32,
        conditional: bool,
    },
    /// Nothing follows: a return or a trap.
    Leave,
}

/// Weighs one function while it is validated.
pub(crate) struct Weigher {
    /// Words of a set of locals.
    words: usize,
    steps: Vec<Step>,
    /// What each construct reads and writes, with all that it contains: sets, one after the other. The function
    /// itself is the first.
    reads: Vec<u64>,
    writes: Vec<u64>,
    /// The block in which each local was last seen, and how many were read that were not seen in the block before.
    seen: Vec<u64>,
    far_reads: u64,
    /// How many branches lead to the label of each.
    branches: Vec<u32>,
    open: Vec<(usize, Kind)>,
    loops: u64,
    constructs: usize,
    weight: u64,
    kept: u64,
    blocks: u64,
}

/// What weighing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weighed {
    pub(crate) weight: u64,
    /// The values that the optimiser may keep at the same time.
    pub(crate) kept: u32,
}

fn set(sets: &mut [u64], construct: usize, words: usize, local: u32) {
    if let Some(word) = sets.get_mut(construct * words + local as usize / 64) {
        *word |= 1 << (local % 64);
    }
}

fn slice(sets: &[u64], construct: usize, words: usize) -> &[u64] {
    sets.get(construct * words..(construct + 1) * words).unwrap_or_default()
}

fn merge(into: &mut [u64], from: &[u64]) {
    into.iter_mut().zip(from).for_each(|(into, from)| *into |= from);
}

fn merge_into_parent(sets: &mut [u64], child: usize, parent: usize, words: usize) {
    // A child stands behind its parent.
    if let Some((before, after)) = sets.split_at_mut_checked(child * words)
        && let Some(parent) = before.get_mut(parent * words..(parent + 1) * words)
    {
        merge(parent, after.get(..words).unwrap_or_default());
    }
}

impl Weigher {
    pub(crate) fn new(locals: u32) -> Self {
        let words = (locals as usize).div_ceil(64);
        Self {
            words,
            steps: Vec::new(),
            reads: vec![0; words],
            writes: vec![0; words],
            seen: vec![0; locals as usize],
            far_reads: 0,
            branches: vec![0],
            open: vec![(0, Kind::Block)],
            loops: 0,
            constructs: 1,
            weight: FUNCTION + LOCAL * u64::from(locals),
            kept: 0,
            blocks: 1,
        }
    }

    /// Takes the next instruction. `values` are those on the operand stack before it; `carried` tells how many a
    /// branch to a label carries along.
    pub(crate) fn note(&mut self, operator: &Operator<'_>, values: u32, carried: impl Fn(u32) -> u32) {
        let (weight, kept) = instruction(operator);
        self.weight += weight;
        self.kept += kept;
        let (innermost, kind) = self.open.last().copied().unwrap_or((0, Kind::Block));
        let branch = |depth, conditional| Step::Branch { depth, values: carried(depth), conditional };
        if let Operator::Br { relative_depth } | Operator::BrIf { relative_depth } = operator {
            self.count_branch(*relative_depth);
        }
        match operator {
            Operator::LocalGet { local_index } => {
                set(&mut self.reads, innermost, self.words, *local_index);
                self.far_reads += u64::from(self.see(*local_index));
                self.steps.push(Step::Get(*local_index));
            }
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                set(&mut self.writes, innermost, self.words, *local_index);
                self.see(*local_index);
                self.steps.push(Step::Set(*local_index));
            }
            Operator::Block { .. } => self.open(Kind::Block, values),
            Operator::Loop { .. } => self.open(Kind::Loop, values),
            Operator::If { .. } => self.open(Kind::If, values),
            Operator::Else => {
                self.blocks += 1;
                self.steps.push(Step::Else { values });
            }
            Operator::End => {
                self.open.pop();
                self.loops -= u64::from(kind == Kind::Loop);
                if let Some((parent, _)) = self.open.last() {
                    merge_into_parent(&mut self.reads, innermost, *parent, self.words);
                    merge_into_parent(&mut self.writes, innermost, *parent, self.words);
                }
                self.blocks += 1;
                self.steps.push(Step::Close { construct: innermost, is_loop: kind == Kind::Loop, values });
            }
            Operator::Br { relative_depth } => self.steps.push(branch(*relative_depth, false)),
            Operator::BrIf { relative_depth } => {
                self.steps.push(branch(*relative_depth, true));
                self.blocks += 1;
            }
            Operator::BrTable { targets } => {
                targets.targets().flatten().chain([targets.default()]).for_each(|depth| self.count_branch(depth));
                self.steps.extend(targets.targets().flatten().map(|depth| branch(depth, true)));
                self.steps.push(branch(targets.default(), false));
                self.blocks += 1;
            }
            Operator::Return | Operator::Unreachable => self.steps.push(Step::Leave),
            _ => {}
        }
    }

    /// Notes that this block reads or writes a local. Tells whether it is the first to do so here.
    fn see(&mut self, local: u32) -> bool {
        let Some(seen) = self.seen.get_mut(local as usize) else { return false };
        std::mem::replace(seen, self.blocks) != self.blocks
    }

    fn count_branch(&mut self, depth: u32) {
        let place = self.open.len().checked_sub(1 + depth as usize);
        let target = place.and_then(|place| self.open.get(place)).map_or(0, |(construct, _)| *construct);
        if let Some(branches) = self.branches.get_mut(target) {
            *branches += 1;
        }
    }

    fn open(&mut self, kind: Kind, values: u32) {
        if kind == Kind::Loop {
            self.weight += LOOP_PAIR * self.loops;
            self.loops += 1;
        }
        self.branches.push(0);
        self.open.push((self.constructs, kind));
        self.constructs += 1;
        self.reads.resize(self.constructs * self.words, 0);
        self.writes.resize(self.constructs * self.words, 0);
        self.blocks += if kind == Kind::If { 2 } else { 1 };
        self.steps.push(Step::Open { kind, values });
    }

    pub(crate) fn finish(self) -> Weighed {
        let (edges, on_stack) = Backwards::new(&self).walk();
        let competing = (u128::from(on_stack) * u128::from(self.far_reads) * u128::from(COMPETING) / 1_000)
            .try_into()
            .unwrap_or(u64::MAX);
        let square = |count: u64| count.saturating_mul(count);
        let branch_pairs = self.branches.iter().map(|count| square(u64::from(*count))).sum::<u64>();
        let weight = self
            .weight
            .saturating_add(edges)
            .saturating_add(competing)
            .saturating_add(square(self.kept).saturating_mul(KEPT_PAIR))
            .saturating_add(self.kept.saturating_mul(self.blocks).saturating_mul(KEPT_BLOCK))
            .saturating_add(square(self.blocks).saturating_mul(BLOCK_PAIR))
            .saturating_add(branch_pairs.saturating_mul(BRANCH_PAIR));
        Weighed { weight, kept: u32::try_from(self.kept).unwrap_or(u32::MAX) }
    }
}

/// A construct during the walk backwards.
struct Around {
    construct: usize,
    /// The locals needed behind it.
    after: Vec<u64>,
    /// The locals needed where its label leads.
    label: Vec<u64>,
    /// The locals needed where its `else` begins, once that was passed.
    otherwise: Option<Vec<u64>>,
}

struct Backwards<'a> {
    weigher: &'a Weigher,
    /// The locals needed here.
    needed: Vec<u64>,
    around: Vec<Around>,
    weight: u64,
    /// The values that pass a block on the stack, summed over the blocks.
    on_stack: u64,
}

impl<'a> Backwards<'a> {
    fn new(weigher: &'a Weigher) -> Self {
        Self { weigher, needed: vec![0; weigher.words], around: Vec::new(), weight: 0, on_stack: 0 }
    }

    /// Adds an edge to where these locals are needed, out of a construct or back to its head.
    fn edge(&mut self, needed: &[u64], construct: usize, values: u32) {
        let writes = slice(&self.weigher.writes, construct, self.weigher.words);
        let assigned: u32 = needed.iter().zip(writes).map(|(needed, writes)| (needed & writes).count_ones()).sum();
        self.weight += EDGE + ASSIGNED * u64::from(assigned);
        self.pass(needed, values);
    }

    /// Adds what passes from one block to the next.
    fn pass(&mut self, needed: &[u64], values: u32) {
        let passing = needed.iter().map(|word| u64::from(word.count_ones())).sum::<u64>() + u64::from(values);
        self.weight += PASSING * passing;
        self.on_stack += passing.saturating_sub(REGISTERS);
    }

    /// The weight of all edges, and the values that pass blocks on the stack.
    fn walk(mut self) -> (u64, u64) {
        for step in self.weigher.steps.iter().rev() {
            self.step(*step);
        }
        (self.weight, self.on_stack)
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Get(local) => set(&mut self.needed, 0, self.weigher.words, local),
            Step::Set(local) => {
                if let Some(word) = self.needed.get_mut(local as usize / 64) {
                    *word &= !(1 << (local % 64));
                }
            }
            Step::Close { construct, is_loop, values } => {
                let after = self.needed.clone();
                self.edge(&after, construct, values);
                let mut label = after.clone();
                if is_loop {
                    merge(&mut label, slice(&self.weigher.reads, construct, self.weigher.words));
                }
                self.around.push(Around { construct, after, label, otherwise: None });
            }
            Step::Else { values } => {
                if let Some(around) = self.around.last_mut() {
                    let arm = std::mem::replace(&mut self.needed, around.after.clone());
                    around.otherwise = Some(arm);
                    let (after, construct) = (around.after.clone(), around.construct);
                    self.edge(&after, construct, values);
                }
            }
            Step::Open { kind, values } => {
                let Some(around) = self.around.pop() else { return };
                if kind == Kind::If {
                    // Without an `else`, a false condition leads behind it.
                    merge(&mut self.needed, &around.otherwise.unwrap_or(around.after));
                }
                let needed = if kind == Kind::Loop { around.label } else { self.needed.clone() };
                self.edge(&needed, around.construct, values);
            }
            Step::Branch { depth, values, conditional } => {
                let place = self.around.len().checked_sub(1 + depth as usize);
                let Some(target) = place.and_then(|place| self.around.get(place)) else { return };
                let (label, construct) = (target.label.clone(), target.construct);
                if conditional {
                    merge(&mut self.needed, &label);
                    let onwards = self.needed.clone();
                    self.pass(&onwards, values);
                } else {
                    self.needed.clone_from(&label);
                }
                self.edge(&label, construct, values);
            }
            Step::Leave => self.needed.iter_mut().for_each(|word| *word = 0),
        }
    }
}
