"""Block masks: the same pairs as the dense mask, in lists of blocks."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference import allowed_pairs

from attnbook.block_mask import BlockMask
from attnbook.patterns import causal, window

sizes = st.integers(0, 13)
sides = st.one_of(st.none(), st.integers(0, 5))


def random_mask(n_q, n_k, density=0.5, seed=0):
    return torch.rand(n_q, n_k, generator=torch.Generator().manual_seed(seed)) < density


@given(sizes, sizes, st.integers(1, 6), st.sampled_from([0.0, 0.1, 0.9, 1.0]), st.integers(0, 99))
def test_there_and_back(n_q, n_k, block_size, density, seed):
    mask = random_mask(n_q, n_k, density, seed)
    blocks = BlockMask.from_mask(mask, block_size)
    assert torch.equal(blocks.to_mask(), mask)
    assert blocks.pairs == mask.sum()
    tiles = [
        mask[i : i + block_size, j : j + block_size]
        for i in range(0, n_q, block_size)
        for j in range(0, n_k, block_size)
    ]
    visited = [tile for tile in tiles if tile.any()]
    assert blocks.density == (len(visited) / len(tiles) if tiles else 0)
    assert blocks.nbytes == sum(tile.numel() for tile in visited if not tile.all())
    assert all(list(row) == sorted(row) for row in blocks.rows)


@given(sizes, sizes, sides, sides, st.integers(1, 6))
def test_a_window_from_its_corners(n_q, n_k, left, right, block_size):
    """No pair of a whole block is looked at; what comes out is that of all pairs."""
    want = torch.from_numpy(allowed_pairs(n_q, n_k, window=(left, right)))
    blocks = BlockMask.from_window(n_q, n_k, left=left, right=right, block_size=block_size)
    assert torch.equal(blocks.to_mask(), want)
    dense = BlockMask.from_mask(want, block_size)
    assert [{j: t is None for j, t in r.items()} for r in blocks.rows] == [
        {j: t is None for j, t in r.items()} for r in dense.rows
    ]
    rule = window(left, right).rule
    by_rule = BlockMask.from_rule(rule, n_q, n_k, block_size=block_size)
    assert torch.equal(by_rule.to_mask(), want)


@given(sizes, sizes, st.integers(1, 6), st.integers(0, 99))
def test_the_intersection_holds_what_both_allow(n_q, n_k, block_size, seed):
    one, other = random_mask(n_q, n_k, 0.6, seed), random_mask(n_q, n_k, 0.6, seed + 1)
    other[: n_q // 2] = True
    both = BlockMask.from_mask(one, block_size) & BlockMask.from_mask(other, block_size)
    assert torch.equal(both.to_mask(), one & other)
    assert both.density == BlockMask.from_mask(one & other, block_size).density


def test_visits_join_neighbors_and_keep_to_the_number_of_keys():
    mask = torch.zeros(4, 20, dtype=torch.bool)
    mask[:2, [0, 2, 4, 9]] = True
    mask[:2, 12:18] = True
    blocks = BlockMask.from_mask(mask, 2)
    (rows, runs, allowed), *more = blocks.visits(100)
    assert not more and rows == slice(0, 2)
    assert runs == [slice(0, 6), slice(8, 10), slice(12, 18)]
    assert torch.equal(allowed, torch.cat([mask[:2, run] for run in runs], 1))
    parts = list(blocks.visits(4))
    assert [sum(run.stop - run.start for run in runs) for _, runs, _ in parts] == [4, 4, 4, 2]
    assert parts[2][2] is None  # keys 12 to 16: whole blocks need no mask
    assert [len(runs) for _, runs, _ in blocks.visits(0)] == [1] * 7


def test_a_causal_mask_keeps_the_tiles_of_the_diagonal_alone():
    blocks = causal().blocks(1024, block_size=64)
    assert blocks.nbytes == 16 * 64 * 64
    assert blocks.density == (16 * 17 / 2) / 16**2
    assert repr(blocks) == (
        "BlockMask(1024 x 1024 in blocks of 64: 136 of 256 visited, 16 of them partial)"
    )
    assert blocks.device == torch.device("cpu")
    assert BlockMask.from_mask(torch.ones(4, 4, dtype=torch.bool), 2).device is None


def test_tiles_are_copies_of_the_mask():
    mask = random_mask(6, 6)
    blocks = BlockMask.from_mask(mask, 3)
    before = blocks.to_mask()
    mask.logical_not_()
    assert torch.equal(blocks.to_mask(), before)
    assert all(t.untyped_storage().nbytes() == t.nbytes for r in blocks.rows for t in r.values())


GOOD = torch.ones(3, 4, dtype=torch.bool)
ERRORS = {
    "size": (lambda: BlockMask.from_mask(GOOD, 0), ValueError, "block_size must be at least 1"),
    "rank": (lambda: BlockMask.from_mask(GOOD[0]), ValueError, r"\(4,\); it must be \(n_q, n_k\)"),
    "dtype": (lambda: BlockMask.from_mask(GOOD.int()), TypeError, r"torch\.int32; it must be a bo"),
    "array": (lambda: BlockMask.from_mask(GOOD.numpy()), TypeError, "mask is ndarray; it must be"),
    "n_q": (lambda: BlockMask.from_window(-1), ValueError, "n_q must be at least 0; got -1"),
    "n_k": (lambda: BlockMask.from_rule(causal(), 1, 1.5), TypeError, r"n_k must be an int.*1\.5"),
    "left": (lambda: BlockMask.from_window(2, left=-1), ValueError, "left is -1; no limit is None"),
    "and": (lambda: BlockMask.from_mask(GOOD) & GOOD, TypeError, "unsupported operand|&"),
    "sizes": (
        lambda: BlockMask.from_mask(GOOD, 2) & BlockMask.from_mask(GOOD, 3),
        ValueError,
        r"must have one \(n_q, n_k, block_size\); got \(3, 4, 2\) and \(3, 4, 3\)",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_what_came(case):
    call, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message):
        call()
