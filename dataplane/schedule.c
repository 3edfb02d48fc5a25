/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/schedule.h"

#define SECOND_NS UINT64_C(1000000000)
#define SEGMENT_NS_MAX (UINT64_C(3600) * SECOND_NS) /* sums stay where a double counts exactly */

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static double per_s(const struct weir_schedule *s, const struct weir_rate *rate)
{
    return rate->of_line ? (double)rate->per_s * (double)s->line_bytes_per_s / 100000 : (double)rate->per_s;
}

/* The segment that begins where the last one ended. */
static void enter(struct weir_schedule *s)
{
    const struct weir_phase *p = &s->phases[s->phase];
    uint64_t begin = s->end_ns;
    if (p->for_ns != 0 && begin == p->for_ns) {
        s->phase_ns += begin;
        s->phase = (s->phase + 1) % s->n_phases;
        p = &s->phases[s->phase];
        begin = 0;
    }
    uint64_t end = min(p->for_ns != 0 ? p->for_ns : UINT64_MAX, begin + SEGMENT_NS_MAX);
    double first = per_s(s, &p->rate), last, factor = 1;
    if (p->n_ramps != 0) {
        double rise = per_s(s, &p->ramp.to) - first, whole = (double)p->ramp.for_ns;
        bool climbs = begin < p->ramp.for_ns;
        first += climbs ? rise * (double)begin / whole : rise;
        end = climbs ? min(end, p->ramp.for_ns) : end;
    }
    for (uint64_t i = 0; i < p->n_spikes; i++) {
        const struct weir_spike *k = &p->spikes[i];
        bool inside = begin >= k->at_ns && begin < k->at_ns + k->for_ns;
        factor *= inside ? (double)k->times / 1000 : 1;
        if (begin < k->at_ns + k->for_ns)
            end = min(end, inside ? k->at_ns + k->for_ns : k->at_ns);
    }
    if (p->n_on_offs != 0) {
        uint64_t cycle = p->on_off.on_ns + p->on_off.off_ns, into = begin % cycle;
        factor *= into < p->on_off.on_ns;
        end = min(end, begin - into + (into < p->on_off.on_ns ? p->on_off.on_ns : cycle));
    }
    last = first;
    if (p->n_ramps != 0 && begin < p->ramp.for_ns)
        last += (per_s(s, &p->ramp.to) - per_s(s, &p->rate)) * (double)(end - begin) / (double)p->ramp.for_ns;

    s->begin_ns = begin;
    s->end_ns = end;
    s->begin_tsc = s->start_tsc + (uint64_t)((unsigned __int128)(s->phase_ns + begin) * s->hz / SECOND_NS);
    s->end_tsc = s->start_tsc + (uint64_t)((unsigned __int128)(s->phase_ns + end) * s->hz / SECOND_NS);
    s->rate = first * factor;
    s->slope =
        s->end_tsc > s->begin_tsc ? (last - first) * factor / 2 / (double)(s->end_tsc - s->begin_tsc) : 0;
    s->each = p->rate.packets ? 1 : p->rate.of_line ? WEIR_LINE_OVERHEAD : 0;
    s->a_byte = !p->rate.packets;
}

static double mean_cost(const struct weir_schedule *s)
{
    return s->each + s->a_byte * s->mean_bytes;
}

/* On, and what is still owed along with it, in what counts there. */
static void go_on(struct weir_schedule *s)
{
    double owed = (s->spent - s->earned) / mean_cost(s);
    enter(s);
    s->spent = owed * mean_cost(s);
    s->earned = 0;
}

static void earn(struct weir_schedule *s, uint64_t now_tsc)
{
    uint64_t until = min(now_tsc, s->end_tsc);
    double x = until > s->begin_tsc ? (double)(until - s->begin_tsc) : 0;
    s->earned = x * (s->rate + s->slope * x) / (double)s->hz;
}

void weir_schedule_start(struct weir_schedule *s, const struct weir_phase *phases, uint32_t n_phases,
    uint64_t line_bytes_per_s, double mean_bytes, uint64_t hz, uint64_t now_tsc)
{
    *s = (struct weir_schedule){.phases = phases,
        .n_phases = n_phases,
        .line_bytes_per_s = line_bytes_per_s,
        .hz = hz,
        .start_tsc = now_tsc,
        .mean_bytes = mean_bytes};
    enter(s);
    s->spent = mean_cost(s); /* the first frame has its gap before it, too */
}

void weir_schedule_look(struct weir_schedule *s, uint64_t now_tsc)
{
    for (earn(s, now_tsc); s->spent > s->earned && weir_schedule_is_over(s, now_tsc); earn(s, now_tsc))
        go_on(s);
}

/* Let up to `most` frames go by that are due. Returns how many. */
static double pass(struct weir_schedule *s, uint64_t now_tsc, double most)
{
    for (double passed = 0;; go_on(s)) {
        earn(s, now_tsc);
        double due = s->spent <= s->earned ? floor((s->earned - s->spent) / mean_cost(s)) + 1 : 0;
        due = fmin(due, most - passed);
        s->spent += due * mean_cost(s);
        passed += due;
        if (passed >= most || !weir_schedule_is_over(s, now_tsc))
            return passed;
    }
}

uint64_t weir_schedule_skip(struct weir_schedule *s, uint64_t now_tsc, uint64_t keep)
{
    double due = (s->earned - s->spent) / mean_cost(s);
    if (__builtin_expect(due + 1 <= (double)keep && !weir_schedule_is_over(s, now_tsc), 1))
        return 0;
    struct weir_schedule ahead = *s;
    due = pass(&ahead, now_tsc, HUGE_VAL) - (double)keep;
    if (due < 1)
        return 0;
    pass(s, now_tsc, due);
    weir_schedule_look(s, now_tsc);
    return (uint64_t)due;
}
