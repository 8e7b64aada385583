/* Checks of beginnings and ends: creating, options, several lives, what is left behind. */
#include "checks.h"

#include "leftovers.h"

#include <dlfcn.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ERROR_SIZE 1024

/* ------------------ create, options ----------------------------------------------------------- */

void check_create(struct trial *trial, const struct plan *plan)
{
    struct subject subject;
    struct life life = { 0 };
    double begun = subject_clock_ms();
    if (!subject_load(&subject, trial, plan))
        return;
    double loaded = subject_clock_ms();
    if (!life_begin(&life, &subject))
        return;
    double created = subject_clock_ms();
    if (created - loaded > plan->deadline_ms)
        trial_fail(trial, CLAUSE_DEADLINE, "create() took %.0f ms, which is more than the deadline",
                   created - loaded);
    trial_sum_up(trial, "loaded in %.1f ms, created in %.1f ms", loaded - begun, created - loaded);
    life_end(&life);
}

/* One life with these options, or a refusal with a sentence. */
static bool try_options(struct subject *subject, const char *what, const char *options, size_t error_size)
{
    struct trial *trial = subject->trial;
    struct life life = { .lenient = true };
    char error[ERROR_SIZE];
    int32_t result = life_create(&life, subject, NULL, options, error, error_size);
    if (result < 0) {
        trial_note(trial, "%s: refused: %s", what, error);
        if (!*error)
            trial_fail(trial, CLAUSE_CREATE, "%s: create() failed without a sentence in `error`", what);
        check_host_quiesce(life.host);
        const char *hold = check_host_wait_for_holds(life.host, subject->plan->deadline_ms);
        if (hold) {
            trial_fail(trial, CLAUSE_CREATE_FAILED, "%s: create() failed and left the hold \"%s\"", what,
                       hold);
            trial_end(trial);
        }
        return false;
    }
    trial_note(trial, "%s: taken", what);
    life_end(&life);
    return true;
}

/* The plan's options with one of them made odd, in every way. */
static void try_odd_values(struct subject *subject)
{
    static const char *const odd[] = { "null", "true", "-1", "1e308",
                                       "\"\"", "[]",   "{}", "\"\\ud83e\\udd89 \\u2028\"" };
    json_t *options = json_loads(subject->plan->options, 0, NULL);
    const char *key;
    json_t *value;
    json_object_foreach(options, key, value)
    {
        for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
            char what[160];
            json_t *copy = json_copy(options);
            json_object_set_new(copy, key, json_loads(odd[i], JSON_DECODE_ANY, NULL));
            char *text = json_dumps(copy, JSON_COMPACT);
            snprintf(what, sizeof what, "%.80s = %s", key, odd[i]);
            try_options(subject, what, text, ERROR_SIZE);
            free(text);
            json_decref(copy);
        }
    }
    json_decref(options);
}

/* Options with one more, of this value. */
static char *with_another(const struct plan *plan, const char *name, json_t *value)
{
    json_t *options = json_loads(plan->options, 0, NULL);
    json_object_set_new(options, name, value);
    char *text = json_dumps(options, JSON_COMPACT);
    json_decref(options);
    return text;
}

static json_t *deep(int levels)
{
    json_t *value = json_array();
    while (levels-- > 0) {
        json_t *outer = json_array();
        json_array_append_new(outer, value);
        value = outer;
    }
    return value;
}

static json_t *long_text(size_t len)
{
    char *text = malloc(len);
    memset(text, 'x', len);
    json_t *value = json_stringn(text, len);
    free(text);
    return value;
}

void check_options(struct trial *trial, const struct plan *plan)
{
    struct subject subject;
    if (!subject_load(&subject, trial, plan))
        return;
    char *unknown = with_another(plan, "an-option-that-nobody-has", json_integer(1));
    char *nested = with_another(plan, "nested", deep(200));
    char *large = with_another(plan, "large", long_text(1 << 20));
    try_options(&subject, "none at all", "{}", ERROR_SIZE);
    if (try_options(&subject, "an unknown option", unknown, ERROR_SIZE))
        trial_warn(
            trial, CLAUSE_CREATE,
            "it takes options that it doesn't know: whoever mistypes one will look for long; refuse them");
    try_options(&subject, "an unknown option, and little room for the sentence", unknown, 16);
    try_options(&subject, "a deeply nested option", nested, ERROR_SIZE);
    try_options(&subject, "an option of 1 MiB", large, ERROR_SIZE);
    try_odd_values(&subject);
    free(unknown);
    free(nested);
    free(large);
}

/* ------------------ two at a time ------------------------------------------------------------- */

static void both_run(struct life *a, struct life *b, int ms)
{
    for (double end = subject_clock_ms() + ms; subject_clock_ms() < end;) {
        life_run(a, 5);
        life_run(b, 5);
    }
}

static void watch_all(struct life *life, const struct known *known, uint32_t viewers)
{
    for (size_t i = 0; i < known->count; i++)
        life_watch(life, known->servers[i].discord_id, viewers);
}

static void expect_same(struct trial *trial, const struct known *a, const struct known *b, const char *when)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = strcmp(a->servers[i].discord_id, b->servers[i].discord_id) == 0;
    if (!same)
        trial_fail(trial, CLAUSE_INSTANCES,
                   "%s: it has %zu servers and had %zu before; is something kept outside of `self`?", when,
                   b->count, a->count);
}

void check_together(struct trial *trial, const struct plan *plan)
{
    struct subject subject;
    struct life old = { 0 }, new = { 0 };
    struct known before, beside, after;
    char error[ERROR_SIZE];
    if (!subject_load(&subject, trial, plan) || !life_begin(&old, &subject))
        return;
    subject_learn(&old, &before);
    watch_all(&old, &before, 1);
    if (life_create(&new, &subject, NULL, plan->options, error, sizeof error) < 0) {
        trial_fail(trial, CLAUSE_INSTANCES, "while another instance serves, create() failed: %s",
                   *error ? error : "without a word");
        life_end(&old);
        return;
    }
    subject_learn(&new, &beside);
    expect_same(trial, &before, &beside, "a second instance");
    watch_all(&new, &beside, 1);
    both_run(&old, &new, 100);
    life_end(&old);
    subject_learn(&new, &after);
    expect_same(trial, &before, &after, "the second instance after the end of the first");
    life_run(&new, 100);
    life_end(&new);
    known_finish(&before);
    known_finish(&beside);
    known_finish(&after);
}

/* ------------------ what is left behind ------------------------------------------------------- */

/* On a thread of its own, as in d-back: what the allocator keeps for a thread goes with it, and doesn't look
 * like a leak. */
static void one_cycle(void *arg)
{
    struct subject *subject = arg;
    struct life life = { 0 };
    struct known known;
    size_t own = leftovers_count().threads;
    if (!life_begin(&life, subject))
        trial_end(subject->trial);
    subject_learn(&life, &known);
    watch_all(&life, &known, 1);
    for (size_t i = 0; i < known.count; i++)
        check_answer_free(
            life_answer(&life, &(struct question){ .what = MEMBER_USERS,
                                                   .server = bytes_of(known.servers[i].discord_id) }));
    life_end(&life);
    known_finish(&known);
    size_t threads = leftovers_settle(own);
    if (threads > own)
        trial_fail(subject->trial, CLAUSE_AFTER_DESTROY, "threads still run after destroy(): %zu",
                   threads - own);
    else
        check_host_free(life.host);
}

/* What a leak adds it adds all the time: the least of what a fifth of the lives has added counts. (The first
 * fifth sets up whatever is set up once for all; allocators keep a little here and there.) */
#define FIFTHS 5

void check_cycles(struct trial *trial, const struct plan *plan)
{
    struct subject subject;
    unsigned each = (plan->cycles + FIFTHS - 1) / FIFTHS;
    struct leftovers after[FIFTHS];
    size_t least = SIZE_MAX;
    if (!subject_load(&subject, trial, plan))
        return;
    double begun = subject_clock_ms();
    for (unsigned part = 0; part < FIFTHS; part++) {
        for (unsigned i = 0; i < each && !trial_has_failed(trial); i++)
            trial_thread(trial, one_cycle, &subject);
        after[part] = leftovers_count();
        size_t before = part ? after[part - 1].memory : 0;
        size_t grown = after[part].memory > before ? after[part].memory - before : 0;
        if (part && grown < least)
            least = grown;
    }
    double ms = subject_clock_ms() - begun;
    size_t opened = after[FIFTHS - 1].descriptors - after[0].descriptors;
    if (trial_has_failed(trial))
        return;
    if (least / each >= 16)
        trial_fail(trial, CLAUSE_DESTROY, "each life leaves about %zu bytes of memory behind", least / each);
    if (after[FIFTHS - 1].descriptors > after[0].descriptors && opened >= each)
        trial_fail(trial, CLAUSE_DESTROY, "%zu file descriptors are left open after %u lives", opened,
                   each * (FIFTHS - 1));
    trial_sum_up(trial, "%u lives, %.1f ms each, %zu bytes of memory left", each * FIFTHS,
                 ms / (each * FIFTHS), least * (FIFTHS - 1));
}

void check_unload(struct trial *trial, const struct plan *plan)
{
    struct subject subject;
    struct life life = { 0 };
    struct known known;
    char threads[512];
    size_t own = leftovers_count().threads;
    if (!subject_load(&subject, trial, plan) || !life_begin(&life, &subject))
        return;
    subject_learn(&life, &known);
    watch_all(&life, &known, 1);
    life_run(&life, 200);
    life_end(&life);
    known_finish(&known);
    size_t left = leftovers_settle(own);
    leftovers_name_threads(threads, sizeof threads);
    if (left > own)
        trial_fail(
            trial, CLAUSE_AFTER_DESTROY,
            "threads still run after destroy(): %s; d-back would crash when the code is unloaded; join "
            "them in destroy()",
            threads);
    subject_unload(&subject);
    void *still = dlopen(plan->path, RTLD_NOW | RTLD_NOLOAD);
    trial_sum_up(trial, still ? "it stays in memory, as C++ objects may" : "unloaded");
    nanosleep(&(struct timespec){ 0, 200000000 }, NULL); /* for a thread that is in code that is no more */
}
