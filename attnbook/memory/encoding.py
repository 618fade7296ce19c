"""The order of words in a sum: each word is weighted by its place, differently in each component.

    m = Σ_j l_j · A x_j,    l_kj = (1 - j/J) - (k/d) (1 - 2j/J)

Sukhbaatar et al. (2015), section 4.1. A plain sum cannot tell who gave what to whom.
"""

from functools import cache

from .._arrays import check_count, check_switch
from .._torch import torch


def position_encoding(num_words, d_model, *, centred=False):
    """``l_kj = (1 - j/J) - (k/d) (1 - 2j/J)``, with j = 1 … J and k = 1 … d.

    The first word counts for more in the first components, the last word in the last ones.

    Parameters
    ----------
    num_words : int, >= 0
        J, the number of words in the sentence.
    d_model : int, >= 1
        d, the width of an embedding.
    centred : bool
        Return what the authors' program computes instead, and well-known implementations after it:
        ``1 + 4 (k - (d+1)/2) (j - (J+1)/2) / (d J)``. It is about twice the other: its mean is 1,
        and that of the formula in the paper about 1/2.

    Returns
    -------
    tensor, shape (J, d), float64

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer or is too small.

    References
    ----------
    Sukhbaatar et al. (2015), section 4.1.

    Examples
    --------
    >>> position_encoding(2, 4)
    tensor([[0.5000, 0.5000, 0.5000, 0.5000],
            [0.2500, 0.5000, 0.7500, 1.0000]], dtype=torch.float64)
    >>> position_encoding(2, 4, centred=True)
    tensor([[1.3750, 1.1250, 0.8750, 0.6250],
            [0.6250, 0.8750, 1.1250, 1.3750]], dtype=torch.float64)
    """
    big_j = max(check_count("num_words", num_words), 1)
    d = check_count("d_model", d_model, least=1)
    j = torch.arange(1, num_words + 1, dtype=torch.float64)[:, None]
    k = torch.arange(1, d + 1, dtype=torch.float64)
    if check_switch("centred", centred):
        return 1 + 4 * (k - (d + 1) / 2) * (j - (big_j + 1) / 2) / (d * big_j)
    return (1 - j / big_j) - k / d * (1 - 2 * j / big_j)


@cache
def orders(longest, d_model, centred):
    """Return the encodings of sentences of 0, 1, …, J words, 0 behind the last: (J + 1, J, d)."""
    encodings = torch.zeros(longest + 1, longest, d_model, dtype=torch.float64)
    for n in range(longest + 1):
        encodings[n, :n] = position_encoding(n, d_model, centred=centred)
    return encodings
