/* SPDX-License-Identifier: BSD-3-Clause */
#include "monitor/metrics.h"

#include "monitor/registry.h"

/* A page is a thousand short words: with printf, or a lock for each, most of the time of a scrape went there. */
static void put_label(FILE *to, char before, const struct weir_label *label)
{
    putc_unlocked(before, to);
    fputs_unlocked(label->name, to);
    fputs_unlocked("=\"", to);
    for (const char *text = label->value; *text; text++) {
        if (*text == '\n' || *text == '"' || *text == '\\')
            putc_unlocked('\\', to);
        putc_unlocked(*text == '\n' ? 'n' : *text, to);
    }
    putc_unlocked('"', to);
}

static void write_text(void *to, const struct weir_sample *s)
{
    char number[WEIR_NUMBER_MAX];
    if (s->first)
        fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", s->name, s->help, s->name, s->type);
    fputs_unlocked(s->name, to);
    fputs_unlocked(s->suffix, to);
    for (uint32_t i = 0; i < s->n_labels; i++)
        put_label(to, i ? ',' : '{', &s->labels[i]);
    fputs_unlocked(s->n_labels ? "} " : " ", to);
    if (s->is_real)
        snprintf(number, sizeof number, "%.9f", s->real);
    fputs_unlocked(s->is_real ? number : weir_number_text(number, s->value), to);
    putc_unlocked('\n', to);
}

void weir_metrics_text(const struct weir_snapshot *s, FILE *to)
{
    weir_registry_visit(s, write_text, to);
}

static void add_json(void *to, const struct weir_sample *s)
{
    json_t *value = s->is_real ? json_real(s->real) : json_integer(s->value);
    char name[128];
    snprintf(name, sizeof name, "%s%s", s->name, s->suffix);
    if (s->n_labels == 0) {
        json_object_set_new(to, name, value);
        return;
    }
    if (!json_object_get(to, name))
        json_object_set_new(to, name, json_array());
    json_t *labelled = json_object();
    for (uint32_t i = 0; i < s->n_labels; i++)
        json_object_set_new(labelled, s->labels[i].name, json_string(s->labels[i].value));
    json_object_set_new(labelled, "value", value);
    json_array_append_new(json_object_get(to, name), labelled);
}

json_t *weir_metrics_json(const struct weir_snapshot *s)
{
    json_t *all = json_object();
    weir_registry_visit(s, add_json, all);
    return all;
}
