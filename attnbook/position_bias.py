"""Positions as a bias of the scores: what a pair gets depends on its offset alone.

    relative bias   bias[h, i, j] = b[bucket(j - p), h]     learned
    ALiBi           bias[h, i, j] = -m_h · |j - p|          fixed
    p = i + n_k - n_q

Query i stands at position p among the keys (lower-right alignment), so one query with a cache
behind it gets the last row of the whole bias. Shaw, Uszkoreit and Vaswani (2018), section 3, gave
each offset a learned vector; Raffel et al. (2020), section 2.1, made it a number for each bucket of
offsets (T5); Press, Smith and Lewis (2022), section 3, learn nothing (ALiBi).
"""

from math import ceil

from ._arrays import check_count, check_switch
from ._torch import torch


def relative_buckets(offsets, *, num_buckets=32, max_distance=128, bidirectional=True):
    r"""Bucket of each offset: exact near 0, of logarithmic width beyond.

    Of h buckets for one direction, the first e = h // 2 hold one distance each: 0, 1, ..., e - 1.
    The others, b = e, ..., h - 1, begin at distance ``e (max_distance / e)^((b - e) / (h - e))``,
    and the last one holds all that is farther away.

    Parameters
    ----------
    offsets : integer tensor, any shape
        Position of the key minus position of the query.
    num_buckets : int, >= 2, or >= 4 and even if bidirectional
        All buckets. If bidirectional, h is half of them, and keys after the query use the second
        half. Otherwise h is all of them, and keys after the query share bucket 0.
    max_distance : int, > h // 2
        From here on, if not before, all distances are in the last bucket.
    bidirectional : bool
        Whether keys after the query are told apart.

    Returns
    -------
    int64 tensor, the shape of offsets
        From 0 to num_buckets - 1.

    Raises
    ------
    TypeError, ValueError
        If offsets are no integer tensor, or a number is not an integer, or is too small.

    References
    ----------
    Raffel et al. (2020), "Exploring the limits of transfer learning", section 2.1; the formula is
    that of its code.

    Examples
    --------
    >>> relative_buckets(torch.tensor([0, -7, -8, -11, -12, -99, 1])).tolist()
    [0, 7, 8, 8, 9, 15, 17]
    """
    if not isinstance(offsets, torch.Tensor) or not _is_integer(offsets.dtype):
        kind = getattr(offsets, "dtype", type(offsets).__name__)
        raise TypeError(f"offsets is {kind}; it must be an integer tensor")
    num_buckets = check_count("num_buckets", num_buckets, least=2)
    if check_switch("bidirectional", bidirectional) and (num_buckets % 2 or num_buckets < 4):
        raise ValueError(
            f"num_buckets must be even and at least 4, to serve two directions; got {num_buckets}"
        )
    half = num_buckets // 2 if bidirectional else num_buckets
    max_distance = check_count("max_distance", max_distance, least=half // 2 + 1)
    offsets = offsets.long()  # -(-128) is no int8
    starts = torch.tensor(_starts(half, max_distance), device=offsets.device)
    distance = offsets.abs() if bidirectional else (-offsets).clamp(min=0)
    bucket = torch.bucketize(distance, starts, right=True)  # how many starts are <= distance
    return bucket + half * (offsets > 0) if bidirectional else bucket


def _starts(half, max_distance):
    """Return the first distance of each of the buckets 1, ..., half - 1."""
    exact = half // 2
    wide = half - exact
    starts = list(range(1, exact + 1))
    for b in range(1, wide):
        # The first n >= exact (max_distance / exact)^(b / wide). A root in floating point can be
        # off by one at a whole number, so the last step is taken with whole numbers.
        n = ceil(exact * (max_distance / exact) ** (b / wide)) - 1
        while n**wide * exact**b < max_distance**b * exact**wide:
            n += 1
        starts.append(n)
    return starts


class RelativeBias(torch.nn.Module):
    """A learned number for each head and each bucket of the offset, added to the scores.

    Parameters
    ----------
    num_heads : int, >= 1
        Query heads.
    num_buckets, max_distance, bidirectional
        See `relative_buckets`. T5's encoder has bidirectional=True, its decoder False.
    dtype, device : optional
        Of the weight.

    Attributes
    ----------
    weight : Parameter, shape (num_buckets, num_heads), in nats
        T5's ``relative_attention_bias.weight``. It starts at 0, where attention knows no positions.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small.

    Notes
    -----
    T5 does not scale its dot products: its weights want ``scale=1`` in `attention`.

    References
    ----------
    Raffel et al. (2020), section 2.1, after Shaw, Uszkoreit and Vaswani (2018), section 3.

    Examples
    --------
    >>> bias = RelativeBias(8)
    >>> bias(3, 5).shape
    torch.Size([8, 3, 5])
    """

    def __init__(
        self,
        num_heads,
        *,
        num_buckets=32,
        max_distance=128,
        bidirectional=True,
        dtype=None,
        device=None,
    ):
        super().__init__()
        self.num_heads = check_count("num_heads", num_heads, least=1)
        self.buckets = {
            "num_buckets": num_buckets,
            "max_distance": max_distance,
            "bidirectional": bidirectional,
        }
        relative_buckets(torch.zeros(0, dtype=torch.int64), **self.buckets)  # for its checks
        weight = torch.zeros(num_buckets, num_heads, dtype=dtype, device=device)
        self.weight = torch.nn.Parameter(weight)

    def forward(self, n_q, n_k=None):
        """Return the bias, (num_heads, n_q, n_k); n_k is n_q if not given."""
        offsets = _offsets(n_q, n_k, self.weight.device)
        return self.weight[relative_buckets(offsets, **self.buckets)].permute(2, 0, 1)

    def extra_repr(self):
        """Say what is inside, when printed."""
        return f"num_heads={self.num_heads}, " + ", ".join(
            f"{name}={value}" for name, value in self.buckets.items()
        )


def alibi_slopes(num_heads, *, dtype=None, device=None):
    r"""Return the slopes ``m_h = 2^(-8 h / H)``, h = 1, ..., H, if H is a power of two.

    For any other H, the paper's code takes the slopes of the greatest power of two P < H, and then
    every second one of the slopes of 2 P, from the first on, until there are H.

    Parameters
    ----------
    num_heads : int, >= 1
        Number of heads, H.
    dtype, device : optional
        Of the slopes.

    Returns
    -------
    tensor, shape (H,), in nats per position

    Raises
    ------
    TypeError, ValueError
        If the number of heads is not an integer, or is less than 1.

    References
    ----------
    Press, Smith and Lewis (2022), "Train short, test long", section 3.

    Examples
    --------
    >>> alibi_slopes(4)
    tensor([0.2500, 0.0625, 0.0156, 0.0039])
    >>> alibi_slopes(3)  # two heads, and the first of four
    tensor([0.0625, 0.0039, 0.2500])
    """
    num_heads = check_count("num_heads", num_heads, least=1)
    power = 1 << (num_heads.bit_length() - 1)  # the greatest power of two <= H
    slopes = [2 ** (-8 * h / power) for h in range(1, power + 1)]
    between = [2 ** (-8 * h / (2 * power)) for h in range(1, 2 * power, 2)]
    slopes = (slopes + between)[:num_heads]
    return torch.tensor(slopes, dtype=dtype or torch.get_default_dtype(), device=device)


def alibi_bias(num_heads, n_q, n_k=None, *, dtype=None, device=None):
    r"""Return the bias ``-m_h |j - p|``: a penalty that grows with distance, steeper in some heads.

    Parameters
    ----------
    num_heads : int, >= 1
        Number of heads.
    n_q, n_k : int, >= 0
        Numbers of queries and of keys; n_k is n_q if not given. Query i stands at
        ``p = i + n_k - n_q``.
    dtype, device : optional
        Of the bias.

    Returns
    -------
    tensor, shape (num_heads, n_q, n_k), in nats
        To be added to the scaled scores. The paper's models are causal; keys after the query,
        where they may be seen, get the same penalty as keys before it.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small.

    References
    ----------
    Press, Smith and Lewis (2022), section 3.

    Examples
    --------
    >>> alibi_bias(8, 2, 4)[0]  # the first head's slope is 1/2
    tensor([[-1.0000, -0.5000, -0.0000, -0.5000],
            [-1.5000, -1.0000, -0.5000, -0.0000]])
    """
    # In float64, and rounded once: a distance above 256 is no bfloat16 number.
    slopes = alibi_slopes(num_heads, dtype=torch.float64, device=device)
    bias = -slopes[:, None, None] * _offsets(n_q, n_k, device).abs()
    return bias.to(dtype or torch.get_default_dtype())


def _offsets(n_q, n_k, device):
    """Return j - p for each pair: int64, (n_q, n_k)."""
    n_q = check_count("n_q", n_q)
    n_k = n_q if n_k is None else check_count("n_k", n_k)
    position = torch.arange(n_q, device=device)[:, None] + (n_k - n_q)
    return torch.arange(n_k, device=device) - position


def _is_integer(dtype):
    return not (dtype.is_floating_point or dtype.is_complex or dtype == torch.bool)
