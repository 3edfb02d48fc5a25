/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/device.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>

#include <rte_dev.h>

#include "dataplane/mbuf.h"

#define AF_PACKET_FRAMESZ 2048 /* the driver's default */
static_assert(WEIR_AF_PACKET_AROUND == WEIR_MTU_AROUND, "one slot of AF_PACKET is one buffer");

/* ---- drivers, and what a device string says ---- */

static const struct weir_driver drivers[] = {
    {"net_af_packet", "qpairs", .needs_privilege = true, .blind = true, .spreads = true, .rides = true},
    {"net_af_xdp", "queue_count", .needs_privilege = true, .blind = true, .spreads = true,
        .keeps_mbufs = true, .rides = true, .errors_refused = true},
    {"net_tap", .needs_privilege = true, .blind = true, .errors_refused = true},
    {"net_memif", .calls = true},
    {"net_ring", .loops = true},
    {.prefix = ""},
};

const struct weir_driver *weir_driver_of(const char *device)
{
    const struct weir_driver *d = drivers;
    char name[RTE_DEV_NAME_MAX_LEN];
    bool alias = strncmp(device, "eth_", 4) == 0; /* DPDK's old names, which still work */
    snprintf(name, sizeof name, "%s%s", alias ? "net" : "", alias ? device + 3 : device);
    while (strncmp(name, d->prefix, strlen(d->prefix)) != 0)
        d++;
    return d;
}

const char *weir_device_argument(const char *device, const char *key, char *value, size_t size)
{
    size_t length = strlen(key);
    for (const char *at = strchr(device, ','); at != NULL; at = strchr(at, ',')) {
        at++;
        if (strncmp(at, key, length) == 0 && at[length] == '=') {
            at += length + 1;
            snprintf(value, size, "%.*s", (int)strcspn(at, ","), at);
            return value;
        }
    }
    return NULL;
}

bool weir_device_is_af_packet(const char *device)
{
    return strcmp(weir_driver_of(device)->prefix, "net_af_packet") == 0;
}

bool weir_device_calls(const char *device)
{
    char role[8];
    const char *given = weir_device_argument(device, "role", role, sizeof role);
    return weir_driver_of(device)->calls &&
           (given == NULL || (strcmp(role, "server") != 0 && strcmp(role, "master") != 0));
}

uint32_t weir_device_framesz(const char *device)
{
    char text[64];
    return weir_device_argument(device, "framesz", text, sizeof text) != NULL
               ? (uint32_t)strtoul(text, NULL, 10)
               : AF_PACKET_FRAMESZ;
}

/* ---- the kernel's interface ---- */

/* 0 or -errno. */
static int ask(unsigned long what, struct ifreq *request)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int result = fd < 0 || ioctl(fd, what, request) != 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return result;
}

struct weir_interface weir_interface_named(const char *name)
{
    struct weir_interface i = {.name = ""};
    struct ifreq request = {0};
    snprintf(i.name, sizeof i.name, "%s", name);
    memcpy(request.ifr_name, i.name, sizeof i.name);
    if (ask(SIOCGIFMTU, &request) == 0)
        i.mtu = (uint32_t)request.ifr_mtu;
    int result = ask(SIOCGIFINDEX, &request);
    i.known = result == 0 || result == -ENODEV;
    i.index = result == 0 ? (unsigned)request.ifr_ifindex : 0;
    if (ask(SIOCGIFFLAGS, &request) == 0)
        i.flags = request.ifr_flags;
    return i;
}

uint32_t weir_interface_queues(const char *name)
{
    struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
    struct ifreq request = {.ifr_data = (char *)&channels};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    uint32_t n = ask(SIOCETHTOOL, &request) == 0 ? channels.combined_count + channels.rx_count : 1;
    return n == 0 ? 1 : n > WEIR_PORTS_MAX ? WEIR_PORTS_MAX : n;
}

int weir_interface_set_up(const char *name, bool up)
{
    struct weir_interface i = weir_interface_named(name);
    struct ifreq request = {.ifr_flags = (short)(up ? i.flags | IFF_UP : i.flags & ~IFF_UP)};
    memcpy(request.ifr_name, i.name, sizeof i.name);
    return ask(SIOCSIFFLAGS, &request);
}

struct weir_interface weir_interface_of(const char *device)
{
    char name[IFNAMSIZ];
    const char *given = weir_device_argument(device, "iface", name, sizeof name);
    return given != NULL ? weir_interface_named(name) : (struct weir_interface){.name = ""};
}

/* ---- what a configuration may say ---- */

/* net_af_packet copies what it receives into one buffer: it must not be longer. The least is what an MTU of 68 needs,
 * which the kernel does not go below. */
bool weir_device_check(const char *device, FILE *complaint)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:";
    char text[64];
    size_t length = strcspn(device, ",");
    if (length == 0 || length >= RTE_DEV_NAME_MAX_LEN || strspn(device, letters) != length) {
        fprintf(complaint,
            "`%.*s` is no device; allowed: a driver with a number, then its arguments, as in "
            "net_null0,size=64",
            80, device);
        return false;
    }
    if (!weir_device_is_af_packet(device) ||
        weir_device_argument(device, "framesz", text, sizeof text) == NULL)
        return true;
    unsigned long framesz = strtoul(text, NULL, 10);
    if (text[0] != '\0' && text[strspn(text, "0123456789")] == '\0' &&
        framesz >= WEIR_AF_PACKET_AROUND + 68 && framesz <= WEIR_MBUF_ROOM)
        return true;
    fprintf(complaint,
        "device %.*s: framesz=%s does not fit a packet buffer; allowed: %d .. %u; write framesz=%u or leave "
        "it out",
        (int)length, device, text, WEIR_AF_PACKET_AROUND + 68, WEIR_MBUF_ROOM, WEIR_MBUF_ROOM);
    return false;
}

/* DOMAIN:BUS:DEVICE.FUNCTION, as lspci -D shows it. */
bool weir_address_check(const char *text, FILE *complaint)
{
    static const char form[] = "xxxx:xx:xx.x";
    size_t i = 0;
    while (form[i] != '\0' && (form[i] == 'x' ? isxdigit((unsigned char)text[i]) != 0 : text[i] == form[i]))
        i++;
    if (form[i] == '\0' && text[i] == '\0')
        return true;
    fprintf(complaint, "`%.40s` is no PCI address; allowed: one like 0000:3b:00.0, as `lspci -D` shows them",
        text);
    return false;
}

bool weir_interface_check(const char *text, FILE *complaint)
{
    if (strlen(text) < IFNAMSIZ && strcspn(text, "/ ,") == strlen(text))
        return true;
    fprintf(complaint,
        "`%.40s` is no name of an interface; allowed: at most %d characters, without / and comma", text,
        IFNAMSIZ - 1);
    return false;
}
