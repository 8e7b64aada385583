/* See plugin_command.h. */
#include "plugin_command.h"

#include "verbs.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: d-backctl plugin VERB ...\n"
    "\n"
    "  new NAME [DIR]   write a small provider to start from, as a project of its own\n"
    "  check FILE.so    run a provider without d-back and say what it does wrong\n"
    "  info FILE.so     what a provider says of itself, without running any of it\n"
    "\n"
    "Each has a --help of its own. How to write a provider: docs/writing-a-provider.md.\n";

int wrong_usage(const char *verb, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "d-backctl plugin %s: ", verb);
    vfprintf(stderr, format, args);
    fprintf(stderr, "; see d-backctl plugin %s --help\n", verb);
    va_end(args);
    return 2;
}

int plugin_command(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } verbs[] = { { "new", verb_new }, { "check", verb_check }, { "info", verb_info } };
    const char *wanted = argc > 1 ? argv[1] : "";
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(wanted, verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    if (strcmp(wanted, "--help") == 0 || strcmp(wanted, "-h") == 0) {
        fputs(help, stdout);
        return 0;
    }
    if (*wanted)
        fprintf(stderr, "d-backctl plugin: there is no verb \"%s\"\n", wanted);
    fputs(help, stderr);
    return 2;
}
