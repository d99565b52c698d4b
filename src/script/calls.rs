//! Calls that give a value: functions of one element, reductions, measures of spikes, draws, user functions, and procedures.

use crate::builtins::{Builtin, DimRule, Dist};
use crate::diag::{Code, Diagnostic};
use crate::hir::ReadoutId;
use crate::script::index;
use crate::script::ir::{Axis, AxisName, Expr, ExprKind, Kind, Metric, NumTy, Over, Reduction, Samples, Ty};
use crate::script::lower::{Bound, Lower, poisoned};
use crate::script::names::Thing;
use crate::script::operators::{Operand, convert, fits_any, kind_of, to_real};
use crate::script::{names, over_time, quantity, shape, table};
use crate::sema::scope::Symbol;
use crate::source::Span;
use crate::syntax::ast;
use crate::units::nearest::nearest;
use crate::units::{Dim, Ratio};

impl Lower<'_, '_> {
    pub(crate) fn call_thing(&mut self, callee: &ast::Expr, args: &[ast::Arg], span: Span) -> Thing {
        let ast::ExprKind::Name(name) = &callee.kind else {
            let inside: Vec<&ast::Expr> = args.iter().map(|a| &a.value).collect();
            if let Some(d) = crate::sema::foreign::in_brackets(callee, &inside, span) {
                self.err(d);
                return Thing::Poisoned;
            }
            let base = self.resolve(callee);
            if !matches!(base, Thing::Poisoned) {
                self.err(
                    Diagnostic::new(Code::E0502, callee.span, "only functions and procedures can be called")
                        .label(format!("this is {}", base.describe())),
                );
            }
            return Thing::Poisoned;
        };
        if let Some(bound) = self.lookup(name) {
            if !matches!(bound, Bound::Poisoned) {
                self.err(
                    Diagnostic::new(Code::E0502, callee.span, format!("`{name}` is a variable here, not a function"))
                        .label("cannot be called"),
                );
            }
            self.check_args(args);
            return Thing::Poisoned;
        }
        if let Some((symbol, defined)) = self.cx.scope.names.get(name.as_str()).cloned() {
            match symbol {
                Symbol::Procedure { params, body } => {
                    let value = self.call_procedure(name, callee.span, defined, &params, &body, args, span);
                    let Some((proc, args, ty)) = value else { return Thing::Poisoned };
                    return Thing::Value(Expr { kind: ExprKind::Call { proc, args }, ty, span });
                }
                Symbol::Fn { params, body } => {
                    return Thing::Value(self.inline(name, callee.span, &params, &body, args, span));
                }
                Symbol::Poisoned => {
                    self.check_args(args);
                    return Thing::Poisoned;
                }
                _ if !table::is_function(name) => {
                    let what = self.resolve(callee);
                    self.err(
                        Diagnostic::new(Code::E0502, callee.span, format!("`{name}` cannot be called"))
                            .label(format!("this is {}", what.describe()))
                            .also(defined, "defined here"),
                    );
                    self.check_args(args);
                    return Thing::Poisoned;
                }
                _ => {}
            }
        }
        self.function(name, callee.span, args, span)
    }

    fn function(&mut self, name: &str, name_span: Span, args: &[ast::Arg], span: Span) -> Thing {
        let single = args.len() == 1;
        if let Some(metric) = table::metric(name) {
            return Thing::Value(self.metric(metric, args, span));
        }
        if let Some(op) = table::reduction(name)
            && (single || !matches!(op, Reduction::Min | Reduction::Max))
        {
            return Thing::Value(self.reduction(op, args, span));
        }
        if let Some(row) = Builtin::named(name) {
            let params: &[&str] = match row.args {
                1 => &["x"],
                2 => &["a", "b"],
                _ => &["x", "lo", "hi"],
            };
            let Some(values) = self.arguments(name, name_span, params, args) else { return Thing::Poisoned };
            return Thing::Value(self.elementwise(name, row.builtin, row.rule, values, span));
        }
        if let Some(row) = Dist::named(name) {
            let Some(values) = self.arguments(name, name_span, row.params, args) else { return Thing::Poisoned };
            return Thing::Value(self.draw(name, row.dist, values, span));
        }
        match name {
            "accuracy" => {
                let [arg] = args else {
                    return self.arity(name, name_span, "one readout", args);
                };
                match self.readout(&arg.value) {
                    Some(r) => {
                        Thing::Value(Expr { kind: ExprKind::Accuracy(r), ty: Ty::scalar(Kind::Real(Dim::NONE)), span })
                    }
                    None => Thing::Poisoned,
                }
            }
            "zeros" => {
                let (mut axes, mut sizes) = (Vec::new(), Vec::new());
                for arg in args {
                    let n = self.position(&arg.value);
                    if n.ty == Ty::Poisoned {
                        return Thing::Poisoned;
                    }
                    let len = index::constant(&n);
                    if len.is_some_and(|n| !(1..=1 << 31).contains(&n)) {
                        self.err(
                            Diagnostic::new(Code::E0205, arg.span, "the size of an array is a positive whole number")
                                .label("no size"),
                        );
                        return Thing::Poisoned;
                    }
                    axes.push(Axis { name: AxisName::Unnamed, len: len.map(|n| n as u64) });
                    sizes.push(n);
                }
                if axes.is_empty() {
                    return self.arity(name, name_span, "a size", args);
                }
                let ty = Ty::Num(NumTy { kind: Kind::Real(Dim::NONE), axes });
                Thing::Value(Expr { kind: ExprKind::Zeros(sizes), ty, span })
            }
            "truncated" => Thing::Value(self.truncated(name_span, args, span)),
            "timed" => Thing::Value(self.timed(name_span, args, span)),
            "array" => Thing::Value(self.array(name_span, args, span)),
            "shuffle" => {
                let [arg] = args else {
                    return self.arity(name, name_span, "the samples of a data set", args);
                };
                match self.resolve(&arg.value) {
                    Thing::Samples(of) => {
                        let stream = self.stream("shuffle");
                        Thing::Samples(Samples::Shuffle { of: Box::new(of), stream, span })
                    }
                    Thing::Poisoned => Thing::Poisoned,
                    other => {
                        self.err(
                            Diagnostic::new(Code::E0502, arg.span, "`shuffle` takes samples of a data set")
                                .label(format!("this is {}", other.describe()))
                                .help("write `shuffle(d.train)`"),
                        );
                        Thing::Poisoned
                    }
                }
            }
            _ if table::ACTIONS.contains(&name) => {
                self.check_args(args);
                self.err(
                    Diagnostic::new(Code::E0502, name_span, format!("`{name}` gives no value"))
                        .label("stands on a line of its own"),
                );
                Thing::Poisoned
            }
            _ if table::LATER.contains(&name) => {
                self.err(
                    Diagnostic::new(Code::E0901, span, format!("`{name}` is not supported in protocols yet"))
                        .label("not built yet"),
                );
                Thing::Poisoned
            }
            _ => {
                self.check_args(args);
                self.unknown_function(name, name_span);
                Thing::Poisoned
            }
        }
    }

    pub(crate) fn unknown_function(&mut self, name: &str, span: Span) {
        // `nest.Simulate(…)` is the call of a module's function.
        let plain = name.rsplit('.').next().unwrap_or(name);
        if let Some(d) = crate::sema::foreign::function(plain, span, true) {
            self.err(d);
            return;
        }
        // A program that imports nothing has not been asked for the files of such names.
        if let Some((first, own)) = name.split_once('.') {
            // What is faulty has been reported where it is declared.
            if self.lookup(first).is_none() && matches!(self.cx.scope.names.get(first), Some((Symbol::Poisoned, _))) {
                return;
            }
            if self.lookup(first).is_some() || self.cx.scope.names.get(first).is_some() {
                let d = Diagnostic::new(Code::E0104, span, format!("`{first}` has no statement `{own}(…)`"));
                let readout = matches!(self.cx.scope.names.get(first), Some((Symbol::Readout(_), _)));
                if readout && names::CALLS_OF_READOUTS.contains(&own) {
                    self.err(d.label("nothing of this name can be called").help(names::HOW_READOUTS_ARE_CALLED));
                    return;
                }
                self.err(d.label("nothing of this name can be called").help(format!(
                    "variables are assigned, `{first}.v = -65 mV`; `reset({first})` gives them their initial values"
                )));
                return;
            }
            self.err(crate::sema::qualify::not_imported(first, &[], "a statement", span));
            return;
        }
        let mut d = Diagnostic::new(Code::E0502, span, format!("there is no function or procedure `{name}`"))
            .label("nothing of this name can be called");
        let own: Vec<String> = self
            .cx
            .scope
            .names
            .iter()
            .filter(|(_, (s, _))| matches!(s, Symbol::Fn { .. } | Symbol::Procedure { .. }))
            .map(|(n, _)| n.clone())
            .collect();
        let near = nearest(name, own.iter().map(String::as_str).chain(table::functions()));
        if let Some(near) = near {
            d = d.help(format!("did you mean `{near}`?")).fix(span, near);
        }
        self.err(d);
    }

    /// Looks for faults in arguments of a call that is faulty itself.
    pub(crate) fn check_args(&mut self, args: &[ast::Arg]) {
        for arg in args {
            self.resolve(&arg.value);
        }
    }

    pub(crate) fn arity(&mut self, name: &str, span: Span, takes: &str, args: &[ast::Arg]) -> Thing {
        self.check_args(args);
        self.err(Diagnostic::new(Code::E0105, span, format!("`{name}` takes {takes}")).label(format!(
            "{} given",
            match args.len() {
                0 => "nothing is".to_owned(),
                1 => "1 argument is".to_owned(),
                n => format!("{n} arguments are"),
            }
        )));
        Thing::Poisoned
    }

    /// The written arguments in the order of the parameters; the first `required` must be given.
    pub(crate) fn matched<'e>(
        &mut self,
        name: &str,
        name_span: Span,
        params: &[&str],
        required: usize,
        args: &'e [ast::Arg],
    ) -> Option<Vec<Option<&'e ast::Arg>>> {
        let mut slots: Vec<Option<&ast::Arg>> = vec![None; params.len()];
        let mut ok = true;
        let signature = format!("{name}({})", params.join(", "));
        for (k, arg) in args.iter().enumerate() {
            let place = match &arg.name {
                Some(n) => params.iter().position(|p| *p == n.node),
                None => Some(k).filter(|&k| k < params.len()),
            };
            if let Some(over) = &arg.over {
                ok = false;
                self.err(
                    Diagnostic::new(Code::E0105, over.span, format!("`{name}` does not work over an axis"))
                        .label("no axis is expected here"),
                );
            }
            let Some(slot) = place.and_then(|p| slots.get_mut(p)) else {
                ok = false;
                let at = arg.name.as_ref().map_or(arg.span, |n| n.span);
                let message = match &arg.name {
                    Some(n) => format!("`{name}` has no argument `{}`", n.node),
                    None => {
                        format!("`{name}` takes {} argument{}", params.len(), if params.len() == 1 { "" } else { "s" })
                    }
                };
                let mut d = Diagnostic::new(Code::E0105, at, message)
                    .label("not expected")
                    .note(format!("it is `{signature}`"));
                if let Some(near) = arg.name.as_ref().and_then(|n| nearest(&n.node, params.iter().copied())) {
                    d = d.help(format!("did you mean `{near}`?")).fix(at, near);
                }
                self.err(d);
                continue;
            };
            if let Some(before) = slot {
                ok = false;
                let d = Diagnostic::new(Code::E0105, arg.span, format!("an argument of `{name}` is given twice"))
                    .label("again here")
                    .also(before.span, "first here");
                self.err(d);
            }
            *slot = Some(arg);
        }
        let missing: Vec<String> = params
            .iter()
            .zip(&slots)
            .take(required)
            .filter(|(_, s)| s.is_none())
            .map(|(p, _)| format!("`{p}`"))
            .collect();
        if ok && !missing.is_empty() {
            ok = false;
            self.err(
                Diagnostic::new(Code::E0105, name_span, format!("`{name}` needs {}", missing.join(" and ")))
                    .label("an argument is missing")
                    .note(format!("it is `{signature}`")),
            );
        }
        if !ok {
            self.check_args(args);
            return None;
        }
        Some(slots)
    }

    pub(crate) fn arguments<'e>(
        &mut self,
        name: &str,
        name_span: Span,
        params: &[&str],
        args: &'e [ast::Arg],
    ) -> Option<Vec<Operand<'e>>> {
        let slots = self.matched(name, name_span, params, params.len(), args)?;
        let values: Vec<Operand> =
            slots.into_iter().flatten().map(|a| Operand { value: self.expr(&a.value), ast: &a.value }).collect();
        for v in &values {
            if v.value.ty == Ty::Poisoned {
                return None;
            }
            if !v.value.ty.num().is_some_and(|n| n.kind != Kind::Bool) {
                let what = self.describe(&v.value.ty);
                self.err(
                    Diagnostic::new(Code::E0205, v.ast.span, format!("`{name}` needs numbers"))
                        .label(format!("this is {what}")),
                );
                return None;
            }
        }
        Some(values)
    }

    fn elementwise(&mut self, name: &str, builtin: Builtin, rule: DimRule, values: Vec<Operand>, span: Span) -> Expr {
        let what = format!("`{name}`");
        let mut kind = values.first().map_or(Kind::Int, |v| kind_of(&v.value));
        let mut out = Vec::new();
        match rule {
            DimRule::Same => {
                let mut values = values.into_iter();
                let Some(mut first) = values.next() else { return poisoned(span) };
                for v in values {
                    let Some((a, b, k)) = self.unify(&what, span, first.clone(), v) else { return poisoned(span) };
                    first.value = a;
                    kind = k;
                    out.push(b);
                }
                out.insert(0, first.value);
                out = out.into_iter().map(|v| convert(v, kind)).collect();
            }
            DimRule::Bare => {
                for v in values {
                    let d = kind_of(&v.value).dim();
                    if !d.is_none() {
                        let unit = quantity::text(&self.shown(&v.value));
                        return self.fault(
                            Diagnostic::new(Code::E0203, v.ast.span, format!("{what} needs a bare number"))
                                .label(format!("this is {unit}"))
                                .help(format!("divide by a quantity of this unit, such as `1 {unit}`")),
                            span,
                        );
                    }
                    out.push(to_real(v.value));
                }
                kind = Kind::Real(Dim::NONE);
            }
            DimRule::Root => {
                let half = Ratio::new(1, 2).unwrap_or(Ratio::ZERO);
                kind = Kind::Real(kind.dim().pow(half));
                out = values.into_iter().map(|v| to_real(v.value)).collect();
            }
            DimRule::ToBare => {
                kind = Kind::Real(Dim::NONE);
                out = values.into_iter().map(|v| to_real(v.value)).collect();
            }
        }
        let Some((out, axes)) = self.align(out, span) else { return poisoned(span) };
        Expr { kind: ExprKind::Builtin(builtin, out), ty: Ty::Num(NumTy { kind, axes }), span }
    }

    fn reduction(&mut self, op: Reduction, args: &[ast::Arg], span: Span) -> Expr {
        let [arg] = args else {
            self.arity(op.name(), span, "one value, perhaps `over` an axis", args);
            return poisoned(span);
        };
        if let Some(name) = &arg.name {
            return self.fault(
                Diagnostic::new(Code::E0105, name.span, format!("`{}` has no argument `{}`", op.name(), name.node))
                    .label("not expected"),
                span,
            );
        }
        let value = self.expr(&arg.value);
        if value.ty == Ty::Poisoned {
            return poisoned(span);
        }
        let Ty::Num(num) = value.ty.clone() else {
            let what = self.describe(&value.ty);
            return self.fault(
                Diagnostic::new(Code::E0205, arg.span, format!("`{}` needs numbers", op.name()))
                    .label(format!("this is {what}")),
                span,
            );
        };
        let kind = match (op, num.kind) {
            (Reduction::Count, Kind::Bool) | (Reduction::Argmax | Reduction::Argmin, Kind::Int | Kind::Real(_)) => {
                Kind::Int
            }
            (Reduction::Count, _) => {
                let what = self.describe(&value.ty);
                return self.fault(
                    Diagnostic::new(Code::E0205, arg.span, "`count` needs truth values")
                        .label(format!("this is {what}"))
                        .help("compare first, as in `count(x > 0)`"),
                    span,
                );
            }
            (Reduction::Sum, Kind::Bool) => Kind::Int,
            (Reduction::Mean, Kind::Bool) => Kind::Real(Dim::NONE),
            (_, Kind::Bool) => {
                return self.fault(
                    Diagnostic::new(Code::E0205, arg.span, format!("`{}` needs numbers", op.name()))
                        .label("these are truth values")
                        .help("`count(…)` gives how many are true"),
                    span,
                );
            }
            (Reduction::Sum | Reduction::Min | Reduction::Max, kind) => kind,
            (Reduction::Mean | Reduction::Std | Reduction::Norm, kind) => Kind::Real(kind.dim()),
        };
        let value = match (op, num.kind) {
            (Reduction::Sum, Kind::Bool) => wrap(value, Kind::Int, ExprKind::ToInt),
            (Reduction::Mean, Kind::Bool) => wrap(value, Kind::Real(Dim::NONE), ExprKind::ToReal),
            (Reduction::Mean | Reduction::Std | Reduction::Norm, Kind::Int) => to_real(value),
            _ => value,
        };
        let Some((over, axes)) = self.over(op, arg, &num.axes) else { return poisoned(span) };
        if let (Over::Time(_), Some(part)) = (&over, over_time::without_value(&value)) {
            return self.fault(
                Diagnostic::new(Code::E0502, part, "this has no value at each step of a `run`")
                    .also(arg.over.as_ref().map_or(arg.span, |o| o.span), "what is reduced over time is computed at the end of every step")
                    .help("reduce variables of the network, and combine the result with the rest: `mean(E.v over time) - x`"),
                span,
            );
        }
        Expr { kind: ExprKind::Reduce { op, value: Box::new(value), over }, ty: Ty::Num(NumTy { kind, axes }), span }
    }

    /// What a reduction runs over, and the axes that remain.
    fn over(&mut self, op: Reduction, arg: &ast::Arg, axes: &[Axis]) -> Option<(Over, Vec<Axis>)> {
        let Some(over) = &arg.over else {
            if matches!(op, Reduction::Argmax | Reduction::Argmin) && axes.len() > 1 {
                let last = axes.len() - 1;
                return Some((Over::Axes(vec![last]), axes.get(..last)?.to_vec()));
            }
            return Some((Over::All, Vec::new()));
        };
        if over.node == "time" {
            let id = self.cx.program.over_time;
            self.cx.program.over_time += 1;
            return Some((Over::Time(id), axes.to_vec()));
        }
        if let [Axis { name: AxisName::Synapses(p), .. }] = axes {
            let proj = self.cx.model.projections.get(p.index())?;
            let pre = Axis { name: AxisName::Pre(*p), len: Some(shape::view_len(self.cx.model, &proj.pre)) };
            let post = Axis { name: AxisName::Post(*p), len: Some(shape::view_len(self.cx.model, &proj.post)) };
            match over.node.as_str() {
                "pre" => return Some((Over::SynapsesOverPre(*p), vec![post])),
                "post" => return Some((Over::SynapsesOverPost(*p), vec![pre])),
                _ => {}
            }
        }
        let model = self.cx.model;
        let matches = |a: &Axis| match (over.node.as_str(), a.name) {
            ("pre", AxisName::Pre(_)) | ("post", AxisName::Post(_)) | ("neurons", AxisName::Neurons { .. }) => true,
            (name, AxisName::Neurons { pop, .. }) => model.populations.get(pop.index()).is_some_and(|p| p.name == name),
            _ => false,
        };
        let hits: Vec<usize> = axes.iter().enumerate().filter(|(_, a)| matches(a)).map(|(k, _)| k).collect();
        if hits.is_empty() {
            let has: Vec<&str> = axes
                .iter()
                .map(|a| match a.name {
                    AxisName::Pre(_) => "pre",
                    AxisName::Post(_) => "post",
                    AxisName::Neurons { .. } => "neurons",
                    AxisName::Synapses(_) => "pre (and post)",
                    AxisName::Unnamed => "one without a name",
                })
                .collect();
            let label = if has.is_empty() {
                "a single number has no axes".to_owned()
            } else {
                format!("its axes: {}", has.join(", "))
            };
            self.err(
                Diagnostic::new(Code::E0502, over.span, format!("there is no axis `{}` to reduce", over.node))
                    .label("no such axis")
                    .also(arg.value.span, label),
            );
            return None;
        }
        let rest: Vec<Axis> = axes.iter().enumerate().filter(|(k, _)| !hits.contains(k)).map(|(_, a)| *a).collect();
        let over = if rest.is_empty() { Over::All } else { Over::Axes(hits) };
        Some((over, rest))
    }

    fn metric(&mut self, metric: Metric, args: &[ast::Arg], span: Span) -> Expr {
        let name = metric.name();
        let params: &[&str] =
            if metric == Metric::Synchrony { &["neurons", "from", "to", "bin"] } else { &["neurons", "from", "to"] };
        let Some(slots) = self.matched(name, span, params, 1, args) else { return poisoned(span) };
        let mut slots = slots.into_iter();
        let Some(Some(of_arg)) = slots.next() else { return poisoned(span) };
        let times: Vec<Option<Expr>> =
            slots.map(|s| s.map(|a| self.time(&a.value, &format!("a time of `{name}`")))).collect();
        let (of, event) = match self.resolve(&of_arg.value) {
            Thing::Neurons(n) => (n, None),
            Thing::Spikes(n, event) => (n, event),
            Thing::Poisoned => return poisoned(span),
            other => {
                return self.fault(
                    Diagnostic::new(Code::E0502, of_arg.span, format!("`{name}` takes a population or part of one"))
                        .label(format!("this is {}", other.describe()))
                        .help(format!("write `{name}(E)` or `{name}(E[..10])`")),
                    span,
                );
            }
        };
        if times.iter().flatten().any(|t| t.ty == Ty::Poisoned) {
            return poisoned(span);
        }
        let mut times = times.into_iter().map(|t| t.map(Box::new));
        let (from, to, bin) = (times.next().flatten(), times.next().flatten(), times.next().flatten());
        self.logged(of.view.pop, event, of_arg.span);
        let ty = match metric {
            Metric::Rate => Ty::scalar(Kind::Real(Dim::frequency())),
            Metric::CvIsi | Metric::Synchrony => Ty::scalar(Kind::Real(Dim::NONE)),
            Metric::Spikes => Ty::Num(NumTy { kind: Kind::Int, axes: self.neurons_axes(&of) }),
        };
        Expr { kind: ExprKind::Metric { metric, of, from, to, bin, event }, ty, span }
    }

    /// A single time.
    pub(crate) fn time(&mut self, e: &ast::Expr, what: &str) -> Expr {
        let value = self.expr(e);
        match &value.ty {
            Ty::Poisoned => value,
            Ty::Num(n) if n.axes.is_empty() && n.kind.dim() == Dim::TIME => value,
            Ty::Num(n) if n.axes.is_empty() && n.kind != Kind::Bool && fits_any(e) => {
                convert(value, Kind::Real(Dim::TIME))
            }
            Ty::Num(n) if n.axes.is_empty() && n.kind.dim().is_none() && super::operators::is_literal(e) => {
                let d = self.bare_number(e, "ms", None);
                self.fault(d, e.span)
            }
            ty => {
                let found = self.describe(ty);
                self.fault(
                    Diagnostic::new(Code::E0205, e.span, format!("{what} is a time, and this is {found}"))
                        .label("a time, such as `100 ms`, is needed here"),
                    e.span,
                )
            }
        }
    }

    /// A readout by name.
    pub(crate) fn readout(&mut self, e: &ast::Expr) -> Option<ReadoutId> {
        match self.resolve(e) {
            Thing::Readout(r) => Some(r),
            Thing::Poisoned => None,
            other => {
                self.err(
                    Diagnostic::new(Code::E0502, e.span, "a readout is needed here")
                        .label(format!("this is {}", other.describe()))
                        .help("declare one at the top of the file: `readout vote: max_rate(classes = 10)`"),
                );
                None
            }
        }
    }

    /// A user function: its body with the arguments put in.
    fn inline(
        &mut self,
        name: &str,
        name_span: Span,
        params: &[(ast::Ident, Option<ast::TypeExpr>)],
        body: &ast::Expr,
        args: &[ast::Arg],
        span: Span,
    ) -> Expr {
        if self.functions.iter().any(|f| f == name) {
            let circle = self.functions.join("` uses `");
            return self.fault(
                Diagnostic::new(Code::E0106, name_span, format!("`{name}` is defined by itself"))
                    .label("used inside its own definition")
                    .note(format!("`{circle}` uses `{name}`")),
                span,
            );
        }
        let names: Vec<&str> = params.iter().map(|(p, _)| p.node.as_str()).collect();
        let Some(slots) = self.matched(name, name_span, &names, names.len(), args) else { return poisoned(span) };
        let mut frame = Vec::new();
        let mut once = Vec::new();
        for ((param, ty), slot) in params.iter().zip(slots) {
            let Some(arg) = slot else { return poisoned(span) };
            let mut value = self.expr(&arg.value);
            if value.ty == Ty::Poisoned {
                return poisoned(span);
            }
            if let Some(ty) = ty {
                value = self.declared(value, &arg.value, ty);
                if value.ty == Ty::Poisoned {
                    return poisoned(span);
                }
            }
            if repeats_effect(&value) {
                // Drawn or called once, however often the function uses it.
                let local = self.hidden(&param.node, &value, arg.span);
                let named = Expr { kind: ExprKind::Local(local), ty: value.ty.clone(), span: arg.span };
                once.push((local, std::mem::replace(&mut value, named)));
            }
            frame.push((param.node.clone(), Bound::Inlined(value), param.span));
        }
        // The body sees its parameters and the file's names, not the caller's variables.
        let outside = std::mem::replace(&mut self.scopes, vec![frame]);
        self.functions.push(name.to_owned());
        let value = self.expr(body);
        self.functions.pop();
        self.scopes = outside;
        once.into_iter().rev().fold(value, |body, (local, value)| {
            let (ty, span) = (body.ty.clone(), body.span);
            Expr { kind: ExprKind::With { local, value: Box::new(value), body: Box::new(body) }, ty, span }
        })
    }

    /// `timed(list, step)`: the list's entry for the present time.
    fn timed(&mut self, name_span: Span, args: &[ast::Arg], span: Span) -> Expr {
        let Some(slots) = self.matched("timed", name_span, &["list", "step"], 2, args) else { return poisoned(span) };
        let [Some(list_arg), Some(step_arg)] = slots.as_slice() else { return poisoned(span) };
        let list = self.expr(&list_arg.value);
        let step = self.time(&step_arg.value, "the step of `timed`");
        if list.ty == Ty::Poisoned || step.ty == Ty::Poisoned {
            return poisoned(span);
        }
        let Some((kind, axes)) = list.ty.num().and_then(|n| Some((n.kind, n.axes.split_first()?.1.to_vec()))) else {
            let found = self.describe(&list.ty);
            return self.fault(
                Diagnostic::new(Code::E0205, list_arg.span, "`timed` needs a list")
                    .label(format!("this is {found}"))
                    .help("write `timed([0 pA, 200 pA, 0 pA], 100 ms)`"),
                span,
            );
        };
        if super::operators::const_value(&step).is_some_and(|x| !(x > 0.0 && x.is_finite())) {
            return self.fault(
                Diagnostic::new(Code::E0205, step_arg.span, "the step of `timed` must be a positive time")
                    .label("not a positive time"),
                span,
            );
        }
        let kind_of_it = ExprKind::Timed { list: Box::new(list), step: Box::new(step) };
        Expr { kind: kind_of_it, ty: Ty::Num(NumTy { kind, axes }), span }
    }

    /// `array("f.npz", "key")`: read while the program is checked.
    fn array(&mut self, name_span: Span, args: &[ast::Arg], span: Span) -> Expr {
        let Some(slots) = self.matched("array", name_span, &["file", "key"], 2, args) else { return poisoned(span) };
        let mut texts = Vec::new();
        for arg in slots.into_iter().flatten() {
            let value = self.expr(&arg.value);
            match value.kind {
                ExprKind::Str(s) => texts.push(s),
                ExprKind::Error => return poisoned(span),
                _ => {
                    return self.fault(
                        Diagnostic::new(
                            Code::E0105,
                            arg.span,
                            "`array` takes the names of a file and of an array in it, in quotes",
                        )
                        .label("a name in quotes is needed here")
                        .help("write `array(\"f.npz\", \"x\")`"),
                        span,
                    );
                }
            }
        }
        let [path, key] = texts.as_slice() else { return poisoned(span) };
        let (values, shape) = match self.cx.array(path, key, span) {
            Ok(found) => found,
            Err(d) => return self.fault(*d, span),
        };
        if values.is_empty() {
            return self.fault(Diagnostic::new(Code::E0802, span, "the array is empty").label("no value in it"), span);
        }
        let kind = Kind::Real(Dim::NONE);
        let typed = |lens: &[u64]| {
            let axes = lens.iter().map(|n| Axis { name: AxisName::Unnamed, len: Some(*n) }).collect();
            Ty::Num(NumTy { kind, axes })
        };
        if shape.is_empty() {
            let one = values.first().copied().unwrap_or(f64::NAN);
            return Expr { kind: ExprKind::Const(one), ty: typed(&[]), span };
        }
        let flat = typed(&[values.len() as u64]);
        let list = Expr { kind: ExprKind::Table(values.into()), ty: flat, span };
        if shape.len() == 1 {
            return list;
        }
        Expr { kind: ExprKind::Reshape(Box::new(list)), ty: typed(&shape), span }
    }
}

fn wrap(value: Expr, kind: Kind, node: fn(Box<Expr>) -> ExprKind) -> Expr {
    let ty = Ty::Num(NumTy { kind, axes: value.ty.axes().to_vec() });
    let span = value.span;
    Expr { kind: node(Box::new(value)), ty, span }
}

/// Whether evaluating it twice differs from evaluating it once.
fn repeats_effect(e: &Expr) -> bool {
    crate::script::walk::any(e, &mut |e| matches!(e.kind, ExprKind::Draw { .. } | ExprKind::Call { .. }))
}
