//! The usual name of a dimension: `mV/ms`, `nS`, `Hz`. Every dimension has one, so that any mismatch can be named.

use std::sync::LazyLock;

use super::dim::BASES;
use super::{Dim, Ratio, UnitDef, table};

/// A unit for showing values.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownUnit {
    /// Such as `mV`; empty for bare numbers.
    pub name: String,
    /// One such unit in internal units.
    pub factor: f64,
}

/// Names that the field uses, the first of each dimension winning.
const USUAL: &[&str] = &[
    "ms",
    "Hz",
    "mV",
    "pA",
    "nS",
    "MOhm",
    "pF",
    "pC",
    "um",
    "amol",
    "mM",
    "K",
    "pN",
    "fJ",
    "fW",
    "Pa",
    "mV/ms",
    "pA/ms",
    "nS/ms",
    "nS/mV",
    "1/mV",
    "1/(ms*mV)",
    "mV^2",
    "ms^2",
    "uF/cm^2",
    "mS/cm^2",
    "uA/cm^2",
    "uA/cm^2/ms",
    "um^2",
    "um^3",
    "um/ms",
    "1/um",
    "1/um^2",
    "mV/um",
    "mV/ms^2",
    "mM/ms",
    "mV/ms^0.5",
    "ms^0.5",
    "ms^-0.5",
    "pA/ms^0.5",
    "mV^2/ms",
    "1/ms^2",
    "ms/mV",
    "mV*ms",
    "pA^2",
    "1/pA",
    "1/nS",
    "Hz/pA",
    "Hz/mV",
];

static NAMED: LazyLock<Vec<(&str, UnitDef)>> =
    LazyLock::new(|| USUAL.iter().filter_map(|n| Some((*n, table::parse_product(n)?))).collect());

/// The usual unit of a dimension; empty for bare numbers.
#[must_use]
pub fn show(dim: Dim) -> ShownUnit {
    if dim.is_none() {
        return ShownUnit { name: String::new(), factor: 1.0 };
    }
    if let Some((name, unit)) = NAMED.iter().find(|(_, u)| u.dim == dim) {
        return ShownUnit { name: (*name).to_owned(), factor: unit.factor };
    }
    ShownUnit { name: bases(dim), factor: 1.0 }
}

/// The dimension in words for a message: `mV/ms`, or `a number without unit`.
#[must_use]
pub fn describe(dim: Dim) -> String {
    if dim.is_none() { "a number without unit".to_owned() } else { show(dim).name }
}

/// An internal value in the usual unit of its dimension, such as `1.5 ms`.
#[must_use]
pub fn quantity(value: f64, dim: Dim) -> String {
    let unit = show(dim);
    if unit.name.is_empty() {
        return number(value);
    }
    format!("{} {}", number(value / unit.factor), unit.name)
}

/// A number for messages: at most six significant digits, without trailing zeros.
#[must_use]
pub fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let rounded: f64 = format!("{value:.5e}").parse().unwrap_or(value);
    if (1e-4..1e7).contains(&rounded.abs()) { format!("{rounded}") } else { format!("{rounded:e}") }
}

/// `mV^2*ms/pA` and the like.
fn bases(dim: Dim) -> String {
    let part = |k: usize, e: Ratio| match e.parts() {
        (1, 1) => BASES[k].to_owned(),
        (n, 1) => format!("{}^{n}", BASES[k]),
        _ => format!("{}^{}", BASES[k], number(e.to_f64())),
    };
    // Voltage and current first, time last, as they are usually written.
    let order = [1, 2, 3, 4, 5, 0];
    let above: Vec<_> = order.iter().filter(|k| dim.0[**k].parts().0 > 0).map(|k| part(*k, dim.0[*k])).collect();
    let below: Vec<_> = order.iter().filter(|k| dim.0[**k].parts().0 < 0).map(|k| part(*k, dim.0[*k].neg())).collect();
    let top = if above.is_empty() { "1".to_owned() } else { above.join("*") };
    match below.len() {
        0 => top,
        1 => format!("{top}/{}", below[0]),
        _ => format!("{top}/({})", below.join("*")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_name_is_a_unit() {
        assert_eq!(NAMED.len(), USUAL.len());
    }

    #[test]
    fn dimensions_are_named_as_in_the_field() {
        let name = |u: &str| show(table::parse_product(u).unwrap().dim).name;
        assert_eq!(name("V/s"), "mV/ms");
        assert_eq!(name("S"), "nS");
        assert_eq!(name("kHz"), "Hz");
        assert_eq!(name("A*Ohm"), "mV");
        assert_eq!(name("mV^3*ms"), "mV^3*ms");
        assert_eq!(name("1/(mV^3*pA)"), "1/(mV^3*pA)");
        assert_eq!(describe(Dim::NONE), "a number without unit");
        assert_eq!(quantity(0.02, Dim::frequency()), "20 Hz");
        assert_eq!(quantity(-65.0, Dim::VOLTAGE), "-65 mV");
    }

    #[test]
    fn any_dimension_reads_back() {
        for e in [-3, -1, 2] {
            let dim = Dim::VOLTAGE.pow(Ratio::int(e)).mul(Dim::CURRENT.pow(Ratio::new(e.into(), 2).unwrap()));
            let shown = show(dim);
            let read = table::parse_product(&shown.name).unwrap_or_else(|| panic!("{}", shown.name));
            assert_eq!((read.dim, read.factor), (dim, shown.factor));
        }
    }
}
