"""What a sample reads beside what the machine can read, where the time goes, and how time and memory grow with the synapses."""
import json
import subprocess

from tables import ROOT, cache, row, say, table

# A core's caches and its memory, by an array that fits each.
SIZES = {24: "first-level cache", 512: "second-level cache", 4096: "third-level cache", 262144: "memory"}

SPARSE = """simulation {{ dt = 0.1 ms; seed = 1; precision = f32 }}
neuron Cell {{ param drive = normal(15 mV, 2 mV)
  state v = uniform(0 mV, 15 mV), g = 0 mV
  20 ms * dv/dt = drive - v + g
  dg/dt = -g / 5 ms
  spike when v > 15 mV
  on spike {{ v = 0 mV }}
  refractory 2 ms hold v }}
population A[{neurons}]: Cell()
connect A -> A.g via fixed_indegree({indegree}) with static(w = uniform(0 mV, {weight} mV), delay = uniform(1 ms, 10 ms))
experiment main {{ run 100 ms; print("spikes", sum(A.count)) }}
"""


def bandwidth(work, pinned, core):
    """GB/s of one core by KiB of an array."""
    program = work / "bandwidth"
    subprocess.run(["gcc", "-O3", "-march=native", "-ffast-math", str(ROOT / "benches" / "bandwidth.c"), "-o", str(program)], check=True)
    read = {int(k): v for k, v in json.loads(pinned([str(program), *map(str, SIZES)], core)).items()}
    table("What one core reads:", *SIZES.values())
    row(*(f"{read[k]:.0f} GB/s" for k in SIZES))
    return read


def rows(read, measured):
    """Rows of weights that a training sample reads; `measured` has, by neurons, µs a sample and the report of a run."""
    table(
        "Rows of weights in a training sample of Diehl & Cook, over all of its time, beside what the core can read:",
        "neurons", "weights, MB", "rows", "read, MB", "GB/s", "of the second-level cache", "of the third-level cache",
    )
    for neurons, (us, report) in measured.items():
        phase = report["phases"][0]
        spikes = phase["spikes"]["X"] / phase["samples"]
        bytes_ = spikes * neurons * 4
        rate = bytes_ / us * 1e-3
        row(f"{neurons}", f"{784 * neurons * 4e-6:.1f}", f"{spikes:.0f}", f"{bytes_ * 1e-6:.1f}", f"{rate:.0f}", f"{rate / read[512]:.0%}", f"{rate / read[4096]:.0%}")
    second = cache(2)
    if second:
        say()
        say(f"A second-level cache of {second // 1024} KiB holds the weights of {second // (784 * 4)} neurons.")


def phases(profile, samples):
    """Where the time of a run goes, by its profile; parts of steps are then taken one after the other, which costs more than a run without."""
    table("Where the time goes with 400 neurons (`snnc run --profile`; parts one after the other, so longer than without):", "what", "time", "GB/s of its own arrays")
    for name, key in [("source to checked model", "source_ms"), ("plan and machine code", "compile_ms"), ("connections and initial values", "build_ms")]:
        row(name, f"{profile[key]:.1f} ms", "")
    for part in profile["parts"]:
        rate = part["bytes_per_step"] and f"{part['bytes_per_step'] * part['steps'] / part['ms'] * 1e-6:.0f}"
        row(f"{part['what']} {part['of']}", f"{part['ms'] / samples * 1000:.0f} µs a sample", rate or "")


def synapses(work, snnc):
    """Networks of more and more synapses, each with a weight and a delay of its own."""
    table(
        "Sparse networks of `f32` on two threads, each synapse with a weight and a delay of its own (1 to 10 ms), 0.1 s simulated:",
        "neurons", "synapses", "built in, s", "bytes a synapse at the peak", "s a simulated second", "spikes a second and neuron", "events a second of wall time",
    )
    model = work / "sparse.snn"
    for neurons, indegree in [(10_000, 100), (100_000, 100), (100_000, 1000), (1_000_000, 100)]:
        peaks = []
        for k in (1, indegree):
            # As much input for each neuron, however many bring it.
            model.write_text(SPARSE.format(neurons=neurons, indegree=k, weight=10 / indegree))
            report = snnc(model, work, None, "--threads", "2")
            peaks.append(report["peak_rss_mb"] * 2**20)
        phase = report["phases"][0]
        spikes = phase["spikes"]["A"]
        per_synapse = (peaks[1] - peaks[0]) / (neurons * (indegree - 1))
        row(
            f"{neurons:,}", f"{neurons * indegree:,}", f"{report['build_ms'] / 1000:.2f}", f"{per_synapse:.1f}",
            f"{phase['wall_s'] / 0.1:.2f}", f"{spikes / neurons / 0.1:.1f}", f"{spikes * indegree / phase['wall_s']:.2g}",
        )
