"""Compile the GPU kernels of flash attention for chips that need not be there; print what came out.

Run as a program of its own, since Triton either compiles or interprets. Writes one JSON object for
each kernel, width and use: registers, bytes spilled, shared memory, and which instructions occur.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from attnbook import flash_kernels, flash_triton

KERNELS = {
    "forward": flash_kernels.forward,
    "backward_queries": flash_kernels.backward_queries,
    "backward_keys": flash_kernels.backward_keys,
}
# What a launch finds out about its arguments: lengths that are multiples of 16, heads of their own.
PLAIN = {"lengths": 1, "group": None}
USUAL = {"lengths": 16, "group": 1}


def kind_of(name, tiles, d):
    """Return Triton's type of an argument."""
    if name.isupper():
        return "constexpr"
    if name in ("lse", "d_lse", "log_sums", "deltas"):
        return "*fp32"
    if name in ("scale", "score_scale"):
        return "fp32"
    if name.removeprefix("d_") in ("queries", "outputs"):
        return f"tensordesc<bf16[1,1,{tiles.queries},{d}]>"
    if name.removeprefix("d_") in ("keys", "values"):
        return f"tensordesc<bf16[1,1,{tiles.keys},{d}]>"
    return "i32"


def compile_kernel(name, d, tiles, masked, use, capability):
    """Return the compiled kernel."""
    kernel = KERNELS[name]
    signature = {argument: kind_of(argument, tiles, d) for argument in kernel.arg_names}
    flag = "MASKED" if "MASKED" in signature else "LEFT"
    constants = {flag: masked, "TILE_Q": tiles.queries, "TILE_K": tiles.keys, "D_K": d, "D_V": d}
    if use["group"] is not None:
        constants["group"], signature["group"] = use["group"], "constexpr"
    divisible = ("n_q", "n_k", "n_padded") if use["lengths"] == 16 else ()
    attributes = {
        (place,): [["tt.divisibility", 16]]
        for place, (argument, kind) in enumerate(signature.items())
        if kind == "*fp32" or argument in divisible
    }
    source = ASTSource(kernel, signature, constexprs=constants, attrs=attributes)
    options = {"num_warps": tiles.num_warps, "num_stages": tiles.num_stages}
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)


def report(compiled):
    """Return what the machine code needs and which instructions it has."""
    with tempfile.TemporaryDirectory() as folder:
        cubin = Path(folder, "kernel.cubin")
        cubin.write_bytes(compiled.asm["cubin"])
        listing = [triton.knobs.nvidia.cuobjdump.path, "--dump-resource-usage", cubin]
        usage = subprocess.run(listing, capture_output=True, text=True, check=True).stdout
    registers, stack = re.search(r"REG:(\d+) STACK:(\d+)", usage).groups()
    ptx = compiled.asm["ptx"]
    return {
        "registers": int(registers),
        "spilled": int(stack),
        "shared": compiled.metadata.shared,
        "wgmma": "wgmma.mma_async" in ptx,
        "copy engine": "cp.async.bulk.tensor" in ptx,
        "atomics": bool(re.search(r"\b(atom|red)\.", ptx)),
    }


def cases(target):
    """Yield width, whether there is a mask, and use: all for `hopper`, the largest for `small`."""
    for d in (16, 32, 64, 128, 256):
        for masked in (False, True):
            for use in (PLAIN, USUAL):
                largest = masked and use is PLAIN
                if largest or (target == "hopper" and d >= 64):
                    yield d, masked, use


def main():
    """Print a line for each case: `hopper` compiles for sm_90, `small` other tiles for sm_89."""
    target = sys.argv[1]
    table, capability = {
        "hopper": (flash_triton.LARGE, 90),
        "small": (flash_triton.SMALL, 89),
    }[target]
    for d, masked, use in cases(target):
        for name, tiles in zip(KERNELS, table[max(64, d)], strict=True):
            compiled = compile_kernel(name, d, tiles, masked, use, capability)
            case = {"kernel": name, "d": d, "masked": masked, "usual": use is USUAL}
            print(json.dumps(case | report(compiled)), flush=True)


if __name__ == "__main__":
    main()
