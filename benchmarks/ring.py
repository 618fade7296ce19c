"""Ring attention over 1, 2 and 4 processes on this machine, one thread each.

Memory: the highest resident size of a rank while it works, less that before its tensors exist; with
a window, so that a long sequence takes seconds (all keys and values go round even so).
Bytes: what was sent, against the formula. Balance: pairs of query and key, and processor time, of
the busiest rank against the mean, under a causal mask.

Processes that share cores wait for each other, so seconds by the clock say little where there are
more processes than cores. Processor time says what each rank has to do, wherever it runs.
"""

import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import record  # noqa: E402
import torch  # noqa: E402

from attnbook.costs import ring_bytes_sent  # noqa: E402
from attnbook.ring import PIECE, Traffic, connect, positions, ring_attention  # noqa: E402

RANKS = (1, 2, 4)
HEADS, WIDTH = 8, 64
LENGTH = 6144  # where time is measured
LONG = 32768  # where memory is measured: the same sequence for more and more ranks
PART = LONG // 4  # and a sequence that grows with the ranks
WINDOW = (512, None)
REPEATS = 3
LAYOUTS = ("contiguous", "zigzag")
MIB = 2**20


def resident() -> float:
    """What of this process is in memory now, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / MIB


def highest() -> float:
    """What was in memory at most, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def draw(n: int, rank: int, p: int, layout: str) -> list[torch.Tensor]:
    """A rank's own part of q, k and v, and of the gradient of the output; no rank has the whole."""
    held = len(positions(n, rank, p, layout=layout))
    made = torch.Generator().manual_seed(rank)
    drawn = [torch.randn(1, HEADS, held, WIDTH, generator=made) for _ in range(4)]
    return [x.requires_grad_() for x in drawn[:3]] + drawn[3:]


def run(n: int, rank: int, p: int, layout: str) -> dict:
    """Once forward and backward."""
    *qkv, pull = draw(n, rank, p, layout)
    traffic = Traffic()
    torch.distributed.barrier()
    begin, busy, own = time.perf_counter(), time.process_time(), time.thread_time()
    out = ring_attention(*qkv, causal=True, layout=layout, traffic=traffic)
    middle, waited = time.perf_counter(), traffic.waited
    torch.autograd.grad(out, qkv, pull)
    end = time.perf_counter()
    counted = [
        ring_bytes_sent(n, p, HEADS, WIDTH, backward=backward, bytes_per_number=4)
        for backward in (False, True)
    ]
    return {
        "forward_s": middle - begin,
        "backward_s": end - middle,
        "forward_waited_s": waited,
        "backward_waited_s": traffic.waited - waited,
        "processor_s": time.process_time() - busy,
        "processor_computing_s": time.thread_time() - own,  # the rest carries messages
        "bytes_sent": traffic.sent,
        "bytes_counted": sum(counted),
        "pairs": int((positions(n, rank, p, layout=layout) + 1).sum()),
    }


def work(job: str, n: int, folder: Path) -> None:
    """What each process does."""
    torch.set_num_threads(1)
    rank, p = connect(timeout=120.0)
    run(32 * p, rank, p, "zigzag")  # libraries load what they need
    if job == "memory":
        before = resident()
        *qkv, pull = draw(n, rank, p, "zigzag")
        looks = {"causal": True, "window": WINDOW, "layout": "zigzag"}
        with torch.no_grad():
            ring_attention(*qkv, **looks)
        found = {"forward_MiB": highest() - before}
        out = ring_attention(*qkv, **looks)
        torch.autograd.grad(out, qkv, pull)
        found["both_MiB"] = highest() - before
    else:
        found = {layout: [] for layout in LAYOUTS}
        for _ in range(REPEATS):
            for layout in LAYOUTS if p > 1 else LAYOUTS[:1]:
                found[layout].append(run(n, rank, p, layout))
    (folder / f"{rank}.json").write_text(json.dumps(found))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def start(job: str, n: int, p: int) -> list[dict]:
    """Run a job in p processes; return what each found."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
        subprocess.run(
            [sys.executable, *words, str(p), __file__, job, str(n), folder],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            check=True,
        )
        return [json.loads(Path(folder, f"{rank}.json").read_text()) for rank in range(p)]


def memory_row(n: int, p: int) -> dict:
    """The rank that needed most."""
    found = start("memory", n, p)
    worst = {key: round(max(x[key] for x in found), 1) for key in found[0]}
    return {"what": "memory", "ranks": p, "n": n, "layout": "zigzag", "window": WINDOW, **worst}


def time_rows(n: int, p: int) -> list[dict]:
    """Medians over the repetitions, for each layout."""
    found, rows = start("time", n, p), []
    steps = p * math.ceil(n / (p * PIECE))
    for layout in LAYOUTS:
        runs = [rank[layout] for rank in found]
        if not runs[0]:
            continue
        ranks = [
            {key: statistics.median(one[key] for one in rank) for key in rank[0]} for rank in runs
        ]
        assert all(x["bytes_sent"] == x["bytes_counted"] for x in ranks)
        clock = [x["forward_s"] + x["backward_s"] for x in ranks]
        waits = [x["forward_waited_s"] + x["backward_waited_s"] for x in ranks]
        pairs, busy = ([x[key] for x in ranks] for key in ("pairs", "processor_computing_s"))
        rows.append(
            {
                "what": "time",
                "ranks": p,
                "n": n,
                "layout": layout,
                "bytes_sent_per_rank": ranks[0]["bytes_sent"],
                "bytes_counted_per_rank": ranks[0]["bytes_counted"],
                "pairs_per_rank": pairs,
                "pairs_most_to_mean": round(max(pairs) * p / sum(pairs), 3),
                "computing_s_per_rank": [round(x, 2) for x in busy],
                "computing_most_to_mean": round(max(busy) * p / sum(busy), 3),
                "messages_s_per_rank": [
                    round(x["processor_s"] - x["processor_computing_s"], 2) for x in ranks
                ],
                "clock_s": round(max(clock), 2),
                "steps": steps,
                "forward_step_s": round(max(x["forward_s"] for x in ranks) / steps, 3),
                "backward_step_s": round(max(x["backward_s"] for x in ranks) / steps, 3),
                "waiting_share": round(sum(waits) / sum(clock), 3),
                "more_ranks_than_cores": p > (os.cpu_count() or 1),
            }
        )
    return rows


def main() -> None:
    """Measure, save, print."""
    rows = [memory_row(LONG, p) for p in RANKS]
    rows += [memory_row(PART * p, p) for p in RANKS[:-1]]
    print("MiB of the rank that needs most\nranks      n   forward   of 1   with backward   of 1")
    for r in rows:
        shares = [f"{r[key] / rows[0][key]:6.2f}" for key in ("forward_MiB", "both_MiB")]
        memory = f"{r['forward_MiB']:9} {shares[0]} {r['both_MiB']:15} {shares[1]}"
        print(f"{r['ranks']:5} {r['n']:6} {memory}")
    print(
        "\nranks layout      pairs  computing   (most to mean)   busiest   by the clock   waiting"
    )
    for p in RANKS:
        for r in time_rows(LENGTH, p):
            rows.append(r)
            print(
                f"{p:5} {r['layout']:10} {r['pairs_most_to_mean']:20} "
                f"{r['computing_most_to_mean']:10} {max(r['computing_s_per_rank']):7} s "
                f"{r['clock_s']:12} s {r['waiting_share']:9.0%}"
            )
    path = record.save(
        "ring", rows, packages=["torch"], heads=HEADS, width=WIDTH, dtype="float32", causal=True
    )
    print(f"saved in {path.relative_to(ROOT)}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        work(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
