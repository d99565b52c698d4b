//! Small helpers that visit the operands of operations, so that each pass names only the operations that it treats specially.

use super::{Op, Scalar, Ty, Val};

impl Op {
    /// Calls `f` with every operand.
    pub fn operands(&self, mut f: impl FnMut(Val)) {
        // One list of the variants is enough: operands are small, and passes that only read are not hot.
        let mut copy = self.clone();
        copy.operands_mut(|v| f(*v));
    }

    /// Calls `f` with every operand, to be replaced.
    pub fn operands_mut(&mut self, mut f: impl FnMut(&mut Val)) {
        match self {
            Self::Const(_) | Self::Iota(_) => {}
            Self::Un(_, a)
            | Self::Cast(a, _)
            | Self::Bitcast(a, _)
            | Self::Splat(a, _)
            | Self::Lane(a, _)
            | Self::Any(a)
            | Self::All(a)
            | Self::Sum(a)
            | Self::Load { index: a, .. }
            | Self::Gather { index: a, .. } => f(a),
            Self::Bin(_, a, b) | Self::Cmp(_, a, b) => {
                f(a);
                f(b);
            }
            Self::Fma(a, b, c) | Self::Select(a, b, c) => {
                f(a);
                f(b);
                f(c);
            }
            Self::Pack(list) | Self::Call(_, list) => list.iter_mut().for_each(f),
        }
    }
}

impl Scalar {
    /// Its name in the text form.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::Bool => "bool",
        }
    }
}

impl Ty {
    /// The name of one lane's kind.
    pub(crate) fn scalar_name(self) -> &'static str {
        self.scalar.name()
    }
}
