/* Where the parameters of the flow and their gradient lie, padded to whole vectors. */
#pragma once
#include <string.h>

#include "vectors.h"

typedef struct {
    int64_t n_markers, n_covariates, n_pops, n_layers, n_hidden_layers, hidden_size;
} Shape;

INLINE int64_t padded(int64_t n) { return (n + LANES - 1) / LANES * LANES; }

typedef struct {
    int64_t M, P, H, I, Pp, Hp, Ip; /* I = M + C is the width of a row; p: padded */
    int64_t n_layers, n_linears;
} Plan;

static Plan plan(const Shape *s)
{
    int64_t width = s->n_markers + s->n_covariates;
    return (Plan){
        .M = s->n_markers, .P = s->n_pops, .H = s->hidden_size, .I = width,
        .Pp = padded(s->n_pops), .Hp = padded(s->hidden_size), .Ip = padded(width),
        .n_layers = s->n_layers, .n_linears = s->n_hidden_layers + 2,
    };
}

/* The transformed markers of a layer: columns [begin, end) of the sorted rows. */
typedef struct { int64_t begin, end, first_vector, end_vector; } Columns;

static Columns transformed(const Plan *p, int64_t layer)
{
    int64_t group = layer % 3, begin = 0;
    for (int64_t g = 0; g < group; g++) begin += (p->M - g + 2) / 3;
    int64_t end = begin + (p->M - group + 2) / 3;
    return (Columns){begin, end, begin / LANES * LANES, padded(end)};
}

/* The numbers of a network lie one linear after another, weights first and the biases at the end.
 *   forward     first (I, Hp), hidden (H, Hp), last (H, Ip)
 *   transposed  first (H, Ip), hidden (H, Hp), last (I, Hp)
 *   gradient    first (I, Hp), hidden (H, Hp), last (I, Hp), that is, the last one transposed */
enum { FORWARD, TRANSPOSED, GRADIENT };

INLINE int64_t first_size(const Plan *p, int form)
{
    return form == TRANSPOSED ? p->H * p->Ip : p->I * p->Hp;
}
INLINE int64_t last_size(const Plan *p, int form)
{
    return form == FORWARD ? p->H * p->Ip : p->I * p->Hp;
}
INLINE int64_t weight_at(const Plan *p, int form, int64_t linear)
{
    return linear == 0 ? 0 : first_size(p, form) + (linear - 1) * p->H * p->Hp;
}
INLINE int64_t bias_at(const Plan *p, int form, int64_t linear)
{
    return weight_at(p, form, p->n_linears - 1) + last_size(p, form) + linear * p->Hp;
}
INLINE int64_t network_size(const Plan *p, int form)
{
    return bias_at(p, form, p->n_linears - 1) + p->Ip;
}
INLINE int64_t network_at(const Plan *p, int form, int64_t layer, int net)
{
    return (2 * layer + net) * network_size(p, form);
}

/* Sizes in floats: packed weights of both forms, packed gradient, workspace of a thread. */
int64_t packed_size(const Shape *s)
{
    Plan p = plan(s);
    return 2 * p.n_layers * (network_size(&p, FORWARD) + network_size(&p, TRANSPOSED));
}
int64_t gradient_size(const Shape *s)
{
    Plan p = plan(s);
    return 2 * p.n_layers * network_size(&p, GRADIENT);
}

/* A linear map of a layer, and where its numbers lie in phi: per linear the weights (2, n_in,
 * n_out), then the biases (2, n_out), s before t (coupling.py). */
typedef struct { int64_t n_in, n_out, weight, bias; int is_first, is_last; Columns t; } Linear;

static Linear linear_of(const Plan *p, int64_t layer, int64_t index, int64_t net, int64_t *at)
{
    Columns t = transformed(p, layer);
    int64_t T = t.end - t.begin;
    Linear l = {.is_first = index == 0, .is_last = index == p->n_linears - 1, .t = t};
    l.n_in = l.is_first ? p->I - T : p->H;
    l.n_out = l.is_last ? T : p->H;
    l.weight = *at + net * l.n_in * l.n_out;
    l.bias = *at + 2 * l.n_in * l.n_out + net * l.n_out;
    if (net) *at += 2 * (l.n_in + 1) * l.n_out;
    return l;
}
/* Row and column of the padded weight that hold input i and output o. */
INLINE int64_t row_of(Linear l, int64_t i)
{
    return l.is_first && i >= l.t.begin ? i + l.t.end - l.t.begin : i;
}
INLINE int64_t column_of(Linear l, int64_t o) { return l.is_last ? l.t.begin + o : o; }

/* Copy the parameters phi of every layer into the forward and the transposed form. */
void pack(const Shape *shape, const float *const *phi, float *packed)
{
    Plan p = plan(shape);
    float *packed_t = packed + 2 * p.n_layers * network_size(&p, FORWARD);
    memset(packed, 0, packed_size(shape) * sizeof(float));
    for (int64_t layer = 0; layer < p.n_layers; layer++)
        for (int64_t index = 0, at = 0; index < p.n_linears; index++)
            for (int64_t net = 0; net < 2; net++) {
                Linear l = linear_of(&p, layer, index, net, &at);
                int64_t width = l.is_last ? p.Ip : p.Hp, width_t = l.is_first ? p.Ip : p.Hp;
                float *network = packed + network_at(&p, FORWARD, layer, net);
                float *weight = network + weight_at(&p, FORWARD, index);
                float *bias = network + bias_at(&p, FORWARD, index);
                float *weight_t = packed_t + network_at(&p, TRANSPOSED, layer, net)
                    + weight_at(&p, TRANSPOSED, index);
                for (int64_t i = 0; i < l.n_in; i++)
                    for (int64_t o = 0; o < l.n_out; o++) {
                        float value = phi[layer][l.weight + i * l.n_out + o];
                        weight[row_of(l, i) * width + column_of(l, o)] = value;
                        weight_t[column_of(l, o) * width_t + row_of(l, i)] = value;
                    }
                for (int64_t o = 0; o < l.n_out; o++)
                    bias[column_of(l, o)] = phi[layer][l.bias + o];
            }
}

/* Sum the gradients of all chunks into the first, and from there into the gradient of every phi. */
void unpack_gradient(const Shape *shape, float *chunks, int64_t n_chunks, float *const *d_phi)
{
    Plan p = plan(shape);
    int64_t size = gradient_size(shape);
    for (int64_t c = 1; c < n_chunks; c++)
        for (int64_t i = 0; i < size; i++) chunks[i] += chunks[c * size + i];
    for (int64_t layer = 0; layer < p.n_layers; layer++)
        for (int64_t index = 0, at = 0; index < p.n_linears; index++)
            for (int64_t net = 0; net < 2; net++) {
                Linear l = linear_of(&p, layer, index, net, &at);
                const float *network = chunks + network_at(&p, GRADIENT, layer, net);
                const float *weight = network + weight_at(&p, GRADIENT, index);
                const float *bias = network + bias_at(&p, GRADIENT, index);
                for (int64_t i = 0; i < l.n_in; i++)
                    for (int64_t o = 0; o < l.n_out; o++)
                        d_phi[layer][l.weight + i * l.n_out + o] =
                            l.is_last ? weight[column_of(l, o) * p.Hp + i]
                                      : weight[row_of(l, i) * p.Hp + o];
                for (int64_t o = 0; o < l.n_out; o++)
                    d_phi[layer][l.bias + o] = bias[column_of(l, o)];
            }
}
