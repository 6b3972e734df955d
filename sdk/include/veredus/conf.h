/* core.conf/1: the plugin's settings, parsed, typed, checked and filled with defaults. Also the way to report an error with its place.
 * In another process: the whole tree is sent once, before create(). */
#ifndef VEREDUS_CONF_H
#define VEREDUS_CONF_H

#include <veredus/types.h>

#define VRD_CORE_CONF_1 "core.conf/1"

VRD_BEGIN

/** "core.conf/1" */
typedef struct vrd_core_conf_1 {
  uint32_t size; /**< of the host's struct */
  uint32_t zero; /**< 0 */
  /** The value of a key in a mapping (the fragment itself, or one record): the given one, else the default; NULL when unset. Keys of
   *  the schema only: "delay"; within a record its own key: "sender".
   *  @thread any  @since 0.1
   *  @lifetime as the instance */
  const vrd_conf *(*get)(const vrd_conf *mapping, const char *key);
  /** Entries of a list or a mapping; 1 for a scalar; 0 for NULL.
   *  @thread any  @since 0.1 */
  size_t (*count)(const vrd_conf *node);
  /** An entry of a list or a mapping, in the order of the file; a scalar is its own entry 0; NULL beyond the end.
   *  @thread any  @since 0.1
   *  @lifetime as the instance */
  const vrd_conf *(*at)(const vrd_conf *node, size_t index);
  /** The key of an entry of a mapping.
   *  @thread any  @since 0.1
   *  @lifetime as the instance */
  vrd_str (*key_at)(const vrd_conf *node, size_t index);
  /** A scalar's text: as written; of a secret the secret; of a path the absolute path.
   *  @thread any  @since 0.1
   *  @lifetime as the instance */
  vrd_str (*text)(const vrd_conf *node);
  /** A scalar's number: integer, milliseconds, octets, 0 or 1, or the position of a choice's word in its bounds; 0 for others.
   *  @thread any  @since 0.1 */
  int64_t (*number)(const vrd_conf *node);
  /** "conf.d/30-greylist.yaml:7:3", for messages; of a default the place of the fragment.
   *  @thread any  @since 0.1
   *  @lifetime as the instance */
  vrd_str (*where)(const vrd_conf *node);
  /** The instance's label in the fragment, empty if it has none.
   *  @thread any  @since 0.1
   *  @lifetime as the instance */
  vrd_str (*instance)(const vrd_host *host);
  /** The directory that this plugin may write to: state/PLUGIN/. It exists.
   *  @thread any  @since 0.1
   *  @lifetime as the instance */
  vrd_str (*state_dir)(const vrd_host *host);
  /** A value of the core's configuration that plugins may know: "hostname", "loops", "postmaster"; with commas between:
   *  "relay_domains", "relay_networks", "local_domains" (empty while no plugin delivers as `local`).
   *  @thread any  @since 0.1
   *  @lifetime as the instance; empty when there is none */
  vrd_str (*core)(const vrd_host *host, const char *name);
  /** Sets the text of an error; the place of `node` is put in front when it is not NULL.
   *  @thread any  @since 0.1 */
  void (*fail)(vrd_err *err, const vrd_conf *node, vrd_str text);
} vrd_core_conf_1;

VRD_END
#endif
