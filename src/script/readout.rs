//! Decoders: what class of input a response stands for.
//!
//! Observations and scores arrive in the order of the samples, whatever the number of threads, so every sum here has one order.

use crate::hir::ReadoutKind;

/// A decoder with what it has seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Readout {
    kind: ReadoutKind,
    classes: usize,
    /// Length of the responses; known from the first one on.
    width: Option<usize>,
    /// `max_rate`: per class, the sum of the responses to it (classes × width).
    sums: Vec<f64>,
    /// `max_rate`: per class, how many were observed.
    seen: Vec<u64>,
    /// `linear`: lower triangle of the sum of x xᵀ (features and a last 1), row by row.
    gram: Vec<f64>,
    /// `linear`: per feature (and the last 1), the sum of x over each class.
    moments: Vec<f64>,
    /// What `score` uses; `None`: it must be made first.
    decoder: Option<Decoder>,
    /// Rows: the true class; columns: the prediction, a last column for none.
    confusion: Vec<Vec<u64>>,
    right: u64,
    scored: u64,
}

#[derive(Debug, Clone, PartialEq)]
enum Decoder {
    /// Per neuron its class, if any; per class, how many neurons it has.
    Labels(Vec<Option<usize>>, Vec<u64>),
    /// Per feature (and the last 1), a weight for each class.
    Weights(Vec<f64>),
}

/// Why a decoder refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadoutFault {
    /// The class is not one of the decoder's.
    Class {
        /// The class given.
        class: i64,
        /// How many there are.
        classes: usize,
    },
    /// The response has another length than the first one.
    Width {
        /// The first one's.
        expected: usize,
        /// This one's.
        found: usize,
    },
    /// Nothing was observed yet.
    NothingObserved,
    /// A linear decoder was not fitted.
    NotFitted,
    /// The normal equations cannot be solved: no ridge, and features that depend on each other.
    Singular,
    /// A response holds a value that is no finite number.
    NotFinite,
}

impl Readout {
    /// A decoder that has seen nothing.
    #[must_use]
    pub fn new(kind: ReadoutKind) -> Self {
        let classes = match kind {
            ReadoutKind::MaxRate { classes } | ReadoutKind::Linear { classes, .. } => classes as usize,
        };
        Self {
            kind,
            classes,
            width: None,
            sums: Vec::new(),
            seen: vec![0; classes],
            gram: Vec::new(),
            moments: Vec::new(),
            decoder: None,
            confusion: vec![vec![0; classes + 1]; classes],
            right: 0,
            scored: 0,
        }
    }

    /// Whether a `max_rate` decoder scores with no neuron that has a class.
    #[must_use]
    pub fn empty(&self) -> bool {
        matches!(&self.decoder, Some(Decoder::Labels(labels, _)) if labels.iter().all(Option::is_none))
    }

    /// Adds a response to what is known of its class. Starts a new series of scores.
    ///
    /// # Errors
    /// A wrong class, length or value.
    pub fn observe(&mut self, response: &[f64], class: i64) -> Result<(), ReadoutFault> {
        let class = self.check(response, class)?;
        self.clear_scores();
        let n = response.len();
        self.seen[class] += 1;
        match self.kind {
            ReadoutKind::MaxRate { .. } => {
                self.sums.resize(self.classes * n, 0.0);
                for (s, x) in self.sums[class * n..(class + 1) * n].iter_mut().zip(response) {
                    *s += x;
                }
                self.decoder = None;
            }
            ReadoutKind::Linear { .. } => {
                let m = n + 1;
                self.gram.resize(m * (m + 1) / 2, 0.0);
                self.moments.resize(m * self.classes, 0.0);
                let x = |k: usize| response.get(k).copied().unwrap_or(1.0);
                let mut at = 0;
                for i in 0..m {
                    let xi = x(i);
                    // The last column of a row lies beyond the features only in the last row.
                    for (g, xj) in self.gram[at..=at + i].iter_mut().zip(response.iter().chain(std::iter::once(&1.0))) {
                        *g += xi * xj;
                    }
                    at += i + 1;
                    self.moments[i * self.classes + class] += xi;
                }
            }
        }
        Ok(())
    }

    /// Makes a linear decoder from all observations so far: ridge regression on one-hot classes with an intercept that is not
    /// penalised, by the normal equations. A `max_rate` decoder needs no fit; for it this does nothing.
    ///
    /// # Errors
    /// Nothing observed, or no unique solution.
    pub fn fit(&mut self) -> Result<(), ReadoutFault> {
        let ReadoutKind::Linear { ridge, .. } = self.kind else { return Ok(()) };
        let Some(n) = self.width.filter(|_| !self.gram.is_empty()) else { return Err(ReadoutFault::NothingObserved) };
        let m = n + 1;
        let mut a = self.gram.clone();
        for i in 0..n {
            a[i * (i + 1) / 2 + i] += ridge;
        }
        cholesky(&mut a, m).ok_or(ReadoutFault::Singular)?;
        let mut w = self.moments.clone();
        solve(&a, m, &mut w, self.classes);
        self.decoder = Some(Decoder::Weights(w));
        self.clear_scores();
        Ok(())
    }

    /// Predicts the class of a response and counts whether it is right.
    ///
    /// # Errors
    /// A wrong class, length or value; nothing observed; a linear decoder that was not fitted.
    pub fn score(&mut self, response: &[f64], class: i64) -> Result<Option<usize>, ReadoutFault> {
        if self.width.is_none() {
            return Err(self.missing());
        }
        let class = self.check(response, class)?;
        if self.decoder.is_none() {
            if !matches!(self.kind, ReadoutKind::MaxRate { .. }) || self.sums.is_empty() {
                return Err(self.missing());
            }
            self.decoder = Some(self.labels());
        }
        let predicted = match &self.decoder {
            Some(Decoder::Labels(labels, sizes)) => vote(response, labels, sizes),
            Some(Decoder::Weights(w)) => Some(project(response, w, self.classes)),
            None => None,
        };
        self.confusion[class][predicted.unwrap_or(self.classes)] += 1;
        self.scored += 1;
        self.right += u64::from(predicted == Some(class));
        Ok(predicted)
    }

    /// The class of each neuron of a `max_rate` decoder, as far as observed.
    #[must_use]
    pub fn labels_of_neurons(&self) -> Vec<Option<usize>> {
        match self.labels() {
            Decoder::Labels(labels, _) => labels,
            Decoder::Weights(_) => Vec::new(),
        }
    }

    /// The share of right predictions since the last `observe`, `fit` or [`Readout::clear_scores`]; `None` before the first score.
    #[must_use]
    pub fn accuracy(&self) -> Option<f64> {
        (self.scored > 0).then(|| self.right as f64 / self.scored as f64)
    }

    /// How many were scored.
    #[must_use]
    pub fn scored(&self) -> u64 {
        self.scored
    }

    /// Rows: the true class; columns: the predicted one, and a last column for no prediction.
    #[must_use]
    pub fn confusion(&self) -> &[Vec<u64>] {
        &self.confusion
    }

    /// Starts a new series of scores.
    pub fn clear_scores(&mut self) {
        if self.scored > 0 {
            self.confusion = vec![vec![0; self.classes + 1]; self.classes];
            (self.right, self.scored) = (0, 0);
        }
    }

    fn missing(&self) -> ReadoutFault {
        match self.kind {
            ReadoutKind::Linear { .. } if self.width.is_some() => ReadoutFault::NotFitted,
            _ => ReadoutFault::NothingObserved,
        }
    }

    fn check(&mut self, response: &[f64], class: i64) -> Result<usize, ReadoutFault> {
        let index = usize::try_from(class).ok().filter(|&c| c < self.classes);
        let index = index.ok_or(ReadoutFault::Class { class, classes: self.classes })?;
        let expected = *self.width.get_or_insert(response.len());
        if expected != response.len() {
            return Err(ReadoutFault::Width { expected, found: response.len() });
        }
        if response.iter().any(|x| !x.is_finite()) {
            return Err(ReadoutFault::NotFinite);
        }
        Ok(index)
    }

    /// A neuron's label is the class with the highest mean response; none if it never fired (Diehl & Cook 2015, section 2.6).
    fn labels(&self) -> Decoder {
        let n = self.width.unwrap_or(0);
        let mut sizes = vec![0; self.classes];
        let label = |k: usize| {
            let mut best = None;
            let mut highest = 0.0;
            for c in 0..self.classes {
                let sum = self.sums.get(c * n + k).copied().unwrap_or(0.0);
                let mean = if self.seen[c] == 0 { 0.0 } else { sum / self.seen[c] as f64 };
                if mean > highest {
                    (best, highest) = (Some(c), mean);
                }
            }
            best
        };
        let labels: Vec<Option<usize>> = (0..n).map(label).collect();
        for &c in labels.iter().flatten() {
            sizes[c] += 1;
        }
        Decoder::Labels(labels, sizes)
    }
}

/// The label whose neurons have the highest mean response; the lower class of equals; none without labelled neurons.
fn vote(response: &[f64], labels: &[Option<usize>], sizes: &[u64]) -> Option<usize> {
    let mut sums = vec![0.0; sizes.len()];
    for (x, label) in response.iter().zip(labels) {
        if let Some(c) = *label {
            sums[c] += x;
        }
    }
    let mut best: Option<(usize, f64)> = None;
    for (c, (&sum, &size)) in sums.iter().zip(sizes).enumerate() {
        if size > 0 {
            let mean = sum / size as f64;
            if best.is_none_or(|(_, highest)| mean > highest) {
                best = Some((c, mean));
            }
        }
    }
    best.map(|(c, _)| c)
}

/// The class of the highest linear response; the lower class of equals.
fn project(response: &[f64], weights: &[f64], classes: usize) -> usize {
    let mut out = vec![0.0; classes];
    for (x, row) in response.iter().chain(std::iter::once(&1.0)).zip(weights.chunks_exact(classes)) {
        for (o, w) in out.iter_mut().zip(row) {
            *o += x * w;
        }
    }
    let mut best = 0;
    for (c, &o) in out.iter().enumerate() {
        if o > out[best] {
            best = c;
        }
    }
    best
}

/// Replaces the packed lower triangle of a symmetric matrix by its Cholesky factor; `None` if it is not positive definite.
fn cholesky(a: &mut [f64], m: usize) -> Option<()> {
    for i in 0..m {
        let (above, row) = a.split_at_mut(i * (i + 1) / 2);
        let scale = row[i].abs();
        for j in 0..i {
            let other = &above[j * (j + 1) / 2..];
            let dot: f64 = row[..j].iter().zip(other).map(|(x, y)| x * y).sum();
            row[j] = (row[j] - dot) / other[j];
        }
        let square = row[i] - row[..i].iter().map(|x| x * x).sum::<f64>();
        // A pivot that is all rounding means that this feature follows from the others.
        if square.is_nan() || square <= scale * m as f64 * f64::EPSILON {
            return None;
        }
        row[i] = square.sqrt();
    }
    Some(())
}

/// Solves L Lᵀ x = b for several right sides (`b` holds them side by side, row by row).
fn solve(l: &[f64], m: usize, b: &mut [f64], sides: usize) {
    let at = |i: usize, j: usize| l[i * (i + 1) / 2 + j];
    for i in 0..m {
        for j in 0..i {
            for c in 0..sides {
                b[i * sides + c] -= at(i, j) * b[j * sides + c];
            }
        }
        for c in 0..sides {
            b[i * sides + c] /= at(i, i);
        }
    }
    for i in (0..m).rev() {
        for j in i + 1..m {
            for c in 0..sides {
                b[i * sides + c] -= at(j, i) * b[j * sides + c];
            }
        }
        for c in 0..sides {
            b[i * sides + c] /= at(i, i);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three neurons: the first answers class 0, the second class 1 (mean 3 of 4 and 2 against 1), the third is silent.
    #[test]
    fn neurons_vote_for_the_class_they_answer_most() {
        let mut r = Readout::new(ReadoutKind::MaxRate { classes: 3 });
        r.observe(&[5.0, 1.0, 0.0], 0).unwrap();
        r.observe(&[1.0, 4.0, 0.0], 1).unwrap();
        r.observe(&[0.0, 2.0, 0.0], 1).unwrap();
        assert_eq!(r.labels_of_neurons(), [Some(0), Some(1), None]);
        assert_eq!(r.score(&[2.0, 3.0, 9.0], 1).unwrap(), Some(1));
        // Equal means: the lower class.
        assert_eq!(r.score(&[2.0, 2.0, 0.0], 1).unwrap(), Some(0));
        assert_eq!(r.accuracy(), Some(0.5));
        assert_eq!(r.confusion(), [vec![0, 0, 0, 0], vec![1, 1, 0, 0], vec![0, 0, 0, 0]]);
    }

    #[test]
    fn a_mean_counts_not_a_sum() {
        let mut r = Readout::new(ReadoutKind::MaxRate { classes: 2 });
        r.observe(&[2.0], 0).unwrap();
        r.observe(&[2.0], 0).unwrap();
        r.observe(&[3.0], 1).unwrap();
        assert_eq!(r.labels_of_neurons(), [Some(1)]);
    }

    #[test]
    fn decoders_refuse_before_they_know_anything() {
        let mut r = Readout::new(ReadoutKind::MaxRate { classes: 2 });
        assert_eq!(r.score(&[1.0], 0), Err(ReadoutFault::NothingObserved));
        assert_eq!(r.observe(&[1.0], 2), Err(ReadoutFault::Class { class: 2, classes: 2 }));
        r.observe(&[1.0], 1).unwrap();
        assert_eq!(r.observe(&[1.0, 2.0], 1), Err(ReadoutFault::Width { expected: 1, found: 2 }));
        assert_eq!(r.observe(&[f64::NAN], 1), Err(ReadoutFault::NotFinite));
        let mut l = Readout::new(ReadoutKind::Linear { classes: 2, ridge: 0.0 });
        assert_eq!(l.fit(), Err(ReadoutFault::NothingObserved));
        l.observe(&[1.0], 1).unwrap();
        assert_eq!(l.score(&[1.0], 1), Err(ReadoutFault::NotFitted));
        assert_eq!(l.fit(), Err(ReadoutFault::Singular));
    }

    /// Points x = 0, 1 of class 0 and x = 3 of class 1, no ridge: least squares for class 1 gives
    /// slope (3 - 4/3)/(10 - 16/3) = 5/14 and intercept 1/3 - 4/3 * 5/14 = -1/7.
    #[test]
    fn a_linear_decoder_is_least_squares() {
        let mut r = Readout::new(ReadoutKind::Linear { classes: 2, ridge: 0.0 });
        for (x, c) in [(0.0, 0), (1.0, 0), (3.0, 1)] {
            r.observe(&[x], c).unwrap();
        }
        r.fit().unwrap();
        let Some(Decoder::Weights(w)) = &r.decoder else { panic!() };
        for (got, want) in w.iter().zip([-5.0 / 14.0, 5.0 / 14.0, 8.0 / 7.0, -1.0 / 7.0]) {
            assert!((got - want).abs() < 1e-14, "{got} {want}");
        }
        assert_eq!(r.score(&[2.5], 1).unwrap(), Some(1));
        assert_eq!(r.score(&[1.0], 0).unwrap(), Some(0));
    }

    /// One feature, ridge 2: the intercept is free, so slope = Sxy/(Sxx + 2) with centred sums: 5/3/(14/3 + 2) = 1/4.
    #[test]
    fn the_ridge_shrinks_slopes_and_not_the_intercept() {
        let mut r = Readout::new(ReadoutKind::Linear { classes: 2, ridge: 2.0 });
        for (x, c) in [(0.0, 0), (1.0, 0), (3.0, 1)] {
            r.observe(&[x], c).unwrap();
        }
        r.fit().unwrap();
        let Some(Decoder::Weights(w)) = &r.decoder else { panic!() };
        assert!((w[1] - 0.25).abs() < 1e-14 && (w[3] - (1.0 / 3.0 - 1.0 / 3.0)).abs() < 1e-14);
    }
}
