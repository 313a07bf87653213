#include "kernels.h"

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace convnets {
namespace {

constexpr int LANES = 32;

/** Pixels [size] of a row, every one or every second: 8 of them from `x` on. */
template <int STRIDE>
__m256 eight(const float* x, int64_t stride) {
  if constexpr (STRIDE == 1) return _mm256_loadu_ps(x);
  if constexpr (STRIDE == 2) {
    const __m256 even = _mm256_shuffle_ps(_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8), 0b10001000);
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(even), 0b11011000));
  }
  const auto s = static_cast<int>(stride);
  return _mm256_i32gather_ps(x, _mm256_mullo_epi32(_mm256_set1_epi32(s), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)), 4);
}

/** A row of windows, `count` of them or up to seven more, whose first row of pixels begins at `x`. */
template <int STRIDE>
void compareRow(const Window& w, const float* x, int64_t width, float* best, int32_t* winner, int64_t count) {
  for (int64_t o = 0; o < count; o += 8) {
    __m256 most = _mm256_set1_ps(-std::numeric_limits<float>::infinity());
    __m256 first = _mm256_castsi256_ps(_mm256_set1_epi32(-1));
    int32_t tap = 0;
    for (int64_t i = 0; i < w.kH; i++) {
      const float* row = x + i * width + o * w.sW;
      for (int64_t j = 0; j < w.kW; j++, tap++) {
        const __m256 value = eight<STRIDE>(row + j, w.sW);
        const __m256 wins = _mm256_cmp_ps(value, most, _CMP_GT_OQ);
        most = _mm256_blendv_ps(most, value, wins);
        first = _mm256_blendv_ps(first, _mm256_castsi256_ps(_mm256_set1_epi32(tap)), wins);
      }
    }
    _mm256_storeu_ps(best + o, most);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(winner + o), _mm256_castps_si256(first));
  }
}

/** Sum of f over a channel: lanes in float32 for a stretch of a row, stretches in float64. */
template <typename F>
double accumulate(const Channel& channel, F f) {
  constexpr int64_t STRETCH = 4096;
  double total = 0;
  for (int64_t n = 0; n < channel.N; n++) {
    const int64_t row = n * channel.stride;
    for (int64_t from = 0; from < channel.pixels; from += STRETCH) {
      const int64_t to = std::min(from + STRETCH, channel.pixels);
      float lanes[LANES] = {};
      int64_t i = from;
      for (; i + LANES <= to; i += LANES)
        for (int l = 0; l < LANES; l++) lanes[l] += f(row + i + l);
      for (int l = 0; i < to; i++, l++) lanes[l] += f(row + i);
      float part = 0;
      for (float lane : lanes) part += lane;
      total += part;
    }
  }
  return total;
}

}  // namespace

void maxPool(const Window& w, const float* x, float* y, uint8_t* winner) {
  thread_local std::vector<float> padded, best;
  thread_local std::vector<int32_t> first;
  const int64_t count = (w.outW + 7) / 8 * 8;
  // with a border that never wins; the last eight may read 15 pixels more
  const int64_t width = std::max(w.left + w.W, (count - 1) * w.sW + w.kW + 15);
  const int64_t height = std::max(w.top + w.H, (w.outH - 1) * w.sH + w.kH);
  padded.assign(width * height, -std::numeric_limits<float>::infinity());
  best.resize(count);
  first.resize(count);
  for (int64_t h = 0; h < w.H; h++)
    std::memcpy(padded.data() + (h + w.top) * width + w.left, x + h * w.W, sizeof(float) * w.W);
  const auto row = w.sW == 1 ? compareRow<1> : w.sW == 2 ? compareRow<2> : compareRow<0>;
  for (int64_t oh = 0; oh < w.outH; oh++) {
    row(w, padded.data() + oh * w.sH * width, width, best.data(), first.data(), w.outW);
    std::memcpy(y + oh * w.outW, best.data(), sizeof(float) * w.outW);
    for (int64_t o = 0; o < w.outW; o++) winner[oh * w.outW + o] = static_cast<uint8_t>(first[o]);
  }
}

void maxPoolGradient(const Window& w, const uint8_t* winner, const float* dy, float* dx) {
  int64_t place[256];
  for (int64_t tap = 0; tap < w.kH * w.kW; tap++) place[tap] = (tap / w.kW - w.top) * w.W + tap % w.kW - w.left;
  // a window that holds nothing but −∞ or NaN has no winner
  place[255] = -1;
  std::memset(dx, 0, sizeof(float) * w.H * w.W);
  for (int64_t oh = 0; oh < w.outH; oh++) {
    float* to = dx + oh * w.sH * w.W;
    const uint8_t* won = winner + oh * w.outW;
    const float* row = dy + oh * w.outW;
    for (int64_t o = 0; o < w.outW; o++)
      if (won[o] != 255) to[o * w.sW + place[won[o]]] += row[o];
  }
}

double sum(const Channel& channel, const float* x) {
  return accumulate(channel, [x](int64_t i) { return x[i]; });
}

Statistics statistics(const Channel& channel, const float* x) {
  const double count = static_cast<double>(channel.N) * channel.pixels;
  const auto mean = static_cast<float>(sum(channel, x) / count);
  const double squares = accumulate(channel, [x, mean](int64_t i) { return (x[i] - mean) * (x[i] - mean); });
  return {mean, static_cast<float>(squares / count)};
}

void normalize(const Channel& channel, const float* x, float* y, float mean, float gain, float bias, bool relu) {
  const float lowest = relu ? 0.f : -std::numeric_limits<float>::infinity();
  for (int64_t n = 0; n < channel.N; n++) {
    const float* __restrict from = x + n * channel.stride;
    float* __restrict to = y + n * channel.stride;
    for (int64_t i = 0; i < channel.pixels; i++) {
      const float value = std::fma(from[i] - mean, gain, bias);
      to[i] = value > lowest ? value : lowest;
    }
  }
}

GradientSums gradientSums(const Channel& channel, const float* x, const float* dy, float mean, float gain, float bias,
                          bool relu) {
  if (!relu)
    return {sum(channel, dy), accumulate(channel, [=](int64_t i) { return dy[i] * (x[i] - mean); })};
  const auto passed = [=](int64_t i) { return std::fma(x[i] - mean, gain, bias) > 0.f ? dy[i] : 0.f; };
  return {accumulate(channel, passed), accumulate(channel, [=](int64_t i) { return passed(i) * (x[i] - mean); })};
}

void normalizeGradient(const Channel& channel, const float* x, const float* dy, float* dx, float mean, float gain,
                       float bias, float shift, float slope, bool relu) {
  for (int64_t n = 0; n < channel.N; n++) {
    const float* __restrict in = x + n * channel.stride;
    const float* __restrict from = dy + n * channel.stride;
    float* __restrict to = dx + n * channel.stride;
    if (relu) {
      for (int64_t i = 0; i < channel.pixels; i++) {
        const float centered = in[i] - mean;
        const float passed = std::fma(centered, gain, bias) > 0.f ? from[i] : 0.f;
        to[i] = (passed - shift - centered * slope) * gain;
      }
    } else {
      for (int64_t i = 0; i < channel.pixels; i++) to[i] = (from[i] - shift - (in[i] - mean) * slope) * gain;
    }
  }
}

void reluGradient(int64_t count, const float* __restrict y, const float* __restrict dy, float* __restrict dx) {
  for (int64_t i = 0; i < count; i++) dx[i] = y[i] > 0.f ? dy[i] : 0.f;
}

// what is written may be what is read: element i depends on elements i only
void sgd(int64_t count, const float* p, const float* g, const float* v, float* pNext, float* vNext, float lr,
         float momentum, float decay) {
#pragma GCC ivdep
  for (int64_t i = 0; i < count; i++) {
    const float velocity = momentum * v[i] + g[i] + decay * p[i];
    vNext[i] = velocity;
    pNext[i] = p[i] - lr * velocity;
  }
}

}  // namespace convnets
