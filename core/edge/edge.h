/* The edge: all workers together, as the app and the control room see them. */
#ifndef DBACK_EDGE_EDGE_H
#define DBACK_EDGE_EDGE_H

#include "app/seam.h"
#include "config/config.h"
#include "edge/limits.h"
#include "edge/stats.h"

#include <uv.h>

struct edge;

/* [app] Binds the listening sockets, or takes those that were inherited (at most LISTENER_ADDRESSES_MAX), and
 * prepares the workers. 0, or a negative errno and a sentence. */
int edge_create(struct edge **out, struct config *config, const int *inherited, size_t inherited_count,
                struct log *log, char *err);
/* [app] The workers' threads begin; what they have to say goes to `core`. */
void edge_start(struct edge *edge, struct mailbox *core);
/* [app] Waits until all of them can serve viewers; false: one never will. */
bool edge_has_started(struct edge *edge);
/* [app] Waits for all threads; each ends after EDGE_STOP. */
void edge_join(struct edge *edge);
/* [app] NULL-safe; the threads have ended or never began. */
void edge_destroy(struct edge *edge);

unsigned edge_worker_count(const struct edge *edge);
struct mailbox *edge_worker_inbox(struct edge *edge, unsigned index);
/* Sent when a frame log has grown; not after EDGE_STOP. */
uv_async_t *edge_worker_wake(struct edge *edge, unsigned index);
uint16_t edge_port(const struct edge *edge);
/* [any] */
const struct worker_stats *edge_worker_stats(const struct edge *edge, unsigned index);
uint64_t edge_limit_count(const struct edge *edge, enum limit limit);
unsigned edge_connections(const struct edge *edge);
/* [any] From now on nobody new is let in, who is here stays; or they are again. */
void edge_set_draining(struct edge *edge, bool draining);
bool edge_is_draining(const struct edge *edge);
/* "http://127.0.0.1:3000" */
unsigned edge_address_count(const struct edge *edge);
void edge_address(const struct edge *edge, unsigned index, char *text, size_t size);
/* One line per address in the log: where viewers find us. */
void edge_log_addresses(const struct edge *edge);

#endif
