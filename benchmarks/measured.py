"""Results as Markdown: what the README and the chapters print comes from here, and so from files.

Needs neither attnbook nor PyTorch, so that a page can print a GPU's numbers on a machine without
one. A notebook in chapters/<part>/ reaches it so:

    import sys
    sys.path.append("../../benchmarks")
    import measured

    result = measured.load("flash")
"""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
COMMANDS = {"flash_gpu": "make bench-gpu"}
GAP = "\N{NO-BREAK SPACE}"
NAMES = {
    "attnbook": "this book",
    "fa2": "FlashAttention-2",
    "cudnn": "cuDNN",
    "flex": "flex_attention",
}


class NotMeasured(LookupError):
    """There is no file of results yet; the message says which command makes it."""


def load(name: str) -> dict:
    """``{"about": machine, versions, date and more, "rows": [...]}`` of one benchmark."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        command = COMMANDS.get(name, f"make bench BENCHMARKS={name}")
        raise NotMeasured(f"not measured yet; `{command}` measures it.")
    return json.loads(path.read_text("utf-8"))


def table(rows: list[dict], columns: dict) -> str:
    """Rows as Markdown. ``columns`` maps each heading to a function from a row to its text."""
    lines = [list(columns), ["--:"] * len(columns)]
    lines += [[str(cell(row)) for cell in columns.values()] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine(about: dict) -> str:
    """One sentence: what was measured on, with which versions, when."""
    versions = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    threads = about.get("threads")
    plural = "" if threads == 1 else "s"
    where = about.get("gpu") or f"{about['processor']}, {threads} thread{plural}"
    return f"Measured on {where}, with {versions}, on {about['date']}."


def time(ms: float) -> str:
    """Milliseconds with three digits; a number is not parted from its unit."""
    return f"{ms:.3g}{GAP}ms" if ms < 1000 else f"{ms / 1000:.3g}{GAP}s"


def size(mib: float | None) -> str:
    """MiB as MiB or GiB; what did not fit in memory is a dash."""
    if mib is None:
        return "–"
    return f"{mib:.0f}{GAP}MiB" if mib < 1024 else f"{mib / 1024:.1f}{GAP}GiB"


def flash_cpu(result: dict, kind: str = "forward") -> str:
    """Tiled attention beside `scaled_dot_product_attention` and naive attention, on a CPU.

    ``kind`` is "forward", or "both" for forward and backward together.
    """

    def one(key, how):
        return lambda row: "–" if row[key] is None else how(row[key])

    columns = {"N": lambda row: row["tokens"]}
    names = {"tiled": "tiled", "sdpa": "PyTorch's", "naive": "naive"}
    columns |= {head: one(f"{kind}_{name}_ms", time) for name, head in names.items()}
    columns["tiled / PyTorch's"] = one(f"{kind}_tiled_over_sdpa", "{:.2f}".format)
    columns["naive / tiled"] = one(f"{kind}_naive_over_tiled", "{:.2f}".format)
    for name, head in names.items():
        columns[f"memory: {head}"] = one(f"{kind}_{name}_mib", size)
    return table(result["rows"], columns)


def disturbed(result: dict, kind: str = "forward") -> str:
    """A warning, if other processes took more than a tenth of a processor while this was timed."""
    most = max(row[f"{kind}_others"] for row in result["rows"])
    if most < 0.1:
        return ""
    return f" Other programs took up to {most:.1f} processors meanwhile: take the times as rough."


def flash_gpu(result: dict, lengths: tuple | None = None) -> str:
    """This book's kernel beside PyTorch's backends: TFLOP/s and ratios; forward, then backward.

    ``lengths`` chooses rows; without it, all. A dash is something that was not there; an asterisk
    marks a speed whose results were further from float64 than the tests of this book allow.
    """
    rows = [row for row in result["rows"] if lengths is None or row["tokens"] in lengths]

    def speed(name):
        def cell(row):
            if row[f"{name}_tflops"] is None:
                return "–"
            return f"{row[f'{name}_tflops']:.0f}" + (r" \*" if name in row["wrong"] else "")

        return cell

    def ratio(name):
        return lambda row: "–" if row[f"over_{name}"] is None else f"{row[f'over_{name}']:.2f}"

    columns = {
        "pass": lambda row: row["direction"],
        "d": lambda row: row["width"],
        "mask": lambda row: "causal" if row["causal"] else "full",
        "N": lambda row: row["tokens"],
    }
    columns |= {f"{head}, TFLOP/s": speed(name) for name, head in NAMES.items()}
    columns |= {f"this book / {NAMES[name]}": ratio(name) for name in ("fa2", "cudnn")}
    return table(rows, columns)


def missing(result: dict) -> list[str]:
    """Which contender was not there on the GPU, where, and why: a line for each reason."""
    places = {}
    for row in result["rows"]:
        for name, why in row["missing"].items():
            places.setdefault((name, why), []).append(row)
    lines = [
        f"{NAMES[name]} is missing in {len(rows)} of {len(result['rows'])} rows: {why}"
        for (name, why), rows in places.items()
    ]
    return lines + [
        f"N {case['tokens']}, d {case['width']}, {'causal' if case['causal'] else 'full'}: "
        f"left out, {case['why']}"
        for case in result["about"]["left_out"]
    ]


def speed() -> str:
    """What the README says of speed: the CPU's table, and the GPU's, or that there is none yet."""
    cpu = load("flash")
    parts = [machine(cpu["about"]) + disturbed(cpu), flash_cpu(cpu)]
    try:
        gpu = load("flash_gpu")
        parts += [machine(gpu["about"]), flash_gpu(gpu, lengths=(4096, 16384))]
    except NotMeasured as why:
        parts.append(f"The kernel for a GPU is {why}")
    return "\n\n".join(parts)


def write_readme(mark: str, text: str, path: Path = ROOT / "README.md") -> None:
    """Put text into the README, between ``<!-- mark -->`` and ``<!-- end of mark -->``."""
    before, _, after = readme_part(mark, path)
    path.write_text(f"{before}<!-- {mark} -->\n{text}\n<!-- end of {mark} -->{after}", "utf-8")


def readme_part(mark: str, path: Path = ROOT / "README.md") -> tuple[str, str, str]:
    """What stands before the two marks, between them, and after them."""
    before, found, rest = path.read_text("utf-8").partition(f"<!-- {mark} -->\n")
    inside, end, after = rest.partition(f"\n<!-- end of {mark} -->")
    if not (found and end):
        raise ValueError(f"{path.name} has no marks <!-- {mark} --> and <!-- end of {mark} -->")
    return before, inside, after
