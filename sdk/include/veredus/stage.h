/* Stages, actions, rights: the numbers of the hook interface, and the verdict. Numbers are stable and have gaps; retired ones are never
 * used again. Hooks of one stage run one after another, in the order that `veredus plugin order` prints. */
#ifndef VEREDUS_STAGE_H
#define VEREDUS_STAGE_H

#include <veredus/types.h>

VRD_BEGIN

/** Stages. D: asked, may answer later. N: told afterwards, cannot answer, always delivered. S: stream. A host that does not know a
 *  stage number refuses the plugin unless the hook says VRD_HOOK_OPTIONAL. */
#define VRD_STAGE_CONNECT 100u         /**< D before the banner: listener, addresses, proxy data */
#define VRD_STAGE_HELO 120u            /**< D at EHLO, HELO or LHLO */
#define VRD_STAGE_STARTTLS 130u        /**< D before the handshake: choose policy and certificate */
#define VRD_STAGE_TLS_DONE 135u        /**< N cipher and peer identity are known */
#define VRD_STAGE_AUTH 140u            /**< D after the mechanism ran */
#define VRD_STAGE_MAIL 150u            /**< D the sender */
#define VRD_STAGE_RCPT 160u            /**< D one recipient: accept, rewrite, expand, drop */
#define VRD_STAGE_DATA 170u            /**< D before 354: the last cheap refusal */
#define VRD_STAGE_HEADERS 180u         /**< D the header block is complete, the body not yet read */
#define VRD_STAGE_BODY 190u            /**< S the body while it arrives: observe, or rewrite with VRD_MAY_BODY (veredus/body.h) */
#define VRD_STAGE_MESSAGE 200u         /**< D end of message, before 250: everything may be seen and changed */
#define VRD_STAGE_SEAL 205u            /**< D all edits applied, result headers composed; headers may only be added on top */
#define VRD_STAGE_QUEUED 210u          /**< N durable on disk */
#define VRD_STAGE_ROUTE 220u           /**< D per recipient: destination, transport */
#define VRD_STAGE_ATTEMPT 230u         /**< D per recipient before a delivery attempt */
#define VRD_STAGE_CONNECTED 235u       /**< N a connection to a next hop is greeted and secured, need not be, or could not be: once a connection, before any recipient */
#define VRD_STAGE_RESULT 240u          /**< D the next hop has answered: classify, re-route */
#define VRD_STAGE_BOUNCE 250u          /**< D a report is about to be made: change, redirect, suppress */
#define VRD_STAGE_FINISHED 260u        /**< N a recipient has reached a final state */
#define VRD_STAGE_TRANSACTION_END 290u /**< N exactly once a transaction, also after an abort */
#define VRD_STAGE_DISCONNECT 299u      /**< N exactly once a session */

/** Actions of a verdict. Which are legal at a stage: `veredus plugin order` and veredus-plugin(7). An illegal one is a fault. */
#define VRD_NEXT 0       /**< no opinion: ask the next hook */
#define VRD_ACCEPT 1     /**< "ok": ask no later deciding hook; never grants relaying, never skips the core's checks */
#define VRD_REJECT 2     /**< 5yz: refuse for good */
#define VRD_TEMPFAIL 3   /**< 4yz: refuse for now */
#define VRD_DISCARD 4    /**< say 250 and deliver nothing; ends as `discarded` with the rule's name */
#define VRD_HOLD 5       /**< accept, but wait in the queue for a release */
#define VRD_DISCONNECT 6 /**< answer and close the connection */
#define VRD_PENDING 7    /**< the answer comes through the token that was taken with core.hook defer() */
#define VRD_FAULT 8      /**< the hook failed: the fault policy decides */

/** Scopes of a verdict. */
#define VRD_SCOPE_STEP 0        /**< this step only */
#define VRD_SCOPE_TRANSACTION 1 /**< until the transaction ends */
#define VRD_SCOPE_CONNECTION 2  /**< until the connection ends */

/** Rights: what a hook declares in `may`. An edit without the right is refused, with all other edits of that call, as a fault. */
#define VRD_MAY_HEADERS 1u    /**< insert, replace, remove header fields */
#define VRD_MAY_BODY 2u       /**< replace the body, rewrite the stream */
#define VRD_MAY_RECIPIENTS 4u /**< add, drop, rewrite recipients */
#define VRD_MAY_SENDER 8u     /**< change the envelope sender */
#define VRD_MAY_ROUTE 16u     /**< choose next hops and source pools */
#define VRD_MAY_FIELDS 32u    /**< set tenant, stream, priority, pool */
#define VRD_MAY_SPLIT 64u     /**< split recipients off into their own copy */
#define VRD_MAY_NOTES 128u    /**< leave notes for later stages and other plugins */
#define VRD_MAY_AUTHRES 256u  /**< add to the Authentication-Results field */

/** Needs: what a hook must see. The host loads nothing that no hook needs. */
#define VRD_NEED_CONTENT 1u /**< headers and body; without it only the envelope is shown after acceptance */
#define VRD_NEED_RECEIVED 2u /**< at `message`: bodies that hooks of `body` rewrote as they came, too (core.message read_received()) */

/** Fault policies of a hook (`on_fault`); the operator's key in the fragment wins. */
#define VRD_ON_FAULT_TEMPFAIL 0u /**< the client or the queue tries again later */
#define VRD_ON_FAULT_NEXT 1u     /**< as if the hook had no opinion */
#define VRD_ON_FAULT_REJECT 2u   /**< refuse for good */

/** What a hook answers. Frozen at 64 bytes. The host clears it before each call, so an untouched one means "next". Reply text goes
 *  through core.hook reply() or core.edit reply(). */
typedef struct vrd_verdict {
  int32_t action;        /**< VRD_NEXT ... */
  int32_t scope;         /**< VRD_SCOPE_STEP ... */
  uint32_t smtp;         /**< reply code 200-599 that fits the action, or 0 for the stage's default */
  uint8_t enhanced[3];   /**< RFC 3463 status, all 0 for the default; class must fit the code */
  uint8_t zero;          /**< 0 */
  uint8_t reserved[48];  /**< 0 */
} vrd_verdict;

VRD_END
#endif
