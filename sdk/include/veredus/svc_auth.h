/* svc.auth/1: a plugin that knows accounts. Asked by the SASL mechanisms of the core, in the order of `auth.providers`. In another
 * process: as veredus/service.h says. */
#ifndef VEREDUS_SVC_AUTH_H
#define VEREDUS_SVC_AUTH_H

#include <veredus/types.h>

#define VRD_SVC_AUTH_1 "svc.auth/1"

VRD_BEGIN

#define VRD_AUTH_PASSWORD 1u /**< is `secret` the password of `account`? */
#define VRD_AUTH_SECRET 2u   /**< what a mechanism needs of an account: in `secret` of the answer (see below) */
#define VRD_AUTH_TOKEN 3u    /**< is `secret` a valid bearer token (RFC 7628)? */
#define VRD_AUTH_EXTERNAL 4u /**< does the certificate named in `secret` belong to `account`? */

/** A question. */
typedef struct vrd_auth_request {
  uint32_t size;     /**< sizeof(vrd_auth_request) */
  uint32_t kind;     /**< VRD_AUTH_PASSWORD ... */
  vrd_str mechanism; /**< "PLAIN", "SCRAM-SHA-256" ... */
  vrd_str account;   /**< authentication identity */
  vrd_str acting_as; /**< authorisation identity; empty: the same */
  vrd_str secret;    /**< as the kind says; never logged */
  vrd_str client;    /**< address of the client */
} vrd_auth_request;

/** Answer. With VRD_OK the identity is proven (or the secret given); VRD_E_DENIED: it is not; VRD_E_TEMPORARY: it cannot be told now. */
typedef struct vrd_auth_answer {
  uint32_t size;   /**< sizeof(vrd_auth_answer) */
  uint32_t zero;   /**< 0 */
  vrd_str account; /**< the account's canonical name */
  vrd_str tenant;  /**< its tenant; may be empty */
  vrd_str secret;  /**< VRD_AUTH_SECRET: "SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY", the last three in base64 (RFC 5803) */
} vrd_auth_answer;

/** "svc.auth/1" */
typedef struct vrd_svc_auth_1 {
  uint32_t size; /**< sizeof(vrd_svc_auth_1) */
  uint32_t zero; /**< 0 */
  /** Checks; answers with a vrd_auth_answer, now or later. Takes the same time for unknown accounts as for wrong passwords.
   *  @thread loop  @since 0.1
   *  @lifetime request: call
   *  @errors negative: answered with it */
  vrd_status (*check)(void *shard, const vrd_auth_request *request, vrd_pending token);
  uint32_t kinds; /**< bits 1u << VRD_AUTH_PASSWORD ...: the questions it can answer; mechanisms that ask others are not offered */
  uint32_t zero2; /**< 0 */
} vrd_svc_auth_1;

VRD_END
#endif
