"""What the processes of `test_ring.py` run: python ring_workers.py JOB FOLDER.

Each process saves in FOLDER what it found; the tests look at it afterwards.
"""

import os
import signal
import sys
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import distributed as dist

from attnbook import ring, ring_links
from attnbook.ring import Traffic, connect, ring_attention, shard

WORLD = {"cases": 4, "killed": 3, "hanging": 3}
TIMEOUT = 8.0  # seconds, where a rank is lost
JOINING = 2.0  # seconds, where one never comes
# A ring in any of these groups of the four processes: in the last, ranks have other numbers.
GROUPS = {1: (0,), 2: (1, 3), 3: (0, 1, 2), 4: (0, 1, 2, 3)}
LOOKS = [
    {},
    {"causal": True},
    {"window": (3, 1)},
    {"causal": True, "window": (5, None)},
]
SIZES = [(16, 16), (13, 13), (3, 3), (1, 1), (0, 0), (7, 31), (31, 7)]
LAYOUTS = ("contiguous", "zigzag")


class Case(NamedTuple):
    """One call of ring_attention, forward and backward, in a group of ``p`` processes."""

    p: int
    layout: str
    n_q: int = 16
    n_k: int = 16
    looks: int = 1  # index in LOOKS
    dtype: torch.dtype = torch.float64
    heads: int = 4
    kv_heads: int = 2
    d_k: int = 5
    d_v: int = 3
    poison: str = ""  # where a NaN stands: "q", "k", "v"

    @property
    def name(self):
        return "-".join(str(x) for x in self if x != "")

    def inputs(self):
        """Whole q, k, v and what the outputs and the log-sum-exps are pulled by."""
        made = torch.Generator().manual_seed(self.n_q * 100 + self.n_k)
        shapes = (
            (2, self.heads, self.n_q, self.d_k),
            (2, self.kv_heads, self.n_k, self.d_k),
            (2, self.kv_heads, self.n_k, self.d_v),
            (2, self.heads, self.n_q, self.d_v),
            (2, self.heads, self.n_q),
        )
        drawn = [torch.randn(shape, generator=made).to(self.dtype) for shape in shapes]
        if self.poison:
            drawn["qkv".index(self.poison)][:, :1, 6, 1] = torch.nan
        return drawn


CASES = [
    Case(p, layout, *size, looks)
    for p in GROUPS
    for layout in LAYOUTS
    for size in SIZES
    for looks in range(len(LOOKS))
]
LARGE = [Case(p, layout, 600, 600) for p in (1, 2) for layout in LAYOUTS]  # tiles and tiles
LOW = [
    Case(3, layout, 61, 61, looks, dtype, 3, 3, 16, 16)
    for layout in LAYOUTS
    for looks in (0, 1)
    for dtype in (torch.float16, torch.bfloat16, torch.float32)
]
POISONED = [
    Case(3, layout, looks=looks, poison=poison)
    for layout in LAYOUTS
    for looks in (0, 1, 2)
    for poison in ("q", "k", "v")
]

# What rank 1 of 3 gives, with 4 positions each, where it should give what the others give.
DISAGREE = {
    "causal": lambda q, k, v: ((q, k, v), {"causal": False}),
    "layout": lambda q, k, v: ((q, k, v), {"layout": "zigzag"}),
    "window": lambda q, k, v: ((q, k, v), {"window": (2, None)}),
    "scale": lambda q, k, v: ((q, k, v), {"scale": 0.25}),
    "d_v": lambda q, k, v: ((q, k, v[..., :2]), {}),
    "d_k": lambda q, k, v: ((q[..., :2], k[..., :2], v), {}),
    "H": lambda q, k, v: ((q[:, :2], k, v), {}),
    "H_kv": lambda q, k, v: ((q, k[:, :1], v[:, :1]), {}),
    "B": lambda q, k, v: ((q[:1], k[:1], v[:1]), {}),
    "dtype": lambda q, k, v: ((q.float(), k.float(), v.float()), {}),
    "gradient": lambda q, k, v: ((q.requires_grad_(), k, v), {}),
    "queries": lambda q, k, v: ((q[:, :, :3], k, v), {}),
    "keys": lambda q, k, v: ((q, k[:, :, :3], v[:, :, :3]), {}),
    "refused": lambda q, k, v: ((q, k, v[:, :, :3]), {}),
    "refused name": lambda q, k, v: ((q, k, v), {"layout": "ring"}),
    "refused traffic": lambda q, k, v: ((q, k, v), {"traffic": 3}),
    "refused array": lambda q, k, v: ((q.numpy(), k, v), {}),
}


class Counter:
    """Counts, apart from the library, what is given to PyTorch to send."""

    def __init__(self):
        self.sent, self.calls, self.at_call = 0, 0, {}
        self.send = dist.batch_isend_irecv
        dist.batch_isend_irecv = self

    def __call__(self, ops):
        assert all(op.tensor.numel() for op in ops), "an empty message"
        self.calls += 1
        self.at_call.get(self.calls, lambda: None)()
        self.sent += sum(
            op.tensor.numel() * op.tensor.element_size()
            for op in ops
            if op.op is dist.isend and op.tensor.shape != (ring_links.LINE,)
        )
        return self.send(ops)


def run_case(case, group, counter):
    """One case on this rank: what it got, and what it sent forward and backward."""
    rank = dist.get_rank(group)
    *qkv, pull = [shard(x, rank, case.p, layout=case.layout) for x in case.inputs()[:4]]
    pull_lse = shard(case.inputs()[4], rank, case.p, layout=case.layout, axis=-1)
    qkv[1] = qkv[1].transpose(1, 2).contiguous().transpose(1, 2)  # strided
    before = [x.clone() for x in qkv]
    leaves = [x.requires_grad_() for x in qkv]
    traffic, counts = Traffic(), [counter.sent]
    out, lse = ring_attention(
        *leaves,
        group=group,
        layout=case.layout,
        return_lse=True,
        traffic=traffic,
        **LOOKS[case.looks],
    )
    counts.append(counter.sent)
    sent_forward = traffic.sent
    pulls = pull, torch.where(lse.isfinite(), pull_lse, 0.0).to(lse.dtype)
    gradients = torch.autograd.grad((out, lse), leaves, pulls)
    counts.append(counter.sent)
    return {
        "tensors": [x.detach() for x in (out, lse, *gradients)],
        "sent": (sent_forward, traffic.sent - sent_forward),
        "counted": (counts[1] - counts[0], counts[2] - counts[1]),
        "waited": traffic.waited,
        "unchanged": all(
            torch.equal(x.nan_to_num(), y.nan_to_num()) for x, y in zip(qkv, before, strict=True)
        ),
    }


def attempt(function, *arguments, **options):
    """What a call comes to: how long it took, and which error it ended in."""
    begin = time.monotonic()
    try:
        function(*arguments, **options)
        error = None
    except Exception as caught:
        error = caught
    return {
        "kind": type(error).__name__,
        "message": str(error),
        "seconds": time.monotonic() - begin,
    }


def cases(folder, rank):
    """All cases, then what the ranks do not agree in, then a rank that goes away."""
    counter = Counter()
    groups = {p: dist.new_group(ranks) for p, ranks in GROUPS.items()}
    found = {}
    for case in CASES + LARGE + LOW + POISONED:
        ring.PIECE = 100 if case in LARGE + LOW else 3  # so that several go round
        if rank in GROUPS[case.p]:
            found[case.name] = run_case(case, groups[case.p], counter)
    three = Case(3, "contiguous", 12, 12, heads=4, kv_heads=2)
    for name, change in DISAGREE.items():
        if rank == 3:
            break
        qkv, options = [shard(x, rank, 3) for x in three.inputs()[:3]], {"causal": True}
        if rank == 1:
            qkv, other = change(*qkv)
            options.update(other)
        found[name] = attempt(ring_attention, *qkv, group=groups[3], **options)
    if rank == 3:
        q = torch.zeros(1, 1, 2, 2)
        found["outside"] = attempt(ring_attention, q, q, q, group=groups[3])
        found["twice"] = attempt(connect)
    else:  # after so many errors all is as before
        found["after"] = run_case(three, groups[3], counter)
    dist.barrier()
    if rank != 3:  # which ends here
        q = torch.zeros(1, 1, 2, 2)
        found["gone"] = attempt(ring_attention, q, q, q)
    torch.save(found, folder / f"{rank}.pt")


def lost(folder, rank, at_call, act):
    """Rank 1 of 3 kills itself, or sleeps, at its so many-th call to send or receive.

    Calls 1 to 4 are the agreement, then come two to send K and V and two to receive them; and so
    on for each step.
    """
    q = torch.randn(1, 2, 8, 4, requires_grad=True)
    counter = Counter()
    if rank == 1:
        counter.at_call = {at_call: act}
    torch.save(attempt(lambda: ring_attention(q, q, q).sum().backward()), folder / f"{rank}.pt")


def killed(folder, rank):
    """In the second step forward."""
    lost(folder, rank, 4 + 4 + 1, lambda: os.kill(os.getpid(), signal.SIGKILL))


def hanging(folder, rank):
    """In the backward pass: it neither answers nor goes."""
    lost(folder, rank, 4 + 2 * 4 + 4 + 2, lambda: time.sleep(60))


def together(folder, rank, timeout):
    """Join when all have started, so that a short time-out is not used up by a slow start."""
    (folder / f"{rank}.here").touch()
    while len(list(folder.glob("*.here"))) < int(os.environ["WORLD_SIZE"]):
        time.sleep(0.02)
    connect(timeout)


def main():
    job, folder = sys.argv[1], Path(sys.argv[2])
    rank = int(os.environ["RANK"])
    torch.set_num_threads(1)
    if job == "joining":
        torch.save(attempt(connect, JOINING), folder / f"{rank}.pt")
        return
    together(folder, rank, 60.0 if job == "cases" else TIMEOUT)
    globals()[job](folder, rank)


if __name__ == "__main__":
    main()
