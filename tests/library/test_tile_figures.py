"""The figures of the chapter on tiles: what they report is what the library's own loop gives."""

import numpy as np
import pytest

from attnbook.costs import flash_traffic, naive_traffic
from attnbook.figures import OnlineSoftmax, Tiles
from attnbook.figures.tiles import tile_bytes

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


def test_tiles_move_what_the_costs_say():
    """At the end, without a mask, both sums are the closed formulas of `attnbook.costs`."""
    for n, block_q, width in ((1024, 128, 64), (1000, 96, 32), (100, 256, 128)):
        figure = Tiles(n=n, block_q=block_q, block_k=64, head_width=width, step=1024**2)
        numbers = figure.numbers()
        assert numbers["done"] == numbers["total"]
        assert numbers["tiled"] == numbers["tiled_total"]
        assert numbers["tiled"] == flash_traffic(n, n, width, block_q=block_q)
        assert numbers["unfused"] == numbers["unfused_total"] == naive_traffic(n, n, width)


@pytest.mark.parametrize("causal", [False, True])
def test_each_tile_is_visited_once_in_the_order_of_the_loops(causal):
    """Row by row, and within a row from the first key; skipped are the tiles no query may see."""
    n, block_q, block_k = 200, 32, 48
    first = Tiles(n=n, block_q=block_q, block_k=block_k, causal=causal).numbers()
    places, bytes_before = [], 0
    for step in range(1, first["total"] + 1):
        figure = Tiles(n=n, block_q=block_q, block_k=block_k, causal=causal, step=step)
        numbers = figure.numbers()
        places.append((numbers["row"] - 1, numbers["column"] - 1))
        assert numbers["tiled"] > bytes_before  # each tile moves something
        bytes_before = numbers["tiled"]
    allowed = np.tril(np.ones((n, n), bool)) if causal else np.ones((n, n), bool)
    seen = [
        (i // block_q, j // block_k)
        for i in range(0, n, block_q)
        for j in range(0, n, block_k)
        if allowed[i : i + block_q, j : j + block_k].any()
    ]
    assert places == seen
    assert first["skipped"] == 7 * 5 - len(seen)


def test_the_row_of_a_tile_is_the_loop_of_flash():
    """Running maximum, sum and output after each tile of keys; at the end those of all keys."""
    for causal in (False, True):
        options = {"n": 200, "block_q": 64, "block_k": 48, "causal": causal}
        done = [0]
        for _, tiles, _ in Tiles(**options).row_tiles():
            done.append(done[-1] + tiles)
        scores, values = Tiles(**options, step=done[2]).example_row()
        assert len(scores) == (128 if causal else 200)
        for column, (peak, total, out) in enumerate(steps(scores, values, 48), start=1):
            row = Tiles(**options, step=done[1] + column).numbers()
            kept = [row["maximum"], row["sum"], row["output"]]
            np.testing.assert_allclose(kept, [peak, total, out / total], rtol=1e-12)
        assert row["output"] == pytest.approx(row["exact"], abs=1e-12)


def test_bytes_of_a_tile():
    """q, k and v in two bytes, scores and what is summed in four; it fits to the last byte."""
    parts = tile_bytes(4, 8, 16)
    assert list(parts.values()) == [4 * 16 * 2, 8 * 16 * 2, 8 * 16 * 2, 4 * 16 * 4, 128, 32]
    assert Tiles(fast_memory=145).numbers()["fits"]
    assert not Tiles(fast_memory=144).numbers()["fits"]
