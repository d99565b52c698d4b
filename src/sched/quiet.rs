//! Parts of a network that give no reason to say anything. While somebody edits a file, most populations and projections stay what they
//! were: what was looked at in the last model and gave neither warning nor fault is not looked at again.
//!
//! Sound because a part is taken for what it was only if everything that its checks and its plan read is the same: the settings, its own
//! content but for places, what reaches it (its projections, for populations), its ends (for projections), and what protocols do to its
//! variables. Parts of which something was said are always looked at again, so that no message is kept, and no place in one grows stale.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::Uses;
use super::size::Amount;
use crate::hir::{Alike, Model, PopId, ProjId, VarId};
use crate::script::machine::{Entity, VarKey};
use crate::script::walk;

/// What the last model that was looked at held.
#[derive(Debug, Default)]
pub struct Quiet(Option<Last>);

#[derive(Debug)]
struct Last {
    model: Arc<Model>,
    uses: Uses,
    redraws: bool,
    found: Findings,
}

/// What was found of the parts of a network of which there is nothing to say.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    pub(super) populations: Vec<OfPopulation>,
    pub(super) projections: Vec<OfProjection>,
}

/// What was found of a population.
#[derive(Debug, Clone, Default)]
pub(super) struct OfPopulation {
    /// It gives no warning by itself.
    pub(super) calm: bool,
    /// It is not silent even if the sources of these projections into it are, by their order.
    pub(super) loud: Option<Vec<bool>>,
    /// What it needs, if its plan has no fault.
    pub(super) amount: Option<Amount>,
}

/// What was found of a projection.
#[derive(Debug, Clone, Default)]
pub(super) struct OfProjection {
    /// It gives no warning by itself.
    pub(super) calm: bool,
    /// What it needs at most, if its plan has no fault and nothing suspicious.
    pub(super) amount: Option<Amount>,
}

impl Findings {
    /// Nothing is known.
    #[must_use]
    pub fn none(model: &Model) -> Self {
        Self {
            populations: vec![OfPopulation::default(); model.populations.len()],
            projections: vec![OfProjection::default(); model.projections.len()],
        }
    }

    /// What is known of a model before it is looked at.
    #[must_use]
    pub fn of(model: &Model, uses: &Uses, last: &Quiet) -> Self {
        match &last.0 {
            Some(last) if last.model.settings == model.settings => last.known(model, uses),
            _ => Self::none(model),
        }
    }

    /// Keeps what was found for the next model.
    pub fn keep(self, model: &Arc<Model>, uses: Uses, quiet: &mut Quiet) {
        let redraws = walk::redraws(&model.script);
        quiet.0 = Some(Last { model: model.clone(), uses, redraws, found: self });
    }
}

/// The parts of an old model by their names.
type Names<'m> = HashMap<&'m str, usize, FxBuildHasher>;

impl Last {
    fn known(&self, model: &Model, uses: &Uses) -> Findings {
        let old = &*self.model;
        let mut found = Findings::none(model);
        // What some statements anywhere change for all.
        if uses.thaws != self.uses.thaws || walk::redraws(&model.script) != self.redraws {
            return found;
        }
        let names: Names<'_> = old.populations.iter().enumerate().map(|(k, p)| (p.name.as_str(), k)).collect();
        // By population and by projection: the one that it was, its own content considered.
        let pops: Vec<Option<usize>> = (0..model.populations.len())
            .map(|p| {
                let was = *names.get(model.populations[p].name.as_str())?;
                self.same_population(model, uses, p, was).then_some(was)
            })
            .collect();
        let names: Names<'_> = old.projections.iter().enumerate().map(|(k, p)| (p.name.as_str(), k)).collect();
        let projs: Vec<Option<usize>> = (0..model.projections.len())
            .map(|p| {
                let was = *names.get(model.projections[p].name.as_str())?;
                self.same_projection(model, uses, p, was, &pops).then_some(was)
            })
            .collect();
        // And what reaches it.
        let reached: Vec<bool> = (0..model.populations.len())
            .map(|p| {
                let Some(was) = pops[p] else { return false };
                let (now, before) = (model.ids_into(PopId(p as u32)), old.ids_into(PopId(was as u32)));
                let same = |(a, b): (&ProjId, &ProjId)| projs[a.index()] == Some(b.index());
                now.len() == before.len() && now.iter().zip(before).all(same)
            })
            .collect();
        for (p, of) in found.populations.iter_mut().enumerate().filter(|(p, _)| reached[*p]) {
            if let Some(was) = pops[p].and_then(|was| self.found.populations.get(was)) {
                of.clone_from(was);
            }
        }
        for (p, of) in found.projections.iter_mut().enumerate() {
            let ends = [model.projections[p].pre.pop, model.projections[p].post.pop];
            if let Some(was) = projs[p].and_then(|was| self.found.projections.get(was))
                && ends.iter().all(|end| reached[end.index()])
            {
                of.clone_from(was);
            }
        }
        found
    }

    /// Whether a population is what one of the old model was, without what reaches it.
    fn same_population(&self, model: &Model, uses: &Uses, p: usize, was: usize) -> bool {
        let old = &*self.model;
        let (a, b) = (&model.populations[p], &old.populations[was]);
        let neurons = |m: &Model, p: &crate::hir::Population| p.model.index() < m.neurons.len();
        let used = |p: usize| Entity::Pop(PopId(p as u32));
        neurons(model, a)
            && neurons(old, b)
            && a.alike(b)
            && model.neurons[a.model.index()].alike(&old.neurons[b.model.index()])
            && self.same_uses(model, uses, used(p), used(was))
    }

    /// Whether a projection is what one of the old model was, its ends the same populations.
    fn same_projection(&self, model: &Model, uses: &Uses, p: usize, was: usize, pops: &[Option<usize>]) -> bool {
        let (a, b) = (&model.projections[p], &self.model.projections[was]);
        let used = |p: usize| Entity::Proj(ProjId(p as u32));
        pops[a.pre.pop.index()] == Some(b.pre.pop.index())
            && pops[a.post.pop.index()] == Some(b.post.pop.index())
            && a.alike(b)
            && self.same_uses(model, uses, used(p), used(was))
    }

    /// Whether protocols do the same to the variables of a part.
    fn same_uses(&self, model: &Model, uses: &Uses, now: Entity, was: Entity) -> bool {
        let (script, old) = (&model.script, &self.model.script);
        same_vars(&script.assigned, now, &old.assigned, was)
            && same_vars(&uses.assigned, now, &self.uses.assigned, was)
            && same_vars(&uses.read, now, &self.uses.read, was)
    }
}

/// Whether a set holds the same variables of one part as another set of another part.
fn same_vars(now: &BTreeSet<VarKey>, entity: Entity, old: &BTreeSet<VarKey>, was: Entity) -> bool {
    let of = |entity| VarKey { entity, var: VarId(0) }..=VarKey { entity, var: VarId(u32::MAX) };
    now.range(of(entity)).map(|k| k.var).eq(old.range(of(was)).map(|k| k.var))
}
