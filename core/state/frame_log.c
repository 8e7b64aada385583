/* See frame_log.h.
 *
 * References: a chunk is held by the log while it is the newest, by its predecessor, and by every cursor in
 * it. So whoever stands in an old chunk can walk on to the head, and when the last one leaves it, it goes,
 * and with it every chunk behind it that nobody else holds.
 *
 * Sizes: a log starts small and its chunks grow to FRAME_LOG_CHUNK with the traffic, because most servers of
 * a large host say next to nothing.
 */
#include "state/frame_log.h"

#include "state/frame.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#define FIRST_CHUNK 4096u
#define CHUNK_GROWTH 4u

struct log_chunk {
    atomic_uint references;
    atomic_uint used; /* bytes published; final once `next` is set */
    struct log_chunk *_Atomic next;
    uint64_t base; /* position of its first byte */
    uint32_t capacity;
    unsigned char bytes[];
};

struct frame_log {
    atomic_uint references;
    _Atomic uint64_t head, frames;
    struct {
        _Atomic uint64_t position, emitted_ns; /* position 0: being changed */
    } mark;
    struct log_chunk *newest; /* touched by the core alone; NULL: nobody has read since the last trim */
    uint32_t next_capacity;
};

/* ------------------ chunks -------------------------------------------------------------------- */

static struct log_chunk *create_chunk(uint64_t base, uint32_t capacity)
{
    struct log_chunk *chunk = xmalloc(sizeof *chunk + capacity);
    atomic_init(&chunk->references, 1);
    atomic_init(&chunk->used, 0);
    atomic_init(&chunk->next, NULL);
    chunk->base = base;
    chunk->capacity = capacity;
    return chunk;
}

static struct log_chunk *ref_chunk(struct log_chunk *chunk)
{
    atomic_fetch_add_explicit(&chunk->references, 1, memory_order_relaxed);
    return chunk;
}

/* A loop, not a recursion: a reader that was far behind may have held thousands of chunks. */
static void unref_chunk(struct log_chunk *chunk)
{
    while (chunk && atomic_fetch_sub_explicit(&chunk->references, 1, memory_order_acq_rel) == 1) {
        struct log_chunk *next = atomic_load_explicit(&chunk->next, memory_order_relaxed);
        free(chunk);
        chunk = next;
    }
}

/* ------------------ the log ------------------------------------------------------------------- */

struct frame_log *frame_log_create(void)
{
    struct frame_log *log = xcalloc(1, sizeof *log);
    atomic_init(&log->references, 1);
    atomic_init(&log->head, 0);
    atomic_init(&log->frames, 0);
    log->next_capacity = FIRST_CHUNK;
    return log;
}

struct frame_log *frame_log_ref(struct frame_log *log)
{
    atomic_fetch_add_explicit(&log->references, 1, memory_order_relaxed);
    return log;
}

void frame_log_unref(struct frame_log *log)
{
    if (!log || atomic_fetch_sub_explicit(&log->references, 1, memory_order_acq_rel) != 1)
        return;
    unref_chunk(log->newest);
    free(log);
}

uint64_t frame_log_head(const struct frame_log *log)
{
    return atomic_load_explicit(&((struct frame_log *)log)->head, memory_order_acquire);
}

/* A chunk with room for `len` bytes becomes the newest. */
static struct log_chunk *grow(struct frame_log *log, size_t len)
{
    uint32_t capacity = log->next_capacity;
    while (capacity < len)
        capacity *= CHUNK_GROWTH;
    if (capacity > FRAME_LOG_CHUNK)
        capacity = FRAME_LOG_CHUNK;
    log->next_capacity =
        capacity * CHUNK_GROWTH < FRAME_LOG_CHUNK ? capacity * CHUNK_GROWTH : FRAME_LOG_CHUNK;
    struct log_chunk *old = log->newest;
    log->newest = create_chunk(frame_log_head(log), capacity);
    if (old) {
        ref_chunk(log->newest); /* the predecessor's hold */
        atomic_store_explicit(&old->next, log->newest, memory_order_release);
        unref_chunk(old);
    }
    return log->newest;
}

int frame_log_append(struct frame_log *log, struct str payload)
{
    if (payload.len > FRAME_LOG_FRAME_MAX)
        return -EMSGSIZE;
    unsigned char header[FRAME_HEADER_MAX];
    size_t header_len = frame_header_write(header, FRAME_WHOLE_TEXT, payload.len);
    size_t len = header_len + payload.len;
    if (len > FRAME_LOG_FRAME_MAX)
        return -EMSGSIZE;
    struct log_chunk *chunk = log->newest;
    uint32_t used = chunk ? atomic_load_explicit(&chunk->used, memory_order_relaxed) : 0;
    if (!chunk || chunk->capacity - used < len) {
        chunk = grow(log, len);
        used = 0;
    }
    memcpy(chunk->bytes + used, header, header_len);
    if (payload.len)
        memcpy(chunk->bytes + used + header_len, payload.ptr, payload.len);
    /* The head last: whoever sees it finds everything before it. The other way round a reader that remembers
     * how far it has looked would take this frame for seen. */
    atomic_store_explicit(&chunk->used, used + (uint32_t)len, memory_order_release);
    atomic_store_explicit(&log->head, chunk->base + used + len, memory_order_release);
    atomic_store_explicit(&log->frames, atomic_load_explicit(&log->frames, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    return 0;
}

uint64_t frame_log_frames(const struct frame_log *log)
{
    return atomic_load_explicit(&((struct frame_log *)log)->frames, memory_order_relaxed);
}

void frame_log_mark(struct frame_log *log, uint64_t emitted_ns)
{
    atomic_store(&log->mark.position, 0);
    atomic_store(&log->mark.emitted_ns, emitted_ns);
    atomic_store(&log->mark.position, frame_log_head(log));
}

bool frame_log_marked(const struct frame_log *log, struct log_mark *mark)
{
    struct frame_log *l = (struct frame_log *)log;
    mark->position = atomic_load(&l->mark.position);
    mark->emitted_ns = atomic_load(&l->mark.emitted_ns);
    return mark->position && mark->position == atomic_load(&l->mark.position);
}

void frame_log_trim(struct frame_log *log)
{
    struct log_chunk *chunk = log->newest;
    /* 1 is the log's own hold. Nobody else can get one meanwhile: a cursor is made here or copied from
     * another. */
    if (!chunk || atomic_load_explicit(&chunk->references, memory_order_acquire) != 1)
        return;
    log->newest = NULL;
    log->next_capacity = FIRST_CHUNK;
    unref_chunk(chunk);
}

/* ------------------ cursors ------------------------------------------------------------------- */

struct log_cursor frame_log_cursor(struct frame_log *log)
{
    struct log_chunk *chunk = log->newest ? log->newest : grow(log, 0);
    return (struct log_cursor){ ref_chunk(chunk), atomic_load_explicit(&chunk->used, memory_order_relaxed) };
}

struct log_cursor log_cursor_copy(const struct log_cursor *cursor)
{
    if (cursor->chunk)
        ref_chunk(cursor->chunk);
    return *cursor;
}

void log_cursor_release(struct log_cursor *cursor)
{
    unref_chunk(cursor->chunk);
    *cursor = (struct log_cursor){ 0 };
}

uint64_t log_cursor_position(const struct log_cursor *cursor)
{
    return cursor->chunk ? cursor->chunk->base + cursor->offset : 0;
}

struct str log_cursor_peek(struct log_cursor *cursor)
{
    while (cursor->chunk) {
        struct log_chunk *chunk = cursor->chunk;
        /* `next` before `used`: once there is a successor, `used` is final and nothing can be missed. */
        struct log_chunk *next = atomic_load_explicit(&chunk->next, memory_order_acquire);
        uint32_t used = atomic_load_explicit(&chunk->used, memory_order_acquire);
        if (cursor->offset < used)
            return (struct str){ (const char *)chunk->bytes + cursor->offset, used - cursor->offset };
        if (!next)
            break;
        cursor->chunk = ref_chunk(next);
        cursor->offset = 0;
        unref_chunk(chunk);
    }
    return (struct str){ 0 };
}

void log_cursor_advance(struct log_cursor *cursor, size_t len)
{
    assert(!len || cursor->offset + len <= atomic_load_explicit(&cursor->chunk->used, memory_order_acquire));
    cursor->offset += (uint32_t)len;
}
