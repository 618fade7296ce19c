"""Where a student's kernel runs: bubblewrap, which shows it a machine with next to nothing in it.

No network, no processes of others, the system's programs and the book's packages to read, one
folder to write to. Exercises, submissions and the home folder do not exist in there.
"""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INSIDE = Path(__file__).with_name("inside")

# What a program needs of /etc: libraries, fonts, the name of the user.
ETC = ("alternatives", "fonts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "passwd")

MISSING = (
    "bubblewrap is not installed, and without it a submission could read and write what you can: "
    "install it with 'sudo apt install bubblewrap', or accept that with UNSAFE=1."
)
REFUSED = (
    "bubblewrap is installed but this machine does not let it make a sandbox ({reason}): "
    "use another machine, or accept submissions that can read and write what you can with UNSAFE=1."
)
WARNING = (
    "WARNING: no sandbox. Each submission can use the network, and read and write what you can. "
    "Read them first, or run this on a machine that holds nothing of value."
)


class SandboxError(Exception):
    """There is no sandbox here; the message says what to do."""


# The environment that this one extends, if scripts/beside.sh made it; see there.
BOOK = Path(sys.prefix).parent


def packages() -> list[Path]:
    """Return the folders from which a kernel imports; the book's own folder is not among them."""
    places = [Path(sys.prefix), Path(sys.base_prefix)]
    return places + [Path(path) for path in sys.path if Path(path).name == "site-packages"]


def command(folder: Path) -> list[str]:
    """Return what stands in front of a command to run it in the sandbox, with `folder` writable."""
    bound = ["/usr", *(f"/etc/{name}" for name in ETC)]
    bound += [str(path) for path in packages() if not path.is_relative_to("/usr")]
    bound += [str(ROOT / "attnbook"), str(INSIDE)]
    made = ["--proc", "/proc", "--dev", "/dev", "--size", str(64 << 20), "--tmpfs", "/dev/shm"]
    made += ["--remount-ro", "/dev", "--size", str(64 << 20), "--tmpfs", "/tmp"]
    for name in ("bin", "lib", "lib64", "sbin"):  # links into /usr, or folders on older systems
        path = Path("/", name)
        if path.is_symlink():
            made += ["--symlink", os.readlink(path), str(path)]
        else:
            bound.append(str(path))
    reads = [word for path in bound for word in ("--ro-bind-try", path, path)]
    limits = ["--unshare-all", "--cap-drop", "ALL", "--die-with-parent", "--hostname", "sandbox"]
    writes = ["--bind", str(folder), str(folder), "--chdir", str(folder)]
    # A kernel ends when it sees its parent no more, and it never sees it from in here.
    limits += ["--unsetenv", "JPY_PARENT_PID"]
    return ["bwrap", *limits, *made, *reads, *writes, "--"]


@functools.cache
def require() -> None:
    """Raise SandboxError if no sandbox can be made here."""
    if shutil.which("bwrap") is None:
        raise SandboxError(MISSING)
    tried = subprocess.run([*command(INSIDE), "true"], capture_output=True, text=True)
    if tried.returncode:
        raise SandboxError(REFUSED.format(reason=tried.stderr.strip() or "no reason given"))
