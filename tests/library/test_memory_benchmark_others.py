"""Benchmarks of memory networks: one model for all tasks, and which kind of question goes wrong."""

import importlib
import sys
from pathlib import Path

import pytest

from attnbook.tasks import Example, make_stories, write_babi

pytest.importorskip("tqdm")


@pytest.fixture(scope="module")
def load():
    """Import a benchmark as it runs itself: from its folder."""
    folder = str(Path(__file__).parents[2] / "benchmarks")
    before = set(sys.modules)
    sys.path.insert(0, folder)
    try:
        yield importlib.import_module
    finally:
        sys.path.remove(folder)
        for name in set(sys.modules) - before:
            if (getattr(sys.modules[name], "__file__", None) or "").startswith(folder):
                del sys.modules[name]


@pytest.fixture
def files(tmp_path):
    for task in (1, 5, 6):
        for part, seed in (("train", 1), ("test", 2)):
            write_babi(tmp_path / f"qa{task}_x_{part}.txt", make_stories(task, 50, seed=seed))
    return str(tmp_path)


def test_one_model_learns_all_tasks(load, files):
    rows = load("memory_networks_joint").run(files, 1, restarts=2, epochs=1, numbers=(1, 6))
    assert [row["task"] for row in rows] == [1, 6]
    for row in rows:
        assert row["variant"] == "joint"
        assert row["error"] in row["errors"] and len(row["errors"]) == 2


def test_all_tasks_share_a_vocabulary(load, files):
    vocabulary, told, validation, asked = load("memory_networks_joint").together(files, (1, 6))
    assert {"yes", "no", "where"} <= set(vocabulary.words)
    assert (len(told), len(validation)) == (90, 10)
    assert {task: len(test) for task, test in asked.items()} == {1: 50, 6: 50}


@pytest.mark.parametrize(
    ("task", "sentences", "question", "kind"),
    [
        (5, (), "Who gave the milk?", "who gave, or received, a thing"),
        (5, (), "Who received the milk?", "who gave, or received, a thing"),
        (5, (), "Who gave the milk to John?", "giver or receiver is named"),
        (5, (), "What did Mary give to John?", "giver or receiver is named"),
        (10, (), "Is Mary in the office?", "the answer is maybe"),
        (
            4,
            ("The hall is north the garden.", "The garden is east the office."),
            "What is the garden north?",
            "the place is in both sentences",
        ),
        (
            4,
            ("The hall is north the garden.", "The garden is east the office."),
            "What is east the office?",
            "the place is in one sentence",
        ),
    ],
)
def test_a_question_is_of_a_kind(load, task, sentences, question, kind):
    example = Example(sentences, question, "maybe", (0,))
    assert load("memory_networks_why").kind(task, example) == kind


@pytest.mark.parametrize("variant", ["strong", "PE LS RN"])
def test_the_kinds_make_up_the_whole(load, files, monkeypatch, variant):
    why = load("memory_networks_why")
    right = why.answers(files, 5, variant, restarts=2, epochs=1)
    monkeypatch.setattr(why, "answers", lambda *_: right)
    rows = why.rows_of("ours", files, 5, variant)
    assert sum(row["share"] for row in rows) == pytest.approx(100, abs=0.1)
    error = sum(row["share"] * row["error"] for row in rows) / 100
    assert error == pytest.approx(100 - 100 * right.mean(), abs=0.1)


def test_a_guess_is_the_most_frequent_answer(load):
    benchmark = load("memory_networks")
    _, told, _, asked = benchmark.questions(None, 6)
    assert benchmark.guess(told, asked) == 50.1
    assert benchmark.guess(asked[:1], asked[:1]) == 0.0
