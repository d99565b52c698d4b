//! `snnc plan`

use super::common::{err, open, out, show};
use super::{Emit, PlanArgs};
use crate::diag::{Code, Diagnostic};
use crate::script::independent::{Independence, survey};
use crate::{codegen, sched};

/// Shows the plan, or a form of the program.
pub(super) fn run(args: &PlanArgs) -> u8 {
    let Some(session) = open(&args.model, &args.common) else { return 1 };
    let (Some(model), Some(tree)) = (&session.model, &session.tree) else { return 1 };
    match args.emit {
        Some(Emit::Ast) => {
            out(&format!("{tree:#?}\n"));
            return 0;
        }
        Some(Emit::Hir) => {
            out(&crate::hir::print::print(model));
            return 0;
        }
        _ => {}
    }
    let (network, _) = match session.build(model, args.common.backend.kind()) {
        Ok(n) => n,
        Err(errors) => {
            show(&errors, &session.sources);
            return 1;
        }
    };
    let plan = network.plan();
    match args.emit {
        None => {
            let synapses: Vec<u64> = network.synapse_counts();
            out(&sched::describe::describe(model, plan, &synapses, network.layout().bytes()));
            for l in survey(&model.script, model) {
                let place = session.sources.line_column(l.span.file, l.span.start);
                out(&format!("\nsample loop of {} (line {})", l.owner, place.0));
                match l.independence {
                    Independence::Proved => out(": the samples are independent and run on all threads\n"),
                    Independence::Carries(reasons) => {
                        out(if l.batch {
                            ": lanes of a batch run on all threads\n"
                        } else {
                            ": one sample after the other\n"
                        });
                        for r in reasons {
                            out(&format!("  {}\n", r.text));
                        }
                    }
                }
            }
            0
        }
        Some(Emit::Plan) => {
            out(&format!("{plan:#?}\n"));
            0
        }
        Some(form) => {
            let text = codegen::program(plan, network.layout()).and_then(|p| emit(&p, form));
            match text {
                Ok(text) => {
                    out(&text);
                    0
                }
                Err(text) => {
                    show(&[Diagnostic::without_span(Code::E0900, format!("a bug in snnc: {text}"))], &session.sources);
                    err("please report it with this file\n");
                    1
                }
            }
        }
    }
}

#[cfg(feature = "jit")]
fn emit(program: &crate::lir::Program, form: Emit) -> Result<String, String> {
    let jit = crate::backend::cranelift::CraneliftJit::default();
    match form {
        Emit::Clif => jit.clif_text(program).map_err(|e| e.to_string()),
        Emit::Asm => jit.asm_text(program).map_err(|e| e.to_string()),
        _ => Ok(program.to_string()),
    }
}

#[cfg(not(feature = "jit"))]
fn emit(program: &crate::lir::Program, form: Emit) -> Result<String, String> {
    match form {
        Emit::Clif | Emit::Asm => Err("this build has no machine code generator".to_owned()),
        _ => Ok(program.to_string()),
    }
}
