"""What pytest needs to compare every notebook cell strictly, and to say once why it skips.

nbval takes a cell without an execution count for one that was never run, and compares nothing.
Our notebooks carry no counts (each run would change them), so the counts are put in here.

nbval compares no PNG, whose bytes depend on the machine's fonts, and so would not notice a picture
that is gone. Here each picture counts as a picture. All other kinds of output are compared in full.

A cell tagged `progress` may show a progress bar: what it writes to stderr is not compared.

Without a GPU, Triton interprets its kernels on the CPU; it must know before it is imported.
"""

import os
from collections import Counter
from functools import partial

import torch
from nbval.plugin import IPyNbCell

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")

PICTURES = ("image/png", "image/jpeg")


def compare_outputs(compare, skip, test, reference):
    for output in [*test, *reference]:
        for mime in PICTURES:
            if mime in output.get("data", {}):
                output.data[mime] = "a picture"
    return compare(test, reference, skip)


def pytest_itemcollected(item):
    if not isinstance(item, IPyNbCell):
        return
    item.cell.execution_count = item.cell_num + 1
    skip = set(item.parent.skip_compare) - set(PICTURES)
    if "progress" in item.cell.metadata.get("tags", []):
        skip.add("stderr")
    item.compare_outputs = partial(compare_outputs, item.compare_outputs, skip)


def pytest_terminal_summary(terminalreporter):
    skipped = [report.longrepr for report in terminalreporter.stats.get("skipped", [])]
    reasons = Counter(place[2].removeprefix("Skipped: ") for place in skipped)
    for reason, count in reasons.items():
        terminalreporter.write_line(f"{count} skipped: {reason}", yellow=True)
