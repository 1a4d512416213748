// AdamW for embeddings and norms, Muon for the matrices of the layers.
#pragma once
#include "model.h"
#include <algorithm>

struct StepSettings {
    float lr, beta1, beta2, epsilon, decay, muon_momentum;
    float gradient_scale;   // from clipping
    int step;               // counts from 1
};

// First and second moments lie as the parameters do; Muon keeps its momentum with the first moments.
struct OptimiserArrays {
    float *parameters, *first, *second;
    const float* gradients;
};

inline void adamw(const Tensor& t, const OptimiserArrays& a, const StepSettings& s) {
    float lr = s.lr * t.lr_multiplier, keep = 1 - lr * s.decay * t.decay_multiplier;
    float correct1 = 1 / (1 - std::pow(s.beta1, float(s.step))), correct2 = 1 / (1 - std::pow(s.beta2, float(s.step)));
    float *p = a.parameters + t.offset, *first = a.first + t.offset, *second = a.second + t.offset;
    const float* gradients = a.gradients + t.offset;
    for (size_t i = 0; i < t.size(); i++) {
        float g = gradients[i] * s.gradient_scale;
        first[i] = s.beta1 * first[i] + (1 - s.beta1) * g;
        second[i] = s.beta2 * second[i] + (1 - s.beta2) * g * g;
        p[i] = keep * p[i] - lr * first[i] * correct1 / (std::sqrt(second[i] * correct2) + s.epsilon);
    }
}

// Muon: momentum, then the nearest orthogonal matrix by Newton and Schulz, in the kernels' own precision.
template <class Kernels> class Muon {
    using Element = typename Kernels::Element;

public:
    void step(Kernels& kernels, const Tensor& t, const OptimiserArrays& a, const StepSettings& s) {
        const bool turned = t.rows > t.cols;
        const int m = std::min(t.rows, t.cols), n = std::max(t.rows, t.cols);
        float* x = x_.need(t.size());
        float *momentum = a.first + t.offset, square = 0;
        const float* gradients = a.gradients + t.offset;
        for (int r = 0; r < t.rows; r++)
            for (int c = 0; c < t.cols; c++) {
                const size_t i = size_t(r) * t.cols + c;
                float g = gradients[i] * s.gradient_scale;
                momentum[i] = s.muon_momentum * momentum[i] + g;
                float update = g + s.muon_momentum * momentum[i];
                x[turned ? size_t(c) * n + r : i] = update;
                square += update * update;
            }
        const float norm = 1 / (std::sqrt(square) + 1e-20f);
        for (size_t i = 0; i < t.size(); i++) x[i] *= norm;
        for (int i = 0; i < 5; i++) iterate(kernels, m, n);
        // The factor gives the update the root mean square that AdamW's has, so that one learning rate serves both.
        const float lr = s.lr * t.lr_multiplier, rate = lr * 0.2f * std::sqrt(float(n)), keep = 1 - lr * s.decay * t.decay_multiplier;
        float* p = a.parameters + t.offset;
        for (int r = 0; r < t.rows; r++)
            for (int c = 0; c < t.cols; c++) {
                const size_t i = size_t(r) * t.cols + c;
                p[i] = keep * p[i] - rate * x[turned ? size_t(c) * n + r : i];
            }
    }

private:
    Buffer<float> x_, gram_;
    Buffer<Element> rounded_;
    typename Kernels::Packed packed_;

    // x = 3.4445 x + (-4.775 A + 2.0315 A A) x with A = x x^T, for x [m x n].
    void iterate(Kernels& kernels, int m, int n) {
        float *x = x_.data(), *gram = gram_.need(size_t(m) * m);
        kernels.pack(x, m, n, packed_);
        kernels.product(rounded(x, size_t(m) * n), n, m, packed_, [=](int row, int column, const float* block) {
            for (int r = 0; r < 32; r++) std::memcpy(gram + (row + r) * m + column, block + r * 32, 128);
        });
        kernels.pack(gram, m, m, packed_);
        kernels.product(rounded(gram, size_t(m) * m), m, m, packed_, [=](int row, int column, const float* block) {
            for (int r = 0; r < 32; r++)
                for (int c = 0; c < 32; c++) {
                    float& at = gram[(row + r) * m + column + c];
                    at = -4.775f * at + 2.0315f * block[r * 32 + c];
                }
        });
        kernels.pack_transposed(x, m, n, packed_);
        kernels.product(rounded(gram, size_t(m) * m), m, m, packed_, [=](int row, int column, const float* block) {
            for (int r = 0; r < 32; r++)
                for (int c = 0; c < 32; c++) {
                    float& at = x[size_t(row + r) * n + column + c];
                    at = 3.4445f * at + block[r * 32 + c];
                }
        });
    }

    const Element* rounded(const float* from, size_t count) {
        Element* to = rounded_.need(count);
        for (size_t i = 0; i < count; i++) to[i] = narrow<Element>(from[i]);
        return to;
    }
};
