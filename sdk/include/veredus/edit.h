/* core.edit/1: wanted changes. Plugins never change a message in place: they list edits, which the host checks against the rights of the
 * hook and applies in order, on the loop, all of one call or none. Positions of recipients are those that the stage was shown. Everything
 * is copied. In another process: the list is sent with the answer. */
#ifndef VEREDUS_EDIT_H
#define VEREDUS_EDIT_H

#include <veredus/types.h>

#define VRD_CORE_EDIT_1 "core.edit/1"

VRD_BEGIN

/** "core.edit/1". Every function that adds an edit: @errors VRD_E_INVALID (bounds, control characters in a header or reply, malformed
 *  address: nothing was added), VRD_E_MEMORY (more than 10,000 edits). Rights are checked when the edits are taken. */
typedef struct vrd_core_edit_1 {
  uint32_t size; /**< of the host's struct */
  uint32_t zero; /**< 0 */
  /** A new list, for core.hook complete(), which consumes it. NULL: no memory.
   *  @thread any  @since 0.1
   *  @lifetime until complete() or destroy() */
  vrd_edits *(*create)(const vrd_host *host);
  /** Frees a list that is given to nobody.
   *  @thread any  @since 0.1 */
  void (*destroy)(vrd_edits *edits);
  /** Inserts a header field before position `index` (0: on top of everything; at the count or behind: at the end of the block). The value
   *  is without the space after the colon and may be folded: CRLF only before space or tab.
   *  @thread any  @since 0.1  @errors see above; right: VRD_MAY_HEADERS */
  vrd_status (*insert_header)(vrd_edits *edits, uint32_t index, vrd_str name, vrd_str value);
  /** Replaces the value of the n-th field of a name, from 1; without such a field one is added at the end of the block.
   *  @thread any  @since 0.1  @errors see above; right: VRD_MAY_HEADERS */
  vrd_status (*replace_header)(vrd_edits *edits, vrd_str name, uint32_t occurrence, vrd_str value);
  /** Removes the n-th field of a name, from 1; 0: all of them.
   *  @thread any  @since 0.1  @errors see above; right: VRD_MAY_HEADERS */
  vrd_status (*remove_header)(vrd_edits *edits, vrd_str name, uint32_t occurrence);
  /** Replaces the whole body.
   *  @thread any  @since 0.1  @errors see above; right: VRD_MAY_BODY */
  vrd_status (*replace_body)(vrd_edits *edits, vrd_str body);
  /** Adds a recipient; `next_hop` may be empty. It is not asked about at `rcpt`.
   *  @thread any  @since 0.1  @errors see above; right: VRD_MAY_RECIPIENTS */
  vrd_status (*add_recipient)(vrd_edits *edits, vrd_str address, vrd_str next_hop);
  /** Drops a recipient: it ends as `discarded` with the rule's name.
   *  @thread any  @since 0.1  @errors see above; right: VRD_MAY_RECIPIENTS */
  vrd_status (*drop_recipient)(vrd_edits *edits, uint32_t index);
  /** Gives a recipient another address; the first one given stays as recipient.original.
   *  @thread any  @since 0.1  @errors see above; right: VRD_MAY_RECIPIENTS */
  vrd_status (*set_recipient)(vrd_edits *edits, uint32_t index, vrd_str address);
  /** Changes the envelope sender; empty: the null sender.
   *  @thread any  @since 0.1  @errors see above; right: VRD_MAY_SENDER */
  vrd_status (*set_sender)(vrd_edits *edits, vrd_str address);
  /** Chooses next hop of a recipient and source pool of the message; either may be empty: as before. A next hop is written as in `routes`; several are
   *  "A|B*3,C": comma = fail-over, bar = balanced, star = weight 1 to 100.
   *  @thread any  @since 0.1  @errors see above; right: VRD_MAY_ROUTE */
  vrd_status (*set_route)(vrd_edits *edits, uint32_t index, vrd_str next_hop, vrd_str pool);
  /** Sets a field of the envelope: "tenant", "stream", "priority" (0 to 100), "pool"; at VRD_STAGE_ROUTE only "pool" and "tls", a
   *  level of tls.outbound for this recipient.
   *  @thread any  @since 0.1  @errors see above; right: VRD_MAY_FIELDS */
  vrd_status (*set_field)(vrd_edits *edits, vrd_str name, vrd_str value);
  /** Leaves a note for later stages and other plugins; kept with the message. Key: [a-z0-9._-]{1,64}, by habit PLUGIN.WORD; value up to
   *  1,024 octets; 64 notes a message. The last one of a key holds.
   *  @thread any  @since 0.1  @errors see above; right: VRD_MAY_NOTES */
  vrd_status (*note)(vrd_edits *edits, vrd_str key, vrd_str value);
  /** Gives these recipients a copy of their own, with an id of its own, as the message is after the edits before this one. Edits after it
   *  concern the first message only.
   *  @thread any  @since 0.1  @errors see above; right: VRD_MAY_SPLIT */
  vrd_status (*split)(vrd_edits *edits, const uint32_t *indices, size_t count);
  /** Text of the reply, with code and enhanced status if the verdict has none (0: default). Printable ASCII, up to 480 octets. The last
   *  one holds. Needs no right.
   *  @thread any  @since 0.1  @errors see above */
  vrd_status (*reply)(vrd_edits *edits, uint32_t smtp, const uint8_t enhanced[3], vrd_str text);
  /** Name of the rule that decided, for log, DSN and queue: up to 128 printable octets. Needs no right.
   *  @thread any  @since 0.1  @errors see above */
  vrd_status (*rule)(vrd_edits *edits, vrd_str name);
} vrd_core_edit_1;

VRD_END
#endif
