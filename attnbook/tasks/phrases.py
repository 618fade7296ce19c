"""Sentences to translate: the words stay, their order changes.

    source  big red cat old hat      target  cat red big hat old

Each noun comes first in its phrase, and its adjectives follow in reverse order, as *European
Economic Area* is *zone économique européenne* in French (the example of Bahdanau, Cho and Bengio
2015, section 5.2.1). Which source word stands behind each target word is known, so a learned
alignment can be measured.
"""

import numpy as np

ADJECTIVES = ("red", "big", "old", "new", "hot", "wet")
NOUNS = ("cat", "box", "sun", "car", "tea", "hat")
WORDS = ADJECTIVES + NOUNS
#: The number of the symbol that ends a sentence; the words have the numbers before it.
END = len(WORDS)


def reordered(words):
    """Return the target order of a sentence: for each target word, the place of its source word.

    Parameters
    ----------
    words : sequence of str
        Each of `WORDS`. Adjectives at the end, without a noun, are a phrase too.

    Returns
    -------
    list of int
        A permutation of ``range(len(words))``.

    Raises
    ------
    ValueError
        If a word is not one of `WORDS`.

    Examples
    --------
    >>> words = ["big", "red", "cat", "old", "hat"]
    >>> [words[i] for i in reordered(words)]
    ['cat', 'red', 'big', 'hat', 'old']
    """
    order, start = [], 0
    for i, word in enumerate(words):
        if word not in WORDS:
            raise ValueError(f"{word!r} is no word of this language; it has {', '.join(WORDS)}")
        if word in NOUNS or i == len(words) - 1:
            order += range(i, start - 1, -1)
            start = i + 1
    return order


def make_phrases(number, length, rng):
    """Draw sentences of one length: phrases of a noun with none, one or two adjectives before it.

    Parameters
    ----------
    number, length : int, >= 1
    rng : numpy.random.Generator

    Returns
    -------
    source : int array, shape (number, length)
        The numbers of the words.
    order : int array, shape (number, length)
        ``source[r, order[r, t]]`` is target word t of sentence r.

    Raises
    ------
    ValueError
        If ``number`` or ``length`` is less than 1.

    Examples
    --------
    >>> source, order = make_phrases(1, 5, np.random.default_rng(0))
    >>> [WORDS[i] for i in source[0]]
    ['new', 'box', 'box', 'hot', 'hat']
    >>> [WORDS[i] for i in np.take_along_axis(source, order, 1)[0]]
    ['box', 'new', 'box', 'hat', 'hot']
    """
    if number < 1 or length < 1:
        raise ValueError(f"number and length must be at least 1; got {number} and {length}")
    source = np.empty((number, length), dtype=np.int64)
    start = np.zeros((number, length), dtype=np.int64)  # of the phrase that a word belongs to
    adjectives = np.zeros(number, dtype=np.int64)  # so far in this phrase
    for i in range(length):
        start[:, i] = i - adjectives
        # A phrase has one, two or three words, each with probability 1/3; the last word is a noun.
        noun = (rng.random(number) < 1 / (3 - adjectives)) | (i == length - 1)
        source[:, i] = rng.integers(0, len(ADJECTIVES), number) + len(ADJECTIVES) * noun
        adjectives = np.where(noun, 0, adjectives + 1)
    end = np.empty_like(start)
    for i in reversed(range(length)):
        last = i == length - 1
        end[:, i] = i if last else np.where(start[:, i + 1] == i + 1, i, end[:, i + 1])
    return source, start + end - np.arange(length)
