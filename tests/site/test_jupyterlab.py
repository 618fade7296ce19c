"""In JupyterLab a live figure is an ipywidget: Python moves it, and hears the reader's hand."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest
from pages import watched

CELLS = [
    """import ipywidgets
from attnbook.figures import HardSoftLine
fig = HardSoftLine(query=0.0)
heard = []
fig.observe(lambda change: heard.append(change["new"]), names="query")
fig""",
    """slider = ipywidgets.FloatSlider(min=0.05, max=2, step=0.01)
ipywidgets.jslink((fig, "temperature"), (slider, "value"))
ipywidgets.HBox([slider])""",
    "fig.temperature = 1.5",
    """print(fig.query, heard[-1], fig.numbers()["soft"])""",
]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def lab(tmp_path):
    """A running JupyterLab in an empty folder that holds one notebook; its address."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS],
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        },
    )
    nbformat.write(notebook, tmp_path / "figure.ipynb")
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "jupyter",
        "lab",
        "--no-browser",
        "--allow-root",
        f"--port={port}",
    ]
    command += ["--IdentityProvider.token=", "--LabApp.news_url=", "--ServerApp.open_browser=False"]
    # Settings, workspaces and run files of whoever runs the tests stay as they are.
    homes = (
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_DATA_DIR",
        "JUPYTER_RUNTIME_DIR",
        "JUPYTERLAB_SETTINGS_DIR",
    )
    homes += ("JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR")
    environment = os.environ | {home: str(tmp_path / ".home" / home) for home in homes}
    with (tmp_path / "lab.log").open("w") as log:
        server = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
        address = f"http://127.0.0.1:{port}"
        try:
            for _ in range(120):
                try:
                    urllib.request.urlopen(f"{address}/api", timeout=5).close()
                    break
                except OSError:
                    assert server.poll() is None, (tmp_path / "lab.log").read_text()
                    time.sleep(0.5)
            yield address
        finally:
            server.terminate()
            server.wait(timeout=30)


def test_figure_is_an_ipywidget(browser, lab):
    with watched(browser) as page:
        page.set_viewport_size({"width": 1200, "height": 1500})
        page.goto(f"{lab}/lab/tree/figure.ipynb")
        # A cell run before the kernel is there would be lost.
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60_000)
        page.locator(".jp-Notebook .jp-Cell").first.click()

        def run():
            page.keyboard.press("Shift+Enter")

        run()
        figure = page.locator(".ab-live")
        figure.wait_for(timeout=60_000)
        run()
        page.locator(".widget-readout").wait_for(timeout=30_000)
        run()  # Python moves the figure, and the slider that is linked to it
        page.wait_for_function("document.querySelector('.widget-readout').textContent === '1.50'")
        page.wait_for_function(
            "document.querySelector('.ab-live .ab-control:nth-child(2) input').value === '1.5'"
        )

        box = figure.locator("[data-handle=query] .ab-hit").bounding_box()
        page.mouse.move(box["x"] + 22, box["y"] + 22)
        page.mouse.down()
        page.mouse.move(box["x"] + 122, box["y"] + 22, steps=5)
        page.mouse.up()
        page.locator(".jp-Notebook .jp-Cell").nth(3).click()
        run()
        printed = page.locator(".jp-OutputArea-output pre").last
        printed.wait_for(timeout=30_000)
        query, heard, soft = map(float, printed.text_content().split())
        assert query == heard
        assert query > 0.5
        assert soft == pytest.approx(
            json.loads(figure.get_attribute("data-numbers"))["soft"], abs=1e-9
        )
