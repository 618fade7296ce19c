"""Build the site in _build/html; with --where, only say where it is.

A warning is a failure. Every page is built anew each time: Sphinx repeats no warning for a page
that it kept from an earlier build, so a kept page could hide one.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INDEX = ROOT / "_build" / "html" / "index.html"
BUILT = ROOT / "_build" / ".built"  # exists only after a build without a warning


def build() -> int:
    """Run Jupyter Book; return its exit status."""
    BUILT.unlink(missing_ok=True)
    jupyter_book = "from jupyter_book.cli.main import main; main()"
    options = ["build", ".", "--all", "-W", "-n", "--keep-going", "--quiet"]
    print("Building the site.", flush=True)
    # Warnings and errors come on stderr; what comes on stdout says where the site is, as we do.
    command = [sys.executable, "-c", jupyter_book, *options]
    status = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode
    if status == 0 and INDEX.exists():
        BUILT.touch()
        return 0
    print("The build failed, or gave a warning, which counts as one: see above.", file=sys.stderr)
    return status or 1


def where() -> None:
    """Say where the site is and how to read it."""
    print(f"The site is {INDEX.relative_to(ROOT)}; open it in a browser:")
    print(f"  {INDEX.as_uri()}")
    print("or serve it at http://127.0.0.1:8000 with: make serve")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--where", action="store_true", help="only say where the site is")
    if parser.parse_args().where:
        where()
    else:
        sys.exit(build())
