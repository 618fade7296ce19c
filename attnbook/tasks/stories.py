"""What a story is: sentences and questions in the order in which they are told.

    story    =  line 1, line 2, ...       each a sentence (str) or a `Question`
    example  =  (the sentences before a question, the question, its answer, its supporting facts)

The form of the bAbI tasks: Weston et al. (2015), section 3. A question may come between two
sentences; what is told after it does not count for it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Question:
    """A question at some point of a story.

    Attributes
    ----------
    text : str
        The question, with its question mark.
    answer : str
        One token: a word, or several joined by commas (a list, a path).
    support : tuple of int
        The lines of the story, from 1, that the answer follows from. Stories made here name them
        in the order in which one would look them up: a fact that the question points to first.
    """

    text: str
    answer: str
    support: tuple[int, ...] = ()


@dataclass(frozen=True)
class Story:
    """Sentences (str) and questions (`Question`), in the order in which they are told."""

    lines: tuple[str | Question, ...]


class Example(NamedTuple):
    """One question with what was told before it.

    Attributes
    ----------
    sentences : tuple of str
        The sentences before the question, oldest first; no other questions among them.
    question, answer : str
    support : tuple of int
        Positions in ``sentences``, from 0.
    """

    sentences: tuple[str, ...]
    question: str
    answer: str
    support: tuple[int, ...]


def examples(stories: Iterable[Story]) -> list[Example]:
    """Return one `Example` for each question of the stories.

    Examples
    --------
    >>> story = Story(("Mary went home.", Question("Where is Mary?", "home", (1,)), "John left."))
    >>> examples([story])[0].sentences
    ('Mary went home.',)
    """
    found = []
    for story in stories:
        sentences, position = [], {}
        for number, line in enumerate(story.lines, start=1):
            if isinstance(line, Question):
                support = tuple(position[fact] for fact in line.support)
                found.append(Example(tuple(sentences), line.text, line.answer, support))
            else:
                position[number] = len(sentences)
                sentences.append(line)
    return found


def tokenize(text: str) -> list[str]:
    """Return the words in lower case, without punctuation.

    Examples
    --------
    >>> tokenize("Where is Mary's football?")
    ['where', 'is', "mary's", 'football']
    """
    return re.findall(r"[\w'-]+", text.lower())
