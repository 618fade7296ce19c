"""The masks themselves: which pairs are allowed."""

import numpy as np
import pytest
import torch
from reference import allowed_pairs

from attnbook import attention, causal_mask, padding_mask, window_mask

SIZES = [(0, 0), (0, 3), (3, 0), (1, 1), (2, 5), (5, 2), (7, 7)]


def picture(mask):
    return ["".join(".X"[int(cell)] for cell in row) for row in mask]


def test_the_two_by_five_picture():
    assert picture(causal_mask(2, 5)) == ["XXXX.", "XXXXX"]
    assert picture(causal_mask(5, 2)) == ["..", "..", "..", "X.", "XX"]
    assert picture(causal_mask(3)) == ["X..", "XX.", "XXX"]
    assert picture(window_mask(4, left=1, right=0)) == ["X...", "XX..", ".XX.", "..XX"]
    assert picture(window_mask(2, 5, left=1, right=1)) == ["..XXX", "...XX"]


@pytest.mark.parametrize(("n_q", "n_k"), SIZES)
@pytest.mark.parametrize("window", [(None, None), (0, 0), (1, None), (None, 2), (2, 1)])
def test_equals_the_definition_pair_by_pair(n_q, n_k, window):
    left, right = window
    mask = window_mask(n_q, n_k, left=left, right=right)
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, allowed_pairs(n_q, n_k, window=window))
    np.testing.assert_array_equal(causal_mask(n_q, n_k), allowed_pairs(n_q, n_k, causal=True))


def test_padding():
    assert picture(padding_mask(np.array([0, 2, 3]), 3)) == ["...", "XX.", "XXX"]
    assert padding_mask(np.array([[1], [2]]), 4).shape == (2, 1, 4)
    assert picture([padding_mask(2, 3, xp=np)]) == ["XX."]
    assert picture(padding_mask([1, 0], 2, xp=np)) == ["X.", ".."]
    assert padding_mask(np.zeros(0, int), 3).shape == (0, 3)
    q = np.random.default_rng(0).standard_normal((2, 1, 3, 4))
    mask = padding_mask(np.array([3, 2]), 3)[:, None, None, :]
    out = attention(q, q, q, mask=mask)
    np.testing.assert_allclose(out[1], attention(q[1], q[1, :, :2], q[1, :, :2]))


def test_masks_of_another_library():
    assert isinstance(causal_mask(2, 5, xp=torch), torch.Tensor)
    assert isinstance(window_mask(2, 5, left=1, xp=torch, device="cpu"), torch.Tensor)
    assert isinstance(padding_mask(torch.tensor([1, 2]), 3), torch.Tensor)
    assert isinstance(padding_mask([1, 2], 3, xp=torch), torch.Tensor)
