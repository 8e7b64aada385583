/* What a fragment of docs/writing-a-provider.md may take for granted. */
#include <dback/provider.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct mine {
    const dback_host *host;
    int socket;
    int64_t watch, timer;
    pthread_t thread;
    uint64_t hold;
    int ending;
};
