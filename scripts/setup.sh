#!/bin/sh
# Installs what Switchboard needs from the operating system and is not there yet; says nothing when
# nothing is missing.
#
#   scripts/setup.sh demo    a C compiler and PostgreSQL's server programs
#   scripts/setup.sh test    those, and Python with venv, jq, nginx, a Redis server, PgBouncer and Chromium for the
#                            tests
#   scripts/setup.sh release those of demo, and BOLT, which lays out the program's code
#   scripts/setup.sh bench   those of release, wrk to measure with, nginx to measure against, and a Redis server
#   scripts/setup.sh static  a C compiler, and one for static files
set -eu

here=$(dirname "$0")
purpose=${1:-demo}
case $purpose in
demo | test | release | bench | static) ;;
*)
    echo "usage: scripts/setup.sh [demo|test|release|bench|static]" >&2
    exit 2
    ;;
esac

have() { command -v "$1" >/dev/null 2>&1; }
have_postgres() { "$here/find_postgres.sh" >/dev/null 2>&1; }
wants_postgres() { [ "$purpose" != static ] && ! have_postgres; }
wants_musl() { [ "$purpose" = static ] && ! have musl-gcc; }
have_python() { have python3 && python3 -c 'import ensurepip, venv' >/dev/null 2>&1; }
wants_python() { [ "$purpose" = test ] && ! have_python; }
wants_jq() { [ "$purpose" = test ] && ! have jq; }
wants_wrk() { [ "$purpose" = bench ] && ! have wrk; }
wants_nginx() {
    case $purpose in test | bench) ! have nginx && [ ! -x /usr/sbin/nginx ] ;; *) false ;; esac
}
wants_redis() {
    case $purpose in test | bench | static) ! have redis-server && ! have valkey-server ;; *) false ;; esac
}
wants_pgbouncer() { [ "$purpose" = test ] && ! have pgbouncer && [ ! -x /usr/sbin/pgbouncer ]; }
have_bolt() { have llvm-bolt || ls /usr/lib/llvm-*/bin/llvm-bolt >/dev/null 2>&1; }
wants_bolt() {
    case $purpose in release | bench) ! have_bolt ;; *) false ;; esac
}
wants_browser() { [ "$purpose" = test ] && ! have chromium; }
say() { echo "setup: $*" >&2; }

# What is still missing, a line each; nothing when all is well.
missing() {
    have cargo || echo "Rust's cargo (rustup installs it; the operating system's is often too old)"
    have cc || echo "a C compiler (Debian: gcc libc6-dev)"
    ! wants_musl || echo "musl's C compiler (Debian: musl-tools)"
    ! wants_postgres || echo "PostgreSQL's server programs, version 14 or newer (Debian: postgresql)"
    ! wants_wrk || echo "wrk, the HTTP client of the measurements (Debian: wrk)"
    ! wants_nginx || echo "nginx, which replicas are put behind and the proxy is measured against (Debian: nginx-light)"
    ! wants_python || echo "Python 3 with venv (Debian: python3 python3-venv)"
    ! wants_jq || echo "jq, which the README's example uses (Debian: jq)"
}

give_up() {
    say "please install:"
    missing | sed 's/^/  - /' >&2
    exit 1
}

# Standard output stays clean for the program that is started next.
apt() { $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -qq "$@" >&2; }
install() {
    say "installing $*"
    apt install -y --no-install-recommends "$@"
}

# Debian's package makes and starts a server of its own unless it is told not to; the word is taken
# back afterwards.
install_postgres() {
    install postgresql-common || return
    told=/etc/postgresql-common/createcluster.d/switchboard-setup.conf
    trap '$as_root rm -f "$told"' EXIT
    $as_root mkdir -p "${told%/*}"
    echo 'create_main_cluster = false' | $as_root tee "$told" >/dev/null
    install postgresql || return
    $as_root rm -f "$told"
    trap - EXIT
}

[ -n "$(missing)" ] || wants_redis || wants_pgbouncer || wants_browser || wants_bolt || exit 0

as_root=''
if [ "$(id -u)" -ne 0 ]; then
    as_root='sudo -n'
fi
if have apt-get && { [ -z "$as_root" ] || { have sudo && sudo -n true 2>/dev/null; }; }; then
    apt update || say "the package lists could not be renewed; trying with the old ones"
    have cc || install gcc libc6-dev || true
    ! wants_musl || install musl-tools || true
    ! wants_postgres || install_postgres || true
    ! wants_wrk || install wrk || true
    ! wants_nginx || install nginx-light || true
    ! wants_python || install python3 python3-venv || true
    ! wants_jq || install jq || true
    ! wants_redis || install redis-server || true
    ! wants_pgbouncer || install pgbouncer || true
    ! wants_browser || install chromium || true
    # BOLT 22 can't read the program.
    ! wants_bolt || install bolt-16 || true
fi

[ -z "$(missing)" ] || give_up
! wants_redis || say "no Redis server (Debian: redis-server); what needs one is left out"
! wants_pgbouncer || say "no PgBouncer (Debian: pgbouncer); the tests that need one are left out"
! wants_browser || say "no Chromium (Debian: chromium); the tests that need one are left out"
! wants_bolt || say "no BOLT (Debian: bolt-16); the program will need some more processor time than it has to"
