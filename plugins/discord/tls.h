/* TLS for the gateway's connection.
 *
 * libwebsockets' own way to begin it sets variables that all contexts of the process share, those of d-back's
 * listeners included, and with two instances it leaks. With a context of ours it is only told to use that.
 */
#ifndef DBACK_DISCORD_TLS_H
#define DBACK_DISCORD_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

struct lws_context;

/* Who vouches for the other side: the CAs in `ca_file`, or the system's (""). libwebsockets sees to it that
 * they do, and that the name fits. NULL: that file can't be used. To be freed with SSL_CTX_free(). */
SSL_CTX *tls_create(const char *ca_file);
/* False: the library can't. */
bool tls_use(SSL_CTX *tls, struct lws_context *context);

#endif
