/* --help and help, from the table of commands. */
#include "ctl/ctl.h"
#include "ctl/grid.h"

#include <stdio.h>
#include <stdlib.h>

#define WIDTH 80

/* Words, folded at WIDTH, each line after `indent` blanks; the first one goes on at `column`. */
static void print_folded(const char *text, unsigned indent, unsigned column)
{
    bool line_begins = true;
    for (const char *p = text; *p;) {
        size_t len = strcspn(p, " ");
        if (!line_begins && column + 1 + len > WIDTH) {
            printf("\n%*s", (int)indent, "");
            column = indent;
            line_begins = true;
        }
        printf("%s%.*s", line_begins ? "" : " ", (int)len, p);
        column += (unsigned)len + !line_begins;
        line_begins = false;
        p += len + (p[len] == ' ');
    }
    putchar('\n');
}

static void append_usage(struct text_buffer *out, const struct command *command)
{
    text_appendf(out, "%s", command->words);
    for (size_t i = 0; i < ARGUMENTS_MAX && command->arguments[i]; i++)
        text_appendf(out, " %s", command->arguments[i]);
    for (size_t i = 0; i < OPTIONS_MAX && command->options[i]; i++) {
        const struct ctl_option *option = command->options[i];
        text_appendf(out, " [--%s%s%s]%s", option->name, option->argument ? " " : "",
                     option->argument ? option->argument : "", option->repeated ? "..." : "");
    }
}

static void print_options(const struct ctl_option *const *options, size_t most)
{
    for (size_t i = 0; i < most && options[i]; i++) {
        struct text_buffer left = { 0 };
        text_appendf(&left, "  --%s%s%s", options[i]->name, options[i]->argument ? " " : "",
                     options[i]->argument ? options[i]->argument : "");
        printf("%-24s", left.ptr);
        print_folded(options[i]->about, 24, left.len > 24 ? (unsigned)left.len : 24);
        text_finish(&left);
    }
}

void print_help(void)
{
    puts("d-backctl, the operator's program for d-back.\n\nusage: d-backctl [options] COMMAND [arguments]\n");
    for (const struct command *command = commands; command < commands + command_count; command++) {
        if (!command->summary)
            continue;
        printf("  %-16s", command->words);
        print_folded(command->summary, 18, 18);
    }
    puts("\noptions of every command:");
    print_options(common_options, SIZE_MAX);
    puts("\n\"d-backctl help COMMAND\" tells more of one. Exit codes: 0 done, 1 d-back isn't there or said "
         "no,\n"
         "2 a mistake on the command line.\n\n"
         "examples:    d-backctl status\n"
         "             d-backctl provider swap mock --option message_interval=0.5\n"
         "             d-backctl events --follow");
}

void print_command_help(const struct command *command)
{
    struct text_buffer usage = { 0 };
    append_usage(&usage, command);
    printf("usage: d-backctl ");
    print_folded(usage.ptr, 10, 17);
    putchar('\n');
    print_folded(command->summary, 0, 0);
    if (command->about)
        print_folded(command->about, 0, 0);
    if (command->options[0]) {
        puts("\noptions:");
        print_options(command->options, OPTIONS_MAX);
    }
    puts("\noptions of every command:");
    print_options(common_options, SIZE_MAX);
    if (command->example)
        printf("\nexample:     %s\n", command->example);
    text_finish(&usage);
}

int run_help(struct call *call)
{
    struct text_buffer words = { 0 };
    for (size_t i = 0; i < call->argument_count; i++)
        text_appendf(&words, "%s%s", i ? " " : "", call->arguments[i]);
    bool found = words.len == 0;
    if (found)
        print_help();
    for (const struct command *command = commands; words.len && command < commands + command_count;
         command++) {
        bool below = strncmp(command->words, words.ptr, words.len) == 0 && command->words[words.len] == ' ';
        if (!command->summary || (strcmp(command->words, words.ptr) != 0 && !below))
            continue;
        if (found)
            putchar('\n');
        print_command_help(command);
        found = true;
    }
    int result = found ? flushed() : usage_error(NULL, "there is no command \"%s\"", words.ptr);
    text_finish(&words);
    return result;
}
