"""Tables of the benches: printed as they grow, and put into docs/performance.md where its last measurement stands."""
import datetime
import os
import platform
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- measured by benches/compare.py --all --write: not to be edited -->", "<!-- end of what was measured -->"

lines = []


def say(line=""):
    """A line of the document."""
    print(line, flush=True)
    lines.append(line)


def table(title, *columns):
    """The head of a table, behind its title."""
    say()
    say(title)
    say()
    say("| " + " | ".join(columns) + " |")
    say("|" + "---|" * len(columns))


def row(*cells):
    say("| " + " | ".join(cells) + " |")


def cache(level):
    """Bytes of a cache of the first core; `None` where the system does not tell."""
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        if (index / "level").read_text().strip() == str(level) and (index / "type").read_text().strip() != "Instruction":
            size = (index / "size").read_text().strip()
            return int(size.rstrip("K")) * 1024
    return None


def machine():
    """The machine in one sentence."""
    name = platform.processor() or "unknown processor"
    info = Path("/proc/cpuinfo")
    if info.exists():
        fields = dict(line.split(":", 1) for line in info.read_text().split("\n\n")[0].splitlines() if ":" in line)
        fields = {k.strip(): v.strip() for k, v in fields.items()}
        name = f"{fields.get('model name', name)}, family {fields.get('cpu family')}, model {fields.get('model')}"
    caches = [f"{c // 1024} KiB" if c else "?" for c in map(cache, (1, 2, 3))]
    return f"{name}; {os.cpu_count()} cores; caches of {', '.join(caches)}"


def head():
    """What was measured when and where."""
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    say("## The last measurement")
    say()
    say(f"{datetime.date.today()}, commit {commit or 'unknown'}; {machine()}. Load before: {os.getloadavg()[0]:.2f}.")


def write():
    """Puts all lines into the document, in place of those of the measurement before."""
    document = ROOT / "docs" / "performance.md"
    text = document.read_text()
    before, found, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        raise SystemExit(f"{document} has no place for a measurement: it stands between `{BEGIN}` and `{END}`")
    temporary = document.with_suffix(".new")
    temporary.write_text(before + BEGIN + "\n" + "\n".join(lines).strip() + "\n" + END + after)
    temporary.replace(document)
