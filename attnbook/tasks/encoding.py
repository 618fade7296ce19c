"""Words to numbers: a story as a list of sentence numbers, a sentence as a list of word numbers.

    sentences[s] = words of sentence s       memory[q] = sentences before question q, newest first

Newest first, as in Sukhbaatar et al. (2015), section 4.1: slot 0 is the last sentence before the
question, so that the number of a slot says how long ago it was told. Word 0 and sentence 0 are
nothing: they fill up what is short.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy

from .._arrays import check_count
from .stories import Example, tokenize


class Vocabulary:
    """The words of some examples, each with its number; 0 is no word.

    An answer is one word, whatever it is made of: ``apple,milk`` too.

    Examples
    --------
    >>> vocabulary = Vocabulary([Example(("Mary went home.",), "Where is Mary?", "home", (0,))])
    >>> vocabulary.words
    ('', 'home', 'is', 'mary', 'went', 'where')
    >>> vocabulary.numbers("Mary went home.")
    [3, 4, 1]
    """

    def __init__(self, examples: Iterable[Example]):
        found = set()
        for example in examples:
            for text in {*example.sentences, example.question}:
                found.update(tokenize(text))
            found.add(example.answer.lower())
        self.words = ("", *sorted(found))
        self._number = {word: number for number, word in enumerate(self.words) if number}

    def __len__(self):
        return len(self.words)

    def __getitem__(self, word):
        """Return the number of a word."""
        if word not in self._number:
            raise ValueError(f"{word!r} is not among the {len(self) - 1} words of the vocabulary")
        return self._number[word]

    def numbers(self, text):
        """Return the numbers of the words of a text."""
        return [self[word] for word in tokenize(text)]


@dataclass(frozen=True)
class Encoded:
    """Examples as arrays of integers.

    Attributes
    ----------
    sentences : array, shape (S, J)
        The words of each sentence that occurs, each once. Sentence 0 has no words.
    memory : array, shape (Q, N)
        Numbers of the sentences before each question, newest first; 0 after the oldest.
    questions : array, shape (Q, J)
        The words of each question.
    answers : array, shape (Q,)
        The word that answers it.
    support : array, shape (Q, F)
        The slots of ``memory`` that the answer follows from, in the order in which they were given;
        -1 if there are fewer than F, or if one is older than the memory is long.
    """

    sentences: numpy.ndarray
    memory: numpy.ndarray
    questions: numpy.ndarray
    answers: numpy.ndarray
    support: numpy.ndarray

    def __len__(self):
        return len(self.answers)

    def __getitem__(self, which):
        """Return some of the examples: a slice, or an array of their numbers."""
        return Encoded(
            self.sentences,
            self.memory[which],
            self.questions[which],
            self.answers[which],
            self.support[which],
        )


def encode(examples, vocabulary, *, memory_size=50, num_words=None):
    """Return examples as arrays of integers.

    Parameters
    ----------
    examples : list of Example
    vocabulary : Vocabulary
    memory_size : int, >= 1
        How many sentences a memory holds: the latest ones. 50 in Sukhbaatar et al. (2015),
        section 4.2. The arrays are no longer than the longest story needs.
    num_words : int, optional
        Words to a sentence, J; as many as the longest has if not given.

    Returns
    -------
    Encoded

    Raises
    ------
    TypeError, ValueError
        If a word is not in the vocabulary, a sentence is longer than ``num_words``, there are no
        examples, or a number is no integer or too small.

    Examples
    --------
    >>> told = Example(("Mary went home.", "John left."), "Where is Mary?", "home", (0,))
    >>> encoded = encode([told], Vocabulary([told]))
    >>> encoded.memory, encoded.support  # the older sentence is in slot 1
    (array([[2, 1]]), array([[1]]))
    """
    memory_size = check_count("memory_size", memory_size, least=1)
    if not examples:
        raise ValueError("there are no examples to encode; give at least one")
    texts = dict.fromkeys(text for example in examples for text in example.sentences)
    sentences = [[], *(vocabulary.numbers(text) for text in texts)]
    questions = [vocabulary.numbers(example.question) for example in examples]
    longest = max(map(len, sentences + questions))
    width = longest if num_words is None else check_count("num_words", num_words, least=1)
    if longest > width:
        raise ValueError(f"a sentence has {longest} words; num_words must be at least that")
    number = {text: at for at, text in enumerate(texts, start=1)}
    memory, support = [], []
    for example in examples:
        memory.append([number[text] for text in reversed(example.sentences)][:memory_size])
        slots = [len(example.sentences) - 1 - fact for fact in example.support]
        support.append([slot if slot < memory_size else -1 for slot in slots])
    return Encoded(
        sentences=_filled(sentences, width, 0),
        memory=_filled(memory, max(map(len, memory)), 0),
        questions=_filled(questions, width, 0),
        answers=numpy.array([vocabulary[example.answer.lower()] for example in examples]),
        support=_filled(support, max(map(len, support)), -1),
    )


def _filled(rows, width, nothing):
    """Return lists of different lengths as one array."""
    filled = numpy.full((len(rows), width), nothing)
    for row, numbers in zip(filled, rows, strict=True):
        row[: len(numbers)] = numbers
    return filled
