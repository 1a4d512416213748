// Hamming attention distillation (HAD, Horton et al. 2025): matrices of queries and keys are taught until scores of signs alone are the attention that a
// model has with its own. Layers learn apart from each other, each from what the model itself hands it.
#pragma once
#include "optimiser.h"
#include "plain_kernels.h"
#include "worker.h"
#include <vector>

// How elements become signs: softer than a sign by c, until at 0 it is one, which hands gradients through where it is not far from its border.
struct Binariser {
    float c;
    float value(float x, float spread) const {
        if (c <= 0) return x < 0 ? -spread : spread;
        return spread * std::max(c, 1.f) * std::tanh(x / (c * spread));
    }
    float slope(float x, float spread) const {
        if (c <= 0) return std::abs(x) <= spread ? 1.f : 0.f;
        const float t = std::tanh(x / (c * spread));
        return std::max(c, 1.f) / c * (1 - t * t);
    }
};

// What one pass is asked for.
struct Lesson {
    float c;             // of Binariser
    float own_weight;    // of the loss of attention by the taught queries and keys as they are, beside 1 for that of their signs
    float weight;        // of gradients
    double share;        // of the rows in sight, whose mass is looked at
    double* losses;      // [layers, 3], added to: sums over rows and heads of both losses and of the mass that the best signs find
};

class Distiller {
public:
    // Taught matrices, layer by layer: queries, then keys; behind them the logarithm of a factor for each query head's scores of signs.
    Buffer<float> student, gradients, spreads;

    Distiller(const Shape& shape, const float* parameters) : model_(shape), a_(shape.attention()), keys_(a_.kv_heads * a_.head_dim) {
        std::copy_n(parameters, model_.layout.total, model_.parameters.data());
        for (int l = 0; l <= shape.layers; l++) model_.pack(l, kernels_);
        queries_ = a_.heads * a_.head_dim;
        matrices_ = size_t(queries_ + keys_) * shape.dim;
        student.zeroed(count()), gradients.zeroed(count()), moments_.zeroed(2 * count());
        spreads.zeroed(2 * shape.layers);
        for (int l = 0; l < shape.layers; l++) std::copy_n(model_.parameters.data() + model_.layout.at(l, Layout::q), matrices_, student.data() + l * matrices_);
    }

    size_t count() const { return model_.shape.layers * (matrices_ + a_.heads); }

    // Adds the squares of the model's own queries and keys to `squares` [layers, 2]; returns how many tokens there were.
    int measure(const Sequence& text, double* squares) {
        look(text);
        for (int l = 0; l < model_.shape.layers; l++)
            for (int t = 0; t < text.length; t++) {
                const float* row = worker_.rotated(l) + size_t(t) * a_.width();
                for (int i = 0; i < queries_ + keys_; i++) squares[2 * l + (i >= queries_)] += double(row[i]) * row[i];
            }
        return text.length;
    }

    // Of the queries of `rows`, whose number is a multiple of 32, the losses; their gradients are added.
    void learn(const Sequence& text, const std::vector<int>& rows, const Lesson& lesson) {
        look(text);
        for (int l = 0; l < model_.shape.layers; l++) layer(l, text, rows, lesson);
    }

    void step(float rate, int number) {
        OptimiserArrays arrays{student.data(), moments_.data(), moments_.data() + count(), gradients.data()};
        adamw(Tensor{0, 1, int(count())}, arrays, {rate, .9f, .98f, 1e-8f, 0, 0, 1, number});
    }

private:
    Model<PlainKernels> model_;
    PlainKernels kernels_;
    Worker<PlainKernels> worker_;
    AttentionShape a_;
    int keys_, queries_ = 0, padded_ = 0;
    size_t matrices_ = 0;
    Buffer<float> moments_, input_, taken_, q_, k_, dq_, dk_, bq_, bk_, dbq_, dbk_, own_, log_, scores_;
    PlainKernels::Packed weight_, packed_;

    float* log_factor(int l, int h) { return student.data() + model_.shape.layers * matrices_ + l * a_.heads + h; }
    float* factor_gradient(int l, int h) { return gradients.data() + (log_factor(l, h) - student.data()); }

    void look(const Sequence& text) {
        int furthest = 0;
        for (int t = 0; t < text.length; t++) furthest = std::max(furthest, text.positions[t]);
        model_.rotary.cover(furthest, model_.shape);
        worker_.look(model_, {&text, 1});
        padded_ = text.padded();
    }

    void layer(int l, const Sequence& text, const std::vector<int>& rows, const Lesson& lesson) {
        const int d = model_.shape.dim, hd = a_.head_dim, count = int(rows.size());
        const float *x = worker_.normed(l), *theirs = worker_.rotated(l);
        const float *wq = student.data() + l * matrices_, *wk = wq + size_t(queries_) * d;
        float *taken = taken_.need(size_t(count) * d), *q = q_.need(size_t(count) * queries_), *k = k_.need(size_t(padded_) * keys_);
        float *dq = dq_.zeroed(size_t(count) * queries_), *dk = dk_.zeroed(size_t(padded_) * keys_);
        for (int r = 0; r < count; r++) std::copy_n(x + size_t(rows[r]) * d, d, taken + size_t(r) * d);
        multiply(taken, count, wq, queries_, q);
        multiply(x, padded_, wk, keys_, k);
        std::vector<int> all(padded_);
        for (int t = 0; t < padded_; t++) all[t] = t;
        rotate(q, a_.heads, text, rows, 1), rotate(k, a_.kv_heads, text, all, 1);

        const Binariser bits{lesson.c};
        const float *spread = spreads.data() + 2 * l;
        float *bq = bq_.need(size_t(count) * queries_), *bk = bk_.need(size_t(padded_) * keys_);
        float *dbq = dbq_.zeroed(size_t(count) * queries_), *dbk = dbk_.zeroed(size_t(padded_) * keys_);
        for (size_t i = 0; i < size_t(count) * queries_; i++) bq[i] = bits.value(q[i], spread[0]);
        for (size_t i = 0; i < size_t(padded_) * keys_; i++) bk[i] = bits.value(k[i], spread[1]);
        for (int h = 0; h < a_.heads; h++) {
            const int g = h / a_.group();
            teach(l, h, theirs, rows);
            const float factor = std::exp(*log_factor(l, h)), own = lesson.own_weight * lesson.weight;
            float by_factor = 0, unused = 0;
            double* losses = lesson.losses + 3 * l;
            losses[0] += match({bq + h * hd, bk + g * hd, dbq + h * hd, dbk + g * hd}, rows, factor, lesson.weight, by_factor);
            *factor_gradient(l, h) += by_factor;
            losses[2] += found(rows, lesson.share);
            losses[1] += match({q + h * hd, k + g * hd, dq + h * hd, dk + g * hd}, rows, 1, own, unused);
        }

        for (size_t i = 0; i < size_t(count) * queries_; i++) dq[i] += dbq[i] * bits.slope(q[i], spread[0]);
        for (size_t i = 0; i < size_t(padded_) * keys_; i++) dk[i] += dbk[i] * bits.slope(k[i], spread[1]);
        rotate(dq, a_.heads, text, rows, -1), rotate(dk, a_.kv_heads, text, all, -1);
        float* to = gradients.data() + l * matrices_;
        kernels_.weight_gradient(dq, queries_, queries_, taken, d, d, count, to);
        kernels_.weight_gradient(dk, keys_, keys_, x, d, d, padded_, to + size_t(queries_) * d);
    }

    void multiply(const float* x, int rows, const float* w, int width, float* to) {
        const int d = model_.shape.dim;
        kernels_.pack(w, width, d, weight_);
        kernels_.product(x, d, rows, weight_, [=](int row, int column, const float* block) {
            for (int r = 0; r < 32; r++) std::copy_n(block + 32 * r, 32, to + size_t(row + r) * width + column);
        });
    }

    void rotate(float* to, int heads, const Sequence& text, const std::vector<int>& rows, float direction) {
        const int half = a_.head_dim / 2;
        for (size_t r = 0; r < rows.size(); r++) {
            // Rows behind the end are nowhere, and are seen by nobody.
            const size_t at = size_t(rows[r] < text.length ? text.positions[rows[r]] : 0) * half;
            const float *c = model_.rotary.cosines.data() + at, *s = model_.rotary.sines.data() + at;
            for (int h = 0; h < heads; h++) {
                float *a = to + (r * heads + h) * 2 * half, *b = a + half;
                for (int i = 0; i < half; i++) {
                    const float x = a[i], y = b[i];
                    a[i] = x * c[i] - direction * y * s[i], b[i] = y * c[i] + direction * x * s[i];
                }
            }
        }
    }

    // The model's own attention of a head: logarithms in log_, and itself in own_, both [rows, padded].
    void teach(int l, int h, const float* theirs, const std::vector<int>& rows) {
        const int hd = a_.head_dim, count = int(rows.size()), width = a_.width();
        std::vector<float> keys(size_t(padded_) * hd), queries(size_t(count) * hd);
        for (int t = 0; t < padded_; t++) std::copy_n(theirs + size_t(t) * width + a_.key(h / a_.group()), hd, keys.data() + size_t(t) * hd);
        for (int r = 0; r < count; r++) std::copy_n(theirs + size_t(rows[r]) * width + a_.query(h), hd, queries.data() + size_t(r) * hd);
        float *log = log_.need(size_t(count) * padded_), *own = own_.need(size_t(count) * padded_);
        const float* lse = worker_.denominators(l) + size_t(h) * padded_;
        score(queries.data(), hd, keys.data(), hd, count, a_.scale(), log);
        for (int r = 0; r < count; r++) {
            const float all = lse[rows[r]];
            float *to = log + size_t(r) * padded_, *p = own + size_t(r) * padded_;
            for (int j = 0; j <= rows[r]; j++) p[j] = fast_exp(to[j] -= all);
        }
    }

    void score(const float* q, int q_stride, const float* k, int k_stride, int count, float scale, float* to) {
        const int hd = a_.head_dim, padded = padded_;
        std::vector<float> keys(size_t(padded) * hd);
        for (int t = 0; t < padded; t++) std::copy_n(k + size_t(t) * k_stride, hd, keys.data() + size_t(t) * hd);
        kernels_.pack(keys.data(), padded, hd, packed_);
        kernels_.product(q, q_stride, count, packed_, [=](int row, int column, const float* block) {
            for (int r = 0; r < 32; r++)
                for (int c = 0; c < 32; c++) to[size_t(row + r) * padded + column + c] = scale * block[32 * r + c];
        });
    }

    // Rows of a head within all of a layer's, and where their gradients go.
    struct Head { const float *q, *k; float *dq, *dk; };

    // Sum over rows of the divergence of softmaxed scores from the model's attention; its gradients, and that by the logarithm of the factor, are added.
    double match(const Head& head, const std::vector<int>& rows, float factor, float weight, float& by_factor) {
        const int count = int(rows.size());
        float* scores = scores_.need(size_t(count) * padded_);
        score(head.q, queries_, head.k, keys_, count, factor * a_.scale(), scores);
        if (weight == 0) return 0;
        double loss = 0;
        // Scores become their gradients in place, and found() looks at them as they were.
        std::vector<float> kept(scores, scores + size_t(count) * padded_);
        for (int r = 0; r < count; r++) loss += row_loss(r, rows[r], kept.data() + size_t(r) * padded_, factor, weight, by_factor);
        give(head, count, kept.data());
        return loss;
    }

    double row_loss(int r, int last, float* s, float factor, float weight, float& by_factor) {
        const float *log = log_.data() + size_t(r) * padded_, *own = own_.data() + size_t(r) * padded_;
        float most = s[0], sum = 0;
        for (int j = 0; j <= last; j++) most = std::max(most, s[j]);
        for (int j = 0; j <= last; j++) sum += fast_exp(s[j] - most);
        const float lse = most + std::log(sum), scale = weight * factor * a_.scale();
        float loss = 0, along = 0;
        for (int j = 0; j <= last; j++) {
            const float mine = s[j] - lse, apart = fast_exp(mine) - own[j];
            loss += own[j] * (log[j] - mine);
            along += apart * s[j];
            s[j] = scale * apart;
        }
        std::fill(s + last + 1, s + padded_, 0.f);
        by_factor += weight * along;
        return loss;
    }

    void give(const Head& head, int count, const float* ds) {
        const int hd = a_.head_dim;
        std::vector<float> keys(size_t(padded_) * hd), queries(size_t(count) * hd), dk(size_t(padded_) * hd);
        for (int t = 0; t < padded_; t++) std::copy_n(head.k + size_t(t) * keys_, hd, keys.data() + size_t(t) * hd);
        for (int r = 0; r < count; r++) std::copy_n(head.q + size_t(r) * queries_, hd, queries.data() + size_t(r) * hd);
        kernels_.pack_transposed(keys.data(), padded_, hd, packed_);
        kernels_.product(ds, padded_, count, packed_, [&](int row, int column, const float* block) {
            for (int i = 0; i < 32; i++)
                for (int c = 0; c < 32; c++) head.dq[size_t(row + i) * queries_ + column + c] += block[32 * i + c];
        });
        kernels_.weight_gradient(ds, padded_, padded_, queries.data(), hd, hd, count, dk.data());
        for (int t = 0; t < padded_; t++)
            for (int i = 0; i < hd; i++) head.dk[size_t(t) * keys_ + i] += dk[size_t(t) * hd + i];
    }

    // Sum over rows of the mass of the model's attention on the best-scored share of the rows in sight.
    double found(const std::vector<int>& rows, double share) {
        double mass = 0;
        std::vector<int> order;
        for (size_t r = 0; r < rows.size() && share > 0; r++) {
            const float *s = scores_.data() + r * padded_, *own = own_.data() + r * padded_;
            const int wanted = int(std::ceil(share * (rows[r] + 1)));
            order.resize(rows[r] + 1);
            for (int j = 0; j <= rows[r]; j++) order[j] = j;
            // Of equal ones the newest, as the policy has it.
            std::nth_element(order.begin(), order.begin() + wanted - 1, order.end(), [&](int a, int b) { return s[a] != s[b] ? s[a] > s[b] : a > b; });
            for (int i = 0; i < wanted; i++) mass += own[order[i]];
        }
        return mass;
    }
};
