//! The syntax tree: exactly what was written, spanned and untyped. One enum per level: [`Item`], [`ModelItem`], [`Stmt`],
//! [`Expr`]. The parser always returns a tree; a faulty item becomes [`ItemKind::Error`], a faulty model item
//! [`ModelItemKind::Error`], so that nothing else is hidden.

use crate::source::{FileId, Span, Spanned};

/// A name as written.
pub type Ident = Spanned<String>;

/// One source file.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    /// Which file.
    pub id: FileId,
    /// Its items, in order.
    pub items: Vec<Item>,
}

/// A top-level declaration with its `##` documentation lines (without the marks, joined by line breaks).
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Documentation.
    pub doc: String,
    /// What it declares.
    pub kind: ItemKind,
    /// The whole item.
    pub span: Span,
}

/// The kinds of top-level declarations.
#[derive(Debug, Clone, PartialEq)]
pub enum ItemKind {
    /// `import "file" as name`
    Import { path: Spanned<String>, alias: Option<Ident> },
    /// `simulation { dt = 0.1 ms; … }`
    Simulation(Vec<Assign>),
    /// `const a = 1, b = 2`
    Const(Vec<Binding>),
    /// `param a = 1`
    Param(Vec<Binding>),
    /// `let V = N[..10]`, `let E = L where i % 5 != 0`
    Let(Let),
    /// `fn f(x: mV, y) = …`
    Fn { name: Ident, params: Vec<(Ident, Option<TypeExpr>)>, body: Expr },
    /// `data d = mnist()`
    Data { name: Ident, value: Expr },
    /// `neuron M { … }`
    Neuron(Model),
    /// `synapse S { … }`
    Synapse(Model),
    /// `population E[400]: M(…)`
    Population { name: Ident, index: Option<Index>, model: ModelRef },
    /// `connect X -> E.g via … where … with …`
    Connect(Connect),
    /// `kernel K(s) = … over 50 ms`
    Kernel { name: Ident, arg: Ident, body: Expr, over: Expr },
    /// `readout r: max_rate(classes = 10)`
    Readout { name: Ident, model: ModelRef },
    /// `record E.spikes every 1 ms to "f.npz"`
    Record(Record),
    /// `procedure p(a, b) { … }`
    Procedure { name: Ident, params: Vec<Ident>, body: Block },
    /// `experiment e { … }`
    Experiment { name: Ident, body: Block },
    /// `test "…" { … }`
    Test { name: Spanned<String>, body: Block },
    /// `for a in 0..8 { items }`
    Unroll { var: Ident, range: Expr, items: Vec<Item> },
    /// `allow W0701 "why"`
    Allow(Allow),
    /// An item that did not parse; the fault is already reported. The name it would define, where that could be read, so
    /// that its uses give no follow-up errors.
    Error { defines: Option<Ident> },
}

/// `name: type = value in [lo, hi]` of `param`, `state`, `weight`, ….
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// The name.
    pub name: Ident,
    /// `: mV`
    pub ty: Option<TypeExpr>,
    /// `= value`
    pub value: Option<Expr>,
    /// `in [lo, hi]`
    pub bounds: Option<Expr>,
    /// The whole binding.
    pub span: Span,
}

/// `let a: type = value where condition`
#[derive(Debug, Clone, PartialEq)]
pub struct Let {
    /// The name.
    pub name: Ident,
    /// `: mV`
    pub ty: Option<TypeExpr>,
    /// The value.
    pub value: Expr,
    /// `where i % 5 != 0`
    pub filter: Option<Expr>,
}

/// A declared type: `int`, `bool`, or a product of units.
#[derive(Debug, Clone, PartialEq)]
pub struct TypeExpr {
    /// What was written.
    pub kind: TypeKind,
    /// Where.
    pub span: Span,
}

/// The kinds of declared types.
#[derive(Debug, Clone, PartialEq)]
pub enum TypeKind {
    /// `int`
    Int,
    /// `bool`
    Bool,
    /// `1`: a number without unit
    One,
    /// A unit, such as `mV` or `ms^2`
    Unit(Unit),
    /// `a*b`
    Mul(Box<TypeExpr>, Box<TypeExpr>),
    /// `a/b`
    Div(Box<TypeExpr>, Box<TypeExpr>),
}

/// A unit with an optional exponent, as in `10 ms^2`.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    /// The unit's name, such as `mV`.
    pub name: String,
    /// The text of the exponent, such as `-2` or `0.5`; `None` without one.
    pub exponent: Option<String>,
    /// Where.
    pub span: Span,
}

/// `neuron` or `synapse`.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The name.
    pub name: Ident,
    /// Its items, in order.
    pub items: Vec<ModelItem>,
}

/// One item of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelItem {
    /// Documentation.
    pub doc: String,
    /// What it is.
    pub kind: ModelItemKind,
    /// The whole item.
    pub span: Span,
}

/// The kinds of model items.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelItemKind {
    /// `param …`
    Param(Vec<Binding>),
    /// `state …`
    State(Vec<Binding>),
    /// `weight …`
    Weight(Vec<Binding>),
    /// `learned …`
    Learned(Vec<Binding>),
    /// `input …`
    Input(Vec<Binding>),
    /// `let …`
    Let(Let),
    /// `coef * dvar/dt = rhs`
    Ode { coef: Option<Expr>, var: Ident, rhs: Expr },
    /// `spike when …` / `spike with rate …`
    Spike { cond: SpikeCond, surrogate: Option<ModelRef> },
    /// `event e when …`
    Event { name: Ident, cond: Condition },
    /// `on NAME { … }`; the name is `spike`, `pre`, `post`, `release` or a custom event
    On { event: Ident, body: Block },
    /// `every 1 ms { … }`
    Every { period: Expr, body: Block },
    /// `refractory 5 ms hold v, w`
    Refractory { duration: Expr, hold: Vec<Ident> },
    /// `method euler(substeps = 2)`
    Method(ModelRef),
    /// `inject e`
    Inject(Expr),
    /// `allow W0701 "why"`
    Allow(Allow),
    /// An item that did not parse; the fault is already reported. Besides the name that it seems to define, it can have declared no other than its
    /// `words`.
    Error { defines: Option<Ident>, words: Vec<String> },
}

impl Model {
    /// Whether a statement that did not parse may have declared a name.
    #[must_use]
    pub fn may_declare(&self, name: &str) -> bool {
        self.items.iter().any(|i| match &i.kind {
            ModelItemKind::Error { words, .. } => words.iter().any(|w| w == name),
            _ => false,
        })
    }

    /// The names that statements which did not parse may have declared; `None` if all did.
    #[must_use]
    pub fn lost(&self) -> Option<Vec<String>> {
        let lost = |i: &ModelItem| match &i.kind {
            ModelItemKind::Error { defines, words } => {
                Some(words.iter().cloned().chain(defines.iter().map(|d| d.node.clone())).collect::<Vec<_>>())
            }
            _ => None,
        };
        (!self.is_whole()).then(|| self.items.iter().filter_map(lost).flatten().collect())
    }

    /// Whether all of its statements parsed.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.items.iter().any(|i| matches!(i.kind, ModelItemKind::Error { .. }))
    }
}

/// What makes a neuron spike.
#[derive(Debug, Clone, PartialEq)]
pub enum SpikeCond {
    /// `when …`
    When(Condition),
    /// `with rate …`
    Rate(Expr),
}

/// A level condition, or an upward crossing.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The condition, or the quantity that crosses.
    pub expr: Expr,
    /// `crosses e`
    pub crosses: Option<Expr>,
}

/// `name(args)` or a bare `name`.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRef {
    /// The name.
    pub name: Ident,
    /// The arguments; `None` without parentheses.
    pub args: Option<Vec<Arg>>,
    /// Where.
    pub span: Span,
}

/// `connect …`
#[derive(Debug, Clone, PartialEq)]
pub struct Connect {
    /// `XE:`
    pub name: Option<Ident>,
    /// The source: a path, or a call such as `poisson_input(…)`.
    pub source: ConnectSource,
    /// The target variable.
    pub target: Path,
    /// `via rule(…)`
    pub via: Option<ModelRef>,
    /// `where …`
    pub filter: Option<Expr>,
    /// `with Synapse(…)`
    pub with: Option<ModelRef>,
    /// `through K`
    pub through: Option<Ident>,
}

/// Where a projection's events come from.
#[derive(Debug, Clone, PartialEq)]
pub enum ConnectSource {
    /// A population, view or event.
    Path(Path),
    /// `poisson_input(n = …, rate = …)`
    Call(ModelRef),
}

/// `record e, e every 1 ms to "file"`
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What is recorded.
    pub targets: Vec<Expr>,
    /// `every …`
    pub every: Option<Expr>,
    /// `to "…"`
    pub to: Option<Spanned<String>>,
}

/// `allow W0701, W0704 "why"`: warnings that are accepted where it stands
#[derive(Debug, Clone, PartialEq)]
pub struct Allow {
    /// The warnings.
    pub codes: Vec<Ident>,
    /// Why they are accepted.
    pub reason: Spanned<String>,
}

/// `{ … }`
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// The statements.
    pub stmts: Vec<Stmt>,
    /// With the braces.
    pub span: Span,
}

/// A statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Stmt {
    /// What it is.
    pub kind: StmtKind,
    /// Where.
    pub span: Span,
}

/// The kinds of statements.
#[derive(Debug, Clone, PartialEq)]
pub enum StmtKind {
    /// `if c { } else …`
    If { cond: Expr, then: Block, els: Option<Else> },
    /// `for x in range batch n epochs n { }`
    For { var: Ident, range: Expr, batch: Option<Expr>, epochs: Option<Expr>, body: Block },
    /// `while c { }`
    While { cond: Expr, body: Block },
    /// `repeat { } until c`
    Repeat { body: Block, until: Expr },
    /// `run e`
    Run(Expr),
    /// `minimize e over p, q by r(…)`
    Minimize { loss: Expr, over: Vec<Path>, by: ModelRef },
    /// `expect e`
    Expect(Expr),
    /// `return e`
    Return(Option<Expr>),
    /// `break`
    Break,
    /// `record …`
    Record(Record),
    /// `deliver e to x`
    Deliver { value: Expr, to: Option<Ident> },
    /// `inject e`
    Inject(Expr),
    /// `let x = e`
    Let(Let),
    /// `p += e`
    Assign(Assign),
    /// `allow W0701 "why"`
    Allow(Allow),
    /// `f(args)`
    Call { name: Ident, args: Vec<Arg> },
}

/// What follows `else`.
#[derive(Debug, Clone, PartialEq)]
pub enum Else {
    /// `else if …` (its kind is [`StmtKind::If`])
    If(Box<Stmt>),
    /// `else { … }`
    Block(Block),
}

/// `path op value`
#[derive(Debug, Clone, PartialEq)]
pub struct Assign {
    /// What is assigned.
    pub target: Path,
    /// `=` or an updating form.
    pub op: AssignOp,
    /// The value.
    pub value: Expr,
    /// The whole assignment.
    pub span: Span,
}

/// Assignment operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AssignOp {
    /// `=`
    Set,
    /// `+=`
    Add,
    /// `-=`
    Sub,
    /// `*=`
    Mul,
    /// `/=`
    Div,
}

/// `a[1].b`
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// The first name.
    pub root: Ident,
    /// What follows it.
    pub segments: Vec<Segment>,
    /// The whole path.
    pub span: Span,
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq)]
pub enum Segment {
    /// `.name`
    Member(Ident),
    /// `[i, j]`
    Index(Index),
}

/// `[i, 3..7]`
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    /// One expression per axis; ranges are [`ExprKind::Range`].
    pub items: Vec<Expr>,
    /// With the brackets.
    pub span: Span,
}

/// `name = value over axis` in a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Arg {
    /// `name =`
    pub name: Option<Ident>,
    /// The value.
    pub value: Expr,
    /// `over axis`
    pub over: Option<Ident>,
    /// The whole argument.
    pub span: Span,
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where.
    pub span: Span,
}

/// The kinds of expressions.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// `5`, `1e-4`, `5 ms`; `is_int` when written without a point or exponent and without unit
    Number { value: f64, is_int: bool, unit: Option<Unit> },
    /// `"…"`
    Str(String),
    /// `true`, `false`
    Bool(bool),
    /// `[a, b]`
    List(Vec<Expr>),
    /// A name: a variable, or a unit if no variable of that name is in scope
    Name(String),
    /// `-x`, `+x`, `not x`
    Unary { op: UnaryOp, op_span: Span, operand: Box<Expr> },
    /// `a + b`, `a == b`, `a and b`, `a in b`, …
    Binary { op: BinaryOp, op_span: Span, left: Box<Expr>, right: Box<Expr> },
    /// `a .. b`, either end may be missing
    Range { start: Option<Box<Expr>>, end: Option<Box<Expr>> },
    /// `if c then a else b`
    If { cond: Box<Expr>, then: Box<Expr>, els: Box<Expr> },
    /// `f(a, k = b)`; the callee is a name in every valid program
    Call { callee: Box<Expr>, args: Vec<Arg> },
    /// `a[i, j]`
    Index { base: Box<Expr>, index: Index },
    /// `a.b`
    Member { base: Box<Expr>, member: Ident },
    /// `( e )`: kept so that the tree can be printed as it was written
    Paren(Box<Expr>),
    /// An expression that did not parse; the fault is already reported.
    Error,
}

/// Prefix operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `-`
    Neg,
    /// `+`
    Plus,
    /// `not`
    Not,
}

/// Infix operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named after its sign")]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    And,
    Or,
}
