/* SPDX-License-Identifier: BSD-3-Clause */
#include "monitor/telemetry.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <rte_telemetry.h>

#include "monitor/certificate.h"
#include "monitor/metrics.h"
#include "monitor/workers.h"

/* A callback has no argument of its own, and a command cannot be taken back. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct weir_http_source source; /* under `lock`; take = NULL: stopped */

/* ---- JSON to DPDK's own tree ---- */

/* A name of theirs has letters, digits, `_` and `/`. */
static const char *name_of(const char *key, char name[RTE_TEL_MAX_STRING_LEN])
{
    snprintf(name, RTE_TEL_MAX_STRING_LEN, "%s", key);
    for (char *c = name; *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_/", *c))
            *c = '_';
    return name;
}

static void add(struct rte_tel_data *to, const char *key, json_t *value);

static void add_all(struct rte_tel_data *to, json_t *from)
{
    const char *key;
    char index[24];
    json_t *value;
    size_t i;
    json_object_foreach(from, key, value)
    {
        add(to, key, value);
    }
    json_array_foreach(from, i, value)
    {
        snprintf(index, sizeof index, "%zu", i);
        add(to, index, value);
    }
}

static void add(struct rte_tel_data *to, const char *key, json_t *value)
{
    char name[RTE_TEL_MAX_STRING_LEN], text[32];
    json_int_t number = json_is_boolean(value) ? json_is_true(value) : json_integer_value(value);
    name_of(key, name);
    if (json_is_object(value) || json_is_array(value)) {
        struct rte_tel_data *inner = rte_tel_data_alloc();
        if (inner == NULL)
            return;
        rte_tel_data_start_dict(inner);
        add_all(inner, value);
        if (rte_tel_data_add_dict_container(to, name, inner, 0) != 0)
            rte_tel_data_free(inner);
    } else if (json_is_string(value)) {
        rte_tel_data_add_dict_string(to, name, json_string_value(value));
    } else if (json_is_real(value)) { /* it has no fractions either */
        snprintf(text, sizeof text, "%.9f", json_real_value(value));
        rte_tel_data_add_dict_string(to, name, text);
    } else if (number < 0) {
        rte_tel_data_add_dict_int(to, name, number < INT32_MIN ? INT32_MIN : (int)number);
    } else if (!json_is_null(value)) {
        rte_tel_data_add_dict_u64(to, name, (uint64_t)number);
    }
}

/* ---- the commands ---- */

typedef json_t *tree_of(const struct weir_snapshot *);

static json_t *take(tree_of *tree)
{
    pthread_mutex_lock(&lock);
    struct weir_snapshot *s = source.take != NULL ? source.take(source.argument) : NULL;
    json_t *json = s != NULL ? tree(s) : NULL;
    if (s != NULL)
        source.release(s);
    pthread_mutex_unlock(&lock);
    return json;
}

static int reply(json_t *json, struct rte_tel_data *to)
{
    if (json == NULL)
        return -EAGAIN;
    rte_tel_data_start_dict(to);
    add_all(to, json);
    json_decref(json);
    return 0;
}

static int metrics(const char *, const char *name, struct rte_tel_data *to)
{
    json_t *all = take(weir_metrics_json), *value;
    const char *key;
    if (all == NULL)
        return -EAGAIN;
    if (name == NULL || *name == '\0') {
        rte_tel_data_start_array(to, RTE_TEL_STRING_VAL);
        json_object_foreach(all, key, value)
        {
            rte_tel_data_add_array_string(to, key);
        }
        json_decref(all);
        return 0;
    }
    value = json_object_get(all, name);
    json_t *one = json_is_array(value) ? json_incref(value)
                  : value              ? json_pack("{s:O}", "value", value)
                                       : NULL;
    json_decref(all);
    return one != NULL ? reply(one, to) : -ENOENT;
}

/* A reply has 16 KiB: lists of parts are left out, there are other ways to them. */
static json_t *without_lists(json_t *object)
{
    json_t *value;
    const char *key;
    void *next;
    json_object_foreach_safe(object, next, key, value)
    {
        if (json_is_array(value))
            json_object_del(object, key);
    }
    return object;
}

static json_t *each_worker(const struct weir_snapshot *s)
{
    json_t *all = weir_workers_json(s), *worker;
    size_t i;
    json_array_foreach(all, i, worker)
    {
        without_lists(worker);
    }
    return all;
}

static int workers(const char *, const char *, struct rte_tel_data *to)
{
    return reply(take(each_worker), to);
}

static json_t *whole(const struct weir_snapshot *s)
{
    return without_lists(weir_certificate_tree(s));
}

static int ledger(const char *, const char *, struct rte_tel_data *to)
{
    return reply(take(whole), to);
}

void weir_telemetry_start(const struct weir_http_source *from)
{
    pthread_mutex_lock(&lock);
    source = *from;
    pthread_mutex_unlock(&lock);
    rte_telemetry_register_cmd(
        "/weir/metrics", metrics, "Names of all metrics; with a name: its samples. Parameter: string name");
    rte_telemetry_register_cmd("/weir/workers", workers, "What each worker does. Takes no parameters");
    rte_telemetry_register_cmd("/weir/ledger", ledger, "The books as they stand. Takes no parameters");
}

void weir_telemetry_stop(void)
{
    pthread_mutex_lock(&lock);
    source.take = NULL;
    pthread_mutex_unlock(&lock);
}
