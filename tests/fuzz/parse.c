/* SPDX-License-Identifier: BSD-3-Clause */
/* Any frame, in any segments, has the same answer of validate as in one; no byte outside of it is read; what the quick parser
 * takes the general one takes, too.
 *
 * The first byte: key and checksums; the second: how much longer the frame was on the wire; the third begins the sizes of the
 * segments. */
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/stages/list.h"
#include "tests/dataplane/parser.h"

#define SEGMENTS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct answer {
    uint32_t n; /* 0 = dropped */
    struct weir_desc desc;
    struct weir_counter drops[128], counts[128];
};

static void ask(struct rte_mbuf *m, uint32_t length, const uint64_t *params, struct answer *a)
{
    static struct weir_trash trash;
    static struct weir_stage_env env = {.hash_key = {3, 5, 7, 11}, .shards = 1, .workers = 1};
    struct weir_stage s = {.def = &weir_stage_validate,
        .params = params,
        .env = &env,
        .trash = &trash,
        .drops = a->drops,
        .counts = a->counts};
    struct weir_batch batch = {.n = 1, .desc = {{.mbuf = m, .length = length & 0xffffff}}};
    trash.n_plain = trash.n_other = 0;
    weir_stage_validate.process(&s, &batch);
    a->n = batch.n;
    a->desc = batch.desc[0];
    a->desc.mbuf = NULL;
    if (batch.n == 0)
        memset(&a->desc, 0, sizeof a->desc);
    if (batch.n + trash.n_plain + trash.n_other != 1)
        abort();
}

/* Each segment alone on the heap. */
static void fill(struct rte_mbuf *m, const uint8_t *from, uint16_t n)
{
    *m = (struct rte_mbuf){.buf_addr = malloc(n), .data_len = n, .buf_len = n, .nb_segs = 1, .pkt_len = n};
    memcpy(m->buf_addr, from, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct answer one, many;
    static struct rte_mbuf whole, part[SEGMENTS_MAX];
    uint64_t params[1024] = {0};
    uint32_t n = 0;
    if (size < 3 || weir_stage_validate.params_size > sizeof params)
        return 0;
    for (const struct weir_param *p = weir_stage_validate.params; p->key != NULL; p++)
        if (strcmp(p->key, "key") == 0 || strcmp(p->key, "checksums") == 0)
            params[p->offset / 8] = data[0] >> (p->key[0] == 'k') & 1;
        else
            params[p->offset / 8] = data[0] >> 2 & 1;
    const uint8_t *frame = data + 3;
    uint32_t captured = (uint32_t)size - 3, length = captured + (data[1] & 0x80 ? data[1] * 8u : 0);
    fill(&whole, frame, (uint16_t)captured);
    for (uint32_t at = 0, next; at < captured || n == 0; at = next) {
        uint32_t left = captured - at,
                 take = n + 1 == SEGMENTS_MAX ? left : (data[2] * (n + 1) * 7u) % 61 + 1;
        next = at + (take < left ? take : left);
        fill(&part[n], frame + at, (uint16_t)(next - at));
        if (n > 0)
            part[n - 1].next = &part[n];
        n++;
    }
    part[0].nb_segs = (uint16_t)n;
    part[0].pkt_len = captured;
    memset(&one, 0, sizeof one);
    memset(&many, 0, sizeof many);
    ask(&whole, length, params, &one);
    ask(part, length, params, &many);
    if (memcmp(&one, &many, sizeof one) != 0)
        abort();

    struct weir_desc quick = {.length = length & 0xffffff}, slow = quick;
    static const uint64_t key[4] = {3, 5, 7, 11};
    uint8_t *alone = whole.buf_addr;
    enum weir_parse_reason a = weir_parse(alone, captured, length, key, &quick),
                           b = weir_parse_slow(alone, captured, length, key, false, NULL, &slow);
    if (a != b || memcmp(&quick, &slow, sizeof quick) != 0)
        abort();
    free(whole.buf_addr);
    for (uint32_t i = 0; i < n; i++)
        free(part[i].buf_addr);
    return 0;
}
