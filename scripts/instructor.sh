#!/usr/bin/env bash
# Makes .venv/instructor: nbgrader beside the packages of the book's environment, which it sees and
# does not change. ENVIRONMENT names another environment than .venv.
set -euo pipefail
cd "$(dirname "$0")/.."

book="${ENVIRONMENT:-.venv}"
instructor="$book/instructor"

stop() {
    echo "$*" >&2
    exit 1
}

echo "Installing the packages of requirements-instructor.txt."
rm -rf "$instructor"
"$book/bin/python" -m venv --without-pip "$instructor" ||
    stop "The environment $instructor could not be made: see the message above, then run the same command again."

# The book's packages, those that it installed from a folder included, are importable here too.
packages='import sysconfig; print(sysconfig.get_path("purelib"))'
seen="$(cd "$book" && bin/python -c "$packages")"
here="$("$instructor/bin/python" -c "$packages")"
echo "import site; site.addsitedir('$seen')" >"$here/book.pth"

log="$book/instructor.log"
if ! "$book/bin/python" -m pip --python "$instructor/bin/python" --disable-pip-version-check \
    --no-input install --no-deps -r requirements-instructor.txt >"$log" 2>&1; then
    cat "$log" >&2
    stop "pip could not install the packages: see its message above, check the network, then run the same command again."
fi
touch "$instructor/.ready"
