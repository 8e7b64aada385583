/* Checks passwords against hashes of crypt(3), on a thread of its own. See sqlite.h.
 *
 * Such a hash takes tens of milliseconds and 16 MiB on purpose. Done here it delays neither users nor events;
 * one at a time, so that logins can't take the machine; and a limited number waits. A password that was right
 * is remembered (as a digest with a key that this process made up), so that a crowd that comes back with the
 * right one doesn't queue up behind somebody who is guessing.
 */
#include "sqlite.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>

#define MOST_WAITING 64
#define MOST_KNOWN 64
#define PASSWORD_LIMIT 511 /* crypt(3) takes no longer ones */
#define HASH_LIMIT 255
#define DIGEST_SIZE 32

struct job {
    dback_request request;
    char password[PASSWORD_LIMIT + 1], hash[HASH_LIMIT + 1];
    unsigned char digest[DIGEST_SIZE];
};

struct passwords {
    const dback_host *host;
    unsigned char key[DIGEST_SIZE];
    pthread_t thread;
    bool started;
    uint64_t hold;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct job waiting[MOST_WAITING];
    size_t count;
    bool ending;
    bool revoked; /* the hash of the job at work isn't the server's any more */
    unsigned char known[MOST_KNOWN][DIGEST_SIZE]; /* of right ones; the oldest is overwritten */
    size_t known_count, known_next;
    struct job at_work;           /* written with the lock, read by the thread without */
    struct crypt_data crypt_data; /* the thread's own, and large */
};

struct passwords *passwords_create(const dback_host *host)
{
    struct passwords *passwords = calloc(1, sizeof *passwords);
    if (!passwords)
        return NULL;
    passwords->host = host;
    if (RAND_bytes(passwords->key, sizeof passwords->key) != 1) {
        free(passwords);
        return NULL;
    }
    pthread_mutex_init(&passwords->lock, NULL);
    pthread_cond_init(&passwords->changed, NULL);
    return passwords;
}

static void done(const struct passwords *passwords, dback_request request, int32_t result, const char *why)
{
    passwords->host->done(passwords->host, request, result, dback_text(why));
}

bool passwords_sha256(dback_str text, char out[65])
{
    unsigned char digest[DIGEST_SIZE];
    unsigned int size = 0;
    if (EVP_Digest(text.len ? text.ptr : "", text.len, digest, &size, EVP_sha256(), NULL) != 1 ||
        size != sizeof digest)
        return false;
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    return true;
}

/* Of the password together with the hash that it fits: another password of the server is another digest. */
static bool make_digest(const struct passwords *passwords, struct job *job)
{
    char both[PASSWORD_LIMIT + HASH_LIMIT + 2];
    size_t hash_len = strlen(job->hash) + 1, password_len = strlen(job->password);
    memcpy(both, job->hash, hash_len);
    memcpy(both + hash_len, job->password, password_len);
    unsigned int size = 0;
    bool good = HMAC(EVP_sha256(), passwords->key, sizeof passwords->key, (const unsigned char *)both,
                     hash_len + password_len, job->digest, &size) &&
                size == DIGEST_SIZE;
    OPENSSL_cleanse(both, sizeof both);
    return good;
}

/* With the lock. */
static bool is_known(const struct passwords *passwords, const unsigned char digest[DIGEST_SIZE])
{
    bool known = false;
    for (size_t i = 0; i < passwords->known_count; i++)
        known |= CRYPTO_memcmp(passwords->known[i], digest, DIGEST_SIZE) == 0;
    return known;
}

/* With the lock. */
static void remember(struct passwords *passwords, const unsigned char digest[DIGEST_SIZE])
{
    if (is_known(passwords, digest))
        return;
    memcpy(passwords->known[passwords->known_next], digest, DIGEST_SIZE);
    passwords->known_next = (passwords->known_next + 1) % MOST_KNOWN;
    if (passwords->known_count < MOST_KNOWN)
        passwords->known_count++;
}

/* Never between passwords_revoke() and the end of logins that comes after it. */
static void let_in(const struct passwords *passwords, dback_request request)
{
    passwords->host->put_login(passwords->host, request, dback_text(PASSWORD_LOGIN));
    done(passwords, request, DBACK_OK, "");
}

static void check(struct passwords *passwords)
{
    struct job *job = &passwords->at_work;
    const char *made =
        crypt_rn(job->password, job->hash, &passwords->crypt_data, sizeof passwords->crypt_data);
    size_t len = strlen(job->hash);
    bool right = made && strlen(made) == len && CRYPTO_memcmp(made, job->hash, len) == 0;
    pthread_mutex_lock(&passwords->lock);
    if (!made)
        done(passwords, job->request, DBACK_FAILED,
             "the server's password_hash is none that this machine's crypt(3) knows");
    else if (!right || passwords->revoked)
        done(passwords, job->request, DBACK_DENIED, "a wrong password");
    else
        let_in(passwords, job->request);
    if (right)
        remember(passwords, job->digest);
    OPENSSL_cleanse(job, sizeof *job);
    pthread_mutex_unlock(&passwords->lock);
    OPENSSL_cleanse(&passwords->crypt_data, sizeof passwords->crypt_data);
}

/* With the lock. */
static void drop(struct passwords *passwords, size_t index)
{
    struct job *job = &passwords->waiting[index];
    passwords->count--;
    memmove(job, job + 1, (passwords->count - index) * sizeof *job);
    OPENSSL_cleanse(&passwords->waiting[passwords->count], sizeof *job);
}

/* With the lock. */
static void take_first(struct passwords *passwords)
{
    passwords->at_work = passwords->waiting[0];
    passwords->revoked = false;
    drop(passwords, 0);
}

static void *run(void *arg)
{
    struct passwords *passwords = arg;
    pthread_mutex_lock(&passwords->lock);
    while (!passwords->ending) {
        if (passwords->count == 0) {
            pthread_cond_wait(&passwords->changed, &passwords->lock);
            continue;
        }
        take_first(passwords);
        pthread_mutex_unlock(&passwords->lock);
        check(passwords);
        pthread_mutex_lock(&passwords->lock);
    }
    pthread_mutex_unlock(&passwords->lock);
    passwords->host->release(passwords->host, passwords->hold);
    return NULL;
}

/* With the first password: most databases never see one. */
static bool start(struct passwords *passwords)
{
    if (passwords->started)
        return true;
    passwords->hold = passwords->host->hold(passwords->host, dback_text("the thread that checks passwords"));
    if (!passwords->hold)
        return false;
    passwords->started = pthread_create(&passwords->thread, NULL, run, passwords) == 0;
    if (!passwords->started)
        passwords->host->release(passwords->host, passwords->hold);
    return passwords->started;
}

/* False: it can't be right. */
static bool make_job(const struct passwords *passwords, struct job *job, dback_str password, dback_str hash)
{
    if (password.len > PASSWORD_LIMIT || memchr(password.ptr, 0, password.len) || hash.len < 1 ||
        hash.len > HASH_LIMIT || memchr(hash.ptr, 0, hash.len))
        return false;
    memcpy(job->password, password.ptr, password.len);
    memcpy(job->hash, hash.ptr, hash.len);
    return make_digest(passwords, job);
}

void passwords_check(struct passwords *passwords, dback_request request, dback_str password, dback_str hash)
{
    struct job job = { .request = request };
    bool possible = make_job(passwords, &job, password, hash), known = false, room = false;
    if (possible) {
        pthread_mutex_lock(&passwords->lock);
        known = is_known(passwords, job.digest);
        room = !known && passwords->count < MOST_WAITING && !passwords->ending && start(passwords);
        if (room)
            passwords->waiting[passwords->count++] = job;
        pthread_cond_signal(&passwords->changed);
        pthread_mutex_unlock(&passwords->lock);
    }
    OPENSSL_cleanse(&job, sizeof job);
    if (!possible)
        done(passwords, request, DBACK_DENIED, "a password that can't be right");
    else if (known)
        let_in(passwords, request); /* on the thread of passwords_revoke() */
    else if (!room)
        done(passwords, request, DBACK_FAILED, "too many passwords are waiting to be checked");
}

void passwords_cancel(struct passwords *passwords, dback_request request)
{
    pthread_mutex_lock(&passwords->lock);
    for (size_t i = 0; i < passwords->count; i++) {
        if (passwords->waiting[i].request == request) {
            drop(passwords, i);
            break;
        }
    }
    pthread_mutex_unlock(&passwords->lock);
}

void passwords_revoke(struct passwords *passwords, dback_str hash)
{
    pthread_mutex_lock(&passwords->lock);
    passwords->revoked |= str_equal(dback_text(passwords->at_work.hash), hash);
    for (size_t i = 0; i < passwords->count;) {
        struct job *job = &passwords->waiting[i];
        if (!str_equal(dback_text(job->hash), hash)) {
            i++;
            continue;
        }
        done(passwords, job->request, DBACK_DENIED, "a wrong password");
        drop(passwords, i);
    }
    pthread_mutex_unlock(&passwords->lock);
}

void passwords_quiesce(struct passwords *passwords)
{
    pthread_mutex_lock(&passwords->lock);
    passwords->ending = true;
    pthread_cond_signal(&passwords->changed);
    pthread_mutex_unlock(&passwords->lock);
}

void passwords_destroy(struct passwords *passwords)
{
    if (!passwords)
        return;
    passwords_quiesce(passwords);
    if (passwords->started)
        pthread_join(passwords->thread, NULL);
    pthread_mutex_destroy(&passwords->lock);
    pthread_cond_destroy(&passwords->changed);
    OPENSSL_cleanse(passwords, sizeof *passwords);
    free(passwords);
}
