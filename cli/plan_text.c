/* SPDX-License-Identifier: BSD-3-Clause */
/* The plan for people: the machine as a tree, and under it why. 80 columns. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/plan.h"
#include "workers/hugepages.h"

#define COLUMNS 80

#define RUNS_MAX 5 /* of CPUs in a row; the JSON has them all */

/* `0-3,8`; of a long list its beginning and its end. */
static void write_cpus(FILE *to, const uint32_t *cpus, uint32_t n)
{
    uint32_t runs = 0, run = 0;
    for (uint32_t i = 0; i < n; i++)
        runs += i == 0 || cpus[i] != cpus[i - 1] + 1;
    for (uint32_t i = 0, k; i < n; i = k, run++) {
        for (k = i + 1; k < n && cpus[k] == cpus[k - 1] + 1; k++)
            ;
        bool shown = runs <= RUNS_MAX || run < RUNS_MAX - 2 || run == runs - 1;
        if (!shown && run == RUNS_MAX - 2)
            fputs(",…", to);
        if (!shown)
            continue;
        fprintf(to, "%s%u", i == 0 ? "" : ",", cpus[i]);
        if (k - i > 1)
            fprintf(to, "%c%u", k - i == 2 ? ',' : '-', cpus[k - 1]);
    }
    if (runs > RUNS_MAX)
        fprintf(to, " (%u)", n);
}

/* `text`, broken between words, behind what the line begins with. */
static void write_wrapped(FILE *to, const char *head, const char *text)
{
    int indent = (int)strlen(head), column = indent;
    fputs(head, to);
    while (*text != '\0') {
        int length = (int)strcspn(text, " ");
        if (column > indent && column + 1 + length > COLUMNS) {
            fprintf(to, "\n%*s", indent, "");
            column = indent;
        }
        column += fprintf(to, "%s%.*s", column > indent ? " " : "", length, text);
        text += length + (text[length] == ' ');
    }
    fputc('\n', to);
}

static const char *plural(uint32_t n)
{
    return n == 1 ? "" : "s";
}

/* ---- the machine ---- */

/* Cores that meet in a cache; a cache that is one core's alone says nothing. */
static bool same_group(const struct weir_topology *t, uint32_t a, uint32_t b)
{
    enum weir_distance d = weir_cpu_distance(&t->cpus[a], &t->cpus[b]);
    if (d <= WEIR_DISTANCE_CACHE)
        return true;
    /* A neighbour under the same node, if neither has company under its cache. */
    bool company = a > 0 && weir_cpu_distance(&t->cpus[a], &t->cpus[a - 1]) == WEIR_DISTANCE_CACHE;
    company |= b + 1 < t->n_cpus && weir_cpu_distance(&t->cpus[b], &t->cpus[b + 1]) == WEIR_DISTANCE_CACHE;
    return d == WEIR_DISTANCE_NODE && !company;
}

static void write_group(FILE *to, const struct weir_topology *t, uint32_t i)
{
    const struct weir_cpu *c = &t->cpus[i];
    fprintf(to, "package %u", c->package);
    if (c->node >= 0)
        fprintf(to, ", node %d", c->node);
    else
        fputs(", no memory of its own", to);
    for (uint32_t k = i + 1; k < t->n_cpus && t->cpus[k].cache == c->cache; k++)
        if (t->cpus[k].core != c->core && c->cache != UINT32_MAX) {
            fprintf(to, ", cache %u", c->cache);
            break;
        }
    const char *before = "; near ";
    for (uint32_t d = 0; d < t->n_devices; d++) {
        if (!t->devices[d].placed || (c->near >> d & 1) == 0)
            continue;
        fprintf(to, "%s%s", before, t->devices[d].name);
        before = ", ";
    }
    fputc('\n', to);
}

/* Who runs there; empty text = nobody. */
static void write_tenants(const struct weir_plan *plan, const struct weir_cpu *c, char *text, size_t size)
{
    size_t n = 0;
    *text = '\0';
    for (uint32_t i = 0; i < plan->n_workers && n < size; i++)
        if (plan->workers[i].at == c)
            n += (size_t)snprintf(text + n, size - n, "%s%s/%u", n == 0 ? "" : ", ",
                plan->pools[plan->workers[i].pool].name, plan->workers[i].index);
    for (uint32_t i = 0; i < plan->n_control_cpus && n < size; i++)
        if (plan->control_cpus[i] == c->cpu)
            n += (size_t)snprintf(text + n, size - n, "%scontrol", n == 0 ? "" : ", ");
    if (c->isolated && n < size)
        snprintf(text + n, size - n, "%sisolated", n == 0 ? "" : ", ");
}

/* `CPUs 0-3,8`, to be freed. */
static char *cpus_text(uint32_t *cpus, uint32_t n)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (to == NULL)
        abort(); /* a few bytes in a program that only prints */
    qsort(cpus, n, sizeof *cpus, weir_compare_cpus);
    fputs(n == 1 ? "CPU " : "CPUs ", to);
    write_cpus(to, cpus, n);
    fclose(to);
    return text;
}

/* A line a worker, and a line for all cores in a row on which the same runs. */
static void write_tree(FILE *to, const struct weir_plan *plan)
{
    const struct weir_topology *t = plan->topology;
    char tenants[512], others[512], core[32];
    uint32_t *cpus = calloc(t->n_cpus, sizeof *cpus);
    for (uint32_t i = 0, next; cpus != NULL && i < t->n_cpus; i = next) {
        const struct weir_cpu *c = &t->cpus[i];
        if (i == 0 || !same_group(t, i - 1, i))
            write_group(to, t, i);
        write_tenants(plan, c, tenants, sizeof tenants);
        cpus[0] = c->cpu;
        for (next = i + 1; next < t->n_cpus && same_group(t, next - 1, next); next++) {
            write_tenants(plan, &t->cpus[next], others, sizeof others);
            if (strcmp(tenants, others) != 0 || t->cpus[next].core > t->cpus[next - 1].core + 1)
                break;
            cpus[next - i] = t->cpus[next].cpu;
        }
        bool last = next == t->n_cpus || !same_group(t, next - 1, next);
        uint32_t end = t->cpus[next - 1].core;
        snprintf(core, sizeof core, c->core == end ? "core %u" : "cores %u-%u", c->core, end);
        char *list = cpus_text(cpus, next - i);
        fprintf(to, "  %s %-12s %-14s %s\n", last ? "└" : "├", core, list,
            tenants[0] != '\0' ? tenants : "idle, its core has a worker");
        free(list);
    }
    free(cpus);
}

/* ---- who, why ---- */

static void write_workers(FILE *to, const struct weir_plan *plan)
{
    fputs("\nworkers\n", to);
    for (uint32_t i = 0, next; i < plan->n_workers; i = next) {
        const struct weir_plan_worker *w = &plan->workers[i];
        for (next = i + 1; next < plan->n_workers && plan->workers[next].pool == w->pool &&
                           strcmp(plan->workers[next].why, w->why) == 0;
             next++)
            ;
        uint32_t *cpus = calloc(next - i, sizeof *cpus);
        if (cpus == NULL)
            abort();
        for (uint32_t k = i; k < next; k++)
            cpus[k - i] = plan->workers[k].cpu;
        char names[64], head[COLUMNS], *list = cpus_text(cpus, next - i);
        snprintf(names, sizeof names, next - i == 1 ? "%s/%u" : "%s/%u-%u", plan->pools[w->pool].name,
            w->index, plan->workers[next - 1].index);
        if (snprintf(head, sizeof head, "  %-12s %-12s ", names, list) > COLUMNS / 2) {
            fprintf(to, "  %s  %s\n", names, list);
            snprintf(head, sizeof head, "%27s ", "");
        }
        write_wrapped(to, head, w->why);
        free(list);
        free(cpus);
    }
    char *list = cpus_text(plan->control_cpus, plan->n_control_cpus);
    fprintf(to, "  control      %s ", list);
    free(list);
    fprintf(to, " %s\n", plan->control_why);
}

static void write_edge(FILE *to, const struct weir_runtime *rt, uint32_t from, uint32_t into)
{
    const struct weir_plan *plan = rt->plan;
    const struct weir_plan_pool *a = &plan->pools[from], *b = &plan->pools[into];
    uint32_t at[WEIR_DISTANCES] = {0};
    for (uint32_t i = 0; i < a->n_workers; i++)
        for (uint32_t k = 0; k < b->n_workers; k++)
            at[weir_cpu_distance(
                plan->workers[a->first_worker + i].at, plan->workers[b->first_worker + k].at)]++;
    fprintf(to, "  %s → %s  %u of %u packets:", a->name, b->name, a->n_workers * b->n_workers,
        rt->pools[into].config->depth);
    bool one = true;
    for (int d = 0; d < WEIR_DISTANCES; d++) {
        if (at[d] == 0)
            continue;
        fprintf(to, "%s %u %s", one ? "" : ",", at[d], weir_distance_names[d]);
        one = false;
    }
    const struct weir_egress *e = rt->pools[into].egress;
    if (e != NULL)
        fprintf(to, "\n    inserted, as port %s has %u transmit queue%s", e->port->name, e->queues,
            plural(e->queues));
    fputc('\n', to);
}

static void write_rings(FILE *to, const struct weir_runtime *rt)
{
    bool first = true;
    for (uint32_t p = 0; p < rt->n_pools; p++) {
        for (uint32_t q = 0; q < rt->n_pools; q++) {
            if (!weir_pool_feeds(&rt->pools[p], q))
                continue;
            fputs(first ? "\nrings\n" : "", to);
            first = false;
            write_edge(to, rt, p, q);
        }
    }
}

static void write_ports(FILE *to, const struct weir_runtime *rt)
{
    fputs("\nports\n", to);
    for (uint32_t p = 0; p < rt->n_ports; p++) {
        const struct weir_device *d = &rt->topology->devices[p];
        fprintf(to, "  %s  %s", rt->ports[p].name, rt->ports[p].def->kind);
        if (d->name == NULL)
            fputs(": in memory, no device", to);
        else if (!d->found)
            fprintf(to, " %s: not on that machine; nothing is near or far", d->name);
        else if (!d->placed)
            fprintf(to, " %s: as near to any CPU", d->name);
        else if (d->node >= 0)
            fprintf(to, " %s: node %d", d->name, d->node);
        else
            fprintf(to, " %s: a node whose memory may not be used", d->name);
        if (rt->ports[p].queues != 0)
            fprintf(to, "; %u receive queue%s", rt->ports[p].queues, plural(rt->ports[p].queues));
        fputc('\n', to);
    }
}

static void write_memory(FILE *to, const struct weir_runtime *rt)
{
    const struct weir_plan *plan = rt->plan;
    char command[512], where[32];
    fputs("\nmemory\n", to);
    fprintf(
        to, "  packets: one mempool of %lu, %zu bytes each", (unsigned long)plan->n_mbufs, plan->mbuf_bytes);
    if (plan->mbuf_node >= 0)
        fprintf(to, ", on node %d", plan->mbuf_node);
    fputc('\n', to);
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        const struct weir_plan_node *n = &plan->nodes[i];
        if (n->bytes == 0)
            continue;
        size_t have = weir_hugepages_look(plan, i, command, sizeof command);
        snprintf(where, sizeof where, n->node >= 0 ? "node %d" : "everywhere", n->node);
        fprintf(to, "  %s: %zu MiB, %zu hugepage%s", where, n->bytes >> 20, n->bytes / WEIR_HUGEPAGE_BYTES,
            plural((uint32_t)(n->bytes / WEIR_HUGEPAGE_BYTES)));
        if (have >= n->bytes)
            fprintf(to, ", which are free\n");
        else
            fprintf(to, "; to have them:\n    %s\n", command);
    }
}

/* ---- the rate ---- */

static void write_rate(FILE *to, const struct weir_runtime *rt, const struct weir_rate_plan *r)
{
    fprintf(to, "\nrate %.4g Mpps, by costs measured on %s at %.2f GHz\n", r->offered_pps / 1e6, r->machine,
        r->tsc_hz / 1e9);
    for (uint32_t p = 0; p < rt->n_pools; p++) {
        const struct weir_pool_load *l = &r->pools[p];
        const char *name = rt->pools[p].config->name;
        char head[64], text[256], more[64] = "";
        if (l->workers > rt->pools[p].n_workers)
            snprintf(more, sizeof more, "; %u workers would do", l->workers);
        snprintf(head, sizeof head, "  %-12s ", name);
        snprintf(text, sizeof text,
            "%.3g cycles a packet; %u worker%s %.0f %% busy; at most %.4g Mpps%s%s%s%s", l->cycles,
            rt->pools[p].n_workers, plural(rt->pools[p].n_workers), 100 * r->offered_pps / l->most_pps,
            l->most_pps / 1e6, more, l->unknown != NULL ? "; without " : "",
            l->unknown != NULL ? l->unknown : "",
            l->unknown != NULL ? ", whose cost nobody has measured" : "");
        write_wrapped(to, head, text);
    }
    const struct weir_pool_load *l = &r->pools[r->tightest];
    fprintf(to, "it saturates at %s%.4g Mpps, in pool %s%s\n", r->known ? "" : "less than ",
        l->most_pps / 1e6, rt->pools[r->tightest].config->name,
        r->known && l->most_pps >= r->offered_pps ? ": the rate is met" : "");
}

void weir_plan_print(
    const struct weir_runtime *rt, const char *machine, const struct weir_rate_plan *rate, FILE *to)
{
    const struct weir_topology *t = rt->topology;
    fprintf(to, "%s on %s: %u package%s, %u node%s, %u core%s, %u CPU%s\n", rt->config->name,
        machine != NULL ? machine : "this machine", t->n_packages, plural(t->n_packages), t->n_nodes,
        plural(t->n_nodes), t->n_cores, plural(t->n_cores), t->n_cpus, plural(t->n_cpus));
    if (t->n_siblings != 0)
        fprintf(to, "%u SMT siblings are left alone; name them in `cpus` to use them\n", t->n_siblings);
    if (t->refused[0] != '\0')
        fprintf(to, "not to be used: CPUs %s\n", t->refused);
    fputc('\n', to);
    write_tree(to, rt->plan);
    write_workers(to, rt->plan);
    write_rings(to, rt);
    write_ports(to, rt);
    write_memory(to, rt);
    if (rate != NULL)
        write_rate(to, rt, rate);
}
