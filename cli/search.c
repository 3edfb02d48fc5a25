/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/search.h"

#include <math.h>

void weir_search_begin(struct weir_search *s, double first, double least, double most, double resolution)
{
    first = fmin(fmax(first, least), most);
    *s = (struct weir_search){
        .next = first, .least = least, .most = most, .resolution = resolution, .step = 2 * resolution};
}

static bool try_next(struct weir_search *s, double next)
{
    s->next = fmin(fmax(next, s->least), s->most);
    s->passed = s->failed = 0;
    return true;
}

/* One step further down. */
static bool retreat(struct weir_search *s, double factor)
{
    s->low = 0;
    return s->high > s->least && try_next(s, s->high / factor);
}

bool weir_search_tell(struct weir_search *s, bool passed)
{
    s->passed += passed;
    s->failed += !passed;
    unsigned enough = s->confirms || s->failed > 0 ? 2 : 1;
    if (s->passed < enough && s->failed < 2)
        return true;
    passed = s->passed >= enough;
    if (passed)
        s->low = s->next;
    else
        s->high = s->next;
    if (s->confirms)
        return !passed && retreat(s, 1 + s->resolution);
    if (s->high == 0 && s->low < s->most) {
        s->step *= 2;
        return try_next(s, s->low * (1 + s->step / 2));
    }
    if (s->low == 0) {
        s->step *= 2;
        return retreat(s, 1 + s->step / 2);
    }
    if (s->high != 0 && s->high > s->low * (1 + s->resolution))
        return try_next(s, sqrt(s->low * s->high));
    s->confirms = true;
    return try_next(s, s->low);
}
