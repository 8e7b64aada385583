/* A program with d-back inside, remote-controlled: it reads commands from its standard input, one a line,
 * carries each out, and answers with one line. What it knows of d-back is <dback/dback.h>.
 *
 *   create [config=FILE] [host=HOST] [port=N] [static_dir=DIR]      destroy
 *   register NAME [OPTIONS]     register-null NAME     register-bad NAME FAULT   (see home.h)
 *   start  stop  reload  run  port  version  unblock
 *   message SERVER UID CHANNEL TEXT      presence SERVER UID STATUS [NAME [COLOR]]      nobody SERVER
 *   gone SERVER UID      clientid SERVER ID      ("-": empty)
 *   storm THREADS COUNT    that many threads say "tK 1" ... "tK COUNT"; answers when all have
 *   pour THREADS           the same without an end, until: calm
 *   second COMMAND         of another d-back in this process
 *   quit
 *
 * Answers: "ok", a number or text, what a broadcast came to ("invalid", "late", "busy"), or "error: " and a
 * sentence.
 */
#include "home.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MOST_THREADS 16
#define MOST_SPOILT 4

/* One thread that talks. */
struct voice {
    pthread_t thread;
    struct storm *storm;
    unsigned number;
    unsigned long taken, late, other;
};

struct storm {
    dback *server;
    unsigned long count; /* 0: until `ending` */
    atomic_bool ending;
    unsigned voices;
    struct voice voice[MOST_THREADS];
};

struct spoilt {
    dback_entry entry;
    dback_vtable vtable;
};

struct program {
    dback *servers[2];
    struct spoilt spoilt[MOST_SPOILT];
    unsigned spoilt_count;
    struct storm storm; /* of pour, when it has voices */
};

/* ---------------------------------------------------------------- answers ------------------ */

static void answer(const char *text)
{
    puts(text);
    fflush(stdout);
}

static void answer_error(const char *text)
{
    fputs("error: ", stdout);
    for (; *text; text++)
        putchar(*text == '\n' ? '|' : *text);
    answer("");
}

static void answer_code(int code, const char *error)
{
    if (code < 0)
        answer_error(error);
    else
        answer("ok");
}

static void answer_broadcast(int result)
{
    answer(result == DBACK_OK        ? "ok"
           : result == DBACK_INVALID ? "invalid"
           : result == DBACK_LATE    ? "late"
           : result == DBACK_BUSY    ? "busy"
                                     : "error: an unknown result");
}

/* ---------------------------------------------------------------- words -------------------- */

/* The next word of the line, NULL at its end. */
static char *next_word(char **rest)
{
    *rest += strspn(*rest, " ");
    if (!**rest)
        return NULL;
    char *word = *rest;
    *rest += strcspn(word, " ");
    if (**rest)
        *(*rest)++ = '\0';
    return word;
}

/* "-" and a word that is missing both stand for an empty text. */
static const char *text_of(const char *word)
{
    return word && strcmp(word, "-") != 0 ? word : "";
}

static unsigned long number_of(const char *word)
{
    return word ? strtoul(word, NULL, 10) : 0;
}

static uint32_t status_of(const char *word)
{
    static const char *const names[] = { "unknown", "online", "idle", "dnd", "offline" };
    for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(text_of(word), names[i]) == 0)
            return i;
    return 99;
}

/* ---------------------------------------------------------------- life --------------------- */

static void create(dback **server, char *rest)
{
    dback_options options = { .size = sizeof options };
    char *word, error[4096] = "";
    while ((word = next_word(&rest))) {
        char *value = strchr(word, '=');
        if (value)
            *value++ = '\0';
        if (strcmp(word, "config") == 0)
            options.config_file = value;
        else if (strcmp(word, "host") == 0)
            options.host = value;
        else if (strcmp(word, "port") == 0)
            options.port = value;
        else if (strcmp(word, "static_dir") == 0)
            options.static_dir = value;
    }
    if (*server) {
        answer("error: there is one already");
        return;
    }
    int code = dback_create(server, &options, error, sizeof error);
    answer_code(code, error);
}

static void register_bad(struct program *p, dback *server, const char *name, const char *fault)
{
    char error[1024] = "";
    struct spoilt *spoilt = &p->spoilt[p->spoilt_count];
    if (p->spoilt_count == MOST_SPOILT || home_spoil(text_of(fault), &spoilt->entry, &spoilt->vtable) < 0) {
        answer("error: no such fault, or too many");
        return;
    }
    p->spoilt_count++;
    answer_code(dback_register(server, name, &spoilt->entry, NULL, error, sizeof error), error);
}

/* For a program that doesn't call dback_run() and leaves the signals to their usual effect. */
static void unblock_signals(void)
{
    sigset_t signals;
    sigfillset(&signals);
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
    answer("ok");
}

static void run(dback *server)
{
    int code = dback_run(server);
    if (code < 0)
        printf("error: %s\n", strerror(-code));
    else
        printf("%d\n", code);
    fflush(stdout);
}

/* False: not one of these. */
static bool obey_life(struct program *p, dback **server, const char *command, char *rest)
{
    char error[4096] = "";
    if (strcmp(command, "create") == 0) {
        create(server, rest);
    } else if (strcmp(command, "destroy") == 0) {
        dback_destroy(*server);
        *server = NULL;
        answer("ok");
    } else if (strcmp(command, "version") == 0) {
        answer(dback_version());
    } else if (strcmp(command, "unblock") == 0) {
        unblock_signals();
    } else if (!*server) {
        answer("error: nothing is created");
    } else if (strcmp(command, "register") == 0) {
        char *name = next_word(&rest);
        answer_code(
            dback_register(*server, text_of(name), &home_entry, *rest ? rest : NULL, error, sizeof error),
            error);
    } else if (strcmp(command, "register-null") == 0) {
        answer_code(dback_register(*server, text_of(next_word(&rest)), NULL, NULL, error, sizeof error),
                    error);
    } else if (strcmp(command, "register-bad") == 0) {
        char *name = next_word(&rest);
        register_bad(p, *server, text_of(name), next_word(&rest));
    } else if (strcmp(command, "start") == 0) {
        answer_code(dback_start(*server, error, sizeof error), error);
    } else if (strcmp(command, "stop") == 0) {
        dback_stop(*server);
        answer("ok");
    } else if (strcmp(command, "reload") == 0) {
        answer_code(dback_reload(*server, error, sizeof error), error);
    } else if (strcmp(command, "run") == 0) {
        run(*server);
    } else if (strcmp(command, "port") == 0) {
        printf("%u\n", dback_port(*server));
        fflush(stdout);
    } else {
        return false;
    }
    return true;
}

/* ---------------------------------------------------------------- broadcasts --------------- */

static int broadcast_user(dback *server, const char *discord_id, char *rest, bool gone)
{
    dback_user user = DBACK_USER_INIT;
    user.uid = dback_text(text_of(next_word(&rest)));
    if (!gone) {
        user.status = status_of(next_word(&rest));
        user.username = dback_text(text_of(next_word(&rest)));
        user.role_color = dback_text(text_of(next_word(&rest)));
    }
    return dback_broadcast_presence(server, discord_id, &user, gone);
}

static bool obey_broadcast(dback *server, const char *command, char *rest)
{
    const char *discord_id = text_of(next_word(&rest));
    if (strcmp(command, "message") == 0) {
        const char *uid = text_of(next_word(&rest)), *channel = text_of(next_word(&rest));
        answer_broadcast(dback_broadcast_message(server, discord_id, uid, text_of(rest), channel));
    } else if (strcmp(command, "presence") == 0) {
        answer_broadcast(broadcast_user(server, discord_id, rest, false));
    } else if (strcmp(command, "gone") == 0) {
        answer_broadcast(broadcast_user(server, discord_id, rest, true));
    } else if (strcmp(command, "nobody") == 0) {
        answer_broadcast(dback_broadcast_presence(server, discord_id, NULL, 0));
    } else if (strcmp(command, "clientid") == 0) {
        answer_broadcast(dback_broadcast_client_id(server, discord_id, text_of(next_word(&rest))));
    } else {
        return false;
    }
    return true;
}

/* ---------------------------------------------------------------- many threads ------------- */

static void take_breath(long ns)
{
    nanosleep(&(struct timespec){ .tv_nsec = ns }, NULL);
}

static void *talk(void *arg)
{
    struct voice *voice = arg;
    struct storm *storm = voice->storm;
    for (unsigned long n = 1; storm->count ? n <= storm->count : !atomic_load(&storm->ending); n++) {
        char text[48];
        snprintf(text, sizeof text, "t%u %lu", voice->number, n);
        int result;
        while ((result = dback_broadcast_message(storm->server, HOME, "ann", text, "storm")) == DBACK_BUSY)
            take_breath(1000000);
        result == DBACK_OK ? voice->taken++ : result == DBACK_LATE ? voice->late++ : voice->other++;
        if (!storm->count)
            take_breath(5000000);
    }
    return NULL;
}

static int storm_begin(struct storm *storm, dback *server, unsigned voices, unsigned long count)
{
    if (!server || voices == 0 || voices > MOST_THREADS)
        return -1;
    storm->server = server;
    storm->count = count;
    atomic_init(&storm->ending, false);
    for (storm->voices = 0; storm->voices < voices; storm->voices++) {
        struct voice *voice = &storm->voice[storm->voices];
        *voice = (struct voice){ .storm = storm, .number = storm->voices };
        if (pthread_create(&voice->thread, NULL, talk, voice) != 0)
            abort();
    }
    return 0;
}

static void storm_end(struct storm *storm)
{
    unsigned long taken = 0, late = 0, other = 0;
    atomic_store(&storm->ending, true);
    for (unsigned i = 0; i < storm->voices; i++) {
        struct voice *voice = &storm->voice[i];
        pthread_join(voice->thread, NULL);
        taken += voice->taken;
        late += voice->late;
        other += voice->other;
    }
    storm->voices = 0;
    printf("taken %lu late %lu other %lu\n", taken, late, other);
    fflush(stdout);
}

static bool obey_storm(struct program *p, dback *server, const char *command, char *rest)
{
    if (strcmp(command, "storm") == 0) {
        struct storm storm;
        unsigned voices = (unsigned)number_of(next_word(&rest));
        if (storm_begin(&storm, server, voices, number_of(next_word(&rest))) < 0)
            answer("error: storm THREADS COUNT, with a server");
        else
            storm_end(&storm);
    } else if (strcmp(command, "pour") == 0) {
        unsigned voices = (unsigned)number_of(next_word(&rest));
        answer(storm_begin(&p->storm, server, voices, 0) < 0 ? "error: pour THREADS, with a server" : "ok");
    } else if (strcmp(command, "calm") == 0) {
        storm_end(&p->storm);
    } else {
        return false;
    }
    return true;
}

/* ---------------------------------------------------------------- the program -------------- */

static void obey(struct program *p, char *line)
{
    char *rest = line, *command = next_word(&rest);
    bool second = command && strcmp(command, "second") == 0;
    if (second)
        command = next_word(&rest);
    dback **server = &p->servers[second ? 1 : 0];
    if (!command || (!obey_life(p, server, command, rest) && !obey_storm(p, *server, command, rest) &&
                     !obey_broadcast(*server, command, rest)))
        answer("error: no such command");
}

int main(void)
{
    struct program program = { 0 };
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    while ((length = getline(&line, &size, stdin)) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line, "quit") == 0)
            break;
        obey(&program, line);
    }
    if (program.storm.voices)
        storm_end(&program.storm);
    dback_destroy(program.servers[0]);
    dback_destroy(program.servers[1]);
    free(line);
    return 0;
}
