/* Judging a provider's entry before anything of it is called. */
#ifndef DBACK_PROVIDER_JUDGE_H
#define DBACK_PROVIDER_JUDGE_H

#include "base/base.h"

#include <dback/provider.h>

struct judged {
    char name[65], version[65];
    uint16_t minor;      /* of the ABI that it was built for */
    dback_vtable vtable; /* members that the provider's own doesn't cover are NULL */
};

/* `available` bytes may be read at `entry` (SIZE_MAX: its own word counts); `what` names it in `err`: a file,
 * or the provider. 0, or -EINVAL with a sentence that says what to do. Calls nothing of the provider. */
int judge_entry(const char *what, const dback_entry *entry, size_t available, struct judged *out, char *err);

#endif
