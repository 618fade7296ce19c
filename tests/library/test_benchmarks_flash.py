"""The benchmarks of attention: what they count, check, save and print. Times are made up here.

The speeds themselves are no test: another machine has others. On a GPU, `make bench-gpu` measures.
"""

import copy
import json
import os
import subprocess
import sys
import time
import warnings
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from reference import allowed_pairs, attention_reference

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "benchmarks"))

import flash  # noqa: E402
import flash_gpu  # noqa: E402
import gpu_contenders  # noqa: E402
import measured  # noqa: E402
import record  # noqa: E402

WAIT = flash.wait_for_quiet
TINY = flash_gpu.cases(lengths=(16,), widths=(16,), tokens=32, hidden=32)
HOW = {"device": "cpu", "dtype": torch.bfloat16, "rounds": 3}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(flash, "wait_for_quiet", lambda end: None)


def timer(function):
    """Run once, say 2 ms."""
    function()
    return 2.0


def broken(q, k, v, causal):
    raise RuntimeError("no such kernel\nand a long trace")


def wrong(q, k, v, causal):
    return lambda: (q + k) * v


def nan(q, k, v, causal):
    return lambda: (q + k + v) * float("nan")


def measure(case, **more):
    names = ("attnbook", "fa2", "cudnn")
    contenders = {name: gpu_contenders.CONTENDERS[name] for name in names} | more
    return flash_gpu.measure(case, contenders, timer, **HOW)


def gpu_result():
    """A file of results as the benchmark makes it, with made-up times."""
    rows, left_out = [], [{**TINY[0], "why": "7.5 minutes were over"}]
    for case in flash_gpu.cases():
        for direction in flash_gpu.DIRECTIONS:
            ms = {"attnbook": 1.0, "fa2": 1.5, "cudnn": 0.8}
            faults = {"attnbook": None, "fa2": None, "cudnn": None, "flex": "no compiler"}
            rows.append(flash_gpu.summary(case, direction, ms, {"cudnn": 3.0}, faults))
    about = {"gpu": "a GPU", "date": "2026-01-01", "packages": {"torch": "2"}, "left_out": left_out}
    return {"about": about, "rows": rows}


# ------------------------------------------------------------------------------- on a GPU: the grid


def test_the_grid_is_that_of_flash_attentions_own_benchmark():
    grid = flash_gpu.cases()
    assert len(grid) == 5 * 2 * 2
    assert {case["tokens"] for case in grid} == {1024, 2048, 4096, 8192, 16384}
    for case in grid:
        assert case["batch"] * case["tokens"] == 16384
        assert case["heads"] * case["width"] == 2048


@pytest.mark.parametrize("direction, factor", [("forward", 1), ("backward", 2.5)])
@pytest.mark.parametrize("causal, part", [(False, 1), (True, 0.5)])
def test_operations_are_counted_by_the_convention(direction, factor, causal, part):
    case = {"tokens": 4096, "batch": 4, "heads": 16, "width": 128, "causal": causal}
    assert flash_gpu.flops(case, direction) == 4 * 4 * 16 * 4096**2 * 128 * part * factor


# --------------------------------------------------------------------------- on a GPU: the checking


@pytest.mark.parametrize("causal", [False, True])
def test_the_check_agrees_with_the_oracle_of_the_book(causal):
    leaves, d_out = gpu_contenders.draw(2, 2, 16, 8, "cpu", torch.float32)
    q, k, v = (x.detach().numpy() for x in leaves)
    out = gpu_contenders.plain(leaves, d_out, causal, torch.float64)[0].numpy()
    expected, _ = attention_reference(q, k, v, mask=allowed_pairs(16, 16, causal=causal))
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-14)


def test_the_check_tells_right_from_wrong():
    leaves, d_out = gpu_contenders.draw(2, 2, 16, 16, "cpu", torch.bfloat16)
    oracle = gpu_contenders.Oracle(leaves, d_out, True)
    right = gpu_contenders.plain(leaves, d_out, True, torch.float64)
    other = gpu_contenders.plain(leaves, d_out, False, torch.float64)
    for which in range(4):
        assert oracle.check(which, right[which]) == 0
        assert oracle.check(which, right[which].bfloat16()) <= 1
        assert oracle.check(which, other[which]) > 1
    spoiled = right[0].clone()
    spoiled[-1, -1, 3] += 1  # the last head of the last sequence is looked at, too
    assert oracle.check(0, spoiled) > 1


@pytest.mark.parametrize("case", TINY)
def test_a_case_measured_on_a_cpu(case):
    forward, backward = measure(case, broken=broken, wrong=wrong, nan=nan)
    for row, direction in ((forward, "forward"), (backward, "backward")):
        assert row["direction"] == direction and row["causal"] == case["causal"]
        assert row["attnbook_ms"] == row["fa2_ms"] == 2.0
        assert row["over_fa2"] == 1.0 and row["over_cudnn"] is None
        assert row["broken_ms"] is row["broken_tflops"] is None
        assert row["missing"]["broken"] == "no such kernel"
        assert set(row["missing"]) == {"cudnn", "broken"}
        assert row["wrong"] == ["wrong", "nan"]
        assert 0 < row["wrongness"]["attnbook"] <= 1
    assert forward["wrongness"] != backward["wrongness"]


def test_a_missing_backend_says_why():
    """PyTorch warns of the reasons, and then raises an error that has none."""

    def refuse():
        for _ in range(2):
            warnings.warn("cuDNN wants another head dimension. (Triggered ...)", stacklevel=1)
        raise RuntimeError("No available kernel.\nmore")

    nothing, why = flash_gpu.attempt(refuse)
    assert nothing is None
    assert why == "No available kernel.; cuDNN wants another head dimension. (Triggered ...)"
    assert flash_gpu.attempt(lambda: 3) == (3, None)
    row, _ = measure(TINY[0])
    assert row["missing"]["cudnn"].startswith("No viable backend")  # this one is not for CPUs


def test_only_the_backward_pass_is_missing_where_only_that_fails():
    def forward_only(q, k, v, causal):
        return lambda: gpu_contenders.attnbook(q, k, v, causal)().detach()

    forward, backward = measure(TINY[0], forward_only=forward_only)
    assert forward["forward_only_ms"] == 2.0 and "forward_only" not in forward["missing"]
    assert backward["forward_only_ms"] is None and backward["missing"]["forward_only"]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.filterwarnings("ignore:.*flex_attention called without torch.compile")
def test_flex_attention_is_given_the_same_problem(causal, monkeypatch):
    asked = []

    def no_compiler(function, **how):
        asked.append(how)
        return function

    monkeypatch.setattr(torch, "compile", no_compiler)
    leaves, d_out = gpu_contenders.draw(1, 2, 128, 16, "cpu", torch.float32)
    oracle = gpu_contenders.Oracle(leaves, d_out, causal)
    with torch._functorch.config.patch(donated_buffer=True):
        run = gpu_contenders.flex(*(x.detach() for x in leaves), causal)
        assert torch._functorch.config.donated_buffer is False
        assert oracle.check(0, run()) < 1
    assert asked[0] == {"dynamic": False, "fullgraph": True}


def test_the_roof_is_counted_right(monkeypatch):
    monkeypatch.setattr(gpu_contenders, "MATMUL", 16)
    monkeypatch.setattr(gpu_contenders, "COPY", 1000)
    speed = gpu_contenders.matmul_tflops(timer, "cpu", torch.bfloat16)
    assert speed == pytest.approx(2 * 16**3 / 2e-3 / 1e12)
    assert gpu_contenders.copy_gb_s(timer, "cpu") == pytest.approx(2 * 1000 / 2e-3 / 1e9)


# ------------------------------------------------------------------------ on a GPU: running, saving


def test_all_take_turns_and_the_median_counts():
    order, times = [], {"a": iter([1.0, 9.0, 2.0]), "b": iter([5.0, 5.0, 5.0])}

    def by_name(name):
        order.append(name)
        return next(times[name])

    found = flash_gpu.in_turn({"a": "a", "b": "b"}, by_name, 3)
    assert found == {"a": 2.0, "b": 5.0}
    assert order == ["a", "b", "b", "a", "a", "b"]


def test_one_failing_case_or_too_little_time_leaves_the_others():
    def clock(ticks=iter([0, 0, 10, 70])):  # noqa: B008
        return next(ticks)

    grid = [{**TINY[0], "width": 0}, TINY[0], TINY[1]]
    contenders = {"attnbook": gpu_contenders.attnbook}
    rows, left_out = flash_gpu.run_all(grid, contenders, timer, minutes=1, clock=clock, **HOW)
    assert [row["direction"] for row in rows] == ["forward", "backward"]
    assert [case["causal"] for case in left_out] == [False, True]
    assert left_out[1]["why"] == "1 minutes were over"


def test_rows_are_sorted_saved_and_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    monkeypatch.setattr(measured, "RESULTS", tmp_path)
    contenders = {"attnbook": gpu_contenders.attnbook, "broken": broken}
    rows, left_out = flash_gpu.run_all(TINY[::-1], contenders, timer, **HOW)
    record.save("flash_gpu", rows, packages=["torch"], gpu="a GPU", left_out=left_out)
    result = measured.load("flash_gpu")
    assert [(row["direction"], row["causal"]) for row in result["rows"]] == [
        ("forward", False),
        ("forward", True),
        ("backward", False),
        ("backward", True),
    ]
    assert result["rows"] == rows
    assert measured.machine(result["about"]).startswith("Measured on a GPU, with torch 2")


def test_goals_take_the_worst_row_from_4096_tokens_on():
    rows = gpu_result()["rows"]
    for row in rows:
        if row["tokens"] < 4096:
            row["over_fa2"] = row["over_cudnn"] = 0.1  # no goal is set here
        if row["tokens"] == 8192 and row["width"] == 64 and row["direction"] == "backward":
            row["over_fa2"] = 0.99
    found = flash_gpu.goals(rows)
    assert [(goal["found"], goal["reached"]) for goal in found[2:]] == [
        (0.8, True),
        (0.8, False),
        (0.99, False),
        (1.5, True),
    ]
    assert found[0]["found"] == 1.5 and found[1]["what"] == "attnbook_tflops"
    assert all(goal["found"] is None and not goal["reached"] for goal in flash_gpu.goals([]))


@pytest.mark.skipif(flash_gpu.has_gpu(), reason="there is a GPU")
@pytest.mark.parametrize("words", [[], ["--quick"]])
def test_without_a_gpu_it_ends_with_one_sentence_before_large_imports(words):
    code = (
        "import runpy, sys\n"
        "sys.modules['torch'] = sys.modules['triton'] = sys.modules['numpy'] = None\n"
        f"sys.argv = ['flash_gpu.py', *{words}]\n"
        f"sys.path.insert(0, {str(ROOT / 'benchmarks')!r})\n"
        f"runpy.run_path({str(ROOT / 'benchmarks' / 'flash_gpu.py')!r}, run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip() == flash_gpu.NO_GPU


# ----------------------------------------------------------------------------------------- on a CPU


def test_naive_attention_is_attention():
    leaves = flash.problem(32)
    expected, _ = attention_reference(*(x.detach() for x in leaves))
    np.testing.assert_allclose(flash.naive(*leaves).detach(), expected, atol=1e-5)


def test_a_short_call_is_repeated_and_its_time_is_that_of_one(monkeypatch):
    monkeypatch.setattr(flash, "WINDOW", 0.05)
    calls = []

    def function(leaves):
        calls.append(leaves)
        time.sleep(0.01)

    ms, share = flash.clock(function, lambda f, leaves: f(leaves), "leaves")
    assert 2 <= len(calls) <= 5 and calls[0] == "leaves"
    assert ms >= 10 and ms * len(calls) >= 50
    assert -1 < share < 2 * os.cpu_count()


def test_what_this_process_does_itself_disturbs_nobody(monkeypatch):
    monkeypatch.setattr(time, "process_time", lambda: 0.0)
    everything = flash.others()
    monkeypatch.setattr(time, "process_time", lambda: 1e9)
    assert everything > 0 and flash.others() < everything - 9e8


def test_a_round_waits_for_others_to_be_quiet(monkeypatch):
    monkeypatch.setattr(flash, "WINDOW", 0.01)
    seconds = iter([0.0, 0.02, 0.02, 0.03, 0.03, 0.0301, 7.0])  # 2, 1 and 0.01 processors
    monkeypatch.setattr(flash, "others", lambda: next(seconds))
    WAIT(time.perf_counter() + 10)
    assert next(seconds) == 7.0
    busy = count()
    monkeypatch.setattr(flash, "others", lambda: next(busy))
    WAIT(time.perf_counter() + 0.05)  # always busy: it gives up


def test_disturbed_runs_do_not_count(monkeypatch):
    """A run in which others took the processors is slow; the quiet ones give the time."""
    monkeypatch.setattr(flash, "SECONDS", 0)
    said = iter([(9.0, 1.0), (8.0, 0.9), (1.0, 0.0), (1.2, 0.01), (1.1, 0.02), (7.0, 0.5)])

    def clock(function, run, leaves):
        return next(said)

    runs = flash.side_by_side({"a": flash.naive}, flash.forward, flash.problem(8), clock)
    assert runs == {"a": [(1.0, 0.0), (1.2, 0.01), (1.1, 0.02)]}


def test_the_quietest_runs_count_where_none_is_quiet(monkeypatch):
    monkeypatch.setattr(flash, "PATIENCE", 0)
    monkeypatch.setattr(flash, "LEAST", 1)
    runs = flash.side_by_side(
        {"a": flash.naive}, flash.forward, flash.problem(8), lambda *_: (5.0, 2.0)
    )
    assert runs == {"a": [(5.0, 2.0)]}


def test_a_cpu_row_and_its_table(monkeypatch):
    monkeypatch.setattr(flash, "SECONDS", 0)
    told = {flash.flash_attention: 3.0, flash.sdpa: 2.0, flash.naive: 9.0}
    row = flash.time_row(16, clock=lambda function, run, leaves: (told[function], 0.0))
    assert row["forward_tiled_over_sdpa"] == row["both_tiled_over_sdpa"] == 1.5
    assert row["forward_naive_over_tiled"] == 3.0
    row |= dict.fromkeys((f"{k}_{f}_mib" for k in flash.KINDS for f in flash.FUNCTIONS), 2048.0)
    row["forward_naive_mib"] = row["forward_naive_ms"] = row["forward_naive_over_tiled"] = None
    lines = measured.flash_cpu({"rows": [row]}).splitlines()
    assert lines[2].replace(measured.GAP, " ") == (
        "| 16 | 3 ms | 2 ms | – | 1.50 | – | 2.0 GiB | 2.0 GiB | – |"
    )
    assert len({line.count("|") for line in lines}) == 1


def test_what_does_not_fit_in_memory_is_not_tried():
    assert flash.fits("tiled", "both", 10**6) and not flash.fits("naive", "forward", 10**6)
    assert flash.fits("naive", "both", 64)


def test_memory_is_that_of_the_matrices():
    """In a process of its own: naive attention makes two matrices of n × n, tiled none."""
    n = 2048
    matrix = flash.HEADS * n**2 * 4 / 2**20
    command = [sys.executable, flash.__file__]
    found = {}
    for name in ("naive", "tiled"):
        words = [json.dumps([name, "forward", n])]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command + words, env=env, stdout=subprocess.PIPE, check=True)
        found[name] = json.loads(done.stdout)
    assert 1.9 * matrix < found["naive"] < 2.3 * matrix
    assert found["tiled"] < matrix / 2


# --------------------------------------------------------------------------- what is read and shown


def test_what_was_not_measured_says_how_to(tmp_path, monkeypatch):
    monkeypatch.setattr(measured, "RESULTS", tmp_path)
    with pytest.raises(measured.NotMeasured, match=r"^not measured yet; `make bench-gpu` measures"):
        measured.load("flash_gpu")
    with pytest.raises(measured.NotMeasured, match="`make bench BENCHMARKS=flash` measures"):
        measured.load("flash")


def test_a_disturbed_measurement_says_so():
    rows = [{"forward_others": 0.05, "both_others": 0.4}, {"forward_others": 0.0, "both_others": 0}]
    assert measured.disturbed({"rows": rows}) == ""
    assert "up to 0.4 processors" in measured.disturbed({"rows": rows}, "both")


def test_the_gpu_table():
    result = gpu_result()
    lines = measured.flash_gpu(result, lengths=(16384,)).splitlines()
    assert len(lines) == 2 + 2 * 2 * 2
    assert len({line.count("|") for line in lines}) == 1
    expected = 4 * 16384 * 16384 * 2048 / 1e-3 / 1e12
    row = next(line for line in lines if "forward | 128 | full" in line)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[3:5] == ["16384", f"{expected:.0f}"]
    assert cells[6].endswith(r"\*") and cells[7] == "–"  # wrong, and missing
    assert cells[8:] == ["1.50", "0.80"]
    assert len(measured.flash_gpu(result).splitlines()) == 2 + 40


def test_what_is_missing_is_said_once():
    said = measured.missing(gpu_result())
    assert said == [
        "flex_attention is missing in 40 of 40 rows: no compiler",
        "N 16, d 16, full: left out, 7.5 minutes were over",
    ]


def test_the_readme_shows_what_is_in_the_files():
    assert measured.readme_part("speed")[1] == measured.speed()


def test_the_readme_takes_both_tables(tmp_path, monkeypatch):
    cpu = copy.deepcopy(measured.load("flash"))
    monkeypatch.setattr(measured, "RESULTS", tmp_path)
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- speed -->\nold\n<!-- end of speed -->\nafter\n")
    (tmp_path / "flash.json").write_text(json.dumps(cpu))
    measured.write_readme("speed", measured.speed(), readme)
    assert "The kernel for a GPU is not measured yet" in readme.read_text()
    (tmp_path / "flash_gpu.json").write_text(json.dumps(gpu_result()))
    measured.write_readme("speed", measured.speed(), readme)
    before, inside, after = measured.readme_part("speed", readme)
    assert (before, after) == ("before\n", "\nafter\n")
    assert "Measured on a GPU" in inside and "not measured" not in inside and "old" not in inside
    with pytest.raises(ValueError, match="no marks <!-- weight -->"):
        measured.write_readme("weight", "text", readme)


def test_the_recorded_lengths_are_those_of_the_benchmark():
    result = measured.load("flash")
    assert [row["tokens"] for row in result["rows"]] == list(flash.LENGTHS)
    assert result["about"]["goals"] == flash.goals(result["rows"])
