#!/usr/bin/env bash
# Sends requests that are made from the description of the interface, valid and hostile ones: none may end in a 5xx.
#
#     scripts/fuzz_server.sh BIN RUN ...     # BIN has rnnnlp and schemathesis
#     EXAMPLES=1000 scripts/fuzz_server.sh BIN RUN ...
set -euo pipefail
bin=$1
shift
said=$(mktemp)
"$bin/rnnnlp" serve "$@" --port 0 --max-length 200 --timeout 20 2> "$said" &
server=$!
trap 'kill "$server" 2> /dev/null || true; rm -f "$said"' EXIT
until grep -q "serving at" "$said"; do
    kill -0 "$server" 2> /dev/null || { cat "$said" >&2; exit 1; }
    sleep 0.2
done
address=$(sed -n 's/.*serving at //p' "$said")
"$bin/schemathesis" run "${address}openapi.json" --phases examples,coverage,fuzzing --mode all \
    --checks not_a_server_error,content_type_conformance,response_schema_conformance \
    --max-examples "${EXAMPLES:-200}" --seed 1 --suppress-health-check all --request-timeout 60
kill "$server"
wait "$server" || { echo "the server did not end well" >&2; exit 1; }
if grep -n "Traceback" "$said"; then exit 1; fi
