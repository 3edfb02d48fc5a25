/* SPDX-License-Identifier: BSD-3-Clause */
/* Every class of mistake, one row each: what is written, and to the letter what is said of it. tests/law.py sees to it that
 * no message of config/ is without a row. */
#include <gtest/gtest.h>

#include "tests/config/vocabulary.h"

namespace {

struct Mistake {
    const char *name;
    std::string text;
    std::string said; /* of a file t.yaml */
    std::vector<const char *> sets = {};
    const char *path = nullptr; /* instead of the text */
};

/* ---- what the rows are written into ---- */

/* From line 5. */
std::string small(const std::string &more)
{
    return "version: 1\n"
           "ports: {gen: {generator: {}}}\n"
           "pools:\n"
           "  all: {from: [gen], stages: [validate, sink]}\n" +
           more;
}

/* In line 2. */
std::string generator(const std::string &keys)
{
    return "version: 1\nports: {gen: {generator: " + keys +
           "}}\npools:\n  all: {from: [gen], stages: [validate, sink]}\n";
}

std::string port(const std::string &map)
{
    return "version: 1\nports: {a: " + map + "}\npools:\n  all: {from: [a], stages: [sink]}\n";
}

/* In line 4. */
std::string stages(const std::string &list)
{
    return "version: 1\nports: {gen: {generator: {}}}\npools:\n  all: {from: [gen], stages: " + list + "}\n";
}

/* Pools from line 4, on a generator `g` or on two devices. */
std::string on_g(const std::string &pools)
{
    return "version: 1\nports: {g: {generator: {}}}\npools:\n" + pools;
}

std::string on_ab(const std::string &pools)
{
    return "version: 1\nports: {a: {vdev: x}, b: {vdev: y}}\npools:\n" + pools;
}

/* Port `a`, with the keys of the test, and `b`. */
std::string on_ab_keys(const std::string &a)
{
    return "version: 1\nports: {a: " + a + ", b: {vdev: y}}\npools:\n  p: {from: [a, b], stages: [sink]}\n";
}

/* A pool of three workers on port `a` and what else is written, in line 4. */
std::string three(const std::string &ports, const std::string &from, const std::string &stages,
    const std::string &workers = "3")
{
    return "version: 1\nports: {a: " + ports + "}\npools:\n  p: {from: [" + from + "], workers: " + workers +
           ", stages: [" + stages + "]}\n";
}

/* A pool `p` behind `in`, in line 5, and what follows. */
std::string inbox(const std::string &rest)
{
    return on_g("  in: {from: [g], stages: [validate]}\n  p: {from: [in], " + rest);
}

/* Classes in line 2, stages of the one pool in line 5. */
std::string classes(const std::string &list, const std::string &stages = "[classify, sink]")
{
    return "version: 1\nclasses: " + list +
           "\nports: {gen: {generator: {}}}\npools:\n  all: {from: [gen], stages: " + stages + "}\n";
}

/* Two pools, in lines 6 and 7, on one that finds the classes `a` and `b`. */
std::string taking(const std::string &first, const std::string &second,
    const std::string &stages = "[validate, classify]", const std::string &end = ", stages: [sink]")
{
    return "version: 1\nclasses: [a: {match: udp}, b: {match: tcp}]\nports: {g: {generator: {}}}\npools:\n"
           "  in: {from: [g], stages: " +
           stages +
           "}\n"
           "  p: {from: [in], shard-by: none, on-full: block, depth: 64, " +
           first +
           ", stages: [sink]}\n"
           "  q: {from: [in], shard-by: none, on-full: block, depth: 64, " +
           second + end + "}\n";
}

std::string repeated(const std::string &what, int times)
{
    std::string all;
    for (int i = 0; i < times; i++)
        all += what;
    return all;
}

/* `before`0`after`, `before`1`after`, … */
std::string numbered(const std::string &before, const std::string &after, int n)
{
    std::string all;
    for (int i = 0; i < n; i++)
        all += before + std::to_string(i) + after;
    return all;
}

std::string nested(int levels)
{
    std::string all;
    for (int i = 0; i < levels; i++)
        all += std::string(static_cast<size_t>(i), ' ') + "a:\n";
    return all;
}

/* Each line ten times the one before. */
std::string laughs()
{
    std::string all = "l0: &l0 [" + repeated("x, ", 9) + "x]\n";
    for (int i = 1; i < 10; i++) {
        std::string name = "l" + std::to_string(i), before = "*l" + std::to_string(i - 1) + " ";
        all += name + ": &" + name + " [" + repeated(before + ", ", 9) + before + "]\n";
    }
    return all;
}

/* ---- the table ---- */

/* `in` feeds `out`; its second stage, from where `copy` takes, and what it does when it is full. */
std::string on_tee(const std::string &stage, const std::string &from, const std::string &on_full)
{
    return "version: 1\nports:\n  g: {generator: }\npools:\n  in: {from: [g], stages: [validate, " + stage +
           "]}\n  copy: {from: [" + from + "], shard-by: flow, on-full: " + on_full +
           ", stages: [sink]}\n  out: {from: [in], shard-by: flow, on-full: block, stages: [sink]}\n";
}

const Mistake mistakes[] = {
    /* the file */
    {"AMissingFile", "", "t.yaml: cannot be opened: No such file or directory\n", {}, "/nonexistent/x.yaml"},
    {"AFolder", "", "t.yaml: cannot be read: Is a directory\n", {}, "/tmp"},
    {"AnEmptyFile", "", "t.yaml: is empty; a configuration begins with `version: 1`\n"},
    {"OnlyComments", "# nothing\n", "t.yaml: is empty; a configuration begins with `version: 1`\n"},
    {"AnEmptyDocument", "---\n", "t.yaml: is empty; a configuration begins with `version: 1`\n"},
    {"ALargeFile", std::string((16 << 20) + 1, '#'), "t.yaml: is too large; allowed: up to 16 MiB\n"},
    {"AListAtTheTop", "[1, 2]", "t.yaml:1:1: is no map; a configuration begins with `version: 1`\n"},
    {"AWordAtTheTop", "hello\n", "t.yaml:1:1: is no map; a configuration begins with `version: 1`\n"},
    /* bytes */
    {"ANulByte", std::string("version: 1\nna\0me: x\n", 20),
        "t.yaml:2:3: control character U+0000; allowed: printable text\n"},
    {"AnEscapeByte", "version: 1\nname: \x1b[1mx\n",
        "t.yaml:2:7: control character U+001B; allowed: printable text\n"},
    {"AByteThatIsNoUtf8", "version: 1\r\nname: \xc3\xa4\xff\n",
        "t.yaml:2:8: byte 0xff is not UTF-8 text; save the file as UTF-8\n"},
    {"ASurrogate", "\xed\xa0\x80", "t.yaml:1:1: byte 0xed is not UTF-8 text; save the file as UTF-8\n"},
    {"AnOverlongNul", "a\xc0\x80", "t.yaml:1:2: byte 0xc0 is not UTF-8 text; save the file as UTF-8\n"},
    {"ACharacterCutShort", "\xf0\x9f", "t.yaml:1:1: byte 0xf0 is not UTF-8 text; save the file as UTF-8\n"},
    {"Utf16", std::string("\xff\xfev\0e\0", 6),
        "t.yaml:1:1: byte 0xff is not UTF-8 text; save the file as UTF-8\n"},
    {"ALineBreakInAValue",
        small("name: |\n"
              "  a\n"
              "  b\n"),
        "t.yaml:5:7: a control character or line break in a value; allowed: one line of text\n"},
    {"AnEscapedControlCharacterInAValue", port("{file: \"\\x80\"}"),
        "t.yaml:2:19: a control character or line break in a value; allowed: one line of text\n"},
    {"AnUnusualLineBreakInAValue", port("{file: \"a\xe2\x80\xa8\"}"),
        "t.yaml:2:19: a control character or line break in a value; allowed: one line of text\n"},
    {"AByteBehindAnUnusualLineBreak", "# a\xc2\x85# b\xff",
        "t.yaml:2:4: byte 0xff is not UTF-8 text; save the file as UTF-8\n"},
    {"AnEscapedNulInAValue", small("name: \"a\\0b\"\n"),
        "t.yaml:5:7: a control character or line break in a value; allowed: one line of text\n"},
    /* YAML */
    {"ABracketThatIsNotClosed",
        "version: 1\n"
        "ports: {a: [1, 2}\n",
        "t.yaml:2:17: did not find expected ',' or ']' while parsing a flow sequence that begins in line 2; "
        "write commas between, and close the bracket\n"},
    {"AQuoteThatIsNotClosed", small("name: \"weir\n"),
        "t.yaml:5:7: found unexpected end of stream while scanning a quoted scalar that begins in line 5; "
        "close the quotes\n"},
    {"ATabInFrontOfAKey",
        "version: 1\n"
        "\tname: x\n",
        "t.yaml:2:1: found a tab character that violates indentation while scanning a plain scalar that "
        "begins in line 1; indent with spaces\n"},
    {"ATabInFrontOfAValue",
        "version: 1\n"
        "pools:\n"
        "\tall: x\n",
        "t.yaml:3:1: found character that cannot start any token while scanning for the next token that "
        "begins in line 3; indent with spaces, and put text that begins with @ ` % into quotes\n"},
    {"AnIndentationThatFitsNoKey",
        "version: 1\n"
        "ports:\n"
        "    a: {vdev: x}\n"
        "  b: {vdev: y}\n",
        "t.yaml:4:3: did not find expected key while parsing a block mapping that begins in line 1; indent "
        "what belongs together alike\n"},
    {"AnItemThatIsOut",
        "pools:\n"
        "  p:\n"
        "    from:\n"
        "    - a\n"
        "    b\n",
        "t.yaml:5:5: could not find expected ':' while scanning a simple key that begins in line 5; write "
        "`key: value`\n"},
    {"AKeyAmongItems",
        "- a\n"
        "b: c\n",
        "t.yaml:2:1: did not find expected '-' indicator while parsing a block collection that begins in "
        "line 1; indent what belongs together alike\n"},
    {"AnItemIndentedOtherwise",
        "pools:\n"
        "  p:\n"
        "    stages:\n"
        "        - validate\n"
        "      - sink\n",
        "t.yaml:5:7: did not find expected key while parsing a block mapping that begins in line 3; indent "
        "what belongs together alike\n"},
    {"AColonTooMuch",
        "version: 1\n"
        "name: a: b\n",
        "t.yaml:2:8: mapping values are not allowed in this context; indent keys of one map alike, and put "
        "text with `: ` in it into quotes\n"},
    {"AKeyWithoutAColon",
        "version: 1\n"
        "ports\n"
        "pools: {}\n",
        "t.yaml:2:1: could not find expected ':' while scanning a simple key that begins in line 2; write "
        "`key: value`\n"},
    {"AnUnknownEscape", small("name: \"a\\q\"\n"),
        "t.yaml:5:9: found unknown escape character while parsing a quoted scalar that begins in line 5; use "
        "'single quotes', in which a backslash is itself\n"},
    {"AnAtSign", small("name: @home\n"),
        "t.yaml:5:7: found character that cannot start any token while scanning for the next token that "
        "begins in line 5; indent with spaces, and put text that begins with @ ` % into quotes\n"},
    {"APercentSign", small("%name: x\n"),
        "t.yaml:5:6: found unexpected non-alphabetical character while scanning a directive that begins in "
        "line 5; put text that begins with % into quotes\n"},
    {"ATwoDocumentFile",
        "version: 1\n"
        "---\n"
        "version: 1\n",
        "t.yaml:2:1: a second document; allowed: one\n"},
    {"AnUnknownTag", port("{vdev: !env DEVICE}"),
        "t.yaml:2:19: tag `!env` is not known; remove it, or put the text into quotes\n"},
    {"ATagOnAMap",
        "version: 1\n"
        "ports: !include {file: ports.yaml}\n",
        "t.yaml:2:8: tag `!include` is not known; remove it, or put the text into quotes\n"},
    {"AMergeKey",
        "version: 1\n"
        "ports: {a: &a {vdev: x}, b: {<<: *a}}\n"
        "pools: {p: {from: [a, b], stages: [sink]}}\n",
        "t.yaml:2:30: unknown key `<<` in port `b`; allowed: generator, file, vdev, interface, link-follows, "
        "mtu, queues\n"},
    {"AKeyThatIsAList", small("[a, b]: 1\n"), "t.yaml:5:1: a key must be a single word\n"},
    {"FlowNestingTooDeep", "version: " + std::string(100000, '['),
        "t.yaml:1:41: nested too deep; allowed: up to 32 levels\n"},
    {"BlockNestingTooDeep", nested(64), "t.yaml:33:33: nested too deep; allowed: up to 32 levels\n"},
    {"AnAliasInsideOfItself",
        "pools: &p\n"
        "  a: *p\n",
        "t.yaml:2:6: `*p` stands inside of what it names; write out what is meant\n"},
    {"AnAliasDeepInsideOfItself", "a: &l [1, [*l]]\n",
        "t.yaml:1:12: `*l` stands inside of what it names; write out what is meant\n"},
    {"AnAliasOfNothing", small("name: *weir\n"),
        "t.yaml:5:7: `*weir` names nothing above it; write `&weir` there, or put the text into quotes\n"},
    {"TwoAnchorsOfOneName",
        "a: &x 1\n"
        "b: &x 2\n",
        "t.yaml:2:4: `&x` is written a second time; rename one\n"},
    {"AnAliasBomb", laughs(), "t.yaml:5:52: too much, aliases expanded; allowed: up to 100000 values\n"},
    {"TooManyAnchors", numbered("- &a", " x\n", 300), "t.yaml:257:3: too many anchors; allowed: up to 256\n"},
    /* keys */
    {"AnUnknownKeyAtTheTop", small("memori: auto\n"),
        "t.yaml:5:1: unknown key `memori` in the configuration; allowed: version, seed, name, memory, cpus, "
        "ports, classes, pools, exports, listen, control, log, drain-timeout, stop-after; did you mean "
        "`memory`?\n"},
    {"AnUnknownKeyLikeNothing", small("colour: blue\n"),
        "t.yaml:5:1: unknown key `colour` in the configuration; allowed: version, seed, name, memory, cpus, "
        "ports, classes, pools, exports, listen, control, log, drain-timeout, stop-after\n"},
    {"AnUnknownKeyOfAPort", port("{vdev: x, speed: 5}"),
        "t.yaml:2:22: unknown key `speed` in port `a`; allowed: generator, file, vdev, interface, "
        "link-follows, mtu, queues\n"},
    {"AnUnknownKeyOfAPortKind", generator("{flow: 5}"),
        "t.yaml:2:27: unknown key `flow` in generator; allowed: flows, size, rate, count, queue, protocols, "
        "spike, timeline; did you "
        "mean `flows`?\n"},
    {"AnUnknownKeyOfAPool", on_g("  p: {from: [g], stages: [sink], worker: 2}\n"),
        "t.yaml:4:34: unknown key `worker` in pool `p`; allowed: from, stages, shard-by, on-full, depth, "
        "workers, park-after, idle-sleep, probe-every, probe-at, order, take; did you mean `workers`?\n"},
    {"AnUnknownKeyOfAStage", stages("[{sink: {chek: order}}]"),
        "t.yaml:4:39: unknown key `chek` in stage `sink`; allowed: check; did you mean `check`?\n"},
    {"AKeyOfAStageWithoutKeys", stages("[{bare: {x: 1}}, sink]"),
        "t.yaml:4:39: unknown key `x` in stage `bare`; allowed: no key\n"},
    {"AKeyThatIsProbablyMeantIsNotAlsoMissing", stages("[{admit: {rat: 1Gbps}}, sink]"),
        "t.yaml:4:40: unknown key `rat` in stage `admit`; allowed: per, rate, burst, except; did you mean "
        "`rate`?\n"},
    {"ALongKeyIsCut", small(std::string(200, 'a') + ": 1\n"),
        "t.yaml:5:1: unknown key `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…` in the "
        "configuration; allowed: version, seed, name, memory, cpus, ports, classes, pools, exports, listen, "
        "control, "
        "log, "
        "drain-timeout, stop-after\n"},
    {"ADoubledKey",
        small("seed: 1\n"
              "seed: 2\n"),
        "t.yaml:6:1: `seed` is written a second time; remove one\n"},
    {"ADoubledSection", small("pools: {}\n"), "t.yaml:5:1: `pools` is written a second time; remove one\n"},
    {"ADoubledKeyOfAPortKind", generator("{flows: 1, flows: 1}"),
        "t.yaml:2:37: `flows` is written a second time; remove one\n"},
    {"NoVersion",
        "ports: {g: {generator: {}}}\n"
        "pools: {p: {from: [g], stages: [sink]}}\n",
        "t.yaml:1:1: the configuration needs `version`; allowed: 1\n"},
    {"NeitherPortsNorPools", "version: 1\n",
        "t.yaml:1:1: the configuration needs `ports`; allowed: a map\n"
        "t.yaml:1:1: the configuration needs `pools`; allowed: a map\n"},
    {"APoolOfNothing", on_g("  all: {}\n"),
        "t.yaml:4:3: pool `all` needs `from`; allowed: a list\n"
        "t.yaml:4:3: pool `all` needs `stages`; allowed: a list\n"},
    {"AStageWithoutItsParameter", stages("[{admit: {}}, sink]"),
        "t.yaml:4:32: stage `admit` needs `rate`; allowed: a rate, or `max`\n"},
    {"ABareStageWithoutItsParameter", stages("[admit, sink]"),
        "t.yaml:4:31: stage `admit` needs `rate`; allowed: a rate, or `max`\n"},
    {"AKeyOfALaterVersion", small("tables: []\n"),
        "t.yaml:5:1: `tables` comes in a later version of weir; remove it\n"},
    {"AnExportThatNobodyFills", small("exports: {f: {file: x}}\n"),
        "t.yaml:5:11: export `f` gets no records; write `records: f` at a stage `meter`, or remove it\n"},
    {"AnExportWithoutItsFile", stages("[validate, {meter: {records: f}}, sink]}\nexports: {f: {}"),
        "t.yaml:5:11: export `f` needs `file`\n"},
    {"AnExportThatIsNotThere", stages("[validate, {meter: {records: g}}, sink]}\nexports: {f: {file: x}"),
        "t.yaml:4:59: no export is named `g`; allowed: f\n"
        "t.yaml:5:11: export `f` gets no records; write `records: f` at a stage `meter`, or remove it\n"},
    {"AnExportOfTwo",
        stages("[validate, {meter: {records: f}}, {meter: {records: f}}, sink]}\nexports: {f: {file: x}"),
        "t.yaml:4:82: export `f` has the records of the stage in line 4; write another\n"},
    {"AnEmptyNameOfAnExport", stages("[validate, {meter: {records: ''}}, sink]}\nexports: {f: {file: x}"),
        "t.yaml:4:59: records `` is empty; allowed: the name of an export\n"
        "t.yaml:5:11: export `f` gets no records; write `records: f` at a stage `meter`, or remove it\n"},
    {"AKeyOfAPortOfALaterVersion", port("{vdev: x, side: inside}"),
        "t.yaml:2:22: `side` comes in a later version of weir; remove it\n"},
    {"AKeyOfAPortKindOfALaterVersion", generator("{skew: 1.1}"),
        "t.yaml:2:27: `skew` comes in a later version of weir; remove it\n"},
    {"AKeyOfAPoolOfALaterVersion", on_g("  p: {from: [g], stages: [sink], deadline: 5ms}\n"),
        "t.yaml:4:34: `deadline` comes in a later version of weir; remove it\n"},
    {"APortKindOfALaterVersion", port("{pci: \"0000:3b:00.0\"}"),
        "t.yaml:2:13: `pci` comes in a later version of weir; remove it\n"},
    {"AStageOfALaterVersion", stages("[validate, {tag: out}, sink]"),
        "t.yaml:4:42: `tag` comes in a later version of weir; remove it\n"},
    /* links */
    {"AnMtuWithoutADevice", on_ab_keys("{generator: {}, mtu: 9000}"),
        "t.yaml:2:33: a `generator` has no MTU; remove `mtu` from port `a`\n"},
    {"AnMtuThatNobodyHas", on_ab_keys("{vdev: x, mtu: 64k}"),
        "t.yaml:2:27: mtu `64k` is out of range; allowed: 68 .. 16k\n"},
    {"QueuesWithoutADevice", on_ab_keys("{generator: {}, queues: 2}"),
        "t.yaml:2:36: a `generator` has no queues; remove `queues` from port `a`\n"},
    {"QueuesThatNobodyHas", on_ab_keys("{vdev: x, queues: 65}"),
        "t.yaml:2:30: queues `65` is out of range; allowed: 1 .. 64\n"},
    {"ALinkThatFollowsNobody", on_ab_keys("{vdev: x, link-follows: c}"),
        "t.yaml:2:36: no port is named `c`; allowed: a, b\n"},
    {"ALinkThatFollowsItself", on_ab_keys("{vdev: x, link-follows: a}"),
        "t.yaml:2:36: port `a` cannot follow itself; name the port on the other side\n"},
    {"APortWithoutALinkThatFollows", on_ab_keys("{generator: {}, link-follows: b}"),
        "t.yaml:2:42: a `generator` has no link; remove `link-follows` from port `a`\n"},
    {"APortThatFollowsOneWithoutALink", on_ab_keys("{vdev: x, link-follows: g}, g: {generator: {}}"),
        "t.yaml:2:36: a `generator` has no link; remove `link-follows` from port `a`\n"
        "t.yaml:2:40: port `g` is used by nobody; name it in the `from` of a pool, or remove it\n"},
    /* values */
    {"AListWhereAWordBelongs", generator("{flows: [1]}"),
        "t.yaml:2:34: flows is no single value; allowed: 1 .. 16777216\n"},
    {"AListWhereANumberWithoutABoundBelongs", generator("{count: [1]}"),
        "t.yaml:2:34: count is no single value; allowed: 0 or more\n"},
    {"AMapWhereAWordBelongs", small("log: {level: debug}\n"),
        "t.yaml:5:6: log is no single value; allowed: error, warning, notice, info, debug\n"},
    {"NothingWhereANumberBelongs", generator("{flows: }"),
        "t.yaml:2:34: flows `` is no number; allowed: a whole number, also with k M G\n"},
    {"NullWhereANumberBelongs", generator("{flows: ~}"),
        "t.yaml:2:34: flows `~` is no number; allowed: a whole number, also with k M G\n"},
    {"AWordWhereANumberBelongs", small("seed: seven\n"),
        "t.yaml:5:7: seed `seven` is no number; allowed: a whole number, also with k M G\n"},
    {"AMinusInFrontOfANumber", generator("{flows: -3}"),
        "t.yaml:2:34: flows `-3` is negative; allowed: a whole number, also with k M G\n"},
    {"APlusInFrontOfANumber", small("seed: +5\n"),
        "t.yaml:5:7: seed `+5` is no number; allowed: a whole number, also with k M G\n"},
    {"AHexadecimalNumber", small("seed: 0x10\n"),
        "t.yaml:5:7: seed `0x10` has an unknown unit; allowed: a whole number, also with k M G\n"},
    {"AFractionOfACount", on_g("  p: {from: [g], workers: 1.5, stages: [sink]}\n"),
        "t.yaml:4:27: workers `1.5` is not whole; allowed: a whole number, also with k M G\n"},
    {"ANumberBeyond64Bits", small("seed: 99999999999999999999\n"),
        "t.yaml:5:7: seed `99999999999999999999` is too large; allowed: a whole number, also with k M G, up "
        "to 18446744073709551615\n"},
    {"ANumberBeyond64BitsAndItsRange", generator("{flows: 99999999999999999999}"),
        "t.yaml:2:34: flows `99999999999999999999` is out of range; allowed: 1 .. 16777216\n"},
    {"ANumberBelowItsRange", generator("{flows: 0}"),
        "t.yaml:2:34: flows `0` is out of range; allowed: 1 .. 16777216\n"},
    {"ANumberAboveItsRange", inbox("shard-by: none, on-full: block, depth: 2M, stages: [sink]}\n"),
        "t.yaml:5:58: depth `2M` is out of range; allowed: 64 .. 1048576\n"},
    {"AnotherVersion",
        "version: 2\n"
        "ports: {g: {generator: {}}}\n"
        "pools: {p: {from: [g], stages: [sink]}}\n",
        "t.yaml:1:10: version `2` is out of range; allowed: 1\n"},
    {"ADurationWithoutAUnit", small("drain-timeout: 5\n"),
        "t.yaml:5:16: drain-timeout `5` has no unit; allowed: a number with ns us ms s min h\n"},
    {"ADurationWithAnUnknownUnit", small("drain-timeout: 5sec\n"),
        "t.yaml:5:16: drain-timeout `5sec` has an unknown unit; allowed: a number with ns us ms s min h\n"},
    {"ADurationBelowItsRange", small("stop-after: 0s\n"),
        "t.yaml:5:13: stop-after `0s` is out of range; allowed: 1ms .. 8760h\n"},
    {"ADurationAboveItsRange", small("drain-timeout: 6000000h\n"),
        "t.yaml:5:16: drain-timeout `6000000h` is out of range; allowed: 0s .. 8760h\n"},
    {"AFractionOfANanosecond", small("drain-timeout: 0.5ns\n"),
        "t.yaml:5:16: drain-timeout `0.5ns` is not whole nanoseconds; allowed: a number with ns us ms s min "
        "h\n"},
    {"ARateWithoutAUnit", generator("{rate: 5}"),
        "t.yaml:2:33: rate `5` has no unit; allowed: `max`, or a number with bps kbps Mbps Gbps pps kpps "
        "Mpps Gpps\n"},
    {"ADurationWhereARateBelongs", generator("{rate: 5s}"),
        "t.yaml:2:33: rate `5s` has an unknown unit; allowed: `max`, or a number with bps kbps Mbps Gbps pps "
        "kpps Mpps Gpps\n"},
    {"ARateWhereADurationBelongs", small("stop-after: 1Mpps\n"),
        "t.yaml:5:13: stop-after `1Mpps` has an unknown unit; allowed: a number with ns us ms s min h\n"},
    {"ARateOfNothing", generator("{rate: 0pps}"),
        "t.yaml:2:33: rate `0pps` lets nothing through; allowed: `max`, or a number with bps kbps Mbps Gbps "
        "pps kpps Mpps Gpps\n"},
    {"ARateBeyondAnyWire", generator("{rate: 9000Gbps}"),
        "t.yaml:2:33: rate `9000Gbps` is too large; allowed: `max`, or a number with bps kbps Mbps Gbps pps "
        "kpps Mpps Gpps, up to 8000Gbps or 1000Gpps\n"},
    {"ARateOfABitASecond", generator("{rate: 1bps}"),
        "t.yaml:2:33: rate `1bps` is not whole bytes (8bps) or packets a second; allowed: `max`, or a number "
        "with bps kbps Mbps Gbps pps kpps Mpps Gpps\n"},
    {"BytesInBits", stages("[{admit: {rate: max, burst: 64kbps}}, sink]"),
        "t.yaml:4:58: burst `64kbps` has an unknown unit; allowed: whole bytes, also with k M G KiB MiB "
        "GiB\n"},
    {"AWordThatIsNotAllowed", small("memory: hugepage\n"),
        "t.yaml:5:9: memory `hugepage` is not known; allowed: auto, hugepages, shared, normal; did you mean "
        "`hugepages`?\n"},
    {"AWordLikeNoOther", small("log: loud\n"),
        "t.yaml:5:6: log `loud` is not known; allowed: error, warning, notice, info, debug\n"},
    {"AWordOfALaterVersion", inbox("shard-by: tenant, on-full: shed, stages: [sink]}\n"),
        "t.yaml:5:29: shard-by `tenant` comes in a later version of weir; allowed: none, flow\n"
        "t.yaml:5:46: on-full `shed` comes in a later version of weir; allowed: block, drop\n"},
    {"AnElasticPoolWithoutShards",
        inbox("shard-by: none, order: relaxed, on-full: block, workers: 1-4, stages: [sink]}\n"),
        "t.yaml:5:76: pool `p` is elastic without shards that could move between its workers; write "
        "`workers: 4`, or "
        "`shard-by: flow`\n"},
    {"AnElasticPoolBackwards", inbox("shard-by: flow, on-full: block, workers: 4-1, stages: [sink]}\n"),
        "t.yaml:5:60: workers `4-1` begins above its end; allowed: 1 .. 64\n"},
    {"NoWorkers", on_g("  p: {from: [g], workers: 0, stages: [sink]}\n"),
        "t.yaml:4:27: workers `0` is out of range; allowed: 1 .. 64\n"},
    {"ASizeThatBeginsAboveItsEnd", generator("{size: 1500-64}"),
        "t.yaml:2:33: size `1500-64` begins above its end; allowed: 60 .. 2KiB, a range LOW-HIGH, imix, or a "
        "map of those to weights\n"},
    {"ASizeWithHalfARange", generator("{size: 64-}"),
        "t.yaml:2:33: size `64-` is no range; allowed: 60 .. 2KiB, a range LOW-HIGH, imix, or a map of those "
        "to weights\n"},
    {"ASizeOutOfItsRange", generator("{size: 9000}"),
        "t.yaml:2:33: size `9000` is out of range; allowed: 60 .. 2KiB, a range LOW-HIGH, imix, or a map of "
        "those to weights\n"},
    {"ASizeInAList", generator("{size: [64]}"),
        "t.yaml:2:33: size is no single value; allowed: 60 .. 2KiB, a range LOW-HIGH, imix, or a map of "
        "those to "
        "weights\n"},
    {"NoWeights", generator("{size: {}}"), "t.yaml:2:33: size has 0 weights; allowed: 1 .. 64\n"},
    {"OnlyWeightsOfNothing", generator("{size: {60: 0, imix: 0}}"),
        "t.yaml:2:33: size has no weight above 0; give one\n"},
    {"AWeightThatIsNoNumber", generator("{size: {60: much}}"),
        "t.yaml:2:38: weight `much` is no number; allowed: a whole number, also with k M G\n"},
    {"AWeightBeyondItsRange", generator("{size: {60: 2M}}"),
        "t.yaml:2:38: weight `2M` is out of range; allowed: 0 .. 1M\n"},
    {"AWeightOfASizeOutOfItsRange", generator("{size: {59: 1}}"),
        "t.yaml:2:34: size `59` is out of range; allowed: 60 .. 2KiB, a range LOW-HIGH, imix, or a map of "
        "those to "
        "weights\n"},
    {"AWeightOfAWordThatIsNotKnown", generator("{protocols: {udp: 1, tpc: 1}}"),
        "t.yaml:2:47: protocols `tpc` is not known; allowed: udp, tcp, or a map of those to weights; did you "
        "mean "
        "`tcp`?\n"},
    {"AShareOfNoLine", stages("[{admit: {rate: 5%}}, sink]"),
        "t.yaml:4:46: rate `5%` is a share, but of no line; allowed: a rate, or `max`\n"},
    {"ARateThatMayBeAShareAndIsNothing", generator("{rate: []}"),
        "t.yaml:2:33: rate is no single value; allowed: a rate, or `max`, or % of `line`\n"},
    {"ARatioThatIsNone", generator("{rate: 1Mpps, spike: {at: 1s, times: x}}"),
        "t.yaml:2:63: times `x` is no number; allowed: a number with up to three decimals\n"},
    {"ARatioTooFine", generator("{rate: 1Mpps, spike: {at: 1s, times: 1.0001}}"),
        "t.yaml:2:63: times `1.0001` is not whole thousandths; allowed: a number with up to three "
        "decimals\n"},
    {"ARatioBeyondItsRange", generator("{rate: 1Mpps, spike: {at: 1s, times: 1001}}"),
        "t.yaml:2:63: times `1001` is out of range; allowed: 0 .. 1000\n"},
    {"AMapThatIsAWord", generator("{rate: 1Mpps, spike: big}"),
        "t.yaml:2:47: spike is no map; allowed: at, times\n"},
    {"AMapInAMapWithoutItsKey", generator("{rate: 1Mpps, spike: {}}"),
        "t.yaml:2:47: spike needs `at`; allowed: 0s or more\n"},
    {"AMapInAMapWithAKeyThatIsNotKnown", generator("{rate: 1Mpps, timeline: [{for: 1s}, {fro: 1s}]}"),
        "t.yaml:2:63: unknown key `fro` in timeline; allowed: for, spike; did you mean `for`?\n"},
    {"TwoMapsWhereOneBelongs", generator("{rate: 1Mpps, spike: [{at: 1s}, {at: 2s}]}"),
        "t.yaml:2:47: spike has 2 items; allowed: 1 .. 1\n"},
    {"AProfileOfNoRate", generator("{spike: {at: 1s}}"),
        "t.yaml:2:34: `spike` means nothing beside `rate: max`; remove it, or write another `rate`\n"},
    {"ASizeThatIsNegative", generator("{size: -64}"),
        "t.yaml:2:33: size `-64` is negative; allowed: whole bytes, also with k M G KiB MiB GiB\n"},
    {"AnEmptyText", port("{vdev: }"), "t.yaml:2:19: vdev `` is empty; allowed: text\n"},
    {"AListWhereTextBelongs", port("{vdev: [x]}"), "t.yaml:2:19: vdev is no single value; allowed: text\n"},
    {"ATextThatItsPortKindRefuses", port("{vdev: nonsense}"),
        "t.yaml:2:19: `nonsense` is no device; allowed: sense\n"},
    {"CpusBackwards", small("cpus: 3-1\n"),
        "t.yaml:5:7: cpus `3-1` is no list of CPUs; allowed: `auto`, or a list like 0-3,8,!2\n"},
    {"CpusThatAreNoNumbers", small("cpus: all\n"),
        "t.yaml:5:7: cpus `all` is no list of CPUs; allowed: `auto`, or a list like 0-3,8,!2\n"},
    {"ListenOnAPortThatIsNone", small("listen: \"127.0.0.1:70000\"\n"),
        "t.yaml:5:9: listen `127.0.0.1:70000` is no address with a port; allowed: `off`, IPV4:PORT, "
        "[IPV6]:PORT\n"},
    {"ListenOnAHostName", small("listen: localhost:80\n"),
        "t.yaml:5:9: listen `localhost:80` is no address with a port; allowed: `off`, IPV4:PORT, "
        "[IPV6]:PORT\n"},
    {"ListenWithoutAPort", small("listen: 127.0.0.1\n"),
        "t.yaml:5:9: listen `127.0.0.1` is no address with a port; allowed: `off`, IPV4:PORT, [IPV6]:PORT\n"},
    {"LongTextIsCutBetweenCharacters", generator("{flows: x" + repeated("ä", 1000) + "}"),
        "t.yaml:2:34: flows `xäääääääääääääääääääääääääääää…` is no number; allowed: a whole number, also "
        "with k M G\n"},
    /* names */
    {"ANameWithASpace",
        "version: 1\n"
        "ports: {a b: {vdev: x}}\n"
        "pools: {p: {from: [a], stages: [sink]}}\n",
        "t.yaml:2:9: name `a b` is not spelled like a name; allowed: 1 to 32 letters, digits, _ and -\n"
        "t.yaml:3:20: no port or pool is named `a`; allowed: p\n"},
    {"ANameTooLong", on_g("  123456789012345678901234567890123: {from: [g], stages: [sink]}\n"),
        "t.yaml:4:3: name `123456789012345678901234567890123` is not spelled like a name; allowed: 1 to 32 "
        "letters, digits, _ and -\n"},
    {"AnEmptyName", on_g("  \"\": {from: [g], stages: [sink]}\n"),
        "t.yaml:4:3: name `` is not spelled like a name; allowed: 1 to 32 letters, digits, _ and -\n"},
    {"ANameThatIsAList", on_g("  [a]: {from: [g], stages: [sink]}\n"),
        "t.yaml:4:3: a name must be a single word\n"},
    {"ANameOfThePipelineWithASpace", small("name: my pipe\n"),
        "t.yaml:5:7: name `my pipe` is not spelled like a name; allowed: 1 to 32 letters, digits, _ and -\n"},
    {"TwoPortsOfOneName",
        "version: 1\n"
        "ports: {a: {vdev: x}, a: {vdev: y}}\n"
        "pools: {p: {from: [a], stages: [sink]}}\n",
        "t.yaml:2:23: port `a` has the name of the port in line 2; rename one\n"},
    {"TwoPoolsOfOneName",
        on_ab("  p: {from: [a], stages: [sink]}\n"
              "  p: {from: [b], stages: [sink]}\n"),
        "t.yaml:5:3: pool `p` has the name of the pool in line 4; rename one\n"},
    {"APoolWithTheNameOfAPort", on_g("  g: {from: [g], stages: [sink]}\n"),
        "t.yaml:4:3: pool `g` has the name of the port in line 2; rename one\n"},
    {"AnUnknownName", on_g("  all: {from: [ge], stages: [sink]}\n"),
        "t.yaml:4:16: no port or pool is named `ge`; allowed: g, all\n"},
    {"AnUnknownNameLikeNoOther", on_ab("  all: {from: [a, b, elsewhere], stages: [sink]}\n"),
        "t.yaml:4:22: no port or pool is named `elsewhere`; allowed: a, b, all\n"},
    {"AnUnknownNameAmongMany",
        "version: 1\nports: {" + numbered("p", ": {vdev: x}, ", 12) +
            "}\npools: {all: {from: [other], stages: [sink]}}\n",
        "t.yaml:3:22: no port or pool is named `other`; allowed: p0, p1, p2, p3, p4, p5, p6, p7, …\n"},
    /* ports */
    {"NoPorts",
        "version: 1\n"
        "ports: {}\n"
        "pools: {p: {from: [g], stages: [sink]}}\n",
        "t.yaml:2:8: ports has 0 names; allowed: 1 .. 64\n"},
    {"NoPools",
        "version: 1\n"
        "ports: {g: {generator: {}}}\n"
        "pools:\n",
        "t.yaml:3:7: pools has 0 names; allowed: 1 .. 127\n"},
    {"PortsThatAreAList",
        "version: 1\n"
        "ports: [a]\n"
        "pools: 5\n",
        "t.yaml:2:8: ports is no map; allowed: NAME: {…}\n"
        "t.yaml:3:8: pools is no map; allowed: NAME: {…}\n"},
    {"TooManyPorts",
        "version: 1\nports: {" + numbered("p", ": {vdev: x}, ", 65) +
            "}\npools: {all: {from: [p0], stages: [sink]}}\n",
        "t.yaml:2:8: ports has 65 names; allowed: 1 .. 64\n"},
    {"APortWithoutAKind", port("{}"),
        "t.yaml:2:9: port `a` has no kind; allowed: generator, file, vdev, interface\n"},
    {"APortOfTwoKinds", port("{file: x.pcap, vdev: net_null0}"),
        "t.yaml:2:33: port `a` is a `file` already; allowed: one kind\n"},
    {"APortOfAnUnknownKind", port("{genrator: {}}"),
        "t.yaml:2:13: unknown key `genrator` in port `a`; allowed: generator, file, vdev, interface, "
        "link-follows, mtu, queues; "
        "did "
        "you mean "
        "`generator`?\n"},
    {"APortThatIsAWord", port("net_null0"),
        "t.yaml:2:12: port `a` is no map; allowed: generator, file, vdev, interface, link-follows, mtu, "
        "queues\n"},
    {"AGeneratorThatIsAWord", port("{generator: fast}"),
        "t.yaml:2:24: generator is no map; allowed: flows, size, rate, count, queue, protocols, spike, "
        "timeline\n"},
    {"APortThatNobodyUses", on_ab("  p: {from: [a], stages: [sink]}\n"),
        "t.yaml:2:23: port `b` is used by nobody; name it in the `from` of a pool, or remove it\n"},
    {"APortPolledByTwoPools",
        on_ab("  p: {from: [a, b], stages: [sink]}\n"
              "  q: {from: [b], stages: [sink]}\n"),
        "t.yaml:5:14: port `b` is polled by pool `p` already; remove it here or there\n"},
    /* pools */
    {"TooManyPools",
        "version: 1\nports: {g: {generator: {}}}\npools: {" + numbered("q", ": {}, ", 128) + "}\n",
        "t.yaml:3:8: pools has 128 names; allowed: 1 .. 127\n"},
    {"APoolThatIsAList", on_g("  p: [g]\n"),
        "t.yaml:4:6: pool `p` is no map; allowed: from, stages, shard-by, on-full, depth, workers, "
        "park-after, idle-sleep, probe-every, probe-at, order, take\n"},
    {"FromThatIsAWord", on_ab("  p: {from: a, stages: [sink]}\n"),
        "t.yaml:4:13: from is no list; allowed: a list like [gen]\n"},
    {"FromOfNothing", on_ab("  p: {from: [], stages: [sink]}\n"),
        "t.yaml:4:13: from has 0 items; allowed: 1 .. 127\n"},
    {"FromTheSameTwice", on_ab("  p: {from: [a, b, a], stages: [sink]}\n"),
        "t.yaml:4:20: `a` is written a second time; remove one\n"},
    {"FromAMap", on_ab("  p: {from: [a, {b: c}], stages: [sink]}\n"),
        "t.yaml:4:17: a port or pool must be a single word\n"},
    {"FromPortsAndPools",
        on_ab("  p: {from: [a], stages: [validate]}\n"
              "  q: {from: [b, p], stages: [sink]}\n"),
        "t.yaml:5:17: from mixes ports and pools; allowed: all ports, or all pools\n"},
    {"FromItself",
        on_g("  p: {from: [g], stages: [sink]}\n"
             "  q: {from: [q], shard-by: none, on-full: drop, stages: [burn]}\n"),
        "t.yaml:5:14: pools feed each other in a circle: q → q; begin with a port\n"},
    {"FromEachOther",
        on_g("  p: {from: [g], stages: [sink]}\n"
             "  x: {from: [z], shard-by: none, on-full: drop, stages: [burn]}\n"
             "  y: {from: [x], shard-by: none, on-full: drop, stages: [burn]}\n"
             "  z: {from: [y], shard-by: none, on-full: drop, stages: [burn]}\n"),
        "t.yaml:5:14: pools feed each other in a circle: x → y → z → x; begin with a port\n"},
    {"TwoPoolsFromOne",
        inbox("shard-by: none, on-full: block, stages: [sink]}\n"
              "  q: {from: [in], shard-by: none, on-full: block, stages: [sink]}\n"),
        "t.yaml:6:14: pool `in` feeds `p` already; remove it here or there, or write `take` to divide its "
        "classes\n"},
    {"AClassThatTwoPoolsTake", taking("take: [a, other]", "take: [b, a]"),
        "t.yaml:7:68: class `a` of pool `in` goes to `p` already; remove it here or there\n"},
    {"AClassThatNobodyTakes", taking("take: [a]", "take: [b]"),
        "t.yaml:7:68: class `other` of pool `in` goes nowhere; name it in a `take`, or leave `take` out in "
        "one pool\n"},
    {"AnUnknownClassThatIsTaken", taking("take: [a]", "take: [bb, other]"),
        "t.yaml:7:69: no class is named `bb`; allowed: a, b, other\n"},
    {"ClassesTakenThatNobodyFound", taking("take: [a]", "stages: [classify, sink]", "[validate]", ""),
        "t.yaml:6:68: `take` needs the class of each packet, which nothing before it has found on the way "
        "through `in`; put one of these before it: classify\n"},
    {"ClassesTakenFromAPort", classes("[a: {match: udp}]", "[classify, sink], take: [a]"),
        "t.yaml:5:54: `take` is for an inbox, and pool `all` is fed by ports; remove it\n"},
    {"APoolFedByPoolsWithoutAnInbox", inbox("stages: [sink]}\n"),
        "t.yaml:5:3: pool `p` is fed by pools and needs `shard-by`; allowed: none, flow\n"
        "t.yaml:5:3: pool `p` is fed by pools and needs `on-full`; allowed: block, drop\n"},
    {"AnInboxOfAPoolFedByPorts",
        on_g("  all:\n"
             "    from: [g]\n"
             "    shard-by: none\n"
             "    on-full: drop\n"
             "    depth: 64\n"
             "    order: relaxed\n"
             "    stages: [sink]\n"),
        "t.yaml:6:15: `shard-by` is for an inbox, and pool `all` is fed by ports; remove it\n"
        "t.yaml:7:14: `on-full` is for an inbox, and pool `all` is fed by ports; remove it\n"
        "t.yaml:8:12: `depth` is for an inbox, and pool `all` is fed by ports; remove it\n"
        "t.yaml:9:12: `order` is for an inbox, and pool `all` is fed by ports; remove it\n"},
    {"ProbesOfAPoolFedByPools",
        inbox("shard-by: none, on-full: block, probe-every: 2, probe-at: hops, stages: [sink]}\n"),
        "t.yaml:5:64: probes are made where packets arrive, and pool `p` is fed by pools; write "
        "`probe-every` "
        "in the one that is fed by ports\n"
        "t.yaml:5:77: probes are made where packets arrive, and pool `p` is fed by pools; write `probe-at` "
        "in "
        "the one that is fed by ports\n"},
    {"ASleepOfAPoolFedByPools", inbox("shard-by: none, on-full: block, idle-sleep: 1ms, stages: [sink]}\n"),
        "t.yaml:5:63: `idle-sleep` is for workers that poll ports, and pool `p` is fed by pools, whose "
        "workers sleep after `park-after` until something comes; remove it\n"},
    {"ADepthThatIsNoPowerOfTwo", inbox("shard-by: none, on-full: block, depth: 1000, stages: [sink]}\n"),
        "t.yaml:5:58: depth `1000` is no power of two; allowed: 512, 1024\n"},
    {"MoreWorkersThanPorts", on_g("  p: {from: [g], workers: 2, stages: [sink]}\n"),
        "t.yaml:4:27: pool `p` has 2 workers for 1 port, and a port is polled by one; allowed: 1 .. 1; put "
        "the work in a second pool with `shard-by: flow` and more workers\n"},
    {"MoreWorkersThanTwoPorts", on_ab("  p: {from: [a, b], workers: 3, stages: [sink]}\n"),
        "t.yaml:4:30: pool `p` has 3 workers for 2 ports, and a port is polled by one; allowed: 1 .. 2; put "
        "the work in a second pool with `shard-by: flow` and more workers, or write as many `queues` at each "
        "port, if it has RSS\n"},
    {"WorkersThatOnePortHasNoQueuesFor", three("{vdev: x, queues: 3}, b: {vdev: x}", "a, b", "sink"),
        "t.yaml:4:30: pool `p` has 3 workers for 2 ports, and a port is polled by one; allowed: 1 .. 2; put "
        "the work in a second pool with `shard-by: flow` and more workers, or write as many `queues` at each "
        "port, if it has RSS\n"},
    {"WorkersForQueuesThatTheKernelFills", three("{interface: x, queues: 3}", "a", "sink"),
        "t.yaml:4:27: pool `p` has 3 workers for 1 port, and a port is polled by one; allowed: 1 .. 1; put "
        "the work in a second pool with `shard-by: flow` and more workers\n"},
    {"AnElasticPoolOfQueues", three("{vdev: x, queues: 3}", "a", "sink", "1-3"),
        "t.yaml:4:27: pool `p` is elastic without shards that could move between its workers; write "
        "`workers: 3`\n"},
    {"StateOfFlowsBehindQueues", three("{vdev: x, queues: 3}", "a", "validate, meter, sink"),
        "t.yaml:4:49: `meter` keeps state of each flow, and pool `p` has 3 workers without shards; put it in "
        "a pool behind, with `shard-by: flow`, or write `workers: 1`\n"},
    {"ALimitOfAPortThatWorkersShare", three("{vdev: x, queues: 3}", "a", "{admit: {rate: 1Mpps}}, sink"),
        "t.yaml:4:40: `admit` holds a port to one limit, and the 3 workers of pool `p` share each port; "
        "write "
        "`workers: 1`\n"},
    {"TooManyWorkersInAll",
        inbox("shard-by: flow, on-full: block, workers: 63, stages: [burn]}\n"
              "  q: {from: [p], shard-by: flow, on-full: block, workers: 63, stages: [burn]}\n"
              "  r: {from: [q], shard-by: none, on-full: drop, stages: [sink]}\n"),
        "t.yaml:7:3: 128 workers up to pool `r`; allowed: 127 in all\n"},
    {"TooManyTransmittingWorkers",
        on_ab("  i: {from: [a], stages: [validate]}\n"
              "  j: {from: [b], stages: [{transmit: {b: a}}]}\n"
              "  p: {from: [i], shard-by: flow, on-full: drop, workers: 64, stages: [{transmit: {a: b}}]}\n"),
        "t.yaml:6:3: 65 transmitting workers up to pool `p`; allowed: 64 in all\n"},
    /* order */
    {"WorkersThatReorder",
        inbox("shard-by: none, on-full: block, workers: 2, stages: [burn]}\n"
              "  q: {from: [p], shard-by: flow, on-full: block, stages: [sink]}\n"),
        "t.yaml:5:29: pool `p` has 2 workers without shards, which reorders the packets of a flow; write "
        "`order: relaxed` if it may, or `shard-by: flow`, or `workers: 1`\n"},
    {"WorkersThatReorderInFrontOfAPort",
        on_ab(
            "  in: {from: [a], stages: [validate]}\n"
            "  p: {from: [in], shard-by: none, on-full: block, workers: 2, stages: [{transmit: {a: b}}]}\n"),
        "t.yaml:5:29: pool `p` has 2 workers without shards, which reorders the packets of a flow; write "
        "`order: relaxed` if it may, or `shard-by: flow`, or `workers: 1`\n"},
    {"RelaxedOrderInFrontOfACheck",
        inbox("shard-by: none, on-full: block, workers: 2, order: relaxed, stages: [burn]}\n"
              "  q: {from: [p], shard-by: flow, on-full: block, stages: [{sink: {check: order}}]}\n"),
        "t.yaml:6:74: `check: order` needs the packets of a flow in order, and pool `p` has 2 workers "
        "without shards; write `shard-by: flow` or `workers: 1` there, or leave it out\n"},
    {"RelaxedOrderAndACheck",
        inbox("shard-by: none, on-full: block, workers: 2, order: relaxed, stages: [{sink: {check: "
              "order}}]}\n"),
        "t.yaml:5:103: `check: order` needs the packets of a flow in order, and pool `p` has 2 workers "
        "without shards; write `shard-by: flow` or `workers: 1` there, or leave it out\n"},
    {"RelaxedOrderOfShards", inbox("shard-by: flow, on-full: drop, order: relaxed, stages: [sink]}\n"),
        "t.yaml:5:57: `order: relaxed` has no effect in pool `p`, whose shards keep the order; remove it, or "
        "write `shard-by: none`\n"},
    {"AnUnknownOrder", inbox("shard-by: none, on-full: drop, order: strict, stages: [sink]}\n"),
        "t.yaml:5:57: order `strict` is not known; allowed: relaxed\n"},
    {"StateOfAFlowInFrontOfShards",
        on_ab("  p: {from: [a, b], workers: 2, stages: [validate, meter, sink]}\n"),
        "t.yaml:4:52: `meter` keeps state of each flow, and pool `p` has 2 workers without shards; put it in "
        "a pool behind, with `shard-by: flow`, or write `workers: 1`\n"},
    {"StateOfAFlowWithoutShards",
        inbox("shard-by: none, on-full: block, workers: 2, order: relaxed, stages: [meter, sink]}\n"),
        "t.yaml:5:88: `meter` keeps state of each flow, and pool `p` has 2 workers without shards; write "
        "`shard-by: flow`, or write `workers: 1`\n"},
    {"AFlowThatNobodyFound", on_g("  p: {from: [g], stages: [meter, validate, sink]}\n"),
        "t.yaml:4:27: `meter` needs the flow of each packet, which nothing before it has found; put one of "
        "these before it: validate\n"},
    {"ShardsOfAFlowThatNobodyFound",
        on_g("  p: {from: [g], stages: [burn]}\n"
             "  q: {from: [p], shard-by: flow, on-full: block, stages: [meter, sink]}\n"),
        "t.yaml:5:28: `shard-by: flow` needs the flow of each packet, which nothing before it has found on "
        "the way through `p`; put one of these before it: validate\n"},
    {"AFlowThatIsNotFoundOnEveryWay",
        on_ab("  p: {from: [a], stages: [validate]}\n"
              "  o: {from: [b], stages: [burn]}\n"
              "  q: {from: [p, o], shard-by: flow, on-full: block, stages: [meter, sink]}\n"),
        "t.yaml:6:31: `shard-by: flow` needs the flow of each packet, which nothing before it has found on "
        "the way through `o`; put one of these before it: validate\n"},
    /* stages */
    {"AStageOfTwoKeys", stages("[{burn: {}, meter: {}}, sink]"),
        "t.yaml:4:31: a stage is a word, or a map with one key, as in [validate, {burn: {cycles: 300}}]\n"},
    {"AStageThatIsAList", stages("[[burn], sink]"),
        "t.yaml:4:31: a stage is a word, or a map with one key, as in [validate, {burn: {cycles: 300}}]\n"},
    {"AStageThatIsAnEmptyMap", stages("[{}, sink]"),
        "t.yaml:4:31: a stage is a word, or a map with one key, as in [validate, {burn: {cycles: 300}}]\n"},
    {"AStageWhoseNameIsAList", stages("[{[burn]: {}}, sink]"),
        "t.yaml:4:31: a stage is a word, or a map with one key, as in [validate, {burn: {cycles: 300}}]\n"},
    {"StagesThatAreAWord", stages("sink"),
        "t.yaml:4:30: stages is no list; allowed: a list like [validate, meter]\n"},
    {"NoStages", stages("[]"), "t.yaml:4:30: stages has 0 items; allowed: 1 .. 64\n"},
    {"TooManyStages", stages("[" + repeated("burn, ", 64) + "sink]"),
        "t.yaml:4:30: stages has 65 items; allowed: 1 .. 64\n"},
    {"AStageWithAWordForItsMap", stages("[{sink: order}]"),
        "t.yaml:4:38: stage `sink` is no map; allowed: check\n"},
    {"AnUnknownStage", stages("[validat, sink]"),
        "t.yaml:4:31: unknown stage `validat`; allowed: validate, admit, meter, burn, sink, transmit, bare, "
        "reflect, tee, classify; "
        "did you mean `validate`?\n"},
    {"AnUnknownStageLikeNoOther", stages("[teleport, sink]"),
        "t.yaml:4:31: unknown stage `teleport`; allowed: validate, admit, meter, burn, sink, transmit, "
        "bare, reflect, tee, classify\n"},
    {"PacketsThatEndNowhere", on_g("  p: {from: [g], stages: [validate]}\n"),
        "t.yaml:4:27: pool `p` feeds nobody, so its packets must end; allowed as last stage: sink, "
        "transmit, reflect\n"},
    {"AStageBehindTheEnd", on_g("  p: {from: [g], stages: [sink, validate, sink]}\n"),
        "t.yaml:4:27: no packet passes `sink`; make it the last stage\n"},
    {"APoolThatEndsPacketsAndFeeds",
        on_g("  p: {from: [g], stages: [sink]}\n"
             "  q: {from: [p], shard-by: none, on-full: block, stages: [sink]}\n"),
        "t.yaml:4:27: pool `p` feeds `q`, and nothing passes `sink`; remove one of the two\n"},
    {"AStageThatWorksOnlyOnPorts",
        inbox("shard-by: none, on-full: block, stages: [{admit: {rate: 1Gbps}}, sink]}\n"),
        "t.yaml:5:61: `admit` works only in a pool fed by ports, and pools feed `p`; move it there\n"},
    {"ATransmitWithoutAMap", on_ab("  p: {from: [a, b], stages: [transmit]}\n"),
        "t.yaml:4:30: stage `transmit` needs a map; allowed: INPUT-PORT: OUTPUT-PORT\n"},
    {"ATransmitOfAList", on_ab("  p: {from: [a, b], stages: [{transmit: [a, b]}]}\n"),
        "t.yaml:4:41: stage `transmit` needs a map; allowed: INPUT-PORT: OUTPUT-PORT\n"},
    {"ATransmitToAList", on_ab("  p: {from: [a, b], stages: [{transmit: {a: [b], b: a}}]}\n"),
        "t.yaml:4:45: a port must be a single word\n"},
    {"ATransmitToNobody", on_ab("  p: {from: [a, b], stages: [{transmit: {a: bb, c: a}}]}\n"),
        "t.yaml:4:45: no port is named `bb`; allowed: a, b\n"
        "t.yaml:4:49: no port is named `c`; allowed: a, b\n"},
    {"ATransmitOfOnePortTwice", on_ab("  p: {from: [a, b], stages: [{transmit: {a: b, b: a, a: a}}]}\n"),
        "t.yaml:4:54: `a` is written a second time; remove one\n"},
    {"ATransmitToAFile",
        "version: 1\nports: {f: {file: f.pcap}}\npools:\n  p: {from: [f], stages: [{transmit: {f: f}}]}\n",
        "t.yaml:4:42: port `f` is a `file`, which cannot transmit; the stage `write` writes captures\n"},
    {"ATeeToNobody", on_tee("{tee: cpy}", "in", "drop"),
        "t.yaml:5:44: no pool is named `cpy`; allowed: in, copy, out; did you mean `copy`?\n"},
    {"ATeeWithoutAName", on_tee("tee", "in", "drop"),
        "t.yaml:5:38: stage `tee` needs the name of a pool; allowed: {tee: POOL}\n"},
    {"ATeeOfAMap", on_tee("{tee: {pool: copy}}", "in", "drop"),
        "t.yaml:5:44: stage `tee` needs the name of a pool; allowed: {tee: POOL}\n"},
    {"TwoTeesOfOnePool", on_tee("{tee: out}, {tee: copy}", "in", "drop"),
        "t.yaml:5:44: pool `out` gets copies, which must not hold up `in`; write `on-full: drop` there\n"
        "t.yaml:5:51: pool `in` has a `tee` already; allowed: one a pool\n"},
    {"ATeeToAPoolThatBlocks", on_tee("{tee: copy}", "in", "block"),
        "t.yaml:5:44: pool `copy` gets copies, which must not hold up `in`; write `on-full: drop` there\n"},
    {"ATeeToAPoolThatTakesClasses", on_tee("{tee: copy}", "in", "drop, take: [other]"),
        "t.yaml:6:59: pool `copy` gets copies of every class; remove `take`, or put `tee` behind a pool that "
        "takes "
        "them\n"
        "t.yaml:6:59: `take` needs the class of each packet, which nothing before it has found on the way "
        "through "
        "`in`; put one of these before it: classify\n"},
    {"ATeeToAPoolThatTakesFromAnother",
        "version: 1\nports: {a: {vdev: a}, b: {vdev: b}}\npools:\n"
        "  in: {from: [a], stages: [validate, {tee: copy}, sink]}\n"
        "  other: {from: [b], stages: [validate]}\n"
        "  copy: {from: [other], shard-by: flow, on-full: drop, stages: [sink]}\n",
        "t.yaml:4:44: pool `copy` does not take the copies of `in`; add `in` to its `from`\n"},
    {"ACopyThatNobodyLookedAtHasNoFlow",
        "version: 1\nports: {g: {generator: }}\npools:\n"
        "  in: {from: [g], stages: [{tee: copy}, validate]}\n"
        "  copy: {from: [in], shard-by: flow, on-full: drop, stages: [sink]}\n"
        "  out: {from: [in], shard-by: flow, on-full: drop, stages: [sink]}\n",
        "t.yaml:5:32: `shard-by: flow` needs the flow of each packet, which nothing before it has found on "
        "the way "
        "through `in`; put one of these before it: validate\n"},
    {"ATeeToItself",
        "version: 1\nports: {g: {generator: }}\npools:\n"
        "  in: {from: [in], shard-by: none, on-full: drop, stages: [{tee: in}, sink]}\n",
        "t.yaml:2:9: port `g` is used by nobody; name it in the `from` of a pool, or remove it\n"
        "t.yaml:4:15: pools feed each other in a circle: in → in; begin with a port\n"},
    {"AReflectToAPortThatCannot",
        on_g("  in: {from: [g], stages: [validate]}\n"
             "  p: {from: [in], shard-by: flow, on-full: drop, stages: [reflect]}\n"),
        "t.yaml:5:59: `reflect` sends packets of port `g` back, which is a `generator` and cannot transmit; "
        "end in "
        "another stage, or keep its packets from here\n"},
    {"ATransmitToAPortThatCannot", on_g("  p: {from: [g], stages: [{transmit: {g: g}}]}\n"),
        "t.yaml:4:42: port `g` is a `generator`, which cannot transmit; name one of another kind\n"},
    {"ATransmitWithoutAWayOut",
        on_ab("  in: {from: [a, b], stages: [validate]}\n"
              "  out: {from: [in], shard-by: flow, on-full: block, stages: [{transmit: {a: b}}]}\n"),
        "t.yaml:5:63: `transmit` has no way out for packets of port `b`; add `b: PORT`\n"},
    /* classes */
    {"ClassesThatAreAMap", classes("{dns: {match: udp}}"),
        "t.yaml:2:10: classes is no list; allowed: a list like [dns: {match: udp port 53}]\n"},
    {"NoClasses", classes("[]"), "t.yaml:2:10: classes has 0 items; allowed: 1 .. 255\n"},
    {"TooManyClasses", classes("[" + numbered("c", ": {match: udp}, ", 256) + "]"),
        "t.yaml:2:10: classes has 256 items; allowed: 1 .. 255\n"},
    {"AClassThatIsAWord", classes("[dns]"),
        "t.yaml:2:11: a class is a map with one key, its name, as in {dns: {match: udp port 53}}\n"},
    {"AClassOfTwoNames", classes("[{a: {match: udp}, b: {match: tcp}}]"),
        "t.yaml:2:11: a class is a map with one key, its name, as in {dns: {match: udp port 53}}\n"},
    {"AClassThatIsSpelledOtherwise", classes("[a b: {match: udp}]"),
        "t.yaml:2:11: name `a b` is not spelled like a name; allowed: 1 to 32 letters, digits, _ and -\n"},
    {"AClassNamedOther", classes("[other: {match: udp}]"),
        "t.yaml:2:11: `other` is the class of what no other matches; rename this one\n"},
    {"TwoClassesOfOneName", classes("[a: {match: udp}, a: {match: tcp}]"),
        "t.yaml:2:28: class `a` has the name of the class in line 2; rename one\n"},
    {"AClassWithoutAnExpression", classes("[a: {priority: 1}]"), "t.yaml:2:11: class `a` needs `match`\n"},
    {"AClassWithAnEmptyExpression", classes("[a: {match: \"\"}]"),
        "t.yaml:2:22: match `` is empty; allowed: text\n"},
    {"AnUnknownKeyOfAClass", classes("[a: {match: udp, prority: 1}]"),
        "t.yaml:2:27: unknown key `prority` in class `a`; allowed: match, frame, priority, rate, burst; did "
        "you "
        "mean "
        "`priority`?\n"},
    {"AClassWithAPriorityTooLow", classes("[a: {match: udp, priority: 8}]"),
        "t.yaml:2:37: priority `8` is out of range; allowed: 0 .. 7\n"},
    {"AClassWithAnUnknownFrame", classes("[a: {match: udp, frame: rw}]"),
        "t.yaml:2:34: frame `rw` is not known; allowed: untagged, raw; did you mean `raw`?\n"},
    {"AnExpressionThatDoesNotCompile", classes("[a: {match: udp prt 53}]"),
        "t.yaml:2:22: match `udp prt 53`: syntax error; allowed: an expression\n"},
    {"AnOverrideWithAnExpressionThatDoesNotCompile", classes("[a: {match: udp}]"),
        "--set classes.a.match: match `udp prt 53`: syntax error; allowed: an expression\n",
        {"classes.a.match=udp prt 53"}},
    {"ClassesThatNoStageFinds", classes("[a: {match: udp}, b: {match: tcp}]", "[sink]"),
        "t.yaml:2:11: class `a` is found by no stage; remove it, or put one of these into a pool: classify\n"
        "t.yaml:2:28: class `b` is found by no stage; remove it, or put one of these into a pool: "
        "classify\n"},
    {"AStageThatFindsNoClasses", stages("[classify, sink]"),
        "t.yaml:4:31: `classify` has no classes to look for; write `classes`, or remove it\n"},
    {"ARateThatNothingHolds", classes("[a: {match: udp, rate: 1Gbps}]"),
        "t.yaml:2:33: class `a` has a rate that nothing holds it to; put `admit: {per: class}` behind the "
        "stage that "
        "finds it, or remove the rate\n"},
    {"ALimitOfAClassThatNobodyFound", classes("[a: {match: udp}]", "[{admit: {per: class}}, classify, sink]"),
        "t.yaml:5:32: `admit` needs the class of each packet, which nothing before it has found; put one of "
        "these "
        "before it: classify\n"},
    {"AnExceptionOfAClassThatNobodyFound",
        classes("[a: {match: udp}]", "[{admit: {rate: max, except: [a]}}, classify, sink]"),
        "t.yaml:5:32: `admit` needs the class of each packet, which nothing before it has found; put one of "
        "these "
        "before it: classify\n"},
    {"AnExceptionOfAnUnknownClass",
        classes("[dns: {match: udp}]", "[classify, {admit: {rate: max, except: [dsn, other]}}, sink]"),
        "t.yaml:5:70: no class is named `dsn`; allowed: dns, other; did you mean `dns`?\n"},
    {"AnExceptionWrittenTwice",
        classes("[a: {match: udp}]", "[classify, {admit: {rate: max, except: [a, a]}}, sink]"),
        "t.yaml:5:73: `a` is written a second time; remove one\n"},
    {"AnExceptionThatIsAWord",
        classes("[a: {match: udp}]", "[classify, {admit: {rate: max, except: a}}, sink]"),
        "t.yaml:5:69: except is no list; allowed: a list like [dns, other]\n"},
    {"AnExceptionThatIsAMap",
        classes("[a: {match: udp}]", "[classify, {admit: {rate: max, except: [{a: 1}]}}, sink]"),
        "t.yaml:5:70: a class must be a single word\n"},
    {"ARateBesidesThatOfEachClass",
        classes("[a: {match: udp}]", "[classify, {admit: {per: class, rate: 1Gbps}}, sink]"),
        "t.yaml:5:68: `rate` means nothing beside `per: class`; remove it, or write `per: port`\n"},
    {"NoRateOfAPort", classes("[a: {match: udp}]", "[classify, {admit: {except: [a]}}, sink]"),
        "t.yaml:5:42: stage `admit` needs `rate`; allowed: a rate, or `max`\n"},
    {"ALimitOfAClassOnSeveralWorkers",
        "version: 1\nclasses: [a: {match: udp}]\nports: {a: {vdev: x}, b: {vdev: y}}\npools:\n"
        "  p: {from: [a, b], workers: 2, stages: [classify, {admit: {per: class}}, sink]}\n",
        "t.yaml:5:53: `per: class` holds a class to one limit, and pool `p` has 2 workers; write `workers: "
        "1`\n"},
    {"AKeyOfAPortKindThatAnotherExcludes",
        "version: 1\nports: {a: {file: {path: x, speed: 2, rate: 1Mpps}}}\n"
        "pools: {p: {from: [a], stages: [sink]}}\n",
        "t.yaml:2:45: `rate` means nothing beside `speed: 2`; remove it, or write `speed: 0`\n"},
    {"AFileWithoutAName", "version: 1\nports: {a: {file: }}\npools: {p: {from: [a], stages: [sink]}}\n",
        "t.yaml:2:19: file needs `path`\n"},
    {"ASpeedWithTooManyDecimals",
        "version: 1\nports: {a: {file: {path: x, speed: 1.2345}}}\n"
        "pools: {p: {from: [a], stages: [sink]}}\n",
        "t.yaml:2:36: speed `1.2345` is not whole thousandths; allowed: a number with up to three "
        "decimals\n"},
    {"ASpeedThatIsTooHigh",
        "version: 1\nports: {a: {file: {path: x, speed: 1001}}}\n"
        "pools: {p: {from: [a], stages: [sink]}}\n",
        "t.yaml:2:36: speed `1001` is out of range; allowed: 0 .. 1000\n"},
    /* overrides */
    {"AnOverrideThatIsOutOfRange", small(""),
        "--set pools.all.workers: workers `0` is out of range; allowed: 1 .. 64\n", {"pools.all.workers=0"}},
    {"AnOverrideOfAnUnknownPool", small(""),
        "--set pools.al.workers: the file has no `al` here; allowed: all; did you mean `all`?\n",
        {"pools.al.workers=1"}},
    {"AnOverrideOfAnUnknownStage", small(""),
        "--set pools.all.stages.meter.idle: the file has no `meter` here; allowed: validate, sink\n",
        {"pools.all.stages.meter.idle=1s"}},
    {"AnOverrideBelowAWord", small(""), "--set version.x: the file has no `x` here\n", {"version.x=1"}},
    {"AnOverrideOfAnUnknownKey", small(""),
        "--set sed: unknown key `sed` in the configuration; allowed: version, seed, name, memory, cpus, "
        "ports, classes, pools, exports, listen, control, log, drain-timeout, stop-after; did you mean "
        "`seed`?\n",
        {"sed=1"}},
    {"AnOverrideWithoutAValue", small(""),
        "--set seed: no override; allowed: key=value, as in pools.work.workers=2\n", {"seed"}},
    {"AnOverrideWithoutAKey", small(""),
        "--set : no override; allowed: key=value, as in pools.work.workers=2\n", {"=1"}},
    {"AnOverrideOfTwoLines", small(""),
        "--set name: no override; allowed: key=value, as in pools.work.workers=2\n",
        {"name=a\n"
         "b"}},
    {"AnOverrideOfTwoUnusualLines", small(""),
        "--set name: no override; allowed: key=value, as in pools.work.workers=2\n", {"name=a\xc2\x85\x62"}},
    {"AnOverrideOfAListByAWord", small(""),
        "--set pools.all.from: from is no list; allowed: a list like [gen]\n", {"pools.all.from=gen"}},
    {"AnOverrideBehindTheEndOfAList", small(""),
        "--set pools.all.stages.2: the file has no `2` here; allowed: validate, sink\n",
        {"pools.all.stages.2=tee"}},
    {"AnOverrideWithAMistakeInItsMap", small(""),
        "--set ports.gen: unknown key `flow` in generator; allowed: flows, size, rate, count, queue, "
        "protocols, spike, timeline; did you "
        "mean `flows`?\n",
        {"ports.gen={generator: {flow: 5}}"}},
    {"AnOverrideWhoseMapIsLeftOpen", small(""),
        "--set ports.gen: did not find expected node content; close the bracket, and put text that begins "
        "with it into quotes\n",
        {"ports.gen={generator: {"}},
    {"AnOverrideWithAnAliasOfTheFile", small(""),
        "--set ports.gen: `*x` names nothing above it; write `&x` there, or put the text into quotes\n",
        {"ports.gen=[*x]"}},
    {"AnOverrideWithAnEmptyStep", small(""), "--set pools..workers: the file has no `` here; allowed: all\n",
        {"pools..workers=1"}},
    /* several */
    {"ThreeMistakesGiveThreeErrors",
        "version: 1\n"
        "name: my pipe\n"
        "ports: {g: {generator: {rate: 5}}}\n"
        "pools: {p: {from: [g], stages: [validat, sink]}}\n",
        "t.yaml:2:7: name `my pipe` is not spelled like a name; allowed: 1 to 32 letters, digits, _ and -\n"
        "t.yaml:3:31: rate `5` has no unit; allowed: `max`, or a number with bps kbps Mbps Gbps pps kpps "
        "Mpps Gpps\n"
        "t.yaml:4:33: unknown stage `validat`; allowed: validate, admit, meter, burn, sink, transmit, bare, "
        "reflect, tee, classify; "
        "did you mean `validate`?\n"},
    {"AllMistakesAreSortedByPlace",
        "version: 3\n"
        "memori: auto\n"
        "pools:\n"
        "  all: {from: [gne], stages: [validat, sink], workers: 0}\n"
        "ports: {gen: {generator: {rate: 5}}}\n"
        "log: loud\n",
        "--set seed: seed `x` is no number; allowed: a whole number, also with k M G\n"
        "--set name: name `a b` is not spelled like a name; allowed: 1 to 32 letters, digits, _ and -\n"
        "t.yaml:1:10: version `3` is out of range; allowed: 1\n"
        "t.yaml:2:1: unknown key `memori` in the configuration; allowed: version, seed, name, memory, cpus, "
        "ports, classes, pools, exports, listen, control, log, drain-timeout, stop-after; did you mean "
        "`memory`?\n"
        "t.yaml:4:16: no port or pool is named `gne`; allowed: gen, all; did you mean `gen`?\n"
        "t.yaml:4:31: unknown stage `validat`; allowed: validate, admit, meter, burn, sink, transmit, bare, "
        "reflect, tee, classify; "
        "did you mean `validate`?\n"
        "t.yaml:4:56: workers `0` is out of range; allowed: 1 .. 64\n"
        "t.yaml:5:33: rate `5` has no unit; allowed: `max`, or a number with bps kbps Mbps Gbps pps kpps "
        "Mpps Gpps\n"
        "t.yaml:6:6: log `loud` is not known; allowed: error, warning, notice, info, debug\n",
        {"seed=x", "name=a b"}},
    {"AMistakeThatAnAliasRepeatsIsShownOnce",
        "version: 1\n"
        "ports: {a: {vdev: x}, b: {vdev: y}}\n"
        "pools:\n"
        "  p: {from: [a], stages: &s [burnt, sink]}\n"
        "  q: {from: [b], stages: *s}\n",
        "t.yaml:4:30: unknown stage `burnt`; allowed: validate, admit, meter, burn, sink, transmit, bare, "
        "reflect, tee, classify; "
        "did you mean `burn`?\n"},
};

void PrintTo(const Mistake &m, std::ostream *to)
{
    *to << m.name;
}

class EveryMistake : public testing::TestWithParam<Mistake> {};

TEST_P(EveryMistake, IsNamedWithPlaceCauseAndRemedy)
{
    const Mistake &m = GetParam();
    EXPECT_EQ(
        m.path != nullptr ? test::load_path(m.path, m.sets).errors : test::errors(m.text, m.sets), m.said);
}

INSTANTIATE_TEST_SUITE_P(Config, EveryMistake, testing::ValuesIn(mistakes),
    [](const testing::TestParamInfo<Mistake> &info) { return info.param.name; });

} // namespace
