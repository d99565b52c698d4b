//! What synapses do by themselves: inputs that follow something, periodic code, events of their own and noise; against values by hand and
//! closed forms, both executions bit for bit.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod net;

use net::{attempt, bits_agree, both, build, pop, proj, read, run, states_agree};
use snnc::driver::BackendKind;
use snnc::script::machine::{Machine, ResetTarget, RunKey, SliceMut};

const REWARD: &str = "
    simulation { dt = 1 ms }
    neuron Clock { param at = 5 ms, period = 10 ms
      state x = 0
      dx/dt = 1/ms
      spike when x > at/1 ms - 0.5
      on spike { x -= period/1 ms } }
    neuron Mod { state level = 1
      dlevel/dt = -level / 20 ms }
    neuron Cell { state g = 0
      dg/dt = 0*g/ms }
    synapse Three {
      input reward: 1, phase: 1
      weight w = 1
      state x = 0, c = 0, seen = 0, last = 0
      dx/dt = -x / 10 ms
      dc/dt = -c / 40 ms
      dw/dt = 0.5/ms*c*reward
      on pre { deliver reward; seen += reward; last = phase; x += reward; c += 1 } }
    population A[3]: Clock(at = 5 ms + 2 ms*i)
    population B[2]: Cell()
    population DA: Mod()
    connect S: A -> B.g via RULE with Three(reward = DA.level, phase = timed([0, 1, 2], 10 ms))
    experiment e { run 100 ms }";

/// An input follows a population of one: its value is that of the step's start, in the equations of clocked states and in handlers, for
/// dense and sparse wiring.
#[test]
fn inputs_follow_a_population_of_one_and_tables() {
    for rule in ["all_to_all", "random(p = 1)"] {
        let (mut jit, mut interp) = both(&REWARD.replace("RULE", rule));
        for n in [&mut jit, &mut interp] {
            run(n, 27);
        }
        bits_agree(&jit, &interp);
        // Neuron i spikes at the ends of steps at + 2i, + 10, …; step n (from 0) ends at n + 1 and takes the level of n ms.
        for i in 0..3 {
            let first = 5 + 2 * i;
            let (mut seen, mut x, mut c, mut w, mut last) = (0.0_f64, 0.0_f64, 0.0_f64, 1.0_f64, 0.0);
            for n in 0..27_u64 {
                let level = (-(n as f64) / 20.0).exp();
                // dw/dt is constant over the step for `exp_euler`: c and the level are those of its start.
                w += 0.5 * c * level;
                c *= (-1.0_f64 / 40.0).exp();
                x *= (-1.0_f64 / 10.0).exp();
                if (n + 1) >= first && (n + 1 - first) % 10 == 0 {
                    seen += level;
                    x += level;
                    c += 1.0;
                    last = (n / 10) as f64;
                }
            }
            for j in 0..2 {
                let k = (i * 2 + j) as usize;
                let got = |n: &mut _, var| read(n, proj(0, var), k);
                let want = [(2, w), (3, x), (4, c), (5, seen), (6, last)];
                for (var, want) in want {
                    let x = got(&mut jit, var);
                    assert!((x - want).abs() < 1e-12, "{rule}: variable {var} of synapse {k}: {x}, not {want}");
                }
            }
        }
        assert!((read(&mut jit, proj(0, 0), 3) - (-26.0_f64 / 20.0).exp()).abs() < 1e-12, "the last step's start");
    }
}

/// An assigned input stands still until `reset`, for the assigned projection only.
#[test]
fn an_assigned_input_follows_again_after_reset() {
    let text = REWARD.replace("RULE", "all_to_all").replace("run 100 ms", "S.reward = 3; run 100 ms");
    let (mut jit, mut interp) = both(&text);
    for n in [&mut jit, &mut interp] {
        run(n, 3);
        if let SliceMut::F64(v) = n.values_mut(proj(0, 0)).unwrap().data {
            v.fill(3.0);
        }
        n.written(proj(0, 0));
        run(n, 10);
        assert_eq!(read(n, proj(0, 0), 0), 3.0);
        assert_eq!(read(n, proj(0, 5), 0), 3.0, "the spike at 5 ms");
        n.reset(&[ResetTarget::Var(proj(0, 0))]);
        run(n, 1);
        assert!((read(n, proj(0, 0), 5) - (-13.0_f64 / 20.0).exp()).abs() < 1e-12);
    }
    bits_agree(&jit, &interp);
}

/// An input that follows the neurons at the synapse's ends is one value per synapse.
#[test]
fn inputs_follow_the_ends() {
    let text = "
        simulation { dt = 0.5 ms }
        neuron Ramp { param s = 1/ms
          state r = 0
          dr/dt = s }
        neuron Sum { input I
          state total = 0
          dtotal/dt = I / 0.5 ms }
        synapse Gap { input difference: 1
          inject difference }
        population A[3]: Ramp(s = (1 + i)/ms)
        population B[4]: Sum()
        connect A -> B.I via all_to_all with Gap(difference = pre.r - post.total + t/1 ms)
        experiment e { run 10 ms }";
    let (mut jit, mut interp) = both(text);
    for n in [&mut jit, &mut interp] {
        run(n, 6);
    }
    bits_agree(&jit, &interp);
    let mut total = 0.0_f64;
    for n in 0..6 {
        let t = f64::from(n) * 0.5;
        total += (1..=3).map(|s| f64::from(s) * t - total + t).sum::<f64>();
    }
    assert!((read(&mut jit, pop(1, 1), 2) - total).abs() < 1e-9 * total.abs());
}

/// By hand: `every` runs before `inject` is summed, and after live inputs have their values.
#[test]
fn every_inject_and_a_live_value_in_one_network() {
    let text = "
        simulation { dt = 1 ms }
        neuron Level { state a = 1
          every 2 ms { a += 10 } }
        neuron Sum { input I
          state total = 0
          dtotal/dt = I / 1 ms }
        synapse Both { input follows: 1
          state k = 0
          every 3 ms { k += 1 }
          inject 100*k + follows }
        population L: Level()
        population A: Level()
        population B: Sum()
        connect S: A -> B.I via all_to_all with Both(follows = L.a)
        experiment e { run 10 ms }";
    let (mut jit, mut interp) = both(text);
    for n in [&mut jit, &mut interp] {
        run(n, 6);
    }
    bits_agree(&jit, &interp);
    // Steps at t = 0..5: L.a is raised at 0, 2, 4 after it has been followed; k at 0 and 3 before it is injected.
    let follows = [1.0, 11.0, 11.0, 21.0, 21.0, 31.0];
    let k = [1.0, 1.0, 1.0, 2.0, 2.0, 2.0];
    let total: f64 = (0..6).map(|n| 100.0 * k[n] + follows[n]).sum();
    assert_eq!(read(&mut jit, pop(2, 1), 0), total);
}

/// Periodic code and an event-driven state: it decays between, to any length of pieces; the same with dense and sparse wiring.
#[test]
fn periodic_code_writes_event_driven_states() {
    for rule in ["all_to_all", "random(p = 1)"] {
        let text = format!(
            "simulation {{ dt = 1 ms }}
             neuron Never {{ state v = 0
               dv/dt = 0*v/ms
               spike when v > 1 }}
             synapse Tick {{ param step = 1
               state x = 0
               dx/dt = -x / 5 ms
               on pre {{ deliver x }}
               every 4 ms {{ x += step }} }}
             population A[2]: Never()
             population B[3]: Never()
             connect S: A -> B.v via {rule} with Tick(step = 1 + i + 2*j)
             experiment e {{ run 10 ms }}"
        );
        let (mut jit, mut interp) = both(&text);
        let mut pieces = build(&text, BackendKind::Jit);
        for n in [&mut jit, &mut interp] {
            run(n, 10);
        }
        pieces.begin_run(10, RunKey(0)).unwrap();
        for steps in [1, 5, 4] {
            pieces.advance(steps).unwrap();
        }
        bits_agree(&jit, &interp);
        states_agree(&jit, &pieces);
        assert!(jit.plan().projections[0].lazy[1].is_some(), "event-driven");
        let e = (-0.2_f64).exp();
        for i in 0..2 {
            for j in 0..3 {
                let want = f64::from(1 + i + 2 * j) * (e.powi(10) + e.powi(6) + e.powi(2));
                let got = read(&mut jit, proj(0, 1), (i * 3 + j) as usize);
                assert!((got - want).abs() < 1e-12, "{rule}: {got}, not {want}");
            }
        }
    }
}

/// Draws of periodic code are those of the synapse's number, whatever the wiring and the pieces of the run.
#[test]
fn periodic_draws_belong_to_synapses() {
    let text = |rule: &str| {
        format!(
            "simulation {{ dt = 1 ms }}
             neuron Never {{ state v = 0
               dv/dt = 0*v/ms
               spike when v > 1 }}
             synapse Dice {{ state x = 0, n = 0
               on pre {{ deliver x }}
               every 2 ms {{ x += normal(0, 1); n += gamma(2, 1) + bernoulli(0.5) + uniform(0, 1) }} }}
             population A[40]: Never()
             population B[50]: Never()
             connect S: A -> B.v via {rule} with Dice()
             experiment e {{ run 10 ms }}"
        )
    };
    let (mut jit, interp) = {
        let (mut a, mut b) = both(&text("all_to_all"));
        run(&mut a, 9);
        run(&mut b, 9);
        (a, b)
    };
    bits_agree(&jit, &interp);
    let mut sparse = build(&text("random(p = 1)"), BackendKind::Jit);
    sparse.begin_run(9, RunKey(0)).unwrap();
    for steps in [3, 6] {
        sparse.advance(steps).unwrap();
    }
    let (mut sum, mut squares, mut second) = (0.0, 0.0, 0.0);
    for k in 0..2000 {
        let (x, n) = (read(&mut jit, proj(0, 0), k), read(&mut jit, proj(0, 1), k));
        assert_eq!(x, read(&mut sparse, proj(0, 0), k));
        assert_eq!(n, read(&mut sparse, proj(0, 1), k));
        sum += x;
        squares += x * x;
        second += n;
    }
    // Five draws each: mean 0, variance 5; gamma and the others: mean 5*(2 + 0.5 + 0.5).
    let four = 4.0 * (5.0_f64 / 2000.0).sqrt();
    assert!((sum / 2000.0).abs() < four, "{}", sum / 2000.0);
    assert!((squares / 2000.0 - 5.0).abs() < 4.0 * 5.0 * (2.0_f64 / 2000.0).sqrt(), "{}", squares / 2000.0);
    assert!((second / 2000.0 - 15.0).abs() < 0.5, "{}", second / 2000.0);
}

/// Events of synapses: a level holds at every step, a crossing once; conditions see the states of the step's end, before reactions.
#[test]
fn synapses_have_events() {
    for rule in ["all_to_all", "random(p = 1)"] {
        let text = format!(
            "simulation {{ dt = 1 ms }}
             neuron Ramp {{ state v = 0
               dv/dt = 1/ms
               spike when v > 4.5
               on spike {{ v = 0 }} }}
             synapse Watch {{ param at = 2
               state x = 0, high = 0, ups = 0, tops = 0
               dx/dt = 0*x/ms + 1/ms
               event above when x > at + 0.5
               on above {{ high += 1 }}
               event up when x crosses at - 0.5
               on up {{ ups += 1 }}
               event top when post.v > 4.5
               on top {{ tops += x; x = 0 }}
               on pre {{ deliver 0*x }} }}
             population A[2]: Ramp()
             population B[3]: Ramp()
             connect S: A -> B.v via {rule} with Watch(at = 2 + j)
             experiment e {{ run 10 ms }}"
        );
        let (mut jit, mut interp) = both(&text);
        for n in [&mut jit, &mut interp] {
            run(n, 12);
        }
        bits_agree(&jit, &interp);
        for k in 0..6 {
            let at = 2.0 + (k % 3) as f64;
            let (mut x, mut high, mut ups, mut tops, mut v) = (0.0, 0.0, 0.0, 0.0, 0.0);
            let mut below = false;
            for _ in 0..12 {
                x += 1.0;
                v += 1.0;
                let (level, crosses) = (x > at + 0.5, x >= at - 0.5 && below);
                below = x < at - 0.5;
                high += f64::from(u8::from(level));
                ups += f64::from(u8::from(crosses));
                if v > 4.5 {
                    v = 0.0;
                    tops += x;
                    x = 0.0;
                }
            }
            for (var, want) in [(1, x), (2, high), (3, ups), (4, tops)] {
                let got = read(&mut jit, proj(0, var), k);
                assert_eq!(got, want, "{rule}: variable {var} of synapse {k}");
            }
        }
    }
}

/// White noise in synapses: an Ornstein–Uhlenbeck process for each has mean 0 and the variance sigma^2, and is exact at any step; clocked
/// weights with multiplicative noise need a method.
#[test]
fn synapses_hear_noise() {
    let text = |rule: &str| {
        format!(
            "simulation {{ dt = 1 ms; seed = 4 }}
             neuron Never {{ state v = 0
               dv/dt = 0*v/ms
               spike when v > 1 }}
             synapse OU {{ param tau = 10 ms, sigma = 3
               state x = 0
               weight w = 1
               tau * dx/dt = -x + sigma*sqrt(2*tau)*xi
               dw/dt = 0.1/s^0.5*w*xi_w
               on pre {{ deliver x*w }}
               method milstein }}
             population A[60]: Never()
             population B[50]: Never()
             connect S: A -> B.v via {rule} with OU()
             experiment e {{ run 10 ms }}"
        )
    };
    let (mut jit, mut interp) = both(&text("all_to_all"));
    for n in [&mut jit, &mut interp] {
        run(n, 90);
    }
    bits_agree(&jit, &interp);
    let mut sparse = build(&text("random(p = 1)"), BackendKind::Jit);
    run(&mut sparse, 90);
    let n = 3000;
    let (mut sum, mut squares) = (0.0, 0.0);
    for k in 0..n {
        let x = read(&mut jit, proj(0, 2), k);
        assert_eq!(x, read(&mut sparse, proj(0, 2), k));
        sum += x;
        squares += x * x;
    }
    let (mean, variance) = (sum / n as f64, squares / n as f64);
    assert!(mean.abs() < 4.0 * 3.0 / (n as f64).sqrt(), "{mean}");
    // Milstein with additive noise is Euler's scheme: its variance is sigma^2/(1 - dt/2/tau).
    let want = 9.0 / (1.0 - 0.05);
    assert!((variance / want - 1.0).abs() < 4.0 * (2.0 / n as f64).sqrt(), "{variance}, not {want}");
    let exact = text("all_to_all").replace("method milstein", "").replace("dw/dt = 0.1/s^0.5*w*xi_w", "");
    let mut exact = build(&exact, BackendKind::Jit);
    run(&mut exact, 90);
    let variance: f64 = (0..n).map(|k| read(&mut exact, proj(0, 2), k).powi(2)).sum::<f64>() / n as f64;
    assert!((variance / 9.0 - 1.0).abs() < 4.0 * (2.0 / n as f64).sqrt(), "{variance}, not 9");
    let Err(words) = attempt(&text("all_to_all").replace("method milstein", ""), BackendKind::Jit) else {
        panic!("multiplicative noise without a method");
    };
    assert!(words.contains("E0305"), "{words}");
}

/// What a synapse's input cannot follow is said, with what can be done.
#[test]
fn faulty_bindings_are_explained() {
    let with = |binding: &str, synapse: &str| {
        format!(
            "simulation {{ dt = 1 ms }}
             neuron Cell {{ input I
               state v = 0
               dv/dt = I / 1 ms }}
             synapse S {{ {synapse}
               inject a }}
             population P[3]: Cell()
             population Q[2]: Cell()
             connect P -> Q.I via all_to_all with S({binding})
             experiment e {{ run 10 ms }}"
        )
    };
    for (binding, synapse, expected) in [
        ("a = P.v", "input a", "E0405"),
        ("a = P.x", "input a", "E0104"),
        ("a = t/1 ms + uniform(0, 1)", "input a", "E0304"),
        ("a = t/1 ms", "input a; param b = 2*a", "E0304"),
        ("a = t", "input a", "E0205"),
        ("a = t/1 ms", "param a = 1", "E0101"),
        ("a = P.v", "param a = 1", "E0104"),
        ("a = 1", "input a; every 0 ms { }", "E0205"),
        ("a = 1", "input a = Q.v", "E0104"),
        ("a = 1", "input a; state n = 0; event e when n > 1; on f { n = 0 }", "E0104"),
        ("a = 1", "input a; state n = 0; event e when n > 1; on e { deliver n }", "E0303"),
        ("a = 1", "input a; state n = 0; every i*1 ms { n = 0 }", "E0205"),
        ("a = 1", "input a; state n = 0; dn/dt = -n/10 ms + xi^2", "E0309"),
    ] {
        let Err(words) = attempt(&with(binding, synapse), BackendKind::Jit) else {
            panic!("`{binding}` with `{synapse}` is no error");
        };
        assert!(words.contains(expected), "`{binding}` with `{synapse}`: {words}");
        assert_eq!(words.matches("error[").count(), 1, "{words}");
    }
}

/// A protocol's rule for columns is applied again where periodic code has changed them, though no event has.
#[test]
fn rules_of_protocols_see_what_synapses_do_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let text = "
        simulation { dt = 1 ms }
        neuron Cell { state v = 0
          dv/dt = -v / 10 ms
          spike when v > 1e9 }
        synapse Grows { weight w = 1
          state x = 0, y = 0
          dx/dt = -x / 20 ms
          dy/dt = -y / 20 ms
          on pre { deliver w; w -= 0.1*y; x += 1 }
          on post { w += 0.1*x; y += 1 }
          every 5 ms { w += 1 } }
        population X[3]: poisson(rate = 50 Hz)
        population E[2]: Cell()
        connect XE: X -> E.v via all_to_all with Grows()
        experiment e {
          for k in 0..3 {
            XE.w *= 6 / sum(XE.w over pre)
            print(\"sums\", sum(XE.w over pre))
            run 20 ms
          }
        }";
    std::fs::write(dir.path().join("m.snn"), text).unwrap();
    for opt in ["1", "2"] {
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_snnc"))
            .args(["run", "--quiet", "--opt", opt, "m.snn"])
            .current_dir(dir.path())
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&out.stdout).into_owned();
        assert_eq!(words.matches("[6, 6]").count(), 3, "{opt}: {words}");
    }
}
