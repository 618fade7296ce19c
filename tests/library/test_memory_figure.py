"""The live figure of the memory networks computes what the library's network computes."""

import json

import numpy
import pytest
import torch
import traitlets

from attnbook import figures, memory, tasks
from attnbook.figures.base import HERE
from attnbook.figures.memory_network import VERBS, asked, follows, trained
from attnbook.tasks.questions import where_is_actor, where_is_thing
from attnbook.tasks.world import World

DATA = HERE / "data" / "memory_network.json"


def network_of(name):
    """The library's network with the weights of the file."""
    told = trained()
    weights = told["networks"][name]
    network = memory.EndToEndMemoryNetwork(
        len(told["vocabulary"]),
        8,
        hops=weights["hops"],
        encoding="bag",
        time="times" in weights,
    ).double()
    with torch.no_grad():
        for parameter, table in ((network.words, "words"), (network.times, "times")):
            if parameter is not None:
                parameter.copy_(torch.tensor(weights[table]).transpose(0, 1)[:, :, None])
    return network


def answers_of(network, figure):
    """The weights and the answers that the network gives to the story of a figure."""
    vocabulary = trained()["vocabulary"]

    def numbers(text):
        return [vocabulary.index(word) for word in tasks.tokenize(text)]

    told = [numbers(text) for text in figure.told()]
    longest = max(map(len, told))
    sentences = [[0] * longest] + [words + [0] * (longest - len(words)) for words in told]
    newest_first = list(range(len(told), 0, -1))
    scores, weights = network(
        torch.tensor(sentences),
        torch.tensor([newest_first]),
        torch.tensor([numbers(asked(figure.question))]),
        return_weights=True,
    )
    return scores.softmax(-1)[0, 0], weights[0, 0].flip(-1)


@pytest.mark.parametrize("name", ["two", "one", "no order"])
@pytest.mark.parametrize("state", figures.MemoryNetwork.examples)
def test_same_numbers_as_pytorch(name, state):
    figure = figures.MemoryNetwork(**{**state, "network": name})
    numbers = figure.numbers()
    with torch.no_grad():
        answers, weights = answers_of(network_of(name), figure)
    assert numpy.allclose(numbers["weights"], weights, rtol=0, atol=1e-4)
    assert numpy.allclose(numbers["answers"], answers, rtol=0, atol=1e-4)
    assert numbers["answer"] == trained()["vocabulary"][int(answers.argmax())]


def test_answers_what_follows_from_stories_that_it_never_saw():
    """Two hops are right nearly always; one hop about people only."""
    rng = numpy.random.default_rng(12345)
    right = {(name, ask): [] for name in ("one", "two") for ask in (where_is_actor, where_is_thing)}
    while min(map(len, right.values())) < 60:
        world = World(rng)
        for _ in range(8):
            world.happen({"go": 3, "take": 2, "drop": 1})
        told = [_parts(line) for line in world.lines]
        for ask in (where_is_actor, where_is_thing):
            for _, text, answer, _ in ask(world)[:1]:
                word = text.rstrip("?").split()[-1]
                assert follows(told, word) == answer
                for name in ("one", "two"):
                    figure = figures.MemoryNetwork(sentences=told, question=word, network=name)
                    right[name, ask].append(figure.numbers()["answer"] == answer)
    share = {key: numpy.mean(values) for key, values in right.items()}
    assert share["two", where_is_actor] > 0.97
    assert share["two", where_is_thing] > 0.95
    assert share["one", where_is_actor] > 0.95
    assert share["one", where_is_thing] < 0.7


def _parts(line):
    actor, rest = line.rstrip(".").split(" ", 1)
    verb, thing = rest.rsplit(" the ", 1)
    assert verb in VERBS
    return [actor, verb, thing]


GARDEN, OFFICE = ["Mary", "went to", "garden"], ["Mary", "went to", "office"]
TOOK, LEFT = ["Mary", "took", "milk"], ["Mary", "left", "milk"]


@pytest.mark.parametrize(
    ("sentences", "word", "answer"),
    [
        ([GARDEN], "Mary", "garden"),
        ([GARDEN], "John", "the story does not say"),
        ([TOOK], "milk", "the story does not say"),
        ([TOOK, OFFICE], "milk", "office"),
        ([OFFICE, LEFT, GARDEN], "milk", "office"),
        ([LEFT, GARDEN], "milk", "the story does not say"),
    ],
)
def test_what_follows(sentences, word, answer):
    assert follows(sentences, word) == answer


@pytest.mark.parametrize(
    "sentences",
    [
        [],
        [["Mary", "went to", "garden"]] * 9,
        [["Mary", "went to", "milk"]],
        [["Mary", "took", "garden"]],
        [["Mary", "ate", "apple"]],
        [["Bill", "took", "apple"]],
        [["Mary", "took"]],
    ],
)
def test_no_such_story(sentences):
    with pytest.raises(traitlets.TraitError, match=r"a story has|must be one of"):
        figures.MemoryNetwork(sentences=sentences)


def test_the_weights_are_small_and_stand_in_this_module_alone():
    assert DATA.stat().st_size < 200_000
    assert "const DATA = " in figures.module_text("memory_network")
    assert "const DATA = " not in figures.module_text("line")
    assert json.loads(DATA.read_text("utf-8"))["networks"].keys() == {"two", "one", "no order"}
