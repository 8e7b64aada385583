/* discord doctor: runs the checks of the discord plugin, with the options that d-back.cfg has for it.
 *
 * The running d-back isn't asked and doesn't notice: each entry gets an instance of its own here, in the
 * small host of the SDK, which only looks at Discord over REST. What is checked, and each sentence about it,
 * is the plugin's.
 */
#include "ctl/discord_doctor.h"

#include "../check/host.h"
#include "config/config.h"
#include "entry.h"

#include "../../plugins/discord/doctor.h"

#include <dlfcn.h>
#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PATIENCE_MS 120000
#define SLICE_MS 20
#define HOLDS_MS 5000

enum verdict { VERDICT_OK, VERDICT_WARNING, VERDICT_FAILED, VERDICT_COUNT };
static const struct {
    const char *word, *color;
} verdicts[VERDICT_COUNT] = { { "ok", "32" }, { "warning", "33" }, { "failed", "31" } };

struct examination {
    bool json, done;
    json_t *checks; /* of this provider; NULL unless `json` */
    unsigned counts[VERDICT_COUNT];
};

/* ------------------ sentences ----------------------------------------------------------------- */

static void print_word(enum verdict verdict)
{
    bool colored = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    if (colored)
        printf("\033[%sm%-9s\033[0m", verdicts[verdict].color, verdicts[verdict].word);
    else
        printf("%-9s", verdicts[verdict].word);
}

static void note(struct examination *e, enum verdict verdict, struct str sentence)
{
    struct text_buffer text = { 0 };
    e->counts[verdict]++;
    text_append_printable(&text, sentence);
    text_append(&text, "", 1);
    if (e->json) {
        json_array_append_new(e->checks,
                              json_pack("{s:s,s:s}", "result", verdicts[verdict].word, "text", text.ptr));
    } else {
        print_word(verdict);
        puts(text.ptr);
        fflush(stdout);
    }
    text_finish(&text);
}

static void note_failure(struct examination *e, const char *sentence)
{
    note(e, VERDICT_FAILED, str_of(sentence));
}

static void on_line(void *arg, uint32_t level, dback_str sentence)
{
    enum verdict verdict = level == DBACK_LOG_INFO   ? VERDICT_OK
                           : level == DBACK_LOG_WARN ? VERDICT_WARNING
                                                     : VERDICT_FAILED;
    note(arg, verdict, (struct str){ sentence.ptr, sentence.len });
}

static void on_done(void *arg)
{
    struct examination *e = arg;
    e->done = true;
}

/* ------------------ one provider -------------------------------------------------------------- */

/* Is its plugin the discord provider, whatever its file is called? A sentence when that can't be said. */
static bool is_discord(const struct provider_config *provider, char *fault, size_t size)
{
    struct entry entry = { 0 };
    *fault = '\0';
    struct elf_image *image = elf_open(provider->file, fault, size);
    bool found = image && entry_from_file(&entry, image, fault, size) &&
                 entry_fault(&entry, fault, size) == CLAUSE_NONE && strcmp(entry.name, "discord") == 0;
    elf_close(image);
    return found;
}

static void run_checks(struct examination *e, const struct discord_doctor *doctor, struct check_host *host,
                       void *self)
{
    e->done = false;
    if (!doctor || doctor->run(self, on_line, on_done, e) != DBACK_OK) {
        note_failure(e, "this plugin has no such checks: it is older than d-backctl");
        return;
    }
    for (int waited = 0; !e->done && waited < PATIENCE_MS; waited += SLICE_MS)
        check_host_run(host, SLICE_MS, false);
    if (!e->done)
        note_failure(e, "the checks didn't come to an end in two minutes");
}

static void examine_with(struct examination *e, const dback_vtable *vtable, const char *options)
{
    struct check_host *host = check_host_new(NULL, 1000);
    void *self = NULL;
    char error[1024] = "";
    if (vtable->create(check_host_interface(host), dback_text(options), &self, error, sizeof error) !=
        DBACK_OK) {
        error[sizeof error - 1] = '\0';
        note_failure(e, error);
        check_host_free(host);
        return;
    }
    bool extended = DBACK_HAS(dback_vtable, vtable, extension) && vtable->extension;
    run_checks(e, extended ? vtable->extension(self, DISCORD_DOCTOR) : NULL, host, self);
    check_host_quiesce(host);
    if (vtable->quiesce)
        vtable->quiesce(self);
    check_host_wait_for_holds(host, HOLDS_MS);
    vtable->destroy(self);
    check_host_destroyed(host);
    check_host_free(host);
}

static void examine(struct examination *e, const struct provider_config *provider)
{
    void *image = dlopen(provider->file, RTLD_NOW | RTLD_LOCAL);
    const dback_entry *entry = image ? dlsym(image, "dback_provider") : NULL;
    if (entry)
        examine_with(e, entry->vtable, provider->options);
    else
        note_failure(e, dlerror());
    if (image)
        dlclose(image);
}

/* ------------------ all of them --------------------------------------------------------------- */

static json_t *provider_json(const struct provider_config *provider, json_t *checks)
{
    return json_pack("{s:s,s:s,s:o}", "name", provider->name, "plugin", provider->file, "checks", checks);
}

static void print_sum(const struct examination *e, json_t *providers)
{
    if (e->json) {
        json_t *all = json_pack("{s:o,s:i,s:i}", "providers", providers, "warnings",
                                (int)e->counts[VERDICT_WARNING], "failed", (int)e->counts[VERDICT_FAILED]);
        json_dumpf(all, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(all);
    } else {
        printf("\n%u ok, %u warning%s, %u failed\n", e->counts[VERDICT_OK], e->counts[VERDICT_WARNING],
               e->counts[VERDICT_WARNING] == 1 ? "" : "s", e->counts[VERDICT_FAILED]);
    }
}

/* How many entries it looked at. */
static size_t examine_all(struct examination *e, const struct config *config, const char *name)
{
    json_t *providers = e->json ? json_array() : NULL;
    size_t found = 0;
    char fault[512];
    for (size_t i = 0; i < config->provider_count; i++) {
        const struct provider_config *provider = &config->providers[i];
        if ((name && strcmp(provider->name, name) != 0) || !is_discord(provider, fault, sizeof fault))
            continue;
        if (!e->json)
            printf("%s%s (%s)\n", found ? "\n" : "", provider->name, provider->file);
        e->checks = e->json ? json_array() : NULL;
        examine(e, provider);
        if (e->json)
            json_array_append_new(providers, provider_json(provider, e->checks));
        found++;
    }
    if (found)
        print_sum(e, providers);
    else
        json_decref(providers);
    return found;
}

static int nothing_found(const struct config *config, const char *name)
{
    const char *file = config->file ? config->file : "the defaults";
    char fault[512] = "";
    for (size_t i = 0; name && i < config->provider_count; i++) {
        if (strcmp(config->providers[i].name, name) != 0)
            continue;
        is_discord(&config->providers[i], fault, sizeof fault);
        complain("%s: the plugin of provider \"%s\" isn't the discord provider%s%s", file, name,
                 *fault ? ": " : "", fault);
        return EXIT_USAGE;
    }
    complain(name ? "%s has no provider \"%s\"; --provider takes the name of an entry whose plugin is discord"
                  : "%s has no provider whose plugin is discord; name another file with --config",
             file, name);
    return EXIT_USAGE;
}

int run_discord_doctor(struct call *call)
{
    struct examination e = { .json = call->json };
    const char *name = call_option(call, "provider");
    struct config *config = NULL;
    struct text_buffer mistakes = { 0 };
    int result = EXIT_USAGE;
    lws_set_log_level(0, NULL); /* the plugin's library would print on its own */
    if (config_load(&config, &(struct config_overrides){ .file = call_option(call, "config") }, &mistakes) !=
        0)
        fprintf(stderr, "%.*s", (int)mistakes.len, mistakes.ptr);
    else if (!examine_all(&e, config, name))
        result = nothing_found(config, name);
    else
        result = e.counts[VERDICT_FAILED] ? EXIT_REFUSED : 0;
    config_unref(config);
    text_finish(&mistakes);
    return flushed() ? EXIT_REFUSED : result;
}
