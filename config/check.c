/* SPDX-License-Identifier: BSD-3-Clause */
/* Does it make sense together? First each pool by itself, then, if all of it could be read, the graph. */
#include <stdlib.h>
#include <string.h>

#include "config/draft.h"

static struct weir_config_pool *pool_at(const struct weir_draft *d, uint32_t i)
{
    return &d->config->pools[i];
}

static bool written(const struct weir_value *v)
{
    return v->place.line != 0 || v->place.column != 0;
}

static bool is_port_map(const struct weir_config_stage *s)
{
    return weir_table_is(s->table, WEIR_TYPE_PORT_MAP);
}

static bool transmits(const struct weir_config_stage *s)
{
    return s->table->sends_back || is_port_map(s);
}

#define ENDS WEIR_DRAFT_FACTS /* instead of a fact: no packet passes it */

static bool finds(const struct weir_key_table *t, enum weir_draft_fact fact)
{
    return fact == WEIR_DRAFT_FLOW ? t->makes_key : fact == WEIR_DRAFT_CLASS ? t->makes_class : t->terminal;
}

static void write_stages(const struct weir_draft *d, enum weir_draft_fact fact, FILE *to)
{
    bool first = true;
    for (const struct weir_key_table *t = d->vocabulary->stages; t->name != NULL; t++)
        if (t->not_yet == NULL && finds(t, fact))
            weir_write_listed(to, t->name, &first);
}

/* ---- a pool by itself ---- */

static void check_inbox(const struct weir_draft *d, uint32_t i)
{
    static const enum weir_pool_key inbox[] = {
        WEIR_POOL_SHARD_BY, WEIR_POOL_ON_FULL, WEIR_POOL_DEPTH, WEIR_POOL_ORDER, WEIR_POOL_TAKE};
    const struct weir_config_pool *pool = pool_at(d, i);
    const struct weir_value *values = pool->values;
    for (size_t k = 0; k < sizeof inbox / sizeof inbox[0]; k++) {
        const struct weir_key_row *row = &weir_pool_rows[inbox[k]];
        const struct weir_value *v = &values[inbox[k]];
        if (pool->fed_by_ports && written(v)) {
            weir_complain(d->complaints, v->place,
                "`%s` is for an inbox, and pool `%s` is fed by ports; remove it", row->key, pool->name);
        } else if (!pool->fed_by_ports && !v->set && row->optional && inbox[k] < WEIR_POOL_ORDER) {
            FILE *to = weir_complaint_begin(d->complaints, pool->place);
            fprintf(to, "pool `%s` is fed by pools and needs `%s`; allowed: ", pool->name, row->key);
            weir_row_write_allowed(row, to);
            weir_complaint_end(d->complaints);
        }
    }
    for (size_t k = WEIR_POOL_PROBE_EVERY; k <= WEIR_POOL_PROBE_AT; k++)
        if (!pool->fed_by_ports && written(&values[k]))
            weir_complain(d->complaints, values[k].place,
                "probes are made where packets arrive, and pool `%s` is fed by pools; write `%s` in the one "
                "that is fed by ports",
                pool->name, weir_pool_rows[k].key);
    const struct weir_value *sleep = &values[WEIR_POOL_IDLE_SLEEP];
    if (!pool->fed_by_ports && written(sleep))
        weir_complain(d->complaints, sleep->place,
            "`idle-sleep` is for workers that poll ports, and pool `%s` is fed by pools, whose workers sleep "
            "after `park-after` until something comes; remove it",
            pool->name);
    /* With one worker it only allows what does not happen; with shards it takes back what they promise. */
    const struct weir_value *order = &values[WEIR_POOL_ORDER];
    if (!pool->fed_by_ports && order->set && pool->shard_by != WEIR_SHARD_BY_NONE)
        weir_complain(d->complaints, order->place,
            "`order: relaxed` has no effect in pool `%s`, whose shards keep the order; remove it, or write "
            "`shard-by: none`",
            pool->name);
}

static void check_depth(const struct weir_draft *d, uint32_t i)
{
    const struct weir_value *v = &pool_at(d, i)->values[WEIR_POOL_DEPTH];
    if (!v->set || (v->number & (v->number - 1)) == 0)
        return;
    uint64_t below = UINT64_C(1) << (63 - __builtin_clzll(v->number));
    weir_complain(d->complaints, v->place, "depth `%s` is no power of two; allowed: %lu, %lu", v->text,
        (unsigned long)below, (unsigned long)below * 2);
}

/* Several workers that share one inbox packet by packet: what left in order arrives in any. */
static bool spreads(const struct weir_draft *d, uint32_t i)
{
    const struct weir_config_pool *pool = pool_at(d, i);
    return !pool->fed_by_ports && written(&pool_at(d, i)->values[WEIR_POOL_SHARD_BY]) &&
           pool->shard_by == WEIR_SHARD_BY_NONE && pool->workers > 1;
}

/* The value with which a stage needs the packets of a flow in order, or NULL. `row`: which could, or NULL. */
static const struct weir_value *order_needed(
    const struct weir_config_stage *s, const struct weir_key_row **row)
{
    const struct weir_key_row *rows = s->table->rows;
    *row = NULL;
    for (size_t k = 0; rows != NULL && rows[k].key != NULL; k++) {
        if (rows[k].needs_order == NULL)
            continue;
        *row = &rows[k];
        if (s->values != NULL && s->values[k].set && strcmp(s->values[k].text, rows[k].needs_order) == 0)
            return &s->values[k];
    }
    return NULL;
}

/* Nobody sees in which order the packets of this pool leave: they end in a stage that could check it, and does not. */
static bool order_is_nothing_to(const struct weir_config_pool *pool)
{
    const struct weir_config_stage *last = &pool->stages[pool->n_stages - 1];
    const struct weir_key_row *could;
    return last->table->terminal && order_needed(last, &could) == NULL && could != NULL;
}

/* Its ports can each be told to have a queue for each worker. `written`: and they are. */
static bool can_poll_by_queue(const struct weir_draft *d, const struct weir_config_pool *pool, bool written)
{
    bool can = pool->fed_by_ports && pool->workers > 1;
    for (uint32_t k = 0; can && k < pool->n_from; k++) {
        const struct weir_config_port *port = &d->config->ports[pool->from[k]];
        can = port->kind != NULL && port->kind->rss &&
              (!written || port->keys[WEIR_PORT_QUEUES].number == pool->workers);
    }
    return can;
}

static void check_workers(const struct weir_draft *d, uint32_t i)
{
    const struct weir_config_pool *pool = pool_at(d, i);
    const struct weir_value *v = &pool->values[WEIR_POOL_WORKERS];
    if (!v->set || pool->workers < 2)
        return;
    if (pool->workers_at_start < pool->workers &&
        (pool->fed_by_ports || pool->shard_by == WEIR_SHARD_BY_NONE))
        weir_complain(d->complaints, v->place,
            "pool `%s` is elastic without shards that could move between its workers; write `workers: %u`%s",
            pool->name, pool->workers, pool->fed_by_ports ? "" : ", or `shard-by: flow`");
    if (pool->fed_by_ports) {
        if (pool->workers > pool->n_from && !pool->by_queue)
            weir_complain(d->complaints, v->place,
                "pool `%s` has %u workers for %u port%s, and a port is polled by one; allowed: 1 .. %u; put "
                "the work in a second pool with `shard-by: flow` and more workers%s",
                pool->name, pool->workers, pool->n_from, pool->n_from == 1 ? "" : "s", pool->n_from,
                can_poll_by_queue(d, pool, false) ? ", or write as many `queues` at each port, if it has RSS"
                                                  : "");
        return;
    }
    const struct weir_value *shard_by = &pool->values[WEIR_POOL_SHARD_BY];
    bool known = pool->n_stages > 0 && pool->stages[pool->n_stages - 1].table != NULL;
    if (known && spreads(d, i) && !pool->values[WEIR_POOL_ORDER].set && !order_is_nothing_to(pool))
        weir_complain(d->complaints, shard_by->place,
            "pool `%s` has %u workers without shards, which reorders the packets of a flow; write `order: "
            "relaxed` if it may, or `shard-by: flow`, or `workers: 1`",
            pool->name, pool->workers);
}

/* The value with which a stage needs the class of each packet, or NULL, and its row. */
static const struct weir_value *class_needed(
    const struct weir_config_stage *s, const struct weir_key_row **row)
{
    *row = s->table->rows;
    for (const struct weir_value *v = s->values; v != NULL && *row != NULL && (*row)->key != NULL;
         ++*row, v++)
        if (v->classes != NULL ||
            ((*row)->by_class != NULL && v->set && strcmp(v->text, (*row)->by_class) == 0))
            return v;
    return NULL;
}

static void check_stages(const struct weir_draft *d, uint32_t i)
{
    const struct weir_config_pool *pool = pool_at(d, i);
    for (uint32_t k = 0; k < pool->n_stages; k++) {
        const struct weir_config_stage *s = &pool->stages[k];
        if (s->table == NULL)
            continue;
        if (s->table->terminal && k + 1 < pool->n_stages)
            weir_complain(
                d->complaints, s->place, "no packet passes `%s`; make it the last stage", s->table->name);
        if (!d->pools[i].from_known)
            continue;
        if (s->table->ports_only && !pool->fed_by_ports)
            weir_complain(d->complaints, s->place,
                "`%s` works only in a pool fed by ports, and pools feed `%s`; move it there", s->table->name,
                pool->name);
        if (s->table->keyed && pool->workers > 1 && (pool->fed_by_ports || spreads(d, i)))
            weir_complain(d->complaints, s->place,
                "`%s` keeps state of each flow, and pool `%s` has %u workers without shards; %s `shard-by: "
                "flow`, or write `workers: 1`",
                s->table->name, pool->name, pool->workers,
                pool->fed_by_ports ? "put it in a pool behind, with" : "write");
        const struct weir_key_row *row;
        bool by_class = class_needed(s, &row) != NULL && row->by_class != NULL;
        if (s->table->ports_only && pool->by_queue && !by_class)
            weir_complain(d->complaints, s->place,
                "`%s` holds a port to one limit, and the %u workers of pool `%s` share each port; write "
                "`workers: 1`",
                s->table->name, pool->workers, pool->name);
        if (pool->workers > 1 && by_class)
            weir_complain(d->complaints, s->place,
                "`%s: %s` holds a class to one limit, and pool `%s` has %u workers; write `workers: 1`",
                row->key, row->by_class, pool->name, pool->workers);
    }
}

/* ---- who feeds whom ---- */

/* The pool with the copies names its source in `from`, as it names who feeds it. */
static void check_tee(const struct weir_draft *d, uint32_t i, const struct weir_config_stage *s)
{
    struct weir_config_pool *pool = pool_at(d, i);
    const struct weir_config_pool *to = pool_at(d, (uint32_t)s->values->number);
    bool named = false;
    for (uint32_t k = 0; !to->fed_by_ports && k < to->n_from; k++)
        named = named || to->from[k] == i;
    if (pool->tee >= 0)
        weir_complain(d->complaints, s->place, "pool `%s` has a `%s` already; allowed: one a pool",
            pool->name, s->table->name);
    else if (!named)
        weir_complain(d->complaints, s->values->place,
            "pool `%s` does not take the copies of `%s`; add `%s` to its `from`", to->name, pool->name,
            pool->name);
    else if (to->on_full != WEIR_ON_FULL_DROP)
        weir_complain(d->complaints, s->values->place,
            "pool `%s` gets copies, which must not hold up `%s`; write `on-full: drop` there", to->name,
            pool->name);
    else if (to->n_from == 1 && to->values[WEIR_POOL_TAKE].set)
        weir_complain(d->complaints, to->values[WEIR_POOL_TAKE].place,
            "pool `%s` gets copies of every class; remove `take`, or put `tee` behind a pool that takes them",
            to->name);
    pool->tee = (int32_t)s->values->number;
}

static void find_tees(const struct weir_draft *d)
{
    for (uint32_t i = 0; i < d->config->n_pools; i++) {
        struct weir_config_pool *pool = pool_at(d, i);
        pool->tee = -1;
        for (uint32_t k = 0; k < pool->n_stages; k++)
            if (weir_table_is(pool->stages[k].table, WEIR_TYPE_POOL))
                check_tee(d, i, &pool->stages[k]);
    }
}

/* Whoever consumes a pool takes some of its classes, and one of them what is left: each class goes to one of them. */
static void check_takers(const struct weir_draft *d, uint32_t p)
{
    int32_t by[WEIR_CLASSES_LIMIT + 1], rest = -1, last = -1;
    memset(by, 0xff, sizeof by);
    for (uint32_t i = 0; i < d->config->n_pools; i++) {
        const struct weir_config_pool *pool = pool_at(d, i);
        const struct weir_value *take = &pool_at(d, i)->values[WEIR_POOL_TAKE];
        uint32_t k = 0;
        while (k < pool->n_from && pool->from[k] != p)
            k++;
        if (pool->fed_by_ports || k == pool->n_from || pool_at(d, p)->tee == (int32_t)i)
            continue;
        last = (int32_t)i;
        if (!take->set && rest >= 0)
            weir_complain(d->complaints, d->pools[i].from_places[k],
                "pool `%s` feeds `%s` already; remove it here or there, or write `take` to divide its "
                "classes",
                pool_at(d, p)->name, pool_at(d, (uint32_t)rest)->name);
        else if (!take->set)
            rest = (int32_t)i;
        for (uint32_t n = 0; n < take->n_classes; n++) {
            int32_t *taker = &by[take->classes[n]];
            if (*taker >= 0)
                weir_complain(d->complaints, take->place,
                    "class `%s` of pool `%s` goes to `%s` already; remove it here or there",
                    weir_class_name(d->config, take->classes[n]), pool_at(d, p)->name,
                    pool_at(d, (uint32_t)*taker)->name);
            *taker = (int32_t)i;
        }
    }
    d->pools[p].consumer = last;
    for (uint32_t n = 0; last >= 0 && rest < 0 && n <= d->config->n_classes; n++)
        if (by[n] < 0)
            weir_complain(d->complaints, pool_at(d, (uint32_t)last)->values[WEIR_POOL_TAKE].place,
                "class `%s` of pool `%s` goes nowhere; name it in a `take`, or leave `take` out in one pool",
                weir_class_name(d->config, n), pool_at(d, p)->name);
}

static void check_ports_used(const struct weir_draft *d)
{
    const struct weir_config *config = d->config;
    int32_t polled_by[WEIR_PORTS_LIMIT];
    bool used[WEIR_PORTS_LIMIT] = {false};
    memset(polled_by, 0xff, sizeof polled_by);
    for (uint32_t i = 0; i < config->n_pools; i++) {
        const struct weir_config_pool *pool = pool_at(d, i);
        for (uint32_t k = 0; pool->fed_by_ports && k < pool->n_from; k++) {
            int32_t *by = &polled_by[pool->from[k]];
            if (*by >= 0)
                weir_complain(d->complaints, d->pools[i].from_places[k],
                    "port `%s` is polled by pool `%s` already; remove it here or there",
                    config->ports[pool->from[k]].name, pool_at(d, (uint32_t)*by)->name);
            else
                *by = (int32_t)i;
            used[pool->from[k]] = true;
        }
        for (uint32_t k = 0; k < pool->n_stages; k++)
            for (uint32_t n = 0; is_port_map(&pool->stages[k]) && n < pool->stages[k].values->n_pairs; n++)
                used[pool->stages[k].values->pairs[n].to] = true;
    }
    for (uint32_t p = 0; p < config->n_ports; p++)
        if (!used[p])
            weir_complain(d->complaints, config->ports[p].place,
                "port `%s` is used by nobody; name it in the `from` of a pool, or remove it",
                config->ports[p].name);
}

static void check_links(const struct weir_draft *d)
{
    const struct weir_config_port *ports = d->config->ports;
    for (uint32_t p = 0; p < d->config->n_ports; p++) {
        const struct weir_config_port *leader = ports[p].follows < 0 ? NULL : &ports[ports[p].follows];
        for (size_t k = WEIR_PORT_MTU; k < WEIR_PORT_KEYS && ports[p].kind != NULL; k++)
            if (!ports[p].kind->has_link && !(k == WEIR_PORT_QUEUES && ports[p].kind->rss) &&
                ports[p].keys[k].set)
                weir_complain(d->complaints, ports[p].keys[k].place,
                    "a `%s` has no %s; remove `%s` from port `%s`", ports[p].kind->name,
                    k == WEIR_PORT_MTU ? "MTU" : "queues", weir_port_rows[k].key, ports[p].name);
        if (leader == NULL || leader->kind == NULL || ports[p].kind == NULL)
            continue;
        struct weir_place place = ports[p].keys[WEIR_PORT_LINK_FOLLOWS].place;
        if (leader == &ports[p])
            weir_complain(d->complaints, place,
                "port `%s` cannot follow itself; name the port on the other side", leader->name);
        else if (!leader->kind->has_link || !ports[p].kind->has_link)
            weir_complain(d->complaints, place, "a `%s` has no link; remove `link-follows` from port `%s`",
                leader->kind->has_link ? ports[p].kind->name : leader->kind->name, ports[p].name);
    }
}

static void check_end(const struct weir_draft *d, uint32_t i)
{
    const struct weir_config_pool *pool = pool_at(d, i);
    const struct weir_config_stage *last = &pool->stages[pool->n_stages - 1];
    int32_t consumer = d->pools[i].consumer;
    if (last->table->terminal == (consumer < 0))
        return;
    FILE *to = weir_complaint_begin(d->complaints, last->place);
    if (consumer >= 0) {
        fprintf(to, "pool `%s` feeds `%s`, and nothing passes `%s`; remove one of the two", pool->name,
            pool_at(d, (uint32_t)consumer)->name, last->table->name);
    } else {
        fprintf(to, "pool `%s` feeds nobody, so its packets must end; allowed as last stage: ", pool->name);
        write_stages(d, ENDS, to);
    }
    weir_complaint_end(d->complaints);
}

static void check_limits(const struct weir_draft *d)
{
    uint32_t workers = 0, transmitters = 0;
    for (uint32_t i = 0; i < d->config->n_pools; i++) {
        const struct weir_config_pool *pool = pool_at(d, i);
        bool any = false;
        for (uint32_t k = 0; k < pool->n_stages; k++)
            any = any || transmits(&pool->stages[k]);
        uint32_t before = workers, transmitters_before = transmitters;
        workers += pool->workers;
        transmitters += any ? pool->workers : 0;
        if (before <= WEIR_WORKERS_LIMIT && workers > WEIR_WORKERS_LIMIT)
            weir_complain(d->complaints, pool->place, "%u workers up to pool `%s`; allowed: %u in all",
                workers, pool->name, WEIR_WORKERS_LIMIT);
        if (transmitters_before <= WEIR_TRANSMITTERS_LIMIT && transmitters > WEIR_TRANSMITTERS_LIMIT)
            weir_complain(d->complaints, pool->place,
                "%u transmitting workers up to pool `%s`; allowed: %u in all", transmitters, pool->name,
                WEIR_TRANSMITTERS_LIMIT);
    }
}

/* ---- order ---- */

/* A pool that is not yet placed and feeds `i`, as an index into its `from`; or -1. */
static int32_t unplaced_source(const struct weir_draft *d, const int32_t *position, uint32_t i)
{
    const struct weir_config_pool *pool = pool_at(d, i);
    for (uint32_t k = 0; !pool->fed_by_ports && k < pool->n_from; k++)
        if (position[pool->from[k]] < 0)
            return (int32_t)k;
    return -1;
}

/* From any unplaced pool, going upstream among the unplaced ends in a cycle. Names it, downstream, beginning
 * with its first pool in the file, and counts its pools as placed, so that the next cycle is found too. */
static void complain_cycle(const struct weir_draft *d, int32_t *position, uint32_t at)
{
    uint32_t path[WEIR_POOLS_LIMIT + 1], n = 0, start = 0, first = 0;
    bool seen[WEIR_POOLS_LIMIT] = {false};
    for (; !seen[at]; at = pool_at(d, at)->from[unplaced_source(d, position, at)]) {
        seen[at] = true;
        path[n++] = at;
    }
    while (path[start] != at)
        start++;
    for (uint32_t k = start; k < n; k++)
        first = k == start || path[k] < path[first] ? k : first;
    uint32_t pool = path[first], length = n - start;
    FILE *to =
        weir_complaint_begin(d->complaints, d->pools[pool].from_places[unplaced_source(d, position, pool)]);
    fprintf(to, "pools feed each other in a circle: %s", pool_at(d, pool)->name);
    for (uint32_t k = 1; k <= length; k++) /* the path goes upstream */
        fprintf(to, " → %s", pool_at(d, path[start + (first - start + length - k) % length])->name);
    fputs("; begin with a port", to);
    weir_complaint_end(d->complaints);
    for (uint32_t k = start; k < n; k++)
        position[path[k]] = 0;
}

/* order[]: pool indices so that each stands after all that feed it, and file order where nothing decides.
 * Returns false after a complaint. */
static bool sort(const struct weir_draft *d, uint32_t *order)
{
    int32_t position[WEIR_POOLS_LIMIT];
    uint32_t n = d->config->n_pools;
    bool fine = true;
    memset(position, 0xff, sizeof position);
    for (uint32_t placed = 0;;) {
        uint32_t next = n, unplaced = n;
        for (uint32_t i = n; i-- > 0;) {
            if (position[i] >= 0)
                continue;
            unplaced = i;
            next = unplaced_source(d, position, i) < 0 ? i : next;
        }
        if (unplaced == n)
            return fine;
        if (next < n) {
            order[placed] = next;
            position[next] = (int32_t)placed++;
        } else {
            complain_cycle(d, position, unplaced);
            fine = false;
        }
    }
}

static void reorder(struct weir_draft *d, const uint32_t *order)
{
    struct weir_config_pool sorted[WEIR_POOLS_LIMIT];
    uint32_t position[WEIR_POOLS_LIMIT];
    uint32_t n = d->config->n_pools;
    for (uint32_t i = 0; i < n; i++) {
        sorted[i] = d->config->pools[order[i]];
        position[order[i]] = i;
    }
    memcpy(d->config->pools, sorted, n * sizeof sorted[0]);
    for (uint32_t i = 0; i < n; i++) {
        struct weir_config_pool *pool = &d->config->pools[i];
        for (uint32_t k = 0; !pool->fed_by_ports && k < pool->n_from; k++)
            pool->from[k] = position[pool->from[k]];
        if (pool->tee >= 0)
            pool->tee = (int32_t)position[pool->tee];
        for (uint32_t k = 0; k < pool->n_stages; k++)
            if (weir_table_is(pool->stages[k].table, WEIR_TYPE_POOL))
                pool->stages[k].values->number = position[pool->stages[k].values->number];
    }
}

/* ---- what flows where; pools in order ---- */

static const char *const fact_names[WEIR_DRAFT_FACTS] = {"flow", "class"};

static void complain_unknown(const struct weir_draft *d, struct weir_place place, const char *what,
    enum weir_draft_fact fact, const char *where)
{
    FILE *to = weir_complaint_begin(d->complaints, place);
    fprintf(to,
        "`%s` needs the %s of each packet, which nothing before it has found%s; put one of these before it: ",
        what, fact_names[fact], where);
    write_stages(d, fact, to);
    weir_complaint_end(d->complaints);
}

/* Or the name of a pool that feeds `i` and whose packets lack it, as ` on the way through …`. */
static bool on_every_way(
    const struct weir_draft *d, uint32_t i, enum weir_draft_fact fact, char where[WEIR_NAME_BYTES_MAX + 32])
{
    const struct weir_config_pool *pool = pool_at(d, i);
    *where = '\0';
    for (uint32_t k = 0; !pool->fed_by_ports && k < pool->n_from; k++) {
        const struct weir_draft_pool *from = &d->pools[pool->from[k]];
        if ((pool_at(d, pool->from[k])->tee == (int32_t)i ? from->copies : from->packets)[fact])
            continue;
        snprintf(
            where, WEIR_NAME_BYTES_MAX + 32, " on the way through `%s`", pool_at(d, pool->from[k])->name);
        return false;
    }
    return !pool->fed_by_ports;
}

static bool needs(const struct weir_config_stage *s, enum weir_draft_fact fact)
{
    const struct weir_key_row *row;
    return fact == WEIR_DRAFT_FLOW ? s->table->needs_key : class_needed(s, &row) != NULL;
}

/* What is said once is enough for what comes behind. */
static void check_facts(const struct weir_draft *d, uint32_t i, enum weir_draft_fact fact)
{
    const struct weir_config_pool *pool = pool_at(d, i);
    struct weir_draft_pool *draft = &d->pools[i];
    char where[WEIR_NAME_BYTES_MAX + 32];
    bool found = on_every_way(d, i, fact, where);
    bool by_flow = fact == WEIR_DRAFT_FLOW;
    const struct weir_value *inbox = &pool->values[by_flow ? WEIR_POOL_SHARD_BY : WEIR_POOL_TAKE];
    if (!found && !pool->fed_by_ports && inbox->set && (!by_flow || pool->shard_by == WEIR_SHARD_BY_FLOW)) {
        complain_unknown(d, inbox->place, by_flow ? "shard-by: flow" : "take", fact, where);
        found = true;
    }
    for (uint32_t k = 0; k < pool->n_stages; k++) {
        const struct weir_config_stage *s = &pool->stages[k];
        if (!found && needs(s, fact)) {
            complain_unknown(d, s->place, s->table->name, fact, where);
            found = true;
        }
        found |= finds(s->table, fact);
        if (weir_table_is(s->table, WEIR_TYPE_POOL))
            draft->copies[fact] = found;
    }
    draft->packets[fact] = found;
}

/* Classes that no stage finds are a slip of the pen: nothing of what they say would happen. */
static void check_classes_used(const struct weir_draft *d)
{
    bool found = d->config->n_classes == 0, limited = false;
    const struct weir_key_row *row;
    for (uint32_t i = 0; i < d->config->n_pools; i++) {
        for (uint32_t k = 0; k < pool_at(d, i)->n_stages; k++) {
            const struct weir_config_stage *s = &pool_at(d, i)->stages[k];
            if (s->table->makes_class && d->config->n_classes == 0)
                weir_complain(d->complaints, s->place,
                    "`%s` has no classes to look for; write `classes`, or remove it", s->table->name);
            found |= s->table->makes_class;
            limited |= class_needed(s, &row) != NULL && row->by_class != NULL;
        }
    }
    for (uint32_t i = 0; i < d->config->n_classes; i++) {
        const struct weir_config_class *class = &d->config->classes[i];
        if (!found) {
            FILE *to = weir_complaint_begin(d->complaints, class->place);
            fprintf(to,
                "class `%s` is found by no stage; remove it, or put one of these into a pool: ", class->name);
            write_stages(d, WEIR_DRAFT_CLASS, to);
            weir_complaint_end(d->complaints);
        } else if (class->values != NULL && class->values[WEIR_CLASS_RATE].number != 0 && !limited) {
            weir_complain(d->complaints, class->values[WEIR_CLASS_RATE].place,
                "class `%s` has a rate that nothing holds it to; put `admit: {per: class}` behind the stage "
                "that finds it, or remove the rate",
                class->name);
        }
    }
}

static void check_port_map(const struct weir_draft *d, uint32_t i, const struct weir_config_stage *s)
{
    uint64_t mapped = 0;
    for (uint32_t n = 0; n < s->values->n_pairs; n++)
        mapped |= UINT64_C(1) << s->values->pairs[n].from;
    for (uint32_t p = 0; p < d->config->n_ports; p++)
        if (pool_at(d, i)->reach & ~mapped & (UINT64_C(1) << p))
            weir_complain(d->complaints, s->place,
                "`%s` has no way out for packets of port `%s`; add `%s: PORT`", s->table->name,
                d->config->ports[p].name, d->config->ports[p].name);
}

static void check_way_back(const struct weir_draft *d, uint32_t i, const struct weir_config_stage *s)
{
    for (uint32_t p = 0; p < d->config->n_ports; p++) {
        const struct weir_config_port *port = &d->config->ports[p];
        if ((pool_at(d, i)->reach >> p & 1) != 0 && port->kind != NULL && port->kind->receive_only)
            weir_complain(d->complaints, s->place,
                "`%s` sends packets of port `%s` back, which is a `%s` and cannot transmit; end in another "
                "stage, or keep its packets from here",
                s->table->name, port->name, port->kind->name);
    }
}

static void check_reach(const struct weir_draft *d, uint32_t i)
{
    struct weir_config_pool *pool = pool_at(d, i);
    for (uint32_t k = 0; k < pool->n_from; k++)
        pool->reach |= pool->fed_by_ports ? UINT64_C(1) << pool->from[k] : pool_at(d, pool->from[k])->reach;
    for (uint32_t k = 0; k < pool->n_stages; k++) {
        if (is_port_map(&pool->stages[k]))
            check_port_map(d, i, &pool->stages[k]);
        else if (pool->stages[k].table->sends_back)
            check_way_back(d, i, &pool->stages[k]);
    }
}

static void check_order(const struct weir_draft *d, uint32_t i)
{
    const struct weir_config_pool *pool = pool_at(d, i);
    int32_t reorders = spreads(d, i) ? (int32_t)i : -1;
    for (uint32_t k = 0; !pool->fed_by_ports && reorders < 0 && k < pool->n_from; k++)
        reorders = d->pools[pool->from[k]].reorders;
    d->pools[i].reorders = reorders;
    for (uint32_t k = 0; reorders >= 0 && k < pool->n_stages; k++) {
        const struct weir_key_row *row;
        const struct weir_value *needed = order_needed(&pool->stages[k], &row);
        if (needed == NULL)
            continue;
        const struct weir_config_pool *where = pool_at(d, (uint32_t)reorders);
        weir_complain(d->complaints, needed->place,
            "`%s: %s` needs the packets of a flow in order, and pool `%s` has %u workers without shards; "
            "write `shard-by: flow` or `workers: 1` there, or leave it out",
            row->key, needed->text, where->name, where->workers);
    }
}

void weir_check(struct weir_draft *d)
{
    uint32_t order[WEIR_POOLS_LIMIT];
    uint32_t n = d->config->n_pools;
    for (uint32_t i = 0; i < n; i++) {
        if (pool_at(d, i)->values == NULL)
            continue;
        check_depth(d, i);
        pool_at(d, i)->by_queue = d->pools[i].from_known && can_poll_by_queue(d, pool_at(d, i), true);
        check_stages(d, i);
        if (d->pools[i].from_known) {
            check_inbox(d, i);
            check_workers(d, i);
        }
    }
    if (!d->graph_known)
        return;
    find_tees(d);
    for (uint32_t i = 0; i < n; i++)
        check_takers(d, i);
    check_links(d);
    check_ports_used(d);
    check_classes_used(d);
    check_limits(d);
    if (!sort(d, order))
        return;
    for (uint32_t i = 0; i < n; i++) {
        check_end(d, order[i]);
        check_facts(d, order[i], WEIR_DRAFT_FLOW);
        check_facts(d, order[i], WEIR_DRAFT_CLASS);
        check_reach(d, order[i]);
        check_order(d, order[i]);
    }
    reorder(d, order);
}
