"""Start a notebook kernel that can use so much memory and disk and no more.

    python kernel.py MEMORY_MB CONNECTION_FILE [options of the kernel]

The limits hold for each process; the grader watches the sum from outside.
"""

import resource
import sys

from ipykernel.kernelapp import IPKernelApp

if __name__ == "__main__":
    memory, connection, *options = sys.argv[1:]
    memory = int(memory) << 20
    # What it writes to, not what it maps: PyTorch alone maps many gigabytes of libraries.
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 20, 64 << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    IPKernelApp.launch_instance(["-f", connection, *options])
