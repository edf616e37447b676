#!/bin/sh
# Make an environment hold what one target needs:
#   book, all, lab   in .venv: no torch; what tests need; what editors use
#   colab            in .venv-colab: what Colab has
#   next             in .venv-next: the newest releases that build the book
fail() {
    echo "$1" >&2
    exit 1
}

cd "$(dirname "$0")/.." || exit 1
venv=.venv
wanted=${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}
oldest='3, 11' newest='3, 14' versions='3.11, 3.12, 3.13 or 3.14'
how='make PYTHON=/path/to/python3.13 ...'
if [ "$1" = colab ]; then
    venv=.venv-colab wanted=${COLAB_PYTHON:-python3.13}
    oldest='3, 13' newest='3, 13' versions="3.13, which Colab has,"
    how='make colab-test COLAB_PYTHON=/path/to/python3.13'
elif [ "$1" = next ]; then
    venv=.venv-next
fi

# An installation that was killed leaves this file, and is begun anew.
unfinished=$venv/unfinished
packages() {
    ls "$venv"/lib/python*/site-packages 2>/dev/null
}

if [ -e "$unfinished" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
    python=
    for candidate in $wanted; do
        "$candidate" -c "import sys
sys.exit(not ($oldest) <= sys.version_info[:2] <= ($newest))" 2>/dev/null &&
            python=$candidate && break
    done
    [ "$python" ] || fail "No Python $versions answers to\
 '$wanted': install one, or say where it is with '$how'."
    rm -rf "$venv"
    mkdir "$venv" && touch "$unfinished" && "$python" -m venv "$venv" \
        >"$venv/said" 2>&1 || {
        rm -rf "$venv"
        fail "$python could not make an environment: install its venv module\
 (on Debian and Ubuntu: apt-get install python3-venv), look whether the disk\
 is full, and try again."
    }
    rm "$venv/said"
fi

if ! .venv/bin/uv --version >/dev/null 2>&1; then
    .venv/bin/python -m pip --disable-pip-version-check install -q \
        --retries 1 -r requirements/uv.txt || {
        [ -e "$unfinished" ] && rm -rf .venv  # made just now
        fail "The packages' server was not reached, see above: check the\
 network, and the proxy if there is one, and run the same command again."
    }
fi
rm -f "$unfinished"

# As pip does, it trusts what the machine trusts, and compiles what it installs:
# else every process would, where none may write beside the libraries.
export UV_SYSTEM_CERTS=true UV_COMPILE_BYTECODE=true
uv() {
    .venv/bin/uv pip install --python "$venv/bin/python" "$@"
}

install() {
    before=$(packages)
    touch "$unfinished"
    uv "$@" || {
        # Where nothing was installed yet, the environment is as it was.
        [ "$before" = "$(packages)" ] && rm -f "$unfinished"
        fail "Installing into $venv failed, see above: check the network and\
 the space on the disk and run the same command again."
    }
    rm -f "$unfinished"
}

# Refuse to begin what the disk cannot hold: room GB.
room() {
    free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1000000) }')
    [ "$free" -ge "$1" ] || fail "This needs $1 GB on the disk and there are\
 $free: make room and run the same command again."
}

# Choose the build of torch: uv knows PyTorch's own index, and on it the build
# for this machine's NVIDIA driver, or the small one where there is none. The
# registry has one build, for NVIDIA cards.
choose_torch() {
    [ "$(uname -s)" = Linux ] || return
    if [ -z "$UV_TORCH_BACKEND" ]; then
        export UV_TORCH_BACKEND=auto
        UV_HTTP_RETRIES=0 uv --dry-run -q -r "$1" 2>/dev/null ||
            unset UV_TORCH_BACKEND
    fi
    case $(packages) in
    *torch*) return ;; # there already: nothing to tell
    esac
    if [ "$UV_TORCH_BACKEND" ] && ! nvidia; then
        echo 'torch for the CPU: 0.5 GB to fetch, 2 GB on the disk.'
        room 2
    else
        [ "$UV_TORCH_BACKEND" ] || nvidia ||
            echo "PyTorch's own index is not reached, which has a small build:"
        echo 'torch for NVIDIA cards: 3.5 GB to fetch, 7 GB on the disk.'
        room 7
    fi
}

nvidia() {
    [ "${UV_TORCH_BACKEND:-auto}" != cpu ] &&
        { [ -e /proc/driver/nvidia/version ] || nvidia-smi >/dev/null 2>&1; }
}

all() {
    echo 'Installing torch and what runs and checks the chapters...'
    choose_torch requirements.txt
    install -r requirements.txt
    install --no-deps -r requirements/no-deps.txt
    install --no-deps --no-build-isolation -e .
    touch .venv/all-ready
}

case $1 in
book)
    echo 'Installing what builds the book: 0.1 GB to fetch, half a minute...'
    room 1
    install -r requirements/book.txt
    ;;
all)
    all
    ;;
lab)
    [ -e .venv/all-ready ] || all
    echo 'Installing JupyterLab: 0.1 GB to fetch, half a minute...'
    install -r requirements/lab.txt
    ;;
colab)
    echo "Installing Colab's versions..."
    choose_torch requirements/colab.txt
    install -r requirements/colab.txt
    ;;
next)
    echo 'Installing the newest releases of what builds the book...'
    sed '/^jupyter-book/d; s/==.*//' requirements/book.txt >"$venv/newest.txt"
    echo sphinx-external-toc >>"$venv/newest.txt"
    install --upgrade -r "$venv/newest.txt"
    ;;
esac
