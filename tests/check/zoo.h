/* zoo.h: what the animals of this zoo share: an option `flaw` says which mistake they make; "none"
 * and every other word: none, so that they are sound plugins. */
#ifndef WINNOW_TESTS_CHECK_ZOO_H
#define WINNOW_TESTS_CHECK_ZOO_H

#include <stdlib.h>
#include <string.h>

#include "winnow/winnow.h"

static inline const wn_option* zoo_option(const wn_option* const* options, uint64_t n,
                                          const char* key) {
  for (uint64_t i = 0; i < n; ++i)
    if (strcmp(options[i]->key.data, key) == 0) return options[i];
  return NULL;
}

static inline void zoo_copy_flaw(char flaw[32], const wn_option* const* options, uint64_t n) {
  strncpy(flaw, zoo_option(options, n, "flaw")->s.data, 31);
  flaw[31] = '\0';
}

static inline wn_status zoo_fail(const wn_call* call, wn_status status, const char* text) {
  call->errors->set(call->errors->ctx, status, text, strlen(text));
  return status;
}

static inline float* zoo_data(const wn_tensor* tensor) {
  return (float*)((char*)tensor->data + tensor->byte_offset);
}

static inline int64_t zoo_item_size(const wn_tensor* tensor) {
  int64_t size = 1;
  for (int32_t d = 1; d < tensor->ndim; ++d) size *= tensor->shape[d];
  return size;
}

#endif
