"""The benchmark of memory networks: a complete table, beside numbers that are the paper's."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from attnbook.tasks import make_stories, write_babi

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    pytest.importorskip("tqdm")
    spec = importlib.util.spec_from_file_location("bench", FOLDER / "memory_networks.py")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(FOLDER))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(FOLDER))
    return module


def test_the_paper_s_numbers():
    path = FOLDER / "results" / "memory_networks_paper.json"
    columns = json.loads(path.read_text("utf-8"))["columns"]
    for column in columns.values():
        assert len(column["errors"]) == 20
        assert column["from"]
        assert column["by way of"]
    pe = columns["3 hops PE"]["errors"]
    assert [pe[task - 1] for task in (1, 2, 3, 5, 6, 7)] == [0.1, 21.6, 64.2, 14.1, 7.9, 21.6]
    # The means that the paper prints below its table.
    means = {
        "3 hops BoW": 25.1,
        "3 hops PE": 20.3,
        "1 hop PE LS, one model for all tasks": 25.8,
        "2 hops PE LS, one model for all tasks": 15.6,
        "3 hops PE LS RN, one model for all tasks": 12.4,
        "strong, extended": 6.7,
    }
    for name, mean in means.items():
        assert sum(columns[name]["errors"]) / 20 == pytest.approx(mean, abs=0.051)


def test_the_table_is_complete(benchmark):
    made = benchmark.cells(None)
    assert len(set(made)) == len(made) == 6 + 6 * 3 * 4 + 6 * 4
    given = benchmark.cells("folder")
    assert {(task, 3, "PE LS RN") for task in range(1, 21)} <= set(given)
    assert {(task, hops, "PE LS RN") for task in (1, 2, 3, 5, 6, 7) for hops in (1, 2)} <= set(
        given
    )


@pytest.mark.parametrize("variant", ["strong", "BoW", "PE LS RN", "PE LS RN, layerwise"])
@pytest.mark.parametrize("from_files", [False, True])
def test_a_cell(benchmark, variant, from_files, tmp_path):
    if from_files:
        for part, seed in (("train", 1), ("test", 2)):
            write_babi(tmp_path / f"qa6_yes-no_{part}.txt", make_stories(6, 100, seed=seed))
    folder = str(tmp_path) if from_files else None
    row = benchmark.run(folder, (6, 1, variant), restarts=2, epochs=1)
    assert row["error"] in row["errors"]
    assert len(row["errors"]) == len(row["validation"]) == row["restarts"] == 2
    assert 0 <= min(row["errors"]) <= max(row["errors"]) <= 100


def test_parts_do_not_overlap(benchmark):
    _, told, validation, asked = benchmark.questions(None, 1)
    assert (len(told), len(validation), len(asked)) == (900, 100, 1000)


def test_a_missing_file_is_named(benchmark, tmp_path):
    with pytest.raises(SystemExit, match=r"must have one file qa3_\*train\.txt; it has 0"):
        benchmark.questions(str(tmp_path), 3)
