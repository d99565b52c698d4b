//! The nearest known word to an unknown one, for “did you mean”.

/// The candidate nearest to `word`, if one is near enough to be meant. Ties go to the first.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = if word.chars().count() <= 2 { 2 } else { (word.chars().count() / 3).clamp(1, 3) * 2 };
    // One letter is one change away from every other: only one that is there too can have been meant.
    let one = word.chars().next().filter(|_| word.chars().count() == 1);
    let near = |c: &str| one.is_none_or(|one| c.chars().any(|x| x.eq_ignore_ascii_case(&one)));
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        // A length that differs by more than the limit cannot be near; this bounds the work on absurdly long names.
        if candidate == word || candidate.len().abs_diff(word.len()) > 4 || word.len() > 200 {
            continue;
        }
        let d = distance(word, candidate);
        if d <= limit && near(candidate) && best.is_none_or(|(b, _)| d < b) {
            best = Some((d, candidate));
        }
    }
    best.map(|(_, c)| c)
}

/// Optimal string alignment distance: an edit costs 2, a change of case 1.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).map(|k| 2 * k).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![2 * (i + 1)];
        for (j, &y) in b.iter().enumerate() {
            let change = if x == y {
                0
            } else if x.eq_ignore_ascii_case(&y) {
                1
            } else {
                2
            };
            let mut d = (last[j] + change).min(last[j + 1] + 2).min(row[j] + 2);
            if i > 0 && j > 0 && x == b[j - 1] && a[i - 1] == y {
                d = d.min(before[j - 1] + 2);
            }
            row.push(d);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_misspellings_and_nothing_far() {
        let names = ["v_rest", "v_reset", "tau", "theta"];
        assert_eq!(nearest("v_rset", names), Some("v_rest"));
        assert_eq!(nearest("Tau", names), Some("tau"));
        assert_eq!(nearest("tehta", names), Some("theta"));
        assert_eq!(nearest("conductance", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(nearest("t", ["N", "T", "tau"]), Some("T"));
        assert_eq!(nearest("v", ["w", "vm"]), Some("vm"));
        assert_eq!(nearest("c", ["b", "d"]), None);
    }
}
