"""The figure that composes a sparse pattern: its masks, its blocks and its reach."""

import numpy as np
import pytest

from attnbook.costs import attention_flops
from attnbook.figures import PatternPainter
from attnbook.figures.pattern_painter import LAYERS, ranking
from attnbook.patterns import causal, dilated, global_tokens, longformer, strided, window

NAMED = [
    ({"half": 3}, window(3, 3)),
    ({"half": 3, "gap": 4}, dilated(3, 3, 4)),
    ({"half": 3, "num_global": 2}, longformer(3, [0, 1])),
    ({"half": 7, "stride": 8, "causal": True}, (window(7, 7) | strided(8)) & causal()),
    (
        {"half": 1, "num_global": 1, "blocks": True},
        (window(1, 1) | global_tokens([0])).in_blocks(8),
    ),
]


@pytest.mark.parametrize(("state", "pattern"), NAMED, ids=lambda x: str(x))
def test_the_mask_is_that_of_the_library(state, pattern):
    assert (PatternPainter(**state).mask() == pattern.mask(64)).all()


@pytest.mark.parametrize("state", PatternPainter.examples, ids=str)
def test_reach_is_the_power_of_the_mask(state):
    """After L layers a query has heard of the keys where the L-th power is not zero."""
    figure = PatternPainter(**state)
    mask, numbers = figure.mask(), figure.numbers()
    assert np.diagonal(mask).all()
    power = np.eye(64, dtype=int)
    for layer in range(LAYERS):
        power = np.minimum(power @ mask, 1)
        assert numbers["reach"][layer] == power[figure.query].sum()
    if numbers["layers"] is not None:
        most = 64 if not figure.causal else figure.query + 1
        steps = np.linalg.matrix_power(mask.astype(object), numbers["layers"])[figure.query]
        fewer = np.linalg.matrix_power(mask.astype(object), numbers["layers"] - 1)[figure.query]
        assert (steps > 0).sum() == most > (fewer > 0).sum() or most == 1


def test_costs():
    """Pairs, operations and blocks of a window of 3 on each side."""
    numbers = PatternPainter(half=3).numbers()
    assert numbers["pairs"] == 64 * 7 - 2 * (1 + 2 + 3)
    assert numbers["flops"] == attention_flops(64, 64, 64, window=(3, 3))
    assert numbers["blocks_density"] == 22 / 64  # 8 on the diagonal, 7 on each side of it
    assert numbers["layers_all"] == 21  # 63 / 3
    half = PatternPainter(half=64, causal=True).numbers()
    assert half["share"] == 1 and half["pairs"] == 64 * 65 / 2


def test_one_random_key_more_keeps_the_others():
    few, more = (PatternPainter(half=0, num_random=r).mask() for r in (3, 4))
    assert (more | ~few).all() and (more.sum(1) - few.sum(1) <= 1).all()
    assert (np.sort(ranking(64), axis=1) == np.arange(64)).all()
