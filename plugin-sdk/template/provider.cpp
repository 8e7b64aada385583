/* tower: a small provider to start from, in C++.
 *
 * It has two servers. In the hall three people live, and the keeper tells the time; the cellar needs a login,
 * and lets in who brings the key. It uses each part of the interface that most providers need: options,
 * servers, users, events from a timer, logins. Read it from top to bottom; the header dback/provider.h is the
 * whole contract.
 *
 * Three rules carry everything else:
 *   1. All functions of this file run on one thread, one at a time. No locks are needed, and a function
 *      may take its time.
 *   2. Each request must lead to exactly one done(): in the function itself, as here, or later.
 *   3. No exception may leave a function that d-back calls: see answering() and create().
 */
#include <dback/provider.h>

#include <jansson.h>

#include <array>
#include <cstdio>
#include <ctime>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace
{

using std::string_view;

/* The servers' Discord ids: everything names a server by this. */
constexpr string_view hall = "1001", cellar = "1002";

/* What d-back hands over isn't NUL-terminated, and goes with the call: copy what you want to keep. */
string_view view(dback_str text)
{
    return text.len ? string_view(text.ptr, text.len) : string_view();
}

dback_str str(string_view text)
{
    return dback_str{ text.data(), text.size() };
}

struct Person {
    string_view uid, name, color;
    uint32_t status;
};

constexpr std::array<Person, 3> people{ {
    { "1", "keeper", "#f39c12", DBACK_STATUS_ONLINE },
    { "2", "owl", "#9b59b6", DBACK_STATUS_IDLE },
    { "3", "ghost", "#ecf0f1", DBACK_STATUS_DND },
} };

/* Equal? Takes the same time wherever the first difference is: a key can't be guessed byte by byte. */
bool same_secret(string_view text, string_view secret)
{
    unsigned char difference = 0;
    if (text.size() != secret.size())
        return false;
    for (size_t i = 0; i < text.size(); i++)
        difference |= static_cast<unsigned char>(text[i] ^ secret[i]);
    return difference == 0;
}

/* Everything that belongs to one instance. There may be two at a time (while d-back replaces an old one by a
 * new one), so nothing is kept in global variables. */
class Instance
{
  public:
    Instance(const dback_host *host, string_view options) : host_(host)
    {
        read_options(options);
        host_->log(host_, DBACK_LOG_INFO, dback_text("the keeper is awake"));
    }

    void servers(dback_request request)
    {
        dback_server row = DBACK_SERVER_INIT;
        row.discord_id = str(hall);
        row.id = dback_text("hall");
        row.name = dback_text("The Hall");
        row.flags = DBACK_SERVER_DEFAULT; /* viewers who ask for nothing in particular land here */
        host_->put_server(host_, request, &row);
        row.discord_id = str(cellar);
        row.id = dback_text("cellar");
        row.name = dback_text("The Cellar");
        row.flags = DBACK_SERVER_PASSWORDED; /* whoever wants to join must get past validate() */
        host_->put_server(host_, request, &row);
        done(request, DBACK_OK);
    }

    /* The whole list counts: who was shown and isn't on it has left. */
    void users(dback_request request, string_view server)
    {
        if (server != hall && server != cellar) {
            done(request, DBACK_PASS); /* not a server of ours: ask the next provider */
            return;
        }
        for (const Person &person : people)
            if (server == hall || person.name == "ghost")
                put(request, person);
        done(request, DBACK_OK);
    }

    /* A real provider would ask Discord whom the token belongs to. Never trust login.user_json alone, and
     * never log the token or the password. Anything but DBACK_OK keeps the viewer out. */
    void validate(dback_request request, const dback_login &login)
    {
        if (view(login.server) != cellar)
            done(request, DBACK_PASS);
        else if (!key_.empty() &&
                 (same_secret(view(login.token), key_) || same_secret(view(login.password), key_)))
            done(request, DBACK_OK);
        else
            done(request, DBACK_DENIED, "that isn't the key");
    }

    /* Nobody watches, nobody needs the time. */
    void watched(string_view server, bool somebody)
    {
        if (server != hall)
            return;
        stop();
        auto ms = static_cast<uint64_t>(chime_ * 1000);
        if (somebody)
            timer_ = host_->start_timer(
                host_, ms, ms, [](void *self) { static_cast<Instance *>(self)->tell_the_time(); }, this);
    }

    void stop()
    {
        if (timer_ > 0)
            host_->stop_timer(host_, timer_);
        timer_ = 0;
    }

    void done(dback_request request, int32_t result, string_view why = {})
    {
        host_->done(host_, request, result, str(why));
    }

  private:
    /* Says no to what it doesn't understand: a mistyped option that is silently ignored costs its owner an
     * evening. */
    void read_options(string_view json)
    {
        const char *key = "";
        json_error_t where;
        std::unique_ptr<json_t, decltype(&json_decref)> options(
            json_loadb(json.data(), json.size(), 0, &where), json_decref);
        /* F: any number; s: text; ?: may be missing; !: nothing else may be there */
        if (json_unpack_ex(options.get(), &where, 0, "{s?F, s?s !}", "chime", &chime_, "key", &key) < 0)
            throw std::runtime_error(std::string(where.text) +
                                     " (options are chime, seconds, and key, a text)");
        if (!(chime_ >= 0.01 && chime_ <= 86400))
            throw std::runtime_error("option chime must be 0.01 to 86400 seconds");
        key_ = key;
    }

    void put(dback_request request, const Person &person)
    {
        dback_user row = DBACK_USER_INIT;
        row.uid = str(person.uid);
        row.username = str(person.name);
        row.role_color = str(person.color);
        row.status = person.status;
        host_->put_user(host_, request, &row); /* copies what the row points to */
    }

    void tell_the_time() noexcept
    {
        std::time_t now = std::time(nullptr);
        std::tm local;
        char text[64];
        localtime_r(&now, &local);
        std::strftime(text, sizeof text, "It is %H:%M:%S and all is well.", &local);
        dback_user keeper = DBACK_USER_INIT;
        keeper.uid = dback_text("1");
        dback_event event = DBACK_EVENT_INIT;
        event.kind = DBACK_EVENT_MESSAGE;
        event.server = str(hall);
        event.user = &keeper;
        event.channel = dback_text("1");
        event.text = dback_text(text);
        host_->emit(host_,
                    &event); /* DBACK_BUSY: d-back can't take more just now. A missed chime is no loss. */
    }

    const dback_host *host_; /* what d-back offers; valid until destroy() returns */
    double chime_ = 10.0;    /* option: seconds between two announcements */
    std::string key_;        /* option: what opens the cellar; empty: nothing does */
    int64_t timer_ = 0;      /* runs while somebody watches the hall; else 0 */
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

void watched(void *self, dback_str server, uint32_t viewers) noexcept
{
    static_cast<Instance *>(self)->watched(view(server), viewers > 0);
}

/* This instance is being replaced, or d-back stops: no request will come any more. destroy() follows. */
void quiesce(void *self) noexcept
{
    static_cast<Instance *>(self)->stop();
}

/* What is left out is a null pointer: d-back asks the next provider. The flag says that nobody comes or goes
 * without an event, so d-back needn't ask again every few seconds. */
const dback_vtable vtable = {
    DBACK_VTABLE_HEAD(DBACK_PROVIDER_PUSHES),
    create,
    destroy,
    servers,
    users,
    validate,
    nullptr, /* client_id */
    nullptr, /* static_file */
    watched,
    nullptr, /* cancel */
    quiesce,
    nullptr, /* extension */
};

} // namespace

/* The one thing that d-back looks for. */
DBACK_PROVIDER_ENTRY("tower", "1.0", &vtable)
