// Options of jemalloc, which looks for this name: a thread of its own gives unused memory back within seconds.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf = "background_thread:true,dirty_decay_ms:5000,muzzy_decay_ms:0";
}
