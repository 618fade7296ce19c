"""What the PyTorch modules share: the import itself, and the checks of tensors (B, H, N, D)."""

from math import sqrt

from ._arrays import check_broadcast, check_number

try:
    import torch
except ImportError:
    raise ImportError(
        "this part of attnbook needs PyTorch: pip install 'attnbook[torch]'"
    ) from None

__all__ = [
    "check_bias",
    "check_mask",
    "check_qkv",
    "check_sequence",
    "check_tensors",
    "scale_of",
    "sums_dtype",
    "torch",
]


def check_tensors(**tensors):
    """Check for floating PyTorch tensors of one dtype on one device; None was not given."""
    tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    for name, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(
                f"{name} is a {type(tensor).__name__}, not a PyTorch tensor; "
                "torch.as_tensor(...) makes one"
            )
        if not tensor.is_floating_point():
            raise TypeError(
                f"{name} has dtype {tensor.dtype}; it must be floating point: convert it first"
            )
    for what in ("dtype", "device"):
        kinds = {str(getattr(tensor, what)) for tensor in tensors.values()}
        if len(kinds) > 1:
            came = ", ".join(f"{name} {getattr(t, what)}" for name, t in tensors.items())
            raise TypeError(f"the tensors must share one {what}; got {came}")


def check_qkv(q, k, v):
    """Check q (B, H, n_q, d_k), k (B, H_kv, n_k, d_k) and v (B, H_kv, n_k, d_v)."""
    check_tensors(q=q, k=k, v=v)
    came = f"q {tuple(q.shape)}, k {tuple(k.shape)}, v {tuple(v.shape)}"
    if not q.ndim == k.ndim == v.ndim == 4:
        raise ValueError(f"q, k and v must have four axes, (B, H, N, D); got {came}")
    if k.shape[:3] != v.shape[:3] or q.shape[0] != k.shape[0]:
        raise ValueError(
            f"k and v must be (B, H_kv, n_k, d_k) and (B, H_kv, n_k, d_v), and q have the same B; "
            f"got {came}"
        )
    if q.shape[-1] != k.shape[-1] or q.shape[-1] == 0:
        raise ValueError(f"q and k must have the same width d_k >= 1; got {came}")
    h_q, h_kv = q.shape[1], k.shape[1]
    if h_kv == 0 or h_q % h_kv:
        raise ValueError(
            f"{h_q} query heads cannot share {h_kv} key/value heads evenly; the first number "
            f"must be a multiple of the second (shapes: {came})"
        )


def check_sequence(name, x, width, weight):
    """Check the input of a layer, (B, n, width), of the dtype and on the device of its weights."""
    check_tensors(**{name: x, "the weights": weight})
    if x.ndim != 3 or x.shape[-1] != width:
        raise ValueError(f"{name} has shape {tuple(x.shape)}; it must be (B, n, {width})")


def check_mask(mask, shape):
    """Check for a boolean tensor, True = may attend, that broadcasts to ``shape``."""
    if not isinstance(mask, torch.Tensor) or mask.dtype != torch.bool:
        kind = mask.dtype if isinstance(mask, torch.Tensor) else type(mask).__name__
        raise TypeError(
            f"mask is {kind}; it must be a bool tensor, True = may attend "
            "(numbers that are added to the scores are a bias, not a mask)"
        )
    check_broadcast("mask", mask, shape)


def check_bias(bias, shape):
    """Check for a floating tensor that broadcasts to ``shape``."""
    check_tensors(bias=bias)
    check_broadcast("bias", bias, shape)


def scale_of(scale, d_k):
    """Return the scale as a float: 1/√d_k if none is given."""
    return 1 / sqrt(d_k) if scale is None else check_number("scale", scale)


def sums_dtype(dtype):
    """Return the dtype in which sums are safe: float32, or float64 for float64."""
    return torch.promote_types(dtype, torch.float32)
