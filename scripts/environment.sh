# Sourced by ./demo and ./check, from the repository's root: finds Python, makes .venv, installs.
# A virtual environment of its own, because many systems guard their Python's packages (PEP 668).

say() { printf '== %s\n' "$*"; }

fail() {
    printf '%s: %s\n' "$0" "$*" >&2
    exit 1
}

is_python() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11 python; do
        if is_python "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    fail "Python 3.11 or newer is needed; if it is not on the path, set PYTHON to it"
}

# Install system packages if this is Debian or a relative and we may; otherwise return 1.
install_system_packages() {
    command -v apt-get >/dev/null 2>&1 || return 1
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null || return 1
        as_root="sudo -n"
    fi
    say "installing system packages: $*"
    export DEBIAN_FRONTEND=noninteractive
    $as_root apt-get update -qq </dev/null || return 1
    $as_root apt-get install -y -qq --no-install-recommends "$@" </dev/null >/dev/null || return 1
}

has_pip() { "$venv_python" -m pip --version >/dev/null 2>&1; }

make_environment() {
    if [ -d .venv/Scripts ]; then bin=.venv/Scripts; else bin=.venv/bin; fi
    venv_python=$bin/python
    if is_python "$venv_python" && has_pip; then return; fi
    python=$(find_python) || exit 1
    say "making a virtual environment in .venv ($("$python" --version))"
    # Debian keeps the module that puts pip into an environment in a package of its own; a pip that
    # is there can do the same.
    "$python" -m venv --clear .venv >/dev/null 2>&1 ||
        { install_system_packages python3-venv && "$python" -m venv --clear .venv; } ||
        { "$python" -m venv --clear --without-pip .venv &&
            "$python" -m pip --python .venv/bin/python install -q pip; } ||
        fail "cannot make a virtual environment; install Python's venv module" \
            "(Debian, Ubuntu: apt-get install python3-venv)"
    if [ -d .venv/Scripts ]; then bin=.venv/Scripts; else bin=.venv/bin; fi
    venv_python=$bin/python
    has_pip || fail "the environment in .venv has no pip; remove the folder and try again"
}

# Install this checkout with extras (may be empty), unless that was done and nothing changed.
install_banso() {
    stamp=.venv/installed-${1:-core}
    wanted=$(cat pyproject.toml constraints.txt | cksum)
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then return; fi
    say "installing banso${1:+ with $1}"
    quiet=-q
    if [ -t 1 ]; then quiet=; fi
    "$venv_python" -m pip install $quiet --disable-pip-version-check \
        --constraint constraints.txt --editable ".${1:+[$1]}" </dev/null ||
        fail "pip could not install banso; its messages are above"
    printf '%s\n' "$wanted" >"$stamp"
}
