/* Runs the provider's checks against the server that the options name: `discord-doctor OPTIONS`, where
 * OPTIONS is the JSON text of the options group. One line a sentence, and the number of errors as exit code.
 */
#include "doctor.h"
#include "check/host.h"
#include "health.h"

#include <stdio.h>
#include <string.h>

#define PATIENCE_MS 120000

struct run {
    bool done;
    uint32_t errors;
};

static void on_line(void *arg, uint32_t level, dback_str sentence)
{
    static const char *const words[] = { "?", "ERROR", "WARN", "OK" };
    (void)arg;
    printf("%s %.*s\n", words[level & 3], (int)sentence.len, sentence.ptr);
}

static void on_done(void *arg, uint32_t errors)
{
    struct run *run = arg;
    run->done = true;
    run->errors = errors;
}

int main(int argc, char **argv)
{
    struct run run = { 0 };
    char error[1024] = "";
    void *self = NULL;
    const dback_vtable *vtable = dback_provider.vtable;
    struct check_host *host = check_host_new(stderr, 1000);
    if (argc != 2 || vtable->create(check_host_interface(host), dback_text(argv[1]), &self, error,
                                    sizeof error) != DBACK_OK) {
        fprintf(stderr, "%s\n", argc == 2 ? error : "usage: discord-doctor OPTIONS");
        return 2;
    }
    const struct discord_doctor *doctor = vtable->extension(self, "x-discord-doctor");
    if (doctor->run(self, on_line, on_done, &run) != DBACK_OK)
        return 2;
    for (int waited = 0; !run.done && waited < PATIENCE_MS; waited += 50)
        check_host_run(host, 50, false);
    const struct discord_health *health = vtable->extension(self, "x-discord-health");
    int32_t state = health->tell(self, error, sizeof error);
    printf("HEALTH %d %s\n", (int)state, error);
    check_host_quiesce(host);
    vtable->quiesce(self);
    vtable->destroy(self);
    check_host_free(host);
    return run.done ? (int)run.errors : 2;
}
