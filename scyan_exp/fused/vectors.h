/* Vectors of as many floats as a register of the processor holds, and functions of them. */
#pragma once

#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define LANES 16 /* floats a vector */
#define BLOCK 16 /* vectors of weights that stay in registers, 8 or 16 */
#define ROWS 4    /* cells at a time beside them */
#elif defined(__AVX__)
#define LANES 8
#define BLOCK 8
#define ROWS 4
#else
#define LANES 4
#define BLOCK 8
#define ROWS 4
#endif

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
#define INLINE static inline __attribute__((always_inline))
#define ZERO ((const float[LANES]){0})

INLINE vec splat(float value) { return value - (vec){0}; }
INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE void store(float *p, vec v) { *(vec *)p = v; }
INLINE vec select_vec(ivec mask, vec yes, vec no) {
    return (vec)((mask & (ivec)yes) | (~mask & (ivec)no));
}
INLINE vec relu(vec v) { return select_vec(v < splat(0), splat(0), v); } /* NaN stays NaN */
INLINE vec absolute(vec v) { return (vec)((ivec)v & 0x7fffffff); }
INLINE float sum_lanes(vec v) {
    float part[LANES];
    store(part, v);
    for (int n = LANES / 2; n; n /= 2)
        for (int i = 0; i < n; i++) part[i] += part[i + n];
    return part[0];
}
INLINE float max_lanes(vec v) {
    float part[LANES];
    store(part, v);
    for (int n = LANES / 2; n; n /= 2)
        for (int i = 0; i < n; i++) part[i] = part[i + n] > part[i] ? part[i + n] : part[i];
    return part[0];
}

/* Numbers below 1e-38 count as 0 while a thread computes: posteriors are full of them, and the
 * processor takes a hundred times longer for each. */
#ifdef __SSE__
#include <xmmintrin.h>
static unsigned flush_denormals(void)
{
    unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040); /* results and operands */
    return before;
}
static void restore_denormals(unsigned before) { _mm_setcsr(before); }
#else
static unsigned flush_denormals(void) { return 0; }
static void restore_denormals(unsigned before) { (void)before; }
#endif

/* e^v for v <= 88: 2^n e^r with n whole and |r| <= log(2)/2; polynomial of Cephes' expf, 1e-7
 * relative. */
INLINE vec exp_vec(vec v) {
    v = select_vec(v < splat(-87.0f), splat(-87.0f), v);
    const vec round = splat(12582912.0f); /* 1.5 * 2^23: adding it rounds to a whole number */
    vec n = (v * 1.44269504088896341f + round) - round;
    vec r = v - n * 0.693359375f + n * 2.12194440e-4f;
    vec p = splat(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    ivec bits = ((ivec)(n + (round + 127.0f)) << 23);
    return p * (vec)bits;
}

/* Ratio of two polynomials, those of Eigen's tanh for floats; beyond the limit it is 1, exactly, so
 * that its gradient 1 - tanh^2 is 0. */
INLINE vec tanh_vec(vec v) {
    const vec limit = splat(7.90531110763549805f);
    ivec high = v > limit, low = v < -limit;
    vec z = v * v, p = splat(-2.76076847742355e-16f), q = splat(1.19825839466702e-06f);
    p = p * z + 2.00018790482477e-13f;
    p = p * z - 8.60467152213735e-11f;
    p = p * z + 5.12229709037114e-08f;
    p = p * z + 1.48572235717979e-05f;
    p = p * z + 6.37261928875436e-04f;
    p = p * z + 4.89352455891786e-03f;
    q = q * z + 1.18534705686654e-04f;
    q = q * z + 2.26843463243900e-03f;
    q = q * z + 4.89352518554385e-03f;
    return select_vec(high, splat(1), select_vec(low, splat(-1), v * p / q));
}
