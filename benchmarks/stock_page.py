"""Build a stock Jupyter Book page with one ipywidgets slider: what our pages are compared with.

The widget manager and its loader, which a stock page takes from other hosts, come from the npm
registry once and are served from this machine, so that the comparison needs no other network.
"""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import nbformat

MANAGER = "@jupyter-widgets/html-manager@1.0.14"
LOADER = "requirejs@2.3.7"


def build(folder: Path) -> Path:
    """Build the book in ``folder``; return the folder of its pages."""
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("# A slider"),
            nbformat.v4.new_code_cell(
                "import ipywidgets\nipywidgets.FloatSlider(value=0.5, max=1.0)"
            ),
        ],
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        },
    )
    nbformat.write(notebook, folder / "slider.ipynb")
    (folder / "_config.yml").write_text("title: Stock\nexecute:\n  execute_notebooks: force\n")
    (folder / "_toc.yml").write_text("format: jb-book\nroot: slider\n")
    jupyter_book = "from jupyter_book.cli.main import main; main()"
    subprocess.run(
        [sys.executable, "-c", jupyter_book, "build", str(folder), "--quiet"],
        check=True,
        capture_output=True,
    )
    return folder / "_build" / "html"


def fetch_scripts(folder: Path) -> dict[str, Path]:
    """Fetch the widget manager and its loader; return the end of an address -> the file."""
    scripts = {}
    for package, inner in ((MANAGER, "dist/embed-amd.js"), (LOADER, "require.js")):
        try:
            packed = subprocess.run(
                ["npm", "pack", package, "--silent"],
                cwd=folder,
                check=True,
                capture_output=True,
                text=True,
            ).stdout.strip()
        except (FileNotFoundError, subprocess.CalledProcessError) as reason:
            raise SystemExit(
                f"could not fetch {package}: install npm and check the network ({reason})"
            ) from reason
        with tempfile.TemporaryDirectory() as unpacked, tarfile.open(folder / packed) as archive:
            archive.extract(f"package/{inner}", unpacked, filter="data")
            target = folder / Path(inner).name
            target.write_bytes((Path(unpacked) / "package" / inner).read_bytes())
        scripts[target.stem.split("-")[0]] = target
    return scripts
