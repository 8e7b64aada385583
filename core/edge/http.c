/* Which answer a plain HTTP request gets: the redirect of an own page, a provider's content, the version, a
 * file.
 *
 * See request.h. A provider that fails to answer costs the page nothing but time: the built-in files serve
 * on.
 */
#include "edge/request.h"
#include "edge/socket_url.h"
#include "edge/static_file.h"

#include <dback/dback.h>

#include <stdlib.h>
#include <unistd.h>

#define VERSION_PATH STR("/api/version")

static bool redirect(struct request *r)
{
    const struct config *config = r->connection.worker->config;
    struct origin origin =
        peer_origin(false, r->head.host, r->trusted, r->head.forwarded_proto, r->head.forwarded_host);
    struct text_buffer location = { 0 };
    bool wanted = socket_url_redirect(&r->head, &origin, config->static_dir_is_own,
                                      config->announce_socket_url, &location);
    if (wanted)
        http_respond_redirect(&r->response, &r->head, (struct str){ location.ptr, location.len });
    text_finish(&location);
    return wanted;
}

static void respond_opened(struct request *r, int code, struct static_file *file, struct str content_type)
{
    if (code == 0)
        http_respond_file(&r->response, &r->head, file, content_type);
    else
        http_respond_error(&r->response, &r->head, code == -ENOENT ? 404 : 503, NULL);
    static_file_close(file);
}

/* What we have ourselves. */
static void respond_built_in(struct request *r, struct str path)
{
    if (str_equal(path, VERSION_PATH)) {
        http_respond_version(&r->response, &r->head, dback_version());
        return;
    }
    const struct config *config = r->connection.worker->config;
    struct static_file file = { .fd = -1 };
    int root = static_root_open(config->static_dir);
    int code = root < 0 ? root : static_file_open(&file, root, path);
    respond_opened(r, code, &file, STR(""));
    if (root >= 0)
        close(root);
}

static void free_answer(void *held)
{
    answer_free(held);
}

/* False: it names a file that can't be had; the built-in ones serve on. */
static bool respond_override(struct request *r, struct answer *answer)
{
    if (answer->has_bytes) {
        http_respond_bytes(&r->response, &r->head, answer->bytes, answer->content_type);
        r->response.release = free_answer;
        r->response.held = answer;
        return true;
    }
    struct static_file file = { .fd = -1 };
    int code = answer->file.len ? static_file_open_named(&file, answer->file) : -ENOENT;
    if (code == 0) {
        respond_opened(r, code, &file, answer->content_type);
    } else if (answer->file.len) {
        connection_log(&r->connection, LOG_WARN,
                       "a provider's file can't be served, the built-in one is: %.*s", (int)answer->file.len,
                       answer->file.ptr);
    }
    answer_free(answer);
    return code == 0;
}

void http_override(struct request *r, struct answer *answer)
{
    struct text_buffer path = { 0 };
    path_decode(r->head.path, &path);
    if (!answer || !respond_override(r, answer))
        respond_built_in(r, (struct str){ path.ptr, path.len });
    text_finish(&path);
    request_send(r);
}

static void ask_core(struct request *r, struct text_buffer *path)
{
    struct to_core *message = xcalloc(1, sizeof *message);
    message->kind = CORE_STATIC;
    message->viewer = connection_ref(&r->connection);
    message->path = path->ptr;
    message->path_len = path->len;
    *path = (struct text_buffer){ 0 };
    r->state = REQUEST_ASKING;
    worker_post(r->connection.worker, message);
}

void http_begin(struct request *r)
{
    if (!r->connection.worker->config->http) {
        request_send_error(r, 426, "Only WebSocket connections are served here.");
        return;
    }
    struct text_buffer path = { 0 };
    path_decode(r->head.path, &path);
    if (redirect(r))
        request_send(r);
    else if (!static_path_acceptable((struct str){ path.ptr, path.len }))
        request_send_error(r, 404, NULL);
    else
        ask_core(r, &path);
    text_finish(&path);
}
