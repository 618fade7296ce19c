"""The small random generator that the figures share with their JavaScript."""

import math

import numpy as np
import pytest

from attnbook.figures._draws import normals, uniforms

MASK = 0xFFFFFFFF
UNIFORMS_1 = [0.6270739407045767, 0.0027357212966307998, 0.5274470400763676]
NORMALS_1 = [0.9659740588109486, 0.01660580596076823, 1.123104193657078, -0.1343525342266602]
NORMALS_7 = [2.75937298311562, 1.1319811194194094, -0.0680513561837266, -0.20517153520703071]


def mulberry32(seed, count):
    """Return the published loop, one number at a time, in whole numbers of any size."""
    numbers = []
    for _ in range(count):
        seed = (seed + 0x6D2B79F5) & MASK
        t = (seed ^ (seed >> 15)) * (seed | 1) & MASK
        t ^= (t + (t ^ (t >> 7)) * (t | 61)) & MASK
        numbers.append(((t ^ (t >> 14)) + 0.5) / 2**32)
    return numbers


@pytest.mark.parametrize("seed", [0, 1, 7, 123456, 2**31, MASK])
def test_uniforms_are_mulberry32(seed):
    """Bit for bit, also past the point where the counter wraps."""
    assert uniforms(seed, 500).tolist() == mulberry32(seed, 500)


def test_fixed_values():
    """The first draws of two seeds: a change here would change the figures and the book."""
    np.testing.assert_allclose(uniforms(1, 3), UNIFORMS_1, rtol=0, atol=1e-15)
    np.testing.assert_allclose(normals(1, 4), NORMALS_1, rtol=1e-13)
    np.testing.assert_allclose(normals(7, 4), NORMALS_7, rtol=1e-13)


def test_uniforms_are_never_0_or_1():
    """So that the logarithm of Box and Muller is finite."""
    drawn = uniforms(3, 100_000)
    assert drawn.min() > 0 and drawn.max() < 1
    assert np.isfinite(normals(3, 100_000)).all()


@pytest.mark.parametrize("seed", [1, 2, 42])
def test_moments_of_the_normals(seed):
    """Mean 0, variance 1, skewness 0, fourth moment 3: within five standard errors."""
    n = 200_000
    x = normals(seed, n)
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(np.mean(x**power) - moment) < 5 * math.sqrt(variance / n)


@pytest.mark.parametrize("lag", [1, 2, 1024])
def test_neighbours_are_uncorrelated(lag):
    """Also at the width of the vectors that `Dimension` cuts from one run of draws."""
    x = normals(1, 80 * 1024)
    assert abs(np.mean(x[:-lag] * x[lag:])) < 5 / math.sqrt(x.size)


def test_one_seed_is_one_stream():
    np.testing.assert_array_equal(normals(5, 100), normals(5, 200)[:100])
    assert not np.array_equal(normals(5, 100), normals(6, 100))
