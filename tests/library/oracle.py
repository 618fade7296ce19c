"""What every drop-in version of attention is held against, beside the float64 reference."""

import torch


def naive(q, k, v, mask):
    """What one writes first, every step in the dtype of the inputs."""
    s = (q @ k.mT) / q.shape[-1] ** 0.5
    return torch.softmax(s.masked_fill(~mask, -torch.inf), dim=-1) @ v


def check_rule(out, plain, exact):
    """FlashAttention's rule: at most twice the error of the naive computation, plus a rounding."""
    eps = torch.finfo(out.dtype).eps
    error, allowed = (out.double() - exact).abs(), (plain.double() - exact).abs()
    assert error.max() <= 2 * allowed.max() + eps * exact.abs().max()
    assert error.mean() <= 2 * allowed.mean() + eps * exact.abs().mean()
