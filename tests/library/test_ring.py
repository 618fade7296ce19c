"""The ring: real processes against attention in one; what is sent; and what goes wrong."""

import os
import re
import socket
import subprocess
import sys
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pytest
import ring_workers
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracle import check_rule, naive
from reference import allowed_pairs
from ring_workers import CASES, DISAGREE, GROUPS, LARGE, LAYOUTS, LOOKS, LOW, POISONED, Case
from torch.distributed import TCPStore

from attnbook import attention
from attnbook.costs import ring_bytes_sent
from attnbook.ring import Traffic, connect, positions, ring_attention, shard, unshard
from attnbook.ring_layout import chunks, pieces, tiles

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 150  # seconds until a process counts as hanging, on a machine that is very busy
VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class Session:
    """Processes that run one job: started at once, waited for when a test asks, always ended."""

    def __init__(self, folder, ranks, job=None, command=None, **env):
        self.folder, self.ranks = folder, ranks
        folder.mkdir()
        command = command or [ring_workers.__file__, job, str(folder)]
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        common = {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", **env}
        self.processes = {}
        for rank in ranks:
            with (folder / f"{rank}.out").open("wb") as output:
                self.processes[rank] = subprocess.Popen(
                    [sys.executable, *command],
                    env={**os.environ, **common, "RANK": str(rank)},
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )

    def result(self, rank):
        """What the rank has saved, once it has ended."""
        self.processes[rank].wait(PATIENCE)
        saved = self.folder / f"{rank}.pt"
        assert saved.exists(), "\n".join(self.output(rank) for rank in self.ranks)
        return torch.load(saved)

    def output(self, rank):
        return (self.folder / f"{rank}.out").read_text()

    def end(self):
        for process in self.processes.values():
            if process.poll() is None:
                os.killpg(process.pid, 9)  # it leads a group, with what it has started
            process.wait()


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    """Everything that needs processes, at the same time."""
    folder = tmp_path_factory.mktemp("ring")
    started = {}
    # Who holds the store chooses a free port: so does torchrun, which is told by this variable.
    agent = {"TORCHELASTIC_USE_AGENT_STORE": "True"}
    make_store = partial(TCPStore, "127.0.0.1", 0, is_master=True, wait_for_workers=False)
    stores = {}
    closed = socket.socket()  # a port that is taken, and at which nobody answers
    closed.bind(("127.0.0.1", 0))
    try:
        for job, world in ring_workers.WORLD.items():
            stores[job] = make_store()
            at = {"MASTER_PORT": str(stores[job].port), "WORLD_SIZE": str(world)}
            started[job] = Session(folder / job, range(world), job, **at, **agent)
        stores["first"] = make_store()
        at = {"MASTER_PORT": str(stores["first"].port), "WORLD_SIZE": "2"}
        started["first"] = Session(folder / "first", [0], "joining", **at, **agent)
        at = {"MASTER_PORT": str(closed.getsockname()[1]), "WORLD_SIZE": "2"}
        started["second"] = Session(folder / "second", [1], "joining", **at)
        run = "-m torch.distributed.run --standalone --nproc-per-node=2 -m attnbook.ring"
        started["torchrun"] = Session(folder / "torchrun", [0], command=run.split())
        yield started
    finally:
        for session in started.values():
            session.end()
        closed.close()


@pytest.fixture(scope="module")
def found(sessions):
    return [sessions["cases"].result(rank) for rank in range(4)]


def gathered(found, case):
    """What the ranks of the case's group found, and their tensors joined."""
    ranks = [found[rank][case.name] for rank in GROUPS[case.p]]
    axes = -2, -1, -2, -2, -2
    whole = [
        unshard([rank["tensors"][i] for rank in ranks], layout=case.layout, axis=axis)
        for i, axis in enumerate(axes)
    ]
    return ranks, whole


def wanted(case, change=lambda *inputs: inputs):
    """Output, log-sum-exp and gradients of `attention` in one process."""
    *qkv, pull, pull_lse = change(*case.inputs())
    leaves = [x.clone().requires_grad_() for x in qkv]
    out, lse = attention(*leaves, return_lse=True, **LOOKS[case.looks])
    pulls = pull, torch.where(lse.isfinite(), pull_lse, 0.0).to(lse.dtype)
    return [x.detach() for x in (out, lse, *torch.autograd.grad((out, lse), leaves, pulls))]


cached = lru_cache(wanted)  # rings of all sizes and layouts give the same


@pytest.mark.parametrize("p", GROUPS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_equals_attention_in_one_process(found, p, layout):
    for case in CASES + LARGE:
        if (case.p, case.layout) == (p, layout):
            _, got = gathered(found, case)
            want = cached(case._replace(p=1, layout=""))
            for ours, theirs in zip(got, want, strict=True):
                torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12, msg=case.name)


@pytest.mark.parametrize("case", LOW, ids=lambda case: case.name)
def test_low_precision_keeps_to_the_rule(found, case):
    _, (out, lse, *gradients) = gathered(found, case)
    *qkv, pull, pull_lse = case.inputs()
    mask = torch.from_numpy(allowed_pairs(61, 61, **LOOKS[case.looks]))
    results = []
    for convert in (lambda x: x, lambda x: x.double()):
        leaves = [convert(x).clone().requires_grad_() for x in qkv]
        plain = naive(*leaves, mask)
        scores = (leaves[0] @ leaves[1].mT / 4).masked_fill(~mask, -torch.inf)
        pulls = convert(pull), convert(pull_lse)
        plain_lse = scores.logsumexp(-1)
        results.append([plain, *torch.autograd.grad((plain, plain_lse), leaves, pulls)])
        exact_lse = plain_lse.detach()
    for ours, plain, exact in zip((out, *gradients), *results, strict=True):
        assert ours.dtype == case.dtype
        check_rule(ours, plain.detach(), exact.detach())
    assert lse.dtype == torch.float32
    np.testing.assert_allclose(lse, exact_lse, atol=1e-5)


@pytest.mark.parametrize("case", POISONED, ids=lambda case: case.name)
def test_a_nan_reaches_those_who_may_see_it_alone(found, case):
    _, (out, lse, *gradients) = gathered(found, case)
    want_out, want_lse, *_ = wanted(case)
    torch.testing.assert_close(out, want_out, equal_nan=True)
    torch.testing.assert_close(lse, want_lse, equal_nan=True)
    broken = out.isnan().any(-1)
    assert broken.any() and not broken.all()

    def without(q, k, v, pull, pull_lse):
        q, k, v = (x.masked_fill(x.isnan().any(-1, keepdim=True), 0.0) for x in (q, k, v))
        return q, k, v, pull.masked_fill(broken[..., None], 0), pull_lse.masked_fill(broken, 0)

    allowed = torch.from_numpy(allowed_pairs(16, 16, **LOOKS[case.looks]))
    seen = (broken[..., None] & allowed).any(-2).unflatten(1, (2, 2)).any(2)
    for ours, clean, touched in zip(
        gradients, wanted(case, without)[2:], (broken, seen, seen), strict=True
    ):
        torch.testing.assert_close(
            ours, clean.masked_fill(touched[..., None], torch.nan), equal_nan=True
        )


def test_bytes_sent_are_those_that_the_formula_counts(found):
    for case in CASES + LARGE + LOW:
        ranks, _ = gathered(found, case)
        row = 2 * case.kv_heads * (case.d_k + case.d_v)  # numbers of K and V at one position
        size = case.dtype.itemsize
        parts = [len(positions(case.n_k, r, case.p, layout=case.layout)) for r in range(case.p)]
        for r, rank in enumerate(ranks):
            others = case.n_k - parts[(r + 1) % case.p]  # all parts but that of the next rank
            forward = others * row * size
            backward = forward + case.n_k * row * max(size, 4) * (case.p > 1)
            assert rank["sent"] == rank["counted"] == (forward, backward), case
            assert (rank["waited"] > 0) == (case.p > 1) or min(parts) == 0
            if len(set(parts)) == 1:  # which the costs are for
                sizes = {"batch": 2, "bytes_per_number": size, "bytes_per_gradient": max(size, 4)}
                of = case.n_k, case.p, case.kv_heads, case.d_k, case.d_v
                costs = [ring_bytes_sent(*of, backward=b, **sizes) for b in (False, True)]
                assert costs == list(rank["sent"])


def test_the_callers_tensors_are_not_written_to(found):
    assert all(x["unchanged"] for rank in found for x in rank.values() if "unchanged" in x)


@pytest.mark.parametrize("name", DISAGREE)
def test_ranks_that_do_not_agree_get_an_error_each(found, name):
    saw = [found[rank][name] for rank in range(3)]
    if name.startswith("refused"):
        own = saw.pop(1)
        assert own["kind"] in ("ValueError", "TypeError")
        assert all(
            f"rank 1 refused what it was given: {own['message'][:50]}" in x["message"] for x in saw
        )
    elif name in ("queries", "keys"):
        assert all(f"the ranks hold [4, 3, 4] {name}; 11 in" in x["message"] for x in saw)
        assert all("are [3, 4, 4], as shard cuts them" in x["message"] for x in saw)
    else:
        assert all(f"the ranks differ in {name}: rank 0 has" in x["message"] for x in saw)
        assert len({x["message"] for x in saw}) == 1 and ", rank 1 " in saw[0]["message"]
    assert {x["kind"] for x in saw} == {"ValueError"}
    assert max(x["seconds"] for x in saw) < 30


def test_after_such_errors_the_ring_works_as_before(found):
    case = Case(3, "contiguous", 12, 12, heads=4, kv_heads=2)
    parts = [found[rank]["after"]["tensors"][0] for rank in range(3)]
    torch.testing.assert_close(unshard(parts), wanted(case)[0])


def test_a_rank_outside_the_group_and_a_second_connect(found):
    assert found[3]["outside"]["kind"] == "ValueError"
    assert "rank 3 is not in the group" in found[3]["outside"]["message"]
    assert found[3]["twice"]["kind"] == "RuntimeError"
    assert "joined a group already" in found[3]["twice"]["message"]


def test_a_rank_that_has_ended_is_named_by_all(found):
    for rank in range(3):
        assert found[rank]["gone"]["kind"] == "ConnectionError"
        assert f"rank {rank} of 4 lost rank 3 after" in found[rank]["gone"]["message"]
        assert found[rank]["gone"]["seconds"] < 30


@pytest.mark.parametrize("how", ["killed", "hanging"])
def test_a_rank_lost_in_the_middle_is_named_within_the_timeout(sessions, how):
    for rank in (0, 2):
        saw = sessions[how].result(rank)
        assert saw["kind"] == "ConnectionError"
        assert f"rank {rank} of 3 lost rank 1 after waiting" in saw["message"]
        assert saw["seconds"] < ring_workers.TIMEOUT + 20
        if how == "hanging":
            assert "Timed out waiting 8000ms" in saw["message"]
    if how == "killed":
        assert sessions[how].processes[1].wait() == -9


@pytest.mark.parametrize(("who", "rank"), [("first", 0), ("second", 1)])
def test_too_few_processes_are_an_error_within_the_timeout(sessions, who, rank):
    saw = sessions[who].result(rank)
    assert saw["kind"] == "ConnectionError"
    assert re.search(
        rf"rank {rank} could not join the 2 processes of WORLD_SIZE at 127.0.0.1:\d+ in "
        r"\d+\.\d s \(time-out 2 s\): .*as many processes as WORLD_SIZE says",
        saw["message"],
    )
    assert ring_workers.JOINING <= saw["seconds"] < 2 * ring_workers.JOINING + 20


def test_the_check_that_torchrun_starts(sessions):
    session = sessions["torchrun"]
    assert session.processes[0].wait(PATIENCE) == 0, session.output(0)
    lines = sorted(re.findall(r"rank .*", session.output(0)))
    said = r"rank (\d) of 2, (\w+): largest error (\S+), sent (\d+) bytes"
    found = [re.fullmatch(said, line).groups() for line in lines]
    assert [x[:2] for x in found] == [(r, layout) for r in "01" for layout in LAYOUTS]
    assert all(float(x[2]) < 1e-12 and int(x[3]) == 2048000 for x in found)


# Without processes


def test_alone_nothing_is_sent():
    q = torch.randn(1, 2, 9, 4, requires_grad=True)
    traffic = Traffic()
    out = ring_attention(q, q, q, causal=True, traffic=traffic)
    out.sum().backward()
    assert traffic == Traffic(0, 0.0)
    torch.testing.assert_close(out, attention(q, q, q, causal=True))


def test_the_window_may_come_as_numpy_numbers():
    q, window = torch.randn(1, 1, 9, 4), tuple(np.arange(2))
    torch.testing.assert_close(
        ring_attention(q, q, q, window=window), attention(q, q, q, window=window)
    )


def test_a_nan_query_with_nothing_to_see_gives_0():
    q, k = torch.ones(1, 1, 3, 4), torch.ones(1, 1, 2, 4)
    q[:, :, :2] = torch.nan
    out, lse = ring_attention(q, k, k, causal=True, return_lse=True)  # query 0 sees nothing
    assert out[0, 0, :, 0].tolist() == pytest.approx([0, torch.nan, 1], nan_ok=True)
    assert lse[0, 0].tolist() == pytest.approx([-torch.inf, torch.nan, 2 + np.log(2)], nan_ok=True)


def test_one_of_several_that_has_not_joined_gets_an_error(monkeypatch):
    q = torch.zeros(1, 1, 2, 2)
    with pytest.raises(RuntimeError, match=r"connect\(\) comes first"):
        ring_attention(q, q, q, group=object())
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RuntimeError, match=r"connect\(\) comes first"):
        ring_attention(q, q, q)
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert (ring_attention(q, q, q) == 0).all()


ENVIRONMENTS = {
    "nothing": ({}, RuntimeError, "RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT; torchrun sets"),
    "no rank": (dict.fromkeys(VARIABLES[1:], "1"), RuntimeError, r"RANK; .* --nproc-per-node=2"),
    "no number": (dict.fromkeys(VARIABLES, "x"), ValueError, "RANK is 'x' in the environment"),
    "no port": ({**dict.fromkeys(VARIABLES, "1"), "MASTER_PORT": ""}, ValueError, "MASTER_PORT is"),
    "rank": (
        dict.fromkeys(VARIABLES, "3"),
        ValueError,
        "RANK is 3 and WORLD_SIZE 3; ranks go from",
    ),
}


@pytest.mark.parametrize("case", ENVIRONMENTS)
def test_connect_says_what_the_environment_lacks(monkeypatch, case):
    env, kind, message = ENVIRONMENTS[case]
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(kind, match=message):
        connect()
    assert not torch.distributed.is_initialized()


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan"), float("inf")])
def test_connect_refuses_a_timeout_that_is_none(timeout):
    with pytest.raises(ValueError, match="timeout must be > 0 and finite"):
        connect(timeout)


lengths = st.integers(0, 50)
sizes = st.integers(1, 6)


@given(lengths, sizes, st.sampled_from(LAYOUTS))
def test_shards_together_are_the_whole(n, p, layout):
    x = torch.arange(2.0 * n * 3).reshape(2, n, 3)
    pieces = [shard(x, rank, p, layout=layout) for rank in range(p)]
    assert max(len(y[0]) for y in pieces) - min(len(y[0]) for y in pieces) <= 2
    for rank, piece in enumerate(pieces):
        held = positions(n, rank, p, layout=layout)
        assert torch.equal(piece, x[:, held])
        assert torch.equal(shard(x[0], rank, p, layout=layout, axis=0), x[0, held])
    assert torch.equal(unshard(pieces, layout=layout), x)
    assert torch.equal(unshard([y[0] for y in pieces], layout=layout, axis=0), x[0])


def test_shard_copies_and_lets_gradients_through():
    x = torch.arange(6.0).reshape(6, 1).requires_grad_()
    pieces = [shard(x, rank, 2) for rank in range(2)]
    assert pieces[0].data_ptr() != x.data_ptr()
    (unshard(pieces) * torch.arange(6.0)[:, None]).sum().backward()
    assert x.grad.flatten().tolist() == [0, 1, 2, 3, 4, 5]


def pairs(n, rank, p, layout):
    """Allowed pairs of a rank under a causal mask: the query at position i sees i + 1 keys."""
    return int((positions(n, rank, p, layout=layout) + 1).sum())


@pytest.mark.parametrize("p", [1, 2, 3, 4, 8])
def test_zigzag_gives_all_ranks_the_same_number_of_pairs(p):
    n = 2 * p * 5
    assert {pairs(n, rank, p, "zigzag") for rank in range(p)} == {n * (n + 1) // 2 // p}
    plain = [pairs(n, rank, p, "contiguous") for rank in range(p)]
    c = n // p
    assert plain == [rank * c * c + c * (c + 1) // 2 for rank in range(p)]


@pytest.mark.parametrize("p", [2, 3, 4])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_zigzag_balances_each_step_too(p, count):
    n = 2 * p * 4
    for away in range(1, p):  # steps with another rank's keys: exactly half of the rectangle
        for rank in range(p):
            queries = chunks(n, rank, p, "zigzag")
            keys = chunks(n, (rank - away) % p, p, "zigzag")
            for ranges, held in pieces(keys, count):
                found = list(tiles(queries, ranges, right=0, block=3))
                assert all(allowed is None for _, _, allowed in found)
                seen = sum((i.stop - i.start) * (j.stop - j.start) for i, j, _ in found)
                assert seen == 8 * len(held) // 2 == 8 * (8 // count) // 2


@given(lengths, sizes, st.sampled_from(LAYOUTS), st.integers(1, 5))
def test_pieces_together_are_what_a_rank_holds(n, p, layout, count):
    for rank in range(p):
        held = positions(n, rank, p, layout=layout)
        cut = list(pieces(chunks(n, rank, p, layout), count))
        assert len(cut) == count
        for ranges, where in cut:
            inside = [torch.arange(*part) for part in ranges]
            assert torch.equal(torch.cat(inside), held[where])
        wheres = torch.cat([where for _, where in cut])
        assert torch.equal(wheres.sort().values, torch.arange(len(held)))


@given(lengths, lengths, st.integers(1, 4), st.sampled_from(LAYOUTS), st.integers(1, 9), st.data())
def test_tiles_hold_each_allowed_pair_once(n_q, n_k, p, layout, block, data):
    sides = st.none() | st.integers(0, 20)
    window = data.draw(sides), data.draw(sides)
    limits = dict(zip(("left", "right"), window, strict=True))
    limits = {name: side for name, side in limits.items() if side is not None}
    found = torch.zeros(n_q, n_k, dtype=torch.int)
    for rank in range(p):
        queries = chunks(n_q, rank, p, layout)
        rows = positions(n_q, rank, p, layout=layout)
        for owner in range(p):
            keys = chunks(n_k, owner, p, layout)
            columns = positions(n_k, owner, p, layout=layout)
            for i, j, allowed in tiles(queries, keys, n_k - n_q, block=block, **limits):
                seen = torch.ones(i.stop - i.start, j.stop - j.start, dtype=torch.int)
                assert seen.shape[0] <= block and seen.shape[1] <= block and seen.numel()
                if allowed is not None:
                    assert not allowed.all() and allowed.shape == seen.shape
                    seen = allowed.int()
                found[rows[i][:, None], columns[j]] += seen
    np.testing.assert_array_equal(found, allowed_pairs(n_q, n_k, window=window))


X = torch.zeros(4, 2)
Y = X[None, None]
BAD = {
    "rank": (lambda: shard(X, 2, 2), ValueError, "rank is 2 of 2 ranks; it must be from 0 to 1"),
    "negative": (lambda: shard(X, -1, 2), ValueError, "rank must be at least 0; got -1"),
    "no ranks": (lambda: positions(4, 0, 0), ValueError, "world_size must be at least 1; got 0"),
    "length": (lambda: chunks(-1, 0, 1), ValueError, "n must be at least 0; got -1"),
    "layout": (lambda: shard(X, 0, 2, layout="zig"), ValueError, "layout is 'zig'; .*'zigzag'"),
    "axis": (lambda: shard(X, 0, 2, axis=2), ValueError, r"axis is 2, but x has shape \(4, 2\)"),
    "list": (lambda: shard([1, 2], 0, 2), TypeError, "x is a list, not a PyTorch tensor"),
    "no pieces": (lambda: unshard([]), ValueError, "no pieces"),
    "no tensors": (lambda: unshard([X, 3]), TypeError, "piece 1 is a int, not"),
    "axes": (lambda: unshard([X, X[0]], axis=-1), ValueError, r"axes: \[\(4, 2\), \(2,\)\]"),
    "pieces": (lambda: unshard([X, X[:1]]), ValueError, r"hold \[4, 1\] .* 5 in .* are \[2, 3\]"),
    "unshard layout": (lambda: unshard([X], layout=1), ValueError, "layout is 1; it must be one"),
    "ring layout": (
        lambda: ring_attention(Y, Y, Y, layout="ring"),
        ValueError,
        "layout is 'ring'; it must be one of 'contiguous', 'zigzag'",
    ),
    "traffic": (
        lambda: ring_attention(Y, Y, Y, traffic=0),
        TypeError,
        r"traffic must be a Traffic\(\); got a int",
    ),
    "return_lse": (
        lambda: ring_attention(Y, Y, Y, return_lse=1),
        TypeError,
        "return_lse must be True or False",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_an_error_that_names_it(case):
    call, kind, message = BAD[case]
    with pytest.raises(kind, match=message):
        call()
