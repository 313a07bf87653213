// The arithmetic of the operators, for one channel or one plane at a time; threads are the callers' business.
#pragma once
#include <cstddef>
#include <cstdint>

namespace convnets {

/** A window that slides over planes of H×W pixels. */
struct Window {
  int64_t kH, kW, sH, sW, top, left;
  int64_t H, W, outH, outW;
};

/** x [H, W] → y [outH, outW], and the number of the first tap that holds the maximum, kW·i + j. */
void maxPool(const Window& window, const float* x, float* y, uint8_t* winner);
/** dy [outH, outW] → dx [H, W], each to the winner of its window. */
void maxPoolGradient(const Window& window, const uint8_t* winner, const float* dy, float* dx);

/** A channel of [N, C, H·W]: N rows of `pixels` numbers, `stride` apart. */
struct Channel {
  int64_t N, pixels, stride;
};

struct Statistics {
  float mean, variance;
};

double sum(const Channel& channel, const float* x);
/** Mean and variance of the population, in two passes. */
Statistics statistics(const Channel& channel, const float* x);
/** y = (x − mean) · gain + bias, with `relu` cut off at 0. */
void normalize(const Channel& channel, const float* x, float* y, float mean, float gain, float bias, bool relu);

/** What batch normalization's gradient sums up: Σ dy and Σ dy·(x − mean), of those dy that pass ReLU. */
struct GradientSums {
  double dy, dyx;
};
GradientSums gradientSums(const Channel& channel, const float* x, const float* dy, float mean, float gain, float bias,
                          bool relu);
/** dx = (dy − shift − (x − mean) · slope) · gain */
void normalizeGradient(const Channel& channel, const float* x, const float* dy, float* dx, float mean, float gain,
                       float bias, float shift, float slope, bool relu);

/** dx = dy where y > 0, else 0. */
void reluGradient(int64_t count, const float* y, const float* dy, float* dx);

/** v ← momentum·v + g + decay·p;  p ← p − lr·v */
void sgd(int64_t count, const float* p, const float* g, const float* v, float* pNext, float* vNext, float lr,
         float momentum, float decay);

}  // namespace convnets
