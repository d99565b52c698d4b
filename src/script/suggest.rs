//! The nearest of some names to a misspelt one.

/// The name that differs least from `wrong`, if it differs little: in at most a third of its letters (insertions, deletions,
/// replacements and swaps of neighbours; a change of case costs nothing). Ties go to the first in alphabetical order.
pub(crate) fn nearest<'n>(wrong: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let letters = wrong.chars().count();
    let limit = (letters / 3).max(1);
    names
        // A length that differs by more cannot be near; this bounds the work on absurdly long names.
        .filter(|n| *n != wrong && n.chars().count().abs_diff(letters) <= limit && letters < 100)
        .map(|n| (distance(&wrong.to_lowercase(), &n.to_lowercase()), n))
        .filter(|(d, n)| *d <= limit && *d < n.chars().count().min(letters))
        .min()
        .map(|(_, n)| n)
}

fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let above = |r: usize, c: usize| rows.get(r).and_then(|r| r.get(c)).copied().unwrap_or(usize::MAX / 2);
            let mut best = (above(i, j) + usize::from(x != y)).min(above(i, j + 1) + 1);
            best = best.min(row.last().copied().unwrap_or(0) + 1);
            if i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x) {
                best = best.min(above(i - 1, j - 1) + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows.last().and_then(|r| r.last()).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_swaps_and_missing_letters_only_when_near() {
        let names = ["intensity", "response", "theta", "E"];
        assert_eq!(nearest("intesnity", names.into_iter()), Some("intensity"));
        assert_eq!(nearest("respons", names.into_iter()), Some("response"));
        assert_eq!(nearest("Theta", names.into_iter()), Some("theta"));
        assert_eq!(nearest("weight", names.into_iter()), None);
        assert_eq!(nearest("x", names.into_iter()), None);
    }
}
