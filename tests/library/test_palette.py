"""The book's colours: one table, readable in both themes, and no colour written a second time."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from attnbook.palette import DARK_SELECTORS, PALETTE, css_variables

ROLES = ("query", "key", "value", "weight")
ROOT = Path(__file__).parents[2]


def luminance(colour):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, two):
    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1])
def test_contrast_with_the_page(theme):
    """WCAG 2: at least 4.5 : 1 for everything that is text, 4.8 : 1 for the four roles."""
    page = PALETTE["page"][theme]
    assert min(contrast(PALETTE[role][theme], page) for role in ROLES) > 4.8
    assert min(contrast(PALETTE[role][theme], page) for role in ("ink", "muted")) > 4.5


# How the three kinds of colour blindness see linear RGB (Machado, Oliveira and Fernandes 2009,
# table 1, severity 1.0); the first is normal sight.
SIGHTS = {
    "normal": np.eye(3),
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(colour, sight):
    """CIE L*a*b* of a colour as one kind of sight sees it (white: D65)."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(np.array(SIGHTS[sight]) @ linear, 0, 1) / TO_XYZ.sum(axis=1)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("theme", [0, 1])
@pytest.mark.parametrize("sight", SIGHTS)
def test_the_four_differ_in_every_sight(theme, sight):
    """ΔE (CIE 1976) of at least 24 between any two, in both themes."""
    seen = {role: lab(PALETTE[role][theme], sight) for role in ROLES}
    apart = {pair: np.linalg.norm(seen[pair[0]] - seen[pair[1]]) for pair in combinations(ROLES, 2)}
    assert min(apart.values()) > 24, min(apart, key=apart.get)


def test_style_sheet_holds_the_whole_table():
    style = css_variables()
    for role, (light, dark) in PALETTE.items():
        assert f"--ab-{role}:{light}" in style
        assert f"--ab-{role}:{dark}" in style
    assert all(selector in style for selector in DARK_SELECTORS)


def test_no_other_file_of_ours_writes_a_colour():
    """Style sheets and modules take colours from the table alone."""
    files = [*ROOT.glob("attnbook/figures/*"), *ROOT.glob("_static/*.css")]
    colour = re.compile(r"#(?:[0-9a-fA-F]{6}|[0-9a-fA-F]{3})\b(?!\w)")
    found = {
        f.name: colour.findall(f.read_text("utf-8"))
        for f in files
        if f.suffix in {".js", ".css", ".py"}
    }
    assert len(found) > 4
    assert {name: colours for name, colours in found.items() if colours} == {}
