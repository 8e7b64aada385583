/* See request_fields.h. */
#include "edge/request_fields.h"

/* What is needed only while a head is being judged. */
struct fields {
    unsigned hosts, lengths, keys, versions, ranges, if_ranges, dates;
    struct str host, length, version;
    bool transfer_encoding, upgrade_websocket, connection_upgrade;
};

static bool names_html(struct str accept)
{
    struct str range;
    while (list_next(&accept, &range)) {
        if (!str_equal_nocase(str_without_blanks(str_cut_at(&range, ';')), STR("text/html")))
            continue;
        bool unwanted = false; /* "q=0", "q=0.000" */
        while (range.len) {
            struct str weight = str_without_blanks(str_cut_at(&range, ';'));
            if (weight.len >= 3 && (weight.ptr[0] | 0x20) == 'q' && weight.ptr[1] == '=') {
                unwanted = true;
                for (size_t i = 2; i < weight.len; i++)
                    unwanted &= weight.ptr[i] == '0' || weight.ptr[i] == '.';
            }
        }
        if (!unwanted)
            return true;
    }
    return false;
}

static void keep_forwarded_for(struct request_head *head, struct str value)
{
    if (head->forwarded_for_count == HEAD_FORWARDED_MAX) {
        memmove(head->forwarded_for, head->forwarded_for + 1,
                (HEAD_FORWARDED_MAX - 1) * sizeof head->forwarded_for[0]);
        head->forwarded_for_count--;
    }
    head->forwarded_for[head->forwarded_for_count++] = value;
}

enum field {
    FIELD_ACCEPT,
    FIELD_CONNECTION,
    FIELD_CONTENT_LENGTH,
    FIELD_HOST,
    FIELD_IF_MODIFIED_SINCE,
    FIELD_IF_NONE_MATCH,
    FIELD_IF_RANGE,
    FIELD_RANGE,
    FIELD_KEY,
    FIELD_VERSION,
    FIELD_TRANSFER_ENCODING,
    FIELD_UPGRADE,
    FIELD_FORWARDED_FOR,
    FIELD_FORWARDED_HOST,
    FIELD_FORWARDED_PROTO,
    FIELD_COUNT,
};

static enum field field_of(struct str name)
{
    static const char *const names[FIELD_COUNT] = {
        [FIELD_ACCEPT] = "accept",
        [FIELD_CONNECTION] = "connection",
        [FIELD_CONTENT_LENGTH] = "content-length",
        [FIELD_HOST] = "host",
        [FIELD_IF_MODIFIED_SINCE] = "if-modified-since",
        [FIELD_IF_NONE_MATCH] = "if-none-match",
        [FIELD_IF_RANGE] = "if-range",
        [FIELD_RANGE] = "range",
        [FIELD_KEY] = "sec-websocket-key",
        [FIELD_VERSION] = "sec-websocket-version",
        [FIELD_TRANSFER_ENCODING] = "transfer-encoding",
        [FIELD_UPGRADE] = "upgrade",
        [FIELD_FORWARDED_FOR] = "x-forwarded-for",
        [FIELD_FORWARDED_HOST] = "x-forwarded-host",
        [FIELD_FORWARDED_PROTO] = "x-forwarded-proto",
    };
    unsigned i = 0;
    while (i < FIELD_COUNT && !str_equal_nocase(name, str_of(names[i])))
        i++;
    return (enum field)i;
}

static void take_field(struct request_head *head, struct fields *fields, struct str name, struct str value)
{
    switch (field_of(name)) {
    case FIELD_ACCEPT:
        head->accepts_html |= names_html(value);
        break;
    case FIELD_CONNECTION:
        fields->connection_upgrade |= list_contains(value, STR("upgrade"));
        break;
    case FIELD_CONTENT_LENGTH:
        fields->lengths++;
        fields->length = value;
        break;
    case FIELD_HOST:
        fields->hosts++;
        fields->host = value;
        break;
    case FIELD_IF_MODIFIED_SINCE:
        fields->dates++;
        head->if_modified_since = value;
        break;
    case FIELD_IF_NONE_MATCH: /* a list; the last line alone may miss a match, never invent one */
        head->if_none_match = value;
        break;
    case FIELD_IF_RANGE:
        fields->if_ranges++;
        head->if_range = value;
        break;
    case FIELD_RANGE:
        fields->ranges++;
        head->range = value;
        break;
    case FIELD_KEY:
        fields->keys++;
        head->websocket_key = value;
        break;
    case FIELD_VERSION:
        fields->versions++;
        fields->version = value;
        break;
    case FIELD_TRANSFER_ENCODING:
        fields->transfer_encoding = true;
        break;
    case FIELD_UPGRADE:
        fields->upgrade_websocket |= list_contains(value, STR("websocket"));
        break;
    case FIELD_FORWARDED_FOR:
        keep_forwarded_for(head, value);
        break;
    case FIELD_FORWARDED_HOST:
        head->forwarded_host = value;
        break;
    case FIELD_FORWARDED_PROTO:
        head->forwarded_proto = value;
        break;
    case FIELD_COUNT:
        break;
    }
}

/* ------------------ judging a complete head --------------------------------------------------- */

static enum head_result judge_content(struct request_head *head, const struct fields *fields)
{
    if (fields->transfer_encoding)
        return request_head_refuse(head, 501, "This server takes no encoded content.");
    if (fields->lengths > 1)
        return request_head_refuse(head, 400, "There is more than one Content-Length.");
    if (!fields->lengths)
        return HEAD_COMPLETE;
    bool number = fields->length.len > 0, zero = true;
    for (size_t i = 0; i < fields->length.len; i++) {
        number &= is_digit(fields->length.ptr[i]);
        zero &= fields->length.ptr[i] == '0';
    }
    if (!number)
        return request_head_refuse(head, 400, "Content-Length isn't a number.");
    return zero ? HEAD_COMPLETE
                : request_head_refuse(head, 400, "GET and HEAD requests have no content here.");
}

static enum head_result judge_host(struct request_head *head, const struct fields *fields)
{
    if (fields->hosts > 1)
        return request_head_refuse(head, 400, "There is more than one Host.");
    if (!fields->hosts && head->minor >= 1)
        return request_head_refuse(head, 400, "An HTTP/1.1 request needs a Host.");
    if (fields->host.len && !host_valid(fields->host))
        return request_head_refuse(head, 400, "Host isn't a host name or address.");
    if (!head->host.ptr) /* an absolute target's authority comes first (RFC 9112 3.2.2) */
        head->host = fields->host;
    return HEAD_COMPLETE;
}

/* 16 bytes in base64: 22 characters and "==". Spare bits of the last character aren't minded. */
static bool key_valid(struct str key)
{
    if (key.len != 24 || memcmp(key.ptr + 22, "==", 2) != 0)
        return false;
    for (size_t i = 0; i < 22; i++)
        if (!is_alpha(key.ptr[i]) && !is_digit(key.ptr[i]) && key.ptr[i] != '+' && key.ptr[i] != '/')
            return false;
    return true;
}

static enum head_result judge_websocket(struct request_head *head, const struct fields *fields)
{
    head->wants_websocket = head->method == METHOD_GET && head->minor >= 1 && fields->upgrade_websocket &&
                            fields->connection_upgrade;
    if (!head->wants_websocket)
        return HEAD_COMPLETE;
    if (fields->versions != 1 || !str_equal(fields->version, STR("13")))
        return request_head_refuse(head, 426, "This server speaks version 13 of the WebSocket protocol.");
    if (fields->keys != 1 || !key_valid(head->websocket_key))
        return request_head_refuse(head, 400, "Sec-WebSocket-Key isn't a key of 16 bytes in base64.");
    return HEAD_COMPLETE;
}

static enum head_result judge(struct request_head *head, const struct fields *fields)
{
    if (head->method == METHOD_OTHER)
        return request_head_refuse(head, 405, "Only GET and HEAD are answered here.");
    enum head_result result = judge_host(head, fields);
    if (result == HEAD_COMPLETE)
        result = judge_content(head, fields);
    if (result == HEAD_COMPLETE)
        result = judge_websocket(head, fields);
    /* Of what may be said once only, twice is as good as never. */
    if (fields->ranges > 1 || fields->if_ranges > 1)
        head->range = head->if_range = (struct str){ 0 };
    if (fields->dates > 1)
        head->if_modified_since = (struct str){ 0 };
    return result;
}

enum head_result request_fields_read(struct request_head *head, struct str lines)
{
    struct fields fields = { 0 };
    while (lines.len > 2) {
        struct str value = str_cut_at(&lines, '\n');
        value.len--; /* the CR, which the first pass has seen */
        struct str name = str_cut_at(&value, ':');
        take_field(head, &fields, name, str_without_blanks(value));
    }
    return judge(head, &fields);
}
