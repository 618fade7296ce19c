"""The figures of the chapter on tiles: what they report is what the library's own loop gives."""

import numpy as np
import pytest

from attnbook.figures import OnlineSoftmax

torch = pytest.importorskip("torch")
flash = pytest.importorskip("attnbook.flash")


def steps(scores, values, block):
    """Return (m, l, o) after each block, by the loop inside `flash_attention`."""
    scores, values = (torch.tensor(x, dtype=torch.float64) for x in (scores, values))
    state = flash.online_start(torch.zeros(1, 1, 1, 1, dtype=scores.dtype), 1)
    for start in range(0, len(scores), block):
        s, v = scores[start : start + block], values[start : start + block]
        state = flash.online_step(*state, s.clone().reshape(1, 1, 1, -1), v.reshape(1, 1, -1, 1))
        yield [float(part) for part in state]


@pytest.mark.parametrize("block", [1, 2, 3, 4, 5, 6])
def test_online_softmax_is_the_loop_of_flash(block):
    """The rows that the figure merges are the running maximum, sum and weighted sum."""
    rng = np.random.default_rng(block)
    scores, values = rng.uniform(-3, 3, 6).tolist(), rng.uniform(-2, 2, 6).tolist()
    figure = OnlineSoftmax(scores=scores, values=values, block=block, step=6)
    rows = figure.rows()
    assert len(rows) == -(-6 // block)
    for row, (peak, total, out) in zip(rows, steps(scores, values, block), strict=True):
        kept = [row["maximum"], row["sum"], row["weighted_sum"]]
        np.testing.assert_allclose(kept, [peak, total, out], rtol=1e-12, atol=1e-12)
        assert row["output"] == pytest.approx(row["exact"], abs=1e-12)
    np.testing.assert_allclose(sum(figure.held()), rows[-1]["sum"], rtol=1e-12)


def test_a_forgotten_rescale_is_wrong_only_after_a_rise():
    """Falling scores never raise the maximum, so nothing goes wrong; rising ones do."""
    falling, rising = [3.0, 1.0, 0.0, -1.0, -2.0, -3.0], [-3.0, -2.0, -1.0, 0.0, 1.0, 3.0]
    assert OnlineSoftmax(scores=falling, step=3, forget=True).numbers()["error"] < 1e-12
    wrong = OnlineSoftmax(scores=rising, step=3, forget=True)
    assert wrong.numbers()["error"] > 0.1
    np.testing.assert_allclose(sum(wrong.held()), wrong.numbers()["sum"], rtol=1e-12)
