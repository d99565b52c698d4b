//! Whether the values of a network are numbers: looked at between runs, never in a step.

use super::network::Network;
use crate::backend::Buf;
use crate::hir::{PopId, ProjId, Role, VarId};
use crate::sched::Plan;
use crate::script::machine::{Entity, VarKey};
use crate::simd::widest;

/// The variables with an infinite or undefined value, each with its first such element; those of projections only up to `synapses`
/// elements.
pub(super) fn non_finite(network: &Network, synapses: u64) -> Vec<(VarKey, usize)> {
    let model = &network.shared.model;
    let mut out = Vec::new();
    let mut look = |key: VarKey, most: u64, len: usize| {
        let Some(buf) = network.var_buffer(key).and_then(|id| network.buffers().get(id.0 as usize)) else { return };
        if buf.len() as u64 <= most.max(1)
            && let Some(k) = first(buf, len)
        {
            out.push((key, k));
        }
    };
    for (p, population) in model.populations.iter().enumerate() {
        let neuron = &model.neurons[population.model.index()];
        for (v, _) in neuron.vars.iter().enumerate().filter(|(_, v)| matches!(v.role, Role::State | Role::Learned)) {
            let key = VarKey { entity: Entity::Pop(PopId(p as u32)), var: VarId(v as u32) };
            look(key, u64::MAX, population.size() as usize);
        }
    }
    for (p, projection) in model.projections.iter().enumerate() {
        for (v, _) in projection.synapse.vars.iter().enumerate().filter(|(_, v)| v.role != Role::Param) {
            let key = VarKey { entity: Entity::Proj(ProjId(p as u32)), var: VarId(v as u32) };
            look(key, synapses, usize::MAX);
        }
    }
    out
}

/// The first of `len` elements that is no finite number.
fn first(buf: &Buf, len: usize) -> Option<usize> {
    match buf {
        Buf::F32(v) => bad(v.get(..len.min(v.len()))?, |x| x.is_finite()),
        Buf::F64(v) => bad(v.get(..len.min(v.len()))?, |x| x.is_finite()),
        Buf::I32(_) | Buf::I64(_) => None,
    }
}

fn bad<T: Copy>(values: &[T], finite: impl Fn(T) -> bool) -> Option<usize> {
    // Without an early end the loop has no branch: nearly always all are finite.
    let any = widest(
        #[inline(always)]
        || values.iter().fold(0_u32, |any, x| any | u32::from(!finite(*x))),
    );
    if any == 0 { None } else { values.iter().position(|x| !finite(*x)) }
}

/// The method that advances a state.
pub(super) fn method(plan: &Plan, key: VarKey) -> Option<&'static str> {
    match key.entity {
        Entity::Pop(p) => {
            let p = plan.populations.get(p.index())?;
            let update = p.update.as_ref().filter(|_| p.integrated.contains(&key.var));
            update.map(|u| u.method).or_else(|| p.slow.iter().any(|s| s.var == key.var).then_some("exact"))
        }
        Entity::Proj(p) => {
            let p = plan.projections.get(p.index())?;
            let clocked = p.clocked.update.as_ref().filter(|_| p.clocked.vars.contains(&key.var));
            let lazy = p.lazy.get(key.var.index()).is_some_and(Option::is_some);
            clocked.map(|u| u.method).or_else(|| lazy.then_some("exact"))
        }
    }
}
