"""Stories with questions, to train on: a small simulated world, in the manner of the bAbI tasks.

    story     Mary went to the garden. John took the milk. Mary moved to the office.
    question  Where is Mary?     answer  office     supporting facts  the third sentence

Weston et al. (2015), "Towards AI-complete question answering", section 3. `make_stories` makes
them from a seed; `read_babi` and `write_babi` speak the format of the published files, so that
those can be used as they are; `encode` turns them into arrays of word numbers for a model.

==============  ===========================================================================
`stories`       what a story is, and `tokenize`
`babi`          the text format: numbered lines, answers and supporting facts after tabs
`world`         who is where and holds what; each event is told in one sentence
`questions`     what is asked of the world in tasks 1, 2, 3, 5, 6 and 7, and why it is so
`encoding`      words to numbers
==============  ===========================================================================
"""

from .babi import format_babi, parse_babi, read_babi, write_babi
from .encoding import Encoded, Vocabulary, encode
from .questions import TASKS, make_stories
from .stories import Example, Question, Story, examples, tokenize

__all__ = [
    "TASKS",
    "Encoded",
    "Example",
    "Question",
    "Story",
    "Vocabulary",
    "encode",
    "examples",
    "format_babi",
    "make_stories",
    "parse_babi",
    "read_babi",
    "tokenize",
    "write_babi",
]
