//! Executing loop-IR programs: one trait, two executions. The reference interpreter (`interp`) is slow and obvious and
//! defines every operation; the Cranelift back end (`cranelift`) compiles to machine code and must agree with it bit for bit.

#[cfg(feature = "jit")]
pub mod cranelift;
pub mod groups;
pub mod interp;
pub(crate) mod mathfn;
pub(crate) mod rows;
#[cfg(feature = "jit")]
pub(crate) mod wide;

use crate::lir::{FuncId, Program, Scalar};
use crate::pages;

/// The storage of one buffer.
#[derive(Debug, PartialEq)]
pub enum Buf {
    /// `f32` elements.
    F32(Vec<f32>),
    /// `f64` elements.
    F64(Vec<f64>),
    /// `i32` elements.
    I32(Vec<i32>),
    /// `i64` elements.
    I64(Vec<i64>),
}

/// A copy is stored as what it is a copy of; [`Clone::clone_from`] keeps the memory that there is.
impl Clone for Buf {
    fn clone(&self) -> Self {
        match self {
            Self::F32(v) => Self::F32(pages::copy_of(v)),
            Self::F64(v) => Self::F64(pages::copy_of(v)),
            Self::I32(v) => Self::I32(pages::copy_of(v)),
            Self::I64(v) => Self::I64(pages::copy_of(v)),
        }
    }

    fn clone_from(&mut self, source: &Self) {
        match (self, source) {
            (Self::F32(to), Self::F32(from)) => pages::copy_into(from, to),
            (Self::F64(to), Self::F64(from)) => pages::copy_into(from, to),
            (Self::I32(to), Self::I32(from)) => pages::copy_into(from, to),
            (Self::I64(to), Self::I64(from)) => pages::copy_into(from, to),
            (to, from) => *to = from.clone(),
        }
    }
}

impl Buf {
    /// `len` zeros.
    #[must_use]
    pub fn zeros(scalar: Scalar, len: usize) -> Self {
        match scalar {
            Scalar::F32 => Self::F32(pages::zeroed(len)),
            Scalar::F64 => Self::F64(pages::zeroed(len)),
            // Lists have room for the worst case; in large pages all of it that lies near what they use would be there.
            Scalar::I32 | Scalar::Bool => Self::I32(vec![0; len]),
            Scalar::I64 => Self::I64(vec![0; len]),
        }
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::I64(v) => v.len(),
        }
    }

    /// Whether it has no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What it holds.
    #[must_use]
    pub fn scalar(&self) -> Scalar {
        match self {
            Self::F32(_) => Scalar::F32,
            Self::F64(_) => Scalar::F64,
            Self::I32(_) => Scalar::I32,
            Self::I64(_) => Scalar::I64,
        }
    }

    /// Element `index` as `f64` (exact for all but large `i64`); `None` outside.
    #[must_use]
    pub fn get_f64(&self, index: usize) -> Option<f64> {
        match self {
            Self::F32(v) => v.get(index).map(|x| f64::from(*x)),
            Self::F64(v) => v.get(index).copied(),
            Self::I32(v) => v.get(index).map(|x| f64::from(*x)),
            Self::I64(v) => v.get(index).map(|x| *x as f64),
        }
    }

    /// Replaces the contents of `out` by all elements, as [`Buf::get_f64`] gives them.
    pub fn read_all(&self, out: &mut Vec<f64>) {
        out.clear();
        match self {
            Self::F32(v) => out.extend(v.iter().map(|x| f64::from(*x))),
            Self::F64(v) => out.extend(v),
            Self::I32(v) => out.extend(v.iter().map(|x| f64::from(*x))),
            Self::I64(v) => out.extend(v.iter().map(|x| *x as f64)),
        }
    }

    /// Sets the first elements, as [`Buf::set_f64`] would.
    pub fn write_all(&mut self, values: &[f64]) {
        match self {
            Self::F32(v) => v.iter_mut().zip(values).for_each(|(to, x)| *to = *x as f32),
            Self::F64(v) => v.iter_mut().zip(values).for_each(|(to, x)| *to = *x),
            Self::I32(v) => v.iter_mut().zip(values).for_each(|(to, x)| *to = *x as i32),
            Self::I64(v) => v.iter_mut().zip(values).for_each(|(to, x)| *to = *x as i64),
        }
    }

    /// Sets element `index`, converting from `f64`; nothing happens outside.
    pub fn set_f64(&mut self, index: usize, value: f64) {
        match self {
            Self::F32(v) => {
                if let Some(x) = v.get_mut(index) {
                    *x = value as f32;
                }
            }
            Self::F64(v) => {
                if let Some(x) = v.get_mut(index) {
                    *x = value;
                }
            }
            Self::I32(v) => {
                if let Some(x) = v.get_mut(index) {
                    *x = value as i32;
                }
            }
            Self::I64(v) => {
                if let Some(x) = v.get_mut(index) {
                    *x = value as i64;
                }
            }
        }
    }
}

/// The buffers of one network, by `BufId`. A buffer may be longer than its declaration, never shorter.
pub type Buffers = Vec<Buf>;

/// What can go wrong in a back end: always a bug in snnc or a machine that the JIT does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// The program breaks a rule of the loop IR.
    #[error("the program is not valid: {0}")]
    Invalid(String),
    /// The code generator refused.
    #[error("code generation failed: {0}")]
    Codegen(String),
    /// A buffer is missing, of another kind, or too short.
    #[error("buffer {0} does not fit its declaration")]
    Buffer(String),
    /// An index left its buffer (the interpreter checks).
    #[error("index {index} is outside of buffer {buffer} ({len} elements) in {function}")]
    OutOfBounds {
        /// The function.
        function: String,
        /// The buffer's name.
        buffer: String,
        /// The index.
        index: i64,
        /// The buffer's length.
        len: usize,
    },
    /// A call with the wrong function or number of arguments.
    #[error("a wrong call: {0}")]
    Call(String),
}

/// Turns programs into something that runs.
pub trait Backend {
    /// A name for reports: `interp` or `jit`.
    fn name(&self) -> &'static str;

    /// Compiles a lane-level program.
    ///
    /// # Errors
    /// If the program breaks the contract of the loop IR, or the machine cannot run it.
    fn compile(&self, program: &Program) -> Result<Box<dyn Kernels>, BackendError>;
}

/// A compiled program. It holds no buffer: the same code serves every worker.
pub trait Kernels: Send + Sync {
    /// Binds buffers for a series of calls; kinds and lengths are checked against the program here, once.
    ///
    /// # Errors
    /// If a buffer does not fit its declaration.
    fn session<'a>(&'a self, buffers: &'a mut Buffers) -> Result<Box<dyn Session + 'a>, BackendError>;

    /// Which buffers its functions touch.
    fn touched(&self) -> &groups::Touched;
}

/// A series of calls on bound buffers.
pub trait Session {
    /// Calls a function.
    ///
    /// # Errors
    /// On a wrong call; in the interpreter also when an index leaves its buffer.
    fn call(&mut self, function: FuncId, args: &[i32]) -> Result<(), BackendError>;

    /// For each list of arguments in turn: calls the functions of all stages with them, one stage after the other, and the groups of a stage at the
    /// same time if this back end can: on the threads of the present rayon pool.
    ///
    /// # Errors
    /// As for [`Session::call`]; also if the groups are those of another program.
    fn call_stages(&mut self, stages: &[groups::Groups], rounds: &[[i32; 3]]) -> Result<(), BackendError> {
        let lists = || stages.iter().flat_map(|s| s.lists().iter().flatten());
        rounds.iter().try_for_each(|args| lists().try_for_each(|f| self.call(*f, args)))
    }
}
