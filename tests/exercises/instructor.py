"""What the tests of grading share: the instructor's Python, and whether grading can be tested.

Importing this skips a test file where nbgrader or a working bubblewrap is missing. In CI, where
both are installed, a missing one fails instead.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from grading import sandbox

ROOT = Path(__file__).resolve().parents[2]
PYTHON = Path(sys.prefix, "instructor", "bin", "python")


def give_up(reason, installed):
    """Skip the file; in CI fail, unless this machine forbids what is installed."""
    if os.environ.get("CI") and not installed:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason, allow_module_level=True)


def check_machine():
    if not PYTHON.exists():
        give_up("grading needs nbgrader: run `make instructor`", installed=False)
    try:
        sandbox.require()
    except sandbox.SandboxError as error:
        give_up(f"grading needs a sandbox: {error}", installed="not installed" not in str(error))


def run(script, *arguments, **environment):
    """Run one of the two commands as `make` does."""
    command = [str(PYTHON), str(ROOT / "scripts" / script), *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, env=os.environ | environment, timeout=500
    )


check_machine()
