/* manual: the man pages d-back(8), d-backctl(1) and d-back.cfg(5), from the same tables as --help and the
 * reference of the configuration. docs/man holds what this prints, and a test compares. */
#include "ctl/ctl.h"

#include "config/command_line.h"
#include "config/keys.h"

#include <ctype.h>
#include <stdio.h>

/* Text as roff takes it: no escapes, no requests. `code` marks of the reference (`x`) become bold. */
static void put(const char *text)
{
    bool bold = false, line_begins = true;
    for (const char *p = text; *p; p++) {
        if (line_begins && (*p == '.' || *p == '\''))
            fputs("\\&", stdout);
        line_begins = *p == '\n';
        if (*p == '`')
            fputs((bold = !bold) ? "\\fB" : "\\fR", stdout);
        else if (*p == '\\')
            fputs("\\e", stdout);
        else if (*p == '-')
            fputs("\\-", stdout);
        else if (*p == '\'')
            fputs("\\(aq", stdout);
        else
            putchar(*p);
    }
}

static void title(const char *name, int section, const char *summary)
{
    printf(".\\\" Made by \"d-backctl manual\"; change the tables that it reads.\n.TH %s %d \"\" \"d-back "
           "%s\"\n",
           name, section, DBACK_VERSION);
    printf(".SH NAME\n");
    put(name);
    printf(" \\- ");
    put(summary);
    printf("\n");
}

static void heading(const char *name)
{
    printf(".SH %s\n", name);
}

static void item(const char *term, const char *text)
{
    printf(".TP\n.B ");
    put(term);
    printf("\n");
    put(text);
    printf("\n");
}

static void example(const char *text)
{
    printf(".PP\n.nf\n.RS\n");
    put(text);
    printf("\n.RE\n.fi\n");
}

static void see_also(const char *text)
{
    heading("SEE ALSO");
    printf("%s\n", text);
}

/* ------------------ d-backctl(1) -------------------------------------------------------------- */

static void put_options(const struct ctl_option *const *options, size_t most)
{
    for (size_t i = 0; i < most && options[i]; i++) {
        struct text_buffer term = { 0 };
        text_appendf(&term, "--%s%s%s", options[i]->name, options[i]->argument ? " " : "",
                     options[i]->argument ? options[i]->argument : "");
        item(term.ptr, options[i]->about);
        text_finish(&term);
    }
}

static void put_command(const struct command *command)
{
    struct text_buffer term = { 0 }, about = { 0 };
    text_appendf(&term, "%s", command->words);
    for (size_t i = 0; i < ARGUMENTS_MAX && command->arguments[i]; i++)
        text_appendf(&term, " %s", command->arguments[i]);
    text_appendf(&about, "%s.", command->summary);
    about.ptr[0] = (char)toupper(about.ptr[0]);
    if (command->about)
        text_appendf(&about, "\n%s", command->about);
    item(term.ptr, about.ptr);
    if (command->options[0]) {
        printf(".RS\n");
        put_options(command->options, OPTIONS_MAX);
        printf(".RE\n");
    }
    if (command->example) {
        printf(".RS\n");
        example(command->example);
        printf(".RE\n");
    }
    text_finish(&term);
    text_finish(&about);
}

static void manual_of_ctl(void)
{
    title("d-backctl", 1, "the operator's program for d-back");
    heading("SYNOPSIS");
    printf(".B d\\-backctl\n[options] COMMAND [arguments]\n");
    heading("DESCRIPTION");
    put("d-backctl asks and tells a running d-back over its control socket.\n");
    heading("COMMANDS");
    for (const struct command *command = commands; command < commands + command_count; command++)
        if (command->summary)
            put_command(command);
    heading("OPTIONS");
    put("They go with every command.\n");
    put_options(common_options, SIZE_MAX);
    heading("ENVIRONMENT");
    item("D_BACK_CONTROL", "The control socket, when --socket isn't given.");
    heading("FILES");
    item("/run/d-back/control.sock", "The control socket of a d-back that root or systemd started.");
    item("$XDG_RUNTIME_DIR/d-back/control.sock",
         "That of another user's; without such a folder in /run/user/UID or "
         "/tmp/d-back-UID.");
    heading("EXIT STATUS");
    item("0", "Done.");
    item("1", "d-back isn't there, or said no; standard error says why.");
    item("2", "A mistake on the command line.");
    see_also(".BR d\\-back (8),\n.BR d\\-back.cfg (5)");
}

/* ------------------ d-back(8) ----------------------------------------------------------------- */

static void put_facts(const struct daemon_fact *fact)
{
    for (; fact->what; fact++)
        item(fact->what, fact->meaning);
}

static void manual_of_daemon(void)
{
    title("d-back", 8, "the server behind d-zone: shows a Discord community, live, in the browser");
    heading("SYNOPSIS");
    printf(".B d\\-back\n[options]\n");
    heading("DESCRIPTION");
    put("d-back holds the WebSockets of viewers, serves their page, asks interchangeable plugins who is "
        "where, and "
        "sends every presence and message to everyone who watches. It stays in the foreground. Without a "
        "configuration it shows the made-up world of the mock plugin on localhost:3000.\n");
    heading("OPTIONS");
    for (const struct daemon_option *option = daemon_options; option < daemon_options + DAEMON_OPTION_COUNT;
         option++) {
        struct text_buffer term = { 0 };
        text_appendf(&term, "--%s%s%s", option->name, option->argument ? " " : "",
                     option->argument ? option->argument : "");
        item(term.ptr, option->about);
        text_finish(&term);
    }
    heading("ENVIRONMENT");
    put("An option beats the variable, the variable beats the file. An empty one counts as not given.\n");
    item("D_BACK_CONFIG", "The configuration to read.");
    for (const struct key *key = keys; key < keys + key_count; key++)
        if (key->environment)
            item(key->environment, key->about);
    heading("SIGNALS");
    put_facts(daemon_signals);
    heading("EXIT STATUS");
    put_facts(daemon_exit_codes);
    heading("EXAMPLES");
    for (const struct daemon_fact *fact = daemon_examples; fact->what; fact++)
        example(fact->what);
    see_also(".BR d\\-backctl (1),\n.BR d\\-back.cfg (5)");
}

/* ------------------ d-back.cfg(5) ------------------------------------------------------------- */

static void put_key(const struct key *key)
{
    struct text_buffer about = { 0 };
    text_appendf(&about, "%s\nAllowed: ", key->about);
    key_append_allowed(key, &about);
    if (key->fallback)
        text_appendf(&about, ". Default: %s", *key->fallback ? key->fallback : "\"\"");
    text_appendf(&about, ". %s", key->restart ? "Needs a restart." : "Live: a reload is enough.");
    item(key->name, about.ptr);
    text_finish(&about);
}

static void manual_of_configuration(void)
{
    title("d-back.cfg", 5, "the configuration of d-back");
    heading("DESCRIPTION");
    put("A file of NAME = VALUE; pairs. Strings stand in quotation marks, groups of keys in { }, lists of "
        "groups in ( ), "
        "arrays in [ ]; comments begin with # or //. `@include \"FILE\"` at the beginning of a line reads "
        "another file in "
        "its place. Relative paths begin at the folder of the file. Every key has a default; a mistake is "
        "told with its "
        "line by `d-back --check-config` and by `d-backctl config check`.\n");
    for (int group = 0; group < GROUP_COUNT; group++) {
        heading(group == GROUP_TOP ? "AT THE TOP" : key_group_names[group]);
        for (const struct key *key = keys; key < keys + key_count; key++)
            if ((int)key->group == group)
                put_key(key);
    }
    heading("EXAMPLE");
    example("port = 3000;\nproviders = (\n  { name = \"main\"; plugin = \"mock\"; options = { "
            "message_interval = 1.0; }; }\n"
            ");\nlimits = { ping_interval = 30; };");
    heading("FILES");
    item("PREFIX/etc/d-back/d-back.cfg, /etc/d-back/d-back.cfg for the prefix /usr",
         "Read when no other file is named.");
    see_also(".BR d\\-back (8),\n.BR d\\-backctl (1)");
}

int run_manual(struct call *call)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } pages[] = { { "d-backctl", manual_of_ctl },
                  { "d-back", manual_of_daemon },
                  { "d-back.cfg", manual_of_configuration } };
    for (size_t i = 0; i < ARRAY_LENGTH(pages); i++) {
        if (strcmp(call->arguments[0], pages[i].name) != 0)
            continue;
        pages[i].print();
        return flushed();
    }
    return usage_error(call->command, "there is no manual of \"%s\"; allowed: d-backctl, d-back, d-back.cfg",
                       call->arguments[0]);
}
