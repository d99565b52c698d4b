//! Compiled code computes what the interpreter computes, bit for bit, all NaNs being equal: every operation on nasty
//! values, the expanded transcendentals, and generated programs, at each optimisation level and on a machine without FMA
//! and SSE4.1.

#![cfg(feature = "jit")]
#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError};
use snnc::backend::cranelift::{Cpu, CraneliftJit, OptLevel};
use snnc::backend::interp::Interp;
use snnc::backend::{Backend, BackendError, Buf, Buffers};
use snnc::lir::expand::expand;
use snnc::lir::lanes::lanes;
use snnc::lir::verify::{Level, verify};
use snnc::lir::{BinOp, BufId, CmpOp, Const, FuncId, MathFn, Op, Program, Scalar, Stmt, Ty, UnOp, Val};
use support::generate::{Style, generate};
use support::{Writer, buffer, difference, nasty, program};

const NATIVE: CraneliftJit = CraneliftJit { opt: OptLevel::Speed, cpu: Cpu::Native };
const ALL: [CraneliftJit; 6] = [
    CraneliftJit { opt: OptLevel::Speed, cpu: Cpu::Narrow },
    NATIVE,
    CraneliftJit { opt: OptLevel::Speed, cpu: Cpu::Half },
    CraneliftJit { opt: OptLevel::None, cpu: Cpu::Native },
    CraneliftJit { opt: OptLevel::Speed, cpu: Cpu::Baseline },
    CraneliftJit { opt: OptLevel::None, cpu: Cpu::Baseline },
];

const NUMBERS: [Scalar; 4] = [Scalar::F32, Scalar::F64, Scalar::I32, Scalar::I64];

fn run(backend: &dyn Backend, program: &Program, buffers: &Buffers, args: &[i32]) -> Result<Buffers, BackendError> {
    let kernels = backend.compile(program)?;
    let mut buffers = buffers.clone();
    let mut session = kernels.session(&mut buffers)?;
    session.call(FuncId(0), args)?;
    drop(session);
    Ok(buffers)
}

/// Runs the program in the interpreter and in each of `jits`; says how they differ.
fn disagreement(program: &Program, buffers: &Buffers, args: &[i32], jits: &[CraneliftJit]) -> Result<(), String> {
    let expected = run(&Interp, program, buffers, args).map_err(|error| format!("interpreter: {error}"))?;
    for jit in jits {
        let got = run(jit, program, buffers, args).map_err(|error| format!("{jit:?}: {error}"))?;
        if let Some(difference) = difference(&expected, &got) {
            return Err(format!("{jit:?}: {difference}\n{program:#?}"));
        }
    }
    Ok(())
}

#[track_caller]
fn agree(what: &str, program: &Program, buffers: &Buffers) {
    if let Err(message) = disagreement(program, buffers, &[], &ALL) {
        panic!("{what}: {message}");
    }
}

/// The types of values of a kind: one lane and a full vector.
fn forms(scalar: Scalar) -> [Ty; 2] {
    [Ty::one(scalar), Ty { scalar, lanes: if scalar.bytes() == 4 { 4 } else { 2 } }]
}

/// What can be stored: masks become integers, the result keeps its lanes.
fn storable(w: &mut Writer, val: Val) -> Val {
    let ty = w.ty(val);
    match (ty.scalar, ty.lanes) {
        (Scalar::Bool, 2) => w.def(ty.with(Scalar::I64), Op::Cast(val, Scalar::I64)),
        (Scalar::Bool, _) => w.def(ty.with(Scalar::I32), Op::Cast(val, Scalar::I32)),
        _ => val,
    }
}

/// Applies `body` to the inputs element by element (or vector by vector) and compares all results.
#[track_caller]
fn elementwise(what: &str, inputs: &[Buf], lanes: u8, body: impl Fn(&mut Writer, &[Val]) -> Vec<Val>) {
    let len = inputs[0].len();
    assert_eq!(len % 4, 0, "{what}: inputs come in whole vectors");
    let mut w = Writer::new(0);
    let (zero, n) = (w.i32(0), w.i32(i32::try_from(len).unwrap()));
    let mut outputs = Vec::new();
    w.count(zero, n, u32::from(lanes), false, |w, i| {
        let values: Vec<Val> = inputs
            .iter()
            .enumerate()
            .map(|(k, input)| w.load(BufId(u32::try_from(k).unwrap()), input.scalar(), i, lanes))
            .collect();
        for result in body(w, &values) {
            let result = storable(w, result);
            let buf = BufId(u32::try_from(inputs.len() + outputs.len()).unwrap());
            outputs.push(w.ty(result).scalar);
            w.store(buf, i, result);
        }
    });
    let mut buffers: Buffers = inputs.to_vec();
    buffers.extend(outputs.iter().map(|scalar| Buf::zeros(*scalar, len)));
    let declared = buffers.iter().enumerate().map(|(k, b)| buffer(&format!("b{k}"), b.scalar(), len as u64)).collect();
    agree(what, &program(declared, w.finish("f")), &buffers);
}

fn unary_ops(scalar: Scalar) -> Vec<UnOp> {
    if scalar.is_float() {
        vec![UnOp::Neg, UnOp::Abs, UnOp::Sqrt, UnOp::Floor, UnOp::Ceil, UnOp::Trunc, UnOp::Nearest]
    } else {
        vec![UnOp::Neg, UnOp::Abs, UnOp::Not]
    }
}

fn binary_ops(ty: Ty) -> Vec<BinOp> {
    let mut ops = vec![BinOp::Add, BinOp::Sub, BinOp::Mul, BinOp::Min, BinOp::Max];
    if ty.scalar.is_float() {
        ops.push(BinOp::Div);
    } else {
        ops.extend([BinOp::And, BinOp::Or, BinOp::Xor, BinOp::Shl, BinOp::Sar, BinOp::Shr]);
        if ty.lanes == 1 {
            ops.extend([BinOp::Mod, BinOp::FloorDiv]);
        }
    }
    ops
}

const COMPARISONS: [CmpOp; 6] = [CmpOp::Eq, CmpOp::Ne, CmpOp::Lt, CmpOp::Le, CmpOp::Gt, CmpOp::Ge];

#[test]
fn the_comparison_of_results_sees_one_bit() {
    let a = vec![Buf::F32(vec![1.0, f32::NAN, 0.0]), Buf::I64(vec![1 << 40])];
    assert_eq!(difference(&a, &a.clone()), None);
    let mut b = a.clone();
    b[0] = Buf::F32(vec![f32::from_bits(1.0f32.to_bits() ^ 1), f32::NAN, 0.0]);
    assert!(difference(&a, &b).is_some_and(|d| d.contains("element 0")));
    b[0] = Buf::F32(vec![1.0, -f32::NAN, 0.0]);
    assert_eq!(difference(&a, &b), None, "all NaNs are equal");
    b[0] = Buf::F32(vec![1.0, f32::NAN, -0.0]);
    assert!(difference(&a, &b).is_some(), "zeros differ by sign");
    b = a.clone();
    b[1] = Buf::I64(vec![(1 << 40) ^ 1]);
    assert!(difference(&a, &b).is_some());
}

#[test]
fn a_wrong_operation_would_be_noticed() {
    let make = |op| {
        let mut w = Writer::new(0);
        let zero = w.i32(0);
        let x = w.load(BufId(0), Scalar::F32, zero, 4);
        let y = w.load(BufId(1), Scalar::F32, zero, 4);
        let z = w.bin(op, x, y);
        w.store(BufId(0), zero, z);
        program(vec![buffer("x", Scalar::F32, 4), buffer("y", Scalar::F32, 4)], w.finish("f"))
    };
    let buffers = vec![Buf::F32(vec![1.0, 2.0, 3.0, 4.0]), Buf::F32(vec![1.0, 2.0, 2.0, 4.0])];
    let expected = run(&Interp, &make(BinOp::Min), &buffers, &[]).unwrap();
    assert_eq!(expected[0], Buf::F32(vec![1.0, 2.0, 2.0, 4.0]));
    let same = run(&NATIVE, &make(BinOp::Min), &buffers, &[]).unwrap();
    assert_eq!(difference(&expected, &same), None);
    let other = run(&NATIVE, &make(BinOp::Max), &buffers, &[]).unwrap();
    assert!(difference(&expected, &other).is_some());
}

#[test]
fn unary_operations() {
    for scalar in NUMBERS {
        for ty in forms(scalar) {
            elementwise(&format!("unary {ty}"), &nasty::tuples(&nasty::all(scalar), 1), ty.lanes, |w, x| {
                unary_ops(scalar).into_iter().map(|op| w.un(op, x[0])).collect()
            });
        }
    }
}

#[test]
fn binary_operations_and_comparisons() {
    for scalar in NUMBERS {
        for ty in forms(scalar) {
            elementwise(&format!("binary {ty}"), &nasty::tuples(&nasty::all(scalar), 2), ty.lanes, |w, x| {
                let mut results: Vec<Val> = binary_ops(ty).into_iter().map(|op| w.bin(op, x[0], x[1])).collect();
                for op in COMPARISONS {
                    let c = w.cmp(op, x[0], x[1]);
                    results.push(c);
                    results.push(w.select(c, x[0], x[1]));
                    let not = w.un(UnOp::Not, c);
                    results.push(w.select(not, x[0], x[1]));
                }
                results
            });
        }
    }
}

#[test]
fn shifts_of_vectors_by_one_amount() {
    for scalar in [Scalar::I32, Scalar::I64] {
        let [_, ty] = forms(scalar);
        for amount in [0, 1, 7, 31, 32, 33, 63, 64, 65, -1, -33] {
            elementwise(&format!("{ty} by {amount}"), &nasty::tuples(&nasty::all(scalar), 1), ty.lanes, |w, x| {
                let c = w.constant(if scalar == Scalar::I32 { Const::I32(amount) } else { Const::I64(amount.into()) });
                let by = w.splat(c, ty.lanes);
                // The amount from memory, too: not known to the compiler.
                let first = w.def(Ty::one(scalar), Op::Lane(x[0], 0));
                let unknown = w.splat(first, ty.lanes);
                let mut results = Vec::new();
                for op in [BinOp::Shl, BinOp::Sar, BinOp::Shr] {
                    results.push(w.bin(op, x[0], by));
                    results.push(w.bin(op, x[0], unknown));
                }
                results
            });
        }
    }
}

/// Constant operands are folded and rewritten by the compiler: with the same results.
#[test]
fn operations_on_constants() {
    for scalar in NUMBERS {
        for ty in forms(scalar) {
            let few = nasty::few(scalar);
            elementwise(&format!("constant right {ty}"), &nasty::tuples(&nasty::all(scalar), 1), ty.lanes, |w, x| {
                let mut results = Vec::new();
                for c in &few {
                    let c = w.constant(*c);
                    let c = if ty.lanes == 1 { c } else { w.splat(c, ty.lanes) };
                    for op in binary_ops(ty) {
                        results.push(w.bin(op, x[0], c));
                        results.push(w.bin(op, c, x[0]));
                    }
                    for op in [CmpOp::Lt, CmpOp::Le, CmpOp::Eq] {
                        results.push(w.cmp(op, x[0], c));
                        results.push(w.cmp(op, c, x[0]));
                    }
                }
                results
            });
            let one = nasty::tuples(&Buf::zeros(scalar, 4), 1);
            elementwise(&format!("two constants {ty}"), &one, ty.lanes, |w, _| {
                let mut results = Vec::new();
                for a in &few {
                    let a = w.constant(*a);
                    let a = if ty.lanes == 1 { a } else { w.splat(a, ty.lanes) };
                    results.extend(unary_ops(scalar).into_iter().map(|op| w.un(op, a)));
                    for b in &few {
                        let b = w.constant(*b);
                        let b = if ty.lanes == 1 { b } else { w.splat(b, ty.lanes) };
                        results.extend(binary_ops(ty).into_iter().map(|op| w.bin(op, a, b)));
                    }
                }
                // One buffer for each result would be thousands: mix them, NaNs made equal.
                let mut total: Option<Val> = None;
                let mut totals = Vec::new();
                for (i, r) in results.into_iter().enumerate() {
                    let number = w.cmp(CmpOp::Eq, r, r);
                    let zero = a_zero(w, ty);
                    let r = w.select(number, r, zero);
                    let integer = if scalar.is_float() {
                        let to = if scalar == Scalar::F32 { Scalar::I32 } else { Scalar::I64 };
                        w.def(ty.with(to), Op::Bitcast(r, to))
                    } else {
                        r
                    };
                    total = Some(match total {
                        None => integer,
                        Some(t) => {
                            let c = w.constant(if w.ty(integer).scalar == Scalar::I32 {
                                Const::I32(31)
                            } else {
                                Const::I64(31)
                            });
                            let c = if ty.lanes == 1 { c } else { w.splat(c, ty.lanes) };
                            let t = w.bin(BinOp::Mul, t, c);
                            w.bin(BinOp::Xor, t, integer)
                        }
                    });
                    if i % 20 == 19 {
                        totals.extend(total.take());
                    }
                }
                totals.extend(total);
                totals
            });
        }
    }
}

fn a_zero(w: &mut Writer, ty: Ty) -> Val {
    let c = w.constant(match ty.scalar {
        Scalar::F32 => Const::F32(0.0),
        Scalar::F64 => Const::F64(0.0),
        Scalar::I32 => Const::I32(0),
        Scalar::I64 => Const::I64(0),
        Scalar::Bool => Const::Bool(false),
    });
    if ty.lanes == 1 { c } else { w.splat(c, ty.lanes) }
}

#[test]
fn fused_multiply_add() {
    let mut floats32 = nasty::floats32();
    floats32.retain(|x| x.is_nan() || x.to_bits() % 3 != 1);
    floats32.truncate(22);
    floats32.push(f32::NAN);
    let mut floats64 = nasty::floats64();
    floats64.retain(|x| x.is_nan() || x.to_bits() % 3 != 1);
    floats64.truncate(22);
    floats64.push(f64::NAN);
    for values in [Buf::F32(floats32), Buf::F64(floats64)] {
        for ty in forms(values.scalar()) {
            elementwise(&format!("fma {ty}"), &nasty::tuples(&values, 3), ty.lanes, |w, x| {
                let negated = w.un(UnOp::Neg, x[0]);
                let minus = w.un(UnOp::Neg, x[2]);
                vec![
                    w.fma(x[0], x[1], x[2]),
                    w.fma(negated, x[1], x[2]),
                    w.fma(x[0], x[1], minus),
                    w.fma(negated, x[1], minus),
                ]
            });
        }
    }
}

/// `1 + 2^-12` squared minus its rounded square: only a single rounding gives the remainder.
#[test]
fn fma_rounds_once_on_every_machine() {
    let x = 1.0f32 + f32::EPSILON * 2048.0;
    let mut w = Writer::new(0);
    let zero = w.i32(0);
    let a = w.load(BufId(0), Scalar::F32, zero, 4);
    let square = w.bin(BinOp::Mul, a, a);
    let minus = w.un(UnOp::Neg, square);
    let rest = w.fma(a, a, minus);
    w.store(BufId(0), zero, rest);
    let p = program(vec![buffer("x", Scalar::F32, 4)], w.finish("f"));
    for jit in ALL {
        let got = run(&jit, &p, &vec![Buf::F32(vec![x; 4])], &[]).unwrap();
        let exact = (f64::from(x) * f64::from(x) - f64::from(x * x)) as f32;
        assert!(exact != 0.0);
        assert_eq!(got[0], Buf::F32(vec![exact; 4]), "{jit:?}");
    }
    let text = NATIVE.asm_text(&p).unwrap();
    if std::env::consts::ARCH == "x86_64" && std::arch::is_x86_feature_detected!("fma") {
        assert!(text.contains("vfm") || text.contains("vfnm"), "{text}");
    }
    let baseline = CraneliftJit { cpu: Cpu::Baseline, ..NATIVE }.asm_text(&p).unwrap();
    assert!(!baseline.contains("vfm"), "{baseline}");
}

#[test]
fn conversions() {
    for from in NUMBERS {
        for ty in forms(from) {
            let targets: Vec<Scalar> =
                NUMBERS.into_iter().filter(|to| ty.lanes == 1 || to.bytes() == from.bytes()).collect();
            elementwise(&format!("casts of {ty}"), &nasty::tuples(&nasty::all(from), 1), ty.lanes, |w, x| {
                let mut results: Vec<Val> = targets.iter().map(|to| w.def(ty.with(*to), Op::Cast(x[0], *to))).collect();
                if from.is_int() {
                    let to = if from == Scalar::I32 { Scalar::F32 } else { Scalar::F64 };
                    results.push(w.def(ty.with(to), Op::Bitcast(x[0], to)));
                } else {
                    let to = if from == Scalar::F32 { Scalar::I32 } else { Scalar::I64 };
                    let number = w.cmp(CmpOp::Eq, x[0], x[0]);
                    let zero = a_zero(w, ty);
                    let clean = w.select(number, x[0], zero);
                    results.push(w.def(ty.with(to), Op::Bitcast(clean, to)));
                }
                results
            });
        }
    }
}

#[test]
fn masks_and_truth_values() {
    for scalar in NUMBERS {
        for ty in forms(scalar) {
            elementwise(&format!("masks of {ty}"), &nasty::tuples(&nasty::all(scalar), 2), ty.lanes, |w, x| {
                let zero = a_zero(w, ty);
                let (p, q) = (w.cmp(CmpOp::Lt, x[0], x[1]), w.cmp(CmpOp::Ge, x[0], zero));
                let mut results = Vec::new();
                for op in [BinOp::And, BinOp::Or, BinOp::Xor] {
                    let mask = w.bin(op, p, q);
                    results.push(mask);
                    let not = w.un(UnOp::Not, mask);
                    results.push(not);
                    results.push(w.select(mask, x[1], x[0]));
                    results.push(w.select(mask, p, q));
                }
                for truth in [false, true] {
                    let c = w.constant(Const::Bool(truth));
                    let c = if ty.lanes == 1 { c } else { w.splat(c, ty.lanes) };
                    results.push(w.select(c, x[0], x[1]));
                }
                if ty.lanes > 1 {
                    let both = w.bin(BinOp::Or, p, q);
                    for op in [Op::Any(p), Op::All(p), Op::Any(q), Op::All(both), Op::Lane(p, 1), Op::Lane(q, 0)] {
                        let truth = w.def(Ty::BOOL, op);
                        let mask = w.splat(truth, ty.lanes);
                        results.push(mask);
                        results.push(w.select(mask, x[0], x[1]));
                    }
                }
                results
            });
        }
    }
}

#[test]
fn lanes_of_vectors() {
    for scalar in NUMBERS {
        let [_, ty] = forms(scalar);
        elementwise(&format!("lanes of {ty}"), &nasty::tuples(&nasty::all(scalar), 2), ty.lanes, |w, x| {
            let mut results = Vec::new();
            for lane in 0..ty.lanes {
                let element = w.def(Ty::one(scalar), Op::Lane(x[0], lane));
                results.push(w.splat(element, ty.lanes));
            }
            let reversed = (0..ty.lanes).rev().map(|lane| w.def(Ty::one(scalar), Op::Lane(x[1], lane))).collect();
            results.push(w.def(ty, Op::Pack(reversed)));
            let sum = w.def(Ty::one(scalar), Op::Sum(x[0]));
            results.push(w.splat(sum, ty.lanes));
            results.push(w.def(ty.with(if ty.lanes == 4 { Scalar::I32 } else { Scalar::I64 }), Op::Iota(ty.lanes)));
            results
        });
    }
}

/// Sums of numbers of such different size that every other order of adding gives another result.
#[test]
fn sums_follow_the_fixed_tree() {
    let hundred: Vec<f64> =
        (0..400).map(|i| f64::from(i * 7919 % 401 - 200) * f64::from(i % 13 * 3 - 18).exp2()).collect();
    for values in [Buf::F32(hundred.iter().map(|x| *x as f32).collect()), Buf::F64(hundred.clone())] {
        let [_, ty] = forms(values.scalar());
        elementwise(&format!("sums of {ty}"), &[values], ty.lanes, |w, x| {
            let sum = w.def(Ty::one(ty.scalar), Op::Sum(x[0]));
            vec![w.splat(sum, ty.lanes)]
        });
    }
    let mut w = Writer::new(0);
    let zero = w.i32(0);
    let x = w.load(BufId(0), Scalar::F32, zero, 4);
    let sum = w.def(Ty::F32, Op::Sum(x));
    w.store(BufId(0), zero, sum);
    let p = program(vec![buffer("x", Scalar::F32, 4)], w.finish("f"));
    // (1e8 - 1e8) + (1 + 1); any other order loses a one.
    let got = run(&NATIVE, &p, &vec![Buf::F32(vec![1.0e8, 1.0, -1.0e8, 1.0])], &[]).unwrap();
    assert_eq!(got[0].get_f64(0), Some(2.0));
}

#[test]
fn gathers_and_scatters() {
    for scalar in NUMBERS {
        let [_, ty] = forms(scalar);
        let index = if ty.lanes == 4 { Scalar::I32 } else { Scalar::I64 };
        let picks = [3i32, 0, 3, 7, 15, 15, 15, 15, 1, 2, 4, 8, 12, 0, 0, 5];
        let picks = match index {
            Scalar::I32 => Buf::I32(picks.to_vec()),
            _ => Buf::I64(picks.iter().map(|i| i64::from(*i)).collect()),
        };
        let mut values = Buf::zeros(scalar, 16);
        (0..16).for_each(|i| values.set_f64(i, i as f64 * 1.25 - 7.0));
        let mut w = Writer::new(0);
        let (zero, n) = (w.i32(0), w.i32(16));
        w.count(zero, n, u32::from(ty.lanes), false, |w, i| {
            let at = w.load(BufId(1), index, i, ty.lanes);
            let gathered = w.def(ty, Op::Gather { buf: BufId(0), index: at });
            w.store(BufId(2), i, gathered);
            let own = w.load(BufId(0), scalar, i, ty.lanes);
            w.stmt(Stmt::Scatter { buf: BufId(3), index: at, value: own });
            w.stmt(Stmt::Scatter { buf: BufId(0), index: at, value: gathered });
        });
        let p = program(
            vec![buffer("x", scalar, 16), buffer("at", index, 16), buffer("y", scalar, 16), buffer("z", scalar, 16)],
            w.finish("f"),
        );
        agree(&format!("{ty}"), &p, &vec![values, picks, Buf::zeros(scalar, 16), Buf::zeros(scalar, 16)]);
    }
}

#[test]
fn library_functions() {
    for scalar in [Scalar::F32, Scalar::F64] {
        let ty = Ty::one(scalar);
        elementwise(&format!("library {ty}"), &nasty::tuples(&nasty::all(scalar), 2), 1, |w, x| {
            let mut results = Vec::new();
            for f in [
                MathFn::Sin,
                MathFn::Cos,
                MathFn::Tan,
                MathFn::Asin,
                MathFn::Acos,
                MathFn::Atan,
                MathFn::Sinh,
                MathFn::Cosh,
            ] {
                results.push(w.def(ty, Op::Call(f, vec![x[0]])));
            }
            for f in [MathFn::Pow, MathFn::Fmod, MathFn::Atan2] {
                results.push(w.def(ty, Op::Call(f, vec![x[0], x[1]])));
            }
            results
        });
        // Where nothing lies between the ends a draw is tried a thousand times: few values, and all triples of them.
        let few = [0.0, -1.5, 0.3, 4.0, 25.0, f64::INFINITY, f64::NAN];
        let few = if scalar == Scalar::F32 { Buf::F32(few.map(|x| x as f32).to_vec()) } else { Buf::F64(few.to_vec()) };
        elementwise(&format!("draws {ty}"), &nasty::tuples(&few, 3), 1, |w, x| {
            let normal = Op::Call(MathFn::DrawNormal, vec![x[0], x[1], x[2]]);
            let mut results = vec![w.def(ty, normal)];
            let of_events = [MathFn::EventUniform, MathFn::EventNormal, MathFn::EventExponential, MathFn::EventKey];
            for f in [MathFn::DrawGamma, MathFn::DrawPoisson].into_iter().chain(of_events) {
                results.push(w.def(ty, Op::Call(f, vec![x[0], x[1], x[2], x[0]])));
                results.push(w.def(ty, Op::Call(f, vec![x[2], x[1], x[0], x[2]])));
            }
            results
        });
    }
}

/// The expanded functions, in scalar and vector form, on dense and nasty arguments.
#[test]
fn transcendentals() {
    for scalar in [Scalar::F32, Scalar::F64] {
        let mut arguments: Vec<f64> = (0..2400).map(|i| f64::from(i) * 0.0721 - 86.5).collect();
        arguments.extend((0..600).map(|i| (f64::from(i) * 0.7 - 210.0).exp2()));
        arguments.extend((0..600).map(|i| -(f64::from(i) * 0.07 - 40.0).exp2()));
        let inputs = match scalar {
            Scalar::F32 => {
                let mut all: Vec<f32> = arguments.iter().map(|x| *x as f32).collect();
                all.extend(nasty::floats32());
                Buf::F32(all)
            }
            _ => {
                let mut all = arguments;
                all.extend(nasty::floats64());
                Buf::F64(all)
            }
        };
        let inputs = nasty::tuples(&inputs, 1);
        for vector in [false, true] {
            let len = inputs[0].len();
            let ops = [UnOp::Exp, UnOp::Expm1, UnOp::Exprel, UnOp::Log, UnOp::Log1p, UnOp::Flush];
            let mut w = Writer::new(0);
            let (zero, n) = (w.i32(0), w.i32(i32::try_from(len).unwrap()));
            w.count(zero, n, 1, vector, |w, i| {
                let x = w.load(BufId(0), scalar, i, 1);
                for (k, op) in (1..).zip(ops) {
                    let y = w.un(op, x);
                    w.store(BufId(k), i, y);
                }
            });
            let room = (len as u64).next_multiple_of(16);
            let declared: Vec<_> = (0..=ops.len()).map(|k| buffer(&format!("b{k}"), scalar, room)).collect();
            let mut buffers: Buffers = declared.iter().map(|b| Buf::zeros(b.scalar, b.len as usize)).collect();
            (0..len).for_each(|i| match (&mut buffers[0], &inputs[0]) {
                (Buf::F32(to), Buf::F32(from)) => to[i] = from[i],
                (Buf::F64(to), Buf::F64(from)) => to[i] = from[i],
                _ => unreachable!(),
            });
            let mut p = program(declared, w.finish("f"));
            lower(&mut p).unwrap();
            agree(&format!("{scalar:?}, vector: {vector}"), &p, &buffers);
        }
    }
}

/// From element level to lane level, checked before and after.
fn lower(p: &mut Program) -> Result<(), String> {
    verify(p, Level::Element).map_err(|e| format!("element level: {}", e.join("; ")))?;
    expand(p);
    lanes(p).map_err(|e| format!("lanes: {e}"))?;
    verify(p, Level::Lane).map_err(|e| format!("lane level: {}", e.join("; ")))
}

fn tape() -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::vec(any::<u32>(), 20..400)
}

/// The generator's programs are checked by `agree` for what they compute; this counts what they exercise, so that a
/// generator that went quiet would be noticed.
#[test]
fn generated_programs_are_varied() {
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    let mut state = 1u32;
    for round in 0..400 {
        let tape: Vec<u32> = (0..300)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state >> 7
            })
            .collect();
        let style = if round % 2 == 0 { Style::Lane } else { Style::Element };
        let (p, _) = generate(&tape, style);
        count(&p.functions[0].body, &mut seen);
    }
    for what in [
        "For", "marked", "carried", "If", "Append", "AddRows", "Store", "Scatter", "Gather", "Load", "Call", "Fma",
        "Select", "Cast", "Bitcast", "Splat", "Pack", "Sum", "Any", "All", "Lane", "Iota", "Mod", "FloorDiv", "Exprel",
    ] {
        assert!(seen.get(what).copied().unwrap_or(0) > 5, "{what} in 400 programs: {seen:?}");
    }
}

fn count(block: &snnc::lir::Block, seen: &mut std::collections::BTreeMap<String, usize>) {
    fn note(seen: &mut std::collections::BTreeMap<String, usize>, what: &str) {
        *seen.entry(what.to_owned()).or_default() += 1;
    }
    for stmt in &block.stmts {
        match stmt {
            Stmt::Def { op: Op::Un(op, _), .. } => note(seen, &format!("{op:?}")),
            Stmt::Def { op: Op::Bin(op, ..), .. } => note(seen, &format!("{op:?}")),
            Stmt::Def { op, .. } => {
                let text = format!("{op:?}");
                note(seen, text.split(|c: char| !c.is_alphanumeric()).next().unwrap());
            }
            Stmt::Store { .. } => note(seen, "Store"),
            Stmt::Scatter { .. } => note(seen, "Scatter"),
            Stmt::Append { .. } => note(seen, "Append"),
            Stmt::AddRows(_) => note(seen, "AddRows"),
            Stmt::For(f) => {
                note(seen, "For");
                if f.vector {
                    note(seen, "marked");
                }
                if !f.params.is_empty() {
                    note(seen, "carried");
                }
                count(&f.body, seen);
            }
            Stmt::If(i) => {
                note(seen, "If");
                count(&i.then, seen);
                count(&i.els, seen);
            }
        }
    }
}

/// `PROPTEST_CASES` asks for more.
fn config() -> Config {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|s| s.parse().ok()).unwrap_or(250);
    Config { cases, max_shrink_iters: 4000, failure_persistence: None, ..Config::default() }
}

/// The jit under test varies with the case: the fast one mostly.
fn jits(tape: &[u32]) -> Vec<CraneliftJit> {
    vec![NATIVE, ALL[1 + tape.len() % 3]]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn generated_lane_level_programs(tape in tape(), argument in -5..70i32) {
        let (p, buffers) = generate(&tape, Style::Lane);
        verify(&p, Level::Lane).map_err(|e| TestCaseError::fail(e.join("; ")))?;
        disagreement(&p, &buffers, &[argument], &jits(&tape)).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn generated_element_level_programs(tape in tape(), argument in -5..70i32) {
        let (mut p, buffers) = generate(&tape, Style::Element);
        lower(&mut p).map_err(TestCaseError::fail)?;
        disagreement(&p, &buffers, &[argument], &jits(&tape)).map_err(TestCaseError::fail)?;
    }
}

/// One function that adds its argument to each element.
fn adder() -> Program {
    let mut w = Writer::new(2);
    let (amount, n) = (w.param(0), w.param(1));
    let zero = w.i32(0);
    let amount = w.splat(amount, 4);
    w.count(zero, n, 4, false, |w, i| {
        let x = w.load(BufId(0), Scalar::I32, i, 4);
        let y = w.bin(BinOp::Add, x, amount);
        w.store(BufId(0), i, y);
    });
    program(vec![buffer("x", Scalar::I32, 16)], w.finish("add"))
}

#[test]
fn many_arguments_arrive_in_order() {
    let mut w = Writer::new(11);
    for k in 0..11 {
        let (at, value) = (w.i32(k), w.param(k as usize));
        w.store(BufId(0), at, value);
    }
    let p = program(vec![buffer("x", Scalar::I32, 11)], w.finish("f"));
    let args: Vec<i32> = (0..11).map(|k| k * k - 7).collect();
    for jit in ALL {
        let got = run(&jit, &p, &vec![Buf::zeros(Scalar::I32, 11)], &args).unwrap();
        assert_eq!(got[0], Buf::I32(args.clone()));
    }
}

#[test]
fn loop_counters_reach_the_end_of_i32() {
    let mut w = Writer::new(0);
    let (from, to, zero) = (w.i32(i32::MAX - 5), w.i32(i32::MAX), w.i32(0));
    let sum = w.fold((from, to, 3), &[zero, zero], |w, i, carried| {
        let one = w.i32(1);
        vec![w.bin(BinOp::Add, carried[0], one), w.bin(BinOp::Xor, carried[1], i)]
    });
    for (k, value) in sum.into_iter().enumerate() {
        let at = w.i32(k as i32);
        w.store(BufId(0), at, value);
    }
    let p = program(vec![buffer("x", Scalar::I32, 2)], w.finish("f"));
    agree("counter", &p, &vec![Buf::zeros(Scalar::I32, 2)]);
    let got = run(&NATIVE, &p, &vec![Buf::zeros(Scalar::I32, 2)], &[]).unwrap();
    assert_eq!(got[0], Buf::I32(vec![2, (i32::MAX - 5) ^ (i32::MAX - 2)]));
}

/// Nobody writes the buffer and the index does not change in the loop: but the load must not run in front of a loop that
/// does not run, nor in front of a choice, where the index may be outside.
#[test]
fn loads_do_not_run_before_what_guards_them() {
    let mut w = Writer::new(2);
    let (far, n) = (w.param(0), w.param(1));
    let zero = w.i32(0);
    let start = w.f32(0.5);
    let sum = w.fold((zero, n, 1), &[start], |w, i, sum| {
        let x = w.load(BufId(0), Scalar::F32, far, 1);
        let seven = w.i32(7);
        let inside = w.cmp(CmpOp::Lt, far, seven);
        let y = w.choose(inside, |w| vec![w.load(BufId(0), Scalar::F32, far, 1)], |_| vec![start]);
        let more = w.bin(BinOp::Add, sum[0], x);
        let more = w.bin(BinOp::Add, more, y[0]);
        let _ = i;
        vec![more]
    });
    let three = w.i32(3);
    let later = w.fold((zero, three, 1), &[start], |w, _, sum| {
        let one = w.i32(1);
        let some = w.cmp(CmpOp::Ge, n, one);
        let y = w.choose(some, |w| vec![w.load(BufId(0), Scalar::F32, far, 1)], |_| vec![start]);
        vec![w.bin(BinOp::Add, sum[0], y[0])]
    });
    w.store(BufId(1), zero, sum[0]);
    let one = w.i32(1);
    w.store(BufId(1), one, later[0]);
    let p = program(vec![buffer("x", Scalar::F32, 8), buffer("y", Scalar::F32, 2)], w.finish("f"));
    let buffers = vec![Buf::F32(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]), Buf::zeros(Scalar::F32, 2)];
    for args in [[1 << 30, 0], [i32::MIN, 0], [5, 0], [5, 3], [7, 2]] {
        disagreement(&p, &buffers, &args, &ALL).unwrap();
    }
}

/// An index that was read is no less than zero in what follows its access, and a sum with it may be taken apart; in a branch that is not taken nothing was
/// read, and there 32 bits may wrap.
#[test]
fn what_an_access_tells_holds_behind_it_only() {
    let mut w = Writer::new(2);
    let (other, n) = (w.param(0), w.param(1));
    let (zero, one) = (w.i32(0), w.i32(1));
    // Behind its access.
    let inside = w.load(BufId(2), Scalar::I32, one, 1);
    let x = w.load(BufId(0), Scalar::F32, inside, 1);
    let four = w.i32(4);
    let row = w.bin(BinOp::Mul, n, four);
    let at = w.bin(BinOp::Add, row, inside);
    let y = w.load(BufId(0), Scalar::F32, at, 1);
    let sum = w.bin(BinOp::Add, x, y);
    // Guarded.
    let far = w.load(BufId(2), Scalar::I32, zero, 1);
    let some = w.cmp(CmpOp::Ge, n, one);
    let z = w.choose(some, |w| vec![w.load(BufId(0), Scalar::F32, far, 1)], |_| vec![sum]);
    let wrapped = w.bin(BinOp::Add, far, other);
    let u = w.load(BufId(0), Scalar::F32, wrapped, 1);
    let sum = w.bin(BinOp::Add, z[0], u);
    // A negative summand, and a negative bound.
    let last = w.i32(2);
    let less = w.load(BufId(2), Scalar::I32, last, 1);
    let seven = w.i32(7);
    let at = w.bin(BinOp::Add, less, seven);
    let v = w.load(BufId(0), Scalar::F32, at, 1);
    let sum = w.bin(BinOp::Add, sum, v);
    let total = w.fold((less, one, 1), &[sum], |w, _, sum| vec![w.bin(BinOp::Add, sum[0], v)]);
    w.store(BufId(1), zero, total[0]);
    let buffers = vec![buffer("x", Scalar::F32, 8), buffer("y", Scalar::F32, 1), buffer("i", Scalar::I32, 3)];
    let p = program(buffers, w.finish("f"));
    let x = Buf::F32(vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0]);
    for (far, args) in
        [(i32::MIN, [i32::MIN + 3, 0]), (-5, [6, 0]), (5, [-4, 1]), (7, [0, 1]), (i32::MAX, [i32::MIN + 2, 0])]
    {
        let buffers = vec![x.clone(), Buf::zeros(Scalar::F32, 1), Buf::I32(vec![far, 3, -2])];
        disagreement(&p, &buffers, &args, &ALL).unwrap();
    }
}

/// Loops over lists within loops over lists are functions of their own, unless they take what has no room as an argument.
#[test]
fn nested_loops_take_what_is_around_them() {
    let mut w = Writer::new(2);
    let (n, m) = (w.param(0), w.param(1));
    let zero = w.i32(0);
    w.fold((zero, n, 1), &[], |w, i, _| {
        let x = w.load(BufId(0), Scalar::F32, i, 1);
        let wide = w.load(BufId(0), Scalar::F32, i, 4);
        let less = w.cmp(CmpOp::Lt, i, m);
        for vector in [false, true] {
            w.fold((zero, m, 1), &[], |w, j, _| {
                w.fold((zero, j, 1), &[], |w, k, _| {
                    let at = w.bin(BinOp::Add, i, k);
                    let old = w.load(BufId(1), Scalar::F32, at, 1);
                    let sum = w.bin(BinOp::Add, old, x);
                    let new = w.choose(less, |_| vec![sum], |_| vec![old]);
                    w.store(BufId(1), at, new[0]);
                    if vector {
                        let old = w.load(BufId(1), Scalar::F32, at, 4);
                        let sum = w.bin(BinOp::Add, old, wide);
                        w.store(BufId(1), at, sum);
                    }
                    vec![]
                });
                vec![]
            });
        }
        vec![]
    });
    let p = program(vec![buffer("x", Scalar::F32, 32), buffer("y", Scalar::F32, 32)], w.finish("f"));
    let buffers = vec![Buf::F32((0..32).map(|k| k as f32 * 0.1).collect()), Buf::zeros(Scalar::F32, 32)];
    for args in [[0, 5], [3, 0], [9, 4], [16, 8]] {
        disagreement(&p, &buffers, &args, &ALL).unwrap();
    }
}

#[test]
fn buffers_and_calls_are_checked() {
    let kernels = NATIVE.compile(&adder()).unwrap();
    let refused = |mut buffers: Buffers| kernels.session(&mut buffers).map(|_| ()).unwrap_err();
    let wrong = BackendError::Buffer("x".to_owned());
    assert_eq!(refused(vec![]), wrong);
    assert_eq!(refused(vec![Buf::zeros(Scalar::F32, 16)]), wrong);
    assert_eq!(refused(vec![Buf::zeros(Scalar::I32, 15)]), wrong);
    let mut buffers = vec![Buf::zeros(Scalar::I32, 17)];
    let mut session = kernels.session(&mut buffers).unwrap();
    assert!(matches!(session.call(FuncId(0), &[1]), Err(BackendError::Call(_))));
    assert!(matches!(session.call(FuncId(0), &[1, 2, 3]), Err(BackendError::Call(_))));
    assert!(matches!(session.call(FuncId(1), &[1, 2]), Err(BackendError::Call(_))));
    session.call(FuncId(0), &[5, 16]).unwrap();
    session.call(FuncId(0), &[2, 4]).unwrap();
    drop(session);
    let expected: Vec<i32> = (0..17)
        .map(|i| {
            if i < 4 {
                7
            } else if i < 16 {
                5
            } else {
                0
            }
        })
        .collect();
    assert_eq!(buffers[0], Buf::I32(expected));
}

#[test]
fn invalid_programs_are_refused() {
    let mut p = adder();
    p.functions[0].types[0] = Ty::F32;
    assert!(matches!(NATIVE.compile(&p).map(|_| ()), Err(BackendError::Invalid(_))));
    assert!(matches!(NATIVE.clif_text(&p), Err(BackendError::Invalid(_))));
}

#[test]
fn code_can_be_read() {
    let clif = NATIVE.clif_text(&adder()).unwrap();
    assert!(clif.starts_with("; add\n") && clif.contains("iadd") && clif.contains("i32x4"), "{clif}");
    let asm = NATIVE.asm_text(&adder()).unwrap();
    assert!(asm.starts_with("; add\n") && asm.contains("ret"), "{asm}");
}

#[test]
fn two_threads_share_one_compiled_program() {
    let kernels = NATIVE.compile(&adder()).unwrap();
    let work = |seed: i32| {
        let mut buffers = vec![Buf::I32((0..16).map(|i| i * seed).collect())];
        let mut session = kernels.session(&mut buffers).unwrap();
        for _ in 0..10_000 {
            session.call(FuncId(0), &[seed, 16]).unwrap();
        }
        drop(session);
        buffers
    };
    let (a, b) = std::thread::scope(|scope| {
        let (a, b) = (scope.spawn(|| work(3)), scope.spawn(|| work(-8)));
        (a.join().unwrap(), b.join().unwrap())
    });
    assert_eq!(a[0], Buf::I32((0..16).map(|i| i * 3 + 30_000).collect()));
    assert_eq!(b[0], Buf::I32((0..16).map(|i| i * -8 - 80_000).collect()));
}
