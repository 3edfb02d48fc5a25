/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/log.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static enum weir_log_level most = WEIR_LOG_NOTICE;

static const char *const names[] = {"error", "warning", "notice", "info", "debug"};

void weir_log_set_level(enum weir_log_level level)
{
    most = level;
}

/* ---- standard error, without waiting ---- */

static pthread_mutex_t one_line = PTHREAD_MUTEX_INITIALIZER; /* guards the rest */
static int out = -1;
static bool torn;         /* the last line was cut: the next one needs a row of its own */
static uint32_t left_out; /* log lines since the last one that was written */

/* Our own way to the same terminal or pipe: not to wait is a property of the open file, and the one that we were given
 * is also that of whoever started us. */
static int open_without_waiting(void)
{
    struct stat about;
    if (fstat(STDERR_FILENO, &about) != 0 || !(S_ISCHR(about.st_mode) || S_ISFIFO(about.st_mode)))
        return STDERR_FILENO;
    int fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return fd >= 0 ? fd : STDERR_FILENO;
}

static bool put(const char *text)
{
    struct pollfd p = {.fd = out, .events = POLLOUT};
    if (out == STDERR_FILENO && poll(&p, 1, 0) == 0)
        return false; /* a socket, or a terminal that is not ours to open: nearly always enough */
    ssize_t length = (ssize_t)strlen(text), written = write(out, text, (size_t)length);
    if (written > 0)
        torn = written < length;
    return written == length;
}

static bool put_line(const char *text)
{
    if (out < 0)
        out = open_without_waiting();
    return (!torn || put("\n")) && put(text);
}

bool weir_log_show(const char *text)
{
    pthread_mutex_lock(&one_line);
    bool shown = put_line(text);
    pthread_mutex_unlock(&one_line);
    return shown;
}

/* ---- lines ---- */

static void write_line(enum weir_log_level level, uint32_t suppressed, const char *format, va_list args)
{
    char message[1024], line[1280], more[64] = "", missing[64] = "";
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    vsnprintf(message, sizeof message, format, args);
    if (suppressed != 0)
        snprintf(more, sizeof more, " (%u like it not shown)", suppressed);

    pthread_mutex_lock(&one_line);
    if (left_out != 0)
        snprintf(missing, sizeof missing, " (%u lines before it could not be written)", left_out);
    /* A progress line may stand on this terminal row: clear it first. */
    snprintf(line, sizeof line, "%s%02d:%02d:%02d.%03ld weir %s: %s%s%s\n",
        isatty(STDERR_FILENO) ? "\r\033[K" : "", parts.tm_hour, parts.tm_min, parts.tm_sec,
        now.tv_nsec / 1000000, names[level], message, more, missing);
    left_out = put_line(line) ? 0 : left_out + 1;
    pthread_mutex_unlock(&one_line);
}

void weir_log(enum weir_log_level level, const char *format, ...)
{
    if (level > most)
        return;
    va_list args;
    va_start(args, format);
    write_line(level, 0, format, args);
    va_end(args);
}

void weir_log_limited(struct weir_log_limit *limit, enum weir_log_level level, const char *format, ...)
{
    if (level > most)
        return;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (limit->second != now.tv_sec) {
        limit->second = now.tv_sec;
        limit->lines = 0;
    }
    if (++limit->lines > WEIR_LOG_BURST) {
        limit->suppressed++;
        return;
    }
    uint32_t suppressed = limit->suppressed;
    limit->suppressed = 0;
    va_list args;
    va_start(args, format);
    write_line(level, suppressed, format, args);
    va_end(args);
}
