"""The import of Triton, for all modules that need it."""

try:
    import triton
    import triton.language as tl
    from triton.tools.tensor_descriptor import TensorDescriptor
except ImportError:
    raise ImportError(
        "the GPU kernels of attnbook need Triton 3.6 or newer: pip install 'attnbook[gpu]'"
    ) from None

__all__ = ["TensorDescriptor", "tl", "triton"]
