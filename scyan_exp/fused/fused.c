/* Loss and gradient of ScyanModule in one pass over the cells, on the CPU.
 *
 * The plain version (scyan_module.py) is the definition; this one gives the same numbers but for
 * rounding. It goes through the cells in tiles small enough that all activations of a tile stay
 * in the processor's cache: forward through the flow, the prior, and back again.
 *
 * Layout. A tile holds TILE cells as rows. The markers of a row are sorted by group (real_nvp.py),
 * covariates follow them. Rows of every array are padded with zeros to whole vectors. Networks
 * read and write these sorted rows in place: their first weights skip the transformed markers,
 * and their last weights, zero elsewhere, put s and t where the transformed markers are, so that
 * y = x e^s + t leaves the kept markers (s = t = 0) alone.
 *
 * Names as in the Python code: M markers, C covariates, P populations, H hidden units; the net is
 * 0 for s and 1 for t; "linear" counts the linear maps of a network, 0 to n_hidden_layers + 1.
 */
#include "prior.h"

#ifdef _OPENMP
#include <omp.h>
static int64_t thread_number(void) { return omp_get_thread_num(); }
#else
static int64_t thread_number(void) { return 0; }
#endif

/* Floats a vector: what every row is padded to. */
int64_t lanes(void) { return LANES; }

static double sum_of_ldj(const Plan *p, const Tile *w, int64_t n)
{
    double total = 0;
    for (int64_t layer = 0; layer < p->n_layers; layer++) {
        Columns t = transformed(p, layer);
        const float *s = w->s + layer * TILE * p->Ip;
        for (int64_t v = t.first_vector; v < t.end_vector; v += LANES) {
            vec sum = splat(0);
            for (int64_t i = 0; i < n; i++) sum += load(s + i * p->Ip + v);
            total += sum_lanes(sum);
        }
    }
    return total;
}

/* Loss of the cells, and its gradient, in n_chunks parts.
 *
 * workspace (n_threads, workspace_size). sums (n_chunks, 2): sums over the cells of a chunk of
 * logsumexp and of ldj. posterior (n_chunks, P padded): sum of the posterior. gradients (n_chunks,
 * gradient_size): of minus the mean over all cells. A chunk is summed the same way whoever does
 * it, so that results do not depend on the number of threads. */
void loss_and_gradient(const Shape *shape, const float *packed, const Prior *prior, const float *x,
                       const float *covariates, const int64_t *order, int64_t n_cells,
                       int64_t n_chunks, int64_t n_threads, float *workspace, double *sums,
                       float *posterior, float *gradients)
{
    Plan p = plan(shape);
    int64_t n_tiles = (n_cells + TILE - 1) / TILE, size = gradient_size(shape);
    float scale = -1.0f / (float)n_cells;
#pragma omp parallel for num_threads(n_threads) schedule(static)
    for (int64_t c = 0; c < n_chunks; c++) {
        Tile w = arrange(&p, workspace + thread_number() * workspace_size(shape));
        double log_likelihood = 0, ldj = 0;
        unsigned denormals = flush_denormals();
        memset(gradients + c * size, 0, size * sizeof(float));
        memset(posterior + c * p.Pp, 0, p.Pp * sizeof(float));
        for (int64_t tile = n_tiles * c / n_chunks; tile < n_tiles * (c + 1) / n_chunks; tile++) {
            int64_t start = tile * TILE, n = n_cells - start < TILE ? n_cells - start : TILE;
            float d_ldj[TILE];
            for (int64_t i = 0; i < TILE; i++) d_ldj[i] = i < n ? scale : 0;
            read_cells(&p, x + start * p.M, covariates + start * (p.I - p.M), order, n, w.rows);
            flow_forward(&p, packed, &w);
            ldj += sum_of_ldj(&p, &w, n);
            log_likelihood += prior_forward_backward(&p, prior, &w, n, scale, posterior + c * p.Pp);
            flow_backward(&p, packed, &w, d_ldj, gradients + c * size);
        }
        sums[2 * c] = log_likelihood, sums[2 * c + 1] = ldj;
        restore_denormals(denormals);
    }
}

/* Latent expressions u (n_cells, M) and ldj (n_cells) of all cells. */
void transform(const Shape *shape, const float *packed, const float *x, const float *covariates,
               const int64_t *order, int64_t n_cells, int64_t n_threads, float *workspace, float *u,
               float *ldj)
{
    Plan p = plan(shape);
    int64_t n_tiles = (n_cells + TILE - 1) / TILE;
#pragma omp parallel for num_threads(n_threads) schedule(static)
    for (int64_t tile = 0; tile < n_tiles; tile++) {
        Tile w = arrange(&p, workspace + thread_number() * workspace_size(shape));
        int64_t start = tile * TILE, n = n_cells - start < TILE ? n_cells - start : TILE;
        unsigned denormals = flush_denormals();
        read_cells(&p, x + start * p.M, covariates + start * (p.I - p.M), order, n, w.rows);
        flow_forward(&p, packed, &w);
        restore_denormals(denormals);
        const float *rows = w.rows + p.n_layers * TILE * p.Ip;
        for (int64_t i = 0; i < n; i++) {
            for (int64_t j = 0; j < p.M; j++) u[(start + i) * p.M + order[j]] = rows[i * p.Ip + j];
            float total = 0;
            for (int64_t layer = 0; layer < p.n_layers; layer++) {
                Columns t = transformed(&p, layer);
                const float *s = w.s + (layer * TILE + i) * p.Ip;
                for (int64_t j = t.begin; j < t.end; j++) total += s[j];
            }
            ldj[start + i] = total;
        }
    }
}
