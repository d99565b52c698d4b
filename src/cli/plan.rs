//! `snnc plan`

use super::common::{open, out};
use super::messages::Messages;
use super::{Emit, PlanArgs};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Model, Restructuring};
use crate::runtime::{Network, cut};
use crate::sched::PopPlan;
use crate::script::independent::{Independence, survey};
use crate::{codegen, sched};

/// Shows the plan, or a form of the program.
pub(super) fn run(args: &PlanArgs, messages: &Messages) -> u8 {
    let Some(session) = open(&args.model, &args.common, messages) else { return 1 };
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
            messages.show(&errors, &session.sources);
            return 1;
        }
    };
    let plan = network.plan();
    match args.emit {
        None => {
            let synapses: Vec<u64> = network.synapse_counts();
            out(&sched::describe::describe(model, plan, &synapses, network.layout().bytes()));
            out(&threads_words(model, &network, crate::driver::threads(model.settings.threads)));
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
            let text = codegen::program(plan, network.layout()).and_then(|p| emit(&p, form, plan.opt));
            match text {
                Ok(text) => {
                    out(&text);
                    0
                }
                Err(text) => {
                    messages.show(
                        &[Diagnostic::without_span(Code::E0900, format!("a bug in snnc: {text}"))],
                        &session.sources,
                    );
                    messages.remark("please report it with this file");
                    1
                }
            }
        }
    }
}

/// How the steps of one run use threads, and why.
fn threads_words(model: &Model, network: &Network, threads: usize) -> String {
    let neurons: u64 = network.plan().populations.iter().map(|p| p.size).sum();
    let why = match network.cut() {
        Some(cut) if cut.parallel() => {
            let [before, behind] = cut.groups();
            let ranges = |(p, pop): (usize, &PopPlan)| {
                let n = cut.ranges(p);
                (n > 1).then(|| format!("{} in {n} ranges", model.populations[pop.pop.index()].shown()))
            };
            let divided: Vec<String> = network.plan().populations.iter().enumerate().filter_map(ranges).collect();
            let divided = if divided.is_empty() {
                String::new()
            } else {
                format!("; the neurons of {} at the same time", divided.join(", "))
            };
            return format!(
                "\nsteps run on {threads} threads: {before} groups of parts up to the spikes, {behind} that deliver them; within a group one after the other{divided}\n"
            );
        }
        _ if !network.plan().opt.has(Restructuring::StepParts) => "parts of a step are switched off".to_owned(),
        _ if threads < 2 => "there is one".to_owned(),
        Some(cut) if cut.groups() == [1, 1] => "every part reads what another writes".to_owned(),
        _ => format!("{neurons} neurons are over before threads have met; from {} on they are worth it", cut::LARGE),
    };
    format!("\nsteps run on one thread: {why}\n")
}

#[cfg(feature = "jit")]
fn emit(program: &crate::lir::Program, form: Emit, opt: crate::hir::Opt) -> Result<String, String> {
    let jit = crate::driver::jit_of(opt);
    match form {
        Emit::Clif => jit.clif_text(program).map_err(|e| e.to_string()),
        Emit::Asm => jit.asm_text(program).map_err(|e| e.to_string()),
        _ => Ok(program.to_string()),
    }
}

#[cfg(not(feature = "jit"))]
fn emit(program: &crate::lir::Program, form: Emit, _opt: crate::hir::Opt) -> Result<String, String> {
    match form {
        Emit::Clif | Emit::Asm => Err("this build has no machine code generator".to_owned()),
        _ => Ok(program.to_string()),
    }
}
