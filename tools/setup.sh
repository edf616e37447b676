#!/bin/sh
# Make .venv hold what one target needs: "book" (no torch), "all" or "lab".
fail() {
    echo "$1" >&2
    exit 1
}

cd "$(dirname "$0")/.." || exit 1
if ! .venv/bin/python -c '' 2>/dev/null; then
    python=
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        "$candidate" -c 'import sys
sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null &&
            python=$candidate && break
    done
    [ "$python" ] || fail "No Python 3.11, 3.12 or 3.13 answers to\
 '${PYTHON:-python3}': install one, or say where it is with\
 'make PYTHON=/path/to/python3.12 ...'."
    rm -rf .venv
    "$python" -m venv .venv || {
        rm -rf .venv
        fail "$python could not make an environment: install its venv module\
 (on Debian and Ubuntu: apt-get install python3-venv) and try again."
    }
fi

# With UV_TORCH_BACKEND (such as cpu) uv chooses that build of torch.
install() {
    if [ "$UV_TORCH_BACKEND" ]; then
        uv pip install -q --python .venv/bin/python "$@"
    else
        .venv/bin/python -m pip --disable-pip-version-check install -q "$@"
    fi ||
        fail "Installing into .venv failed, see above: check the network and\
 the space on the disk and run the same command again."
}

case $1 in
book)
    echo 'Installing what builds the book (half a minute)...'
    install -r requirements-book.txt
    ;;
all)
    echo 'Installing torch and the other requirements (some minutes)...'
    install -r requirements.txt
    install --no-deps -r requirements-no-deps.txt
    install --no-deps --no-build-isolation -e .
    ;;
lab)
    echo 'Installing JupyterLab (a minute)...'
    install -r requirements-lab.txt
    ;;
esac
