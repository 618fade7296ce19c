"""Positions: how attention, which sees a set, is told the order.

    sinusoidal   PE(p)[2i], PE(p)[2i + 1] = sin(p θ_i), cos(p θ_i)        added to the embedding
    learned      E[p]                                                     added to the embedding
    rotary       (x[2i], x[2i + 1]) turned by the angle p θ_i             done to queries and keys
    θ_i = base^(-2i / d)

Turning the query at p and the key at j leaves a product that depends on j - p alone. Sinusoidal:
Vaswani et al. (2017), section 3.5. Learned: Gehring et al. (2017), section 3.1. Rotary (RoPE): Su
et al. (2021), section 3.4.2. Biases by offset (T5's and ALiBi) are in `attnbook.position_bias`.
"""

from ._arrays import check_broadcast, check_choice, check_count, check_number
from ._torch import check_tensors, sums_dtype, torch
from .position_bias import RelativeBias, alibi_bias, alibi_slopes, relative_buckets

__all__ = [
    "LearnedPositions",
    "RelativeBias",
    "alibi_bias",
    "alibi_slopes",
    "relative_buckets",
    "rope",
    "sinusoidal_positions",
]


def sinusoidal_positions(positions, d_model, *, base=10000.0):
    r"""``sin(p θ_i)`` at index 2i and ``cos(p θ_i)`` at 2i + 1, where ``θ_i = base^(-2i / d)``.

    Parameters
    ----------
    positions : tensor, any shape (...), integer, float32 or float64
        Where each token stands.
    d_model : int, even, >= 2
        Width d of the embedding that this is added to.
    base : float, > 0
        Wavelengths go from 2π to 2π base.

    Returns
    -------
    tensor, shape (..., d_model)
        float32, or float64 for float64 positions. The encoding of p + o is that of p, each pair
        turned by an angle that depends on o alone.

    Raises
    ------
    TypeError
        If positions are no tensor, or of a dtype that cannot count far.
    ValueError
        If d_model is odd or too small, or the base not positive.

    References
    ----------
    Vaswani et al. (2017), "Attention is all you need", section 3.5.

    Examples
    --------
    >>> sinusoidal_positions(torch.arange(2), 4)
    tensor([[0.0000, 1.0000, 0.0000, 1.0000],
            [0.8415, 0.5403, 0.0100, 0.9999]])
    """
    d_model = check_count("d_model", d_model, least=2)
    angles = _angles(positions, d_model, base)
    encoding = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)
    return encoding.to(sums_dtype(positions.dtype))


class LearnedPositions(torch.nn.Module):
    """A learned vector for each position, ``E[p]``; there is none beyond the last.

    Parameters
    ----------
    max_positions : int, >= 1
        Positions go from 0 to max_positions - 1.
    d_model : int, >= 1
        Width of the embedding that this is added to.
    dtype, device : optional
        Of the weight.

    Attributes
    ----------
    weight : Parameter, shape (max_positions, d_model)
        E. It starts at random, with standard deviation 0.02.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer, or is too small.

    References
    ----------
    Gehring et al. (2017), "Convolutional sequence to sequence learning", section 3.1.

    Examples
    --------
    >>> LearnedPositions(512, 64)(torch.arange(10)).shape
    torch.Size([10, 64])
    """

    def __init__(self, max_positions, d_model, *, dtype=None, device=None):
        super().__init__()
        self.max_positions = check_count("max_positions", max_positions, least=1)
        self.d_model = check_count("d_model", d_model, least=1)
        weight = torch.empty(max_positions, d_model, dtype=dtype, device=device)
        self.weight = torch.nn.Parameter(torch.nn.init.normal_(weight, std=0.02))

    def forward(self, positions):
        """Return the vectors of integer positions (...): (..., d_model)."""
        _check_positions(positions)
        if positions.is_floating_point():
            raise TypeError(f"positions has dtype {positions.dtype}; it must be an integer dtype")
        if positions.numel():
            least, last = int(positions.min()), int(positions.max())
            if least < 0 or last >= self.max_positions:
                raise ValueError(
                    f"positions go from {least} to {last}; only 0 to {self.max_positions - 1} "
                    f"have a learned vector (max_positions = {self.max_positions})"
                )
        return self.weight[positions]

    def extra_repr(self):
        """Say what is inside, when printed."""
        return f"max_positions={self.max_positions}, d_model={self.d_model}"


def rope(x, positions, *, base=10000.0, layout="pairs"):
    r"""Turn pair i of the vector at position p by the angle ``p θ_i``, ``θ_i = base^(-2i / d)``.

    ``(a, b)`` becomes ``(a cos pθ - b sin pθ, a sin pθ + b cos pθ)``. Applied to queries and keys,
    not to values: ``<rope(q, p), rope(k, j)>`` then depends on q, k and the offset j - p alone.

    Parameters
    ----------
    x : tensor, shape (..., n, d), floating, d even
        Queries or keys.
    positions : tensor, broadcasts to (..., n), integer, float32 or float64
        Where each stands: with a cache, among all tokens, not among those of this call.
    base : float, > 0
        Greater is slower: the slowest pair turns by almost 1 / base for each position.
    layout : {"pairs", "halves"}
        Which two numbers make pair i: x[2i] and x[2i + 1], as in the paper, or x[i] and
        x[i + d/2], as in GPT-NeoX and in the Llama weights of the Transformers library. The one is
        the other with the numbers in another order; weights trained with one give nonsense with
        the other, and no error.

    Returns
    -------
    tensor, the shape and dtype of x
        Of the same length as x; x itself at position 0. Angles are in float64, since in float32
        those at position 10^5 are wrong by thousandths; the turn is in float32 or better.

    Raises
    ------
    TypeError
        If x is no floating tensor, or positions are of a dtype that cannot count far.
    ValueError
        If d is odd, the positions do not fit, the base is not positive or the layout unknown.

    References
    ----------
    Su et al. (2021), "RoFormer", section 3.4.2.

    Examples
    --------
    >>> x = torch.tensor([[1.0, 0.0, 1.0, 0.0]]).expand(3, 4)
    >>> rope(x, torch.arange(3), base=100.0)
    tensor([[ 1.0000,  0.0000,  1.0000,  0.0000],
            [ 0.5403,  0.8415,  0.9950,  0.0998],
            [-0.4161,  0.9093,  0.9801,  0.1987]])
    """
    check_tensors(x=x)
    check_choice("layout", layout, ("pairs", "halves"))
    if x.ndim < 2 or x.shape[-1] == 0:
        raise ValueError(
            f"x has shape {tuple(x.shape)}; it must be (..., n, d), with an even d >= 2"
        )
    angles = _angles(positions, x.shape[-1], base)  # (..., n, d/2)
    check_broadcast("positions", positions, x.shape[:-1], "x without its last axis")
    if positions.device != x.device:
        raise TypeError(f"positions are on {positions.device} and x on {x.device}; move one")
    dtype = sums_dtype(x.dtype)
    cos, sin = angles.cos().to(dtype), angles.sin().to(dtype)
    sizes, axis = ((-1, 2), -1) if layout == "pairs" else ((2, -1), -2)
    a, b = x.unflatten(-1, sizes).unbind(axis)  # each (..., n, d/2)
    return torch.stack([a * cos - b * sin, a * sin + b * cos], axis).flatten(-2).to(x.dtype)


def _angles(positions, d, base):
    """Return p θ_i in float64: (...) -> (..., d/2)."""
    _check_positions(positions)
    if d % 2:
        raise ValueError(f"the width must be even, for pairs of numbers; got {d}")
    base = check_number("base", base, positive=True)
    exponents = torch.arange(0, d, 2, dtype=torch.float64, device=positions.device) / d
    return positions[..., None] * base**-exponents


def _check_positions(positions):
    """Check for a tensor of numbers that can count far."""
    if not isinstance(positions, torch.Tensor):
        raise TypeError(
            f"positions is a {type(positions).__name__}, not a PyTorch tensor; "
            "torch.arange(n) counts from 0"
        )
    if positions.dtype in (torch.float16, torch.bfloat16):
        raise TypeError(
            f"positions has dtype {positions.dtype}, which cannot count far (in bfloat16, 257 is "
            "256); it must be an integer dtype, float32 or float64"
        )
    if positions.dtype == torch.bool or positions.is_complex():
        raise TypeError(
            f"positions has dtype {positions.dtype}; it must be an integer dtype, float32 or "
            "float64"
        )
