/* The flow on a tile of cells, forward and backward. */
#pragma once
#include "layout.h"
#include "products.h"

#define COVARIATE_SCALE 100.0f /* coupling.py */

typedef struct {              /* activations of a tile; every array is (TILE, width) */
    float *rows;              /* (n_layers + 1) of Ip: what enters each layer, and at last u */
    float *hidden;            /* (n_layers, 2, n_linears - 1) of Hp, after the ReLU */
    float *s, *exp_s;         /* n_layers of Ip */
    float *t;                 /* Ip */
    float *d_rows, *d_s, *d_t, *excess, *square, *d_square, *d_linear; /* Ip */
    float *d_hidden[2];       /* Hp */
    float *joint;             /* Pp */
} Tile;

static float *take(float **free, int64_t size)
{
    float *start = *free;
    *free += size * TILE;
    return start;
}

static Tile arrange_until(const Plan *p, float *start, float **free)
{
    Tile w;
    *free = start;
    w.rows = take(free, (p->n_layers + 1) * p->Ip);
    w.hidden = take(free, p->n_layers * 2 * (p->n_linears - 1) * p->Hp);
    w.s = take(free, p->n_layers * p->Ip);
    w.exp_s = take(free, p->n_layers * p->Ip);
    w.t = take(free, p->Ip);
    w.d_rows = take(free, p->Ip);
    w.d_s = take(free, p->Ip);
    w.d_t = take(free, p->Ip);
    w.excess = take(free, p->Ip);
    w.square = take(free, p->Ip);
    w.d_square = take(free, p->Ip);
    w.d_linear = take(free, p->Ip);
    w.d_hidden[0] = take(free, p->Hp);
    w.d_hidden[1] = take(free, p->Hp);
    w.joint = take(free, p->Pp);
    return w;
}

static Tile arrange(const Plan *p, float *workspace)
{
    float *end;
    return arrange_until(p, workspace, &end);
}

/* Floats that a thread needs. */
int64_t workspace_size(const Shape *s)
{
    Plan p = plan(s);
    float *end = NULL;
    arrange_until(&p, NULL, &end);
    return (end - (float *)NULL);
}

/* Copy up to TILE cells into rows of sorted markers and scaled covariates; the rest is 0. */
static void read_cells(const Plan *p, const float *x, const float *covariates,
                       const int64_t *order, int64_t n, float *rows)
{
    int64_t C = p->I - p->M;
    memset(rows, 0, TILE * p->Ip * sizeof(float));
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < p->M; j++) rows[i * p->Ip + j] = x[i * p->M + order[j]];
        for (int64_t j = 0; j < C; j++)
            rows[i * p->Ip + p->M + j] = COVARIATE_SCALE * covariates[i * C + j];
    }
}

/* The first linear of a network, whose inputs lie on both sides of the transformed markers. */
static void multiply_kept(const Plan *p, Columns t, const float *rows, const float *weight,
                          const float *bias, float *hidden)
{
    int64_t before = t.begin, after = p->I - t.end;
    if (before)
        multiply(rows, p->Ip, before, weight, p->Hp, bias, hidden, after ? PLAIN : RELU, NULL);
    if (after || !before)
        multiply(rows + t.end, p->Ip, after, weight + t.end * p->Hp, p->Hp, before ? NULL : bias,
                 hidden, RELU, NULL);
}

/* Forward through one network of a layer; its output goes to the columns it transforms. */
static void network_forward(const Plan *p, Columns t, const float *weights, const float *rows,
                            float *hidden, float *out)
{
    int64_t last = p->n_linears - 1;
    for (int64_t v = 0; v < p->Hp; v += LANES)
        multiply_kept(p, t, rows, weights + v, weights + bias_at(p, FORWARD, 0) + v, hidden + v);
    for (int64_t l = 1; l < last; l++, hidden += TILE * p->Hp)
        for (int64_t v = 0; v < p->Hp; v += LANES)
            multiply(hidden, p->Hp, p->H, weights + weight_at(p, FORWARD, l) + v, p->Hp,
                     weights + bias_at(p, FORWARD, l) + v, hidden + TILE * p->Hp + v, RELU, NULL);
    for (int64_t v = t.first_vector; v < t.end_vector; v += LANES)
        multiply(hidden, p->Hp, p->H, weights + weight_at(p, FORWARD, last) + v, p->Ip,
                 weights + bias_at(p, FORWARD, last) + v, out + v, PLAIN, NULL);
}

/* Forward through all layers: rows of layer 0 are given; s, e^s and hidden values are kept. */
static void flow_forward(const Plan *p, const float *packed, Tile *w)
{
    int64_t row_size = TILE * p->Ip, hidden_size = (p->n_linears - 1) * TILE * p->Hp;
    for (int64_t layer = 0; layer < p->n_layers; layer++) {
        Columns t = transformed(p, layer);
        const float *x = w->rows + layer * row_size;
        float *y = w->rows + (layer + 1) * row_size, *s = w->s + layer * row_size;
        float *exp_s = w->exp_s + layer * row_size;
        float *hidden = w->hidden + layer * 2 * hidden_size;
        network_forward(p, t, packed + network_at(p, FORWARD, layer, 0), x, hidden, s);
        network_forward(p, t, packed + network_at(p, FORWARD, layer, 1), x, hidden + hidden_size,
                        w->t);
        if (t.end_vector - t.first_vector < p->Ip) memcpy(y, x, row_size * sizeof(float));
        for (int64_t v = t.first_vector; v < t.end_vector; v += LANES)
            for (int64_t i = v; i < row_size; i += p->Ip) {
                vec s_i = tanh_vec(load(s + i)), e = exp_vec(s_i);
                store(s + i, s_i);
                store(exp_s + i, e);
                store(y + i, load(x + i) * e + load(w->t + i));
            }
    }
}

/* Gradient of one network, given that of its output in d_out; adds to the gradient of its input,
 * but for the first layer, where nobody asks for it. */
static void network_backward(const Plan *p, int64_t layer, Columns t, const float *packed_t,
                             const float *rows, const float *hidden, const float *d_out, Tile *w,
                             float *gradient)
{
    int64_t last = p->n_linears - 1, size = TILE * p->Hp;
    const float *h = hidden + (last - 1) * size;
    float *d = w->d_hidden[0], *d_next = w->d_hidden[1];
    for (int64_t v = 0; v < p->Hp; v += LANES) {
        outer(d_out + t.begin, p->Ip, t.end - t.begin, h + v, p->Hp,
              gradient + weight_at(p, GRADIENT, last) + t.begin * p->Hp + v, NULL);
        multiply(d_out + t.begin, p->Ip, t.end - t.begin,
                 packed_t + weight_at(p, TRANSPOSED, last) + t.begin * p->Hp + v, p->Hp, ZERO,
                 d + v, RELU_GRADIENT, h + v);
    }
    for (int64_t l = last - 1; l > 0; l--) {
        h -= size;
        for (int64_t v = 0; v < p->Hp; v += LANES) {
            outer(h, p->Hp, p->H, d + v, p->Hp, gradient + weight_at(p, GRADIENT, l) + v,
                  gradient + bias_at(p, GRADIENT, l) + v);
            multiply(d, p->Hp, p->H, packed_t + weight_at(p, TRANSPOSED, l) + v, p->Hp, ZERO,
                     d_next + v, RELU_GRADIENT, h + v);
        }
        float *swap = d;
        d = d_next, d_next = swap;
    }
    for (int64_t v = 0; v < p->Hp; v += LANES) {
        float *bias = gradient + bias_at(p, GRADIENT, 0) + v;
        vec sum = load(bias);
        for (int64_t i = 0; i < TILE; i++) sum += load(d + i * p->Hp + v);
        store(bias, sum);
        outer(rows, p->Ip, t.begin, d + v, p->Hp, gradient + v, NULL);
        outer(rows + t.end, p->Ip, p->I - t.end, d + v, p->Hp, gradient + t.end * p->Hp + v, NULL);
    }
    if (layer > 0)
        for (int64_t v = 0; v < p->Ip; v += LANES)
            multiply(d, p->Hp, p->H, packed_t + v, p->Ip, NULL, w->d_rows + v, PLAIN, NULL);
}

/* Gradient of the flow, given that of u in d_rows, and d_ldj of each cell. */
static void flow_backward(const Plan *p, const float *packed, Tile *w, const float *d_ldj,
                          float *gradient)
{
    const float *packed_t = packed + 2 * p->n_layers * network_size(p, FORWARD);
    int64_t row_size = TILE * p->Ip, hidden_size = (p->n_linears - 1) * TILE * p->Hp;
    int64_t last = p->n_linears - 1;
    for (int64_t layer = p->n_layers - 1; layer >= 0; layer--) {
        Columns t = transformed(p, layer);
        const float *x = w->rows + layer * row_size;
        const float *s = w->s + layer * row_size, *exp_s = w->exp_s + layer * row_size;
        const float *hidden = w->hidden + layer * 2 * hidden_size;
        float *gradient_s = gradient + network_at(p, GRADIENT, layer, 0);
        float *gradient_t = gradient + network_at(p, GRADIENT, layer, 1);
        for (int64_t v = t.first_vector; v < t.end_vector; v += LANES) {
            vec sum_s = splat(0), sum_t = splat(0);
            for (int64_t i = v, row = 0; row < TILE; i += p->Ip, row++) {
                vec d = load(w->d_rows + i), e = load(exp_s + i), s_i = load(s + i);
                vec d_s = (d * load(x + i) * e + splat(d_ldj[row])) * (1.0f - s_i * s_i);
                store(w->d_s + i, d_s);
                store(w->d_t + i, d);
                store(w->d_rows + i, d * e);
                sum_s += d_s, sum_t += d;
            }
            float *bias_s = gradient_s + bias_at(p, GRADIENT, last) + v;
            float *bias_t = gradient_t + bias_at(p, GRADIENT, last) + v;
            store(bias_s, load(bias_s) + sum_s);
            store(bias_t, load(bias_t) + sum_t);
        }
        network_backward(p, layer, t, packed_t + network_at(p, TRANSPOSED, layer, 0), x, hidden,
                         w->d_s, w, gradient_s);
        network_backward(p, layer, t, packed_t + network_at(p, TRANSPOSED, layer, 1), x,
                         hidden + hidden_size, w->d_t, w, gradient_t);
    }
}
