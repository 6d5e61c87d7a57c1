/* SPDX-License-Identifier: Apache-2.0 */
/* Tells systemd how the service is (sd_notify(3)); does nothing elsewhere. */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

#include <stdint.h>

void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);
void notify_watchdog(void);
void notify_status(const char *text); /* one line, shown by systemctl */

/* How often notify_watchdog() must be called, ms; 0: it need not. */
uint64_t notify_watchdog_ms(void);

#endif
