/* SPDX-License-Identifier: BSD-3-Clause */
#include "workers/log.h"

#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static enum weir_log_level most = WEIR_LOG_NOTICE;
static pthread_mutex_t one_line = PTHREAD_MUTEX_INITIALIZER;
static uint32_t unread; /* lines left out since the last one that was written */

static const char *const names[] = {"error", "warning", "notice", "info", "debug"};

void weir_log_set_level(enum weir_log_level level)
{
    most = level;
}

bool weir_log_ready(void)
{
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&p, 1, 0) != 0; /* an error shows when it is written to, and waits for nobody */
}

static void write_line(enum weir_log_level level, uint32_t suppressed, const char *format, va_list args)
{
    char line[1024];
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    size_t used = strftime(line, sizeof line, "%H:%M:%S", &parts);
    used += (size_t)snprintf(
        line + used, sizeof line - used, ".%03ld weir %s: ", now.tv_nsec / 1000000, names[level]);
    used += (size_t)vsnprintf(line + used, sizeof line - used, format, args);
    if (used >= sizeof line)
        used = sizeof line - 1;
    if (suppressed != 0)
        snprintf(line + used, sizeof line - used, " (%u like it not shown)", suppressed);
    /* A progress line may stand on this terminal row: clear it first. */
    const char *clear = isatty(STDERR_FILENO) ? "\r\033[K" : "";
    pthread_mutex_lock(&one_line);
    if (!weir_log_ready()) {
        unread++;
    } else if (unread != 0) {
        fprintf(stderr, "%s%s (%u lines before it are missing: nobody read them)\n", clear, line, unread);
        unread = 0;
    } else {
        fprintf(stderr, "%s%s\n", clear, line);
    }
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
