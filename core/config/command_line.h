/* The command line of d-back: its options, each once. main.c reads them, --help and the man page print them.
 */
#ifndef DBACK_CONFIG_COMMAND_LINE_H
#define DBACK_CONFIG_COMMAND_LINE_H

#include "base/text.h"

enum daemon_option_id {
    DAEMON_CONFIG,
    DAEMON_HOST,
    DAEMON_PORT,
    DAEMON_STATIC_DIR,
    DAEMON_CHECK_CONFIG,
    DAEMON_VERSION,
    DAEMON_HELP,
    DAEMON_OPTION_COUNT
};

struct daemon_option {
    const char *name;     /* "config": --config */
    const char *argument; /* "FILE"; NULL: none */
    const char *about;    /* a line break where --help folds it */
};
extern const struct daemon_option daemon_options[DAEMON_OPTION_COUNT];

/* Signals, exit codes and the like: pairs of what and its meaning. */
struct daemon_fact {
    const char *what, *meaning;
};
extern const struct daemon_fact daemon_signals[], daemon_exit_codes[]; /* `what` NULL: the end */
extern const struct daemon_fact daemon_examples[];                     /* meaning "": it says it all */

/* What --help prints. */
void daemon_help(struct text_buffer *out);

#endif
