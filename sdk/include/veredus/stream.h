/* core.stream/1: client connections over TCP and Unix sockets, for protocols that no other service speaks. TLS targets are refused with
 * VRD_E_UNSUPPORTED until the core has TLS. In another process: octets travel as frames. */
#ifndef VEREDUS_STREAM_H
#define VEREDUS_STREAM_H

#include <veredus/types.h>

#define VRD_CORE_STREAM_1 "core.stream/1"

VRD_BEGIN

/** What happens to a stream, told in this order: opened once; then data and drained any number of times; closed once, and nothing more.
 *  All three functions are required. */
typedef struct vrd_stream_events {
  uint32_t size; /**< sizeof(vrd_stream_events) */
  uint32_t zero; /**< 0 */
  /** The connection stands (VRD_OK), or does not (VRD_E_TIMEOUT, VRD_E_IO; then nothing more is called).
   *  @thread loop  @since 0.1 */
  void (*opened)(void *ctx, vrd_op stream, vrd_status status);
  /** Octets came: up to 64 KiB. With {any, 0}: the other side will send no more.
   *  @thread loop  @since 0.1  @lifetime octets: call */
  void (*data)(void *ctx, vrd_op stream, vrd_str octets);
  /** The connection is gone: VRD_E_CLOSED, VRD_E_TIMEOUT (nothing came for `idle_ms`), VRD_E_IO. Not called after close().
   *  @thread loop  @since 0.1 */
  void (*closed)(void *ctx, vrd_op stream, vrd_status status);
} vrd_stream_events;

/** Where to connect to. */
typedef struct vrd_stream_request {
  uint32_t size;       /**< sizeof(vrd_stream_request) */
  uint32_t timeout_ms; /**< for the connection: 1 to 60,000 */
  uint32_t idle_ms;    /**< closed when nothing came for so long after something was sent: 1 to 3,600,000 */
  uint32_t zero;       /**< 0 */
  vrd_str target;      /**< "tcp://HOST:PORT", "unix:///PATH"; "tls://HOST:PORT": its certificate is checked against
                            the authorities of the setting `tls.ca` and HOST, and opened() tells VRD_E_IO otherwise */
} vrd_stream_request;

/** "core.stream/1" */
typedef struct vrd_core_stream_1 {
  uint32_t size; /**< of the host's struct */
  uint32_t zero; /**< 0 */
  /** Opens a connection. At most 1,000 of an instance and loop.
   *  @thread loop  @since 0.1
   *  @lifetime events: forever
   *  @errors VRD_E_THREAD; VRD_E_INVALID: target; VRD_E_UNSUPPORTED; VRD_E_BUSY */
  vrd_status (*open)(const vrd_host *host, const vrd_stream_request *request, const vrd_stream_events *events, void *ctx,
                     vrd_op *stream);
  /** Sends octets; copies. At most 16 MiB wait to be sent.
   *  @thread loop  @since 0.1
   *  @errors VRD_E_CLOSED; VRD_E_STATE: not opened yet; VRD_E_MEMORY: too much waits */
  vrd_status (*send)(const vrd_host *host, vrd_op stream, vrd_str octets);
  /** Reads no more (1), or goes on (0).
   *  @thread loop  @since 0.1 */
  void (*pause)(const vrd_host *host, vrd_op stream, int32_t on);
  /** Sends what waits, then closes; no event is told any more. A stale stream is harmless.
   *  @thread loop  @since 0.1 */
  void (*close)(const vrd_host *host, vrd_op stream);
} vrd_core_stream_1;

VRD_END
#endif
