/* What the routes lead to; each file is a group of requests. */
#ifndef DBACK_CONTROL_REQUESTS_H
#define DBACK_CONTROL_REQUESTS_H

#include "control/inside.h"

/* show_health.c */
void show_health(struct exchange *exchange);
void show_readiness(struct exchange *exchange);
/* show_metrics.c */
void show_metrics(struct exchange *exchange);
/* show_status.c */
void show_status(struct exchange *exchange);
/* show_servers.c */
void show_servers(struct exchange *exchange);
/* show_users.c */
void show_users(struct exchange *exchange);
/* show_providers.c */
void show_providers(struct exchange *exchange);
/* show_config.c */
void show_config(struct exchange *exchange);
/* do_reload.c */
void do_reload(struct exchange *exchange);
/* do_swap.c */
void do_swap(struct exchange *exchange);
/* clients.c */
void show_clients(struct exchange *exchange);
void do_kick(struct exchange *exchange);
/* do_broadcast.c */
void do_message(struct exchange *exchange);
void do_presence(struct exchange *exchange);
void do_client_id(struct exchange *exchange);
/* do_drain.c */
void do_drain(struct exchange *exchange);
/* feed.c */
void show_events(struct exchange *exchange);
/* log_level.c */
void show_log_level(struct exchange *exchange);
void do_log_level(struct exchange *exchange);

#endif
