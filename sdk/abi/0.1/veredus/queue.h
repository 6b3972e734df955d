/* core.queue/1: messages into the queue, and orders on what is in it. In another process: request and answer travel. */
#ifndef VEREDUS_QUEUE_H
#define VEREDUS_QUEUE_H

#include <veredus/types.h>

#define VRD_CORE_QUEUE_1 "core.queue/1"

VRD_BEGIN

/** A message to inject. It goes through the stages `headers` to `queued` like any other. */
typedef struct vrd_queue_message {
  uint32_t size;             /**< sizeof(vrd_queue_message) */
  uint32_t zero;             /**< 0 */
  vrd_str sender;            /**< empty: the null sender */
  const vrd_str *recipients; /**< addresses */
  uint64_t recipient_count;  /**< 1 to 1,000 */
  vrd_str octets;            /**< header block, empty line, body; lines end with CRLF; up to the core's message_size */
  vrd_str tenant;            /**< may be empty */
  vrd_str stream;            /**< may be empty */
} vrd_queue_message;

#define VRD_QUEUE_RETRY 1u   /**< attempt now */
#define VRD_QUEUE_HOLD 2u    /**< wait for a release */
#define VRD_QUEUE_RELEASE 3u /**< end a hold */
#define VRD_QUEUE_BOUNCE 4u  /**< fail now, with a report to the sender */
#define VRD_QUEUE_REMOVE 5u  /**< remove without a report */

/** Which messages. Every member that is given must match; one that gives nothing matches nothing. */
typedef struct vrd_queue_selector {
  uint32_t size;           /**< sizeof(vrd_queue_selector) */
  uint32_t held;           /**< 0: any; 1: held only; 2: not held only */
  const vrd_str *ids;      /**< queue ids */
  uint64_t id_count;       /**< 0: any */
  vrd_str sender;          /**< exact, "*@domain" or "local@*"; empty: any */
  vrd_str recipient;       /**< likewise */
  vrd_str domain;          /**< pattern of the recipient's domain; empty: any */
  vrd_str destination;     /**< pattern of the destination's name; empty: any */
  vrd_str tenant;          /**< exact; empty: any */
  uint64_t older_than_ms;  /**< 0: any */
  uint64_t younger_than_ms; /**< 0: any */
} vrd_queue_selector;

/** VRD_OK: for inject() `id` is the queue id, durable, empty when a hook discarded it; for act() `touched` messages. VRD_E_TEMPORARY:
 *  not stored, or a hook wants it later.
 *  @thread loop  @since 0.1  @lifetime id: call */
typedef void (*vrd_queue_fn)(void *ctx, vrd_status status, vrd_str id, uint64_t touched);

/** "core.queue/1" */
typedef struct vrd_core_queue_1 {
  uint32_t size; /**< of the host's struct */
  uint32_t zero; /**< 0 */
  /** Injects a message.
   *  @thread loop  @since 0.1
   *  @errors VRD_E_THREAD; VRD_E_INVALID: an address, or no header block; VRD_E_BUSY: 1,000 of this instance are under way */
  vrd_status (*inject)(const vrd_host *host, const vrd_queue_message *message, void *ctx, vrd_queue_fn fn, vrd_op *op);
  /** Does something to messages in the queue: VRD_QUEUE_RETRY ... The log names the plugin and `reason`.
   *  @thread loop  @since 0.1
   *  @errors VRD_E_THREAD; VRD_E_INVALID; VRD_E_BUSY */
  vrd_status (*act)(const vrd_host *host, const vrd_queue_selector *selector, uint32_t action, vrd_str reason, void *ctx,
                    vrd_queue_fn fn, vrd_op *op);
  /** Makes no attempts to destinations or domains of a pattern until resume(), or until a restart.
   *  @thread loop  @since 0.1
   *  @errors as act() */
  vrd_status (*suspend)(const vrd_host *host, vrd_str pattern, vrd_str reason, void *ctx, vrd_queue_fn fn, vrd_op *op);
  /** Ends a suspension.
   *  @thread loop  @since 0.1
   *  @errors as act() */
  vrd_status (*resume)(const vrd_host *host, vrd_str pattern, void *ctx, vrd_queue_fn fn, vrd_op *op);
  /** The callback will not be called; what was asked for is done all the same.
   *  @thread loop  @since 0.1 */
  void (*cancel)(const vrd_host *host, vrd_op op);
} vrd_core_queue_1;

VRD_END
#endif
