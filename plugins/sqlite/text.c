/* Text from outside. See sqlite.h.
 *
 * SQLite keeps whatever bytes it is given; d-back takes UTF-8 without NUL bytes. What people read is repaired
 * and cut, so that one odd name doesn't cost its row. What names something is taken as it is or not at all:
 * two broken ids must not become one.
 */
#include "sqlite.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* The length of the UTF-8 character at `at`, or 0: there is none. */
static size_t character_length(const unsigned char *at, size_t left)
{
    unsigned char first = at[0];
    size_t length = first < 0x80   ? 1
                    : first < 0xc2 ? 0
                    : first < 0xe0 ? 2
                    : first < 0xf0 ? 3
                    : first < 0xf5 ? 4
                                   : 0;
    if (length == 0 || length > left || first == 0)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (first == 0xe0 && at[1] < 0xa0) || (first == 0xf0 && at[1] < 0x90);
    bool surrogate = first == 0xed && at[1] > 0x9f;
    bool beyond = first == 0xf4 && at[1] > 0x8f;
    return overlong || surrogate || beyond ? 0 : length;
}

bool text_is_id(dback_str text, size_t most)
{
    if (text.len < 1 || text.len > most)
        return false;
    for (size_t i = 0; i < text.len;) {
        size_t length = character_length((const unsigned char *)text.ptr + i, text.len - i);
        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

dback_str text_clean(char *out, size_t most, dback_str text)
{
    size_t used = 0;
    for (size_t i = 0; i < text.len;) {
        size_t length = character_length((const unsigned char *)text.ptr + i, text.len - i);
        const char *from = length ? text.ptr + i : replacement;
        size_t size = length ? length : sizeof replacement - 1;
        if (used + size > most)
            break;
        memcpy(out + used, from, size);
        used += size;
        i += length ? length : 1;
    }
    return (dback_str){ out, used };
}

bool text_is_color(dback_str text)
{
    bool good = text.len == 7 && text.ptr[0] == '#';
    for (size_t i = 1; good && i < 7; i++) {
        char c = text.ptr[i];
        good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    }
    return good;
}

uint32_t text_status(dback_str word)
{
    static const char *const words[] = { "online", "idle", "dnd", "offline" };
    for (uint32_t i = 0; i < 4; i++)
        if (str_equal(word, dback_text(words[i])))
            return DBACK_STATUS_ONLINE + i;
    return DBACK_STATUS_UNKNOWN;
}
