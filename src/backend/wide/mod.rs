//! Wide kernels for x86-64: compiles marked loops of lane-level programs, with the loops and choices right around them, for vectors two or four
//! times as wide as Cranelift knows: 256 bits with AVX2, 512 with AVX-512. So two or four iterations of a marked loop run at once; what is left over
//! runs in 128 bits. Lane by lane the operations are those of the loop IR, so no bit changes; `tests/differential.rs` compares.
//!
//! What the kernel compiler does not know (it knows what populations are made of) it refuses, and the loop stays with Cranelift:
//! see [`Refused`].
//!
//! * `asm.rs`: encodes instructions.
//! * `region.rs`: what a loop nest holds: its values, what is invariant, which arguments it needs.
//! * `emit.rs`: control flow, integers, addresses.
//! * `rows.rs`: rows that are added on the way.
//! * `later.rs`: what runs rarely, behind the loops.
//! * `vector.rs`: straight-line vector code and its registers.
//! * `masks.rs`: masks in registers of their own, as code for 512 bits has them.

mod asm;
mod emit;
mod later;
mod masks;
mod region;
mod rows;
mod vector;

use crate::lir::{For, Function, Op, Program, Val};

/// A compiled loop nest: `extern "C" fn(table: *const *mut u8, args: *const [u8; 8])`.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// The code, followed by its constants; to be aligned to whole vectors.
    pub(crate) code: Vec<u8>,
    /// The scalar values from outside, each in 8 bytes of its own.
    pub(crate) args: Vec<Val>,
}

/// Why a loop nest has no wide kernel; for people who look at the compiler's output.
pub(crate) type Refused = String;

/// How wide vectors are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Width {
    /// An iteration of a marked loop: what Cranelift has.
    W128,
    /// Two of them.
    W256,
    /// Four.
    W512,
}

impl Width {
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::W128 => 16,
            Self::W256 => 32,
            Self::W512 => 64,
        }
    }
}

/// The widest kernels that this machine can run.
pub(crate) fn supported() -> Option<Width> {
    #[cfg(all(target_arch = "x86_64", unix))]
    {
        let half =
            is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("bmi1");
        let full = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        match (half, full) {
            (true, true) => Some(Width::W512),
            (true, false) => Some(Width::W256),
            (false, _) => None,
        }
    }
    #[cfg(not(all(target_arch = "x86_64", unix)))]
    {
        None
    }
}

/// Compiles a loop nest of a verified function for vectors of `width`. `outside` tells how a value that is defined before the nest came about.
///
/// # Errors
/// If it holds no marked loop, or something that wide kernels do not have.
pub(crate) fn compile<'a>(
    program: &'a Program,
    function: &'a Function,
    nest: &'a For,
    outside: &dyn Fn(Val) -> Option<&'a Op>,
    width: Width,
) -> Result<Kernel, Refused> {
    let mut region = region::Region::new(program, function, nest, outside)?;
    emit::emit(&mut region, nest, width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cranelift::{Cpu, CraneliftJit, OptLevel};
    use crate::backend::interp::Interp;
    use crate::backend::{Backend, Buf, Buffers};
    use crate::lir::{Block, FuncId, Stmt, expand, lanes, simplify, text};

    /// Most of what wide kernels have. `F` is the float, `I` the integer of its width, `FROM` and `TO` the ends.
    const BODY: &str = "
        v0: i32 = const i32 0
        v1: i32 = const i32 FROM
        v2: i32 = const i32 TO
        v3: i32 = const i32 3
        v4: F = load b0[v1]
        v5: F = const F 0.75
        v6: F = const F 0.0
        v7: F = fma v4, v5, v5
        vector for v8 = v1 to v2 step 1 {
          v9: F = load b0[v8]
          v10: i32 = add v8, v3
          v11: F = load b0[v10]
          v12: F = neg v9
          v13: F = fma v12, v11, v7
          v14: F = fma v9, v12, v13
          v15: F = fma v9, v11, v12
          v16: F = sub v14, v15
          v17: F = mul v16, v7
          v18: F = div v9, v17
          v19: F = abs v18
          v20: F = sqrt v19
          v21: F = floor v9
          v22: F = ceil v11
          v23: F = nearest v9
          v24: F = trunc v11
          v25: F = min v21, v22
          v26: F = max v23, v24
          v27: F = add v25, v26
          v28: bool = lt v9, v11
          v29: bool = ge v20, v5
          v30: bool = and v28, v29
          v31: bool = not v30
          v32: bool = or v31, v28
          v33: F = select v30, v27, v20
          v34: F = select v32, v6, v33
          v35: F = select v28, v33, v6
          v36: F = exp v21
          v37: F = flush v36
          v38: F = add v34, v37
          v39: F = add v38, v35
          store b1[v8], v39
          v40: I = load b2[v8]
          v41: I = load b2[v10]
          v42: I = add v40, v41
          v43: I = sub v42, v40
          v44: I = neg v43
          v45: bool = gt v40, v41
          v46: I = select v45, v44, v43
          v47: I = xor v46, v40
          v48: I = cast I v30
          v49: I = add v47, v48
          store b3[v8], v49
          append b4, b5, v8 if v28
          append b6, b7, v10 if v45
          v50: bool = ne v9, v11
          v51: bool = eq v40, v41
          v52: bool = le v9, v5
          v53: bool = and v50, v52
          v54: bool = or v51, v53
          v55: F = select v54, v9, v11
          store b8[v8], v55
        }";

    const LEN: usize = 160;

    /// Kernels of 512 bits, where the machine has them, and of 256.
    const BACKENDS: [CraneliftJit; 2] = [
        CraneliftJit { opt: OptLevel::Speed, cpu: Cpu::Native },
        CraneliftJit { opt: OptLevel::Speed, cpu: Cpu::Half },
    ];

    /// The widths of kernels that this machine can run.
    fn widths() -> Vec<Width> {
        [Width::W256, Width::W512].into_iter().filter(|w| supported().is_some_and(|most| *w <= most)).collect()
    }

    fn program(float: &str, int: &str, from: i32, to: i32) -> Program {
        let mut out = String::new();
        for (k, kind) in [float, float, int, int, "i32", "i32", "i32", "i32", float].iter().enumerate() {
            out.push_str(&format!("buffer b{k} \"b{k}\": {kind}[{LEN}]\n"));
        }
        let body = BODY.replace("FROM", &from.to_string()).replace("TO", &to.to_string());
        let body = body.replace(": F", &format!(": {float}")).replace("const F", &format!("const {float}"));
        let body = body.replace(": I", &format!(": {int}")).replace("cast I", &format!("cast {int}"));
        let mut program = text::parse(&format!("{out}fn f0 \"go\"() {{ {body} }}")).unwrap();
        expand::expand(&mut program);
        lanes::lanes(&mut program).unwrap();
        expand::expand(&mut program);
        simplify::simplify(&mut program);
        program
    }

    fn buffers(program: &Program) -> Buffers {
        let mut all: Buffers = program.buffers.iter().map(|b| Buf::zeros(b.scalar, b.len as usize)).collect();
        for k in 0..LEN {
            let x = ((k * 7919) % 101) as f64 * 0.37 - 17.0;
            all[0].set_f64(k, if k % 37 == 5 { f64::NAN } else { x });
            all[2].set_f64(k, ((k * 31) % 17) as f64 - 8.0);
        }
        all
    }

    /// Whether the first loop of a program becomes a kernel.
    fn compiles(program: &Program, width: Width) -> Result<Kernel, Refused> {
        let function = &program.functions[0];
        let mut ops = std::collections::BTreeMap::new();
        for stmt in &function.body.stmts {
            match stmt {
                Stmt::Def { val, op } => {
                    ops.insert(*val, op);
                }
                Stmt::For(f) => return compile(program, function, f, &|v| ops.get(&v).copied(), width),
                _ => {}
            }
        }
        Err("no loop".to_owned())
    }

    fn bits(buf: &Buf) -> Vec<u64> {
        let canonical = |x: f64| if x.is_nan() { u64::MAX } else { x.to_bits() };
        (0..buf.len()).map(|k| buf.get_f64(k).map_or(0, canonical)).collect()
    }

    fn check(program: &Program) {
        let run = |backend: &dyn Backend| {
            let mut all = buffers(program);
            backend.compile(program).unwrap().session(&mut all).unwrap().call(FuncId(0), &[]).unwrap();
            all
        };
        let want = run(&Interp);
        for backend in BACKENDS {
            for (k, (want, got)) in want.iter().zip(&run(&backend)).enumerate() {
                assert_eq!(bits(want), bits(got), "b{k} {backend:?}\n{program}");
            }
        }
        // The appends happened, so comparing them meant something.
        assert!(want[5].get_f64(0).unwrap() > 0.0 && want[7].get_f64(0).unwrap() > 0.0);
    }

    #[test]
    fn every_operation_in_both_widths_at_all_lengths() {
        for (float, int) in [("f32", "i32"), ("f64", "i64")] {
            for (from, to) in [(0, 17), (0, 24), (0, 32), (0, 33), (3, 40), (0, 64), (5, 100), (0, 128), (1, 130)] {
                let program = program(float, int, from, to);
                for width in widths() {
                    let kernel = compiles(&program, width);
                    assert!(kernel.is_ok(), "{float}, {width:?}: {:?}\n{program}", kernel.err());
                }
                check(&program);
            }
        }
    }

    /// Blocks of neurons with two kinds of code, as populations have them: the flag decides.
    #[test]
    fn nests_with_a_choice() {
        let text = "
            buffer b0 \"x\": f32[160]
            buffer b1 \"y\": f32[160]
            buffer b2 \"flag\": i32[160]
            buffer b3 \"list\": i32[160]
            buffer b4 \"n\": i32[1]
            fn f0 \"go\"() {
              v0: i32 = const i32 0
              v1: i32 = const i32 7
              v2: i32 = const i32 16
              v3: f32 = load b0[v0]
              for v4 = v0 to v1 step 1 {
                v5: i32 = mul v4, v2
                v6: i32 = load b2[v4]
                v7: bool = gt v6, v0
                v17: f32 = const f32 2.5
                v18: f32 = fma v17, v3, v17
                if v7 {
                  vector for v8 = v0 to v2 step 1 {
                    v9: i32 = add v5, v8
                    v10: f32 = load b0[v9]
                    v11: f32 = mul v10, v18
                    store b1[v9], v11
                    v12: bool = gt v11, v3
                    append b3, b4, v9 if v12
                  }
                } else {
                  vector for v13 = v0 to v2 step 1 {
                    v14: i32 = add v5, v13
                    v15: f32 = load b0[v14]
                    v16: f32 = sub v15, v3
                    store b1[v14], v16
                  }
                  store b2[v4], v2
                }
              }
            }";
        let mut program = text::parse(text).unwrap();
        lanes::lanes(&mut program).unwrap();
        simplify::simplify(&mut program);
        for width in widths() {
            let kernel = compiles(&program, width);
            assert!(kernel.is_ok(), "{width:?}: {:?}\n{program}", kernel.err());
        }
        let run = |backend: &dyn Backend| {
            let mut all = buffers(&program);
            backend.compile(&program).unwrap().session(&mut all).unwrap().call(FuncId(0), &[]).unwrap();
            all
        };
        let want = run(&Interp);
        for backend in BACKENDS {
            for (want, got) in want.iter().zip(&run(&backend)) {
                assert_eq!(bits(want), bits(got), "{backend:?}");
            }
        }
        assert!(want[4].get_f64(0).unwrap() > 1.0);
    }

    /// Numbers the values that a text calls `$name`.
    fn numbered(text: &str) -> String {
        let mut names: Vec<&str> = Vec::new();
        let mut pieces = text.split('$');
        let mut out = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let end = piece.find(|c: char| !c.is_alphanumeric()).unwrap_or(piece.len());
            let (name, rest) = piece.split_at(end);
            let k = names.iter().position(|n| *n == name).unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            });
            out += &format!("v{k}{rest}");
        }
        out
    }

    /// More masks at once than there are mask registers: some go to vector registers, and all kinds of readers find them there.
    #[test]
    fn more_masks_than_mask_registers() {
        const MASKS: usize = 12;
        for (float, int) in [("f32", "i32"), ("f64", "i64")] {
            let mut body = String::new();
            for k in 0..MASKS {
                body += &format!("$c{k}: F = const F {}.5\n$m{k}: bool = lt $x, $c{k}\n", 3 * k);
            }
            // All of them are read after the last one is there.
            let mut sum = "x".to_owned();
            for k in 0..MASKS {
                let op = ["and", "or", "xor"][k % 3];
                let (yes, no) = [("x", "minus"), ("x", "zero"), ("zero", "x")][k % 3];
                body += &format!("$p{k}: bool = {op} $m{k}, $m{}\n$n{k}: bool = not $p{k}\n", (k + 5) % MASKS);
                body += &format!("$a{k}: F = select $p{k}, ${yes}, ${no}\n$b{k}: F = select $n{k}, ${sum}, $a{k}\n");
                body += &format!("$s{k}: F = add $b{k}, $a{k}\n");
                sum = format!("s{k}");
            }
            for k in 0..MASKS {
                body += &format!("$i{k}: I = cast I $m{k}\nstore b{}[$j], $i{k}\n", 4 + k);
            }
            let mut text = String::new();
            for (k, kind) in [float, "i32", "i32", float].into_iter().chain([int; MASKS]).enumerate() {
                text += &format!("buffer b{k} \"b{k}\": {kind}[{LEN}]\n");
            }
            text += &format!(
                "fn f0 \"go\"() {{
                   $from: i32 = const i32 0
                   $to: i32 = const i32 75
                   $zero: F = const F 0.0
                   vector for $j = $from to $to step 1 {{
                     $x: F = load b0[$j]
                     $minus: F = neg $x
                     {body}
                     store b3[$j], ${sum}
                     append b1, b2, $j if $m{}
                   }}
                 }}",
                MASKS - 1
            );
            let text =
                numbered(&text).replace(": F", &format!(": {float}")).replace("const F", &format!("const {float}"));
            let text = text.replace(": I", &format!(": {int}")).replace("cast I", &format!("cast {int}"));
            let mut program = text::parse(&text).unwrap();
            lanes::lanes(&mut program).unwrap();
            simplify::simplify(&mut program);
            for width in widths() {
                let kernel = compiles(&program, width);
                assert!(kernel.is_ok(), "{float}, {width:?}: {:?}\n{program}", kernel.err());
            }
            let run = |backend: &dyn Backend| {
                let mut all: Buffers = program.buffers.iter().map(|b| Buf::zeros(b.scalar, b.len as usize)).collect();
                (0..LEN).for_each(|k| all[0].set_f64(k, ((k * 31) % 47) as f64 - 5.0));
                backend.compile(&program).unwrap().session(&mut all).unwrap().call(FuncId(0), &[]).unwrap();
                all
            };
            let want = run(&Interp);
            assert!(want[2].get_f64(0).unwrap() > 10.0);
            for backend in BACKENDS {
                for (k, (want, got)) in want.iter().zip(&run(&backend)).enumerate() {
                    assert_eq!(bits(want), bits(got), "b{k} {backend:?}\n{program}");
                }
            }
        }
    }

    /// What kernels do not have stays with Cranelift, and says why.
    #[test]
    fn what_is_refused_says_why() {
        let mut program = program("f32", "i32", 0, 64);
        let f = program.functions[0].body.stmts.iter_mut().find_map(|s| match s {
            Stmt::For(f) => Some(f),
            _ => None,
        });
        let f = f.unwrap();
        let body = std::mem::take(&mut f.body);
        f.vector = false;
        f.body = Block { stmts: body.stmts.into_iter().filter(|s| matches!(s, Stmt::Def { .. })).collect() };
        for width in [Width::W256, Width::W512] {
            assert_eq!(compiles(&program, width).unwrap_err(), "no marked loop");
        }
    }
}
