// Forward and backward passes of one unit (a few sequences, one after another in rows) on one thread.
#pragma once
#include "model.h"
#include <algorithm>
#include <span>
#include <x86intrin.h>

// A sequence within the caller's flat arrays. A target below zero means no loss there.
struct Sequence {
    const int *ids, *targets, *positions;
    size_t first;   // index of the first token in the caller's arrays
    int length;
    int padded() const { return (length + 31) / 32 * 32; }
};

enum Phase { forward_products, forward_attention, head, backward_products, weight_gradients, backward_attention, optimiser, phases };

// Adds the cycles until its end to one phase.
class Timer {
public:
    Timer(uint64_t* cycles, Phase phase) : to_(cycles[phase]), start_(__rdtsc()) {}
    ~Timer() { to_ += __rdtsc() - start_; }
private:
    uint64_t &to_, start_;
};

// What a pass reports: totals and, where wanted, the choice and loss at each target.
struct Outcome {
    double loss = 0;
    long correct = 0, targets = 0;
    int* choices = nullptr;
    float* losses = nullptr;
};

// Rows beyond a sequence's end hold zero embeddings and no target. Causality hides them from real rows, and
// their gradients come out as zero, so no kernel need know of them.
template <class Kernels> class Worker {
    using Element = typename Kernels::Element;
    static constexpr int chunk = 64;   // rows whose intermediate results stay in the near caches

public:
    Kernels kernels;
    Buffer<float> gradients;
    Outcome outcome;
    uint64_t cycles[phases] = {};

    void run(const Model<Kernels>& model, std::span<const Sequence> unit, bool training, float weight) {
        m_ = &model, s_ = model.shape, a_ = s_.attention(), unit_ = unit, training_ = training;
        place();
        for (int l = 0; l < s_.layers; l++) forward(l);
        classify(weight);
        if (!training) return;
        for (int l = s_.layers - 1; l >= 0; l--) backward(l);
        embed_gradient();
    }

    // The layers alone, of which each one's input, its rotated rows and the logarithms of its softmax denominators stay to be looked at.
    void look(const Model<Kernels>& model, std::span<const Sequence> unit) {
        m_ = &model, s_ = model.shape, a_ = s_.attention(), unit_ = unit, training_ = true;
        place();
        for (int l = 0; l < s_.layers; l++) forward(l);
    }
    const Element* normed(int l) const { return saved_[l].h1.data(); }
    const Element* rotated(int l) const { return saved_[l].qkv.data(); }
    const float* denominators(int l) const { return saved_[l].lse.data(); }

private:
    struct Saved {
        Buffer<float> x, middle, rms1, rms2, lse;
        Buffer<Element> h1, qkv, attended, h2, gate_up;
    };
    struct Target { int row, id; size_t index; };

    const Model<Kernels>* m_ = nullptr;
    Shape s_{};
    AttentionShape a_{};
    std::span<const Sequence> unit_;
    bool training_ = false;
    int rows_ = 0;
    std::vector<Saved> saved_;
    std::vector<int> starts_, positions_;
    std::vector<Target> targets_;
    Buffer<float> scratch_, dx_, dqkv_;
    Buffer<Element> act_, dxe_, dgate_up_, dattended_, dqkve_, final_, dlogits_;
    Buffer<float> chosen_, chosen_rms_, dfinal_;

    // Without a backward pass two slots take turns.
    Saved& slot(int l) { return saved_[training_ ? l : l % 2]; }
    float* gradient(int l, Layout::Part part) { return gradients.data() + m_->layout.at(l, part); }

    // Lays the unit's sequences out in rows and looks their embeddings up.
    void place() {
        if (saved_.empty()) saved_.resize(s_.layers + 1);
        starts_.clear(), positions_.clear(), targets_.clear();
        rows_ = 0;
        for (const Sequence& q : unit_) starts_.push_back(rows_), rows_ += q.padded();
        float* x = slot(0).x.zeroed(size_t(rows_) * s_.dim);
        positions_.resize(rows_);
        for (size_t n = 0; n < unit_.size(); n++)
            for (int t = 0; t < unit_[n].length; t++) {
                int row = starts_[n] + t;
                std::copy_n(m_->parameters.data() + size_t(unit_[n].ids[t]) * s_.dim, s_.dim, x + size_t(row) * s_.dim);
                positions_[row] = unit_[n].positions[t];
                if (unit_[n].targets && unit_[n].targets[t] >= 0) targets_.push_back({row, unit_[n].targets[t], unit_[n].first + t});
            }
    }

    template <class Body> void chunks(int rows, Body&& body) {
        for (int row = 0; row < rows; row += chunk) body(row, std::min(chunk, rows - row));
    }

    // The sinks of a product: what becomes of each block. `to` is the chunk's first row. Each asks for its
    // right-hand neighbour ahead of time, since 32 rows at once are more than the processor foresees.
    template <class T> static void fetch_next(const T* row) {
        for (size_t i = 0; i < 32; i += 64 / sizeof(T)) __builtin_prefetch(row + 32 + i, 1);
    }
    static auto store(Element* to, size_t stride) {
        return [=](int row, int column, const float* block) {
            for (int r = 0; r < 32; r++) {
                Element* out = to + (row + r) * stride + column;
                fetch_next(out);
                narrow32(block + r * 32, out);
            }
        };
    }
    static auto store_float(float* to, size_t stride) {
        return [=](int row, int column, const float* block) {
            for (int r = 0; r < 32; r++) std::memcpy(to + (row + r) * stride + column, block + r * 32, 128);
        };
    }
    static auto store_sum(const float* from, float* to, size_t stride) {
        return [=](int row, int column, const float* block) {
            for (int r = 0; r < 32; r++) {
                const size_t at = (row + r) * stride + column;
                fetch_next(from + at), fetch_next(to + at);
#pragma GCC ivdep
                for (int c = 0; c < 32; c++) to[at + c] = from[at + c] + block[r * 32 + c];
            }
        };
    }

    void normalise(const float* x, const float* w, int rows, Element* to, float* rms) {
        const int d = s_.dim;
        for (int t = 0; t < rows; t++, x += d, to += d) {
            float square = 0;
            for (int i = 0; i < d; i++) square += x[i] * x[i];
            float r = rms[t] = 1.f / std::sqrt(square / d + 1e-5f);
            narrow_each(d, to, [&](int i) { return x[i] * r * w[i]; });
        }
    }

    // Adds the norm's gradients to dx and dw, given dh at its output.
    void normalise_backward(const float* x, const float* w, const float* rms, const float* dh, int rows, float* dx, float* dw) {
        const int d = s_.dim;
        for (int t = 0; t < rows; t++, x += d, dh += d, dx += d) {
            float r = rms[t], along = 0;
            for (int i = 0; i < d; i++) along += dh[i] * w[i] * x[i];
            along *= r * r * r / d;
            for (int i = 0; i < d; i++) {
                dx[i] += r * dh[i] * w[i] - along * x[i];
                dw[i] += dh[i] * x[i] * r;
            }
        }
    }

    // Rotates query and key heads by their positions (direction 1), or back (-1), and rounds all of the row.
    void rotate(const float* from, int row, int rows, float direction, Element* to) {
        const int half = a_.head_dim / 2, rotated = a_.heads + a_.kv_heads;
        for (int t = 0; t < rows; t++, from += a_.width(), to += a_.width()) {
            const float *c = m_->rotary.cosines.data() + size_t(positions_[row + t]) * half, *s = m_->rotary.sines.data() + size_t(positions_[row + t]) * half;
            for (int h = 0; h < rotated; h++) {
                const float *a = from + h * 2 * half, *b = a + half;
                Element* out = to + h * 2 * half;
                narrow_each(half, out, [&](int i) { return a[i] * c[i] - direction * b[i] * s[i]; });
                narrow_each(half, out + half, [&](int i) { return b[i] * c[i] + direction * a[i] * s[i]; });
            }
            narrow_each(a_.width() - rotated * 2 * half, to + rotated * 2 * half, [&](int i) { return from[rotated * 2 * half + i]; });
        }
    }

    void forward(int l) {
        Saved& v = slot(l);
        const auto& w = m_->layers[l];
        const size_t d = s_.dim, f = s_.ffn, width = a_.width(), inner = s_.heads * a_.head_dim, n = rows_;
        const float* x = v.x.data();
        float *middle = v.middle.need(n * d), *next = slot(l + 1).x.need(n * d), *rms1 = v.rms1.need(n), *rms2 = v.rms2.need(n);
        float *scratch = scratch_.need(chunk * std::max<size_t>({width, d, size_t(s_.vocab)})), *lse = v.lse.need(n * s_.heads);
        Element *h1 = v.h1.need(n * d), *qkv = v.qkv.need(n * width), *attended = v.attended.need(n * inner);
        Element *h2 = v.h2.need(n * d), *gate_up = v.gate_up.need(n * 2 * f), *act = act_.need(n * f);
        {
            Timer timer(cycles, forward_products);
            chunks(rows_, [&](int row, int count) {
                normalise(x + row * d, m_->norm1(l), count, h1 + row * d, rms1 + row);
                kernels.product(h1 + row * d, d, count, w.qkv.forward, store_float(scratch, width));
                rotate(scratch, row, count, 1, qkv + row * width);
            });
        }
        {
            Timer timer(cycles, forward_attention);
            for (size_t i = 0; i < unit_.size(); i++) {
                size_t row = starts_[i];
                kernels.attention_forward(a_, qkv + row * width, unit_[i].padded(), attended + row * inner, lse + row * s_.heads);
            }
        }
        // One weight at a time over all rows, so that it stays in the near cache.
        Timer timer(cycles, forward_products);
        chunks(rows_, [&](int row, int count) {
            kernels.product(attended + row * inner, inner, count, w.o.forward, store_sum(x + row * d, middle + row * d, d));
            normalise(middle + row * d, m_->norm2(l), count, h2 + row * d, rms2 + row);
        });
        chunks(rows_, [&](int row, int count) {
            kernels.product(h2 + row * d, d, count, w.gate_up.forward, store(gate_up + row * 2 * f, 2 * f));
            for (int t = row; t < row + count; t++) swiglu(gate_up + t * 2 * f, act + t * f);
        });
        chunks(rows_, [&](int row, int count) {
            kernels.product(act + row * f, f, count, w.down.forward, store_sum(middle + row * d, next + row * d, d));
        });
    }

    void swiglu(const Element* gate_up, Element* act) {
        const int f = s_.ffn;
        narrow_each(f, act, [=](int i) {
            float g = widen(gate_up[i]);
            return g / (1.f + fast_exp(-g)) * widen(gate_up[f + i]);
        });
    }

    // The sink of the product that yields the gradient at SwiGLU's output: gradients at its inputs, and its output again.
    auto swiglu_backward(const Element* gate_up, Element* dgate_up, Element* act) {
        const size_t f = s_.ffn;
        return [=](int row, int column, const float* block) {
            for (int r = 0; r < 32; r++) {
                const size_t at = (row + r) * 2 * f + column;
                const Element *gate = gate_up + at, *up = gate + f;
                const float* dact = block + r * 32;
                Element *to = act + (row + r) * f + column, *dgate = dgate_up + at, *dup = dgate + f;
                fetch_next(gate), fetch_next(up), fetch_next(to), fetch_next(dgate), fetch_next(dup);
                alignas(64) float out[3][32];
                for (int c = 0; c < 32; c++) {
                    float g = widen(gate[c]), u = widen(up[c]), da = dact[c];
                    float s = 1.f / (1.f + fast_exp(-g)), silu = g * s;
                    out[0][c] = silu * u, out[1][c] = da * u * (s + silu * (1.f - s)), out[2][c] = da * silu;
                }
                narrow32(out[0], to), narrow32(out[1], dgate), narrow32(out[2], dup);
            }
        };
    }

    // Gathers target rows, norms them and scores the vocabulary; with training, starts dx_ from there.
    void classify(float weight) {
        Timer timer(cycles, head);
        const size_t d = s_.dim, vocab = s_.vocab;
        const int count = int(targets_.size()), padded = (count + 31) / 32 * 32;
        const float* x = slot(s_.layers).x.data();
        float *chosen = chosen_.zeroed(padded * d), *rms = chosen_rms_.need(padded), *scratch = scratch_.data();
        Element *final = final_.need(padded * d), *dlogits = training_ ? dlogits_.need(padded * vocab) : nullptr;
        for (int i = 0; i < count; i++) std::copy_n(x + targets_[i].row * d, d, chosen + i * d);
        normalise(chosen, m_->final_norm(), padded, final, rms);
        chunks(padded, [&](int row, int rows) {
            kernels.product(final + row * d, d, rows, m_->embedding.forward, store_float(scratch, vocab));
            for (int t = row; t < row + rows; t++) {
                float* logits = scratch + (t - row) * vocab;
                Element* to = training_ ? dlogits + t * vocab : nullptr;
                if (t < count) cross_entropy(logits, targets_[t], weight, to);
                else if (training_) std::fill_n(to, vocab, narrow<Element>(0.f));
            }
        });
        if (!training_) return;
        float *dx = dx_.zeroed(rows_ * d), *dfinal = dfinal_.zeroed(padded * d);
        kernels.weight_gradient(dlogits, vocab, vocab, final, d, d, padded, gradients.data());
        chunks(padded, [&](int row, int rows) {
            kernels.product(dlogits + row * vocab, vocab, rows, m_->embedding.backward, store_float(scratch, d));
            normalise_backward(chosen + row * d, m_->final_norm(), rms + row, scratch, rows, dfinal + row * d, gradients.data() + m_->layout.final_norm());
        });
        for (int i = 0; i < count; i++) std::copy_n(dfinal + i * d, d, dx + targets_[i].row * d);
    }

    // Loss and choice for one row of logits, which become probabilities; the gradient goes to `to` unless null.
    void cross_entropy(float* logits, const Target& target, float weight, Element* to) {
        const int vocab = s_.vocab;
        float most = logits[0], sum = 0, wanted = logits[target.id];
        for (int i = 0; i < vocab; i++) most = std::max(most, logits[i]);
        int choice = vocab;
        for (int i = 0; i < vocab; i++) choice = std::min(choice, logits[i] == most ? i : vocab);
        for (int i = 0; i < vocab; i++) sum += logits[i] = fast_exp(logits[i] - most);
        float loss = std::log(sum) + most - wanted;
        outcome.loss += loss, outcome.correct += choice == target.id, outcome.targets++;
        if (outcome.choices) outcome.choices[target.index] = choice;
        if (outcome.losses) outcome.losses[target.index] = loss;
        if (!to) return;
        const float scale = weight / sum;
        narrow_each(vocab, to, [=](int i) { return scale * logits[i]; });
        to[target.id] = narrow<Element>(scale * logits[target.id] - weight);
    }

    // dx_ holds the gradient at the layer's output, and afterwards the one at its input.
    void backward(int l) {
        backward_ffn(l);
        backward_attend(l);
    }

    void backward_ffn(int l) {
        Saved& v = slot(l);
        const auto& w = m_->layers[l];
        const size_t d = s_.dim, f = s_.ffn, n = rows_;
        float *dx = dx_.data(), *scratch = scratch_.data();
        Element *dxe = dxe_.need(n * d), *act = act_.need(n * f), *dgate_up = dgate_up_.need(n * 2 * f);
        {
            Timer timer(cycles, backward_products);
            chunks(rows_, [&](int row, int count) {
                narrow_each(count * d, dxe + row * d, [from = dx + row * d](int i) { return from[i]; });
                kernels.product(dxe + row * d, d, count, w.down.backward, swiglu_backward(v.gate_up.data() + row * 2 * f, dgate_up + row * 2 * f, act + row * f));
            });
            chunks(rows_, [&](int row, int count) {
                kernels.product(dgate_up + row * 2 * f, 2 * f, count, w.gate_up.backward, store_float(scratch, d));
                normalise_backward(v.middle.data() + row * d, m_->norm2(l), v.rms2.data() + row, scratch, count, dx + row * d, gradient(l, Layout::norm2));
            });
        }
        Timer timer(cycles, weight_gradients);
        kernels.weight_gradient(dxe, d, d, act, f, f, rows_, gradient(l, Layout::down));
        kernels.weight_gradient(dgate_up, 2 * f, 2 * f, v.h2.data(), d, d, rows_, gradient(l, Layout::gate));
    }

    void backward_attend(int l) {
        Saved& v = slot(l);
        const auto& w = m_->layers[l];
        const size_t d = s_.dim, width = a_.width(), inner = s_.heads * a_.head_dim, n = rows_;
        float *dx = dx_.data(), *scratch = scratch_.data(), *dqkv = dqkv_.need(n * width);
        Element *dxe = dxe_.data(), *dattended = dattended_.need(n * inner), *dqkve = dqkve_.need(n * width);
        {
            Timer timer(cycles, backward_products);
            chunks(rows_, [&](int row, int count) {
                narrow_each(count * d, dxe + row * d, [from = dx + row * d](int i) { return from[i]; });
                kernels.product(dxe + row * d, d, count, w.o.backward, store(dattended + row * inner, inner));
            });
        }
        {
            Timer timer(cycles, backward_attention);
            for (size_t i = 0; i < unit_.size(); i++) {
                size_t row = starts_[i];
                kernels.attention_backward(a_, v.qkv.data() + row * width, unit_[i].padded(), v.attended.data() + row * inner, dattended + row * inner, v.lse.data() + row * s_.heads, dqkv + row * width);
            }
        }
        {
            Timer timer(cycles, backward_products);
            chunks(rows_, [&](int row, int count) {
                rotate(dqkv + row * width, row, count, -1, dqkve + row * width);
                kernels.product(dqkve + row * width, width, count, w.qkv.backward, store_float(scratch, d));
                normalise_backward(v.x.data() + row * d, m_->norm1(l), v.rms1.data() + row, scratch, count, dx + row * d, gradient(l, Layout::norm1));
            });
        }
        Timer timer(cycles, weight_gradients);
        kernels.weight_gradient(dxe, d, d, v.attended.data(), inner, inner, rows_, gradient(l, Layout::o));
        kernels.weight_gradient(dqkve, width, width, v.h1.data(), d, d, rows_, gradient(l, Layout::q));
    }

    void embed_gradient() {
        const size_t d = s_.dim;
        for (size_t n = 0; n < unit_.size(); n++)
            for (int t = 0; t < unit_[n].length; t++) {
                const float* dx = dx_.data() + (starts_[n] + t) * d;
                float* to = gradients.data() + unit_[n].ids[t] * d;
                for (size_t i = 0; i < d; i++) to[i] += dx[i];
            }
    }
};
