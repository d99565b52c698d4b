//! Elements that are chosen while running: positions and ranges along axes, neurons of a population, synapses of a projection.

use crate::diag::{Code, Diagnostic};
use crate::hir::{self, View};
use crate::script::eval::{Interp, Res, Stop};
use crate::script::expr::bug;
use crate::script::ir::{Expr, IndexItem, Neurons, Place, Select};
use crate::script::metrics;
use crate::script::tensor::walk;
use crate::source::Span;

/// What is taken along one axis: a position, or positions from the first on, so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    At(usize),
    Range(usize, usize),
}

impl Taken {
    fn start(self) -> usize {
        match self {
            Self::At(k) | Self::Range(k, _) => k,
        }
    }
}

/// The shape of what is taken, and the places of its elements in an array of these distances between neighbours along its axes.
pub(crate) fn places(taken: &[Taken], strides: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let start = taken.iter().zip(strides).map(|(t, step)| t.start() * step).sum();
    let (mut shape, mut steps) = (Vec::new(), Vec::new());
    for (t, step) in taken.iter().zip(strides) {
        if let Taken::Range(_, len) = t {
            shape.push(*len);
            steps.push(*step);
        }
    }
    let mut at = Vec::with_capacity(shape.iter().product());
    walk(&shape, &steps, start, &mut |k| at.push(k));
    (shape, at)
}

impl Interp<'_, '_> {
    /// An index, checked.
    pub(crate) fn position(&mut self, e: &Expr, len: u64) -> Res<u64> {
        let k = self.int(e)?;
        u64::try_from(k).ok().filter(|&k| k < len).ok_or_else(|| {
            let last = len.saturating_sub(1);
            let label = if len == 0 { "there are none".to_owned() } else { format!("there are {len}: 0 to {last}") };
            Stop::Fault(Box::new(
                Diagnostic::new(Code::E0402, e.span, format!("index {k} is out of range")).label(label),
            ))
        })
    }

    /// A half-open range, checked: its start and its length.
    pub(crate) fn range(&mut self, a: Option<&Expr>, b: Option<&Expr>, len: u64, span: Span) -> Res<(usize, usize)> {
        let from = a.map_or(Ok(0), |e| self.int(e))?;
        let to = b.map_or(Ok(len as i64), |e| self.int(e))?;
        if from >= 0 && from <= to && to <= len as i64 {
            return Ok((from as usize, (to - from) as usize));
        }
        let at = a.map_or(span, |e| e.span).to(b.map_or(span, |e| e.span));
        let d = if from > to {
            Diagnostic::new(Code::E0402, at, format!("the range {from}..{to} ends before it starts"))
                .label("the smaller end stands first")
        } else {
            Diagnostic::new(Code::E0402, at, format!("the range {from}..{to} is out of range"))
                .label(format!("there are {len}: the widest range is 0..{len}"))
        };
        Err(Stop::Fault(Box::new(d)))
    }

    /// What is taken along axes of these lengths.
    pub(crate) fn taken(&mut self, items: &[IndexItem], lens: &[usize], span: Span) -> Res<Vec<Taken>> {
        if items.len() != lens.len() {
            return Err(bug(span, "an array is indexed along other axes than it has"));
        }
        let mut out = Vec::with_capacity(items.len());
        for (item, &len) in items.iter().zip(lens) {
            out.push(match item {
                IndexItem::At(e) => Taken::At(self.position(e, len as u64)? as usize),
                IndexItem::Range(a, b) => {
                    let (from, n) = self.range(a.as_ref(), b.as_ref(), len as u64, span)?;
                    Taken::Range(from, n)
                }
            });
        }
        Ok(out)
    }

    /// Indices in the population of the neurons meant.
    pub(crate) fn neuron_indices(&mut self, n: &Neurons) -> Res<Vec<usize>> {
        Ok(self.neurons_chosen(n)?.0)
    }

    /// Indices in the population of the neurons meant, and the shape that they have.
    pub(crate) fn neurons_chosen(&mut self, n: &Neurons) -> Res<(Vec<usize>, Vec<usize>)> {
        let size = self.cx.model.populations[n.view.pop.index()].size();
        let of = |k: usize| nth(&n.view, k);
        let lens: Vec<usize> = n.view.shape.iter().map(|&len| len as usize).collect();
        if n.at.is_empty() {
            return Ok(((0..metrics::neurons(&n.view, size)).map(of).collect(), lens));
        }
        if n.at.len() > lens.len() {
            let whole = lens.first().copied().unwrap_or(0);
            let mut at = Vec::new();
            for item in &n.at {
                match self.taken(std::slice::from_ref(item), &[whole], n.span)?.first() {
                    Some(Taken::At(k)) => at.push(*k),
                    Some(Taken::Range(k, len)) => at.extend(*k..k + len),
                    None => {}
                }
            }
            if at.windows(2).any(|w| w[0] >= w[1]) {
                return Err(Stop::Fault(Box::new(
                    Diagnostic::new(Code::E0402, n.span, "neurons are listed out of order or twice")
                        .label("list them in ascending order, each once"),
                )));
            }
            let count = at.len();
            return Ok((at.into_iter().map(of).collect(), vec![count]));
        }
        let taken = self.taken(&n.at, &lens, n.span)?;
        let (shape, at) = places(&taken, &crate::script::tensor::strides(&lens));
        Ok((at.into_iter().map(of).collect(), shape))
    }

    /// Positions of the selected elements, counted row by row, with the shape they have; `None` for all elements.
    pub(crate) fn positions(&mut self, place: &Place) -> Res<Option<(Vec<usize>, Vec<usize>)>> {
        if let Select::Neurons(n) = &place.select {
            let whole = n.at.is_empty() && n.view.select == hir::Select::All;
            return if whole { Ok(None) } else { self.neurons_chosen(n).map(Some) };
        }
        if matches!(place.select, Select::AllSynapses) {
            return Ok(None);
        }
        // Asking for values may bring all of them up to date: only where their shape is needed.
        let v = self.machine.values(place.key);
        let (rows, cols) = (v.rows, v.cols);
        Ok(match &place.select {
            Select::Neurons(_) | Select::AllSynapses => None,
            Select::Synapse(k) => Some((vec![self.position(k, (rows * cols) as u64)? as usize], Vec::new())),
            Select::Pair(i, j) => {
                let (i, j) = (self.position(i, rows as u64)? as usize, self.position(j, cols as u64)? as usize);
                Some((vec![i * cols + j], Vec::new()))
            }
            Select::Row(i) => {
                let i = self.position(i, rows as u64)? as usize;
                Some(((i * cols..(i + 1) * cols).collect(), vec![cols]))
            }
            Select::Column(j) => {
                let j = self.position(j, cols as u64)? as usize;
                Some(((0..rows).map(|r| r * cols + j).collect(), vec![rows]))
            }
            Select::Block(items) => {
                let taken = self.taken(items.as_slice(), &[rows, cols], place.span)?;
                let (shape, at) = places(&taken, &[cols, 1]);
                Some((at, shape))
            }
            Select::Part(a, b) => {
                let (from, n) = self.range(a.as_deref(), b.as_deref(), (rows * cols) as u64, place.span)?;
                Some(((from..from + n).collect(), vec![n]))
            }
        })
    }
}

/// The k-th neuron of a view.
fn nth(view: &View, k: usize) -> usize {
    match &view.select {
        hir::Select::All => k,
        hir::Select::Range(a, _) => *a as usize + k,
        hir::Select::List(list) => list.get(k).map_or(usize::MAX, |&n| n as usize),
    }
}
