// The C interface: threads, the sharing out of sequences, reduction of gradients, and the optimiser step.
#include "amx_kernels.h"
#include "distil.h"
#include "optimiser.h"
#include "plain_kernels.h"
#include "worker.h"
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace {

// Threads that live as long as the network, since tile settings and scratch memory belong to them.
class Pool {
public:
    Pool(int count, std::function<void()> enter) {
        for (int i = 0; i < count; i++) threads_.emplace_back([this, i, enter] {
            _mm_setcsr(_mm_getcsr() | 0x8040);   // denormals are zero; decayed moments would crawl otherwise
            enter();
            serve(i);
        });
    }
    ~Pool() {
        {
            std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        wake_.notify_all();
        for (auto& t : threads_) t.join();
    }
    int size() const { return int(threads_.size()); }

    // Runs body(thread, task) for each task; threads take the tasks in order as they come free.
    void each(int tasks, std::function<void(int, int)> body) {
        std::unique_lock lock(mutex_);
        next_ = 0, tasks_ = tasks, body_ = std::move(body), busy_ = size(), round_++;
        wake_.notify_all();
        done_.wait(lock, [&] { return busy_ == 0; });
    }

private:
    std::vector<std::thread> threads_;
    std::mutex mutex_;
    std::condition_variable wake_, done_;
    std::function<void(int, int)> body_;
    std::atomic<int> next_ = 0;
    int tasks_ = 0, busy_ = 0, round_ = 0;
    bool stopping_ = false;

    void serve(int thread) {
        for (int seen = 0;;) {
            {
                std::unique_lock lock(mutex_);
                wake_.wait(lock, [&] { return stopping_ || round_ != seen; });
                if (stopping_) return;
                seen = round_;
            }
            for (int task; (task = next_++) < tasks_;) body_(thread, task);
            std::lock_guard lock(mutex_);
            if (--busy_ == 0) done_.notify_all();
        }
    }
};

struct Batch {
    int sequences;
    const long* offsets;   // sequences + 1 of them
    const int *ids, *targets, *positions;
};

class Network {
public:
    virtual ~Network() = default;
    virtual const Shape& shape() const = 0;
    virtual Layout& layout() = 0;
    virtual float* parameters() = 0;
    virtual void prepare() = 0;
    virtual Outcome pass(const Batch& batch, bool training, float weight, int* choices, float* losses) = 0;
    virtual float step(StepSettings settings, float clip) = 0;
    virtual void phase_cycles(double* to) = 0;

    Buffer<float> gradients, state;   // state: first moments, second moments, count of steps
};

template <class Kernels> class NetworkOf final : public Network {
public:
    NetworkOf(const Shape& s, int threads) : model_(s), pool_(threads, Kernels::enter_thread), workers_(threads), muons_(threads) {
        gradients.zeroed(model_.layout.total);
        state.zeroed(2 * model_.layout.total + 1);
        for (auto& w : workers_) w.gradients.zeroed(model_.layout.total);
    }
    const Shape& shape() const override { return model_.shape; }
    Layout& layout() override { return model_.layout; }
    float* parameters() override { return model_.parameters.data(); }

    void prepare() override {
        pool_.each(model_.shape.layers + 1, [&](int thread, int task) { model_.pack(task, workers_[thread].kernels); });
    }

    Outcome pass(const Batch& batch, bool training, float weight, int* choices, float* losses) override {
        auto sequences = by_length(batch);
        auto units = share_out(sequences);
        for (auto& w : workers_) w.outcome = {.choices = choices, .losses = losses};
        pool_.each(int(units.size()), [&](int thread, int task) { workers_[thread].run(model_, units[task], training, weight); });
        if (training) reduce();
        Outcome all;
        for (auto& w : workers_) all.loss += w.outcome.loss, all.correct += w.outcome.correct, all.targets += w.outcome.targets;
        return all;
    }

    // Returns the gradients' norm before clipping.
    float step(StepSettings settings, float clip) override {
        Timer timer(optimiser_cycles_, optimiser);
        const size_t total = model_.layout.total;
        OptimiserArrays arrays{parameters(), state.data(), state.data() + total, gradients.data()};
        double square = 0;
        for (size_t from = 0; from < total; from += 4096) square += square_sum(from, std::min(total, from + 4096));
        const float norm = float(std::sqrt(square));
        settings.gradient_scale = clip > 0 && norm > clip ? clip / norm : 1;
        settings.step = int(++state.data()[2 * total]);
        auto& tensors = model_.layout.tensors;
        pool_.each(int(tensors.size()), [&](int thread, int task) {
            if (tensors[task].muon) muons_[thread].step(workers_[thread].kernels, tensors[task], arrays, settings);
            else adamw(tensors[task], arrays, settings);
        });
        return norm;
    }

    void phase_cycles(double* to) override {
        for (int p = 0; p < phases; p++) {
            to[p] = double(std::exchange(optimiser_cycles_[p], 0)) * pool_.size();
            for (auto& w : workers_) to[p] += double(std::exchange(w.cycles[p], 0));
        }
    }

private:
    Model<Kernels> model_;
    Pool pool_;
    std::vector<Worker<Kernels>> workers_;
    std::vector<Muon<Kernels>> muons_;
    uint64_t optimiser_cycles_[phases] = {};

    std::vector<Sequence> by_length(const Batch& b) {
        std::vector<Sequence> out;
        int furthest = 0;
        for (int i = 0; i < b.sequences; i++) {
            size_t at = b.offsets[i];
            out.push_back({b.ids + at, b.targets + at, b.positions + at, at, int(b.offsets[i + 1] - b.offsets[i])});
            for (int t = 0; t < out.back().length; t++) furthest = std::max(furthest, out.back().positions[t]);
        }
        model_.rotary.cover(furthest, model_.shape);
        std::stable_sort(out.begin(), out.end(), [](auto& a, auto& b) { return a.length > b.length; });
        return out;
    }

    // Puts short sequences together, so that passes over the weights pay, but leaves each thread several units.
    std::vector<std::span<const Sequence>> share_out(const std::vector<Sequence>& sequences) {
        size_t rows = 0;
        for (auto& s : sequences) rows += s.padded();
        const int wanted = int(std::clamp<size_t>(rows / (4 * pool_.size()), 256, 2048));
        std::vector<std::span<const Sequence>> units;
        for (size_t from = 0, to; from < sequences.size(); from = to) {
            int have = 0;
            for (to = from; to < sequences.size() && (to == from || have + sequences[to].padded() <= wanted); to++) have += sequences[to].padded();
            units.push_back({sequences.data() + from, to - from});
        }
        return units;
    }

    // Adds every worker's gradients to the network's, and clears them for the next batch.
    void reduce() {
        const size_t total = model_.layout.total, piece = 1 << 16;
        pool_.each(int((total + piece - 1) / piece), [&](int, int task) {
            const size_t from = task * piece, to = std::min(total, from + piece);
            for (auto& w : workers_) {
                float *part = w.gradients.data(), *sum = gradients.data();
                for (size_t i = from; i < to; i++) sum[i] += part[i], part[i] = 0;
            }
        });
    }

    float square_sum(size_t from, size_t to) {
        float sum = 0;
        for (size_t i = from; i < to; i++) sum += gradients.data()[i] * gradients.data()[i];
        return sum;
    }
};

Network* of(void* handle) { return static_cast<Network*>(handle); }

}

extern "C" {

// Null if the shape is not in blocks of 32, or if tiles are asked for where there are none.
void* create(int vocab, int dim, int layers, int heads, int kv_heads, int ffn, float theta, int threads, int plain) {
    Shape s{vocab, dim, layers, heads, kv_heads, ffn, theta};
    if (!s.supported() || threads < 1) return nullptr;
    if (plain) return static_cast<Network*>(new NetworkOf<PlainKernels>(s, threads));
#ifdef HAVE_AMX_KERNELS
    if (AmxKernels::request()) return static_cast<Network*>(new NetworkOf<AmxKernels>(s, threads));
#endif
    return nullptr;
}
void destroy(void* handle) { delete of(handle); }

long parameter_count(void* handle) { return long(of(handle)->layout().total); }
float* parameters(void* handle) { return of(handle)->parameters(); }
float* gradients(void* handle) { return of(handle)->gradients.data(); }
void zero_gradients(void* handle) { of(handle)->gradients.zeroed(of(handle)->layout().total); }

// First moments (Muon's momentum among them), second moments, and last the count of steps.
float* state(void* handle) { return of(handle)->state.data(); }
long state_count(void* handle) { return 2 * long(of(handle)->layout().total) + 1; }

int tensor_count(void* handle) { return int(of(handle)->layout().tensors.size()); }
void tensor(void* handle, int index, long* offset, int* rows, int* cols) {
    const Tensor& t = of(handle)->layout().tensors[index];
    *offset = long(t.offset), *rows = t.rows, *cols = t.cols;
}
void configure_tensor(void* handle, int index, float lr_multiplier, float decay_multiplier, int muon) {
    Tensor& t = of(handle)->layout().tensors[index];
    t.lr_multiplier = lr_multiplier, t.decay_multiplier = decay_multiplier, t.muon = muon && t.rows > 1 && t.rows % 32 == 0;
}

// Must follow every change of the parameters.
void prepare(void* handle) { of(handle)->prepare(); }

// Adds weight * d(sum of losses)/d(parameters) to the gradients; returns the sum of losses.
double accumulate(void* handle, int sequences, const long* offsets, const int* ids, const int* targets, const int* positions, float weight, long* correct, long* target_count) {
    Outcome o = of(handle)->pass({sequences, offsets, ids, targets, positions}, true, weight, nullptr, nullptr);
    *correct = o.correct, *target_count = o.targets;
    return o.loss;
}

// Fills choices and losses (either may be null) at the targets alone; returns the sum of losses.
double evaluate(void* handle, int sequences, const long* offsets, const int* ids, const int* targets, const int* positions, int* choices, float* losses, long* correct, long* target_count) {
    Outcome o = of(handle)->pass({sequences, offsets, ids, targets, positions}, false, 0, choices, losses);
    *correct = o.correct, *target_count = o.targets;
    return o.loss;
}

// One optimiser step from the gradients, which stay as they are; returns their norm. Prepares the weights anew.
float optimiser_step(void* handle, float lr, float beta1, float beta2, float epsilon, float decay, float muon_momentum, float clip) {
    float norm = of(handle)->step({lr, beta1, beta2, epsilon, decay, muon_momentum, 1, 0}, clip);
    of(handle)->prepare();
    return norm;
}

// Cycles over all threads since the last call, in the order of Phase.
int phase_count() { return phases; }
void phase_cycles(void* handle, double* to) { of(handle)->phase_cycles(to); }

// Teaches queries and keys of a network, whose parameters are copied, to be signs.
void* distiller(void* network) { return new Distiller(of(network)->shape(), of(network)->parameters()); }
void distiller_destroy(void* handle) { delete static_cast<Distiller*>(handle); }
long distiller_count(void* handle) { return long(static_cast<Distiller*>(handle)->count()); }
float* distiller_student(void* handle) { return static_cast<Distiller*>(handle)->student.data(); }
float* distiller_gradients(void* handle) { return static_cast<Distiller*>(handle)->gradients.data(); }
float* distiller_spreads(void* handle) { return static_cast<Distiller*>(handle)->spreads.data(); }
int distiller_measure(void* handle, int length, const int* ids, const int* positions, double* squares) {
    return static_cast<Distiller*>(handle)->measure({ids, nullptr, positions, 0, length}, squares);
}
void distiller_learn(void* handle, int length, const int* ids, const int* positions, int count, const int* rows, const Lesson* lesson) {
    static_cast<Distiller*>(handle)->learn({ids, nullptr, positions, 0, length}, {rows, rows + count}, *lesson);
}
void distiller_step(void* handle, float rate, int number) { static_cast<Distiller*>(handle)->step(rate, number); }

}
