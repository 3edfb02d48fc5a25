/* SPDX-License-Identifier: BSD-3-Clause */
/* Any file is opened as a capture, or refused with a message; any frame gets other addresses, or stays as it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dataplane/pcapng.h"
#include "dataplane/port.h"
#include "dataplane/rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct weir_port port;
    struct weir_port_stats stats;
    struct weir_pcapng_kept kept;
    char path[64];
    int fd = memfd_create("capture", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    memset(&port, 0, sizeof port);
    port.rx_queues = 1;
    uint64_t plain[16] = {0}; /* everything that is done to a frame at open is done */
    for (const struct weir_param *p = weir_port_file.params; p->key != NULL; p++) {
        uint64_t value = p->type == WEIR_PARAM_STRING ? (uintptr_t)path : strcmp(p->key, "rate") == 0 ? 0 : 3;
        memcpy((char *)plain + p->offset, &value, sizeof value);
    }
    int result = weir_port_file.open(&port, plain);
    if ((result != 0) != (port.error[0] != '\0'))
        abort();
    if (result == 0) {
        weir_port_file.stats(&port, &stats);
        weir_port_file.close(&port);
    }
    close(fd);

    uint8_t *alone = malloc(size); /* no byte beyond is read, and no more is left than there was */
    if (size != 0)
        memcpy(alone, data, size);
    if (weir_pcapng_keep_ethernet(alone, size, &kept) && kept.bytes > size)
        abort();
    struct weir_rewrite found = weir_rewrite_find(alone, (uint32_t)size, (uint32_t)size);
    weir_rewrite_apply(alone, &found, 5);
    free(alone);
    return 0;
}
