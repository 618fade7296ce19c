"""What is true of attention whatever the numbers are."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from attnbook import attention, attention_weights, causal_mask

sizes = st.integers(1, 9)
seeds = st.integers(0, 2**32 - 1)
spreads = st.sampled_from([0.01, 1.0, 30.0])


@st.composite
def problems(draw, square=False):
    """q, k, v and a mask that may leave rows empty."""
    rng = np.random.default_rng(draw(seeds))
    lead = draw(array_shapes(min_dims=0, max_dims=2, max_side=3))
    n_q, n_k, d_k, d_v = (draw(sizes) for _ in range(4))
    n_k = n_q if square else n_k
    spread = draw(spreads)
    q = spread * rng.standard_normal((*lead, n_q, d_k))
    k = rng.standard_normal((*lead, n_k, d_k))
    v = rng.standard_normal((*lead, n_k, d_v))
    mask = rng.random((*lead, n_q, n_k)) < draw(st.sampled_from([0.2, 0.8, 1.0]))
    return q, k, v, mask


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)


@given(problems())
def test_values_of_one_give_one_and_identity_gives_the_weights(problem):
    q, k, v, mask = problem
    seen = mask.any(-1)[..., None]
    close(
        attention(q, k, np.ones_like(v), mask=mask),
        np.broadcast_to(seen, (*q.shape[:-1], v.shape[-1])),
    )
    identity = np.broadcast_to(np.eye(k.shape[-2]), (*k.shape[:-1], k.shape[-2]))
    weights = attention_weights(q, k, mask=mask)
    close(attention(q, k, identity, mask=mask), weights)
    assert (weights >= 0).all() and (weights[~mask] == 0).all()


@given(problems(), seeds)
def test_the_order_of_the_entries_does_not_matter(problem, seed):
    q, k, v, mask = problem
    order = np.random.default_rng(seed).permutation(k.shape[-2])
    out, lse = attention(q, k, v, mask=mask, return_lse=True)
    other = k[..., order, :], v[..., order, :]
    shuffled, shuffled_lse = attention(q, *other, mask=mask[..., order], return_lse=True)
    close(out, shuffled)
    close(lse, shuffled_lse)


@given(problems())
def test_the_output_lies_among_the_values(problem):
    q, k, v, mask = problem
    out = attention(q, k, v, mask=mask)
    seen = mask.any(-1)
    values = np.broadcast_to(v[..., None, :, :], (*mask.shape, v.shape[-1]))
    low = np.where(mask[..., None], values, np.inf).min(-2)
    high = np.where(mask[..., None], values, -np.inf).max(-2)
    assert (out[seen] >= low[seen] - 1e-12).all() and (out[seen] <= high[seen] + 1e-12).all()
    assert (out[~seen] == 0).all()


@given(problems(), st.integers(0, 9))
def test_two_halves_merged_by_their_lse_equal_the_whole(problem, cut):
    q, k, v, mask = problem
    out, lse = attention(q, k, v, mask=mask, return_lse=True)
    parts = [
        attention(q, k[..., part, :], v[..., part, :], mask=mask[..., part], return_lse=True)
        for part in (slice(None, cut), slice(cut, None))
    ]
    merged_lse = np.logaddexp(parts[0][1], parts[1][1])
    safe = np.where(merged_lse == -np.inf, 0.0, merged_lse)
    merged = sum(np.exp(part_lse - safe)[..., None] * part for part, part_lse in parts)
    close(merged, out)
    close(merged_lse, lse)


@given(problems(square=True))
def test_causal_token_by_token_equals_all_at_once(problem):
    q, k, v, _ = problem
    whole = attention(q, k, v, causal=True)
    for t in range(q.shape[-2]):
        seen = slice(None, t + 1)
        step = attention(q[..., t : t + 1, :], k[..., seen, :], v[..., seen, :], causal=True)
        close(step[..., 0, :], whole[..., t, :])


@given(problems())
def test_causal_does_not_see_the_future(problem):
    q, k, v, _ = problem
    n_q, n_k = q.shape[-2], k.shape[-2]
    before = attention(q, k, v, causal=True)
    k, v = k.copy(), v.copy()
    k[..., -1, :] += 5
    v[..., -1, :] -= 7
    after = attention(q, k, v, causal=True)
    blind = ~causal_mask(n_q, n_k)[:, -1]
    assert (before[..., blind, :] == after[..., blind, :]).all()


@given(problems())
def test_strided_equals_contiguous(problem):
    strided = [x[..., ::-1, ::-1] for x in problem[:3]]
    contiguous = [np.ascontiguousarray(x) for x in strided]
    transposed = [
        np.swapaxes(np.ascontiguousarray(np.swapaxes(x, -1, -2)), -1, -2) for x in strided
    ]
    close(attention(*strided), attention(*contiguous))
    close(attention(*transposed), attention(*contiguous))


@given(problems())
def test_mask_causal_and_window_intersect(problem):
    q, k, v, mask = problem
    n_q, n_k = q.shape[-2], k.shape[-2]
    i, j = np.indices((n_q, n_k))
    both = mask & (j <= i + n_k - n_q) & (j >= i + n_k - n_q - 2)
    close(attention(q, k, v, mask=mask, causal=True, window=(2, 5)), attention(q, k, v, mask=both))


@given(problems())
def test_a_mask_equals_a_bias_of_minus_infinity(problem):
    q, k, v, mask = problem
    close(attention(q, k, v, mask=mask), attention(q, k, v, bias=np.where(mask, 0.0, -np.inf)))


@given(problems(), st.floats(-50, 50))
def test_a_shift_of_all_scores_moves_only_the_lse(problem, shift):
    q, k, v, mask = problem
    out, lse = attention(q, k, v, mask=mask, return_lse=True)
    bias = np.full(mask.shape[-2:], shift)
    moved, moved_lse = attention(q, k, v, mask=mask, bias=bias, return_lse=True)
    np.testing.assert_allclose(moved, out, atol=1e-10)
    np.testing.assert_allclose(moved_lse, lse + shift, atol=1e-10)


@given(problems())
def test_the_callers_arrays_are_never_written_to(problem):
    copies = [x.copy() for x in problem]
    q, k, v, mask = problem
    for x in problem:
        x.flags.writeable = False
    bias = np.zeros(mask.shape)
    bias.flags.writeable = False
    out = attention(q, k, v, mask=mask, bias=bias, causal=True, window=(1, 1))
    assert not any(np.shares_memory(out, x) for x in problem)
    for x, copy in zip(problem, copies, strict=True):
        np.testing.assert_array_equal(x, copy)
