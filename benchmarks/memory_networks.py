"""Memory networks on stories with questions: test error beside the paper's table.

    python benchmarks/memory_networks.py                 on the stories of attnbook.tasks
    python benchmarks/memory_networks.py FOLDER          on files in the bAbI format

With ``--keep`` a run that was broken off goes on where it was.

1,000 questions to train on, 100 of them for validation; 1,000 other ones to test. Each cell of the
table is trained from several starts at once, and the one with the least error in validation counts;
the errors of all are kept. Settings: Sukhbaatar et al. (2015), section 4.2, and where the paper is
silent, the authors' program: 20 epochs of linear start at a rate of 0.005, kept after it; position
encoding with a mean of 1; a place in the memory for nothing.

PE position encoding, LS linear start, RN random noise. `strong` is taught by the supporting facts.
"""

import argparse
import concurrent.futures
import json
import multiprocessing
import os
import time
from dataclasses import replace
from pathlib import Path

import torch
from numpy import bincount
from record import RESULTS, save
from torch.nn.functional import scaled_dot_product_attention
from tqdm import tqdm

from attnbook import memory, tasks

PE, LS, RN = {"encoding": "centred"}, {"linear_start": 20, "patience": 20, "rate": 0.005}, 0.1
BEST = {**PE, **LS, "noise": RN}
VARIANTS = {
    "BoW": {"encoding": "bag"},
    "PE": PE,
    "PE LS": {**PE, **LS},
    "PE LS RN": BEST,
    # One thing changed in the best of them.
    "PE LS RN, PE as printed": {**BEST, "encoding": "position"},
    "PE LS RN, no time": {**BEST, "time": False},
    "PE LS RN, no place for nothing": {**BEST, "empty": 0},
    "PE LS RN, layerwise": {**BEST, "tying": "layerwise"},
}
PAPERS, CHANGED = list(VARIANTS)[:4], list(VARIANTS)[4:]
OF_THE_MODEL = ("encoding", "time", "empty", "tying")
FACTS = {1: 1, 2: 2, 3: 3, 5: 1, 6: 1, 7: 2}  # lookups of the strongly supervised model


def cells(folder):
    """Return (task, hops, variant) for each cell, those that matter most first.

    None of them `strong` for files: they list the facts as told, not in the order to find them.
    """
    if folder:
        table = [(task, 3, "PE LS RN") for task in range(1, 21)]
        table += [(task, hops, "PE LS RN") for hops in (1, 2) for task in FACTS]
        return table + [(task, 3, variant) for variant in ("PE", "BoW") for task in range(1, 21)]
    table = [(task, hops, "strong") for task, hops in FACTS.items()]
    table += [
        (task, hops, variant)
        for hops in (3, 2, 1)
        for variant in reversed(PAPERS)
        for task in FACTS
    ]
    return table + [(task, 3, variant) for variant in CHANGED for task in FACTS]


def questions(folder, task):
    """Return the vocabulary, and the questions of a task for training, validation and test."""
    told, validation, asked = examples(folder, task)
    vocabulary = tasks.Vocabulary(told + validation + asked)
    return vocabulary, *(tasks.encode(part, vocabulary) for part in (told, validation, asked))


def examples(folder, task):
    """Return the questions of a task for training, validation and test, as text."""
    if folder:
        told, asked = (_read(folder, task, part) for part in ("train", "test"))
    else:
        told, asked = (tasks.make_stories(task, 1000, seed=2 * task + part) for part in (0, 1))
    told, asked = tasks.examples(told), tasks.examples(asked)
    return told[: len(told) * 9 // 10], told[len(told) * 9 // 10 :], asked


def _read(folder, task, part):
    found = sorted(Path(folder).glob(f"qa{task}_*{part}.txt"))
    if len(found) != 1:
        raise SystemExit(f"{folder} must have one file qa{task}_*{part}.txt; it has {len(found)}")
    return tasks.read_babi(found[0])


def guess(told, asked):
    """Return the error in % of always giving the answer that is the most frequent in training."""
    return round(100 * float((asked.answers != bincount(told.answers).argmax()).mean()), 1)


def pytorch_attention(q, k, v, *, mask, scale):
    """PyTorch's own, in place of the book's: the same numbers in half the time."""
    return scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)


def run(folder, cell, restarts, epochs):
    """Train one cell of the table; return its row."""
    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    task, hops, variant = cell
    vocabulary, told, validation, asked = questions(folder, task)
    torch.manual_seed(100 * task + hops)
    begun, busy = time.perf_counter(), time.process_time()
    if variant == "strong":
        model = memory.MemoryNetwork(len(vocabulary), hops=hops, models=restarts).to(device)
        loss = memory.train_strongly(model, told, epochs=min(epochs, 40))[-1]
        error, astray = memory.evaluate_strongly(model, asked)
        chosen, _ = memory.evaluate_strongly(model, validation)
        best = int(chosen.argmin())
        more = {"wrong facts": _percent(astray)}
    else:
        settings = dict(VARIANTS[variant])
        options = {name: settings.pop(name) for name in OF_THE_MODEL if name in settings}
        model = memory.EndToEndMemoryNetwork(
            len(vocabulary),
            50,
            hops=hops,
            models=restarts,
            attend=pytorch_attention,
            **{"empty": 1, **options},
        ).to(device)
        schedule = replace(memory.Schedule(epochs=epochs), **settings)
        history = memory.train(model, told, validation, schedule, seed=task)
        loss, chosen = history.loss[-1], history.validation_error[-1]
        _, error = memory.evaluate(model, asked)
        best, more = history.best(), {}
    return {
        "task": task,
        "hops": hops,
        "variant": variant,
        "restarts": restarts,
        "error": round(float(error[best]), 1),
        "error of a guess": guess(told, asked),
        "error by training loss": round(float(error[int(loss.nan_to_num(torch.inf).argmin())]), 1),
        "errors": _percent(error),
        "validation": _percent(chosen),
        **more,
        "seconds": round(time.perf_counter() - begun, 1),
        "processor seconds": round(time.process_time() - busy, 1),
    }


def _percent(numbers):
    return [round(number, 1) for number in numbers.tolist()]


def papers_column(row):
    """Return the name of the column to set beside a row, as in memory_networks_paper.json."""
    if row["variant"] == "strong":
        return "strong"
    if row["hops"] < 3:
        hops = "1 hop" if row["hops"] == 1 else "2 hops"
        return f"{hops} PE LS, one model for all tasks"
    return f"3 hops {row['variant']}"


def table(rows):
    """Print the errors by task, each beside the paper's where that is known."""
    paper = json.loads((RESULTS / "memory_networks_paper.json").read_text("utf-8"))["columns"]
    by_column = {}
    for row in rows:
        hops = "" if row["variant"] == "strong" else f"{row['hops']} hops "
        by_column.setdefault(hops + row["variant"], []).append(row)
    for name, column in by_column.items():
        print(f"{name}: test error in % (beside it {papers_column(column[0])})")
        beside = paper.get(papers_column(column[0]))
        for row in sorted(column, key=lambda row: row["task"]):
            theirs = f"{beside['errors'][row['task'] - 1]:7.1f}" if beside else "      –"
            print(f"   task {row['task']:2d} {row['error']:7.1f} {theirs}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "folder", nargs="?", help="files in the bAbI format, qa1_..._train.txt, ..."
    )
    parser.add_argument("--restarts", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--variants", nargs="+", help="only these columns, such as 'PE LS RN'")
    parser.add_argument("--keep", action="store_true", help="keep the cells that are there already")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    given = parser.parse_args()
    name = "memory_networks_babi" if given.folder else "memory_networks"
    processes = 1 if torch.cuda.is_available() else given.processes
    begun, rows, before = time.perf_counter(), [], 0
    table_of_cells = cells(given.folder)
    if given.keep:
        kept = json.loads((RESULTS / f"{name}.json").read_text("utf-8"))
        rows, before = kept["rows"], kept["about"]["minutes"]
    have = {(row["task"], row["hops"], row["variant"]) for row in rows}
    todo = [
        cell
        for cell in table_of_cells
        if cell not in have and cell[2] in (given.variants or [cell[2]])
    ]
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(processes, mp_context=spawn) as pool:
        jobs = [pool.submit(run, given.folder, cell, given.restarts, given.epochs) for cell in todo]
        for job in tqdm(concurrent.futures.as_completed(jobs), total=len(jobs)):
            rows.append(job.result())
            rows.sort(
                key=lambda row: table_of_cells.index((row["task"], row["hops"], row["variant"]))
            )
            # Saved after every cell: what is done is not lost.
            save(
                name,
                rows,
                packages=["torch", "numpy"],
                epochs=given.epochs,
                device="cuda" if torch.cuda.is_available() else f"cpu, {processes} processes",
                minutes=round(before + (time.perf_counter() - begun) / 60, 1),
                processor_minutes=round(sum(row["processor seconds"] for row in rows) / 60, 1),
                cells=f"{len(rows)} of {len(table_of_cells)}",
                load=round(os.getloadavg()[2], 1),
            )
    table(rows)


if __name__ == "__main__":
    main()
