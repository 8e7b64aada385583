/* Inside of the gateway: gateway.c has the session's life, session.c what is said in it. See gateway.h. */
#ifndef DBACK_DISCORD_SESSION_H
#define DBACK_DISCORD_SESSION_H

#include "budget.h"
#include "gateway.h"
#include "resolve.h"
#include "socket.h"
#include "turn.h"

struct gateway {
    struct gateway_setup setup;
    struct sockets *sockets;
    struct resolve resolve;
    struct budget budget;
    struct turn turn;
    char *token;
    uint32_t intents;
    enum {
        SESSION_OFF,
        SESSION_WAITING, /* for the next try */
        SESSION_ASKING,  /* for the gateway's address */
        SESSION_RESOLVING,
        SESSION_CONNECTING, /* until HELLO */
        SESSION_READYING,   /* identified, until READY */
        SESSION_RESUMING,   /* until RESUMED */
        SESSION_LIVE,
        SESSION_ENDED, /* for good, until it is started anew */
    } state;
    bool asked; /* for the address: the answer is under way, also when it was given up */
    struct url url, resume_url;
    bool has_resume_url;
    char connected_to[300];
    char session_id[256]; /* "": there is none to be resumed */
    int64_t last_s;       /* the highest sequence number seen; below 0: none */
    unsigned attempts;    /* to get alive again */
    unsigned resumes;     /* asked for in vain, since then */
    unsigned misses;      /* connections in vain, since then */
    uint64_t live_since_ms;
    struct alarm step, heart; /* of the state, of the heartbeat */
    bool acknowledged;
    uint64_t garbage;   /* messages that weren't JSON */
    uint64_t window_ms; /* when the running minute of sending began */
    unsigned window_count;
};

/* ---- gateway.c ---- */

void session_forget(struct gateway *gateway);
/* Lost, to be tried again after a delay of at least `least_ms`. */
void session_lost(struct gateway *gateway, const char *why, uint64_t least_ms);
void session_end(struct gateway *gateway, enum gateway_end end, const char *why);
void session_hello(struct gateway *gateway, uint64_t interval_ms);
void session_live(struct gateway *gateway, bool resumed);

/* ---- session.c ---- */

void session_message(void *gateway, const char *text, size_t len);
void session_beat(struct gateway *gateway);
void session_identify(struct gateway *gateway);
void session_resume(struct gateway *gateway);

#endif
