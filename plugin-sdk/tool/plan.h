/* What `plugin check` was asked to do: the same for all checks, and never changed by them. */
#ifndef DBACK_TOOL_PLAN_H
#define DBACK_TOOL_PLAN_H

#include "entry.h"

#define PLAN_SERVERS 16

struct plan {
    const char *file; /* as it was named */
    char *path;       /* absolute: a name without a slash would be looked for elsewhere */
    const char *options;
    const char *servers[PLAN_SERVERS]; /* to be asked about, besides those that it lists */
    size_t server_count;
    const char *token, *user_json, *password; /* a login that is to be let in; NULL: none */
    const char *static_path;                  /* NULL: none */
    int run_ms, deadline_ms, timeout_ms;
    unsigned requests, cycles;
    struct elf_image *image;
    struct entry entry; /* as the file says */
};

#endif
