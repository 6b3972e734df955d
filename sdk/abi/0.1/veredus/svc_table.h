/* svc.table/1: a plugin that is a table. Asked through core.table, and by the core where a setting names a table. In another process: as
 * veredus/service.h says. */
#ifndef VEREDUS_SVC_TABLE_H
#define VEREDUS_SVC_TABLE_H

#include <veredus/table.h>
#include <veredus/types.h>

#define VRD_SVC_TABLE_1 "svc.table/1"

VRD_BEGIN

/** Answer: one row a key, in the order of the keys. */
typedef struct vrd_table_answer {
  uint32_t size;             /**< sizeof(vrd_table_answer) */
  uint32_t count;            /**< of rows: that of the keys */
  const vrd_table_row *rows; /**< values up to 64 KiB */
} vrd_table_answer;

/** "svc.table/1" */
typedef struct vrd_svc_table_1 {
  uint32_t size; /**< sizeof(vrd_svc_table_1) */
  uint32_t zero; /**< 0 */
  /** Looks keys up; answers with core.service answer() and a vrd_table_answer, now or later. VRD_E_NOT_FOUND is no answer here: a key that
   *  is not there is a row with found = 0.
   *  @thread loop  @since 0.1
   *  @lifetime keys: call
   *  @errors negative: the look-up has failed with it (VRD_E_TEMPORARY: try again later) */
  vrd_status (*lookup)(void *shard, const vrd_str *keys, size_t count, vrd_pending token);
} vrd_svc_table_1;

VRD_END
#endif
