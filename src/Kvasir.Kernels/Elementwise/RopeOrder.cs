namespace Kvasir.Kernels.Elementwise;

/// <summary>Which elements of a head rotate together.</summary>
public enum RopeOrder
{
    /// <summary>(0, 1), (2, 3), ...: Llama weights as GGUF files store them.</summary>
    Interleaved,

    /// <summary>(0, d/2), (1, d/2 + 1), ...: Hugging Face folders, and most other models' GGUF files.</summary>
    Halves,
}
