"""What this processor can do at most: products of matrices, and copies from memory to memory.

The two lines of a roofline: operations per second of a large float32 product of random matrices,
and bytes per second, read and written, of a copy far larger than the caches. Best of many runs:
what is asked for is a ceiling, and whatever else the machine does only lowers it.
"""

import time

import torch
from record import save

SIZE = 2048  # of the square matrices
COPIED = 2**28  # bytes
RUNS = 30


def best(function):
    """The shortest of many runs, in seconds."""
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main():
    """Measure, save, print."""
    made = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, SIZE, SIZE, generator=made)
    product = torch.empty(SIZE, SIZE)
    source, target = torch.ones(2, COPIED, dtype=torch.uint8)
    row = {
        "gflops": round(2 * SIZE**3 / best(lambda: torch.mm(a, b, out=product)) / 1e9, 1),
        "gb_per_s": round(2 * COPIED / best(lambda: target.copy_(source)) / 1e9, 1),
    }
    path = save("ceilings", [row], packages=["torch"], threads=torch.get_num_threads())
    print(row, path)


if __name__ == "__main__":
    main()
