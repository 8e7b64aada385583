/* What the gateway's close codes mean, and what follows. See gateway.h. */
#include "gateway.h"

static const struct {
    int code;
    enum close_kind kind;
    const char *meaning;
} codes[] = {
    { 4000, CLOSE_RESUME, "Discord had a problem" },
    { 4001, CLOSE_RESUME, "Discord didn't know what we sent" },
    { 4002, CLOSE_RESUME, "Discord couldn't read what we sent" },
    { 4003, CLOSE_RESUME, "we sent something before identifying" },
    { 4004, CLOSE_TOKEN,
      "Discord refuses the bot's token: reset it in the developer portal (application > Bot > Reset Token) "
      "and put "
      "the new one into the token's file" },
    { 4005, CLOSE_RESUME, "we identified twice" },
    { 4007, CLOSE_NEW_SESSION, "the place to resume from wasn't valid" },
    { 4008, CLOSE_RESUME, "we sent too much" },
    { 4009, CLOSE_NEW_SESSION, "the session timed out" },
    { 4010, CLOSE_USELESS, "Discord refuses the shard; this provider uses none" },
    { 4011, CLOSE_USELESS,
      "the bot is on so many guilds that Discord requires sharding, which this provider doesn't do: use a "
      "bot that is "
      "on fewer than 2500 guilds" },
    { 4012, CLOSE_USELESS, "Discord no longer serves this version of its gateway: a newer d-back is needed" },
    { 4013, CLOSE_USELESS, "Discord doesn't know the intents we ask for: a newer d-back is needed" },
    { 4014, CLOSE_INTENTS,
      "Discord refuses the intents: in the developer portal switch on \"Presence Intent\", \"Server Members "
      "Intent\" "
      "and \"Message Content Intent\" (application > Bot > Privileged Gateway Intents)" },
};

enum close_kind close_code_judge(int code, const char **meaning)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i].code == code) {
            *meaning = codes[i].meaning;
            return codes[i].kind;
        }
    }
    *meaning = "the connection to the gateway ended";
    return CLOSE_RESUME;
}
