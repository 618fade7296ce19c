"""Every error names what came and what would do."""

import array_api_strict
import numpy as np
import pytest
import torch

import attnbook as a

Q, K, V = np.zeros((3, 4)), np.zeros((5, 4)), np.zeros((5, 2))
HEADS, KV_HEADS = np.zeros((1, 6, 3, 4)), np.zeros((1, 4, 3, 4))
X = np.zeros(3)
POINT, NUMBERS = np.zeros(4), np.zeros(5)

VALUE_ERRORS = {
    # attention
    "width": (lambda: a.attention(Q, np.zeros((5, 3)), V), r"d_k >= 1; got 4 and 3.*k \(5, 3\)"),
    "width 0": (lambda: a.attention(Q[:, :0], K[:, :0], V), r"d_k >= 1; got 0 and 0"),
    "values": (lambda: a.attention(Q, K, V[:3]), r"one value for each key; got 5 keys and 3"),
    "rank": (lambda: a.attention(Q[0], K, V), r"q has shape \(4,\).*\(\.\.\., number, width\)"),
    "rank v": (
        lambda: a.attention(Q, K, NUMBERS),
        r"v has shape \(5,\).*\(\.\.\., number, width\)",
    ),
    "lead": (
        lambda: a.attention(np.zeros((2, 3, 4)), np.zeros((3, 5, 4)), V),
        r"do not broadcast: q \(2, 3, 4\), k \(3, 5, 4\).*\(B, H, N, D\)",
    ),
    "groups": (
        lambda: a.attention(HEADS, KV_HEADS, KV_HEADS),
        r"6 query heads cannot share 4 key/value heads.*multiple",
    ),
    "groups the other way": (
        lambda: a.attention(KV_HEADS[:, :1], KV_HEADS, KV_HEADS),
        r"1 query heads cannot share 4 key/value heads",
    ),
    "groups of none": (
        lambda: a.attention_weights(HEADS, KV_HEADS[:, :0]),
        r"6 query heads cannot share 0 key/value heads",
    ),
    "mask shape": (
        lambda: a.attention(Q, K, V, mask=np.ones((5, 3), bool)),
        r"mask has shape \(5, 3\).*scores, \(3, 5\)",
    ),
    "mask too many axes": (
        lambda: a.attention(Q, K, V, mask=np.ones((2, 3, 5), bool)),
        r"mask has shape \(2, 3, 5\).*scores, \(3, 5\)",
    ),
    "bias shape": (
        lambda: a.attention_weights(Q, K, bias=np.zeros((5, 3))),
        r"bias has shape \(5, 3\).*scores, \(3, 5\)",
    ),
    "scale inf": (lambda: a.attention(Q, K, V, scale=np.inf), r"scale must be .*finite; got inf"),
    "scale nan": (lambda: a.attention(Q, K, V, scale=np.nan), r"scale must be .*finite; got nan"),
    "window of flash": (
        lambda: a.attention(Q, K, V, window=(-1, 0)),
        r"left is -1; no limit is None here",
    ),
    "window negative": (
        lambda: a.attention(Q, K, V, window=(1, -2)),
        r"right must be at least 0; got -2",
    ),
    # softmax and its kin
    "temperature": (lambda: a.softmax(X, temperature=-1), r"0 \(argmax\) to inf.*got -1"),
    "temperature nan": (lambda: a.softmax(X, temperature=np.nan), r"temperature .*got nan"),
    "axis": (lambda: a.softmax(X, 1), r"axis is 1.*shape \(3,\).*from -1 to 0"),
    "axis low": (lambda: a.logsumexp(X, -2), r"axis is -2.*shape \(3,\).*from -1 to 0"),
    "axis entropy": (lambda: a.entropy(X, 3), r"axis is 3, but weights has shape \(3,\)"),
    "no axes": (lambda: a.softmax(np.zeros(())), r"x has shape \(\).*at least 1-dim"),
    "no axes entropy": (lambda: a.entropy(np.zeros(())), r"weights has shape \(\).*at least 1-dim"),
    "softmax mask": (
        lambda: a.softmax(X, mask=np.ones(4, bool)),
        r"mask has shape \(4,\).*\(3,\)",
    ),
    "jacobian at -1": (
        lambda: a.softmax_jacobian(np.array([1.0]), temperature=-1),
        r"temperature must be from 0.*got -1",
    ),
    # lookup
    "score": (lambda: a.scores(POINT, K, score="l2"), r"score is 'l2'.*'dot', .*'cosine'"),
    "keys 1-d": (lambda: a.scores(POINT, NUMBERS), r"keys \(5,\).*\(n, d_k\).*keys\[:, None\]"),
    "query 0-d": (lambda: a.scores(np.zeros(()), K), r"query has shape \(\).*\(\.\.\., d_k\)"),
    "query width": (lambda: a.scores(X, K), r"query has shape \(3,\) and keys \(5, 4\)"),
    "values count": (
        lambda: a.soft_lookup(POINT, K, X),
        r"values has shape \(3,\) for 5 keys.*\(5, d_v\), or \(5,\)",
    ),
    "lookup mask": (
        lambda: a.soft_lookup(Q, K, V, mask=np.ones(3, bool)),
        r"mask has shape \(3,\).*scores, \(3, 5\)",
    ),
    "match": (lambda: a.hard_lookup(POINT, K, V, match="fuzzy"), r"match is 'fuzzy'.*'exact'"),
    "ties": (lambda: a.hard_lookup(POINT, K, V, ties="last"), r"ties is 'last'.*'split', 'first'"),
    "default of nearest": (
        lambda: a.hard_lookup(POINT, K, V, default=0),
        r"default is for match=\"exact\"",
    ),
    "ties of exact": (
        lambda: a.hard_lookup(POINT, K, V, match="exact", ties="first"),
        r"ties='first' rank the nearest",
    ),
    "score of exact": (
        lambda: a.hard_lookup(POINT, K, V, match="exact", score="cosine"),
        r"score='cosine'.*leave them out",
    ),
    "no keys": (lambda: a.hard_lookup(POINT, K[:0], V[:0]), r"no keys \(n = 0\).*at least one"),
    "default shape": (
        lambda: a.hard_lookup(POINT, K, V, match="exact", default=np.zeros(3)),
        r"default has shape \(3,\).*one value, \(2,\)",
    ),
    "values of exact": (
        lambda: a.hard_lookup(POINT, K, X, match="exact"),
        r"values has shape \(3,\) for 5 keys",
    ),
    # kernel regression
    "kernel": (lambda: a.kernel_regression(X, X, X, kernel="tri"), r"kernel is 'tri'.*'boxcar'"),
    "bandwidth": (
        lambda: a.kernel_regression(X, X, X, bandwidth=0),
        r"bandwidth must be > 0.*got 0",
    ),
    "bandwidth inf": (
        lambda: a.kernel_regression(X, X, X, bandwidth=np.inf),
        r"bandwidth must be > 0 and finite; got inf",
    ),
    "x ranks": (
        lambda: a.kernel_regression(X, K, NUMBERS),
        r"x_query has shape \(3,\) and x \(5, 4\)",
    ),
    "x widths": (
        lambda: a.kernel_regression(np.zeros((2, 3)), K, NUMBERS),
        r"x_query has shape \(2, 3\) and x \(5, 4\).*\(m, d\) and \(n, d\)",
    ),
    "y": (
        lambda: a.kernel_regression(X, X, NUMBERS),
        r"y has shape \(5,\) for 3 places.*\(3, d_y\)",
    ),
    # masks and costs
    "n_q": (lambda: a.causal_mask(-1), r"n_q must be at least 0; got -1"),
    "n_k": (lambda: a.causal_mask(2, -1), r"n_k must be at least 0; got -1"),
    "left": (lambda: a.window_mask(3, left=-2), r"left must be at least 0; got -2"),
    "lengths": (
        lambda: a.padding_mask(np.array([1, 9]), 4),
        r"lengths go from 1 to 9.*from 0 to n_k = 4",
    ),
    "lengths negative": (lambda: a.padding_mask(np.array([-1]), 4), r"lengths go from -1 to -1"),
    "flops": (lambda: a.attention_flops(2, 2, 0), r"d_k must be at least 1; got 0"),
    "flops heads": (
        lambda: a.attention_flops(2, 2, 2, num_heads=0),
        r"num_heads must be at least 1; got 0",
    ),
    "tied": (
        lambda: a.projection_parameters(8, 4, 2, tied_kv=True),
        r"tied_kv.*d_k = 4 must equal d_v = 2",
    ),
    "bilinear": (lambda: a.bilinear_parameters(8, 0), r"d_k must be at least 1; got 0"),
}

INT = np.zeros((5, 4), dtype=np.int64)
TYPE_ERRORS = {
    "list": (lambda: a.softmax([1.0, 2.0]), r"x is a list.*numpy\.asarray"),
    "number": (lambda: a.entropy(1.0), r"weights is a float, not an array.*numpy\.asarray"),
    "list of keys": (lambda: a.scores(POINT, [[0.0] * 4]), r"keys is a list.*numpy\.asarray"),
    "list of lengths": (lambda: a.padding_mask([1, 2], 4), r"lengths is a list"),
    "two libraries": (
        lambda: a.attention(Q, torch.zeros(5, 4), V),
        r"q is a numpy array and k is a torch array; convert one",
    ),
    "mask of another library": (
        lambda: a.softmax(torch.zeros(3), mask=np.ones(3, bool)),
        r"x is a torch array and mask is a numpy array",
    ),
    "strict and numpy": (
        lambda: a.soft_lookup(POINT, K, array_api_strict.zeros((5, 2))),
        r"query is a numpy array and values is a array_api_strict array",
    ),
    "default of another library": (
        lambda: a.hard_lookup(POINT, K, V, match="exact", default=torch.zeros(2)),
        r"values is a numpy array and default is a torch array",
    ),
    "integers": (lambda: a.attention(INT, K, V), r"q has dtype int64.*float32"),
    "integer scores": (lambda: a.softmax(INT), r"x has dtype int64.*float32"),
    "integer values": (lambda: a.soft_lookup(POINT, K, INT), r"values has dtype int64"),
    "integer keys": (lambda: a.hard_lookup(POINT, INT, V), r"keys has dtype int64"),
    "integer x": (lambda: a.kernel_regression(X, INT[:, 0], NUMBERS), r"x has dtype int64"),
    "complex": (lambda: a.logsumexp(X + 1j), r"x has dtype complex128.*real floating"),
    "strings": (
        lambda: a.hard_lookup(np.array(["a"]), np.array([["a"]]), X[:1], match="exact"),
        r"query has dtype <U1.*integer or floating",
    ),
    "exact dtypes": (
        lambda: a.hard_lookup(POINT.astype(np.float32), K, V, match="exact"),
        r"query has dtype float32 and keys float64.*one dtype",
    ),
    "default dtype": (
        lambda: a.hard_lookup(INT, INT, INT, match="exact", default=0.5),
        r"values has dtype int64, so default must be an integer",
    ),
    "integer mask": (
        lambda: a.attention(Q, K, V, mask=np.ones((3, 5), int)),
        r"mask has dtype int64.*True = may attend.*bias",
    ),
    "float mask": (
        lambda: a.softmax(X, mask=X),
        r"mask has dtype float64.*True = may attend.*bias",
    ),
    "bool bias": (
        lambda: a.attention(Q, K, V, bias=np.ones((3, 5), bool)),
        r"bias has dtype bool.*floating",
    ),
    "temperature": (lambda: a.softmax(X, temperature="1"), r"temperature .*number; got a str"),
    "temperature array": (
        lambda: a.softmax(X, temperature=np.ones(1)),
        r"temperature .*number; got a ndarray",
    ),
    "temperature bool": (lambda: a.softmax(X, temperature=True), r"number; got a bool"),
    "axis": (lambda: a.softmax(X, 0.0), r"axis must be an integer; got 0\.0"),
    "axis None": (lambda: a.entropy(X, None), r"axis must be an integer; got None"),
    "scale": (lambda: a.attention(Q, K, V, scale="d"), r"scale .*number; got a str"),
    "causal": (
        lambda: a.attention(Q, K, V, causal=Q > 0),
        r"causal must be True or False; got a nd",
    ),
    "window": (lambda: a.attention(Q, K, V, window=3), r"window must be a pair.*got 3"),
    "window of three": (lambda: a.attention(Q, K, V, window=(1, 2, 3)), r"window must be a pair"),
    "window float": (lambda: a.attention(Q, K, V, window=(1.5, 0)), r"left must be an int.*1\.5"),
    "bandwidth": (lambda: a.kernel_regression(X, X, X, bandwidth=None), r"bandwidth .*NoneType"),
    "n_q": (lambda: a.causal_mask(2.0), r"n_q must be an integer; got 2\.0"),
    "lengths": (lambda: a.padding_mask(X, 4), r"lengths has dtype float64.*integer"),
    "flops": (lambda: a.attention_flops(2, 2, 4.0), r"d_k must be an integer; got 4\.0"),
    "parameters": (lambda: a.projection_parameters(True), r"d_model must be an integer; got True"),
}


@pytest.mark.parametrize("name", VALUE_ERRORS)
def test_value_errors(name):
    call, message = VALUE_ERRORS[name]
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("name", TYPE_ERRORS)
def test_type_errors(name):
    call, message = TYPE_ERRORS[name]
    with pytest.raises(TypeError, match=message):
        call()
