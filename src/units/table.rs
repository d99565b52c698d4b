//! The table of units, read once from `std.units`. Every factor is a power of ten, so a decimal quantity reaches its
//! internal value by moving the decimal point: `31.875 Hz` is the double nearest to 0.031875, not a rounded product.

#![expect(
    clippy::should_implement_trait,
    reason = "units are combined by name: an operator would hide that a result may be missing"
)]

use std::collections::HashMap;
use std::sync::LazyLock;

use rustc_hash::FxBuildHasher;

use super::{Dim, Ratio, nearest};

/// A unit or a product of units: its dimension and its size in coherent internal units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnitDef {
    /// The dimension.
    pub dim: Dim,
    /// The power of ten of the factor, if it is a whole one.
    pub exp10: Option<i32>,
    /// One such unit in internal units.
    pub factor: f64,
}

impl UnitDef {
    /// The bare number 1.
    pub const ONE: Self = Self { dim: Dim::NONE, exp10: Some(0), factor: 1.0 };

    fn decimal(dim: Dim, exp10: i32) -> Self {
        Self { dim, exp10: Some(exp10), factor: shift_decimal(1.0, exp10) }
    }

    /// The product of two units.
    #[must_use]
    pub fn mul(self, o: Self) -> Self {
        match (self.exp10, o.exp10) {
            (Some(a), Some(b)) => Self::decimal(self.dim.mul(o.dim), a.saturating_add(b)),
            _ => Self { dim: self.dim.mul(o.dim), exp10: None, factor: self.factor * o.factor },
        }
    }

    /// The quotient of two units.
    #[must_use]
    pub fn div(self, o: Self) -> Self {
        self.mul(o.pow(Ratio::int(-1)))
    }

    /// A power of a unit.
    #[must_use]
    pub fn pow(self, e: Ratio) -> Self {
        let dim = self.dim.pow(e);
        let (num, den) = e.parts();
        match self.exp10.map(|k| i64::from(k) * i64::from(num)) {
            Some(k) if k % i64::from(den) == 0 => {
                Self::decimal(dim, i32::try_from(k / i64::from(den)).unwrap_or(i32::MAX))
            }
            _ => Self { dim, exp10: None, factor: libm::pow(self.factor, e.to_f64()) },
        }
    }

    /// `value` of this unit in internal units: the double nearest to the true value when the factor is a power of ten.
    #[must_use]
    pub fn scale(self, value: f64) -> f64 {
        self.exp10.map_or(value * self.factor, |k| shift_decimal(value, k))
    }

    /// An internal value as a number of this unit.
    #[must_use]
    pub fn unscale(self, internal: f64) -> f64 {
        self.exp10.map_or(internal / self.factor, |k| shift_decimal(internal, k.saturating_neg()))
    }
}

/// One name of the table, for lists and documentation.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The name, such as `mV`.
    pub name: String,
    /// What it is.
    pub def: UnitDef,
    /// What it measures, such as `voltage`.
    pub measures: &'static str,
}

/// The unit of a name, such as `mV`.
#[must_use]
pub fn lookup(name: &str) -> Option<UnitDef> {
    let table = &*TABLE;
    table.by_name.get(name).map(|k| table.entries[*k].def)
}

/// The unit of a name with the text of an exponent, as in `cm^2` or `ms^-0.5`. `None` if the name is unknown or the exponent is no small
/// rational number.
#[must_use]
pub fn lookup_power(name: &str, exponent: Option<&str>) -> Option<UnitDef> {
    let unit = lookup(name)?;
    match exponent {
        None => Some(unit),
        Some(text) => Some(unit.pow(Ratio::from_f64(text.replace('_', "").parse().ok()?)?)),
    }
}

/// All units, in order of the table.
#[must_use]
pub fn all() -> &'static [Entry] {
    &TABLE.entries
}

/// What a user may have meant by an unknown unit, as an edit in words.
#[must_use]
pub fn suggestion(name: &str) -> Option<String> {
    let meant = match name {
        "sec" | "second" | "seconds" => "s",
        "msec" | "msecond" | "mseconds" | "millisecond" | "milliseconds" => "ms",
        "usec" | "usecond" => "us",
        "volt" | "volts" => "V",
        "mvolt" | "millivolt" => "mV",
        "uvolt" => "uV",
        "pamp" | "picoamp" => "pA",
        "namp" | "nanoamp" => "nA",
        "uamp" => "uA",
        "psiemens" => "pS",
        "nsiemens" => "nS",
        "usiemens" => "uS",
        "msiemens" => "mS",
        "pfarad" => "pF",
        "nfarad" => "nF",
        "ufarad" => "uF",
        "khertz" => "kHz",
        "amp" | "ampere" => "A",
        "hertz" | "Hertz" | "hz" | "HZ" => "Hz",
        "siemens" => "S",
        "farad" => "F",
        "metre" | "meter" => "m",
        "kelvin" => "K",
        "ohm" | "ohms" => "Ohm",
        "molar" => "M",
        "min" | "minute" | "minutes" => return Some("there is no unit for minutes; write 60 s".into()),
        "hour" | "hours" | "h" => return Some("there is no unit for hours; write 3600 s".into()),
        "degC" | "celsius" => return Some("there are no degrees Celsius; write the temperature in K".into()),
        _ => match spelt_out(name) {
            Some(unit) => return Some(format!("did you mean `{unit}`?")),
            None => nearest::nearest(name, TABLE.entries.iter().map(|e| e.name.as_str()))?,
        },
    };
    Some(format!("did you mean `{meant}`?"))
}

/// The unit that a word spells out, with or without its prefix: `mVolt`, `millivolts`, `kOhms`, `millis`.
fn spelt_out(name: &str) -> Option<String> {
    const PREFIXES: &[(&str, &str)] = &[
        ("femto", "f"),
        ("pico", "p"),
        ("nano", "n"),
        ("micro", "u"),
        ("milli", "m"),
        ("kilo", "k"),
        ("mega", "M"),
        ("giga", "G"),
    ];
    const UNITS: &[(&str, &str)] = &[
        ("sec", "s"),
        ("second", "s"),
        ("volt", "V"),
        ("amp", "A"),
        ("ampere", "A"),
        ("siemens", "S"),
        ("farad", "F"),
        ("hertz", "Hz"),
        ("ohm", "Ohm"),
        ("metre", "m"),
        ("meter", "m"),
        ("molar", "M"),
        ("mole", "mol"),
        ("kelvin", "K"),
    ];
    let lower = name.to_ascii_lowercase();
    let (prefix, rest) = PREFIXES
        .iter()
        .find_map(|(word, letter)| Some((*letter, lower.strip_prefix(word)?)))
        .or_else(|| {
            PREFIXES.iter().find_map(|(_, letter)| Some((*letter, lower.get(name.strip_prefix(letter).map(|_| 1)?..)?)))
        })
        .unwrap_or(("", &lower));
    if lower == "millis" || lower == "micros" {
        return Some(format!("{prefix}s"));
    }
    let unit = |word: &str| UNITS.iter().find(|(w, _)| *w == word).map(|(_, unit)| *unit);
    let unit = unit(rest).or_else(|| unit(rest.strip_suffix('s')?))?;
    let full = format!("{prefix}{unit}");
    lookup(&full).map(|_| full)
}

/// The text of a product of units, such as `mV/ms`, `1/(ms*mV)` or `uA/cm^2`. `None` if it is not one.
#[must_use]
pub fn parse_product(text: &str) -> Option<UnitDef> {
    let (unit, rest) = product(text.trim(), 0)?;
    rest.trim().is_empty().then_some(unit)
}

fn product(text: &str, depth: u32) -> Option<(UnitDef, &str)> {
    let (mut unit, mut rest) = factor(text, depth)?;
    loop {
        rest = rest.trim_start();
        let (op, after) = (rest.chars().next(), rest.get(1..).unwrap_or(""));
        match op {
            Some('*') => {
                let (f, r) = factor(after, depth)?;
                (unit, rest) = (unit.mul(f), r);
            }
            Some('/') => {
                let (f, r) = factor(after, depth)?;
                (unit, rest) = (unit.div(f), r);
            }
            _ => return Some((unit, rest)),
        }
    }
}

fn factor(text: &str, depth: u32) -> Option<(UnitDef, &str)> {
    let text = text.trim_start();
    if let Some(inner) = text.strip_prefix('(') {
        // Nested brackets beyond any sensible unit are refused, so that the recursion is bounded.
        let (unit, rest) = if depth < 16 { product(inner, depth + 1)? } else { return None };
        return Some((unit, rest.trim_start().strip_prefix(')')?));
    }
    if let Some(rest) = text.strip_prefix('1') {
        return (!rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.')).then_some((UnitDef::ONE, rest));
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let Some(power) = rest.strip_prefix('^') else {
        return Some((lookup(name)?, rest));
    };
    let digits = power.strip_prefix('-').unwrap_or(power);
    let len = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
    let (exponent, rest) = power.split_at(power.len() - digits.len() + len);
    Some((lookup_power(name, Some(exponent))?, rest))
}

/// `value * 10^k`, correctly rounded from the shortest decimal that reads as `value`.
fn shift_decimal(value: f64, k: i32) -> f64 {
    if k == 0 || value == 0.0 || !value.is_finite() {
        return value;
    }
    let text = format!("{value:e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return value };
    let exponent = exponent.parse::<i32>().unwrap_or(0).saturating_add(k);
    format!("{mantissa}e{exponent}").parse().unwrap_or(value)
}

struct Table {
    entries: Vec<Entry>,
    by_name: HashMap<String, usize, FxBuildHasher>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut entries = Vec::new();
    for line in include_str!("std.units").lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty()) {
        entries.extend(read_line(line).unwrap_or_default());
    }
    let by_name = entries.iter().enumerate().map(|(k, e): (usize, &Entry)| (e.name.clone(), k)).collect();
    Table { entries, by_name }
});

/// One line of the table; `None` when it is malformed (a test reads every line).
fn read_line(line: &'static str) -> Option<Vec<Entry>> {
    let mut words = line.split_whitespace();
    let symbol = words.next()?;
    let power: i32 = words.next()?.parse().ok()?;
    let dim = words.next()?.split('*').try_fold(Dim::NONE, |dim, part| {
        let (base, exponent) = part.split_once('^').unwrap_or((part, "1"));
        let k = super::dim::BASES.iter().position(|b| *b == base)?;
        let mut one = Dim::NONE;
        one.0[k] = Ratio::int(exponent.parse().ok()?);
        Some(dim.mul(one))
    })?;
    let prefixes = words.next()?;
    let at = line.find(prefixes)? + prefixes.len();
    let measures = line.get(at..)?.trim();
    prefixes
        .split(',')
        .map(|prefix| {
            let (text, k) = match prefix {
                "-" => ("", 0),
                "a" => ("a", -18),
                "f" => ("f", -15),
                "p" => ("p", -12),
                "n" => ("n", -9),
                "u" => ("u", -6),
                "m" => ("m", -3),
                "c" => ("c", -2),
                "k" => ("k", 3),
                "M" => ("M", 6),
                "G" => ("G", 9),
                _ => return None,
            };
            Some(Entry { name: format!("{text}{symbol}"), def: UnitDef::decimal(dim, power + k), measures })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn internal(value: f64, unit: &str) -> f64 {
        parse_product(unit).unwrap_or_else(|| panic!("{unit}")).scale(value)
    }

    #[test]
    fn everyday_quantities_are_exact() {
        for (value, unit, want) in [
            (1.0, "Hz", 0.001),
            (31.875, "Hz", 0.031875),
            (5.0, "ms", 5.0),
            (200.0, "pF", 200.0),
            (1.0, "nS", 1.0),
            (0.1, "s", 100.0),
            (1.0, "GOhm", 1.0),
            (100.0, "MOhm", 0.1),
            (1.0, "uF/cm^2", 0.01),
            (120.0, "mS/cm^2", 1.2),
            (0.3, "uA/cm^2", 0.003),
            (8.0, "mV/ms", 8.0),
            (0.02, "1/ms", 0.02),
            (1.0, "mM", 1.0),
            (1e7, "ms", 1e7),
        ] {
            assert_eq!(internal(value, unit).to_bits(), f64::to_bits(want), "{value} {unit}");
        }
    }

    #[test]
    fn derived_units_are_coherent() {
        let same = |a: &str, b: &str| assert_eq!(parse_product(a), parse_product(b), "{a} and {b}");
        same("S", "A/V");
        same("Ohm", "V/A");
        same("F", "A*s/V");
        same("C", "A*s");
        same("J", "V*A*s");
        same("W", "J/s");
        same("N", "J/m");
        same("Pa", "N/m^2");
        same("kg", "J*s^2/m^2");
        same("mM", "mol/m^3");
        same("pA", "nS*mV");
        same("pF*mV/ms", "pA");
        same("ms^-1", "kHz");
    }

    #[test]
    fn fractional_powers() {
        let u = lookup_power("ms", Some("0.5")).unwrap();
        assert_eq!(u.dim.pow(Ratio::int(2)), Dim::TIME);
        assert!((lookup_power("s", Some("0.5")).unwrap().factor - 1000.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!(lookup_power("ms", Some("0.123456789")), None);
    }

    #[test]
    fn every_line_of_the_table_is_read() {
        let lines: Vec<_> =
            include_str!("std.units").lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty()).collect();
        for line in &lines {
            assert!(read_line(line).is_some(), "{line}");
        }
        assert_eq!(TABLE.entries.len(), TABLE.by_name.len(), "a unit is listed twice");
        for absent in ["min", "degC", "h", "kmin", ""] {
            assert_eq!(lookup(absent), None, "{absent}");
        }
    }

    #[test]
    fn malformed_products_are_refused() {
        for text in ["", "mV/", "*mV", "mV ms", "(mV", "mV)", "2*mV", "mV^", "mV^x", &"(".repeat(100_000)] {
            assert_eq!(parse_product(text), None, "{}", &text[..text.len().min(10)]);
        }
    }

    #[test]
    fn the_documentation_lists_every_unit() {
        let doc = include_str!("../../docs/units.md");
        let mut listed: Vec<_> = doc
            .lines()
            .filter(|l| l.starts_with("| "))
            .filter_map(|l| l.split('|').nth(2))
            .flat_map(|cell| cell.split('`').skip(1).step_by(2))
            .collect();
        let mut ours: Vec<_> = all().iter().map(|e| e.name.as_str()).collect();
        listed.sort_unstable();
        ours.sort_unstable();
        assert_eq!(listed, ours);
    }

    #[test]
    fn misspelt_units_find_the_right_one() {
        assert_eq!(suggestion("mv").as_deref(), Some("did you mean `mV`?"));
        assert_eq!(suggestion("msec").as_deref(), Some("did you mean `ms`?"));
        assert_eq!(suggestion("Mohm").as_deref(), Some("did you mean `MOhm`?"));
        assert!(suggestion("min").unwrap().contains("60 s"));
        assert_eq!(suggestion("parsecs"), None);
    }
}
