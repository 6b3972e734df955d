/* core.control/1: output of the plugin's commands. In another process: output travels as frames. */
#ifndef VEREDUS_CONTROL_H
#define VEREDUS_CONTROL_H

#include <veredus/types.h>

#define VRD_CORE_CONTROL_1 "core.control/1"

VRD_BEGIN

/** "core.control/1" */
typedef struct vrd_core_control_1 {
  uint32_t size; /**< of the host's struct */
  uint32_t zero; /**< 0 */
  /** Adds to the command's standard output.
   *  @thread any  @since 0.1
   *  @errors VRD_E_LATE: the command has ended; VRD_E_MEMORY: more than 16 MiB wait */
  vrd_status (*write)(vrd_pending command, vrd_str octets);
  /** Adds to its standard error.
   *  @thread any  @since 0.1
   *  @errors as write() */
  vrd_status (*error)(vrd_pending command, vrd_str octets);
  /** Ends it with an exit code of sysexits.h, 0 to 125.
   *  @thread any  @since 0.1
   *  @errors VRD_E_LATE: it had ended, or the user went away */
  vrd_status (*finish)(vrd_pending command, int32_t exit_code);
} vrd_core_control_1;

VRD_END
#endif
