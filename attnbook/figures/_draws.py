"""The same random numbers in Python and in JavaScript: mulberry32 and the Box-Muller transform.

A figure that draws random vectors must show the numbers that the library computes, so both sides
draw from one small generator. It is for pictures; for anything else use `numpy.random`.
"""

import numpy as np

_STEP = 0x6D2B79F5


def uniforms(seed: int, count: int) -> np.ndarray:
    """Return ``count`` numbers in (0, 1): the generator mulberry32 (Tommy Ettinger, 2017).

    Its state is a counter, so that all numbers can be made at once.

    Examples
    --------
    >>> uniforms(1, 2).round(6)
    array([0.627074, 0.002736])
    """
    mask = np.uint64(0xFFFFFFFF)  # 32-bit arithmetic, in 64 bits so that no product overflows

    def multiply(a, b):
        low, high = b & np.uint64(0xFFFF), b >> np.uint64(16)
        return (a * low + ((a * high & mask) << np.uint64(16))) & mask

    state = (np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_STEP)) & mask
    t = multiply(state ^ (state >> np.uint64(15)), state | np.uint64(1))
    t ^= (t + multiply(t ^ (t >> np.uint64(7)), t | np.uint64(61))) & mask
    return ((t ^ (t >> np.uint64(14))) + 0.5) / 2.0**32


def normals(seed: int, count: int) -> np.ndarray:
    """Return ``count`` independent draws from N(0, 1); ``count`` is even.

    ``√(−2 log u₁) cos(2π u₂)`` and the same with the sine (Box and Muller, 1958).

    Examples
    --------
    >>> normals(1, 2).round(6)
    array([0.965974, 0.016606])
    """
    u = uniforms(seed, count).reshape(-1, 2)
    radius, angle = np.sqrt(-2 * np.log(u[:, 0])), 2 * np.pi * u[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()
