/* SPDX-License-Identifier: BSD-3-Clause */
#include "monitor/metrics.h"

#include <inttypes.h>

#include "monitor/registry.h"

static void write_label(FILE *to, char before, const struct weir_label *label)
{
    fprintf(to, "%c%s=\"", before, label->name);
    for (const char *text = label->value; *text; text++) {
        if (*text == '\n')
            fputs("\\n", to);
        else
            fprintf(to, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    }
    fputc('"', to);
}

static void write_text(void *to, const struct weir_sample *s)
{
    if (s->first)
        fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", s->name, s->help, s->name, s->type);
    fprintf(to, "%s%s", s->name, s->suffix);
    for (uint32_t i = 0; i < s->n_labels; i++)
        write_label(to, i ? ',' : '{', &s->labels[i]);
    fputs(s->n_labels ? "} " : " ", to);
    if (s->is_real)
        fprintf(to, "%.9f\n", s->real);
    else
        fprintf(to, "%" PRIi64 "\n", s->value);
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
