#!/bin/sh
# What this provider promises, tried without d-back: ./test.sh build/tower.so
set -eu
provider=$1
checked=$("${D_BACKCTL:-d-backctl}" plugin check --verbose --options '{"chime": 0.05, "key": "sesame"}' \
    --token sesame --user '{"id":"1"}' "$provider") || { echo "$checked"; exit 1; }

# expect TEXT...: each must be among what the provider answered and emitted.
expect() {
    for text; do
        case $checked in
        *"$text"*) ;;
        *) echo "missing: $text"; echo "$checked"; exit 1 ;;
        esac
    done
}
expect '1001 hall "The Hall" default' '1002 cellar "The Cellar" passworded'
expect 'hall: 1 "keeper" online #f39c12' 'hall: 2 "owl" idle' 'cellar: 3 "ghost" dnd'
expect 'cellar: the login is let in' 'cellar: a made-up password: denied'
expect 'message server=1001 uid=1 ' 'and all is well.'
expect 'an unknown option: refused: '
echo "all as promised"
