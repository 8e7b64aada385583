/* d-backctl plugin check: looks at a provider's file, then runs one check after the other, each in a process
 * of its own. */
#include "checks.h"
#include "report.h"
#include "verbs.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_NAMES 32

struct arguments {
    struct plan plan;
    enum report_form form;
    const char *only[MOST_NAMES], *without[MOST_NAMES];
    size_t only_count, without_count;
};

static const char usage[] =
    "usage: d-backctl plugin check [OPTION...] FILE.so\n"
    "\n"
    "Runs a provider without d-back, each check in a process of its own, and says what it does wrong.\n"
    "\n"
    "  -o, --options JSON    what create() is given, as the options group of d-back.cfg (default {})\n"
    "  -v, --verbose         also what it answers, emits and logs\n"
    "  -j, --json            one JSON document in place of lines\n"
    "      --only NAMES      these checks alone, and create (comma separated)\n"
    "      --skip NAMES      all but these\n"
    "      --list            the checks there are\n"
    "  -r, --run SECONDS     how long to pretend that somebody watches (default 1)\n"
    "  -d, --deadline MS     how long an answer may take (default 5000)\n"
    "      --timeout SECONDS how long a call may take before it counts as hanging (default 30)\n"
    "      --requests N      for the check \"many\" (default 10000)\n"
    "      --cycles N        for the check \"cycles\" (default 100)\n"
    "  -s, --server ID       ask also about this server, when the provider doesn't list it (repeatable)\n"
    "  -t, --token TOKEN     with --user JSON: a login that must be let in somewhere\n"
    "  -u, --user JSON\n"
    "  -w, --password TEXT   the same with a password\n"
    "  -p, --path PATH       static_file() must have something for it\n"
    "\n"
    "Each check makes instances of its own, some of them many. Where that is too much for what is behind the "
    "provider (a\n"
    "service that counts logins), choose: --only events --skip create is one life with all that an ordinary "
    "one has.\n"
    "\n"
    "Exit code: 0 nothing is wrong, 1 something is, 2 wrong usage.\n";

/* ------------------ options ------------------------------------------------------------------- */

enum { OPTION_ONLY = 256, OPTION_SKIP, OPTION_LIST, OPTION_TIMEOUT, OPTION_REQUESTS, OPTION_CYCLES };

static const struct option long_options[] = {
    { "options", required_argument, NULL, 'o' },
    { "verbose", no_argument, NULL, 'v' },
    { "json", no_argument, NULL, 'j' },
    { "only", required_argument, NULL, OPTION_ONLY },
    { "skip", required_argument, NULL, OPTION_SKIP },
    { "list", no_argument, NULL, OPTION_LIST },
    { "run", required_argument, NULL, 'r' },
    { "deadline", required_argument, NULL, 'd' },
    { "timeout", required_argument, NULL, OPTION_TIMEOUT },
    { "requests", required_argument, NULL, OPTION_REQUESTS },
    { "cycles", required_argument, NULL, OPTION_CYCLES },
    { "server", required_argument, NULL, 's' },
    { "token", required_argument, NULL, 't' },
    { "user", required_argument, NULL, 'u' },
    { "password", required_argument, NULL, 'w' },
    { "path", required_argument, NULL, 'p' },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

static int list_checks(void)
{
    for (size_t i = 0; i < check_count; i++)
        printf("%-12s %s\n", checks[i].name, checks[i].about);
    return 0;
}

/* False: it isn't one, or is out of its range. */
static bool read_number(const char *text, double least, double most, double *out)
{
    char *end;
    errno = 0;
    *out = strtod(text, &end);
    return end != text && *end == '\0' && errno == 0 && *out >= least && *out <= most;
}

static bool is_check(const char *name)
{
    for (size_t i = 0; i < check_count; i++)
        if (strcmp(checks[i].name, name) == 0)
            return true;
    return false;
}

/* Cuts the list apart. False: one of them is no check, or there are too many. */
static bool read_names(char *list, const char **names, size_t *count)
{
    char *rest = NULL;
    for (char *name = strtok_r(list, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
        if (*count == MOST_NAMES || !is_check(name)) {
            wrong_usage("check", "there is no check \"%s\"", name);
            return false;
        }
        names[(*count)++] = name;
    }
    return true;
}

static bool read_count(const char *name, const char *text, double least, double most, int scale, int *out)
{
    double number;
    if (!read_number(text, least, most, &number)) {
        wrong_usage("check", "--%s must be a number from %g to %g, not \"%s\"", name, least, most, text);
        return false;
    }
    *out = (int)(number * scale);
    return true;
}

static bool read_option(struct arguments *a, int option)
{
    struct plan *plan = &a->plan;
    int number = 0;
    switch (option) {
    case 'o':
        plan->options = optarg;
        return true;
    case 'v':
        a->form = a->form == REPORT_JSON ? REPORT_JSON : REPORT_ALL_LINES; /* JSON has it all anyway */
        return true;
    case 'j':
        a->form = REPORT_JSON;
        return true;
    case OPTION_ONLY:
        return read_names(optarg, a->only, &a->only_count);
    case OPTION_SKIP:
        return read_names(optarg, a->without, &a->without_count);
    case 'r':
        return read_count("run", optarg, 0, 3600, 1000, &plan->run_ms);
    case 'd':
        return read_count("deadline", optarg, 1, 600000, 1, &plan->deadline_ms);
    case OPTION_TIMEOUT:
        return read_count("timeout", optarg, 0.1, 86400, 1000, &plan->timeout_ms);
    case OPTION_REQUESTS:
        if (!read_count("requests", optarg, 1, 10000000, 1, &number))
            return false;
        plan->requests = (unsigned)number;
        return true;
    case OPTION_CYCLES:
        if (!read_count("cycles", optarg, 2, 100000, 1, &number))
            return false;
        plan->cycles = (unsigned)number;
        return true;
    case 's':
        if (plan->server_count == PLAN_SERVERS) {
            wrong_usage("check", "at most %d servers", PLAN_SERVERS);
            return false;
        }
        plan->servers[plan->server_count++] = optarg;
        return true;
    case 't':
        plan->token = optarg;
        return true;
    case 'u':
        plan->user_json = optarg;
        return true;
    case 'w':
        plan->password = optarg;
        return true;
    case 'p':
        plan->static_path = optarg;
        return true;
    default:
        wrong_usage("check", "this option isn't known, or lacks its value");
        return false;
    }
}

static bool options_fit(const char *options)
{
    json_error_t where;
    json_t *json = json_loads(options, JSON_REJECT_DUPLICATES, &where);
    bool fit = json_is_object(json);
    if (!fit)
        wrong_usage("check", "--options must be a JSON object (%s)",
                    json ? "it is another value" : where.text);
    json_decref(json);
    return fit;
}

/* ------------------ the file ------------------------------------------------------------------ */

/* Without a process: nothing of it runs. False: nothing more can be checked. */
static bool look_at_file(struct plan *plan, struct report *report)
{
    struct result result = { .name = "file" };
    char text[512] = "";
    plan->path = realpath(plan->file, NULL);
    if (!plan->path)
        snprintf(text, sizeof text, "it can't be found: %s", strerror(errno));
    else
        plan->image = elf_open(plan->path, text, sizeof text);
    if (plan->image)
        snprintf(text, sizeof text, "%zu KiB, %s", (elf_file_size(plan->image) + 1023) / 1024,
                 elf_machine(plan->image));
    result_add(&result, plan->image ? FINDING_SUMMARY : FINDING_FAILURE, CLAUSE_NONE, text);
    report_result(report, &result);
    result_finish(&result);
    return plan->image != NULL;
}

/* Symbols of two plugins can't meet in d-back, but those that a library exports, too, may be taken from
 * there. */
static void note_exports(const struct elf_image *image, struct result *result)
{
    struct elf_symbol symbol, other = { 0 };
    char text[512];
    size_t count = 0;
    for (size_t i = 0; elf_export(image, i, &symbol); i++) {
        if (strcmp(symbol.name, "dback_provider") == 0)
            continue;
        count++;
        other = symbol;
    }
    snprintf(text, sizeof text, "it exports %zu more symbols, %.200s for one; -fvisibility=hidden hides them",
             count, other.name ? other.name : "");
    if (count)
        result_add(result, FINDING_NOTE, CLAUSE_ENTRY, text);
}

static bool look_at_entry(struct plan *plan, struct report *report)
{
    struct result result = { .name = "entry" };
    char text[512] = "";
    enum clause clause = CLAUSE_ENTRY;
    bool found = entry_from_file(&plan->entry, plan->image, text, sizeof text);
    if (found)
        clause = entry_fault(&plan->entry, text, sizeof text);
    if (clause) {
        result_add(&result, FINDING_FAILURE, clause, text);
    } else {
        snprintf(text, sizeof text, "%s %s, ABI %u.%u", plan->entry.name, plan->entry.version,
                 plan->entry.major, plan->entry.minor);
        result_add(&result, FINDING_SUMMARY, CLAUSE_NONE, text);
        note_exports(plan->image, &result);
    }
    report_result(report, &result);
    result_finish(&result);
    return !clause;
}

static void look_at_vtable(const struct plan *plan, struct report *report)
{
    struct result result = { .name = "vtable" };
    char text[512];
    if (entry_is_idle(&plan->entry) && plan->entry.offers[MEMBER_CANCEL])
        result_add(&result, FINDING_WARNING, CLAUSE_CANCEL,
                   "it offers cancel, but nothing that could be cancelled");
    entry_list_offers(&plan->entry, text, sizeof text);
    result_add(&result, FINDING_SUMMARY, CLAUSE_NONE, *text ? text : "it answers nothing");
    report_result(report, &result);
    result_finish(&result);
}

/* ------------------ the checks ---------------------------------------------------------------- */

static bool is_named(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* The first one, "create", runs whatever was chosen, unless it is left out: without it nothing else makes
 * sense. */
static bool is_wanted(const struct arguments *a, const struct check *check)
{
    bool chosen = a->only_count == 0 || check == checks || is_named(a->only, a->only_count, check->name);
    return chosen && !is_named(a->without, a->without_count, check->name);
}

struct call {
    const struct check *check;
    const struct plan *plan;
};

static void run_check(struct trial *trial, void *arg)
{
    const struct call *call = arg;
    call->check->run(trial, call->plan);
}

/* Without a process when it is clear that there is nothing to check. True: it came as far as to sum up. */
static bool run_one(const struct check *check, const struct plan *plan, bool created, struct report *report)
{
    struct result result = { .name = check->name };
    char text[128];
    if (!created) {
        result_add(&result, FINDING_SKIP, CLAUSE_NONE, "no instance can be made with these options");
    } else if (check->needs >= 0 && !plan->entry.offers[check->needs]) {
        snprintf(text, sizeof text, "it doesn't offer %s", member_names[check->needs]);
        result_add(&result, FINDING_SKIP, CLAUSE_NONE, text);
    } else {
        trial_run(&result, check->name, plan->path, plan->timeout_ms + plan->deadline_ms, run_check,
                  &(struct call){ check, plan });
    }
    bool summed_up = false;
    for (const struct finding *f = result.findings; f; f = f->next)
        summed_up |= f->kind == FINDING_SUMMARY;
    report_result(report, &result);
    result_finish(&result);
    return summed_up;
}

int verb_check(int argc, char **argv)
{
    struct arguments a = { .plan = { .options = "{}",
                                     .run_ms = 1000,
                                     .deadline_ms = 5000,
                                     .timeout_ms = 30000,
                                     .requests = 10000,
                                     .cycles = 100 } };
    int option;
    opterr = 0;
    optind = 0; /* it may have been used before */
    while ((option = getopt_long(argc, argv, "o:vjr:d:s:t:u:w:p:h", long_options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            return 0;
        }
        if (option == OPTION_LIST)
            return list_checks();
        if (!read_option(&a, option))
            return 2;
    }
    if (optind + 1 != argc)
        return wrong_usage("check", "name one provider's .so file");
    if (!options_fit(a.plan.options))
        return 2;
    a.plan.file = argv[optind];
    struct report *report = report_begin(a.form, &a.plan);
    if (look_at_file(&a.plan, report) && look_at_entry(&a.plan, report)) {
        bool created = true;
        look_at_vtable(&a.plan, report);
        for (size_t i = 0; i < check_count; i++) {
            if (!is_wanted(&a, &checks[i]))
                continue;
            bool summed_up = run_one(&checks[i], &a.plan, created, report);
            created &= summed_up || i > 0;
        }
    }
    unsigned failed = report_end(report);
    elf_close(a.plan.image);
    free(a.plan.path);
    return failed ? 1 : 0;
}
