"""Pattern painter: a sparse pattern from its parts; its cost, its blocks, its reach by layer."""

from functools import cache
from typing import ClassVar

import numpy as np
import traitlets

from attnbook.costs import attention_flops
from attnbook.figures._draws import uniforms
from attnbook.figures.base import Figure
from attnbook.patterns import Pattern, causal, dilated, global_tokens, strided
from attnbook.plots import QUERY, RULE, WEIGHT, subplots

TOKENS, BLOCK, LAYERS, WIDTH = 64, 8, 6, 64


@cache
def ranking(length: int) -> np.ndarray:
    """Return (length, length): in each row all keys in random order, so one more keeps the rest."""
    return np.argsort(uniforms(7, length * length).reshape(length, length), axis=1, kind="stable")


def random_part(num_keys: int, length: int) -> Pattern:
    """Return the pattern in which each position sees its first ``num_keys`` keys of `ranking`."""
    drawn = np.zeros((length, length), dtype=bool)
    np.put_along_axis(drawn, ranking(length)[:, :num_keys], True, axis=1)
    return Pattern(lambda p, key: drawn[p, key], f"random {num_keys}", length)


def _count(default: int, low: int, high: int):
    return traitlets.Int(default, min=low, max=high).tag(sync=True)


class PatternPainter(Figure):
    """64 tokens and who may look at whom, composed of a window, global, random and strided keys.

    State: ``half``, neighbours on each side; ``gap``, the window's dilation; ``num_global``, the
    first so many see all and are seen by all; ``num_random``, for each query; ``stride``, every so
    many-th key, 0 for none; ``blocks``, count blocks of 8 tokens instead of tokens; ``causal``;
    ``query``, the token whose reach is shown.
    """

    name = "pattern_painter"
    heights = (740, 1212)
    examples: ClassVar[list[dict]] = [
        {},
        {"half": 64},
        {"half": 0},
        {"half": 2, "gap": 4, "causal": True},
        {"half": 4, "num_global": 1, "query": 3},
        {"half": 7, "stride": 8, "causal": True, "query": 63},
        {"half": 0, "num_random": 5},
        {"half": 1, "num_global": 1, "num_random": 1, "blocks": True},
        {"half": 1, "stride": 3, "gap": 2, "blocks": True, "causal": True, "query": 0},
        {"half": 64, "gap": 8, "num_random": 8, "blocks": True, "query": 17},
    ]

    half = _count(3, 0, TOKENS)
    gap = _count(1, 1, 16)
    num_global = _count(0, 0, 8)
    num_random = _count(0, 0, 8)
    stride = _count(0, 0, TOKENS)
    blocks = traitlets.Bool(False).tag(sync=True)
    causal = traitlets.Bool(False).tag(sync=True)
    query = _count(40, 0, TOKENS - 1)

    def mask(self) -> np.ndarray:
        """Return who may look at whom: bool (64, 64). Each token may look at itself."""
        unit = BLOCK if self.blocks else 1
        pattern = dilated(self.half, self.half, self.gap)
        pattern = pattern | random_part(self.num_random, TOKENS // unit)
        if self.num_global:
            pattern = pattern | global_tokens(range(self.num_global))
        if self.stride:
            pattern = pattern | strided(self.stride)
        pattern = pattern.in_blocks(unit)
        return (pattern & causal() if self.causal else pattern).mask(TOKENS)

    def reached(self) -> np.ndarray:
        """Return, for each pair, in how many layers the query hears of the key: 0 for never."""
        mask = self.mask()
        first = mask.astype(int)
        seen, layer = mask, 1
        while True:
            wider = seen @ mask
            layer += 1
            if (wider == seen).all():
                return first
            first[wider & ~seen] = layer
            seen = wider

    def numbers(self) -> dict:
        """Return pairs, operations, visited blocks, and what is reached in how many layers."""
        mask, first = self.mask(), self.reached()
        possible = TOKENS * (TOKENS + 1) // 2 if self.causal else TOKENS**2
        pairs = int(mask.sum())
        squares = mask.reshape(TOKENS // BLOCK, BLOCK, TOKENS // BLOCK, BLOCK).any(axis=(1, 3))
        whole = np.tril(np.ones_like(first)) if self.causal else np.ones_like(first)
        own = first[self.query]
        return {
            "pairs": pairs,
            "density": pairs / TOKENS**2,
            "blocks_density": float(squares.mean()),
            "flops": attention_flops(TOKENS, TOKENS, WIDTH, pairs=pairs),
            "share": pairs / possible,
            "reach": [int(((own > 0) & (own <= layer)).sum()) for layer in range(1, LAYERS + 1)],
            "layers": int(own.max()) if (own > 0).sum() == whole[self.query].sum() else None,
            "layers_all": int(first.max()) if ((first > 0) == (whole > 0)).all() else None,
        }

    def picture(self):
        """Return the mask with its visited blocks, and the keys reached after each layer."""
        numbers, mask, first = self.numbers(), self.mask(), self.reached()[self.query]
        squares = mask.reshape(TOKENS // BLOCK, BLOCK, TOKENS // BLOCK, BLOCK).any(axis=(1, 3))
        alt = (
            f"A square of 64 queries by 64 keys, {numbers['pairs']} pairs allowed, "
            f"{100 * numbers['blocks_density']:.0f} percent of its blocks visited. Beside it, the "
            f"keys that query {self.query} hears of after 1 to 6 layers: "
            f"{', '.join(map(str, numbers['reach']))}."
        )
        plot, (square, reach) = subplots(1, 2, figsize=(6.6, 3.3), alt=alt)
        edges = np.arange(TOKENS + 1) - 0.5
        for i, row in enumerate(squares):
            for j in np.flatnonzero(row):
                corner = (j * BLOCK - 0.5, i * BLOCK - 0.5)
                square.broken_barh(
                    [(corner[0], BLOCK)], (corner[1], BLOCK), color=RULE, linewidth=0
                )
        for i, row in enumerate(mask):
            square.broken_barh(_runs(row), (edges[i], 1), color=WEIGHT, linewidth=0)
        square.axhline(self.query, color=QUERY, linewidth=1)
        square.set(xlim=(-0.5, 63.5), ylim=(63.5, -0.5), aspect="equal")
        square.set(xlabel="key", ylabel="query", xticks=(0, 32, 63), yticks=(0, 32, 63))
        for layer in range(1, LAYERS + 1):
            seen = (first > 0) & (first <= layer)
            reach.broken_barh(_runs(seen), (layer - 0.4, 0.8), color=WEIGHT, linewidth=0)
        reach.axvline(self.query, color=QUERY, linewidth=1)
        reach.set(xlim=(-0.5, 63.5), ylim=(LAYERS + 0.6, 0.4), xticks=(0, 32, 63))
        reach.set(xlabel="key", ylabel="after layer")
        return plot


def _runs(row) -> list[tuple[float, float]]:
    """Return (start, length) of each run of True."""
    ends = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
    return [(a - 0.5, b - a) for a, b in zip(ends[::2], ends[1::2], strict=True)]
