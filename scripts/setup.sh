#!/usr/bin/env bash
# Makes .venv and installs requirements.txt. Quiet when all goes well; when something fails, says
# in one sentence what to do.
set -euo pipefail
cd "$(dirname "$0")/.."

stop() {
    echo "$*" >&2
    exit 1
}

new_enough='import sys; sys.exit(sys.version_info < (3, 11))'
works() { "$1" -c "$new_enough" >/dev/null 2>&1; }

# An environment whose Python has gone or is too old is of no use.
if [ -e .venv ] && ! works .venv/bin/python; then
    rm -rf .venv
fi

if [ ! -e .venv ]; then
    python=""
    for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
        if works "$candidate"; then
            python="$candidate"
            break
        elif [ -n "${PYTHON:-}" ]; then
            break # the reader chose this one: take no other behind their back
        fi
    done
    if [ -z "$python" ]; then
        found="$("${PYTHON:-python3}" --version 2>/dev/null || echo "none")"
        stop "The book needs Python 3.11 or newer (found: $found): install it, or run 'make book PYTHON=/path/to/python3.12'."
    fi
    if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
        stop "Python's venv module is missing: install it with 'sudo apt install python$version-venv', then run the same command again."
    fi
    echo "Making the environment .venv with $("$python" --version)."
    if ! "$python" -m venv .venv; then
        rm -rf .venv
        stop "The environment .venv could not be made: see the message above, then run the same command again."
    fi
fi

# The log stays out of sight unless it is needed.
log=.venv/install.log
echo "Installing the packages of requirements.txt (some minutes the first time)."
if ! .venv/bin/python -m pip --disable-pip-version-check --no-input install -r requirements.txt >"$log" 2>&1; then
    cat "$log" >&2
    stop "pip could not install the packages: see its message above, check the network and the free disk space, then run the same command again."
fi
touch .venv/.ready
