//! Which projections end where: asked for every population by many passes, so that looking through all projections each time would take the
//! square of the network's size.

use std::sync::OnceLock;

use super::{Model, PopId, ProjId, Projection};

/// By population the projections that lead to it and those that leave it, in order of the file; made when it is first asked for, which is
/// after the last projection is there.
#[derive(Debug, Clone, Default)]
pub struct Ends(OnceLock<Table>);

#[derive(Debug, Clone)]
struct Table {
    into: Vec<Vec<ProjId>>,
    from: Vec<Vec<ProjId>>,
}

impl Model {
    fn table(&self) -> &Table {
        self.ends.0.get_or_init(|| {
            let n = self.populations.len();
            let mut table = Table { into: vec![Vec::new(); n], from: vec![Vec::new(); n] };
            for (projection, id) in self.projections.iter().zip(0..) {
                if let Some(list) = table.into.get_mut(projection.post.pop.index()) {
                    list.push(ProjId(id));
                }
                if let Some(list) = table.from.get_mut(projection.pre.pop.index()) {
                    list.push(ProjId(id));
                }
            }
            table
        })
    }

    /// The numbers of the projections that lead to a population, ascending.
    #[must_use]
    pub fn ids_into(&self, pop: PopId) -> &[ProjId] {
        self.table().into.get(pop.index()).map_or(&[], Vec::as_slice)
    }

    /// The projections that lead to a population, in order of the file.
    pub fn projections_into(&self, pop: PopId) -> impl Iterator<Item = &Projection> {
        self.ids_into(pop).iter().filter_map(|p| self.projections.get(p.index()))
    }

    /// The projections that leave a population, in order of the file.
    pub fn projections_from(&self, pop: PopId) -> impl Iterator<Item = &Projection> {
        let ids = self.table().from.get(pop.index()).map_or(&[][..], Vec::as_slice);
        ids.iter().filter_map(|p| self.projections.get(p.index()))
    }
}
