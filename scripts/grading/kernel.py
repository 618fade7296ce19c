"""A kernel manager whose kernels run in the sandbox, and a watch on what they use.

The two sides talk through sockets in the one folder that both see, since there is no network.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
from jupyter_client.manager import AsyncKernelManager
from traitlets import Bool, Integer, Unicode

from grading import sandbox

PROCESSES = 64  # a kernel and what it may start
DISK_MB = 256


class SandboxedKernel(AsyncKernelManager):
    """Starts ``inside/kernel.py`` in the sandbox, whatever kernel the notebook asks for."""

    folder = Unicode(help="The one folder that the kernel may write to.")
    memory_mb = Integer(help="How much memory the kernel may use.")
    sandboxed = Bool(True)

    def __init__(self, **options):
        super().__init__(kernel_name="python3", **options)
        self.transport = "ipc"
        self.connection_file = str(Path(self.folder, "kernel.json"))
        self.ip = str(Path(self.folder, "socket"))
        self.kernel_spec.interrupt_mode = "message"  # a signal would end the sandbox, not the cell

    def format_kernel_cmd(self, extra_arguments=None):
        """Return the command; the notebook's own metadata has no say in it."""
        kernel = [sys.executable, str(sandbox.INSIDE / "kernel.py"), str(self.memory_mb)]
        kernel += [self.connection_file, *(extra_arguments or [])]
        return [*(sandbox.command(Path(self.folder)) if self.sandboxed else []), *kernel]

    def environment(self) -> dict[str, str]:
        """Return the variables that the kernel sees: none of the grader's own."""
        return {
            "HOME": self.folder,
            "LANG": "C.UTF-8",
            "MPLBACKEND": "agg",
            "OMP_NUM_THREADS": "1",
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(sandbox.ROOT),
            "TMPDIR": self.folder,
        }

    def start_options(self) -> dict:
        """Return what the process is started with; what it prints to no one is dropped."""
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return {"env": self.environment(), "cwd": self.folder, **silent}


class Watch(threading.Thread):
    """Kills a kernel that uses too much, all its processes together, and remembers why."""

    def __init__(self, pid: int, folder: str, memory_mb: int, until: float):
        super().__init__(daemon=True)
        self.root, self.folder, self.memory_mb = psutil.Process(pid), folder, memory_mb
        self.until, self.reason, self.over = until, None, threading.Event()

    def run(self):
        while not self.over.wait(0.2):
            with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
                if reason := self.fault():
                    return self.end(reason)

    def end(self, reason: str | None = None):
        """Kill the kernel and all that it started; the first reason counts."""
        self.reason = self.reason or reason
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.root.pid, signal.SIGKILL)

    def fault(self) -> str | None:
        processes = [self.root, *self.root.children(recursive=True)]
        if len(processes) > PROCESSES:
            return f"started more than {PROCESSES} processes"
        if sum(process.memory_info().rss for process in processes) > self.memory_mb << 20:
            return f"used more than {self.memory_mb} MB of memory"
        if size(self.folder) > DISK_MB << 20:
            return f"wrote more than {DISK_MB} MB"
        if time.monotonic() > self.until:
            return "took longer than a submission may"
        return None


def size(folder: str) -> int:
    """Return the bytes that the files under `folder` take, empty ones too; links not followed."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += 4096 + os.lstat(os.path.join(path, name)).st_blocks * 512
    return total
