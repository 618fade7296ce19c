"""One memory network for all tasks at once, as in half of the paper's columns.

    python benchmarks/memory_networks_joint.py               on the stories of attnbook.tasks
    python benchmarks/memory_networks_joint.py FOLDER        on files in the bAbI format

Sukhbaatar et al. (2015), section 4.2: embeddings of 50 numbers, 60 epochs, the rate halved every
15. Everything else as in memory_networks.py, PE LS RN. The paper's model learns all 20 tasks; this
one those of the table, 900 questions each.
"""

import argparse
import time
from itertools import chain

import torch
from memory_networks import BEST, FACTS, OF_THE_MODEL, examples, pytorch_attention
from record import save
from tqdm import tqdm

from attnbook import memory, tasks


def together(folder, numbers):
    """Return the vocabulary, training and validation questions of all tasks, and a test of each."""
    told, validation, asked = [], [], {}
    for task in numbers:
        first, second, asked[task] = examples(folder, task)
        told, validation = told + first, validation + second
    vocabulary = tasks.Vocabulary(chain(told, validation, *asked.values()))
    told, validation = tasks.encode(told, vocabulary), tasks.encode(validation, vocabulary)
    asked = {task: tasks.encode(test, vocabulary) for task, test in asked.items()}
    return vocabulary, told, validation, asked


def run(folder, hops, restarts, epochs=60, numbers=tuple(FACTS)):
    """Train on all tasks; return a row for each."""
    vocabulary, told, validation, asked = together(folder, numbers)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    settings = dict(BEST)
    options = {name: settings.pop(name) for name in OF_THE_MODEL if name in settings}
    torch.manual_seed(hops)
    busy = time.process_time()
    model = memory.EndToEndMemoryNetwork(
        len(vocabulary),
        50,
        d_model=50,
        hops=hops,
        empty=1,
        models=restarts,
        attend=pytorch_attention,
        **options,
    ).to(device)
    schedule = memory.Schedule(epochs=epochs, halve_every=15, **settings)
    best = memory.train(model, told, validation, schedule, progress=tqdm).best()
    seconds = round(time.process_time() - busy, 1)
    rows = []
    for task, test in asked.items():
        _, errors = memory.evaluate(model, test)
        rows.append(
            {
                "task": task,
                "hops": hops,
                "variant": "joint",
                "restarts": restarts,
                "error": round(float(errors[best]), 1),
                "errors": [round(error, 1) for error in errors.tolist()],
                "processor seconds of all tasks": seconds,
            }
        )
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", help="files in the bAbI format")
    parser.add_argument("--restarts", type=int, default=3)
    parser.add_argument("--hops", type=int, nargs="+", default=[2, 1])
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for hops in given.hops:
        rows += run(given.folder, hops, given.restarts)
        name = "memory_networks_joint" + ("_babi" if given.folder else "")
        save(name, rows, packages=["torch", "numpy"], device="cpu")


if __name__ == "__main__":
    main()
