"""The bAbI format is read as it is published, written as it is read, and errors name the line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnbook.tasks import (
    TASKS,
    Question,
    Story,
    examples,
    format_babi,
    make_stories,
    parse_babi,
    read_babi,
    tokenize,
    write_babi,
)

# As in the published files: a space before the tab, a story that begins after another.
PUBLISHED = """\
1 Mary moved to the bathroom.
2 John went to the hallway.
3 Where is Mary? \tbathroom\t1
4 Daniel went back to the hallway.
5 What is Mary carrying? \tapple,football\t1 4
1 Sandra took the milk.
2 Is Sandra here? \tno\t1
"""


def test_published_format():
    first, second = parse_babi(PUBLISHED)
    assert first.lines[2] == Question("Where is Mary?", "bathroom", (1,))
    assert first.lines[3] == "Daniel went back to the hallway."
    assert first.lines[4] == Question("What is Mary carrying?", "apple,football", (1, 4))
    assert second.lines[1].answer == "no"
    assert [example.support for example in examples([first, second])] == [(0,), (0, 2), (0,)]


def test_windows_line_ends_and_empty_lines_do_not_matter():
    assert parse_babi(PUBLISHED.replace("\n", "\r\n") + "\n\n") == parse_babi(PUBLISHED)


@pytest.mark.parametrize("task", TASKS)
def test_what_is_made_is_read_back(task, tmp_path):
    stories = make_stories(task, 50, seed=2)
    write_babi(tmp_path / "made.txt", stories)
    assert read_babi(tmp_path / "made.txt") == stories


words = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=6)
sentences = st.lists(words, min_size=1, max_size=4).map(lambda w: " ".join(w) + ".")


@st.composite
def stories(draw):
    lines = [draw(sentences)]
    for asks in draw(st.lists(st.booleans(), max_size=8)):
        told = [at for at, line in enumerate(lines, start=1) if isinstance(line, str)]
        support = tuple(draw(st.lists(st.sampled_from(told), max_size=3)))
        lines.append(Question(draw(words) + "?", draw(words), support) if asks else draw(sentences))
    return Story(tuple(lines))


@given(st.lists(stories(), max_size=4))
def test_any_story_is_read_back(told):
    assert parse_babi(format_babi(told)) == told


BAD = [
    ("Mary went home.", 1, "a line begins with its number"),
    ("2 Mary went home.", 1, "the number 2 is out of turn; 1 was due"),
    ("1 Mary went home.\n3 John left.", 2, "the number 3 is out of turn; 2, or 1 for a new story"),
    ("1 Mary went home.\n\n2 John left.\n2 John left.", 4, "the number 2 is out of turn; 3, or"),
    ("0 Mary went home.", 1, "the number 0 is out of turn"),
    ("1", 1, "there is no text after the number 1"),
    ("1 a.\n2 \tb\t1", 2, "there is no text after the number 2"),
    ("-1 Mary went home.", 1, "a line begins with its number"),
    ("² Mary went home.", 1, "a line begins with its number"),
    ("1 a.\n2 Where?\t\t1", 2, "the answer must be one token; got ''"),
    ("1 a.\n2 Where?\tin here\t1", 2, "the answer must be one token; got 'in here'"),
    ("1 a.\n2 Where?\tb\tone", 2, "a supporting fact is the number of an earlier .* got 'one'"),
    ("1 a.\n2 Where?\tb\t2", 2, "a supporting fact is the number of an earlier .* got '2'"),
    ("1 a.\n2 Where?\tb\t0", 2, "a supporting fact is the number of an earlier .* got '0'"),
    ("1 a.\n2 b?\tc\t1\n3 d?\te\t2", 3, "not of a question; got '2'"),
    ("1 a.\n2 Where?\tb\t1\t1", 2, "at most two tabs, .* got 3"),
]


@pytest.mark.parametrize(("text", "line", "message"), BAD)
def test_malformed_text_is_an_error_with_its_line(text, line, message, tmp_path):
    with pytest.raises(ValueError, match=rf"text, line {line}: .*{message}"):
        parse_babi(text)
    path = tmp_path / "qa1.txt"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=rf"qa1\.txt, line {line}: .*{message}"):
        read_babi(path)


def test_a_question_without_supporting_facts_is_read():
    (story,) = parse_babi("1 a.\n2 b?\tc\n3 d?\te\t\n")
    assert story.lines[1:] == (Question("b?", "c"), Question("d?", "e"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Mary went home.", ["mary", "went", "home"]),
        ("Where is Mary?", ["where", "is", "mary"]),
        ("If Mary left, why?", ["if", "mary", "left", "why"]),
        ("", []),
    ],
)
def test_tokenize(text, found):
    assert tokenize(text) == found
