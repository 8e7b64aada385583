/* See answer.h. */
#include "provider/answer.h"

#include <stdatomic.h>
#include <stdlib.h>

#define CHUNK_SIZE 16384 /* larger than any row's text */

struct chunk {
    struct chunk *next;
    size_t used;
    char bytes[CHUNK_SIZE];
};

enum { BLOCK_LOGIN, BLOCK_CLIENT_ID, BLOCK_FILE, BLOCK_BYTES, BLOCK_CONTENT_TYPE, BLOCK_COUNT };

struct arena {
    struct chunk *chunks; /* the first one has room */
    size_t server_capacity, user_capacity;
    char *blocks[BLOCK_COUNT];
    size_t block_bytes[BLOCK_COUNT];
    size_t bytes;
    struct budget *content; /* counts BLOCK_BYTES */
};

struct budget {
    atomic_uint references;
    atomic_size_t used;
};

struct budget *budget_create(void)
{
    struct budget *budget = xcalloc(1, sizeof *budget);
    atomic_init(&budget->references, 1);
    return budget;
}

void budget_unref(struct budget *budget)
{
    if (budget && atomic_fetch_sub(&budget->references, 1) == 1)
        free(budget);
}

size_t budget_used(const struct budget *budget)
{
    return atomic_load(&budget->used);
}

struct answer *answer_create(struct budget *content)
{
    struct answer *answer = xcalloc(1, sizeof *answer);
    struct arena *arena = answer->arena = xcalloc(1, sizeof *arena);
    arena->bytes = sizeof *answer + sizeof *arena;
    arena->content = content;
    atomic_fetch_add(&content->references, 1);
    return answer;
}

void answer_free(struct answer *answer)
{
    if (!answer)
        return;
    struct arena *arena = answer->arena;
    struct chunk *next;
    for (struct chunk *chunk = arena->chunks; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    for (size_t i = 0; i < BLOCK_COUNT; i++)
        free(arena->blocks[i]);
    atomic_fetch_sub(&arena->content->used, arena->block_bytes[BLOCK_BYTES]);
    budget_unref(arena->content);
    free(arena);
    free(answer->servers);
    free(answer->users);
    free(answer);
}

size_t answer_bytes(const struct answer *answer)
{
    return ((const struct arena *)answer->arena)->bytes;
}

static struct str keep(struct arena *arena, struct str text)
{
    if (!text.len)
        return (struct str){ "", 0 };
    if (!arena->chunks || CHUNK_SIZE - arena->chunks->used < text.len) {
        struct chunk *chunk = xmalloc(sizeof *chunk);
        chunk->next = arena->chunks;
        chunk->used = 0;
        arena->chunks = chunk;
        arena->bytes += sizeof *chunk;
    }
    char *at = arena->chunks->bytes + arena->chunks->used;
    memcpy(at, text.ptr, text.len);
    arena->chunks->used += text.len;
    return (struct str){ at, text.len };
}

static void *grow(struct arena *arena, void *rows, size_t *capacity, size_t row_size)
{
    size_t more = *capacity ? *capacity : 8;
    arena->bytes += more * row_size;
    *capacity += more;
    return xrealloc(rows, *capacity * row_size);
}

void answer_add_server(struct answer *answer, const struct server_row *row)
{
    struct arena *arena = answer->arena;
    if (answer->server_count == arena->server_capacity)
        answer->servers = grow(arena, answer->servers, &arena->server_capacity, sizeof *answer->servers);
    struct server_row *copy = &answer->servers[answer->server_count++];
    *copy = *row;
    copy->discord_id = keep(arena, row->discord_id);
    copy->id = keep(arena, row->id);
    copy->name = keep(arena, row->name);
    copy->password = keep(arena, row->password);
}

void answer_add_user(struct answer *answer, const struct user_row *row)
{
    struct arena *arena = answer->arena;
    if (answer->user_count == arena->user_capacity)
        answer->users = grow(arena, answer->users, &arena->user_capacity, sizeof *answer->users);
    struct user_row *copy = &answer->users[answer->user_count++];
    *copy = *row;
    copy->uid = keep(arena, row->uid);
    copy->username = keep(arena, row->username);
    copy->role_color = keep(arena, row->role_color);
}

static struct str set_block(struct answer *answer, int which, char *block, size_t len)
{
    struct arena *arena = answer->arena;
    size_t before = arena->block_bytes[which];
    free(arena->blocks[which]);
    arena->blocks[which] = block;
    arena->block_bytes[which] = len;
    if (which == BLOCK_BYTES) {
        atomic_fetch_add(&arena->content->used, len);
        atomic_fetch_sub(&arena->content->used, before);
    } else {
        arena->bytes += len;
        arena->bytes -= before;
    }
    return (struct str){ block ? block : "", len };
}

static struct str set_text(struct answer *answer, int which, struct str text)
{
    return set_block(answer, which, text.len ? xstrndup(text.ptr, text.len) : NULL, text.len);
}

void answer_set_login(struct answer *answer, struct str uid)
{
    answer->login_uid = set_text(answer, BLOCK_LOGIN, uid);
}

void answer_set_client_id(struct answer *answer, struct str client_id)
{
    answer->client_id = set_text(answer, BLOCK_CLIENT_ID, client_id);
}

void answer_set_file(struct answer *answer, struct str path, struct str content_type)
{
    answer->file = set_text(answer, BLOCK_FILE, path);
    answer->content_type = set_text(answer, BLOCK_CONTENT_TYPE, content_type);
    answer->bytes = set_block(answer, BLOCK_BYTES, NULL, 0);
    answer->has_bytes = false;
}

void answer_set_bytes(struct answer *answer, char *block, size_t len, struct str content_type)
{
    answer->bytes = set_block(answer, BLOCK_BYTES, block, len);
    answer->content_type = set_text(answer, BLOCK_CONTENT_TYPE, content_type);
    answer->file = set_text(answer, BLOCK_FILE, STR(""));
    answer->has_bytes = true;
}
