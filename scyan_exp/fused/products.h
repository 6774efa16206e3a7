/* Matrix products of a tile of cells. */
#pragma once
#include "vectors.h"

#define TILE 64 /* cells; a multiple of ROWS */

/* What follows a product: nothing, ReLU, or the gradient of the ReLU that gave `activation`. */
enum { PLAIN, RELU, RELU_GRADIENT };

/* Call function(n, ...) with n a constant of the compiler, so that blocks stay in registers. */
#define CASE(n, function, ...) case n: function(n, __VA_ARGS__); break;
#define CASES_8(function, ...)                                                                  \
    CASE(0, function, __VA_ARGS__) CASE(1, function, __VA_ARGS__) CASE(2, function, __VA_ARGS__) \
    CASE(3, function, __VA_ARGS__) CASE(4, function, __VA_ARGS__) CASE(5, function, __VA_ARGS__) \
    CASE(6, function, __VA_ARGS__) CASE(7, function, __VA_ARGS__) CASE(8, function, __VA_ARGS__)
#if BLOCK == 8
#define CASES CASES_8
#else
#define CASES(function, ...)                                                                    \
    CASES_8(function, __VA_ARGS__)                                                              \
    CASE(9, function, __VA_ARGS__) CASE(10, function, __VA_ARGS__)                              \
    CASE(11, function, __VA_ARGS__) CASE(12, function, __VA_ARGS__)                             \
    CASE(13, function, __VA_ARGS__) CASE(14, function, __VA_ARGS__)                             \
    CASE(15, function, __VA_ARGS__) CASE(16, function, __VA_ARGS__)
#endif

INLINE void multiply_block(
    int n, const float *in, int64_t in_width, const float *weight, int64_t width,
    const float *bias, float *out, int after, const float *activation)
{
    vec w[BLOCK], start = bias ? load(bias) : splat(0);
#pragma GCC unroll 16
    for (int k = 0; k < n; k++) w[k] = load(weight + k * width);
    for (int row = 0; row < TILE; row += ROWS) {
        vec sum[ROWS];
        const float *cells = in + row * in_width;
        float *result = out + row * width;
#pragma GCC unroll 16
        for (int i = 0; i < ROWS; i++) sum[i] = bias ? start : load(result + i * width);
#pragma GCC unroll 16
        for (int k = 0; k < n; k++)
#pragma GCC unroll 16
            for (int i = 0; i < ROWS; i++) sum[i] += splat(cells[i * in_width + k]) * w[k];
#pragma GCC unroll 16
        for (int i = 0; i < ROWS; i++) {
            vec value = sum[i];
            if (after == RELU) value = relu(value);
            if (after == RELU_GRADIENT) {
                vec active = load(activation + (row + i) * width);
                value = select_vec(active > splat(0), value, splat(0));
            }
            store(result + i * width, value);
        }
    }
}

/* One column of vectors of out = start + in weight: in (TILE, n of in_width), weight (n, width),
 * out and activation (TILE, width). Start is a bias, or out itself when NULL. */
static void multiply(
    const float *in, int64_t in_width, int64_t n, const float *weight, int64_t width,
    const float *bias, float *out, int after, const float *activation)
{
    for (; n > BLOCK; n -= BLOCK, in += BLOCK, weight += BLOCK * width, bias = NULL)
        multiply_block(BLOCK, in, in_width, weight, width, bias, out, PLAIN, NULL);
    switch (n) { CASES(multiply_block, in, in_width, weight, width, bias, out, after, activation) }
}

INLINE void outer_block(
    int n, const float *in, int64_t in_width, const float *d, int64_t width, float *gradient,
    float *bias_gradient)
{
    vec sum[BLOCK], bias_sum = splat(0);
#pragma GCC unroll 16
    for (int k = 0; k < n; k++) sum[k] = load(gradient + k * width);
    for (int i = 0; i < TILE; i++) {
        vec d_i = load(d + i * width);
        bias_sum += d_i;
#pragma GCC unroll 16
        for (int k = 0; k < n; k++) sum[k] += splat(in[i * in_width + k]) * d_i;
    }
#pragma GCC unroll 16
    for (int k = 0; k < n; k++) store(gradient + k * width, sum[k]);
    if (bias_gradient) store(bias_gradient, load(bias_gradient) + bias_sum);
}

/* One column of vectors of gradient += in^T d: in (TILE, n of in_width), d (TILE, width),
 * gradient (n, width). Its bias, unless NULL, gains the sum of d. */
static void outer(
    const float *in, int64_t in_width, int64_t n, const float *d, int64_t width, float *gradient,
    float *bias_gradient)
{
    for (; n > BLOCK; n -= BLOCK, in += BLOCK, gradient += BLOCK * width, bias_gradient = NULL)
        outer_block(BLOCK, in, in_width, d, width, gradient, bias_gradient);
    switch (n) { CASES(outer_block, in, in_width, d, width, gradient, bias_gradient) }
}
