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
}
