"""The GPU kernels: on a GPU where there is one, else under Triton's interpreter, on the CPU.

The interpreter computes what the kernels say, in float32 and float16; what a GPU makes of them,
`test_flash_generated_code.py` looks at. bfloat16 waits for a GPU: the interpreter's product of
matrices is wrong there.
"""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import check_rule, naive
from reference import allowed_pairs, attention_reference

from attnbook import attention, flash
from attnbook.flash import flash_attention as tiled

pytest.importorskip("triton", reason="Triton is for Linux alone")

from attnbook import flash_triton
from attnbook.flash_triton import flash_attention

GPU = torch.cuda.is_available()
DEVICE = "cuda" if GPU else "cpu"
DTYPES = [torch.float16, torch.bfloat16] if GPU else [torch.float32, torch.float16]
HALF = torch.float16

# Tiles are of 128 queries and 64 or 128 keys: lengths below, at, and beyond their edges.
LENGTHS = [(1, 1), (17, 17), (61, 131), (131, 61), (1, 200), (128, 128), (200, 257), (257, 129)]
LOOKS = [
    {},
    {"causal": True},
    {"window": (40, None)},
    {"window": (70, 3)},
    {"window": (0, 0)},
    {"window": (None, 20)},
    {"causal": True, "window": (130, 5)},
]


def draw(n_q, n_k, heads=2, kv_heads=2, d_k=16, d_v=16, *, batch=1, dtype=HALF, seed=0):
    made = torch.Generator().manual_seed(seed)
    shapes = (batch, heads, n_q, d_k), (batch, kv_heads, n_k, d_k), (batch, kv_heads, n_k, d_v)
    return [torch.randn(shape, generator=made).to(DEVICE, dtype) for shape in shapes]


def allowed(n_q, n_k, looks):
    pairs = allowed_pairs(n_q, n_k, looks.get("causal"), looks.get("window", (None, None)))
    return torch.as_tensor(pairs).expand(n_q, n_k).to(DEVICE)


def naive_of(looks):
    """The naive computation in the dtype of its inputs; rows that see nothing give 0."""

    def run(q, k, v):
        k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], dim=1) for x in (k, v))
        mask = allowed(q.shape[2], k.shape[2], looks)
        seen = mask.any(-1)[:, None]
        return torch.where(seen, naive(q, k, v, mask | ~seen), 0.0)

    return run


def check(q, k, v, **looks):
    """Hold output, log-sum-exp and gradients to the rule of `oracle.py`."""
    pull = torch.randn(*q.shape[:3], v.shape[-1], generator=torch.Generator().manual_seed(9))
    results = []
    for convert, run in (
        (lambda x: x, lambda *qkv: flash_attention(*qkv, **looks)),
        (lambda x: x, naive_of(looks)),
        (lambda x: x.double(), naive_of(looks)),
    ):
        leaves = [convert(x).clone().requires_grad_() for x in (q, k, v)]
        out = run(*leaves)
        gradients = torch.autograd.grad(out, leaves, pull.to(DEVICE, out.dtype))
        results.append([x.detach() for x in (out, *gradients)])
    for ours, plain, right in zip(*results, strict=True):
        assert ours.dtype == q.dtype and ours.shape == right.shape
        if right.abs().max() > 0:
            check_rule(ours, plain, right)
        else:  # of a row with one key: dP - Δ is the difference of two equal sums in float32
            assert ours.abs().max() <= 1e-5
    out, lse = flash_attention(q, k, v, return_lse=True, **looks)
    assert torch.equal(out, results[0][0]) and lse.dtype == torch.float32
    wide = (x.double() for x in (q, k, v))
    torch.testing.assert_close(
        lse.double(), attention(*wide, return_lse=True, **looks)[1], atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("looks", LOOKS, ids=str)
@pytest.mark.parametrize(("n_q", "n_k"), LENGTHS)
def test_lengths_and_looks(n_q, n_k, looks):
    check(*draw(n_q, n_k), **looks)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("d", [16, 32, 64, 128, 256])
@pytest.mark.parametrize("causal", [False, True])
def test_widths_and_dtypes(d, dtype, causal):
    check(*draw(150, 170, 1, 1, d, d, dtype=dtype), causal=causal)


@pytest.mark.parametrize(
    ("d_k", "d_v"), [(24, 40), (80, 96), (20, 7), (1, 1), (64, 16), (33, 192)], ids=str
)
def test_widths_that_are_no_power_of_two_or_differ(d_k, d_v):
    check(*draw(70, 75, 1, 1, d_k, d_v), causal=True)


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (6, 2), (4, 1)])
@pytest.mark.parametrize("looks", [{}, {"causal": True}, {"window": (30, 7)}], ids=str)
def test_groups_of_heads_and_batches(heads, kv_heads, looks):
    check(*draw(70, 140, heads, kv_heads, batch=2), **looks)


@given(st.integers(1, 150), st.integers(1, 150), st.sampled_from(LOOKS), st.integers(0, 99))
@settings(max_examples=20)
def test_any_lengths(n_q, n_k, looks, seed):
    q, k, v = draw(n_q, n_k, 2, 1, seed=seed)
    out, lse = flash_attention(q, k, v, return_lse=True, **looks)
    right, right_lse = tiled(q.double(), k.double(), v.double(), return_lse=True, **looks)
    torch.testing.assert_close(out.double(), right, atol=4e-3, rtol=4e-3)
    torch.testing.assert_close(lse.double(), right_lse, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("scale", [0.0, -0.5, 3.0, 1e-6])
def test_scales(scale):
    q, k, v = draw(40, 140)
    check(q, k, v, scale=None)
    out, lse = flash_attention(q, k, v, scale=scale, causal=True, return_lse=True)
    pairs = allowed_pairs(40, 140, causal=True)
    want, want_lse = attention_reference(*(x.double().cpu() for x in (q, k, v)), pairs, 0.0, scale)
    np.testing.assert_allclose(out.double().cpu(), want, atol=4e-3)
    np.testing.assert_allclose(lse.cpu(), want_lse, atol=1e-4)


@pytest.mark.parametrize("looks", LOOKS[:4], ids=str)
def test_the_gradient_of_the_log_sum_exp(looks):
    dtype = DTYPES[0]
    q, k, v = draw(60, 70, 2, 1, dtype=dtype)

    def pull(run, *leaves):
        out, lse = run(*leaves, return_lse=True, **looks)
        lse = torch.where(torch.isfinite(lse), lse, 0.0)
        return torch.autograd.grad((out * 0.3).sum() + (lse**2).sum(), leaves)

    ours = pull(flash_attention, *(x.clone().requires_grad_() for x in (q, k, v)))
    want = pull(attention, *(x.double().requires_grad_() for x in (q, k, v)))
    for one, other in zip(ours, want, strict=True):
        size = other.abs().max()
        assert (one.double() - other).abs().max() <= 8 * torch.finfo(dtype).eps * size


@pytest.mark.parametrize(("n_q", "n_k"), [(0, 5), (5, 0), (0, 0)])
def test_no_queries_or_no_keys(n_q, n_k):
    q, k, v = (x.requires_grad_() for x in draw(n_q, n_k))
    out, lse = flash_attention(q, k, v, return_lse=True)
    assert out.shape == (1, 2, n_q, 16) and (out == 0).all()
    assert lse.shape == (1, 2, n_q) and (lse == -torch.inf).all()
    for leaf, gradient in zip((q, k, v), torch.autograd.grad(out.sum(), (q, k, v)), strict=True):
        assert gradient.shape == leaf.shape and (gradient == 0).all()


def test_a_row_with_nothing_to_attend_to_gives_0_and_no_gradient():
    q, k, v = (x.requires_grad_() for x in draw(150, 20))
    out, lse = flash_attention(q, k, v, causal=True, return_lse=True)  # 130 queries see nothing
    assert (out[:, :, :130] == 0).all() and (lse[:, :, :130] == -torch.inf).all()
    assert torch.isfinite(lse[:, :, 130:]).all()
    gradients = torch.autograd.grad(out.sum(), (q, k, v))
    assert all(torch.isfinite(x).all() for x in gradients)
    assert (gradients[0][:, :, :130] == 0).all()


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # NumPy's, when interpreted
@pytest.mark.parametrize("poison", [torch.nan, torch.inf])
@pytest.mark.parametrize("where", ["key", "value"])
def test_what_lies_behind_the_mask_reaches_nothing(poison, where):
    q, k, v = draw(40, 180, 4, 2)  # queries stand at 140 and after, and look back by 2
    dirty_k, dirty_v = k.clone(), v.clone()
    (dirty_k if where == "key" else dirty_v)[:, :, 100:138] = poison  # in tiles that are read, too
    results = []
    for keys, values in ((k, v), (dirty_k, dirty_v)):
        leaves = [x.clone().requires_grad_() for x in (q, keys, values)]
        out = flash_attention(*leaves, window=(2, 0))
        results.append([out, *torch.autograd.grad(out.sum(), leaves)])
    for clean, dirty in zip(*results, strict=True):
        torch.testing.assert_close(clean, dirty, atol=0, rtol=0)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # NumPy's, when interpreted
@pytest.mark.parametrize("poison", [torch.nan, torch.inf])
@pytest.mark.parametrize("where", ["key", "value"])
def test_a_nan_is_seen_by_those_who_may_see_it_alone(poison, where):
    q, k, v = draw(150, 150, 4, 2)
    clean = flash_attention(q, k, v, causal=True)
    (k if where == "key" else v)[:, :, 75] = poison
    out = flash_attention(q, k, v, causal=True)
    torch.testing.assert_close(out[:, :, :75], clean[:, :, :75], atol=0, rtol=0)
    assert not torch.isfinite(out[:, :, 75:]).any()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_values_of_one_give_one(dtype):
    q, k, v = draw(140, 300, 4, 2, dtype=dtype)
    for factor in (0.0, 1.0, 5.0):
        out = flash_attention(q * factor, k, torch.ones_like(v), causal=True)
        last = torch.finfo(dtype).eps * (1 if dtype.itemsize == 2 else 8)
        assert (out.double() - 1).abs().max() <= last


def test_large_logits_stay_finite():
    q, k, v = draw(140, 150)
    out, lse = flash_attention(20 * q, 20 * k, v, causal=True, return_lse=True)
    assert torch.isfinite(out).all() and torch.isfinite(lse).all()
    wide = (20 * q).double(), (20 * k).double(), v.double()
    torch.testing.assert_close(out.double(), attention(*wide, causal=True), atol=8e-3, rtol=8e-3)


def test_the_size_of_a_tile_changes_nothing(monkeypatch):
    q, k, v = draw(200, 150, 4, 2, 64, 64)
    results = []
    for table in (flash_triton.LARGE, flash_triton.SMALL):
        monkeypatch.setattr(flash_triton, "tiles_for", lambda q, v, table=table: table[64])
        leaves = [x.clone().requires_grad_() for x in (q, k, v)]
        out, lse = flash_attention(*leaves, causal=True, return_lse=True)
        results.append((out, lse, *torch.autograd.grad(out.square().sum(), leaves)))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, atol=5e-3, rtol=5e-3)


def test_tiles_of_the_kernels_fit_together():
    for table in (flash_triton.LARGE, flash_triton.SMALL):
        assert list(table) == [64, 128, 256]
        for forward, for_queries, for_keys in table.values():
            assert 128 % forward.queries == 128 % for_queries.queries == 0
            assert for_queries.queries % for_keys.queries == 0


def test_strided_equals_contiguous_and_nothing_is_written_to():
    q, k, v = draw(70, 80, 4, 2)
    views = [
        lambda x: x.transpose(1, 2).contiguous().transpose(1, 2),  # heads inside of tokens
        lambda x: torch.stack([x, x], -1)[..., 0],  # numbers of a row apart
        lambda x: torch.nn.functional.pad(x, (1, 6))[..., 1:-6],  # rows off the 16-byte grid
        lambda x: x[:, :1].expand_as(x),  # no stride at all
    ]
    for view in views:
        strided = [view(x) for x in (q, k, v)]
        before = [x.clone() for x in strided]
        want = flash_attention(*before, causal=True)
        assert torch.equal(flash_attention(*strided, causal=True), want)
        for x, y in zip(strided, before, strict=True):
            assert torch.equal(x, y)


def test_heads_innermost_and_a_width_that_has_to_be_filled_up():
    made = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 1, 40, 20, 4, generator=made).to(DEVICE, HALF).permute(0, 1, 4, 2, 3)
    assert q.stride(1) == 1  # as after a convolution in channels-last layout
    check(q, k, v, causal=True)


@pytest.mark.parametrize("view", [lambda x: x[..., 1:], lambda x: x[:, :1].expand(-1, 3, -1, -1)])
def test_the_operators_take_tensors_that_lie_anyhow(view):
    q, k, v = (view(x) for x in draw(30, 30, 3, 3, 17, 17))
    if q.shape[-1] == 17:
        q, k, v = (x[..., :16] for x in (q, k, v))
    out, lse = flash_triton.flash_forward(q, k, v, 30, 30, 0.25)
    d_out, d_lse = torch.ones_like(out[..., :1]).expand_as(out), torch.zeros_like(lse)
    ours = flash_triton.flash_backward(d_out, d_lse, q, k, v, out, lse, 30, 30, 0.25)
    leaves = [x.double().clone().requires_grad_() for x in (q, k, v)]
    want = attention(*leaves, scale=0.25)
    torch.testing.assert_close(out.double(), want, atol=4e-3, rtol=4e-3)
    for one, other in zip(ours, torch.autograd.grad(want.sum(), leaves), strict=True):
        torch.testing.assert_close(one.double(), other, atol=8e-3, rtol=8e-3)


def test_what_lies_well_is_not_copied():
    q, _, _ = draw(30, 30, 4, 2, 64, 64)
    for x in (q, q.transpose(1, 2), q[:, :, 3:], q[..., :32]):
        assert flash_triton.padded(x) is x
        assert flash_triton.aligned(x)[0] is x


def test_what_does_not_lie_well_is_copied():
    q, _, _ = draw(30, 30, 4, 2, 64, 64)
    for x in (q[:, :1].expand_as(q), q[..., 1:9], q[..., ::2], q.mT[..., :24]):
        (copy,) = flash_triton.aligned(x)
        *strides, last = copy.stride()
        assert torch.equal(copy, x) and copy.storage_offset() == 0
        assert last == 1 and all(s > 0 and s % 8 == 0 for s in strides)


def test_the_same_bits_each_time():
    leaves = [x.requires_grad_() for x in draw(300, 300, 4, 2)]
    runs = [torch.autograd.grad(flash_attention(*leaves).sum(), leaves) for _ in range(2)]
    assert all(torch.equal(one, other) for one, other in zip(*runs, strict=True))


def test_pytorch_knows_the_operators():
    q, k, v = draw(20, 30, 2, 1)
    leaves = [x.requires_grad_() for x in (q, k, v)]
    torch.library.opcheck(flash_triton.flash_forward, (*leaves, 50, 0, 0.25), atol=1e-3, rtol=1e-3)
    out, lse = flash_triton.flash_forward(q, k, v, 50, 0, 0.25)
    saved = [x.detach() for x in (out, lse, q, k, v, out, lse)]
    torch.library.opcheck(flash_triton.flash_backward, (*saved, 50, 0, 0.25), atol=1e-3, rtol=1e-3)


def test_torch_compile_takes_it_whole():
    leaves = [x.requires_grad_() for x in draw(40, 50, 2, 1, 20, 20)]
    compiled = torch.compile(flash_attention, backend="aot_eager", fullgraph=True)
    for run in (compiled, flash_attention):
        out = run(*leaves, causal=True)
        gradients = torch.autograd.grad(out.sum(), leaves)
        want = attention(*(x.detach().double() for x in leaves), causal=True)
        torch.testing.assert_close(out.double(), want, atol=4e-3, rtol=4e-3)
        assert all(x.shape == y.shape for x, y in zip(gradients, leaves, strict=True))


def test_errors(monkeypatch):
    q, k, v = draw(5, 9, 4, 2)
    with pytest.raises(TypeError, match=r"torch\.float64; the GPU kernel takes float16 and bfloat"):
        flash_attention(q.double(), k.double(), v.double())
    with pytest.raises(ValueError, match=r"d_k is 257 and d_v is 16; .* widths up to 256"):
        flash_attention(*draw(5, 9, 2, 2, d_k=257))
    with pytest.raises(ValueError, match=r"2147483648, 1\), k .* below 2\^31"):
        flash_attention(q[:1, :1, :1, :1].expand(1, 1, 2**31, 1), k[:, :1, :, :1], v[:, :1])
    with pytest.raises(ValueError, match="3 query heads cannot share 2"):
        flash_attention(q[:, :3], k, v)
    with pytest.raises(ValueError, match=r"scale must be .*finite; got nan"):
        flash_attention(q, k, v, scale=float("nan"))
    with pytest.raises(TypeError, match="causal must be True or False"):
        flash_attention(q, k, v, causal=1)
    with pytest.raises(TypeError, match="window must be a pair"):
        flash_attention(q, k, v, window=3)
    monkeypatch.setattr(flash_triton, "INTERPRETED", False)
    with pytest.raises(
        ValueError, match=r"on cpu; the GPU kernel needs them on a GPU: \.to\('cuda"
    ):
        flash_attention(q.cpu(), k.cpu(), v.cpu())


def test_without_triton_it_says_what_to_install():
    program = "import sys; sys.modules['triton'] = None; import attnbook.flash_triton"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stderr.strip().splitlines()[-1] == (
        "ImportError: the GPU kernels of attnbook need Triton 3.6 or newer: "
        "pip install 'attnbook[gpu]'"
    )


class OnGPU:
    """As much of a tensor as is needed to choose a kernel."""

    def __init__(self, width=64, dtype=torch.bfloat16, is_cuda=True):
        self.shape, self.dtype, self.is_cuda = (1, 1, 1, width), dtype, is_cuda


def test_tensors_on_a_gpu_go_to_the_kernel(monkeypatch):
    assert flash._gpu_kernel(OnGPU(), OnGPU(256)) is flash_attention
    assert flash._gpu_kernel(OnGPU(dtype=HALF), OnGPU()) is flash_attention
    assert flash._gpu_kernel(OnGPU(is_cuda=False), OnGPU()) is None
    assert flash._gpu_kernel(OnGPU(dtype=torch.float32), OnGPU()) is None
    assert flash._gpu_kernel(OnGPU(), OnGPU(257)) is None
    assert flash._gpu_kernel(OnGPU(257), OnGPU()) is None
    monkeypatch.setitem(sys.modules, "attnbook.flash_triton", None)
    assert flash._gpu_kernel(OnGPU(), OnGPU()) is None


@pytest.mark.parametrize("looks", [*LOOKS, {"mask": True}, {"bias": True}], ids=str)
def test_the_tiled_function_hands_its_arguments_on(monkeypatch, looks):
    q, k, v = draw(40, 70, 2, 1)
    calls = []

    def kernel(*args, **options):
        calls.append(options)
        return flash_attention(*args, **options)

    monkeypatch.setattr(flash, "_gpu_kernel", lambda *asked: kernel if asked == (q, v) else None)
    extra = {name: torch.ones(40, 70, device=DEVICE) for name in looks if name in ("mask", "bias")}
    if "mask" in extra:
        extra["mask"] = extra["mask"].bool()
    looks = {**looks, **extra}
    for return_lse in (False, True):
        ours = tiled(q, k, v, scale=0.3, return_lse=return_lse, **looks)
        want = attention(*(x.double() for x in (q, k, v)), scale=0.3, return_lse=True, **looks)
        for one, other in zip(ours if return_lse else (ours,), want, strict=False):
            torch.testing.assert_close(one.double(), other, atol=4e-3, rtol=4e-3)
    assert len(calls) == (0 if extra else 2)
