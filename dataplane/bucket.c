/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/bucket.h"

#include <errno.h>

uint64_t weir_bucket_take(struct weir_bucket *b, uint64_t now_tsc, uint64_t want)
{
    weir_bucket_refill(b, now_tsc);
    if (weir_bucket_take_all(b, want))
        return want;
    /* What is left, in whole tokens: multiply by the inverse; the estimate is exact or one too low. */
    uint64_t whole = (uint64_t)((unsigned __int128)b->credit * b->inverse >> 64);
    whole += (whole + 1) * b->tsc_hz <= b->credit;
    uint64_t granted = whole < want ? whole : want;
    b->credit -= granted * b->tsc_hz;
    return granted;
}

int weir_bucket_init(
    struct weir_bucket *b, uint64_t rate_per_s, uint64_t burst, uint64_t tsc_hz, uint64_t now_tsc)
{
    if (rate_per_s == 0 || burst == 0 || tsc_hz < 2 || rate_per_s > UINT64_C(1) << 62)
        return -EINVAL;
    if (burst > (uint64_t)INT64_MAX / tsc_hz)
        return -EINVAL;
    uint64_t limit = burst * tsc_hz;
    *b = (struct weir_bucket){
        .credit = limit,
        .limit = limit,
        .rate_per_s = rate_per_s,
        .fill_tsc = (limit + rate_per_s - 1) / rate_per_s,
        .last_tsc = now_tsc,
        .tsc_hz = tsc_hz,
        .inverse = (uint64_t)(((unsigned __int128)1 << 64) / tsc_hz),
        .burst = burst,
    };
    return 0;
}
