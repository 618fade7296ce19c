"""Sentences with nouns behind their adjectives, and their translations."""

import numpy as np
import pytest

from attnbook.tasks.phrases import ADJECTIVES, END, NOUNS, WORDS, make_phrases, reordered


@pytest.mark.parametrize(
    ("sentence", "target"),
    [
        ("cat", "cat"),
        ("red cat", "cat red"),
        ("big red cat", "cat red big"),
        ("cat hat", "cat hat"),
        ("red cat big old hat sun", "cat red hat old big sun"),
        ("cat red", "cat red"),
        ("red big", "big red"),
    ],
)
def test_the_rule(sentence, target):
    words = sentence.split()
    assert [words[i] for i in reordered(words)] == target.split()


def test_an_empty_sentence_stays_empty():
    assert reordered([]) == []


def test_other_words_are_refused():
    with pytest.raises(ValueError, match="'dog' is no word of this language"):
        reordered(["red", "dog"])


@pytest.mark.parametrize("length", [1, 2, 3, 7, 20])
def test_made_sentences_follow_the_rule(length):
    source, order = make_phrases(200, length, np.random.default_rng(0))
    assert source.shape == order.shape == (200, length)
    for numbers, places in zip(source, order, strict=True):
        words = [WORDS[i] for i in numbers]
        assert places.tolist() == reordered(words)
        assert words[-1] in NOUNS
        assert "aaa" not in "".join("a" if word in ADJECTIVES else "n" for word in words)


def test_phrases_of_each_length_are_equally_frequent():
    source, _ = make_phrases(3000, 30, np.random.default_rng(0))
    kinds = "".join("n" if i >= len(ADJECTIVES) else "a" for i in source[:, :24].ravel())
    phrases = np.bincount([len(run) for run in kinds.split("n")], minlength=3)
    share = phrases[:3] / phrases.sum()
    assert np.allclose(share, 1 / 3, atol=0.02)
    assert set(source.ravel()) == set(range(END))


@pytest.mark.parametrize(("number", "length"), [(0, 3), (3, 0)])
def test_there_is_something_to_make(number, length):
    with pytest.raises(ValueError, match="must be at least 1"):
        make_phrases(number, length, np.random.default_rng(0))
