//! Completions: the names that mean something at the cursor, and the words of the language.

use std::collections::BTreeSet;

use gen_lsp_types as lsp;

use super::context::{Around, Wanted, around, in_brackets, wanted};
use super::document::{FILE, Seen};
use super::hover;
use super::names::{Def, Kind};
use crate::builtins::{DISTS, TABLE};
use crate::connect;
use crate::diag::{Code, Severity};
use crate::driver::vocabulary as words;
use crate::methods::METHODS;
use crate::script;
use crate::units;

use lsp::CompletionItemKind as Item;

/// Words that begin a declaration of a file.
const TOP: &[&str] = &[
    "simulation",
    "const",
    "param",
    "let",
    "fn",
    "data",
    "neuron",
    "synapse",
    "population",
    "connect",
    "kernel",
    "readout",
    "record",
    "procedure",
    "experiment",
    "test",
    "for",
    "allow",
];
/// Words of neuron models and of synapse models.
const NEURON: &[&str] = &[
    "param",
    "state",
    "learned",
    "input",
    "let",
    "spike when",
    "spike with rate",
    "event",
    "on spike",
    "on release",
    "every",
    "refractory",
    "hold",
    "method",
    "allow",
    "crosses",
    "if",
    "then",
    "else",
    "and",
    "or",
    "not",
];
const SYNAPSE: &[&str] = &[
    "param", "state", "weight", "input", "let", "on pre", "on post", "event", "every", "deliver", "inject", "method",
    "allow", "if", "then", "else", "and", "or", "not",
];
/// Words of protocols.
const PROTOCOL: &[&str] = &[
    "let", "run", "for", "in", "while", "repeat", "until", "if", "then", "else", "expect", "record", "return", "break",
    "batch", "epochs", "over", "and", "or", "not", "true", "false", "allow",
];
/// Words inside other declarations.
const DECLARATION: &[&str] = &["via", "with", "where", "through", "over", "if", "then", "else", "and", "or", "not"];
/// Words inside round and square brackets, where no clause and no statement begins.
const EXPRESSION: &[&str] = &["over", "in", "if", "then", "else", "and", "or", "not", "true", "false"];

/// What may stand at a byte.
pub(super) fn complete(seen: Seen<'_>, byte: usize) -> Vec<lsp::CompletionItem> {
    let (place, start) = around(seen.text, byte);
    let mut list = List { seen, out: Vec::new(), labels: BTreeSet::new() };
    let model = seen
        .names
        .defs
        .iter()
        .position(|d| {
            let here = d.span.file == FILE && d.span.range().start >= start && d.whole.range().start <= byte;
            matches!(d.kind, Kind::Neuron | Kind::Synapse) && here
        })
        .filter(|_| matches!(place, Around::Model { .. }));
    match wanted(seen.text, byte, place) {
        Wanted::Nothing => {}
        Wanted::Member(base) => list.members_of(base, model, byte),
        Wanted::Unit { types } => list.units(types),
        Wanted::Rule => {
            for p in connect::PATTERNS {
                list.word(p.name(), Item::Function, p.about());
            }
        }
        Wanted::Method => METHODS.iter().for_each(|m| list.word(m.name, Item::EnumMember, m.about)),
        Wanted::Neuron => {
            // It stands in connections only.
            list.labels.insert("poisson_input".to_owned());
            list.globals(&[Kind::Neuron]);
        }
        Wanted::Setting => {
            for (name, about) in words::SETTINGS {
                list.push(name, Some(format!("{name} = ")), Item::Property, about, "", 0);
            }
        }
        Wanted::Event { synapse } => {
            let own: &[&str] = if synapse { &["pre", "post"] } else { &["spike", "release"] };
            own.iter().for_each(|w| list.word(w, Item::Event, words::about(words::KEYWORDS, w).unwrap_or_default()));
            list.of_model(model, &[Kind::Event]);
        }
        Wanted::Warning => {
            for code in Code::ALL.iter().filter(|c| c.severity() == Severity::Warning) {
                list.word(code.name(), Item::Constant, code.summary());
            }
        }
        Wanted::Held => list.of_model(model, &[Kind::State]),
        Wanted::Synapse => list.globals(&[Kind::Synapse]),
        Wanted::Kernel => list.globals(&[Kind::Kernel]),
        Wanted::Readout => {
            for name in ["max_rate", "linear"] {
                list.word(name, Item::Function, "a decoder");
            }
        }
        Wanted::Argument(callee) => {
            list.arguments(callee, &given_before(seen.text.as_str(), byte));
            list.anything(place, model, byte);
        }
        Wanted::Anything => list.anything(place, model, byte),
    }
    list.out
}

/// The names of the arguments that a call has so far.
fn given_before(text: &str, byte: usize) -> Vec<&str> {
    let before = text.get(..byte).unwrap_or("");
    let mut depth = 0_usize;
    let far = before.char_indices().rev().take(4096);
    let open = far.into_iter().find(|(_, c)| match c {
        ')' | ']' => {
            depth += 1;
            false
        }
        '(' | '[' if depth > 0 => {
            depth -= 1;
            false
        }
        c => *c == '(',
    });
    let inside = open.and_then(|(k, _)| before.get(k + 1..)).unwrap_or("");
    let name = |part: &'_ str| part.split_once('=').map(|(name, _)| name.trim().len()).unwrap_or(0);
    inside.split(',').filter_map(|part| part.trim_start().get(..name(part))).filter(|n| !n.is_empty()).collect()
}

struct List<'a> {
    seen: Seen<'a>,
    out: Vec<lsp::CompletionItem>,
    labels: BTreeSet<String>,
}

impl List<'_> {
    fn push(&mut self, label: &str, insert: Option<String>, kind: Item, detail: &str, doc: &str, order: u8) {
        if !self.labels.insert(label.to_owned()) {
            return;
        }
        let doc =
            (!doc.is_empty()).then(|| lsp::MarkupContent { kind: lsp::MarkupKind::Markdown, value: doc.to_owned() });
        self.out.push(lsp::CompletionItem {
            label: label.to_owned(),
            kind: Some(kind),
            detail: (!detail.is_empty()).then(|| detail.to_owned()),
            documentation: doc.map(Into::into),
            sort_text: Some(format!("{order}{label}")),
            insert_text: insert,
            ..Default::default()
        });
    }

    fn word(&mut self, label: &str, kind: Item, detail: &str) {
        self.push(label, None, kind, detail, "", 3);
    }

    fn def(&mut self, def: &Def, order: u8) {
        let kind = match def.kind {
            Kind::Const | Kind::Param => Item::Constant,
            Kind::Neuron | Kind::Synapse => Item::Class,
            Kind::Function | Kind::Procedure | Kind::Kernel => Item::Function,
            Kind::State | Kind::Weight | Kind::Learned => Item::Field,
            Kind::ModelParam | Kind::Input => Item::Property,
            Kind::Event | Kind::Experiment => Item::Event,
            Kind::View
            | Kind::Data
            | Kind::Population
            | Kind::Projection
            | Kind::Readout
            | Kind::ModelLet
            | Kind::Local => Item::Variable,
        };
        self.push(&def.name, None, kind, &self.detail(def), &def.doc, order);
    }

    fn detail(&self, def: &Def) -> String {
        let owner = def.owner.and_then(|o| self.seen.names.defs.get(o));
        let unit = owner.and_then(|o| hover::unit(self.seen.model?, &o.name, &def.name));
        let words = def.kind.words();
        unit.map_or_else(|| words.to_owned(), |u| format!("{words}, {u}"))
    }

    fn units(&mut self, types: bool) {
        if types {
            self.word("int", Item::Keyword, "a whole number");
            self.word("bool", Item::Keyword, "true or false");
        }
        for u in units::table::all() {
            self.word(&u.name, Item::Unit, u.measures);
        }
    }

    /// Top-level names of some kinds; of all where none is named.
    fn globals(&mut self, kinds: &[Kind]) {
        let seen = self.seen;
        for (k, def) in seen.names.defs.iter().enumerate() {
            let visible = def.owner.is_none() && seen.names.global(&def.name) == Some(k);
            if visible && (kinds.is_empty() || kinds.contains(&def.kind)) {
                self.def(def, if def.span.file == FILE { 1 } else { 2 });
            }
        }
    }

    /// What may follow `base.`
    fn members_of(&mut self, base: &str, model: Option<usize>, byte: usize) {
        let seen = self.seen;
        let ends = model.and_then(|m| match base {
            "pre" => seen.names.end(m, true),
            "post" => seen.names.end(m, false),
            _ => None,
        });
        let local = self.locals(byte).any(|d| d.name == base);
        let global = seen.names.global(base).filter(|_| !local);
        if let Some(m) = ends.or_else(|| seen.names.model_of(global?)) {
            // A connection leads to states and inputs; a `let` has no value outside of its model.
            let target = self.in_connection_target(byte);
            let readable = |d: &&Def| match d.kind {
                Kind::State | Kind::Input => true,
                Kind::ModelLet => false,
                _ => !target,
            };
            seen.names.members(m).filter(readable).for_each(|d| self.def(d, 0));
            if target {
                return;
            }
        }
        match global.and_then(|k| seen.names.defs.get(k)).map(|d| d.kind) {
            Some(Kind::Population | Kind::View) => {
                self.word("count", Item::Field, "spikes of each neuron in the last run");
                self.word("first", Item::Field, "the time of each neuron's first spike in the last run");
                self.word("spikes", Item::Event, "the spikes, for recordings");
                self.word("N", Item::Field, "the number of neurons");
            }
            Some(Kind::Data) => {
                self.word("train", Item::Field, "the samples to learn from");
                self.word("test", Item::Field, "the samples to be judged by");
            }
            _ => {}
        }
        if matches!(base, "pre" | "post") && model.is_some() {
            self.word("N", Item::Field, "the number of neurons of the population");
        }
    }

    /// The parameters of what is called, as `name = `.
    fn arguments(&mut self, callee: &str, given: &[&str]) {
        let seen = self.seen;
        if let Some(p) = connect::lookup(callee) {
            for param in p.params().iter().filter(|p| !given.contains(&p.name)) {
                self.push(param.name, Some(format!("{} = ", param.name)), Item::Property, "an argument", "", 0);
            }
        }
        let Some(model) = seen.names.global(callee) else { return };
        let synapse = seen.names.defs.get(model).is_some_and(|d| d.kind == Kind::Synapse);
        let kinds = [Kind::ModelParam, Kind::State, Kind::Weight, Kind::Learned, Kind::Input];
        let left = |d: &&Def| kinds.contains(&d.kind) && !given.contains(&d.name.as_str());
        for def in seen.names.members(model).filter(left) {
            let detail = self.detail(def);
            self.push(&def.name, Some(format!("{} = ", def.name)), Item::Property, &detail, &def.doc, 0);
        }
        if synapse {
            for (name, about) in words::DELAYS.iter().filter(|(name, _)| !given.contains(name)) {
                self.push(name, Some(format!("{name} = ")), Item::Property, about, "", 0);
            }
        }
    }

    /// Declarations of some kinds in a model.
    fn of_model(&mut self, model: Option<usize>, kinds: &[Kind]) {
        let seen = self.seen;
        if let Some(m) = model {
            seen.names.members(m).filter(|d| kinds.contains(&d.kind)).for_each(|d| self.def(d, 0));
        }
    }

    /// Whether a byte stands behind the arrow of a connection, before its clauses.
    fn in_connection_target(&self, byte: usize) -> bool {
        let before = self.seen.text.as_str().get(..byte).unwrap_or("");
        let line = before.rsplit(['\n', ';']).next().unwrap_or("");
        line.trim_start().starts_with("connect")
            && line.rsplit_once("->").is_some_and(|(_, target)| !target.trim_start().contains(char::is_whitespace))
    }

    /// Local names that reach a byte, the innermost first.
    fn locals(&self, byte: usize) -> impl Iterator<Item = &Def> {
        let defs = self.seen.names.defs.iter().rev();
        defs.filter(move |d| d.reach.is_some_and(|r| r.range().start <= byte && byte <= r.range().end))
    }

    fn anything(&mut self, place: Around, model: Option<usize>, byte: usize) {
        let seen = self.seen;
        let locals: Vec<Def> = self.locals(byte).cloned().collect();
        locals.iter().for_each(|d| self.def(d, 0));
        if let Some(m) = model {
            seen.names.members(m).for_each(|d| self.def(d, 0));
        }
        let words = match place {
            Around::Top => TOP,
            Around::Model { synapse: false } => NEURON,
            Around::Model { synapse: true } => SYNAPSE,
            Around::Protocol => PROTOCOL,
            Around::Declaration => DECLARATION,
        };
        let words = words.iter().filter(|w| EXPRESSION.contains(w) || !in_brackets(seen.text.as_str(), byte));
        for w in words {
            let first = w.split(' ').next().unwrap_or(w);
            self.word(w, Item::Keyword, words::about(words::KEYWORDS, first).unwrap_or_default());
        }
        match place {
            Around::Top => return,
            Around::Model { .. } => self.globals(&[Kind::Const, Kind::Param, Kind::Function]),
            // Models are used where populations and connections are declared, experiments by the command line.
            Around::Protocol | Around::Declaration => self.globals(&[
                Kind::Const,
                Kind::Param,
                Kind::Function,
                Kind::View,
                Kind::Data,
                Kind::Population,
                Kind::Projection,
            ]),
        }
        if place == Around::Protocol {
            self.globals(&[Kind::Readout, Kind::Procedure]);
            for (name, _, about) in words::FUNCTIONS.iter().filter(|(name, ..)| script::functions().any(|f| f == *name))
            {
                self.word(name, Item::Function, about);
            }
        } else {
            let neuron = place == Around::Model { synapse: false };
            for (name, about) in hover::GIVEN.iter().filter(|(n, _)| !(neuron && matches!(*n, "j" | "pre" | "post"))) {
                self.word(name, Item::Variable, about);
            }
        }
        for row in TABLE {
            self.word(row.name, Item::Function, row.about);
        }
        for row in DISTS {
            self.word(row.name, Item::Function, row.about);
        }
    }
}
