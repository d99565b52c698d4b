//! The table of built-in functions and distributions: name, number of arguments, rule for dimensions, value. The code generator
//! (`codegen::expr`) emits each function; `tests/differential.rs` iterates over the table.

/// A built-in function of one element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is named after the function; the table below describes it")]
pub enum Builtin {
    Exp,
    Log,
    Log1p,
    Expm1,
    Exprel,
    Sqrt,
    Abs,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Atan2,
    Sinh,
    Cosh,
    Tanh,
    Sigmoid,
    Relu,
    Clip,
    Min,
    Max,
    Floor,
    Ceil,
    Round,
    Sign,
    Heaviside,
}

/// How a function treats dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DimRule {
    /// Bare numbers in, a bare number out.
    Bare,
    /// All arguments have one dimension, the result too.
    Same,
    /// Any dimension in, a bare number out.
    ToBare,
    /// The square root of the argument's dimension.
    Root,
}

/// A line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Which function.
    pub builtin: Builtin,
    /// Its name in programs.
    pub name: &'static str,
    /// Number of arguments.
    pub args: usize,
    /// Its rule for dimensions.
    pub rule: DimRule,
    /// One line for people.
    pub about: &'static str,
}

/// All built-in functions.
pub const TABLE: &[Row] = &[
    row(Builtin::Exp, "exp", 1, DimRule::Bare, "e^x"),
    row(Builtin::Log, "log", 1, DimRule::Bare, "natural logarithm"),
    row(Builtin::Log1p, "log1p", 1, DimRule::Bare, "log(1 + x), accurate near 0"),
    row(Builtin::Expm1, "expm1", 1, DimRule::Bare, "e^x - 1, accurate near 0"),
    row(Builtin::Exprel, "exprel", 1, DimRule::Bare, "(e^x - 1)/x, 1 at 0"),
    row(Builtin::Sqrt, "sqrt", 1, DimRule::Root, "square root"),
    row(Builtin::Abs, "abs", 1, DimRule::Same, "magnitude"),
    row(Builtin::Sin, "sin", 1, DimRule::Bare, "sine of radians"),
    row(Builtin::Cos, "cos", 1, DimRule::Bare, "cosine of radians"),
    row(Builtin::Tan, "tan", 1, DimRule::Bare, "tangent of radians"),
    row(Builtin::Asin, "asin", 1, DimRule::Bare, "inverse sine, in radians"),
    row(Builtin::Acos, "acos", 1, DimRule::Bare, "inverse cosine, in radians"),
    row(Builtin::Atan, "atan", 1, DimRule::Bare, "inverse tangent, in radians"),
    row(Builtin::Atan2, "atan2", 2, DimRule::Bare, "angle of the point (y, x), in radians"),
    row(Builtin::Sinh, "sinh", 1, DimRule::Bare, "hyperbolic sine"),
    row(Builtin::Cosh, "cosh", 1, DimRule::Bare, "hyperbolic cosine"),
    row(Builtin::Tanh, "tanh", 1, DimRule::Bare, "hyperbolic tangent"),
    row(Builtin::Sigmoid, "sigmoid", 1, DimRule::Bare, "1/(1 + e^-x)"),
    row(Builtin::Relu, "relu", 1, DimRule::Same, "x where positive, else 0"),
    row(Builtin::Clip, "clip", 3, DimRule::Same, "clip(x, lo, hi): x kept inside lo..hi"),
    row(Builtin::Min, "min", 2, DimRule::Same, "the smaller of two"),
    row(Builtin::Max, "max", 2, DimRule::Same, "the larger of two"),
    row(Builtin::Floor, "floor", 1, DimRule::Bare, "rounded down"),
    row(Builtin::Ceil, "ceil", 1, DimRule::Bare, "rounded up"),
    row(Builtin::Round, "round", 1, DimRule::Bare, "rounded to nearest, halves to even"),
    row(Builtin::Sign, "sign", 1, DimRule::ToBare, "-1, 0 or 1"),
    row(Builtin::Heaviside, "heaviside", 1, DimRule::ToBare, "1 from 0 upwards, else 0"),
];

const fn row(builtin: Builtin, name: &'static str, args: usize, rule: DimRule, about: &'static str) -> Row {
    Row { builtin, name, args, rule, about }
}

impl Builtin {
    /// The function of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Row> {
        TABLE.iter().find(|r| r.name == name)
    }

    /// The value at a point, in 64 bits (initial values, constants). NaN for too few arguments.
    #[must_use]
    pub fn eval(self, args: &[f64]) -> f64 {
        let x = args.first().copied().unwrap_or(f64::NAN);
        let y = args.get(1).copied().unwrap_or(f64::NAN);
        match self {
            Self::Exp => libm::exp(x),
            Self::Log => libm::log(x),
            Self::Log1p => libm::log1p(x),
            Self::Expm1 => libm::expm1(x),
            Self::Exprel => {
                if x == 0.0 {
                    1.0
                } else {
                    libm::expm1(x) / x
                }
            }
            Self::Sqrt => x.sqrt(),
            Self::Abs => x.abs(),
            Self::Sin => libm::sin(x),
            Self::Cos => libm::cos(x),
            Self::Tan => libm::tan(x),
            Self::Asin => libm::asin(x),
            Self::Acos => libm::acos(x),
            Self::Atan => libm::atan(x),
            Self::Atan2 => libm::atan2(x, y),
            Self::Sinh => libm::sinh(x),
            Self::Cosh => libm::cosh(x),
            Self::Tanh => libm::tanh(x),
            Self::Sigmoid => 1.0 / (1.0 + libm::exp(-x)),
            Self::Relu => {
                if x < 0.0 {
                    0.0
                } else {
                    x
                }
            }
            Self::Clip => {
                let z = args.get(2).copied().unwrap_or(f64::NAN);
                let m = if x < y { y } else { x };
                if z < m { z } else { m }
            }
            Self::Min => {
                if y < x {
                    y
                } else {
                    x
                }
            }
            Self::Max => {
                if x < y {
                    y
                } else {
                    x
                }
            }
            Self::Floor => x.floor(),
            Self::Ceil => x.ceil(),
            Self::Round => x.round_ties_even(),
            Self::Sign => {
                if x > 0.0 {
                    1.0
                } else if x < 0.0 {
                    -1.0
                } else {
                    x
                }
            }
            Self::Heaviside => f64::from(x >= 0.0),
        }
    }
}

/// A distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is named after the distribution")]
pub enum Dist {
    Uniform,
    Normal,
    Lognormal,
    Exponential,
    Gamma,
    Randint,
    Bernoulli,
    PoissonCount,
}

/// A line of the table of distributions.
#[derive(Debug, Clone, Copy)]
pub struct DistRow {
    /// Which distribution.
    pub dist: Dist,
    /// Its name in programs.
    pub name: &'static str,
    /// Names of its parameters.
    pub params: &'static [&'static str],
    /// One line for people.
    pub about: &'static str,
}

/// All distributions. Parameters have the dimension of the result, but for the shape of `gamma`, the log-scale of `lognormal` the
/// probability of `bernoulli` and the mean of `poisson_count`, which are bare numbers.
pub const DISTS: &[DistRow] = &[
    DistRow { dist: Dist::Uniform, name: "uniform", params: &["lo", "hi"], about: "uniform between two values" },
    DistRow { dist: Dist::Normal, name: "normal", params: &["mean", "std"], about: "Gaussian" },
    DistRow { dist: Dist::Lognormal, name: "lognormal", params: &["mu", "sigma"], about: "e^x of a Gaussian x" },
    DistRow { dist: Dist::Exponential, name: "exponential", params: &["mean"], about: "exponential of a mean" },
    DistRow { dist: Dist::Gamma, name: "gamma", params: &["shape", "scale"], about: "gamma" },
    DistRow { dist: Dist::Randint, name: "randint", params: &["lo", "hi"], about: "a whole number, hi excluded" },
    DistRow { dist: Dist::Bernoulli, name: "bernoulli", params: &["p"], about: "1 with probability p, else 0" },
    DistRow {
        dist: Dist::PoissonCount,
        name: "poisson_count",
        params: &["mean"],
        about: "a whole number with a Poisson distribution of this mean",
    },
];

impl Dist {
    /// The distribution of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static DistRow> {
        DISTS.iter().find(|r| r.name == name)
    }
}
