"""The paged cache: a random life against a plain dictionary, and each promise by name."""

import copy

import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from attnbook.costs import paged_cache_bytes
from attnbook.paged import OutOfBlocks, PagedCache


def tokens(start, n):
    """Keys (2, n, 3) and values (2, n, 1) that no other tokens have."""
    k = torch.arange(start, start + 6 * n, dtype=torch.float32).reshape(2, n, 3)
    return k, -k[..., :1]


def state(cache):
    """Everything that a failed call must leave as it was."""
    plain = {name: x for name, x in vars(cache).items() if not isinstance(x, torch.Tensor)}
    bits = (x.clone().view(torch.uint8) for x in (cache.keys, cache.values))  # NaN != NaN
    return copy.deepcopy(plain), *bits


def same(one, other):
    return one[0] == other[0] and all(map(torch.equal, one[1:], other[1:]))


class Life(RuleBasedStateMachine):
    """Sequences come, grow, branch and go; the model is a dictionary of contiguous tensors."""

    def __init__(self):
        super().__init__()
        self.cache = PagedCache(7, num_kv_heads=2, d_k=3, d_v=1, block_size=3)
        self.model = {}
        self.written = 0

    def pick(self, number):
        return sorted(self.model)[number % len(self.model)]

    @rule()
    def begin(self):
        self.model[self.cache.new_sequence()] = tokens(0, 0)

    @precondition(lambda self: self.model)
    @rule(number=st.integers(0, 99), n=st.integers(0, 7), others=st.booleans())
    def append(self, number, n, others):
        chosen = sorted(self.model) if others else [self.pick(number)]
        new = [tokens(self.written + 6 * n * i, n) for i in range(len(chosen))]
        self.written += 6 * n * len(chosen)
        before = state(self.cache)
        try:
            self.cache.append(chosen, *(torch.stack(x) for x in zip(*new, strict=True)))
        except OutOfBlocks:
            assert same(before, state(self.cache))
            return
        for sequence, kv in zip(chosen, new, strict=True):
            old = self.model[sequence]
            self.model[sequence] = tuple(torch.cat(x, 1) for x in zip(old, kv, strict=True))

    @precondition(lambda self: self.model)
    @rule(number=st.integers(0, 99), share=st.floats(0, 1))
    def fork(self, number, share):
        sequence = self.pick(number)
        length = round(share * self.model[sequence][0].shape[1])
        free = self.cache.num_free
        fork = self.cache.fork(sequence, length)
        assert self.cache.num_free == free  # sharing takes no memory
        self.model[fork] = tuple(x[:, :length] for x in self.model[sequence])

    @precondition(lambda self: self.model)
    @rule(number=st.integers(0, 99))
    def end(self, number):
        sequence = self.pick(number)
        self.cache.free(sequence)
        del self.model[sequence]
        for block in self.cache._free:  # nobody may rely on what lies there
            self.cache.keys[block] = self.cache.values[block] = torch.nan

    @invariant()
    def contents_are_those_of_the_model(self):
        for sequence, kv in self.model.items():
            for ours, theirs in zip(self.cache.contents(sequence), kv, strict=True):
                assert torch.equal(ours, theirs)
            assert self.cache.length(sequence) == kv[0].shape[1]

    @invariant()
    def every_block_is_free_or_held_by_those_who_list_it(self):
        held = [block for sequence in self.model for block in self.cache.table(sequence)]
        free = self.cache._free
        assert len(set(free)) == len(free) and not set(free) & set(held)
        assert set(free) | set(held) == set(range(7))
        assert {b: held.count(b) for b in held} == dict(self.cache._holders)
        for sequence, (k, _) in self.model.items():
            assert len(self.cache.table(sequence)) == -(-k.shape[1] // 3)


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestLife = Life.TestCase


def small(blocks=4, **more):
    return PagedCache(blocks, num_kv_heads=2, d_k=3, d_v=1, block_size=3, **more)


def test_exhausted_memory_is_an_error_and_loses_no_sequence():
    cache = small()
    one, two = cache.new_sequence(), cache.new_sequence()
    cache.append([one, two], *(x[None].repeat(2, 1, 1, 1) for x in tokens(0, 5)))
    before = state(cache)
    with pytest.raises(OutOfBlocks, match="2 blocks are needed and 0 of 4 are free; free a seq"):
        cache.append([one, two], *(x[None].repeat(2, 1, 1, 1) for x in tokens(9, 2)))
    assert same(before, state(cache))
    cache.append([one, two], *(x[None].repeat(2, 1, 1, 1) for x in tokens(9, 1)))  # fits
    cache.free(two)
    cache.append(one, *tokens(50, 6))
    assert cache.length(one) == 12 and cache.num_free == 0
    assert isinstance(OutOfBlocks(), MemoryError)


def test_copy_on_write_needs_a_block_and_says_so():
    cache = small(1)
    one = cache.new_sequence()
    cache.append(one, *tokens(0, 2))
    two = cache.fork(one)
    before = state(cache)
    with pytest.raises(OutOfBlocks, match="1 blocks are needed and 0 of 1 are free"):
        cache.append(two, *tokens(9, 1))
    assert same(before, state(cache))
    cache.free(one)
    cache.append(two, *tokens(9, 1))  # now the block is its own
    assert cache.table(two) == [0] and cache.length(two) == 3


def test_the_last_of_two_holders_writes_in_place():
    cache = small(3)
    one = cache.new_sequence()
    cache.append(one, *tokens(0, 2))
    two = cache.fork(one)
    cache.append([one, two], *(torch.stack([x, -x]) for x in tokens(9, 1)))
    assert cache.num_free == 1 and cache.table(one) != cache.table(two)
    assert torch.equal(cache.contents(one)[0][:, :2], cache.contents(two)[0][:, :2])
    assert torch.equal(cache.contents(one)[0][:, 2], -cache.contents(two)[0][:, 2])


def test_of_three_holders_two_copy():
    cache = small(3)  # one block is held, two are free: no more are needed
    one = cache.new_sequence()
    cache.append(one, *tokens(0, 2))
    all_three = [one, cache.fork(one), cache.fork(one)]
    cache.append(all_three, *(torch.stack([x, 2 * x, 3 * x]) for x in tokens(9, 1)))
    assert cache.num_free == 0
    for i, sequence in enumerate(all_three):
        keys, values = cache.contents(sequence)
        assert torch.equal(keys, torch.cat([tokens(0, 2)[0], (i + 1) * tokens(9, 1)[0]], 1))
        assert torch.equal(values, torch.cat([tokens(0, 2)[1], (i + 1) * tokens(9, 1)[1]], 1))


def test_a_full_block_is_shared_and_never_copied():
    cache = small(2)
    one = cache.new_sequence()
    cache.append(one, *tokens(0, 3))
    two = cache.fork(one)
    cache.append(two, *tokens(9, 1))
    assert cache.table(one) == [0] and cache.table(two) == [0, 1]
    cache.append(one, *tokens(0, 0))  # nothing to write needs no block


def test_which_blocks_hold_what_is_not_finite():
    """Attention takes a slower way for these; forgetting one would let a NaN through."""
    cache = small(4)
    one = cache.new_sequence()
    for bad in tokens(0, 1):
        k, v = (x.clone() for x in tokens(0, 1))
        (k if bad.shape == k.shape else v).fill_(torch.nan)
        cache.append(one, k, v)
    assert cache.not_finite == {0}
    two = cache.fork(one)
    cache.append(two, *tokens(9, 1))
    assert cache.table(two) == [1] and cache.not_finite == {0, 1}
    cache.free(one)
    cache.free(two)
    new = cache.new_sequence()
    cache.append(new, *tokens(0, 4))
    assert cache.not_finite == set()
    assert (cache.keys[cache.table(new)[1], :, 1:] == 0).all()  # nothing is left of the last holder
    cache.append(new, torch.full((2, 1, 3), torch.inf), torch.zeros(2, 1, 1))
    assert cache.not_finite == {cache.table(new)[1]}
    cache.append(new, tokens(0, 2)[0], torch.full((2, 2, 1), torch.inf))
    assert cache.not_finite == set(cache.table(new)[1:])


def test_bytes_and_waste_equal_the_costs():
    cache = small(20)
    lengths = [1, 3, 4, 8, 0]
    for length in lengths:
        cache.append(cache.new_sequence(), *tokens(0, length))
    held, unused = paged_cache_bytes(lengths, 3, 2, 3, 1, bytes_per_number=4)
    assert cache.nbytes == 20 * held // (20 - cache.num_free)
    assert cache.unused_slots * 2 * (3 + 1) * 4 == unused
    cache.fork(3)
    assert cache.unused_slots * 2 * (3 + 1) * 4 == unused  # what is shared is counted once


def test_dtype_and_device():
    cache = small(dtype=torch.bfloat16, device="cpu")
    assert cache.keys.dtype == cache.values.dtype == torch.bfloat16
    elsewhere = small(device="meta")
    assert elsewhere.keys.device.type == elsewhere.values.device.type == "meta"
    assert cache.keys.shape == (4, 2, 3, 3) and cache.values.shape == (4, 2, 3, 1)
    assert PagedCache(1, num_kv_heads=1, d_k=5).values.shape == (1, 1, 64, 5)


K, V = tokens(0, 2)
ERRORS = {
    "blocks": (lambda c: PagedCache(0, num_kv_heads=1, d_k=1), ValueError, "num_blocks must be at"),
    "slots": (
        lambda c: PagedCache(1, num_kv_heads=1, d_k=1, block_size=0),
        ValueError,
        "block_size must be at least 1; got 0",
    ),
    "heads": (lambda c: PagedCache(1, num_kv_heads=0, d_k=1), ValueError, "num_kv_heads must be"),
    "d_k": (lambda c: PagedCache(1, num_kv_heads=1, d_k=0), ValueError, "d_k must be at least 1"),
    "d_v": (
        lambda c: PagedCache(1, num_kv_heads=1, d_k=1, d_v=0),
        ValueError,
        "d_v must be at least 1",
    ),
    "unknown": (lambda c: c.append(5, K, V), KeyError, r"there is no sequence 5; there are \[0\]"),
    "freed twice": (lambda c: (c.free(0), c.free(0)), KeyError, r"no sequence 0; there are \[\]"),
    "length of none": (lambda c: c.length(3), KeyError, "no sequence 3"),
    "table of none": (lambda c: c.table("a"), KeyError, "no sequence 'a'"),
    "contents of none": (lambda c: c.contents(3), KeyError, "no sequence 3"),
    "fork of none": (lambda c: c.fork(3), KeyError, "no sequence 3"),
    "fork too long": (
        lambda c: c.fork(0, 1),
        ValueError,
        "length is 1, but sequence 0 has 0 tokens",
    ),
    "fork negative": (lambda c: c.fork(0, -1), ValueError, "length must be at least 0; got -1"),
    "twice": (
        lambda c: c.append([0, 0], torch.stack([K, K]), torch.stack([V, V])),
        ValueError,
        r"each sequence may be named once; got \[0, 0\]",
    ),
    "width": (
        lambda c: c.append(0, K[..., :2], V),
        ValueError,
        r"k has shape \(1, 2, 2, 2\) and v \(1, 2, 2, 1\).*\(1, 2, 'n', 3\) and \(1, 2, 'n', 1\)",
    ),
    "tokens": (lambda c: c.append(0, K, V[:, :1]), ValueError, r"v \(1, 2, 1, 1\)"),
    "rank": (lambda c: c.append([0], K, V), ValueError, r"k has shape \(2, 2, 3\)"),
    "dtype": (
        lambda c: c.append(0, K.double(), V.double()),
        TypeError,
        r"one dtype; got k .*, the cache torch",
    ),
    "array": (lambda c: c.append([0], K[None].numpy(), V[None]), TypeError, "k is a ndarray"),
    "values": (lambda c: c.append([0], K[None], V[None].numpy()), TypeError, "v is a ndarray"),
    "gradient": (
        lambda c: c.append(0, K.clone().requires_grad_(), V),
        RuntimeError,
        "no gradient can flow through it",
    ),
    "gradient of values": (
        lambda c: c.append(0, K, V.clone().requires_grad_()),
        RuntimeError,
        "no gradient can flow through it",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_what_came_and_change_nothing(case):
    call, kind, message = ERRORS[case]
    cache = small()
    cache.new_sequence()
    before = state(cache)
    with pytest.raises(kind, match=message):
        call(cache)
    assert case == "freed twice" or same(before, state(cache))
