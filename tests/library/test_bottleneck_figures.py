"""The figures of the chapter on the bottleneck compute what PyTorch computes."""

import json

import numpy as np
import pytest
import torch
import traitlets

from attnbook import figures
from attnbook.figures.alignment import LONGEST, trained, translated
from attnbook.figures.base import HERE
from attnbook.figures.signal import INPUTS, MIRROR, WIDTH
from attnbook.seq2seq import Translator
from attnbook.tasks.phrases import END, WORDS, make_phrases

DATA = HERE / "data" / "alignment.json"


def network_of(name):
    """The library's network with the weights of the file."""
    weights = {key: torch.tensor(table) for key, table in trained()[name].items()}
    widths = {"d_word": weights["words.weight"].shape[1], "d_model": len(weights["start.bias"])}
    if name == "attention":
        widths["d_score"] = len(weights["look.w"])
    net = Translator(END, attention=name == "attention", **widths).double()
    net.load_state_dict(weights)
    return net


@pytest.mark.parametrize("name", ["attention", "vector"])
@pytest.mark.parametrize("state", figures.Alignment.examples)
def test_translates_as_pytorch_does(name, state):
    figure = figures.Alignment(**state)
    numbers = figure.numbers()
    source = torch.tensor([[WORDS.index(word) for word in figure.words]])
    written = len(numbers[name])
    target, weights = network_of(name).translate(source, written, return_weights=True)
    assert numbers[name] == [(*WORDS, ".")[n] for n in target[0]]
    if name == "attention":
        assert np.allclose(numbers["weights"], weights[0], rtol=0, atol=1e-4)


def test_the_lookup_holds_to_ten_words_and_one_vector_does_not():
    """Sentences that neither network has seen, translated by the figure's own arithmetic."""
    right = {}
    for name in ("attention", "vector"):
        for length in (4, 10):
            source, order = make_phrases(60, length, np.random.default_rng(12345))
            target = np.take_along_axis(source, order, 1)
            right[name, length] = np.mean(
                [
                    translated(trained()[name], one)[0] == [*wanted, END]
                    for one, wanted in zip(source.tolist(), target.tolist(), strict=True)
                ]
            )
    assert right["attention", 4] > 0.95 and right["attention", 10] > 0.95
    assert right["vector", 4] > 0.9
    assert right["vector", 10] < 0.6


def test_the_lookup_is_an_alignment():
    source, order = make_phrases(60, 8, np.random.default_rng(54321))
    looks = [translated(trained()["attention"], one)[1] for one in source.tolist()]
    found = np.array([np.argmax(look[:8], axis=1) for look in looks])
    assert (found == order).mean() > 0.9


def test_what_the_chapter_says_of_sentences():
    """Repeated phrases are told apart; of fourteen hats it writes eleven."""
    numbers = figures.Alignment(words=["red", "cat"] * 4).numbers()
    assert numbers["attention_right"] == numbers["vector_right"] == "9 of 9"
    hats = figures.Alignment(words=["hat"] * LONGEST).numbers()
    assert hats["attention"] == ["hat"] * 11 + ["."]
    covered = "big red cat old hat hot new car sun wet box"
    assert figures.Alignment(words=covered.split()).numbers()["attention_right"] == "12 of 12"


@pytest.mark.parametrize("words", [[], ["cat"] * (LONGEST + 1), ["dog"]])
def test_no_such_sentence(words):
    with pytest.raises(traitlets.TraitError, match=r"a sentence has|must be one of"):
        figures.Alignment(words=words)


def test_the_weights_are_small_and_stand_in_this_module_alone():
    assert DATA.stat().st_size < 120_000
    assert "const DATA = " in figures.module_text("alignment")
    assert json.loads(DATA.read_text("utf-8"))["networks"].keys() == {"attention", "vector"}


@pytest.mark.parametrize("state", figures.Signal.examples)
def test_the_signal_is_the_gradient_that_autograd_finds(state):
    figure = figures.Signal(**state)
    h, states = torch.zeros(WIDTH, dtype=torch.float64), []
    for x in torch.tensor(INPUTS[: figure.length]):
        inner = figure.gain * torch.tensor(MIRROR) @ h + x
        new = torch.tanh(inner) if figure.squash else inner
        h = (figure.gate * h + (1 - figure.gate) * new).requires_grad_()
        states.append(h)
    first = states[0]
    rows = [torch.autograd.grad(h[i], first, retain_graph=True)[0] for i in range(WIDTH)]
    size = (torch.stack(rows).norm() / WIDTH**0.5).item()
    numbers = figure.numbers()
    assert numbers["power"] == pytest.approx(np.log10(size), abs=1e-8)
    assert len(numbers["powers"]) == figure.length and numbers["powers"][0] == 0
    assert numbers["kept"] ** (figure.length - 1) == pytest.approx(size)


def test_an_orthogonal_step_keeps_everything():
    numbers = figures.Signal(length=60, gain=1.0, squash=False).numbers()
    assert np.allclose(numbers["powers"], 0)
    assert numbers["kept"] == pytest.approx(1)


def test_the_lookup_is_even_when_nothing_matches():
    assert figures.Signal(length=25, match=0.0).numbers()["weight"] == pytest.approx(1 / 25)
