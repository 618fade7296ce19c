"""The KV cache: what was appended comes back, in bounded memory, and errors change nothing."""

import copy
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attnbook.cache import CacheFull, KVCache
from attnbook.costs import cache_bytes

portions = st.lists(st.integers(0, 9), max_size=12)


def tokens(start, n, heads=2, width=3):
    return torch.arange(start, start + n, dtype=torch.float64)[:, None].expand(1, heads, n, width)


@given(portions, st.sampled_from([None, 0, 1, 4]), st.booleans())
def test_portions_come_back_as_one(sizes, window, bounded):
    """With a window: what it still shows before the append, then what is new."""
    room = max(sizes, default=0) + (window if window is not None else sum(sizes))
    cache = KVCache(window=window, capacity=max(1, room) if bounded else None)
    seen = 0
    for n in sizes:
        new = tokens(seen, n)
        k, v = cache.append(new, -new[..., :1])
        old = seen if window is None else min(window, seen)
        assert torch.equal(k, tokens(seen - old, old + n))
        assert torch.equal(v, -k[..., :1])
        seen += n
        assert cache.length == seen
        assert cache.kept == (seen if window is None else min(window, seen))


def test_room_doubles_so_that_appends_copy_little():
    cache, rooms = KVCache(), []
    for token in range(1000):
        (k,) = cache.append(tokens(token, 1))
        rooms.append(k.untyped_storage().data_ptr())
    moves = sum(a != b for a, b in pairwise(rooms))
    assert moves <= 7  # 16, 34, 70, …: about log2(1000 / 16)
    assert torch.equal(k, tokens(0, 1000))
    assert cache.nbytes < 4 * 1000 * 2 * 3 * 8


def test_a_window_bounds_the_memory():
    cache = KVCache(window=10)
    for token in range(500):
        (k,) = cache.append(tokens(token, 1))
    assert torch.equal(k, tokens(489, 11))
    assert cache.nbytes <= 32 * 2 * 3 * 8


def test_what_comes_back_is_no_copy():
    cache = KVCache()
    (first,) = cache.append(tokens(0, 2))
    (second,) = cache.append(tokens(2, 1))
    assert first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()


def test_bytes_of_a_given_capacity_equal_the_costs():
    cache = KVCache(capacity=7)
    assert cache.nbytes == 0
    cache.append(torch.zeros(2, 4, 1, 8).half(), torch.zeros(2, 4, 1, 6).half())
    assert cache.nbytes == cache_bytes(7, 4, 8, 6, batch=2)
    for _ in range(6):
        cache.append(torch.zeros(2, 4, 1, 8).half(), torch.zeros(2, 4, 1, 6).half())
    assert cache.nbytes == cache_bytes(7, 4, 8, 6, batch=2)


def test_a_full_cache_says_so_and_loses_nothing():
    cache = KVCache(capacity=4)
    cache.append(tokens(0, 3))
    with pytest.raises(
        CacheFull, match="holds 3 of 4 tokens, and 2 more do not fit; give a larger"
    ):
        cache.append(tokens(3, 2))
    assert cache.length == cache.kept == 3
    assert torch.equal(cache.append(tokens(3, 1))[0], tokens(0, 4))
    assert isinstance(CacheFull(), MemoryError)


def test_forgetting_the_last_tokens():
    cache = KVCache()
    cache.append(tokens(0, 5))
    cache.truncate(5)
    cache.truncate(2)
    assert cache.length == cache.kept == 2
    assert torch.equal(cache.append(tokens(9, 1))[0], torch.cat([tokens(0, 2), tokens(9, 1)], 2))
    short = KVCache(window=4)
    short.append(tokens(0, 3))
    short.truncate(1)  # nothing was dropped yet
    assert torch.equal(short.append(tokens(1, 5))[0], tokens(0, 6))
    short.truncate(6)
    with pytest.raises(ValueError, match="the window has dropped tokens that token 5 would see"):
        short.truncate(5)
    with pytest.raises(ValueError, match="has seen 6 tokens; it cannot keep 7"):
        short.truncate(7)
    with pytest.raises(ValueError, match="length must be at least 0; got -1"):
        short.truncate(-1)
    cache.reset()
    assert cache.length == cache.kept == cache.nbytes == 0
    cache.append(torch.zeros(1, 2))  # any shape will do again


def test_no_gradient_flows_through_a_cache():
    wanted = torch.zeros(1, 2, requires_grad=True)
    cache = KVCache()
    with pytest.raises(RuntimeError, match=r"written in place.*decode under torch\.no_grad"):
        cache.append(wanted)
    with torch.no_grad():
        cache.append(wanted)
    assert cache.length == 1


X = torch.zeros(1, 2, 3, 4)
ERRORS = {
    "nothing": ((), TypeError, r"at least one tensor, of shape \(\.\.\., n, d\)"),
    "rank": ((torch.zeros(3), X), ValueError, r"with one n; got \[\(3,\), \(1, 2, 3, 4\)\]"),
    "n": ((X, X[:, :, :2]), ValueError, r"with one n; got \[\(1, 2, 3, 4\), \(1, 2, 2, 4\)\]"),
    "one less": ((X,), ValueError, "those before make it"),
    "batch": (
        (X.expand(2, 2, 3, 4), X.expand(2, 2, 3, 4)),
        ValueError,
        r"shapes \[\(2, 2, 3, 4\), .*; those before make it \[\(1, 2, 3, 4\), \(1, 2, 3, 4\)\]",
    ),
    "width": ((X, X[..., :2]), ValueError, r"\(1, 2, 3, 2\)\]; those before make it"),
    "dtype": ((X.double(), X.double()), TypeError, r"torch.float64 on cpu; those before were tor"),
    "device": ((X.to("meta"), X.to("meta")), TypeError, r"on meta; those before .* on cpu"),
    "two dtypes": ((X, X.double()), TypeError, "must share one dtype; got tensor 0 torch.float32"),
    "integers": ((X.long(), X.long()), TypeError, r"tensor 0 has dtype torch\.int64"),
    "list": (([1.0], X), TypeError, "tensor 0 is a list, not a PyTorch tensor"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_what_came_and_change_nothing(case):
    arguments, kind, message = ERRORS[case]
    cache = KVCache()
    cache.append(X, X)
    before = copy.deepcopy(vars(cache))
    with pytest.raises(kind, match=message):
        cache.append(*arguments)
    assert str(before) == str(vars(cache))


def test_bad_options():
    with pytest.raises(ValueError, match="capacity must be at least 1; got 0"):
        KVCache(capacity=0)
    with pytest.raises(ValueError, match="window must be at least 0; got -1"):
        KVCache(window=-1)
    with pytest.raises(TypeError, match="window must be an integer; got \\(2, 0\\)"):
        KVCache(window=(2, 0))
