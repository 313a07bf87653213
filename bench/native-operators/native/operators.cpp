// The operators of the domain "convnets", as ONNX Runtime takes them.
#include <algorithm>
#include <cmath>

#include "kernels.h"
#include "ort.h"

namespace convnets {
namespace {

constexpr auto FLOAT = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
constexpr auto UINT8 = ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8;

/** x [N, C, H, W] → y, winner [N, C, outH, outW] */
struct MaxPool {
  static constexpr const char* name = "MaxPool";
  static constexpr size_t inputs = 1, outputs = 2;
  static constexpr bool variadic = false;
  Window window;

  explicit MaxPool(const Attributes& given) {
    const auto k = given.wholes("kernel"), s = given.wholes("strides"), p = given.wholes("pads");
    const auto in = given.wholes("size"), out = given.wholes("out");
    window = {k[0], k[1], s[0], s[1], p[0], p[1], in[0], in[1], out[0], out[1]};
  }
  static ONNXTensorElementDataType input(size_t) { return FLOAT; }
  static ONNXTensorElementDataType output(size_t i) { return i == 1 ? UINT8 : FLOAT; }

  void run(const Run& run) const {
    const auto shape = run.shape(0);
    const std::vector<int64_t> out = {shape[0], shape[1], window.outH, window.outW};
    const float* x = run.input(0);
    float* y = run.output(0, out);
    auto* winner = run.output<uint8_t>(1, out);
    const int64_t from = window.H * window.W, to = window.outH * window.outW;
    run.parallel(shape[0] * shape[1],
                 [&](int64_t i) { maxPool(window, x + i * from, y + i * to, winner + i * to); });
  }
};

/** winner, dy [N, C, outH, outW] → dx [N, C, H, W] */
struct MaxPoolGradient : MaxPool {
  static constexpr const char* name = "MaxPoolGradient";
  static constexpr size_t inputs = 2, outputs = 1;
  using MaxPool::MaxPool;
  static ONNXTensorElementDataType input(size_t i) { return i == 0 ? UINT8 : FLOAT; }
  static ONNXTensorElementDataType output(size_t) { return FLOAT; }

  void run(const Run& run) const {
    const auto shape = run.shape(0);
    const auto* winner = run.input<uint8_t>(0);
    const float* dy = run.input(1);
    float* dx = run.output(0, {shape[0], shape[1], window.H, window.W});
    const int64_t to = window.H * window.W, from = window.outH * window.outW;
    run.parallel(shape[0] * shape[1],
                 [&](int64_t i) { maxPoolGradient(window, winner + i * from, dy + i * from, dx + i * to); });
  }
};

struct OfFloats {
  static constexpr bool variadic = false;
  static ONNXTensorElementDataType input(size_t) { return FLOAT; }
  static ONNXTensorElementDataType output(size_t) { return FLOAT; }
};

/** [N, C, …] as channels, and the distance between two of them. */
struct Channels {
  int64_t C, pixels;
  Channel channel;
  explicit Channels(const std::vector<int64_t>& shape) : C(shape[1]), pixels(1) {
    for (size_t axis = 2; axis < shape.size(); axis++) pixels *= shape[axis];
    channel = {shape[0], pixels, C * pixels};
  }
};

/** x [N, C, H, W], scale, bias, mean, var [C] → y, mean and variance as ONNX blends them, mean and 1/σ of the batch */
struct BatchNorm : OfFloats {
  static constexpr const char* name = "BatchNorm";
  static constexpr size_t inputs = 5, outputs = 5;
  float epsilon, momentum;
  bool relu;

  explicit BatchNorm(const Attributes& given)
      : epsilon(given.real("epsilon")), momentum(given.real("momentum")), relu(given.whole("relu") == 1) {}

  void run(const Run& run) const {
    const auto shape = run.shape(0);
    const Channels all(shape);
    const float *x = run.input(0), *scale = run.input(1), *bias = run.input(2);
    const float *given[] = {run.input(3), run.input(4)};
    float* y = run.output(0, shape);
    float* blended[] = {run.output(1, {all.C}), run.output(2, {all.C})};
    float* saved[] = {run.output(3, {all.C}), run.output(4, {all.C})};
    run.parallel(all.C, [&](int64_t c) {
      const int64_t at = c * all.pixels;
      const auto [mean, variance] = statistics(all.channel, x + at);
      const float inverse = 1.f / std::sqrt(variance + epsilon);
      normalize(all.channel, x + at, y + at, mean, scale[c] * inverse, bias[c], relu);
      blended[0][c] = momentum == 0 ? mean : given[0][c] * momentum + mean * (1 - momentum);
      blended[1][c] = momentum == 0 ? variance : given[1][c] * momentum + variance * (1 - momentum);
      saved[0][c] = mean;
      saved[1][c] = inverse;
    });
  }
};

/** x [N, C, H, W], scale, bias, mean, 1/σ [C], dy [N, C, H, W] → dx [N, C, H, W], dscale, dbias [C] */
struct BatchNormGradient : OfFloats {
  static constexpr const char* name = "BatchNormGradient";
  static constexpr size_t inputs = 6, outputs = 3;
  bool relu;

  explicit BatchNormGradient(const Attributes& given) : relu(given.whole("relu") == 1) {}

  void run(const Run& run) const {
    const auto shape = run.shape(0);
    const Channels all(shape);
    const float *x = run.input(0), *scale = run.input(1), *bias = run.input(2);
    const float *mean = run.input(3), *inverse = run.input(4), *dy = run.input(5);
    float* dx = run.output(0, shape);
    float* dscale = run.output(1, {all.C});
    float* dbias = run.output(2, {all.C});
    const double count = static_cast<double>(shape[0]) * all.pixels;
    run.parallel(all.C, [&](int64_t c) {
      const int64_t at = c * all.pixels;
      const float gain = scale[c] * inverse[c];
      const auto sums = gradientSums(all.channel, x + at, dy + at, mean[c], gain, bias[c], relu);
      dbias[c] = static_cast<float>(sums.dy);
      dscale[c] = static_cast<float>(sums.dyx * inverse[c]);
      const auto shift = static_cast<float>(sums.dy / count);
      const auto slope = static_cast<float>(sums.dyx * inverse[c] * inverse[c] / count);
      normalizeGradient(all.channel, x + at, dy + at, dx + at, mean[c], gain, bias[c], shift, slope, relu);
    });
  }
};

/** y, dy → dx */
struct ReluGradient : OfFloats {
  static constexpr const char* name = "ReluGradient";
  static constexpr size_t inputs = 2, outputs = 1;
  explicit ReluGradient(const Attributes&) {}

  void run(const Run& run) const {
    constexpr int64_t BLOCK = 1 << 14;
    const auto shape = run.shape(0);
    const int64_t count = product(shape);
    const float *y = run.input(0), *dy = run.input(1);
    float* dx = run.output(0, shape);
    run.parallel((count + BLOCK - 1) / BLOCK, [&](int64_t i) {
      const int64_t from = i * BLOCK;
      reluGradient(std::min(BLOCK, count - from), y + from, dy + from, dx + from);
    });
  }
};

/** y, dy [N, C, …] → dx [N, C, …] and its sums [C] */
struct ReluGradientSums : OfFloats {
  static constexpr const char* name = "ReluGradientSums";
  static constexpr size_t inputs = 2, outputs = 2;
  explicit ReluGradientSums(const Attributes&) {}

  void run(const Run& run) const {
    const auto shape = run.shape(0);
    const Channels all(shape);
    const float *y = run.input(0), *dy = run.input(1);
    float* dx = run.output(0, shape);
    float* sums = run.output(1, {all.C});
    run.parallel(all.C, [&](int64_t c) {
      double total = 0;
      for (int64_t n = 0; n < all.channel.N; n++) {
        const int64_t at = n * all.channel.stride + c * all.pixels;
        reluGradient(all.pixels, y + at, dy + at, dx + at);
        total += sum({1, all.pixels, 0}, dx + at);
      }
      sums[c] = static_cast<float>(total);
    });
  }
};

/** x [N, C, …] → [C] */
struct ChannelSums : OfFloats {
  static constexpr const char* name = "ChannelSums";
  static constexpr size_t inputs = 1, outputs = 1;
  explicit ChannelSums(const Attributes&) {}

  void run(const Run& run) const {
    const Channels all(run.shape(0));
    const float* x = run.input(0);
    float* sums = run.output(0, {all.C});
    run.parallel(all.C,
                 [&](int64_t c) { sums[c] = static_cast<float>(sum(all.channel, x + c * all.pixels)); });
  }
};

/** lr, then p, dp, v of each parameter → p and v of each; they may be written where they are read. */
struct Sgd : OfFloats {
  static constexpr const char* name = "Sgd";
  static constexpr size_t inputs = 2, outputs = 1;
  static constexpr bool variadic = true;
  float momentum;
  std::vector<float> decays;

  explicit Sgd(const Attributes& given) : momentum(given.real("momentum")), decays(given.reals("decays")) {}

  void run(const Run& run) const {
    constexpr int64_t BLOCK = 1 << 15;
    struct Part {
      int64_t count;
      const float *p, *g, *v;
      float *pNext, *vNext;
      float decay;
    };
    std::vector<Part> parts;
    for (size_t i = 0; i < decays.size(); i++) {
      const auto shape = run.shape(3 * i + 1);
      const float *p = run.input(3 * i + 1), *g = run.input(3 * i + 2), *v = run.input(3 * i + 3);
      float *pNext = run.output(2 * i, shape), *vNext = run.output(2 * i + 1, shape);
      const int64_t count = product(shape);
      for (int64_t at = 0; at < count; at += BLOCK)
        parts.push_back({std::min(BLOCK, count - at), p + at, g + at, v + at, pNext + at, vNext + at, decays[i]});
    }
    const float lr = run.input(0)[0];
    run.parallel(static_cast<int64_t>(parts.size()), [&](int64_t i) {
      const auto& [count, p, g, v, pNext, vNext, decay] = parts[i];
      sgd(count, p, g, v, pNext, vNext, lr, momentum, decay);
    });
  }
};

/** x → x with its axes in the order `perm`. */
struct Transpose : OfFloats {
  static constexpr const char* name = "Transpose";
  static constexpr size_t inputs = 1, outputs = 1;
  std::vector<int64_t> perm;
  explicit Transpose(const Attributes& given) : perm(given.wholes("perm")) {}

  void run(const Run& run) const {
    const auto shape = run.shape(0);
    const size_t rank = shape.size();
    std::vector<int64_t> strides(rank, 1), out(rank), steps(rank);
    for (size_t axis = rank - 1; axis > 0; axis--) strides[axis - 1] = strides[axis] * shape[axis];
    for (size_t axis = 0; axis < rank; axis++) {
      out[axis] = shape[perm[axis]];
      steps[axis] = strides[perm[axis]];
    }
    const float* x = run.input(0);
    float* y = run.output(0, out);
    // the last two axes in one go, the others on any thread
    const int64_t columns = out[rank - 1], rows = rank > 1 ? out[rank - 2] : 1;
    const int64_t across = steps[rank - 1], down = rank > 1 ? steps[rank - 2] : 0;
    run.parallel(product(out) / (rows * columns), [&](int64_t i) {
      float* to = y + i * rows * columns;
      const float* from = x;
      for (int64_t axis = static_cast<int64_t>(rank) - 3, left = i; axis >= 0; left /= out[axis], axis--)
        from += left % out[axis] * steps[axis];
      for (int64_t row = 0; row < rows; row++, from += down, to += columns) {
        if (across == 1) std::copy_n(from, columns, to);
        else
          for (int64_t column = 0; column < columns; column++) to[column] = from[column * across];
      }
    });
  }
};

/** w [O, C, kH, kW] → [C, O, kH, kW], each kernel turned by 180° */
struct TurnedKernels : OfFloats {
  static constexpr const char* name = "TurnedKernels";
  static constexpr size_t inputs = 1, outputs = 1;
  explicit TurnedKernels(const Attributes&) {}

  void run(const Run& run) const {
    const auto shape = run.shape(0);
    const int64_t O = shape[0], C = shape[1], taps = shape[2] * shape[3];
    const float* w = run.input(0);
    float* y = run.output(0, {C, O, shape[2], shape[3]});
    run.parallel(C, [&](int64_t c) {
      for (int64_t o = 0; o < O; o++) {
        const float* from = w + (o * C + c) * taps;
        std::reverse_copy(from, from + taps, y + (c * O + o) * taps);
      }
    });
  }
};

OrtStatus* failed(const std::exception& error) { return api()->CreateStatus(ORT_FAIL, error.what()); }

/** The table of callbacks that ONNX Runtime reads an operator from. */
template <typename T>
const OrtCustomOp* described() {
  static const OrtCustomOp op = [] {
    OrtCustomOp o = {};
    o.version = ORT_API_VERSION;
    o.GetName = [](const OrtCustomOp*) { return T::name; };
    o.GetExecutionProviderType = [](const OrtCustomOp*) -> const char* { return nullptr; };
    o.GetInputType = [](const OrtCustomOp*, size_t i) { return T::input(i); };
    o.GetInputTypeCount = [](const OrtCustomOp*) { return T::inputs; };
    o.GetOutputType = [](const OrtCustomOp*, size_t i) { return T::output(i); };
    o.GetOutputTypeCount = [](const OrtCustomOp*) { return T::outputs; };
    o.GetInputCharacteristic = [](const OrtCustomOp*, size_t i) {
      return T::variadic && i + 1 == T::inputs ? INPUT_OUTPUT_VARIADIC : INPUT_OUTPUT_REQUIRED;
    };
    o.GetOutputCharacteristic = [](const OrtCustomOp*, size_t) {
      return T::variadic ? INPUT_OUTPUT_VARIADIC : INPUT_OUTPUT_REQUIRED;
    };
    o.GetInputMemoryType = [](const OrtCustomOp*, size_t) { return OrtMemTypeDefault; };
    o.GetVariadicInputMinArity = [](const OrtCustomOp*) { return 1; };
    o.GetVariadicInputHomogeneity = [](const OrtCustomOp*) { return 1; };
    o.GetVariadicOutputMinArity = [](const OrtCustomOp*) { return 1; };
    o.GetVariadicOutputHomogeneity = [](const OrtCustomOp*) { return 1; };
    o.GetStartVersion = [](const OrtCustomOp*) { return 1; };
    o.GetEndVersion = [](const OrtCustomOp*) { return 1; };
    o.CreateKernelV2 = [](const OrtCustomOp*, const OrtApi*, const OrtKernelInfo* info, void** kernel) -> OrtStatus* {
      try {
        *kernel = new T(Attributes(info));
        return nullptr;
      } catch (const std::exception& error) {
        return failed(error);
      }
    };
    o.KernelComputeV2 = [](void* kernel, OrtKernelContext* context) -> OrtStatus* {
      try {
        static_cast<T*>(kernel)->run(Run(context));
        return nullptr;
      } catch (const std::exception& error) {
        return failed(error);
      }
    };
    o.KernelDestroy = [](void* kernel) { delete static_cast<T*>(kernel); };
    return o;
  }();
  return &op;
}

}  // namespace
}  // namespace convnets

/** What RegisterCustomOpsLibrary_V2 looks for. */
extern "C" OrtStatus* RegisterCustomOps(OrtSessionOptions* options, const OrtApiBase* base) {
  using namespace convnets;
  api() = base->GetApi(ORT_API_VERSION);
  static OrtCustomOpDomain* domain = nullptr;
  if (domain == nullptr) {
    if (OrtStatus* status = api()->CreateCustomOpDomain("convnets", &domain)) return status;
    for (const OrtCustomOp* op :
         {described<MaxPool>(), described<MaxPoolGradient>(), described<BatchNorm>(), described<BatchNormGradient>(),
          described<ReluGradient>(), described<ReluGradientSums>(), described<ChannelSums>(), described<Sgd>(),
          described<Transpose>(), described<TurnedKernels>()})
      if (OrtStatus* status = api()->CustomOpDomain_Add(domain, op)) return status;
  }
  return api()->AddCustomOpDomain(options, domain);
}
