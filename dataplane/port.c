/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/port.h"

const struct weir_port_def *const weir_port_list[] = {
    &weir_port_generator, &weir_port_file, &weir_port_vdev, &weir_port_pci, &weir_port_interface, NULL};
