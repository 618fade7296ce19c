"""Live figures: ipywidgets in a notebook, alive without a kernel on the static page."""

try:
    import anywidget as _anywidget  # noqa: F401  (only to say in one line what is missing)
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "attnbook.figures needs anywidget and matplotlib: pip install 'attnbook[figures,plots]'"
    ) from missing

from attnbook.figures.alignment import Alignment
from attnbook.figures.base import Figure, module_text, style_text
from attnbook.figures.dimension import Dimension
from attnbook.figures.heads import Heads
from attnbook.figures.heatmap import Heatmap
from attnbook.figures.kernel import KernelRegression
from attnbook.figures.line import HardSoftLine
from attnbook.figures.mask import MaskPainter
from attnbook.figures.memory_network import MemoryNetwork
from attnbook.figures.one_slider import OneSlider
from attnbook.figures.online_softmax import OnlineSoftmax
from attnbook.figures.pattern_painter import PatternPainter
from attnbook.figures.plane import LookupPlane
from attnbook.figures.projections import Projections
from attnbook.figures.self_attention import SelfAttention
from attnbook.figures.signal import Signal
from attnbook.figures.temperature import Temperature
from attnbook.figures.tiles import Tiles

__all__ = [
    "Alignment",
    "Dimension",
    "Figure",
    "HardSoftLine",
    "Heads",
    "Heatmap",
    "KernelRegression",
    "LookupPlane",
    "MaskPainter",
    "MemoryNetwork",
    "OneSlider",
    "OnlineSoftmax",
    "PatternPainter",
    "Projections",
    "SelfAttention",
    "Signal",
    "Temperature",
    "Tiles",
    "module_text",
    "style_text",
]
