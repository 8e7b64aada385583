/* See content_type.h. */
#include "edge/content_type.h"

#include "edge/http_text.h"

/* JSON and JavaScript modules are UTF-8 by definition, but a proxy between us and an old browser may not
 * know. */
static const struct {
    const char *extension, *type;
} types[] = {
    { "html", "text/html; charset=utf-8" },
    { "htm", "text/html; charset=utf-8" },
    { "js", "text/javascript; charset=utf-8" },
    { "mjs", "text/javascript; charset=utf-8" },
    { "css", "text/css; charset=utf-8" },
    { "json", "application/json; charset=utf-8" },
    { "map", "application/json; charset=utf-8" },
    { "webmanifest", "application/manifest+json; charset=utf-8" },
    { "txt", "text/plain; charset=utf-8" },
    { "md", "text/markdown; charset=utf-8" },
    { "csv", "text/csv; charset=utf-8" },
    { "xml", "text/xml; charset=utf-8" },
    { "svg", "image/svg+xml; charset=utf-8" },
    { "png", "image/png" },
    { "jpg", "image/jpeg" },
    { "jpeg", "image/jpeg" },
    { "gif", "image/gif" },
    { "webp", "image/webp" },
    { "avif", "image/avif" },
    { "ico", "image/x-icon" },
    { "bmp", "image/bmp" },
    { "woff", "font/woff" },
    { "woff2", "font/woff2" },
    { "ttf", "font/ttf" },
    { "otf", "font/otf" },
    { "wasm", "application/wasm" },
    { "mp3", "audio/mpeg" },
    { "ogg", "audio/ogg" },
    { "wav", "audio/wav" },
    { "mp4", "video/mp4" },
    { "webm", "video/webm" },
    { "pdf", "application/pdf" },
    { "zip", "application/zip" },
    { "gz", "application/gzip" },
};

struct str content_type_of(struct str path)
{
    const char *dot = path.len ? memrchr(path.ptr, '.', path.len) : NULL;
    if (dot) {
        struct str extension = { dot + 1, (size_t)(path.ptr + path.len - dot) - 1 };
        for (size_t i = 0; i < ARRAY_LENGTH(types); i++)
            if (str_equal_nocase(extension, str_of(types[i].extension)))
                return str_of(types[i].type);
    }
    return STR("application/octet-stream");
}
