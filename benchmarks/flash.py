"""Tiled attention on a CPU, beside PyTorch's own and beside attention written out.

    tiled  attnbook.flash.flash_attention      sdpa   scaled_dot_product_attention
    naive  softmax(q k^T · scale) v: the n × n matrix is made

Time: all in one run, each in turn, the order reversed every other round; medians. A round waits for
other processes to be quiet, and only runs count in which they took less than a tenth of a processor
or, if those are too few, the quietest. Each row says how much they took at most (`others`).
Memory: by how much a process of its own grows at most beyond its inputs; the output counts, and
the gradients where there are any. Nothing is estimated: what does not fit is left out, with why.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import measured
import torch
from record import save
from torch.nn.functional import scaled_dot_product_attention as sdpa

from attnbook.flash import flash_attention

HEADS, WIDTH = 8, 64
LENGTHS = (1024, 2048, 4096, 8192, 16384)
KINDS = ("forward", "both")  # both: forward and backward
WINDOW = 0.3  # seconds of one run, at least: short calls are repeated
SECONDS = 5  # of measuring, for each length and kind, at least
PATIENCE = 60  # seconds after which what there is must do, where others work all the time
LEAST = 3  # quiet runs of each function
QUIET = 0.1  # processors that others may take in a quiet run


def naive(q, k, v):
    """Attention in three passes, with the n × n matrix in memory."""
    return torch.softmax(q @ k.mT * WIDTH**-0.5, dim=-1) @ v


FUNCTIONS = {"tiled": flash_attention, "sdpa": sdpa, "naive": naive}


def problem(n, heads=HEADS):
    """Inputs, seeded."""
    made = torch.Generator().manual_seed(0)
    drawn = (torch.randn(1, heads, n, WIDTH, generator=made) for _ in range(3))
    return [x.requires_grad_() for x in drawn]


def forward(function, leaves):
    """The forward pass alone."""
    with torch.no_grad():
        function(*leaves)


def both(function, leaves):
    """Forward and backward."""
    out = function(*leaves)
    torch.autograd.grad(out, leaves, torch.ones_like(out))


def status(path, field):
    """A number of kB from a file of /proc, in MiB."""
    lines = Path(path).read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024


def fits(name, kind, n):
    """Whether there is room: naive attention holds 2 matrices at once, 3 with the gradients."""
    need = HEADS * n**2 * 4 * {"forward": 2, "both": 3}[kind] / 2**20
    return name != "naive" or 1.2 * need < status("/proc/meminfo", "MemAvailable")


def others():
    """Processor seconds that this machine has spent on other processes since it started."""
    spent = [int(x) for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    idle, waiting = spent[3:5]
    return (sum(spent[:8]) - idle - waiting) / os.sysconf("SC_CLK_TCK") - time.process_time()


def clock(function, run, leaves):
    """Milliseconds of one call, and the processors that other processes took meanwhile."""
    before, start, calls, seconds = others(), time.perf_counter(), 0, 0.0
    while seconds < WINDOW:  # the system counts in hundredths of a second
        run(function, leaves)
        calls, seconds = calls + 1, time.perf_counter() - start
    return 1e3 * seconds / calls, (others() - before) / seconds


def wait_for_quiet(end):
    """Wait until other processes leave the machine alone, or until the time ``end``."""
    while time.perf_counter() < end:
        before = others()
        time.sleep(WINDOW)
        if others() - before < WINDOW * QUIET:
            return


def side_by_side(functions, run, leaves, clock=clock):
    """The quiet runs of each function, called in turn: pairs of milliseconds and disturbance."""
    for function in functions.values():
        run(function, problem(64))  # loads what libraries load when first used
    runs = {name: [] for name in functions}
    rounds, begin = 0, time.perf_counter()
    end = begin + PATIENCE
    while True:
        wait_for_quiet(end)
        for name in list(functions)[:: -1 if rounds % 2 else 1]:
            runs[name].append(clock(functions[name], run, leaves))
        rounds += 1
        quiet = min(sum(share < QUIET for _, share in each) for each in runs.values())
        now = time.perf_counter()
        if now > end or (quiet >= LEAST and now - begin > SECONDS):
            break
    by_noise = {name: sorted(each, key=lambda run: run[1]) for name, each in runs.items()}
    return {
        name: [run for i, run in enumerate(each) if i < LEAST or run[1] < QUIET]
        for name, each in by_noise.items()
    }


def time_row(n, clock=clock):
    """Times and ratios at one length; None where there was no room."""
    row, leaves = {"tokens": n}, problem(n)
    for kind, run in zip(KINDS, (forward, both), strict=True):
        functions = {name: f for name, f in FUNCTIONS.items() if fits(name, kind, n)}
        runs = side_by_side(functions, run, leaves, clock)
        ms = {name: statistics.median(ms for ms, _ in each) for name, each in runs.items()}
        for name in FUNCTIONS:
            row[f"{kind}_{name}_ms"] = round(ms[name], 2) if name in ms else None
        for above, below in (("tiled", "sdpa"), ("naive", "tiled")):
            ratio = round(ms[above] / ms[below], 3) if above in ms else None
            row[f"{kind}_{above}_over_{below}"] = ratio
        row[f"{kind}_runs"] = {name: len(each) for name, each in runs.items()}
        disturbed = max(share for each in runs.values() for _, share in each)
        row[f"{kind}_others"] = round(disturbed, 2)
    return row


def memory(name, kind, n):
    """MiB by which one pass grows this process beyond its inputs, at most."""
    run = {"forward": forward, "both": both}[kind]
    for _ in range(2):
        run(FUNCTIONS[name], problem(64))  # loads what libraries load when first used
    leaves = problem(n)
    before = status("/proc/self/status", "VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest size so far
    run(FUNCTIONS[name], leaves)
    return status("/proc/self/status", "VmHWM") - before


def memory_row(n):
    """Memory of each function in a fresh process; None where there was no room."""
    patient = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}  # time does not matter here
    row = {}
    for kind in KINDS:
        for name in FUNCTIONS:
            row[f"{kind}_{name}_mib"] = None
            if fits(name, kind, n):
                command = [sys.executable, __file__, json.dumps([name, kind, n])]
                done = subprocess.run(command, stdout=subprocess.PIPE, env=patient, check=True)
                row[f"{kind}_{name}_mib"] = round(json.loads(done.stdout), 1)
    return row


def goals(rows):
    """What was aimed at, and what came out."""
    from_4k = [row["forward_naive_over_tiled"] for row in rows if row["tokens"] >= 4096]
    return {
        "tiled / sdpa, forward, at most 1.6": max(row["forward_tiled_over_sdpa"] for row in rows),
        "naive / tiled, forward, from 4096 tokens on, at least 2.4": min(filter(None, from_4k)),
        "MiB at 16384 tokens, forward, at most 64": rows[-1]["forward_tiled_mib"],
    }


def main():
    """Measure, save, print, update the README."""
    if len(sys.argv) > 1:  # a process of its own for one measurement of memory
        print(json.dumps(memory(*json.loads(sys.argv[1]))))
        return
    rows = []
    for n in LENGTHS:
        rows.append({**memory_row(n), **time_row(n)})
        print(rows[-1], flush=True)
    missing = [
        f"{name}, {kind}, {row['tokens']} tokens: not enough free memory"
        for row in rows
        for kind in KINDS
        for name in FUNCTIONS
        if row[f"{kind}_{name}_ms"] is None
    ]
    path = save(
        "flash",
        rows,
        packages=["torch"],
        threads=torch.get_num_threads(),
        memory_gib=round(status("/proc/meminfo", "MemTotal") / 1024, 1),
        what=f"B 1, H {HEADS}, d {WIDTH}, float32, no mask; both = forward and backward",
        missing=missing,
        goals=goals(rows),
    )
    for kind in KINDS:
        print(f"\n{kind}\n{measured.flash_cpu(measured.load('flash'), kind)}")
    for goal, found in goals(rows).items():
        print(f"{goal}: {found}")
    measured.write_readme("speed", measured.speed())
    print(f"saved in {path.relative_to(measured.ROOT)}, and in README.md")


if __name__ == "__main__":
    main()
