"""Paged decoding beside contiguous decoding: the time of one lookup, and the memory held.

One new token for each of B sequences. Contiguous: keys and values of each sequence in one piece,
`scaled_dot_product_attention` over them, and the same products and softmax written out. Paged:
the same numbers in blocks that lie in memory in the order in which sequences took them in turn,
or in random order. All in one run, each function in turn; medians. This book's own `attention`,
which looks for NaN in everything, is timed on its own: its large intermediates would disturb the
others. On a GPU also the bytes that the lookup reads, by second, beside a copy on the device.
"""

import statistics
import time

import torch
from record import save
from torch.nn.functional import scaled_dot_product_attention as sdpa

from attnbook.attention import attention
from attnbook.costs import cache_bytes, decode_traffic
from attnbook.paged import PagedCache
from attnbook.paged_attention import paged_attention

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
BATCH, HEADS, WIDTH = 8, 8, 64
ROUNDS = 15


def clock(function):
    """Seconds of one call."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    function()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def side_by_side(functions):
    """Median seconds of each function, called in turn so that all see the same machine."""
    for function in functions.values():
        function()
    times = {name: [] for name in functions}
    for _ in range(ROUNDS):
        for name, function in functions.items():
            times[name].append(clock(function))
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def paged(k, v, block_size, *, scattered):
    """A cache with these keys and values; its sequences."""
    n = k.shape[2]
    blocks = BATCH * -(-n // block_size)
    cache = PagedCache(
        blocks, num_kv_heads=k.shape[1], d_k=WIDTH, block_size=block_size, device=DEVICE
    )
    if scattered:  # a cache that has been in use for long gives out its blocks in any order
        order = torch.randperm(blocks, generator=torch.Generator().manual_seed(0))
        cache._free = order.tolist()
    sequences = [cache.new_sequence() for _ in range(BATCH)]
    for start in range(0, n, block_size):
        part = slice(start, start + block_size)
        cache.append(sequences, k[:, :, part], v[:, :, part])
    return cache, sequences


def row(n, kv_heads, block_size, scattered):
    """One line of the table."""
    made = torch.Generator(DEVICE).manual_seed(0)
    shapes = ((BATCH, HEADS, 1, WIDTH), *((BATCH, kv_heads, n, WIDTH),) * 2)
    q, k, v = (torch.randn(shape, generator=made, device=DEVICE) for shape in shapes)
    cache, sequences = paged(k, v, block_size, scattered=scattered)
    grouped = q.unflatten(1, (kv_heads, -1)).squeeze(3)

    def written_out():
        return torch.softmax(grouped @ k.mT * WIDTH**-0.5, -1) @ v

    functions = {
        "sdpa": lambda: sdpa(q, k, v, enable_gqa=True),
        "written out": written_out,
        "paged": lambda: paged_attention(q, cache, sequences),
    }
    if DEVICE == "cuda":
        functions["copy"] = k.clone
    torch.testing.assert_close(functions["paged"](), functions["sdpa"](), atol=1e-5, rtol=1e-4)
    seconds = side_by_side(functions)
    alone = [clock(lambda: attention(q, k, v)) for _ in range(3)]
    result = {
        "tokens": n,
        "kv_heads": kv_heads,
        "block_size": block_size,
        "scattered": scattered,
        "paged_ms": round(1e3 * seconds["paged"], 2),
        "sdpa_ms": round(1e3 * seconds["sdpa"], 2),
        "paged_over_sdpa": round(seconds["paged"] / seconds["sdpa"], 2),
        "paged_over_written_out": round(seconds["paged"] / seconds["written out"], 2),
        "attention_ms": round(1e3 * statistics.median(alone), 2),
    }
    if DEVICE == "cuda":
        moved = decode_traffic(n, HEADS, kv_heads, WIDTH, batch=BATCH, bytes_per_number=4)
        copied = 2 * k.nbytes / seconds["copy"]
        result["share_of_copy_bandwidth"] = round(moved / seconds["paged"] / copied, 2)
    return result


def memory(block_size):
    """Bytes for sequences of mixed lengths: paged, and contiguous at the greatest length."""
    made = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 2049, (64,), generator=made).tolist()
    needed = sum(-(-n // block_size) for n in lengths)
    cache = PagedCache(needed, num_kv_heads=HEADS, d_k=WIDTH, block_size=block_size, device=DEVICE)
    for n in lengths:
        new = torch.zeros(HEADS, n, WIDTH, device=DEVICE)
        cache.append(cache.new_sequence(), new, new)
    contiguous = torch.empty(2, len(lengths), HEADS, 2048, WIDTH, device=DEVICE).nbytes
    used = cache_bytes(sum(lengths), HEADS, WIDTH, bytes_per_number=4)
    return {
        "sequences": len(lengths),
        "block_size": block_size,
        "paged_mib": round(cache.nbytes / 2**20, 1),
        "contiguous_mib": round(contiguous / 2**20, 1),
        "unused_share_paged": round(1 - used / cache.nbytes, 3),
        "unused_share_contiguous": round(1 - used / contiguous, 3),
    }


def main():
    rows = []
    with torch.no_grad():
        for n in (4096, 16384):
            for kv_heads in (8, 2):
                for block_size in (16, 32, 64):
                    rows.append(row(n, kv_heads, block_size, False))
                    print(rows[-1], flush=True)
        rows.append(row(4096, 8, 32, True))
        print(rows[-1])
        held = [memory(block_size) for block_size in (16, 32, 64)]
    print(*held, sep="\n")
    gpu = torch.cuda.get_device_name() if DEVICE == "cuda" else "none was there"
    path = save(
        "paged_decode",
        rows,
        packages=["torch"],
        memory=held,
        threads=torch.get_num_threads(),
        gpu=gpu,
        about=f"B {BATCH}, H {HEADS}, d {WIDTH}, float32; one new token for each sequence",
    )
    print(path.name)


if __name__ == "__main__":
    main()
