"""What can be imported with what is installed, and what is said if something is missing."""

import subprocess
import sys

import pytest

WITHOUT = """
import sys
for name in {missing!r}:
    sys.modules[name] = None  # as if it were not installed
import {module}
"""
ALONE = [  # these need NumPy, and nothing else
    "attnbook",
    "attnbook.addressing",
    "attnbook.costs",
    "attnbook.hopfield",
    "attnbook.indexes",
    "attnbook.leaks",
    "attnbook.online",
    "attnbook.patterns",
    "attnbook.retrieval",
]
TORCH = [
    "additive",
    "block_mask",
    "cache",
    "delta",
    "flash",
    "latent",
    "layers",
    "linear",
    "paged",
    "paged_attention",
    "positions",
    "ring",
    "seq2seq",
    "sparse",
    "top_k",
]


def run(module, missing):
    code = WITHOUT.format(module=module, missing=set(missing))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize("module", ALONE)
def test_needs_numpy_alone(module):
    done = run(module, {"torch", "faiss", "array_api_compat", "matplotlib", "anywidget"})
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", TORCH)
def test_says_in_one_line_what_to_install(module):
    done = run(f"attnbook.{module}", {"torch"})
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last == "ImportError: this part of attnbook needs PyTorch: pip install 'attnbook[torch]'"
    assert "During handling" not in done.stderr
