#!/bin/sh
# Asks Knoq's API with the session that harvester serves: curl and sed, nothing else.
#
#   knoq.sh /api/managed-agents/sessions
#   knoq.sh /api/managed-agents/session '{"text": "hello"}'
set -eu
umask 077

socket=${HARVESTER_SOCKET:-${XDG_RUNTIME_DIR:-/run}/harvester/harvester.sock}
site=${KNOQ_ORIGIN:-https://knoq.one}
held=$(mktemp -d)
trap 'rm -r "$held"' EXIT
trap 'exit 1' HUP INT TERM

harvester() {
    curl --silent --show-error --fail-with-body --unix-socket "$socket" "$@"
}

# The headers as a file for curl -K, so that no cookie stands in the list of processes; the
# generation is the ETag.  `origin` lets the daemon refuse if its session is for another site.
session() {
    : >"$held/session"
    harvester "http://harvester/v1/session?format=curl&origin=$site" \
        --output "$held/session" --dump-header "$held/head" || {
        cat "$held/session" >&2
        exit 1
    }
    generation=$(sed -n 's/^[Ee][Tt][Aa][Gg]: *"\([0-9]*\)".*/\1/p' "$held/head")
}

send() {
    status=$(curl --silent --show-error --config "$held/session" "$@" \
        --header 'Content-Type: application/json' \
        --output "$held/answer" --write-out '%{http_code}' "$site$path")
}

path=$1
shift
[ "$#" = 0 ] || set -- --data-raw "$1"

session
send "$@"
if [ "$status" = 401 ]; then # it came before anything was done, so a POST may be repeated too
    : >"$held/report"
    harvester http://harvester/v1/session/report --data "{\"generation\": $generation}" \
        --output "$held/report" || {
        cat "$held/report" >&2
        exit 1
    }
    session
    send "$@"
fi
cat "$held/answer"
if [ "$status" -ge 400 ]; then
    echo "knoq answered $status" >&2
    exit 1
fi
