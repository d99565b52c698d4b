//! The Cranelift back end: compiles lane-level programs to machine code in memory. Everything that names Cranelift is in
//! this folder.
//!
//! Invariant: compiled programs compute what the interpreter computes, bit for bit (all NaNs being equal), on every
//! machine and at every [`OptLevel`]; `tests/differential.rs` holds them to it.

mod address;
mod emit;
mod exec;
mod math;
mod ops;
mod outline;
mod rows;

use std::fmt::Write as _;
use std::sync::OnceLock;

use cranelift::codegen::Context;
use cranelift::codegen::isa::OwnedTargetIsa;
use cranelift::prelude::{Configurable, FunctionBuilderContext, settings};
use cranelift_jit::JITBuilder;
use cranelift_module::{Module, default_libcall_names};

use super::{Backend, BackendError, Kernels, wide};
use crate::lir::Program;
use crate::lir::verify::{Level, verify};
use exec::Code;

/// How much work the compiler puts into the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OptLevel {
    /// No optimisation by Cranelift; compiles about a third faster, and is sometimes the better code in loops that
    /// carry many values.
    None,
    /// The default.
    #[default]
    Speed,
}

/// For which machine the code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cpu {
    /// This one, with all that it can.
    #[default]
    Native,
    /// This one, but with kernels of 256 bits even if its vectors are wider.
    Half,
    /// This one, but without wide kernels: vectors are those of Cranelift.
    Narrow,
    /// The least of this kind (SSE2 on x86-64): what is missing is done by calls. Results are the same.
    Baseline,
}

/// The just-in-time compiler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CraneliftJit {
    /// How much work goes into the code.
    pub opt: OptLevel,
    /// For which machine.
    pub cpu: Cpu,
}

impl Backend for CraneliftJit {
    fn name(&self) -> &'static str {
        "jit"
    }

    fn compile(&self, program: &Program) -> Result<Box<dyn Kernels>, BackendError> {
        check(program)?;
        let mut code = self.code()?;
        let mut ids = Vec::with_capacity(program.functions.len());
        let module = code.module();
        let mut context = module.make_context();
        let mut builder = FunctionBuilderContext::new();
        let signature = emit::signature(module);
        for function in &program.functions {
            let id = module.declare_anonymous_function(&signature).map_err(codegen)?;
            context.func.signature = signature.clone();
            emit::emit(module, program, function, &mut context.func, &mut builder, self.kernels(), emit::SPACING, &[])?;
            module.define_function(id, &mut context).map_err(|error| explain(&function.name, &error))?;
            module.clear_context(&mut context);
            ids.push(id);
        }
        Ok(Box::new(code.finish(program, &ids)?))
    }
}

impl CraneliftJit {
    /// Cranelift's IR of each function before optimisation, as text.
    ///
    /// # Errors
    /// As for [`Backend::compile`].
    pub fn clif_text(&self, program: &Program) -> Result<String, BackendError> {
        self.text(program, |context, _| Ok(context.func.display().to_string()))
    }

    /// The machine code of each function as assembly, with the registers allocated.
    ///
    /// # Errors
    /// As for [`Backend::compile`].
    pub fn asm_text(&self, program: &Program) -> Result<String, BackendError> {
        self.text(program, |context, module| {
            context.set_disasm(true);
            let compiled = context
                .compile(module.isa(), &mut Default::default())
                .map_err(|error| BackendError::Codegen(format!("{:?}", error.inner)))?;
            compiled.vcode.clone().ok_or_else(|| BackendError::Codegen("no assembly".to_owned()))
        })
    }

    fn text(
        &self,
        program: &Program,
        mut print: impl FnMut(&mut Context, &dyn Module) -> Result<String, BackendError>,
    ) -> Result<String, BackendError> {
        check(program)?;
        let mut code = self.code()?;
        let module = code.module();
        let mut builder = FunctionBuilderContext::new();
        let signature = emit::signature(module);
        let mut text = String::new();
        for function in &program.functions {
            let mut context = module.make_context();
            context.func.signature = signature.clone();
            let notes = emit::emit(
                module,
                program,
                function,
                &mut context.func,
                &mut builder,
                self.kernels(),
                emit::SPACING,
                &[],
            )?;
            let printed = print(&mut context, module)?;
            let _ = writeln!(text, "; {}", function.name);
            for note in notes {
                let _ = writeln!(text, "; {note}");
            }
            let _ = writeln!(text, "{}\n", printed.trim_end());
        }
        Ok(text)
    }

    /// How wide the kernels are that loops over neurons may become, if they may.
    fn kernels(&self) -> Option<wide::Width> {
        match self.cpu {
            Cpu::Native => wide::supported(),
            Cpu::Half => wide::supported().map(|width| width.min(wide::Width::W256)),
            Cpu::Narrow | Cpu::Baseline => None,
        }
    }

    fn code(&self) -> Result<Code, BackendError> {
        let mut builder = JITBuilder::with_isa(self.isa()?, default_libcall_names());
        builder.symbols(math::symbols());
        Ok(Code::new(builder))
    }

    /// The description of the machine, made once for each kind.
    fn isa(&self) -> Result<OwnedTargetIsa, BackendError> {
        static CACHE: [OnceLock<Result<OwnedTargetIsa, String>>; 4] = [const { OnceLock::new() }; 4];
        let [native_none, native_speed, baseline_none, baseline_speed] = &CACHE;
        let cached = match (self.cpu, self.opt) {
            (Cpu::Native | Cpu::Half | Cpu::Narrow, OptLevel::None) => native_none,
            (Cpu::Native | Cpu::Half | Cpu::Narrow, OptLevel::Speed) => native_speed,
            (Cpu::Baseline, OptLevel::None) => baseline_none,
            (Cpu::Baseline, OptLevel::Speed) => baseline_speed,
        };
        cached.get_or_init(|| make_isa(self.opt, self.cpu)).clone().map_err(BackendError::Codegen)
    }
}

fn make_isa(opt: OptLevel, cpu: Cpu) -> Result<OwnedTargetIsa, String> {
    let mut flags = settings::builder();
    let opt = match opt {
        OptLevel::None => "none",
        OptLevel::Speed => "speed",
    };
    for (name, value) in [
        ("opt_level", opt),
        // Code lies far from the functions that it calls, and is never moved.
        ("use_colocated_libcalls", "false"),
        ("is_pic", "false"),
        // Frames are small, helpers never unwind.
        ("enable_probestack", "false"),
        ("unwind_info", "false"),
        ("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" }),
    ] {
        flags.set(name, value).map_err(|error| format!("{name}: {error}"))?;
    }
    let builder = cranelift_native::builder_with_options(cpu != Cpu::Baseline)
        .map_err(|error| format!("this machine is not supported: {error}"))?;
    builder.finish(settings::Flags::new(flags)).map_err(|error| error.to_string())
}

/// Compiled code relies on the rules of the loop IR.
fn check(program: &Program) -> Result<(), BackendError> {
    verify(program, Level::Lane).map_err(|errors| BackendError::Invalid(errors.join("; ")))
}

fn codegen(error: impl std::fmt::Display) -> BackendError {
    BackendError::Codegen(error.to_string())
}

fn explain(function: &str, error: &cranelift_module::ModuleError) -> BackendError {
    BackendError::Codegen(format!("in {function}: {error:?}"))
}
