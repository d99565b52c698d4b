//! `for` loops: over whole numbers, over lists, and over the samples of a data set with `batch` and `epochs`.

use std::collections::BTreeSet;

use crate::diag::{Code, Diagnostic};
use crate::script::index;
use crate::script::ir::{Expr, Kind, NumTy, SampleLoop, Samples, StmtKind, Ty};
use crate::script::lower::{Batch, Lower};
use crate::script::names::Thing;
use crate::script::operators::kind_of;
use crate::source::Span;
use crate::syntax::ast;

impl Lower<'_, '_> {
    pub(crate) fn for_(
        &mut self,
        var: &ast::Ident,
        range: &ast::Expr,
        batch: Option<&ast::Expr>,
        epochs: Option<&ast::Expr>,
        body: &ast::Block,
        span: Span,
    ) -> Option<StmtKind> {
        let mut inner = range;
        while let ast::ExprKind::Paren(e) = &inner.kind {
            inner = e;
        }
        if let ast::ExprKind::Range { start, end } = &inner.kind {
            self.only_samples(batch, epochs);
            return self.for_range(var, start.as_deref(), end.as_deref(), body, range.span);
        }
        match self.resolve(range) {
            Thing::Samples(samples) => Some(self.for_samples(var, samples, batch, epochs, body, span)),
            Thing::Value(values) if !values.ty.axes().is_empty() => {
                self.only_samples(batch, epochs);
                self.for_each(var, values, range, body)
            }
            other => {
                self.only_samples(batch, epochs);
                if let Thing::Data(d) = other {
                    let name = self.cx.model.data.get(d.index()).map_or("", |d| &d.name);
                    self.err(
                        Diagnostic::new(Code::E0504, range.span, "a loop runs over one split of a data set")
                            .label("which split?")
                            .help(format!("write `{name}.train` or `{name}.test`")),
                    );
                } else if !matches!(other, Thing::Poisoned) {
                    let what = match &other {
                        Thing::Value(e) => self.describe(&e.ty),
                        thing => thing.describe().to_owned(),
                    };
                    if what != "a faulty value" {
                        self.err(
                            Diagnostic::new(Code::E0502, range.span, "nothing to run over")
                                .label(format!("this is {what}"))
                                .help("loops run over `0..10`, `[1 mV, 2 mV]`, or samples such as `d.train[..100]`"),
                        );
                    }
                }
                self.poisoned_body(var, body);
                None
            }
        }
    }

    fn only_samples(&mut self, batch: Option<&ast::Expr>, epochs: Option<&ast::Expr>) {
        for (word, e) in [("batch", batch), ("epochs", epochs)] {
            let Some(e) = e else { continue };
            self.expr(e);
            self.err(
                Diagnostic::new(Code::E0502, e.span, format!("`{word}` belongs to loops over samples of a data set"))
                    .label("this loop has none"),
            );
        }
    }

    /// Looks for faults in the body of a loop whose range is faulty.
    fn poisoned_body(&mut self, var: &ast::Ident, body: &ast::Block) {
        self.scopes.push(Vec::new());
        self.declare(var, Ty::Poisoned, None);
        self.loop_body(body);
        self.scopes.pop();
    }

    fn for_range(
        &mut self,
        var: &ast::Ident,
        start: Option<&ast::Expr>,
        end: Option<&ast::Expr>,
        body: &ast::Block,
        span: Span,
    ) -> Option<StmtKind> {
        let start_value = start.map(|e| self.position(e));
        let end_value = end.map(|e| self.position(e));
        if start.is_none() || end.is_none() {
            self.err(
                Diagnostic::new(Code::E0502, span, "a loop needs both ends of its range")
                    .label("an end is missing")
                    .help("write `0..10`: ten times, 0 to 9"),
            );
        }
        self.scopes.push(Vec::new());
        let var = self.declare(var, Ty::scalar(Kind::Int), Some(super::quantity::bare()));
        let lanes = start_value.iter().chain(&end_value).any(|e| self.per_lane(e));
        if lanes {
            self.taint(var);
        }
        let body = self.loop_body(body);
        self.scopes.pop();
        Some(StmtKind::ForRange { var, start: start_value?, end: end_value?, body })
    }

    fn for_each(&mut self, var: &ast::Ident, values: Expr, range: &ast::Expr, body: &ast::Block) -> Option<StmtKind> {
        let shown = self.shown(&values);
        self.scopes.push(Vec::new());
        let entry = NumTy { kind: kind_of(&values), axes: values.ty.axes().get(1..).unwrap_or_default().to_vec() };
        let var = self.declare(var, Ty::Num(entry), Some(shown));
        if self.per_lane(&values) {
            self.taint(var);
        }
        let body = self.loop_body(body);
        self.scopes.pop();
        if let super::ir::ExprKind::Var(place) = &values.kind {
            self.cx.program.read.insert(place.key);
        }
        let values = Expr { span: range.span, ..values };
        Some(StmtKind::ForEach { var, values, body })
    }

    fn for_samples(
        &mut self,
        var: &ast::Ident,
        samples: Samples,
        batch: Option<&ast::Expr>,
        epochs: Option<&ast::Expr>,
        body: &ast::Block,
        span: Span,
    ) -> StmtKind {
        let size = batch.map(|e| self.whole_number(e, "the size of a batch", 1));
        let epochs = epochs.map(|e| self.whole_number(e, "the number of epochs", 0));
        if let Some(written) = batch {
            self.forbid(written.span, "another batch");
        }
        let (data, _) = samples.source();
        let number = self.sample_loops;
        self.sample_loops += 1;
        self.scopes.push(Vec::new());
        let first_own = self.locals.len() as u32;
        let var = self.declare(var, Ty::Sample(data), None);
        self.changed.push(BTreeSet::new());
        self.loop_depth += 1;
        let outer = if batch.is_some() {
            self.batch.replace(Batch {
                first_own,
                tainted: BTreeSet::from([var]),
                depth: 0,
                loop_depth: self.loop_depth,
                span: batch.map_or(span, |b| b.span),
            })
        } else {
            self.deeper(true);
            self.taint(var);
            None
        };
        let body = self.maybe(|l| l.block(body));
        if batch.is_some() {
            self.batch = outer;
        } else {
            self.deeper(false);
        }
        self.loop_depth -= 1;
        let changes = self.changed.pop().unwrap_or_default().into_iter().filter(|l| l.0 < first_own).collect();
        self.scopes.pop();
        StmtKind::ForSamples(Box::new(SampleLoop { var, samples, batch: size, epochs, body, changes, number }))
    }

    /// A single int that is at least `least` if it is known.
    fn whole_number(&mut self, e: &ast::Expr, what: &str, least: i64) -> Expr {
        let value = self.expr(e);
        if value.ty == Ty::Poisoned {
            return value;
        }
        if value.ty != Ty::scalar(Kind::Int) {
            let found = self.describe(&value.ty);
            return self.fault(
                Diagnostic::new(Code::E0205, e.span, format!("{what} is a whole number, and this is {found}"))
                    .label("a whole number is needed here"),
                e.span,
            );
        }
        if index::constant(&value).is_some_and(|n| n < least) {
            return self.fault(
                Diagnostic::new(Code::E0205, e.span, format!("{what} is at least {least}")).label("too small"),
                e.span,
            );
        }
        value
    }
}
