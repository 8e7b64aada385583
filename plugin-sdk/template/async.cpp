/* tower: a small asynchronous provider to start from, in C++.
 *
 * One hall, whose life comes in through a named pipe, line by line:
 *
 *     echo 'owl hello there' >tower.feed       owl says it, and comes in first when it isn't there
 *     echo 'owl' >tower.feed                   owl leaves
 *
 * Nothing here ever waits. The pipe is watched, and read when there is something to read; a login is answered
 * by a timer, as if somebody far away had been asked. A socket, a database's or a library's descriptor fits
 * in where the pipe is.
 *
 * Three rules carry everything else:
 *   1. All functions of this file, callbacks too, run on one thread, one at a time. No locks are needed.
 *   2. Each request must lead to exactly one done(), inside the function or any time later.
 *   3. No exception may leave a function that d-back calls.
 */
#include <dback/provider.h>

#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>

namespace
{

using std::string_view;

constexpr string_view hall = "1001", gate = "1002";
constexpr size_t most_people = 100, longest_name = 32,
                 longest_line = 1000; /* what others can make grow has a limit */
constexpr uint64_t answer_ms = 20;

/* What d-back hands over isn't NUL-terminated, and goes with the call: copy what you want to keep. */
string_view view(dback_str text)
{
    return text.len ? string_view(text.ptr, text.len) : string_view();
}

dback_str str(string_view text)
{
    return dback_str{ text.data(), text.size() };
}

/* A file descriptor that d-back's loop watches for as long as this lives. */
class Watched
{
  public:
    Watched(const dback_host *host, int fd, dback_fd_callback callback, void *arg) : host_(host), fd_(fd)
    {
        watch_ = fd < 0 ? -1 : host->watch_fd(host, fd, DBACK_FD_READ, callback, arg);
    }
    ~Watched()
    {
        stop();
        if (fd_ >= 0)
            close(fd_); /* after it isn't watched any more */
    }
    Watched(const Watched &) = delete;
    Watched &operator=(const Watched &) = delete;

    bool good() const
    {
        return watch_ > 0;
    }
    void stop()
    {
        if (watch_ > 0)
            host_->unwatch_fd(host_, watch_);
        watch_ = 0;
    }

  private:
    const dback_host *host_;
    int fd_;
    int64_t watch_;
};

class Instance
{
  public:
    /* While a new instance takes over from an old one both read the pipe, and each line goes to one of them;
     * who was in the hall is forgotten. A real source would be asked anew for all that is, in users(). */
    Instance(const dback_host *host, string_view options) : host_(host)
    {
        std::string path = read_options(options);
        if (mkfifo(path.c_str(), 0600) < 0 && errno != EEXIST)
            throw std::runtime_error("option feed: " + path + ": " + std::strerror(errno));
        /* For writing, too: then it never ends, whoever comes and goes at the other end. */
        int fd = open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
        feed_ = std::make_unique<Watched>(host, fd, on_readable, this);
        if (!feed_->good())
            throw std::runtime_error("option feed: " + path + " can't be watched; is it a named pipe?");
    }

    void servers(dback_request request)
    {
        dback_server row = DBACK_SERVER_INIT;
        row.discord_id = str(hall);
        row.id = dback_text("hall");
        row.name = dback_text("The Hall");
        row.flags = DBACK_SERVER_DEFAULT;
        host_->put_server(host_, request, &row);
        row.discord_id = str(gate);
        row.id = dback_text("gate");
        row.name = dback_text("The Gate");
        row.flags = DBACK_SERVER_PASSWORDED;
        host_->put_server(host_, request, &row);
        done(request, DBACK_OK);
    }

    void users(dback_request request, string_view server)
    {
        if (server == hall)
            for (const std::string &name : people_) {
                dback_user row = row_of(name);
                host_->put_user(host_, request, &row);
            }
        done(request, server == hall || server == gate ? DBACK_OK : DBACK_PASS);
    }

    /* Here somebody far away would be asked. What is needed of `login` is copied: it is lent for this call
     * only. */
    void validate(dback_request request, const dback_login &login)
    {
        if (view(login.server) != gate) {
            done(request, DBACK_PASS);
            return;
        }
        Pending &pending = pending_[request];
        pending = { this, request, 0, view(login.token) == "open" ? DBACK_OK : DBACK_DENIED };
        pending.timer = host_->start_timer(host_, answer_ms, 0, on_answer, &pending);
        if (pending.timer < 0) { /* no more timers: say no, rather than nothing */
            pending_.erase(request);
            done(request, DBACK_FAILED, "too many logins at a time");
        }
    }

    /* Nobody waits for it any more: so it needn't be worked out. */
    void cancel(dback_request request)
    {
        auto found = pending_.find(request);
        if (found == pending_.end())
            return;
        host_->stop_timer(host_, found->second.timer);
        pending_.erase(found);
    }

    /* From here on events have no effect and no request comes. d-back calls callbacks until destroy(). */
    void quiesce()
    {
        feed_->stop();
    }

    void done(dback_request request, int32_t result, string_view why = {})
    {
        host_->done(host_, request, result, str(why));
    }

  private:
    struct Pending {
        Instance *instance;
        dback_request request;
        int64_t timer;
        int32_t result;
    };

    static std::string read_options(string_view json)
    {
        const char *feed = nullptr;
        json_error_t where;
        std::unique_ptr<json_t, decltype(&json_decref)> options(
            json_loadb(json.data(), json.size(), 0, &where), json_decref);
        if (json_unpack_ex(options.get(), &where, 0, "{s:s !}", "feed", &feed) < 0) /* !: and nothing else */
            throw std::runtime_error(std::string(where.text) +
                                     " (the one option is feed, the path of a named pipe)");
        return feed;
    }

    static dback_user row_of(const std::string &name)
    {
        dback_user row = DBACK_USER_INIT;
        row.uid = row.username = str(name);
        row.status = DBACK_STATUS_ONLINE;
        row.role_color = dback_text("#f39c12");
        return row;
    }

    /* What d-back can't take just now (DBACK_BUSY) is let go; a provider that may lose nothing would try
     * again later. */
    void emit(uint32_t kind, const std::string &name, string_view text = {})
    {
        dback_user user = row_of(name);
        dback_event event = DBACK_EVENT_INIT;
        event.kind = kind;
        event.server = str(hall);
        event.user = &user;
        event.channel = dback_text("1");
        event.text = str(text);
        host_->emit(host_, &event);
    }

    void take_line(const std::string &line)
    {
        size_t space = line.find(' ');
        std::string name = line.substr(0, space);
        if (name.empty() || name.size() > longest_name)
            return;
        if (space == std::string::npos) {
            people_.erase(name);
            emit(DBACK_EVENT_USER_GONE, name);
            return;
        }
        if (!people_.count(name) && people_.size() < most_people) {
            people_.insert(name);
            emit(DBACK_EVENT_USER, name);
        }
        if (people_.count(name) && space + 1 < line.size())
            emit(DBACK_EVENT_MESSAGE, name, string_view(line).substr(space + 1));
    }

    /* Puts bytes together to lines; one that is too long is cut in two. */
    void take_bytes(string_view bytes)
    {
        for (char c : bytes) {
            if (c != '\n')
                line_ += c;
            if (c == '\n' || line_.size() == longest_line) {
                take_line(line_);
                line_.clear();
            }
        }
    }

    /* Called as long as there is something to read: one piece each time is enough. */
    static void on_readable(void *arg, int fd, uint32_t events) noexcept
    {
        char bytes[4096];
        ssize_t n = events & DBACK_FD_READ ? read(fd, bytes, sizeof bytes) : -1;
        if (n > 0)
            static_cast<Instance *>(arg)->take_bytes(string_view(bytes, static_cast<size_t>(n)));
    }

    static void on_answer(void *arg) noexcept
    {
        Pending pending = *static_cast<Pending *>(arg);
        pending.instance->pending_.erase(pending.request);
        pending.instance->done(pending.request, pending.result); /* DBACK_LATE: nobody waits; that is fine */
    }

    const dback_host *host_;
    std::set<std::string> people_{ "keeper" }; /* names, which are their uids, too */
    std::string line_;                         /* what has come of the next line */
    std::map<dback_request, Pending> pending_; /* logins that wait for their answers */
    std::unique_ptr<Watched> feed_;            /* last: it is closed before anything else goes */
};

/* ---- the functions that d-back calls: thin, and nothing is thrown out of them ---- */

/* What goes wrong is an answer, too. */
template <class Work> void answering(void *self, dback_request request, Work work) noexcept
{
    auto *instance = static_cast<Instance *>(self);
    try {
        work(*instance);
    } catch (const std::exception &problem) {
        instance->done(request, DBACK_FAILED, problem.what());
    }
}

int32_t create(const dback_host *host, dback_str options, void **self, char *error,
               size_t error_size) noexcept
{
    try {
        *self = new Instance(host, view(options));
        return DBACK_OK;
    } catch (const std::exception &problem) {
        std::snprintf(error, error_size, "%s", problem.what());
        return DBACK_INVALID;
    }
}

void destroy(void *self) noexcept
{
    delete static_cast<Instance *>(self);
}

void servers(void *self, dback_request request) noexcept
{
    answering(self, request, [&](Instance &it) { it.servers(request); });
}

void users(void *self, dback_request request, dback_str server) noexcept
{
    answering(self, request, [&](Instance &it) { it.users(request, view(server)); });
}

void validate(void *self, dback_request request, const dback_login *login) noexcept
{
    answering(self, request, [&](Instance &it) { it.validate(request, *login); });
}

void cancel(void *self, dback_request request) noexcept
{
    static_cast<Instance *>(self)->cancel(request);
}

void quiesce(void *self) noexcept
{
    static_cast<Instance *>(self)->quiesce();
}

/* What is left out is a null pointer. The flag says that nobody comes or goes without an event, so d-back
 * needn't ask again every few seconds. */
const dback_vtable vtable = {
    DBACK_VTABLE_HEAD(DBACK_PROVIDER_PUSHES),
    create,
    destroy,
    servers,
    users,
    validate,
    nullptr, /* client_id */
    nullptr, /* static_file */
    nullptr, /* watched */
    cancel,
    quiesce,
    nullptr, /* extension */
};

} // namespace

/* The one thing that d-back looks for. */
DBACK_PROVIDER_ENTRY("tower", "1.0", &vtable)
