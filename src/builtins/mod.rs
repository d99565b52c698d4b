//! The table of built-in functions and distributions.

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
}

impl Builtin {
    /// The value at a point.
    #[must_use]
    pub fn eval(self, _args: &[f64]) -> f64 {
        f64::NAN // replaced by the table
    }
}
