/* All of the plugin interface. */
#ifndef VEREDUS_VEREDUS_H
#define VEREDUS_VEREDUS_H

#include <veredus/attr.h>
#include <veredus/authres.h>
#include <veredus/body.h>
#include <veredus/clock.h>
#include <veredus/conf.h>
#include <veredus/control.h>
#include <veredus/dns.h>
#include <veredus/edit.h>
#include <veredus/helper.h>
#include <veredus/hook.h>
#include <veredus/http.h>
#include <veredus/kv.h>
#include <veredus/log.h>
#include <veredus/message.h>
#include <veredus/metric.h>
#include <veredus/plugin.h>
#include <veredus/queue.h>
#include <veredus/service.h>
#include <veredus/stage.h>
#include <veredus/stream.h>
#include <veredus/svc_auth.h>
#include <veredus/svc_deliver.h>
#include <veredus/svc_logsink.h>
#include <veredus/svc_resolver.h>
#include <veredus/svc_router.h>
#include <veredus/svc_store.h>
#include <veredus/svc_table.h>
#include <veredus/svc_tls_policy.h>
#include <veredus/table.h>
#include <veredus/timer.h>
#include <veredus/types.h>
#include <veredus/work.h>

#endif
