"""One function, several array libraries, the same numbers; and what `import attnbook` needs."""

import importlib
import subprocess
import sys

import array_api_strict
import numpy as np
import pytest
import torch

import attnbook

RNG = np.random.default_rng(0)
Q, K, V = (RNG.standard_normal(shape) for shape in ((2, 4, 3, 5), (2, 2, 6, 5), (2, 2, 6, 4)))
MASK = RNG.random((3, 6)) < 0.7
BIAS = RNG.standard_normal((3, 6))
POINTS, KEYS, VALUES = Q[0, 0], K[0, 0], V[0, 0]
X, Y = RNG.standard_normal(6), RNG.standard_normal(6)
WEIGHTS = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])
INTEGERS = np.array([[1, 2], [3, 4], [1, 2]])

# Every public function, as a call whose arrays come from the library `a(...)`.
CALLS = {
    "attention": lambda a: attnbook.attention(
        a(Q), a(K), a(V), mask=a(MASK), bias=a(BIAS), causal=True, window=(2, 1), return_lse=True
    ),
    "attention without keys": lambda a: attnbook.attention(
        a(Q), a(K[..., :0, :]), a(V[..., :0, :]), return_lse=True
    ),
    "attention_weights": lambda a: attnbook.attention_weights(a(Q), a(K), causal=True),
    "softmax": lambda a: attnbook.softmax(a(BIAS), 0, temperature=0.5, mask=a(MASK)),
    "softmax at 0": lambda a: attnbook.softmax(a(BIAS), temperature=0),
    "softmax at inf": lambda a: attnbook.softmax(a(BIAS), temperature=float("inf")),
    "logsumexp": lambda a: attnbook.logsumexp(a(BIAS), mask=a(MASK)),
    "entropy": lambda a: attnbook.entropy(a(WEIGHTS)),
    "softmax_jacobian": lambda a: attnbook.softmax_jacobian(a(WEIGHTS), temperature=2.0),
    **{
        f"scores {score}": lambda a, score=score: attnbook.scores(a(POINTS), a(KEYS), score=score)
        for score in ("dot", "scaled_dot", "distance", "cosine")
    },
    "hard_lookup": lambda a: attnbook.hard_lookup(a(POINTS), a(KEYS), a(VALUES)),
    "hard_lookup first": lambda a: attnbook.hard_lookup(a(POINTS), a(KEYS), a(X), ties="first"),
    "hard_lookup exact": lambda a: attnbook.hard_lookup(
        a(INTEGERS), a(INTEGERS), a(INTEGERS), match="exact"
    ),
    "hard_lookup default": lambda a: attnbook.hard_lookup(
        a(POINTS), a(KEYS), a(VALUES), match="exact", default=a(np.arange(4.0))
    ),
    "soft_lookup": lambda a: attnbook.soft_lookup(
        a(POINTS), a(KEYS), a(VALUES), mask=a(MASK), return_weights=True
    ),
    **{
        f"kernel_regression {kernel}": lambda a, kernel=kernel: attnbook.kernel_regression(
            a(X[:4]), a(X), a(Y), kernel=kernel, return_weights=True
        )
        for kernel in ("gaussian", "boxcar", "epanechnikov")
    },
    "padding_mask": lambda a: attnbook.padding_mask(a(np.array([0, 3])), 4),
}
ARRAYS_FREE = {
    "attention_flops",
    "bilinear_parameters",
    "causal_mask",
    "projection_parameters",
    "window_mask",
}
LIBRARIES = {"array-api-strict": array_api_strict.asarray, "torch": torch.from_numpy}


def to_numpy(result):
    return [np.asarray(part) for part in (result if isinstance(result, tuple) else (result,))]


def test_every_public_function_is_called():
    called = {name.split()[0] for name in CALLS}
    assert called | ARRAYS_FREE == set(attnbook.__all__)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", CALLS)
def test_every_library_gives_the_numbers_of_numpy(name, library):
    convert = LIBRARIES[library]
    want = CALLS[name](np.asarray)
    ours = CALLS[name](convert)
    kind = type(convert(X))
    assert all(isinstance(x, kind) for x in (ours if isinstance(ours, tuple) else (ours,)))
    for one, other in zip(to_numpy(ours), to_numpy(want), strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape
        np.testing.assert_allclose(one, other, atol=1e-12)


@pytest.mark.parametrize("name", ["causal_mask", "window_mask"])
def test_masks_in_array_api_strict(name):
    mask = getattr(attnbook, name)(2, 5, xp=array_api_strict)
    np.testing.assert_array_equal(np.asarray(mask), getattr(attnbook, name)(2, 5))
    padding = attnbook.padding_mask([1, 2], 3, xp=array_api_strict)
    np.testing.assert_array_equal(np.asarray(padding), [[1, 0, 0], [1, 1, 0]])


def test_a_miss_in_array_api_strict():
    a = array_api_strict.asarray
    with pytest.raises(KeyError, match="nearest is key"):
        attnbook.hard_lookup(a(POINTS), a(KEYS), a(VALUES), match="exact")


@pytest.mark.parametrize("name", CALLS)
def test_the_callers_arrays_are_never_written_to(name):
    def read_only(array):
        copy = np.array(array)
        copy.flags.writeable = False
        return copy

    CALLS[name](read_only)


def run_python(code):
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_attnbook_loads_numpy_and_nothing_else():
    run_python(
        "import sys, numpy; before = set(sys.modules); import attnbook\n"
        "new = {m.partition('.')[0] for m in set(sys.modules) - before} - {'attnbook'}\n"
        "new -= set(sys.stdlib_module_names) | {'numpy'}\n"
        "assert not new, new"
    )


def test_attnbook_works_with_numpy_alone():
    run_python(
        "import sys\n"
        "class OnlyNumPy:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        top = name.partition('.')[0]\n"
        "        if top not in sys.stdlib_module_names | {'numpy', 'attnbook'}:\n"
        "            raise ImportError('blocked: ' + name)\n"
        "sys.meta_path.insert(0, OnlyNumPy())\n"
        "import numpy as np, attnbook\n"
        "x = np.eye(3)\n"
        "attnbook.attention(x, x, x, causal=True)\n"
        "attnbook.soft_lookup(x, x, x); attnbook.hard_lookup(x, x, x, match='exact')\n"
        "attnbook.kernel_regression(x, x, x); attnbook.entropy(attnbook.softmax(x))\n"
    )


def test_tensors_without_array_api_compat_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "array_api_compat.torch", None)
    with pytest.raises(ImportError, match=r"pip install 'attnbook\[torch\]'"):
        attnbook.softmax(torch.zeros(3))


def test_the_public_names():
    assert attnbook.__version__
    assert all(callable(getattr(attnbook, name)) for name in attnbook.__all__)
    # Modules and functions of one name: the function is what `attnbook.attention` means.
    module = importlib.import_module("attnbook.attention")
    assert module.attention is attnbook.attention


@pytest.mark.parametrize("name", attnbook.__all__)
def test_every_docstring_tells_what_it_should(name):
    text = getattr(attnbook, name).__doc__
    for part in ("Parameters", "Returns", "Raises", "References", "Examples", ">>> "):
        assert part in text, part
