// dlpack.cpp: wn_tensor has the layout of the DLTensor that LibTorch ships.
#include <ATen/dlpack.h>

#include "winnow/winnow.h"

#define SAME(ours, a, theirs, b)                                                              \
  static_assert(                                                                              \
      offsetof(ours, a) == offsetof(theirs, b) &&                                             \
          sizeof(static_cast<ours*>(nullptr)->a) == sizeof(static_cast<theirs*>(nullptr)->b), \
      #ours "." #a " is not where " #theirs "." #b " is")

static_assert(sizeof(wn_tensor) == sizeof(DLTensor));
static_assert(sizeof(wn_dtype) == sizeof(DLDataType));
static_assert(sizeof(wn_device) == sizeof(DLDevice));
SAME(wn_tensor, data, DLTensor, data);
SAME(wn_tensor, device, DLTensor, device);
SAME(wn_tensor, ndim, DLTensor, ndim);
SAME(wn_tensor, dtype, DLTensor, dtype);
SAME(wn_tensor, shape, DLTensor, shape);
SAME(wn_tensor, strides, DLTensor, strides);
SAME(wn_tensor, byte_offset, DLTensor, byte_offset);
SAME(wn_dtype, code, DLDataType, code);
SAME(wn_dtype, bits, DLDataType, bits);
SAME(wn_dtype, lanes, DLDataType, lanes);
SAME(wn_device, type, DLDevice, device_type);
SAME(wn_device, id, DLDevice, device_id);
static_assert(kDLCPU == 1 && kDLCUDA == 2);
static_assert(kDLInt == 0 && kDLUInt == 1 && kDLFloat == 2 && kDLBfloat == 4);
