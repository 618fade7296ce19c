"""Biases by offset: T5's buckets and ALiBi."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference import attention_reference

from attnbook import attention
from attnbook.costs import position_parameters
from attnbook.position_bias import RelativeBias, alibi_bias, alibi_slopes, relative_buckets

DOUBLE = torch.float64


def bucket_in_words(offset, num_buckets, max_distance, bidirectional):
    """One offset at a time, in whole numbers: n >= e (D / e)^(b / w) iff n^w e^b >= D^b e^w."""
    half = num_buckets // 2 if bidirectional else num_buckets
    side = half if bidirectional and offset > 0 else 0
    distance = abs(offset) if bidirectional else max(0, -offset)
    exact = half // 2
    if distance < exact:
        return side + distance
    wide = half - exact
    ratio, step = Fraction(distance, exact) ** wide, Fraction(max_distance, exact)
    return side + exact + max(b for b in range(wide) if ratio >= step**b)


def t5_code(offsets, num_buckets, max_distance, bidirectional):
    """T5's own formula, with its logarithms in float32."""
    buckets = 0
    if bidirectional:
        num_buckets //= 2
        buckets = (offsets > 0).long() * num_buckets
        distance = offsets.abs()
    else:
        distance = -torch.minimum(offsets, torch.zeros_like(offsets))
    exact = num_buckets // 2
    ratio = torch.log(distance.float() / exact) / math.log(max_distance / exact)
    far = exact + (ratio * (num_buckets - exact)).long()
    far = far.clamp(max=num_buckets - 1)
    return buckets + torch.where(distance < exact, distance, far)


@given(st.integers(2, 40), st.integers(0, 300), st.booleans())
def test_buckets_in_words(size, beyond, bidirectional):
    num_buckets = 2 * size if bidirectional else size
    max_distance = size // 2 + 1 + beyond
    offsets = torch.arange(-350, 351)
    buckets = relative_buckets(
        offsets, num_buckets=num_buckets, max_distance=max_distance, bidirectional=bidirectional
    )
    want = [bucket_in_words(o, num_buckets, max_distance, bidirectional) for o in offsets.tolist()]
    assert buckets.tolist() == want


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(
    ("num_buckets", "max_distance"), [(32, 128), (64, 128), (320, 800), (8, 20)]
)
def test_buckets_are_t5s(num_buckets, max_distance, bidirectional):
    offsets = torch.arange(-3000, 3001)
    settings = {
        "num_buckets": num_buckets,
        "max_distance": max_distance,
        "bidirectional": bidirectional,
    }
    assert torch.equal(relative_buckets(offsets, **settings), t5_code(offsets, **settings))


def test_the_defaults_are_t5s_encoder():
    offsets = torch.arange(-200, 201)
    assert torch.equal(relative_buckets(offsets), t5_code(offsets, 32, 128, True))
    assert RelativeBias(1).buckets == {
        "num_buckets": 32,
        "max_distance": 128,
        "bidirectional": True,
    }


@given(st.integers(2, 40), st.integers(1, 500), st.booleans())
def test_buckets_never_go_back_and_end_at_max_distance(size, beyond, bidirectional):
    num_buckets = 2 * size if bidirectional else size
    max_distance = size // 2 + beyond
    settings = {"num_buckets": num_buckets, "bidirectional": bidirectional}
    buckets = relative_buckets(-torch.arange(1200), max_distance=max_distance, **settings)
    assert (buckets.diff() >= 0).all() and buckets[0] == 0
    assert (buckets[max_distance:] == size - 1).all()
    assert buckets[: size // 2 + 1].tolist() == list(range(size // 2 + 1))


def test_small_integer_dtypes_do_not_overflow():
    assert relative_buckets(torch.tensor([-128, 127], dtype=torch.int8)).tolist() == [15, 31]
    ahead = torch.tensor([1], dtype=torch.uint8)
    assert relative_buckets(ahead, bidirectional=False).tolist() == [0]


@pytest.mark.parametrize(("n_q", "n_k"), [(3, 3), (2, 5), (5, 2), (0, 3), (3, 0), (1, 1)])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_relative_bias_looks_up_the_bucket_of_the_offset(n_q, n_k, bidirectional):
    settings = {"num_buckets": 6, "max_distance": 5, "bidirectional": bidirectional}
    bias = RelativeBias(4, **settings, dtype=DOUBLE)
    assert (bias.weight == 0).all() and bias.weight.shape == (6, 4)
    torch.nn.init.normal_(bias.weight)
    out = bias(n_q, n_k)
    assert out.shape == (4, n_q, n_k) and out.dtype == DOUBLE
    for h in range(4):
        for i in range(n_q):
            for j in range(n_k):
                bucket = bucket_in_words(j - (i + n_k - n_q), 6, 5, bidirectional)
                assert out[h, i, j] == bias.weight[bucket, h]
    assert torch.equal(bias(n_q), bias(n_q, n_q))


def test_relative_bias_counts_and_learns():
    bias = RelativeBias(4, num_buckets=8, max_distance=16, dtype=DOUBLE)
    assert sum(p.numel() for p in bias.parameters()) == position_parameters(
        "relative", num_heads=4, num_buckets=8
    )
    bias(3).sum().backward()  # 3 pairs at offset 0, then 2 + 1 behind and 2 + 1 ahead
    assert bias.weight.grad[:, 0].tolist() == [3, 2, 1, 0, 0, 2, 1, 0]
    assert repr(bias) == (
        "RelativeBias(num_heads=4, num_buckets=8, max_distance=16, bidirectional=True)"
    )


def test_weights_of_t5_load():
    table = torch.nn.Embedding(32, 8)  # what T5 calls relative_attention_bias
    bias = RelativeBias(8, bidirectional=False)
    bias.load_state_dict(table.state_dict())
    offsets = torch.arange(5)[None] - torch.arange(5)[:, None]
    want = table(t5_code(offsets, 32, 128, False)).permute(2, 0, 1)
    assert torch.equal(bias(5), want)


@pytest.mark.parametrize("kind", ["relative", "alibi"])
def test_with_a_cache_one_query_gets_the_last_row(kind):
    torch.manual_seed(0)
    relative = RelativeBias(4, dtype=DOUBLE)
    torch.nn.init.normal_(relative.weight)
    bias = relative if kind == "relative" else lambda *n: alibi_bias(4, *n, dtype=DOUBLE)
    assert torch.equal(bias(1, 9), bias(9)[:, -1:])
    assert torch.equal(bias(3, 9), bias(9, 9)[:, -3:])


def test_slopes_of_a_power_of_two():
    assert alibi_slopes(8).tolist() == [2.0**-h for h in range(1, 9)]
    assert alibi_slopes(16)[:2].tolist() == pytest.approx([2**-0.5, 0.5])
    assert alibi_slopes(1).tolist() == [2.0**-8]
    for heads in (1, 2, 4, 32, 128):
        slopes = alibi_slopes(heads, dtype=DOUBLE).numpy()
        np.testing.assert_allclose(slopes, 2 ** (-8 * np.arange(1, heads + 1) / heads), rtol=1e-15)


def papers_code(n):
    """The function of the paper's repository, in its own terms."""

    def power_of_2(n):
        start = 2 ** (-(2 ** -(math.log2(n) - 3)))
        return [start * start**i for i in range(n)]

    if math.log2(n).is_integer():
        return power_of_2(n)
    closest = 2 ** math.floor(math.log2(n))
    return power_of_2(closest) + papers_code(2 * closest)[0::2][: n - closest]


@pytest.mark.parametrize("heads", [*range(1, 41), 63, 64, 65, 112])
def test_slopes_are_those_of_the_papers_code(heads):
    slopes = alibi_slopes(heads, dtype=DOUBLE)
    assert slopes.shape == (heads,)
    np.testing.assert_allclose(slopes, papers_code(heads), rtol=1e-13)
    assert len(set(slopes.tolist())) == heads and (slopes > 0).all() and (slopes < 1).all()


@pytest.mark.parametrize(("n_q", "n_k"), [(3, 3), (2, 5), (5, 2), (0, 3), (3, 0)])
def test_alibi_is_the_distance_times_the_slope(n_q, n_k):
    bias, slopes = alibi_bias(12, n_q, n_k, dtype=DOUBLE), papers_code(12)
    assert bias.shape == (12, n_q, n_k)
    for h in range(12):
        for i in range(n_q):
            for j in range(n_k):
                want = -slopes[h] * abs(j - (i + n_k - n_q))
                assert bias[h, i, j] == pytest.approx(want, rel=1e-13)


def test_alibi_dtypes():
    """In bfloat16 a distance of 257 would be 256, were it rounded before the product."""
    assert alibi_slopes(3).dtype == alibi_bias(3, 2).dtype == torch.float32
    assert alibi_slopes(3, dtype=torch.float16).dtype == torch.float16
    low, high = (alibi_bias(3, 1, 5000, dtype=d) for d in (torch.bfloat16, DOUBLE))
    assert low.dtype == torch.bfloat16 and torch.equal(low, high.bfloat16())
    assert alibi_bias(2, 2, device="meta").device.type == "meta"
    assert alibi_slopes(2, device="meta").device.type == "meta"


def test_relative_bias_works_where_its_weight_is():
    bias = RelativeBias(2, device="meta", dtype=torch.bfloat16)
    assert bias.weight.dtype == torch.bfloat16
    assert bias(2, 3).shape == (2, 2, 3) and bias(2, 3).device.type == "meta"


def test_alibi_weights_fall_by_the_slope_with_each_step():
    """With equal keys each step back costs exactly the factor e^(-slope)."""
    q, v = torch.zeros(1, 2, 1, 4, dtype=DOUBLE), torch.eye(6, dtype=DOUBLE)[None, None]
    k = torch.ones(1, 2, 6, 4, dtype=DOUBLE)
    weights = attention(q, k, v.expand(1, 2, 6, 6), bias=alibi_bias(2, 1, 6, dtype=DOUBLE))
    ratios = weights[0, :, 0, :-1] / weights[0, :, 0, 1:]
    np.testing.assert_allclose(
        ratios, np.exp(-np.array(papers_code(2)))[:, None].repeat(5, 1), rtol=1e-12
    )


def test_attention_with_a_bias_agrees_with_the_reference():
    made = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 5, 3, generator=made, dtype=DOUBLE)
    bias = alibi_bias(4, 5, dtype=DOUBLE)
    want, _ = attention_reference(q, k, v, np.tril(np.ones((5, 5), bool)), bias.numpy())
    np.testing.assert_allclose(attention(q, k, v, bias=bias, causal=True), want, atol=1e-14)


ERRORS = {
    "list": (lambda: relative_buckets([1]), TypeError, r"offsets is list; .*integer tensor"),
    "floats": (lambda: relative_buckets(torch.ones(2)), TypeError, r"offsets is torch.float32"),
    "bool": (lambda: relative_buckets(torch.ones(2) > 0), TypeError, r"offsets is torch.bool"),
    "complex": (lambda: relative_buckets(torch.ones(2) + 0j), TypeError, r"offsets is torch.compl"),
    "odd": (
        lambda: RelativeBias(2, num_buckets=5),
        ValueError,
        r"num_buckets must be even and at least 4.*got 5",
    ),
    "two": (lambda: RelativeBias(2, num_buckets=2), ValueError, r"at least 4.*got 2"),
    "one": (
        lambda: RelativeBias(2, num_buckets=1, bidirectional=False),
        ValueError,
        r"num_buckets must be at least 2; got 1",
    ),
    "near": (
        lambda: RelativeBias(2, max_distance=8),
        ValueError,
        r"max_distance must be at least 9; got 8",
    ),
    "switch": (
        lambda: RelativeBias(2, bidirectional="yes"),
        TypeError,
        r"bidirectional must be True or False",
    ),
    "no heads": (lambda: RelativeBias(0), ValueError, r"num_heads must be at least 1; got 0"),
    "n_q": (lambda: RelativeBias(1)(-1), ValueError, r"n_q must be at least 0; got -1"),
    "n_k": (lambda: RelativeBias(1)(1, 2.0), TypeError, r"n_k must be an integer; got 2\.0"),
    "slopes": (lambda: alibi_slopes(0), ValueError, r"num_heads must be at least 1; got 0"),
    "alibi heads": (lambda: alibi_bias(1.0, 2), TypeError, r"num_heads must be an integer"),
    "alibi n_q": (lambda: alibi_bias(1, -2), ValueError, r"n_q must be at least 0; got -2"),
    "alibi n_k": (lambda: alibi_bias(1, 2, -2), ValueError, r"n_k must be at least 0; got -2"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_what_came(case):
    call, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message):
        call()
