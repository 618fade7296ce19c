"""Train the small model whose heads the live figure of the multi-head chapter shows.

    python scripts/train_induction_heads.py

Writes attnbook/figures/data/heads.json: two layers of four heads of width 8, nothing but attention,
trained to name the next letter of texts that repeat themselves. Weights are rounded to three
decimals, and the model is tested with these rounded weights.
"""

import json
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy, scaled_dot_product_attention
from tqdm import tqdm

from attnbook.layers import MultiHeadAttention

TO = Path(__file__).resolve().parent.parent / "attnbook/figures/data/heads.json"
LETTERS, WIDTH, HEADS = 26, 32, 4
LENGTH, PERIODS = 24, (3, 12)
STEPS, BATCH, RATE = 2500, 64, 0.01


def texts(number, generator):
    """Draw texts that repeat a stretch of different letters, and how long each stretch is."""
    low, high = PERIODS
    periods = torch.randint(low, high + 1, (number, 1), generator=generator)
    letters = torch.rand(number, LETTERS, generator=generator).argsort(1)
    return letters.gather(1, torch.arange(LENGTH) % periods), periods


def fast(q, k, v, *, causal):
    """Attend as `attnbook.attention` does, compiled."""
    return scaled_dot_product_attention(q, k, v, is_causal=causal)


class TwoLayers(torch.nn.Module):
    """Letters in, scores of the next letter out; between them two layers of heads."""

    def __init__(self):
        super().__init__()
        self.letters = torch.nn.Parameter(torch.randn(LETTERS, WIDTH) * WIDTH**-0.5)
        self.layers = torch.nn.ModuleList(
            MultiHeadAttention(WIDTH, HEADS, bias=False, causal=True, position="rope", attend=fast)
            for _ in range(2)
        )
        self.out = torch.nn.Linear(WIDTH, LETTERS, bias=False)

    def forward(self, text):
        x = self.letters[text]
        for layer in self.layers:
            x = x + layer(x)
        return self.out(x)


def known(text, periods):
    """Positions whose next letter follows from the text so far."""
    return torch.arange(text.shape[1] - 1) >= periods


def main():
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    model = TwoLayers()
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, STEPS, pct_start=0.1)
    for _ in tqdm(range(STEPS)):
        text, _ = texts(BATCH, generator)
        loss = cross_entropy(model(text)[:, :-1].flatten(0, 1), text[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()

    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.double().mul(1000).round().div(1000))
        text, periods = texts(2000, generator)
        right = model(text)[:, :-1].argmax(-1) == text[:, 1:]
        accuracy = right[known(text, periods)].float().mean()
    print(f"letters that can be known, with rounded weights: {accuracy:.1%} right")

    def thousandths(weight):
        return (weight.detach().double() * 1000).round().int().tolist()

    # A linear layer keeps its matrix transposed: these are for rows, x W.
    told = {
        "unit": 0.001,
        "heads": HEADS,
        "letters": thousandths(model.letters),
        "layers": [
            {name: thousandths(getattr(layer, f"w_{name}").weight.T) for name in "qkvo"}
            for layer in model.layers
        ],
        "out": thousandths(model.out.weight.T),
    }
    TO.write_text(json.dumps(told, separators=(",", ":")) + "\n", "utf-8")
    print(f"{TO.name}: {TO.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
