/* core.dns/1: look-ups through the daemon's resolver and its cache. In another process: request and answer travel. */
#ifndef VEREDUS_DNS_H
#define VEREDUS_DNS_H

#include <veredus/types.h>

#define VRD_CORE_DNS_1 "core.dns/1"

VRD_BEGIN

#define VRD_DNS_A 1u     /**< RFC 1035 */
#define VRD_DNS_NS 2u    /**< RFC 1035 */
#define VRD_DNS_CNAME 5u /**< RFC 1035; other types follow aliases by themselves */
#define VRD_DNS_SOA 6u   /**< RFC 1035 */
#define VRD_DNS_PTR 12u  /**< RFC 1035 */
#define VRD_DNS_MX 15u   /**< RFC 1035 */
#define VRD_DNS_TXT 16u  /**< RFC 1035 */
#define VRD_DNS_AAAA 28u /**< RFC 3596 */
#define VRD_DNS_TLSA 52u /**< RFC 6698 */

/** A question. */
typedef struct vrd_dns_request {
  uint32_t size;       /**< sizeof(vrd_dns_request) */
  uint32_t type;       /**< VRD_DNS_A ... */
  vrd_str name;        /**< without a dot at the end is the same as with one; for PTR also an address */
  uint32_t timeout_ms; /**< 1 to 60,000 */
  uint32_t zero;       /**< 0 */
} vrd_dns_request;

/** One record. */
typedef struct vrd_dns_record {
  uint32_t size;       /**< sizeof(vrd_dns_record) of the host */
  uint32_t type;       /**< VRD_DNS_A ... */
  uint32_t ttl;        /**< seconds */
  uint32_t preference; /**< MX */
  vrd_str owner;       /**< lower case, no dot at the end */
  vrd_str text;        /**< A, AAAA: the address; MX, NS, PTR, CNAME: the name in lower case, empty = root; TXT: all strings joined */
  vrd_str data;        /**< TLSA: usage, selector, matching type, association data; A, AAAA: 4 or 16 octets */
} vrd_dns_record;

/** An answer. */
typedef struct vrd_dns_answer {
  uint32_t size;                        /**< sizeof(vrd_dns_answer) of the host */
  uint32_t secure;                      /**< 1: validated (AD from a trusted resolver) */
  uint32_t nxdomain;                    /**< 1: the name does not exist; 0 with no records: it has none of this type */
  uint32_t count;                       /**< of records */
  const vrd_dns_record *const *records; /**< in the order of the answer */
  uint32_t bogus;                       /**< 1: there are signatures and they are wrong; no records, and not to be taken for "none" */
  uint32_t zero;                        /**< 0 */
} vrd_dns_answer;

/** VRD_OK: a definite answer, also an empty one. VRD_E_TIMEOUT, VRD_E_TEMPORARY (server failure, refused, malformed, bogus): `answer` is
 *  NULL, unless it is known to be bogus: then it says so and nothing else. Not every resolver can tell.
 *  @thread loop  @since 0.1  @lifetime answer: call */
typedef void (*vrd_dns_fn)(void *ctx, vrd_status status, const vrd_dns_answer *answer);

/** "core.dns/1" */
typedef struct vrd_core_dns_1 {
  uint32_t size; /**< of the host's struct */
  uint32_t zero; /**< 0 */
  /** Asks. At most 100,000 questions of an instance are under way.
   *  @thread loop  @since 0.1
   *  @errors VRD_E_THREAD; VRD_E_INVALID: name or type; VRD_E_BUSY */
  vrd_status (*query)(const vrd_host *host, const vrd_dns_request *request, void *ctx, vrd_dns_fn fn, vrd_op *op);
  /** The callback will not be called; a stale op is harmless.
   *  @thread loop  @since 0.1 */
  void (*cancel)(const vrd_host *host, vrd_op op);
} vrd_core_dns_1;

VRD_END
#endif
