/* For the ABI dump: from dback_provider, all types of the header can be reached. */
#ifndef PROVIDER_HEADER
#define PROVIDER_HEADER <dback/provider.h>
#endif
#include PROVIDER_HEADER

static const dback_vtable vtable = { DBACK_VTABLE_HEAD(0) };

DBACK_PROVIDER_ENTRY("dump", "1.0", &vtable)
