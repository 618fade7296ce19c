"""Live figures in a notebook: ipywidgets whose state, repr and page form are one."""

import json
import math
import re

import ipywidgets
import pytest
import traitlets

from attnbook import figures
from attnbook.figures.base import limit_float

CLASSES = [cls for cls in vars(figures).values() if isinstance(cls, type) and "name" in vars(cls)]
each_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)


def make(cls):
    return cls(**cls.examples[0])


@each_class
def test_is_an_ipywidget(cls):
    """It stands in a box, it can be observed, and jslink takes its traits."""
    figure = make(cls)
    assert isinstance(figure, ipywidgets.DOMWidget)
    assert ipywidgets.HBox([figure]).children == (figure,)
    numbers = [n for n in cls.state_names() if isinstance(cls.class_traits()[n], traitlets.Float)]
    heard = []
    for name in numbers:
        figure.observe(lambda change: heard.append(change["name"]), names=name)
        trait = cls.class_traits()[name]
        target = 0.75 if getattr(figure, name) != 0.75 else 0.5
        setattr(figure, name, min(max(target, trait.min), trait.max))
        ipywidgets.jslink((figure, name), (ipywidgets.FloatSlider(), "value"))
    assert sorted(heard) == numbers


@each_class
def test_page_and_notebook_carry_the_same(cls):
    """The HTML holds the state; the bundle holds the widget, the HTML and the repr."""
    figure = make(cls)
    state = json.loads(re.search(r'data-state="([^"]*)"', figure.html())[1].replace("&quot;", '"'))
    assert state == figure.state()
    bundle, _ = figure._repr_mimebundle_()
    assert bundle["text/html"] == figure.html()
    assert bundle["text/plain"] == repr(figure)
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert figure._esm.endswith("export default { render };\n")
    assert figures.module_text(cls.name) == figure._esm


@each_class
def test_unknown_state_is_refused(cls):
    with pytest.raises(TypeError, match=f"{cls.__name__} has no state colour; it has "):
        cls(**cls.examples[0], colour="red")


@each_class
def test_module_asks_for_nothing_outside(cls):
    """No import, no address of another host: the module is complete as it stands."""
    module = figures.module_text(cls.name)
    hosts = set(re.findall(r"https?://[^\"'` )]+", module)) - {"http://www.w3.org/2000/svg"}
    assert hosts == set()
    assert not re.search(r"^\s*import\b|\bimport\(|\bfetch\(|XMLHttpRequest", module, re.M)
    assert "</script" not in module


def test_infinity_travels_as_a_word():
    """JSON has no infinity: an infinite temperature becomes "inf" on the way, and comes back."""

    class Limits(figures.Figure):
        name = "line"  # any module will do
        temperature = limit_float(math.inf)

    figure = Limits()
    assert figure.state() == {"temperature": "inf"}
    trait = Limits.temperature
    assert trait.metadata["from_json"]("inf", figure) == math.inf
    assert trait.metadata["from_json"](0, figure) == 0.0
    with pytest.raises(traitlets.TraitError):
        figure.temperature = -1.0
