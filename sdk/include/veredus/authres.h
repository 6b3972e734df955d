/* core.authres/1: one result of one authentication method. The host composes a single Authentication-Results field (RFC 8601) from all of
 * them after stage `message`, and removes received fields that carry our own authserv-id. Plugins read what others found with count(), at()
 * and property(), and never the field: anybody may have written one. In another process: results are part of view and edits. */
#ifndef VEREDUS_AUTHRES_H
#define VEREDUS_AUTHRES_H

#include <veredus/types.h>

#define VRD_CORE_AUTHRES_1 "core.authres/1"

VRD_BEGIN

/** One result. */
typedef struct vrd_authres {
  uint32_t size;              /**< sizeof(vrd_authres) */
  uint32_t zero;              /**< 0 */
  vrd_str method;             /**< "spf", "dkim", "dmarc", "arc", "iprev", "auth" ... (RFC 8601 section 2.7) */
  vrd_str result;             /**< "pass", "fail", "none" ... */
  vrd_str reason;             /**< free text, may be empty */
  const vrd_pair *properties; /**< names "smtp.mailfrom", "header.d" ..., values quoted by the host where needed */
  uint64_t property_count;    /**< up to 16 */
} vrd_authres;

/** "core.authres/1" */
typedef struct vrd_core_authres_1 {
  uint32_t size; /**< of the host's struct */
  uint32_t zero; /**< 0 */
  /** Adds a result to the edits of a call. Right: VRD_MAY_AUTHRES.
   *  @thread any  @since 0.1
   *  @errors VRD_E_INVALID: a word that RFC 8601 does not allow there; VRD_E_MEMORY: more than 64 results */
  vrd_status (*add)(vrd_edits *edits, const vrd_authres *result);
  /** How many results there are: those of earlier stages, of this connection and transaction, and those that earlier hooks of this stage
   *  want added. Of results that come after this call a kept view knows nothing.
   *  @thread any  @since 0.1 */
  uint32_t (*count)(const vrd_view *view);
  /** A result, 0 <= index < count(), in the order they were added. Fills method, result, reason and property_count of `out`, whose size the
   *  caller sets. Its `properties` are NULL: property() has them.
   *  @thread any  @since 0.1
   *  @lifetime method, result, reason: view
   *  @errors VRD_E_NOT_FOUND: no such index; VRD_E_INVALID */
  vrd_status (*at)(const vrd_view *view, uint32_t index, vrd_authres *out);
  /** A property of a result, 0 <= position < property_count: "header.d" and its value, without quotes.
   *  @thread any  @since 0.1
   *  @lifetime name, value: view
   *  @errors VRD_E_NOT_FOUND: no such index or position */
  vrd_status (*property)(const vrd_view *view, uint32_t index, uint32_t position, vrd_str *name, vrd_str *value);
} vrd_core_authres_1;

VRD_END
#endif
