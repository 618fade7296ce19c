"""Pairs, operations and bytes moved, each against a count made another way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import allowed_pairs as pairs_one_by_one

from attnbook import costs

SIZES = st.integers(0, 12)
SIDES = st.one_of(st.none(), st.integers(0, 5))


@given(SIZES, SIZES, st.booleans(), st.one_of(st.none(), st.tuples(SIDES, SIDES)))
def test_pairs_equal_those_counted_one_by_one(n_q, n_k, causal, window):
    mask = pairs_one_by_one(n_q, n_k, causal, window or (None, None))
    assert costs.allowed_pairs(n_q, n_k, causal=causal, window=window) == mask.sum()
    flops = costs.attention_flops(
        n_q, n_k, 5, 3, num_heads=2, batch=3, causal=causal, window=window
    )
    assert flops == 2 * 3 * 2 * mask.sum() * (5 + 3)


def test_pairs_given():
    assert costs.attention_flops(8, 8, 4, pairs=10) == 2 * 10 * 8
    with pytest.raises(ValueError, match="leave causal and window out"):
        costs.attention_flops(8, 8, 4, pairs=10, causal=True)
    with pytest.raises(ValueError, match="leave causal and window out"):
        costs.attention_flops(8, 8, 4, pairs=10, window=(1, 1))
    with pytest.raises(ValueError, match="pairs must be at least 0; got -1"):
        costs.attention_flops(8, 8, 4, pairs=-1)


class Memory:
    """A slow memory that counts: what is computed with must be read, what is kept, written."""

    def __init__(self):
        self.bytes = 0

    def read(self, array):
        self.bytes += array.nbytes
        return array.copy()

    def write(self, array):
        self.bytes += array.nbytes
        return array.copy()


def problem(n_q, n_k, d_k, d_v):
    rng = np.random.default_rng(0)
    shapes = ((n_q, d_k), (n_k, d_k), (n_k, d_v))
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def exact(q, k, v):
    e = np.exp((q @ k.T).astype(np.float64))
    return e / e.sum(1, keepdims=True) @ v


@pytest.mark.parametrize(("n_q", "n_k", "d_k", "d_v"), [(7, 11, 3, 5), (8, 8, 4, 4), (1, 6, 2, 1)])
def test_naive_traffic_is_what_three_passes_read_and_write(n_q, n_k, d_k, d_v):
    memory = Memory()
    q, k, v = problem(n_q, n_k, d_k, d_v)
    s = memory.write(memory.read(q) @ memory.read(k).T)
    e = np.exp(memory.read(s))
    p = memory.write(e / e.sum(1, keepdims=True))
    out = memory.write(memory.read(p) @ memory.read(v))
    np.testing.assert_allclose(out, exact(q, k, v), rtol=1e-4)
    assert memory.bytes == costs.naive_traffic(n_q, n_k, d_k, d_v, bytes_per_number=4)


@pytest.mark.parametrize(("n_q", "n_k", "d_k", "d_v"), [(7, 11, 3, 5), (8, 8, 4, 4), (1, 6, 2, 1)])
@pytest.mark.parametrize("block_q", [1, 3, 8])
def test_flash_traffic_is_what_the_tiles_read_and_write(n_q, n_k, d_k, d_v, block_q):
    memory = Memory()
    q, k, v = problem(n_q, n_k, d_k, d_v)
    out = np.zeros((n_q, d_v), np.float32)
    for i in range(0, n_q, block_q):
        rows = memory.read(q[i : i + block_q])
        peak, total = np.full((len(rows), 1), -np.inf, np.float32), 0.0
        mean = np.zeros((len(rows), d_v), np.float32)
        for j in range(0, n_k, 4):
            s = rows @ memory.read(k[j : j + 4]).T
            higher = np.maximum(peak, s.max(1, keepdims=True))
            rescale, e = np.exp(peak - higher), np.exp(s - higher)
            total = total * rescale + e.sum(1, keepdims=True)
            mean = mean * rescale + e @ memory.read(v[j : j + 4])
            peak = higher
        out[i : i + block_q] = memory.write(mean / total)
        memory.write(peak + np.log(total))
    np.testing.assert_allclose(out, exact(q, k, v), rtol=1e-4)
    sizes = {"block_q": block_q, "bytes_per_number": 4}
    assert memory.bytes == costs.flash_traffic(n_q, n_k, d_k, d_v, **sizes)


def test_traffic_grows_with_heads_and_batch():
    for count in (costs.naive_traffic, costs.flash_traffic):
        once = count(6, 7, 3, 2)
        assert count(6, 7, 3, 2, num_heads=4, batch=5) == 20 * once
        assert count(6, 7, 3) == count(6, 7, 3, 3)


@pytest.mark.parametrize("kv_heads", [1, 2, 6])
def test_decode_traffic_reads_each_cached_number_once(kv_heads):
    q, out = np.zeros((2, 6, 1, 4), np.float16), np.zeros((2, 6, 1, 3), np.float16)
    k, v = np.zeros((2, kv_heads, 9, 4), np.float16), np.zeros((2, kv_heads, 9, 3), np.float16)
    moved = sum(array.nbytes for array in (q, k, v, out))
    assert costs.decode_traffic(9, 6, kv_heads, 4, 3, batch=2) == moved
    with pytest.raises(ValueError, match="6 query heads cannot share 4"):
        costs.decode_traffic(9, 6, 4, 4)


ERRORS = {
    "n_q": (lambda: costs.allowed_pairs(-1, 2), ValueError, "n_q must be at least 0; got -1"),
    "n_k": (lambda: costs.allowed_pairs(1, 2.0), TypeError, r"n_k must be an integer; got 2\.0"),
    "window": (lambda: costs.allowed_pairs(1, 2, window=3), TypeError, "window must be a pair"),
    "causal": (lambda: costs.allowed_pairs(1, 2, causal=1), TypeError, "causal must be True or"),
    "naive": (lambda: costs.naive_traffic(1, 1, 0), ValueError, "d_k must be at least 1; got 0"),
    "block_q": (
        lambda: costs.flash_traffic(1, 1, 1, block_q=0),
        ValueError,
        "block_q must be at least 1; got 0",
    ),
    "heads": (
        lambda: costs.decode_traffic(1, 0, 1, 1),
        ValueError,
        "num_heads must be at least 1; got 0",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
    call, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message):
        call()
