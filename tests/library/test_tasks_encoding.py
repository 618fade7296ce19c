"""What is encoded says the same as the text."""

import numpy
import pytest

from attnbook.tasks import TASKS, Example, Vocabulary, encode, examples, make_stories, tokenize

TOLD = examples(make_stories(3, 60, seed=1))
WORDS = Vocabulary(TOLD)


@pytest.mark.parametrize("task", TASKS)
def test_the_text_can_be_told_again(task):
    told = examples(make_stories(task, 60, seed=1))
    vocabulary = Vocabulary(told)
    encoded = encode(told, vocabulary, memory_size=1000)
    assert len(encoded) == len(told) == len(encoded.memory)

    def text(numbers):
        return [vocabulary.words[number] for number in numbers if number]

    for at, example in enumerate(told):
        memory = [text(encoded.sentences[s]) for s in encoded.memory[at] if s]
        assert memory[::-1] == [tokenize(sentence) for sentence in example.sentences]
        assert text(encoded.questions[at]) == tokenize(example.question)
        assert vocabulary.words[encoded.answers[at]] == example.answer.lower()
        facts = [
            text(encoded.sentences[encoded.memory[at, s]]) for s in encoded.support[at] if s >= 0
        ]
        assert facts == [tokenize(example.sentences[fact]) for fact in example.support]


def test_each_sentence_is_there_once_and_sentence_0_has_no_words():
    encoded = encode(TOLD, WORDS)
    assert (encoded.sentences[0] == 0).all()
    assert len(numpy.unique(encoded.sentences, axis=0)) == len(encoded.sentences)


def test_only_the_newest_are_kept():
    told = [Example(("a.", "b.", "c."), "d?", "e", (0, 2))]
    words = Vocabulary(told)
    encoded = encode(told, words, memory_size=2)
    newest = [words.words[encoded.sentences[s, 0]] for s in encoded.memory[0]]
    assert newest == ["c", "b"]
    assert encoded.support.tolist() == [[-1, 0]]


def test_short_stories_are_filled_up():
    told = [Example(("a.",), "b?", "c", (0,)), Example(("a.", "d e."), "b?", "c", (0, 1))]
    encoded = encode(told, Vocabulary(told), num_words=4)
    assert encoded.memory.tolist() == [[1, 0], [2, 1]]
    assert encoded.support.tolist() == [[0, -1], [1, 0]]
    assert encoded.sentences.shape[1] == encoded.questions.shape[1] == 4


@pytest.mark.parametrize("which", [slice(3, 7), numpy.array([5, 1])])
def test_some_of_the_examples(which):
    encoded = encode(TOLD, WORDS)
    some = encoded[which]
    assert some.sentences is encoded.sentences
    for name in ("memory", "questions", "answers", "support"):
        assert (getattr(some, name) == getattr(encoded, name)[which]).all()


def test_answers_of_several_parts_are_one_word():
    told = [Example(("a.",), "b?", "Apple,Milk", (0,))]
    assert "apple,milk" in Vocabulary(told).words


def test_vocabulary_is_in_order_and_counts_no_word():
    words = Vocabulary(TOLD)
    assert words.words[0] == ""
    assert list(words.words) == sorted(words.words)
    assert len(words) == len(words.words)
    assert all(words[word] == number for number, word in enumerate(words.words) if number)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: encode([], WORDS), ValueError, "there are no examples to encode"),
        (lambda: encode(TOLD, WORDS, memory_size=0), ValueError, "memory_size must be at least 1"),
        (lambda: encode(TOLD, WORDS, num_words=3), ValueError, "num_words must be at least that"),
        (lambda: WORDS["zebra"], ValueError, "'zebra' is not among the .* words"),
        (lambda: WORDS[""], ValueError, "'' is not among the .* words"),
        (lambda: WORDS.numbers("The zebra."), ValueError, "'zebra' is not among"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
