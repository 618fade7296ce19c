"""What Triton makes of the GPU kernels, read off the machine code: this needs no GPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="Triton is for Linux alone")

PROGRAM = Path(__file__).with_name("compile_flash_kernels.py")
ROOT = PROGRAM.parents[2]
KIB = 1024


def compiled(target, folder):
    """Compile in a process of its own, where Triton does not interpret, and from nothing."""
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    fresh = {"TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(folder), "PYTHONPATH": paths}
    run = subprocess.run(
        [sys.executable, PROGRAM, target], capture_output=True, text=True, env=os.environ | fresh
    )
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


@pytest.fixture(scope="module")
def hopper(tmp_path_factory):
    return compiled("hopper", tmp_path_factory.mktemp("triton"))


def test_every_kernel_and_width_was_compiled(hopper):
    assert {case["d"] for case in hopper} == {16, 32, 64, 128, 256}
    assert {case["kernel"] for case in hopper} == {"forward", "backward_queries", "backward_keys"}
    assert len(hopper) == 2 * 3 + 3 * 3 * 4


def test_products_of_matrices_run_on_warp_groups(hopper):
    assert all(case["wgmma"] for case in hopper)


def test_tiles_come_through_the_copy_engine(hopper):
    assert all(case["copy engine"] for case in hopper)


def test_nothing_is_spilled_from_the_registers(hopper):
    assert [case for case in hopper if case["spilled"]] == []


def test_tiles_fit_into_the_shared_memory_of_a_multiprocessor(hopper):
    assert max(case["shared"] for case in hopper) <= 227 * KIB


def test_two_programs_fit_on_a_multiprocessor_at_width_64(hopper):
    for case in hopper:
        if case["kernel"] == "forward" and case["d"] <= 64:
            assert 2 * case["shared"] <= 227 * KIB
            assert 2 * 128 * case["registers"] <= 64 * KIB  # 4 warps of 32 threads each


def test_no_sum_is_atomic(hopper):
    assert not any(case["atomics"] for case in hopper)


def test_smaller_gpus_have_room_for_their_tiles(tmp_path):
    cases = compiled("small", tmp_path)
    assert {case["d"] for case in cases} == {16, 32, 64, 128, 256}
    assert max(case["shared"] for case in cases) <= 64 * KIB  # what every GPU since 2018 has
    assert max(case["spilled"] for case in cases) <= 128  # a few numbers, outside of Hopper's reach
