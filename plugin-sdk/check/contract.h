/* The paragraphs of dback/provider.h that a fault is judged by. Each quotes the header word for word
 * (tests/abi/run compares), so that whoever reads a complaint can look it up there.
 */
#ifndef DBACK_CHECK_CONTRACT_H
#define DBACK_CHECK_CONTRACT_H

enum clause {
    CLAUSE_NONE,
    CLAUSE_ENTRY,
    CLAUSE_MAGIC,
    CLAUSE_MAJOR,
    CLAUSE_SIZE,
    CLAUSE_NEED_MINOR,
    CLAUSE_NAME,
    CLAUSE_MANDATORY,
    CLAUSE_WATCHED,
    CLAUSE_CANCEL,
    CLAUSE_THREADS,
    CLAUSE_RETURN,
    CLAUSE_BORROWED,
    CLAUSE_TEXT,
    CLAUSE_LIMITS,
    CLAUSE_ONE_DONE,
    CLAUSE_DEADLINE,
    CLAUSE_RESULT,
    CLAUSE_ASKED,
    CLAUSE_GROWTH,
    CLAUSE_LATER_MEMBER,
    CLAUSE_CREATE,
    CLAUSE_CREATE_FAILED,
    CLAUSE_INSTANCES,
    CLAUSE_UNIQUE_SERVERS,
    CLAUSE_DEFAULT,
    CLAUSE_UNIQUE_USERS,
    CLAUSE_STRANGERS,
    CLAUSE_OPENS,
    CLAUSE_LOGIN,
    CLAUSE_CONTENT,
    CLAUSE_FILE,
    CLAUSE_LIMIT,
    CLAUSE_EVENT,
    CLAUSE_NEW_EVENT,
    CLAUSE_HEALTH,
    CLAUSE_ROSTER,
    CLAUSE_BUSY,
    CLAUSE_HOLD,
    CLAUSE_WATCH,
    CLAUSE_TIMER,
    CLAUSE_QUIESCE,
    CLAUSE_DESTROY,
    CLAUSE_AFTER_DESTROY,
    CLAUSE_COUNT
};

struct contract {
    const char *place; /* what of the header says it: "REQUESTS", "destroy()" */
    const char *text;
};
extern const struct contract contracts[CLAUSE_COUNT];

#endif
