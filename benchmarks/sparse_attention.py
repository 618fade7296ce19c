"""Sparse patterns with about as many pairs, computed in blocks, beside dense attention, on a CPU.

    blocks   attnbook.sparse.block_sparse_attention     flex   flex_attention, compiled
    sdpa     scaled_dot_product_attention, no mask      naive  softmax(q k^T · scale) v

`block_sparse` asks how many blocks must be skipped; here the patterns have names, and differ in how
many blocks their pairs lie in. Forward, one thread, and its processor time, which other programs
disturb less than the time on the wall; all in one run, each in turn, the order reversed every other
round; medians. Memory is by how much a process of its own grows beyond its inputs and the mask, the
output included.
"""

import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from functools import partial

import torch
from flash import FUNCTIONS, forward, problem, status
from record import save
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from attnbook.patterns import big_bird, dilated, longformer, random_keys, strided, window
from attnbook.sparse import block_sparse_attention

TOKENS, BLOCK, ROUNDS = 4096, 128, 7
PATTERNS = {
    "full": window(TOKENS, TOKENS),
    "window": window(64, 64),
    "dilated": dilated(64, 64, 4),
    "strided": window(32, 32) | strided(64),
    "random": random_keys(129, TOKENS),
    "Longformer": longformer(64, [0]),
    "BigBird": big_bird(TOKENS, block_size=32, num_global=1, num_random=1, half_width=1),
    "BigBird, large blocks": big_bird(
        TOKENS, block_size=BLOCK, num_global=1, num_random=1, half_width=1
    ),
}


def inputs(n):
    """Queries, keys and values that want no gradients: `flex_attention` has none on a CPU."""
    return [x.detach() for x in problem(n)]


def blocks_of(pattern):
    """The pattern's block lists, for the library."""
    return pattern.blocks(TOKENS, block_size=BLOCK)


def compiled(pattern):
    """`flex_attention` with this pattern, compiled; what it raises if it cannot be, in a line."""

    def rule(batch, head, position, key):
        return pattern.rule(position, key)

    sizes = {"B": None, "H": None, "Q_LEN": TOKENS, "KV_LEN": TOKENS, "BLOCK_SIZE": BLOCK}
    mask = create_block_mask(rule, **sizes, device="cpu")
    torch.compiler.reset()  # else the patterns before count as the same function, made again
    function = partial(torch.compile(flex_attention), block_mask=mask)
    try:
        forward(function, inputs(TOKENS))
    except Exception as error:
        return None, f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return function, None


def contenders():
    """All that is timed, by (pattern or None, name), and why what is missing is."""
    found, why = {(None, name): FUNCTIONS[name] for name in ("sdpa", "naive")}, {}
    for name, pattern in PATTERNS.items():
        found[name, "blocks"] = partial(block_sparse_attention, mask=blocks_of(pattern))
        function, reason = compiled(pattern)
        if function is None:
            why[name] = reason
        else:
            found[name, "flex"] = function
    return found, why


def side_by_side(functions, leaves):
    """Median milliseconds of a processor, for each function; called in turn."""
    taken = {name: [] for name in functions}
    for i in range(ROUNDS + 1):
        for name in list(functions)[:: -1 if i % 2 else 1]:
            start = time.process_time()
            forward(functions[name], leaves)
            if i:  # the first round warms up
                taken[name].append(1e3 * (time.process_time() - start))
    return {name: statistics.median(each) for name, each in taken.items()}


def memory(name, pattern):
    """MiB by which one call grows this process beyond its inputs and its mask, at most."""
    function = FUNCTIONS.get(name)
    if function is None:
        function = partial(block_sparse_attention, mask=blocks_of(PATTERNS[pattern]))
    forward(FUNCTIONS["sdpa"], problem(64))  # loads what libraries load when first used
    forward(block_sparse_attention, problem(64))
    leaves = inputs(TOKENS)
    before = status("/proc/self/status", "VmRSS")
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")  # forget the highest size so far
    forward(function, leaves)
    return status("/proc/self/status", "VmHWM") - before


def apart(name, pattern=None):
    """`memory`, in a fresh process."""
    patient = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}  # time does not matter here
    command = [sys.executable, __file__, json.dumps([name, pattern])]
    done = subprocess.run(command, stdout=subprocess.PIPE, env=patient, check=True)
    return round(json.loads(done.stdout), 1)


def main():
    """Measure and save."""
    warnings.simplefilter("ignore")  # of the compiler's own imports
    torch.set_num_threads(1)
    if len(sys.argv) > 1:  # a process of its own for one measurement of memory
        print(json.dumps(memory(*json.loads(sys.argv[1]))))
        return
    functions, why = contenders()
    print(why, flush=True)
    ms = side_by_side(functions, inputs(TOKENS))
    rows = []
    for name, pattern in PATTERNS.items():
        mask = blocks_of(pattern)
        row = {
            "pattern": name,
            "rule": str(pattern),
            "pairs": round(mask.pairs / TOKENS**2, 4),
            "density": round(mask.density, 4),
            "mask_mib": round(mask.nbytes / 2**20, 1),
            "blocks_mib": apart("blocks", name),
        }
        for how in ("blocks", "flex"):
            taken = ms.get((name, how))
            row[f"{how}_ms"] = None if taken is None else round(taken, 1)
            row[f"sdpa_over_{how}"] = taken and round(ms[None, "sdpa"] / taken, 2)
        rows.append(row)
        print(row, flush=True)
    save(
        "sparse_attention",
        rows,
        packages=["torch"],
        threads=torch.get_num_threads(),
        rounds=ROUNDS,
        tokens=TOKENS,
        block=BLOCK,
        **{f"{name}_ms": round(ms[None, name], 1) for name in ("sdpa", "naive")},
        **{f"{name}_mib": apart(name) for name in ("sdpa", "naive")},
        flex_missing=why,
    )


if __name__ == "__main__":
    main()
