//! What a network needs while it runs and never between runs: drawn events and numbers, logs that are emptied as they fill, tables that never
//! change, marks of what has changed. Copies of a network that take turns on a thread need it once, which keeps it in the caches.

use super::Network;
use crate::backend::Buf;
use crate::lir::BufId;
use crate::rng::gaps::EventList;
use crate::script::machine::Workspace;

/// Elements of an array that is read from one end to the other, where caches see what comes.
const LARGE: usize = 1 << 12;

/// The workspace of one network.
struct Room {
    /// Whether it is here, and not with a network.
    here: bool,
    /// Where the buffers belong.
    ids: Vec<BufId>,
    /// What a network keeps and will read, but large arrays.
    kept: Vec<BufId>,
    buffers: Vec<Buf>,
    /// By population, what its source draws into.
    events: Vec<EventList>,
    scratch: Vec<f64>,
}

impl Network {
    /// The buffers of a workspace.
    fn passing(&self) -> Vec<BufId> {
        let layout = &self.shared.layout;
        let mut ids: Vec<BufId> = Vec::new();
        for p in &layout.pops {
            // The counts and the first steps beside them stay: they say that there is nothing.
            ids.extend(p.events.iter().flat_map(|[_, start, neurons]| [start, neurons]));
            ids.extend(p.draws.iter().map(|[_, numbers]| numbers));
            let logs = p.signals.iter().map(|e| &e.log).chain([&p.log]);
            ids.extend(logs.flat_map(|[_, steps, neurons]| [steps, neurons]));
        }
        for p in &layout.projs {
            let drawn = p.draws.iter().chain(&p.chance).map(|[_, numbers]| numbers);
            ids.extend(drawn.chain(p.decays.iter().flatten().map(|t| &t.left)));
            // Nobody asks a network for changes of before its workspace was exchanged.
            ids.extend([p.changed, p.touched].iter().flatten());
        }
        // Traces of one rate share a table.
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The buffers that a network keeps beside a workspace with buffers `passing`, but large ones and lists of spikes, of which only the beginning is
    /// ever read.
    fn kept(&self, passing: &[BufId]) -> Vec<BufId> {
        let mut keeps: Vec<bool> = self.buffers.iter().map(|buf| buf.len() <= LARGE).collect();
        let lists = self.shared.layout.pops.iter().flat_map(|p| [Some(p.spikes), p.before.map(|[list, _]| list)]);
        for id in lists.flatten().chain(passing.iter().copied()) {
            keeps[id.0 as usize] = false;
        }
        (0..).map(BufId).zip(keeps).filter(|(_, keeps)| *keeps).map(|(id, _)| id).collect()
    }

    /// Exchanges the workspace of this network for another; takes it out if there is none.
    pub(super) fn trade(&mut self, with: &mut Workspace) {
        let mut room = match with.take().map(|w| w.downcast::<Room>()) {
            Some(Ok(room)) => room,
            _ => {
                let ids = self.passing();
                let buffers = ids.iter().map(|id| Buf::zeros(self.buffers[id.0 as usize].scalar(), 0)).collect();
                let events = vec![EventList::default(); self.events.len()];
                let kept = self.kept(&ids);
                Box::new(Room { here: false, ids, kept, buffers, events, scratch: Vec::new() })
            }
        };
        if room.here {
            self.fetch(&room.kept);
        }
        self.settled.clear();
        room.here = !room.here;
        for (id, other) in room.ids.iter().zip(&mut room.buffers) {
            std::mem::swap(&mut self.buffers[id.0 as usize], other);
        }
        std::mem::swap(&mut self.events, &mut room.events);
        std::mem::swap(&mut self.scratch, &mut room.scratch);
        *with = Some(room);
    }

    /// Reads a little of every line of cache of these buffers. A step would wait for one after the other; this waits for all of them at once.
    fn fetch(&self, buffers: &[BufId]) {
        /// Elements in a line, of 4 bytes and of 8.
        const SHORT: usize = 16;
        const LONG: usize = 8;
        let mut any = 0;
        for id in buffers {
            any |= match &self.buffers[id.0 as usize] {
                Buf::F32(v) => v.iter().step_by(SHORT).fold(0, |any, x| any | u64::from(x.to_bits())),
                Buf::I32(v) => v.iter().step_by(SHORT).fold(0, |any, x| any | u64::from(x.cast_unsigned())),
                Buf::F64(v) => v.iter().step_by(LONG).fold(0, |any, x| any | x.to_bits()),
                Buf::I64(v) => v.iter().step_by(LONG).fold(0, |any, x| any | x.cast_unsigned()),
            };
        }
        std::hint::black_box(any);
    }
}
