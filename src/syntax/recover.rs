//! Takes a file apart so that a fault stays where it is: items first, then the items of a faulty model and the statements of a
//! faulty block, each matched alone.
//!
//! Invariants: every faulty piece adds exactly one diagnostic (faults of brackets are reported for the item they lie in, and
//! the pieces that hold them stay silent); a piece is matched at most three times, however deep it lies; recursion is bounded
//! because items nested beyond the limit are never taken apart.

use std::ops::Range;

use pest::iterators::{Pair, Pairs};

use super::MAX_FAULTS;
use super::ast::*;
use super::errors::{self, Place};
use super::known::Old;
use super::lex::{Kind, Lexed};
use super::parser::{Builder, Rule, matches};
use super::split::{BracketFault, Brackets, doc_text, pieces};
use crate::diag::Diagnostic;
use crate::source::{FileId, Span};

/// What became of a file.
pub(super) struct Recovered {
    /// All items.
    pub(super) items: Vec<Item>,
    /// Which of them have no fault.
    pub(super) sound: Vec<bool>,
    /// All faults except those of comments, up to [`MAX_FAULTS`].
    pub(super) faults: Vec<Diagnostic>,
    /// How many more there are.
    pub(super) hidden: usize,
}

/// Parses all items of a file; those that stood in an old one are taken out of it.
pub(super) fn file(id: FileId, lexed: &Lexed<'_>, brackets: &Brackets, old: Option<&mut Old<'_>>) -> Recovered {
    let mut recovery =
        Recovery { id, lexed, brackets, old, is_sound: false, faults: Vec::new(), hidden: 0, misplaced: Vec::new() };
    let (items, sound) = recovery.file();
    Recovered { items, sound, faults: recovery.faults, hidden: recovery.hidden }
}

struct Recovery<'l, 't> {
    id: FileId,
    lexed: &'l Lexed<'l>,
    brackets: &'l Brackets,
    old: Option<&'l mut Old<'t>>,
    /// Whether the last item had no fault.
    is_sound: bool,
    faults: Vec<Diagnostic>,
    hidden: usize,
    /// What declarations inside of blocks and models would define.
    misplaced: Vec<Ident>,
}

/// How many bindings of a faulty list are taken apart.
const MAX_BINDINGS: usize = 1000;

/// A piece with a body: tokens before the brace, the brace, the inside, and what follows the closing brace.
struct Parts {
    head: Range<usize>,
    open: usize,
    inside: Range<usize>,
    rest: Range<usize>,
}

/// Braces that colons stand for, whose partners close nothing.
#[derive(Default)]
struct Owed {
    /// The column of a head that ends in a colon: what is indented further belongs to it and says nothing by itself.
    colon: Option<usize>,
    /// The colons that began a block within the last item.
    within: usize,
    /// The braces that were explained.
    paid: usize,
}

impl Recovery<'_, '_> {
    // ------------------------------------------------------------------------------------------------------------- items

    /// The items, and which of them have no fault.
    fn file(&mut self) -> (Vec<Item>, Vec<bool>) {
        let (mut items, mut sound) = (Vec::new(), Vec::new());
        let mut done = 0;
        // Where the faults begin that a stray `}` further on would explain: pieces that belong into the model it closed.
        let mut explained = 0;
        let mut owed = Owed::default();
        for piece in pieces(self.lexed, self.brackets, 0..self.lexed.tokens.len()) {
            self.stray_braces(done..piece.start, &mut explained, &mut owed);
            done = piece.end;
            if owed.colon.is_some_and(|column| self.column(&piece) > column || self.ends(&piece, column)) {
                items.push(self.swallowed(&piece));
                sound.push(false);
                continue;
            }
            owed.colon = (self.lexed.word(piece.end - 1) == ":").then(|| self.column(&piece));
            let before = self.faults.len();
            let word = self.lexed.word(piece.start).to_owned();
            self.is_sound = false;
            let mut new = self.item(piece);
            let span = new.first().map_or(Span::new(self.id, 0, 0), |i| i.span);
            let inside = std::mem::take(&mut self.misplaced).into_iter();
            new.extend(inside.map(|name| Item {
                doc: String::new(),
                kind: ItemKind::Error { defines: Some(name) },
                span,
            }));
            let leaked = matches!(word.as_str(), "param" | "let" | "record" | "for")
                || (errors::begins(&word) != Some(Place::File)
                    && matches!(new.first().map(|i| &i.kind), Some(ItemKind::Error { .. })));
            if !leaked {
                explained = self.faults.len();
                let within = self.faults.get(before..).unwrap_or_default();
                let colons = within.iter().filter(|d| d.message == errors::COLON_BLOCK).count();
                owed.within = colons.saturating_sub(usize::from(owed.colon.is_some()));
            }
            sound.resize(sound.len() + new.len(), self.is_sound);
            items.extend(new);
        }
        self.stray_braces(done..self.lexed.tokens.len(), &mut explained, &mut owed);
        // A brace in place of a colon mends nothing where no other one closes the block.
        let opens = |d: &Diagnostic| {
            d.message == errors::COLON_BLOCK && matches!(d.fixes.as_slice(), [fix] if fix.replacement == " {")
        };
        if self.faults.iter().filter(|d| opens(d)).count() != owed.paid {
            self.faults.iter_mut().filter(|d| opens(d)).for_each(|d| d.fixes.clear());
        }
        (items, sound)
    }

    /// How far the first token of a piece is indented, in bytes.
    fn column(&self, piece: &Range<usize>) -> usize {
        let start = self.lexed.bytes(piece).start;
        self.lexed.text.get(..start).map_or(0, |before| before.len() - before.rfind('\n').map_or(0, |n| n + 1))
    }

    /// Whether a piece is the `end` of a block of NESTML that began at a column.
    fn ends(&self, piece: &Range<usize>, column: usize) -> bool {
        piece.len() == 1 && self.lexed.word(piece.start) == "end" && self.column(piece) == column
    }

    /// A line of a block that was not opened: its names stay silent.
    fn swallowed(&self, piece: &Range<usize>) -> Item {
        let kind = ItemKind::Error { defines: self.defines(piece) };
        Item { doc: String::new(), kind, span: self.span(piece) }
    }

    /// Reports the `}` of the file's level, which stand between the pieces, and takes back what they explain.
    fn stray_braces(&mut self, between: Range<usize>, explained: &mut usize, owed: &mut Owed) {
        for fault in self.brackets.faults_in(&between) {
            // `experiment main:` and a `}` below its beginning: the colon stands where a brace was meant.
            let at = fault.token();
            if matches!(fault, BracketFault::Stray { .. })
                && owed.colon.is_some_and(|column| self.column(&(at..at + 1)) == column)
            {
                owed.colon = None;
                owed.paid += 1;
                continue;
            }
            self.faults.truncate(*explained);
            // `for k in 0..3:` within a block: the `}` below it has closed the block, and this one is left over.
            if matches!(fault, BracketFault::Stray { .. }) && owed.within > 0 {
                owed.within -= 1;
                owed.paid += 1;
                continue;
            }
            self.report_bracket(fault);
            *explained = self.faults.len();
        }
    }

    fn items(&mut self, tokens: Range<usize>) -> Vec<Item> {
        pieces(self.lexed, self.brackets, tokens).into_iter().flat_map(|piece| self.item(piece)).collect()
    }

    /// The item of a piece; several when a list of bindings is faulty in part.
    fn item(&mut self, piece: Range<usize>) -> Vec<Item> {
        let span = self.span(&piece);
        let doc = self.doc(&piece);
        let one = |kind| vec![Item { doc: doc.clone(), kind, span }];
        let broken = self.brackets.faults_in(&piece);
        if let Some(limit) = broken.iter().find(|f| matches!(f, BracketFault::TooDeep(_) | BracketFault::TooLong(_))) {
            self.report_bracket(limit);
            return one(ItemKind::Error { defines: self.defines(&piece) });
        }
        for fault in broken {
            self.report_bracket(fault);
        }
        let before = self.count();
        let mut fallback = Vec::new();
        if broken.is_empty() {
            let text = self.lexed.text.get(span.range()).unwrap_or("");
            if let Some(kind) = self.old.as_mut().and_then(|k| k.take(self.id, text, span.range().start)) {
                self.is_sound = true;
                return one(kind);
            }
            match self.build(Rule::only_item, &piece, Place::File, Builder::item) {
                Ok(mut kind) => {
                    self.document(&mut kind);
                    self.is_sound = true;
                    return one(kind);
                }
                Err(faults) => fallback = faults,
            }
        }
        let kind = self.taken_apart(&piece);
        // Its parts may have been.
        self.is_sound = false;
        if self.count() == before && broken.is_empty() {
            self.report(fallback);
        }
        match kind {
            Some(kind) => one(kind),
            None => self
                .bindings(&piece)
                .into_iter()
                .map(|(rule, result)| {
                    let kind = match (rule, result) {
                        ("const", Ok(b)) => ItemKind::Const(vec![b]),
                        (_, Ok(b)) => ItemKind::Param(vec![b]),
                        (_, Err(defines)) => ItemKind::Error { defines },
                    };
                    Item { doc: doc.clone(), kind, span }
                })
                .collect(),
        }
    }

    /// A faulty item, body by body; `None` for one without a body.
    fn taken_apart(&mut self, piece: &Range<usize>) -> Option<ItemKind> {
        let parts = self.parts(piece)?;
        let error = ItemKind::Error { defines: self.defines(piece) };
        Some(match self.lexed.word(piece.start) {
            word @ ("neuron" | "synapse") => {
                let is_neuron = word == "neuron";
                let name = self.head(Rule::only_head, &parts.head, Place::File, Builder::head_ident);
                let place = if is_neuron { Place::Neuron } else { Place::Synapse };
                let items = self.model_items(parts.inside, place);
                match name {
                    Some(name) if is_neuron => ItemKind::Neuron(Model { name, items }),
                    Some(name) => ItemKind::Synapse(Model { name, items }),
                    None => error,
                }
            }
            "experiment" => {
                let name = self.head(Rule::only_head, &parts.head, Place::File, Builder::head_ident);
                let body = self.block(&parts);
                name.map_or(error, |name| ItemKind::Experiment { name, body })
            }
            "test" => {
                let name = self.head(Rule::only_head, &parts.head, Place::File, Builder::head_string);
                let body = self.block(&parts);
                name.map_or(error, |name| ItemKind::Test { name, body })
            }
            "procedure" => {
                let name = self.head(Rule::only_head, &parts.head, Place::File, Builder::procedure_head);
                let body = self.block(&parts);
                name.map_or(error, |(name, params)| ItemKind::Procedure { name, params, body })
            }
            "for" => {
                let var = self.head(Rule::only_unroll_head, &parts.head, Place::File, Builder::unroll_head);
                let items = self.items(parts.inside);
                var.map_or(error, |(var, range)| ItemKind::Unroll { var, range, items })
            }
            "simulation" => {
                let mut settings = Vec::new();
                for piece in pieces(self.lexed, self.brackets, parts.inside) {
                    settings.extend(self.leaf(Rule::only_assign, &piece, Place::Simulation, Builder::only_assign));
                }
                ItemKind::Simulation(settings)
            }
            _ => error,
        })
    }

    // ------------------------------------------------------------------------------------------------------------ models

    fn model_items(&mut self, tokens: Range<usize>, place: Place) -> Vec<ModelItem> {
        let (mut items, mut colon) = (Vec::new(), None);
        for piece in pieces(self.lexed, self.brackets, tokens) {
            if colon.is_some_and(|column| self.column(&piece) > column || self.ends(&piece, column)) {
                let kind = ModelItemKind::Error { defines: self.name(piece.start), words: self.words(&piece) };
                items.push(ModelItem { doc: String::new(), kind, span: self.span(&piece) });
                continue;
            }
            // `update:` takes the line after it into its piece: what follows the colon of a type may stand there.
            let opens = self.lexed.word(piece.end - 1) == ":" || self.lexed.word(piece.start + 1) == ":";
            colon = opens.then(|| self.column(&piece));
            items.extend(self.model_item(&piece, place));
        }
        items
    }

    fn model_item(&mut self, piece: &Range<usize>, place: Place) -> Vec<ModelItem> {
        let span = self.span(piece);
        let doc = self.doc(piece);
        let one = |kind| vec![ModelItem { doc: doc.clone(), kind, span }];
        let broken = !self.brackets.faults_in(piece).is_empty();
        let mut fallback = Vec::new();
        if !broken {
            match self.build(Rule::only_model_item, piece, place, Builder::model_item) {
                Ok(kind) => return one(kind),
                Err(faults) => fallback = faults,
            }
        }
        let before = self.count();
        let word = self.lexed.word(piece.start).to_owned();
        let kind = match (word.as_str(), self.parts(piece)) {
            ("on", Some(parts)) => {
                let event = self.head(Rule::only_head, &parts.head, place, Builder::head_ident);
                let body = self.block(&parts);
                Some(match event {
                    Some(event) => ModelItemKind::On { event, body },
                    None => ModelItemKind::Error { defines: None, words: Vec::new() },
                })
            }
            ("every", Some(parts)) => {
                let period = self.head(Rule::only_head, &parts.head, place, Builder::head_expr);
                let body = self.block(&parts);
                Some(match period {
                    Some(period) => ModelItemKind::Every { period, body },
                    None => ModelItemKind::Error { defines: None, words: Vec::new() },
                })
            }
            _ => None,
        };
        if self.count() == before && !broken {
            self.report(fallback);
        }
        if let Some(kind) = kind {
            return one(kind);
        }
        // The words of the piece stand in its first faulty binding, not in each.
        let mut words = self.words(piece);
        let found = self.bindings(piece).into_iter().map(|(rule, result)| {
            let kind = match (rule, result) {
                ("state", Ok(b)) => ModelItemKind::State(vec![b]),
                ("weight", Ok(b)) => ModelItemKind::Weight(vec![b]),
                ("learned", Ok(b)) => ModelItemKind::Learned(vec![b]),
                ("input", Ok(b)) => ModelItemKind::Input(vec![b]),
                (_, Ok(b)) => ModelItemKind::Param(vec![b]),
                (_, Err(defines)) => ModelItemKind::Error { defines, words: std::mem::take(&mut words) },
            };
            ModelItem { doc: doc.clone(), kind, span }
        });
        found.collect()
    }

    // -------------------------------------------------------------------------------------------------------- statements

    fn block(&mut self, parts: &Parts) -> Block {
        let stmts = pieces(self.lexed, self.brackets, parts.inside.clone()).iter().map(|p| self.stmt(p)).collect();
        let close =
            if self.lexed.kind(parts.inside.end) == Kind::Close { parts.inside.end + 1 } else { parts.inside.end };
        Block { stmts, span: self.span(&(parts.open..close)) }
    }

    fn stmt(&mut self, piece: &Range<usize>) -> Stmt {
        let span = self.span(piece);
        if matches!(self.lexed.word(piece.start), "if" | "for" | "while" | "repeat")
            && let Some(parts) = self.parts(piece)
        {
            let before = self.count();
            let (kind, complete) = self.block_stmt(piece, &parts);
            if !complete && self.count() == before {
                let _ = self.leaf(Rule::only_stmt, piece, Place::Block, Builder::stmt);
            }
            return Stmt { kind, span };
        }
        let kind = self.leaf(Rule::only_stmt, piece, Place::Block, Builder::stmt);
        if kind.is_none() && errors::begins(self.lexed.word(piece.start)) == Some(Place::File) {
            self.misplaced.extend(self.defines(piece));
        }
        Stmt { kind: kind.unwrap_or_else(|| self.faulty_stmt(piece, span)), span }
    }

    /// A statement with a body, and whether its parts are all that was written.
    fn block_stmt(&mut self, piece: &Range<usize>, parts: &Parts) -> (StmtKind, bool) {
        let head_span = self.span(&parts.head);
        let error = Expr { kind: ExprKind::Error, span: head_span };
        let word = self.lexed.word(piece.start).to_owned();
        if word == "repeat" {
            let bare = parts.head.len() == 1;
            let body = self.block(parts);
            let until = self.leaf(Rule::only_until, &parts.rest, Place::Block, Builder::until);
            return (StmtKind::Repeat { body, until: until.unwrap_or(error) }, bare);
        }
        let bare = parts.rest.is_empty();
        match word.as_str() {
            "for" => {
                let known = self.head(Rule::only_head, &parts.head, Place::Block, Builder::for_head);
                let body = self.block(parts);
                let (var, range, batch, epochs) = known.unwrap_or_else(|| {
                    let var = self.name(piece.start + 1).unwrap_or_else(|| Ident::new(String::new(), head_span));
                    (var, error, None, None)
                });
                (StmtKind::For { var, range, batch, epochs, body }, bare)
            }
            "while" => {
                let cond = self.head(Rule::only_head, &parts.head, Place::Block, Builder::head_expr).unwrap_or(error);
                (StmtKind::While { cond, body: self.block(parts) }, bare)
            }
            _ => {
                let cond = self.head(Rule::only_head, &parts.head, Place::Block, Builder::head_expr).unwrap_or(error);
                let then = self.block(parts);
                let (els, complete) = self.else_part(&parts.rest);
                (StmtKind::If { cond, then, els }, complete)
            }
        }
    }

    fn else_part(&mut self, rest: &Range<usize>) -> (Option<Else>, bool) {
        if rest.is_empty() {
            return (None, true);
        }
        let after = rest.start + 1..rest.end;
        if self.lexed.word(rest.start) != "else" {
            // Whatever stands here is lost, and may be a statement of any kind.
            let span = self.span(rest);
            let lost = Stmt { kind: StmtKind::Expect(Expr { kind: ExprKind::Error, span }), span };
            return (Some(Else::Block(Block { stmts: vec![lost], span })), false);
        }
        let Some(parts) = self.parts(&after) else { return (None, false) };
        if self.lexed.word(after.start) == "if" {
            let span = self.span(&after);
            let (kind, complete) = self.block_stmt(&after, &parts);
            return (Some(Else::If(Box::new(Stmt { kind, span }))), complete);
        }
        let complete = parts.head.is_empty() && parts.rest.is_empty();
        (Some(Else::Block(self.block(&parts))), complete)
    }

    /// What can be told of a statement that did not parse: its kind, with an error in place of its value.
    fn faulty_stmt(&self, piece: &Range<usize>, span: Span) -> StmtKind {
        let error = Expr { kind: ExprKind::Error, span };
        match self.lexed.word(piece.start) {
            "let" => match self.name(piece.start + 1) {
                Some(name) => StmtKind::Let(Let { name, ty: None, value: error, filter: None }),
                None => StmtKind::Expect(error),
            },
            "run" => StmtKind::Run(error),
            "return" => StmtKind::Return(Some(error)),
            "deliver" => StmtKind::Deliver { value: error, to: None },
            "inject" => StmtKind::Inject(error),
            "record" => StmtKind::Record(Record { targets: vec![error], every: None, to: None }),
            // Nothing is known but that a value stands here.
            _ => StmtKind::Expect(error),
        }
    }

    // ------------------------------------------------------------------------------------------------------------ pieces

    /// How many faults there were so far.
    fn count(&self) -> usize {
        self.faults.len() + self.hidden
    }

    /// Reports the faults of one piece: at least one, whether it is shown or not.
    fn report(&mut self, faults: Vec<Diagnostic>) {
        if faults.is_empty() || self.faults.len() >= MAX_FAULTS {
            self.hidden += faults.len().max(1);
        } else {
            self.faults.extend(faults);
        }
    }

    fn report_bracket(&mut self, fault: &BracketFault) {
        let shown = self.faults.len() < MAX_FAULTS;
        self.report(if shown { vec![errors::bracket(self.id, self.lexed, fault)] } else { Vec::new() });
    }

    /// Matches a piece and builds its node; otherwise the faults to report (none once enough are shown).
    fn build<T>(
        &self,
        rule: Rule,
        piece: &Range<usize>,
        place: Place,
        build: impl FnOnce(&mut Builder, Pairs<'_, Rule>) -> Option<T>,
    ) -> Result<T, Vec<Diagnostic>> {
        let bytes = self.lexed.bytes(piece);
        let text = self.lexed.text.get(bytes.clone()).unwrap_or("");
        match matches(rule, text) {
            Err(_) if self.faults.len() >= MAX_FAULTS => Err(Vec::new()),
            Err(error) => Err(vec![errors::explain(self.id, self.lexed, piece, place, &error)]),
            Ok(pairs) => {
                let mut builder = Builder::new(self.id, bytes.start);
                match build(&mut builder, pairs) {
                    Some(node) if builder.faults.is_empty() => Ok(node),
                    _ if builder.faults.is_empty() => Err(vec![errors::bug(self.span(piece))]),
                    _ => Err(builder.faults),
                }
            }
        }
    }

    /// A piece without a body: its node, or its fault reported, unless that is a bracket's.
    fn leaf<T>(
        &mut self,
        rule: Rule,
        piece: &Range<usize>,
        place: Place,
        build: impl FnOnce(&mut Builder, Pairs<'_, Rule>) -> Option<T>,
    ) -> Option<T> {
        if !self.brackets.faults_in(piece).is_empty() {
            return None;
        }
        match self.build(rule, piece, place, build) {
            Ok(node) => Some(node),
            Err(faults) => {
                self.report(faults);
                None
            }
        }
    }

    /// A head such as `neuron M`, read by `read`.
    fn head<T>(
        &mut self,
        rule: Rule,
        head: &Range<usize>,
        place: Place,
        read: fn(&mut Builder, Pair<'_, Rule>) -> Option<T>,
    ) -> Option<T> {
        self.leaf(rule, head, place, |b: &mut Builder, mut pairs: Pairs<'_, Rule>| {
            let pair = pairs.next()?.into_inner().next()?;
            read(b, pair)
        })
    }

    /// The bindings of a faulty `param`, `state`, … one by one: those that parse, and the names of the others. For any other
    /// piece the one name it would define.
    fn bindings(&self, piece: &Range<usize>) -> Vec<(&'static str, Result<Binding, Option<Ident>>)> {
        let words = ["param", "const", "state", "weight", "learned", "input"];
        let Some(word) = words.into_iter().find(|w| *w == self.lexed.word(piece.start)) else {
            return vec![("", Err(self.defines(piece)))];
        };
        let mut out: Vec<(&'static str, Result<Binding, Option<Ident>>)> = Vec::new();
        let (mut at, mut start) = (piece.start + 1, piece.start + 1);
        while at <= piece.end && out.len() < MAX_BINDINGS {
            if at == piece.end || self.lexed.kind(at) == Kind::Comma {
                let part = start..at;
                let parsed = if self.brackets.faults_in(&part).is_empty() && !part.is_empty() {
                    self.build(Rule::only_binding, &part, Place::Block, Builder::only_binding).ok()
                } else {
                    None
                };
                // `tau = 2,5 ms`: the part before the comma is cut off, not whole.
                if self.lexed.kind(start) == Kind::Number
                    && let Some((_, last)) = out.last_mut()
                    && let Ok(binding) = last
                {
                    *last = Err(Some(binding.name.clone()));
                }
                let faulty = parsed.is_none();
                out.push((word, parsed.ok_or_else(|| self.name(start))));
                // `tau = 20 ms E_L = -65 mV`: a comma is missing, and the second is declared too.
                let named = |t: &usize| self.lexed.kind(*t) == Kind::Word && self.lexed.word(*t + 1) == "=";
                let more = (start + 1..at).filter(|t| faulty && named(t)).take(MAX_BINDINGS);
                out.extend(more.map(|t| (word, Err(self.name(t)))));
                start = at + 1;
            }
            at = if self.lexed.kind(at) == Kind::Open { self.brackets.close(at).max(at) + 1 } else { at + 1 };
        }
        if out.is_empty() { vec![("", Err(None))] } else { out }
    }

    /// The name that a faulty piece would define, so that its uses stay silent.
    fn defines(&self, piece: &Range<usize>) -> Option<Ident> {
        let word = self.lexed.word(piece.start);
        // `Population E[3]: lif()`
        let meant = if errors::begins(word).is_none() && self.lexed.kind(piece.start + 1) == Kind::Word {
            errors::nearest(word, errors::FILE_WORDS).unwrap_or(word)
        } else {
            word
        };
        match meant {
            "connect" if self.lexed.word(piece.start + 2) == ":" => self.name(piece.start + 1),
            "import" => piece.clone().find(|t| self.lexed.word(*t) == "as").and_then(|t| self.name(t + 1)),
            // A model whose spike clause is faulty does spike.
            "spike" => self.name(piece.start),
            "neuron" | "synapse" | "population" | "experiment" | "procedure" | "readout" | "data" | "const"
            | "param" | "let" | "fn" | "kernel" | "state" | "weight" | "learned" | "input" | "event" | "class"
            | "inline" => self.name(piece.start + 1),
            // `P = NeuronGroup(…)`: what was meant to be declared is spoken of further on.
            _ if self.lexed.word(piece.start + 1) == "=" => self.name(piece.start),
            _ => None,
        }
    }

    /// The words of a piece that could be names.
    fn words(&self, piece: &Range<usize>) -> Vec<String> {
        piece.clone().filter_map(|t| self.name(t)).map(|n| n.node).collect()
    }

    fn name(&self, token: usize) -> Option<Ident> {
        let span = self.lexed.tokens.get(token).map(|t| Span::new(self.id, t.start as usize, t.end as usize))?;
        let mut word = self.lexed.word(token).to_owned();
        // `v_{th}` of LaTeX means `v_th`.
        if word.ends_with('_') && self.lexed.word(token + 1) == "{" && self.lexed.word(token + 3) == "}" {
            word.push_str(self.lexed.word(token + 2));
        }
        (self.lexed.kind(token) == Kind::Word && !errors::is_reserved(&word)).then(|| Ident::new(word, span))
    }

    /// Takes a piece apart at its first brace.
    fn parts(&self, piece: &Range<usize>) -> Option<Parts> {
        let mut at = piece.start;
        while at < piece.end {
            if self.lexed.kind(at) == Kind::Open {
                let close = self.brackets.close(at).max(at + 1).min(piece.end);
                if self.lexed.word(at) == "{" {
                    let rest = if self.lexed.kind(close) == Kind::Close { close + 1 } else { close };
                    let rest = rest.min(piece.end)..piece.end;
                    return Some(Parts { head: piece.start..at, open: at, inside: at + 1..close, rest });
                }
                at = close;
            }
            at += 1;
        }
        None
    }

    fn span(&self, piece: &Range<usize>) -> Span {
        let bytes = self.lexed.bytes(piece);
        Span::new(self.id, bytes.start, bytes.end)
    }

    fn doc(&self, piece: &Range<usize>) -> String {
        let token = self.lexed.tokens.get(piece.start).filter(|t| t.first);
        token.map(|t| doc_text(&self.lexed.text, t.start as usize)).unwrap_or_default()
    }

    /// Adds the documentation of inner items, which the grammar does not see.
    fn document(&self, kind: &mut ItemKind) {
        match kind {
            ItemKind::Neuron(model) | ItemKind::Synapse(model) => {
                for item in &mut model.items {
                    item.doc = doc_text(&self.lexed.text, item.span.start as usize);
                }
            }
            ItemKind::Unroll { items, .. } => {
                for item in items {
                    item.doc = doc_text(&self.lexed.text, item.span.start as usize);
                    self.document(&mut item.kind);
                }
            }
            _ => {}
        }
    }
}
