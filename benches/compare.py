#!/usr/bin/env python3
"""Times snnc beside hand-written C and Brian2 on the same machine, in one run, and prints tables in Markdown.

    python3 benches/compare.py --all --write --core 1    # everything, into docs/performance.md

    cargo build --release
    python3 benches/compare.py                          # Diehl & Cook against reference_diehl_cook.c (needs gcc)
    python3 benches/compare.py --brian                  # and CUBA, COBA against Brian2 C++ standalone (needs brian2, g++)
    python3 benches/compare.py --neurons 100,400,1600 --rounds 5 --core 1
    python3 benches/compare.py --batches --no-diehl-cook # batches of 64 beside single samples, two threads beside one

Times are CPU seconds of one core. The time of a training sample is the slope between two runs of different length, so that start-up and
compilation do not count; each round runs snnc and the other program one after the other, and the table has the medians over the rounds.
"""
import argparse
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import limits
import tables
from tables import ROOT, row, table

SNNC = ROOT / "target" / "release" / "snnc"


def pinned(command, core, **more):
    """Runs a command on one core; gives what it printed."""
    prefix = ["taskset", "-c", str(core)] if shutil.which("taskset") and core is not None else []
    done = subprocess.run(prefix + command, check=True, capture_output=True, text=True, **more)
    return done.stdout


def snnc(model, work, core, *options):
    """The report of a run."""
    report = work / "report.json"
    threads = [] if "--threads" in options else ["--threads", "1"]
    command = [str(SNNC), "run", str(ROOT / "models" / model), *threads, "--quiet", "--out", str(work / "out")]
    pinned(command + ["--report", str(report), *options], core)
    return json.loads(report.read_text())


def training(neurons, samples, work, core, *options):
    """CPU seconds of the training phase."""
    r = snnc("diehl_cook.snn", work, core, "--only", "train", "--set", f"n_exc={neurons}", "--set", f"n_train={samples}", *options)
    return r["phases"][0]["cpu_s"], r


def by_hand(work, core, neurons, samples, *options):
    """What the C program says of a training; it is built at its first run."""
    program = work / "reference"
    if not program.exists():
        flags = "-O3 -march=native -ffast-math -mprefer-vector-width=512".split()
        subprocess.run(["gcc", *flags, str(ROOT / "benches" / "reference_diehl_cook.c"), "-o", str(program), "-lm", "-lpthread"], check=True)
        for packed in (ROOT / "data" / "mnist").glob("*.gz"):
            (work / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    return json.loads(pinned([str(program), "--data", str(work), "--neurons", str(neurons), "--samples", str(samples), *options], core))


def diehl_cook(args, work):
    table(
        "Training Diehl & Cook beside hand-written C (`f32`, one core):",
        "neurons", "snnc, µs a sample", "C, µs a sample", "ratio", "snnc compile_ms", "peak MB",
    )
    measured = {}
    for neurons in args.neurons:
        short, long = (200, 200 + max(200, 400000 // neurons))
        ours, theirs, compile_ms, memory = [], [], [], []
        for _ in range(args.rounds):
            a, _ = training(neurons, short, work, args.core)
            b, r = training(neurons, long, work, args.core)
            ours.append((b - a) / (long - short) * 1e6)
            compile_ms.append(r["compile_ms"])
            memory.append(r["peak_rss_mb"])
            theirs.append(by_hand(work, args.core, neurons, long)["us_per_sample_cpu"])
        o, t = statistics.median(ours), statistics.median(theirs)
        m = max((x for x in memory if x is not None), default=float("nan"))
        row(f"{neurons}", f"{o:.0f}", f"{t:.0f}", f"{o / t:.2f}", f"{statistics.median(compile_ms):.1f}", f"{m:.0f}")
        measured[neurons] = (o, r)
    if args.all:
        read = limits.bandwidth(work, pinned, args.core)
        limits.rows(read, measured)
        samples = 1000
        _, r = training(400, samples, work, args.core, "--profile")
        limits.phases(r["profile"], samples)


def batches(args, work):
    """Diehl & Cook in batches, by itself with 400 neurons, and beside C. Figures of a ratio are taken in turns."""
    text = (ROOT / "models" / "diehl_cook.snn").read_text()
    batched = text.replace("epochs n_epochs {", "epochs n_epochs batch n_batch {").replace("param n_exc", "param n_batch = 64\nparam n_exc", 1)
    assert batched.count("n_batch") == 2
    model = work / "batches.snn"
    model.write_text(batched)

    def sample(field, core, batch, threads, neurons=400):
        """Microseconds a training sample."""
        short, long = 640, length(neurons)
        options = {"n_batch": batch, "n_exc": neurons}
        common = ["--only", "train", "--data", str(ROOT / "data" / "mnist"), "--threads", str(threads)]
        common += [x for name, value in options.items() for x in ("--set", f"{name}={value}")]
        a, b = (snnc(model, work, core, *common, "--set", f"n_train={n}")["phases"][0][field] for n in (short, long))
        return (b - a) / (long - short) * 1e6

    def length(neurons):
        """Samples of the longer run: whole batches."""
        return 640 + max(5, 28000 // neurons) * 64

    def labelling(threads):
        """Seconds for 10,000 images."""
        return snnc("diehl_cook.snn", work, None, "--only", "label", "--threads", str(threads))["phases"][0]["wall_s"]

    cases = [
        ("`batch 64` to `batch 1`, CPU µs a sample", lambda: sample("cpu_s", args.core, 64, 1), lambda: sample("cpu_s", args.core, 1, 1)),
        ("`batch 64` with one thread to two, wall µs a sample", lambda: sample("wall_s", None, 64, 1), lambda: sample("wall_s", None, 64, 2)),
        ("labelling with one thread to two, wall s", lambda: labelling(1), lambda: labelling(2)),
    ]
    table("Batches and threads, 400 neurons:", "", "", "", "ratio of medians")
    for name, one, other in cases:
        pairs = [(one(), other()) for _ in range(args.rounds)]
        a, b = (statistics.median(x) for x in zip(*pairs))
        digits = 0 if a > 10 else 2
        row(name, f"{a:.{digits}f}", f"{b:.{digits}f}", f"{a / b:.2f}")
    table("Batches of 64 beside the same in C, wall time:", "neurons", "threads", "snnc, µs a sample", "C, µs a sample", "ratio")
    for neurons in args.neurons:
        for threads in (1, 2):
            core = args.core if threads == 1 else None
            c = ["--batch", "64", "--threads", str(threads)]
            long = length(neurons)
            pairs = [
                (sample("wall_s", core, 64, threads, neurons), by_hand(work, core, neurons, long, *c)["train_wall_s"] / long * 1e6)
                for _ in range(args.rounds)
            ]
            a, b = (statistics.median(x) for x in zip(*pairs))
            row(f"{neurons}", f"{threads}", f"{a:.0f}", f"{b:.0f}", f"{a / b:.2f}")


BRIAN = """
import sys, json
from brian2 import *
model, seconds, folder, seed_ = sys.argv[1], float(sys.argv[2]), sys.argv[3], int(sys.argv[4])
prefs.codegen.cpp.extra_compile_args_gcc = ["-w", "-O3", "-march=native", "-ffast-math"]
set_device("cpp_standalone", directory=folder, build_on_run=False)
defaultclock.dt = 0.1*ms
seed(seed_)
if model == "cuba":
    eqs = '''dv/dt = (ge + gi + (-49*mV - v))/(20*ms) : volt (unless refractory)
             dge/dt = -ge/(5*ms) : volt
             dgi/dt = -gi/(10*ms) : volt'''
    we, wi, delay, method = 1.62*mV, -9*mV, 0.8*ms, "exact"
else:
    eqs = '''dv/dt = (10*nS*(-60*mV - v) + ge*(0*mV - v) + gi*(-80*mV - v) + 200*pA)/(200*pF) : volt (unless refractory)
             dge/dt = -ge/(5*ms) : siemens
             dgi/dt = -gi/(10*ms) : siemens'''
    we, wi, delay, method = 6*nS, 67*nS, 1.5*ms, "exponential_euler"
P = NeuronGroup(4000, eqs, threshold="v > -50*mV", reset="v = -60*mV", refractory=5*ms, method=method)
P.v = "-60*mV + rand()*10*mV" if model == "cuba" else "-60*mV + randn()*5*mV"
Ce = Synapses(P[:3200], P, on_pre="ge += we", delay=delay); Ce.connect(p=0.02)
Ci = Synapses(P[3200:], P, on_pre="gi += wi", delay=delay); Ci.connect(p=0.02)
S = SpikeMonitor(P)
run(0.1*second)
run(seconds*second)
device.build(directory=folder, compile=True, run=True, debug=False)
# The time of the second run alone: device._last_run_time counts wall seconds inside of the standalone program.
print(json.dumps({"wall_s": float(device._last_run_time), "rate": S.num_spikes/4000/(seconds + 0.1)}))
"""


def balanced(args, work):
    table("CUBA and COBA (4000 neurons) beside Brian2, one thread:", "model", "precision", "snnc, s a simulated second", "Brian2 C++ standalone", "ratio")
    for model in ("cuba", "coba"):
        theirs = []
        for k in range(args.rounds):
            folder = work / f"brian-{model}-{k}"
            text = pinned([sys.executable, "-c", BRIAN, model, "4", str(folder), str(k)], args.core, env={**os.environ, "OMP_NUM_THREADS": "1"})
            theirs.append(json.loads(text.strip().splitlines()[-1])["wall_s"] / 4)
            shutil.rmtree(folder, ignore_errors=True)
        t = statistics.median(theirs)
        for precision in ("f64", "f32"):
            ours = [snnc(f"{model}.snn", work, args.core, "--precision", precision, "--seed", str(k))["phases"][0]["cpu_s"] for k in range(args.rounds)]
            o = statistics.median(ours)
            row(model, precision, f"{o:.3f}", f"{t:.3f}", f"{o / t:.2f}")


MORE = """
import sys, json
from brian2 import *
model, seconds, folder = sys.argv[1], float(sys.argv[2]), sys.argv[3]
prefs.codegen.cpp.extra_compile_args_gcc = ["-w", "-O3", "-march=native", "-ffast-math"]
set_device("cpp_standalone", directory=folder, build_on_run=False)
defaultclock.dt = (0.01 if model == "hodgkin_huxley" else 0.1)*ms
seed(4)
if model == "vogels2011":
    P = NeuronGroup(10000, '''dv/dt = (10*nS*(-60*mV - v) + ge*(0*mV - v) + gi*(-80*mV - v) + 200*pA)/(200*pF) : volt (unless refractory)
        dge/dt = -ge/(5*ms) : siemens
        dgi/dt = -gi/(10*ms) : siemens''', threshold="v > -50*mV", reset="v = -60*mV", refractory=5*ms, method="exponential_euler")
    P.v = "-60*mV + rand()*10*mV"
    Pe, Pi = P[:8000], P[8000:]
    Ce = Synapses(Pe, P, on_pre="ge += 0.3*nS"); Ce.connect(p=0.02)
    Ci = Synapses(Pi, Pi, on_pre="gi += 3*nS"); Ci.connect(p=0.02)
    L = Synapses(Pi, Pe, '''w : 1
        dx/dt = -x/(20*ms) : 1 (event-driven)
        dy/dt = -y/(20*ms) : 1 (event-driven)''',
        on_pre="x += 1; w = clip(w + 0.01*(y - 2*3*Hz*20*ms), 0, 100); gi += w*nS",
        on_post="y += 1; w = clip(w + 0.01*x, 0, 100)")
    L.connect(p=0.02); L.w = 1e-10
elif model == "wang2002":
    sys.path.insert(0, sys.argv[4])
    import wang2002
    monitors, neurons = wang2002.network(0, 0.512), 2000
elif model == "slow_excitation":
    P = NeuronGroup(1000, '''dv/dt = (drive - v + all*(70*mV - v)/(1 + exp(-0.062*(v/mV - 70))/3.57))/(20*ms) : volt (unless refractory)
        dx/dt = -x/(2*ms) : 1
        ds/dt = -s/(100*ms) + x*(1 - s)*0.5/ms : 1
        all : 1
        drive : volt''', threshold="v > 20*mV", reset="v = 0*mV; x += 1", refractory=2*ms, method="exponential_euler")
    P.v = "rand()*20*mV"; P.drive = "19.5*mV + randn()*mV"
    G = Synapses(P, P, "all_post = 0.05/1000*s_pre : 1 (summed)"); G.connect()
else:
    P = NeuronGroup(100, '''dv/dt = (120*msiemens*m**3*h*(50*mV - v) + 36*msiemens*n**4*(-77*mV - v) + 0.3*msiemens*(-54.387*mV - v) + I)/ufarad : volt
        dm/dt = 1/ms/exprel(-(v + 40*mV)/(10*mV))*(1 - m) - 4/ms*exp(-(v + 65*mV)/(18*mV))*m : 1
        dh/dt = 0.07/ms*exp(-(v + 65*mV)/(20*mV))*(1 - h) - 1/ms/(1 + exp(-(v + 35*mV)/(10*mV)))*h : 1
        dn/dt = 0.1/ms/exprel(-(v + 55*mV)/(10*mV))*(1 - n) - 0.125/ms*exp(-(v + 65*mV)/(80*mV))*n : 1
        I : amp''', threshold="v > 0*mV", refractory="v > 0*mV", method="exponential_euler")
    P.v = -65*mV; P.m = 0.0529; P.h = 0.5961; P.n = 0.3177; P.I = "i*0.3*uA"
if model != "wang2002":
    S = SpikeMonitor(P)
    run(seconds*second)
    monitors, neurons = [S], len(P)
import resource
device.build(directory=folder, compile=True, run=False, debug=False)
before = resource.getrusage(resource.RUSAGE_CHILDREN)
device.run(folder, with_output=False, run_args=[])
after = resource.getrusage(resource.RUSAGE_CHILDREN)
cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
# The program's CPU time holds its preparations too; on an idle machine the wall time of the loop is less.
print(json.dumps({"wall_s": sorted((cpu, float(device._last_run_time)))[0], "rate": sum(m.num_spikes for m in monitors)/neurons/seconds}))
"""


def more(args, work):
    """Plasticity in a large network, slow gates all to all, a decision, conductances of the squid axon: one run each, from its beginning. Brian2 sums the
    gates of the decision network once for each group too, in a group of one neuron."""
    cases = [
        ("vogels2011", ROOT / "models" / "vogels2011.snn", 2.0, ["--set", "n_exc=8000", "--set", "n_inh=2000", "--set", "duration=2 s"]),
        ("slow_excitation", ROOT / "benches" / "slow_excitation.snn", 2.0, []),
        ("wang2002", ROOT / "models" / "wang2002.snn", 2.0, []),
        ("hodgkin_huxley", ROOT / "models" / "hodgkin_huxley.snn", 1.0, []),
    ]
    scripts = ROOT / "tests" / "fixtures" / "brian2"
    table(
        "Other networks beside Brian2, one thread:",
        "model", "precision", "snnc, s a simulated second", "Brian2 C++ standalone", "ratio", "spikes a second: here in all; in Brian2 for a neuron",
    )
    for model, path, seconds, options in cases:
        if args.only and model not in args.only:
            continue
        theirs, ours = [], {"f64": [], "f32": []}
        for k in range(args.rounds):
            folder = work / f"brian-{model}-{k}"
            text = pinned([sys.executable, "-c", MORE, model, str(seconds), str(folder), str(scripts)], args.core, env={**os.environ, "OMP_NUM_THREADS": "1"})
            theirs.append(json.loads(text.strip().splitlines()[-1]))
            shutil.rmtree(folder, ignore_errors=True)
            for precision, runs in ours.items():
                runs.append(snnc(path, work, args.core, "--precision", precision, *options)["phases"][0])
        t = statistics.median(x["wall_s"] for x in theirs) / seconds
        for precision, runs in ours.items():
            o = statistics.median(x["cpu_s"] for x in runs) / seconds
            spikes = sum(n for name, n in runs[0]["spikes"].items() if "->" not in name)  # without the events of `poisson_input`
            row(model, precision, f"{o:.3f}", f"{t:.3f}", f"{o / t:.2f}", f"{spikes / seconds:.0f}; {theirs[0]['rate']:.2f}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--neurons", default="100,400,1600,6400", type=lambda s: [int(x) for x in s.split(",")], help="sizes of the excitatory population")
    p.add_argument("--rounds", default=5, type=int, help="runs of each program; medians are shown")
    p.add_argument("--core", default=None, type=int, help="pin everything to this core")
    p.add_argument("--brian", action="store_true", help="CUBA and COBA beside Brian2 too")
    p.add_argument("--batches", action="store_true", help="batches and threads too")
    p.add_argument("--more", action="store_true", help="Vogels et al. 2011 at full size, slow gates, Wang 2002, and Hodgkin-Huxley beside Brian2 too")
    p.add_argument("--only", action="append", choices=["vogels2011", "slow_excitation", "wang2002", "hodgkin_huxley"],
                   help="--more with this one only (may be given several times)")
    p.add_argument("--no-diehl-cook", action="store_true", help="leave Diehl & Cook out")
    p.add_argument("--all", action="store_true", help="all of this, what the core can read, where the time goes, and networks of more and more synapses")
    p.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    args = p.parse_args()
    if args.write and (not args.all or args.no_diehl_cook or args.only):
        p.error("--write needs --all, and nothing left out: it takes the place of all tables of the measurement before")
    if args.all:
        args.brian = args.batches = args.more = True
    if not SNNC.exists():
        sys.exit("build first: cargo build --release")
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        (work / "out").mkdir()
        tables.head()
        if not args.no_diehl_cook:
            diehl_cook(args, work)
        if args.batches:
            batches(args, work)
        if args.all:
            limits.synapses(work, snnc)
        if args.brian:
            balanced(args, work)
        if args.more or args.only:
            more(args, work)
    if args.write:
        tables.write()


if __name__ == "__main__":
    main()
