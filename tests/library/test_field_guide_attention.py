"""The bugs that everyone meets: each is written down, and the library shown not to have it.

For every bug there is a broken version, close to what one finds in the wild, and the one-line
test that tells it from the right one.
"""

import math

import numpy as np

from attnbook import attention, attention_weights

RNG = np.random.default_rng(0)
Q, K, V = (RNG.standard_normal((6, 16)) for _ in range(3))


def softmax(s, axis=-1):
    e = np.exp(s - s.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def score_of(weights):
    """Scores can be read off weights: log ratios are differences of scores."""
    return np.log(weights[:, :1] / weights)


def test_missing_square_root_of_d():
    dots = Q @ K.T
    want = (dots[:, :1] - dots) / math.sqrt(16)
    np.testing.assert_allclose(score_of(attention_weights(Q, K)), want)
    assert not np.allclose(score_of(softmax(dots)), want)
    assert not np.allclose(score_of(softmax(dots / 16)), want)  # nor d in place of its root


def test_softmax_over_the_wrong_axis():
    rows = attention_weights(Q, K).sum(-1)
    np.testing.assert_allclose(rows, 1)
    assert not np.allclose(softmax(Q @ K.T / 4, axis=0).sum(-1), rows)


def test_inverted_mask():
    mask = np.zeros((6, 6), dtype=bool)
    mask[:, 2] = True  # only key 2 may be attended to
    np.testing.assert_allclose(attention(Q, K, V, mask=mask), np.tile(V[2], (6, 1)))
    assert not np.allclose(attention(Q, K, V, mask=~mask), np.tile(V[2], (6, 1)))


def test_causal_aligned_to_the_upper_left():
    q = Q[-1:]  # decoding: the newest token asks, and sees every key so far
    np.testing.assert_allclose(attention(q, K, V, causal=True), attention(q, K, V))
    upper_left = np.tril(np.ones((1, 6), dtype=bool))
    assert not np.allclose(attention(q, K, V, mask=upper_left), attention(q, K, V))


def test_large_negative_number_in_place_of_minus_infinity():
    nothing = np.zeros((6, 6), dtype=bool)
    assert (attention(Q, K, V, mask=nothing) == 0).all()
    spread = softmax(np.where(nothing, Q @ K.T, -1e9)) @ V
    np.testing.assert_allclose(spread, np.tile(V.mean(0), (6, 1)))  # looks at everything instead


def test_unguarded_maximum():
    s = np.full((1, 3), -np.inf)
    with np.errstate(invalid="ignore"):
        assert np.isnan(softmax(s)).all()
    assert (attention_weights(Q, K, bias=np.full((6, 6), -np.inf)) == 0).all()


def test_weight_zero_times_nan():
    v = V.copy()
    v[5] = np.nan
    assert np.isnan(attention_weights(Q, K, causal=True) @ v).all()
    assert np.isfinite(attention(Q, K, v, causal=True)[:5]).all()


def test_masking_in_place_overwrites_the_callers_scores():
    bias = np.zeros((6, 6))
    attention(Q, K, V, bias=bias, causal=True)
    assert (bias == 0).all()


def test_heads_grouped_in_the_wrong_order():
    q, k, v = (RNG.standard_normal((1, heads, 5, 4)) for heads in (4, 2, 2))
    right = [np.repeat(x, 2, axis=1) for x in (k, v)]  # heads 0 0 1 1
    wrong = [np.tile(x, (1, 2, 1, 1)) for x in (k, v)]  # heads 0 1 0 1
    np.testing.assert_allclose(attention(q, k, v), attention(q, *right))
    assert not np.allclose(attention(q, k, v), attention(q, *wrong))
