// Kernels on AMX tiles: operands in bf16, sums in f32. Built only where the compiler targets a machine that has them.
#pragma once
#include "numeric.h"
#if defined(__AMX_BF16__) && defined(__AMX_TILE__) && defined(__AVX512BF16__) && defined(__AVX512VBMI__)
#define HAVE_AMX_KERNELS
#include "amx_tiles.h"
#include <algorithm>
#include <sys/syscall.h>
#include <unistd.h>

class AmxKernels {
public:
    using Element = bf16;

    // A right-hand factor [depth x width], packed as tiles::Panels.
    struct Packed {
        Buffer<bf16> data;
        int depth = 0, width = 0;
    };

    // Asks the system once for leave to use tile data; false where it refuses.
    static bool request() {
        constexpr int request_permission = 0x1023, tile_data = 18;
        return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
    }
    static void enter_thread() { tiles::configure(); }

    // The factor that makes product() compute x W^T, for W [n x k].
    void pack(const float* w, int n, int k, Packed& to) {
        to.depth = k, to.width = n;
        tiles::pack_right_transposed(rounded(w, size_t(n) * k), k, n, k, to.data.need(size_t(n) * k));
    }

    // The factor that makes product() compute x W, for W [n x k].
    void pack_transposed(const float* w, int n, int k, Packed& to) {
        to.depth = n, to.width = k;
        tiles::pack_right(rounded(w, size_t(n) * k), k, n, k, n / 32, to.data.need(size_t(n) * k));
    }

    // Hands sink(row, column, block) each 32 x 32 block of the product; rows is a multiple of 32.
    template <class Sink> void product(const bf16* x, size_t stride, int rows, const Packed& b, Sink&& sink) {
        alignas(64) float block[32 * 32];
        const int steps = b.depth / 32;
        for (int row = 0; row < rows; row += 32)
            for (int column = 0; column < b.width; column += 32) {
                tiles::clear();
                tiles::multiply(x + row * stride, stride, 32, b.data.data() + size_t(column) * b.depth, steps);
                tiles::store(block, 32);
                sink(row, column, block);
            }
    }

    // dw[n x k] += dy^T x, summed over rows, a stretch of rows at a time so that the packed stretch stays near.
    void weight_gradient(const bf16* dy, size_t dy_stride, int n, const bf16* x, size_t x_stride, int k, int rows, float* dw) {
        constexpr int stretch = 1024;
        bf16 *left = left_.need(size_t(n) * stretch), *right = right_.need(size_t(k) * stretch);
        for (int from = 0; from < rows; from += stretch) {
            const int count = std::min(stretch, rows - from), steps = count / 32;
            tiles::pack_left_transposed(dy + from * dy_stride, dy_stride, count, n, steps, left);
            tiles::pack_right(x + from * x_stride, x_stride, count, k, steps, right);
            for (int i = 0; i < n; i += 32)
                for (int j = 0; j < k; j += 32) {
                    float* to = dw + size_t(i) * k + j;
                    tiles::load(to, k);
                    tiles::fetch(j + 32 < k ? to + 32 : dw + size_t(std::min(i + 32, n - 32)) * k, k);
                    tiles::multiply_packed(left + size_t(i) * count, right + size_t(j) * count, steps);
                    tiles::store(to, k);
                }
        }
    }

    // Causal attention over one sequence; lse [heads x rows] keeps the base-2 log of each softmax denominator.
    // Scores are computed transposed, keys down and queries across, so that softmax runs down vector lanes.
    void attention_forward(const AttentionShape& s, const bf16* qkv, int rows, bf16* out, float* lse) {
        const int d = s.head_dim, width = s.width(), stride = s.heads * d;
        bf16 *keys = keys_.need(size_t(rows) * d), *values = values_.need(size_t(rows) * d), *queries = queries_.need(size_t(rows) * d);
        for (int h = 0; h < s.heads; h++) {
            const int g = h / s.group();
            if (h % s.group() == 0) {
                copy_rows(qkv + s.key(g), width, rows, d, keys);
                tiles::pack_left_transposed(qkv + s.value(g), width, rows, d, rows / 32, values);
            }
            tiles::pack_right_transposed(qkv + s.query(h), width, rows, d, queries);
            for (int q = 0; q < rows; q += 32)
                attend(s, keys, values, queries + size_t(q) * d, q, rows, out + size_t(q) * stride + s.query(h), stride, lse + size_t(h) * rows + q);
        }
    }

    // Probabilities are computed again from lse; dqkv [rows x width] is overwritten.
    void attention_backward(const AttentionShape& s, const bf16* qkv, int rows, const bf16* out, const bf16* dout, const float* lse, float* dqkv) {
        const int d = s.head_dim, width = s.width(), stride = s.heads * d;
        const size_t size = size_t(rows) * d;
        BackwardHead b{d, rows, s.scale() * log2e, keys_.need(size), keys_turned_.need(size), values_.need(size), queries_.need(size), queries_right_.need(size),
                       douts_.need(size), douts_right_.need(size), nullptr, means_.need(rows), dqueries_.need(size), dkeys_.need(size), dvalues_.need(size)};
        for (int h = 0; h < s.heads; h++) {
            const int g = h / s.group();
            if (h % s.group() == 0) {
                copy_rows(qkv + s.key(g), width, rows, d, b.keys);
                copy_rows(qkv + s.value(g), width, rows, d, b.values);
                tiles::pack_left_transposed(qkv + s.key(g), width, rows, d, rows / 32, b.keys_turned);
                dkeys_.zeroed(size), dvalues_.zeroed(size);
            }
            const bf16 *q = qkv + s.query(h), *o = out + s.query(h), *go = dout + s.query(h);
            tiles::pack_right_transposed(q, width, rows, d, b.queries);
            tiles::pack_right(q, width, rows, d, rows / 32, b.queries_right);
            tiles::pack_right_transposed(go, stride, rows, d, b.douts);
            tiles::pack_right(go, stride, rows, d, rows / 32, b.douts_right);
            for (int t = 0; t < rows; t++) {
                float sum = 0;
                for (int i = 0; i < d; i++) sum += widen(o[size_t(t) * stride + i]) * widen(go[size_t(t) * stride + i]);
                b.means[t] = sum;
            }
            b.lse = lse + size_t(h) * rows;
            dqueries_.zeroed(size);
            for (int k = 0; k < rows; k += key_block)
                for (int from = k; from < rows; from += query_block) attend_backward(b, k, from);
            for (int t = 0; t < rows; t += 32) turn_block(b.dqueries + size_t(t) * d, d, s.scale(), dqkv + size_t(t) * width + s.query(h), width);
            if ((h + 1) % s.group() == 0)
                for (int t = 0; t < rows; t++)
                    for (int i = 0; i < d; i++) {
                        dqkv[size_t(t) * width + s.key(g) + i] = b.dkeys[size_t(t) * d + i] * s.scale();
                        dqkv[size_t(t) * width + s.value(g) + i] = b.dvalues[size_t(t) * d + i];
                    }
        }
    }

private:
    static constexpr float log2e = 1.44269504f;
    static constexpr int forward_keys = 128, key_block = 64, query_block = 128;

    // One head's operands. "Right" ones sum over tokens; dqueries lies in blocks [head_dim x 32 queries].
    struct BackwardHead {
        int d, rows;
        float scale;
        bf16 *keys, *keys_turned, *values, *queries, *queries_right, *douts, *douts_right;
        const float* lse;
        float *means, *dqueries, *dkeys, *dvalues;
    };

    Buffer<bf16> rounded_, left_, right_, keys_, keys_turned_, values_, queries_, queries_right_, douts_, douts_right_;
    Buffer<float> means_, dqueries_, dkeys_, dvalues_, gathered_;
    alignas(64) float scores_[forward_keys * 32];
    alignas(64) bf16 weights_[forward_keys * 32];
    alignas(64) float slopes_[32 * 32];
    alignas(64) bf16 p_[key_block * query_block], ds_[key_block * query_block], ds_right_[key_block * query_block];

    const bf16* rounded(const float* from, size_t count) {
        bf16* to = rounded_.need(count);
        for (size_t i = 0; i < count; i++) to[i] = narrow<bf16>(from[i]);
        return to;
    }

    // Rows next to each other: at the stride of the whole token they would fight for few cache sets.
    static void copy_rows(const bf16* from, size_t stride, int rows, int d, bf16* to) {
        for (int t = 0; t < rows; t++) std::memcpy(to + size_t(t) * d, from + t * stride, d * sizeof(bf16));
    }

    // to[32 x d] = scale * from[d x 32] turned.
    static void turn_block(const float* from, int d, float scale, float* to, size_t stride) {
        for (int i = 0; i < d; i += 16)
            for (int half = 0; half < 32; half += 16) {
                __m512i v[16];
                for (int r = 0; r < 16; r++) v[r] = _mm512_castps_si512(_mm512_mul_ps(_mm512_loadu_ps(from + (i + r) * 32 + half), _mm512_set1_ps(scale)));
                tiles::transpose(v);
                for (int r = 0; r < 16; r++) _mm512_storeu_ps(to + (half + r) * stride + i, _mm512_castsi512_ps(v[r]));
            }
    }

    // 32 queries from `first` on against all keys they may see.
    void attend(const AttentionShape& s, const bf16* keys, const bf16* values, const bf16* queries, int first, int rows, bf16* out, size_t stride, float* lse) {
        const int d = s.head_dim, visible = first + 32;
        const __m512 scale = _mm512_set1_ps(s.scale() * log2e);
        float* sums = gathered_.zeroed(size_t(d) * 32);
        __m512 most[2] = {_mm512_set1_ps(-1e30f), _mm512_set1_ps(-1e30f)}, total[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
        for (int from = 0; from < visible; from += forward_keys) {
            const int count = std::min(forward_keys, visible - from);
            for (int k = 0; k < count; k += 32) {
                tiles::clear();
                tiles::multiply(keys + size_t(from + k) * d, d, 32, queries, d / 32);
                tiles::store(scores_ + k * 32, 32);
            }
            if (from + count == visible) hide_future(scores_ + (count - 32) * 32);
            for (int half = 0; half < 2; half++) soften(scores_ + half * 16, count, scale, most[half], total[half], sums + half * 16, d);
            for (int k = 0; k < count; k += 2) tiles::round_and_pair(scores_ + k * 32, weights_ + (k / 32) * 1024 + (k % 32) * 16);
            for (int i = 0; i < d; i += 32) {
                tiles::load(sums + i * 32, 32);
                tiles::multiply_packed(values + size_t(i) * rows + size_t(from) * 32, weights_, count / 32);
                tiles::store(sums + i * 32, 32);
            }
        }
        alignas(64) float turned[32 * 256];
        for (int half = 0; half < 2; half++) {
            const __m512 inverse = _mm512_div_ps(_mm512_set1_ps(1), total[half]);
            for (int i = 0; i < d; i++) _mm512_store_ps(sums + i * 32 + half * 16, _mm512_mul_ps(_mm512_load_ps(sums + i * 32 + half * 16), inverse));
            alignas(64) float l[16];
            _mm512_store_ps(l, total[half]);
            for (float& x : l) x = std::log2(x);
            _mm512_storeu_ps(lse + half * 16, _mm512_add_ps(most[half], _mm512_load_ps(l)));
        }
        for (int i = 0; i < d; i += 256) {
            const int part = std::min(256, d - i);
            turn_block(sums + i * 32, part, 1, turned, part);
            for (int t = 0; t < 32; t++)
                for (int j = 0; j < part; j++) out[t * stride + i + j] = narrow<bf16>(turned[t * part + j]);
        }
    }

    // In the block on the diagonal, key r (down) is hidden from queries (across) before it.
    static void hide_future(float* block) {
        for (int r = 0; r < 32; r++) {
            const uint32_t hidden = (uint32_t(1) << r) - 1;
            _mm512_mask_store_ps(block + r * 32, __mmask16(hidden), _mm512_set1_ps(-1e30f));
            _mm512_mask_store_ps(block + r * 32 + 16, __mmask16(hidden >> 16), _mm512_set1_ps(-1e30f));
        }
    }

    // Scores of 16 queries become weights relative to the largest score so far; earlier sums follow when that grows.
    static void soften(float* scores, int count, __m512 scale, __m512& most, __m512& total, float* sums, int d) {
        __m512 top0 = _mm512_set1_ps(-1e30f), top1 = top0;
        for (int k = 0; k < count; k += 2) {
            top0 = _mm512_max_ps(top0, _mm512_load_ps(scores + k * 32));
            top1 = _mm512_max_ps(top1, _mm512_load_ps(scores + k * 32 + 32));
        }
        const __m512 top = _mm512_max_ps(most, _mm512_mul_ps(_mm512_max_ps(top0, top1), scale));
        if (_mm512_cmp_ps_mask(top, most, _CMP_GT_OQ)) {
            const __m512 shrink = tiles::exp2(_mm512_sub_ps(most, top));
            total = _mm512_mul_ps(total, shrink);
            for (int i = 0; i < d; i++) _mm512_store_ps(sums + i * 32, _mm512_mul_ps(_mm512_load_ps(sums + i * 32), shrink));
            most = top;
        }
        __m512 sum0 = _mm512_setzero_ps(), sum1 = sum0;
        for (int k = 0; k < count; k += 2) {
            const __m512 p0 = tiles::exp2(_mm512_fmsub_ps(_mm512_load_ps(scores + k * 32), scale, most));
            const __m512 p1 = tiles::exp2(_mm512_fmsub_ps(_mm512_load_ps(scores + k * 32 + 32), scale, most));
            _mm512_store_ps(scores + k * 32, p0), _mm512_store_ps(scores + k * 32 + 32, p1);
            sum0 = _mm512_add_ps(sum0, p0), sum1 = _mm512_add_ps(sum1, p1);
        }
        total = _mm512_add_ps(total, _mm512_add_ps(sum0, sum1));
    }

    // One block of keys with one block of queries: adds to dkeys, dvalues and dqueries.
    void attend_backward(const BackwardHead& b, int key, int query) {
        const int keys = std::min(key_block, b.rows - key), queries = std::min(query_block, b.rows - query), d = b.d;
        for (int k = 0; k < keys; k += 32)
            for (int q = 0; q < queries; q += 32) {
                bf16 *p = p_ + k * query_block + q, *ds = ds_ + k * query_block + q, *right = ds_right_ + (q * keys) + k * 32;
                if (query + q < key + k) { no_slope(p, ds, right); continue; }
                tiles::clear();
                tiles::multiply(b.keys + size_t(key + k) * d, d, 32, b.queries + size_t(query + q) * d, d / 32);
                tiles::store(scores_, 32);
                if (query + q == key + k) hide_future(scores_);
                tiles::clear();
                tiles::multiply(b.values + size_t(key + k) * d, d, 32, b.douts + size_t(query + q) * d, d / 32);
                tiles::store(slopes_, 32);
                slope(b.lse + query + q, b.means + query + q, b.scale, p, ds, right);
            }
        for (int k = 0; k < keys; k += 32)
            for (int i = 0; i < d; i += 32) {
                const size_t to = size_t(key + k) * d + i, right = size_t(i) * b.rows + size_t(query) * 32;
                add_product(p_ + k * query_block, b.douts_right + right, queries / 32, b.dvalues + to, d);
                add_product(ds_ + k * query_block, b.queries_right + right, queries / 32, b.dkeys + to, d);
            }
        for (int q = 0; q < queries; q += 32)
            for (int i = 0; i < d; i += 32) {
                float* to = b.dqueries + size_t(query + q) * d + i * 32;
                tiles::load(to, 32);
                tiles::multiply_packed(b.keys_turned + size_t(i) * b.rows + size_t(key) * 32, ds_right_ + q * keys, keys / 32);
                tiles::store(to, 32);
            }
    }

    static void add_product(const bf16* left, const bf16* right, int steps, float* to, size_t stride) {
        tiles::load(to, stride);
        tiles::multiply(left, query_block, 32, right, steps);
        tiles::store(to, stride);
    }

    static void no_slope(bf16* p, bf16* ds, bf16* right) {
        for (int r = 0; r < 32; r++) std::memset(p + r * query_block, 0, 64), std::memset(ds + r * query_block, 0, 64);
        std::memset(right, 0, 2048);
    }

    // From scores and the gradient at the weights: the weights p and the gradient ds at the scores, both as left-hand
    // factors, and ds as a right-hand one too.
    void slope(const float* lse, const float* means, float scale, bf16* p, bf16* ds, bf16* right) {
        const __m512 c = _mm512_set1_ps(scale), lse0 = _mm512_loadu_ps(lse), lse1 = _mm512_loadu_ps(lse + 16), mean0 = _mm512_loadu_ps(means), mean1 = _mm512_loadu_ps(means + 16);
        auto row = [&](int r) {
            const __m512 p0 = tiles::exp2(_mm512_fmsub_ps(_mm512_load_ps(scores_ + r * 32), c, lse0));
            const __m512 p1 = tiles::exp2(_mm512_fmsub_ps(_mm512_load_ps(scores_ + r * 32 + 16), c, lse1));
            const __m512 s0 = _mm512_mul_ps(p0, _mm512_sub_ps(_mm512_load_ps(slopes_ + r * 32), mean0));
            const __m512 s1 = _mm512_mul_ps(p1, _mm512_sub_ps(_mm512_load_ps(slopes_ + r * 32 + 16), mean1));
            const __m512i rounded = (__m512i)_mm512_cvtne2ps_pbh(s1, s0);
            _mm512_store_si512(p + r * query_block, (__m512i)_mm512_cvtne2ps_pbh(p1, p0));
            _mm512_store_si512(ds + r * query_block, rounded);
            return rounded;
        };
        for (int r = 0; r < 32; r += 2) {
            const __m512i even = row(r), odd = row(r + 1);
            tiles::pair(even, odd, right + r * 16);
        }
    }
};
#endif
