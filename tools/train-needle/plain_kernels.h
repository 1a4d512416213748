// The reference kernels: f32 throughout, loops that the compiler vectorises for whatever machine it builds on.
#pragma once
#include "numeric.h"
#include <algorithm>
#include <vector>

class PlainKernels {
public:
    using Element = float;

    // A right-hand factor [depth x width], stored as panels of 32 columns.
    struct Packed {
        Buffer<float> data;
        int depth = 0, width = 0;
    };

    static void enter_thread() {}

    // The factor that makes product() compute x W^T, for W [n x k].
    void pack(const float* w, int n, int k, Packed& to) {
        float* out = start(to, k, n);
        for (int j = 0; j < n; j++)
            for (int i = 0; i < k; i++) out[size_t(j / 32) * k * 32 + i * 32 + j % 32] = w[size_t(j) * k + i];
    }

    // The factor that makes product() compute x W, for W [n x k].
    void pack_transposed(const float* w, int n, int k, Packed& to) {
        float* out = start(to, n, k);
        for (int j = 0; j < n; j++)
            for (int i = 0; i < k; i++) out[size_t(i / 32) * n * 32 + j * 32 + i % 32] = w[size_t(j) * k + i];
    }

    // Hands sink(row, column, block) each 32 x 32 block of the product; rows is a multiple of 32.
    template <class Sink> void product(const float* x, size_t stride, int rows, const Packed& b, Sink&& sink) {
        alignas(64) float block[32 * 32];
        for (int column = 0; column < b.width; column += 32)
            for (int row = 0; row < rows; row += 32) {
                for (int r = 0; r < 32; r += 8) strip(x + (row + r) * stride, stride, 1, b.data.data() + size_t(column) * b.depth, 32, b.depth, block + r * 32);
                sink(row, column, block);
            }
    }

    // dw[n x k] += dy^T x, summed over rows.
    void weight_gradient(const float* dy, size_t dy_stride, int n, const float* x, size_t x_stride, int k, int rows, float* dw) {
        alignas(64) float block[8 * 32];
        for (int i = 0; i < n; i += 8)
            for (int j = 0; j < k; j += 32) {
                strip(dy + i, 1, dy_stride, x + j, x_stride, rows, block);
                for (int r = 0; r < 8; r++)
                    for (int c = 0; c < 32; c++) dw[size_t(i + r) * k + j + c] += block[r * 32 + c];
            }
    }

    // Causal attention over one sequence; lse [heads x rows] keeps the log of each softmax denominator.
    void attention_forward(const AttentionShape& s, const float* qkv, int rows, float* out, float* lse) {
        std::vector<float> p(rows);
        int width = s.width(), d = s.head_dim;
        for (int h = 0; h < s.heads; h++)
            for (int t = 0; t < rows; t++) {
                const float* q = qkv + size_t(t) * width + s.query(h);
                const float *k = qkv + s.key(h / s.group()), *v = qkv + s.value(h / s.group());
                float most = -1e30f, sum = 0;
                for (int j = 0; j <= t; j++) most = std::max(most, p[j] = s.scale() * dot(q, k + size_t(j) * width, d));
                for (int j = 0; j <= t; j++) sum += p[j] = fast_exp(p[j] - most);
                float* o = out + size_t(t) * s.heads * d + s.query(h);
                std::fill(o, o + d, 0.f);
                for (int j = 0; j <= t; j++) add_scaled(o, p[j] / sum, v + size_t(j) * width, d);
                lse[size_t(h) * rows + t] = most + std::log(sum);
            }
    }

    // Probabilities are computed again from lse; dqkv [rows x width] is overwritten.
    void attention_backward(const AttentionShape& s, const float* qkv, int rows, const float* out, const float* dout, const float* lse, float* dqkv) {
        int width = s.width(), d = s.head_dim;
        std::fill(dqkv, dqkv + size_t(rows) * width, 0.f);
        for (int h = 0; h < s.heads; h++)
            for (int t = 0; t < rows; t++) {
                const size_t at = size_t(t) * s.heads * d + s.query(h), row = size_t(t) * width;
                const float *q = qkv + row + s.query(h), *go = dout + at;
                const float mean = dot(out + at, go, d);
                for (int j = 0; j <= t; j++) {
                    const size_t key = size_t(j) * width + s.key(h / s.group()), value = size_t(j) * width + s.value(h / s.group());
                    float p = fast_exp(s.scale() * dot(q, qkv + key, d) - lse[size_t(h) * rows + t]);
                    float ds = s.scale() * p * (dot(go, qkv + value, d) - mean);
                    add_scaled(dqkv + value, p, go, d);
                    add_scaled(dqkv + key, ds, q, d);
                    add_scaled(dqkv + row + s.query(h), ds, qkv + key, d);
                }
            }
    }

private:
    typedef float Lanes __attribute__((vector_size(64)));

    static float* start(Packed& to, int depth, int width) {
        to.depth = depth, to.width = width;
        return to.data.need(size_t(depth) * width);
    }

    static Lanes load(const float* p) { Lanes v; std::memcpy(&v, p, sizeof v); return v; }

    // out[8 x 32] = A B; A's element (r, k) lies at a[r * a_row + k * a_step], B's row k at b + k * b_step.
    static void strip(const float* a, size_t a_row, size_t a_step, const float* b, size_t b_step, int depth, float* out) {
        Lanes sum[8][2] = {};
        for (int k = 0; k < depth; k++) {
            Lanes b0 = load(b + k * b_step), b1 = load(b + k * b_step + 16);
            for (int r = 0; r < 8; r++) {
                float x = a[r * a_row + k * a_step];
                sum[r][0] += x * b0, sum[r][1] += x * b1;
            }
        }
        std::memcpy(out, sum, sizeof sum);
    }

    static float dot(const float* a, const float* b, int n) {
        float sum = 0;
        for (int i = 0; i < n; i++) sum += a[i] * b[i];
        return sum;
    }

    static void add_scaled(float* to, float factor, const float* from, int n) {
        for (int i = 0; i < n; i++) to[i] += factor * from[i];
    }
};
