namespace Kvasir.Kernels.Matrix;

/// <summary>The form in which a row of activations meets the weights.</summary>
public enum ActivationKind
{
    /// <summary>As they are.</summary>
    F32,

    /// <summary>Signed bytes with a scale per 32 elements, for weights with blocks of 32.</summary>
    Q8Block32,

    /// <summary>Signed bytes with a scale per 256 elements, for K-quants.</summary>
    Q8Block256,

    /// <summary>The same numbers as <see cref="Q8Block32"/> but for the scaled sums, several rows interleaved, for packed weights.</summary>
    Q8Block32Tiles,

    /// <summary>The same numbers as <see cref="Q8Block256"/>, several rows interleaved, for packed weights.</summary>
    Q8Block256Tiles,

    /// <summary>Rounded to bf16, thirty-two rows interleaved, for quantised weights that a large batch makes worth widening.</summary>
    BF16Tiles,

    /// <summary>Sums of two bf16 numbers, thirty-two rows interleaved, for large batches and weights that are bf16 numbers.</summary>
    BF16PairTiles,
}
