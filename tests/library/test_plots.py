"""Still pictures: themed, deterministic, described; heatmaps with a shared scale."""

import re

import numpy as np
import pytest
import torch

from attnbook.palette import PALETTE
from attnbook.plots import QUERY, Plot, show_heatmaps, subplots


def weights(rows=1, cols=2, n_q=3, n_k=4):
    return np.random.default_rng(0).dirichlet(np.ones(n_k), size=(rows, cols, n_q))


def draw():
    plot, ax = subplots(alt="A line that rises.")
    ax.plot([0, 1], [0, 1 / 3], color=QUERY)
    return plot


def test_picture_is_the_same_each_time():
    plot = draw()
    assert plot.html() == plot.html() == draw().html()


def test_picture_follows_the_theme():
    svg = draw().html()
    assert f"stroke: var(--ab-query, {PALETTE['query'][0]})" in svg
    assert "<style" not in svg, "a style element in inline SVG would restyle the whole page"
    assert "<image" not in svg
    assert not re.search(r"\d\.\d{3}", svg), "a third decimal could differ between machines"


def test_picture_has_text_for_those_who_do_not_see_it():
    assert 'role="img" aria-label="A line that rises."' in draw().html()
    with pytest.raises(ValueError, match="alt is empty; say in a sentence"):
        subplots(alt=" ")


def test_ids_are_used_and_never_shared():
    """Two pictures on one page must not clip each other."""
    one, two = draw().html(), show_heatmaps(weights(), "keys", "queries").html()
    ids = [set(re.findall(r' id="([^"]+)"', svg)) for svg in (one, two)]
    assert ids[0]
    assert not ids[0] & ids[1]
    for svg, own in zip((one, two), ids, strict=True):
        assert set(re.findall(r"url\(#([^)]+)\)", svg)) <= own


def test_notebook_gets_the_svg_and_a_stable_repr():
    bundle = draw()._repr_mimebundle_()
    assert bundle == {"text/html": draw().html(), "text/plain": "Plot('A line that rises.')"}


def test_heatmaps_share_one_scale():
    matrices = weights()
    plot = show_heatmaps(matrices, xlabel="keys", ylabel="queries")
    meshes = [m for ax in plot.axes for m in ax.collections if m.get_array() is not None][:2]
    assert [(m.norm.vmin, m.norm.vmax) for m in meshes] == [(0.0, matrices.max())] * 2
    np.testing.assert_allclose(meshes[1].get_array().reshape(3, 4), matrices[0, 1])


def test_heatmaps_take_torch_and_leave_it_alone():
    tensor = torch.tensor(weights(), requires_grad=True)
    before = tensor.detach().clone()
    plot = show_heatmaps(tensor, "keys", "queries", titles=["a", "b"], cmap="Reds", figsize=(5, 2))
    assert isinstance(plot, Plot)
    assert torch.equal(tensor, before)
    assert (
        plot.html()
        == show_heatmaps(
            tensor.detach().numpy(), "keys", "queries", ["a", "b"], (5, 2), "Reds"
        ).html()
    )


def test_heatmaps_take_half_precision():
    tensor = torch.tensor(weights(), dtype=torch.bfloat16)
    assert "<svg" in show_heatmaps(tensor, "keys", "queries").html()


def test_heatmap_says_what_it_shows():
    tokens = ["the", "cat", "sat", "on"]
    svg = show_heatmaps(
        weights(cols=1), "keys", "queries", row_labels=tokens[:3], col_labels=tokens
    ).html()
    for word in (*tokens, "keys", "queries", "attention weight"):
        assert f">{word}</text>" in svg
    assert "Heatmap of attention weight, 3 queries by 4 keys" in svg


def test_values_stand_in_small_cells_only():
    value = f">{weights()[0, 0, 0, 0]:.2f}</text>"
    assert value in show_heatmaps(weights(), "keys", "queries").html()
    assert value not in show_heatmaps(weights(), "keys", "queries", show_values=False).html()
    big = show_heatmaps(weights(1, 1, 20, 20), "keys", "queries")
    assert not big.axes[0].texts


def test_row_zero_is_on_top():
    plot = show_heatmaps(np.eye(3).reshape(1, 1, 3, 3), "keys", "queries")
    low, high = plot.axes[0].get_ylim()
    assert low > high


@pytest.mark.parametrize(
    ("array", "kwargs", "message"),
    [
        (np.eye(3), {}, r"shape \(3, 3\).*reshape it to \(1, 1, n_q, n_k\)"),
        (np.zeros((1, 1, 0, 3)), {}, r"shape \(1, 1, 0, 3\).*non-empty"),
        (weights(), {"titles": ["a"]}, "titles has 1 entries; this array needs 2"),
        (weights(), {"row_labels": ["a"]}, "row_labels has 1 entries; this array needs 3"),
        (weights(), {"col_labels": list("abc")}, "col_labels has 3 entries; this array needs 4"),
    ],
)
def test_wrong_input_is_named(array, kwargs, message):
    with pytest.raises(ValueError, match=message):
        show_heatmaps(array, "keys", "queries", **kwargs)
