/* Requests and their answers: the put_*() rows and done(). See host.h. */
#include "internal.h"

#include <stdlib.h>

#define MOST_ROWS 1000000
#define MOST_BYTES (16u << 20)

/* With the lock held. NULL: nobody waits for it any more. */
static struct check_answer *find(struct check_host *host, dback_request number)
{
    check_is_alive(host, "a put_*() or done()");
    for (struct open_request *r = host->requests; r; r = r->next) {
        if (r->number != number)
            continue;
        if (!r->answer->finished)
            return r->answer;
        check_refuse(host, CLAUSE_ONE_DONE, "a put_*() or done() after the done() of its request");
        return NULL;
    }
    host->counters.late++;
    return NULL;
}

static void *grow(void *array, size_t count, size_t size)
{
    if (count & (count - 1)) /* room is always a power of two */
        return array;
    array = realloc(array, (count ? count * 2 : 1) * size);
    if (!array)
        abort();
    return array;
}

static int32_t put_server(const dback_host *interface, dback_request request, const dback_server *server)
{
    struct check_host *host = check_host_of(interface);
    pthread_mutex_lock(&host->lock);
    struct check_answer *answer = find(host, request);
    int32_t result = answer ? DBACK_OK : DBACK_LATE;
    const char *fault = check_server_fault(server);
    if (answer && fault) {
        result = check_refuse(host, CLAUSE_LIMITS, fault);
    } else if (answer && (host->stingy || answer->server_count >= MOST_ROWS)) {
        result = DBACK_LIMIT;
    } else if (answer) {
        answer->kinds |= CHECK_SERVERS;
        answer->servers = grow(answer->servers, answer->server_count, sizeof *answer->servers);
        answer->servers[answer->server_count++] =
            (struct check_server){ check_copy(server->discord_id), check_copy(server->id),
                                   check_copy(server->name),
                                   check_copy(CHECK_MEMBER(dback_server, server, password)), server->flags };
    }
    pthread_mutex_unlock(&host->lock);
    return result;
}

static int32_t put_user(const dback_host *interface, dback_request request, const dback_user *user)
{
    struct check_host *host = check_host_of(interface);
    pthread_mutex_lock(&host->lock);
    struct check_answer *answer = find(host, request);
    int32_t result = answer ? DBACK_OK : DBACK_LATE;
    const char *fault = check_user_fault(user);
    if (answer && fault) {
        result = check_refuse(host, CLAUSE_LIMITS, fault);
    } else if (answer && (host->stingy || answer->user_count >= MOST_ROWS)) {
        result = DBACK_LIMIT;
    } else if (answer) {
        answer->kinds |= CHECK_USERS;
        answer->users = grow(answer->users, answer->user_count, sizeof *answer->users);
        answer->users[answer->user_count++] = check_copy_user(user);
    }
    pthread_mutex_unlock(&host->lock);
    return result;
}

/* One text of an answer, in place of an earlier one. `slot` is the offset of its char * in struct
 * check_answer. */
static int32_t put_text(const dback_host *interface, dback_request request, enum check_kind kind, size_t slot,
                        dback_str text, const char *fault)
{
    struct check_host *host = check_host_of(interface);
    pthread_mutex_lock(&host->lock);
    struct check_answer *answer = find(host, request);
    int32_t result = answer ? DBACK_OK : DBACK_LATE;
    if (answer && !check_text_fits(text, 1, 64)) {
        result = check_refuse(host, CLAUSE_LIMITS, fault);
    } else if (answer) {
        char **at = (char **)(void *)((char *)answer + slot);
        answer->kinds |= kind;
        free(*at);
        *at = check_copy(text);
    }
    pthread_mutex_unlock(&host->lock);
    return result;
}

static int32_t put_login(const dback_host *interface, dback_request request, dback_str uid)
{
    return put_text(interface, request, CHECK_LOGIN, offsetof(struct check_answer, login_uid), uid,
                    "a login's uid that isn't 1 to 64 bytes of UTF-8");
}

static int32_t put_client_id(const dback_host *interface, dback_request request, dback_str client_id)
{
    return put_text(interface, request, CHECK_CLIENT_ID, offsetof(struct check_answer, client_id), client_id,
                    "a client id that isn't 1 to 64 bytes of UTF-8");
}

/* Either file or bytes; the later counts. */
static int32_t put_content(const dback_host *interface, dback_request request, bool is_file,
                           dback_str content, dback_str content_type)
{
    struct check_host *host = check_host_of(interface);
    pthread_mutex_lock(&host->lock);
    struct check_answer *answer = find(host, request);
    int32_t result = answer ? DBACK_OK : DBACK_LATE;
    if (answer && is_file && (!check_text_fits(content, 1, 4095) || content.ptr[0] != '/')) {
        result = check_refuse(host, CLAUSE_FILE, "a file that isn't an absolute path of at most 4095 bytes");
    } else if (answer && (content.len > MOST_BYTES || (content.len && !content.ptr))) {
        result = check_refuse(host, CLAUSE_LIMITS, "content of more than 16 MiB, or NULL");
    } else if (answer && !check_content_type_fits(content_type)) {
        result = check_refuse(host, CLAUSE_LIMITS,
                              "a content type that isn't at most 127 characters of printable ASCII");
    } else if (answer) {
        answer->kinds |= CHECK_CONTENT;
        free(answer->file);
        free(answer->bytes);
        free(answer->content_type);
        answer->file = is_file ? check_copy(content) : NULL;
        answer->bytes = is_file ? NULL : check_copy(content);
        answer->byte_count = is_file ? 0 : content.len;
        answer->has_bytes = !is_file;
        answer->content_type = check_copy(content_type);
    }
    pthread_mutex_unlock(&host->lock);
    return result;
}

static int32_t put_file(const dback_host *interface, dback_request request, dback_str path,
                        dback_str content_type)
{
    return put_content(interface, request, true, path, content_type);
}

static int32_t put_bytes(const dback_host *interface, dback_request request, dback_str bytes,
                         dback_str content_type)
{
    return put_content(interface, request, false, bytes, content_type);
}

static int32_t done(const dback_host *interface, dback_request request, int32_t result, dback_str why)
{
    struct check_host *host = check_host_of(interface);
    pthread_mutex_lock(&host->lock);
    struct check_answer *answer = find(host, request);
    if (answer) {
        answer->finished = true;
        answer->result = result;
        snprintf(answer->why, sizeof answer->why, "%.*s", (int)(why.len < 512 ? why.len : 512),
                 why.ptr ? why.ptr : "");
    }
    pthread_mutex_unlock(&host->lock);
    check_loop_wake(host->loop);
    return answer ? DBACK_OK : DBACK_LATE;
}

dback_request check_host_open(struct check_host *host)
{
    struct open_request *opened = calloc(1, sizeof *opened);
    struct check_answer *answer = calloc(1, sizeof *answer);
    if (!opened || !answer)
        abort();
    opened->answer = answer;
    pthread_mutex_lock(&host->lock);
    opened->number = ++host->last_request;
    opened->next = host->requests;
    host->requests = opened;
    pthread_mutex_unlock(&host->lock);
    return opened->number;
}

static bool is_finished(struct check_host *host, dback_request number)
{
    bool finished = true;
    pthread_mutex_lock(&host->lock);
    for (struct open_request *r = host->requests; r; r = r->next)
        if (r->number == number)
            finished = r->answer->finished;
    pthread_mutex_unlock(&host->lock);
    return finished;
}

static struct check_answer *close_request(struct check_host *host, dback_request number)
{
    struct check_answer *answer = NULL;
    pthread_mutex_lock(&host->lock);
    for (struct open_request **at = &host->requests; *at && !answer;) {
        struct open_request *r = *at;
        if (r->number != number) {
            at = &r->next;
            continue;
        }
        answer = r->answer;
        *at = r->next;
        free(r);
    }
    pthread_mutex_unlock(&host->lock);
    return answer;
}

struct check_answer *check_host_wait(struct check_host *host, dback_request request,
                                     const dback_vtable *vtable, void *self, int deadline_ms)
{
    uint64_t end = check_now_ms() + (uint64_t)deadline_ms;
    while (!is_finished(host, request) && check_now_ms() < end)
        check_loop_turn(host->loop, (int)(end - check_now_ms()) > 0 ? (int)(end - check_now_ms()) : 0);
    struct check_answer *answer = close_request(host, request);
    if (answer && !answer->finished) {
        answer->result = DBACK_LATE;
        snprintf(answer->why, sizeof answer->why, "no answer within %d ms", deadline_ms);
        if (DBACK_HAS(dback_vtable, vtable, cancel) && vtable->cancel)
            vtable->cancel(self, request);
    }
    return answer;
}

void check_answer_free(struct check_answer *answer)
{
    if (!answer)
        return;
    for (size_t i = 0; i < answer->server_count; i++) {
        free(answer->servers[i].discord_id);
        free(answer->servers[i].id);
        free(answer->servers[i].name);
        free(answer->servers[i].password);
    }
    for (size_t i = 0; i < answer->user_count; i++)
        check_free_user(&answer->users[i]);
    free(answer->servers);
    free(answer->users);
    free(answer->login_uid);
    free(answer->client_id);
    free(answer->file);
    free(answer->bytes);
    free(answer->content_type);
    free(answer);
}

void check_answers_end(struct check_host *host)
{
    pthread_mutex_lock(&host->lock);
    while (host->requests) {
        struct open_request *r = host->requests;
        host->requests = r->next;
        check_answer_free(r->answer);
        free(r);
    }
    pthread_mutex_unlock(&host->lock);
}

void check_answers_install(dback_host *interface)
{
    interface->put_server = put_server;
    interface->put_user = put_user;
    interface->put_login = put_login;
    interface->put_client_id = put_client_id;
    interface->put_file = put_file;
    interface->put_bytes = put_bytes;
    interface->done = done;
}
