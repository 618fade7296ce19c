"""What a mask means in JAX, Keras and Transformers: run in .venv/elsewhere, prints JSON.

For each function: is its output that of `attention` where the mask is True for what may be
attended to (``keep``) or False (``hide``), what comes out for a query that may attend to nothing,
and to which corner it aligns a causal mask.
"""

import json
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"

import jax
import keras
import numpy as np
import torch
import transformers

from attnbook import attention

rng = np.random.default_rng(0)
Q = rng.normal(size=(1, 4, 8)).astype("float32")
K, V = rng.normal(size=(2, 1, 3, 8)).astype("float32")
KEEP = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1], [1, 1, 1]], dtype=bool)
EMPTY = 2
NO_ROW = KEEP & (np.arange(4) != EMPTY)[:, None]


def by_jax(mask, **options):
    """The width stands behind the heads: (batch, length, heads, width)."""
    heads = (jax.numpy.asarray(a[:, :, None]) for a in (Q, K, V))
    mask = None if mask is None else mask[None, None]
    return np.asarray(jax.nn.dot_product_attention(*heads, mask=mask, **options))[0, :, 0]


layer = keras.layers.MultiHeadAttention(1, 8, use_bias=False)
layer(Q, V, K)
EYE = np.eye(8, dtype="float32")
layer.set_weights([EYE.reshape(8, 1, 8)] * 3 + [EYE.reshape(1, 8, 8)])


def by_keras(mask, **options):
    """The three projections and the last one are the identity."""
    mask = None if mask is None else mask[None]
    out = layer(Q, V, K, attention_mask=mask, **options)
    out = out[0] if isinstance(out, tuple) else out
    return keras.ops.convert_to_numpy(out)[0]


def close(a, b):
    return bool(np.allclose(a, b, atol=1e-5))


def polarity(call):
    fits = {"keep": close(call(KEEP), attention(Q, K, V, mask=KEEP)[0])}
    fits["hide"] = close(call(~KEEP), attention(Q, K, V, mask=KEEP)[0])
    return [name for name, fit in fits.items() if fit]


def empty(row, values):
    fits = {"0": not row.any(), "NaN": np.isnan(row).all(), "mean": close(row, values.mean(0))}
    return [name for name, fit in fits.items() if fit]


def corner(out):
    """Four queries, three keys."""
    upper = np.tril(np.ones((4, 3), dtype=bool))
    fits = {"upper left": close(out, attention(Q, K, V, mask=upper)[0])}
    fits["lower right"] = close(out, attention(Q, K, V, causal=True)[0])
    return [name for name, fit in fits.items() if fit]


def by_transformers(kind):
    """A batch of three words and two of padding: which of the two does 0 hide, words or padding?"""
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=20,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        attn_implementation=kind,
    )
    bert = transformers.BertModel(config).eval()
    ids, real = torch.tensor([[3, 4, 5, 0, 0]]), torch.tensor([[1, 1, 1, 0, 0]])
    other = torch.tensor([[3, 4, 5, 7, 9]])

    def words(ids, mask):
        return bert(ids, attention_mask=mask).last_hidden_state[:, :3]

    fits = {name: torch.equal(words(ids, mask), words(other, mask)) for name, mask in
            (("keep", real), ("hide", 1 - real))}  # fmt: skip
    inside, seen = bert.encoder.layer[0].attention.self, []
    inside.register_forward_hook(lambda module, given, out: seen.append(out[0][0, 0]))
    bert(ids, attention_mask=0 * real)
    values = inside.value(bert.embeddings(ids))[0]
    return {
        "true": [name for name, fit in fits.items() if fit],
        "empty": empty(seen[0].numpy(), values.numpy()),
    }


with torch.no_grad():
    found = {
        "versions": {m.__name__: m.__version__ for m in (jax, keras, transformers)},
        "jax": {
            "true": polarity(by_jax),
            "empty": empty(by_jax(NO_ROW)[EMPTY], V[0]),
            "corner": corner(by_jax(None, is_causal=True)),
        },
        "keras": {
            "true": polarity(by_keras),
            "empty": empty(by_keras(NO_ROW)[EMPTY], V[0]),
            "corner": corner(by_keras(None, use_causal_mask=True)),
        },
        "keras, scores": {
            "true": polarity(lambda mask: by_keras(mask, return_attention_scores=True)),
            "empty": empty(by_keras(NO_ROW, return_attention_scores=True)[EMPTY], V[0]),
        },
        "transformers, eager": by_transformers("eager"),
        "transformers, sdpa": by_transformers("sdpa"),
    }
json.dump(found, sys.stdout)
