/* core.hook/1: what a hook does with its call: look, change, answer later. In another process: the view is sent with the call, edits and
 * verdict come back in one answer. */
#ifndef VEREDUS_HOOK_H
#define VEREDUS_HOOK_H

#include <veredus/stage.h>
#include <veredus/types.h>

#define VRD_CORE_HOOK_1 "core.hook/1"

VRD_BEGIN

/** "core.hook/1" */
typedef struct vrd_core_hook_1 {
  uint32_t size; /**< of the host's struct */
  uint32_t zero; /**< 0 */
  /** The number of the stage: VRD_STAGE_RCPT ...
   *  @thread loop  @since 0.1 */
  uint32_t (*number)(const vrd_stage *stage);
  /** Takes a token to answer later; the hook then returns with the action VRD_PENDING. The time-out is required, 1 ms to 1 hour; the
   *  operator's `timeout` cuts it. Once a call. complete() may come before the hook returns.
   *  @thread loop  @since 0.1
   *  @errors 0: a told stage, a second token, a time-out out of bounds, or too many tokens open */
  vrd_pending (*defer)(vrd_stage *stage, uint32_t timeout_ms);
  /** What the stage shows, for core.message. To keep it, retain it.
   *  @thread loop  @since 0.1
   *  @lifetime call */
  const vrd_view *(*view)(vrd_stage *stage);
  /** A picture to keep beyond the call: readable on any thread until it is released. The pointer returned may differ from the one given:
   *  keep the new one. NULL: no memory.
   *  @thread any  @since 0.1
   *  @lifetime until view_release() */
  const vrd_view *(*view_retain)(const vrd_view *view);
  /** Gives a retained view back; NULL is allowed.
   *  @thread any  @since 0.1 */
  void (*view_release)(const vrd_view *view);
  /** The changes that this call wants; they are taken when the hook returns, also with VRD_PENDING (then before those of complete()).
   *  @thread loop  @since 0.1
   *  @lifetime call */
  vrd_edits *(*edits)(vrd_stage *stage);
  /** Answers a token. Exactly one of complete, time-out and abort wins. Always consumes `edits` (core.edit create(), or NULL), also on
   *  errors. `verdict` NULL means "next". The token alone says whose call it answers. That the caller is its owner is checked by the list of
   *  edits, if there is one, and always for a plugin in a process of its own.
   *  @thread any  @since 0.1
   *  @lifetime verdict: call
   *  @errors VRD_E_LATE: somebody else was first; VRD_E_INVALID: no such token of this plugin */
  vrd_status (*complete)(vrd_pending token, const vrd_verdict *verdict, vrd_edits *edits);
} vrd_core_hook_1;

VRD_END
#endif
