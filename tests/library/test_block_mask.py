"""Block masks: the lists against the dense mask, block by block."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference import allowed_pairs

from attnbook import block_mask, window_mask
from attnbook.block_mask import BlockMask
from attnbook.patterns import causal, global_tokens, window

SIZES = [(0, 0), (0, 3), (3, 0), (1, 1), (4, 11), (11, 4), (12, 12), (13, 7)]
WINDOWS = [(None, None), (None, 0), (3, 0), (0, 0), (2, 3), (None, 4), (1, None), (100, 100)]


def random_mask(n_q, n_k, seed=0, share=0.5):
    """A mask with blocks of 4 that are whole, empty, or partial."""
    draws = np.random.default_rng(seed)
    coarse = draws.integers(0, 3, (-(-n_q // 4), -(-n_k // 4))).repeat(4, 0).repeat(4, 1)
    fine = draws.random((n_q, n_k)) < share
    return torch.from_numpy((coarse[:n_q, :n_k] == 1) | (fine & (coarse[:n_q, :n_k] == 2)))


def check_lists(blocks, mask):
    """Each block is in the list if it has an allowed pair, with a tile if it is not whole."""
    size, (n_q, n_k) = blocks.block_size, mask.shape
    assert (blocks.n_q, blocks.n_k) == (n_q, n_k)
    assert len(blocks.rows) == -(-n_q // size)
    for i, row in enumerate(blocks.rows):
        for j in range(-(-n_k // size)):
            block = mask[i * size : (i + 1) * size, j * size : (j + 1) * size]
            assert (j in row) == bool(block.any())
            if j in row:
                assert (row[j] is None) == bool(block.all())
                assert row[j] is None or torch.equal(row[j], block)
        assert list(row) == sorted(row) and all(0 <= j < -(-n_k // size) for j in row)
    assert torch.equal(blocks.to_mask(), mask)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 40), st.integers(0, 1000))
def test_a_mask_becomes_lists_and_comes_back(n_q, n_k, size, seed):
    mask = random_mask(n_q, n_k, seed)
    before = mask.clone()
    check_lists(BlockMask.from_mask(mask, size), mask)
    assert torch.equal(mask, before)


@pytest.mark.parametrize(("n_q", "n_k"), SIZES)
@pytest.mark.parametrize("limits", WINDOWS, ids=str)
@pytest.mark.parametrize("size", [1, 3, 4, 20])
def test_a_window_becomes_the_same_lists(n_q, n_k, limits, size):
    left, right = limits
    mask = torch.from_numpy(allowed_pairs(n_q, n_k, window=limits))
    check_lists(BlockMask.from_window(n_q, n_k, left=left, right=right, block_size=size), mask)


@pytest.mark.parametrize(("n_q", "n_k"), SIZES)
@pytest.mark.parametrize("size", [1, 4, 20])
def test_a_rule_becomes_the_same_lists(n_q, n_k, size):
    for pattern in (causal(), window(None, None), window(1, 2) | global_tokens([0, 3])):
        mask = torch.from_numpy(pattern.mask(n_q, n_k))
        check_lists(BlockMask.from_rule(pattern.rule, n_q, n_k, block_size=size), mask)


def test_n_k_is_n_q_and_blocks_are_of_128_if_not_given():
    for blocks in (
        BlockMask.from_window(300, right=0),
        BlockMask.from_rule(causal().rule, 300),
        BlockMask.from_mask(window_mask(300, right=0, xp=torch)),
    ):
        assert (blocks.n_q, blocks.n_k, blocks.block_size) == (300, 300, 128)
        assert blocks.density == 6 / 9 and blocks.pairs == 300 * 301 // 2
        assert blocks.nbytes == 128**2 * 2 + 44**2  # the tiles on the diagonal, the last one ragged
        assert (
            repr(blocks)
            == "BlockMask(300 x 300 in blocks of 128: 6 of 9 visited, 3 of them partial)"
        )


@pytest.mark.parametrize(("n_q", "n_k"), SIZES)
def test_counts_of_blocks_and_of_pairs(n_q, n_k):
    mask = random_mask(n_q, n_k)
    blocks = BlockMask.from_mask(mask, 4)
    assert blocks.pairs == mask.sum()
    every = -(-n_q // 4) * -(-n_k // 4)
    visited = sum(
        mask[i : i + 4, j : j + 4].any() for i in range(0, n_q, 4) for j in range(0, n_k, 4)
    )
    assert blocks.density == (visited / every if every else 0.0)


@given(st.integers(0, 20), st.integers(0, 20), st.integers(1, 9), st.integers(0, 1000))
def test_the_intersection_of_lists_is_that_of_masks(n_q, n_k, size, seed):
    a, b = random_mask(n_q, n_k, seed), random_mask(n_q, n_k, seed + 1, 0.3)
    both = BlockMask.from_mask(a, size) & BlockMask.from_mask(b, size)
    check_lists(both, a & b)
    near = BlockMask.from_window(n_q, n_k, left=2, right=1, block_size=size)
    check_lists(BlockMask.from_mask(a, size) & near, a & near.to_mask())


@given(
    st.integers(0, 30), st.integers(0, 30), st.integers(1, 9), st.integers(0, 40), st.integers(0, 9)
)
def test_visits_cover_each_allowed_pair_once(n_q, n_k, size, max_keys, seed):
    mask = random_mask(n_q, n_k, seed)
    blocks = BlockMask.from_mask(mask, size)
    visited = torch.zeros(n_q, n_k, dtype=torch.int64)
    allowed_at = torch.zeros(n_q, n_k, dtype=torch.bool)
    for queries, runs, allowed in blocks.visits(max_keys):
        keys = torch.cat([torch.arange(n_k)[run] for run in runs])
        assert len(keys) <= max(max_keys, size) and (keys.diff() > 0).all()
        assert all(a.stop < b.start for a, b in itertools.pairwise(runs))  # joined
        visited[queries, keys] += 1
        assert allowed is None or (allowed.shape[1] == len(keys) and not allowed.all())
        allowed_at[queries, keys] = True if allowed is None else allowed
    assert torch.equal(allowed_at, mask)
    assert visited.max().item() == 1 if visited.any() else not mask.any()
    assert (visited > 0).sum() == sum(
        mask[i : i + size, j : j + size].numel()
        for i in range(0, n_q, size)
        for j in range(0, n_k, size)
        if mask[i : i + size, j : j + size].any()
    )


def test_neighbouring_blocks_are_one_run_and_no_tile_is_made_for_whole_ones():
    (visit,) = BlockMask.from_window(4, 16, block_size=4).visits(99)
    assert visit == (slice(0, 4), [slice(0, 16)], None)
    mask = torch.zeros(4, 16, dtype=torch.bool)
    mask[:, [0, 1, 2, 3, 8, 9, 10, 11, 12]] = True
    (visit,) = BlockMask.from_mask(mask, 4).visits(99)
    assert visit[:2] == (slice(0, 4), [slice(0, 4), slice(8, 16)])


def test_a_rule_is_asked_for_one_row_of_blocks_at_a_time():
    asked = []

    def rule(position, key):
        allowed = key <= position
        asked.append(tuple(allowed.shape))
        return allowed

    BlockMask.from_rule(rule, 20, 50, block_size=8)
    assert asked == [(8, 50), (8, 50), (4, 50)]


def test_of_a_window_only_the_pairs_of_partial_blocks_are_looked_at(monkeypatch):
    looked_at, in_window = [], block_mask.in_window

    def counting(*arguments):
        allowed = in_window(*arguments)
        looked_at.append(allowed.numel())
        return allowed

    monkeypatch.setattr(block_mask, "in_window", counting)
    BlockMask.from_window(64, right=0, block_size=8)
    assert looked_at == [64] * 8
    looked_at.clear()
    BlockMask.from_window(64, left=16, right=0, block_size=8)
    assert sum(looked_at) == 64 * (8 + 6)  # on the diagonal, and where the window ends


def test_a_tile_keeps_its_own_memory_alone():
    for blocks in (
        BlockMask.from_mask(random_mask(32, 32), 8),
        BlockMask.from_rule(causal().rule, 32, block_size=8),
        BlockMask.from_window(32, right=0, block_size=8),
    ):
        tiles = [tile for row in blocks.rows for tile in row.values() if tile is not None]
        assert tiles and blocks.nbytes == 64 * len(tiles)
        assert all(tile.untyped_storage().nbytes() == 64 for tile in tiles)
    assert blocks.device == torch.device("cpu")
    assert BlockMask.from_window(32, block_size=8).device is None


MASK = torch.ones(4, 4, dtype=torch.bool)
ERRORS = {
    "kind": (lambda: BlockMask.from_mask(MASK.numpy()), TypeError, "mask is ndarray.*True = may"),
    "dtype": (lambda: BlockMask.from_mask(MASK.float()), TypeError, "mask is torch.float32.*bool"),
    "rank": (lambda: BlockMask.from_mask(MASK[0]), ValueError, r"shape \(4,\).*\(n_q, n_k\)"),
    "size": (lambda: BlockMask.from_mask(MASK, 0), ValueError, "block_size must be at least 1"),
    "size type": (lambda: BlockMask.from_mask(MASK, 2.0), TypeError, "block_size must be an int"),
    "n_q": (lambda: BlockMask.from_window(-1), ValueError, "n_q must be at least 0; got -1"),
    "n_k": (lambda: BlockMask.from_window(1, -1), ValueError, "n_k must be at least 0; got -1"),
    "size of window": (
        lambda: BlockMask.from_window(1, block_size=0),
        ValueError,
        "block_size must be at least 1; got 0",
    ),
    "left": (lambda: BlockMask.from_window(1, left=-1), ValueError, "no limit is None here"),
    "rule": (
        lambda: BlockMask.from_rule(causal().rule, 2.5),
        TypeError,
        "n_q must be an integer; got 2.5",
    ),
    "and": (
        lambda: BlockMask.from_mask(MASK, 2) & BlockMask.from_mask(MASK, 4),
        ValueError,
        r"got \(4, 4, 2\) and \(4, 4, 4\)",
    ),
    "and a tensor": (lambda: BlockMask.from_mask(MASK, 2) & 1, TypeError, "BlockMask"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_what_came(case):
    call, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message):
        call()
