"""Each count against the same count made another way."""

import pytest
import torch
from reference import allowed_pairs
from torch.utils.flop_counter import FlopCounterMode

from attnbook import (
    attention,
    attention_flops,
    bilinear_parameters,
    projection_parameters,
)


@pytest.mark.parametrize("function", ["plain", "attention"])
@pytest.mark.parametrize(("n_q", "n_k", "d_k", "d_v"), [(7, 7, 4, 4), (3, 11, 4, 6), (11, 3, 5, 2)])
def test_flops_equal_what_pytorch_counts(function, n_q, n_k, d_k, d_v):
    q, k, v = torch.zeros(2, 3, n_q, d_k), torch.zeros(2, 3, n_k, d_k), torch.zeros(2, 3, n_k, d_v)
    run = {
        "plain": lambda: torch.softmax(q @ k.mT, -1) @ v,
        "attention": lambda: attention(q, k, v),
    }[function]
    with FlopCounterMode(display=False) as counter:
        run()
    ours = attention_flops(n_q, n_k, d_k, d_v, num_heads=3, batch=2)
    assert counter.get_total_flops() == ours


def test_the_square_case_is_4_b_h_n2_d():
    assert attention_flops(1024, 1024, 64, num_heads=8, batch=2) == 4 * 2 * 8 * 1024**2 * 64


@pytest.mark.parametrize(
    ("n_q", "n_k"), [(0, 0), (0, 4), (4, 0), (1, 9), (9, 1), (3, 7), (7, 3), (6, 6)]
)
def test_causal_counts_the_allowed_pairs(n_q, n_k):
    pairs = int(allowed_pairs(n_q, n_k, causal=True).sum())
    assert attention_flops(n_q, n_k, 5, 3, causal=True) == 2 * pairs * (5 + 3)


def test_parameters_equal_those_of_allocated_layers():
    def allocate(d_model, d_k, d_v, tied_qk=False, tied_kv=False):
        w_q = torch.nn.Linear(d_model, d_k, bias=False)
        w_k = w_q if tied_qk else torch.nn.Linear(d_model, d_k, bias=False)
        w_v = w_k if tied_kv else torch.nn.Linear(d_model, d_v, bias=False)
        parts = torch.nn.ModuleList([w_q, w_k, w_v])
        return sum(p.numel() for p in parts.parameters())  # a shared one is counted once

    assert projection_parameters(16) == allocate(16, 16, 16) == 3 * 16**2
    assert projection_parameters(16, 5) == allocate(16, 5, 5)
    assert projection_parameters(16, 5, 7) == allocate(16, 5, 7)
    for tied in ({"tied_qk": True}, {"tied_kv": True}, {"tied_qk": True, "tied_kv": True}):
        assert projection_parameters(16, 5, **tied) == allocate(16, 5, 5, **tied)
    assert projection_parameters(16, 5, 7, tied_qk=True) == allocate(16, 5, 7, tied_qk=True)


def test_bilinear_parameters():
    assert bilinear_parameters(16) == torch.nn.Bilinear(16, 16, 1, bias=False).weight.numel()
    assert bilinear_parameters(16, 3) == 2 * torch.zeros(3, 16).numel()
