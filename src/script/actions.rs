//! Calls that stand as statements: `reset`, `freeze`, `save`, `print`, readouts, and procedures called for their effect.

use std::collections::BTreeSet;

use crate::diag::{Code, Diagnostic};
use crate::hir::{Model, PopId, ProjId, Role, VarDecl, VarId};
use crate::script::expr::var_name;
use crate::script::ir::{
    Expr, ExprKind, Kind, NamedVar, Neurons, PrintItem, ReadoutUse, Select, StmtKind, Ty, is_delay,
};
use crate::script::lower::Lower;
use crate::script::machine::{Entity, ResetTarget, VarKey};
use crate::script::names::{Thing, entity_name, vars};
use crate::script::{quantity, table, text};
use crate::sema::scope::Symbol;
use crate::source::Span;
use crate::syntax::ast;

/// What `reset` or `redraw` is to change.
enum Target {
    Whole(ResetTarget),
    /// Some neurons, with one variable or all.
    Part(Neurons, Option<VarId>),
}

impl Lower<'_, '_> {
    pub(crate) fn action(&mut self, name: &ast::Ident, args: &[ast::Arg], span: Span) -> Option<StmtKind> {
        let symbol = self.cx.scope.names.get(&name.node).cloned();
        if self.lookup(&name.node).is_none()
            && let Some((Symbol::Procedure { params, body }, defined)) = symbol
        {
            let (proc, args, _) = self.call_procedure(&name.node, name.span, defined, &params, &body, args, span)?;
            return Some(StmtKind::Call { proc, args });
        }
        let is_log_file = matches!(args.first().map(|a| &a.value.kind), Some(ast::ExprKind::Str(_)));
        match name.node.as_str() {
            "observe" => Some(StmtKind::Observe(self.readout_use(name, args)?)),
            "score" => Some(StmtKind::Score(self.readout_use(name, args)?)),
            "fit" => {
                self.forbid(span, "`fit`");
                self.some(name, args, "the readouts to fit")?;
                let readouts: Vec<_> = args.iter().map(|a| self.readout(&a.value)).collect();
                readouts.into_iter().collect::<Option<Vec<_>>>().map(StmtKind::Fit)
            }
            "reset" | "redraw" => {
                self.some(name, args, "populations, projections or single states")?;
                let all: Vec<_> = args.iter().map(|a| self.reset_target(&name.node, &a.value)).collect();
                let (mut targets, mut parts) = (Vec::new(), Vec::new());
                for target in all.into_iter().collect::<Option<Vec<_>>>()? {
                    match target {
                        Target::Whole(t) => targets.push(t),
                        Target::Part(n, var) => {
                            self.cx
                                .program
                                .reset
                                .extend(var.map(|var| VarKey { entity: Entity::Pop(n.view.pop), var }));
                            parts.push((n, var));
                        }
                    }
                }
                for target in &targets {
                    if let ResetTarget::Var(key) = target {
                        self.cx.program.reset.insert(*key);
                    }
                }
                if name.node == "redraw" {
                    self.forbid(span, "`redraw`");
                    return Some(StmtKind::Redraw(targets));
                }
                if !parts.is_empty() {
                    return Some(StmtKind::ResetParts { whole: targets, parts });
                }
                Some(StmtKind::Reset(targets))
            }
            "play" => self.play(name, args),
            "freeze" | "thaw" => {
                self.forbid(span, &format!("`{}`", name.node));
                let which = if name.node == "freeze" { "hold" } else { "let change again" };
                self.some(name, args, &format!("the variables to {which}, such as `XE.w`"))?;
                let keys: Vec<_> = args.iter().map(|a| self.freezable(&name.node, &a.value)).collect();
                let keys: Vec<VarKey> = keys.into_iter().collect::<Option<_>>()?;
                self.frozen.retain(|(key, _)| !keys.contains(key));
                if name.node == "thaw" {
                    return Some(StmtKind::Thaw(keys));
                }
                self.cx.program.frozen.extend(keys.iter().copied());
                self.frozen.extend(keys.iter().map(|key| (*key, span)));
                Some(StmtKind::Freeze(keys))
            }
            "save" | "load" => self.save_or_load(name, args, span),
            "print" => Some(StmtKind::Print(self.print(args)?)),
            "log" if is_log_file => self.log_row(name, args, span),
            other => {
                let value_function =
                    table::is_function(other) || matches!(self.cx.scope.names.get(other), Some((Symbol::Fn { .. }, _)));
                if table::LATER.contains(&other) {
                    self.err(
                        Diagnostic::new(Code::E0901, span, format!("`{other}` is not supported in protocols yet"))
                            .label("not built yet"),
                    );
                } else if value_function {
                    self.check_args(args);
                    self.err(
                        Diagnostic::new(Code::E0502, span, format!("the value of `{other}` is not used"))
                            .label("computed and thrown away")
                            .help(format!("keep it with `let x = {other}(…)`, or show it with `print`")),
                    );
                } else {
                    let callee = ast::Expr { kind: ast::ExprKind::Name(other.to_owned()), span: name.span };
                    // A name of something else, or of nothing: both are reported there.
                    self.call_thing(&callee, args, span);
                }
                None
            }
        }
    }

    fn some(&mut self, name: &ast::Ident, args: &[ast::Arg], takes: &str) -> Option<()> {
        if args.is_empty() {
            self.arity(&name.node, name.span, takes, args);
            return None;
        }
        if let Some(named) = args.iter().find_map(|a| a.name.as_ref()) {
            let d =
                Diagnostic::new(Code::E0105, named.span, format!("`{}` has no argument `{}`", name.node, named.node))
                    .label("not expected")
                    .note(format!("it takes {takes}"));
            self.err(d);
            return None;
        }
        Some(())
    }

    fn readout_use(&mut self, name: &ast::Ident, args: &[ast::Arg]) -> Option<ReadoutUse> {
        let slots = self.matched(&name.node, name.span, &["readout", "response", "class"], 3, args)?;
        let mut slots = slots.into_iter().flatten();
        let (r, response, class) = (slots.next()?, slots.next()?, slots.next()?);
        let readout = self.readout(&r.value);
        let response_value = self.expr(&response.value);
        let class_value = self.expr(&class.value);
        let mut ok = true;
        if response_value.ty != Ty::Poisoned && !response_value.ty.num().is_some_and(|n| n.kind != Kind::Bool) {
            let found = self.describe(&response_value.ty);
            self.err(
                Diagnostic::new(
                    Code::E0502,
                    response.span,
                    format!("`{}` needs the response of the network", name.node),
                )
                .label(format!("this is {found}"))
                .help("give numbers, one for each neuron, such as `E.count`"),
            );
            ok = false;
        }
        if class_value.ty != Ty::Poisoned && class_value.ty != Ty::scalar(Kind::Int) {
            let found = self.describe(&class_value.ty);
            self.err(
                Diagnostic::new(Code::E0502, class.span, "a class is a whole number")
                    .label(format!("this is {found}"))
                    .help("give the label of the sample, such as `s.label`"),
            );
            ok = false;
        }
        if !ok || response_value.ty == Ty::Poisoned || class_value.ty == Ty::Poisoned {
            return None;
        }
        Some(ReadoutUse { readout: readout?, response: response_value, class: class_value })
    }

    fn reset_target(&mut self, what: &str, e: &ast::Expr) -> Option<Target> {
        match self.resolve(e) {
            Thing::Poisoned => None,
            Thing::Neurons(n) if n.at.is_empty() && n.view.select == crate::hir::Select::All => {
                Some(Target::Whole(ResetTarget::Pop(n.view.pop)))
            }
            Thing::Neurons(n) if what == "reset" => Some(Target::Part(n, None)),
            Thing::Neurons(n) => {
                let name = entity_name(self.cx.model, Entity::Pop(n.view.pop)).to_owned();
                self.err(
                    Diagnostic::new(Code::E0502, e.span, format!("`{what}` takes whole populations"))
                        .label(format!("a part of `{name}`"))
                        .help(format!("write `{what}({name})`, or assign values to the part: `{name}[..10].v = …`")),
                );
                None
            }
            Thing::Synapses { proj, select: Select::AllSynapses, .. } => Some(Target::Whole(ResetTarget::Proj(proj))),
            Thing::Value(Expr { kind: ExprKind::Var(place), .. }) => {
                let decl = self.decl(place.key)?;
                let (role, name, span) = (decl.role, decl.name.clone(), decl.span);
                let whole = match &place.select {
                    Select::AllSynapses => true,
                    Select::Neurons(n) => n.at.is_empty() && n.view.select == crate::hir::Select::All,
                    _ => false,
                };
                let kept = matches!(role, Role::Weight | Role::Learned);
                if kept && what == "reset" {
                    self.err(
                        Diagnostic::new(Code::E0502, e.span, format!("`reset` does not change `{name}`"))
                            .label("what was learned is kept by `reset`")
                            .also(span, "declared here")
                            .help("assign it, or use `redraw` to draw its first values anew"),
                    );
                    return None;
                }
                let drawn = what == "redraw" && is_delay(self.cx.model, place.key);
                if role == Role::Param && !drawn {
                    self.err(
                        Diagnostic::new(Code::E0502, e.span, format!("`{name}` is a parameter, not a state"))
                            .label("nothing to reset")
                            .also(span, "declared here"),
                    );
                    return None;
                }
                match place.select {
                    _ if whole => Some(Target::Whole(ResetTarget::Var(place.key))),
                    Select::Neurons(n) if what == "reset" => Some(Target::Part(n, Some(place.key.var))),
                    _ => {
                        self.err(
                            Diagnostic::new(Code::E0502, e.span, format!("`{what}` takes whole variables here"))
                                .label("not the whole variable")
                                .help("assign the elements instead"),
                        );
                        None
                    }
                }
            }
            other => {
                self.err(
                    Diagnostic::new(Code::E0502, e.span, format!("`{what}` takes populations, projections or states"))
                        .label(format!("this is {}", other.describe())),
                );
                None
            }
        }
    }

    fn freezable(&mut self, what: &str, e: &ast::Expr) -> Option<VarKey> {
        let key = self.whole_variable(e, &format!("`{what}`"))?;
        let decl = self.decl(key)?;
        if matches!(decl.role, Role::State | Role::Weight | Role::Learned) {
            return Some(key);
        }
        let d = Diagnostic::new(Code::E0502, e.span, format!("`{}` does not change by itself", decl.name))
            .label(format!("`{what}` takes states, weights and learned variables"))
            .also(decl.span, if decl.role == Role::Param { "a parameter" } else { "an input" });
        self.err(d);
        None
    }

    fn save_or_load(&mut self, name: &ast::Ident, args: &[ast::Arg], span: Span) -> Option<StmtKind> {
        self.forbid(span, &format!("`{}`", name.node));
        self.some(name, args, "a file name, and variables, populations or projections")?;
        let (first, rest) = args.split_first()?;
        let path = self.file_name(&name.node, first);
        let mut vars: Vec<NamedVar> = Vec::new();
        let mut ok = true;
        if rest.is_empty() {
            let model = self.cx.model;
            let pops = (0..model.populations.len() as u32).map(|p| Entity::Pop(PopId(p)));
            let all = pops.chain((0..model.projections.len() as u32).map(|p| Entity::Proj(ProjId(p))));
            vars.extend(all.flat_map(|entity| learned(model, entity)).map(|v| NamedVar { span, ..v }));
            if vars.is_empty() {
                self.err(
                    Diagnostic::new(Code::E0502, span, format!("this network has nothing to {}", name.node))
                        .label("all weights and learned variables are meant, and there are none")
                        .help(format!("name the variables: `{}(\"file.npz\", E.v)`", name.node)),
                );
                ok = false;
            }
        }
        for arg in rest {
            // A file name that stands elsewhere is the one that is missing in front.
            if path.is_none() && matches!(arg.value.kind, ast::ExprKind::Str(_)) {
                continue;
            }
            match self.savable(&name.node, arg) {
                Some(more) => vars.extend(more),
                None => ok = false,
            }
        }
        // What is named by itself and as a part of something stands in the file once.
        let mut seen = BTreeSet::new();
        vars.retain(|v| seen.insert(v.key));
        for var in &vars {
            self.cx.program.read.insert(var.key);
            if name.node == "load" {
                self.cx.program.assigned.insert(var.key);
            }
        }
        let path = path?;
        ok.then(|| if name.node == "save" { StmtKind::Save { path, vars } } else { StmtKind::Load { path, vars } })
    }

    /// A variable, or the weights and learned variables of a population or projection.
    fn savable(&mut self, what: &str, arg: &ast::Arg) -> Option<Vec<NamedVar>> {
        let entity = match self.resolve(&arg.value) {
            Thing::Neurons(n) if n.at.is_empty() && n.view.select == crate::hir::Select::All => Entity::Pop(n.view.pop),
            Thing::Synapses { proj, select: Select::AllSynapses } => Entity::Proj(proj),
            Thing::Poisoned => return None,
            _ => {
                let key = self.whole_variable(&arg.value, &format!("`{what}`"))?;
                let unit = self.decl(key)?.shown.clone();
                return Some(vec![NamedVar { key, name: text::expr(&arg.value), unit, span: arg.span }]);
            }
        };
        let found = learned(self.cx.model, entity);
        if found.is_empty() {
            let name = entity_name(self.cx.model, entity).to_owned();
            let d = Diagnostic::new(Code::E0502, arg.span, format!("`{name}` has nothing to {what}"))
                .label("its weights and learned variables are meant, and it has none");
            self.err(match vars(self.cx.model, entity).and_then(<[VarDecl]>::first) {
                Some(v) => d.help(format!("name the variables: `{name}.{}`", v.name)),
                None => d,
            });
            return None;
        }
        Some(found.into_iter().map(|v| NamedVar { span: arg.span, ..v }).collect())
    }

    fn file_name(&mut self, what: &str, arg: &ast::Arg) -> Option<Expr> {
        let path = self.expr(&arg.value);
        match path.ty {
            Ty::Str => Some(path),
            Ty::Poisoned => None,
            _ => {
                self.err(
                    Diagnostic::new(Code::E0502, arg.span, format!("`{what}` begins with a file name"))
                        .label(format!("this is {}", self.describe(&path.ty)))
                        .help(format!("write `{what}(\"file\", …)`")),
                );
                None
            }
        }
    }

    /// Labels and values of `print`: a text followed by a value is its label.
    fn print(&mut self, args: &[ast::Arg]) -> Option<Vec<PrintItem>> {
        let mut items = Vec::new();
        let mut label: Option<String> = None;
        let mut ok = true;
        let bare_label = |label: Option<String>| {
            label.map(|l| PrintItem { text: l.clone(), label: Some(l), value: None, unit: quantity::bare() })
        };
        for arg in args {
            if let Some(name) = &arg.name {
                self.err(
                    Diagnostic::new(Code::E0105, name.span, "`print` has no named arguments")
                        .label("not expected")
                        .help(format!("write the label as a text: `print(\"{}\", …)`", name.node)),
                );
                ok = false;
            }
            if let ast::ExprKind::Str(s) = &arg.value.kind {
                items.extend(bare_label(label.replace(s.clone())));
                continue;
            }
            let value = self.expr(&arg.value);
            match &value.ty {
                Ty::Poisoned => ok = false,
                Ty::Num(_) | Ty::Str => {
                    let unit = self.shown(&value);
                    items.push(PrintItem {
                        label: label.take(),
                        text: text::expr(&arg.value),
                        value: Some(value),
                        unit,
                    });
                }
                other => {
                    let found = self.describe(other);
                    self.err(
                        Diagnostic::new(Code::E0502, arg.span, "this cannot be printed")
                            .label(format!("this is {found}")),
                    );
                    ok = false;
                }
            }
        }
        items.extend(bare_label(label));
        ok.then_some(items)
    }

    fn log_row(&mut self, name: &ast::Ident, args: &[ast::Arg], span: Span) -> Option<StmtKind> {
        self.forbid(span, "`log`");
        let (first, rest) = args.split_first()?;
        let path = self.file_name("log", first)?;
        let mut columns: Vec<PrintItem> = Vec::new();
        let mut ok = true;
        for arg in rest {
            let value = self.expr(&arg.value);
            let Some(column) = &arg.name else {
                self.err(
                    Diagnostic::new(Code::E0105, arg.span, "a column of `log` needs a name")
                        .label("no name")
                        .help(format!("write `log(…, name = {})`", text::expr(&arg.value))),
                );
                ok = false;
                continue;
            };
            if columns.iter().any(|c| c.label.as_deref() == Some(&column.node)) {
                self.err(Diagnostic::new(Code::E0105, column.span, "two columns have one name").label("again here"));
                ok = false;
            }
            match &value.ty {
                Ty::Poisoned => ok = false,
                Ty::Str => {}
                Ty::Num(n) if n.axes.is_empty() => {}
                other => {
                    let found = self.describe(other);
                    self.err(
                        Diagnostic::new(Code::E0502, arg.span, "a column of `log` is a single value")
                            .label(format!("this is {found}")),
                    );
                    ok = false;
                }
            }
            let unit = self.shown(&value);
            columns.push(PrintItem {
                label: Some(column.node.clone()),
                text: text::expr(&arg.value),
                value: Some(value),
                unit,
            });
        }
        if rest.is_empty() {
            self.err(
                Diagnostic::new(Code::E0105, name.span, "`log` needs columns")
                    .label("nothing to write")
                    .help("write `log(\"curve.csv\", trial = k, steps = n)`"),
            );
            return None;
        }
        ok.then_some(StmtKind::Log { path, columns })
    }
}

/// What a network keeps of a population or projection: its weights and learned variables, by the names that they have in files.
fn learned(model: &Model, entity: Entity) -> Vec<NamedVar> {
    let vars = vars(model, entity).unwrap_or(&[]).iter().enumerate();
    let kept = vars.filter(|(_, v)| matches!(v.role, Role::Weight | Role::Learned));
    let named = |(k, v): (usize, &VarDecl)| {
        let key = VarKey { entity, var: VarId(k as u32) };
        NamedVar { key, name: var_name(model, key), unit: v.shown.clone(), span: v.span }
    };
    kept.map(named).collect()
}
