/* core.message/1: reads a view. Header positions and octets are those of the message as it is after the edits of earlier stages; changes
 * that hooks before this one want at the same stage are not in it yet. In another process: attributes, headers and the start of the body
 * travel with the view; the rest of a large body is read through a descriptor. */
#ifndef VEREDUS_MESSAGE_H
#define VEREDUS_MESSAGE_H

#include <veredus/attr.h>
#include <veredus/types.h>

#define VRD_CORE_MESSAGE_1 "core.message/1"

VRD_BEGIN

/** "core.message/1" */
typedef struct vrd_core_message_1 {
  uint32_t size; /**< of the host's struct */
  uint32_t zero; /**< 0 */
  /** An attribute; per-recipient ones are of the recipient that the stage is about.
   *  @thread any  @since 0.1
   *  @lifetime text: view
   *  @errors VRD_E_NOT_FOUND: an id that this host does not know (`out` is VRD_NONE); a known one without value is VRD_OK, VRD_NONE */
  vrd_status (*attr)(const vrd_view *view, uint32_t attr, vrd_value *out);
  /** An attribute of one recipient, 0 <= recipient < recipient.count.
   *  @thread any  @since 0.1
   *  @lifetime text: view
   *  @errors VRD_E_NOT_FOUND: unknown id; VRD_E_INVALID: no such recipient */
  vrd_status (*attr_of)(const vrd_view *view, uint32_t attr, uint32_t recipient, vrd_value *out);
  /** The id of an attribute by its name, 0 when there is none.
   *  @thread any  @since 0.1 */
  uint32_t (*attr_id)(vrd_str name);
  /** A note by its key, left by a plugin at an earlier stage or by an earlier hook of an earlier stage.
   *  @thread any  @since 0.1
   *  @lifetime value: view
   *  @errors VRD_E_NOT_FOUND */
  vrd_status (*note)(const vrd_view *view, vrd_str key, vrd_str *value);
  /** Number of header fields; 0 before stage `headers` and for views without content (VRD_NEED_CONTENT).
   *  @thread any  @since 0.1 */
  uint32_t (*header_count)(const vrd_view *view);
  /** A header field by position, from the top, from 0. The value is as received: folded, with its leading space, without the last CRLF.
   *  @thread any  @since 0.1
   *  @lifetime name, value: view
   *  @errors VRD_E_NOT_FOUND: no such position */
  vrd_status (*header_at)(const vrd_view *view, uint32_t index, vrd_str *name, vrd_str *value);
  /** The n-th field of this name, case ignored, from the top, from 1; `index` (may be NULL) gets its position.
   *  @thread any  @since 0.1
   *  @lifetime value: view
   *  @errors VRD_E_NOT_FOUND */
  vrd_status (*header)(const vrd_view *view, vrd_str name, uint32_t occurrence, vrd_str *value, uint32_t *index);
  /** Octets of the whole message (header block, empty line, body); 0 without content.
   *  @thread any  @since 0.1 */
  uint64_t (*size_of)(const vrd_view *view);
  /** Where the body begins: the octet after the empty line; size_of() when there is no body.
   *  @thread any  @since 0.1 */
  uint64_t (*body_start)(const vrd_view *view);
  /** Copies octets of the message from `offset` on; `got` is short only at the end. From disk for large messages: read large ones on a
   *  worker thread, with a retained view.
   *  @thread any  @since 0.1
   *  @errors VRD_E_INVALID: offset behind the end; VRD_E_IO; VRD_E_UNSUPPORTED: a view without content */
  vrd_status (*read)(const vrd_view *view, uint64_t offset, void *buffer, size_t capacity, size_t *got);
  /** Octets of the message as the client sent it: without the Received field of this host, before any edit of any stage. What signatures of
   *  others are verified against. At `headers` the header block; at `message` and `seal` all of it; elsewhere, and for messages that were not
   *  received but made here, the message as it is. A body that hooks of stage `body` rewrite is kept as it came only when a hook of `message`
   *  has VRD_NEED_RECEIVED.
   *  @thread any  @since 0.1 */
  uint64_t (*received_size)(const vrd_view *view);
  /** Where the body begins in these octets; received_size() when there is none.
   *  @thread any  @since 0.1 */
  uint64_t (*received_body_start)(const vrd_view *view);
  /** Copies these octets, as read() does.
   *  @thread any  @since 0.1
   *  @errors VRD_E_INVALID: offset behind the end; VRD_E_IO; VRD_E_UNSUPPORTED: a view without content */
  vrd_status (*read_received)(const vrd_view *view, uint64_t offset, void *buffer, size_t capacity, size_t *got);
} vrd_core_message_1;

VRD_END
#endif
