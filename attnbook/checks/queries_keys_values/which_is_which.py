"""Exercise `which_is_which`: tell query, key and value apart by calling the function."""

import numpy as np

from ..core import Case, Exercise, Mistake


def _attention(q, k, v):
    scores = q @ k.T / np.sqrt(q.shape[1])
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True) @ v


def attention_of_q_k_v(a, b, c):
    """Attend with the query first, then key, then value."""
    return _attention(a, b, c)


def attention_of_k_v_q(a, b, c):
    """Attend with the key first, then value, then query."""
    return _attention(c, a, b)


def attention_of_v_q_k(a, b, c):
    """Attend with the value first, then query, then key."""
    return _attention(b, c, a)


def attention_of_q_v_k(a, b, c):
    """Attend with the query first, then value, then key."""
    return _attention(a, c, b)


def attention_of_v_k_q(a, b, c):
    """Attend with the value first, then key, then query."""
    return _attention(c, b, a)


def attention_of_k_q_v(a, b, c):
    """Attend with the key first, then query, then value."""
    return _attention(b, a, c)


_ORDERS = {
    attention_of_q_k_v: ["query", "key", "value"],
    attention_of_k_v_q: ["key", "value", "query"],
    attention_of_v_q_k: ["value", "query", "key"],
    attention_of_q_v_k: ["query", "value", "key"],
    attention_of_v_k_q: ["value", "key", "query"],
    attention_of_k_q_v: ["key", "query", "value"],
}


def which_is_which(f, arrays):
    """Return for each of the three arguments of f whether it is "query", "key" or "value"."""
    return list(_ORDERS[f])


def _cases(rng):
    shapes = [(2, 2), (3, 2), (4, 6), (4, 6), (3, 8), (7, 3)]
    return [
        # Not rounded: a row of queries that adds up to 0 would hide that a key was moved.
        Case((f, list(rng.normal(size=(3, *shape)))))
        for f, shape in zip(_ORDERS, shapes, strict=True)
    ]


def _renamed(**names):
    return lambda f, arrays: [names.get(name, name) for name in which_is_which(f, arrays)]


def _order(f, arrays):
    names = which_is_which(f, arrays)
    return [names.index(name) for name in ("query", "key", "value")]


_MISTAKES = (
    Mistake(
        "Query and key have changed places. Disturb one row: of the query, it moves that row of "
        "the output alone; of the key, it moves all rows.",
        _renamed(query="key", key="query"),
    ),
    Mistake(
        "Query and value have changed places. The output is linear in the *value*: doubling it "
        "doubles the output.",
        _renamed(query="value", value="query"),
    ),
    Mistake(
        "Key and value have changed places. The output is linear in the *value*: doubling it "
        "doubles the output.",
        _renamed(key="value", value="key"),
    ),
    Mistake(
        "You always answer query, key, value. Here the order is unknown: call f and see.",
        lambda f, arrays: ["query", "key", "value"],
    ),
    Mistake(
        "You return short names. Return the words: 'query', 'key', 'value'.",
        _renamed(query="q", key="k", value="v"),
    ),
    Mistake(
        "You return short names. Return the words: 'query', 'key', 'value'.",
        _renamed(query="Q", key="K", value="V"),
    ),
    Mistake(
        "You write the names with a plural s. Return the words: 'query', 'key', 'value'.",
        _renamed(query="queries", key="keys", value="values"),
    ),
    Mistake(
        "You return the places of query, key and value. Return the name of each place.", _order
    ),
    Mistake(
        "You found the value, and call both of the others query. Disturb one row of each: which "
        "moves one row of the output, which moves all?",
        _renamed(key="query"),
    ),
    Mistake(
        "You found the value, and call both of the others key. Disturb one row of each: which "
        "moves one row of the output, which moves all?",
        _renamed(query="key"),
    ),
)

EXERCISE = Exercise("which_is_which", which_is_which, _cases, _MISTAKES)
