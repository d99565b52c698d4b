//! The table of units, read once from `std.units`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::dim::{Dim, Ratio};
use crate::hir::ShownUnit;

/// A unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnitDef {
    /// Its dimension.
    pub dim: Dim,
    /// One of it in internal units.
    pub factor: f64,
}

/// A line of `docs/units.md`.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitLine {
    /// The name without prefix.
    pub name: &'static str,
    /// All names, prefixed ones too.
    pub names: Vec<String>,
    /// What it is.
    pub about: &'static str,
    /// Its dimension.
    pub dim: Dim,
}

const SOURCE: &str = include_str!("std.units");

struct Table {
    units: BTreeMap<String, UnitDef>,
    lines: Vec<UnitLine>,
}

static TABLE: LazyLock<Table> = LazyLock::new(read);

/// The unit of a name, such as `mV`.
#[must_use]
pub fn lookup(name: &str) -> Option<UnitDef> {
    TABLE.units.get(name).copied()
}

/// The unit `name^exponent`; `None` if there is no such unit or the exponent is not a small rational.
#[must_use]
pub fn lookup_power(name: &str, exponent: Option<&str>) -> Option<UnitDef> {
    let unit = lookup(name)?;
    let Some(text) = exponent else { return Some(unit) };
    let e = text.parse::<f64>().ok().and_then(Ratio::from_f64)?;
    let (num, den) = e.parts();
    // Whole powers by repeated multiplication of powers of ten stay exact where they can be.
    let factor = if den == 1 { unit.factor.powi(num) } else { libm::pow(unit.factor, e.to_f64()) };
    Some(UnitDef { dim: unit.dim.pow(e), factor })
}

/// All names of units, in alphabetical order.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.units.keys().map(String::as_str)
}

/// The table line by line, for the documentation.
#[must_use]
pub fn lines() -> &'static [UnitLine] {
    &TABLE.lines
}

fn prefix(p: &str) -> i32 {
    match p {
        "f" => -15,
        "p" => -12,
        "n" => -9,
        "u" => -6,
        "m" => -3,
        "c" => -2,
        "k" => 3,
        "M" => 6,
        "G" => 9,
        _ => 0,
    }
}

fn read() -> Table {
    let mut units = BTreeMap::new();
    let mut lines = Vec::new();
    for line in SOURCE.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace();
        let (Some(name), Some(factor), Some(dim), Some(prefixes)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        let Some(exponent) = factor.strip_prefix("1e").and_then(|e| e.parse::<i32>().ok()) else { continue };
        let dim = dimension(dim);
        let mut names = Vec::new();
        for p in std::iter::once("").chain(prefixes.split(',')) {
            // The nearest double of the decimal value.
            if let Ok(factor) = format!("1e{}", exponent + prefix(p)).parse() {
                names.push(format!("{p}{name}"));
                units.insert(format!("{p}{name}"), UnitDef { dim, factor });
            }
        }
        let about = line.splitn(5, char::is_whitespace).last().map_or("", str::trim);
        let about = about.rsplit("  ").next().unwrap_or("").trim();
        lines.push(UnitLine { name, names, about, dim });
    }
    Table { units, lines }
}

/// A dimension as written in the table.
fn dimension(text: &str) -> Dim {
    let base = |c: &str| match c {
        "T" => 0,
        "V" => 1,
        "I" => 2,
        "L" => 3,
        "N" => 4,
        _ => 5,
    };
    let mut exponents = [0_i32; 6];
    let mut sign = 1;
    for part in text.split_inclusive(['*', '/']) {
        let divides = part.ends_with('/');
        let part = part.trim_end_matches(['*', '/']);
        let (name, power) = part.split_once('^').unwrap_or((part, "1"));
        exponents[base(name)] += sign * power.parse::<i32>().unwrap_or(1);
        sign = if divides { -1 } else { 1 };
    }
    Dim(exponents.map(Ratio::int))
}

/// The units that values are shown in when nothing else is known, most usual first.
const USUAL: &[&str] = &[
    "ms", "Hz", "mV", "pA", "nS", "MOhm", "pF", "um", "mM", "fmol", "K", "fJ", "fC", "mV/ms", "pA/ms", "nS/ms",
    "pA/um^2",
];

/// The unit in which the field usually writes a dimension: `mV/ms`, `nS`, `Hz`; empty for bare numbers.
#[must_use]
pub fn usual(dim: Dim) -> ShownUnit {
    if dim.is_none() {
        return ShownUnit { name: String::new(), factor: 1.0 };
    }
    for text in USUAL {
        let (top, bottom) = text.split_once('/').unwrap_or((text, ""));
        let power = |t: &str| {
            let (n, e) = t.split_once('^').map_or((t, None), |(n, e)| (n, Some(e)));
            lookup_power(n, e)
        };
        let (Some(top), bottom) = (power(top), power(bottom)) else { continue };
        let (d, f) = bottom.map_or((top.dim, top.factor), |b| (top.dim.div(b.dim), top.factor / b.factor));
        if d == dim {
            return ShownUnit { name: (*text).to_owned(), factor: f };
        }
    }
    ShownUnit { name: composed(dim), factor: 1.0 }
}

/// A dimension as a product of powers of the internal units, such as `mV^2/ms`.
#[must_use]
pub fn composed(dim: Dim) -> String {
    let mut top = Vec::new();
    let mut bottom = Vec::new();
    for k in [1, 2, 3, 4, 5, 0] {
        let (num, den) = dim.0[k].parts();
        if num == 0 {
            continue;
        }
        let size = num.abs();
        let power = match (size, den) {
            (1, 1) => super::dim::BASES[k].to_owned(),
            (n, 1) => format!("{}^{n}", super::dim::BASES[k]),
            (n, d) => format!("{}^{}", super::dim::BASES[k], f64::from(n) / f64::from(d)),
        };
        if num > 0 { top.push(power) } else { bottom.push(power) }
    }
    let over = match bottom.len() {
        0 => String::new(),
        1 => format!("/{}", bottom[0]),
        _ => format!("/({})", bottom.join("*")),
    };
    if top.is_empty() { format!("1{over}") } else { format!("{}{over}", top.join("*")) }
}

/// A dimension in words: its usual unit, or "a bare number".
#[must_use]
pub fn words(dim: Dim) -> String {
    if dim.is_none() { "a bare number".to_owned() } else { usual(dim).name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_the_nearest_doubles() {
        for (name, factor) in
            [("ms", 1.0), ("Hz", 0.001), ("mV", 1.0), ("pF", 1.0), ("nS", 1.0), ("uF", 1e6), ("mS", 1e6), ("cm", 1e4)]
        {
            assert_eq!(lookup(name).map(|u| u.factor), Some(factor), "{name}");
        }
        let uf_per_cm2 = lookup("uF").unwrap().factor / lookup_power("cm", Some("2")).unwrap().factor;
        assert_eq!(uf_per_cm2, 0.01);
    }

    #[test]
    fn charge_balance_is_coherent() {
        // pA = nS*mV = pF*mV/ms
        let d = |n: &str| lookup(n).unwrap();
        assert_eq!(d("nS").dim.mul(d("mV").dim), d("pA").dim);
        assert_eq!(d("pF").dim.mul(d("mV").dim).div(d("ms").dim), d("pA").dim);
        assert_eq!(d("Ohm").dim.mul(d("A").dim), d("V").dim);
        assert_eq!(d("J").dim, d("N").dim.mul(d("m").dim));
        assert_eq!(d("Pa").dim, d("N").dim.div(d("m").dim.pow(Ratio::int(2))));
        // 1 kg m/s^2 = 1 N
        let n = d("kg").factor * d("m").factor / d("s").factor.powi(2);
        assert!((n / d("N").factor - 1.0).abs() < 1e-12);
    }

    #[test]
    fn dimensions_have_their_usual_names() {
        let d = |n: &str| lookup(n).unwrap().dim;
        assert_eq!(usual(d("V").div(d("s"))).name, "mV/ms");
        assert_eq!(usual(d("S")).name, "nS");
        assert_eq!(usual(d("Hz")).name, "Hz");
        assert_eq!(usual(d("mV").pow(Ratio::int(2)).div(d("ms"))).name, "mV^2/ms");
    }
}
