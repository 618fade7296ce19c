"""Costs of the layers, against the parameters that they allocate and what PyTorch counts."""

from itertools import product

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from attnbook import costs
from attnbook.cache import KVCache
from attnbook.latent import MultiHeadLatentAttention
from attnbook.layers import MultiHeadAttention


def numbers(module):
    return sum(parameter.numel() for parameter in module.parameters())


def counted(function):
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops()


@pytest.mark.parametrize("gate", [None, "head", "element"])
@pytest.mark.parametrize("kv_heads", [None, 2, 1])
def test_multi_head_parameters_and_operations(gate, kv_heads):
    for d_head, d_context, bias, sink in product(
        (None, 3), (None, 6), (True, False), (True, False)
    ):
        sizes = {"num_kv_heads": kv_heads, "d_head": d_head, "d_context": d_context, "gate": gate}
        layer = MultiHeadAttention(8, 4, **sizes, bias=bias, sink=sink)
        assert numbers(layer) == costs.multi_head_parameters(8, 4, **sizes, bias=bias, sink=sink)
        x, context = torch.zeros(2, 5, 8), torch.zeros(2, 7, d_context or 8)
        flops = costs.multi_head_flops(5, 7, 8, 4, **sizes, batch=2)
        assert counted(lambda layer=layer, x=x, c=context: layer(x, c)) == flops
        if d_context is not None:
            with torch.no_grad():
                pair = layer.keys_and_values(context)
            flops = costs.multi_head_flops(5, 7, 8, 4, **sizes, batch=2, n_projected=0)
            assert counted(lambda layer=layer, x=x, pair=pair: layer(x, pair)) == flops


def test_a_cached_step_projects_one_token():
    layer, cache = MultiHeadAttention(8, 4, num_kv_heads=2), KVCache()
    with torch.no_grad():
        layer(torch.zeros(1, 9, 8), cache=cache)
    flops = costs.multi_head_flops(1, 10, 8, 4, num_kv_heads=2, n_projected=1)
    assert counted(lambda: layer(torch.zeros(1, 1, 8), cache=cache)) == flops


def test_causal_and_windowed_operations_are_those_of_the_allowed_pairs():
    plain = costs.multi_head_flops(6, 6, 8, 4)
    for looks in ({"causal": True}, {"window": (2, 1)}):
        pairs = costs.allowed_pairs(6, 6, **looks)
        less = costs.multi_head_flops(6, 6, 8, 4, **looks)
        assert plain - less == 2 * 8 * (36 - pairs) * 2


@pytest.mark.parametrize("d_v", [None, 3])
@pytest.mark.parametrize("d_query_latent", [None, 6])
def test_latent_parameters_and_operations(d_v, d_query_latent):
    sizes = {"d_head": 5, "d_latent": 7, "d_rope": 4, "d_v": d_v, "d_query_latent": d_query_latent}
    layer = MultiHeadLatentAttention(8, 3, **sizes)
    assert numbers(layer) == costs.latent_parameters(8, 3, **sizes)
    x = torch.zeros(2, 6, 8)
    for absorbed in (False, True):
        flops = costs.latent_flops(6, 6, 8, 3, **sizes, batch=2, absorbed=absorbed)
        assert counted(lambda absorbed=absorbed: layer(x, absorbed=absorbed)) == flops
        cache = KVCache()
        with torch.no_grad():
            layer(x, cache=cache)
        flops = costs.latent_flops(1, 7, 8, 3, **sizes, batch=2, absorbed=absorbed, n_projected=1)
        step = counted(lambda a=absorbed, c=cache: layer(x[:, :1], cache=c, absorbed=a))
        assert step == flops
