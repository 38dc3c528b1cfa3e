#!/usr/bin/env bash
# Makes what is generated and committed: proto/gen from the API sources, docs/reference from the code that
# it describes. With --check it changes nothing and fails if a file is not what it would be made to be.
#
# usage: tools/generate.sh [--check]
set -euo pipefail
cd "$(dirname "$0")/.."

buf() { go tool -modfile=tools/pinned/go.mod buf "$@"; }

# A reference page is a golden file of the package whose text it prints.
references=(./internal/config/... ./cmd/crossfade/...)

if [ "${1:-}" != --check ]; then
  buf generate proto --template proto/buf.gen.yaml
  go test -count=1 -run Reference "${references[@]}" -update
  exit
fi

drifted=0
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
buf generate proto --template proto/buf.gen.yaml -o "$fresh"
diff -r "$fresh/proto/gen" proto/gen || drifted=1
go test -count=1 -run Reference "${references[@]}" || drifted=1
if [ "$drifted" -ne 0 ]; then
  echo "generated files are not what their sources say; mend it: make generate" >&2
  exit 1
fi
