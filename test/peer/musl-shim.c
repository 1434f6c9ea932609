/*
 * What Debian's libstdc++ (made for glibc) asks for beyond musl. Alpine has a libstdc++ of its own; here the test puts
 * Debian's beside this file, so that the musl binary runs under musl's loader on a machine that is not Alpine.
 * Built as `ld-linux-x86-64.so.2`, which that libstdc++ names as a library it needs.
 */
#include <stddef.h>

struct { unsigned words[16]; } __cpu_model;
char __libc_single_threaded = 0;
int __cpu_indicator_init(void) { return 0; }
int _dl_find_object(void *address, void *result) { return -1; }
int __cxa_thread_atexit_impl(void (*destroy)(void *), void *object, void *library) { return 0; }

int getentropy(void *bytes, size_t length);
unsigned arc4random(void) { unsigned value = 0; getentropy(&value, sizeof value); return value; }

size_t strftime_l(char *out, size_t size, const char *format, const void *time, void *locale);
size_t __strftime_l(char *out, size_t size, const char *format, const void *time, void *locale) {
  return strftime_l(out, size, format, time, locale);
}
