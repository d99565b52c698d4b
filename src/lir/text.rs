//! The text form of the loop IR: printed for people and tests, parsed back exactly (for every program in which each value has one
//! definition, and in which names are as the contract asks).
//!
//! # Grammar
//!
//! ```text
//! program  = { buffer | function }
//! buffer   = "buffer" "bN" STRING ":" SCALAR "[" LENGTH "]"            numbered from 0 in order
//! function = "fn" "fN" STRING "(" [ val { "," val } ] ")" "{" { unused } block "}"
//! unused   = "unused" val ":" type { "," val ":" type }               values without a definition
//! block    = { stmt }
//! stmt     = val ":" type "=" op
//!          | "store" place "," val  |  "scatter" place "," val
//!          | "addrows" buf "," buf "," buf "," val "to" val "at" val "stride" N "len" N     vector, matrix, list of rows, its entries, first column
//!          | "append" buf "," buf "," val "if" val                     list, count, value, condition
//!          | ["vector"] "for" def "=" val "to" val "step" N [ "with" defs "=" vals ] "{" block "}" [ "->" defs "=" vals ]
//!          | "if" val "{" block "}" [ "else" "{" block "}" ] [ "->" defs "=" vals "else" vals ]
//! op       = "const" SCALAR NUMBER  |  UNARY val  |  BINARY val "," val  |  "fma" val "," val "," val
//!          | ("eq" | "ne" | "lt" | "le" | "gt" | "ge") val "," val  |  "select" val "," val "," val
//!          | "cast" SCALAR val  |  "bitcast" SCALAR val  |  "splat" N val  |  "lane" N val  |  "iota" N
//!          | "any" val  |  "all" val  |  "sum" val  |  "load" [ N ] place  |  "gather" place
//!          | "pack" vals  |  "call" MATH vals
//! place    = buf "[" val "]"         vals = "(" [ val { "," val } ] ")"
//! def      = val [ ":" type ]        defs = "(" [ def { "," def } ] ")"          without a type: i32
//! val      = "vN"      buf = "bN"    type = SCALAR [ "x" N ]      SCALAR = "f32" | "f64" | "i32" | "i64" | "bool"
//! NUMBER   = decimal | "inf" | "-inf" | "nan" | "bits" "0xHEX" (other NaNs) | "true" | "false"
//! ```
//!
//! `#` starts a comment that ends with the line. Line ends are white space. Floats are printed with the fewest digits that give the
//! same bits back; `nan` is the quiet NaN with no payload and no sign.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::{
    AddRows, BinOp, Block, BufId, Buffer, CmpOp, Const, For, Function, If, MathFn, Op, Program, Scalar, Stmt, Ty, UnOp,
    Val,
};
use crate::lir::verify::MAX_DEPTH;

const SCALARS: [Scalar; 5] = [Scalar::F32, Scalar::F64, Scalar::I32, Scalar::I64, Scalar::Bool];

const UNARY: [(UnOp, &str); 14] = [
    (UnOp::Neg, "neg"),
    (UnOp::Abs, "abs"),
    (UnOp::Sqrt, "sqrt"),
    (UnOp::Floor, "floor"),
    (UnOp::Ceil, "ceil"),
    (UnOp::Trunc, "trunc"),
    (UnOp::Nearest, "nearest"),
    (UnOp::Not, "not"),
    (UnOp::Flush, "flush"),
    (UnOp::Exp, "exp"),
    (UnOp::Expm1, "expm1"),
    (UnOp::Exprel, "exprel"),
    (UnOp::Log, "log"),
    (UnOp::Log1p, "log1p"),
];

const BINARY: [(BinOp, &str); 14] = [
    (BinOp::Add, "add"),
    (BinOp::Sub, "sub"),
    (BinOp::Mul, "mul"),
    (BinOp::Div, "div"),
    (BinOp::Min, "min"),
    (BinOp::Max, "max"),
    (BinOp::And, "and"),
    (BinOp::Or, "or"),
    (BinOp::Xor, "xor"),
    (BinOp::Shl, "shl"),
    (BinOp::Sar, "sar"),
    (BinOp::Shr, "shr"),
    (BinOp::Mod, "mod"),
    (BinOp::FloorDiv, "floordiv"),
];

const COMPARE: [(CmpOp, &str); 6] =
    [(CmpOp::Eq, "eq"), (CmpOp::Ne, "ne"), (CmpOp::Lt, "lt"), (CmpOp::Le, "le"), (CmpOp::Gt, "gt"), (CmpOp::Ge, "ge")];

const MATH: [(MathFn, &str); 18] = [
    (MathFn::Sin, "sin"),
    (MathFn::Cos, "cos"),
    (MathFn::Tan, "tan"),
    (MathFn::Asin, "asin"),
    (MathFn::Acos, "acos"),
    (MathFn::Atan, "atan"),
    (MathFn::Atan2, "atan2"),
    (MathFn::Sinh, "sinh"),
    (MathFn::Cosh, "cosh"),
    (MathFn::Pow, "pow"),
    (MathFn::Fmod, "fmod"),
    (MathFn::DrawNormal, "draw_normal"),
    (MathFn::DrawGamma, "draw_gamma"),
    (MathFn::DrawPoisson, "draw_poisson"),
    (MathFn::EventUniform, "event_uniform"),
    (MathFn::EventNormal, "event_normal"),
    (MathFn::EventExponential, "event_exponential"),
    (MathFn::EventKey, "event_key"),
];

fn name_of<T: PartialEq + Copy>(table: &[(T, &'static str)], op: T) -> &'static str {
    table.iter().find(|(o, _)| *o == op).map_or("?", |(_, name)| name)
}

fn by_name<T: Copy>(table: &[(T, &'static str)], name: &str) -> Option<T> {
    table.iter().find(|(_, n)| *n == name).map(|(op, _)| *op)
}

// -- printing ----------------------------------------------------------------------------------------------------------

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (k, b) in self.buffers.iter().enumerate() {
            writeln!(f, "buffer b{k} \"{}\": {}[{}]", b.name, b.scalar.name(), b.len)?;
        }
        for (k, function) in self.functions.iter().enumerate() {
            if k > 0 || !self.buffers.is_empty() {
                writeln!(f)?;
            }
            print_function(f, k, function)?;
        }
        Ok(())
    }
}

fn print_function(out: &mut fmt::Formatter<'_>, number: usize, function: &Function) -> fmt::Result {
    let params: Vec<String> = function.params.iter().map(ToString::to_string).collect();
    writeln!(out, "fn f{number} \"{}\"({}) {{", function.name, params.join(", "))?;
    let mut defined = vec![false; function.types.len()];
    let mut mark = |val: &Val| {
        if let Some(d) = defined.get_mut(val.0 as usize) {
            *d = true;
        }
    };
    function.params.iter().for_each(&mut mark);
    definitions(&function.body, &mut mark);
    for (val, ty) in function.types.iter().enumerate().filter(|(k, _)| !defined.get(*k).is_some_and(|d| *d)) {
        writeln!(out, "  unused v{val}: {ty}")?;
    }
    let mut p = Printer { types: &function.types, out, indent: 1 };
    p.block(&function.body)?;
    writeln!(out, "}}")
}

/// Calls `f` with every value that a block defines.
pub(crate) fn definitions(block: &Block, f: &mut impl FnMut(&Val)) {
    for stmt in &block.stmts {
        match stmt {
            Stmt::Def { val, .. } => f(val),
            Stmt::For(l) => {
                f(&l.var);
                l.params.iter().for_each(&mut *f);
                definitions(&l.body, f);
                l.results.iter().for_each(&mut *f);
            }
            Stmt::If(i) => {
                definitions(&i.then, f);
                definitions(&i.els, f);
                i.results.iter().for_each(&mut *f);
            }
            Stmt::Store { .. } | Stmt::Scatter { .. } | Stmt::Append { .. } | Stmt::AddRows(_) => {}
        }
    }
}

struct Printer<'a, 'b> {
    types: &'a [Ty],
    out: &'a mut fmt::Formatter<'b>,
    indent: usize,
}

impl Printer<'_, '_> {
    fn block(&mut self, block: &Block) -> fmt::Result {
        for stmt in &block.stmts {
            self.pad()?;
            self.stmt(stmt)?;
        }
        Ok(())
    }

    fn pad(&mut self) -> fmt::Result {
        for _ in 0..self.indent {
            self.out.write_str("  ")?;
        }
        Ok(())
    }

    fn inner(&mut self, block: &Block) -> fmt::Result {
        writeln!(self.out, " {{")?;
        self.indent += 1;
        self.block(block)?;
        self.indent -= 1;
        self.pad()?;
        self.out.write_char('}')
    }

    /// A defined value with its type; one without a type (a broken program) shows that.
    fn typed(&self, val: Val) -> String {
        match self.types.get(val.0 as usize) {
            Some(ty) => format!("{val}: {ty}"),
            None => format!("{val}: ?"),
        }
    }

    fn typed_list(&self, vals: &[Val]) -> String {
        let list: Vec<String> = vals.iter().map(|v| self.typed(*v)).collect();
        format!("({})", list.join(", "))
    }

    fn stmt(&mut self, stmt: &Stmt) -> fmt::Result {
        match stmt {
            Stmt::Def { val, op } => {
                let typed = self.typed(*val);
                writeln!(self.out, "{typed} = {op}")
            }
            Stmt::Store { buf, index, value } => writeln!(self.out, "store {buf}[{index}], {value}"),
            Stmt::Scatter { buf, index, value } => writeln!(self.out, "scatter {buf}[{index}], {value}"),
            Stmt::Append { cond, list, count, value } => {
                writeln!(self.out, "append {list}, {count}, {value} if {cond}")
            }
            Stmt::AddRows(AddRows { to, from, rows, first, end, at, stride, len }) => {
                writeln!(self.out, "addrows {to}, {from}, {rows}, {first} to {end} at {at} stride {stride} len {len}")
            }
            Stmt::For(l) => {
                if l.vector {
                    self.out.write_str("vector ")?;
                }
                let var = match self.types.get(l.var.0 as usize) {
                    Some(&Ty::I32) => l.var.to_string(),
                    _ => self.typed(l.var),
                };
                write!(self.out, "for {var} = {} to {} step {}", l.from, l.to, l.step)?;
                if !l.params.is_empty() || !l.inits.is_empty() {
                    let params = self.typed_list(&l.params);
                    write!(self.out, " with {params} = {}", list(&l.inits))?;
                }
                self.inner(&l.body)?;
                if !l.results.is_empty() || !l.next.is_empty() {
                    let results = self.typed_list(&l.results);
                    write!(self.out, " -> {results} = {}", list(&l.next))?;
                }
                writeln!(self.out)
            }
            Stmt::If(i) => {
                write!(self.out, "if {}", i.cond)?;
                self.inner(&i.then)?;
                if !i.els.stmts.is_empty() {
                    self.out.write_str(" else")?;
                    self.inner(&i.els)?;
                }
                if !i.results.is_empty() || !i.then_vals.is_empty() || !i.else_vals.is_empty() {
                    let results = self.typed_list(&i.results);
                    write!(self.out, " -> {results} = {} else {}", list(&i.then_vals), list(&i.else_vals))?;
                }
                writeln!(self.out)
            }
        }
    }
}

fn list(vals: &[Val]) -> String {
    let vals: Vec<String> = vals.iter().map(ToString::to_string).collect();
    format!("({})", vals.join(", "))
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Const(c) => write!(f, "const {} {c}", c.scalar().name()),
            Self::Un(op, a) => write!(f, "{} {a}", name_of(&UNARY, *op)),
            Self::Bin(op, a, b) => write!(f, "{} {a}, {b}", name_of(&BINARY, *op)),
            Self::Fma(a, b, c) => write!(f, "fma {a}, {b}, {c}"),
            Self::Cmp(op, a, b) => write!(f, "{} {a}, {b}", name_of(&COMPARE, *op)),
            Self::Select(m, a, b) => write!(f, "select {m}, {a}, {b}"),
            Self::Cast(a, to) => write!(f, "cast {} {a}", to.name()),
            Self::Bitcast(a, to) => write!(f, "bitcast {} {a}", to.name()),
            Self::Splat(a, n) => write!(f, "splat {n} {a}"),
            Self::Lane(a, n) => write!(f, "lane {n} {a}"),
            Self::Iota(n) => write!(f, "iota {n}"),
            Self::Any(a) => write!(f, "any {a}"),
            Self::All(a) => write!(f, "all {a}"),
            Self::Sum(a) => write!(f, "sum {a}"),
            Self::Load { buf, index, lanes: 1 } => write!(f, "load {buf}[{index}]"),
            Self::Load { buf, index, lanes } => write!(f, "load {lanes} {buf}[{index}]"),
            Self::Gather { buf, index } => write!(f, "gather {buf}[{index}]"),
            Self::Pack(parts) => write!(f, "pack {}", list(parts)),
            Self::Call(name, args) => write!(f, "call {} {}", name_of(&MATH, *name), list(args)),
        }
    }
}

impl fmt::Display for Const {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::F32(x) if x.is_nan() && x.to_bits() != f32::NAN.to_bits() => write!(f, "bits {:#x}", x.to_bits()),
            Self::F64(x) if x.is_nan() && x.to_bits() != f64::NAN.to_bits() => write!(f, "bits {:#x}", x.to_bits()),
            Self::F32(x) if x.is_nan() => f.write_str("nan"),
            Self::F64(x) if x.is_nan() => f.write_str("nan"),
            Self::F32(x) => write!(f, "{x:?}"),
            Self::F64(x) => write!(f, "{x:?}"),
            Self::I32(x) => write!(f, "{x}"),
            Self::I64(x) => write!(f, "{x}"),
            Self::Bool(x) => write!(f, "{x}"),
        }
    }
}

// -- parsing -----------------------------------------------------------------------------------------------------------

/// Reads a program. Types and scopes are not checked here: that is [`super::verify::verify`]'s work.
///
/// # Errors
/// What was expected and found instead, with the line.
pub fn parse(text: &str) -> Result<Program, String> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, types: BTreeMap::new() };
    let mut program = Program::default();
    loop {
        match parser.peek() {
            None => return Ok(program),
            Some("buffer") => {
                let buffer = parser.buffer(program.buffers.len())?;
                program.buffers.push(buffer);
            }
            Some("fn") => {
                let function = parser.function(program.functions.len())?;
                program.functions.push(function);
            }
            Some(_) => return Err(parser.expected("`buffer` or `fn`")),
        }
    }
}

struct Token<'a> {
    text: &'a str,
    line: usize,
}

/// Words (with digits, dots and signs), strings (with their quotes), `->`, and single signs.
fn tokens(text: &str) -> Result<Vec<Token<'_>>, String> {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '_');
    let mut out = Vec::new();
    for (k, line) in text.lines().enumerate() {
        let number = k + 1;
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            if first == '#' {
                break;
            }
            let len = if rest.starts_with("->") {
                2
            } else if first == '"' {
                match rest.get(1..).and_then(|r| r.find('"')) {
                    Some(end) => end + 2,
                    None => return Err(format!("line {number}: a name without its closing quote")),
                }
            } else if word(first) {
                rest.find(|c: char| !word(c)).unwrap_or(rest.len())
            } else if "()[]{},:=?".contains(first) {
                1
            } else {
                return Err(format!("line {number}: unexpected {first:?}"));
            };
            let (token, after) = rest.split_at(len);
            out.push(Token { text: token, line: number });
            rest = after.trim_start();
        }
    }
    Ok(out)
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    /// Types of the current function's values.
    types: BTreeMap<u32, Ty>,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.at).map(|t| t.text)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |t| t.line)
    }

    fn error(&self, message: impl fmt::Display) -> String {
        format!("line {}: {message}", self.line())
    }

    fn expected(&self, what: &str) -> String {
        match self.peek() {
            Some(found) => self.error(format!("expected {what}, found `{found}`")),
            None => self.error(format!("expected {what}, found the end")),
        }
    }

    fn accept(&mut self, text: &str) -> bool {
        let found = self.peek() == Some(text);
        if found {
            self.at += 1;
        }
        found
    }

    fn expect(&mut self, text: &str) -> Result<(), String> {
        if self.accept(text) { Ok(()) } else { Err(self.expected(&format!("`{text}`"))) }
    }

    /// Takes the next token if `read` makes something of it.
    fn take<T>(&mut self, what: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T, String> {
        match self.peek().and_then(read) {
            Some(x) => {
                self.at += 1;
                Ok(x)
            }
            None => Err(self.expected(what)),
        }
    }

    fn id(&mut self, letter: char) -> Result<u32, String> {
        self.take(&format!("`{letter}` and a number"), |t| digits(t.strip_prefix(letter)?)?.parse().ok())
    }

    fn val(&mut self) -> Result<Val, String> {
        self.id('v').map(Val)
    }

    fn buf(&mut self) -> Result<BufId, String> {
        self.id('b').map(BufId)
    }

    fn scalar(&mut self) -> Result<Scalar, String> {
        self.take("a kind", |t| SCALARS.into_iter().find(|s| s.name() == t))
    }

    fn lanes(&mut self) -> Result<u8, String> {
        self.take("a number of lanes", |t| digits(t)?.parse().ok())
    }

    fn ty(&mut self) -> Result<Ty, String> {
        self.take("a type", |t| {
            let (scalar, lanes) = match t.split_once('x') {
                Some((s, n)) => (s, digits(n)?.parse().ok().filter(|n| *n != 1)?),
                None => (t, 1),
            };
            Some(Ty { scalar: SCALARS.into_iter().find(|s| s.name() == scalar)?, lanes })
        })
    }

    fn name(&mut self) -> Result<String, String> {
        self.take("a quoted name", |t| Some(t.strip_prefix('"')?.strip_suffix('"')?.to_owned()))
    }

    fn buffer(&mut self, number: usize) -> Result<Buffer, String> {
        self.expect("buffer")?;
        self.expect(&format!("b{number}"))?;
        let name = self.name()?;
        self.expect(":")?;
        let scalar = self.scalar()?;
        self.expect("[")?;
        let len = self.take("a length", |t| digits(t)?.parse().ok())?;
        self.expect("]")?;
        Ok(Buffer { name, scalar, len })
    }

    fn function(&mut self, number: usize) -> Result<Function, String> {
        self.types.clear();
        self.expect("fn")?;
        self.expect(&format!("f{number}"))?;
        let name = self.name()?;
        let params = self.list(|p| p.def())?;
        self.expect("{")?;
        while self.accept("unused") {
            self.typed()?;
            while self.accept(",") {
                self.typed()?;
            }
        }
        let body = self.block(0)?;
        let mut types = Vec::with_capacity(self.types.len());
        for (val, ty) in &self.types {
            if *val as usize != types.len() {
                return Err(
                    self.error(format!("function {name} neither defines v{} nor lists it as unused", types.len()))
                );
            }
            types.push(*ty);
        }
        Ok(Function { name, params, types, body })
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T, String>) -> Result<Vec<T>, String> {
        self.expect("(")?;
        let mut out = Vec::new();
        if self.accept(")") {
            return Ok(out);
        }
        loop {
            out.push(item(self)?);
            if self.accept(")") {
                return Ok(out);
            }
            self.expect(",")?;
        }
    }

    fn vals(&mut self) -> Result<Vec<Val>, String> {
        self.list(Self::val)
    }

    fn define(&mut self, val: Val, ty: Ty) -> Result<Val, String> {
        match self.types.insert(val.0, ty) {
            Some(old) if old != ty => Err(self.error(format!("{val} was {old} before"))),
            _ => Ok(val),
        }
    }

    /// A definition whose type may be left out if it is `i32`.
    fn def(&mut self) -> Result<Val, String> {
        let val = self.val()?;
        let ty = if self.accept(":") { self.ty()? } else { Ty::I32 };
        self.define(val, ty)
    }

    fn typed(&mut self) -> Result<Val, String> {
        let val = self.val()?;
        self.expect(":")?;
        let ty = self.ty()?;
        self.define(val, ty)
    }

    /// Statements and the closing brace.
    fn block(&mut self, depth: usize) -> Result<Block, String> {
        if depth > MAX_DEPTH {
            return Err(self.error("blocks nest too deep"));
        }
        let mut stmts = Vec::new();
        while !self.accept("}") {
            stmts.push(self.stmt(depth)?);
        }
        Ok(Block { stmts })
    }

    fn place(&mut self) -> Result<(BufId, Val), String> {
        let buf = self.buf()?;
        self.expect("[")?;
        let index = self.val()?;
        self.expect("]")?;
        Ok((buf, index))
    }

    fn stmt(&mut self, depth: usize) -> Result<Stmt, String> {
        match self.peek() {
            Some("store") => {
                self.at += 1;
                let (buf, index) = self.place()?;
                self.expect(",")?;
                Ok(Stmt::Store { buf, index, value: self.val()? })
            }
            Some("scatter") => {
                self.at += 1;
                let (buf, index) = self.place()?;
                self.expect(",")?;
                Ok(Stmt::Scatter { buf, index, value: self.val()? })
            }
            Some("append") => {
                self.at += 1;
                let list = self.buf()?;
                self.expect(",")?;
                let count = self.buf()?;
                self.expect(",")?;
                let value = self.val()?;
                self.expect("if")?;
                Ok(Stmt::Append { cond: self.val()?, list, count, value })
            }
            Some("addrows") => {
                self.at += 1;
                let to = self.buf()?;
                self.expect(",")?;
                let from = self.buf()?;
                self.expect(",")?;
                let rows = self.buf()?;
                self.expect(",")?;
                let first = self.val()?;
                self.expect("to")?;
                let end = self.val()?;
                self.expect("at")?;
                let at = self.val()?;
                self.expect("stride")?;
                let stride = self.take("a distance", |t| digits(t)?.parse().ok())?;
                self.expect("len")?;
                let len = self.take("a length", |t| digits(t)?.parse().ok())?;
                Ok(Stmt::AddRows(AddRows { to, from, rows, first, end, at, stride, len }))
            }
            Some("vector") => {
                self.at += 1;
                self.for_(true, depth)
            }
            Some("for") => self.for_(false, depth),
            Some("if") => self.if_(depth),
            Some(t) if t.starts_with('v') => {
                let val = self.typed()?;
                self.expect("=")?;
                Ok(Stmt::Def { val, op: self.op()? })
            }
            _ => Err(self.expected("a statement or `}`")),
        }
    }

    fn for_(&mut self, vector: bool, depth: usize) -> Result<Stmt, String> {
        self.expect("for")?;
        let var = self.def()?;
        self.expect("=")?;
        let from = self.val()?;
        self.expect("to")?;
        let to = self.val()?;
        self.expect("step")?;
        let step = self.take("a step", |t| digits(t)?.parse().ok())?;
        let (mut params, mut inits, mut results, mut next) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        if self.accept("with") {
            params = self.list(Self::typed)?;
            self.expect("=")?;
            inits = self.vals()?;
        }
        self.expect("{")?;
        let body = self.block(depth + 1)?;
        if self.accept("->") {
            results = self.list(Self::typed)?;
            self.expect("=")?;
            next = self.vals()?;
        }
        Ok(Stmt::For(Box::new(For { var, from, to, step, vector, params, inits, body, next, results })))
    }

    fn if_(&mut self, depth: usize) -> Result<Stmt, String> {
        self.expect("if")?;
        let cond = self.val()?;
        self.expect("{")?;
        let then = self.block(depth + 1)?;
        let mut els = Block::default();
        if self.accept("else") {
            self.expect("{")?;
            els = self.block(depth + 1)?;
        }
        let (mut results, mut then_vals, mut else_vals) = (Vec::new(), Vec::new(), Vec::new());
        if self.accept("->") {
            results = self.list(Self::typed)?;
            self.expect("=")?;
            then_vals = self.vals()?;
            self.expect("else")?;
            else_vals = self.vals()?;
        }
        Ok(Stmt::If(Box::new(If { cond, then, then_vals, els, else_vals, results })))
    }

    fn op(&mut self) -> Result<Op, String> {
        let name = self.peek().ok_or_else(|| self.expected("an operation"))?;
        self.at += 1;
        if let Some(op) = by_name(&UNARY, name) {
            return Ok(Op::Un(op, self.val()?));
        }
        if let Some(op) = by_name(&BINARY, name) {
            let [a, b] = self.operands()?;
            return Ok(Op::Bin(op, a, b));
        }
        if let Some(op) = by_name(&COMPARE, name) {
            let [a, b] = self.operands()?;
            return Ok(Op::Cmp(op, a, b));
        }
        Ok(match name {
            "const" => {
                let scalar = self.scalar()?;
                Op::Const(self.number(scalar)?)
            }
            "fma" => {
                let [a, b, c] = self.operands()?;
                Op::Fma(a, b, c)
            }
            "select" => {
                let [m, a, b] = self.operands()?;
                Op::Select(m, a, b)
            }
            "cast" => {
                let to = self.scalar()?;
                Op::Cast(self.val()?, to)
            }
            "bitcast" => {
                let to = self.scalar()?;
                Op::Bitcast(self.val()?, to)
            }
            "splat" => {
                let n = self.lanes()?;
                Op::Splat(self.val()?, n)
            }
            "lane" => {
                let n = self.lanes()?;
                Op::Lane(self.val()?, n)
            }
            "iota" => Op::Iota(self.lanes()?),
            "any" => Op::Any(self.val()?),
            "all" => Op::All(self.val()?),
            "sum" => Op::Sum(self.val()?),
            "load" => {
                let lanes = if self.peek().is_some_and(|t| t.starts_with('b')) { 1 } else { self.lanes()? };
                let (buf, index) = self.place()?;
                Op::Load { buf, index, lanes }
            }
            "gather" => {
                let (buf, index) = self.place()?;
                Op::Gather { buf, index }
            }
            "pack" => Op::Pack(self.vals()?),
            "call" => {
                let f = self.take("a library function", |t| by_name(&MATH, t))?;
                Op::Call(f, self.vals()?)
            }
            _ => {
                self.at -= 1;
                return Err(self.expected("an operation"));
            }
        })
    }

    fn operands<const N: usize>(&mut self) -> Result<[Val; N], String> {
        let mut out = [Val(0); N];
        for (k, slot) in out.iter_mut().enumerate() {
            if k > 0 {
                self.expect(",")?;
            }
            *slot = self.val()?;
        }
        Ok(out)
    }

    fn number(&mut self, scalar: Scalar) -> Result<Const, String> {
        if self.accept("bits") {
            let bits =
                self.take("0x and hexadecimal digits", |t| u64::from_str_radix(t.strip_prefix("0x")?, 16).ok())?;
            return match scalar {
                Scalar::F32 => u32::try_from(bits)
                    .map(|b| Const::F32(f32::from_bits(b)))
                    .map_err(|_| self.error("these bits do not fit f32")),
                Scalar::F64 => Ok(Const::F64(f64::from_bits(bits))),
                _ => Err(self.error("only floats are given by bits")),
            };
        }
        self.take(&format!("a number of kind {}", scalar.name()), |t| {
            Some(match scalar {
                Scalar::F32 => Const::F32(float(t, f32::NAN)?),
                Scalar::F64 => Const::F64(float(t, f64::NAN)?),
                Scalar::I32 => Const::I32(t.parse().ok()?),
                Scalar::I64 => Const::I64(t.parse().ok()?),
                Scalar::Bool => Const::Bool(t.parse().ok()?),
            })
        })
    }
}

/// Rust's parser, less the spellings that it also takes (`NaN`, `infinity`, `+1`).
fn float<F: std::str::FromStr>(text: &str, nan: F) -> Option<F> {
    match text {
        "nan" => Some(nan),
        "inf" | "-inf" => text.parse().ok(),
        _ if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') && !text.contains(['n', 'N']) => {
            text.parse().ok()
        }
        _ => None,
    }
}

/// The text if it is decimal digits without a superfluous zero, so that each number has one spelling.
fn digits(text: &str) -> Option<&str> {
    let plain =
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    plain.then_some(text)
}
