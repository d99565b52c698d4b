//! The loop IR's text form: printing and parsing are inverse, and nothing that is typed makes the parser panic.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use proptest::prelude::*;
use snnc::lir::text::parse;
use snnc::lir::verify::{Level, verify};
use snnc::lir::{Const, Op, Program, Stmt, Val, expand, lanes, simplify};

/// An integrate-and-fire step with a spike list, a reduction, and a branch.
const STEP: &str = r#"# membrane, current, list of spikes
buffer b0 "E.v": f32[48]
buffer b1 "E.i": f32[48]
buffer b2 "E.spikes": i32[48]
buffer b3 "E.count": i32[1]
buffer b4 "E.sum": f64[4]

fn f0 "step"(v0) {
  v1: i32 = const i32 0
  v2: i32 = const i32 48
  v3: f32 = const f32 0.1
  v4: f32 = const f32 -inf
  store b3[v1], v1
  vector for v5 = v1 to v2 step 1 {
    v6: f32 = load b0[v5]
    v7: f32 = load b1[v5]
    v8: f32 = fma v3, v7, v6
    v9: f32 = expm1 v8
    v10: f32 = flush v9
    v11: bool = gt v10, v3
    v12: f32 = select v11, v3, v10
    store b0[v5], v12
    append b2, b3, v5 if v11
  }
  v13: i32 = load b3[v1]
  for v14 = v1 to v13 step 3 with (v15: f32, v16: i32) = (v4, v0) {
    v17: i32 = load b2[v14]
    v18: f32 = load b1[v17]
    v19: f32 = max v15, v18
    v20: i32 = floordiv v16, v2
  } -> (v21: f32, v22: i32) = (v19, v20)
  v23: bool = le v13, v22
  if v23 {
    v24: f64 = const f64 nan
  } else {
    v25: f64 = cast f64 v21
    v26: f64 = call pow (v25, v25)
  } -> (v27: f64) = (v24) else (v26)
  store b4[v1], v27
}
"#;

/// Everything that only vectors have.
const VECTORS: &str = r#"buffer b0 "x": f32[16]
buffer b1 "y": f64[16]

fn f0 "narrow"(v0, v1) {
  v2: i32x4 = iota 4
  v3: i32x4 = splat 4 v0
  v4: i32x4 = add v2, v3
  v5: f32x4 = gather b0[v4]
  v6: f32x4 = load 4 b0[v0]
  v7: boolx4 = ne v5, v6
  v8: bool = any v7
  if v8 {
    scatter b0[v4], v6
  }
  v9: i32x4 = bitcast i32 v6
  v10: f32 = sum v6
  v11: bool = lane 3 v7
}

fn f1 "wide"() {
  unused v4: f32, v5: i64x2
  v0: f64 = const f64 0.1
  v1: f64 = const f64 bits 0xfff8000000000001
  v2: f64x2 = pack (v0, v1)
  v3: boolx2 = eq v2, v2
  v6: bool = all v3
}
"#;

fn normal(text: &str) -> String {
    text.lines().filter(|l| !l.starts_with('#')).map(|l| format!("{l}\n")).collect()
}

#[test]
fn the_printed_form_is_what_was_written() {
    assert_eq!(parse(STEP).unwrap().to_string(), normal(STEP));
    let separate = VECTORS.replace("unused v4: f32, v5: i64x2", "unused v4: f32\n  unused v5: i64x2");
    assert_eq!(parse(VECTORS).unwrap().to_string(), separate);
    verify(&parse(STEP).unwrap(), Level::Element).unwrap();
    verify(&parse(VECTORS).unwrap(), Level::Lane).unwrap();
}

fn stages(text: &str) -> Vec<Program> {
    let first = parse(text).unwrap();
    let mut all = vec![first];
    let passes: [fn(&mut Program); 4] =
        [simplify::simplify, expand::expand, |p| lanes::lanes(p).unwrap(), simplify::simplify];
    for pass in passes {
        let mut next = all.last().unwrap().clone();
        pass(&mut next);
        all.push(next);
    }
    all
}

#[test]
fn every_stage_round_trips_and_the_last_is_valid() {
    for text in [STEP, VECTORS] {
        for program in stages(text) {
            assert_eq!(parse(&program.to_string()), Ok(program));
        }
        let last = stages(text).pop().unwrap();
        verify(&last, Level::Lane).unwrap();
    }
}

#[test]
fn errors_name_the_line() {
    let wrong = STEP.replace("v8: f32 = fma v3, v7, v6", "v8: f32 = fma v3, v7");
    assert_eq!(parse(&wrong).unwrap_err(), "line 18: expected `,`, found `v9`");
    assert!(parse("fn f0 \"a\"() {").unwrap_err().contains("found the end"));
    assert!(parse("buffer b0 \"a: f32[1]").unwrap_err().contains("closing quote"));
    assert!(parse("fn f0 \"a\"() { v4000000000: f32 = const f32 1.0 }").unwrap_err().contains("v0"));
    let deep = format!("fn f0 \"a\"(v0) {{ {} {} }}", "if v0 {".repeat(100_000), "}".repeat(100_000));
    assert!(parse(&deep).unwrap_err().contains("too deep"));
}

/// Constants of every bit pattern, in a program of their own.
fn constants() -> impl Strategy<Value = Vec<Const>> {
    let one = prop_oneof![
        any::<u32>().prop_map(|b| Const::F32(f32::from_bits(b))),
        any::<u64>().prop_map(|b| Const::F64(f64::from_bits(b))),
        any::<i32>().prop_map(Const::I32),
        any::<i64>().prop_map(Const::I64),
        any::<bool>().prop_map(Const::Bool),
        prop::sample::select(vec![f64::NAN, -f64::NAN, f64::INFINITY, -0.0, 0.0, 5e-324, f64::MAX])
            .prop_map(Const::F64),
        prop::sample::select(vec![f32::NAN, -f32::NAN, f32::NEG_INFINITY, -0.0, 1e-45, f32::MAX]).prop_map(Const::F32),
    ];
    prop::collection::vec(one, 0..20)
}

/// Appends are not only for marked loops.
#[test]
fn an_append_in_a_plain_loop_is_lowered() {
    let text = STEP.replacen("vector for", "for", 1);
    assert_ne!(text, STEP);
    let mut program = parse(&text).expect("a program");
    assert_eq!(verify(&program, Level::Element), Ok(()));
    expand::expand(&mut program);
    assert_eq!(lanes::lanes(&mut program), Ok(()));
    assert_eq!(verify(&program, Level::Lane), Ok(()));
}

proptest! {
    #[test]
    fn constants_round_trip(values in constants()) {
        let mut program = parse("fn f0 \"go\"() { }").unwrap();
        let f = &mut program.functions[0];
        for (k, c) in values.iter().enumerate() {
            f.types.push(snnc::lir::Ty::one(c.scalar()));
            f.body.stmts.push(Stmt::Def { val: Val(k as u32), op: Op::Const(*c) });
        }
        prop_assert_eq!(parse(&program.to_string()), Ok(program));
    }

    /// Cut, repeated and replaced words: parsed or refused, and what is parsed is a fixed point and can be verified and run through the passes' checks.
    #[test]
    fn garbage_never_panics(
        which in 0..2usize,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..4u8), 1..6),
    ) {
        let text = if which == 0 { STEP } else { VECTORS };
        let mut words: Vec<&str> = text.split_inclusive([' ', '\n', ',', '(', ')', '[', ']']).collect();
        for (at, from, kind) in &edits {
            if words.is_empty() {
                break;
            }
            let (at, other) = (at.index(words.len()), words[from.index(words.len())]);
            match kind {
                0 => { words.remove(at); }
                1 => words.insert(at, other),
                2 => words[at] = other,
                _ => words.truncate(at.max(1)),
            }
        }
        let text = words.concat();
        if let Ok(program) = parse(&text) {
            for level in [Level::Element, Level::Lane] {
                if verify(&program, level).is_ok() {
                    prop_assert_eq!(parse(&program.to_string()), Ok(program.clone()));
                    // A valid program goes through every pass without a panic and stays valid.
                    let mut next = program.clone();
                    simplify::simplify(&mut next);
                    prop_assert_eq!(verify(&next, level), Ok(()));
                    expand::expand(&mut next);
                    if level == Level::Element && lanes::lanes(&mut next).is_ok() {
                        prop_assert_eq!(verify(&next, Level::Lane), Ok(()));
                    }
                }
            }
        }
    }

    #[test]
    fn any_text_never_panics(text in "\\PC{0,200}") {
        let _ = parse(&text);
    }
}
