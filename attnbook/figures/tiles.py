"""Tiles: attention of one head, tile by tile, and the bytes that it moves."""

import math
from typing import ClassVar

import numpy as np
import traitlets

from attnbook.costs import flash_traffic, naive_traffic
from attnbook.distributions import logsumexp, softmax
from attnbook.figures.base import Figure
from attnbook.plots import INK, KEY, MUTED, PAGE, QUERY, RULE, VALUE, WEIGHT, subplots

BYTES = 2  # of a number in q, k, v and the output: bfloat16
SUM_BYTES = 4  # of a number in scores, sums and running output: float32
KIB = 1024


def tile_bytes(block_q: int, block_k: int, width: int) -> dict[str, int]:
    """Return what one tile keeps at hand, in bytes, part by part.

    q: B_q·d, k and v: B_k·d each, at 2 bytes; the running output: B_q·d, the scores: B_q·B_k, the
    running maximum and sum: 2·B_q, at 4 bytes. All is counted into one fast memory. A GPU keeps a
    part of it in registers, and a second pair of k and v while it loads ahead.

    Examples
    --------
    >>> sum(tile_bytes(128, 128, 64).values()) // 1024
    145
    """
    return {
        "q": BYTES * block_q * width,
        "k": BYTES * block_k * width,
        "v": BYTES * block_k * width,
        "output": SUM_BYTES * block_q * width,
        "scores": SUM_BYTES * block_q * block_k,
        "maximum and sum": SUM_BYTES * 2 * block_q,
    }


def _count(default: int, low: int, high: int):
    return traitlets.Int(default, min=low, max=high).tag(sync=True)


class Tiles(Figure):
    """n queries and n keys in tiles; for each tile of queries, all tiles of keys go by.

    State: ``n``; ``block_q`` and ``block_k``, queries and keys of a tile; ``head_width``, d;
    ``fast_memory`` in KiB; ``causal``; ``step``, tiles done (more than there are means all). The
    row shown is the last query of the tile, with scores and values from a formula.
    """

    name = "tiles"
    heights = (870, 1380)
    examples: ClassVar[list[dict]] = [
        {},
        {"step": 0},
        {"step": 256},
        {"causal": True, "step": 20},
        {"causal": True, "step": 136},
        {"causal": True, "block_q": 64, "block_k": 128, "step": 17},
        {"causal": True, "block_q": 128, "block_k": 64, "step": 5},
        {"n": 1000, "block_q": 96, "block_k": 144, "step": 77},
        {"n": 1000, "block_q": 96, "block_k": 144, "step": 45, "causal": True},
        {"n": 16384, "block_q": 16, "block_k": 16, "step": 600_000},
        {"n": 256, "block_q": 256, "block_k": 256, "step": 1},
        {"n": 100, "block_q": 256, "block_k": 256, "step": 1, "causal": True},
        {"block_q": 16, "block_k": 16, "step": 1500, "head_width": 128},
        {"block_q": 256, "block_k": 256, "fast_memory": 99, "step": 7},
    ]

    n = _count(2048, 1, 16384)
    block_q = _count(128, 16, 512)
    block_k = _count(128, 16, 512)
    head_width = _count(64, 16, 256)
    fast_memory = _count(227, 1, 1024)
    causal = traitlets.Bool(False).tag(sync=True)
    step = _count(155, 0, 1024**2)

    def row_tiles(self) -> list[tuple[int, int, int]]:
        """Return, for each tile of queries: its queries, its tiles of keys, and their keys."""
        rows = []
        for start in range(0, self.n, self.block_q):
            stop = min(start + self.block_q, self.n)
            tiles = math.ceil((stop if self.causal else self.n) / self.block_k)
            rows.append((stop - start, tiles, min(tiles * self.block_k, self.n)))
        return rows

    def place(self) -> tuple[int, int]:
        """Return which tile of queries is being worked on, and how many tiles of keys are done."""
        rows, left = self.row_tiles(), self.step
        for number, (_, tiles, _) in enumerate(rows):
            if left <= tiles:
                return number, left
            left -= tiles
        return len(rows) - 1, rows[-1][1]

    def example_row(self) -> tuple[np.ndarray, np.ndarray]:
        """Return scores and values for the last query of the tile, of the keys it may see.

        s_j = 3 exp(−((x_j − x_i) / 0.2)²) + 0.8 sin 40 x_j and v_j = cos 2π x_j, x_j = j / n: keys
        nearby score high, and all has waves enough that the maximum rises several times.
        """
        last = min((self.place()[0] + 1) * self.block_q, self.n) - 1
        x = np.arange(last + 1 if self.causal else self.n) / self.n
        bell = 3 * np.exp(-(((x - last / self.n) / 0.2) ** 2))
        return bell + 0.8 * np.sin(40 * x), np.cos(2 * np.pi * x)

    def traffic(self) -> dict[str, int]:
        """Return bytes moved so far and in all.

        Unfused so far means: for the queries of the tiles that were begun. It fills whole rows,
        causal or not.
        """
        (number, done), rows, d = self.place(), self.row_tiles(), self.head_width
        whole = [flash_traffic(q, k, d, block_q=q, bytes_per_number=BYTES) for q, _, k in rows]
        queries, tiles, _ = rows[number]
        tiled = sum(whole[:number])
        if done == tiles:
            tiled += whole[number]
        elif done:  # the output and the log-sum-exp are written when all keys have gone by
            seen = min(done * self.block_k, self.n)
            tiled += flash_traffic(queries, seen, d, block_q=queries, bytes_per_number=BYTES)
            tiled -= queries * (BYTES * d + SUM_BYTES)
        begun = sum(q for q, _, _ in rows[: number + 1])
        return {
            "tiled": tiled,
            "unfused": naive_traffic(begun, self.n, d, bytes_per_number=BYTES) if done else 0,
            "tiled_total": sum(whole),
            "unfused_total": naive_traffic(self.n, self.n, d, bytes_per_number=BYTES),
        }

    def numbers(self) -> dict:
        """Return the place, the row's running numbers, the bytes moved, and if a tile fits."""
        (number, done), rows = self.place(), self.row_tiles()
        all_keys = math.ceil(self.n / self.block_k)
        total = sum(tiles for _, tiles, _ in rows)
        need = sum(tile_bytes(self.block_q, self.block_k, self.head_width).values())
        traffic = self.traffic()
        return {
            "row": number + 1,
            "column": done,
            "done": sum(tiles for _, tiles, _ in rows[:number]) + done,
            "total": total,
            "skipped": len(rows) * all_keys - total,
            **self._running(done),
            **traffic,
            "ratio": traffic["unfused_total"] / traffic["tiled_total"],
            "tile_bytes": need,
            "fits": need <= self.fast_memory * KIB,
        }

    def _running(self, done: int) -> dict:
        """Return the running maximum, sum and output of the row after ``done`` tiles of keys."""
        scores, values = self.example_row()
        exact = float(softmax(scores) @ values)
        if not done:
            return {"maximum": None, "factor": None, "sum": 0.0, "output": 0.0, "exact": exact}
        seen, before = scores[: done * self.block_k], scores[: (done - 1) * self.block_k]
        peak = seen.max()
        return {
            "maximum": float(peak),
            "factor": float(np.exp(before.max(initial=-np.inf) - peak)),
            "sum": float(np.exp(logsumexp(seen) - peak)),
            "output": float(softmax(seen) @ values[: len(seen)]),
            "exact": exact,
        }

    def picture(self):
        """Return the square of tiles, the row's scores with their maximum, and the bytes."""
        numbers, rows = self.numbers(), self.row_tiles()
        row, column, n = numbers["row"] - 1, numbers["column"], self.n
        mib = {name: numbers[name] / KIB**2 for name in ("tiled", "unfused")}
        totals = [numbers[f"{name}_total"] / KIB**2 for name in mib]
        alt = (
            f"A square of {len(rows)} by {math.ceil(n / self.block_k)} tiles, {n} queries by {n} "
            f"keys; {numbers['done']} of {numbers['total']} tiles are done, row by row, and "
            f"{numbers['skipped']} are skipped. Beside it the scores of one query with their "
            f"running maximum, and bars of the bytes moved: in all {totals[0]:.2f} MiB tiled, "
            f"{totals[1]:.2f} MiB unfused."
        )
        plot, axes = subplots(2, 2, figsize=(6.6, 4.4), height_ratios=[2.4, 1], alt=alt)
        (square, line), (bars, memory) = axes
        seen = min(column * self.block_k, n)
        keys = np.array([k for _, _, k in rows])
        edges = np.cumsum([0, *(q for q, _, _ in rows)])
        look = {"orientation": "horizontal", "fill": True, "linewidth": 0}
        done = [*keys[:row], seen]
        square.stairs(done, edges[: row + 2], color=WEIGHT, alpha=0.3, **look)
        square.stairs(np.full(len(rows), n), edges, baseline=keys, color=RULE, **look)
        if column:
            start, top, tall = (column - 1) * self.block_k, edges[row], rows[row][0]
            square.barh(top, seen - start, tall, left=start, align="edge", color=WEIGHT)
        square.set(xlim=(0, n), ylim=(n, 0), aspect="equal", xlabel="key", ylabel="query")
        square.set(xticks=(0, n // 2, n), yticks=(0, n // 2, n))
        scores, _ = self.example_row()
        shown = np.unique(np.linspace(0, len(scores) - 1, 200).astype(int))
        line.plot(shown, scores[shown], color=WEIGHT, linewidth=1.2)
        if column:
            ends = np.minimum(np.arange(1, column + 1) * self.block_k, len(scores))
            peaks = np.maximum.accumulate(scores)[ends - 1]
            line.stairs(peaks, [0, *ends], baseline=None, color=INK)
        line.set(xlabel="key", ylabel="score, maximum", xlim=(0, n))
        bars.barh(["tiled", "unfused"], totals, color="none", edgecolor=MUTED)
        bars.barh(["tiled", "unfused"], list(mib.values()), color=MUTED)
        bars.set(xlabel="MiB moved", ylim=(1.6, -0.6))
        parts, start = tile_bytes(self.block_q, self.block_k, self.head_width), 0.0
        colours, short = (QUERY, KEY, VALUE, VALUE, WEIGHT, MUTED), ("q", "k", "v", "o", "s", "")
        for part, colour, letter in zip(parts, colours, short, strict=True):
            size = parts[part] / KIB
            memory.barh(0, size, 0.5, left=start, color=colour, edgecolor="none")
            if size > 0.04 * self.fast_memory:
                memory.text(start + size / 2, 0, letter, ha="center", va="center", color=PAGE)
            start += size
        memory.axvline(self.fast_memory, color=INK, linestyle="--")
        memory.set(xlabel="KiB; dashed: fast memory", yticks=(), ylim=(-0.6, 0.6))
        return plot
