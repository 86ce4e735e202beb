# shellcheck shell=bash
# Debian packages for an unattended test machine. Sourced, never run.

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

# True on a machine that is ours to change: a CI machine, or a root shell with apt-get.
may_use_apt() {
    command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || [ -n "${CI:-}" ]; }
}

# apt_install PACKAGE: quiet, asks nothing, starts no service. False if it was not possible.
apt_install() (
    policy=/usr/sbin/policy-rc.d
    apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=60
        -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20)
    exec </dev/null >/dev/null 2>&1
    # Debian's package scripts ask this file whether they may start a service; 101 means no.
    if [ ! -e "$policy" ]; then
        trap 'as_root rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" && as_root chmod 755 "$policy" || exit 1
    fi
    install=(install --yes --no-install-recommends "$1")
    as_root "${apt[@]}" "${install[@]}" ||
        { as_root "${apt[@]}" update && as_root "${apt[@]}" "${install[@]}"; }
)
