// The network's shape, where its tensors lie in the flat parameter array, and its packed weights.
#pragma once
#include "numeric.h"
#include <vector>

struct Shape {
    int vocab, dim, layers, heads, kv_heads, ffn;
    float theta;
    int head_dim() const { return dim / heads; }
    AttentionShape attention() const { return {heads, kv_heads, head_dim()}; }

    // Every product works in blocks of 32.
    bool supported() const {
        auto whole = [](int n) { return n > 0 && n % 32 == 0; };
        return heads > 0 && kv_heads > 0 && layers > 0 && dim % heads == 0 && heads % kv_heads == 0 && whole(head_dim()) && whole(vocab) && whole(dim) && whole(ffn);
    }
};

// One named tensor of the flat array, with how the optimiser treats it.
struct Tensor {
    size_t offset;
    int rows, cols;
    float lr_multiplier = 1, decay_multiplier = 1;
    bool muon = false;
    size_t size() const { return size_t(rows) * cols; }
};

// Order: embedding; for each layer norm1, q, k, v, o, norm2, gate, up, down; final norm.
// Neighbours q, k, v are one matrix to the kernels, and so are gate and up.
struct Layout {
    enum Part { norm1, q, k, v, o, norm2, gate, up, down, parts };
    std::vector<Tensor> tensors;
    size_t total = 0;

    explicit Layout(const Shape& s) {
        int queries = s.heads * s.head_dim(), keys = s.kv_heads * s.head_dim();
        add(s.vocab, s.dim, false, 1);
        for (int l = 0; l < s.layers; l++) {
            add(1, s.dim, false, 0);
            add(queries, s.dim, true, 1), add(keys, s.dim, true, 1), add(keys, s.dim, true, 1), add(s.dim, queries, true, 1);
            add(1, s.dim, false, 0);
            add(s.ffn, s.dim, true, 1), add(s.ffn, s.dim, true, 1), add(s.dim, s.ffn, true, 1);
        }
        add(1, s.dim, false, 0);
    }
    size_t at(int layer, Part part) const { return tensors[1 + layer * parts + part].offset; }
    size_t final_norm() const { return tensors.back().offset; }

private:
    void add(int rows, int cols, bool muon, float decay) {
        tensors.push_back({total, rows, cols, 1, decay, muon});
        total += size_t(rows) * cols;
    }
};

// Cosines and sines by position, grown to the largest position seen.
class RotaryTable {
public:
    void cover(int position, const Shape& s) {
        int half = s.head_dim() / 2;
        for (int p = int(cosines.size() / half); p <= position; p++)
            for (int i = 0; i < half; i++) {
                float angle = float(p) * float(std::pow(double(s.theta), -2.0 * i / s.head_dim()));
                cosines.push_back(std::cos(angle)), sines.push_back(std::sin(angle));
            }
    }
    std::vector<float> cosines, sines;
};

// A weight in the two forms that kernels want: for x W^T (forward) and for dy W (backward).
template <class Kernels> struct Weight {
    typename Kernels::Packed forward, backward;
    void set(Kernels& kernels, const float* w, int n, int k) {
        kernels.pack(w, n, k, forward);
        kernels.pack_transposed(w, n, k, backward);
    }
};

template <class Kernels> struct Model {
    struct Layer { Weight<Kernels> qkv, o, gate_up, down; };

    Shape shape;
    Layout layout;
    RotaryTable rotary;
    Buffer<float> parameters;
    Weight<Kernels> embedding;
    std::vector<Layer> layers;

    explicit Model(const Shape& s) : shape(s), layout(s), layers(s.layers) { parameters.zeroed(layout.total); }

    const float* norm1(int l) const { return parameters.data() + layout.at(l, Layout::norm1); }
    const float* norm2(int l) const { return parameters.data() + layout.at(l, Layout::norm2); }
    const float* final_norm() const { return parameters.data() + layout.final_norm(); }

    // Packs one layer's weights, or the embedding for index == layers, so that threads can share the work.
    void pack(int index, Kernels& kernels) {
        const float* p = parameters.data();
        if (index == shape.layers) return embedding.set(kernels, p, shape.vocab, shape.dim);
        Layer& to = layers[index];
        int hd = shape.head_dim();
        to.qkv.set(kernels, p + layout.at(index, Layout::q), shape.attention().width(), shape.dim);
        to.o.set(kernels, p + layout.at(index, Layout::o), shape.dim, shape.heads * hd);
        to.gate_up.set(kernels, p + layout.at(index, Layout::gate), 2 * shape.ffn, shape.dim);
        to.down.set(kernels, p + layout.at(index, Layout::down), shape.dim, shape.ffn);
    }
};
