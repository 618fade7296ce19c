"""Processes in a ring: how they meet, check that they agree, and pass tensors on.

    rank r sends to rank r + 1 and receives from rank r - 1, modulo p

Messages travel while the sender and the receiver compute. Nothing here knows of attention. On a
CPU Gloo carries the messages, between GPUs NCCL. A rank that is lost ends in an error on every
other rank within the time-out of the process group, never in a wait without end.
"""

import json
import os
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from ._arrays import check_number
from ._torch import torch

dist = torch.distributed

__all__ = ["Links", "Traffic", "connect"]

START = "start it with torchrun: torchrun --nproc-per-node=2 program.py"
LINE = 1024  # bytes in which a rank says what it came with


def connect(timeout=30.0):
    """Join the processes that torchrun started; return this one's rank and their number.

    Parameters
    ----------
    timeout : float, in seconds
        How long to wait for another process: now, and in each step later.

    Returns
    -------
    rank, world_size : int
        Processes are numbered from 0 to world_size - 1. If each has a GPU, it is made the
        current one, and NCCL joins the GPUs; otherwise Gloo joins the processes over the network.

    Raises
    ------
    RuntimeError
        If the process was not started with torchrun, or has joined already.
    ValueError
        If what torchrun should have set is no number, or the timeout is not positive.
    ConnectionError
        If not all processes came, within two time-outs; within five, if one was lost just then.

    Notes
    -----
    A program ends with ``torch.distributed.destroy_process_group()``. With Gloo a lost rank is a
    ``ConnectionError`` on the others. NCCL works behind the program's back: it ends the process
    with a message of its own when the time is up.
    """
    seconds = check_number("timeout", timeout, positive=True)
    missing = [
        name
        for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
        if name not in os.environ
    ]
    if missing:
        raise RuntimeError(
            f"not in the environment: {', '.join(missing)}; torchrun sets them, so {START}"
        )
    if dist.is_initialized():
        raise RuntimeError("this process has joined a group already; connect() once")
    rank, world_size, _ = (_number(name) for name in ("RANK", "WORLD_SIZE", "MASTER_PORT"))
    if rank >= world_size:
        raise ValueError(
            f"RANK is {rank} and WORLD_SIZE {world_size}; ranks go from 0 to WORLD_SIZE - 1"
        )
    gpus = torch.cuda.device_count()
    on_gpus = gpus >= int(os.environ.get("LOCAL_WORLD_SIZE", world_size))
    if on_gpus:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", rank)))
    begin = time.monotonic()
    try:
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if on_gpus else "gloo",
            rank=rank,
            world_size=world_size,
            timeout=timedelta(seconds=seconds),
        )
    except RuntimeError as error:
        place = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise ConnectionError(
            f"rank {rank} could not join the {world_size} processes of WORLD_SIZE at {place} in "
            f"{time.monotonic() - begin:.1f} s (time-out {seconds:g} s): {_short(error)}. Start as "
            "many processes as WORLD_SIZE says, at a free port; torchrun sees to both"
        ) from error
    return rank, world_size


def _number(name):
    value = os.environ[name]
    if not value.isdecimal():
        raise ValueError(f"{name} is {value!r} in the environment; it must be a number: {START}")
    return int(value)


@dataclass
class Traffic:
    """What a rank has sent around the ring, and how long it waited; each call adds to it.

    Attributes
    ----------
    sent : int, in bytes
        The tensors alone, not the short line to each rank in which the ranks agree.
    waited : float, in seconds
        Time in which the rank had nothing to compute, since a tensor was not there yet.
    """

    sent: int = 0
    waited: float = 0.0


class Links:
    """The links of this rank to the others of a process group; without a group it is alone.

    Attributes
    ----------
    rank, size : int
        This rank's number in the group, and p.
    """

    def __init__(self, group=None, traffic=None):
        self.group, self.rank, self.size = group, 0, 1
        self.traffic = Traffic() if traffic is None else traffic
        if dist.is_available() and dist.is_initialized():
            self.rank, self.size = dist.get_rank(group), dist.get_world_size(group)
            if self.rank < 0:
                raise ValueError(f"rank {dist.get_rank()} is not in the group that it was given")
        elif group is not None or os.environ.get("WORLD_SIZE", "1") != "1":
            raise RuntimeError("this process has not joined the others: connect() comes first")

    def agree(self, mine, device):
        """Send everyone a small dict of what JSON knows; return the dicts of all, by rank."""
        if self.size == 1:
            return [mine]
        if "cpu:" in dist.get_backend_config(self.group):
            device = "cpu"  # by Gloo: no GPU has to wait, and a lost rank is an error here
        line = json.dumps(mine).encode().ljust(LINE)
        own = torch.tensor(list(line), dtype=torch.uint8, device=device)
        lines = [torch.empty_like(own) for _ in range(self.size)]
        others = [rank for rank in range(self.size) if rank != self.rank]
        self._exchange([(own, rank) for rank in others], [(lines[rank], rank) for rank in others])()
        lines[self.rank] = own
        return [json.loads(bytes(line.tolist())) for line in lines]

    def pass_on(self, tensors, shapes):
        """Send tensors to the next rank; return a function that waits for the previous rank's.

        ``shapes`` are those of the tensors that come. Alone, one passes on to oneself.
        """
        if self.size == 1:
            return lambda: tensors
        coming = [x.new_empty(shape) for x, shape in zip(tensors, shapes, strict=True)]
        after, before = (self.rank + 1) % self.size, (self.rank - 1) % self.size
        wait = self._exchange([(x, after) for x in tensors], [(x, before) for x in coming])
        self.traffic.sent += sum(x.nbytes for x in tensors)

        def arrived():
            begin = time.monotonic()
            wait()
            self.traffic.waited += time.monotonic() - begin
            return coming

        return arrived

    def _exchange(self, sends, receives):
        """Start sending to and receiving from ranks; return a function that waits for the end."""
        ops = [
            dist.P2POp(do, x, group=self.group, group_peer=peer)
            for do, messages in ((dist.isend, sends), (dist.irecv, receives))
            for x, peer in messages
            if x.numel()
        ]
        # NCCL must get all at once, or two ranks that both send first would wait for each other.
        # Gloo gets them one by one, so that it is known which one failed.
        together = any(op.tensor.is_cuda for op in ops)
        works = []
        for batch in [ops] if together else [[op] for op in ops]:
            with self._naming(batch):
                works += [(work, batch) for work in dist.batch_isend_irecv(batch)]

        def wait():
            for work, batch in works:
                with self._naming(batch):
                    work.wait()

        return wait

    @contextmanager
    def _naming(self, ops):
        """Turn a failure into an error that names the rank at the other end."""
        begin = time.monotonic()
        try:
            yield
        except RuntimeError as error:
            peers = " or ".join(str(peer) for peer in sorted({op.group_peer for op in ops}))
            raise ConnectionError(
                f"rank {self.rank} of {self.size} lost rank {peers} after waiting "
                f"{time.monotonic() - begin:.1f} s: it has ended, or hangs, or has lost a rank "
                f"itself ({_short(error)})"
            ) from error


def _short(error):
    """Return the first sentence of a message, without the place in PyTorch's source."""
    return re.sub(r"^\[[^]]*\] ", "", str(error)).split(". ")[0].split("\n")[0].rstrip(".")
