//! Expressions as source text with one spacing, for names in reports and files (`expect` lines, recorded paths).

use crate::syntax::ast::{Arg, BinaryOp, Expr, ExprKind, Index, Path, Segment, UnaryOp};

/// The expression as source text.
pub(crate) fn expr(e: &Expr) -> String {
    match &e.kind {
        ExprKind::Number { value, is_int, unit } => {
            let point = format!("{value:?}");
            let number = point.strip_suffix(".0").unwrap_or(&point);
            match unit {
                Some(u) => match &u.exponent {
                    Some(x) => format!("{number} {}^{x}", u.name),
                    None => format!("{number} {}", u.name),
                },
                None if *is_int => number.to_owned(),
                None => point,
            }
        }
        ExprKind::Str(s) => format!("\"{s}\""),
        ExprKind::Bool(b) => b.to_string(),
        ExprKind::List(items) => format!("[{}]", list(items)),
        ExprKind::Name(n) => n.clone(),
        ExprKind::Unary { op, operand, .. } => {
            let sign = match op {
                UnaryOp::Neg => "-",
                UnaryOp::Plus => "+",
                UnaryOp::Not => "not ",
            };
            format!("{sign}{}", expr(operand))
        }
        ExprKind::Binary { op, left, right, .. } => {
            let tight = matches!(op, BinaryOp::Pow | BinaryOp::Mul | BinaryOp::Div);
            if tight {
                format!("{}{}{}", expr(left), sign(*op), expr(right))
            } else {
                format!("{} {} {}", expr(left), sign(*op), expr(right))
            }
        }
        ExprKind::Range { start, end } => {
            let end_text = |e: &Option<Box<Expr>>| e.as_ref().map_or_else(String::new, |e| expr(e));
            format!("{}..{}", end_text(start), end_text(end))
        }
        ExprKind::If { cond, then, els } => format!("if {} then {} else {}", expr(cond), expr(then), expr(els)),
        ExprKind::Call { callee, args } => format!("{}({})", expr(callee), arguments(args)),
        ExprKind::Index { base, index: i } => format!("{}{}", expr(base), index(i)),
        ExprKind::Member { base, member } => format!("{}.{}", expr(base), member.node),
        ExprKind::Paren(inner) => format!("({})", expr(inner)),
        ExprKind::Error => String::new(),
    }
}

/// A path as an expression, so that one resolution serves both.
pub(crate) fn path_expr(p: &Path) -> Expr {
    let mut e = Expr { kind: ExprKind::Name(p.root.node.clone()), span: p.root.span };
    for segment in &p.segments {
        e = match segment {
            Segment::Member(m) => {
                Expr { span: p.root.span.to(m.span), kind: ExprKind::Member { base: Box::new(e), member: m.clone() } }
            }
            Segment::Index(i) => {
                Expr { span: p.root.span.to(i.span), kind: ExprKind::Index { base: Box::new(e), index: i.clone() } }
            }
        };
    }
    e
}

/// An operator as written.
pub(crate) fn sign(op: BinaryOp) -> &'static str {
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
        BinaryOp::In => "in",
        BinaryOp::And => "and",
        BinaryOp::Or => "or",
    }
}

fn list(items: &[Expr]) -> String {
    items.iter().map(expr).collect::<Vec<_>>().join(", ")
}

fn index(i: &Index) -> String {
    format!("[{}]", list(&i.items))
}

fn arguments(args: &[Arg]) -> String {
    let one = |a: &Arg| {
        let name = a.name.as_ref().map_or_else(String::new, |n| format!("{} = ", n.node));
        let over = a.over.as_ref().map_or_else(String::new, |o| format!(" over {}", o.node));
        format!("{name}{}{over}", expr(&a.value))
    };
    args.iter().map(one).collect::<Vec<_>>().join(", ")
}
