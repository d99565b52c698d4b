#!/usr/bin/env python3
"""Times snnc beside hand-written C and Brian2 on the same machine, in one run, and prints tables in Markdown.

    cargo build --release
    python3 benches/compare.py                          # Diehl & Cook against reference_diehl_cook.c (needs gcc)
    python3 benches/compare.py --brian                  # and CUBA, COBA against Brian2 C++ standalone (needs brian2, g++)
    python3 benches/compare.py --neurons 100,400,1600 --rounds 5 --core 1

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

ROOT = Path(__file__).resolve().parent.parent
SNNC = ROOT / "target" / "release" / "snnc"


def pinned(command, core, **more):
    """Runs a command on one core; gives what it printed."""
    prefix = ["taskset", "-c", str(core)] if shutil.which("taskset") and core is not None else []
    done = subprocess.run(prefix + command, check=True, capture_output=True, text=True, **more)
    return done.stdout


def snnc(model, work, core, *options):
    """The report of a run."""
    report = work / "report.json"
    command = [str(SNNC), "run", str(ROOT / "models" / model), "--threads", "1", "--quiet", "--out", str(work / "out")]
    pinned(command + ["--report", str(report), *options], core)
    return json.loads(report.read_text())


def training(neurons, samples, work, core, *options):
    """CPU seconds of the training phase."""
    r = snnc("diehl_cook.snn", work, core, "--only", "train", "--set", f"n_exc={neurons}", "--set", f"n_train={samples}", *options)
    return r["phases"][0]["cpu_s"], r


def diehl_cook(args, work):
    reference = work / "reference"
    flags = "-O3 -march=native -ffast-math -mprefer-vector-width=512".split()
    subprocess.run(["gcc", *flags, str(ROOT / "benches" / "reference_diehl_cook.c"), "-o", str(reference), "-lm", "-lpthread"], check=True)
    for packed in (ROOT / "data" / "mnist").glob("*.gz"):
        (work / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    print("| neurons | snnc, µs a sample | C, µs a sample | ratio | snnc compile_ms | peak MB |")
    print("|---|---|---|---|---|---|")
    for neurons in args.neurons:
        short, long = (200, 200 + max(200, 400000 // neurons))
        ours, theirs, compile_ms, memory = [], [], [], []
        for _ in range(args.rounds):
            a, _ = training(neurons, short, work, args.core)
            b, r = training(neurons, long, work, args.core)
            ours.append((b - a) / (long - short) * 1e6)
            compile_ms.append(r["compile_ms"])
            memory.append(r["peak_rss_mb"])
            line = pinned([str(reference), "--data", str(work), "--neurons", str(neurons), "--samples", str(long)], args.core)
            theirs.append(json.loads(line)["us_per_sample_cpu"])
        o, t = statistics.median(ours), statistics.median(theirs)
        m = max((x for x in memory if x is not None), default=float("nan"))
        print(f"| {neurons} | {o:.0f} | {t:.0f} | {o / t:.2f} | {statistics.median(compile_ms):.1f} | {m:.0f} |", flush=True)


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
    print("| model | precision | snnc, s a simulated second | Brian2 C++ standalone | ratio |")
    print("|---|---|---|---|---|")
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
            print(f"| {model} | {precision} | {o:.3f} | {t:.3f} | {o / t:.2f} |", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--neurons", default="100,400,1600", type=lambda s: [int(x) for x in s.split(",")], help="sizes of the excitatory population")
    p.add_argument("--rounds", default=5, type=int, help="runs of each program; medians are shown")
    p.add_argument("--core", default=None, type=int, help="pin everything to this core")
    p.add_argument("--brian", action="store_true", help="CUBA and COBA beside Brian2 too")
    args = p.parse_args()
    if not SNNC.exists():
        sys.exit("build first: cargo build --release")
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        (work / "out").mkdir()
        diehl_cook(args, work)
        if args.brian:
            print()
            balanced(args, work)


if __name__ == "__main__":
    main()
