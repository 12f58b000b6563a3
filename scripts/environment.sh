# Sourced by the scripts beside it: finds a Python, makes .venv, installs the package.
#
#   root          the top of the work tree
#   say, fail     one line to stderr
#   ensure_venv   run|dev: makes or refreshes $root/.venv and leaves its Python in $python
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python="$root/.venv/bin/python"

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }

# Prints the first Python that is new enough. The distribution's comes first: it is built with
# profile-guided optimisation, which a version manager's often is not, and is a third faster.
find_python() {
    local candidate
    for candidate in "${ISOCENTER_PYTHON:-}" /usr/bin/python3 python3.11 python3.12 python3.13 \
        python3.14 python3; do
        [ -n "$candidate" ] || continue
        # A shim of a version manager may be on the PATH without its Python: run it.
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get update -qq >/dev/null </dev/null || return 1
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" \
        >/dev/null </dev/null
}

can_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }

make_venv() {
    local base version
    if ! base=$(find_python); then
        can_apt || fail "Python 3.11 or newer is needed: install python3 and python3-venv"
        say "installing python3 ..."
        apt_install python3 python3-venv || fail "python3 could not be installed"
        base=$(find_python) || fail "this system's python3 is older than 3.11"
    fi
    if ! "$base" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        version=$("$base" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        can_apt || fail "$base cannot make environments: install python$version-venv"
        say "installing python$version-venv ..."
        apt_install "python$version-venv" || apt_install python3-venv \
            || fail "python$version-venv could not be installed"
    fi
    "$base" -m venv --clear "$root/.venv" || fail "$base could not make $root/.venv"
}

# The stamp names what is installed, so that a second start costs nothing.
ensure_venv() {
    local kind=$1 stamp="$root/.venv/installed" want have
    want=$(cksum <"$root/pyproject.toml")
    have=$(cat "$stamp" 2>/dev/null || true)
    if [ "$have" = "dev $want" ] || [ "$have" = "$kind $want" ]; then
        return 0
    fi
    # Two scripts started at once must not install over each other.
    if command -v flock >/dev/null 2>&1; then
        exec 9>"$root/.venv.lock"
        flock -w 600 9 || fail "another script has been setting up for 10 minutes"
        have=$(cat "$stamp" 2>/dev/null || true)
    fi
    if [ "$have" != "dev $want" ] && [ "$have" != "$kind $want" ]; then
        "$python" -m pip --version >/dev/null 2>&1 || make_venv
        say "setting up $root/.venv ..."
        # What was installed for development stays so.
        case "$have" in dev*) kind=dev ;; esac
        local what="$root[tools]"
        [ "$kind" = run ] || what="$root[tools,dev]"
        "$python" -m pip install --quiet --disable-pip-version-check -e "$what" </dev/null \
            || fail "the package could not be installed into $root/.venv"
        printf '%s %s\n' "$kind" "$want" >"$stamp"
    fi
    if command -v flock >/dev/null 2>&1; then exec 9>&-; fi
}
