"""The dictionary: the value of the key that equals the query, or a miss.

    lookup(q) = v_j,   j = max { i : k_i = q }

This is the one lookup without a score, so it takes integers too. `hard_lookup` calls it.
"""

from numbers import Real

from ._arrays import check_broadcast, check_query_and_keys, check_values, namespace

MISSING = object()  # stands for "no default": None may be somebody's default


def exact_lookup(query, keys, values, default):
    """Return the value of the key that equals the query in every component."""
    xp = _prepare(query, keys, values)
    same = xp.all(query[..., None, :] == keys, axis=-1)
    # Of equal keys the greatest index wins, as in a dict; -1, a miss, loses to all. One -1 in
    # front keeps max defined where there are no keys.
    index = xp.where(same, xp.arange(keys.shape[0], device=keys.device), -1)
    never = xp.full((*query.shape[:-1], 1), -1, dtype=index.dtype, device=keys.device)
    index = xp.max(xp.concat([never, index], axis=-1), axis=-1)
    if default is MISSING:
        if bool(xp.any(index < 0)):
            raise KeyError(_describe_miss(xp, query, keys, index))
        default = 0
    # Row 0 of the table is the default, and row j + 1 the value of key j.
    table = xp.concat([_default_row(xp, default, values), values])
    found = xp.take(table, xp.reshape(index + 1, (-1,)), axis=0)
    return xp.reshape(found, (*index.shape, *values.shape[1:]))


def _prepare(query, keys, values):
    xp = namespace(query=query, keys=keys, values=values)
    for name, array in (("query", query), ("keys", keys), ("values", values)):
        if not xp.isdtype(array.dtype, ("integral", "real floating")):
            raise TypeError(f"{name} has dtype {array.dtype}; it must be integer or floating")
    if query.dtype != keys.dtype:
        raise TypeError(
            f"query has dtype {query.dtype} and keys {keys.dtype}; an exact match needs both in "
            "one dtype: convert one"
        )
    check_query_and_keys(query, keys)
    check_values(keys, values)
    return xp


def _default_row(xp, default, values):
    """Return the default as a row to put above the values."""
    if not isinstance(default, Real):
        namespace(values=values, default=default)
    row = xp.asarray(default, device=values.device)
    if not xp.isdtype(values.dtype, "real floating") and not xp.isdtype(row.dtype, "integral"):
        raise TypeError(f"values has dtype {values.dtype}, so default must be an integer")
    check_broadcast("default", row, values.shape[1:], "one value")
    row = xp.astype(row, values.dtype)
    return xp.broadcast_to(row, (1, *values.shape[1:]))


def _describe_miss(xp, query, keys, index):
    queries = xp.reshape(query, (-1, query.shape[-1]))
    missed = xp.argmax(xp.astype(xp.reshape(index, (-1,)) < 0, xp.int32))
    asked = queries[int(missed), :]
    if keys.shape[0] == 0:
        return f"no key equals the query {_show(xp, asked)}: there are no keys"
    difference = xp.astype(keys, xp.float64) - xp.astype(asked, xp.float64)
    nearest = int(xp.argmin(xp.sum(difference**2, axis=-1)))
    return (
        f"no key equals the query {_show(xp, asked)}; the nearest is key {nearest}, "
        f"{_show(xp, keys[nearest, :])}"
    )


def _show(xp, vector, most=6):
    number = int if xp.isdtype(vector.dtype, "integral") else float
    shown = [f"{number(vector[i]):.9g}" for i in range(min(most, vector.shape[0]))]
    return "(" + ", ".join(shown + ["..."] * (vector.shape[0] > most)) + ")"
