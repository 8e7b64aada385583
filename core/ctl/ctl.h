/* d-backctl: the operator's program. It speaks HTTP to the control socket of a running d-back.
 *
 *   main.c       reads the command line, finds the command, runs it
 *   commands.c   the table of commands: --help, the completions and the man page are made of it
 *   connect.c    where the socket is, and what to say when nobody is there
 *   http.c       one request and its answer
 *   grid.c       tables that fit the terminal
 *   output.c     what all of them say things with
 *   show.c, config.c, act.c, events.c, top.c   the commands; "plugin" is the SDK's (plugin-sdk/tool)
 *   help.c, complete.c, manual.c               what is printed of the table
 *
 * EXIT CODES  0: done; 1: d-back isn't there or said no; 2: a mistake on the command line.
 */
#ifndef DBACK_CTL_CTL_H
#define DBACK_CTL_CTL_H

#include "base/text.h"

#include <jansson.h>

#define EXIT_REFUSED 1
#define EXIT_USAGE 2

/* ------------------ the table ---------------------------------------------------------------- */

/* What a word stands for; completions ask a running d-back for some of them. */
enum word {
    WORD_ANY,
    WORD_PROVIDER,
    WORD_SERVER,
    WORD_CLIENT,
    WORD_STATUS, /* "online", ... */
    WORD_LEVEL,  /* "error", ... */
    WORD_TYPE,   /* of an event: "message", ... */
    WORD_FILE,
    WORD_NONE,
};

struct ctl_option {
    const char *name;     /* "username": --username */
    const char *argument; /* "NAME"; NULL: none */
    enum word word;       /* what the argument is */
    bool repeated;
    const char *about;
};

#define OPTIONS_MAX 6
#define ARGUMENTS_MAX 5

struct call;

struct command {
    const char *words;                    /* "provider swap" */
    const char *arguments[ARGUMENTS_MAX]; /* "NAME", "[FILE]", "ID..." */
    enum word argument_words[ARGUMENTS_MAX];
    const struct ctl_option *options[OPTIONS_MAX];
    const char *summary; /* a line */
    const char *about;   /* sentences; NULL: the summary says it all */
    const char *example;
    int (*run)(struct call *call);
};
extern const struct command commands[];
extern const size_t command_count;
/* Those of every command. */
extern const struct ctl_option *const common_options[];

/* What --type of `events` may be; NULL ends them. */
extern const char *const event_types[];

/* ------------------ a call -------------------------------------------------------------------- */

struct given_option {
    const struct ctl_option *option;
    const char *value;
};

struct call {
    const struct command *command;
    const char *const *arguments;
    size_t argument_count;
    const struct given_option *options;
    size_t option_count;
    const char *socket; /* of --socket or D_BACK_CONTROL; NULL: the usual places */
    bool json;          /* --json */
};

/* NULL: not given. */
const char *call_option(const struct call *call, const char *name);
/* Says what is wrong on the command line, and how to get help. EXIT_USAGE. */
int usage_error(const struct command *command, const char *format, ...) PRINTF_LIKE(2, 3);

/* ------------------ d-back -------------------------------------------------------------------- */

/* A connection to the control socket; below 0 with everything said about the places that were tried. */
int connect_to_daemon(const struct call *call);
/* The same without a word. */
int connect_quietly(const struct call *call);

struct reply {
    int status;
    struct text_buffer body;
};
/* Begins a request on `fd`; `body` NULL: none. False: the connection broke. */
bool http_send(int fd, const char *method, const char *path, const char *body);
/* The whole answer, at most so many bytes of it. False: the connection broke, or it isn't HTTP. */
bool http_receive(int fd, struct reply *reply);

/* Takes a line that has come (without its end); false: enough. */
typedef bool (*line_callback)(void *arg, struct str line);
/* An answer without an end, line by line. False: it isn't one; then `reply` has it. */
bool http_follow(int fd, struct reply *reply, line_callback take, void *arg);

/* Asks, and returns the JSON of a good answer (to be released); NULL with the sentence said. `status` may be
 * NULL. */
json_t *ask(const struct call *call, const char *method, const char *path, const json_t *body);
/* The same, and prints the answer as it is when --json was given. NULL: nothing more is to be done, `*result`
 * is the exit code. */
json_t *ask_and_show(const struct call *call, const char *method, const char *path, const json_t *body,
                     int *result);
/* Says why it was refused. */
void say_refusal(const struct reply *reply);

/* "/v1/servers/%2F/users": %s stand for pieces of the path, which are encoded. Caller frees. */
char *path_of(const char *format, ...);

/* ------------------ output -------------------------------------------------------------------- */

/* Says it on standard error, with the program's name. */
void complain(const char *format, ...) PRINTF_LIKE(1, 2);
/* 0, or EXIT_REFUSED with a sentence when standard output couldn't be written. */
int flushed(void);
/* The text of a member, "" when there is none; a number's value, 0. */
const char *text_at(const json_t *object, const char *name);
double number_at(const json_t *object, const char *name);
/* "3 d 4 h", "12 s", "350 ms" */
void append_duration(struct text_buffer *out, double seconds);
/* "1.5 MiB" */
void append_bytes(struct text_buffer *out, double bytes);
/* A line for each of `providers` that says that it isn't well, with its whole sentence: tables are cut. */
void print_unwell(const json_t *providers);

/* ------------------ the commands -------------------------------------------------------------- */

int run_status(struct call *call);
int run_top(struct call *call);
int run_clients(struct call *call);
int run_servers(struct call *call);
int run_users(struct call *call);
int run_providers(struct call *call);
int run_provider_swap(struct call *call);
int run_reload(struct call *call);
int run_config_show(struct call *call);
int run_config_check(struct call *call);
int run_message(struct call *call);
int run_presence(struct call *call);
int run_client_id(struct call *call);
int run_kick(struct call *call);
int run_drain(struct call *call);
int run_events(struct call *call);
int run_log_level(struct call *call);
int run_health(struct call *call);
int run_plugin(struct call *call);
int run_help(struct call *call);
int run_complete(struct call *call);
int run_manual(struct call *call);

void print_help(void);
void print_command_help(const struct command *command);

#endif
