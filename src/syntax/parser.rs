//! From pest's tree to [`super::ast`]. One [`Builder`] builds one piece (an item, a model item or a statement) that already
//! matched the grammar; positions are shifted to those of the whole file.
//!
//! Invariants: no node of the tree is deeper than [`MAX_DEPTH`] operators, so later passes and `Drop` may recurse; spans end
//! with the last character of the last token (pest's own would include comments after it). A builder method that returns
//! `None` has either noted a fault or met a tree that the grammar cannot give; the caller tells the two apart.

mod expressions;

use pest::Parser as _;
use pest::iterators::{Pair, Pairs};
use pest_derive::Parser;

use super::allows;
use super::ast::*;
use crate::diag::{Code, Diagnostic};
use crate::source::{FileId, Span, Spanned};

/// The matcher of the grammar.
#[derive(Parser)]
#[grammar = "grammar/snn.pest"]
pub(super) struct Grammar;

/// How deep an expression may be: the operators on the longest way from its root to a leaf.
pub(crate) const MAX_DEPTH: u32 = 256;

/// How many units a declared type may multiply.
const MAX_TYPE: u32 = 32;

/// Matches a text with one rule of the grammar.
pub(super) fn matches(rule: Rule, text: &str) -> Result<Pairs<'_, Rule>, Box<pest::error::Error<Rule>>> {
    Grammar::parse(rule, text).map_err(Box::new)
}

/// Builds the tree of one piece.
pub(super) struct Builder {
    file: FileId,
    /// Where the piece begins in the file.
    base: usize,
    /// What is wrong although the grammar matched; the piece is then faulty.
    pub(super) faults: Vec<Diagnostic>,
}

/// The children of a node without keywords, brackets and separators: the next one, and those after it.
struct Kids<'i> {
    next: Option<(Rule, Pair<'i, Rule>)>,
    rest: Pairs<'i, Rule>,
}

impl<'i> Kids<'i> {
    fn of(pair: Pair<'i, Rule>) -> Self {
        let mut kids = Self { next: None, rest: pair.into_inner() };
        kids.advance();
        kids
    }

    fn advance(&mut self) {
        self.next = self.rest.by_ref().map(|p| (p.as_rule(), p)).find(|(rule, _)| !is_mark(*rule));
    }

    fn peek(&self) -> Option<Rule> {
        self.next.as_ref().map(|(rule, _)| *rule)
    }

    fn next(&mut self) -> Option<Pair<'i, Rule>> {
        let (_, pair) = self.next.take()?;
        self.advance();
        Some(pair)
    }

    fn next_if(&mut self, rule: Rule) -> Option<Pair<'i, Rule>> {
        if self.peek()? == rule { self.next() } else { None }
    }
}

/// A node that the tree has no use for.
fn is_mark(rule: Rule) -> bool {
    use Rule::*;
    matches!(
        rule,
        sep | lparen
            | rparen
            | lbracket
            | rbracket
            | lbrace
            | rbrace
            | comma
            | colon
            | eq
            | arrow
            | dot
            | kw_allow
            | kw_as
            | kw_batch
            | kw_by
            | kw_connect
            | kw_const
            | kw_crosses
            | kw_data
            | kw_deliver
            | kw_else
            | kw_epochs
            | kw_event
            | kw_every
            | kw_expect
            | kw_experiment
            | kw_fn
            | kw_for
            | kw_hold
            | kw_if
            | kw_import
            | kw_in
            | kw_inject
            | kw_input
            | kw_kernel
            | kw_learned
            | kw_let
            | kw_method
            | kw_minimize
            | kw_neuron
            | kw_on
            | kw_over
            | kw_param
            | kw_population
            | kw_procedure
            | kw_rate
            | kw_readout
            | kw_record
            | kw_refractory
            | kw_repeat
            | kw_return
            | kw_run
            | kw_simulation
            | kw_spike
            | kw_state
            | kw_surrogate
            | kw_synapse
            | kw_test
            | kw_then
            | kw_through
            | kw_to
            | kw_until
            | kw_via
            | kw_weight
            | kw_when
            | kw_where
            | kw_while
            | kw_with
            | EOI
    )
}

impl Builder {
    pub(super) fn new(file: FileId, base: usize) -> Self {
        Self { file, base, faults: Vec::new() }
    }

    /// The bytes from a node's first to its last token.
    fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        let start = pair.as_span().start();
        let text = pair.as_str();
        // Where nothing is commented, what follows the last token is space.
        if !text.contains('#') {
            let end = start + text.trim_end_matches([' ', '\t', '\n', '\r']).len();
            return Span::new(self.file, self.base + start, self.base + end);
        }
        let mut last = pair.clone();
        while let Some(inner) = last.clone().into_inner().next_back() {
            // Quoted text is the one leaf that something follows inside its node.
            if last.as_rule() == Rule::string {
                break;
            }
            last = inner;
        }
        Span::new(self.file, self.base + start, self.base + last.as_span().end().max(start))
    }

    fn fault(&mut self, diagnostic: Diagnostic) {
        self.faults.push(diagnostic);
    }

    // ------------------------------------------------------------------------------------------------------------- items

    /// The kind of the item of an `only_item`.
    pub(super) fn item(&mut self, mut pairs: Pairs<'_, Rule>) -> Option<ItemKind> {
        let pair = Kids::of(pairs.next()?).next()?;
        self.item_kind(pair)
    }

    fn item_kind(&mut self, pair: Pair<'_, Rule>) -> Option<ItemKind> {
        let rule = pair.as_rule();
        let mut k = Kids::of(pair);
        Some(match rule {
            Rule::import => ItemKind::Import { path: self.string(k.next()?)?, alias: k.next().map(|p| self.ident(&p)) },
            Rule::simulation => ItemKind::Simulation(self.rest(&mut k, Self::assign)?),
            Rule::const_decl => ItemKind::Const(self.rest(&mut k, Self::binding)?),
            Rule::param => ItemKind::Param(self.rest(&mut k, Self::binding)?),
            Rule::let_decl => ItemKind::Let(self.let_decl(&mut k)?),
            Rule::fn_decl => {
                let name = self.ident(&k.next()?);
                let mut params = Vec::new();
                while let Some(p) = k.next_if(Rule::fparam) {
                    let mut inner = Kids::of(p);
                    let param = self.ident(&inner.next()?);
                    let ty = inner.next().map(|t| self.type_expr(t));
                    params.push((param, transpose(ty)?));
                }
                ItemKind::Fn { name, params, body: self.expr(&mut k)? }
            }
            Rule::data => ItemKind::Data { name: self.ident(&k.next()?), value: self.expr(&mut k)? },
            Rule::neuron | Rule::synapse => {
                let name = self.ident(&Kids::of(k.next()?).next()?);
                let mut items = Vec::new();
                while let Some(p) = k.next() {
                    let span = self.span(&p);
                    items.push(ModelItem { doc: String::new(), kind: self.model_item_kind(p)?, span });
                }
                let model = Model { name, items };
                if rule == Rule::neuron { ItemKind::Neuron(model) } else { ItemKind::Synapse(model) }
            }
            Rule::population => {
                let name = self.ident(&k.next()?);
                let index = k.next_if(Rule::index).map(|p| self.index(p));
                let index = transpose(index)?.map(|(index, _)| index);
                ItemKind::Population { name, index, model: self.model_ref(k.next()?)? }
            }
            Rule::connect => ItemKind::Connect(self.connect(k)?),
            Rule::kernel => ItemKind::Kernel {
                name: self.ident(&k.next()?),
                arg: self.ident(&k.next()?),
                body: self.expr(&mut k)?,
                over: self.expr(&mut k)?,
            },
            Rule::allow => ItemKind::Allow(self.allow(k)?),
            Rule::readout => ItemKind::Readout { name: self.ident(&k.next()?), model: self.model_ref(k.next()?)? },
            Rule::record => ItemKind::Record(self.record(k)?),
            Rule::procedure => {
                let (name, params) = self.procedure_head(k.next()?)?;
                ItemKind::Procedure { name, params, body: self.block(k.next()?)? }
            }
            Rule::experiment => {
                let name = self.ident(&Kids::of(k.next()?).next()?);
                ItemKind::Experiment { name, body: self.block(k.next()?)? }
            }
            Rule::test => {
                let name = self.string(Kids::of(k.next()?).next()?)?;
                ItemKind::Test { name, body: self.block(k.next()?)? }
            }
            Rule::unroll => {
                let (var, range) = self.unroll_head(k.next()?)?;
                let mut items = Vec::new();
                while let Some(p) = k.next() {
                    let span = self.span(&p);
                    items.push(Item { doc: String::new(), kind: self.item_kind(p)?, span });
                }
                ItemKind::Unroll { var, range, items }
            }
            _ => return None,
        })
    }

    /// `procedure p(a, b)`.
    pub(super) fn procedure_head(&mut self, head: Pair<'_, Rule>) -> Option<(Ident, Vec<Ident>)> {
        let mut k = Kids::of(head);
        let name = self.ident(&k.next()?);
        let mut params = Vec::new();
        while let Some(p) = k.next() {
            params.push(self.ident(&p));
        }
        Some((name, params))
    }

    /// `for a in 0..8` of items.
    pub(super) fn unroll_head(&mut self, head: Pair<'_, Rule>) -> Option<(Ident, Expr)> {
        let mut k = Kids::of(head);
        Some((self.ident(&k.next()?), self.expr(&mut k)?))
    }

    fn connect(&mut self, mut k: Kids<'_>) -> Option<Connect> {
        let name = k.next_if(Rule::connect_name).and_then(|p| Kids::of(p).next()).map(|p| self.ident(&p));
        let source = match k.next_if(Rule::source_call) {
            Some(call) => ConnectSource::Call(self.model_ref(call)?),
            None => ConnectSource::Path(self.path(k.next()?)?),
        };
        let target = self.path(k.next()?)?;
        let mut connect = Connect { name, source, target, via: None, filter: None, with: None, through: None };
        while let Some(clause) = k.next() {
            let (rule, span) = (clause.as_rule(), self.span(&clause));
            let mut inner = Kids::of(clause);
            let twice = match rule {
                Rule::via => connect.via.replace(self.model_ref(inner.next()?)?).map(|_| "via"),
                Rule::filter => connect.filter.replace(self.expr(&mut inner)?).map(|_| "where"),
                Rule::with => connect.with.replace(self.model_ref(inner.next()?)?).map(|_| "with"),
                Rule::through => connect.through.replace(self.ident(&inner.next()?)).map(|_| "through"),
                _ => return None,
            };
            self.given_twice(twice, span);
        }
        Some(connect)
    }

    fn allow(&mut self, mut k: Kids<'_>) -> Option<Allow> {
        let mut codes = Vec::new();
        while let Some(code) = k.next_if(Rule::code) {
            codes.push(self.ident(&code));
        }
        let reason = match k.next() {
            Some(text) => self.string(text)?,
            None => {
                let end = codes.last()?.span;
                let end = Span { start: end.end, ..end };
                Spanned { node: String::new(), span: end }
            }
        };
        let allow = Allow { codes, reason };
        self.faults.extend(allows::faults(&allow));
        Some(allow)
    }

    fn given_twice(&mut self, word: Option<&str>, span: Span) {
        if let Some(word) = word {
            let message = format!("`{word}` is given twice");
            self.fault(
                Diagnostic::new(Code::E0001, span, message)
                    .label(format!("the second `{word}`"))
                    .help(if word == "where" { "join the two conditions with `and`" } else { "keep one of the two" }),
            );
        }
    }

    // ------------------------------------------------------------------------------------------------------------ models

    /// The kind of the model item of an `only_model_item`.
    pub(super) fn model_item(&mut self, mut pairs: Pairs<'_, Rule>) -> Option<ModelItemKind> {
        let pair = Kids::of(pairs.next()?).next()?;
        self.model_item_kind(pair)
    }

    fn model_item_kind(&mut self, pair: Pair<'_, Rule>) -> Option<ModelItemKind> {
        let rule = pair.as_rule();
        let mut k = Kids::of(pair);
        Some(match rule {
            Rule::param => ModelItemKind::Param(self.rest(&mut k, Self::binding)?),
            Rule::state => ModelItemKind::State(self.rest(&mut k, Self::binding)?),
            Rule::weight => ModelItemKind::Weight(self.rest(&mut k, Self::binding)?),
            Rule::learned => ModelItemKind::Learned(self.rest(&mut k, Self::binding)?),
            Rule::input => ModelItemKind::Input(self.rest(&mut k, Self::binding)?),
            Rule::let_decl => ModelItemKind::Let(self.let_decl(&mut k)?),
            Rule::ode => {
                let coef = match k.next_if(Rule::coef) {
                    Some(p) => Some(self.expr(&mut Kids::of(p))?),
                    None => None,
                };
                if coef.is_some() {
                    k.next_if(Rule::star)?;
                }
                let var = self.ident(&Kids::of(k.next_if(Rule::deriv)?).next()?);
                ModelItemKind::Ode { coef, var, rhs: self.expr(&mut k)? }
            }
            Rule::spike => {
                let cond = match k.next_if(Rule::condition) {
                    Some(p) => SpikeCond::When(self.condition(p)?),
                    None => SpikeCond::Rate(self.expr(&mut k)?),
                };
                let surrogate = match k.next_if(Rule::surrogate) {
                    Some(p) => Some(self.model_ref(Kids::of(p).next()?)?),
                    None => None,
                };
                ModelItemKind::Spike { cond, surrogate }
            }
            Rule::event => ModelItemKind::Event { name: self.ident(&k.next()?), cond: self.condition(k.next()?)? },
            Rule::on => {
                let event = self.ident(&Kids::of(k.next()?).next()?);
                ModelItemKind::On { event, body: self.block(k.next()?)? }
            }
            Rule::every => {
                let period = self.expr(&mut Kids::of(k.next()?))?;
                ModelItemKind::Every { period, body: self.block(k.next()?)? }
            }
            Rule::refractory => {
                let duration = self.expr(&mut k)?;
                let mut hold = Vec::new();
                if let Some(p) = k.next_if(Rule::hold) {
                    let mut names = Kids::of(p);
                    while let Some(name) = names.next() {
                        hold.push(self.ident(&name));
                    }
                }
                ModelItemKind::Refractory { duration, hold }
            }
            Rule::allow => ModelItemKind::Allow(self.allow(k)?),
            Rule::method => ModelItemKind::Method(self.model_ref(k.next()?)?),
            Rule::inject => ModelItemKind::Inject(self.expr(&mut k)?),
            _ => return None,
        })
    }

    fn condition(&mut self, pair: Pair<'_, Rule>) -> Option<Condition> {
        let mut k = Kids::of(pair);
        let expr = self.expr(&mut k)?;
        let crosses = if k.peek().is_some() { Some(self.expr(&mut k)?) } else { None };
        Some(Condition { expr, crosses })
    }

    fn binding(&mut self, pair: Pair<'_, Rule>) -> Option<Binding> {
        let span = self.span(&pair);
        let mut k = Kids::of(pair);
        let name = self.ident(&k.next()?);
        let ty = k.next_if(Rule::type_expr).map(|p| self.type_expr(p));
        let ty = transpose(ty)?;
        let value = if k.peek() == Some(Rule::expr_nobound) { Some(self.expr(&mut k)?) } else { None };
        let bounds = match k.next_if(Rule::bounds) {
            Some(p) => Some(self.expr(&mut Kids::of(p))?),
            None => None,
        };
        Some(Binding { name, ty, value, bounds, span })
    }

    fn let_decl(&mut self, k: &mut Kids<'_>) -> Option<Let> {
        let name = self.ident(&k.next()?);
        let ty = k.next_if(Rule::type_expr).map(|p| self.type_expr(p));
        let ty = transpose(ty)?;
        let value = self.expr(k)?;
        let filter = match k.next_if(Rule::filter) {
            Some(p) => Some(self.expr(&mut Kids::of(p))?),
            None => None,
        };
        Some(Let { name, ty, value, filter })
    }

    fn type_expr(&mut self, pair: Pair<'_, Rule>) -> Option<TypeExpr> {
        let mut k = Kids::of(pair);
        let mut left = self.type_atom(k.next()?)?;
        let mut depth = 0;
        while let Some(op) = k.next() {
            let operator = self.span(&op);
            depth += 1;
            if depth > MAX_TYPE {
                self.too_deep(operator);
                return None;
            }
            let right = self.type_atom(k.next()?)?;
            let span = left.span.to(right.span);
            let (left_box, right) = (Box::new(left), Box::new(right));
            let kind = match op.as_rule() {
                Rule::star => TypeKind::Mul(left_box, right),
                _ => TypeKind::Div(left_box, right),
            };
            left = TypeExpr { kind, span };
        }
        Some(left)
    }

    fn type_atom(&mut self, pair: Pair<'_, Rule>) -> Option<TypeExpr> {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::type_int => TypeKind::Int,
            Rule::type_bool => TypeKind::Bool,
            Rule::type_one => TypeKind::One,
            Rule::unit => TypeKind::Unit(self.unit(pair)?),
            Rule::type_expr => return self.type_expr(pair),
            _ => return None,
        };
        Some(TypeExpr { kind, span })
    }

    // -------------------------------------------------------------------------------------------------------- statements

    /// The kind of the statement of an `only_stmt`.
    pub(super) fn stmt(&mut self, mut pairs: Pairs<'_, Rule>) -> Option<StmtKind> {
        let pair = Kids::of(pairs.next()?).next()?;
        self.stmt_kind(pair)
    }

    fn block(&mut self, pair: Pair<'_, Rule>) -> Option<Block> {
        let mut span = self.span(&pair);
        if let Some(brace) = pair.clone().into_inner().find(|p| p.as_rule() == Rule::lbrace) {
            span.start = self.span(&brace).start;
        }
        let mut k = Kids::of(pair);
        let mut stmts = Vec::new();
        while let Some(p) = k.next() {
            let span = self.span(&p);
            stmts.push(Stmt { kind: self.stmt_kind(p)?, span });
        }
        Some(Block { stmts, span })
    }

    fn stmt_kind(&mut self, pair: Pair<'_, Rule>) -> Option<StmtKind> {
        let rule = pair.as_rule();
        if rule == Rule::assign {
            return Some(StmtKind::Assign(self.assign(pair)?));
        }
        let mut k = Kids::of(pair);
        Some(match rule {
            Rule::if_stmt => {
                let cond = self.expr(&mut Kids::of(k.next()?))?;
                let then = self.block(k.next()?)?;
                let els = match k.next() {
                    None => None,
                    Some(part) => {
                        let inner = Kids::of(part).next()?;
                        Some(if inner.as_rule() == Rule::block {
                            Else::Block(self.block(inner)?)
                        } else {
                            let span = self.span(&inner);
                            Else::If(Box::new(Stmt { kind: self.stmt_kind(inner)?, span }))
                        })
                    }
                };
                StmtKind::If { cond, then, els }
            }
            Rule::for_stmt => {
                let (var, range, batch, epochs) = self.for_head(k.next()?)?;
                StmtKind::For { var, range, batch, epochs, body: self.block(k.next()?)? }
            }
            Rule::while_stmt => {
                let cond = self.expr(&mut Kids::of(k.next()?))?;
                StmtKind::While { cond, body: self.block(k.next()?)? }
            }
            Rule::repeat => {
                let body = self.block(k.next()?)?;
                StmtKind::Repeat { body, until: self.expr(&mut Kids::of(k.next()?))? }
            }
            Rule::run => StmtKind::Run(self.expr(&mut k)?),
            Rule::minimize => {
                let loss = self.expr(&mut k)?;
                let mut over = Vec::new();
                while let Some(p) = k.next_if(Rule::path) {
                    over.push(self.path(p)?);
                }
                StmtKind::Minimize { loss, over, by: self.model_ref(k.next()?)? }
            }
            Rule::expect => StmtKind::Expect(self.expr(&mut k)?),
            Rule::return_stmt => StmtKind::Return(if k.peek().is_some() { Some(self.expr(&mut k)?) } else { None }),
            Rule::allow => StmtKind::Allow(self.allow(k)?),
            Rule::break_stmt => StmtKind::Break,
            Rule::record => StmtKind::Record(self.record(k)?),
            Rule::deliver => StmtKind::Deliver { value: self.expr(&mut k)?, to: k.next().map(|p| self.ident(&p)) },
            Rule::inject => StmtKind::Inject(self.expr(&mut k)?),
            Rule::let_decl => StmtKind::Let(self.let_decl(&mut k)?),
            Rule::call => {
                let name = self.ident(&k.next()?);
                let args = self.args(k.next()?)?.0;
                match played(&name) {
                    Some((source, play)) => {
                        let first = Arg { name: None, span: source.span, value: source, over: None };
                        StmtKind::Call { name: play, args: std::iter::once(first).chain(args).collect() }
                    }
                    None => StmtKind::Call { name, args },
                }
            }
            _ => return None,
        })
    }

    /// `for x in range batch n epochs n`.
    pub(super) fn for_head(&mut self, head: Pair<'_, Rule>) -> Option<(Ident, Expr, Option<Expr>, Option<Expr>)> {
        let mut k = Kids::of(head);
        let var = self.ident(&k.next()?);
        let range = self.expr(&mut k)?;
        let (mut batch, mut epochs) = (None, None);
        while let Some(clause) = k.next() {
            let (rule, span) = (clause.as_rule(), self.span(&clause));
            let value = self.expr(&mut Kids::of(clause))?;
            let twice = match rule {
                Rule::for_batch => batch.replace(value).map(|_| "batch"),
                _ => epochs.replace(value).map(|_| "epochs"),
            };
            self.given_twice(twice, span);
        }
        Some((var, range, batch, epochs))
    }

    /// The one expression of a head such as `while c`.
    pub(super) fn head_expr(&mut self, head: Pair<'_, Rule>) -> Option<Expr> {
        self.expr(&mut Kids::of(head))
    }

    /// The one name of a head such as `experiment e`.
    pub(super) fn head_ident(&mut self, head: Pair<'_, Rule>) -> Option<Ident> {
        let name = Kids::of(head).next()?;
        Some(self.ident(&name))
    }

    /// The one string of a head such as `test "…"`.
    pub(super) fn head_string(&mut self, head: Pair<'_, Rule>) -> Option<Spanned<String>> {
        self.string(Kids::of(head).next()?)
    }

    fn assign(&mut self, pair: Pair<'_, Rule>) -> Option<Assign> {
        let span = self.span(&pair);
        let mut k = Kids::of(pair);
        let target = self.path(k.next()?)?;
        let op = match k.next()?.as_str() {
            "=" => AssignOp::Set,
            "+=" => AssignOp::Add,
            "-=" => AssignOp::Sub,
            "*=" => AssignOp::Mul,
            "/=" => AssignOp::Div,
            _ => return None,
        };
        Some(Assign { target, op, value: self.expr(&mut k)?, span })
    }

    fn record(&mut self, mut k: Kids<'_>) -> Option<Record> {
        let mut record = Record { targets: Vec::new(), every: None, to: None };
        while let Some(rule) = k.peek() {
            match rule {
                Rule::expr => record.targets.push(self.expr(&mut k)?),
                Rule::record_every => record.every = Some(self.expr(&mut Kids::of(k.next()?))?),
                Rule::record_to => record.to = Some(self.string(Kids::of(k.next()?).next()?)?),
                _ => return None,
            }
        }
        Some(record)
    }

    /// The assignment of an `only_assign`.
    pub(super) fn only_assign(&mut self, mut pairs: Pairs<'_, Rule>) -> Option<Assign> {
        let pair = Kids::of(pairs.next()?).next()?;
        self.assign(pair)
    }

    /// The binding of an `only_binding`.
    pub(super) fn only_binding(&mut self, mut pairs: Pairs<'_, Rule>) -> Option<Binding> {
        let pair = Kids::of(pairs.next()?).next()?;
        self.binding(pair)
    }

    /// The condition of an `only_until`.
    pub(super) fn until(&mut self, mut pairs: Pairs<'_, Rule>) -> Option<Expr> {
        let pair = Kids::of(pairs.next()?).next()?;
        self.head_expr(pair)
    }

    fn string(&mut self, pair: Pair<'_, Rule>) -> Option<Spanned<String>> {
        let span = self.span(&pair);
        Some(Spanned::new(Kids::of(pair).next()?.as_str().to_owned(), span))
    }

    fn ident(&mut self, pair: &Pair<'_, Rule>) -> Ident {
        Spanned::new(pair.as_str().to_owned(), self.span(pair))
    }

    /// All remaining children, each built by `build`.
    fn rest<T>(&mut self, k: &mut Kids<'_>, build: fn(&mut Self, Pair<'_, Rule>) -> Option<T>) -> Option<Vec<T>> {
        let mut out = Vec::new();
        while let Some(p) = k.next() {
            out.push(build(self, p)?);
        }
        Some(out)
    }
}

/// `X` and `play` of a call `X.play(…)`; `X` may have points itself.
fn played(name: &Ident) -> Option<(Expr, Ident)> {
    let (source, play) = name.node.rsplit_once('.').filter(|(_, last)| *last == "play")?;
    let mut at = name.span.start;
    let mut out: Option<Expr> = None;
    for part in source.split('.') {
        let span = Span { start: at, end: at + part.len() as u32, ..name.span };
        let kind = match out {
            None => ExprKind::Name(part.to_owned()),
            Some(base) => ExprKind::Member { base: Box::new(base), member: Ident::new(part.to_owned(), span) },
        };
        out = Some(Expr { kind, span: Span { start: name.span.start, ..span } });
        at = span.end + 1;
    }
    Some((out?, Ident::new(play.to_owned(), Span { start: at, ..name.span })))
}

/// `None` for a part that was there and failed.
#[expect(clippy::option_option, reason = "absent, failed and present are three cases")]
fn transpose<T>(part: Option<Option<T>>) -> Option<Option<T>> {
    match part {
        Some(None) => None,
        Some(some) => Some(some),
        None => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_takes_whole_files_as_the_splitter_cuts_them() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/models");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|e| e != "snn") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let pairs = matches(Rule::file, &text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let items = pairs.flat_map(Pair::into_inner).filter(|p| !is_mark(p.as_rule())).count();
            assert_eq!(items, crate::syntax::split_items(&text).len(), "{}", path.display());
        }
    }

    #[test]
    fn the_list_of_reserved_words_is_the_grammar_s() {
        let grammar = include_str!("../../grammar/snn.pest");
        let rule = grammar.split("\nreserved = @{").nth(1).and_then(|r| r.split("!word_char").next()).unwrap();
        // Lines of a first letter and what may follow it: `"b" ~ ("atch" | "y")`.
        let quoted = |line: &str| -> Vec<String> { line.split('"').skip(1).step_by(2).map(str::to_owned).collect() };
        let lines = rule.lines().filter(|l| !l.trim_start().starts_with("//")).map(quoted);
        let words: Vec<String> = lines
            .filter_map(|l| {
                l.split_first().map(|(head, rest)| rest.iter().map(|r| format!("{head}{r}")).collect::<Vec<_>>())
            })
            .flatten()
            .collect();
        assert!(words.len() > 40);
        for word in words.iter().map(String::as_str) {
            assert!(crate::syntax::errors::is_reserved(word), "{word}");
            assert!(matches(Rule::ident, word).is_err(), "{word}");
            assert!(matches(Rule::ident, &format!("{word}_1")).is_ok(), "{word}_1");
        }
        assert_eq!(words.len(), crate::syntax::errors::RESERVED.len());
    }
}
