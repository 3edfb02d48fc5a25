/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/port.h"

#include <stdarg.h>

const struct weir_port_def *const weir_port_list[] = {
    &weir_port_generator, &weir_port_file, &weir_port_vdev, &weir_port_pci, &weir_port_interface, NULL};

int weir_port_refuse(struct weir_port *port, int result, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(port->error, sizeof port->error, format, arguments);
    va_end(arguments);
    return result;
}
