"""The live figure of the multi-head chapter computes what a model in plain PyTorch computes."""

import json
from string import ascii_lowercase

import numpy
import pytest
import torch
import traitlets
from torch.nn.functional import cross_entropy

from attnbook import figures
from attnbook.figures.base import HERE
from attnbook.figures.heads import NAMES, look, pattern_scores

DATA = HERE / "data" / "heads.json"


def turned(x):
    """Rotary positions as products of complex numbers: x is (heads, n, 8)."""
    n, d = x.shape[-2:]
    angles = torch.arange(n)[:, None] * 10000.0 ** (-torch.arange(0, d, 2) / d)
    pairs = torch.view_as_complex(x.unflatten(-1, (d // 2, 2)).contiguous())
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles)).flatten(-2)


def in_pytorch(text, removed=()):
    """The weights and the scores of the next letter, without attnbook, in float32."""
    told = json.loads(DATA.read_text("utf-8"))
    matrix = {"letters": told["letters"], "out": told["out"]}
    matrix = {name: torch.tensor(rows) * told["unit"] for name, rows in matrix.items()}
    x, found = matrix["letters"][[ascii_lowercase.index(letter) for letter in text]], []
    for number, layer in enumerate(told["layers"], start=1):
        w = {name: torch.tensor(rows) * told["unit"] for name, rows in layer.items()}
        q, k, v = ((x @ w[name]).unflatten(-1, (4, 8)).transpose(0, 1) for name in "qkv")
        scores = turned(q) @ turned(k).mT / 8**0.5
        ahead = torch.ones(len(text), len(text), dtype=torch.bool).triu(1)
        weights = scores.masked_fill(ahead, -torch.inf).softmax(-1)
        heads = weights @ v
        for name in removed:
            if name[0] == str(number):
                heads[int(name[2]) - 1] = 0
        x = x + heads.transpose(0, 1).flatten(1) @ w["o"]
        found.append(weights)
    return torch.stack(found), x @ matrix["out"]


@pytest.mark.parametrize("state", figures.Heads.examples)
def test_same_numbers_as_pytorch(state):
    figure = figures.Heads(**state)
    numbers = figure.numbers()
    weights, logits = in_pytorch(figure.text, figure.removed)
    assert numpy.allclose(numbers["weights"], weights, rtol=0, atol=1e-4)
    at = min(figure.query, len(figure.text) - 1)
    share = logits[at].softmax(-1).max().item()
    assert numbers["probability"] == pytest.approx(share, abs=1e-4)
    assert numbers["next"] == ascii_lowercase[logits[at].argmax()]
    known = [i for i in range(len(figure.text) - 1) if figure.text[i] in figure.text[:i]]
    wanted = torch.tensor([ascii_lowercase.index(letter) for letter in figure.text[1:]])
    loss = cross_entropy(logits[known], wanted[known]).item() if known else 0.0
    assert numbers["loss"] == pytest.approx(loss, abs=1e-4)


def drawn(rng, period, length=20):
    letters = rng.permutation(list(ascii_lowercase))[:period]
    return "".join(numpy.resize(letters, length))


def test_the_heads_are_what_the_chapter_says():
    """Two heads of layer 1 look back; all of layer 2 are induction heads, and spares."""
    rng = numpy.random.default_rng(7)
    texts = [drawn(rng, period) for period in (5, 6, 7, 8, 9, 10) for _ in range(5)]
    seen = [look(text)[0].reshape(8, 20, 20) for text in texts]
    found = [
        [pattern_scores(head, text) for head in heads]
        for heads, text in zip(seen, texts, strict=True)
    ]
    previous, induction = numpy.mean(found, axis=0).T
    assert (previous > 0.6).tolist() == [False, True, True, False, *[False] * 4]
    assert (induction > 0.7).tolist() == [False] * 4 + [True] * 4

    def loss(removed=()):
        figure = figures.Heads(removed=list(removed))
        losses = []
        for text in texts:
            figure.text = text
            losses.append(figure.numbers()["loss"])
        return numpy.mean(losses)

    whole = loss()
    alone = [loss([name]) - whole for name in NAMES[4:]]
    assert whole < 0.3
    assert max(alone) < 1
    assert loss(NAMES[4:]) - whole > 1.7 * sum(alone)


def test_scores_by_hand():
    """On "abab", after[i] is the second letter for the second a, and a again for the second b."""
    weights = numpy.array(
        [[1.0, 0, 0, 0], [0.9, 0.1, 0, 0], [0.1, 0.7, 0.2, 0], [0, 0.1, 0.6, 0.3]]
    )
    previous, induction = pattern_scores(weights, "abab")
    assert previous == pytest.approx((0.9 + 0.7 + 0.6) / 3)
    assert induction == pytest.approx((0.7 + 0.6) / 2)
    assert pattern_scores(numpy.tril(numpy.ones((3, 3))), "abc")[1] == 0.0


@pytest.mark.parametrize("text", ["", "a", "a" * 21, "Abc", "a b", "naïve"])
def test_no_such_text(text):
    with pytest.raises(traitlets.TraitError, match="2 to 20 letters"):
        figures.Heads(text=text)


@pytest.mark.parametrize("state", [{"head": "3.1"}, {"removed": ["0.1"]}, {"query": 20}])
def test_no_such_head_or_place(state):
    with pytest.raises(traitlets.TraitError):
        figures.Heads(**state)


def test_the_weights_are_small():
    assert DATA.stat().st_size < 200_000
