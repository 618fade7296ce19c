"""A memory network reads a story of the reader's own: the weights of each hop, and the answer."""

import json
from functools import cache
from itertools import pairwise
from typing import ClassVar

import numpy as np
import traitlets

from attnbook.attention import attention, attention_weights
from attnbook.distributions import softmax
from attnbook.figures.base import HERE, Figure
from attnbook.plots import MUTED, WEIGHT, subplots
from attnbook.tasks import tokenize
from attnbook.tasks.world import ACTORS, PLACES, THINGS, WORDINGS

LONGEST = 8
VERBS = {verb: kind for kind in ("go", "take", "drop") for verb in WORDINGS[kind]}
NOT_TOLD = "the story does not say"


@cache
def trained() -> dict:
    """Return the vocabulary and the trained networks: scripts/train_figure_weights.py."""
    told = json.loads((HERE / "data" / "memory_network.json").read_text("utf-8"))
    for network in told["networks"].values():
        for name in {"words", "times"} & network.keys():
            network[name] = np.array(network[name]) * told["unit"]
    return told


def asked(word: str) -> str:
    """Return the question after a person or a thing."""
    return f"Where is {'the ' if word in THINGS else ''}{word}?"


def follows(sentences, word: str) -> str:
    """Return the answer that follows from the story."""
    place, where = {}, {}  # where a person is; where a thing lies, or the person who has it
    for actor, verb, thing in sentences:
        if VERBS[verb] == "go":
            place[actor] = thing
        else:
            where[thing] = actor if VERBS[verb] == "take" else place.get(actor, NOT_TOLD)
    at = where.get(word, word)
    return place.get(at, NOT_TOLD) if at in ACTORS else at if at in PLACES else NOT_TOLD


class MemoryNetwork(Figure):
    """A trained end-to-end memory network, a story of up to eight sentences, and a question.

    State: ``sentences``, oldest first, each an actor, a verb of the generator, and a place or a
    thing; ``question``, the person or thing to ask for; ``network``: "two" hops, "one" hop, or
    "no order" (two hops, trained without temporal encoding).
    """

    name = "memory_network"
    heights = (710, 965)
    examples: ClassVar[list[dict]] = [
        {},
        {"network": "one"},
        {"network": "no order"},
        {"question": "Mary", "network": "no order"},
        {"question": "milk"},
        {"sentences": [["Sandra", "journeyed to", "office"]], "question": "Sandra"},
        {"sentences": [["John", "picked up", "milk"]], "question": "milk", "network": "one"},
        {
            "sentences": [
                ["Mary", "went to", "garden"],
                ["Mary", "took", "milk"],
                ["Mary", "put down", "milk"],
                ["Mary", "went to", "office"],
            ],
            "question": "milk",
        },
        {"sentences": [["Daniel", "moved to", place] for place in PLACES], "question": "Daniel"},
    ]

    sentences = traitlets.List(
        [
            ["John", "got", "football"],
            ["Mary", "went to", "kitchen"],
            ["Mary", "took", "apple"],
            ["John", "moved to", "garden"],
            ["Daniel", "journeyed to", "bedroom"],
            ["Mary", "travelled to", "bathroom"],
            ["Daniel", "went to", "hallway"],
        ]
    ).tag(sync=True)
    question = traitlets.Enum((*THINGS, *ACTORS), "apple").tag(sync=True)
    network = traitlets.Enum(("two", "one", "no order"), "two").tag(sync=True)

    @traitlets.validate("sentences")
    def _checked(self, proposal):
        sentences = proposal["value"]
        if not 1 <= len(sentences) <= LONGEST:
            raise traitlets.TraitError(
                f"a story has 1 to {LONGEST} sentences; got {len(sentences)}"
            )
        for sentence in sentences:
            actor, verb, thing = sentence if len(sentence) == 3 else ("", "", "")
            if actor not in ACTORS or thing not in (
                PLACES if VERBS.get(verb) == "go" else THINGS if verb in VERBS else ()
            ):
                raise traitlets.TraitError(
                    f"{sentence!r} must be one of {', '.join(ACTORS)}, a verb of the generator, "
                    f"and a place (after going) or a thing (after taking or dropping)"
                )
        return sentences

    def told(self) -> list[str]:
        """Return the sentences as text, oldest first."""
        return [f"{actor} {verb} the {thing}." for actor, verb, thing in self.sentences]

    def numbers(self) -> dict:
        """Return the weights of each hop, oldest sentence first, and what is answered."""
        words = trained()["vocabulary"]
        network = trained()["networks"][self.network]

        def bags(table, texts):
            rows = [[words.index(word) for word in tokenize(text)] for text in texts]
            return np.array([network["words"][table][row].sum(0) for row in rows])

        newest_first, weights = self.told()[::-1], []
        memory = [bags(table, newest_first) for table in range(network["hops"] + 1)]
        if "times" in network:
            memory = [m + t[: len(m)] for m, t in zip(memory, network["times"], strict=True)]
        u = bags(0, [asked(self.question)])
        for m, c in pairwise(memory):
            weights.append(attention_weights(u, m, scale=1.0)[0][::-1].tolist())
            u = u + attention(u, m, c, scale=1.0)
        answers = softmax(network["words"][-1] @ u[0])
        best = int(answers.argmax())
        return {
            "weights": weights,
            "answers": answers.tolist(),
            "answer": words[best],
            "probability": float(answers[best]),
            "follows": follows(self.sentences, self.question),
        }

    def picture(self):
        """Return the weights of each hop, one bar for each sentence."""
        numbers = self.numbers()
        heaviest = "; ".join(
            f"hop {hop} looks most at “{self.told()[int(np.argmax(row))]}” ({max(row):.2f})"
            for hop, row in enumerate(numbers["weights"], start=1)
        )
        alt = (
            f"A story of {len(self.sentences)} sentences, and a bar for the weight of each in "
            f"each hop. To “{asked(self.question)}” {heaviest}. The answer is "
            f"{numbers['answer']}, with probability {numbers['probability']:.2f}."
        )
        hops = len(numbers["weights"])
        plot, axes = subplots(1, hops, figsize=(6.4, 3.0), sharey=True, squeeze=False, alt=alt)
        rows = np.arange(len(self.sentences))
        for hop, (ax, weights) in enumerate(zip(axes[0], numbers["weights"], strict=True), 1):
            ax.barh(rows, weights, height=0.6, color=WEIGHT)
            ax.axvline(0, color=MUTED, linewidth=0.8)
            ax.set(xlim=(0, 1), title=f"hop {hop}", xlabel="weight")
            ax.set_ylim(len(rows) - 0.4, -0.6)
        axes[0, 0].set_yticks(rows, self.told())
        axes[0, 0].tick_params(length=0)
        plot.suptitle(f"{asked(self.question)} {numbers['answer'].capitalize()}.")
        return plot
