//! Makes programs smaller without changing a bit of what they compute: folds constants (with the interpreter's own functions), applies
//! identities that hold for every input (NaN, infinities and signed zeros included), shares equal constants and splats, removes what nobody uses,
//! and renumbers the values.
//!
//! Not done, since they are not exact: `x + 0` (wrong for `-0`), `x * 0`, `x - x`, `x / x`, `x == x`. Transcendentals are folded after
//! `expand` only: their expansion is their meaning. Loads are pure and may go; stores, appends and loops that contain them stay.

use std::collections::{BTreeMap, BTreeSet};

use super::{BinOp, Block, Const, For, Function, If, Op, Program, Stmt, Ty, Val, eval};

/// Simplifies every function, at either level; what was valid stays valid.
pub fn simplify(program: &mut Program) {
    for function in &mut program.functions {
        let body = std::mem::take(&mut function.body);
        let mut fold =
            Fold { types: &function.types, same: BTreeMap::new(), consts: BTreeMap::new(), shared: Vec::new() };
        function.body = fold.block(body);
        remove_unused(function);
        renumber(function);
    }
}

// -- folding -----------------------------------------------------------------------------------------------------------

/// Identifies a constant, or a splat of a value: what is worth sharing and costs nothing to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shared {
    Const(super::Scalar, u64),
    Splat(Val, u8),
    Iota(u8),
}

struct Fold<'a> {
    types: &'a [Ty],
    /// Values that are another value.
    same: BTreeMap<Val, Val>,
    consts: BTreeMap<Val, Const>,
    /// Shared definitions of each enclosing block.
    shared: Vec<BTreeMap<Shared, Val>>,
}

impl Fold<'_> {
    fn find(&self, val: Val) -> Val {
        // Entries point at values that are themselves final, so one step is enough.
        self.same.get(&val).copied().unwrap_or(val)
    }

    fn fix(&self, val: &mut Val) {
        *val = self.find(*val);
    }

    fn ty(&self, val: Val) -> Option<Ty> {
        self.types.get(val.0 as usize).copied()
    }

    fn block(&mut self, block: Block) -> Block {
        self.shared.push(BTreeMap::new());
        let mut out = Vec::with_capacity(block.stmts.len());
        for stmt in block.stmts {
            self.stmt(stmt, &mut out);
        }
        self.shared.pop();
        Block { stmts: out }
    }

    fn stmt(&mut self, stmt: Stmt, out: &mut Vec<Stmt>) {
        match stmt {
            Stmt::Def { val, mut op } => {
                op.operands_mut(|v| self.fix(v));
                if let Some(known) = self.known(&op) {
                    self.same.insert(val, known);
                    return;
                }
                if let Some(c) = self.constant(&op) {
                    op = Op::Const(c);
                }
                let key = match &op {
                    Op::Const(c) => {
                        self.consts.insert(val, *c);
                        let (scalar, bits) = c.key();
                        Some(Shared::Const(scalar, bits))
                    }
                    Op::Splat(a, n) => Some(Shared::Splat(*a, *n)),
                    Op::Iota(n) => Some(Shared::Iota(*n)),
                    _ => None,
                };
                if let Some(key) = key {
                    if let Some(first) = self.shared.iter().find_map(|s| s.get(&key)) {
                        self.same.insert(val, *first);
                        return;
                    }
                    if let Some(scope) = self.shared.last_mut() {
                        scope.insert(key, val);
                    }
                }
                out.push(Stmt::Def { val, op });
            }
            Stmt::Store { buf, mut index, mut value } => {
                self.fix(&mut index);
                self.fix(&mut value);
                out.push(Stmt::Store { buf, index, value });
            }
            Stmt::Scatter { buf, mut index, mut value } => {
                self.fix(&mut index);
                self.fix(&mut value);
                out.push(Stmt::Scatter { buf, index, value });
            }
            Stmt::Append { mut cond, list, count, mut value } => {
                self.fix(&mut cond);
                self.fix(&mut value);
                if !matches!(self.consts.get(&cond), Some(Const::Bool(false))) {
                    out.push(Stmt::Append { cond, list, count, value });
                }
            }
            Stmt::AddRows(mut a) => {
                self.fix(&mut a.first);
                self.fix(&mut a.end);
                self.fix(&mut a.at);
                out.push(Stmt::AddRows(a));
            }
            Stmt::For(f) => self.loop_(*f, out),
            Stmt::If(i) => self.choice(*i, out),
        }
    }

    fn loop_(&mut self, mut f: For, out: &mut Vec<Stmt>) {
        self.fix(&mut f.from);
        self.fix(&mut f.to);
        f.inits.iter_mut().for_each(|v| self.fix(v));
        if let (Some(Const::I32(from)), Some(Const::I32(to))) = (self.consts.get(&f.from), self.consts.get(&f.to))
            && from >= to
        {
            for (result, init) in f.results.iter().zip(&f.inits) {
                self.same.insert(*result, *init);
            }
            return;
        }
        f.body = self.block(f.body);
        f.next.iter_mut().for_each(|v| self.fix(v));
        out.push(Stmt::For(Box::new(f)));
    }

    fn choice(&mut self, mut i: If, out: &mut Vec<Stmt>) {
        self.fix(&mut i.cond);
        if let Some(Const::Bool(taken)) = self.consts.get(&i.cond).copied() {
            let (block, vals) = if taken { (i.then, i.then_vals) } else { (i.els, i.else_vals) };
            for stmt in block.stmts {
                self.stmt(stmt, out);
            }
            for (result, val) in i.results.iter().zip(vals) {
                self.same.insert(*result, self.find(val));
            }
            return;
        }
        i.then = self.block(i.then);
        i.els = self.block(i.els);
        i.then_vals.iter_mut().chain(&mut i.else_vals).for_each(|v| self.fix(v));
        out.push(Stmt::If(Box::new(i)));
    }

    /// The value that an operation merely repeats.
    fn known(&self, op: &Op) -> Option<Val> {
        let is = |v: &Val, want: f64| match self.consts.get(v) {
            Some(Const::F32(x)) => f64::from(*x) == want,
            Some(Const::F64(x)) => *x == want,
            Some(Const::I32(x)) => f64::from(*x) == want,
            Some(Const::I64(x)) => *x as f64 == want,
            _ => false,
        };
        let int = |v: &Val| self.ty(*v).is_some_and(|t| t.scalar.is_int());
        let truth = |v: &Val| match self.consts.get(v) {
            Some(Const::Bool(x)) => Some(*x),
            _ => None,
        };
        match op {
            Op::Bin(BinOp::Mul, a, b) if is(b, 1.0) => Some(*a),
            Op::Bin(BinOp::Mul, a, b) if is(a, 1.0) => Some(*b),
            Op::Bin(BinOp::Div, a, b) if is(b, 1.0) => Some(*a),
            Op::Bin(BinOp::Add | BinOp::Or | BinOp::Xor, a, b) if int(a) && is(b, 0.0) => Some(*a),
            Op::Bin(BinOp::Add | BinOp::Or | BinOp::Xor, a, b) if int(a) && is(a, 0.0) => Some(*b),
            Op::Bin(BinOp::Sub | BinOp::Shl | BinOp::Sar | BinOp::Shr, a, b) if int(a) && is(b, 0.0) => Some(*a),
            Op::Bin(BinOp::FloorDiv, a, b) if is(b, 1.0) => Some(*a),
            // x - 0 is exact also for -0; only the positive zero may be taken away, since -0 - -0 is +0.
            Op::Bin(BinOp::Sub, a, b)
                if self.consts.get(b).is_some_and(|c| c.scalar().is_float() && c.key().1 == 0) =>
            {
                Some(*a)
            }
            Op::Bin(BinOp::Min | BinOp::Max, a, b) if a == b => Some(*a),
            Op::Bin(BinOp::And, a, b) => match (truth(a), truth(b)) {
                (Some(true), _) => Some(*b),
                (_, Some(true)) => Some(*a),
                (Some(false), _) => Some(*a),
                (_, Some(false)) => Some(*b),
                _ => (a == b).then_some(*a),
            },
            Op::Bin(BinOp::Or, a, b) => match (truth(a), truth(b)) {
                (Some(false), _) => Some(*b),
                (_, Some(false)) => Some(*a),
                (Some(true), _) => Some(*a),
                (_, Some(true)) => Some(*b),
                _ => (a == b).then_some(*a),
            },
            Op::Select(_, a, b) if a == b => Some(*a),
            Op::Select(m, a, b) => truth(m).map(|t| if t { *a } else { *b }),
            Op::Cast(a, to) | Op::Bitcast(a, to) if self.ty(*a).is_some_and(|t| t.scalar == *to) => Some(*a),
            _ => None,
        }
    }

    /// What an operation on constants gives.
    fn constant(&self, op: &Op) -> Option<Const> {
        let get = |v: &Val| self.consts.get(v).map(|c| c.key());
        match op {
            Op::Un(un, a) => {
                let (scalar, a) = get(a)?;
                Some(eval::to_const(scalar, eval::un(*un, scalar, a)?))
            }
            Op::Bin(bin, a, b) => {
                let ((scalar, a), (_, b)) = (get(a)?, get(b)?);
                Some(eval::to_const(scalar, eval::bin(*bin, scalar, a, b)?))
            }
            Op::Fma(a, b, c) => {
                let ((scalar, a), (_, b), (_, c)) = (get(a)?, get(b)?, get(c)?);
                Some(eval::to_const(scalar, eval::fma(scalar, a, b, c)?))
            }
            Op::Cmp(cmp, a, b) => {
                let ((scalar, a), (_, b)) = (get(a)?, get(b)?);
                Some(Const::Bool(eval::cmp(*cmp, scalar, a, b)))
            }
            Op::Cast(a, to) => {
                let (from, a) = get(a)?;
                Some(eval::to_const(*to, eval::cast(from, *to, a)?))
            }
            Op::Bitcast(a, to) => Some(eval::to_const(*to, get(a)?.1)),
            _ => None,
        }
    }
}

// -- removal -----------------------------------------------------------------------------------------------------------

/// Removes definitions, loops and choices without effect. Carried values count as used if the loop stays: unused ones are rare.
fn remove_unused(function: &mut Function) {
    let mut used = BTreeSet::new();
    sweep(&mut function.body, &mut used);
}

/// Backwards over a block: keeps what has an effect or is used by what was kept.
fn sweep(block: &mut Block, used: &mut BTreeSet<Val>) {
    let mut kept = Vec::with_capacity(block.stmts.len());
    while let Some(stmt) = block.stmts.pop() {
        match stmt {
            Stmt::Def { val, op } => {
                if used.contains(&val) {
                    op.operands(|v| {
                        used.insert(v);
                    });
                    kept.push(Stmt::Def { val, op });
                }
            }
            Stmt::Store { index, value, .. } | Stmt::Scatter { index, value, .. } => {
                used.extend([index, value]);
                kept.push(stmt);
            }
            Stmt::Append { cond, value, .. } => {
                used.extend([cond, value]);
                kept.push(stmt);
            }
            Stmt::AddRows(a) => {
                used.extend([a.first, a.end, a.at]);
                kept.push(stmt);
            }
            Stmt::For(mut f) => {
                if !f.results.iter().any(|r| used.contains(r)) && !has_effect(&f.body) {
                    continue;
                }
                used.extend(f.next.iter().copied());
                sweep(&mut f.body, used);
                used.extend(f.inits.iter().copied());
                used.extend([f.from, f.to]);
                kept.push(Stmt::For(f));
            }
            Stmt::If(mut i) => {
                let results = i.results.iter().any(|r| used.contains(r));
                if !results && !has_effect(&i.then) && !has_effect(&i.els) {
                    continue;
                }
                let live: Vec<bool> = i.results.iter().map(|r| used.contains(r)).collect();
                for list in [&mut i.results, &mut i.then_vals, &mut i.else_vals] {
                    let mut live = live.iter();
                    list.retain(|_| live.next().is_some_and(|l| *l));
                }
                used.extend(i.then_vals.iter().chain(&i.else_vals).copied());
                sweep(&mut i.then, used);
                sweep(&mut i.els, used);
                used.insert(i.cond);
                kept.push(Stmt::If(i));
            }
        }
    }
    kept.reverse();
    block.stmts = kept;
}

fn has_effect(block: &Block) -> bool {
    block.stmts.iter().any(|stmt| match stmt {
        Stmt::Def { .. } => false,
        Stmt::Store { .. } | Stmt::Scatter { .. } | Stmt::Append { .. } | Stmt::AddRows(_) => true,
        Stmt::For(f) => has_effect(&f.body),
        Stmt::If(i) => has_effect(&i.then) || has_effect(&i.els),
    })
}

// -- numbering ---------------------------------------------------------------------------------------------------------

/// Numbers the values in the order of their definitions, without holes.
fn renumber(function: &mut Function) {
    let mut names = Renumber { old: &function.types, types: Vec::new(), new: BTreeMap::new() };
    function.params.iter_mut().for_each(|v| names.define(v));
    names.block(&mut function.body);
    let types = names.types;
    function.types = types;
}

struct Renumber<'a> {
    old: &'a [Ty],
    types: Vec<Ty>,
    new: BTreeMap<Val, Val>,
}

impl Renumber<'_> {
    fn define(&mut self, val: &mut Val) {
        // A value without a type cannot occur in a valid program; giving it one here would hide that it did.
        let Some(ty) = self.old.get(val.0 as usize) else { return };
        let name = Val(self.types.len() as u32);
        self.types.push(*ty);
        self.new.insert(*val, name);
        *val = name;
    }

    fn fix(&self, val: &mut Val) {
        if let Some(new) = self.new.get(val) {
            *val = *new;
        }
    }

    fn block(&mut self, block: &mut Block) {
        for stmt in &mut block.stmts {
            match stmt {
                Stmt::Def { val, op } => {
                    op.operands_mut(|v| self.fix(v));
                    self.define(val);
                }
                Stmt::Store { index, value, .. } | Stmt::Scatter { index, value, .. } => {
                    self.fix(index);
                    self.fix(value);
                }
                Stmt::Append { cond, value, .. } => {
                    self.fix(cond);
                    self.fix(value);
                }
                Stmt::AddRows(a) => {
                    self.fix(&mut a.first);
                    self.fix(&mut a.end);
                    self.fix(&mut a.at);
                }
                Stmt::For(f) => {
                    self.fix(&mut f.from);
                    self.fix(&mut f.to);
                    f.inits.iter_mut().for_each(|v| self.fix(v));
                    self.define(&mut f.var);
                    f.params.iter_mut().for_each(|v| self.define(v));
                    self.block(&mut f.body);
                    f.next.iter_mut().for_each(|v| self.fix(v));
                    f.results.iter_mut().for_each(|v| self.define(v));
                }
                Stmt::If(i) => {
                    self.fix(&mut i.cond);
                    self.block(&mut i.then);
                    i.then_vals.iter_mut().for_each(|v| self.fix(v));
                    self.block(&mut i.els);
                    i.else_vals.iter_mut().for_each(|v| self.fix(v));
                    i.results.iter_mut().for_each(|v| self.define(v));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lir::text;

    /// The body after simplification, one line a statement.
    fn simple(body: &str) -> Vec<String> {
        let text = format!("buffer b0 \"x\": f32[64] buffer b1 \"k\": i32[64] fn f0 \"go\"(v0) {{ {body} }}");
        let mut p = text::parse(&text).unwrap();
        crate::lir::verify::verify(&p, crate::lir::verify::Level::Element).unwrap();
        simplify(&mut p);
        crate::lir::verify::verify(&p, crate::lir::verify::Level::Element).unwrap();
        let out = p.to_string();
        let lines = out.lines().skip_while(|l| !l.starts_with("fn")).skip(1).map(|l| l.trim().to_owned());
        let mut lines: Vec<String> = lines.collect();
        lines.pop();
        lines
    }

    #[test]
    fn constants_fold_exactly() {
        assert_eq!(
            simple("v1: f32 = const f32 0.1  v2: f32 = const f32 0.2  v3: f32 = fma v1, v2, v1  store b0[v0], v3"),
            [format!("v1: f32 = const f32 {:?}", 0.1f32.mul_add(0.2, 0.1)), "store b0[v0], v1".to_owned()]
        );
        assert_eq!(
            simple("v1: i32 = const i32 -7  v2: i32 = const i32 3  v3: i32 = mod v1, v2  store b1[v0], v3"),
            ["v1: i32 = const i32 2", "store b1[v0], v1"]
        );
        // A transcendental waits for its expansion.
        assert_eq!(simple("v1: f32 = const f32 0.1  v2: f32 = exp v1  store b0[v0], v2").len(), 3);
    }

    #[test]
    fn identities_respect_signed_zero_and_nan() {
        let kept = |op: &str, c: &str| {
            simple(&format!("v1: f32 = load b0[v0]  v2: f32 = const f32 {c}  v3: f32 = {op} v1, v2  store b0[v0], v3"))
                .len()
        };
        assert_eq!([kept("mul", "1.0"), kept("div", "1.0"), kept("sub", "0.0")], [2, 2, 2]);
        assert_eq!([kept("add", "0.0"), kept("mul", "0.0"), kept("sub", "-0.0"), kept("add", "-0.0")], [4, 4, 4, 4]);
        assert_eq!(
            simple("v1: f32 = load b0[v0]  v2: bool = eq v1, v1  v3: f32 = select v2, v1, v1  store b0[v0], v3").len(),
            2
        );
    }

    #[test]
    fn unused_and_impossible_code_goes() {
        assert_eq!(
            simple(
                "v1: f32 = load b0[v0]  v2: bool = const bool false  if v2 { store b0[v0], v1 }
                 for v3 = v0 to v0 step 1 { v4: f32 = load b0[v3] }"
            ),
            Vec::<String>::new()
        );
        let taken = simple(
            "v1: bool = const bool true  if v1 { v2: i32 = add v0, v0 } else { v3: i32 = sub v0, v0 } -> (v4: i32) = (v2) else (v3)  store b1[v0], v4",
        );
        assert_eq!(taken, ["v1: i32 = add v0, v0", "store b1[v0], v1"]);
        let never = simple(
            "v1: i32 = const i32 4  for v2 = v1 to v1 step 1 with (v3: i32) = (v0) { v4: i32 = add v3, v3 } -> (v5: i32) = (v4)  store b1[v0], v5",
        );
        assert_eq!(never, ["store b1[v0], v0"]);
    }

    #[test]
    fn constants_are_shared_only_where_they_are_visible() {
        let lines = simple(
            "v1: i32 = const i32 0  v5: bool = lt v0, v1
             if v5 { v2: i32 = const i32 5  store b1[v0], v2 } else { v3: i32 = const i32 5  store b1[v0], v3  v4: i32 = const i32 0  store b1[v4], v4 }",
        );
        assert_eq!(lines.iter().filter(|l| l.contains("const i32 5")).count(), 2);
        assert_eq!(lines.iter().filter(|l| l.contains("const i32 0")).count(), 1);
    }
}
