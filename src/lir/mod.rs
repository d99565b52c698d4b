//! The loop IR: small structured programs over flat, typed buffers. Everything that a time step does is one
//! [`Program`]; the interpreter defines its meaning and the JIT must agree with it bit for bit.
//!
//! # Contract
//!
//! * A program declares [`Buffer`]s (flat arrays that live outside) and [`Function`]s (entry points). A function takes
//!   `i32` arguments, returns nothing, and works by side effect on buffers, in the written order.
//! * Values are in static single assignment form: each [`Val`] is defined once, by a [`Stmt::Def`], as a parameter, as
//!   a loop variable, or as a result of [`Stmt::For`] or [`Stmt::If`]; definitions dominate uses; a value defined inside a
//!   block is not visible outside it.
//! * A [`Ty`] is a scalar kind and a number of lanes. Legal vectors are 4 lanes of `f32` or `i32`, 2 lanes of `f64` or
//!   `i64`, and masks (`bool`) of 4 or 2 lanes. A mask of 4 lanes belongs to 32-bit data, one of 2 lanes to 64-bit data.
//! * Floating point is exactly IEEE 754 with round to nearest even: nothing is contracted, reassociated or flushed
//!   unless an operation says so. `fma` rounds once. All NaNs compare equal for the purpose of "the same result": their
//!   payloads and signs are not defined.
//! * Integer arithmetic wraps. Shifts take the amount modulo the width, lane by lane; in what [`expand`] and [`lanes`] make, the amount of a vector
//!   shift is nearly always a splatted constant, which back ends should recognise.
//! * Two levels. *Element level*: no vectors, except that a [`Stmt::For`] may be marked `vector`: its iterations are
//!   independent and may run several at a time; [`Stmt::Append`] may occur; [`UnOp::Exp`] and friends may occur.
//!   *Lane level* (after [`expand`] and [`lanes`]): no transcendental [`UnOp`]s (and no [`UnOp::Flush`]); this is what back ends take. There a
//!   marked loop does one vector an iteration: its step is the number of lanes, its iterations are independent but for the order of appends, so
//!   a back end may run several at once; [`Stmt::Append`] takes a mask there.
//! * Every buffer that a marked loop touches with the loop variable as index has room for the trip count rounded up to a
//!   multiple of [`PAD`] elements, counted from the loop's first index: rounding the trip count up is always allowed.
//!   In the iterations past the end, accesses at the loop variable plus an invariant happen; at other varying indices loads read element 0 instead, stores
//!   and appends do nothing.
//! * Every index is inside its buffer in every execution. The interpreter checks it; compiled code relies on it.

pub mod access;
pub mod build;
pub(crate) mod eval;
pub mod expand;
pub mod lanes;
pub mod simplify;
pub mod text;
pub mod verify;
mod walk;

use std::fmt;

/// Buffers indexed by elements are padded to a multiple of this many elements.
pub const PAD: u64 = 16;

/// The kind of one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scalar {
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// 32-bit integer, two's complement.
    I32,
    /// 64-bit integer, two's complement.
    I64,
    /// A truth value; never stored in a buffer.
    Bool,
}

impl Scalar {
    /// Whether it is a float.
    #[must_use]
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }

    /// Whether it is an integer.
    #[must_use]
    pub fn is_int(self) -> bool {
        matches!(self, Self::I32 | Self::I64)
    }

    /// Bytes of one element in a buffer (0 for [`Scalar::Bool`]).
    #[must_use]
    pub fn bytes(self) -> u64 {
        match self {
            Self::F32 | Self::I32 => 4,
            Self::F64 | Self::I64 => 8,
            Self::Bool => 0,
        }
    }
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ty {
    /// The kind of each lane.
    pub scalar: Scalar,
    /// 1, 2 or 4.
    pub lanes: u8,
}

impl Ty {
    /// One `f32`.
    pub const F32: Self = Self::one(Scalar::F32);
    /// One `f64`.
    pub const F64: Self = Self::one(Scalar::F64);
    /// One `i32`.
    pub const I32: Self = Self::one(Scalar::I32);
    /// One `i64`.
    pub const I64: Self = Self::one(Scalar::I64);
    /// One truth value.
    pub const BOOL: Self = Self::one(Scalar::Bool);

    /// A single lane.
    #[must_use]
    pub const fn one(scalar: Scalar) -> Self {
        Self { scalar, lanes: 1 }
    }

    /// The same lanes of another kind.
    #[must_use]
    pub const fn with(self, scalar: Scalar) -> Self {
        Self { scalar, lanes: self.lanes }
    }
}

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.scalar {
            Scalar::F32 => "f32",
            Scalar::F64 => "f64",
            Scalar::I32 => "i32",
            Scalar::I64 => "i64",
            Scalar::Bool => "bool",
        };
        if self.lanes == 1 { f.write_str(name) } else { write!(f, "{name}x{}", self.lanes) }
    }
}

/// A value of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Val(pub u32);

/// A buffer of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BufId(pub u32);

/// A function of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FuncId(pub u32);

impl fmt::Display for Val {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl fmt::Display for BufId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b{}", self.0)
    }
}

/// Buffers and functions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Program {
    /// The buffers, by [`BufId`].
    pub buffers: Vec<Buffer>,
    /// The functions, by [`FuncId`].
    pub functions: Vec<Function>,
}

/// A flat array that lives outside the program.
#[derive(Debug, Clone, PartialEq)]
pub struct Buffer {
    /// A name for people, such as `E.v`: no white space or quotes; unique in the program.
    pub name: String,
    /// What it holds; never [`Scalar::Bool`].
    pub scalar: Scalar,
    /// The least number of elements it has whenever a function is called.
    pub len: u64,
}

/// An entry point.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// Its name; unique in the program.
    pub name: String,
    /// Its parameters, all [`Ty::I32`].
    pub params: Vec<Val>,
    /// The type of each value, by [`Val`].
    pub types: Vec<Ty>,
    /// What it does.
    pub body: Block,
}

/// Statements in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Block {
    /// The statements.
    pub stmts: Vec<Stmt>,
}

/// A statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Stmt {
    /// `val = op`
    Def {
        /// The value defined.
        val: Val,
        /// How.
        op: Op,
    },
    /// `buf[index ..] = value`: as many consecutive elements as the value has lanes.
    Store {
        /// Where.
        buf: BufId,
        /// The first element; one `i32` or `i64`.
        index: Val,
        /// What; its scalar is the buffer's.
        value: Val,
    },
    /// `buf[index[lane]] = value[lane]`, lanes in ascending order (the last wins). `value` is a vector; `index` is `i32` of 4 lanes, or `i64` of 2 lanes, as
    /// for [`Op::Gather`].
    Scatter {
        /// Where.
        buf: BufId,
        /// The elements.
        index: Val,
        /// What.
        value: Val,
    },
    /// `if cond { list[count[0]] = value; count[0] += 1 }`. In a marked loop the order is that of the iterations. At lane level `cond` is a mask, and
    /// lane `n`, in ascending order, appends `value + n`.
    Append {
        /// Whether to append; one `bool`, or a mask.
        cond: Val,
        /// The list, of `i32`.
        list: BufId,
        /// One `i32`: the number of elements in the list.
        count: BufId,
        /// What is appended; one `i32`.
        value: Val,
    },
    /// `for k in first..end { for j in at..at+len { to[j] += from[rows[k]*stride + j] } }`, in this order: rows of a matrix, or the same part of
    /// each, are added to a vector. Back ends call one precompiled function that uses the widest vectors of the machine, and write out short
    /// parts (at most [`PAD`] elements).
    AddRows(AddRows),
    /// A counted loop: `for var = from; var < to; var += step`. `var`, `from` and `to` are `i32`.
    For(Box<For>),
    /// A choice.
    If(Box<If>),
}

/// See [`Stmt::AddRows`]. The three buffers differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddRows {
    /// The vector, of floats.
    pub to: BufId,
    /// The matrix, of the same floats.
    pub from: BufId,
    /// The list of row numbers, of `i32`.
    pub rows: BufId,
    /// The first entry of the list; one `i32`.
    pub first: Val,
    /// One past the last entry; one `i32`.
    pub end: Val,
    /// Where the part of the rows begins; one `i32`.
    pub at: Val,
    /// Distance between rows.
    pub stride: u32,
    /// Elements of a row.
    pub len: u32,
}

/// See [`Stmt::For`]. With carried values: `params` start as `inits`; after each iteration they take the values of `next`; `results` are their last values.
#[derive(Debug, Clone, PartialEq)]
pub struct For {
    /// The loop variable, `i32`, visible in the body.
    pub var: Val,
    /// The first value.
    pub from: Val,
    /// One past the last value.
    pub to: Val,
    /// The increment, at least 1.
    pub step: u32,
    /// The iterations are independent: they may run several lanes at a time, and past `to` up to a multiple of [`PAD`]. Such a loop has
    /// step 1, no carried values, no inner `For` or `If`, stores only at varying indices, and loads what it stores only at the same index. At lane level its
    /// step is the number of lanes of its vectors, and it runs past `to` only to the end of the last vector.
    pub vector: bool,
    /// Values carried from one iteration to the next, visible in the body.
    pub params: Vec<Val>,
    /// Their first values.
    pub inits: Vec<Val>,
    /// The body.
    pub body: Block,
    /// Their next values, defined in the body or outside.
    pub next: Vec<Val>,
    /// Their last values, visible after the loop.
    pub results: Vec<Val>,
}

/// See [`Stmt::If`].
#[derive(Debug, Clone, PartialEq)]
pub struct If {
    /// One `bool`.
    pub cond: Val,
    /// If true.
    pub then: Block,
    /// The results if true.
    pub then_vals: Vec<Val>,
    /// If false.
    pub els: Block,
    /// The results if false.
    pub else_vals: Vec<Val>,
    /// Visible after the choice.
    pub results: Vec<Val>,
}

/// A constant. Floats are compared by bits.
#[derive(Debug, Clone, Copy)]
pub enum Const {
    /// An `f32`.
    F32(f32),
    /// An `f64`.
    F64(f64),
    /// An `i32`.
    I32(i32),
    /// An `i64`.
    I64(i64),
    /// A truth value.
    Bool(bool),
}

impl Const {
    /// Its type, one lane.
    #[must_use]
    pub fn scalar(self) -> Scalar {
        match self {
            Self::F32(_) => Scalar::F32,
            Self::F64(_) => Scalar::F64,
            Self::I32(_) => Scalar::I32,
            Self::I64(_) => Scalar::I64,
            Self::Bool(_) => Scalar::Bool,
        }
    }

    /// Kind and bits: equal for equal constants.
    #[must_use]
    pub fn key(self) -> (Scalar, u64) {
        let bits = match self {
            Self::F32(x) => u64::from(x.to_bits()),
            Self::F64(x) => x.to_bits(),
            Self::I32(x) => x as u32 as u64,
            Self::I64(x) => x as u64,
            Self::Bool(x) => u64::from(x),
        };
        (self.scalar(), bits)
    }
}

impl PartialEq for Const {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

/// How a value comes about.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// One lane of a constant.
    Const(Const),
    /// A unary operation, lane by lane.
    Un(UnOp, Val),
    /// A binary operation, lane by lane, on equal types.
    Bin(BinOp, Val, Val),
    /// `a*b + c` rounded once, on equal float types.
    Fma(Val, Val, Val),
    /// A comparison of equal types (not `bool`), lane by lane; gives `bool` of the same lanes. Every comparison with NaN is false except `Ne`.
    Cmp(CmpOp, Val, Val),
    /// `mask ? a : b`, lane by lane; the arms may be `bool` too.
    Select(Val, Val, Val),
    /// Conversion to the named scalar, lane by lane, lanes unchanged: between floats rounds to nearest even; int to float rounds to nearest even; float to int
    /// truncates towards zero and saturates, NaN gives 0; `i64` to `i32` wraps; `bool` to int gives 0 or 1; to its own scalar changes nothing. There is no
    /// conversion to `bool` and none from `bool` to float. Vector conversions only between kinds of one width (a mask of 4 lanes to `i32`, of 2 to `i64`).
    Cast(Val, Scalar),
    /// The same bits as another scalar of one width.
    Bitcast(Val, Scalar),
    /// One lane (a `bool` too, giving a mask) copied to `lanes` lanes.
    Splat(Val, u8),
    /// Lane `n` of a vector or mask.
    Lane(Val, u8),
    /// `[0, 1, …]` of `lanes` lanes: `i32` for 4 lanes, `i64` for 2.
    Iota(u8),
    /// Whether any lane of a mask is true.
    Any(Val),
    /// Whether all lanes of a mask are true.
    All(Val),
    /// The lanes summed by the fixed tree `(l0 + l2) + (l1 + l3)`, or `l0 + l1`: the last step of every reduction. Not of masks.
    Sum(Val),
    /// `lanes` consecutive elements from `index` (one `i32` or `i64`).
    Load {
        /// From where.
        buf: BufId,
        /// The first element.
        index: Val,
        /// How many.
        lanes: u8,
    },
    /// `buf[index[lane]]` for each lane; `index` is `i32` of 4 lanes, or `i64` of 2 lanes, and the buffer's elements have that width.
    Gather {
        /// From where.
        buf: BufId,
        /// The elements.
        index: Val,
    },
    /// A vector from its lanes, lane 0 first: 4 scalars of `f32` or `i32`, or 2 of `f64` or `i64`.
    Pack(Vec<Val>),
    /// A library function on scalars, the same Rust function in both executions.
    Call(MathFn, Vec<Val>),
}

/// Unary operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnOp {
    /// `-a`: floats flip the sign bit, integers wrap.
    Neg,
    /// Magnitude: floats clear the sign bit, integers wrap at the least value.
    Abs,
    /// Square root, correctly rounded.
    Sqrt,
    /// Rounds towards minus infinity.
    Floor,
    /// Rounds towards plus infinity.
    Ceil,
    /// Rounds towards zero.
    Trunc,
    /// Rounds to nearest, ties to even.
    Nearest,
    /// Logical or bitwise complement (bool, ints).
    Not,
    /// A float of magnitude below the smallest normal becomes `+0`; anything else, NaN too, stays.
    Flush,
    /// `e^a`. Expanded by [`expand`].
    Exp,
    /// `e^a - 1`. Expanded.
    Expm1,
    /// `(e^a - 1)/a`, 1 at 0. Expanded.
    Exprel,
    /// Natural logarithm. Expanded.
    Log,
    /// `log(1 + a)`. Expanded.
    Log1p,
}

/// Binary operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BinOp {
    /// Sum.
    Add,
    /// Difference.
    Sub,
    /// Product.
    Mul,
    /// Quotient; floats only.
    Div,
    /// `if b < a { b } else { a }`
    Min,
    /// `if a < b { b } else { a }`
    Max,
    /// Conjunction (bool, ints).
    And,
    /// Disjunction (bool, ints).
    Or,
    /// Exclusive or (bool, ints).
    Xor,
    /// Shift left (ints).
    Shl,
    /// Arithmetic shift right (ints).
    Sar,
    /// Logical shift right (ints).
    Shr,
    /// Remainder with the sign of the divisor (floor modulo), scalar `i32`/`i64`; 0 for divisor 0.
    Mod,
    /// Quotient rounded towards minus infinity, scalar `i32`/`i64`; 0 for divisor 0; wraps at the least value over -1.
    FloorDiv,
}

/// Comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is named after its sign")]
pub enum CmpOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// Library functions (crate `libm`), on `f32` or `f64` scalars; in `f32` computed in `f64` and rounded once. In a marked loop each lane is called in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MathFn {
    /// Sine of radians.
    Sin,
    /// Cosine of radians.
    Cos,
    /// Tangent of radians.
    Tan,
    /// Inverse sine.
    Asin,
    /// Inverse cosine.
    Acos,
    /// Inverse tangent.
    Atan,
    /// Angle of the point whose coordinates are `b` and `a`.
    Atan2,
    /// Hyperbolic sine.
    Sinh,
    /// Hyperbolic cosine.
    Cosh,
    /// `a^b`.
    Pow,
    /// Floor modulo of floats: `a - b*floor(a/b)`.
    Fmod,
    /// A standard normal number between two ends: key, lower end, upper end; see `rng::keyed`.
    DrawNormal,
    /// A gamma number of scale 1 between two ends: key, shape, lower end, upper end.
    DrawGamma,
    /// A Poisson count between two ends: key, mean, lower end, upper end.
    DrawPoisson,
    /// A number between 0 and 1 that an event draws at a synapse: the key of the step, two numbers that name the synapse, that of the draw.
    EventUniform,
    /// A standard normal number of the same.
    EventNormal,
    /// An exponential number of mean 1 of the same.
    EventExponential,
    /// A key of the same.
    EventKey,
}
