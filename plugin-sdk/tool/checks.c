/* See checks.h. */
#include "checks.h"

const struct check checks[] = {
    { "create", "an instance is made and ended", -1, check_create },
    { "options", "odd options are taken, or refused with a sentence", -1, check_options },
    { "servers", "which servers there are", MEMBER_SERVERS, check_servers },
    { "users", "who is on them", MEMBER_USERS, check_users },
    { "client_id", "their OAuth client ids", MEMBER_CLIENT_ID, check_client_id },
    { "validate", "who may join: nobody without a good login", MEMBER_VALIDATE, check_validate },
    { "static_file", "content in place of the page's", MEMBER_STATIC_FILE, check_static_file },
    { "strangers", "servers that it doesn't list are passed on", -1, check_strangers },
    { "hostile", "empty, huge and malformed text", -1, check_hostile },
    { "stingy", "a host that will hold nothing more", -1, check_stingy },
    { "events", "what it emits while somebody watches", -1, check_events },
    { "busy", "a host that takes no event for a while", -1, check_busy },
    { "late", "answers when nobody waits any more", -1, check_late },
    { "many", "thousands of requests", -1, check_many },
    { "quiesce", "the end in the middle of work", -1, check_quiesce },
    { "together", "two instances at a time, as during a swap", -1, check_together },
    { "cycles", "a hundred lives leave nothing behind", -1, check_cycles },
    { "unload", "nothing of it runs on after destroy()", -1, check_unload },
    { "newer-host", "a host of the next minor version", -1, check_newer_host },
    { "older-host", "a host of the oldest version that it says it can live with", -1, check_older_host },
};
const size_t check_count = sizeof checks / sizeof checks[0];
