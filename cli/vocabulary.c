/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables of stages and port kinds, handed to the configuration in its own terms. */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/classifier.h"
#include "dataplane/port.h"
#include "dataplane/stage.h"

/* Known to the grammar, not to this version. */
static const char not_yet[] = "comes in a later version of weir";
static const struct weir_key_table later_stages[] = {
    {.name = "tag", .help = "write a tenant or class from a table", .not_yet = not_yet},
    {.name = "aggregate", .help = "sums by key", .not_yet = not_yet},
};

static const enum weir_key_type types[] = {
    [WEIR_PARAM_COUNT] = WEIR_TYPE_COUNT,
    [WEIR_PARAM_BYTES] = WEIR_TYPE_BYTES,
    [WEIR_PARAM_DURATION] = WEIR_TYPE_DURATION,
    [WEIR_PARAM_RATE] = WEIR_TYPE_RATE,
    [WEIR_PARAM_RATIO] = WEIR_TYPE_RATIO,
    [WEIR_PARAM_WORD] = WEIR_TYPE_WORD,
    [WEIR_PARAM_STRING] = WEIR_TYPE_STRING,
    [WEIR_PARAM_WEIGHTS] = WEIR_TYPE_WEIGHTS,
    [WEIR_PARAM_MAPS] = WEIR_TYPE_MAPS,
    [WEIR_PARAM_POOL] = WEIR_TYPE_POOL,
    [WEIR_PARAM_PORT_MAP] = WEIR_TYPE_PORT_MAP,
    [WEIR_PARAM_CLASSES] = WEIR_TYPE_CLASSES,
    [WEIR_PARAM_EXPORT] = WEIR_TYPE_EXPORT,
};

static void *checked(void *memory)
{
    if (memory == NULL)
        abort(); /* a few hundred bytes at the start of the process */
    return memory;
}

/* In the order of the parameters, so that values and parameters share an index. */
static const struct weir_key_row *rows(const struct weir_param *params)
{
    size_t n = 0;
    while (params != NULL && params[n].key != NULL)
        n++;
    struct weir_key_row *to = checked(calloc(n + 1, sizeof *to));
    for (size_t i = 0; i < n; i++)
        to[i] = (struct weir_key_row){.key = params[i].key,
            .type = types[params[i].type],
            .unset = params[i].unset,
            .min = params[i].min,
            .max = params[i].max,
            .words = params[i].words,
            .optional = params[i].type == WEIR_PARAM_CLASSES || params[i].type == WEIR_PARAM_EXPORT ||
                        params[i].type == WEIR_PARAM_MAPS || params[i].inherits ||
                        params[i].only_with[0] != NULL,
            .needs_order = params[i].needs_order,
            .by_class = params[i].by_class,
            .only_with = {params[i].only_with[0], params[i].only_with[1]},
            .never_with = {params[i].never_with[0], params[i].never_with[1]},
            .nested = params[i].nested != NULL ? rows(params[i].nested) : NULL,
            .reload = params[i].reload,
            .help = params[i].help};
    return to;
}

static const struct weir_key_table *stages(void)
{
    size_t n = 0;
    while (weir_stage_list[n] != NULL)
        n++;
    struct weir_key_table *to =
        checked(calloc(n + sizeof later_stages / sizeof later_stages[0] + 1, sizeof *to));
    for (size_t i = 0; i < n; i++) {
        const struct weir_stage_def *d = weir_stage_list[i];
        to[i] = (struct weir_key_table){.name = d->name,
            .help = d->help,
            .rows = rows(d->params),
            .makes_class = d->makes_class,
            .makes_key = d->makes_key,
            .needs_key = d->needs_key,
            .keyed = d->keyed,
            .ports_only = d->ports_only,
            .terminal = d->terminal,
            .sends_back = d->sends == WEIR_SENDS_BACK};
    }
    memcpy(to + n, later_stages, sizeof later_stages);
    return to;
}

static const struct weir_key_table *port_kinds(void)
{
    size_t n = 0;
    while (weir_port_list[n] != NULL)
        n++;
    struct weir_key_table *to = checked(calloc(n + 1, sizeof *to));
    for (size_t i = 0; i < n; i++) {
        const struct weir_port_def *d = weir_port_list[i];
        to[i] = (struct weir_key_table){.name = d->kind,
            .help = d->help,
            .rows = d->params != NULL ? rows(d->params) : NULL,
            .string = d->params == NULL,
            .shorthand = d->shorthand,
            .check = d->check,
            .receive_only = !d->can_transmit,
            .has_link = d->set_link != NULL,
            .rss = d->rss,
            .instead = d->instead};
    }
    return to;
}

const struct weir_vocabulary *weir_vocabulary(void)
{
    static struct weir_vocabulary all;
    if (all.stages == NULL)
        all = (struct weir_vocabulary){
            .stages = stages(), .port_kinds = port_kinds(), .check_match = weir_match_check};
    return &all;
}
