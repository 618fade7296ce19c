"""Costs of additive and linear attention, memories and positions, against what happens."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from attnbook import costs
from attnbook.additive import AdditiveAttention
from attnbook.addressing import content_weights, read
from attnbook.delta import delta_rule
from attnbook.hopfield import modern_update
from attnbook.linear import linear_attention
from attnbook.positions import LearnedPositions, RelativeBias


def counted(function):
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops()


def numbers(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("n_q", "n_k"), [(1, 7), (5, 3), (4, 4)])
def test_additive(n_q, n_k):
    layer = AdditiveAttention(6, 5, 8)
    assert numbers(layer) == costs.additive_parameters(6, 5, 8)
    q, k, v = torch.zeros(2, n_q, 6), torch.zeros(2, n_k, 5), torch.zeros(2, n_k, 3)
    scores = 2 * 2 * n_q * n_k * 8  # w · tanh: a matrix times a vector, which PyTorch leaves out
    total = costs.additive_flops(n_q, n_k, 6, 5, 8, 3, batch=2)
    assert counted(lambda: layer(q, k, v)) + scores == total


@pytest.mark.parametrize("n", [0, 1, 64, 150])
def test_delta_rule(n):
    q, k, v = torch.zeros(3, 2, n, 5), torch.zeros(3, 2, n, 5), torch.zeros(3, 2, n, 3)
    beta = torch.zeros(3, 2, n)
    sizes = {"d_k": 5, "d_v": 3, "num_heads": 2, "batch": 3}
    for form in ("recurrent", "chunked"):
        total = costs.delta_rule_flops(n, form=form, **sizes)
        if form == "chunked":  # the triangular systems, c² d_v each
            total -= 6 * 3 * (n // 64 * 64**2 + (n % 64) ** 2)
        assert counted(lambda form=form: delta_rule(q, k, v, beta, form=form)) == total


def test_states():
    q = torch.zeros(2, 3, 4, 5, dtype=torch.float64)
    v = torch.zeros(2, 3, 4, 7, dtype=torch.float64)
    _, state = linear_attention(q, q, v, return_state=True)
    sizes = {"num_heads": 3, "d_k": 5, "d_v": 7, "batch": 2, "bytes_per_number": 8}
    held = state.S.numel() + state.z.numel()
    assert costs.linear_state_bytes(**sizes) == 8 * held
    _, state = delta_rule(q, q, v, torch.zeros(2, 3, 4, dtype=torch.float64), return_state=True)
    assert costs.linear_state_bytes(**sizes, normalizer=False) == 8 * state.numel()
    assert costs.linear_state_bytes(3, 5, layers=4) == 4 * costs.linear_state_bytes(3, 5, 5)


@pytest.mark.parametrize("heads", [1, 4])
def test_memories_read_by_content(heads):
    memory, key = torch.ones(2, 9, 6), torch.ones(2, heads, 6)

    def look_up():
        return read(memory, content_weights(memory, key, 1.0))

    expected = costs.content_addressing_flops(9, 6, heads=heads, batch=2)
    assert counted(look_up) == expected
    assert counted(lambda: modern_update(key[0], memory[0], 1.0)) * 2 == expected


def test_positions():
    learned = LearnedPositions(12, 8)
    assert numbers(learned) == costs.position_parameters("learned", max_positions=12, d_model=8)
    relative = RelativeBias(4, num_buckets=16)
    assert numbers(relative) == costs.position_parameters("relative", num_heads=4, num_buckets=16)
    for kind in ("sinusoidal", "rope", "alibi"):
        assert costs.position_parameters(kind) == 0


def test_the_sizes_of_known_models():
    """Published figures: Llama 2 7B keeps 512 KiB a token; DeepSeek-V2 says 576 numbers a layer."""
    assert costs.cache_bytes(1, 32, 128, layers=32) == 512 * 1024
    assert costs.latent_cache_bytes(1, 512, 64, bytes_per_number=1) == 576
    ratio = costs.cache_bytes(4096, 32, 128) / costs.cache_bytes(4096, 8, 128)
    assert ratio == 4 and np.isclose(costs.linear_state_bytes(8, 64, bytes_per_number=2), 66560)
