#!/usr/bin/env python3
"""The cortical microcircuit of Potjans & Diesmann (2014, Cerebral Cortex 24:785-806) beside NEST, with the same numbers in both.

    cargo build --release && pip install nest-simulator
    python3 benches/microcircuit.py --scale 0.2 --threads 2 --seconds 0.5
    python3 benches/microcircuit.py --write micro.snn           # only the model

A scale below 1 shrinks the populations and keeps the probabilities, without making up for the input that is lost: a network of another
size for timing, not for its activity. The program in NEST says the same: exponential currents, `fixed_total_number`, weights and
delays of each synapse normally distributed, a Poisson generator for each neuron.
"""
import argparse
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

SNNC = Path(__file__).resolve().parent.parent / "target" / "release" / "snnc"

NAMES = ["L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I"]
SIZES = [20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948]
# Probability that a pair is connected: a row for each target.
CONNECTED = [
    [0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0],
    [0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0],
    [0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0.0],
    [0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0],
    [0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0],
    [0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0.0],
    [0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252],
    [0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443],
]
BACKGROUND = [1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100]
# Means and deviations of the first potentials in mV.
V_MEAN = [-68.28, -63.16, -63.33, -63.45, -63.11, -61.66, -66.72, -61.43]
V_SD = [5.36, 4.57, 4.74, 4.94, 4.94, 4.55, 5.46, 4.48]
W, G = 87.8, 4.0


def projections(scale):
    """(pre, post, synapses, mean weight in pA, mean delay in ms) of every projection, and the sizes."""
    n = [int(x * scale) for x in SIZES]
    out = []
    for post in range(8):
        for pre in range(8):
            p = CONNECTED[post][pre]
            if p > 0:
                count = round(math.log(1 - p) / math.log(1 - 1 / (n[pre] * n[post])))
                weight = W if pre % 2 == 0 else -G * W
                if (pre, post) == (2, 0):
                    weight *= 2
                out.append((pre, post, count, weight, 1.5 if pre % 2 == 0 else 0.75))
    return n, out


def model(scale, seconds):
    n, synapses = projections(scale)
    lines = [
        "simulation { dt = 0.1 ms; seed = 55; precision = f32 }",
        "neuron Cell { param v_mean = -58 mV, v_sd = 10 mV",
        "  state v = normal(v_mean, v_sd), I = 0 pA",
        "  10 ms * dv/dt = -65 mV - v + 40 MOhm * I",
        "  0.5 ms * dI/dt = -I",
        "  spike when v >= -50 mV",
        "  on spike { v = -65 mV }",
        "  refractory 2 ms hold v }",
    ]
    lines += [f"population {a}[{k}]: Cell(v_mean = {m} mV, v_sd = {s} mV)" for a, k, m, s in zip(NAMES, n, V_MEAN, V_SD)]
    for pre, post, count, weight, delay in synapses:
        lines.append(
            f"connect {NAMES[pre]} -> {NAMES[post]}.I via fixed_total({count}) with static("
            f"w = normal({weight:.4f} pA, {abs(weight) / 10:.4f} pA), "
            f"delay = truncated(normal({delay} ms, {delay / 2} ms), 0.1 ms, 20 ms))"
        )
    lines += [f"connect poisson_input(n = {k}, rate = 8 Hz) -> {a}.I with static(w = {W} pA)" for a, k in zip(NAMES, BACKGROUND)]
    rates = ", ".join(f"sum({a}.count)" for a in NAMES)
    lines.append(f"experiment main {{ run 100 ms; run {seconds * 1000:g} ms; print(\"spikes\", {rates}) }}")
    return "\n".join(lines) + "\n"


NEST = """
import json, sys, time
import nest
given = json.loads(sys.argv[1])
nest.set_verbosity("M_ERROR")
nest.ResetKernel()
nest.SetKernelStatus({"resolution": 0.1, "local_num_threads": given["threads"], "rng_seed": 55})
began = time.time()
cell = {"C_m": 250.0, "tau_m": 10.0, "E_L": -65.0, "V_th": -50.0, "V_reset": -65.0, "t_ref": 2.0, "tau_syn_ex": 0.5, "tau_syn_in": 0.5}
pops = [nest.Create("iaf_psc_exp", n, params=cell) for n in given["sizes"]]
for pop, mean, sd in zip(pops, given["v_mean"], given["v_sd"]):
    pop.V_m = nest.random.normal(mean, sd)
counters = []
for pop, k in zip(pops, given["background"]):
    source = nest.Create("poisson_generator", params={"rate": 8.0 * k})
    nest.Connect(source, pop, syn_spec={"weight": given["w"], "delay": 0.1})
    counter = nest.Create("spike_recorder", params={"start": 100.0, "record_to": "memory"})
    counters.append(counter)
# NEST numbers the connections of a synapse model on a thread with 27 bits, which the whole network is too large for.
for pre in range(len(pops)):
    nest.CopyModel("static_synapse", f"from_{pre}")
for pre, post, count, weight, delay in given["projections"]:
    nest.Connect(pops[pre], pops[post], {"rule": "fixed_total_number", "N": count}, {
        "synapse_model": f"from_{pre}",
        "weight": nest.random.normal(weight, abs(weight) / 10),
        "delay": nest.math.redraw(nest.random.normal(delay, delay / 2), min=0.1, max=20.0)})
for pop, counter in zip(pops, counters):
    nest.Connect(pop, counter)
nest.Prepare()
built = time.time()
nest.Run(100.0)
warm, warm_cpu = time.time(), time.process_time()
nest.Run(given["seconds"] * 1000)
done, done_cpu = time.time(), time.process_time()
with open("/proc/self/status") as f:
    peak = next(int(line.split()[1]) / 1024 for line in f if line.startswith("VmHWM"))
print(json.dumps({"build_s": built - began, "run_s": done - warm, "cpu_s": done_cpu - warm_cpu, "peak_mb": peak, "spikes": [c.n_events for c in counters]}))
"""


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--scale", type=float, default=0.2, help="of the populations")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--seconds", type=float, default=0.5, help="of simulated time after the first 0.1 s")
    p.add_argument("--rounds", type=int, default=1, help="runs of both, one after the other")
    p.add_argument("--write", metavar="FILE", help="write the model and stop")
    p.add_argument("--no-nest", action="store_true", help="time snnc only")
    args = p.parse_args()
    text = model(args.scale, args.seconds)
    if args.write:
        Path(args.write).write_text(text)
        return
    n, synapses = projections(args.scale)
    print(f"{sum(n)} neurons, {sum(s[2] for s in synapses):.3g} synapses, {args.threads} threads")
    print("| program | build, s | s a simulated second | CPU s a simulated second | peak MB | spikes a second and neuron |")
    print("|---|---|---|---|---|---|")
    given = {
        "sizes": n, "projections": synapses, "v_mean": V_MEAN, "v_sd": V_SD, "background": BACKGROUND, "w": W,
        "threads": args.threads, "seconds": args.seconds,
    }
    with tempfile.TemporaryDirectory() as work:
        file, report = Path(work) / "micro.snn", Path(work) / "report.json"
        file.write_text(text)
        for _ in range(args.rounds):
            command = [SNNC, "run", file, "--quiet", "--threads", str(args.threads), "--report", report]
            subprocess.run(list(map(str, command)), check=True, capture_output=True)
            r = json.loads(report.read_text())
            wall, cpu = (r["phases"][0][k] / (args.seconds + 0.1) for k in ("wall_s", "cpu_s"))
            rate = sum(k for name, k in r["phases"][0]["spikes"].items() if name in NAMES) / sum(n) / (args.seconds + 0.1)
            print(f"| snnc | {(r['build_ms'] + r['compile_ms']) / 1000:.1f} | {wall:.2f} | {cpu:.2f} | {r['peak_rss_mb']:.0f} | {rate:.2f} |", flush=True)
            if not args.no_nest:
                done = subprocess.run([sys.executable, "-c", NEST, json.dumps(given)], capture_output=True, text=True)
                if done.returncode != 0:
                    sys.exit(f"NEST ended with {done.returncode}:\n{done.stderr[-2000:]}")
                t = json.loads(done.stdout.strip().splitlines()[-1])
                rate = sum(t["spikes"]) / sum(n) / args.seconds
                print(f"| NEST | {t['build_s']:.1f} | {t['run_s'] / args.seconds:.2f} | {t['cpu_s'] / args.seconds:.2f} | {t['peak_mb']:.0f} | {rate:.2f} |", flush=True)


if __name__ == "__main__":
    main()
