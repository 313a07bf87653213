// Shorthand for ONNX Runtime's C interface.
#pragma once
#include <onnxruntime_c_api.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace convnets {

inline const OrtApi*& api() {
  static const OrtApi* instance = nullptr;
  return instance;
}

/** Throws what ONNX Runtime says of a failure. */
inline void ok(OrtStatus* status) {
  if (status == nullptr) return;
  const std::string message = api()->GetErrorMessage(status);
  api()->ReleaseStatus(status);
  throw std::runtime_error(message);
}

inline std::vector<int64_t> shapeOf(const OrtValue* value) {
  OrtTensorTypeAndShapeInfo* info;
  ok(api()->GetTensorTypeAndShape(value, &info));
  size_t rank;
  ok(api()->GetDimensionsCount(info, &rank));
  std::vector<int64_t> shape(rank);
  ok(api()->GetDimensions(info, shape.data(), rank));
  api()->ReleaseTensorTypeAndShapeInfo(info);
  return shape;
}

inline int64_t product(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

/** One run of a kernel. */
class Run {
 public:
  explicit Run(OrtKernelContext* context) : context_(context) {}

  const OrtValue* value(size_t i) const {
    const OrtValue* value;
    ok(api()->KernelContext_GetInput(context_, i, &value));
    return value;
  }

  template <typename T = float>
  const T* input(size_t i) const {
    void* data;
    ok(api()->GetTensorMutableData(const_cast<OrtValue*>(value(i)), &data));
    return static_cast<const T*>(data);
  }

  std::vector<int64_t> shape(size_t i) const { return shapeOf(value(i)); }

  size_t inputs() const {
    size_t count;
    ok(api()->KernelContext_GetInputCount(context_, &count));
    return count;
  }

  template <typename T = float>
  T* output(size_t i, const std::vector<int64_t>& shape) const {
    OrtValue* value;
    ok(api()->KernelContext_GetOutput(context_, i, shape.data(), shape.size(), &value));
    void* data;
    ok(api()->GetTensorMutableData(value, &data));
    return static_cast<T*>(data);
  }

  /** f(0), …, f(count − 1) on the session's threads. */
  template <typename F>
  void parallel(int64_t count, const F& f) const {
    const auto call = [](void* given, size_t i) { (*static_cast<const F*>(given))(static_cast<int64_t>(i)); };
    ok(api()->KernelContext_ParallelFor(context_, call, count, 0, const_cast<F*>(&f)));
  }

 private:
  OrtKernelContext* context_;
};

/** Attributes of a node. */
class Attributes {
 public:
  explicit Attributes(const OrtKernelInfo* info) : info_(info) {}

  float real(const char* name) const {
    float value;
    ok(api()->KernelInfoGetAttribute_float(info_, name, &value));
    return value;
  }

  int64_t whole(const char* name) const {
    int64_t value;
    ok(api()->KernelInfoGetAttribute_int64(info_, name, &value));
    return value;
  }

  std::vector<int64_t> wholes(const char* name) const {
    size_t count = 0;
    ok(api()->KernelInfoGetAttributeArray_int64(info_, name, nullptr, &count));
    std::vector<int64_t> values(count);
    ok(api()->KernelInfoGetAttributeArray_int64(info_, name, values.data(), &count));
    return values;
  }

  std::vector<float> reals(const char* name) const {
    size_t count = 0;
    ok(api()->KernelInfoGetAttributeArray_float(info_, name, nullptr, &count));
    std::vector<float> values(count);
    ok(api()->KernelInfoGetAttributeArray_float(info_, name, values.data(), &count));
    return values;
  }

 private:
  const OrtKernelInfo* info_;
};

}  // namespace convnets
