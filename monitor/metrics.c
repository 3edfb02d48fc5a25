/* SPDX-License-Identifier: BSD-3-Clause */
#include "monitor/metrics.h"

#include <string.h>

#include "monitor/registry.h"

/* A page is a thousand short words: with printf most of the time of a scrape went there. */
struct text {
    FILE *to;
    size_t n;
    char bytes[4096];
};

static void put_some(struct text *t, const char *bytes, size_t n)
{
    if (n > sizeof t->bytes - t->n) {
        fwrite(t->bytes, 1, t->n, t->to);
        t->n = 0;
    }
    if (n > sizeof t->bytes)
        fwrite(bytes, 1, n, t->to);
    else
        t->n += (memcpy(t->bytes + t->n, bytes, n), n);
}

static void put(struct text *t, const char *word)
{
    put_some(t, word, strlen(word));
}

static void put_label(struct text *t, const char *before, const struct weir_label *label)
{
    put(t, before);
    put(t, label->name);
    put(t, "=\"");
    for (const char *left = label->value; *left;) {
        size_t plain = strcspn(left, "\n\"\\");
        put_some(t, left, plain);
        left += plain;
        if (*left)
            put(t, *left == '\n' ? "\\n" : *left == '"' ? "\\\"" : "\\\\");
        left += *left != '\0';
    }
    put(t, "\"");
}

static void write_text(void *to, const struct weir_sample *s)
{
    char number[WEIR_NUMBER_MAX];
    const char *const head[] = {"# HELP ", s->name, " ", s->help, "\n# TYPE ", s->name, " ", s->type, "\n"};
    for (size_t i = 0; s->first && i < sizeof head / sizeof head[0]; i++)
        put(to, head[i]);
    put(to, s->name);
    put(to, s->suffix);
    for (uint32_t i = 0; i < s->n_labels; i++)
        put_label(to, i ? "," : "{", &s->labels[i]);
    put(to, s->n_labels ? "} " : " ");
    if (s->is_real)
        snprintf(number, sizeof number, "%.9f", s->real);
    put(to, s->is_real ? number : weir_number_text(number, s->value));
    put(to, "\n");
}

void weir_metrics_text(const struct weir_snapshot *s, FILE *to)
{
    struct text t = {.to = to};
    weir_registry_visit(s, write_text, &t);
    fwrite(t.bytes, 1, t.n, to);
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
