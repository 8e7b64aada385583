/* See tls.h. */
#include "tls.h"

#include <libwebsockets.h>

SSL_CTX *tls_create(const char *ca_file)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (!tls)
        return NULL;
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    if (*ca_file ? SSL_CTX_load_verify_file(tls, ca_file) : SSL_CTX_set_default_verify_paths(tls))
        return tls;
    SSL_CTX_free(tls);
    return NULL;
}

bool tls_use(SSL_CTX *tls, struct lws_context *context)
{
    struct lws_vhost *vhost = lws_get_vhost_by_name(context, "default");
    const struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
        .provided_client_ssl_ctx = tls,
    };
    return vhost && lws_init_vhost_client_ssl(&info, vhost) == 0;
}
