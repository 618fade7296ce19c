"""The time of one more token, with a cache and without, against the tokens generated so far.

One layer of multi-head attention, one sequence. With the cache, a step projects one token and
looks it up among n; the lookup is timed on its own, so that one sees what is left: it should not
depend on n. Without the cache, the layer is called on all n tokens again. Also the bytes that each
kind of layer keeps, as allocated.
"""

import math
import statistics
import time

import torch
from record import save

from attnbook.attention import attention
from attnbook.cache import KVCache
from attnbook.latent import MultiHeadLatentAttention
from attnbook.layers import MultiHeadAttention

LENGTHS = (128, 256, 512, 1024, 2048, 4096)
WIDTH, HEADS = 512, 8
STEPS = 25


class Stopwatch:
    """`attention`, and the seconds spent in it."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self, *arguments, **options):
        start = time.perf_counter()
        result = attention(*arguments, **options)
        self.seconds += time.perf_counter() - start
        return result


def cached(layer, watch, n, x):
    """Median milliseconds of a whole step after n tokens, and of the lookup in it."""
    cache = KVCache(capacity=n + STEPS)
    layer(x[:, :n], cache=cache)
    whole, lookup = [], []
    for i in range(STEPS):
        watch.seconds, start = 0.0, time.perf_counter()
        layer(x[:, n + i : n + i + 1], cache=cache)
        whole.append(time.perf_counter() - start)
        lookup.append(watch.seconds)
    rest = statistics.median(w - k for w, k in zip(whole, lookup, strict=True))
    return (1e3 * value for value in (statistics.median(whole), statistics.median(lookup), rest))


def uncached(layer, n, x):
    """Median milliseconds of the layer on all n tokens, for the output of the last."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        layer(x[:, : n + 1])
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def exponent(rows, name):
    """The slope from the middle of the table to its end, on logarithmic axes."""
    first, last = rows[len(rows) // 2 - 1], rows[-1]
    return round(math.log(last[name] / first[name]) / math.log(last["tokens"] / first["tokens"]), 2)


def kept(layer, tokens=1024):
    """Bytes that a layer keeps for each token, in bfloat16, as allocated."""
    cache = KVCache(capacity=tokens)
    layer.to(torch.bfloat16)(torch.zeros(1, tokens, WIDTH, dtype=torch.bfloat16), cache=cache)
    return cache.nbytes // tokens


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)  # one token is little work: threads would only wait for each other
    watch = Stopwatch()
    layer = MultiHeadAttention(WIDTH, HEADS, causal=True, attend=watch)
    x = torch.randn(1, LENGTHS[-1] + STEPS, WIDTH)
    with torch.no_grad():
        cached(layer, watch, 64, x)  # warm up
        rows = []
        for n in LENGTHS:
            whole, lookup, rest = cached(layer, watch, n, x)
            rows.append(
                {
                    "tokens": n,
                    "cached_ms": round(whole, 3),
                    "lookup_ms": round(lookup, 3),
                    "rest_ms": round(rest, 3),
                    "uncached_ms": round(uncached(layer, n, x), 1),
                }
            )
            print(rows[-1], flush=True)
        sizes = {"d_head": WIDTH // HEADS, "d_latent": 128, "d_rope": 32}
        layers = {
            "multi-head": MultiHeadAttention(WIDTH, HEADS),
            "grouped-query, 2 heads": MultiHeadAttention(WIDTH, HEADS, num_kv_heads=2),
            "multi-query": MultiHeadAttention(WIDTH, HEADS, num_kv_heads=1),
            "latent, 128 + 32": MultiHeadLatentAttention(WIDTH, HEADS, **sizes),
        }
        bytes_per_token = {name: kept(each) for name, each in layers.items()}
    summary = {
        "rest_last_over_first": round(rows[-1]["rest_ms"] / rows[0]["rest_ms"], 2),
        "lookup_exponent": exponent(rows, "lookup_ms"),
        "uncached_exponent": exponent(rows, "uncached_ms"),
        "uncached_over_cached_at_the_end": round(
            rows[-1]["uncached_ms"] / rows[-1]["cached_ms"], 1
        ),
    }
    print(summary, bytes_per_token, sep="\n")
    save(
        "cached_decoding",
        rows,
        packages=["torch"],
        summary=summary,
        bytes_per_token=bytes_per_token,
        threads=torch.get_num_threads(),
        about=f"one layer, d_model {WIDTH}, {HEADS} heads, float32, the reference attention",
    )


if __name__ == "__main__":
    main()
