/* d-back-check: runs a provider without d-back, shows what it answers, and says what it does wrong.
 *
 *     d-back-check --options '{"tag": "x"}' --run 3 ./mine.so
 *
 * It goes through a provider's whole life: entry, create, every capability, a while with viewers, quiesce,
 * destroy.
 */
#include "host.h"

#include <dlfcn.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define EVENT_LIMIT 10000
#define SHOWN_ROWS 10
#define SHOWN_EVENTS 50

struct arguments {
    const char *file, *options, *token, *user_json, *password, *path;
    int run_ms, deadline_ms;
};

struct session {
    const struct arguments *arguments;
    struct check_host *host;
    const dback_vtable *vtable;
    void *self;
    struct check_answer *servers;
    unsigned problems;
};

#define OFFERS(vtable, member) (DBACK_HAS(dback_vtable, (vtable), member) && (vtable)->member)

static void wrong(struct session *session, const char *what, const char *more)
{
    session->problems++;
    printf("WRONG %s%s%s\n", what, *more ? ": " : "", more);
}

/* ---------------------------------------------------------------- the entry ---------------- */

static bool name_fits(const char *name)
{
    size_t len = name ? strlen(name) : 0;
    for (size_t i = 0; i < len; i++)
        if (name[i] < 0x20 || name[i] > 0x7e)
            return false;
    return len >= 1 && len <= 64;
}

/* NULL when the host may call it. The order matters: nothing of an entry means anything before its magic. */
static const char *entry_fault(const dback_entry *entry)
{
    if (!entry)
        return "it has no symbol dback_provider; is DBACK_PROVIDER_ENTRY there?";
    if (entry->magic != DBACK_MAGIC)
        return "dback_provider isn't a dback_entry: its magic is wrong";
    if (entry->major != DBACK_ABI_MAJOR)
        return "it was built for another major version of the ABI; build it anew with this SDK";
    if (entry->size < sizeof(dback_entry))
        return "the entry's size is smaller than dback_entry";
    if (entry->need_minor > DBACK_ABI_MINOR)
        return "it needs a newer host (need_minor)";
    if (!name_fits(entry->name) || !name_fits(entry->version))
        return "name and version must be 1 to 64 printable ASCII characters";
    if (!entry->vtable)
        return "the vtable is NULL";
    if (!OFFERS(entry->vtable, create) || !OFFERS(entry->vtable, destroy))
        return "create and destroy are mandatory";
    return NULL;
}

/* ---------------------------------------------------------------- questions ---------------- */

static struct check_answer *wait_for(struct session *session, dback_request request)
{
    return check_host_wait(session->host, request, session->vtable, session->self,
                           session->arguments->deadline_ms);
}

/* Says how it ended; true when there is something to show. */
static bool judge(struct session *session, const char *what, const struct check_answer *answer)
{
    if (answer->result == DBACK_OK)
        return true;
    if (answer->result == DBACK_PASS)
        printf("%-10s passes\n", what);
    else if (answer->result == DBACK_DENIED)
        printf("%-10s denied: %s\n", what, answer->why);
    else
        wrong(session, what, *answer->why ? answer->why : "it failed without a reason");
    return false;
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Says which of `count` texts is there twice. Sorts them. */
static void expect_unique(struct session *session, const char *what, char **texts, size_t count)
{
    qsort(texts, count, sizeof *texts, compare_text);
    for (size_t i = 1; i < count; i++)
        if (strcmp(texts[i - 1], texts[i]) == 0)
            wrong(session, what, texts[i]);
}

static void judge_servers(struct session *session, const struct check_answer *answer)
{
    unsigned defaults = 0;
    char **texts = calloc(answer->server_count + 1, sizeof *texts);
    for (size_t i = 0; texts && i < answer->server_count; i++) {
        texts[i] = answer->servers[i].discord_id;
        defaults += (answer->servers[i].flags & DBACK_SERVER_DEFAULT) != 0;
    }
    if (texts)
        expect_unique(session, "two servers with the same discord_id", texts, answer->server_count);
    for (size_t i = 0; texts && i < answer->server_count; i++)
        texts[i] = answer->servers[i].id;
    if (texts)
        expect_unique(session, "two servers with the same id", texts, answer->server_count);
    if (defaults > 1)
        wrong(session, "more than one server has DBACK_SERVER_DEFAULT", "");
    free(texts);
}

static void judge_users(struct session *session, const struct check_answer *answer)
{
    char **texts = calloc(answer->user_count + 1, sizeof *texts);
    for (size_t i = 0; texts && i < answer->user_count; i++)
        texts[i] = answer->users[i].uid;
    if (texts)
        expect_unique(session, "two users with the same uid", texts, answer->user_count);
    free(texts);
}

static void ask_servers(struct session *session)
{
    if (!OFFERS(session->vtable, servers)) {
        printf("servers    not offered\n");
        return;
    }
    dback_request request = check_host_open(session->host);
    session->vtable->servers(session->self, request);
    session->servers = wait_for(session, request);
    if (!judge(session, "servers", session->servers))
        return;
    printf("servers    %zu\n", session->servers->server_count);
    judge_servers(session, session->servers);
    for (size_t i = 0; i < session->servers->server_count; i++) {
        const struct check_server *s = &session->servers->servers[i];
        bool closed = *s->password || (s->flags & DBACK_SERVER_PASSWORDED);
        if (i < SHOWN_ROWS)
            printf("           %s %s \"%s\"%s%s\n", s->discord_id, s->id, s->name,
                   (s->flags & DBACK_SERVER_DEFAULT) ? " default" : "", closed ? " passworded" : "");
    }
}

static void ask_users(struct session *session, const struct check_server *server)
{
    static const char *const statuses[] = { "unknown", "online", "idle", "dnd", "offline" };
    if (!OFFERS(session->vtable, users))
        return;
    dback_request request = check_host_open(session->host);
    session->vtable->users(session->self, request, dback_text(server->discord_id));
    struct check_answer *answer = wait_for(session, request);
    if (judge(session, "users", answer)) {
        printf("users      %zu on %s\n", answer->user_count, server->id);
        judge_users(session, answer);
        for (size_t i = 0; i < answer->user_count && i < SHOWN_ROWS; i++)
            printf("           %s \"%s\" %s %s\n", answer->users[i].uid, answer->users[i].username,
                   statuses[answer->users[i].status], answer->users[i].role_color);
    }
    check_answer_free(answer);
}

static void ask_client_id(struct session *session, const struct check_server *server)
{
    if (!OFFERS(session->vtable, client_id))
        return;
    dback_request request = check_host_open(session->host);
    session->vtable->client_id(session->self, request, dback_text(server->discord_id));
    struct check_answer *answer = wait_for(session, request);
    if (judge(session, "client_id", answer))
        printf("client_id  %s of %s\n", answer->client_id ? answer->client_id : "(none)", server->id);
    check_answer_free(answer);
}

static void ask_validate(struct session *session, const struct check_server *server)
{
    const struct arguments *arguments = session->arguments;
    if (!OFFERS(session->vtable, validate) || !(arguments->token || arguments->password))
        return;
    dback_login login;
    memset(&login, 0, sizeof login);
    login.size = (uint32_t)sizeof login;
    login.server = dback_text(server->discord_id);
    login.token = dback_text(arguments->token);
    login.user_json = dback_text(arguments->user_json);
    login.password = dback_text(arguments->password);
    login.peer = dback_text("127.0.0.1");
    dback_request request = check_host_open(session->host);
    session->vtable->validate(session->self, request, &login);
    struct check_answer *answer = wait_for(session, request);
    if (judge(session, "validate", answer))
        printf("validate   lets %s into %s\n", answer->login_uid ? answer->login_uid : "someone", server->id);
    check_answer_free(answer);
}

static void ask_static_file(struct session *session)
{
    if (!OFFERS(session->vtable, static_file) || !session->arguments->path)
        return;
    dback_request request = check_host_open(session->host);
    session->vtable->static_file(session->self, request, dback_text(session->arguments->path));
    struct check_answer *answer = wait_for(session, request);
    if (judge(session, "static", answer)) {
        if (answer->has_bytes)
            printf("static     %zu bytes, type \"%s\"\n", answer->byte_count, answer->content_type);
        else if (answer->file)
            printf("static     file %s, type \"%s\"\n", answer->file, answer->content_type);
        else
            wrong(session, "static_file",
                  "answered without put_file() or put_bytes(); to decline, use DBACK_PASS");
    }
    check_answer_free(answer);
}

/* ---------------------------------------------------------------- a while with viewers ------ */

static void tell_viewers(struct session *session, uint32_t viewers)
{
    if (!OFFERS(session->vtable, watched) || !session->servers)
        return;
    for (size_t i = 0; i < session->servers->server_count; i++)
        session->vtable->watched(session->self, dback_text(session->servers->servers[i].discord_id), viewers);
}

static void show_event(const struct check_event *event)
{
    static const char *const kinds[] = { "",          "message",         "user",         "user gone",
                                         "client id", "servers changed", "users changed" };
    printf("event      %s server=%s uid=%s name=\"%s\" status=%u channel=%s text=\"%s\"\n",
           kinds[event->kind], event->server, event->user.uid, event->user.username, event->user.status,
           event->channel, event->text);
}

static void watch_a_while(struct session *session)
{
    uint64_t seen = 0;
    tell_viewers(session, 1);
    for (int left = session->arguments->run_ms; left > 0; left -= 20) {
        struct check_event *event;
        check_host_run(session->host, left < 20 ? left : 20, false);
        while ((event = check_host_take_event(session->host))) {
            if (++seen <= SHOWN_EVENTS)
                show_event(event);
            check_event_free(event);
        }
    }
    tell_viewers(session, 0);
    struct check_counters n = check_host_count(session->host);
    printf("events     %llu taken, %llu answered BUSY\n", (unsigned long long)seen,
           (unsigned long long)n.busy);
}

static void ask_everything(struct session *session)
{
    ask_servers(session);
    for (size_t i = 0; session->servers && i < session->servers->server_count && i < SHOWN_ROWS; i++) {
        const struct check_server *server = &session->servers->servers[i];
        ask_users(session, server);
        ask_client_id(session, server);
        if (!*server->password && (server->flags & DBACK_SERVER_PASSWORDED))
            ask_validate(session, server);
    }
    ask_static_file(session);
    watch_a_while(session);
}

static void end_instance(struct session *session)
{
    check_host_quiesce(session->host);
    if (OFFERS(session->vtable, quiesce))
        session->vtable->quiesce(session->self);
    const char *reason = check_host_wait_for_holds(session->host, session->arguments->deadline_ms);
    if (reason) {
        wrong(session, "a hold is never released, d-back would keep waiting for it", reason);
        fflush(stdout);
        _Exit(1); /* whoever holds it may still run: nothing can be taken away under its feet */
    }
    session->vtable->destroy(session->self);
}

static unsigned check(const struct arguments *arguments, const dback_entry *entry)
{
    struct session session = { .arguments = arguments, .vtable = entry->vtable };
    char error[1024] = "";
    session.host = check_host_new(stdout, EVENT_LIMIT);
    int32_t result =
        session.vtable->create(check_host_interface(session.host), dback_text(arguments->options),
                               &session.self, error, sizeof error);
    if (result == DBACK_OK) {
        printf("create     ok\n");
        ask_everything(&session);
        end_instance(&session);
    } else {
        wrong(&session, "create", *error ? error : "it failed without a sentence in `error`");
    }
    struct check_counters n = check_host_count(session.host);
    printf("end        %llu late\n", (unsigned long long)n.late);
    check_answer_free(session.servers);
    check_host_free(session.host);
    return session.problems + (unsigned)n.problems;
}

/* ---------------------------------------------------------------- main --------------------- */

static const char usage[] = "usage: d-back-check [option...] PROVIDER.so\n"
                            "  -o, --options JSON    what create() is given (default {})\n"
                            "  -r, --run SECONDS     how long to pretend that somebody watches (default 1)\n"
                            "  -d, --deadline MS     how long an answer may take (default 5000)\n"
                            "  -t, --token TOKEN     with --user: a login for passworded servers\n"
                            "  -u, --user JSON\n"
                            "  -w, --password TEXT\n"
                            "  -p, --path PATH       ask static_file() for it\n"
                            "  -h, --help\n"
                            "Exit code: 0 no problem found, 1 there are some, 2 wrong usage.\n";

static bool read_arguments(struct arguments *a, int argc, char **argv)
{
    static const struct option options[] = {
        { "options", required_argument, NULL, 'o' },
        { "run", required_argument, NULL, 'r' },
        { "deadline", required_argument, NULL, 'd' },
        { "token", required_argument, NULL, 't' },
        { "user", required_argument, NULL, 'u' },
        { "password", required_argument, NULL, 'w' },
        { "path", required_argument, NULL, 'p' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    *a = (struct arguments){ .options = "{}", .run_ms = 1000, .deadline_ms = 5000 };
    int c;
    while ((c = getopt_long(argc, argv, "o:r:d:t:u:w:p:h", options, NULL)) != -1) {
        switch (c) {
        case 'o':
            a->options = optarg;
            break;
        case 'r':
            a->run_ms = (int)(strtod(optarg, NULL) * 1000);
            break;
        case 'd':
            a->deadline_ms = atoi(optarg);
            break;
        case 't':
            a->token = optarg;
            break;
        case 'u':
            a->user_json = optarg;
            break;
        case 'w':
            a->password = optarg;
            break;
        case 'p':
            a->path = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            return false;
        }
    }
    if (optind + 1 != argc || a->run_ms < 0 || a->deadline_ms < 1)
        return false;
    a->file = argv[optind];
    return true;
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    if (!read_arguments(&arguments, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    char *path = realpath(arguments.file, NULL); /* a name without a slash would be looked for elsewhere */
    void *image = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!image) {
        printf("WRONG %s\n", path ? dlerror() : "no such file");
        free(path);
        return 1;
    }
    free(path);
    const dback_entry *entry = dlsym(image, "dback_provider");
    const char *fault = entry_fault(entry);
    unsigned problems = 1;
    if (fault) {
        printf("WRONG %s\n", fault);
    } else {
        printf("entry      %s %s, ABI %u.%u, needs a host of %u.%u or newer\n", entry->name, entry->version,
               entry->major, entry->minor, entry->major, entry->need_minor);
        problems = check(&arguments, entry);
    }
    dlclose(image);
    printf("%u problem%s\n", problems, problems == 1 ? "" : "s");
    return problems ? 1 : 0;
}
