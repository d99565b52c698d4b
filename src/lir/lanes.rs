//! Turns every marked loop into one that works on vectors: 4 lanes where the data are 32 bits wide, 2 where they are 64.
//!
//! Each value of a marked loop is one of three things. *Uniform* values are the same in every iteration: they stay scalars, move before the loop
//! where that is safe, and are splatted where a vector needs them. *Linear* values are the loop variable plus something uniform: they stay
//! scalars too (of the first lane), so that accesses at them become contiguous. All others *vary* and become vectors.
//!
//! In a loop of 2 lanes, `i32` data are held in `i64` lanes, always sign-extended from 32 bits, so their meaning is exactly that of `i32`
//! arithmetic; their loads and stores go lane by lane. A loop that mixes 32-bit and 64-bit floats, or 64-bit integers with 32-bit
//! floats, has no lane count and is refused.
//!
//! The last vector may run past the loop's end. Contiguous accesses there stay in the padding; gathers there read element 0,
//! scatters and appends there do nothing.

mod shape;

use std::collections::BTreeMap;

use self::shape::{Forms, Shape};
use super::{BinOp, Block, BufId, Const, For, Function, If, Op, Program, Scalar, Stmt, Ty, Val};

/// Bodies of fewer weighted operations than this run two vectors an iteration where the trip count is known.
const UNROLL_BELOW: usize = 60;

/// Rewrites every marked loop of a program at element level (expanded or not).
///
/// # Errors
/// If a marked loop breaks the contract or mixes widths: a bug in what built it.
pub fn lanes(program: &mut Program) -> Result<(), String> {
    let kinds: Vec<Scalar> = program.buffers.iter().map(|b| b.scalar).collect();
    for function in &mut program.functions {
        let name = function.name.clone();
        one(function, &kinds).map_err(|e| format!("function {name}: {e}"))?;
    }
    Ok(())
}

fn one(function: &mut Function, kinds: &[Scalar]) -> Result<(), String> {
    let body = std::mem::take(&mut function.body);
    let mut consts = BTreeMap::new();
    let mut pass = Pass { kinds, types: &mut function.types, consts: &mut consts };
    function.body = pass.block(body)?;
    Ok(())
}

struct Pass<'a> {
    kinds: &'a [Scalar],
    types: &'a mut Vec<Ty>,
    /// The integer constants that were defined so far.
    consts: &'a mut BTreeMap<Val, i32>,
}

impl Pass<'_> {
    fn block(&mut self, block: Block) -> Result<Block, String> {
        let mut out = Vec::with_capacity(block.stmts.len());
        for stmt in block.stmts {
            match stmt {
                Stmt::For(f) if f.vector => self.marked(*f, &mut out)?,
                Stmt::For(mut f) => {
                    f.body = self.block(f.body)?;
                    out.push(Stmt::For(f));
                }
                Stmt::If(mut i) => {
                    i.then = self.block(i.then)?;
                    i.els = self.block(i.els)?;
                    out.push(Stmt::If(i));
                }
                Stmt::Append { cond, list, count, value } => {
                    out.push(self.plain_append(&Append { cond, list, count, value }));
                }
                other => {
                    if let Stmt::Def { val, op: Op::Const(Const::I32(x)) } = &other {
                        self.consts.insert(*val, *x);
                    }
                    out.push(other);
                }
            }
        }
        Ok(Block { stmts: out })
    }

    /// An append outside of marked loops, spelled out.
    fn plain_append(&mut self, append: &Append) -> Stmt {
        let mut stmts = Vec::new();
        let mut put = |op: Op| {
            self.types.push(Ty::I32);
            let val = Val(self.types.len() as u32 - 1);
            stmts.push(Stmt::Def { val, op });
            val
        };
        let zero = put(Op::Const(Const::I32(0)));
        let at = put(Op::Load { buf: append.count, index: zero, lanes: 1 });
        let one = put(Op::Const(Const::I32(1)));
        let next = put(Op::Bin(BinOp::Add, at, one));
        stmts.push(Stmt::Store { buf: append.list, index: at, value: append.value });
        stmts.push(Stmt::Store { buf: append.count, index: zero, value: next });
        Stmt::If(Box::new(If {
            cond: append.cond,
            then: Block { stmts },
            then_vals: Vec::new(),
            els: Block::default(),
            else_vals: Vec::new(),
            results: Vec::new(),
        }))
    }

    fn ty(&self, val: Val) -> Result<Ty, String> {
        self.types.get(val.0 as usize).copied().ok_or_else(|| format!("{val} has no type"))
    }

    fn kind(&self, buf: BufId) -> Result<Scalar, String> {
        self.kinds.get(buf.0 as usize).copied().ok_or_else(|| format!("there is no buffer {buf}"))
    }

    fn marked(&mut self, f: For, out: &mut Vec<Stmt>) -> Result<(), String> {
        let var = f.var;
        let refused = |e: String| format!("the marked loop over {var}: {e}");
        if f.step != 1 || !f.params.is_empty() {
            return Err(refused("has a step or carried values".to_owned()));
        }
        let classes = self.classify(&f).map_err(refused)?;
        let width = self.width(&f, &classes).map_err(refused)?;
        let trips = match (self.consts.get(&f.from), self.consts.get(&f.to)) {
            (Some(from), Some(to)) => Some(i64::from(*to) - i64::from(*from)),
            _ => None,
        };
        if let Some((before, rolled)) = self.rolled(&f, &classes, width, trips).map_err(refused)? {
            out.extend(before);
            out.push(Stmt::For(Box::new(rolled)));
            return Ok(());
        }
        let copies = match trips {
            // One block, straight.
            Some(n) if weight(&f.body) < UNROLL_BELOW && n == 4 * i64::from(width) => 4,
            Some(n) if weight(&f.body) < UNROLL_BELOW && worth_unrolling(n, i64::from(width)) => 2,
            _ => 1,
        };
        let step = u32::from(width) * copies;
        let exact = trips.is_some_and(|n| n % i64::from(step) == 0);
        let written: Vec<BufId> = f.body.stmts.iter().flat_map(writes).collect();
        let groups = append_groups(&f.body);
        let guard = if exact { None } else { Some(f.to) };
        let mut shape = self.shape(&f, &classes, width, guard, trips, &written);
        for copy in 0..copies {
            shape.inside.clear();
            shape.base = var;
            if copy > 0 {
                let by = shape.int((copy * u32::from(width)) as i32);
                shape.base = shape.put(Ty::I32, Op::Bin(BinOp::Add, var, by));
            }
            let base = shape.base;
            shape.inside.insert(var, Forms { scalar: Some(base), vector: None });
            for stmt in &f.body.stmts {
                shape.stmt(stmt).map_err(refused)?;
            }
            // Nothing in the loop reads what it appends, so the appends can wait for its end.
            for group in &groups {
                shape.append(group).map_err(refused)?;
            }
        }
        let Shape { before, body, .. } = shape;
        out.extend(before);
        out.push(Stmt::For(Box::new(For { step, vector: false, body: Block { stmts: body }, ..f })));
        Ok(())
    }

    fn shape<'s>(
        &'s mut self,
        f: &For,
        classes: &'s BTreeMap<Val, Class>,
        lanes: u8,
        guard: Option<Val>,
        trips: Option<i64>,
        written: &'s [BufId],
    ) -> Shape<'s> {
        Shape {
            types: self.types,
            kinds: self.kinds,
            classes,
            lanes,
            guard,
            hoist_loads: trips.is_some_and(|n| n > 0),
            written,
            before: Vec::new(),
            outside: BTreeMap::new(),
            body: Vec::new(),
            inside: BTreeMap::new(),
            base: f.var,
            consts: BTreeMap::new(),
        }
    }

    /// The loop with one vector an iteration, still marked, so that a back end may run several at once; if its body is simple enough.
    fn rolled(
        &mut self,
        f: &For,
        classes: &BTreeMap<Val, Class>,
        width: u8,
        trips: Option<i64>,
    ) -> Result<Option<(Vec<Stmt>, For)>, String> {
        let groups = append_groups(&f.body);
        let linear = |a: &Append| classes.get(&a.value) == Some(&Class::Linear);
        if !groups.iter().all(|g| g.len() == 1 && g.iter().all(linear)) {
            return Ok(None);
        }
        let written: Vec<BufId> = f.body.stmts.iter().flat_map(writes).collect();
        let guard = if trips.is_some_and(|n| n % i64::from(width) == 0) { None } else { Some(f.to) };
        let known = self.types.len();
        let mut shape = self.shape(f, classes, width, guard, trips, &written);
        shape.inside.insert(f.var, Forms { scalar: Some(f.var), vector: None });
        for stmt in &f.body.stmts {
            shape.stmt(stmt)?;
        }
        for append in groups.iter().flatten() {
            shape.masked_append(append)?;
        }
        let Shape { before, body, .. } = shape;
        if !body.iter().all(is_plain) {
            self.types.truncate(known);
            return Ok(None);
        }
        Ok(Some((before, For { step: u32::from(width), vector: true, body: Block { stmts: body }, ..f.clone() })))
    }

    /// What each value of the body is.
    fn classify(&self, f: &For) -> Result<BTreeMap<Val, Class>, String> {
        let mut classes = BTreeMap::from([(f.var, Class::Linear)]);
        for stmt in &f.body.stmts {
            let (val, op) = match stmt {
                Stmt::Def { val, op } => (*val, op),
                Stmt::For(_) | Stmt::If(_) => return Err("has an inner loop or choice".to_owned()),
                Stmt::Scatter { .. } | Stmt::AddRows(_) => return Err("holds a lane operation".to_owned()),
                _ => continue,
            };
            let class = |v: Val| classes.get(&v).copied().unwrap_or(Class::Uniform);
            let mut all = Class::Uniform;
            op.operands(|v| all = all.max(class(v)));
            let got = match op {
                _ if all == Class::Uniform => Class::Uniform,
                Op::Bin(BinOp::Add, a, b) if class(*a).min(class(*b)) == Class::Uniform => all,
                Op::Bin(BinOp::Sub, a, b) if class(*b) == Class::Uniform => class(*a),
                Op::Cast(a, to) if to.is_int() && self.ty(*a)?.scalar == Scalar::I32 => all,
                _ => Class::Varying,
            };
            // Only integers are linear: float sums are not what adding lane numbers would give.
            classes.insert(val, got);
        }
        Ok(classes)
    }

    /// The number of lanes that the varying data ask for.
    fn width(&self, f: &For, classes: &BTreeMap<Val, Class>) -> Result<u8, String> {
        let class = |v: Val| classes.get(&v).copied().unwrap_or(Class::Uniform);
        let (mut narrow, mut wide) = (None, None);
        let mut note = |scalar: Scalar, what: String| match scalar {
            Scalar::F32 => narrow = Some(what),
            Scalar::F64 | Scalar::I64 => wide = Some(what),
            Scalar::I32 | Scalar::Bool => {}
        };
        for stmt in &f.body.stmts {
            match stmt {
                Stmt::Def { val, op } => {
                    if class(*val) == Class::Varying {
                        note(self.ty(*val)?.scalar, format!("{val}"));
                    }
                    // A linear 64-bit integer is only an address, unless something computes with it.
                    let mut operands = Vec::new();
                    op.operands(|v| operands.push(v));
                    let addresses = matches!(op, Op::Load { .. }) || class(*val) != Class::Varying;
                    for v in operands {
                        if !addresses && class(v) == Class::Linear {
                            note(self.ty(v)?.scalar, format!("{v}"));
                        }
                    }
                }
                Stmt::Store { buf, value, .. } => {
                    note(self.kind(*buf)?, format!("{buf}"));
                    if class(*value) != Class::Uniform {
                        note(self.ty(*value)?.scalar, format!("{value}"));
                    }
                }
                _ => {}
            }
        }
        match (narrow, wide) {
            (Some(n), Some(w)) => Err(format!("mixes 32-bit floats ({n}) with 64-bit data ({w})")),
            (None, Some(_)) => Ok(2),
            _ => Ok(4),
        }
    }
}

/// Whether a statement is one that a marked loop at lane level may hold, and that any vector unit can do at any width.
fn is_plain(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Def { op, .. } => !matches!(
            op,
            Op::Call(..)
                | Op::Gather { .. }
                | Op::Lane(..)
                | Op::Pack(_)
                | Op::Any(_)
                | Op::All(_)
                | Op::Sum(_)
                | Op::Bin(BinOp::Mod | BinOp::FloorDiv, ..)
        ),
        Stmt::Store { .. } | Stmt::Append { .. } => true,
        Stmt::Scatter { .. } | Stmt::AddRows(_) | Stmt::For(_) | Stmt::If(_) => false,
    }
}

/// Whether pairs of vectors waste little: the last pair is full, or there are many.
fn worth_unrolling(trips: i64, width: i64) -> bool {
    let rest = trips % (2 * width);
    trips > width && (rest == 0 || rest > width || trips >= 8 * width)
}

/// How much code a body is, roughly, in operations.
fn weight(body: &Block) -> usize {
    let of = |stmt: &Stmt| match stmt {
        Stmt::Def { op: Op::Call(..), .. } => 12,
        Stmt::Append { .. } => 20,
        Stmt::Def { op: Op::Un(op, _), .. } if crate::lir::verify::is_expanded(*op) => 20,
        _ => 1,
    };
    body.stmts.iter().map(of).sum()
}

fn writes(stmt: &Stmt) -> Vec<BufId> {
    match stmt {
        Stmt::Store { buf, .. } | Stmt::Scatter { buf, .. } => vec![*buf],
        Stmt::Append { list, count, .. } => vec![*list, *count],
        _ => Vec::new(),
    }
}

/// A [`Stmt::Append`].
#[derive(Debug, Clone, Copy)]
struct Append {
    cond: Val,
    list: BufId,
    count: BufId,
    value: Val,
}

/// The appends of a body, those that share a list or a count together.
fn append_groups(body: &Block) -> Vec<Vec<Append>> {
    let mut groups: Vec<Vec<Append>> = Vec::new();
    for stmt in &body.stmts {
        let Stmt::Append { cond, list, count, value } = stmt else { continue };
        let append = Append { cond: *cond, list: *list, count: *count, value: *value };
        let shares = |other: &Append| other.list == append.list || other.count == append.count;
        let (touching, mut apart): (Vec<_>, Vec<_>) = groups.into_iter().partition(|g| g.iter().any(shares));
        apart.push(touching.into_iter().flatten().chain([append]).collect());
        groups = apart;
    }
    groups
}

/// What a value of a marked loop is; see the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Uniform,
    Linear,
    Varying,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::interp::Interp;
    use crate::backend::{Backend, Buf, Buffers};
    use crate::lir::verify::{Level, verify};
    use crate::lir::{FuncId, expand, simplify, text};

    const LEN: usize = 128;

    /// Everything that a marked loop may hold, on floats `F`. `v0` is the loop's end.
    const BODY: &str = "
        v1: i32 = const i32 FROM
        v44: F = const F 0.75
        vector for v2 = v1 to v0 step 1 {
          v3: i32 = const i32 3
          v4: F = load b0[v2]
          v5: i32 = add v2, v3
          v6: F = load b0[v5]
          v7: F = load b0[v3]
          v8: F = fma v4, v6, v7
          v9: i32 = load b2[v2]
          v10: F = load b0[v9]
          v11: F = cast F v2
          v12: F = add v10, v11
          v13: F = exp v44
          v14: F = mul v12, v13
          v15: bool = lt v8, v14
          v16: F = select v15, v8, v14
          v17: F = call sin (v16)
          v18: F = call pow (v44, v4)
          v19: F = add v17, v18
          store b1[v2], v19
          v20: F = load b1[v2]
          v21: F = neg v20
          store b1[v2], v21
          store b5[v9], v8
          v22: i32 = mod v9, v3
          v23: i32 = cast i32 v16
          v24: i32 = mul v9, v23
          v25: i32 = add v24, v22
          v26: i32 = const i32 1000003
          v27: i32 = mul v25, v26
          v28: i32 = const i32 35
          v29: i32 = shr v27, v28
          v30: i32 = shl v27, v3
          v31: i32 = xor v29, v30
          v32: i32 = sar v31, v3
          v33: i32 = floordiv v32, v22
          v34: i32 = sub v33, v2
          v35: i32 = neg v34
          v36: i32 = cast i32 v15
          v37: i32 = add v35, v36
          store b3[v2], v37
          v38: bool = lt v37, v3
          append b4, b6, v2 if v15
          append b7, b8, v37 if v38
          append b7, b8, v3 if v15
          v39: bool = not v38
          v40: bool = and v39, v15
          append b9, b10, v9 if v40
          v41: i64 = cast i64 v5
          v42: F = load b0[v41]
          v43: F = flush v42
          store b11[v41], v43
        }";

    fn program(kind: &str, body: &str, from: i32) -> Program {
        let mut out = String::new();
        let kinds = [kind, kind, "i32", "i32", "i32", kind, "i32", "i32", "i32", "i32", "i32", kind];
        for (k, kind) in kinds.iter().enumerate() {
            out.push_str(&format!("buffer b{k} \"b{k}\": {kind}[{LEN}]\n"));
        }
        let body = body.replace('F', kind).replace(&format!("{kind}ROM"), &from.to_string());
        out.push_str(&format!("fn f0 \"go\"(v0) {{ {body} }}"));
        text::parse(&out).unwrap()
    }

    /// The same program with its end as a constant instead of a parameter.
    fn with_constant_end(mut program: Program, to: i32) -> Program {
        let f = &mut program.functions[0];
        f.params.clear();
        f.body.stmts.insert(0, Stmt::Def { val: Val(0), op: Op::Const(Const::I32(to)) });
        program
    }

    fn buffers(program: &Program, n: usize) -> Buffers {
        let mut all: Buffers = program.buffers.iter().map(|b| Buf::zeros(b.scalar, b.len as usize)).collect();
        for k in 0..LEN {
            all[0].set_f64(k, ((k * 7919) % 101) as f64 * 0.37 - 17.0);
            // Distinct elements for the iterations; past the end, rubbish.
            let index = if k < n { (k * 37) % LEN } else { 1_000_000 };
            all[2].set_f64(k, index as f64);
        }
        all
    }

    fn run(program: &Program, n: usize) -> Buffers {
        let mut all = buffers(program, n);
        let args: Vec<i32> = if program.functions[0].params.is_empty() { vec![] } else { vec![n as i32] };
        Interp.compile(program).unwrap().session(&mut all).unwrap().call(FuncId(0), &args).unwrap();
        all
    }

    fn bits(buf: &Buf, range: std::ops::Range<usize>) -> Vec<u64> {
        range.map(|k| buf.get_f64(k).unwrap().to_bits()).collect()
    }

    /// Lowers in several orders and compares every element that is not padding.
    fn check(element: &Program, n: usize) {
        verify(element, Level::Element).unwrap();
        let want = run(element, n);
        for variant in 0..3 {
            let mut lane = element.clone();
            if variant > 0 {
                simplify::simplify(&mut lane);
            }
            if variant < 2 {
                expand::expand(&mut lane);
            }
            lanes(&mut lane).unwrap();
            expand::expand(&mut lane);
            verify(&lane, Level::Lane).unwrap_or_else(|e| panic!("{}\n{lane}", e.join("\n")));
            if variant > 0 {
                simplify::simplify(&mut lane);
                verify(&lane, Level::Lane).unwrap_or_else(|e| panic!("{}\n{lane}", e.join("\n")));
            }
            let got = run(&lane, n);
            for (k, (want, got)) in want.iter().zip(&got).enumerate() {
                let range = match k {
                    1 | 3 => 0..n,
                    11 => 0..(n + 3).min(LEN),
                    _ => 0..LEN,
                };
                assert_eq!(bits(want, range.clone()), bits(got, range), "b{k}, {n} iterations, variant {variant}");
            }
        }
    }

    #[test]
    fn everything_at_once_in_both_widths() {
        for kind in ["f32", "f64"] {
            for n in [1, 2, 3, 4, 5, 7, 8, 9, 16, 37, 64, 100, 112] {
                check(&program(kind, BODY, 0), n);
                check(&with_constant_end(program(kind, BODY, 0), n as i32), n);
            }
            check(&program(kind, BODY, 5), 2);
            check(&program(kind, BODY, 5), 18);
            check(&with_constant_end(program(kind, BODY, 5), 18), 18);
        }
    }

    /// The appends of the last program did happen, so comparing them meant something.
    #[test]
    fn appends_keep_their_order() {
        let body = "v1: i32 = const i32 0
            vector for v2 = v1 to v0 step 1 {
              v3: F = load b0[v2]
              v4: F = const F 0.0
              v5: bool = lt v3, v4
              append b4, b6, v2 if v5
              v6: bool = not v5
              append b4, b6, v2 if v6
              append b7, b8, v2 if v5
            }";
        for kind in ["f32", "f64"] {
            check(&program(kind, body, 0), 37);
            let mut lane = program(kind, body, 0);
            lanes(&mut lane).unwrap();
            let got = run(&lane, 37);
            let expected: Vec<f64> = (0..37).map(f64::from).collect();
            let Buf::I32(list) = &got[4] else { unreachable!() };
            assert_eq!(got[6].get_f64(0), Some(37.0));
            assert_eq!(list[..37].iter().map(|x| f64::from(*x)).collect::<Vec<_>>(), expected);
            let hits = got[8].get_f64(0).unwrap();
            assert!(hits > 5.0 && hits < 30.0);
        }
    }

    fn loop_of(program: &Program) -> &For {
        let found = program.functions[0].body.stmts.iter().find_map(|s| match s {
            Stmt::For(f) => Some(f),
            _ => None,
        });
        found.unwrap()
    }

    #[test]
    fn small_loops_of_known_length_are_unrolled() {
        // What any vector unit can do stays rolled, and marked.
        let plain = "v1: i32 = const i32 0
            vector for v2 = v1 to v0 step 1 { v3: F = load b0[v2]  v4: F = add v3, v3  store b1[v2], v4 }";
        let body = "v1: i32 = const i32 0
            vector for v2 = v1 to v0 step 1 { v3: i32 = load b2[v2]  v4: F = load b0[v3]  store b1[v2], v4 }";
        for (kind, lanes_of) in [("f32", 4), ("f64", 2)] {
            let mut p = with_constant_end(program(kind, plain, 0), 64);
            check(&p, 64);
            lanes(&mut p).unwrap();
            assert!(loop_of(&p).vector);
            assert_eq!((loop_of(&p).step, loop_of(&p).body.stmts.len()), (lanes_of, 3));
        }
        for (kind, lanes_of) in [("f32", 4), ("f64", 2)] {
            for (n, copies) in [(64, 2), (3 * lanes_of, 1), (2, 1), (100, 2)] {
                let mut p = with_constant_end(program(kind, body, 0), n);
                check(&p, n as usize);
                lanes(&mut p).unwrap();
                assert_eq!(loop_of(&p).step, (lanes_of * copies) as u32, "{kind} {n}");
                assert!(!loop_of(&p).vector);
            }
            let mut p = program(kind, body, 0);
            lanes(&mut p).unwrap();
            assert_eq!(loop_of(&p).step, lanes_of as u32);
        }
    }

    #[test]
    fn invariant_work_leaves_the_loop() {
        let body = "v1: i32 = const i32 0
            vector for v2 = v1 to v0 step 1 {
              v3: F = load b0[v1]
              v4: F = sqrt v3
              v5: F = load b0[v2]
              v6: F = mul v4, v5
              store b1[v2], v6
            }";
        let mut known = with_constant_end(program("f32", body, 0), 40);
        lanes(&mut known).unwrap();
        assert_eq!(loop_of(&known).body.stmts.len(), 3);
        // With an unknown end the loop may not run at all, and then the load must not either.
        let mut unknown = program("f32", body, 0);
        lanes(&mut unknown).unwrap();
        assert!(loop_of(&unknown).body.stmts.len() > 3);
        check(&program("f32", body, 0), 11);
    }

    #[test]
    fn mixed_widths_are_refused() {
        let mut p = program(
            "f32",
            "v1: i32 = const i32 0
             vector for v2 = v1 to v0 step 1 { v3: F = load b0[v2]  v4: f64 = cast f64 v3  v5: F = cast F v4  store b1[v2], v5 }",
            0,
        );
        let error = lanes(&mut p).unwrap_err();
        assert!(error.contains("mixes 32-bit floats"), "{error}");
    }

    #[test]
    fn the_loop_variable_as_data() {
        for kind in ["f32", "f64"] {
            let body = "v1: i32 = const i32 0
                v9: i32 = const i32 7
                vector for v2 = v1 to v0 step 1 {
                  v3: i32 = add v2, v9
                  v4: i32 = mul v3, v3
                  v5: F = cast F v4
                  v6: i32 = sub v3, v9
                  v7: F = load b0[v6]
                  v8: F = add v5, v7
                  store b1[v2], v8
                  store b3[v2], v3
                }";
            check(&program(kind, body, 0), 21);
        }
    }
}
