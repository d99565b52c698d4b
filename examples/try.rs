use snnc::driver::*;
use snnc::script::machine::*;
fn main() {
    let p = std::env::args().nth(1).unwrap();
    let mut s = Session::open(std::path::Path::new(&p), &Settings::default());
    s.plan_only();
    for d in &s.sink.items {
        print!("{}", snnc::diag::render::render_human(d, &s.sources, false));
    }
    let Some(m) = s.model.clone() else { return };
    println!("front {:?}", s.front);
    let kind =
        if std::env::args().nth(2).as_deref() == Some("interp") { BackendKind::Interp } else { BackendKind::Jit };
    let (mut n, t) = match s.build(&m, kind) {
        Ok(x) => x,
        Err(e) => {
            for d in e {
                print!("{}", snnc::diag::render::render_human(&d, &s.sources, false));
            }
            return;
        }
    };
    println!("{t:?}");
    println!("{}", snnc::sched::describe::describe(&m, n.plan(), &[], n.layout().bytes()));
    let steps: u64 = std::env::args().nth(3).and_then(|x| x.parse().ok()).unwrap_or(1000);
    for p in 0..m.populations.len() {
        n.record_spikes(snnc::hir::PopId(p as u32), true);
    }
    let start = std::time::Instant::now();
    n.begin_run(steps, RunKey(1)).unwrap();
    n.advance(steps).unwrap();
    println!("run {:?}", start.elapsed());
    for p in 0..m.populations.len() {
        let id = snnc::hir::PopId(p as u32);
        let c: i64 = n.counts(id).iter().map(|x| *x as i64).sum();
        println!(
            "{} spikes {} logged {} rate {} Hz",
            m.populations[p].name,
            c,
            n.spikes(id).step.len(),
            c as f64 / m.populations[p].size() as f64 / (steps as f64 * n.dt()) * 1e3
        );
    }
}
