"""What every live figure shares: one module for the page and for the notebook.

A figure is a Python class (its state, and the numbers that the library computes from it) and one
JavaScript module of the same name (its looks and its handles). In a notebook the class is an
ipywidget. On the static page its ``text/html`` output is a ``div`` that holds the state as JSON
and a still picture; the site writes the module beside it, and the module brings it to life.
"""

from __future__ import annotations

import json
import math
from html import escape
from pathlib import Path
from typing import ClassVar

import anywidget
import traitlets

from attnbook.palette import css_variables

HERE = Path(__file__).parent


def module_text(name: str, folder: Path = HERE) -> str:
    """Return the JavaScript of one figure: the shared kit in front, the figure behind.

    Between them stands ``const DATA = …``, if the figure has a file ``data/<name>.json``: trained
    weights, say. Plain text, joined here and nowhere else, so that the page and Jupyter run the
    same module.
    """
    parts = [(HERE / "kit.js").read_text("utf-8")]
    data = folder / "data" / f"{name}.json"
    if data.exists():
        parts.append(f"const DATA = {data.read_text('utf-8').strip()};")
    return "\n".join([*parts, (folder / f"{name}.js").read_text("utf-8")])


def style_text() -> str:
    """Return the style sheet of all figures, colours of both themes included."""
    return css_variables() + (HERE / "figure.css").read_text("utf-8")


def _number_to_json(value: float, widget: object = None) -> float | str:
    return "inf" if value == math.inf else value


def _number_from_json(value: float | str, widget: object = None) -> float:
    return math.inf if value == "inf" else float(value)


def limit_float(default: float, *, minimum: float = 0.0) -> traitlets.Float:
    """Return a synchronised number that may be infinite: JSON has no infinity, so "inf" stands in.

    Parameters
    ----------
    default : float
    minimum : float
        The least value allowed, 0 by default.
    """
    trait = traitlets.Float(default, min=minimum)
    return trait.tag(sync=True, to_json=_number_to_json, from_json=_number_from_json)


class Figure(anywidget.AnyWidget):
    """A live figure: an ipywidget in a notebook, a living picture on the static page.

    A subclass sets ``name`` (its module is ``<name>.js``), ``heights`` and ``examples``, declares
    its state as traits tagged ``sync=True``, and says what the library computes (`numbers`) and
    what the figure shows when nothing moves (`picture`).
    """

    name: ClassVar[str]
    #: Where the module lies; a figure of your own says ``Path(__file__).parent``.
    folder: ClassVar[Path] = HERE
    #: Height of the live figure in pixels, on a desktop and on a phone: the page keeps that much
    #: room from the start, so that nothing shifts when the figure wakes up.
    heights: ClassVar[tuple[int, int]]
    #: Telling states, extremes included: the tests set each on the page and compare its numbers.
    examples: ClassVar[list[dict]]

    _css = style_text()
    _names = traitlets.List().tag(sync=True)  # of the state, for the module

    def __init_subclass__(cls, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        # anywidget makes a subclass of its own for each instance: that one has its module already.
        if "name" in cls.__dict__:
            cls._esm = module_text(cls.name, cls.folder)

    def __init__(self, *, anchor: str | None = None, **state) -> None:
        unknown = sorted(set(state) - set(self.state_names()))
        if unknown:
            raise TypeError(
                f"{type(self).__name__} has no state {', '.join(unknown)}; "
                f"it has {', '.join(self.state_names())}"
            )
        self.anchor = anchor or f"figure-{self.name}"  # what a link in the text names
        super().__init__(_names=self.state_names(), **state)

    @classmethod
    def state_names(cls) -> list[str]:
        """Return the names of the state, in alphabetical order."""
        inherited = Figure.class_traits()
        own = set(cls.class_traits(sync=True)) - set(inherited)
        return sorted(name for name in own if not name.startswith("_"))

    def state(self) -> dict:
        """Return the state as it travels to the page: names and JSON values."""
        values = {}
        for name in self.state_names():
            to_json = self.trait_metadata(name, "to_json") or (lambda value, widget: value)
            values[name] = to_json(getattr(self, name), self)
        return values

    def numbers(self) -> dict:
        """Return what the figure reports, computed by the library from the present state."""
        raise NotImplementedError

    def picture(self):
        """Return the still picture of the present state, an `attnbook.plots.Plot`."""
        raise NotImplementedError

    def html(self) -> str:
        """Return what the static page shows: the state, and within it the still picture."""
        desktop, phone = self.heights
        state = escape(json.dumps(self.state(), sort_keys=True, separators=(",", ":")))
        return (
            f'<div class="ab-figure" id="{escape(self.anchor)}" data-figure="{self.name}" '
            f'data-state="{state}" style="--ab-tall:{desktop}px;--ab-tall-phone:{phone}px">\n'
            f'<div class="ab-static">{self.picture().html()}</div>\n</div>'
        )

    def __repr__(self) -> str:
        """Show the state and no memory address, so that notebooks compare equal."""
        state = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.state_names())
        return f"{type(self).__name__}({state})"

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**(data or {}), "text/plain": repr(self), "text/html": self.html()}, metadata
