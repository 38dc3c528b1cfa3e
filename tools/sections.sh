#!/usr/bin/env bash
# Runs make targets one after another and closes with a table: which, how long, how it ended. It goes on
# after a failure, so that one run shows everything that is broken; the exit status is 1 if anything was.
#
# usage: tools/sections.sh TARGET...
set -uo pipefail
cd "$(dirname "$0")/.."

rows=()
failed=0
for target in "$@"; do
  printf '\n== %s\n' "$target"
  began=$SECONDS
  if ${MAKE:-make} --no-print-directory "$target"; then
    result=ok
  else
    result="FAILED, again alone: make $target"
    failed=$((failed + 1))
  fi
  rows+=("$(printf '%-16s %5d s  %s' "$target" $((SECONDS - began)) "$result")")
done

printf '\n== summary\n'
printf '%s\n' "${rows[@]}"
printf '%-16s %5d s\n' "together" "$SECONDS"
if [ "$failed" -gt 0 ]; then
  printf '%d of %d sections failed\n' "$failed" $#
  exit 1
fi
