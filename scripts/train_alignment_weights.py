"""Train the small translators that the live figure of the chapter on the bottleneck computes with.

    python scripts/train_alignment_weights.py

Writes attnbook/figures/data/alignment.json: two translators of `attnbook.seq2seq`, one with
additive attention and one with a fixed vector, trained alike on sentences of 1 to 10 words. Of
three starts the one that translates most of the sentences for validation is kept, rounded to
hundredths, and tested with these rounded weights.
"""

import json
from pathlib import Path

import numpy
import torch
from tqdm import trange

from attnbook.seq2seq import Translator
from attnbook.tasks.phrases import END, make_phrases

TO = Path(__file__).resolve().parent.parent / "attnbook/figures/data/alignment.json"
LONGEST, STEPS, BATCH, RATE = 10, 4000, 64, 5e-3
WIDTHS = {"d_word": 12, "d_model": 24, "d_score": 16}
UNIT = 0.01


def sentences(number, length, rng):
    """Return sources, targets with the end symbol, and the true order, for one length."""
    source, order = make_phrases(number, length, rng)
    target = numpy.take_along_axis(source, order, 1)
    target = numpy.concatenate([target, numpy.full((number, 1), END)], 1)
    return torch.tensor(source), torch.tensor(target), order


def train(attention, seed):
    """Return one trained translator."""
    torch.manual_seed(seed)
    rng = numpy.random.default_rng(seed)
    translator = Translator(END, attention=attention, **WIDTHS)
    optimizer = torch.optim.Adam(translator.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    for _ in trange(STEPS):
        source, target, _ = sentences(BATCH, int(rng.integers(1, LONGEST, endpoint=True)), rng)
        logits = translator(source, target)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(translator.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return translator


def measured(translator, seed):
    """Return shares of sentences right, by length, and of weights whose largest is at its word."""
    rng, right, aligned = numpy.random.default_rng(seed), {}, {}
    for length in (2, 4, 6, 8, 10, 12, 14):
        source, target, order = sentences(500, length, rng)
        given, weights = translator.translate(source, length + 1, return_weights=True)
        right[length] = round(float((given == target).all(1).float().mean()), 3)
        if weights is not None:
            aligned[length] = round(float((weights[:, :-1].argmax(-1).numpy() == order).mean()), 3)
    return right, aligned


def score(translator):
    """Return how well a translator does in validation: sentences right, then words aligned."""
    right, aligned = measured(translator, seed=1000)
    return round(sum(right.values()) + sum(aligned.values()), 3)


@torch.no_grad()
def rounded(translator):
    """Round the weights in place; return them as lists of whole numbers of `UNIT`."""
    tables = {}
    for name, parameter in translator.named_parameters():
        whole = parameter.double().div(UNIT).round()
        parameter.copy_(whole * UNIT)
        tables[name] = whole.int().tolist()
    return tables


def main():
    networks = {}
    for name, attention in (("attention", True), ("vector", False)):
        best = max((train(attention, seed) for seed in range(3)), key=score)
        tables = rounded(best)
        right, aligned = measured(best, seed=2000)
        print(name, "right", right, "aligned", aligned)
        networks[name] = {"right": right, "aligned": aligned, "weights": tables}
    TO.write_text(
        json.dumps({"unit": UNIT, "networks": networks}, separators=(",", ":")) + "\n", "utf-8"
    )
    print(f"{TO.name}: {TO.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
