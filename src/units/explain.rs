//! What is missing between the unit found and the unit needed, in words of the field.

use super::{Dim, show, table};

/// The edit that would turn `found` into `needed`, such as “divide by a time constant”; `None` if the dimensions agree.
#[must_use]
pub fn missing_factor(found: Dim, needed: Dim) -> Option<String> {
    if found == needed {
        return None;
    }
    let factor = needed.div(found);
    let dim = |unit: &str| table::parse_product(unit).map_or(Dim::NONE, |u| u.dim);
    // The factor, and what a modeller would do about it.
    let known: [(&str, &str); 16] = [
        ("1/ms", "divide by a time constant (such as 10 ms)"),
        ("ms", "multiply by a time, or divide by a rate"),
        ("nS", "multiply by a conductance (such as 10 nS)"),
        ("MOhm", "multiply by a resistance (such as 100 MOhm), or divide by a conductance"),
        ("1/pF", "divide by a capacitance (such as 200 pF)"),
        ("pF", "multiply by a capacitance (such as 200 pF)"),
        ("mV", "multiply by a voltage (such as 1 mV)"),
        ("1/mV", "divide by a voltage (such as 1 mV)"),
        ("pA", "multiply by a current (such as 1 pA)"),
        ("1/pA", "divide by a current (such as 1 pA)"),
        ("ms^-0.5", "divide by the square root of a time"),
        ("um", "multiply by a length"),
        ("1/um", "divide by a length"),
        ("um^2", "multiply by an area"),
        ("1/um^2", "divide by an area"),
        ("mV/ms", "multiply by a voltage and divide by a time constant"),
    ];
    if let Some((_, words)) = known.iter().find(|(unit, _)| dim(unit) == factor) {
        return Some((*words).to_owned());
    }
    if needed.is_none() {
        return Some(format!("divide by a quantity in {}", show::describe(found)));
    }
    Some(format!("a factor in {} is missing", show::describe(factor)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explain(found: &str, needed: &str) -> Option<String> {
        let dim = |unit: &str| table::parse_product(unit).unwrap().dim;
        missing_factor(dim(found), dim(needed))
    }

    #[test]
    fn the_missing_factor_is_computed() {
        assert!(explain("mV", "mV/ms").unwrap().contains("divide by a time constant"));
        assert!(explain("mV", "pA").unwrap().contains("conductance"));
        assert!(explain("pA", "mV").unwrap().contains("resistance"));
        assert!(explain("pA", "mV/ms").unwrap().contains("capacitance"));
        assert!(explain("1", "nS").unwrap().contains("conductance"));
        assert_eq!(explain("mV", "mV"), None);
        assert!(explain("mV^3", "1").unwrap().contains("mV^3"));
    }
}
