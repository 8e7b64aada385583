#!/bin/sh
# What this provider promises, tried without d-back: ./test.sh build/tower.so
set -eu
provider=$1
feed=$(mktemp -u)
trap 'rm -f "$feed"; kill "$talker" 2>/dev/null || :' EXIT
mkfifo "$feed"
# Somebody at the other end of the pipe, for as long as the checks run.
(exec 3<>"$feed"; while sleep 0.05; do echo 'owl hello there' >&3; done) &
talker=$!

checked=$("${D_BACKCTL:-d-backctl}" plugin check --verbose --options "{\"feed\": \"$feed\"}" \
    --token open --user '{"id":"1"}' "$provider") || { echo "$checked"; exit 1; }

# expect TEXT...: each must be among what the provider answered and emitted.
expect() {
    for text; do
        case $checked in
        *"$text"*) ;;
        *) echo "missing: $text"; echo "$checked"; exit 1 ;;
        esac
    done
}
expect '1001 hall "The Hall" default' 'hall: keeper "keeper" online'
expect 'user server=1001 uid=owl ' 'message server=1001 uid=owl ' 'text="hello there"'
expect 'gate: the login is let in' 'gate: a made-up password: denied'
expect 'an unknown option: refused: '
echo "all as promised"
