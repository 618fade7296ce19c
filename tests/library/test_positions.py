"""Positions in the embedding and in the angle of queries and keys."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attnbook import attention
from attnbook.costs import position_parameters
from attnbook.positions import (
    LearnedPositions,
    RelativeBias,
    alibi_bias,
    alibi_slopes,
    rope,
    sinusoidal_positions,
)

LAYOUTS = ["pairs", "halves"]


def randn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def turned(x, positions, base=10000.0):
    """RoPE as the paper's section 3.2.1 has it: pairs are complex numbers, times e^(i p θ)."""
    x, positions = x.double().numpy(), np.asarray(positions, np.float64)
    d = x.shape[-1]
    theta = np.array([base ** (-2 * i / d) for i in range(d // 2)])
    z = (x[..., 0::2] + 1j * x[..., 1::2]) * np.exp(1j * positions[..., None] * theta)
    return np.stack([z.real, z.imag], -1).reshape(x.shape)


def rotate_half(x, positions, base=10000.0):
    """RoPE as GPT-NeoX and Llama code has it: x cos + rotate_half(x) sin."""
    d = x.shape[-1]
    inverse = 1.0 / (base ** (torch.arange(0, d, 2).double() / d))
    angles = positions.double()[..., None] * inverse
    angles = torch.cat([angles, angles], dim=-1)
    swapped = torch.cat([-x[..., d // 2 :], x[..., : d // 2]], dim=-1)
    return x * angles.cos() + swapped * angles.sin()


def test_sinusoidal_is_the_papers_formula():
    encoding = sinusoidal_positions(torch.tensor([0, 1, 7, 5000]), 6, base=100.0)
    assert encoding.shape == (4, 6) and encoding.dtype == torch.float32
    for row, p in zip(encoding, (0, 1, 7, 5000), strict=True):
        for i in range(3):
            angle = p / 100 ** (2 * i / 6)
            assert abs(row[2 * i] - np.sin(angle)) < 1e-6
            assert abs(row[2 * i + 1] - np.cos(angle)) < 1e-6
    assert sinusoidal_positions(torch.tensor([1]), 2).tolist()[0] == pytest.approx(
        [np.sin(1), np.cos(1)]
    )
    default = sinusoidal_positions(torch.tensor([3.0], dtype=torch.float64), 4)
    assert default.dtype == torch.float64
    np.testing.assert_allclose(
        default[0], [np.sin(3), np.cos(3), np.sin(0.03), np.cos(0.03)], atol=1e-15
    )


@given(st.integers(-(10**5), 10**5), st.integers(-(10**5), 10**5))
def test_sinusoidal_products_depend_on_the_offset_alone(p, offset):
    here, there = sinusoidal_positions(torch.tensor([p, p + offset]).double(), 16)
    first, second = sinusoidal_positions(torch.tensor([0, offset]).double(), 16)
    assert abs(here @ there - first @ second) < 1e-9
    assert abs(here @ here - 8) < 1e-12


def test_sinusoidal_shapes():
    assert sinusoidal_positions(torch.zeros(2, 3, dtype=torch.int32), 4).shape == (2, 3, 4)
    assert sinusoidal_positions(torch.arange(0), 4).shape == (0, 4)
    assert sinusoidal_positions(torch.tensor(1), 4).shape == (4,)


def test_learned_positions_are_rows_and_learn():
    positions = LearnedPositions(5, 3, dtype=torch.float64)
    assert sum(p.numel() for p in positions.parameters()) == position_parameters(
        "learned", d_model=3, max_positions=5
    )
    index = torch.tensor([[4, 0], [0, 0]])
    out = positions(index)
    assert torch.equal(out, positions.weight[index]) and out.shape == (2, 2, 3)
    out.sum().backward()
    assert positions.weight.grad[:, 0].tolist() == [3, 0, 0, 0, 1]
    assert positions(torch.arange(0)).shape == (0, 3)
    assert repr(positions) == "LearnedPositions(max_positions=5, d_model=3)"


def test_learned_positions_take_dtype_and_device():
    weight = LearnedPositions(3, 4, dtype=torch.float64, device="meta").weight
    assert weight.dtype == torch.float64 and weight.device.type == "meta"


def test_learned_positions_start_small():
    torch.manual_seed(0)
    weight = LearnedPositions(200, 100).weight
    assert weight.dtype == torch.float32
    assert abs(weight.std() - 0.02) < 0.001 and abs(weight.mean()) < 0.001


@pytest.mark.parametrize("shape", [(3, 6), (2, 3, 6), (2, 4, 3, 6), (0, 6), (1, 2), (2, 1, 3, 10)])
def test_rope_is_a_product_of_complex_numbers(shape):
    x, positions = randn(*shape), torch.arange(shape[-2]) + 11
    np.testing.assert_allclose(rope(x, positions), turned(x, positions), atol=1e-13)
    np.testing.assert_allclose(
        rope(x, positions, base=500.0), turned(x, positions, 500.0), atol=1e-13
    )


def test_rope_in_halves_is_rotate_half():
    x, positions = randn(2, 4, 5, 6), torch.arange(5) + 3
    torch.testing.assert_close(rope(x, positions, layout="halves"), rotate_half(x, positions))


@given(st.integers(1, 8), st.integers(0, 99))
def test_the_layouts_differ_by_the_order_of_the_numbers(pairs, seed):
    """The trap: weights made for one layout run without an error in the other, and are wrong."""
    x, positions = randn(4, 2 * pairs, seed=seed), torch.arange(4)
    order = torch.arange(2 * pairs).reshape(pairs, 2).T.flatten()  # 0, 2, 4, ..., 1, 3, 5, ...
    pairwise, halves = rope(x, positions), rope(x, positions, layout="halves")
    torch.testing.assert_close(
        pairwise[:, order], rope(x[:, order], positions, layout="halves"), rtol=0, atol=1e-15
    )
    if pairs > 1:
        assert not torch.allclose(pairwise, halves)
    else:
        assert torch.equal(pairwise, halves)


@given(
    st.integers(-(10**4), 10**5),
    st.integers(-(10**4), 10**5),
    st.integers(-(10**5), 10**5),
    st.sampled_from(LAYOUTS),
)
def test_products_depend_on_the_offset_alone(p, j, shift, layout):
    q, k = randn(2, 1, 8)

    def product(p, j):
        turned_q = rope(q, torch.tensor([p]), layout=layout)
        return (turned_q * rope(k, torch.tensor([j]), layout=layout)).sum()

    assert abs(product(p, j) - product(p + shift, j + shift)) < 1e-8


@given(st.floats(-(10.0**5), 10.0**5), st.sampled_from(LAYOUTS))
def test_lengths_stay_and_turns_add_up(p, layout):
    x, p = randn(3, 8), torch.tensor([p], dtype=torch.float64)
    once = rope(x, p, layout=layout)
    torch.testing.assert_close(once.norm(dim=-1), x.norm(dim=-1))
    torch.testing.assert_close(rope(once, -p, layout=layout), x)
    torch.testing.assert_close(rope(once, p, layout=layout), rope(x, 2 * p, layout=layout))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_position_0_changes_nothing(dtype, layout):
    x = randn(2, 3, 8).to(dtype)
    out = rope(x, torch.zeros(3, dtype=torch.int64), layout=layout)
    assert out.dtype == dtype and torch.equal(out, x)


def test_attention_with_rope_does_not_notice_a_shift_of_all_positions():
    q, k, v = randn(3, 2, 4, 7, 8)
    places = torch.arange(7)
    near = attention(rope(q, places), rope(k, places), v, causal=True)
    far = attention(rope(q, places + 1000), rope(k, places + 1000), v, causal=True)
    torch.testing.assert_close(near, far)
    assert not torch.allclose(near, attention(q, k, v, causal=True))


def test_one_token_with_its_own_position_equals_all_at_once():
    x = randn(2, 4, 6, 8)
    whole = rope(x, torch.arange(6))
    for t in range(6):
        torch.testing.assert_close(
            rope(x[:, :, t : t + 1], torch.tensor([t])), whole[:, :, t : t + 1]
        )


def test_positions_of_each_sequence_broadcast_over_heads():
    x = randn(2, 4, 3, 6)
    positions = torch.tensor([[0, 1, 2], [5, 9, 7]])[:, None]  # (B, 1, n)
    out = rope(x, positions)
    np.testing.assert_allclose(out[1], turned(x[1], np.array([5, 9, 7])), atol=1e-14)
    np.testing.assert_allclose(out[0], turned(x[0], np.arange(3)), atol=1e-14)
    np.testing.assert_allclose(rope(x, torch.tensor(4)), turned(x, np.array([4])), atol=1e-14)


@pytest.mark.parametrize(
    ("dtype", "bound"),
    [
        (torch.bfloat16, 2**-8),
        (torch.float16, 2**-11),
        (torch.float32, 2**-22),
        (torch.float64, 1e-9),
    ],
)
def test_far_positions_are_as_accurate_as_near_ones(dtype, bound):
    """The trap: an angle in the dtype of x; 10^5 in bfloat16 is off by more than a hundred."""
    x, positions = randn(5, 64).to(dtype), torch.tensor([1, 2**17, 10**5, 99_999, 10**6])
    error = np.abs(rope(x, positions).double().numpy() - turned(x, positions))
    lengths = x.double().reshape(5, 32, 2).norm(dim=-1).numpy().repeat(2, -1)
    assert (error <= bound * lengths).all()


def test_angles_in_float32_would_be_wrong_by_thousandths():
    """The docstring's reason for float64."""
    positions = torch.arange(99_000, 101_000)[:, None]
    fine, coarse = (
        positions.to(dtype) * 10000.0 ** (-torch.arange(0, 128, 2, dtype=dtype) / 128)
        for dtype in (torch.float64, torch.float32)
    )
    assert 0.002 < (coarse - fine).abs().max() < 0.01


def test_rope_has_a_gradient_and_writes_to_nothing():
    x, positions = randn(2, 3, 6), torch.arange(3.0, dtype=torch.float64)
    before = x.clone()
    for layout in LAYOUTS:
        assert torch.autograd.gradcheck(
            lambda x, p, layout=layout: rope(x, p, layout=layout),
            (x.clone().requires_grad_(), positions.clone().requires_grad_()),
        )
    assert torch.equal(x, before) and positions.tolist() == [0, 1, 2]


def test_rope_of_a_transposed_tensor():
    x = randn(5, 2, 6).transpose(0, 1)
    torch.testing.assert_close(rope(x, torch.arange(5)), rope(x.contiguous(), torch.arange(5)))


def test_biases_can_be_imported_from_here():
    assert RelativeBias(2)(1).shape == alibi_bias(2, 1).shape == (2, 1, 1)
    assert alibi_slopes(2).shape == (2,)


def test_what_learns_nothing():
    assert position_parameters("sinusoidal") == position_parameters("rope") == 0


X, AT = torch.zeros(2, 3, 4), torch.arange(3)
ERRORS = {
    "odd": (lambda: rope(X[..., :3], AT), ValueError, r"width must be even.*got 3"),
    "width 0": (lambda: rope(X[..., :0], AT), ValueError, r"x has shape \(2, 3, 0\).*d >= 2"),
    "one axis": (lambda: rope(X[0, 0], AT), ValueError, r"x has shape \(4,\).*\(\.\.\., n, d\)"),
    "too many positions": (
        lambda: rope(X, torch.arange(4)),
        ValueError,
        r"positions has shape \(4,\).*x without its last axis, \(2, 3\)",
    ),
    "positions would enlarge x": (
        lambda: rope(X[:1], torch.zeros(2, 3)),
        ValueError,
        r"positions has shape \(2, 3\).*\(1, 3\)",
    ),
    "layout": (lambda: rope(X, AT, layout="half"), ValueError, r"layout is 'half'.*'pairs', 'hal"),
    "base": (lambda: rope(X, AT, base=0), ValueError, r"base must be > 0 and finite; got 0"),
    "base text": (lambda: rope(X, AT, base="1"), TypeError, r"base must be a Python number"),
    "list": (lambda: rope([1.0], AT), TypeError, r"x is a list, not a PyTorch tensor"),
    "integers": (lambda: rope(X.long(), AT), TypeError, r"x has dtype torch.int64"),
    "a number of positions": (lambda: rope(X, 3), TypeError, r"positions is a int.*arange"),
    "positions in bfloat16": (
        lambda: rope(X, AT.bfloat16()),
        TypeError,
        r"torch.bfloat16, which cannot count far \(in bfloat16, 257 is 256\)",
    ),
    "positions in float16": (lambda: rope(X, AT.half()), TypeError, r"float16, which cannot"),
    "bool": (lambda: rope(X, AT > 0), TypeError, r"positions has dtype torch.bool; it must be an"),
    "complex": (lambda: rope(X, AT + 0j), TypeError, r"positions has dtype torch.complex64"),
    "device": (
        lambda: rope(X, AT.to("meta")),
        TypeError,
        r"positions are on meta and x on cpu; move one",
    ),
    "sinusoidal odd": (lambda: sinusoidal_positions(AT, 5), ValueError, r"even.*got 5"),
    "sinusoidal 0": (
        lambda: sinusoidal_positions(AT, 0),
        ValueError,
        r"d_model must be at least 2; got 0",
    ),
    "sinusoidal float": (
        lambda: sinusoidal_positions(AT, 4.0),
        TypeError,
        r"d_model must be an integer; got 4\.0",
    ),
    "sinusoidal base": (
        lambda: sinusoidal_positions(AT, 4, base=-1),
        ValueError,
        r"base must be > 0",
    ),
    "sinusoidal list": (lambda: sinusoidal_positions([1], 4), TypeError, r"positions is a list"),
    "beyond": (
        lambda: LearnedPositions(3, 4)(torch.tensor([1, 3])),
        ValueError,
        r"positions go from 1 to 3; only 0 to 2 have .*max_positions = 3",
    ),
    "negative": (
        lambda: LearnedPositions(3, 4)(torch.tensor([-1])),
        ValueError,
        r"positions go from -1 to -1; only 0 to 2",
    ),
    "learned at a fraction": (
        lambda: LearnedPositions(3, 4)(torch.ones(1)),
        TypeError,
        r"positions has dtype torch.float32; it must be an integer",
    ),
    "learned list": (lambda: LearnedPositions(3, 4)([1]), TypeError, r"positions is a list"),
    "no positions": (
        lambda: LearnedPositions(0, 4),
        ValueError,
        r"max_positions must be at least 1; got 0",
    ),
    "no width": (lambda: LearnedPositions(3, 0), ValueError, r"d_model must be at least 1; got 0"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_what_came(case):
    call, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message):
        call()
