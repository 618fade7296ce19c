"""The ways to compute attention on a GPU that `flash_gpu.py` times, and the check of each.

Each contender takes (q, k, v, causal), does what it does once (compiling, block masks), and returns
a function without arguments that computes the output. PyTorch's backends are forced, so that a
number can come from no other kernel than the one named.
"""

import math
from functools import partial

import torch
import torch._dynamo
import torch._functorch.config
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.nn.functional import scaled_dot_product_attention

MATMUL = 8192
COPY = 2**30  # bytes


def attnbook(q, k, v, causal):
    """This book's kernel; on a CPU its plain form, for the tests of this benchmark."""
    if q.is_cuda:
        from attnbook.flash_triton import flash_attention
    else:
        from attnbook.flash import flash_attention
    return partial(flash_attention, q, k, v, causal=causal)


def sdpa(backend, q, k, v, causal):
    """One backend of PyTorch's own function, and no other."""

    def run():
        with sdpa_kernel(backend):
            return scaled_dot_product_attention(q, k, v, is_causal=causal)

    return run


def flex(q, k, v, causal):
    """flex_attention, compiled for this very shape."""
    torch._dynamo.reset()  # or the ninth shape would no longer be compiled
    torch._functorch.config.donated_buffer = False  # backward runs more than once on one graph
    blocks = None
    if causal:
        n = q.shape[2]
        blocks = create_block_mask(below_diagonal, None, None, n, n, device=q.device)
    compiled = torch.compile(flex_attention, dynamic=False, fullgraph=True)
    return partial(compiled, q, k, v, block_mask=blocks)


def below_diagonal(batch, head, query, key):
    """The causal rule, as flex_attention takes it."""
    return query >= key


CONTENDERS = {
    "attnbook": attnbook,
    "fa2": partial(sdpa, SDPBackend.FLASH_ATTENTION),
    "cudnn": partial(sdpa, SDPBackend.CUDNN_ATTENTION),
    "flex": flex,
}


def draw(batch, heads, n, width, device, dtype):
    """q, k, v and the gradient of the output, seeded."""
    made = torch.Generator(device).manual_seed(0)
    shape = (batch, heads, n, width)
    x = [torch.randn(shape, generator=made, device=device, dtype=dtype) for _ in range(4)]
    return [t.requires_grad_() for t in x[:3]], x[3]


def plain(leaves, d_out, causal, dtype):
    """Output and gradients of attention written out, in this dtype: out, dq, dk, dv."""
    q, k, v = (x.detach().to(dtype).requires_grad_() for x in leaves)
    s = q @ k.mT / math.sqrt(q.shape[-1])
    if causal:
        n = s.shape[-1]
        s = s.masked_fill(torch.ones(n, n, dtype=torch.bool, device=s.device).triu(1), -math.inf)
    out = torch.softmax(s, -1) @ v
    return out.detach(), *torch.autograd.grad(out, (q, k, v), d_out.to(dtype))


def corners(x):
    """The first head of the first sequence and the last of the last: attention mixes no heads."""
    return x[:1, :1], x[-1:, -1:]


class Oracle:
    """How wrong an answer is, in parts of what is allowed. Above 1 it is wrong.

    Allowed is twice the error of attention written out in the same dtype, and a unit in the last
    place of the largest entry, against float64. Two heads are compared, so that it all fits.
    """

    def __init__(self, leaves, d_out, causal):
        self.true, self.allowed = [], []
        for q, k, v, pull in zip(*map(corners, (*leaves, d_out)), strict=True):
            true = plain((q, k, v), pull, causal, torch.float64)
            rough = plain((q, k, v), pull, causal, d_out.dtype)
            eps = torch.finfo(d_out.dtype).eps
            self.true.append(true)
            self.allowed.append(
                [
                    (2 * (r - t).abs().max() + eps * t.abs().max()).item()
                    for r, t in zip(rough, true, strict=True)
                ]
            )

    def check(self, which, x):
        """``which``: 0 for the output, 1, 2, 3 for dq, dk, dv."""
        return max(
            ((part.detach() - true[which]).abs().max() / allowed[which]).item()
            for part, true, allowed in zip(corners(x), self.true, self.allowed, strict=True)
        )


def matmul_tflops(timer, device, dtype):
    """Speed of a product of two square matrices of random numbers: what the roof is made of."""
    a, b = torch.randn(2, MATMUL, MATMUL, device=device, dtype=dtype)
    return 2 * MATMUL**3 / timer(lambda: a @ b) / 1e9


def copy_gb_s(timer, device):
    """Bytes read and written by second in a copy on the device, in GB/s."""
    source = torch.randint(0, 256, (COPY,), device=device, dtype=torch.uint8)
    target = torch.empty_like(source)
    return 2 * COPY / timer(lambda: target.copy_(source)) / 1e6


def about():
    """The GPU and what runs it."""
    return {
        "gpu": torch.cuda.get_device_name(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "capability": list(torch.cuda.get_device_capability()),
    }
