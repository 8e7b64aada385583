/* See transfer.h. */
#define _GNU_SOURCE
#include "transfer.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define CONNECTIONS_MAX 8
#define LOOK_MS 20

static void act(struct transfers *transfers, curl_socket_t fd, int events);

/* ------------------ what curl asks for -------------------------------------------------------- */

static void on_socket_ready(void *arg, int fd, uint32_t events)
{
    const struct watched_socket *socket = arg;
    int mask = 0;
    if (events & (DBACK_FD_READ | DBACK_FD_HANGUP)) /* whoever reads finds the end */
        mask |= CURL_CSELECT_IN;
    if ((events & DBACK_FD_WRITE) || ((events & DBACK_FD_HANGUP) && (socket->events & DBACK_FD_WRITE)))
        mask |= CURL_CSELECT_OUT;
    act(socket->owner, fd, mask);
}

/* d-back may have no watch left. An error told to curl would end all transfers for good, so without one the
 * socket is looked at by the clock. */
static void watch(struct watched_socket *socket)
{
    struct transfers *transfers = socket->owner;
    int64_t number =
        transfers->host->watch_fd(transfers->host, socket->fd, socket->events, on_socket_ready, socket);
    socket->watch = number > 0 ? number : 0;
    if (!socket->watch && !alarm_is_set(&transfers->look))
        alarm_set(&transfers->look, LOOK_MS, 0);
}

static void unwatch(struct watched_socket *socket)
{
    if (socket->watch)
        socket->owner->host->unwatch_fd(socket->owner->host, socket->watch);
    socket->watch = 0;
}

static void on_look(void *arg)
{
    struct transfers *transfers = arg;
    for (size_t i = 0; i < TRANSFER_SOCKETS; i++) {
        struct watched_socket *socket = &transfers->sockets[i];
        if (socket->in_use && !socket->watch)
            watch(socket);
        if (socket->in_use && !socket->watch)
            on_socket_ready(socket, socket->fd, socket->events);
    }
}

static struct watched_socket *place_of(struct transfers *transfers, curl_socket_t fd)
{
    struct watched_socket *free_one = NULL;
    for (size_t i = 0; i < TRANSFER_SOCKETS; i++) {
        struct watched_socket *socket = &transfers->sockets[i];
        if (socket->in_use && socket->fd == fd)
            return socket;
        if (!socket->in_use && !free_one)
            free_one = socket;
    }
    return free_one;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct transfers *transfers = arg;
    (void)easy;
    (void)socket_arg;
    struct watched_socket *socket = place_of(transfers, fd);
    if (!socket)
        return -1;
    if (socket->in_use)
        unwatch(socket);
    socket->in_use = what != CURL_POLL_REMOVE;
    if (!socket->in_use)
        return 0;
    socket->owner = transfers;
    socket->fd = fd;
    socket->events = 0;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        socket->events |= DBACK_FD_READ;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        socket->events |= DBACK_FD_WRITE;
    watch(socket);
    return 0;
}

static void on_alarm(void *arg)
{
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct transfers *transfers = arg;
    (void)multi;
    if (timeout_ms < 0)
        alarm_stop(&transfers->alarm);
    else
        alarm_set(&transfers->alarm, (uint64_t)timeout_ms, 0);
    return 0;
}

/* ------------------ transfers ----------------------------------------------------------------- */

static void act(struct transfers *transfers, curl_socket_t fd, int events)
{
    int running, left;
    curl_multi_socket_action(transfers->multi, fd, events, &running);
    CURLMsg *message;
    while ((message = curl_multi_info_read(transfers->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURL *easy = message->easy_handle;
        CURLcode result = message->data.result;
        char *private_data = NULL;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private_data);
        struct transfer *transfer = (struct transfer *)private_data;
        curl_multi_remove_handle(transfers->multi, easy);
        transfer->easy = NULL;
        transfer->done(transfer->arg, easy, result);
    }
}

/* A thread that looks up a name may outlive an instance, and libraries below libcurl leave things behind at
 * the end of a thread, so libcurl stays in memory when the plugin goes. */
static void keep_libcurl(void)
{
    Dl_info info;
    void *function = (void *)(uintptr_t)curl_multi_init;
    if (dladdr(function, &info) && info.dli_fname) {
        void *library = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
        if (library)
            dlclose(library);
    }
}

bool transfers_init(struct transfers *transfers, struct alarms *alarms, char *error, size_t size)
{
    *transfers = (struct transfers){ .host = alarms->host };
    alarm_init(&transfers->alarm, alarms, on_alarm, transfers);
    alarm_init(&transfers->look, alarms, on_look, transfers);
    keep_libcurl();
    if (!(curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_THREADSAFE)) {
        snprintf(error, size, "this libcurl can't be initialised by threads (it needs 7.84 or newer)");
        return false;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(transfers->multi = curl_multi_init())) {
        snprintf(error, size, "libcurl can't be initialised");
        return false;
    }
    curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETDATA, transfers);
    curl_multi_setopt(transfers->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(transfers->multi, CURLMOPT_TIMERDATA, transfers);
    curl_multi_setopt(transfers->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS_MAX);
    curl_multi_setopt(transfers->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_MAX);
    return true;
}

void transfers_finish(struct transfers *transfers)
{
    if (transfers->multi)
        curl_multi_cleanup(transfers->multi);
    transfers->multi = NULL;
    for (size_t i = 0; i < TRANSFER_SOCKETS; i++)
        if (transfers->sockets[i].in_use)
            unwatch(&transfers->sockets[i]);
    alarm_stop(&transfers->alarm);
    alarm_stop(&transfers->look);
}

CURL *transfers_easy(void)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        return NULL;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* don't wait for a name that is being looked up */
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
    return easy;
}

bool transfers_add(struct transfers *transfers, struct transfer *transfer)
{
    curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, (char *)transfer);
    return curl_multi_add_handle(transfers->multi, transfer->easy) == CURLM_OK;
}

void transfers_remove(struct transfers *transfers, struct transfer *transfer)
{
    if (!transfer->easy)
        return;
    curl_multi_remove_handle(transfers->multi, transfer->easy);
    curl_easy_cleanup(transfer->easy);
    transfer->easy = NULL;
}
