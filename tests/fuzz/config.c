/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes are read, or refused with a message; what is read and printed is read again, to the same.
 *
 * A NUL is in no text: behind the first one stand overrides, a NUL between them. What begins with `=` is one value of a
 * small configuration. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define SETS_MAX 4

struct text {
    char *bytes;
    size_t length;
};

static FILE *open_text(struct text *t)
{
    FILE *to = open_memstream(&t->bytes, &t->length);
    if (to == NULL)
        abort();
    return to;
}

/* NULL only with a message, and a message only with NULL. */
static struct weir_config *load(const void *text, size_t length, const char *const *sets)
{
    struct text errors = {NULL, 0};
    FILE *to = open_text(&errors);
    struct weir_config *config = weir_config_load_text("fuzz", text, length, sets, weir_vocabulary(), to);
    fclose(to);
    if ((config == NULL) != (errors.length > 0))
        abort();
    free(errors.bytes);
    return config;
}

/* The configuration is used up. */
static struct text printed(struct weir_config *config)
{
    struct text t = {NULL, 0};
    FILE *to = open_text(&t);
    weir_config_print(config, to);
    fclose(to);
    weir_config_free(config);
    return t;
}

static struct text again(const struct text *before)
{
    struct weir_config *config = load(before->bytes, before->length, NULL);
    if (config == NULL) {
        fprintf(stderr, "what was printed is refused:\n%s", before->bytes);
        abort();
    }
    return printed(config);
}

/* Without the origins, which are the last thing of a line; none of them has a `#` where there are no overrides. */
static void cut_origins(struct text *t)
{
    char *to = t->bytes;
    for (char *line = t->bytes, *end; *line != '\0'; line = end) {
        end = strchr(line, '\n') + 1;
        char *origin = memrchr(line, '#', (size_t)(end - line));
        size_t length = (size_t)((origin != NULL ? origin : end) - line);
        memmove(to, line, length);
        to += length;
    }
    *to = '\0';
    t->length = (size_t)(to - t->bytes);
}

static void check(const char *text, size_t length, const char *const *sets)
{
    struct weir_config *config = load(text, length, sets);
    if (config == NULL)
        return;
    struct text first = printed(config), second = again(&first), third = again(&second);
    if (sets[0] == NULL)
        cut_origins(&first), cut_origins(&second), cut_origins(&third);
    const struct text *before = sets[0] == NULL ? &first : &second,
                      *after = sets[0] == NULL ? &second : &third;
    if (strcmp(before->bytes, after->bytes) != 0) {
        fprintf(stderr, "printed:\n%sand read back:\n%s", before->bytes, after->bytes);
        abort();
    }
    free(first.bytes), free(second.bytes), free(third.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char small[] =
        "version: 1\nports: {a: {file: x}}\npools: {p: {from: [a], stages: [sink]}}\n";
    static const char key[] = "ports.a.file";
    const size_t lead = sizeof key - 1;
    char *copy = malloc(lead + size + 1); /* ends in NUL, as an argument does */
    const char *sets[SETS_MAX + 1] = {NULL};
    uint32_t n = 0;
    if (copy == NULL)
        abort();
    memcpy(copy, key, lead);
    memcpy(copy + lead, data, size);
    copy[lead + size] = '\0';
    if (copy[lead] == '=') {
        sets[0] = copy;
        check(small, sizeof small - 1, sets);
    } else {
        const char *text = copy + lead, *end = text + size;
        for (const char *at = text + strlen(text) + 1; at < end && n < SETS_MAX; at += strlen(at) + 1)
            sets[n++] = at;
        check(text, strlen(text), sets);
    }
    free(copy);
    return 0;
}
