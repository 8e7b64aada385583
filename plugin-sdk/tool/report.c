/* See report.h. */
#include "report.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define OUTPUT_SHOWN 4000
#define FRAMES_SHOWN 12

struct report {
    enum report_form form;
    const struct plan *plan;
    unsigned passed, failed, skipped, warnings;
    double seconds;
    json_t *results;
};

static const char *verdict_of(const struct result *result)
{
    return result->failed ? "failed" : result->skipped ? "skipped" : "passed";
}

static const struct finding *find(const struct result *result, enum finding_kind kind)
{
    const struct finding *f = result->findings;
    while (f && f->kind != kind)
        f = f->next;
    return f;
}

/* ------------------ for people ---------------------------------------------------------------- */

static bool is_terminal(void)
{
    return isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
}

static void print_word(const char *word, const char *color)
{
    if (is_terminal())
        printf("\033[%sm%-5s\033[0m", color, word);
    else
        printf("%-5s", word);
}

static void print_finding(const struct finding *finding, const char *label)
{
    printf("        %s%s", label, finding->text);
    if (finding->times > 1)
        printf(" (%u times)", finding->times);
    putchar('\n');
    if (finding->clause)
        printf("            provider.h, %s: \"%s\"\n", contracts[finding->clause].place,
               contracts[finding->clause].text);
}

/* What the provider printed: whole lines, and not all of many. */
static void print_output(const char *output)
{
    size_t len = strlen(output);
    printf("        what it printed and logged:\n");
    for (const char *line = output; *line && line < output + OUTPUT_SHOWN;) {
        size_t n = strcspn(line, "\n");
        printf("          | %.*s\n", (int)n, line);
        line += n + (line[n] == '\n');
    }
    if (len > OUTPUT_SHOWN)
        printf("          | ...\n");
}

static void print_stack(char *const *stack)
{
    if (stack && stack[0])
        printf("        it was here:\n");
    for (size_t i = 0; stack && stack[i] && i <= FRAMES_SHOWN; i++)
        printf("          #%zu %s\n", i, i < FRAMES_SHOWN ? stack[i] : "...");
}

static void print_result(const struct report *report, const struct result *result)
{
    const struct finding *summary = find(result, FINDING_SUMMARY), *skip = find(result, FINDING_SKIP);
    if (result->failed)
        print_word("FAIL", "1;31");
    else if (result->skipped)
        print_word("skip", "2");
    else
        print_word(result->warned ? "warn" : "ok", result->warned ? "33" : "32");
    printf("  %-12s %7.0f ms  %s\n", result->name, result->seconds * 1000,
           result->skipped && skip ? skip->text
           : summary               ? summary->text
                                   : "");
    for (const struct finding *f = result->findings; f; f = f->next) {
        if (f->kind == FINDING_FAILURE)
            print_finding(f, "");
        else if (f->kind == FINDING_WARNING)
            print_finding(f, "warning: ");
        else if (f->kind == FINDING_NOTE && report->form == REPORT_ALL_LINES)
            print_finding(f, "");
    }
    print_stack(result->stack);
    if (result->output && (result->failed || report->form == REPORT_ALL_LINES))
        print_output(result->output);
    fflush(stdout);
}

/* ------------------ for programs -------------------------------------------------------------- */

/* What a provider prints may be anything; JSON is UTF-8. */
static json_t *json_text(const char *text)
{
    json_t *value = json_string(text);
    char *plain = value ? NULL : strdup(text);
    for (char *c = plain; c && *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    if (plain)
        value = json_string(plain);
    free(plain);
    return value;
}

static json_t *json_finding(const struct finding *finding)
{
    json_t *o = json_pack("{s:o, s:i}", "text", json_text(finding->text), "times", (int)finding->times);
    if (finding->clause)
        json_object_set_new(o, "contract",
                            json_pack("{s:s, s:s}", "place", contracts[finding->clause].place, "text",
                                      contracts[finding->clause].text));
    return o;
}

static json_t *json_findings(const struct result *result, enum finding_kind kind)
{
    json_t *list = json_array();
    for (const struct finding *f = result->findings; f; f = f->next)
        if (f->kind == kind)
            json_array_append_new(list, json_finding(f));
    return list;
}

static json_t *json_result(const struct result *result)
{
    const struct finding *summary = find(result, FINDING_SUMMARY), *skip = find(result, FINDING_SKIP);
    json_t *stack = json_array();
    for (size_t i = 0; result->stack && result->stack[i]; i++)
        json_array_append_new(stack, json_text(result->stack[i]));
    json_t *o = json_pack(
        "{s:s, s:s, s:f, s:o, s:o, s:o, s:o}", "name", result->name, "verdict", verdict_of(result), "seconds",
        result->seconds, "failures", json_findings(result, FINDING_FAILURE), "warnings",
        json_findings(result, FINDING_WARNING), "notes", json_findings(result, FINDING_NOTE), "stack", stack);
    if (summary)
        json_object_set_new(o, "summary", json_text(summary->text));
    if (skip)
        json_object_set_new(o, "skipped", json_text(skip->text));
    if (result->output)
        json_object_set_new(o, "output", json_text(result->output));
    return o;
}

static void print_document(const struct report *report)
{
    const struct entry *e = &report->plan->entry;
    char abi[32];
    snprintf(abi, sizeof abi, "%u.%u", e->major, e->minor);
    json_t *o = json_pack("{s:o, s:s?, s:s?, s:s, s:O, s:i, s:i, s:i, s:i, s:f}", "file",
                          json_text(report->plan->file), "provider", e->name, "version", e->version, "abi",
                          abi, "checks", report->results, "passed", (int)report->passed, "failed",
                          (int)report->failed, "skipped", (int)report->skipped, "warnings",
                          (int)report->warnings, "seconds", report->seconds);
    char *text = json_dumps(o, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    puts(text ? text : "{}");
    free(text);
    json_decref(o);
}

/* ------------------ both ---------------------------------------------------------------------- */

struct report *report_begin(enum report_form form, const struct plan *plan)
{
    struct report *report = calloc(1, sizeof *report);
    if (!report)
        abort();
    report->form = form;
    report->plan = plan;
    report->results = json_array();
    return report;
}

void report_result(struct report *report, const struct result *result)
{
    report->failed += result->failed;
    report->skipped += !result->failed && result->skipped;
    report->passed += !result->failed && !result->skipped;
    report->seconds += result->seconds;
    for (const struct finding *f = result->findings; f; f = f->next)
        report->warnings += f->kind == FINDING_WARNING;
    if (report->form == REPORT_JSON)
        json_array_append_new(report->results, json_result(result));
    else
        print_result(report, result);
}

unsigned report_end(struct report *report)
{
    unsigned failed = report->failed;
    if (report->form == REPORT_JSON)
        print_document(report);
    else
        printf("%u passed, %u failed, %u skipped, %u warning%s in %.1f s\n", report->passed, report->failed,
               report->skipped, report->warnings, report->warnings == 1 ? "" : "s", report->seconds);
    json_decref(report->results);
    free(report);
    return failed;
}
