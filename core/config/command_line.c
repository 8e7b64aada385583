/* See command_line.h. */
#include "config/command_line.h"

const struct daemon_option daemon_options[DAEMON_OPTION_COUNT] = {
    [DAEMON_CONFIG] = { "config", "FILE",
                        "read this configuration (default: D_BACK_CONFIG, else the installed\n"
                        "d-back.cfg; without any: the mock provider on localhost:3000)" },
    [DAEMON_HOST] = { "host", "HOST", "listen on every address that HOST means" },
    [DAEMON_PORT] = { "port", "N", "listen on this port (0: a free one)" },
    [DAEMON_STATIC_DIR] = { "static-dir", "DIR", "serve this folder in place of the built-in page" },
    [DAEMON_CHECK_CONFIG] = { "check-config", NULL,
                              "print the effective configuration, or every mistake in it, and exit" },
    [DAEMON_VERSION] = { "version", NULL, "print the version and exit" },
    [DAEMON_HELP] = { "help", NULL, "print this and exit" },
};

const struct daemon_fact daemon_signals[] = {
    { "SIGTERM, SIGINT", "close every session and end" },
    { "SIGHUP", "read the configuration anew; viewers stay connected" },
    { "SIGUSR1", "open the log file anew (after rotation)" },
    { NULL, NULL },
};

const struct daemon_fact daemon_exit_codes[] = {
    { "0", "clean stop" },
    { "1", "run-time failure" },
    { "2", "mistake in the options or the configuration" },
    { NULL, NULL },
};

const struct daemon_fact daemon_examples[] = {
    { "d-back", "the mock's world on http://localhost:3000" },
    { "d-back --config d-back.cfg", "" },
    { "d-back --check-config --config d-back.cfg && d-backctl reload", "" },
    { NULL, NULL },
};

static void append_options(struct text_buffer *out)
{
    for (const struct daemon_option *option = daemon_options; option < daemon_options + DAEMON_OPTION_COUNT;
         option++) {
        struct text_buffer left = { 0 };
        text_appendf(&left, "--%s%s%s", option->name, option->argument ? " " : "",
                     option->argument ? option->argument : "");
        text_appendf(out, "  %-19s", left.ptr);
        for (const char *line = option->about, *end; *line; line = end + (*end == '\n')) {
            end = line + strcspn(line, "\n");
            text_appendf(out, "%*s%.*s\n", line == option->about ? 0 : 21, "", (int)(end - line), line);
        }
        text_finish(&left);
    }
}

void daemon_help(struct text_buffer *out)
{
    text_append_literal(
        out, "d-back, the server behind d-zone: shows a Discord community, live, in the browser.\n\n"
             "usage: d-back [options]\n\n");
    append_options(out);
    text_append_literal(
        out, "\nOptions beat the environment (D_BACK_CONFIG, D_BACK_HOST, D_BACK_PORT, D_BACK_STATIC_DIR),\n"
             "which beats the file. d-backctl is the operator's program.\n\n");
    for (const struct daemon_fact *fact = daemon_signals; fact->what; fact++)
        text_appendf(out, "%-13s%-16s %s\n", fact == daemon_signals ? "signals:" : "", fact->what,
                     fact->meaning);
    for (const struct daemon_fact *fact = daemon_exit_codes; fact->what; fact++)
        text_appendf(out, "%s%s %s", fact == daemon_exit_codes ? "exit codes:  " : ", ", fact->what,
                     fact->meaning);
    text_append_literal(out, "\n\n");
    for (const struct daemon_fact *fact = daemon_examples; fact->what; fact++)
        text_appendf(out, *fact->meaning ? "%-13s%-31s %s\n" : "%-13s%s%s\n",
                     fact == daemon_examples ? "examples:" : "", fact->what, fact->meaning);
}
