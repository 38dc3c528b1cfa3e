#!/usr/bin/env bash
# Makes what the tests and the demo need and Go does not bring: two Python environments under .build
# (Django 5.2 and 4.2), a Chromium, a PostgreSQL and a Redis. Idempotent: a stamp holds what each environment was made from,
# and nothing is done twice. "make setup" calls it; so does every target that needs it.
#
# usage: tools/setup.sh [venv|venv42|chromium|postgres|redis|gcc|bench]...   (without arguments: all but the last two)
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .build

# One at a time: "make -j" and two terminals may both ask.
exec 9>.build/setup.lock
flock 9

say() { printf 'setup: %s\n' "$*"; }

die() {
  printf 'setup: %s\n' "$1" >&2
  printf '  next: %s\n' "$2" >&2
  exit 1
}

# apt_install PACKAGE... installs as root and otherwise says what to type.
apt_install() {
  if ! command -v apt-get >/dev/null; then
    die "this machine has no apt-get" "install $* (or what they are called here) by hand, then run \"make setup\" again"
  fi
  if [ "$(id -u)" -ne 0 ]; then
    die "$* missing, and installing needs root" "sudo apt-get install -y $* && make setup"
  fi
  say "installing $* by apt-get …"
  if ! { DEBIAN_FRONTEND=noninteractive apt-get update -q &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"; } >.build/apt.log 2>&1; then
    tail -n 20 .build/apt.log >&2
    die "apt-get could not install $*" "read .build/apt.log, mend it, then run \"make setup\" again"
  fi
}

python=${PYTHON:-python3}

# need_python makes sure of Python 3.11 or later that can make environments. Debian packs ensurepip apart.
need_python() {
  if ! command -v "$python" >/dev/null; then
    [ -z "${PYTHON:-}" ] || die "PYTHON=$PYTHON is not a program" "unset PYTHON, or let it name a Python 3.11 or later"
    apt_install python3 python3-venv
  fi
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "$("$python" --version) is too old: Python 3.11 or later is needed" "make setup PYTHON=/path/to/python3.11"
  if makes_environments; then return; fi
  apt_install python3-venv
  # The package is for the distribution's own interpreter, which need not be the first in the PATH.
  makes_environments ||
    die "$(command -v "$python") has no ensurepip, without which it makes no environment" \
      "let another interpreter do it: make setup PYTHON=/usr/bin/python3"
}

makes_environments() { "$python" -c 'import ensurepip, venv' 2>/dev/null; }

# recipe REQUIREMENTS prints a digest of what is installed into an environment.
recipe() {
  {
    cat "$1" tools/requirements-test.txt
    if [ -f client/python/pyproject.toml ]; then cat client/python/pyproject.toml; fi
  } | sha256sum | cut -d' ' -f1
}

# base ENVIRONMENT names what an environment stands on: its folder, since scripts in it carry the path,
# and the interpreter. If that changed it is made anew, otherwise only brought up to date.
base() { echo "$PWD/$1 $("$python" --version)"; }

# environment DIR REQUIREMENTS makes one, with the Django package of this checkout in it (editable).
environment() {
  local dir=$1 requirements=$2 want
  need_python
  want=$(recipe "$requirements")
  if [ "$(cat "$dir/base" 2>/dev/null || true)" != "$(base "$dir")" ]; then
    say "making $dir (Python environment, about half a minute) …"
    rm -rf "$dir"
    "$python" -m venv "$dir"
    base "$dir" >"$dir/base"
  fi
  if [ "$(cat "$dir/recipe" 2>/dev/null || true)" = "$want" ]; then return; fi
  say "installing $requirements into $dir …"
  pip "$dir" install -r "$requirements"
  if [ -f client/python/pyproject.toml ]; then
    # The pins above decide, not the ranges that the package allows; "pip check" compares the two.
    pip "$dir" install --no-deps -e client/python
    pip "$dir" check
  fi
  echo "$want" >"$dir/recipe"
  say "$dir: $("$dir/bin/python" --version), Django $("$dir/bin/python" -c 'import django; print(django.__version__)')"
}

pip() {
  local dir=$1
  shift
  "$dir/bin/python" -m pip --disable-pip-version-check --no-input -q "$@" ||
    die "\"pip $*\" failed in $dir" "check that PyPI can be reached, then run \"make setup\" again"
}

# django_tests ENVIRONMENT gets the session tests out of the source distribution of the Django that is in it: what
# pip installs is without them. client/python/tests/test_django_own.py runs them.
django_tests() {
  local dir=$1 version into fresh
  version=$("$dir/bin/python" -c 'import django; print(django.__version__)')
  into=.build/django-tests/$version
  if [ -f "$into/sessions_tests/tests.py" ]; then return; fi
  say "fetching the tests of Django $version …"
  fresh=$(mktemp -d)
  pip "$dir" download --no-deps --no-binary :all: -d "$fresh" "Django==$version"
  tar -xzf "$fresh"/[Dd]jango-*.tar.gz -C "$fresh" --strip-components 1
  mkdir -p "$into/cache"
  touch "$into/cache/__init__.py"
  if [ -f "$fresh/tests/cache/failing_cache.py" ]; then cp "$fresh/tests/cache/failing_cache.py" "$into/cache/"; fi
  cp -r "$fresh/tests/sessions_tests" "$into/"
  rm -rf "$fresh"
}

# need_chromium finds a browser: CHROMIUM names one, else the usual names are looked up.
need_chromium() {
  if [ -n "${CHROMIUM:-}" ]; then
    [ -x "$CHROMIUM" ] || die "CHROMIUM=$CHROMIUM is not a program" "unset CHROMIUM, or let it name a Chromium or Chrome"
    return
  fi
  local name
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null; then return; fi
  done
  apt_install chromium fonts-liberation
}


# need_redis finds a server that tests start themselves: REDIS_SERVER names one, else Redis or Valkey. The
# package's own service is not wanted, so it is kept from starting where that can be said.
need_redis() {
  if [ -n "${REDIS_SERVER:-}" ]; then
    [ -x "$REDIS_SERVER" ] || die "REDIS_SERVER=$REDIS_SERVER is not a program" "unset REDIS_SERVER, or let it name a Redis 7 or Valkey server"
    return
  fi
  if command -v redis-server >/dev/null || command -v valkey-server >/dev/null; then return; fi
  RUNLEVEL=1 apt_install redis-server
}

# need_postgres is for the server's programs, which the tests start themselves, and for the pooler in front
# of it. What Debian would start besides is of no use here: it is kept from making a cluster of its own.
need_postgres() {
  local missing=()
  if ! command -v postgres >/dev/null && ! ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; then
    missing+=(postgresql)
    if [ "$(id -u)" -eq 0 ] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
      mkdir -p /etc/postgresql-common
      echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
    fi
  fi
  if ! command -v pgbouncer >/dev/null && [ ! -x /usr/sbin/pgbouncer ]; then missing+=(pgbouncer); fi
  if [ "${#missing[@]}" -gt 0 ]; then apt_install "${missing[@]}"; fi
}

# bench_express and bench_django are what the session plane is measured beside; without npm the first is left out.
bench_express() {
  local dir=.build/bench-express source=bench/peers/express
  if ! command -v npm >/dev/null; then
    say "npm is not here, so express-session is not measured (apt-get install nodejs npm)"
    return
  fi
  mkdir -p "$dir"
  cp "$source/contestant.mjs" "$source/package.json" "$source/package-lock.json" "$dir"
  if cmp -s "$dir/package-lock.json" "$dir/installed"; then return; fi
  say "installing express-session and connect-redis into $dir …"
  (cd "$dir" && npm ci --silent --no-audit --no-fund) ||
    die "npm could not install what bench/peers/express names" "check that the npm registry can be reached, then run it again"
  cp "$dir/package-lock.json" "$dir/installed"
}

bench_django() {
  local dir=.build/bench-django requirements=bench/peers/django/requirements.txt
  if cmp -s "$requirements" "$dir/installed"; then return; fi
  need_python
  say "making $dir (Python environment with Django and its drivers) …"
  rm -rf "$dir"
  "$python" -m venv "$dir"
  pip "$dir" install -r "$requirements"
  cp "$requirements" "$dir/installed"
}

# need_gcc is only for the race detector, which needs cgo; the product has none.
need_gcc() {
  if ! command -v gcc >/dev/null; then apt_install gcc libc6-dev; fi
}

[ $# -gt 0 ] || set -- venv venv42 chromium postgres redis
for part in "$@"; do
  case $part in
    venv) environment .build/venv tools/requirements-django52.txt ;;
    venv42) environment .build/venv42 tools/requirements-django42.txt ;;
    django-tests)
      environment .build/venv tools/requirements-django52.txt
      environment .build/venv42 tools/requirements-django42.txt
      django_tests .build/venv
      django_tests .build/venv42
      ;;
    chromium) need_chromium ;;
    postgres) need_postgres ;;
    redis) need_redis ;;
    gcc) need_gcc ;;
    bench) bench_express && bench_django ;;
    *) die "no such part: $part" "tools/setup.sh [venv|venv42|chromium|postgres|redis|gcc|bench]..." ;;
  esac
done
say "ready: $*"
