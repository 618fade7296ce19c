"""Block-sparse attention: time and memory against the share of blocks that are skipped.

Random blocks that keep the diagonal, forward and backward, beside the same function with every
block visited and beside `scaled_dot_product_attention`, dense and with the same pattern as a dense
mask. All in one run, each in turn; medians. Memory is the growth of the greatest resident size over
one forward and backward pass, each in a process of its own that holds nothing else.
"""

import json
import resource
import statistics
import subprocess
import sys
import time
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from record import save
from torch.nn.functional import scaled_dot_product_attention as sdpa

from attnbook.block_mask import BlockMask
from attnbook.sparse import block_sparse_attention

HEADS, WIDTH, BLOCK = 8, 64, 128
SKIPPED = (0.0, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
LENGTHS = (2048, 4096, 8192)


def pattern(n, skipped):
    """A block mask that keeps the diagonal, and of the other blocks as many as are not skipped."""
    blocks = n // BLOCK
    rng = np.random.default_rng(0)
    keep = np.eye(blocks, dtype=bool).reshape(-1)
    others = rng.permutation(np.flatnonzero(~keep))
    keep[others[: max(0, round((1 - skipped) * blocks**2) - blocks)]] = True
    rows = keep.reshape(blocks, blocks)
    return BlockMask(n, n, BLOCK, tuple({int(j): None for j in np.flatnonzero(r)} for r in rows))


def problem(n):
    made = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, HEADS, n, WIDTH, generator=made) for _ in range(3))
    return [x.requires_grad_() for x in (q, k, v)]


def forward(function, leaves):
    with torch.no_grad():
        function(*leaves)


def both(function, leaves):
    out = function(*leaves)
    torch.autograd.grad(out, leaves, torch.ones_like(out))


def side_by_side(functions, leaves, run, rounds):
    """Median seconds of each function, called in turn."""
    times = {name: [] for name in functions}
    for i in range(rounds + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            run(function, leaves)
            if i:  # the first round warms up
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def measure(n):
    """Rows for one length."""
    leaves, rounds = problem(n), 5 if n < 8192 else 3
    masks = {skipped: pattern(n, skipped) for skipped in SKIPPED}
    functions = {
        skipped: partial(block_sparse_attention, mask=mask) for skipped, mask in masks.items()
    }
    functions["sdpa"] = sdpa
    functions["sdpa, masked"] = partial(sdpa, attn_mask=masks[0.9].to_mask())
    seconds = {
        "forward": side_by_side(functions, leaves, forward, rounds),
        "both": side_by_side(functions, leaves, both, rounds),
    }
    rows = []
    for skipped in SKIPPED:
        row = {"tokens": n, "skipped": skipped, "density": round(masks[skipped].density, 3)}
        for kind, of in seconds.items():
            row[f"{kind}_ms"] = round(1e3 * of[skipped], 1)
            row[f"{kind}_dense_over_this"] = round(of[0.0] / of[skipped], 2)
            row[f"{kind}_sdpa_over_this"] = round(of["sdpa"] / of[skipped], 2)
        row["both_masked_sdpa_over_this"] = round(
            seconds["both"]["sdpa, masked"] / seconds["both"][skipped], 2
        )
        rows.append(row)
        print(row, flush=True)
    return rows


def crossing(rows, kind):
    """The share of skipped blocks at which sparse takes as long as dense SDPA, interpolated."""
    name = f"{kind}_sdpa_over_this"
    for before, after in pairwise(rows):
        if before[name] < 1 <= after[name]:
            part = (1 - before[name]) / (after[name] - before[name])
            return round(before["skipped"] + part * (after["skipped"] - before["skipped"]), 2)
    return None


def memory(n, skipped):
    """MiB by which one forward and backward pass raises the greatest resident size."""
    leaves, function = problem(n), sdpa
    if skipped is not None:
        function = partial(block_sparse_attention, mask=pattern(n, skipped))
    for warm in (sdpa, block_sparse_attention):  # so that libraries are loaded before the count
        both(warm, problem(BLOCK))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    both(function, leaves)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def main():
    if len(sys.argv) > 1:  # a process of its own for one measurement of memory
        n, skipped = json.loads(sys.argv[1])
        print(json.dumps(memory(n, skipped)))
        return
    held = {}
    for skipped in (None, 0.0, 0.5, 0.9):
        command = [sys.executable, __file__, json.dumps([8192, skipped])]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        held["sdpa" if skipped is None else f"skipped {skipped}"] = round(json.loads(said), 1)
    print(held)
    rows, crossings = [], {}
    for n in LENGTHS:
        rows += measure(n)
        crossings[n] = {kind: crossing(rows[-len(SKIPPED) :], kind) for kind in ("forward", "both")}
    print(crossings)
    save(
        "block_sparse",
        rows,
        packages=["torch"],
        crossing_against_sdpa=crossings,
        memory_mib_at_8192=held,
        threads=torch.get_num_threads(),
        about=f"B 1, H {HEADS}, d {WIDTH}, float32, blocks of {BLOCK}; both = forward and backward",
    )


if __name__ == "__main__":
    main()
