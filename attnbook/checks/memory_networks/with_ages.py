"""Exercise `with_ages`: m_i = x_i + T_i, where i counts back from the latest sentence."""

import numpy as np

from ..core import Case, Exercise, Mistake


def with_ages(sentences, times):
    """Return the newest sentences with the vectors of their ages, newest first: (min(n, N), d)."""
    filled = []
    for age, row in enumerate(times):
        if age == len(sentences):
            break
        filled.append([x + t for x, t in zip(sentences[-1 - age], row, strict=True)])
    return np.array(filled).reshape(-1, times.shape[1])


def _cases(rng):
    def drawn(n, size, d, note=""):
        return Case((rng.normal(size=(n, d)).round(1), rng.normal(size=(size, d)).round(1)), note)

    return [
        Case((np.array([[1.0], [2.0]]), np.array([[0.1], [0.2]])), "as many as there is room for"),
        Case((np.array([[1.0], [2.0]]), np.array([[0.1], [0.2], [0.3]])), "room for one more"),
        Case((np.array([[1.0], [2.0], [3.0]]), np.array([[0.1], [0.2]])), "one too many"),
        drawn(1, 3, 2, "one sentence"),
        drawn(4, 1, 2, "room for one sentence"),
        drawn(3, 3, 3),
        drawn(4, 6, 2),
        drawn(6, 4, 2, "two sentences too many"),
        drawn(9, 5, 3, "more than there is room for"),
        drawn(12, 50, 5),
        Case((np.zeros((0, 2)), rng.normal(size=(3, 2)).round(1)), "no sentences"),
    ]


def _newest(sentences, times):
    return sentences[::-1][: len(times)]


_MISTAKES = (
    Mistake(
        "The sentences come out oldest first. Each has the right age; turn the result round, so "
        "that the number of a slot is its age.",
        lambda sentences, times: (
            _newest(sentences, times) + times[: len(_newest(sentences, times))]
        )[::-1],
    ),
    Mistake(
        "The ages are turned round: the oldest sentence gets row 0 of `times`. Row 0 is for the "
        "latest.",
        lambda sentences, times: (
            _newest(sentences, times) + times[: len(_newest(sentences, times))][::-1]
        ),
    ),
    Mistake(
        "`sentences` come oldest first, and row 0 of `times` is for the latest. You add them as "
        "they stand, and keep the oldest: turn the sentences round first.",
        lambda sentences, times: sentences[: len(times)] + times[: len(sentences)],
    ),
    Mistake(
        "You keep the newest sentences, but add `times` as they stand, row 0 to the oldest. Turn "
        "the sentences round first.",
        lambda sentences, times: (
            _newest(sentences, times)[::-1] + times[: len(_newest(sentences, times))]
        ),
    ),
    Mistake(
        "Where there are too many sentences you keep the oldest. What was told last matters most: "
        "turn them round, then cut.",
        lambda sentences, times: (
            sentences[: len(times)][::-1] + times[: len(sentences[: len(times)])]
        ),
    ),
    Mistake(
        "The latest sentence gets row 1 of `times`. Its age is 0.",
        lambda sentences, times: (
            _newest(sentences, times)
            + times[
                np.minimum(np.arange(len(_newest(sentences, times))) + 1, max(len(times) - 1, 0))
            ]
        ),
    ),
    Mistake(
        "You count the rows of `times` from its end. Row 0 is for the latest sentence, however "
        "many rows there are.",
        lambda sentences, times: (
            _newest(sentences, times) + times[len(times) - len(_newest(sentences, times)) :]
        ),
    ),
    Mistake(
        "The ages are missing: you return the sentences in the right order, without `times`.",
        lambda sentences, times: _newest(sentences, times),
    ),
    Mistake(
        "You multiply by `times`. The vector of an age is added.",
        lambda sentences, times: (
            _newest(sentences, times) * times[: len(_newest(sentences, times))]
        ),
    ),
    Mistake(
        "Sentences for which there is no row get the last one. They are forgotten: the memory has "
        "room for as many sentences as `times` has rows.",
        lambda sentences, times: (
            sentences[::-1] + times[np.minimum(np.arange(len(sentences)), len(times) - 1)]
        ),
    ),
    Mistake(
        "You fill the memory up to the length of `times`: slots without a sentence hold a vector "
        "of age alone. Return a row for each sentence.",
        lambda sentences, times: (
            np.concatenate(
                [
                    _newest(sentences, times),
                    np.zeros((len(times) - len(_newest(sentences, times)), times.shape[1])),
                ]
            )
            + times
        ),
    ),
    Mistake(
        "Every sentence gets row 0, the latest one's. Each has a row of its own.",
        lambda sentences, times: _newest(sentences, times) + times[0],
    ),
)

EXERCISE = Exercise("with_ages", with_ages, _cases, _MISTAKES)
