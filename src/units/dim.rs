//! Physical dimensions: rational exponents over six bases. Internally every value is held in the coherent scale of
//! these bases (ms, mV, pA, um, amol, K), so that everyday numbers are near one and `f32` is safe.

#![expect(
    clippy::should_implement_trait,
    reason = "exponents are combined by name: an operator would hide that a result may be missing"
)]

/// A small rational number in lowest terms, with a positive denominator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ratio {
    num: i32,
    den: i32,
}

impl Ratio {
    /// Zero.
    pub const ZERO: Self = Self { num: 0, den: 1 };

    /// `num/den` in lowest terms; `None` if `den` is 0 or the terms are too large.
    #[must_use]
    pub fn new(num: i64, den: i64) -> Option<Self> {
        if den == 0 {
            return None;
        }
        let g = gcd(num.unsigned_abs(), den.unsigned_abs()).max(1) as i64;
        let s = if den < 0 { -1 } else { 1 };
        let (n, d) = (s * num / g, s * den / g);
        if n.abs() > 10_000 || d > 10_000 {
            return None;
        }
        Some(Self { num: n as i32, den: d as i32 })
    }

    /// A whole number.
    #[must_use]
    pub const fn int(n: i32) -> Self {
        Self { num: n, den: 1 }
    }

    /// The rational of smallest denominator (up to 64) that equals `x` to 1e-9; `None` if there is none.
    #[must_use]
    pub fn from_f64(x: f64) -> Option<Self> {
        (1..=64_i64).find_map(|den| {
            let n = x * den as f64;
            ((n - n.round()).abs() < 1e-9 * den as f64 && n.abs() < 10_000.0)
                .then(|| Self::new(n.round() as i64, den))?
        })
    }

    /// As a float.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        f64::from(self.num) / f64::from(self.den)
    }

    /// Numerator and denominator.
    #[must_use]
    pub fn parts(self) -> (i32, i32) {
        (self.num, self.den)
    }

    /// Sum.
    #[must_use]
    pub fn add(self, o: Self) -> Option<Self> {
        Self::new(
            i64::from(self.num) * i64::from(o.den) + i64::from(o.num) * i64::from(self.den),
            i64::from(self.den) * i64::from(o.den),
        )
    }

    /// Product.
    #[must_use]
    pub fn mul(self, o: Self) -> Option<Self> {
        Self::new(i64::from(self.num) * i64::from(o.num), i64::from(self.den) * i64::from(o.den))
    }

    /// Negated.
    #[must_use]
    pub fn neg(self) -> Self {
        Self { num: -self.num, den: self.den }
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The bases, in the order of [`Dim`]'s exponents: time, voltage, current, length, amount, temperature.
pub const BASES: [&str; 6] = ["ms", "mV", "pA", "um", "amol", "K"];

/// A physical dimension: one exponent per base of [`BASES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dim(pub [Ratio; 6]);

impl Dim {
    /// No dimension: a bare number.
    pub const NONE: Self = Self([Ratio::ZERO; 6]);
    /// Time.
    pub const TIME: Self = Self::base(0);
    /// Voltage.
    pub const VOLTAGE: Self = Self::base(1);
    /// Current.
    pub const CURRENT: Self = Self::base(2);

    const fn base(k: usize) -> Self {
        let mut e = [Ratio::ZERO; 6];
        e[k] = Ratio::int(1);
        Self(e)
    }

    /// Frequency, 1/time.
    #[must_use]
    pub fn frequency() -> Self {
        Self::NONE.div(Self::TIME)
    }

    /// Whether it is a bare number.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// The dimension of a product. Exponents saturate to none when they leave the range of [`Ratio`], which no sane formula reaches.
    #[must_use]
    pub fn mul(self, o: Self) -> Self {
        Self(std::array::from_fn(|k| self.0[k].add(o.0[k]).unwrap_or(Ratio::ZERO)))
    }

    /// The dimension of a quotient.
    #[must_use]
    pub fn div(self, o: Self) -> Self {
        Self(std::array::from_fn(|k| self.0[k].add(o.0[k].neg()).unwrap_or(Ratio::ZERO)))
    }

    /// The dimension of a power.
    #[must_use]
    pub fn pow(self, e: Ratio) -> Self {
        Self(std::array::from_fn(|k| self.0[k].mul(e).unwrap_or(Ratio::ZERO)))
    }
}
