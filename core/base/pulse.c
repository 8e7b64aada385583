/* See pulse.h. */
#include "base/pulse.h"

#define NS_PER_MS 1000000u
#define NS_PER_S 1000000000u

static uint64_t load(const _Atomic uint64_t *value)
{
    return atomic_load_explicit((_Atomic uint64_t *)value, memory_order_relaxed);
}

static void store(_Atomic uint64_t *value, uint64_t new_value)
{
    atomic_store_explicit(value, new_value, memory_order_relaxed);
}

static uint64_t lateness(uint64_t before_ns, uint64_t now, uint64_t period_ms)
{
    uint64_t due = before_ns + period_ms * NS_PER_MS;
    return before_ns && now > due ? now - due : 0;
}

void pulse_beat(struct pulse *pulse, uint64_t period_ms)
{
    uint64_t now = now_ns(), second = now / NS_PER_S;
    uint64_t late = lateness(load(&pulse->beat_ns), now, period_ms);
    size_t at = second % PULSE_WINDOW_S;
    if (load(&pulse->window[at].second) != second) {
        store(&pulse->window[at].worst_ns, 0);
        store(&pulse->window[at].second, second);
    }
    if (late > load(&pulse->window[at].worst_ns))
        store(&pulse->window[at].worst_ns, late);
    store(&pulse->beat_ns, now);
}

void pulse_end(struct pulse *pulse)
{
    store(&pulse->beat_ns, 0);
}

uint64_t pulse_silence_ms(const struct pulse *pulse)
{
    uint64_t beat = load(&pulse->beat_ns), now = now_ns();
    return beat && now > beat ? (now - beat) / NS_PER_MS : 0;
}

uint64_t pulse_delay_ns(const struct pulse *pulse, uint64_t period_ms)
{
    uint64_t now = now_ns(), second = now / NS_PER_S;
    uint64_t worst = lateness(load(&pulse->beat_ns), now, period_ms);
    for (size_t i = 0; i < PULSE_WINDOW_S; i++) {
        if (second - load(&pulse->window[i].second) >= PULSE_WINDOW_S)
            continue;
        uint64_t seen = load(&pulse->window[i].worst_ns);
        worst = seen > worst ? seen : worst;
    }
    return worst;
}
