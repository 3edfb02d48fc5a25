/* SPDX-License-Identifier: BSD-3-Clause */
/* How much of its volume a test takes: all of it where it proves that the figures are right, each eleventh under a
 * sanitizer, which looks at the code and would take minutes. A prime, so that what goes by turns still does. */
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr unsigned EACH_NTH = 11;
#else
constexpr unsigned EACH_NTH = 1;
#endif
