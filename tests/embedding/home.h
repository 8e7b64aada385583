/* The provider that the program registers: one open server, one behind a login, three people.
 *
 * Its options are JSON text like a plugin's: {"tag":"a"} ends up in the client id and the static override, so
 * that two of them can be told apart; {"borrow":"ID"} puts a server of somebody else on its list, for which
 * it passes on every question; {"pass":true} makes it pass on everything; {"refuse":true} fails
 * create(); {"nap":"2"} makes users() sleep for two seconds.
 */
#ifndef EMBEDDING_HOME_H
#define EMBEDDING_HOME_H

#include <dback/dback.h>

#define HOME "500" /* discord ids */
#define GATE "501"

extern const dback_entry home_entry;

/* A copy of it that no host may accept; `fault` names a member ("magic", "major", ...). 0, or -1: no such
 * fault. Both structs must outlive the server. */
int home_spoil(const char *fault, dback_entry *entry, dback_vtable *vtable);

#endif
