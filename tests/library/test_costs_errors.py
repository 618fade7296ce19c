"""Every number that a cost takes is checked: too small, no integer; the error names it."""

import inspect

import pytest

from attnbook import costs

LAYER = {"d_model": 8, "num_heads": 4}
GOOD = {  # the arguments that a function cannot do without, and others that are numbers
    "additive_flops": dict.fromkeys(("d_query", "d_key", "d_hidden", "d_v"), 2),
    "additive_parameters": dict.fromkeys(("d_query", "d_key", "d_hidden"), 2),
    "allowed_pairs": {},
    "attention_flops": {"d_k": 2, "d_v": 2, "pairs": 4},
    "bilinear_parameters": {"d_model": 4, "d_k": 2},
    "cache_bytes": {"num_kv_heads": 2, "d_k": 2, "d_v": 2},
    "content_addressing_flops": {"width": 2},
    "decode_traffic": {"num_heads": 4, "num_kv_heads": 2, "d_k": 2, "d_v": 2},
    "delta_rule_flops": {"d_k": 2, "d_v": 2},
    "flash_traffic": {"d_k": 2, "d_v": 2},
    "latent_cache_bytes": {"d_latent": 4, "d_rope": 2},
    "latent_flops": {
        **LAYER,
        **{"d_head": 2, "d_latent": 4, "d_rope": 2, "d_v": 2, "d_query_latent": 3},
        "n_projected": 1,
    },
    "latent_parameters": {
        **LAYER,
        **{"d_head": 2, "d_latent": 4, "d_rope": 2, "d_v": 2, "d_query_latent": 3},
    },
    "linear_attention_flops": {"d_k": 2, "d_v": 2},
    "linear_state_bytes": {"num_heads": 2, "d_k": 2, "d_v": 2},
    "multi_head_flops": {**LAYER, "num_kv_heads": 2, "d_head": 2, "d_context": 3, "n_projected": 1},
    "multi_head_parameters": {**LAYER, "num_kv_heads": 2, "d_head": 2, "d_context": 3},
    "naive_traffic": {"d_k": 2, "d_v": 2},
    "paged_cache_bytes": {"block_size": 4, "num_kv_heads": 2, "d_k": 2, "d_v": 2},
    "projection_parameters": {"d_model": 4, "d_k": 2, "d_v": 2},
    "ring_bytes_sent": {"world_size": 2, "num_kv_heads": 2, "d_k": 2, "d_v": 2},
}
FROM_ZERO = {"n", "n_q", "n_k", "pairs", "n_projected"}


def arguments(name):
    """Fitting arguments for every number that the function takes."""
    good = dict(GOOD[name])
    for parameter in inspect.signature(getattr(costs, name)).parameters.values():
        if parameter.name in FROM_ZERO and parameter.name not in good:
            good[parameter.name] = 6
        elif type(parameter.default) is int and parameter.name not in good:
            good[parameter.name] = parameter.default
    if name == "paged_cache_bytes":
        good["lengths"] = [3, 5]
    return good


CASES = [
    (name, argument)
    for name in costs.__all__
    if name != "position_parameters"
    for argument in arguments(name)
    if argument != "lengths"
]


@pytest.mark.parametrize(("name", "argument"), CASES)
def test_each_number_has_its_least_value_and_its_error(name, argument):
    function, good = getattr(costs, name), arguments(name)
    function(**good)
    least = 0 if argument in FROM_ZERO else 1
    if not (argument == "num_heads" and "num_kv_heads" in good):  # 1 head, 2 kv heads
        function(**{**good, argument: least})
    with pytest.raises(ValueError, match=f"^{argument} must be at least {least}; got {least - 1}$"):
        function(**{**good, argument: least - 1})
    with pytest.raises(TypeError, match=rf"^{argument} must be an integer; got 1\.5$"):
        function(**{**good, argument: 1.5})


def test_lengths():
    with pytest.raises(ValueError, match="a length must be at least 0; got -1"):
        costs.paged_cache_bytes([2, -1], 4, 1, 1)
    assert costs.paged_cache_bytes([], 4, 1, 1) == (0, 0)


def test_positions():
    with pytest.raises(ValueError, match="kind is 'fourier'; it must be one of 'sinusoidal'"):
        costs.position_parameters("fourier")
    for kind, names in {
        "learned": ("d_model", "max_positions"),
        "relative": ("num_heads", "num_buckets"),
    }.items():
        good = dict.fromkeys(names, 1)
        assert costs.position_parameters(kind, **good) == 1
        for name in names:
            with pytest.raises(ValueError, match=f"^{name} must be at least 1; got 0$"):
                costs.position_parameters(kind, **{**good, name: 0})
            with pytest.raises(TypeError, match=f"^{name} must be an integer; got None$"):
                costs.position_parameters(kind, **{**good, name: None})


def test_a_ring_of_equal_parts():
    with pytest.raises(ValueError, match="n = 7 does not divide into 2 equal parts"):
        costs.ring_bytes_sent(7, 2, 1, 1)
    with pytest.raises(TypeError, match="backward must be True or False; got a int"):
        costs.ring_bytes_sent(8, 2, 1, 1, backward=1)
    assert (
        costs.ring_bytes_sent(8, 1, 1, 1) == costs.ring_bytes_sent(8, 1, 1, 1, backward=True) == 0
    )


def test_options():
    with pytest.raises(ValueError, match="form is 'fast'; it must be one of 'recurrent'"):
        costs.linear_attention_flops(4, 2, form="fast")
    with pytest.raises(ValueError, match="form is 'parallel'; it must be one of 'recurrent'"):
        costs.delta_rule_flops(4, 2, form="parallel")
    for name in ("multi_head_flops", "multi_head_parameters"):
        good = arguments(name)
        with pytest.raises(ValueError, match="gate is 'all'; it must be one of None, 'head'"):
            getattr(costs, name)(**{**good, "gate": "all"})
        with pytest.raises(ValueError, match="4 query heads cannot share 3 key/value heads"):
            getattr(costs, name)(**{**good, "num_kv_heads": 3})
        with pytest.raises(ValueError, match="d_model = 9 does not divide into 4 heads"):
            getattr(costs, name)(**{**good, "d_model": 9, "d_head": None})
    for call in (
        lambda: costs.multi_head_parameters(8, 2, bias=1),
        lambda: costs.multi_head_parameters(8, 2, sink=1),
        lambda: costs.latent_flops(1, 1, 8, 2, d_head=2, d_latent=4, d_rope=2, absorbed=1),
        lambda: costs.linear_state_bytes(1, 1, normalizer=1),
    ):
        with pytest.raises(TypeError, match="must be True or False; got a int"):
            call()
