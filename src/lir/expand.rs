//! Replaces transcendentals by primitive operations, lane by lane and without control flow, so that it works inside marked loops
//! and on vectors alike, and both executions compute the same bits.
//!
//! Methods are the textbook ones: reduction by multiples of ln 2 in two parts (Cody and Waite), the exponent written into the bits;
//! `log` through `s = f/(2 + f)` and a polynomial in `s²` (as in fdlibm). The polynomials are weighted minimax fits made for these
//! intervals (Remez exchange in 50 digits).
//!
//! | | error against the exact value | at the edges |
//! |---|---|---|
//! | `exp` | 2 ulp | `exp(-inf)` is 0, results below the smallest normal are `+0`, overflow gives `inf` |
//! | `expm1` | 2 ulp, relative also near 0 | `-1` at `-inf`, `±0` stays, overflow gives `inf` |
//! | `exprel` | 3 ulp (a quotient of roundings) | 1 at 0, 0 at `-inf`, `inf` where the result overflows (later than `exp` does) |
//! | `log` | 2 ulp, subnormal arguments too | `log(±0)` is `-inf`, of negatives NaN, of `inf` `inf` |
//! | `log1p` | 2 ulp, relative also near 0 | `-inf` at -1, NaN below, `±0` stays |
//!
//! NaN gives NaN everywhere. `flush` becomes a comparison and a choice.

use std::collections::BTreeMap;

use super::{BinOp, Block, CmpOp, Const, Function, Op, Program, Scalar, Stmt, Ty, UnOp, Val};
use crate::lir::verify::is_expanded;

/// Replaces every `flush`, `exp`, `expm1`, `exprel`, `log` and `log1p`, at either level. Constants go to the start of each function.
pub fn expand(program: &mut Program) {
    for function in &mut program.functions {
        one(function);
    }
}

fn one(function: &mut Function) {
    let body = std::mem::take(&mut function.body);
    let mut emit = Emit { types: &mut function.types, entry: Vec::new(), consts: BTreeMap::new() };
    let mut body = emit.block(body);
    let mut stmts = emit.entry;
    stmts.append(&mut body.stmts);
    function.body = Block { stmts };
}

/// The numbers of one float format.
struct Format {
    float: Scalar,
    int: Scalar,
    /// Bits of the mantissa.
    mantissa: i64,
    bias: i64,
    /// `1.5 * 2^mantissa`: adding it rounds to an integer that then stands in the low bits.
    magic: f64,
    log2e: f64,
    /// ln 2 in two parts; the first has few enough bits for its product with an exponent to be exact.
    ln2: [f64; 2],
    /// `(e^r - 1 - r)/r²` on `|r| <= ln(2)/2`, constant term first.
    exp: &'static [f64],
    /// `(log((1+s)/(1-s))/s - 2)/s²` in `s²`, for `(1+s)/(1-s)` from `sqrt(1/2)` to `sqrt(2)`.
    log: &'static [f64],
    /// The largest argument of `exp` with a finite result, and the least with a normal one.
    exp_range: [f64; 2],
    /// Where `expm1` and `exprel` stop looking: both have reached their limits (`inf`, and `-1` after rounding).
    expm1_range: [f64; 2],
    /// `expm1` works on `2^-slack` times its result, so that overflow happens in the last step only.
    slack: i64,
    /// Below it `expm1(x)` is `x` and `exprel(x)` is 1.
    tiny: f64,
    /// The smallest normal number.
    normal: f64,
    /// `sqrt(1/2)`, as bits.
    sqrt_half: i64,
    one: i64,
}

static SINGLE: Format = Format {
    float: Scalar::F32,
    int: Scalar::I32,
    mantissa: 23,
    bias: 127,
    magic: 12_582_912.0,
    log2e: std::f64::consts::LOG2_E,
    ln2: [0.693_145_751_953_125, 1.428_606_820_309_417_2e-6],
    exp: &[
        0.500_000_006_189_543_6,
        0.166_665_429_245_693_36,
        0.041_666_281_840_135_19,
        0.008_366_598_050_677_022,
        0.001_394_647_355_605_635_3,
    ],
    log: &[0.666_666_656_611_196, 0.400_003_327_401_238_86, 0.285_374_226_049_877_3, 0.235_805_298_138_658_35],
    // 0x42b17217 and 0xc2aeac4f
    exp_range: [88.722_831_726_074_22, -87.336_540_222_167_97],
    expm1_range: [96.0, -18.0],
    slack: 16,
    tiny: 2.980_232_238_769_531_3e-8,
    normal: f32::MIN_POSITIVE as f64,
    sqrt_half: 0x3f35_04f3,
    one: 0x3f80_0000,
};

static DOUBLE: Format = Format {
    float: Scalar::F64,
    int: Scalar::I64,
    mantissa: 52,
    bias: 1023,
    magic: 6_755_399_441_055_744.0,
    log2e: std::f64::consts::LOG2_E,
    ln2: [6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10],
    exp: &[
        0.500_000_000_000_000_6,
        0.166_666_666_666_666_86,
        0.041_666_666_666_573_81,
        0.008_333_333_333_314_591,
        0.001_388_888_893_235_930_3,
        0.000_198_412_699_030_634_48,
        0.000_024_801_504_438_179_19,
        2.755_722_790_052_887_3e-6,
        2.762_633_862_227_050_2e-7,
        2.511_449_655_454_012e-8,
    ],
    log: &[
        0.666_666_666_666_673_1,
        0.399_999_999_994_334_3,
        0.285_714_287_390_242_8,
        0.222_221_988_612_563_57,
        0.181_835_515_785_213_78,
        0.153_143_315_941_762_1,
        0.147_935_098_271_815_55,
    ],
    // 0x40862e42fefa39ef and 0xc086232bdd7abcd2
    exp_range: [709.782_712_893_384, -708.396_418_532_264_1],
    expm1_range: [720.0, -40.0],
    slack: 64,
    tiny: 5.551_115_123_125_783e-17,
    normal: f64::MIN_POSITIVE,
    sqrt_half: 0x3fe6_a09e_667f_3bcd,
    one: 0x3ff0_0000_0000_0000,
};

struct Emit<'a> {
    types: &'a mut Vec<Ty>,
    entry: Vec<Stmt>,
    /// Constants of the entry by kind, bits and lanes.
    consts: BTreeMap<(Scalar, u64, u8), Val>,
}

impl Emit<'_> {
    fn block(&mut self, block: Block) -> Block {
        let mut out = Vec::with_capacity(block.stmts.len());
        for stmt in block.stmts {
            match stmt {
                Stmt::Def { val, op: Op::Un(un, a) } if is_expanded(un) => {
                    let ty = self.types.get(val.0 as usize).copied().unwrap_or(Ty::F32);
                    let mut at = At { emit: self, out: &mut out, ty, format: format(ty.scalar), last: val };
                    at.un(un, a);
                }
                Stmt::For(mut f) => {
                    f.body = self.block(f.body);
                    out.push(Stmt::For(f));
                }
                Stmt::If(mut i) => {
                    i.then = self.block(i.then);
                    i.els = self.block(i.els);
                    out.push(Stmt::If(i));
                }
                other => out.push(other),
            }
        }
        Block { stmts: out }
    }

    fn fresh(&mut self, ty: Ty) -> Val {
        self.types.push(ty);
        Val(self.types.len() as u32 - 1)
    }

    fn constant(&mut self, value: Const, lanes: u8) -> Val {
        let (scalar, bits) = value.key();
        if let Some(val) = self.consts.get(&(scalar, bits, lanes)) {
            return *val;
        }
        let op = if lanes == 1 { Op::Const(value) } else { Op::Splat(self.constant(value, 1), lanes) };
        let val = self.fresh(Ty { scalar, lanes });
        self.entry.push(Stmt::Def { val, op });
        self.consts.insert((scalar, bits, lanes), val);
        val
    }
}

fn format(scalar: Scalar) -> &'static Format {
    if scalar == Scalar::F64 { &DOUBLE } else { &SINGLE }
}

/// One operation being replaced.
struct At<'a, 'b> {
    emit: &'a mut Emit<'b>,
    out: &'a mut Vec<Stmt>,
    ty: Ty,
    format: &'static Format,
    /// The value that the replacement defines in the end.
    last: Val,
}

impl At<'_, '_> {
    fn un(&mut self, op: UnOp, x: Val) {
        let result = match op {
            UnOp::Flush => self.flush(x),
            UnOp::Exp => self.exp(x),
            UnOp::Expm1 => self.expm1(x),
            UnOp::Exprel => self.exprel(x),
            UnOp::Log => self.log(x),
            _ => self.log1p(x),
        };
        self.out.push(Stmt::Def { val: self.last, op: result });
    }

    // -- small emitters ------------------------------------------------------------------------------------------------

    fn def(&mut self, scalar: Scalar, op: Op) -> Val {
        let val = self.emit.fresh(self.ty.with(scalar));
        self.out.push(Stmt::Def { val, op });
        val
    }

    fn float(&mut self, op: Op) -> Val {
        self.def(self.format.float, op)
    }

    fn int(&mut self, op: Op) -> Val {
        self.def(self.format.int, op)
    }

    fn num(&mut self, x: f64) -> Val {
        let value = if self.format.float == Scalar::F32 { Const::F32(x as f32) } else { Const::F64(x) };
        self.emit.constant(value, self.ty.lanes)
    }

    fn bits(&mut self, x: i64) -> Val {
        let value = if self.format.int == Scalar::I32 { Const::I32(x as i32) } else { Const::I64(x) };
        self.emit.constant(value, self.ty.lanes)
    }

    fn add(&mut self, a: Val, b: Val) -> Val {
        self.float(Op::Bin(BinOp::Add, a, b))
    }

    fn sub(&mut self, a: Val, b: Val) -> Val {
        self.float(Op::Bin(BinOp::Sub, a, b))
    }

    fn mul(&mut self, a: Val, b: Val) -> Val {
        self.float(Op::Bin(BinOp::Mul, a, b))
    }

    fn fma(&mut self, a: Val, b: Val, c: Val) -> Val {
        self.float(Op::Fma(a, b, c))
    }

    fn cmp(&mut self, op: CmpOp, a: Val, b: Val) -> Val {
        self.def(Scalar::Bool, Op::Cmp(op, a, b))
    }

    fn select(&mut self, mask: Val, a: Val, b: Val) -> Val {
        self.float(Op::Select(mask, a, b))
    }

    fn ibin(&mut self, op: BinOp, a: Val, b: Val) -> Val {
        self.int(Op::Bin(op, a, b))
    }

    fn as_int(&mut self, a: Val) -> Val {
        let int = self.format.int;
        self.int(Op::Bitcast(a, int))
    }

    fn as_float(&mut self, a: Val) -> Val {
        let float = self.format.float;
        self.float(Op::Bitcast(a, float))
    }

    fn poly(&mut self, coefficients: &[f64], x: Val) -> Val {
        let Some((last, rest)) = coefficients.split_last() else { return x };
        let mut p = self.num(*last);
        for c in rest.iter().rev() {
            let c = self.num(*c);
            p = self.fma(p, x, c);
        }
        p
    }

    // -- the functions -------------------------------------------------------------------------------------------------

    fn flush(&mut self, x: Val) -> Op {
        let normal = self.num(self.format.normal);
        let zero = self.num(0.0);
        let abs = self.float(Op::Un(UnOp::Abs, x));
        let small = self.cmp(CmpOp::Lt, abs, normal);
        Op::Select(small, zero, x)
    }

    /// `x = n ln 2 + r`: gives `r` and the integer whose low bits are `n`, already shifted to where exponents stand.
    fn reduce(&mut self, x: Val) -> (Val, Val) {
        let fm = self.format;
        let (log2e, magic) = (self.num(fm.log2e), self.num(fm.magic));
        let shifted = self.fma(x, log2e, magic);
        let n = self.sub(shifted, magic);
        let (hi, lo) = (self.num(-fm.ln2[0]), self.num(-fm.ln2[1]));
        let r = self.fma(n, hi, x);
        let r = self.fma(n, lo, r);
        let bits = self.as_int(shifted);
        let by = self.bits(fm.mantissa);
        let exponent = self.ibin(BinOp::Shl, bits, by);
        (r, exponent)
    }

    /// `e^x`: the polynomial's exponent field is raised by `n`. At the upper end the polynomial is below 1 and at the lower end
    /// above 1, so the field stays legal over the whole range of normal results; outside, choices put in the limits.
    fn exp(&mut self, x: Val) -> Op {
        let fm = self.format;
        let (r, exponent) = self.reduce(x);
        let q = self.poly(fm.exp, r);
        let one = self.num(1.0);
        let p = self.fma(q, r, one);
        let p = self.fma(p, r, one);
        let p = self.as_int(p);
        let scaled = self.ibin(BinOp::Add, p, exponent);
        let y = self.as_float(scaled);
        let (high, low) = (self.num(fm.exp_range[0]), self.num(fm.exp_range[1]));
        let (inf, zero) = (self.num(f64::INFINITY), self.num(0.0));
        let over = self.cmp(CmpOp::Gt, x, high);
        let y = self.select(over, inf, y);
        // 0 for a small argument and NaN for NaN, which alone fail the comparison.
        let rest = self.float(Op::Bin(BinOp::Max, x, zero));
        let within = self.cmp(CmpOp::Ge, x, low);
        Op::Select(within, y, rest)
    }

    /// `x` kept inside the range where the scaled `expm1` can be computed (NaN stays NaN), and `2^-slack (e^x - 1)`.
    fn scaled_expm1(&mut self, x: Val) -> (Val, Val) {
        let fm = self.format;
        let (high, low) = (self.num(fm.expm1_range[0]), self.num(fm.expm1_range[1]));
        let capped = self.float(Op::Bin(BinOp::Min, x, high));
        let clamped = self.float(Op::Bin(BinOp::Max, capped, low));
        let (r, exponent) = self.reduce(clamped);
        let q = self.poly(fm.exp, r);
        let square = self.mul(r, r);
        let m = self.fma(square, q, r);
        let base = self.bits((fm.bias - fm.slack) << fm.mantissa);
        let h = self.ibin(BinOp::Add, exponent, base);
        let h = self.as_float(h);
        let unit = self.num(2f64.powi(-(fm.slack as i32)));
        let rest = self.sub(h, unit);
        let e = self.fma(h, m, rest);
        (capped, e)
    }

    fn is_tiny(&mut self, x: Val) -> Val {
        let tiny = self.num(self.format.tiny);
        let abs = self.float(Op::Un(UnOp::Abs, x));
        self.cmp(CmpOp::Lt, abs, tiny)
    }

    fn expm1(&mut self, x: Val) -> Op {
        let (_, e) = self.scaled_expm1(x);
        let up = self.num(2f64.powi(self.format.slack as i32));
        let y = self.mul(e, up);
        let tiny = self.is_tiny(x);
        Op::Select(tiny, x, y)
    }

    fn exprel(&mut self, x: Val) -> Op {
        let (capped, e) = self.scaled_expm1(x);
        let down = self.num(2f64.powi(-(self.format.slack as i32)));
        let d = self.mul(capped, down);
        let y = self.float(Op::Bin(BinOp::Div, e, d));
        let one = self.num(1.0);
        let tiny = self.is_tiny(x);
        Op::Select(tiny, one, y)
    }

    /// Of a positive normal number `m 2^e` with `m` from `sqrt(1/2)` to `sqrt(2)`: `e` and `m - 1`.
    fn split(&mut self, x: Val) -> (Val, Val) {
        let fm = self.format;
        let ix = self.as_int(x);
        let offset = self.bits(fm.one - fm.sqrt_half);
        let t = self.ibin(BinOp::Add, ix, offset);
        let by = self.bits(fm.mantissa);
        let biased = self.ibin(BinOp::Shr, t, by);
        // The biased exponent in the low bits of 2^mantissa: an exact conversion without a conversion instruction.
        let carrier = self.bits((fm.bias + fm.mantissa) << fm.mantissa);
        let e = self.ibin(BinOp::Or, biased, carrier);
        let e = self.as_float(e);
        let off = self.num(2f64.powi(fm.mantissa as i32) + fm.bias as f64);
        let e = self.sub(e, off);
        let mask = self.bits((1 << fm.mantissa) - 1);
        let m = self.ibin(BinOp::And, t, mask);
        let base = self.bits(fm.sqrt_half);
        let m = self.ibin(BinOp::Add, m, base);
        let m = self.as_float(m);
        let one = self.num(1.0);
        let f = self.sub(m, one);
        (e, f)
    }

    /// `e ln 2 + log(1 + f) + c`, where `c` is far below the rest.
    fn log_of(&mut self, e: Val, f: Val, c: Option<Val>) -> Val {
        let fm = self.format;
        let two = self.num(2.0);
        let d = self.add(f, two);
        let s = self.float(Op::Bin(BinOp::Div, f, d));
        let z = self.mul(s, s);
        let p = self.poly(fm.log, z);
        let half = self.num(0.5);
        let hf = self.mul(f, half);
        let hfsq = self.mul(hf, f);
        let t = self.fma(z, p, hfsq);
        let (hi, lo) = (self.num(fm.ln2_log()[0]), self.num(fm.ln2_log()[1]));
        let low = match c {
            Some(c) => self.fma(e, lo, c),
            None => self.mul(e, lo),
        };
        let t = self.fma(s, t, low);
        let t = self.sub(hfsq, t);
        let t = self.sub(t, f);
        let t = self.float(Op::Un(UnOp::Neg, t));
        self.fma(e, hi, t)
    }

    /// The limits of a logarithm whose argument is `u`: `y` inside; `other` for `inf` and NaN; `-inf` at 0; NaN below.
    fn log_limits(&mut self, u: Val, y: Val, other: Val) -> Op {
        let (inf, zero) = (self.num(f64::INFINITY), self.num(0.0));
        let (minus_inf, nan) = (self.num(f64::NEG_INFINITY), self.num(f64::NAN));
        let finite = self.cmp(CmpOp::Lt, u, inf);
        let y = self.select(finite, y, other);
        let negative = self.cmp(CmpOp::Lt, u, zero);
        let y = self.select(negative, nan, y);
        let at_zero = self.cmp(CmpOp::Eq, u, zero);
        Op::Select(at_zero, minus_inf, y)
    }

    fn log(&mut self, x: Val) -> Op {
        let fm = self.format;
        let normal = self.num(fm.normal);
        let up = self.num(2f64.powi(fm.mantissa as i32 + 1));
        let zero = self.num(0.0);
        let by = self.num((fm.mantissa + 1) as f64);
        let subnormal = self.cmp(CmpOp::Lt, x, normal);
        let raised = self.mul(x, up);
        let u = self.select(subnormal, raised, x);
        let (e, f) = self.split(u);
        let less = self.select(subnormal, by, zero);
        let e = self.sub(e, less);
        let y = self.log_of(e, f, None);
        self.log_limits(x, y, x)
    }

    fn log1p(&mut self, x: Val) -> Op {
        let one = self.num(1.0);
        let zero = self.num(0.0);
        let u = self.add(one, x);
        // What the sum lost, exactly (Knuth's two-sum), relative to u.
        let b = self.sub(u, x);
        let lost_one = self.sub(one, b);
        let a = self.sub(u, b);
        let lost_x = self.sub(x, a);
        let lost = self.add(lost_one, lost_x);
        let c = self.float(Op::Bin(BinOp::Div, lost, u));
        let (e, f) = self.split(u);
        // Near 0 the argument itself is the better f, and e is 0.
        let (low, high) = (self.num(-0.29), self.num(0.41));
        let above = self.cmp(CmpOp::Gt, x, low);
        let below = self.cmp(CmpOp::Lt, x, high);
        let near = self.def(Scalar::Bool, Op::Bin(BinOp::And, above, below));
        let f = self.select(near, x, f);
        let c = self.select(near, zero, c);
        let y = self.log_of(e, f, Some(c));
        let is_zero = self.cmp(CmpOp::Eq, x, zero);
        let y = self.select(is_zero, x, y);
        self.log_limits(u, y, x)
    }
}

impl Format {
    /// ln 2 in two parts for logarithms: exponents there are multiplied, not subtracted, so the first part may have more bits.
    fn ln2_log(&self) -> [f64; 2] {
        if self.float == Scalar::F32 { [0.693_138_122_558_593_8, 9.058_000_614_459_16e-6] } else { self.ln2 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::interp::Interp;
    use crate::backend::{Backend, Buf};
    use crate::lir::verify::{Level, verify};
    use crate::lir::{FuncId, lanes, text};

    fn program(op: &str, kind: &str, n: usize) -> Program {
        text::parse(&format!(
            "buffer b0 \"x\": {kind}[{n}]
             buffer b1 \"y\": {kind}[{n}]
             fn f0 \"go\"() {{
               v0: i32 = const i32 0
               v1: i32 = const i32 {n}
               vector for v2 = v0 to v1 step 1 {{
                 v3: {kind} = load b0[v2]
                 v4: {kind} = {op} v3
                 store b1[v2], v4
               }}
             }}"
        ))
        .unwrap()
    }

    fn call(program: &Program, x: &Buf) -> Buf {
        let mut buffers = vec![x.clone(), Buf::zeros(x.scalar(), x.len())];
        let kernels = Interp.compile(program).unwrap();
        kernels.session(&mut buffers).unwrap().call(FuncId(0), &[]).unwrap();
        buffers.pop().unwrap()
    }

    fn bits(buf: &Buf) -> Vec<u64> {
        match buf {
            Buf::F32(v) => v.iter().map(|x| if x.is_nan() { 1 } else { u64::from(x.to_bits()) }).collect(),
            Buf::F64(v) => v.iter().map(|x| if x.is_nan() { 1 } else { x.to_bits() }).collect(),
            _ => Vec::new(),
        }
    }

    /// Runs the operation on every input: as elements, as lanes expanded before, as lanes expanded after. All agree.
    fn run(op: &str, kind: &str, x: Buf) -> Buf {
        let element = program(op, kind, x.len());
        verify(&element, Level::Element).unwrap();
        let (mut first, mut last) = (element.clone(), element.clone());
        expand(&mut first);
        verify(&first, Level::Element).unwrap();
        lanes::lanes(&mut first).unwrap();
        lanes::lanes(&mut last).unwrap();
        expand(&mut last);
        for lane in [&first, &last] {
            verify(lane, Level::Lane).unwrap();
        }
        let y = call(&element, &x);
        assert_eq!(bits(&y), bits(&call(&first, &x)));
        assert_eq!(bits(&y), bits(&call(&last, &x)));
        y
    }

    fn exprel(x: f64) -> f64 {
        if x == 0.0 {
            1.0
        } else if x == f64::INFINITY {
            x
        } else if x > 700.0 {
            // e^x alone would overflow.
            libm::exp(x / 2.0) / x * libm::exp(x / 2.0)
        } else {
            libm::expm1(x) / x
        }
    }

    fn reference(op: &str) -> fn(f64) -> f64 {
        match op {
            "exp" => libm::exp,
            "expm1" => libm::expm1,
            "exprel" => exprel,
            "log" => libm::log,
            "log1p" => libm::log1p,
            _ => unreachable!(),
        }
    }

    /// Inputs at which something changes, their neighbours, and many in between, of every magnitude and both signs.
    fn inputs(single: bool) -> Vec<f64> {
        let mut x =
            vec![0.0, 1.0, 0.5, 2.0, std::f64::consts::LN_2, f64::INFINITY, f64::NAN, 0.29, 0.41, 0.2929, 0.4142];
        x.extend([87.336_54, 88.722_83, 88.722_84, 93.0, 95.9, 96.1, 103.0, 103.98, 104.0, 1e10, 1e30, 1e38]);
        x.extend([
            708.39,
            708.396_418_532_264_1,
            709.78,
            709.782_712_893_384,
            709.79,
            716.0,
            719.9,
            720.1,
            745.0,
            746.0,
        ]);
        x.extend([
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
            1e-310,
            f64::from(f32::MAX),
            f64::from(f32::MIN_POSITIVE),
            1e-40,
        ]);
        x.extend([
            1.4e-45,
            1e-45,
            2.98e-8,
            5.55e-17,
            1.0 - 1e-7,
            1.0 + 1e-7,
            1.0 - 1e-16,
            1.0 + 1e-15,
            0.707,
            1.4143,
            1e300,
        ]);
        for k in 0..13_000 {
            x.push(f64::from(k) * 0.009);
        }
        for k in 0..8_000 {
            x.push(f64::from(k) * 0.0925);
        }
        let (span, points) = if single { (45.0, 5_000) } else { (320.0, 5_000) };
        for k in -points..points {
            x.push(libm::pow(10.0, f64::from(k) * span / f64::from(points)));
        }
        for k in 0..9_000 {
            x.push(0.6 + f64::from(k) * 1e-4);
        }
        let mut all = Vec::new();
        for x in x {
            if single {
                let x = x as f32;
                all.extend([x, x.next_up(), x.next_down()].map(f64::from));
            } else {
                all.extend([x, x.next_up(), x.next_down()]);
            }
        }
        let minus: Vec<f64> = all.iter().map(|x| -x).collect();
        all.extend(minus);
        all.resize(all.len().next_multiple_of(crate::lir::PAD as usize), 0.0);
        all
    }

    /// The largest error in units of the last place of the wanted result; infinite where a special value is wrong.
    fn worst(op: &str, x: &[f64], y: &Buf) -> (f64, f64) {
        let single = y.scalar() == Scalar::F32;
        let f = reference(op);
        let mut worst = (0.0, 0.0);
        for (k, x) in x.iter().enumerate() {
            let got = y.get_f64(k).unwrap();
            let want = f(*x);
            let (normal, ulp) = if single {
                let w = want.abs() as f32;
                (f64::from(f32::MIN_POSITIVE), f64::from(w.next_up()) - f64::from(w))
            } else {
                (f64::MIN_POSITIVE, want.abs().next_up() - want.abs())
            };
            let rounded = if single { f64::from(want as f32) } else { want };
            let error = if rounded.is_nan() || rounded.is_infinite() || want == 0.0 {
                let same = got == rounded || (got.is_nan() && want.is_nan());
                if same { 0.0 } else { f64::INFINITY }
            } else if want.abs() < normal && op == "exp" {
                // A result below the smallest normal is 0; libm's own rounding may put its at the border.
                if got == 0.0 || got == normal { 0.0 } else { f64::INFINITY }
            } else {
                (got - want).abs() / ulp
            };
            // NaN compares false, and a NaN error must not pass for a small one.
            if error.is_nan() || error > worst.0 {
                worst = (if error.is_nan() { f64::INFINITY } else { error }, *x);
            }
        }
        worst
    }

    #[test]
    fn f32_within_two_ulp() {
        let x = inputs(true);
        for (op, limit) in [("exp", 2.0), ("expm1", 2.0), ("exprel", 3.0), ("log", 2.0), ("log1p", 2.0)] {
            let y = run(op, "f32", Buf::F32(x.iter().map(|x| *x as f32).collect()));
            let (error, at) = worst(op, &x, &y);
            assert!(error <= limit, "{op}: {error} ulp at {at:e}");
        }
    }

    #[test]
    fn f64_within_two_ulp_of_the_exact_value() {
        let x = inputs(false);
        // The reference itself is off by up to 1 ulp, the one of exprel by more near overflow.
        for (op, limit) in [("exp", 3.0), ("expm1", 3.0), ("exprel", 5.0), ("log", 3.0), ("log1p", 3.0)] {
            let y = run(op, "f64", Buf::F64(x.clone()));
            let (error, at) = worst(op, &x, &y);
            assert!(error <= limit, "{op}: {error} ulp at {at:e}");
        }
    }

    #[test]
    fn exact_points() {
        let at = |op: &str, x: f64| {
            let single = run(op, "f32", Buf::F32(vec![x as f32; 16])).get_f64(3).unwrap();
            let double = run(op, "f64", Buf::F64(vec![x; 16])).get_f64(3).unwrap();
            assert_eq!((single.to_bits(), single.is_nan()), (double.to_bits(), double.is_nan()), "{op}({x})");
            double
        };
        assert_eq!(at("exp", 0.0).to_bits(), 1f64.to_bits());
        assert_eq!(at("exp", -0.0).to_bits(), 1f64.to_bits());
        assert_eq!(at("exp", f64::NEG_INFINITY).to_bits(), 0);
        assert_eq!(at("exp", f64::INFINITY), f64::INFINITY);
        assert_eq!(at("expm1", -0.0).to_bits(), (-0f64).to_bits());
        assert_eq!(at("expm1", f64::NEG_INFINITY), -1.0);
        assert_eq!(at("exprel", 0.0), 1.0);
        assert_eq!(at("exprel", f64::NEG_INFINITY), 0.0);
        assert_eq!(at("exprel", f64::INFINITY), f64::INFINITY);
        assert_eq!(at("log", 1.0).to_bits(), 0);
        assert_eq!(at("log", -0.0), f64::NEG_INFINITY);
        assert_eq!(at("log1p", -0.0).to_bits(), (-0f64).to_bits());
        assert_eq!(at("log1p", -1.0), f64::NEG_INFINITY);
    }

    #[test]
    fn flush_keeps_normals_and_nan() {
        let tiny = f32::MIN_POSITIVE;
        let x = vec![tiny, -tiny, tiny.next_down(), -tiny.next_down(), -0.0, f32::INFINITY, f32::NAN, 1.5];
        let Buf::F32(y) = run("flush", "f32", Buf::F32(x)) else { unreachable!() };
        assert_eq!(
            y[..6].iter().map(|y| y.to_bits()).collect::<Vec<_>>(),
            [tiny, -tiny, 0.0, 0.0, 0.0, f32::INFINITY].map(f32::to_bits)
        );
        assert!(y[6].is_nan());
        assert_eq!(y[7], 1.5);
    }
}
