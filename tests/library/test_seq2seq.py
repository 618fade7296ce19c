"""The two translators: what differs between them, and that training and use agree."""

import numpy as np
import pytest
import torch

from attnbook.additive import AdditiveAttention
from attnbook.seq2seq import Translator

WIDTHS = {"d_word": 5, "d_model": 6, "d_score": 4}


def made(attention, n_words=7, seed=0):
    torch.manual_seed(seed)
    return Translator(n_words, attention=attention, **WIDTHS).double()


@pytest.mark.parametrize("attention", [True, False])
def test_translate_writes_what_forward_finds_likeliest(attention):
    """Given its own words, forward returns the logits whose maxima translate wrote."""
    net = made(attention)
    source = torch.randint(0, 7, (4, 5))
    target, weights = net.translate(source, 6, return_weights=True)
    logits, same = net(source, target, return_weights=True)
    assert torch.equal(logits.argmax(-1), target)
    assert logits.shape == (4, 6, 8)
    if attention:
        assert weights.shape == (4, 6, 5)
        assert torch.allclose(weights, same)
        assert torch.allclose(weights.sum(-1), torch.ones(4, 6, dtype=torch.float64))
    else:
        assert weights is None and same is None
    assert torch.equal(net.translate(source, 6), target)
    assert torch.equal(net(source, target), logits)


def test_steps_are_those_of_the_papers():
    """One step by hand: the context from the state before, then the state, then the answer."""
    net = made(attention=True)
    source = torch.tensor([[1, 4, 2]])
    with torch.no_grad():
        h, last = net.encoder(net.words(source))
        s = torch.tanh(net.start(torch.cat([last[0], last[1]], -1)))
        scores = torch.tanh(s[:, None] @ net.look.w_q + h @ net.look.w_k) @ net.look.w
        weights = scores.softmax(-1)
        context = (weights[..., None] * h).sum(1)
        word = net.words(torch.tensor([7]))  # the end symbol stands before the first word
        s = net.decoder(torch.cat([word, context], -1), s)
        logits = net.answer(torch.cat([s, context, word], -1))
        found, seen = net(source, torch.tensor([[3]]), return_weights=True)
    assert torch.allclose(found[:, 0], logits)
    assert torch.allclose(seen[:, 0], weights)


def test_without_attention_the_context_is_the_last_states():
    net = made(attention=False)
    source = torch.tensor([[1, 4, 2]])
    with torch.no_grad():
        _, last = net.encoder(net.words(source))
        context = torch.cat([last[0], last[1]], -1)
        s = torch.tanh(net.start(context))
        for t, before in enumerate([7, 3]):
            word = net.words(torch.tensor([before]))
            s = net.decoder(torch.cat([word, context], -1), s)
            logits = net.answer(torch.cat([s, context, word], -1))
            assert torch.allclose(net(source, torch.tensor([[3, 5]]))[:, t], logits)


def test_the_lookup_is_the_only_difference():
    with_it, without = made(attention=True), made(attention=False)
    assert isinstance(with_it.look, AdditiveAttention) and without.look is None
    shapes = [
        {n: p.shape for n, p in net.named_parameters() if not n.startswith("look.")}
        for net in (with_it, without)
    ]
    assert shapes[0] == shapes[1]


def test_later_target_words_do_not_matter():
    net = made(attention=True)
    source = torch.tensor([[1, 4, 2]])
    one, other = (net(source, torch.tensor([[3, 5, last]])) for last in (0, 6))
    assert torch.allclose(one, other)


def test_the_gradient_fades_with_the_distance_through_a_vector_and_not_through_a_lookup():
    left = {}
    for attention in (True, False):
        net = Translator(12, attention=attention).double()
        for n in (10, 60):
            source = torch.from_numpy(np.random.default_rng(0).integers(0, 12, (4, n)))
            seen = []
            hook = net.words.register_forward_hook(lambda module, given, out: seen.append(out))  # noqa: B023
            logits = net(source, source[:, :1])
            hook.remove()
            gradient = torch.autograd.grad(logits[:, 0, 0].sum(), seen[1])[0]
            left[attention, n] = gradient[:, n // 2].norm().item()
    assert left[True, 60] > 0.05 * left[True, 10]
    assert left[False, 60] < 1e-3 * left[False, 10]


@pytest.mark.parametrize("width", ["d_word", "d_model", "d_score"])
def test_widths_are_checked(width):
    with pytest.raises(ValueError, match=width):
        Translator(5, attention=False, **{width: 0})


def test_switches_are_checked():
    with pytest.raises(TypeError, match="attention must be True or False"):
        Translator(5, attention=1)
    with pytest.raises(TypeError, match="return_weights must be True or False"):
        made(attention=True).translate(torch.tensor([[1]]), 1, return_weights=None)
