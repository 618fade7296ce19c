"""Train the small memory networks that the live figure of their chapter computes with.

    python scripts/train_figure_weights.py

Writes attnbook/figures/data/memory_network.json: three networks, one that looks once, one that
looks twice, and one that looks twice and knows no order. They learn from short stories of
`attnbook.tasks`, in which people go, take and drop, and are asked where a person is, or a thing
that somebody holds. Of several starts the one with the least error in validation is kept, rounded
to three decimals, and tested with these rounded weights.
"""

import json
from pathlib import Path

import numpy
import torch
from tqdm import tqdm

from attnbook import memory, tasks
from attnbook.tasks.questions import where_is_actor, where_is_thing
from attnbook.tasks.stories import Example
from attnbook.tasks.world import World

TO = Path(__file__).resolve().parent.parent / "attnbook/figures/data/memory_network.json"
KINDS = {"go": 3, "take": 2, "drop": 1}
LONGEST = 8  # sentences: the figure has room for as many
NETWORKS = {
    "two": {"hops": 2},
    "one": {"hops": 1},
    "no order": {"hops": 2, "time": False},
}


def stories(number, seed):
    """Make examples: one story of 2 to 8 sentences each, with one question."""
    rng, found = numpy.random.default_rng(seed), []
    while len(found) < number:
        world = World(rng)
        for _ in range(int(rng.integers(2, LONGEST, endpoint=True))):
            world.happen(KINDS)
        # As many questions about things as about people.
        ask = where_is_thing if len(found) % 2 else where_is_actor
        if asked := ask(world):
            _, text, answer, support = world.pick(asked)
            facts = tuple(line - 1 for line in support)
            found.append(Example(tuple(world.lines), text, answer, facts))
    return found


def train(vocabulary, told, checked, options, restarts=6):
    """Return the best of several networks."""
    torch.manual_seed(0)
    network = memory.EndToEndMemoryNetwork(
        len(vocabulary), LONGEST, encoding="bag", models=restarts, **options
    )
    schedule = memory.Schedule(epochs=40, halve_every=8, linear_start=4)
    history = memory.train(network, told, checked, schedule, seed=0, progress=tqdm)
    return network.one(history.best())


@torch.no_grad()
def rounded(network):
    """Round the weights in place; return them as lists, one table after the other."""
    tables = {}
    for name, parameter in (("words", network.words), ("times", network.times)):
        if parameter is not None:
            parameter.copy_(parameter.double().mul(1000).round().div(1000))
            table = parameter[:, :, 0].transpose(0, 1).double()
            tables[name] = (table * 1000).round().int().tolist()  # in thousandths
    return tables


def main():
    parts = [stories(number, seed) for seed, number in enumerate((6000, 1000, 2000))]
    vocabulary = tasks.Vocabulary(example for part in parts for example in part)
    told, checked, asked = (tasks.encode(part, vocabulary) for part in parts)
    networks = {}
    for name, options in NETWORKS.items():
        network = train(vocabulary, told, checked, options)
        tables = rounded(network)
        things = [at for at, example in enumerate(parts[2]) if " the " in example.question]
        people = [at for at, example in enumerate(parts[2]) if " the " not in example.question]
        error = {
            kind: round(float(memory.evaluate(network, asked[numpy.array(which)])[1]), 1)
            for kind, which in (("things", things), ("people", people))
        }
        print(name, error)
        networks[name] = {"hops": options["hops"], "error": error, **tables}
    TO.parent.mkdir(exist_ok=True)
    told = {"unit": 0.001, "vocabulary": vocabulary.words, "networks": networks}
    TO.write_text(json.dumps(told, separators=(",", ":")) + "\n", "utf-8")
    print(f"{TO.name}: {TO.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
