/* See lend.h. */
#include "lend.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* So many that were given back stay forbidden before their addresses are used again. */
#define REMEMBERED 256

struct loan {
    char *begin; /* NULL: free */
    size_t pages;
    size_t used_pages; /* in front of the forbidden one */
    enum lend_fault beyond;
    int over;
};
static struct loan loans[REMEMBERED];
static unsigned next_loan;

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* Those that are still lent are passed over, as long as there are others. */
static struct loan *next_place(void)
{
    struct loan *loan = &loans[next_loan++ % REMEMBERED];
    for (unsigned i = 0; i < REMEMBERED && loan->begin && !loan->over; i++)
        loan = &loans[next_loan++ % REMEMBERED];
    return loan;
}

static char *borrow(size_t len, enum lend_fault beyond)
{
    size_t page = page_size(), used = (len + page - 1) / page;
    char *begin = mmap(NULL, (used + 1) * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (begin == MAP_FAILED || mprotect(begin + used * page, page, PROT_NONE) < 0)
        abort();
    struct loan *loan = next_place();
    if (loan->begin && loan->over)
        munmap(loan->begin, loan->pages * page);
    *loan = (struct loan){ begin, used + 1, used, beyond, 0 };
    return begin + used * page - len;
}

static void give_back(const char *at)
{
    size_t page = page_size();
    for (unsigned i = 0; i < REMEMBERED; i++) {
        struct loan *loan = &loans[i];
        if (!loan->begin || loan->over || at < loan->begin || at >= loan->begin + loan->used_pages * page)
            continue;
        loan->over = 1;
        mprotect(loan->begin, loan->pages * page, PROT_NONE);
    }
}

dback_str lend(const void *bytes, size_t len)
{
    dback_str lent = { NULL, len };
    if (len == 0)
        return lent;
    char *copy = borrow(len, LEND_BEYOND);
    memcpy(copy, bytes, len);
    lent.ptr = copy;
    return lent;
}

dback_str lend_text(const char *text)
{
    return lend(text, text ? strlen(text) : 0);
}

void lend_back(dback_str lent)
{
    if (lent.len)
        give_back(lent.ptr);
}

const void *lend_struct(const void *from, size_t size)
{
    return memcpy(borrow(size, LEND_BEYOND_STRUCT), from, size);
}

void lend_struct_back(const void *lent)
{
    give_back(lent);
}

char *lend_room(size_t size)
{
    char *room = borrow(size, LEND_BEYOND);
    memset(room, 0, size);
    return room;
}

void lend_room_back(char *room)
{
    give_back(room);
}

enum lend_fault lend_judge(const void *address)
{
    const char *at = address;
    size_t page = page_size();
    for (unsigned i = 0; i < REMEMBERED; i++) {
        const struct loan *loan = &loans[i];
        if (loan->begin && at >= loan->begin && at < loan->begin + loan->pages * page)
            return loan->over ? LEND_AFTER : loan->beyond;
    }
    return LEND_NONE;
}
