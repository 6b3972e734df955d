/* core.http/1: HTTP and HTTPS requests on the loop, connections kept and bounded by the host. In another process: request and answer
 * travel. */
#ifndef VEREDUS_HTTP_H
#define VEREDUS_HTTP_H

#include <veredus/types.h>

#define VRD_CORE_HTTP_1 "core.http/1"

VRD_BEGIN

/** A request. */
typedef struct vrd_http_request {
  uint32_t size;          /**< sizeof(vrd_http_request) */
  uint32_t timeout_ms;    /**< for all of it: 1 to 600,000 */
  vrd_str method;         /**< "GET", "POST" ... */
  vrd_str url;            /**< http:// or https:// */
  const vrd_pair *headers; /**< no line breaks */
  uint64_t header_count;  /**< up to 64 */
  vrd_str body;           /**< may be empty */
  uint64_t max_response;  /**< octets of the body; 0: 1 MiB; at most 64 MiB */
  vrd_str ca_file;        /**< PEM of the authorities to trust; empty: those of the system */
  vrd_str unix_path;      /**< connect to this socket instead; empty: by the URL */
} vrd_http_request;

/** An answer, of any status code. */
typedef struct vrd_http_answer {
  uint32_t size;          /**< sizeof(vrd_http_answer) of the host */
  uint32_t code;          /**< 200 ... */
  const vrd_pair *headers; /**< names in lower case */
  uint64_t header_count;  /**< of headers */
  vrd_str body;           /**< decoded from its transfer coding */
} vrd_http_answer;

/** VRD_OK with any status code; VRD_E_TIMEOUT, VRD_E_IO, VRD_E_MEMORY (the answer is too large): `answer` is NULL, `error` says why.
 *  @thread loop  @since 0.1  @lifetime answer, error: call */
typedef void (*vrd_http_fn)(void *ctx, vrd_status status, const vrd_http_answer *answer, vrd_str error);

/** "core.http/1" */
typedef struct vrd_core_http_1 {
  uint32_t size; /**< of the host's struct */
  uint32_t zero; /**< 0 */
  /** Sends a request. At most 1,000 of an instance and loop are under way.
   *  @thread loop  @since 0.1
   *  @errors VRD_E_THREAD; VRD_E_INVALID; VRD_E_BUSY */
  vrd_status (*request)(const vrd_host *host, const vrd_http_request *request, void *ctx, vrd_http_fn fn, vrd_op *op);
  /** The callback will not be called; a stale op is harmless.
   *  @thread loop  @since 0.1 */
  void (*cancel)(const vrd_host *host, vrd_op op);
} vrd_core_http_1;

VRD_END
#endif
