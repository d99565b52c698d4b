//! Delays that protocols change: spikes on their way keep the delay they were sent with, later ones take the new one; against direct
//! computation, in both executions.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod net;

use std::path::Path;
use std::process::Command;

use net::{bits_agree, both, build, pop, proj, read, run, spikes};
use snnc::data::{NpyArray, NpyData, write_npz};
use snnc::driver::{BackendKind, Session, Settings};
use snnc::rng::splitmix64;
use snnc::runtime::Network;
use snnc::script::machine::{Machine, ResetTarget, SliceMut};
use snnc::script::machine::{RunKey, VarKey};

/// The variable `delay` of the first projection: the last one.
fn delay(n: &Network) -> VarKey {
    proj(0, n.plan().projections[0].place.len() as u32 - 1)
}

/// Gives every synapse a delay in ms.
fn set(n: &mut Network, of: impl Fn(usize) -> f64) {
    let key = delay(n);
    let mut values = n.values_mut(key).unwrap();
    let all = values.rows * values.cols;
    match &mut values.data {
        SliceMut::F32(v) => (0..all).for_each(|k| v[k] = of(k) as f32),
        SliceMut::F64(v) => (0..all).for_each(|k| v[k] = of(k)),
    }
    n.written(key);
}

/// Every spike arrives when the delay that its synapse had at that moment is over, however often and to whatever the delays change.
#[test]
fn spikes_keep_the_delay_that_they_were_sent_with() {
    let (pre, post) = (12_usize, 9_usize);
    for (precision, rule) in [("f64", "all_to_all"), ("f32", "random(p = 1)"), ("f64", "all_to_all where i != j")] {
        let text = format!(
            "simulation {{ dt = 0.1 ms; seed = 5; precision = {precision} }}
             neuron Sum {{ state n = 0
               dn/dt = 0 * n / 1 ms }}
             population A[{pre}]: poisson(rate = 1500 Hz)
             population B[{post}]: Sum()
             connect XE: A -> B.n via {rule} with static(w = 1 + i, delay = 0.7 ms)
             experiment e {{ XE.delay = 1 ms; run 10 ms }}"
        );
        let there = |i: usize, j: usize| !rule.contains("where") || i != j;
        let pairs: Vec<(usize, usize)> =
            (0..pre).flat_map(|i| (0..post).map(move |j| (i, j))).filter(|(i, j)| there(*i, *j)).collect();
        for kind in [BackendKind::Jit, BackendKind::Interp] {
            let mut n = build(&text, kind);
            // The delays in steps, and what arrives at each post neuron by the end of each step.
            let mut delays = vec![7_usize; pairs.len()];
            let mut arriving = vec![[0_f64; 9]; 4000];
            let (mut step, mut seen) = (0_usize, 0);
            for round in 0..60_u64 {
                let steps = 1 + splitmix64(round) % 40;
                n.begin_run(steps, RunKey(round)).unwrap();
                n.advance(steps).unwrap();
                step += steps as usize;
                for i in 0..pre {
                    for s in spikes(&n, 0, i as u64) {
                        seen += 1;
                        for (k, (_, j)) in pairs.iter().enumerate().filter(|(_, (from, _))| *from == i) {
                            arriving[s as usize + delays[k]][*j] += (1 + i) as f64;
                        }
                    }
                }
                n.clear_spikes();
                for j in 0..post {
                    let all: f64 = arriving[..=step].iter().map(|a| a[j]).sum();
                    assert_eq!(read(&mut n, pop(1, 0), j), all, "{rule}, {kind:?}, round {round}, neuron {j}");
                }
                // Sometimes all alike, sometimes none at all, sometimes over a long range, sometimes as they are.
                let longest = [1, 4, 300, 60][round as usize % 4];
                let new = |k: usize| splitmix64(round * 1000 + if round % 5 == 0 { 0 } else { k as u64 }) % longest;
                if round % 7 != 6 {
                    set(&mut n, |k| new(k) as f64 * 0.1);
                    delays = (0..pairs.len()).map(|k| new(k) as usize).collect();
                }
                let key = delay(&n);
                for (k, d) in delays.iter().enumerate() {
                    assert!((read(&mut n, key, k) - *d as f64 * 0.1).abs() < 1e-5);
                }
            }
            assert!(seen > 1000, "{seen}");
            // What is on its way is lost by `reset`, after changes too.
            n.reset(&[ResetTarget::Pop(snnc::hir::PopId(1)), ResetTarget::Proj(snnc::hir::ProjId(0))]);
            set(&mut n, |_| 30.0);
            run(&mut n, 299);
            assert_eq!(read(&mut n, pop(1, 0), 0), 0.0);
        }
    }
}

/// Plasticity with delays that change: both executions agree bit for bit; and a change to what the delays are changes nothing.
#[test]
fn both_executions_agree_and_no_change_is_none() {
    let text = |precision: &str, protocol: &str| {
        net::plastic(precision, ["delay = 1.5 ms", "delay = 0.5 ms, dendritic_delay = 0.3 ms"], protocol)
    };
    for precision in ["f32", "f64"] {
        let changing = text(precision, "XE.delay = 1.5 ms; run 10 ms");
        let (mut jit, mut interp) = both(&changing);
        for n in [&mut jit, &mut interp] {
            for round in 0..12_u64 {
                n.begin_run(83, RunKey(round)).unwrap();
                n.advance(83).unwrap();
                set(n, |k| (splitmix64(round * 7919 + k as u64) % 40) as f64 * 0.1);
            }
        }
        assert!(spikes(&jit, 1, 3).len() > 2, "{:?}", spikes(&jit, 1, 3));
        bits_agree(&jit, &interp);

        let (mut same, mut fixed) =
            (build(&changing, BackendKind::Jit), build(&text(precision, "run 10 ms"), BackendKind::Jit));
        for round in 0..6 {
            for n in [&mut same, &mut fixed] {
                n.begin_run(200, RunKey(round)).unwrap();
                n.advance(200).unwrap();
            }
            set(&mut same, |_| 1.5);
        }
        for k in 0..60 * 40 {
            let (a, b) = (read(&mut same, proj(0, 0), k), read(&mut fixed, proj(0, 0), k));
            assert!((a - b).abs() < if precision == "f32" { 1e-4 } else { 1e-12 }, "{k}: {a}, {b}");
        }
        assert!((0..40).all(|j| spikes(&same, 1, j) == spikes(&fixed, 1, j)));
    }
}

const PROTOCOL: &str = "
simulation { dt = 0.1 ms; seed = 1 }
neuron Sum { state n = 0
  dn/dt = 0 * n / 1 ms }
population A[3]: spike_source(times = [1 ms, 1 ms, 1 ms, 5 ms, 5 ms, 5 ms], ids = [0, 1, 2, 0, 1, 2])
population B[2]: Sum()
connect XE: A -> B.n via all_to_all with static(w = 10^i, delay = 2 ms)
kernel K(s) = exp(-s / 1 ms) over 3 ms
neuron Leaky { input I
  state v = 0
  dv/dt = (I - v) / 10 ms }
population C[2]: Leaky()
connect XS: A -> B.n via random(p = 1) with static(w = 0, delay = uniform(1 ms, 3 ms))
connect KB: A -> C.I via all_to_all with static(w = 1) through K
";

/// The command line on a protocol: status, standard output, standard error.
fn snnc(body: &str, args: &[&str]) -> (i32, String, String) {
    snnc_in(tempfile::tempdir().unwrap().path(), body, args)
}

/// The same in a folder.
fn snnc_in(dir: &Path, body: &str, args: &[&str]) -> (i32, String, String) {
    std::fs::write(dir.join("m.snn"), format!("{PROTOCOL}{body}")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_snnc"))
        .current_dir(dir)
        .args(["run", "m.snn", "--quiet"])
        .args(args)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Delays are read and written as any variable of synapses is: as a whole, in parts, in loops and procedures, by distributions and files.
#[test]
fn protocols_read_and_write_delays_like_other_variables() {
    let body = "
        procedure later(d) { XE.delay += d }
        experiment main {
          run 2 ms
          for k in 0..3 { XE.delay[k, 1] = (k + 1) * 1 ms }
          expect XE.delay[0, 0] == 2 ms and XE.delay[2, 1] == 3 ms
          # The spikes of 1 ms arrive as they were sent.
          run 0.9 ms
          expect B.n[0] == 0
          run 0.2 ms
          expect B.n[0] == 111 and B.n[1] == 111
          # Rounded to whole steps.
          later(0.24 ms)
          expect abs(XE.delay[0, 1] - 1.2 ms) < 1e-9 ms
          XE.delay[.., 0] = 0 ms
          run 2 ms
          expect B.n[0] == 222 and B.n[1] == 111
          run 1.2 ms
          expect B.n[1] == 112
          run 2 ms
          expect B.n[1] == 222
          save(\"d.npz\", XE.delay)
          XE.delay = normal(2 ms, 0.1 ms)
          expect max(XE.delay) > min(XE.delay)
          load(\"d.npz\", XE.delay)
          expect XE.delay[0, 0] == 0 ms and abs(XE.delay[2, 1] - 3.2 ms) < 1e-9 ms
          # Drawn anew, a constant is what it was; others are other draws.
          redraw(XE.delay)
          expect min(XE.delay) == 2 ms and max(XE.delay) == 2 ms
          let before = XS.delay
          redraw(XS.delay)
          expect max(abs(XS.delay - before)) > 0.2 ms and min(XS.delay) >= 1 ms and max(XS.delay) <= 3 ms
          XE.dendritic_delay[1, ..] = 0.5 ms
          expect XE.dendritic_delay[0, 0] == 0 ms and XE.dendritic_delay[1, 1] == 0.5 ms
          # Read only: in whole steps as they were drawn.
          let steps = XS.delay / 0.1 ms
          expect max(abs(steps - round(steps))) < 1e-9 and max(XS.delay) - min(XS.delay) > 0.1 ms
        }";
    for backend in ["jit", "interp"] {
        let (status, _, errors) = snnc(body, &["--backend", backend]);
        assert_eq!((status, errors.as_str()), (0, ""), "{errors}");
    }
}

/// What is no delay, and where delays cannot change, is told at its place.
#[test]
fn what_is_no_delay_is_refused_where_it_is_written() {
    for (statement, code, words) in [
        ("XE.delay = -1 ms", "E0403", "`XE.delay` cannot be negative"),
        ("XE.delay -= 30 ms", "E0403", "6 of the 6 values of `XE.delay` cannot be negative"),
        ("XE.delay[0, 0] -= 3 ms", "E0403", "1 of the 6 values of `XE.delay` cannot be negative"),
        ("XE.delay = 1e9 s", "E0403", "cannot be kept"),
        ("XE.dendritic_delay = -1 ms", "E0403", "`XE.dendritic_delay` cannot be negative"),
        ("XE.dendritic_delay -= 30 ms", "E0403", "6 of the 6 values of `XE.dendritic_delay` cannot be negative"),
        ("KB.dendritic_delay = -1 ms", "E0403", "`KB.dendritic_delay` cannot be negative"),
        ("KB.dendritic_delay -= 30 ms", "E0403", "6 of the 6 values of `KB.dendritic_delay` cannot be negative"),
        ("XE.delay = 1 mV", "E0205", "`XE.delay` is ms"),
    ] {
        let (status, _, errors) = snnc(&format!("experiment main {{ run 1 ms; {statement}; run 1 ms }}"), &[]);
        assert_eq!(status, 1, "{statement}");
        let place = statement.to_owned();
        assert!(
            errors.contains(&format!("error[{code}]")) && errors.contains(words) && errors.contains(&place),
            "{errors}"
        );
    }
}

/// Samples that change delays run in their order, one after the other; the lanes of a batch cannot change them.
#[test]
fn samples_that_change_delays_run_in_order() {
    let text = |head: &str, field: &str, by: &str| {
        format!(
            "data d = arrays(\"d.npz\")
             experiment main {{
               {head} {{
                 reset(B, XE)
                 XE.{field} += {by} * 1 ms
                 run 10 ms
               }}
               print(\"delay\", XE.{field})
             }}"
        )
    };
    let run = |head: &str, field: &str, by: &str| {
        let dir = tempfile::tempdir().unwrap();
        let image = NpyArray { shape: vec![4, 3], data: NpyData::F64((0..12).map(f64::from).collect()) };
        write_npz(&dir.path().join("d.npz"), &[("image".to_owned(), image)]).unwrap();
        snnc_in(dir.path(), &text(head, field, by), &["--threads", "4"])
    };
    // What there is, and 0, 3, 6 and 9 ms more.
    for (field, all) in [("delay", 20), ("dendritic_delay", 18)] {
        let (status, out, errors) = run("for s in d.train", field, "s.image[0]");
        let wanted = format!("delay [{all}, {all}, {all}, {all}, {all}, {all}] ms");
        assert_eq!((status, out.trim(), errors.as_str()), (0, wanted.as_str(), ""));
        let (status, _, errors) = run("for s in d.train batch 2", field, "3");
        assert!(
            status == 1 && errors.contains("E0503") && errors.contains("delays cannot be changed in a batch"),
            "{errors}"
        );
    }
}

/// Only what a protocol assigns costs anything: other delays, read ones too, are stored as before.
#[test]
fn only_assigned_delays_vary() {
    let of = |body: &str| {
        let text = format!("{PROTOCOL}experiment main {{ {body}; run 1 ms }}");
        let session = Session::from_text(Path::new("m.snn"), &text, &Settings::default());
        let model = session.model.unwrap();
        let plan = snnc::sched::build(&model, &Session::uses(&model), &Default::default()).unwrap();
        plan.projections.iter().map(|p| (p.changing_delays[0], p.by_delay, p.wiring)).collect::<Vec<_>>()
    };
    let plain = of("print(1)");
    assert_eq!(of("print(XE.delay, XS.delay)"), plain);
    assert!(!plain[0].0 && plain[1].1);
    let changed = of("XE.delay = 1 ms; XS.delay = 1 ms");
    assert!(changed[..2].iter().all(|p| p.0 && !p.1) && changed[2] == plain[2]);
    assert_eq!(of("print(XE.dendritic_delay, KB.delay)"), plain);
    let drawn = of("redraw(XS.delay)");
    assert!(!drawn[0].0 && drawn[1].0);
}

/// Spikes of listed times reach synapses with delays of their own in the interpreter too, at the end of what was drawn.
#[test]
fn the_last_listed_spike_is_on_its_way_when_the_list_ends() {
    let (mut jit, mut interp) = both(&format!("{PROTOCOL}experiment e {{ XE.delay = 2 ms; run 10 ms }}"));
    for n in [&mut jit, &mut interp] {
        run(n, 60);
        run(n, 30);
        assert_eq!((0..2).map(|j| read(n, pop(1, 0), j)).collect::<Vec<_>>(), [222.0, 222.0]);
    }
    bits_agree(&jit, &interp);
}
