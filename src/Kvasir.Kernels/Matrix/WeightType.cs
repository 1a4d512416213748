namespace Kvasir.Kernels.Matrix;

/// <summary>How a weight matrix is stored. Names and block layouts are GGUF's.</summary>
public enum WeightType
{
    F32,
    F16,
    BF16,
    Q8_0,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q4_K,
    Q5_K,
    Q6_K,
    Q2_K,
    Q3_K,
    IQ4_NL,
    IQ4_XS,
    MXFP4,
}
