/* What a provider hands over, checked: rows, events and single texts, read by the size that their builder
 * wrote.
 *
 * A checked row is borrowed: its text is still the provider's, and lives as long as the host function runs.
 * Members that a smaller struct doesn't have count as not given; larger structs are fine.
 */
#ifndef DBACK_PROVIDER_ROWS_H
#define DBACK_PROVIDER_ROWS_H

#include "provider/instance.h"

#define ID_MAX 64
#define NAME_MAX_BYTES 256
#define PASSWORD_MAX 1024
#define MESSAGE_MAX 8192
#define PATH_MAX_BYTES 4095
#define CONTENT_TYPE_MAX 127
#define BYTES_MAX (16u << 20)
#define WHY_MAX 512
#define REASON_MAX 128

/* What is wrong, for the log: the member and the rule, never the value. */
struct row_fault {
    char text[120];
};

struct checked_user {
    struct user_row row;
    char role_color[8]; /* where row.role_color points, in lower case */
};

struct checked_event {
    uint32_t kind;
    struct str server, channel, text;
    struct checked_user user;
};

/* DBACK_OK, or DBACK_INVALID with the fault. `checked` must not be moved afterwards. */
int32_t row_check_server(const dback_server *server, struct server_row *checked, struct row_fault *fault);
int32_t row_check_user(const dback_user *user, struct checked_user *checked, struct row_fault *fault);
int32_t row_check_event(const dback_event *event, struct checked_event *checked, struct row_fault *fault);
/* A single text of `least` to `most` bytes. */
int32_t row_check_text(const char *member, dback_str text, size_t least, size_t most, struct str *checked,
                       struct row_fault *fault);
int32_t row_check_path(dback_str path, struct str *checked, struct row_fault *fault);
/* Goes into an HTTP header: printable ASCII only. */
int32_t row_check_content_type(dback_str type, struct str *checked, struct row_fault *fault);
/* Any bytes. */
int32_t row_check_bytes(dback_str bytes, struct str *checked, struct row_fault *fault);

/* Copies text that must not be refused (a reason) into `out`, NUL-terminated: cut to fit at a character's
 * border, control characters and what isn't UTF-8 replaced by '?'. Returns the length. */
size_t row_copy_readable(char *out, size_t out_size, dback_str text);

#endif
