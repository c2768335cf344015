#!/bin/sh
# Installs missing packages of the operating system; prints nothing if none is missing.
#
#   scripts/setup.sh demo     a C compiler and PostgreSQL's server programs
#   scripts/setup.sh test     demo, and for the tests: Python with venv, jq, nginx, Redis, PgBouncer, Chromium
#   scripts/setup.sh release  demo, and BOLT, which reorders the program's code
#   scripts/setup.sh bench    release, and wrk (load generator), nginx (reference), Redis
#   scripts/setup.sh static   a C compiler, and musl's for static files
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

# Prints each missing requirement on a line.
missing() {
    have cargo || echo "Rust's cargo (rustup installs it; the operating system's is often too old)"
    have cc || echo "a C compiler (Debian: gcc libc6-dev)"
    ! wants_musl || echo "musl's C compiler (Debian: musl-tools)"
    ! wants_postgres || echo "PostgreSQL's server programs, version 14 or newer (Debian: postgresql)"
    ! wants_wrk || echo "wrk, the load generator of the benchmarks (Debian: wrk)"
    ! wants_nginx || echo "nginx, the load balancer of the tests and the reference of the benchmarks (Debian: nginx-light)"
    ! wants_python || echo "Python 3 with venv (Debian: python3 python3-venv)"
    ! wants_jq || echo "jq, for the README's example (Debian: jq)"
}

give_up() {
    say "please install:"
    missing | sed 's/^/  - /' >&2
    exit 1
}

# Writes to standard error: standard output belongs to the program that runs next.
apt() { $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -qq "$@" >&2; }
install() {
    say "installing $*"
    apt install -y --no-install-recommends "$@"
}

# Prevents Debian's package from creating and starting a server of its own; the configuration is removed afterwards.
install_postgres() {
    install postgresql-common || return
    config=/etc/postgresql-common/createcluster.d/switchboard-setup.conf
    trap '$as_root rm -f "$config"' EXIT
    $as_root mkdir -p "${config%/*}"
    echo 'create_main_cluster = false' | $as_root tee "$config" >/dev/null
    install postgresql || return
    $as_root rm -f "$config"
    trap - EXIT
}

[ -n "$(missing)" ] || wants_redis || wants_pgbouncer || wants_browser || wants_bolt || exit 0

as_root=''
if [ "$(id -u)" -ne 0 ]; then
    as_root='sudo -n'
fi
if have apt-get && { [ -z "$as_root" ] || { have sudo && sudo -n true 2>/dev/null; }; }; then
    apt update || say "the package lists could not be updated; using the old ones"
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
    # BOLT 22 fails on the program.
    ! wants_bolt || install bolt-16 || true
fi

[ -z "$(missing)" ] || give_up
! wants_redis || say "no Redis server (Debian: redis-server): what needs one is skipped"
! wants_pgbouncer || say "no PgBouncer (Debian: pgbouncer): tests that need it are skipped"
! wants_browser || say "no Chromium (Debian: chromium): tests that need it are skipped"
! wants_bolt || say "no BOLT (Debian: bolt-16): the program needs more CPU time per call"
