/* See contract.h. */
#include "contract.h"

const struct contract contracts[CLAUSE_COUNT] = {
    [CLAUSE_NONE] = { "", "" },
    [CLAUSE_ENTRY] = { "dback_provider", "The one symbol that a provider exports, and it is data." },
    [CLAUSE_MAGIC] = { "dback_entry", "this constant is a dback_entry" },
    [CLAUSE_MAJOR] = { "DBACK_ABI_MAJOR", "must be equal on both sides" },
    [CLAUSE_SIZE] = { "GROWTH", "Structs start with their size in bytes as their builder knew it" },
    [CLAUSE_NEED_MINOR] = { "dback_entry", "the oldest host minor that it can live with: usually 0" },
    [CLAUSE_NAME] = { "dback_entry", "of the provider, 1 to 64 printable ASCII characters" },
    [CLAUSE_MANDATORY] = { "dback_vtable", "create and destroy are mandatory" },
    [CLAUSE_WATCHED] = { "dback_vtable", "watched goes with users: without it nobody would call it" },
    [CLAUSE_CANCEL] = { "cancel()", "The host no longer waits for `request`" },
    [CLAUSE_THREADS] = { "THREADS", "a provider calls host functions so tagged only there" },
    [CLAUSE_RETURN] = { "THREADS",
                        "It must return: exceptions, longjmp() and pthread_exit() must not leave it." },
    [CLAUSE_BORROWED] = { "OWNERSHIP", "the callee copies what it wants to keep" },
    [CLAUSE_TEXT] = { "TEXT", "TEXT is UTF-8, pointer and length, not NUL-terminated, without NUL bytes." },
    [CLAUSE_LIMITS] = { "TEXT",
                        "Text that isn't valid or is longer than the limit given beside it is refused" },
    [CLAUSE_ONE_DONE] = { "REQUESTS", "Each gets a request number and must lead to exactly one host->done() "
                                      "with that number" },
    [CLAUSE_DEADLINE] = { "REQUESTS", "The host owns the deadline" },
    [CLAUSE_RESULT] = { "done()", "DBACK_OK, DBACK_PASS, or an error below 0 with its reason in `why`" },
    [CLAUSE_ASKED] = { "put_*()", "malformed, or not what was asked for" },
    [CLAUSE_GROWTH] = { "GROWTH", "members are only ever appended" },
    [CLAUSE_LATER_MEMBER] = { "GROWTH",
                              "All members of 1.0 are always there; ask for later ones before you use "
                              "them." },
    [CLAUSE_CREATE] = { "create()", "Answer DBACK_OK, or below 0 with a sentence in `error`" },
    [CLAUSE_CREATE_FAILED] = { "create()", "After an error neither quiesce() nor destroy() is called" },
    [CLAUSE_INSTANCES] = { "create()", "There may be more than one instance in a process, and a new one is "
                                       "created while the old "
                                       "one still serves" },
    [CLAUSE_UNIQUE_SERVERS] = { "put_server()", "Of two with the same discord_id or id the first counts" },
    [CLAUSE_DEFAULT] = { "dback_server", "At most one is the default" },
    [CLAUSE_UNIQUE_USERS] = { "put_user()", "Of two with the same uid the last counts" },
    [CLAUSE_STRANGERS] = { "users()",
                           "perhaps of a server that another provider lists: then answer DBACK_PASS" },
    [CLAUSE_OPENS] = { "validate()",
                       "Pass on servers that aren't yours: who says DBACK_OK to them opens them." },
    [CLAUSE_LOGIN] = { "dback_login", "never trust it alone" },
    [CLAUSE_CONTENT] = { "done()", "only static_file() must have put something" },
    [CLAUSE_FILE] = { "put_file()", "an absolute path of a readable regular file" },
    [CLAUSE_LIMIT] = { "put_*()", "stop, and say done() all the same" },
    [CLAUSE_EVENT] = { "emit()", "DBACK_INVALID: malformed." },
    [CLAUSE_NEW_EVENT] = { "dback_event", "since 1.1; an older host refuses it" },
    [CLAUSE_HEALTH] = { "report_health()",
                        "`health` is one of DBACK_HEALTH_* (unknown numbers count as DEGRADED), "
                        "`text` (at most 512 bytes) a sentence for the operator that names what "
                        "is wrong and the way out" },
    [CLAUSE_ROSTER] = { "dback_event", "Someone who isn't on the roster is not heard" },
    [CLAUSE_BUSY] = { "emit()", "wait a little (a timer) and call again, or let it go" },
    [CLAUSE_HOLD] = { "hold()", "Keep this instance from being destroyed until release()" },
    [CLAUSE_WATCH] = { "watch_fd()", "Unwatch before you close the fd" },
    [CLAUSE_TIMER] = { "start_timer()", "Answers a number above 0, or below 0 an error" },
    [CLAUSE_QUIESCE] = { "quiesce()", "Stop timers, tell your threads to end, don't wait for them." },
    [CLAUSE_DESTROY] = { "destroy()", "join your threads, close and free everything" },
    [CLAUSE_AFTER_DESTROY] = { "destroy()", "No host function may be called after it returns, and nothing of "
                                            "yours may run" },
};
