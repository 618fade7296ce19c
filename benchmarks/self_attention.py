"""A layer of self-attention and a recurrent layer over n tokens, n doubled five times, on a CPU.

    attention  x W_Q, x W_K, x W_V, then softmax(q k^T / √d) v, the n × n matrix written out
    recurrent  h_t = tanh(x_t U + h_{t-1} W), PyTorch's own loop

Time: processor time of one thread, so that other programs on the machine count little; the least
of several calls, and the share of the system in all of them, which hands out memory. Memory: by
how much a process of its own grows at most, its output included.
"""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import measured
import torch
from flash import status
from record import save

WIDTH = 64
LENGTHS = tuple(512 * 2**i for i in range(6))
CALLS, SECONDS = 5, 4.0  # for each length and layer: at least so many calls, and so long


def layers(width=WIDTH):
    """Both layers, seeded: functions from (n, width) to (n, width)."""
    torch.manual_seed(0)
    w_q, w_k, w_v = torch.randn(3, width, width) / width**0.5
    net = torch.nn.RNN(width, width, batch_first=True).requires_grad_(False)

    def attention(x):
        q, k, v = x @ w_q, x @ w_k, x @ w_v
        return torch.softmax(q @ k.mT * width**-0.5, dim=-1) @ v

    return {"attention": attention, "recurrent": lambda x: net(x[None])[0][0]}


def tokens(n, width=WIDTH):
    """Seeded embeddings, one to a row."""
    return torch.randn(n, width, generator=torch.Generator().manual_seed(1))


def least_ms(layer, x, calls=CALLS, seconds=SECONDS):
    """Milliseconds of processor time of the quickest of several calls, and the system's share.

    The system counts its own time in ticks of milliseconds, so its share is that of all calls.
    """
    layer(x[:64])  # loads what is loaded when first used
    found, end = [], time.perf_counter() + seconds
    before = resource.getrusage(resource.RUSAGE_SELF).ru_stime
    while len(found) < calls or time.perf_counter() < end:
        start = time.process_time()
        layer(x)
        found.append(time.process_time() - start)
    share = (resource.getrusage(resource.RUSAGE_SELF).ru_stime - before) / sum(found)
    return 1e3 * min(found), share


def grown_mib(name, n):
    """MiB by which one call makes this process grow at most."""
    layer, x = layers()[name], tokens(n)
    layer(x[:64])
    before = status("/proc/self/status", "VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest size so far
    layer(x)
    return status("/proc/self/status", "VmHWM") - before


def row(n, calls=CALLS, seconds=SECONDS):
    """Time and memory of both layers at one length."""
    found = {"tokens": n}
    for name, layer in layers().items():
        ms, share = least_ms(layer, tokens(n), calls, seconds)
        found[f"{name}_ms"], found[f"{name}_system"] = round(ms, 3), round(share, 2)
        command = [sys.executable, __file__, json.dumps([name, n])]
        done = subprocess.run(command, stdout=subprocess.PIPE, env=os.environ, check=True)
        found[f"{name}_mib"] = round(json.loads(done.stdout), 2)
    return found


def main():
    """Measure, save, print."""
    torch.set_num_threads(1)
    if len(sys.argv) > 1:  # a process of its own for one measurement of memory
        print(json.dumps(grown_mib(*json.loads(sys.argv[1]))))
        return
    rows = []
    for n in LENGTHS:
        rows.append(row(n))
        print(rows[-1], flush=True)
    path = save(
        "self_attention",
        rows,
        packages=["torch"],
        threads=1,
        what=f"one head, d {WIDTH}, float32, forward, no mask; processor time of one thread",
    )
    print(f"saved in {path.relative_to(measured.ROOT)}")


if __name__ == "__main__":
    main()
