"""Sparse patterns: one rule for a pair of places gives both the dense mask and the block list.

    allowed[i, j]  =  rule(p, j),   p = i + n_k - n_q

Query i stands at position p among the keys (lower-right alignment). ``&`` and ``|`` join rules,
so Longformer and BigBird are a line each. Child, Gray, Radford and Sutskever (2019), section 4.2;
Beltagy, Peters and Cohan (2020), section 3.1; Zaheer et al. (2020), section 2.

Every function here raises TypeError for a number that is no integer, and ValueError for one that
is too small or too great.
"""

from collections.abc import Callable
from dataclasses import dataclass
from operator import and_, or_
from reprlib import repr as shorten

import numpy

from ._arrays import check_count, namespace
from .masks import check_window, in_window, mask_of


@dataclass(frozen=True, eq=False, repr=False)
class Pattern:
    """Who may look at whom: ``rule(position, key)`` is True where attending is allowed.

    Parameters
    ----------
    rule : callable
        Takes two integer arrays that broadcast, from any array library, and returns a bool
        array that broadcasts with them (or one bool for all pairs).
    text : str
        What the pattern prints as.
    length : int, optional
        The number of keys that the rule is drawn for; None is any number.
    sign : {"", "&", "|"}
        What joins the text, if the pattern is made of two.

    Examples
    --------
    >>> pattern = window(1, 0) | global_tokens([0])
    >>> pattern
    window(1, 0) | global_tokens([0])
    >>> pattern.mask(4).astype(int)
    array([[1, 1, 1, 1],
           [1, 1, 0, 0],
           [1, 1, 1, 0],
           [1, 0, 1, 1]])
    """

    rule: Callable
    text: str
    length: int | None = None
    sign: str = ""

    def mask(self, n_q, n_k=None, *, xp=numpy, device=None):
        """Return the mask, bool (n_q, n_k), in the library ``xp``; n_k is n_q if not given."""
        self._check_length(n_q if n_k is None else n_k)
        return mask_of(self.rule, n_q, n_k, xp=xp, device=device)

    def blocks(self, n_q, n_k=None, *, block_size=128, device=None):
        """Return the `BlockMask`, made row of blocks by row of blocks. This needs PyTorch."""
        from .block_mask import BlockMask  # not above: a mask needs NumPy alone

        self._check_length(n_q if n_k is None else n_k)
        return BlockMask.from_rule(self.rule, n_q, n_k, block_size=block_size, device=device)

    def in_blocks(self, size):
        """Return the same pattern among blocks of ``size`` tokens, in the place of tokens.

        ``window(1, 1).in_blocks(64)`` sees its own block of 64 tokens and both neighbours.
        """
        size = check_count("size", size, least=1)
        return Pattern(
            lambda position, key: self.rule(position // size, key // size),
            (f"({self})" if self.sign else f"{self}") + f".in_blocks({size})",
            None if self.length is None else self.length * size,
        )

    def __and__(self, other):
        return self._join(other, "&", and_)

    def __or__(self, other):
        return self._join(other, "|", or_)

    def __repr__(self):
        return self.text

    def _join(self, other, sign, join):
        if not isinstance(other, Pattern):
            return NotImplemented
        texts = [f"({p})" if sign + p.sign == "&|" else f"{p}" for p in (self, other)]
        return Pattern(
            lambda position, key: join(self.rule(position, key), other.rule(position, key)),
            f" {sign} ".join(texts),  # & binds tighter than |, as in Python
            min((p.length for p in (self, other) if p.length is not None), default=None),
            sign,
        )

    def _check_length(self, n_k):
        if self.length is not None and check_count("n_k", n_k) > self.length:
            raise ValueError(f"{self} is drawn for {self.length} keys at most; got {n_k}")


def causal():
    """Keys up to one's own position: ``key <= position``.

    Examples
    --------
    >>> causal().mask(2, 5).astype(int)
    array([[1, 1, 1, 1, 0],
           [1, 1, 1, 1, 1]])
    """
    return Pattern(lambda position, key: in_window(position, key, None, 0), "causal()")


def window(left, right):
    """Keys near one's own position: ``position - left <= key <= position + right``.

    ``left`` and ``right`` are integers >= 0; None is no limit.

    Examples
    --------
    >>> window(1, 0).mask(3).astype(int)
    array([[1, 0, 0],
           [1, 1, 0],
           [0, 1, 1]])
    """
    check_window((left, right))
    return Pattern(
        lambda position, key: in_window(position, key, left, right), f"window({left}, {right})"
    )


def dilated(left, right, dilation):
    """Keys near one's own position with gaps: ``position + m * dilation``, -left <= m <= right.

    ``left`` and ``right`` count keys; None is no limit. The window reaches ``dilation`` times as
    far at the same cost.

    References
    ----------
    Beltagy, Peters and Cohan (2020), "Longformer", section 3.1 ("dilated sliding window").

    Examples
    --------
    >>> dilated(1, 1, 2).mask(4).astype(int)
    array([[1, 0, 1, 0],
           [0, 1, 0, 1],
           [1, 0, 1, 0],
           [0, 1, 0, 1]])
    """
    dilation = check_count("dilation", dilation, least=1)
    reach = [side if side is None else side * dilation for side in check_window((left, right))]
    near = window(*reach) & strided(dilation)
    return Pattern(near.rule, f"dilated({left}, {right}, {dilation})")


def strided(stride):
    """Every ``stride``-th key from one's own position: ``(position - key) % stride == 0``.

    This is the column part of strided attention. In the paper, which is causal, one head (or
    layer) sees ``window(stride, 0)`` and the next ``strided(stride) & causal()``: two steps then
    reach every earlier position. One head may also see the union of both.

    References
    ----------
    Child, Gray, Radford and Sutskever (2019), "Generating long sequences with sparse
    transformers", section 4.2.

    Examples
    --------
    >>> (window(1, 0) | strided(3) & causal()).mask(5).astype(int)
    array([[1, 0, 0, 0, 0],
           [1, 1, 0, 0, 0],
           [0, 1, 1, 0, 0],
           [1, 0, 1, 1, 0],
           [0, 1, 0, 1, 1]])
    """
    stride = check_count("stride", stride, least=1)
    return Pattern(lambda position, key: (position - key) % stride == 0, f"strided({stride})")


def global_tokens(tokens):
    """Tokens that see all and are seen by all: ``position in tokens or key in tokens``.

    ``tokens`` are positions among the keys, integers >= 0: Longformer's global attention.

    Examples
    --------
    >>> global_tokens([1]).mask(3).astype(int)
    array([[0, 1, 0],
           [1, 1, 1],
           [0, 1, 0]])
    """
    tokens = [check_count("a global token", token) for token in tokens]

    def among(places):
        found = False
        for token in tokens:
            found = found | (places == token)
        return found

    return Pattern(
        lambda position, key: among(position) | among(key), f"global_tokens({shorten(tokens)})"
    )


def random_keys(num_keys, length, *, seed=0):
    """For each position ``num_keys`` different keys of ``length``, drawn once from the seed.

    BigBird draws blocks: ``random_keys(3, length // 64).in_blocks(64)`` shows each block of 64
    queries three blocks of 64 keys.

    Examples
    --------
    >>> random_keys(3, 100, seed=1).mask(100).sum(axis=1).tolist() == [3] * 100
    True
    """
    num_keys, length = check_count("num_keys", num_keys), check_count("length", length, least=1)
    if num_keys > length:
        raise ValueError(f"num_keys is {num_keys}; there are only {length} keys to draw from")
    draws = numpy.random.default_rng(check_count("seed", seed))
    # Kept as (num_keys, length) positions, not as a mask of length**2.
    drawn = numpy.stack(
        [draws.choice(length, num_keys, replace=False, shuffle=False) for _ in range(length)], 1
    )

    def rule(position, key):
        seen = False
        for keys in drawn:
            seen = seen | (_look_up(keys, position) == key)
        return seen

    return Pattern(rule, f"random_keys({num_keys}, {length}, seed={seed})", length)


def same_block(size):
    """Keys of one's own block of ``size`` tokens: a block-diagonal mask.

    Examples
    --------
    >>> same_block(2).mask(4).astype(int)
    array([[1, 1, 0, 0],
           [1, 1, 0, 0],
           [0, 0, 1, 1],
           [0, 0, 1, 1]])
    """
    return Pattern(window(0, 0).in_blocks(size).rule, f"same_block({size})")


def documents(ids):
    """Keys of one's own document, where several documents are packed into one sequence.

    ``ids`` has the document of each token, an integer >= 0.

    Examples
    --------
    >>> (documents([5, 5, 7, 7]) & causal()).mask(4).astype(int)
    array([[1, 0, 0, 0],
           [1, 1, 0, 0],
           [0, 0, 1, 0],
           [0, 0, 1, 1]])
    """
    ids = [check_count("a document's id", each) for each in ids]
    table = numpy.asarray(ids, dtype=int)
    return Pattern(
        lambda position, key: _look_up(table, position) == _look_up(table, key),
        f"documents({shorten(ids)})",
        len(ids),
    )


def longformer(half_width, tokens, *, dilation=1):
    """Longformer: ``half_width`` keys on each side, and global tokens; ``& causal()`` to generate.

    References
    ----------
    Beltagy, Peters and Cohan (2020), "Longformer", section 3.1.

    Examples
    --------
    >>> longformer(256, [0])
    dilated(256, 256, 1) | global_tokens([0])
    """
    return dilated(half_width, half_width, dilation) | global_tokens(tokens)


def big_bird(length, *, block_size=64, num_global=2, half_width=1, num_random=3, seed=0):
    """BigBird over blocks: global ones, ``half_width`` neighbours on each side, and random ones.

    The defaults are those of the paper's base models: 2, 3 and 3 blocks of 64 tokens. This is the
    form in which the first blocks of the sequence are the global ones (ITC in the paper). With
    ``& causal()`` it generates.

    References
    ----------
    Zaheer et al. (2020), "Big Bird: Transformers for longer sequences", section 2.

    Examples
    --------
    >>> big_bird(4096, num_global=1)
    (global_tokens([0]) | window(1, 1) | random_keys(3, 64, seed=0)).in_blocks(64)
    """
    block_size = check_count("block_size", block_size, least=1)
    num_blocks = -(-check_count("length", length, least=1) // block_size)
    blocks = (
        global_tokens(range(check_count("num_global", num_global)))
        | window(half_width, half_width)
        | random_keys(num_random, num_blocks, seed=seed)
    )
    return blocks.in_blocks(block_size)


def _look_up(table, places):
    """Return ``table[places]`` in the array library of ``places``, and -1 outside the table."""
    xp = namespace(places=places)
    outside = len(table)  # there, one place after the end, a -1 is put
    padded = xp.asarray(numpy.append(table, -1), device=places.device)
    index = xp.where((places >= 0) & (places < outside), places, outside)
    return xp.reshape(xp.take(padded, xp.reshape(index, (-1,))), places.shape)
