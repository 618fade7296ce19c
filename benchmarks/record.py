"""Where a benchmark ran, and how its numbers are kept: machine, versions and date in each file."""

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def processor() -> str:
    """The processor's name as the system gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def browser_version(path: str) -> str:
    """What the browser says of its version."""
    said = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
    return said.strip().split(" built")[0]


def save(name: str, rows: list[dict], *, packages: list[str], **more) -> Path:
    """Write ``results/<name>.json`` with the machine, the versions and the date."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    about = {
        "date": datetime.date.today().isoformat(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(aliased=True, terse=True),
        "python": platform.python_version(),
        "packages": {p: importlib.metadata.version(p) for p in packages},
        **more,
    }
    path.write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n", "utf-8")
    return path
