/* The command line of d-backctl: which command, with what. See ctl.h. */
#include "ctl/ctl.h"

#include "config/mistakes.h"
#include "plugin_command.h"

#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define GIVEN_MAX 256

struct line {
    const char *words[GIVEN_MAX]; /* that aren't options */
    size_t word_count;
    struct given_option options[GIVEN_MAX];
    size_t option_count;
    const char *raw[GIVEN_MAX]; /* the options as they stand there, until their command is known */
};

const char *call_option(const struct call *call, const char *name)
{
    for (size_t i = call->option_count; i-- > 0;)
        if (strcmp(call->options[i].option->name, name) == 0)
            return call->options[i].value;
    return NULL;
}

int usage_error(const struct command *command, const char *format, ...)
{
    char sentence[512];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    complain("%s", sentence);
    fprintf(stderr, "Try 'd-backctl help%s%s'.\n", command ? " " : "", command ? command->words : "");
    return EXIT_USAGE;
}

/* ------------------ the command --------------------------------------------------------------- */

/* How many of the words it takes to name the command; 0: they don't. */
static size_t named_by(const struct command *command, const char *const *words, size_t count)
{
    size_t used = 0;
    const char *p = command->words;
    for (; *p && used < count; used++) {
        size_t len = strcspn(p, " ");
        if (strlen(words[used]) != len || memcmp(words[used], p, len) != 0)
            return 0;
        p += len + (p[len] == ' ');
    }
    return *p ? 0 : used;
}

static const struct command *find_command(const char *const *words, size_t count, size_t *used)
{
    for (const struct command *command = commands; command < commands + command_count; command++)
        if ((*used = named_by(command, words, count)))
            return command;
    return NULL;
}

/* Options may stand before the command, so it is looked for before they are understood. */
static int refuse_command(const struct line *line)
{
    const char *names[64];
    size_t count = 0;
    for (const struct command *c = commands; c < commands + command_count && count < ARRAY_LENGTH(names);
         c++) {
        if (c->summary)
            names[count++] = c->words;
        if (strncmp(c->words, line->words[0], strlen(line->words[0])) == 0 &&
            c->words[strlen(line->words[0])] == ' ')
            return usage_error(NULL, "\"%s\" wants one more word, as in \"%s\"", line->words[0], c->words);
    }
    const char *nearest = nearest_name(line->words[0], names, count);
    if (nearest)
        return usage_error(NULL, "there is no command \"%s\"; did you mean \"%s\"?", line->words[0], nearest);
    return usage_error(NULL, "there is no command \"%s\"", line->words[0]);
}

/* ------------------ options ------------------------------------------------------------------- */

static const struct ctl_option *find_option(const struct command *command, const char *name, size_t len)
{
    for (size_t i = 0; common_options[i]; i++)
        if (strlen(common_options[i]->name) == len && memcmp(common_options[i]->name, name, len) == 0)
            return common_options[i];
    for (size_t i = 0; command && i < OPTIONS_MAX && command->options[i]; i++)
        if (strlen(command->options[i]->name) == len && memcmp(command->options[i]->name, name, len) == 0)
            return command->options[i];
    return NULL;
}

/* Does this option, of whichever command, take the next word? */
static bool takes_word(const char *given)
{
    const char *name = given + 2;
    if (strchr(name, '='))
        return false;
    for (const struct command *command = commands; command < commands + command_count; command++) {
        const struct ctl_option *option = find_option(command, name, strlen(name));
        if (option)
            return option->argument != NULL;
    }
    return false;
}

/* Words and options apart; "--" ends the options. */
static int split(int argc, char **argv, struct line *line)
{
    bool ended = false;
    for (int i = 1; i < argc; i++) {
        if (i >= GIVEN_MAX)
            return usage_error(NULL, "so many words aren't understood");
        bool option = !ended && strncmp(argv[i], "--", 2) == 0;
        if (option && !argv[i][2]) {
            ended = true;
        } else if (option) {
            line->raw[line->option_count] = argv[i];
            bool takes = takes_word(argv[i]) && i + 1 < argc;
            line->options[line->option_count++].value = takes ? argv[++i] : NULL;
        } else if (!ended && argv[i][0] == '-' && argv[i][1]) {
            return usage_error(
                NULL, "\"%s\" is no option; what begins with a \"-\" and isn't one goes behind \"--\"",
                argv[i]);
        } else {
            line->words[line->word_count++] = argv[i];
        }
    }
    return 0;
}

static int understand_options(const struct command *command, struct line *line)
{
    for (size_t i = 0; i < line->option_count; i++) {
        const char *name = line->raw[i] + 2, *equals = strchr(name, '=');
        struct given_option *given = &line->options[i];
        given->option = find_option(command, name, equals ? (size_t)(equals - name) : strlen(name));
        if (!given->option)
            return usage_error(command, "\"%s\" has no option \"%s\"", command ? command->words : "d-backctl",
                               line->raw[i]);
        if (equals)
            given->value = equals + 1;
        if (given->option->argument && !given->value)
            return usage_error(command, "--%s needs %s", given->option->name, given->option->argument);
        if (!given->option->argument && equals)
            return usage_error(command, "--%s takes no value", given->option->name);
        if (!given->option->argument)
            given->value = "";
        for (size_t j = 0; j < i; j++)
            if (line->options[j].option == given->option && !given->option->repeated)
                return usage_error(command, "--%s is given twice", given->option->name);
    }
    return 0;
}

/* ------------------ arguments ----------------------------------------------------------------- */

static int check_arguments(const struct command *command, size_t count)
{
    size_t most = 0;
    for (size_t i = 0; i < ARGUMENTS_MAX && command->arguments[i]; i++) {
        const char *argument = command->arguments[i];
        most = strstr(argument, "...") ? SIZE_MAX : most + 1;
        if (count <= i && argument[0] != '[')
            return usage_error(command, "%s is missing", argument);
    }
    if (count > most)
        return usage_error(command,
                           most ? "there are too many words behind \"%s\"" : "\"%s\" takes no further words",
                           command->words);
    return 0;
}

static bool wants(const struct call *call, const char *name)
{
    return call_option(call, name) != NULL;
}

static int run(struct line *line)
{
    size_t used = 0;
    const struct command *command =
        line->word_count ? find_command(line->words, line->word_count, &used) : NULL;
    int result = line->word_count && !command ? refuse_command(line) : understand_options(command, line);
    if (result)
        return result;
    const char *variable = getenv("D_BACK_CONTROL");
    struct call call = { .command = command,
                         .arguments = line->words + used,
                         .argument_count = line->word_count - used,
                         .options = line->options,
                         .option_count = line->option_count };
    call.json = wants(&call, "json");
    call.socket = call_option(&call, "socket");
    if (!call.socket && variable && *variable)
        call.socket = variable;
    if (wants(&call, "version")) {
        printf("d-backctl %s\n", DBACK_VERSION);
        return flushed();
    }
    if (!command || wants(&call, "help")) {
        command ? print_command_help(command) : print_help();
        return !command && !wants(&call, "help") ? EXIT_USAGE : flushed();
    }
    result = check_arguments(command, call.argument_count);
    return result ? result : command->run(&call);
}

int main(int argc, char **argv)
{
    static struct line line;
    if (!setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1) /* how wide characters are */
        setlocale(LC_CTYPE, "C.UTF-8");
    signal(SIGPIPE, SIG_IGN);
    if (argc > 1 && strcmp(argv[1], "complete") == 0) /* somebody else's words, not to be understood */
        return run_complete(
            &(struct call){ .arguments = (const char *const *)argv + 2, .argument_count = (size_t)argc - 2 });
    if (argc > 1 && strcmp(argv[1], "plugin") == 0) /* the SDK's verbs have options of their own */
        return plugin_command(argc - 1, argv + 1);
    int result = split(argc, argv, &line);
    return result ? result : run(&line);
}
