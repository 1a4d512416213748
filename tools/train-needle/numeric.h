// Number formats, aligned memory and the few scalar functions that both kernel sets share.
#pragma once
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <immintrin.h>
#include <new>
#include <sys/mman.h>
#include <utility>

struct bf16 { uint16_t bits; };

inline float widen(float x) { return x; }
inline float widen(bf16 x) { return std::bit_cast<float>(uint32_t(x.bits) << 16); }

template <class Element> inline Element narrow(float x);
template <> inline float narrow<float>(float x) { return x; }

// Rounds to nearest even. Not-a-number may become infinite, which a training loop notices just as well.
template <> inline bf16 narrow<bf16>(float x) {
    uint32_t u = std::bit_cast<uint32_t>(x);
    return {uint16_t((u + 0x7fff + ((u >> 16) & 1)) >> 16)};
}

// Narrows 32 numbers.
inline void narrow32(const float* from, float* to) { std::memcpy(to, from, 128); }
inline void narrow32(const float* from, bf16* to) {
#ifdef __AVX512BF16__
    _mm512_storeu_si512(to, (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + 16), _mm512_loadu_ps(from)));
#else
    for (int i = 0; i < 32; i++) to[i] = narrow<bf16>(from[i]);
#endif
}

// Narrows f(i) for each i below count, a multiple of 16, by way of registers.
inline void narrow16(const float* from, float* to) { std::memcpy(to, from, 64); }
inline void narrow16(const float* from, bf16* to) {
#ifdef __AVX512BF16__
    _mm256_storeu_si256((__m256i*)to, (__m256i)_mm512_cvtneps_pbh(_mm512_load_ps(from)));
#else
    for (int i = 0; i < 16; i++) to[i] = narrow<bf16>(from[i]);
#endif
}
template <class Element, class Function> inline void narrow_each(int count, Element* to, Function&& f) {
    for (int i = 0; i < count; i += 16) {
        alignas(64) float v[16];
        for (int c = 0; c < 16; c++) v[c] = f(i + c);
        narrow16(v, to + i);
    }
}

// Branch-free, so that the compiler vectorises loops over it; within two units in the last place.
inline float fast_exp(float x) {
    float t = x * 1.44269504f;
    t = t < -126.f ? -126.f : t > 126.f ? 126.f : t;
    float n = __builtin_nearbyintf(t), f = (t - n) * 0.69314718f;
    float p = 1.f + f * (1.f + f * (0.5f + f * (0.16666667f + f * (0.041666667f + f * (0.0083333333f + f * 0.0013888889f)))));
    return p * std::bit_cast<float>((int32_t(n) + 127) << 23);
}

// Memory that only grows and is never initialised; on huge pages where the system grants them,
// because tile loads touch many rows that lie far apart.
template <class T> class Buffer {
public:
    Buffer() = default;
    Buffer(Buffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)), capacity_(std::exchange(other.capacity_, 0)) {}
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { std::free(data_); }

    T* need(size_t count) {
        if (count <= capacity_) return data_;
        std::free(data_);
        size_t bytes = count * sizeof(T), align = bytes >= (1 << 20) ? 1 << 21 : 64;
        bytes = (bytes + align - 1) / align * align;
        data_ = static_cast<T*>(std::aligned_alloc(align, bytes));
        if (!data_) throw std::bad_alloc();
        if (align > 64) madvise(data_, bytes, MADV_HUGEPAGE);
        capacity_ = count;
        return data_;
    }
    T* zeroed(size_t count) { T* p = need(count); std::memset(static_cast<void*>(p), 0, count * sizeof(T)); return p; }
    T* data() { return data_; }
    const T* data() const { return data_; }

private:
    T* data_ = nullptr;
    size_t capacity_ = 0;
};

// How attention finds its heads: rows of width() elements hold all query heads, then key heads, then value heads.
struct AttentionShape {
    int heads, kv_heads, head_dim;
    int width() const { return (heads + 2 * kv_heads) * head_dim; }
    int query(int h) const { return h * head_dim; }
    int key(int g) const { return (heads + g) * head_dim; }
    int value(int g) const { return (heads + kv_heads + g) * head_dim; }
    int group() const { return heads / kv_heads; }
    float scale() const { return 1.f / std::sqrt(float(head_dim)); }
};
