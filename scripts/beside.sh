#!/usr/bin/env bash
# beside.sh NAME makes .venv/NAME: the packages of requirements-NAME.txt beside those of the book's
# environment, which it sees and does not change. ENVIRONMENT names another environment than .venv.
set -euo pipefail
cd "$(dirname "$0")/.."

book="${ENVIRONMENT:-.venv}"
name="$1"
beside="$book/$name"

stop() {
    echo "$*" >&2
    exit 1
}

echo "Installing the packages of requirements-$name.txt."
rm -rf "$beside"
"$book/bin/python" -m venv --without-pip "$beside" ||
    stop "The environment $beside could not be made: see the message above, then run the same command again."

# The book's packages, those that it installed from a folder included, are importable here too.
packages='import sysconfig; print(sysconfig.get_path("purelib"))'
seen="$(cd "$book" && bin/python -c "$packages")"
here="$("$beside/bin/python" -c "$packages")"
echo "import site; site.addsitedir('$seen')" >"$here/book.pth"

log="$book/$name.log"
if ! "$book/bin/python" -m pip --python "$beside/bin/python" --disable-pip-version-check \
    --no-input install --no-deps -r requirements-$name.txt >"$log" 2>&1; then
    cat "$log" >&2
    stop "pip could not install the packages: see its message above, check the network, then run the same command again."
fi
touch "$beside/.ready"
