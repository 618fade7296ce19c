"""Online softmax: one row of scores, read in blocks, with a running maximum, sum and output."""

from typing import ClassVar

import numpy as np
import traitlets

from attnbook.distributions import logsumexp, softmax
from attnbook.figures.base import Figure
from attnbook.online import merge
from attnbook.plots import INK, KEY, MUTED, RULE, VALUE, WEIGHT, subplots

KEYS = 6


def _row(reach: float, default: list[float]):
    """Return a synchronised list of six numbers within ``reach`` of 0."""
    number = traitlets.Float(min=-reach, max=reach)
    return traitlets.List(number, default, minlen=KEYS, maxlen=KEYS).tag(sync=True)


class OnlineSoftmax(Figure):
    """Six scores and six values, which can be dragged, read ``block`` keys at a time.

    State: ``scores`` in [−3, 3]; ``values`` in [−2, 2]; ``block``, keys of a block, 1 to 6;
    ``step``, blocks read so far (more than there are means all); ``forget``: leave out the rescale
    e^{m_old − m_new} when the maximum rises, to see what goes wrong.
    """

    name = "online_softmax"
    heights = (740, 1196)
    examples: ClassVar[list[dict]] = [
        {},
        {"forget": True},
        {"step": 0},
        {"step": 0, "forget": True},
        {"step": 3, "forget": True},
        {"block": 1, "step": 6},
        {"block": 6, "step": 6, "forget": True},
        {"block": 4, "step": 2, "forget": True},
        {"scores": [1.0] * 6, "block": 1, "step": 4, "forget": True},
        {"scores": [-3.0, -1.8, -0.6, 0.6, 1.8, 3.0], "block": 1, "step": 6, "forget": True},
        {"scores": [3.0, 1.8, 0.6, -0.6, -1.8, -3.0], "block": 1, "step": 3, "forget": True},
    ]

    scores = _row(3.0, [1.0, 0.2, 2.4, -0.5, 1.4, 0.6])
    values = _row(2.0, [-1.4, -0.6, 1.2, 0.4, 1.6, -1.0])
    block = traitlets.Int(2, min=1, max=KEYS).tag(sync=True)
    step = traitlets.Int(2, min=0, max=KEYS).tag(sync=True)
    forget = traitlets.Bool(False).tag(sync=True)

    def read(self) -> list[slice]:
        """Return the blocks of keys read so far."""
        starts = range(0, KEYS, self.block)
        return [slice(i, min(i + self.block, KEYS)) for i in starts][: self.step]

    def rows(self) -> list[dict]:
        """Return what is kept after each block: the library merges blocks by their log-sum-exp."""
        scores, values = np.array(self.scores), np.array(self.values)
        out, lse = np.zeros((1, 1)), np.full(1, -np.inf)  # attention over no key at all
        peak, forgotten, rows = -np.inf, np.zeros(2), []
        for block in self.read():
            own_lse = logsumexp(scores[block])
            own_out = softmax(scores[block]) @ values[block]
            out, lse = merge(out, lse, np.full((1, 1), own_out), np.full(1, own_lse))
            old, peak = peak, scores[: block.stop].max()
            # Without the rescale each block stays under the maximum of its own time.
            forgotten = forgotten + np.exp(own_lse - peak) * np.array([1.0, own_out])
            total = float(np.exp(lse[0] - peak))
            kept = forgotten if self.forget else total * np.array([1.0, out[0, 0]])
            rows.append(
                {
                    "maximum": float(peak),
                    "factor": float(np.exp(old - peak)),
                    "sum": float(kept[0]),
                    "weighted_sum": float(kept[1]),
                    "output": float(kept[1] / kept[0]),
                    "exact": float(softmax(scores[: block.stop]) @ values[: block.stop]),
                }
            )
        return rows

    def held(self) -> list[float]:
        """Return what the running sum holds of each key read: e^{s − m}."""
        rows, scores = self.rows(), np.array(self.scores)
        held = []
        for number, block in enumerate(self.read()):
            peak = rows[number if self.forget else -1]["maximum"]
            held.extend(np.exp(scores[block] - peak).tolist())
        return held

    def numbers(self) -> dict:
        """Return the rows, the last of them again by name, what the sum holds, and the error."""
        rows = self.rows()
        nothing = {"maximum": None, "factor": None}
        nothing |= dict.fromkeys(("sum", "weighted_sum", "output", "exact"), 0.0)
        last = rows[-1] if rows else nothing
        return {
            **last,
            "error": abs(last["output"] - last["exact"]),
            "held": self.held(),
            "rows": rows,
        }

    def picture(self):
        """Return scores with the running maximum, what the sum holds, and values with outputs."""
        numbers, blocks = self.numbers(), self.read()
        seen = blocks[-1].stop if blocks else 0
        keys = np.arange(1, KEYS + 1)
        told = "Nothing is read yet."
        if seen:
            told = (
                f"After {seen} keys the maximum is {numbers['maximum']:.2f}, what was summed "
                f"before was multiplied by {1.0 if self.forget else numbers['factor']:.2f}, the "
                f"sum is {numbers['sum']:.2f}, and the output {numbers['output']:.3f} stands "
                f"beside {numbers['exact']:.3f}, the softmax of the same keys."
            )
        alt = f"Six scores read in blocks of {self.block}, what the sum holds, and values. {told}"
        plot, (top, middle, bottom) = subplots(3, 1, figsize=(6.4, 5.0), sharex=True, alt=alt)
        for ax in (top, middle, bottom):
            ax.axvspan(seen + 0.5, KEYS + 0.5, color=RULE, alpha=0.35, linewidth=0)  # not read yet
            for edge in range(self.block, KEYS, self.block):
                ax.axvline(edge + 0.5, color=MUTED, linestyle=":", linewidth=0.8)
        top.axhline(0, color=MUTED, linewidth=0.8)
        top.vlines(keys, 0, self.scores, color=KEY)
        top.plot(keys, self.scores, "^", color=KEY)
        for block, row in zip(blocks, numbers["rows"], strict=True):
            top.hlines(row["maximum"], block.start + 0.5, block.stop + 0.5, color=INK)
        top.set(ylabel="score", ylim=(-3.4, 3.4), xlim=(0.5, KEYS + 0.5))
        middle.bar(keys[:seen], numbers["held"], width=0.5, color=WEIGHT)
        middle.set(ylabel="held in the sum", ylim=(0, 1.1))
        bottom.plot(keys, self.values, "s", color=VALUE)
        bottom.axhline(numbers["output"], color=VALUE)
        bottom.axhline(numbers["exact"], color=INK, linestyle="--")
        bottom.set(ylabel="value, output", ylim=(-2.2, 2.2), xlabel="key", xticks=keys)
        return plot
