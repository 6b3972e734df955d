/* Types that every interface uses: strings, status numbers, tagged values, handles. Plain C11, valid C++20. Part of the plugin ABI,
 * generation 1. Rules for all headers of this folder:
 *
 *  - Every struct that crosses the boundary begins with its size, set by whoever fills it (VRD_SIZED); a reader uses what both know.
 *  - @thread main: the thread that creates and destroys instances; also that of a loop: what loop allows, main allows. loop: the loop
 *    thread that called the plugin. worker: a thread of the pool. any: any of them, and threads of the plugin's own.
 *  - Lifetimes: "call" ends when the function or callback returns; "view" ends when the view is released; "forever" is static data.
 *  - Whoever allocates frees; what the host is given it copies, unless the lifetime says "forever".
 *  - A callback is never called before the function that takes it has returned, is called exactly once unless its request was
 *    cancelled, on the loop that asked, and always gets its context back as first argument.
 *  - The ABI is draft until 1.0: see sdk/abi/HISTORY. */
#ifndef VEREDUS_TYPES_H
#define VEREDUS_TYPES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define VRD_BEGIN extern "C" {
#define VRD_END }
#else
#define VRD_BEGIN
#define VRD_END
#endif

/** Marks the one symbol that a plugin exports. */
#define VRD_EXPORT __attribute__((visibility("default")))

VRD_BEGIN

/** Bytes: `len` octets at `ptr`, any value, not necessarily text. What the host hands out has one NUL behind it that does not count.
 *  Empty is {any, 0}. Passed by value. */
typedef struct vrd_str {
  const char *ptr; /**< never read when len is 0 */
  size_t len;      /**< octets */
} vrd_str;

/** Result of a function: 0 is success, negative numbers are errors. Numbers never change meaning. */
typedef int32_t vrd_status;
#define VRD_OK ((vrd_status)0)              /**< done */
#define VRD_E_INVALID ((vrd_status)-1)      /**< an argument is out of bounds or not allowed here */
#define VRD_E_MEMORY ((vrd_status)-2)       /**< no memory, or the bound for such objects is reached */
#define VRD_E_NOT_FOUND ((vrd_status)-3)    /**< there is no such thing; for look-ups a definite answer */
#define VRD_E_TIMEOUT ((vrd_status)-4)      /**< no answer before the time-out */
#define VRD_E_CANCELLED ((vrd_status)-5)    /**< withdrawn */
#define VRD_E_LATE ((vrd_status)-6)         /**< the token was completed, timed out or aborted before; nothing was touched */
#define VRD_E_DENIED ((vrd_status)-7)       /**< a right that the plugin did not declare in `may`, or that the operator does not give */
#define VRD_E_BUSY ((vrd_status)-8)         /**< a bounded queue is full: try later */
#define VRD_E_THREAD ((vrd_status)-9)       /**< called on a thread that its tag does not allow */
#define VRD_E_STATE ((vrd_status)-10)       /**< not possible at this moment of the lifecycle or of the stage */
#define VRD_E_UNSUPPORTED ((vrd_status)-11) /**< not offered by this host */
#define VRD_E_IO ((vrd_status)-12)          /**< the system or the network failed */
#define VRD_E_FAULT ((vrd_status)-13)       /**< the plugin, or the provider asked, failed in itself */
#define VRD_E_TEMPORARY ((vrd_status)-14)   /**< no definite answer now; asking again later makes sense */
#define VRD_E_CLOSED ((vrd_status)-15)      /**< the other side closed */
#define VRD_E_CONFIG ((vrd_status)-16)      /**< a setting is wrong; the text says which */

/** A token for one answer that comes later: slot and generation. 0 = none. A stale one is harmless. */
typedef uint64_t vrd_pending;
/** A request to a host service that is under way: slot and generation. 0 = none. A stale one is harmless. */
typedef uint64_t vrd_op;

typedef struct vrd_stage vrd_stage; /**< one hook call; lifetime: call */
typedef struct vrd_view vrd_view;   /**< frozen picture of what a stage shows; reference-counted, readable on any thread */
typedef struct vrd_edits vrd_edits; /**< ordered list of wanted changes; used by one thread at a time */
typedef struct vrd_conf vrd_conf;   /**< one node of the plugin's checked settings; lifetime: as long as the instance */
typedef struct vrd_err vrd_err;     /**< takes the text of an error; lifetime: call */
typedef struct vrd_host vrd_host;   /**< what the host offers to one instance; lifetime: as long as the instance */

/** Kinds of a vrd_value. */
#define VRD_NONE 0u   /**< not known (yet, or at this stage) */
#define VRD_TEXT 1u   /**< `text` */
#define VRD_NUMBER 2u /**< `number` */
#define VRD_BOOL 3u   /**< `number` is 0 or 1 */
#define VRD_TIME 4u   /**< `number` is milliseconds since 1970-01-01 UTC */

/** A tagged value. Frozen: it has no size and never grows. */
typedef struct vrd_value {
  uint32_t kind;  /**< VRD_NONE ... VRD_TIME */
  uint32_t zero;  /**< 0 */
  int64_t number; /**< VRD_NUMBER, VRD_BOOL, VRD_TIME */
  vrd_str text;   /**< VRD_TEXT; lifetime: that of the view it was read from */
} vrd_value;

/** A name with a value. Frozen: it has no size and never grows. */
typedef struct vrd_pair {
  vrd_str name;  /**< what the interface says of it */
  vrd_str value; /**< what the interface says of it */
} vrd_pair;

/** A string literal as vrd_str. */
#ifdef __cplusplus
#define VRD_STR(literal) (vrd_str{(literal), sizeof(literal) - 1})
#else
#define VRD_STR(literal) ((vrd_str){(literal), sizeof(literal) - 1})
#endif
/** First member of a struct initialiser: `{VRD_SIZED(vrd_dns_request), ...}`. */
#define VRD_SIZED(type) ((uint32_t)sizeof(type))
/** Whether a struct given by the other side is long enough to have this member. */
#define VRD_HAS(type, object, member) ((object)->size >= offsetof(type, member) + sizeof((object)->member))

VRD_END
#endif
