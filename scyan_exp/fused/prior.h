/* The prior on a tile of cells, forward and backward. */
#pragma once
#include <math.h>

#include "flow.h"

typedef struct {       /* log p(u | z) + log pi_z = constant + (u^2 - e^2) square + u linear */
    const float *square, *linear;     /* (M, P padded), markers sorted */
    const float *square_t, *linear_t; /* (P, M padded) */
    const float *constant;            /* (P padded), very small where padded */
    const float *half_precision;      /* (M + C padded), 1 / (2 prior_std^2), 0 beyond M */
    float flat;                       /* 1 - prior_std */
} Prior;

/* Per cell log sum over z of p(u, z); joint becomes the posterior (TILE, Pp). Only the first n
 * cells count. Leaves the gradient with respect to u of the sum of these, times scale, in d_rows. */
static double prior_forward_backward(const Plan *p, const Prior *prior, Tile *w, int64_t n,
                                     float scale, float *posterior_sum)
{
    const float *u = w->rows + p->n_layers * TILE * p->Ip;
    float log_norm[TILE];
    double total = 0;
    for (int64_t i = 0; i < TILE; i++) {
        vec sum = splat(0);
        for (int64_t v = 0; v < p->Ip; v += LANES) {
            vec u_v = load(u + i * p->Ip + v), e = relu(absolute(u_v) - prior->flat);
            store(w->excess + i * p->Ip + v, e);
            store(w->square + i * p->Ip + v, u_v * u_v - e * e);
            sum += e * e * load(prior->half_precision + v);
        }
        log_norm[i] = -sum_lanes(sum);
    }
    for (int64_t v = 0; v < p->Pp; v += LANES) {
        multiply(w->square, p->Ip, p->M, prior->square + v, p->Pp, prior->constant + v,
                 w->joint + v, PLAIN, NULL);
        multiply(u, p->Ip, p->M, prior->linear + v, p->Pp, NULL, w->joint + v, PLAIN, NULL);
    }
    for (int64_t i = 0; i < TILE; i++) {
        float *joint = w->joint + i * p->Pp;
        vec max = load(joint), sum = splat(0);
        for (int64_t v = LANES; v < p->Pp; v += LANES) {
            vec value = load(joint + v);
            max = select_vec(value > max, value, max);
        }
        float top = max_lanes(max);
        for (int64_t v = 0; v < p->Pp; v += LANES) {
            vec value = exp_vec(load(joint + v) - top);
            store(joint + v, value);
            sum += value;
        }
        float norm = sum_lanes(sum);
        if (i < n) total += top + logf(norm) + log_norm[i];
        float weight = i < n ? 1 / norm : 0;
        for (int64_t v = 0; v < p->Pp; v += LANES) {
            vec value = load(joint + v) * weight;
            store(joint + v, value);
            store(posterior_sum + v, load(posterior_sum + v) + value);
        }
    }
    for (int64_t v = 0; v < p->Ip; v += LANES) {
        multiply(w->joint, p->Pp, p->P, prior->square_t + v, p->Ip, ZERO, w->d_square + v, PLAIN,
                 NULL);
        multiply(w->joint, p->Pp, p->P, prior->linear_t + v, p->Ip, ZERO, w->d_linear + v, PLAIN,
                 NULL);
    }
    for (int64_t v = 0; v < p->Ip; v += LANES) {
        vec precision = 2.0f * load(prior->half_precision + v);
        for (int64_t i = v; i < n * p->Ip; i += p->Ip) {
            vec u_i = load(u + i), e = load(w->excess + i);
            e = select_vec(u_i < splat(0), -e, e);
            vec d = 2.0f * (u_i - e) * load(w->d_square + i) + load(w->d_linear + i);
            store(w->d_rows + i, scale * (d - precision * e));
        }
    }
    memset(w->d_rows + n * p->Ip, 0, (TILE - n) * p->Ip * sizeof(float));
    return total;
}
