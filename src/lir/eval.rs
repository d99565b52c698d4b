//! What each operation does to one lane. The interpreter runs these functions and constant folding calls them, so a folded
//! constant is bit for bit what execution would give.
//!
//! A lane is a `u64` of bits: a float's bits, an integer's two's complement, zero-extended from its width; a truth value is 0 or 1.

use super::{BinOp, CmpOp, Const, Scalar, UnOp};

fn f32_of(bits: u64) -> f32 {
    f32::from_bits(bits as u32)
}

fn f64_of(bits: u64) -> f64 {
    f64::from_bits(bits)
}

fn i32_of(bits: u64) -> i32 {
    bits as u32 as i32
}

fn i64_of(bits: u64) -> i64 {
    bits as i64
}

fn of_f32(x: f32) -> u64 {
    u64::from(x.to_bits())
}

fn of_i32(x: i32) -> u64 {
    u64::from(x as u32)
}

/// The bits of a constant.
pub(crate) fn of_const(value: Const) -> u64 {
    value.key().1
}

/// The constant of a kind with these bits.
pub(crate) fn to_const(scalar: Scalar, bits: u64) -> Const {
    match scalar {
        Scalar::F32 => Const::F32(f32_of(bits)),
        Scalar::F64 => Const::F64(f64_of(bits)),
        Scalar::I32 => Const::I32(i32_of(bits)),
        Scalar::I64 => Const::I64(i64_of(bits)),
        Scalar::Bool => Const::Bool(bits != 0),
    }
}

/// A unary operation; `None` for the transcendentals, whose meaning is their expansion, and for combinations that the
/// contract does not allow.
#[inline]
pub(crate) fn un(op: UnOp, scalar: Scalar, a: u64) -> Option<u64> {
    Some(match scalar {
        Scalar::F32 => {
            let x = f32_of(a);
            match op {
                UnOp::Neg => a ^ 0x8000_0000,
                UnOp::Abs => a & 0x7fff_ffff,
                UnOp::Sqrt => of_f32(x.sqrt()),
                UnOp::Floor => of_f32(x.floor()),
                UnOp::Ceil => of_f32(x.ceil()),
                UnOp::Trunc => of_f32(x.trunc()),
                UnOp::Nearest => of_f32(x.round_ties_even()),
                UnOp::Flush => {
                    if x.abs() < f32::MIN_POSITIVE {
                        0
                    } else {
                        a
                    }
                }
                UnOp::Not | UnOp::Exp | UnOp::Expm1 | UnOp::Exprel | UnOp::Log | UnOp::Log1p => return None,
            }
        }
        Scalar::F64 => {
            let x = f64_of(a);
            match op {
                UnOp::Neg => a ^ (1 << 63),
                UnOp::Abs => a & !(1 << 63),
                UnOp::Sqrt => x.sqrt().to_bits(),
                UnOp::Floor => x.floor().to_bits(),
                UnOp::Ceil => x.ceil().to_bits(),
                UnOp::Trunc => x.trunc().to_bits(),
                UnOp::Nearest => x.round_ties_even().to_bits(),
                UnOp::Flush => {
                    if x.abs() < f64::MIN_POSITIVE {
                        0
                    } else {
                        a
                    }
                }
                UnOp::Not | UnOp::Exp | UnOp::Expm1 | UnOp::Exprel | UnOp::Log | UnOp::Log1p => return None,
            }
        }
        Scalar::I32 => match op {
            UnOp::Neg => of_i32(i32_of(a).wrapping_neg()),
            UnOp::Abs => of_i32(i32_of(a).wrapping_abs()),
            UnOp::Not => of_i32(!i32_of(a)),
            _ => return None,
        },
        Scalar::I64 => match op {
            UnOp::Neg => i64_of(a).wrapping_neg() as u64,
            UnOp::Abs => i64_of(a).wrapping_abs() as u64,
            UnOp::Not => !a,
            _ => return None,
        },
        Scalar::Bool => match op {
            UnOp::Not => a ^ 1,
            _ => return None,
        },
    })
}

/// A binary operation; `None` for combinations that the contract does not allow.
#[inline]
pub(crate) fn bin(op: BinOp, scalar: Scalar, a: u64, b: u64) -> Option<u64> {
    Some(match scalar {
        Scalar::F32 => {
            let (x, y) = (f32_of(a), f32_of(b));
            match op {
                BinOp::Add => of_f32(x + y),
                BinOp::Sub => of_f32(x - y),
                BinOp::Mul => of_f32(x * y),
                BinOp::Div => of_f32(x / y),
                BinOp::Min => {
                    if y < x {
                        b
                    } else {
                        a
                    }
                }
                BinOp::Max => {
                    if x < y {
                        b
                    } else {
                        a
                    }
                }
                _ => return None,
            }
        }
        Scalar::F64 => {
            let (x, y) = (f64_of(a), f64_of(b));
            match op {
                BinOp::Add => (x + y).to_bits(),
                BinOp::Sub => (x - y).to_bits(),
                BinOp::Mul => (x * y).to_bits(),
                BinOp::Div => (x / y).to_bits(),
                BinOp::Min => {
                    if y < x {
                        b
                    } else {
                        a
                    }
                }
                BinOp::Max => {
                    if x < y {
                        b
                    } else {
                        a
                    }
                }
                _ => return None,
            }
        }
        Scalar::I32 => {
            let (x, y) = (i32_of(a), i32_of(b));
            of_i32(match op {
                BinOp::Add => x.wrapping_add(y),
                BinOp::Sub => x.wrapping_sub(y),
                BinOp::Mul => x.wrapping_mul(y),
                BinOp::Div => return None,
                BinOp::Min => x.min(y),
                BinOp::Max => x.max(y),
                BinOp::And => x & y,
                BinOp::Or => x | y,
                BinOp::Xor => x ^ y,
                BinOp::Shl => x.wrapping_shl(y as u32),
                BinOp::Sar => x.wrapping_shr(y as u32),
                BinOp::Shr => (x as u32).wrapping_shr(y as u32) as i32,
                BinOp::Mod => {
                    if y == 0 {
                        0
                    } else {
                        let r = x.wrapping_rem(y);
                        if r != 0 && (r < 0) != (y < 0) { r.wrapping_add(y) } else { r }
                    }
                }
                BinOp::FloorDiv => {
                    if y == 0 {
                        0
                    } else {
                        let q = x.wrapping_div(y);
                        let r = x.wrapping_rem(y);
                        if r != 0 && (r < 0) != (y < 0) { q.wrapping_sub(1) } else { q }
                    }
                }
            })
        }
        Scalar::I64 => {
            let (x, y) = (i64_of(a), i64_of(b));
            let r = match op {
                BinOp::Add => x.wrapping_add(y),
                BinOp::Sub => x.wrapping_sub(y),
                BinOp::Mul => x.wrapping_mul(y),
                BinOp::Div => return None,
                BinOp::Min => x.min(y),
                BinOp::Max => x.max(y),
                BinOp::And => x & y,
                BinOp::Or => x | y,
                BinOp::Xor => x ^ y,
                BinOp::Shl => x.wrapping_shl(y as u32),
                BinOp::Sar => x.wrapping_shr(y as u32),
                BinOp::Shr => (x as u64).wrapping_shr(y as u32) as i64,
                BinOp::Mod => {
                    if y == 0 {
                        0
                    } else {
                        let r = x.wrapping_rem(y);
                        if r != 0 && (r < 0) != (y < 0) { r.wrapping_add(y) } else { r }
                    }
                }
                BinOp::FloorDiv => {
                    if y == 0 {
                        0
                    } else {
                        let q = x.wrapping_div(y);
                        let r = x.wrapping_rem(y);
                        if r != 0 && (r < 0) != (y < 0) { q.wrapping_sub(1) } else { q }
                    }
                }
            };
            r as u64
        }
        Scalar::Bool => match op {
            BinOp::And => a & b,
            BinOp::Or => a | b,
            BinOp::Xor => a ^ b,
            _ => return None,
        },
    })
}

/// `a*b + c`, rounded once; `None` for anything but floats.
#[inline]
pub(crate) fn fma(scalar: Scalar, a: u64, b: u64, c: u64) -> Option<u64> {
    match scalar {
        Scalar::F32 => Some(of_f32(f32_of(a).mul_add(f32_of(b), f32_of(c)))),
        Scalar::F64 => Some(f64_of(a).mul_add(f64_of(b), f64_of(c)).to_bits()),
        _ => None,
    }
}

/// A comparison.
#[inline]
pub(crate) fn cmp(op: CmpOp, scalar: Scalar, a: u64, b: u64) -> bool {
    fn by<T: PartialOrd>(op: CmpOp, a: T, b: T) -> bool {
        match op {
            CmpOp::Eq => a == b,
            CmpOp::Ne => a != b,
            CmpOp::Lt => a < b,
            CmpOp::Le => a <= b,
            CmpOp::Gt => a > b,
            CmpOp::Ge => a >= b,
        }
    }
    match scalar {
        Scalar::F32 => by(op, f32_of(a), f32_of(b)),
        Scalar::F64 => by(op, f64_of(a), f64_of(b)),
        Scalar::I32 => by(op, i32_of(a), i32_of(b)),
        Scalar::I64 => by(op, i64_of(a), i64_of(b)),
        Scalar::Bool => by(op, a, b),
    }
}

/// A conversion; `None` for the ones that the contract does not allow.
#[inline]
pub(crate) fn cast(from: Scalar, to: Scalar, a: u64) -> Option<u64> {
    use Scalar::{Bool, F32, F64, I32, I64};
    Some(match (from, to) {
        (F32, F64) => f64::from(f32_of(a)).to_bits(),
        (F64, F32) => of_f32(f64_of(a) as f32),
        (I32, F32) => of_f32(i32_of(a) as f32),
        (I32, F64) => f64::from(i32_of(a)).to_bits(),
        (I64, F32) => of_f32(i64_of(a) as f32),
        (I64, F64) => (i64_of(a) as f64).to_bits(),
        // Rust's `as` truncates, saturates and sends NaN to 0.
        (F32, I32) => of_i32(f32_of(a) as i32),
        (F32, I64) => (f32_of(a) as i64) as u64,
        (F64, I32) => of_i32(f64_of(a) as i32),
        (F64, I64) => (f64_of(a) as i64) as u64,
        (I32, I64) => i64::from(i32_of(a)) as u64,
        (I64, I32) => of_i32(i64_of(a) as i32),
        (Bool, I32 | I64) => a,
        (x, y) if x == y => a,
        _ => return None,
    })
}
