"""Change one file of the library in many small ways; say which changes no test notices.

    python scripts/mutants.py attnbook/online.py [tests/library/test_online.py ...]

Without tests, those named after the file are run (tests/library/test_<name>.py). Works on a copy
of the tree, in a temporary folder. Needs mutmut, which nothing else here needs: pip install
"mutmut>=3.8". A survivor is either a test that is missing or a change that changes nothing.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = """
[tool.mutmut]
source_paths = ["attnbook"]
only_mutate = [{file!r}]
also_copy = ["conftest.py", "attnbook", "benchmarks"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "-q", "-x"]
pytest_add_cli_args_test_selection = {tests!r}
process_isolation = "forkserver"
"""


def mutmut(folder: Path, *words: str) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        [sys.executable, "-m", "mutmut", *words],
        cwd=folder,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    return result.stdout + result.stderr


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", help="a file of attnbook")
    parser.add_argument("tests", nargs="*", help="test files that guard it")
    parser.add_argument("--processes", type=int, default=1)
    wanted = parser.parse_args()
    tests = wanted.tests or [f"tests/library/test_{Path(wanted.file).stem.lstrip('_')}.py"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "tree"
        shutil.copytree(
            ROOT, folder, ignore=shutil.ignore_patterns(".*", "_build", "__pycache__", "*.egg-info")
        )
        with (folder / "pyproject.toml").open("a") as settings:
            settings.write(SETTINGS.format(file=wanted.file, tests=tests))
        said = mutmut(folder, "run", "--max-children", str(wanted.processes))
        states = re.findall(
            r"^\s*(\S+__mutmut_\d+): (.+)$", mutmut(folder, "results", "--all", "true"), re.M
        )
        if not states:
            sys.exit(f"mutmut made no mutants:\n{said[-3000:]}")
        alive = [name for name, state in states if state not in ("killed", "timeout")]
        for name in alive:
            lines = mutmut(folder, "show", name).splitlines()
            print(
                name, *[line for line in lines if re.match(r"[-+]\s", line)], sep="\n", end="\n\n"
            )
    print(f"{wanted.file}: {len(states) - len(alive)} of {len(states)} mutants noticed")


if __name__ == "__main__":
    main()
