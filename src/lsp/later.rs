//! What can be said of a text later than at once: what is suspicious in a sound model, and the faults of its plan. Found out on a thread of
//! its own, so that no request and no letter typed waits for it; what nobody wants to know any more is not found out.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::diag::Sink;
use crate::driver::{self, Quiet};
use crate::hir::Model;

/// Passes recurse over expressions; their depth is bounded, their frames are not small.
const STACK: usize = 256 << 20;

/// A sound text.
pub(super) struct Job {
    /// The number of the text.
    pub(super) number: u64,
    /// Its document.
    pub(super) uri: String,
    pub(super) model: Arc<Model>,
    /// What has been said of it.
    pub(super) said: Sink,
}

/// What is to be said of a text in all.
pub(super) struct Done {
    pub(super) number: u64,
    pub(super) uri: String,
    /// `None` if a pass stumbled.
    pub(super) sink: Option<Sink>,
}

enum Order {
    Find(Box<Job>),
    /// Memory that takes a while to be freed.
    Free(Option<Arc<Model>>, Option<Box<Model>>),
    /// A document is of no interest any more.
    Close(String),
}

/// The thread. It ends when this is dropped.
pub(super) struct Later {
    orders: Sender<Order>,
    pub(super) done: Receiver<Done>,
}

impl Later {
    pub(super) fn new() -> std::io::Result<Self> {
        let (orders, todo) = unbounded();
        let (tell, done) = unbounded();
        std::thread::Builder::new().stack_size(STACK).spawn(move || work(&todo, &tell))?;
        Ok(Self { orders, done })
    }

    /// Finds out about a text; then earlier texts of its document are of no interest.
    pub(super) fn find(&self, job: Job) {
        // The thread lives as long as this.
        let _ = self.orders.send(Order::Find(Box::new(job)));
    }

    /// Forgets what it knows of a document.
    pub(super) fn close(&self, uri: String) {
        let _ = self.orders.send(Order::Close(uri));
    }

    /// Frees a model and the parts of one.
    pub(super) fn free(&self, model: Option<Arc<Model>>, parts: Option<Box<Model>>) {
        if model.is_some() || parts.is_some() {
            let _ = self.orders.send(Order::Free(model, parts));
        }
    }
}

fn work(todo: &Receiver<Order>, tell: &Sender<Done>) {
    let mut waiting: VecDeque<Box<Job>> = VecDeque::new();
    // By document.
    let mut quiet: BTreeMap<String, Quiet> = BTreeMap::new();
    loop {
        if waiting.is_empty() {
            match todo.recv() {
                Ok(order) => take(order, &mut waiting, &mut quiet),
                Err(_) => return,
            }
        }
        todo.try_iter().for_each(|order| take(order, &mut waiting, &mut quiet));
        let Some(job) = waiting.pop_front() else { continue };
        let Job { number, uri, model, said } = *job;
        // Should a pass stumble, nothing is known any more.
        let mut last = std::mem::take(quiet.entry(uri.clone()).or_default());
        let outdated = || {
            todo.try_iter().for_each(|order| take(order, &mut waiting, &mut quiet));
            waiting.iter().any(|later| later.uri == uri)
        };
        let found = catch_unwind(AssertUnwindSafe(|| driver::rest(&model, said, &mut last, outdated)));
        if let (Ok(_), Some(kept)) = (&found, quiet.get_mut(&uri)) {
            *kept = last;
        }
        let sink = match found {
            Ok(None) => continue,
            Ok(Some(sink)) => Some(sink),
            Err(_) => None,
        };
        if tell.send(Done { number, uri, sink }).is_err() {
            return;
        }
    }
}

fn take(order: Order, waiting: &mut VecDeque<Box<Job>>, quiet: &mut BTreeMap<String, Quiet>) {
    match order {
        Order::Find(job) => {
            waiting.retain(|old| old.uri != job.uri);
            waiting.push_back(job);
        }
        Order::Free(model, parts) => drop((model, parts)),
        Order::Close(uri) => drop(quiet.remove(&uri)),
    }
}
