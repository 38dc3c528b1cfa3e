#!/usr/bin/env bash
# Runs every fuzz target of the module for a while. The list is read from the sources, so that a new
# target is never forgotten; a crasher is left in the package's testdata/fuzz, to be kept with its mend.
#
# usage: tools/fuzz.sh TIME [PATTERN]     e.g. tools/fuzz.sh 30s Token
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:?usage: tools/fuzz.sh TIME [PATTERN]}
pattern=${2:-.}

targets=$(git grep --untracked -n -o -E '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' |
  sed -E 's|^(.*)/[^/]+:[0-9]+:func (Fuzz.*)$|\1 \2|' | sort -u | grep -E -- "$pattern" || true)
if [ -z "$targets" ]; then
  echo "no fuzz target matches \"$pattern\"; list them with: git grep -h '^func Fuzz'" >&2
  exit 1
fi
echo "$(wc -l <<<"$targets") fuzz targets, $time each"
while read -r package name; do
  printf '\n== %s in ./%s\n' "$name" "$package"
  go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "./$package"
done <<<"$targets"
