//! Which parts of which buffers a function may read and write: what decides whether functions may run at the same time.
//!
//! Loops over constant ranges touch ranges of their buffers. What an index may be is followed through the operations on whole numbers that
//! make indices; where it cannot be told, all of the buffer counts as touched.

use std::collections::{BTreeMap, HashMap};

use super::{BinOp, Block, BufId, Const, For, Function, Op, PAD, Stmt, Ty, Val};

/// The elements of a buffer from the first to the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// The first.
    pub first: i64,
    /// The last.
    pub last: i64,
}

impl Reach {
    /// All of a buffer.
    pub const ALL: Self = Self { first: i64::MIN, last: i64::MAX };

    fn meets(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    fn with(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}

/// The parts of buffers that a function may touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// It may read them.
    pub reads: BTreeMap<BufId, Reach>,
    /// It may write them.
    pub writes: BTreeMap<BufId, Reach>,
}

impl Access {
    /// Of a function.
    #[must_use]
    pub fn of(function: &Function) -> Self {
        let mut walk = Walk { types: &function.types, found: Self::default(), known: HashMap::new() };
        walk.block(&function.body);
        walk.found
    }

    /// Adds what another function touches.
    pub fn merge(&mut self, other: &Self) {
        for (buf, reach) in &other.reads {
            add(&mut self.reads, *buf, *reach);
        }
        for (buf, reach) in &other.writes {
            add(&mut self.writes, *buf, *reach);
        }
    }

    /// Whether one of the two writes what the other touches.
    #[must_use]
    pub fn conflicts(&self, other: &Self) -> bool {
        let meet = |a: &BTreeMap<BufId, Reach>, b: &BTreeMap<BufId, Reach>| {
            a.iter().any(|(buf, x)| b.get(buf).is_some_and(|y| x.meets(*y)))
        };
        meet(&self.writes, &other.writes) || meet(&self.writes, &other.reads) || meet(&self.reads, &other.writes)
    }
}

fn add(to: &mut BTreeMap<BufId, Reach>, buf: BufId, reach: Reach) {
    to.entry(buf).and_modify(|r| *r = r.with(reach)).or_insert(reach);
}

/// What a whole number may be (every lane of it): from `least` to `most`, and, if it has one lane, a multiple of `unit` (a power of two).
#[derive(Debug, Clone, Copy)]
struct Known {
    least: i64,
    most: i64,
    unit: i64,
}

impl Known {
    fn exactly(x: i64) -> Self {
        // Zero is a multiple of anything.
        let unit = 1 << x.trailing_zeros().min(30);
        Self { least: x, most: x, unit }
    }

    /// What lies in 32 bits has not wrapped around.
    fn sound(self) -> Option<Self> {
        let fits = |x: i64| i32::try_from(x).is_ok();
        (fits(self.least) && fits(self.most)).then_some(self)
    }

    fn either(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.max(other.most), unit: self.unit.min(other.unit) }
    }
}

/// A walk over a function that knows what values may be.
struct Walk<'a> {
    types: &'a [Ty],
    found: Access,
    known: HashMap<Val, Known>,
}

impl Walk<'_> {
    fn knows(&self, v: Val) -> Option<Known> {
        self.known.get(&v).copied()
    }

    /// The elements that an access of `lanes` from `index` on reaches.
    fn reach(&self, index: Val, lanes: u8) -> Reach {
        let more = i64::from(lanes.max(1)) - 1;
        self.knows(index).map_or(Reach::ALL, |k| Reach { first: k.least, last: k.most + more })
    }

    fn value(&self, op: &Op) -> Option<Known> {
        match op {
            Op::Const(Const::I32(x)) => Some(Known::exactly(i64::from(*x))),
            Op::Const(Const::I64(x)) => Known::exactly(*x).sound(),
            Op::Iota(lanes) => Some(Known { least: 0, most: i64::from(*lanes) - 1, unit: 1 }),
            Op::Splat(x, _) => self.knows(*x),
            Op::Cast(x, to) if !to.is_float() => self.knows(*x),
            Op::Select(_, x, y) => Some(self.knows(*x)?.either(self.knows(*y)?)),
            Op::Bin(op, x, y) => {
                let (x, y) = (self.knows(*x)?, self.knows(*y)?);
                let unit = x.unit.min(y.unit);
                let constant = (y.least == y.most).then_some(y.least);
                match (op, constant) {
                    (BinOp::Add, _) => Known { least: x.least + y.least, most: x.most + y.most, unit }.sound(),
                    (BinOp::Sub, _) => Known { least: x.least - y.most, most: x.most - y.least, unit }.sound(),
                    (BinOp::Min, _) => Some(Known { least: x.least.min(y.least), most: x.most.min(y.most), unit }),
                    (BinOp::Max, _) => Some(Known { least: x.least.max(y.least), most: x.most.max(y.most), unit }),
                    (BinOp::Mul, Some(by)) if by >= 0 => {
                        let unit = x.unit.saturating_mul(y.unit).min(1 << 30);
                        Known { least: x.least.checked_mul(by)?, most: x.most.checked_mul(by)?, unit }.sound()
                    }
                    (BinOp::Shl, Some(by @ 0..31)) => {
                        let unit = (x.unit << by).min(1 << 30);
                        Known { least: x.least << by, most: x.most << by, unit }.sound()
                    }
                    (BinOp::Sar, Some(by @ 0..31)) => Some(Known { least: x.least >> by, most: x.most >> by, unit: 1 }),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// What the variable of a loop may be. Loops of vectors run past their end to a multiple of [`PAD`] or of their step, counted from where they
    /// begin.
    fn counter(&self, f: &For) -> Option<Known> {
        let (from, to) = (self.knows(f.from)?, self.knows(f.to)?);
        let step = i64::from(f.step);
        let whole = if f.vector || step > 1 { step.max(PAD as i64) } else { 1 };
        let up = |x: i64| x.checked_add(whole - 1).map(|x| x.div_euclid(whole) * whole);
        // A loop that begins at a multiple ends at one; otherwise it may go on for nearly one more.
        let end = if from.least == from.most {
            from.least.checked_add(up((to.most - from.least).max(0))?)?
        } else if from.unit % whole == 0 {
            up(to.most)?
        } else {
            to.most.checked_add(whole - 1)?
        };
        let unit = from.unit.min(1 << step.trailing_zeros().min(30));
        Known { least: from.least, most: (end - step).max(from.least), unit }.sound()
    }

    fn read(&mut self, buf: BufId, reach: Reach) {
        add(&mut self.found.reads, buf, reach);
    }

    fn write(&mut self, buf: BufId, reach: Reach) {
        add(&mut self.found.writes, buf, reach);
    }

    fn block(&mut self, block: &Block) {
        for stmt in &block.stmts {
            match stmt {
                Stmt::Def { val, op } => {
                    match op {
                        Op::Load { buf, index, lanes } => self.read(*buf, self.reach(*index, *lanes)),
                        Op::Gather { buf, index } => self.read(*buf, self.reach(*index, 1)),
                        _ => {}
                    }
                    if let Some(known) = self.value(op) {
                        self.known.insert(*val, known);
                    }
                }
                Stmt::Store { buf, index, value } => {
                    let lanes = self.types.get(value.0 as usize).map_or(u8::MAX, |t| t.lanes);
                    self.write(*buf, self.reach(*index, lanes));
                }
                Stmt::Scatter { buf, index, .. } => self.write(*buf, self.reach(*index, 1)),
                Stmt::Append { list, count, .. } => {
                    self.write(*list, Reach::ALL);
                    self.write(*count, Reach { first: 0, last: 0 });
                    self.read(*count, Reach { first: 0, last: 0 });
                }
                Stmt::AddRows(a) => {
                    for buf in [a.to, a.from, a.rows] {
                        self.read(buf, Reach::ALL);
                    }
                    self.write(a.to, Reach::ALL);
                }
                Stmt::For(f) => {
                    if let Some(known) = self.counter(f) {
                        self.known.insert(f.var, known);
                    }
                    self.block(&f.body);
                }
                Stmt::If(i) => {
                    self.block(&i.then);
                    self.block(&i.els);
                    for ((x, y), to) in i.then_vals.iter().zip(&i.else_vals).zip(&i.results) {
                        if let (Some(x), Some(y)) = (self.knows(*x), self.knows(*y)) {
                            self.known.insert(*to, x.either(y));
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lir::build::FuncBuilder;
    use crate::lir::{Buffer, CmpOp, Program, Scalar, lanes};

    #[test]
    fn everything_touched_is_found_wherever_it_stands() {
        let mut b = FuncBuilder::new("f", 1, vec![Scalar::F32; 4]);
        let zero = b.int(0);
        let n = b.param(0);
        b.for_loop(zero, n, |b, k| {
            let x = b.load(BufId(0), k);
            let some = b.cmp(CmpOp::Lt, k, n);
            b.if_then(some, |b| b.store(BufId(2), k, x));
        });
        let f = Access::of(&b.finish());
        assert_eq!(
            (f.reads.keys().collect::<Vec<_>>(), f.writes.keys().collect::<Vec<_>>()),
            (vec![&BufId(0)], vec![&BufId(2)])
        );
        assert_eq!((f.reads[&BufId(0)], f.writes[&BufId(2)]), (Reach::ALL, Reach::ALL));
        let all = |ids: &[u32]| ids.iter().map(|k| (BufId(*k), Reach::ALL)).collect();
        let only = |reads: &[u32], writes: &[u32]| Access { reads: all(reads), writes: all(writes) };
        assert!(f.conflicts(&only(&[2], &[])) && f.conflicts(&only(&[], &[0])) && f.conflicts(&only(&[], &[2])));
        assert!(!f.conflicts(&only(&[0, 1], &[3])));
    }

    /// What one function reaches of buffer 0, at both levels of the loop IR.
    fn written(make: impl Fn(&mut FuncBuilder)) -> [(i64, i64); 2] {
        let mut b = FuncBuilder::new("f", 3, vec![Scalar::F32; 2]);
        make(&mut b);
        let buffer = |name: &str| Buffer { name: name.to_owned(), scalar: Scalar::F32, len: 1024 };
        let buffers = vec![buffer("to"), buffer("from")];
        let mut program = Program { buffers, functions: vec![b.finish()] };
        let reach = |p: &Program| Access::of(&p.functions[0]).writes[&BufId(0)];
        let element = reach(&program);
        lanes::lanes(&mut program).expect("lanes");
        let lane = reach(&program);
        [(element.first, element.last), (lane.first, lane.last)]
    }

    #[test]
    fn loops_over_constant_ranges_reach_just_those() {
        let from_to = |from: i32, to: i32| {
            written(move |b| {
                let (from, to) = (b.int(from), b.int(to));
                b.vector_loop(from, to, |b, i| {
                    let x = b.load(BufId(1), i);
                    let x = b.add(x, x);
                    b.store(BufId(0), i, x);
                });
            })
        };
        assert_eq!(from_to(160, 320), [(160, 319); 2]);
        // Vectors run on to the end of a block.
        assert_eq!(from_to(160, 321), [(160, 335); 2]);
        assert_eq!(from_to(3, 19), [(3, 18); 2]);
        // Blocks of 16, the last of which may end earlier.
        let blocks = |width: i32| {
            written(move |b| {
                let (first, end, n) = (b.int(10), b.int(20), b.int(315));
                b.for_loop(first, end, |b, block| {
                    let width = b.int(width);
                    let from = b.mul(block, width);
                    let to = b.add(from, width);
                    let to = b.bin(BinOp::Min, to, n);
                    b.vector_loop(from, to, |b, i| {
                        let x = b.load(BufId(1), i);
                        b.store(BufId(0), i, x);
                    });
                });
            })
        };
        assert_eq!(blocks(16), [(160, 319); 2]);
        // Not aligned to blocks: it may go on for nearly one more.
        assert_eq!(blocks(17), [(170, 329); 2]);
    }

    #[test]
    fn indices_that_are_not_followed_may_be_anything() {
        let through = |make: fn(&mut FuncBuilder, Val) -> Val| {
            written(move |b| {
                let (from, to) = (b.int(0), b.int(32));
                b.for_loop(from, to, |b, i| {
                    let at = make(b, i);
                    let x = b.float(Scalar::F32, 1.0);
                    b.store(BufId(0), at, x);
                });
            })
        };
        let all = [(i64::MIN, i64::MAX); 2];
        assert_eq!(
            through(|b, i| {
                let p = b.param(0);
                b.add(i, p)
            }),
            all
        );
        assert_eq!(through(|b, i| b.bin(BinOp::Mod, i, i)), all);
        // Wrapping around is not followed.
        assert_eq!(
            through(|b, i| {
                let big = b.int(i32::MAX);
                b.add(i, big)
            }),
            all
        );
        assert_eq!(
            through(|b, i| {
                let five = b.int(5);
                b.sub(i, five)
            }),
            [(-5, 26); 2]
        );
        assert_eq!(
            through(|b, i| {
                let by = b.int(2);
                b.bin(BinOp::Shl, i, by)
            }),
            [(0, 124); 2]
        );
        assert_eq!(
            through(|b, i| {
                let by = b.int(4);
                b.bin(BinOp::Sar, i, by)
            }),
            [(0, 1); 2]
        );
        assert_eq!(
            through(|b, i| {
                let (seven, on) = (b.int(7), b.cmp(CmpOp::Lt, i, i));
                b.select(on, seven, i)
            }),
            [(0, 31); 2]
        );
        // A carried value is not followed.
        assert_eq!(
            written(|b| {
                let (from, to) = (b.int(0), b.int(8));
                b.fold_loop(from, to, &[from], |b, i, at| {
                    let x = b.float(Scalar::F32, 1.0);
                    b.store(BufId(0), at[0], x);
                    vec![b.add(at[0], i)]
                });
            }),
            all
        );
    }
}
