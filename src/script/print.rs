//! Text form of the protocol IR, for `--emit hir` and for tests. It shows what the source does not: types with their axes, folded
//! constants in internal units, alignments, and instances of procedures.

use std::fmt::Write;

use crate::hir::{self, Model, PopId, View};
use crate::script::ir::{
    AssignOp, AxisName, AxisSource, BinaryOp, Body, Expr, ExprKind, IndexItem, Kind, LocalId, Neurons, Over, Place,
    Record, Recorded, Samples, Select, Stmt, StmtKind, Ty, UnaryOp,
};
use crate::script::machine::{Entity, ResetTarget, VarKey};
use crate::script::{Program, names};
use crate::units;

/// The protocols of a model as text, one line for each statement.
#[must_use]
pub fn print(model: &Model) -> String {
    let program: &Program = &model.script;
    let mut p = Printer { model, locals: &[], out: String::new(), depth: 0 };
    for record in &program.records {
        let text = p.record(record);
        p.line(&text);
    }
    for (k, procedure) in program.procedures.iter().enumerate() {
        let body = &procedure.body;
        let params: Vec<String> = procedure
            .params
            .iter()
            .filter_map(|l| body.locals.get(l.index()).map(|d| format!("{}: {}", d.name, p.ty(&d.ty))))
            .collect();
        let head = format!("procedure {}#{k}({}) -> {}", procedure.name, params.join(", "), p.ty(&procedure.returns));
        p.body(&head, body);
    }
    for experiment in &program.experiments {
        p.body(&format!("experiment {}", experiment.name), &experiment.body);
    }
    for test in &program.tests {
        p.body(&format!("test \"{}\"", test.title), &test.body);
    }
    for (what, keys) in [("assigned", &program.assigned), ("read", &program.read), ("frozen", &program.frozen)] {
        if !keys.is_empty() {
            let text = p.keys(keys.iter());
            p.line(&format!("{what}: {text}"));
        }
    }
    for (what, pops) in [("counted", &program.counted), ("spikes recorded", &program.spikes_recorded)] {
        if !pops.is_empty() {
            let text: Vec<&str> = pops.iter().map(|q| names::entity_name(model, Entity::Pop(*q))).collect();
            p.line(&format!("{what}: {}", text.join(", ")));
        }
    }
    p.out
}

struct Printer<'a> {
    model: &'a Model,
    locals: &'a [super::ir::LocalDecl],
    out: String,
    depth: usize,
}

impl<'a> Printer<'a> {
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{:1$}{text}", "", 2 * self.depth);
    }

    fn body(&mut self, head: &str, body: &'a Body) {
        self.locals = &body.locals;
        self.block(head, &body.stmts);
        self.locals = &[];
    }

    fn block(&mut self, head: &str, stmts: &[Stmt]) {
        self.line(&format!("{head} {{"));
        self.depth += 1;
        for s in stmts {
            self.stmt(s);
        }
        self.depth -= 1;
        self.line("}");
    }

    fn stmt(&mut self, s: &Stmt) {
        let text = match &s.kind {
            StmtKind::Let { local, value } => {
                format!("let {}: {} = {}", self.local(*local), self.ty(&value.ty), self.expr(value))
            }
            StmtKind::SetLocal { local, index, op, value } => {
                let index = if index.is_empty() { String::new() } else { format!("[{}]", self.taken(index)) };
                format!("{}{index} {} {}", self.local(*local), assign_sign(*op), self.expr(value))
            }
            StmtKind::SetVar { place, op, value, collective } => {
                let mark = if *collective { "collective " } else { "" };
                format!("{mark}{} {} {}", self.place(place), assign_sign(*op), self.expr(value))
            }
            StmtKind::If { cond, then, els } => {
                let head = format!("if {}", self.expr(cond));
                self.block(&head, then);
                if !els.is_empty() {
                    self.block("else", els);
                }
                return;
            }
            StmtKind::ForRange { var, start, end, body } => {
                let head = format!("for {} in {}..{}", self.local(*var), self.expr(start), self.expr(end));
                return self.block(&head, body);
            }
            StmtKind::ForEach { var, values, body } => {
                let head = format!("for {} in {}", self.local(*var), self.expr(values));
                return self.block(&head, body);
            }
            StmtKind::ForSamples(l) => {
                let mut head = format!("for {} in {}", self.local(l.var), self.samples(&l.samples));
                if let Some(batch) = &l.batch {
                    head.push_str(&format!(" batch {}", self.expr(batch)));
                }
                if let Some(epochs) = &l.epochs {
                    head.push_str(&format!(" epochs {}", self.expr(epochs)));
                }
                if !l.changes.is_empty() {
                    let names: Vec<String> = l.changes.iter().map(|c| self.local(*c)).collect();
                    head.push_str(&format!(" changes {}", names.join(", ")));
                }
                return self.block(&head, &l.body);
            }
            StmtKind::While { cond, body } => {
                let head = format!("while {}", self.expr(cond));
                return self.block(&head, body);
            }
            StmtKind::Repeat { body, until } => {
                self.block("repeat", body);
                format!("until {}", self.expr(until))
            }
            StmtKind::Run { time } => format!("run {}", self.expr(time)),
            StmtKind::Expect { cond, .. } => format!("expect {}", self.expr(cond)),
            StmtKind::Return(None) => "return".to_owned(),
            StmtKind::Return(Some(e)) => format!("return {}", self.expr(e)),
            StmtKind::Break => "break".to_owned(),
            StmtKind::Reset(targets) => format!("reset({})", self.targets(targets)),
            StmtKind::ResetParts { whole, parts } => {
                let one = |(neurons, var): &(Neurons, Option<crate::hir::VarId>)| match var {
                    None => self.neurons(neurons),
                    Some(var) => {
                        let key = VarKey { entity: Entity::Pop(neurons.view.pop), var: *var };
                        format!("{}.{}", self.neurons(neurons), names::decl(self.model, key).map_or("?", |d| &d.name))
                    }
                };
                let mut all: Vec<String> = parts.iter().map(one).collect();
                all.extend((!whole.is_empty()).then(|| self.targets(whole)));
                format!("reset({})", all.join(", "))
            }
            StmtKind::Play { pop, times, ids } => {
                let name = self.model.populations.get(pop.index()).map_or("?", |p| &p.name);
                let ids = ids.as_ref().map_or_else(String::new, |e| format!(", {}", self.expr(e)));
                format!("{name}.play({}{ids})", self.expr(times))
            }
            StmtKind::Redraw(targets) => format!("redraw({})", self.targets(targets)),
            StmtKind::Freeze(keys) => format!("freeze({})", self.keys(keys.iter())),
            StmtKind::Thaw(keys) => format!("thaw({})", self.keys(keys.iter())),
            StmtKind::Save { path, vars } => {
                format!("save({}, {})", self.expr(path), self.keys(vars.iter().map(|v| &v.key)))
            }
            StmtKind::Load { path, vars } => {
                format!("load({}, {})", self.expr(path), self.keys(vars.iter().map(|v| &v.key)))
            }
            StmtKind::Print(items) => format!("print({})", self.items(items)),
            StmtKind::Log { path, columns } => format!("log({}, {})", self.expr(path), self.items(columns)),
            StmtKind::Observe(u) => {
                format!("observe({}, {}, {})", self.readout(u.readout), self.expr(&u.response), self.expr(&u.class))
            }
            StmtKind::Score(u) => {
                format!("score({}, {}, {})", self.readout(u.readout), self.expr(&u.response), self.expr(&u.class))
            }
            StmtKind::Fit(readouts) => {
                format!("fit({})", readouts.iter().map(|r| self.readout(*r)).collect::<Vec<_>>().join(", "))
            }
            StmtKind::Record(r) => self.record(r),
            StmtKind::Call { proc, args } => self.call(proc.index(), args),
        };
        self.line(&text);
    }

    fn call(&self, proc: usize, args: &[Expr]) -> String {
        let name = self.model.script.procedures.get(proc).map_or("?", |p| &p.name);
        format!("{name}#{proc}({})", self.list(args))
    }

    fn items(&self, items: &[super::ir::PrintItem]) -> String {
        let one = |i: &super::ir::PrintItem| {
            let label = i.label.as_ref().map_or_else(String::new, |l| format!("\"{l}\" "));
            let value = i.value.as_ref().map_or_else(String::new, |v| self.expr(v));
            let unit = if i.unit.name.is_empty() { String::new() } else { format!(" in {}", i.unit.name) };
            format!("{label}{value}{unit}").trim_end().to_owned()
        };
        items.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    fn record(&self, r: &Record) -> String {
        let one = |i: &super::ir::RecordItem| match &i.what {
            Recorded::Spikes(view, None) => format!("{}.spikes", self.view(view)),
            Recorded::Spikes(view, Some(e)) => format!("{}.{}", self.view(view), self.event(view.pop, *e)),
            Recorded::Value { value, unit } if unit.name.is_empty() => self.expr(value),
            Recorded::Value { value, unit } => format!("{} in {}", self.expr(value), unit.name),
        };
        let items: Vec<String> = r.items.iter().map(one).collect();
        let to = r.to.as_ref().map_or_else(String::new, |t| format!(" to \"{t}\""));
        format!(
            "record {} every {}{to}",
            items.join(", "),
            match &r.every {
                Some(time) => self.expr(time),
                None => format!("{} steps", r.every_steps),
            }
        )
    }

    fn local(&self, id: LocalId) -> String {
        let name = self.locals.get(id.index()).map_or("?", |d| &d.name);
        format!("{name}%{}", id.0)
    }

    fn readout(&self, r: hir::ReadoutId) -> &str {
        self.model.readouts.get(r.index()).map_or("?", |r| &r.name)
    }

    fn key(&self, key: VarKey) -> String {
        let var = names::decl(self.model, key).map_or("?", |d| &d.name);
        format!("{}.{var}", names::entity_name(self.model, key.entity))
    }

    fn keys<'k>(&self, keys: impl Iterator<Item = &'k VarKey>) -> String {
        keys.map(|k| self.key(*k)).collect::<Vec<_>>().join(", ")
    }

    fn event(&self, pop: PopId, event: u32) -> &str {
        let neuron = self.model.neuron_of(pop);
        neuron.and_then(|n| n.events.get(event as usize)).map_or("?", |e| &e.name)
    }

    fn targets(&self, targets: &[ResetTarget]) -> String {
        let one = |t: &ResetTarget| match *t {
            ResetTarget::Pop(p) => names::entity_name(self.model, Entity::Pop(p)).to_owned(),
            ResetTarget::Proj(p) => names::entity_name(self.model, Entity::Proj(p)).to_owned(),
            ResetTarget::Var(key) => self.key(key),
        };
        targets.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    fn place(&self, place: &Place) -> String {
        let name = names::entity_name(self.model, place.key.entity);
        let var = names::decl(self.model, place.key).map_or("?", |d| &d.name);
        match &place.select {
            Select::Neurons(n) => format!("{}.{var}", self.neurons(n)),
            Select::AllSynapses => format!("{name}.{var}"),
            Select::Synapse(k) => format!("{name}[{}].{var}", self.expr(k)),
            Select::Pair(i, j) => format!("{name}[{}, {}].{var}", self.expr(i), self.expr(j)),
            Select::Row(i) => format!("{name}[{}, ..].{var}", self.expr(i)),
            Select::Column(j) => format!("{name}[.., {}].{var}", self.expr(j)),
            Select::Block(items) => format!("{name}[{}].{var}", self.taken(items.as_slice())),
            Select::Part(a, b) => {
                let end = |e: &Option<Box<Expr>>| e.as_ref().map_or_else(String::new, |e| self.expr(e));
                format!("{name}[{}..{}].{var}", end(a), end(b))
            }
        }
    }

    fn neurons(&self, n: &Neurons) -> String {
        let view = self.view(&n.view);
        if n.at.is_empty() { view } else { format!("{view}[{}]", self.taken(&n.at)) }
    }

    fn view(&self, view: &View) -> String {
        let name = names::entity_name(self.model, Entity::Pop(view.pop));
        match &view.select {
            hir::Select::All => name.to_owned(),
            hir::Select::Range(a, b) => format!("{name}[{a}..{b}]"),
            hir::Select::List(l) if l.len() <= 8 => {
                format!("{name}[{}]", l.iter().map(u32::to_string).collect::<Vec<_>>().join(", "))
            }
            hir::Select::List(l) => format!("{name}[{} neurons]", l.len()),
        }
    }

    fn samples(&self, s: &Samples) -> String {
        match s {
            Samples::Split { data, split, .. } => {
                let name = self.model.data.get(data.index()).map_or("?", |d| &d.name);
                format!("{name}.{}", split.name())
            }
            Samples::Slice { of, start, end, .. } => {
                let text = |e: &Option<Expr>| e.as_ref().map_or_else(String::new, |e| self.expr(e));
                format!("{}[{}..{}]", self.samples(of), text(start), text(end))
            }
            Samples::Shuffle { of, stream, .. } => format!("shuffle<{stream}>({})", self.samples(of)),
        }
    }

    fn taken(&self, items: &[IndexItem]) -> String {
        let end = |e: &Option<Expr>| e.as_ref().map_or_else(String::new, |e| self.expr(e));
        let one = |i: &IndexItem| match i {
            IndexItem::At(e) => self.expr(e),
            IndexItem::Range(a, b) => format!("{}..{}", end(a), end(b)),
        };
        items.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    fn list(&self, items: &[Expr]) -> String {
        items.iter().map(|e| self.expr(e)).collect::<Vec<_>>().join(", ")
    }

    fn expr(&self, e: &Expr) -> String {
        match &e.kind {
            ExprKind::Const(x) => format!("{x}"),
            ExprKind::Bool(b) => b.to_string(),
            ExprKind::Str(s) => format!("\"{s}\""),
            ExprKind::Table(values) => {
                format!("[{}]", values.iter().map(f64::to_string).collect::<Vec<_>>().join(", "))
            }
            ExprKind::Local(l) => self.local(*l),
            ExprKind::Var(place) => self.place(place),
            ExprKind::Count(n) => format!("{}.count", self.neurons(n)),
            ExprKind::First(n) => format!("{}.first", self.neurons(n)),
            ExprKind::Time => "t".to_owned(),
            ExprKind::Field { sample, field } => {
                let field = match field {
                    super::ir::Field::Image => "image",
                    super::ir::Field::Label => "label",
                    super::ir::Field::Index => "index",
                    super::ir::Field::Named { name, .. } => name,
                };
                format!("{}.{field}", self.local(*sample))
            }
            ExprKind::Unary(UnaryOp::Neg, a) => format!("-{}", self.expr(a)),
            ExprKind::Unary(UnaryOp::Not, a) => format!("not {}", self.expr(a)),
            ExprKind::Binary(op, a, b) => format!("({} {} {})", self.expr(a), sign(*op), self.expr(b)),
            ExprKind::Between { value, lo, hi } => {
                let end = |e: &Option<Box<Expr>>| e.as_ref().map_or_else(String::new, |e| self.expr(e));
                format!("({} in {}..={})", self.expr(value), end(lo), end(hi))
            }
            ExprKind::OneOf { value, list } => format!("({} in {})", self.expr(value), self.expr(list)),
            ExprKind::ToReal(a) => format!("real({})", self.expr(a)),
            ExprKind::ToInt(a) => format!("int({})", self.expr(a)),
            ExprKind::If(c, a, b) => format!("(if {} then {} else {})", self.expr(c), self.expr(a), self.expr(b)),
            ExprKind::Select(c, a, b) => format!("select({}, {}, {})", self.expr(c), self.expr(a), self.expr(b)),
            ExprKind::Broadcast { value, from } => {
                let axes: Vec<String> = from
                    .iter()
                    .map(|f| match f {
                        AxisSource::Axis(k) => k.to_string(),
                        AxisSource::Repeat => "*".to_owned(),
                        AxisSource::ByPre(k) => format!("{k} by pre"),
                        AxisSource::ByPost(k) => format!("{k} by post"),
                    })
                    .collect();
                format!("broadcast<{}>({})", axes.join(", "), self.expr(value))
            }
            ExprKind::Reshape(a) => format!("reshape<{}>({})", self.axes(&e.ty), self.expr(a)),
            ExprKind::Builtin(b, args) => {
                let name = crate::builtins::TABLE.iter().find(|r| r.builtin == *b).map_or("?", |r| r.name);
                format!("{name}({})", self.list(args))
            }
            ExprKind::Reduce { op, value, over } => {
                let over = match over {
                    Over::All => String::new(),
                    Over::Axes(k) => format!(" over {}", k.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
                    Over::SynapsesOverPre(_) => " over pre".to_owned(),
                    Over::SynapsesOverPost(_) => " over post".to_owned(),
                    Over::Time(_) => " over time".to_owned(),
                };
                format!("{}({}{over})", op.name(), self.expr(value))
            }
            ExprKind::Metric { metric, of, from, to, bin, event } => {
                let end = |what: &str, e: &Option<Box<Expr>>| {
                    e.as_ref().map_or_else(String::new, |e| format!(", {what} = {}", self.expr(e)))
                };
                let event = event.map_or_else(String::new, |e| format!(".{}", self.event(of.view.pop, e)));
                let ends = [end("from", from), end("to", to), end("bin", bin)].concat();
                format!("{}({}{event}{ends})", metric.name(), self.neurons(of))
            }
            ExprKind::Accuracy(r) => format!("accuracy({})", self.readout(*r)),
            ExprKind::Draw { dist, args, within, each, stream } => {
                let name = crate::builtins::DISTS.iter().find(|r| r.dist == *dist).map_or("?", |r| r.name);
                let drawn = format!("{name}<{stream}>({})", self.list(args));
                let drawn = match within {
                    Some(ends) => format!("truncated({drawn}, {}, {})", self.expr(&ends.0), self.expr(&ends.1)),
                    None => drawn,
                };
                if *each { format!("each<{}>({drawn})", self.axes(&e.ty)) } else { drawn }
            }
            ExprKind::Zeros(sizes) => format!("zeros({})", self.list(sizes)),
            ExprKind::Timed { list, step } => format!("timed({}, {})", self.expr(list), self.expr(step)),
            ExprKind::With { local, value, body } => {
                format!("with {} = {} in {}", self.local(*local), self.expr(value), self.expr(body))
            }
            ExprKind::Index { base, items } => {
                format!("{}[{}]", self.expr(base), self.taken(items))
            }
            ExprKind::List(items) => format!("[{}]", self.list(items)),
            ExprKind::Call { proc, args } => self.call(proc.index(), args),
            ExprKind::Error => "?".to_owned(),
        }
    }

    fn ty(&self, ty: &Ty) -> String {
        match ty {
            Ty::Str => "text".to_owned(),
            Ty::Sample(d) => format!("sample of {}", self.model.data.get(d.index()).map_or("?", |d| &d.name)),
            Ty::None => "nothing".to_owned(),
            Ty::Poisoned => "?".to_owned(),
            Ty::Num(n) => {
                let kind = match n.kind {
                    Kind::Int => "int".to_owned(),
                    Kind::Bool => "bool".to_owned(),
                    Kind::Real(d) if d.is_none() => "1".to_owned(),
                    Kind::Real(d) => units::show(d).name,
                };
                if n.axes.is_empty() { kind } else { format!("{kind}[{}]", self.axes(ty)) }
            }
        }
    }

    fn axes(&self, ty: &Ty) -> String {
        let one = |a: &super::ir::Axis| {
            let len = a.len.map_or_else(|| "?".to_owned(), |n| n.to_string());
            match a.name {
                AxisName::Unnamed => len,
                AxisName::Neurons { pop, axis } => {
                    format!("{}.{axis} {len}", names::entity_name(self.model, Entity::Pop(pop)))
                }
                AxisName::Pre(p) => format!("{}.pre {len}", names::entity_name(self.model, Entity::Proj(p))),
                AxisName::Post(p) => format!("{}.post {len}", names::entity_name(self.model, Entity::Proj(p))),
                AxisName::Synapses(p) => format!("{}.synapses", names::entity_name(self.model, Entity::Proj(p))),
            }
        };
        ty.axes().iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

fn assign_sign(op: AssignOp) -> &'static str {
    match op {
        AssignOp::Set => "=",
        AssignOp::Add => "+=",
        AssignOp::Sub => "-=",
        AssignOp::Mul => "*=",
        AssignOp::Div => "/=",
    }
}

fn sign(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::Mod => "%",
        BinaryOp::Pow => "^",
        BinaryOp::Eq => "==",
        BinaryOp::Ne => "!=",
        BinaryOp::Lt => "<",
        BinaryOp::Le => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::Ge => ">=",
        BinaryOp::And => "and",
        BinaryOp::Or => "or",
    }
}
