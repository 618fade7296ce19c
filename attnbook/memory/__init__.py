"""Memory networks: a list of sentences as a dictionary, looked up once or several times.

    hard  o = argmax_i s(question, m_i)           trained by being told which o is right
    soft  o = Σ_i softmax_i(question · m_i) c_i    trained from the answer alone

======================  ===================================================================
`memory_networks`       hard lookups: Weston, Chopra and Bordes (2015)
`strong`                how those are trained: the supporting facts are given
`end_to_end`            soft lookups: Sukhbaatar et al. (2015)
`training`              how those are trained: the answer is given
`encoding`              the order of the words in a sentence
======================  ===================================================================

The stories are from `attnbook.tasks`.
"""

from .encoding import position_encoding
from .end_to_end import EndToEndMemoryNetwork
from .memory_networks import MemoryNetwork
from .strong import evaluate_strongly, margin_loss, train_strongly
from .training import History, Schedule, evaluate, random_ages, train

__all__ = [
    "EndToEndMemoryNetwork",
    "History",
    "MemoryNetwork",
    "Schedule",
    "evaluate",
    "evaluate_strongly",
    "margin_loss",
    "position_encoding",
    "random_ages",
    "train",
    "train_strongly",
]
