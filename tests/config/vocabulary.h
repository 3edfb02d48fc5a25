/* SPDX-License-Identifier: BSD-3-Clause */
/* Stages and port kinds for tests: like the real ones, with a few more; and a way to load a text. */
#pragma once

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include "config/config.h"

namespace test {

inline weir_key_row row(const char *key, weir_key_type type, const char *unset, uint64_t min = 0,
    uint64_t max = 0, const char *const *words = nullptr)
{
    weir_key_row r = {};
    r.key = key, r.type = type, r.unset = unset, r.min = min, r.max = max, r.words = words;
    r.help = "Help of this key.";
    return r;
}

inline weir_key_row later(const char *key)
{
    weir_key_row r = row(key, WEIR_TYPE_STRING, nullptr);
    r.optional = true, r.not_yet = "comes in a later version of weir";
    return r;
}

/* What a port kind says of its string: cause and remedy are its own. */
inline bool refuse_nonsense(const char *text, FILE *complaint)
{
    if (std::string(text) == "nonsense")
        fputs("`nonsense` is no device; allowed: sense", complaint);
    return std::string(text) != "nonsense";
}

/* … and of the expression of a class. */
inline bool refuse_grammar(const char *text, FILE *complaint)
{
    if (std::string(text) == "udp prt 53")
        fputs("match `udp prt 53`: syntax error; allowed: an expression", complaint);
    return std::string(text) != "udp prt 53";
}

inline const weir_vocabulary *vocabulary()
{
    static const char *const imix[] = {"imix", nullptr}, *const pass[] = {"pass", "drop", nullptr},
                             *const per[] = {"port", "class", nullptr},
                             *const check[] = {"none", "order", nullptr};
    static const weir_key_row end = {};
    static const char *const of_line[] = {"%", nullptr}, *const protocols[] = {"udp", "tcp", nullptr};
    static const weir_key_row spike[] = {
        row("at", WEIR_TYPE_DURATION, nullptr), row("times", WEIR_TYPE_RATIO, "10", 0, 1000000), end};
    static weir_key_row phase[] = {
        row("for", WEIR_TYPE_DURATION, nullptr), row("spike", WEIR_TYPE_MAPS, nullptr, 0, 2), end};
    static weir_key_row generator[] = {row("flows", WEIR_TYPE_COUNT, "64k", 1, 1 << 24),
        row("size", WEIR_TYPE_WEIGHTS, "64", 60, 2048, imix),
        row("rate", WEIR_TYPE_RATE, "max", 0, 0, of_line), row("count", WEIR_TYPE_COUNT, "0"),
        row("queue", WEIR_TYPE_COUNT, "4096", 32, 1 << 20),
        row("protocols", WEIR_TYPE_WEIGHTS, "udp", 0, 0, protocols),
        row("spike", WEIR_TYPE_MAPS, nullptr, 0, 1), row("timeline", WEIR_TYPE_MAPS, nullptr, 0, 3),
        later("skew"), end};
    static weir_key_row file[] = {row("path", WEIR_TYPE_STRING, nullptr),
        row("speed", WEIR_TYPE_RATIO, "0", 0, 1000000), row("rate", WEIR_TYPE_RATE, "max"), end};
    static const weir_key_row validate[] = {row("non-ip", WEIR_TYPE_WORD, "pass", 0, 0, pass), end};
    static weir_key_row admit[] = {row("per", WEIR_TYPE_WORD, "port", 0, 0, per),
        row("rate", WEIR_TYPE_RATE, nullptr), row("burst", WEIR_TYPE_BYTES, "64KiB", 0, 1 << 30),
        row("except", WEIR_TYPE_CLASSES, nullptr), end};
    static const weir_key_row burn[] = {row("cycles", WEIR_TYPE_COUNT, "0"),
        row("stall-at", WEIR_TYPE_DURATION, "0s"), row("stall-for", WEIR_TYPE_DURATION, "0s"), end};
    static weir_key_row meter[] = {row("max-flows", WEIR_TYPE_COUNT, "256k"),
        row("idle", WEIR_TYPE_DURATION, "30s"), row("records", WEIR_TYPE_EXPORT, nullptr), end};
    static weir_key_row sink[] = {row("check", WEIR_TYPE_WORD, "none", 0, 0, check), end};
    static const weir_key_row tee[] = {row("*", WEIR_TYPE_POOL, nullptr), end};
    static const weir_key_row transmit[] = {row("*", WEIR_TYPE_PORT_MAP, nullptr), end};

    static weir_key_table kinds[7] = {}, stages[12] = {};
    static weir_vocabulary all = {};
    if (all.stages == nullptr) {
        sink[0].needs_order = "order";
        admit[0].by_class = "class";
        phase[1].nested = generator[6].nested = spike, generator[7].nested = phase;
        phase[1].optional = generator[6].optional = generator[7].optional = true;
        for (int i = 6; i < 8; i++)
            generator[i].never_with[0] = "rate", generator[i].never_with[1] = "max";
        admit[1].optional = admit[3].optional = meter[2].optional = true;
        file[2].only_with[0] = "speed", file[2].only_with[1] = "0";
        for (int i = 1; i < 3; i++)
            admit[i].only_with[0] = "per", admit[i].only_with[1] = "port";
        kinds[0].name = "generator", kinds[0].rows = generator, kinds[0].receive_only = true;
        kinds[1].name = "file", kinds[1].rows = file, kinds[1].shorthand = "path";
        kinds[1].receive_only = true;
        kinds[1].instead = "the stage `write` writes captures";
        kinds[2].name = "vdev", kinds[2].string = kinds[2].has_link = true, kinds[2].check = refuse_nonsense;
        kinds[2].rss = true;
        kinds[3].name = "pci", kinds[3].help = "a NIC", kinds[3].not_yet = "comes in a later version of weir";
        kinds[4].name = "interface", kinds[4].string = kinds[4].has_link = true;
        stages[0].name = "validate", stages[0].rows = validate, stages[0].makes_key = true;
        stages[1].name = "admit", stages[1].rows = admit, stages[1].ports_only = true;
        stages[2].name = "meter", stages[2].rows = meter, stages[2].needs_key = stages[2].keyed = true;
        stages[3].name = "burn", stages[3].rows = burn;
        stages[4].name = "sink", stages[4].rows = sink, stages[4].terminal = true;
        stages[5].name = "transmit", stages[5].rows = transmit, stages[5].terminal = true;
        stages[6].name = "tag", stages[6].help = "mark",
        stages[6].not_yet = "comes in a later version of weir";
        stages[7].name = "bare"; /* no parameters at all */
        stages[9].name = "tee", stages[9].rows = tee;
        stages[8].name = "reflect", stages[8].terminal = stages[8].sends_back = true;
        stages[10].name = "classify", stages[10].makes_class = true;
        all = {stages, kinds, refuse_grammar};
    }
    return &all;
}

struct Free {
    void operator()(weir_config *c) const
    {
        weir_config_free(c);
    }
};
using Config = std::unique_ptr<weir_config, Free>;

struct Loaded {
    Config config;
    std::string errors; /* with the path of the file as `t.yaml` */
};

inline Loaded load_path(const std::string &path, std::vector<const char *> sets = {})
{
    Loaded l;
    char *text = nullptr;
    size_t size = 0;
    FILE *errors = open_memstream(&text, &size);
    sets.push_back(nullptr);
    l.config.reset(weir_config_load(path.c_str(), sets.data(), vocabulary(), errors));
    fclose(errors);
    l.errors.assign(text, size);
    free(text);
    for (size_t at; (at = l.errors.find(path)) != std::string::npos;)
        l.errors.replace(at, path.size(), "t.yaml");
    return l;
}

inline Loaded load(const std::string &text, std::vector<const char *> sets = {})
{
    char path[] = "/tmp/weir-config-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0)
        return {nullptr, "mkstemp failed\n"};
    close(fd);
    std::ofstream(path, std::ios::binary) << text;
    Loaded l = load_path(path, std::move(sets));
    unlink(path);
    return l;
}

/* The error lines of a text, "" if it is fine. */
inline std::string errors(const std::string &text, std::vector<const char *> sets = {})
{
    return load(text, std::move(sets)).errors;
}

} // namespace test
