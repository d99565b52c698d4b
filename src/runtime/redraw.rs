//! `redraw`: initial values drawn anew in a network that runs. The new values replace those that `reset` restores. What a value is made
//! of and is not redrawn itself has its present value.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::build::{write, write_synapses};
use super::network::Network;
use super::values::{Anew, Ends, Set};
use crate::backend::Buf;
use crate::diag::Diagnostic;
use crate::hir::{DelayKind, PopId, Role, Side, VarId};
use crate::sched::{Place, Storage, Wiring};
use crate::script::machine::{Entity, Machine, ResetTarget, RunKey, VarKey};

impl Network {
    /// See [`Machine::redraw`].
    pub(super) fn draw_anew(&mut self, targets: &[ResetTarget], key: RunKey) -> Result<(), Diagnostic> {
        let mut wanted: BTreeMap<Entity, BTreeSet<VarId>> = BTreeMap::new();
        for target in targets {
            let entity = match target {
                ResetTarget::Var(key) => {
                    wanted.entry(key.entity).or_default().insert(key.var);
                    continue;
                }
                ResetTarget::Pop(p) => Entity::Pop(*p),
                ResetTarget::Proj(p) => Entity::Proj(*p),
            };
            // Queues, refractory timers and assigned inputs.
            self.reset(std::slice::from_ref(target));
            let states = self.states_of(entity).into_iter().filter(|k| self.role(*k) == Some(Role::State));
            wanted.entry(entity).or_default().extend(states.map(|k| k.var));
        }
        for (entity, mut vars) in wanted {
            // What has no storage is one constant, never drawn.
            vars.retain(|var| self.var_buffer(VarKey { entity, var: *var }).is_some());
            let delays = self.delays_among(entity, &mut vars);
            for (var, values) in self.drawn(entity, &vars, key)? {
                self.begin_with(VarKey { entity, var }, &values);
            }
            for (var, kind) in delays {
                // They may be made of values that have just been drawn.
                let values = self.drawn_delays(entity, var, kind, key)?;
                let key = VarKey { entity, var };
                self.fill_with(key, &values);
                self.delays_fit(key)?;
                self.written(key);
            }
        }
        Ok(())
    }

    fn role(&self, key: VarKey) -> Option<Role> {
        let model = &self.shared.model;
        let vars = match key.entity {
            Entity::Pop(p) => &model.neurons[model.populations[p.index()].model.index()].vars,
            Entity::Proj(p) => &model.projections[p.index()].synapse.vars,
        };
        vars.get(key.var.index()).map(|v| v.role)
    }

    /// Takes the variables that hold delays out of those of a projection.
    fn delays_among(&self, entity: Entity, vars: &mut BTreeSet<VarId>) -> Vec<(VarId, DelayKind)> {
        let Entity::Proj(p) = entity else { return Vec::new() };
        let projection = &self.shared.model.projections[p.index()];
        let delays: Vec<_> = vars.iter().filter_map(|v| Some((*v, projection.delay_kind(*v)?))).collect();
        vars.retain(|v| projection.delay_kind(*v).is_none());
        delays
    }

    /// The new values of some variables of a population or projection.
    fn drawn(&self, entity: Entity, vars: &BTreeSet<VarId>, key: RunKey) -> Result<Vec<(VarId, Vec<f64>)>, Diagnostic> {
        let found = self.with_set(entity, vars, key, &|set, ends| Ok(set.all(ends)?.0))?;
        Ok((0..).map(VarId).zip(found).filter_map(|(v, x)| Some((v, x?))).collect())
    }

    /// New delays in ms, by synapse.
    fn drawn_delays(&self, entity: Entity, var: VarId, kind: DelayKind, key: RunKey) -> Result<Vec<f64>, Diagnostic> {
        let Entity::Proj(p) = entity else { return Ok(Vec::new()) };
        let given = self.shared.model.projections[p.index()].delays()[kind as usize];
        let Some(e) = given else { return Ok(vec![0.0; self.synapse_count(p) as usize]) };
        let dt = self.compiled.plan.dt;
        let only = BTreeSet::from([var]);
        self.with_set(entity, &only, key, &|set, ends| {
            let (steps, bad) = set.delays(ends, e, kind)?;
            if bad.count > 0 {
                return Err(bad.fault(e, kind.name(), set.count));
            }
            Ok(steps.into_iter().map(|n| f64::from(n) * dt).collect())
        })
    }

    /// Does something with the elements of a population or projection, of which these variables get values anew.
    fn with_set<T>(
        &self,
        entity: Entity,
        vars: &BTreeSet<VarId>,
        key: RunKey,
        then: &dyn Fn(&Set<'_>, &Ends<'_>) -> Result<T, Diagnostic>,
    ) -> Result<T, Diagnostic> {
        let model = &self.shared.model;
        let plan = &self.compiled.plan;
        let present = |var: VarId, k: u64| self.element(VarKey { entity, var }, k);
        let anew = Some(Anew { only: vars, key: key.0, present: &present });
        let files = &self.shared.files;
        match entity {
            Entity::Pop(p) => {
                let population = &model.populations[p.index()];
                let neuron = &model.neurons[population.model.index()];
                let constants: Vec<Option<f64>> = plan.populations[p.index()]
                    .storage
                    .iter()
                    .map(|s| if let Storage::Constant(x) = s { Some(*x) } else { None })
                    .collect();
                let set = Set {
                    model,
                    name: &population.name,
                    vars: &neuron.vars,
                    lets: &neuron.lets,
                    args: &population.args,
                    constants: &constants,
                    count: population.size(),
                    files,
                    anew,
                };
                let size = |_: Side| population.size() as f64;
                let other = |pop: PopId, var: VarId, k: u64| {
                    let k = if model.populations[pop.index()].size() == 1 { 0 } else { k };
                    self.element(VarKey { entity: Entity::Pop(pop), var }, k)
                };
                then(&set, &Ends::of_neurons(&other, &size))
            }
            Entity::Proj(p) => {
                let projection = &model.projections[p.index()];
                let place = &plan.projections[p.index()].place;
                let constants: Vec<Option<f64>> =
                    place.iter().map(|s| if let Place::Constant(x) = s { Some(*x) } else { None }).collect();
                let set = Set {
                    model,
                    name: &projection.name,
                    vars: &projection.synapse.vars,
                    lets: &projection.synapse.lets,
                    args: &projection.args,
                    constants: &constants,
                    count: self.synapse_count(p),
                    files,
                    anew,
                };
                let pops = [projection.pre.pop, projection.post.pop];
                let pop = |side: Side| if side == Side::Post { pops[1] } else { pops[0] };
                let size = |side: Side| model.populations[pop(side).index()].size() as f64;
                let neuron =
                    |side: Side, var: VarId, k: u64| self.element(VarKey { entity: Entity::Pop(pop(side)), var }, k);
                let pre = |k: u64| self.ends_of(p.index(), k).0;
                let post = |k: u64| self.ends_of(p.index(), k).1;
                let other = |pop: PopId, var: VarId, _: u64| self.element(VarKey { entity: Entity::Pop(pop), var }, 0);
                let kernel = super::wiring::shared_kernel(model, projection);
                let entry = |i: u64, j: u64| kernel.as_ref().and_then(|c| c.entry(i, j));
                let shared =
                    kernel.as_ref().map(|c| (&entry as &(dyn Fn(u64, u64) -> Option<u64> + Sync), c.entries()));
                let ends = Ends {
                    shared,
                    pre: &pre,
                    post: &post,
                    side: &neuron,
                    other: &other,
                    size: &size,
                    column: &|name, k| self.shared.columns[p.index()].get(name)?.get(k as usize).copied(),
                    single: &|v| matches!(place[v.index()], Place::Pre | Place::Post),
                };
                then(&set, &ends)
            }
        }
    }

    /// Pre and post index of synapse `k`.
    fn ends_of(&self, p: usize, k: u64) -> (u64, u64) {
        match self.ends(p) {
            Some((pre, post)) => {
                let at = |ends: &[u32]| ends.get(k as usize).map_or(0, |i| u64::from(*i));
                (at(pre), at(post))
            }
            None => {
                let post = self.shared.layout.projs[p].post.max(1);
                (k / post, k % post)
            }
        }
    }

    /// The present value of a variable at neuron or synapse `k`.
    fn element(&self, key: VarKey, k: u64) -> f64 {
        let plan = &self.compiled.plan;
        let index = match key.entity {
            Entity::Pop(p) => match plan.populations[p.index()].storage[key.var.index()] {
                Storage::Constant(x) => return x,
                Storage::Array => k,
            },
            Entity::Proj(p) => {
                let proj = &plan.projections[p.index()];
                match proj.place[key.var.index()] {
                    Place::Constant(x) => return x,
                    Place::Pre => self.ends_of(p.index(), k).0,
                    Place::Post => self.ends_of(p.index(), k).1,
                    Place::Synapse if proj.wiring == Wiring::Dense => {
                        let bufs = &self.shared.layout.projs[p.index()];
                        k / bufs.post.max(1) * bufs.stride + k % bufs.post.max(1)
                    }
                    Place::Synapse => k,
                }
            }
        };
        self.var_buffer(key).map_or(f64::NAN, |id| self.present(key, id)(index as usize))
    }

    /// Sets a variable to new initial values, which `reset` restores from now on.
    fn begin_with(&mut self, key: VarKey, values: &[f64]) {
        self.fill_with(key, values);
        if let (Some(id), true) = (self.var_buffer(key), self.initial.contains_key(&key)) {
            let copy = self.buffers[id.0 as usize].clone();
            Arc::make_mut(&mut self.initial).insert(key, copy);
        }
        self.written(key);
    }

    /// Writes all values of a variable.
    fn fill_with(&mut self, key: VarKey, values: &[f64]) {
        let Some(id) = self.var_buffer(key) else { return };
        let target = &mut self.buffers[id.0 as usize];
        match key.entity {
            Entity::Pop(_) => write(target, values),
            Entity::Proj(p) => {
                let plan = &self.compiled.plan.projections[p.index()];
                write_synapses(
                    target,
                    plan,
                    key.var.index(),
                    &self.shared.layout.projs[p.index()],
                    &Buf::F64(values.to_vec()),
                );
            }
        }
    }
}
