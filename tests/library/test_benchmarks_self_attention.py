"""The benchmark of self-attention beside a recurrent layer: its layers, and the rows it writes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from attnbook import attention

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "benchmarks"))

import measured  # noqa: E402
import self_attention  # noqa: E402


def test_the_layers_compute_what_they_are_called():
    """Self-attention against the library; the recurrent layer against its equation, in a loop."""
    x = self_attention.tokens(7, width=5)
    layers = self_attention.layers(width=5)
    torch.manual_seed(0)
    w_q, w_k, w_v = torch.randn(3, 5, 5) / 5**0.5
    exact = attention(x @ w_q, x @ w_k, x @ w_v)
    np.testing.assert_allclose(layers["attention"](x), exact, atol=1e-5)

    net = torch.nn.RNN(5, 5)  # drawn next from the same seed
    u, w, b, c = (p.detach() for p in net.parameters())
    h = torch.zeros(5)
    for x_t, h_t in zip(x, layers["recurrent"](x), strict=True):
        h = torch.tanh(u @ x_t + b + w @ h + c)
        np.testing.assert_allclose(h_t, h, atol=1e-5)


def test_the_quickest_call_counts():
    ms, share = self_attention.least_ms(lambda x: x @ x.mT, torch.ones(512, 64), 3, 0.0)
    assert 0 < ms < 1000 and share >= 0


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux only")
def test_memory_is_that_of_a_process_of_its_own():
    """At 2048 tokens two maps of 16 MiB are held at once: scores and weights."""
    command = [sys.executable, self_attention.__file__, json.dumps(["attention", 2048])]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    assert 31 < json.loads(done.stdout) < 45


def test_the_stored_rows_say_what_the_chapter_says():
    result = measured.load("self_attention")
    assert [row["tokens"] for row in result["rows"]] == list(self_attention.LENGTHS)
    assert "1 thread," in measured.machine(result["about"])
    for short, long in zip(result["rows"][-3:], result["rows"][-2:], strict=False):
        assert 3.5 < long["attention_ms"] / short["attention_ms"] < 4.5
        assert 3.5 < long["attention_mib"] / short["attention_mib"] < 4.2
        assert 1.8 < long["recurrent_ms"] / short["recurrent_ms"] < 2.5
