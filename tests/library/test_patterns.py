"""Sparse patterns: each rule against its definition, written pair by pair."""

import subprocess
import sys

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attnbook import causal_mask, window_mask
from attnbook.patterns import (
    Pattern,
    big_bird,
    causal,
    dilated,
    documents,
    global_tokens,
    longformer,
    random_keys,
    same_block,
    strided,
    window,
)

SIZES = [(0, 0), (0, 3), (3, 0), (1, 1), (4, 11), (11, 4), (12, 12)]
IDS = [3, 3, 3, 0, 0, 7, 7, 7, 7, 7, 1, 3]

# Each pattern, and who may look at whom, for a query at position p and a key at j.
DEFINITIONS = {
    "causal": (causal(), lambda p, j: j <= p),
    "window": (window(2, 1), lambda p, j: j in range(p - 2, p + 2)),
    "no limit": (window(None, None), lambda p, j: True),
    "left alone": (window(1, None), lambda p, j: j >= p - 1),
    "dilated": (dilated(2, 1, 3), lambda p, j: j in (p - 6, p - 3, p, p + 3)),
    "dilated far": (dilated(None, 0, 4), lambda p, j: j in range(p, p - 100, -4)),
    "strided": (strided(4), lambda p, j: abs(p - j) in (0, 4, 8, 12, 16)),
    "global": (global_tokens([0, 5]), lambda p, j: p in (0, 5) or j in (0, 5)),
    "no global": (global_tokens([]), lambda p, j: False),
    "block": (same_block(5), lambda p, j: p >= 0 and j in range(p - p % 5, p - p % 5 + 5)),
    "documents": (documents(IDS), lambda p, j: p >= 0 and IDS[p] == IDS[j]),
    "union": (window(0, 0) | strided(3), lambda p, j: p == j or (p - j) % 3 == 0),
    "intersection": (causal() & strided(3), lambda p, j: j <= p and (p - j) % 3 == 0),
    "near blocks": (window(1, 0).in_blocks(4), lambda p, j: p // 4 - 1 <= j // 4 <= p // 4),
    "longformer": (
        longformer(2, [1]),
        lambda p, j: abs(p - j) <= 2 or p == 1 or j == 1,
    ),
    "longformer dilated": (
        longformer(1, [0], dilation=2),
        lambda p, j: abs(p - j) in (0, 2) or p == 0 or j == 0,
    ),
    "strided of the paper": (
        window(3, 0) | strided(3) & causal(),
        lambda p, j: j <= p and (p - j <= 3 or (p - j) % 3 == 0),
    ),
}


def pair_by_pair(allowed, n_q, n_k):
    mask = [[bool(allowed(i + n_k - n_q, j)) for j in range(n_k)] for i in range(n_q)]
    return np.array(mask, dtype=bool).reshape(n_q, n_k)


@pytest.mark.parametrize("name", DEFINITIONS)
@pytest.mark.parametrize(("n_q", "n_k"), SIZES)
def test_equals_its_definition_pair_by_pair(name, n_q, n_k):
    pattern, allowed = DEFINITIONS[name]
    mask = pattern.mask(n_q, n_k)
    assert mask.dtype == bool and mask.shape == (n_q, n_k)
    np.testing.assert_array_equal(mask, pair_by_pair(allowed, n_q, n_k))
    if n_q == n_k:
        np.testing.assert_array_equal(pattern.mask(n_q), mask)


@pytest.mark.parametrize("name", [*DEFINITIONS, "random", "big bird"])
def test_every_array_library_and_the_block_list_give_the_same_mask(name):
    pattern = {"random": random_keys(3, 12), "big bird": big_bird(12, block_size=2)}.get(name)
    pattern = pattern or DEFINITIONS[name][0]
    for n_q, n_k in SIZES:
        mask = pattern.mask(n_q, n_k)
        on_torch = pattern.mask(n_q, n_k, xp=torch, device="cpu")
        strict = pattern.mask(n_q, n_k, xp=array_api_strict)
        assert on_torch.dtype == torch.bool and strict.dtype == array_api_strict.bool
        np.testing.assert_array_equal(on_torch, mask)
        np.testing.assert_array_equal(np.asarray(strict), mask)
        np.testing.assert_array_equal(pattern.blocks(n_q, n_k, block_size=5).to_mask(), mask)


def test_the_masks_of_the_book_and_the_patterns_are_one():
    np.testing.assert_array_equal(causal().mask(5, 9), causal_mask(5, 9))
    np.testing.assert_array_equal(window(3, 1).mask(9, 5), window_mask(9, 5, left=3, right=1))


PARTS = st.sampled_from([causal(), window(1, 2), strided(3), same_block(4), random_keys(2, 40)])


@given(PARTS, PARTS, PARTS, st.integers(0, 40), st.integers(0, 40), st.integers(1, 50))
def test_joined_patterns_join_their_masks_and_print_what_makes_them(a, b, c, n_q, n_k, size):
    for joined, mask in (
        ((a | b) & c, (a.mask(n_q, n_k) | b.mask(n_q, n_k)) & c.mask(n_q, n_k)),
        (a | b & c, a.mask(n_q, n_k) | (b.mask(n_q, n_k) & c.mask(n_q, n_k))),
        (a & b | c, (a.mask(n_q, n_k) & b.mask(n_q, n_k)) | c.mask(n_q, n_k)),
        (c & (a | b), (a.mask(n_q, n_k) | b.mask(n_q, n_k)) & c.mask(n_q, n_k)),
    ):
        np.testing.assert_array_equal(joined.mask(n_q, n_k), mask)
        np.testing.assert_array_equal(eval(repr(joined)).mask(n_q, n_k), mask)
        np.testing.assert_array_equal(joined.blocks(n_q, n_k, block_size=size).to_mask(), mask)
        lifted = joined.in_blocks(3)
        np.testing.assert_array_equal(lifted.mask(n_q, n_k), eval(repr(lifted)).mask(n_q, n_k))


def test_prints_as_it_is_written():
    for pattern, text in (
        (window(3, 0) | global_tokens([0]), "window(3, 0) | global_tokens([0])"),
        ((window(None, 0) | strided(2)) & causal(), "(window(None, 0) | strided(2)) & causal()"),
        (
            causal() & (same_block(2) | dilated(1, 1, 2)),
            "causal() & (same_block(2) | dilated(1, 1, 2))",
        ),
        (causal() & strided(2) | window(0, 0), "causal() & strided(2) | window(0, 0)"),
        (causal().in_blocks(2), "causal().in_blocks(2)"),
        ((causal() | window(1, 1)).in_blocks(2), "(causal() | window(1, 1)).in_blocks(2)"),
        (random_keys(2, 9, seed=4), "random_keys(2, 9, seed=4)"),
        (documents([0] * 100), "documents([0, 0, 0, 0, 0, 0, ...])"),
    ):
        assert repr(pattern) == text


def test_random_keys_are_exactly_so_many_and_depend_on_the_seed_alone():
    for num_keys in (0, 1, 4, 30):
        mask = random_keys(num_keys, 30).mask(30)
        assert (mask.sum(1) == num_keys).all()
    a, b, other = (random_keys(4, 30, seed=seed).mask(30) for seed in (1, 1, 2))
    assert (a == b).all() and (a != other).any()
    assert len({tuple(row) for row in a}) > 20  # rows differ: it is not one draw for all
    np.testing.assert_array_equal(random_keys(4, 30, seed=1).mask(7, 30), a[-7:])
    assert a.any(0).sum() > 10  # keys from all over


def test_a_block_of_queries_sees_exactly_so_many_random_blocks_of_keys():
    pattern = random_keys(3, 20).in_blocks(8)
    blocks = pattern.blocks(160, block_size=8)
    assert all(len(row) == 3 and set(row.values()) == {None} for row in blocks.rows)
    assert blocks.nbytes == 0


def test_big_bird_is_global_window_and_random_blocks():
    pattern = big_bird(24 * 8, block_size=8, num_global=2, half_width=1, num_random=3, seed=5)
    drawn = [set(np.flatnonzero(row)) for row in random_keys(3, 24, seed=5).mask(24)]
    for i, row in enumerate(pattern.blocks(24 * 8, block_size=8).rows):
        near = {i - 1, i, i + 1} & set(range(24))
        assert set(row) == (set(range(24)) if i < 2 else {0, 1} | near | drawn[i])
        assert set(row.values()) == {None}
    ragged = big_bird(21, block_size=8, num_random=1)
    assert ragged.mask(21).shape == (21, 21) and ragged.length == 24


def test_big_bird_and_longformer_generate_under_a_causal_mask():
    for pattern in (big_bird(40, block_size=4), longformer(3, [0, 1])):
        mask = (pattern & causal()).mask(40)
        np.testing.assert_array_equal(mask, pattern.mask(40) & causal_mask(40))
        assert mask.diagonal().all()


def test_two_steps_of_strided_attention_reach_every_earlier_position():
    local, column = window(5, 0).mask(25).astype(int), (strided(5) & causal()).mask(25)
    np.testing.assert_array_equal(local @ column > 0, causal_mask(25))


def test_decoding_sees_what_the_whole_sequence_saw():
    for pattern, _ in DEFINITIONS.values():
        whole = pattern.mask(12)
        for n in range(1, 13):
            np.testing.assert_array_equal(pattern.mask(1, n)[0], whole[n - 1, :n])


def test_a_mask_needs_no_pytorch():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from attnbook.patterns import big_bird, causal\n"
        "mask = (big_bird(64, block_size=4) & causal()).mask(64)\n"
        "try: causal().blocks(4)\n"
        "except ImportError as error: assert 'attnbook[torch]' in str(error)\n"
        "else: raise AssertionError\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


ERRORS = {
    "left": (lambda: window(-2, 0), ValueError, "left must be at least 0; got -2"),
    "flash": (lambda: window(-1, 0), ValueError, "no limit is None here"),
    "dilation": (lambda: dilated(1, 1, 0), ValueError, "dilation must be at least 1; got 0"),
    "dilated": (lambda: dilated(1.5, 1, 2), TypeError, "left must be an integer; got 1.5"),
    "stride": (lambda: strided(0), ValueError, "stride must be at least 1; got 0"),
    "global": (lambda: global_tokens([0, -1]), ValueError, "global token must be .*; got -1"),
    "random": (lambda: random_keys(5, 4), ValueError, "num_keys is 5; there are only 4 keys"),
    "random type": (lambda: random_keys(2.0, 4), TypeError, "num_keys must be an integer"),
    "length": (lambda: random_keys(0, 0), ValueError, "length must be at least 1; got 0"),
    "seed": (lambda: random_keys(1, 4, seed=-1), ValueError, "seed must be at least 0"),
    "block": (lambda: same_block(0), ValueError, "size must be at least 1; got 0"),
    "documents": (lambda: documents([0, "a"]), TypeError, "id must be an integer; got 'a'"),
    "document": (lambda: documents([-1]), ValueError, "id must be at least 0; got -1"),
    "big bird": (lambda: big_bird(0), ValueError, "length must be at least 1; got 0"),
    "big bird blocks": (
        lambda: big_bird(128, num_random=3),
        ValueError,
        "num_keys is 3; there are only 2 keys",
    ),
    "n_q": (lambda: causal().mask(-1), ValueError, "n_q must be at least 0; got -1"),
    "n_k": (lambda: causal().blocks(1, 2.5), TypeError, "n_k must be an integer; got 2.5"),
    "block size": (
        lambda: causal().blocks(1, block_size=0),
        ValueError,
        "block_size must be at least 1; got 0",
    ),
    "too long": (
        lambda: (causal() | documents(IDS)).mask(1, 13),
        ValueError,
        r"documents\(.*\) is drawn for 12 keys at most; got 13",
    ),
    "too long in blocks": (
        lambda: (documents(IDS) & random_keys(1, 3).in_blocks(2)).blocks(7),
        ValueError,
        "is drawn for 6 keys at most; got 7",
    ),
    "no pattern": (lambda: causal() & causal_mask(3), TypeError, "Pattern"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_what_came(case):
    call, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message):
        call()


def test_a_pattern_is_any_rule():
    even = Pattern(lambda position, key: key % 2 == 0, "even")
    np.testing.assert_array_equal((even & causal()).mask(3), [[1, 0, 0], [1, 0, 0], [1, 0, 1]])
    np.testing.assert_array_equal(even.mask(2, 3), [[1, 0, 1], [1, 0, 1]])
