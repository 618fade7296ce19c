"""What a kernel uses is watched from outside, and too much of it ends the kernel."""

import subprocess
import sys
import time

import psutil
import pytest
from grading.kernel import DISK_MB, PROCESSES, Watch

SLEEP = "import time; time.sleep(60)"
TOO_MUCH = {
    "took longer": (SLEEP, 0.5),
    f"wrote more than {DISK_MB} MB": (
        f"for i in range(9): open(f'{{i}}', 'wb').write(bytes({DISK_MB} << 18))\n{SLEEP}",
        60,
    ),
    f"wrote more than {DISK_MB} MB ": (  # in files with nothing in them
        f"for i in range({DISK_MB} * 256 + 9): open(f'{{i}}', 'w').close()\n{SLEEP}",
        60,
    ),
    f"more than {PROCESSES} processes": (
        f"from subprocess import Popen\nfor _ in range({PROCESSES}): Popen(['sleep', '60'])\n"
        + SLEEP,
        60,
    ),
    "more than 200 MB of memory": (f"hog = bytearray(300 << 20)\n{SLEEP}", 60),
}


def started(code, folder):
    command = [sys.executable, "-c", code]
    return subprocess.Popen(command, cwd=folder, start_new_session=True)


@pytest.mark.parametrize("reason", TOO_MUCH)
def test_too_much_is_ended(tmp_path, reason):
    code, seconds = TOO_MUCH[reason]
    process = started(code, tmp_path)
    watch = Watch(process.pid, str(tmp_path), 200, time.monotonic() + seconds)
    watch.start()
    try:
        assert process.wait(60) == -9
        watch.join(10)
        assert reason.strip() in watch.reason
    finally:
        watch.end()
    left = [p for p in psutil.process_iter(["cwd"]) if p.info["cwd"] == str(tmp_path)]
    _, alive = psutil.wait_procs(left, timeout=5)
    assert alive == []


def test_a_modest_kernel_is_left_alone(tmp_path):
    process = started("import time; time.sleep(0.7)", tmp_path)
    watch = Watch(process.pid, str(tmp_path), 200, time.monotonic() + 60)
    watch.start()
    assert process.wait(30) == 0
    watch.over.set()
    watch.join(10)
    assert watch.reason is None
