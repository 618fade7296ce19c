"""One tile: forward and backward against autograd through the reference."""

import pytest
import torch
from torch.autograd.functional import vjp

from attnbook import _tiles, attention
from attnbook.online import merge

SIZES = [(1, 1), (5, 7), (7, 5), (3, 0), (0, 3)]


def draw(n_q, n_k, heads=4, kv_heads=2):
    made = torch.Generator().manual_seed(n_q * 10 + n_k)
    shapes = ((2, heads, n_q, 3), (2, kv_heads, n_k, 3), (2, kv_heads, n_k, 5))
    q, k, v = (torch.randn(shape, generator=made, dtype=torch.float64) for shape in shapes)
    allowed = torch.rand(2, heads, n_q, n_k, generator=made) < 0.6
    if n_q:
        allowed[:, :, 0] = False
    bias = torch.randn(heads, n_q, n_k, generator=made, dtype=torch.float64)
    bias[:, -1:, :1] = -torch.inf  # forbids as a mask does, even if the score is NaN or inf
    return q, k, v, allowed, bias


@pytest.mark.parametrize(("n_q", "n_k"), SIZES)
def test_forward_and_backward_equal_the_reference(n_q, n_k):
    q, k, v, allowed, bias = draw(n_q, n_k)
    out, lse = _tiles.forward(q, k, v, 0.4, allowed=allowed, bias=bias)
    want, want_lse = attention(q, k, v, mask=allowed, bias=bias, scale=0.4, return_lse=True)
    torch.testing.assert_close(out, want)
    torch.testing.assert_close(lse, want_lse)
    pull = torch.randn_like(out), torch.where(lse == -torch.inf, 0.0, torch.randn_like(lse))

    def function(q, k, v, bias):
        return attention(q, k, v, mask=allowed, bias=bias, scale=0.4, return_lse=True)

    _, wants = vjp(function, (q, k, v, bias), pull)
    delta = (pull[0] * out).sum(-1) - pull[1]
    got = _tiles.backward(q, k, v, 0.4, lse, pull[0], delta, allowed=allowed, bias=bias)
    for ours, theirs in zip((*got[:3], got[3].sum(0)), wants, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_without_a_mask_and_without_a_bias():
    q, k, v, _, bias = draw(5, 7)
    for options, same in (({}, {}), ({"bias": bias}, {"bias": bias})):
        out, lse = _tiles.forward(q, k, v, 0.4, **options)
        want, want_lse = attention(q, k, v, scale=0.4, return_lse=True, **same)
        torch.testing.assert_close(out, want)
        torch.testing.assert_close(lse, want_lse)


def test_a_bias_of_minus_infinity_forbids_whatever_the_score():
    q, k, v, *_ = draw(5, 7)
    k[:, :, 3] = torch.inf
    q = q.abs()
    bias = torch.zeros(7, dtype=torch.float64)
    bias[3] = -torch.inf
    rest = [0, 1, 2, 4, 5, 6]
    out, _ = _tiles.forward(q, k, v, 0.4, bias=bias)
    torch.testing.assert_close(out, attention(q, k[:, :, rest], v[:, :, rest], scale=0.4))


def test_gradients_of_tiles_add_up():
    q, k, v, allowed, _ = draw(5, 8)
    parts = [slice(0, 3), slice(3, 8)]
    pieces = [
        _tiles.forward(q, k[:, :, p], v[:, :, p], 0.4, allowed=allowed[..., p]) for p in parts
    ]
    out, lse = merge(*pieces[0], *pieces[1])
    want, want_lse = _tiles.forward(q, k, v, 0.4, allowed=allowed)
    torch.testing.assert_close(out, want)
    torch.testing.assert_close(lse, want_lse)
    d_out = torch.randn_like(out)
    delta = (d_out * out).sum(-1)
    whole = _tiles.backward(q, k, v, 0.4, lse, d_out, delta, allowed=allowed)
    tiles = [
        _tiles.backward(q, k[:, :, p], v[:, :, p], 0.4, lse, d_out, delta, allowed=allowed[..., p])
        for p in parts
    ]
    torch.testing.assert_close(tiles[0][0] + tiles[1][0], whole[0])
    for index in (1, 2):
        torch.testing.assert_close(torch.cat([t[index] for t in tiles], 2), whole[index])


def test_what_is_not_finite_is_set_aside_and_put_back():
    x = torch.ones(1, 2, 3, 4)
    assert _tiles.split_finite(x)[1] is None
    x[0, 1, 2, 0] = torch.nan
    clean, whole = _tiles.split_finite(x)
    assert (clean[0, 1, 2] == 0).all() and torch.isnan(x).sum() == 1
    assert whole.tolist() == [[[True] * 3, [True, True, False]]]
    allowed = torch.tensor([[True, True, True], [True, True, False]])
    out = _tiles.spoil(torch.zeros(1, 4, 2, 5), allowed, whole)
    broken = torch.isnan(out).all(-1)
    assert broken.tolist() == [[[False, False]] * 2 + [[True, False]] * 2]
    assert not torch.isnan(out[~broken]).any()
