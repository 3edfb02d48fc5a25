/* SPDX-License-Identifier: BSD-3-Clause */
/* The plan for programs, and as a picture. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/plan.h"
#include "workers/hugepages.h"

static json_t *text_or_null(const char *text)
{
    return text != NULL && text[0] != '\0' ? json_string(text) : json_null();
}

static json_t *node_or_null(int32_t node)
{
    return node >= 0 ? json_integer(node) : json_null();
}

static json_t *worker_name(const struct weir_plan *plan, uint32_t i)
{
    return json_sprintf("%s/%u", plan->pools[plan->workers[i].pool].name, plan->workers[i].index);
}

static json_t *workers(const struct weir_plan *plan)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < plan->n_workers; i++) {
        const struct weir_plan_worker *w = &plan->workers[i];
        json_array_append_new(
            list, json_pack("{s:o,s:s,s:i,s:i,s:i,s:i,s:o,s:o,s:i,s:b,s:b,s:b,s:s}", "worker",
                      worker_name(plan, i), "pool", plan->pools[w->pool].name, "index", w->index, "lcore",
                      w->lcore, "cpu", w->cpu, "core", w->at->core, "cache",
                      w->at->cache == UINT32_MAX ? json_null() : json_integer(w->at->cache), "node",
                      node_or_null(w->node), "package", w->at->package, "sibling", w->at->sibling, "isolated",
                      w->at->isolated, "shares_cpu", w->shares_cpu, "why", w->why));
    }
    return list;
}

static json_t *rings(const struct weir_runtime *rt)
{
    const struct weir_plan *plan = rt->plan;
    json_t *list = json_array();
    for (uint32_t i = 0; i < plan->n_workers; i++) {
        const struct weir_pool *from = &rt->pools[plan->workers[i].pool];
        for (uint32_t q = 0; q < plan->n_pools; q++) {
            const struct weir_plan_pool *to = &plan->pools[q];
            for (uint32_t k = 0; weir_pool_feeds(from, q) && k < to->n_workers; k++)
                json_array_append_new(list, json_pack("{s:o,s:o,s:i,s:s}", "from", worker_name(plan, i), "to",
                                                worker_name(plan, to->first_worker + k), "depth",
                                                rt->pools[q].config->depth, "within",
                                                weir_distance_names[weir_cpu_distance(plan->workers[i].at,
                                                    plan->workers[to->first_worker + k].at)]));
        }
    }
    return list;
}

static json_t *ports(const struct weir_runtime *rt)
{
    json_t *list = json_array();
    for (uint32_t p = 0; p < rt->n_ports; p++) {
        const struct weir_device *d = &rt->topology->devices[p];
        json_array_append_new(list,
            json_pack("{s:s,s:s,s:o,s:o,s:b,s:b,s:o,s:o}", "name", rt->ports[p].name, "kind",
                rt->ports[p].def->kind, "device", text_or_null(d->name), "address", text_or_null(d->address),
                "found", d->found, "placed", d->placed, "node", node_or_null(d->node), "queues",
                rt->ports[p].queues != 0 ? json_integer(rt->ports[p].queues) : json_null()));
    }
    return list;
}

static json_t *memory(const struct weir_runtime *rt)
{
    const struct weir_plan *plan = rt->plan;
    json_t *list = json_array();
    char command[512];
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        const struct weir_plan_node *n = &plan->nodes[i];
        size_t have = weir_hugepages_look(plan, i, command, sizeof command);
        json_array_append_new(
            list, json_pack("{s:o,s:I,s:I,s:o}", "node", node_or_null(n->node), "bytes", (json_int_t)n->bytes,
                      "hugepages", (json_int_t)(n->bytes / WEIR_HUGEPAGE_BYTES), "command",
                      have >= n->bytes ? json_null() : json_string(command)));
    }
    return list;
}

static json_t *rate(const struct weir_runtime *rt, const struct weir_rate_plan *r)
{
    json_t *pools = json_array();
    for (uint32_t p = 0; p < rt->n_pools; p++) {
        const struct weir_pool_load *l = &r->pools[p];
        json_array_append_new(
            pools, json_pack("{s:s,s:f,s:f,s:f,s:i,s:o}", "pool", rt->pools[p].config->name,
                       "cycles_per_packet", l->cycles, "share", l->share, "saturates_pps", l->most_pps,
                       "workers_needed", l->workers, "unknown", text_or_null(l->unknown)));
    }
    return json_pack("{s:f,s:s,s:f,s:o,s:f,s:s,s:b}", "offered_pps", r->offered_pps, "measured_on",
        r->machine, "tsc_hz", r->tsc_hz, "pools", pools, "saturates_pps", r->pools[r->tightest].most_pps,
        "saturates_in", rt->pools[r->tightest].config->name, "all_known", r->known);
}

json_t *weir_plan_json(const struct weir_runtime *rt, const char *machine, const struct weir_rate_plan *r)
{
    const struct weir_plan *plan = rt->plan;
    const struct weir_topology *t = rt->topology;
    json_t *control = json_array();
    for (uint32_t i = 0; i < plan->n_control_cpus; i++)
        json_array_append_new(control, json_integer(plan->control_cpus[i]));
    json_t *to = json_pack(
        "{s:s,s:{s:o,s:i,s:i,s:i,s:i,s:i,s:s},s:o,s:{s:o,s:s},s:o,s:o,s:{s:I,s:I,s:o},s:o}", "name",
        rt->config->name, "machine", "topology", text_or_null(machine), "packages", t->n_packages, "nodes",
        t->n_nodes, "cores", t->n_cores, "cpus", t->n_cpus, "siblings_left_alone", t->n_siblings, "refused",
        t->refused, "workers", workers(plan), "control", "cpus", control, "why", plan->control_why, "rings",
        rings(rt), "ports", ports(rt), "mempool", "mbufs", (json_int_t)plan->n_mbufs, "mbuf_bytes",
        (json_int_t)plan->mbuf_bytes, "node", node_or_null(plan->mbuf_node), "memory", memory(rt));
    if (r != NULL)
        json_object_set_new(to, "rate", rate(rt, r));
    return to;
}

/* ---- the picture ---- */

/* Light enough for black text, far enough apart for eyes that tell few colors. */
static const char *const colors[] = {
    "#ffd166", "#8ecae6", "#f4a6a6", "#b5e48c", "#cdb4db", "#f4a261", "#a8dadc", "#e9edc9"};
#define N_COLORS (sizeof colors / sizeof colors[0])
#define CONTROL_COLOR "#dddddd"

static bool export_marked(const struct weir_runtime *rt, const char *file)
{
    const struct weir_plan *plan = rt->plan;
    uint32_t n = plan->n_workers + plan->n_control_cpus;
    struct weir_topology_mark *marks = calloc(n, sizeof *marks);
    char(*names)[64] = calloc(n, sizeof *names);
    bool fine = marks != NULL && names != NULL;
    for (uint32_t i = 0; fine && i < n; i++) {
        const struct weir_plan_worker *w = i < plan->n_workers ? &plan->workers[i] : NULL;
        if (w != NULL)
            snprintf(names[i], sizeof names[i], "%s/%u", plan->pools[w->pool].name, w->index);
        marks[i] =
            (struct weir_topology_mark){.cpu = w != NULL ? w->cpu : plan->control_cpus[i - plan->n_workers],
                .text = w != NULL ? names[i] : "control",
                .color = w != NULL ? colors[w->pool % N_COLORS] : CONTROL_COLOR};
    }
    fine = fine && weir_topology_export(rt->topology, marks, n, file);
    free(names);
    free(marks);
    return fine;
}

/* What lstopo says, to `to`. It writes units into the viewBox, which SVG does not know: they are left out. */
static bool copy_picture(FILE *from, FILE *to)
{
    char *line = NULL;
    size_t size = 0, lines = 0;
    for (; getline(&line, &size, from) >= 0; lines++) {
        char *box = strstr(line, "viewBox='");
        for (char *unit; box != NULL && (unit = strstr(box, "px")) != NULL && unit < strchr(box + 9, '\'');)
            memmove(unit, unit + 2, strlen(unit + 2) + 1);
        fputs(line, to);
    }
    free(line);
    return lines > 0 && !ferror(to);
}

bool weir_plan_draw(const struct weir_runtime *rt, const char *svg)
{
    char file[] = P_tmpdir "/weir-plan-XXXXXX", command[512];
    int fd = mkstemp(file);
    bool drawn = fd >= 0 && export_marked(rt, file);
    if (fd >= 0)
        close(fd);
    if (!drawn)
        fprintf(stderr, "weir plan: no description of the machine for lstopo in " P_tmpdir ": %s\n",
            strerror(errno));
    FILE *to = !drawn ? NULL : strcmp(svg, "-") == 0 ? stdout : fopen(svg, "we");
    if (drawn && to == NULL)
        fprintf(stderr, "weir plan: %s cannot be written: %s\n", svg, strerror(errno));
    if (to != NULL) {
        snprintf(command, sizeof command,
            "draw=$(command -v lstopo-no-graphics || command -v lstopo) && exec \"$draw\" --if xml -i %s "
            "--of nativesvg --no-factorize --no-icaches --no-useless-caches --no-default-legend "
            "--append-legend 'weir plan: %s; a color a pool, grey where everything else runs' -",
            file, rt->config->name);
        FILE *from = popen(command, "re");
        bool copied = from != NULL && copy_picture(from, to);
        drawn = (from == NULL ? -1 : pclose(from)) == 0 && copied;
        drawn &= to == stdout || fclose(to) == 0;
        if (!drawn)
            fprintf(stderr,
                "weir plan: %s was not drawn; it needs `lstopo`, in Debian's package hwloc-nox or hwloc, and "
                "room on the disk\n",
                svg);
    }
    if (fd >= 0)
        unlink(file);
    return drawn && to != NULL;
}
