"""Attention on one GPU: this book's kernel beside FlashAttention-2, cuDNN and flex_attention.

bf16; B · N = 16384 tokens and H · d = 2048, as in FlashAttention's own benchmark; random data.
Each contender is checked against float64 and then timed: all in one run, in turn, the order
reversed every other round; the cache is emptied between calls. A number is the median of the
rounds, and a round the median of its calls. Forward is as in training, log-sum-exp kept.

    FLOPs = 4 · B · H · N² · d, half of that if causal, and 2.5 times that for backward

A contender that is not there is recorded with the reason. `--quick` is a smoke run: three cases,
one round, nothing saved.
"""

import argparse
import ctypes
import itertools
import statistics
import sys
import time
import warnings

import measured
from record import save

TOKENS, HIDDEN = 16384, 2048
LENGTHS = (4096, 8192, 16384, 2048, 1024)  # if time runs out, what matters least is missing
WIDTHS = (128, 64)
ROUNDS = 5
MINUTES = 7.5
DIRECTIONS = {"forward": 1, "backward": 2.5}  # operations, in those of the forward pass
NO_GPU = (
    "This benchmark needs an NVIDIA GPU, and this machine has none; `make bench` measures the CPU."
)
# What was aimed at from 4096 tokens on: which rows, which number of theirs, at least how much.
GOALS = [
    ({"direction": "forward"}, "over_fa2", 1.2),
    ({"direction": "forward", "width": 128, "causal": False}, "attnbook_tflops", 450),
    ({"direction": "forward", "width": 128}, "over_cudnn", 0.75),
    ({"direction": "forward", "width": 64}, "over_cudnn", 0.95),
    ({"direction": "backward", "width": 64}, "over_fa2", 1.0),
    ({"direction": "backward", "width": 128}, "over_fa2", 0.9),
]


def has_gpu():
    """Ask the driver itself: nothing large is imported to find out that there is no GPU."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 == driver.cuDeviceGetCount(ctypes.byref(count)) and count.value > 0


def cases(lengths=LENGTHS, widths=WIDTHS, tokens=TOKENS, hidden=HIDDEN):
    """All combinations of length, width and mask, with the batch and heads that go with them."""
    return [
        {"tokens": n, "batch": tokens // n, "heads": hidden // d, "width": d, "causal": causal}
        for n, d, causal in itertools.product(lengths, widths, (False, True))
    ]


def flops(case, direction):
    """Operations, as this field counts them: a causal mask halves them, the diagonal set aside."""
    from attnbook.costs import attention_flops

    n, d = case["tokens"], case["width"]
    pairs = n * n // 2 if case["causal"] else n * n
    heads = {"num_heads": case["heads"], "batch": case["batch"]}
    return DIRECTIONS[direction] * attention_flops(n, n, d, pairs=pairs, **heads)


def reason(error, said):
    """Why a contender is missing: the error, and what was said before it (SDPA warns of why)."""
    lines = [str(error).strip().split("\n")[0] or type(error).__name__]
    lines += [str(warning.message).strip().split("\n")[0] for warning in said]
    return "; ".join(dict.fromkeys(line[:200] for line in lines))


def attempt(function):
    """What the function returns, and None; or None, and the reason why it failed."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            return function(), None
        except Exception as error:  # whatever it is, the other contenders go on
            return None, reason(error, said)


def in_turn(functions, timer, rounds):
    """Median milliseconds of each function over rounds in which each is timed once."""
    times = {name: [] for name in functions}
    for i in range(rounds):
        for name in list(functions)[:: -1 if i % 2 else 1]:
            times[name].append(timer(functions[name]))
    return {name: statistics.median(ms) for name, ms in times.items()}


def measure(case, contenders, timer, *, device, dtype, rounds=ROUNDS):
    """The two rows of one case: forward and backward."""
    import torch
    from gpu_contenders import Oracle, draw

    sizes = [case[key] for key in ("batch", "heads", "tokens", "width")]
    leaves, d_out = draw(*sizes, device, dtype)
    oracle = Oracle(leaves, d_out, case["causal"])
    ready = {direction: {} for direction in DIRECTIONS}
    missing = {direction: {} for direction in DIRECTIONS}
    wrongness = {direction: {} for direction in DIRECTIONS}

    def once_forward(name):
        run = contenders[name](*leaves, case["causal"])
        out = run()
        wrongness["forward"][name] = oracle.check(0, out)
        return run, out

    def once_backward(name, out):
        def run():
            return torch.autograd.grad(out, leaves, d_out, retain_graph=True)

        found = run()
        wrongness["backward"][name] = max(oracle.check(i + 1, x) for i, x in enumerate(found))
        return run

    for name in contenders:
        there, missing["forward"][name] = attempt(lambda name=name: once_forward(name))
        if there is None:
            missing["backward"][name] = missing["forward"][name]
            continue
        ready["forward"][name], out = there
        run, missing["backward"][name] = attempt(lambda name=name, o=out: once_backward(name, o))
        if run is not None:
            ready["backward"][name] = run
    return [
        summary(case, d, in_turn(ready[d], timer, rounds), wrongness[d], missing[d])
        for d in DIRECTIONS
    ]


def summary(case, direction, ms, wrongness, missing):
    """One row: times, speeds, ratios, and how wrong each contender is (above 1: too much)."""
    row = {"direction": direction, **case}
    for name in missing:
        there = name in ms
        row[f"{name}_ms"] = round(ms[name], 4) if there else None
        speed = flops(case, direction) / ms[name] / 1e9 if there else None
        row[f"{name}_tflops"] = round(speed, 1) if there else None
        if name != "attnbook":
            both = there and "attnbook" in ms
            row[f"over_{name}"] = round(ms[name] / ms["attnbook"], 3) if both else None
    row["wrongness"] = {name: round(wrong, 3) for name, wrong in wrongness.items()}
    row["wrong"] = [name for name, wrong in wrongness.items() if not wrong <= 1]  # NaN is wrong
    row["missing"] = {name: why for name, why in missing.items() if why}
    return row


def run_all(grid, contenders, timer, *, minutes=MINUTES, clock=time.monotonic, **how):
    """Rows of all cases; what there was no time for, and what failed as a whole, with why."""
    end, rows, left_out = clock() + 60 * minutes, [], []
    for case in grid:
        if clock() > end:
            left_out.append({**case, "why": f"{minutes} minutes were over"})
            continue
        done, why = attempt(lambda c=case: measure(c, contenders, timer, **how))
        if why:
            left_out.append({**case, "why": why})
        for row in done or []:
            rows.append(row)
            print(line(row), flush=True)
    rows.sort(key=lambda r: (r["direction"] != "forward", r["width"], r["causal"], r["tokens"]))
    return rows, left_out


def line(row):
    """One row in one line, for whoever waits."""
    mask = "causal" if row["causal"] else "full"
    speeds = "  ".join(
        f"{key.removesuffix('_tflops')} {value or 'missing'}"
        for key, value in row.items()
        if key.endswith("_tflops")
    )
    wrong = f"  WRONG: {', '.join(row['wrong'])}" if row["wrong"] else ""
    return f"{row['direction']:8} N {row['tokens']:5} d {row['width']:3} {mask:6} {speeds}{wrong}"


def goals(rows):
    """Each goal with the least that was found among its rows, and whether it is reached."""
    found = []
    for which, key, least in GOALS:
        some = [
            row[key]
            for row in rows
            if row["tokens"] >= 4096
            and row.get(key) is not None
            and all(row[k] == value for k, value in which.items())
        ]
        worst = min(some, default=None)
        reached = worst is not None and worst >= least
        found.append({**which, "what": key, "least": least, "found": worst, "reached": reached})
    return found


def main():
    """Measure, save, print, update the README."""
    words = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    words.add_argument("--quick", action="store_true", help="a smoke run; nothing is saved")
    quick = words.parse_args().quick
    if not has_gpu():
        sys.exit(NO_GPU)
    import torch

    if not torch.cuda.is_available():
        sys.exit(f"PyTorch {torch.__version__} does not see this machine's GPU: is it a CPU build?")
    import gpu_contenders
    from triton.testing import do_bench

    def timer(function):
        return do_bench(function, warmup=10, rep=50, return_mode="median")

    start = time.monotonic()
    peak = gpu_contenders.matmul_tflops(timer, "cuda", torch.bfloat16)
    copy = gpu_contenders.copy_gb_s(timer, "cuda")
    print(
        f"{gpu_contenders.about()['gpu']}: matrix product {peak:.0f} TFLOP/s, copy {copy:.0f} GB/s"
    )
    rows, left_out = run_all(
        cases()[:3] if quick else cases(),
        gpu_contenders.CONTENDERS,
        timer,
        device="cuda",
        dtype=torch.bfloat16,
        rounds=1 if quick else ROUNDS,
    )
    for goal in goals(rows):
        print(goal)
    for each in left_out:
        print("left out:", each)
    if not quick:
        path = save(
            "flash_gpu",
            rows,
            packages=["torch", "triton"],
            **gpu_contenders.about(),
            matmul_tflops=round(peak, 1),
            copy_gb_s=round(copy, 1),
            what=f"bf16, {TOKENS} tokens in all, heads x width {HIDDEN}, random data",
            goals=goals(rows),
            left_out=left_out,
            seconds=round(time.monotonic() - start),
        )
        measured.write_readme("speed", measured.speed())
        print(f"saved in {path.relative_to(measured.ROOT)}, and in README.md")
    ours = [row for row in rows if "attnbook" in row["missing"] or "attnbook" in row["wrong"]]
    if ours or not rows:
        sys.exit("This book's kernel is missing or wrong in some cases, see above.")


if __name__ == "__main__":
    main()
