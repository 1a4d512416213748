namespace Kvasir.Kernels.Machine;

/// <summary>Kinds of multiply-add that <see cref="MultiplyAddProbe"/> measures.</summary>
public enum MultiplyAddKind
{
    /// <summary>Single precision.</summary>
    F32,

    /// <summary>Pairs of bf16 numbers, added in single precision.</summary>
    BF16,

    /// <summary>Bytes, added in 32 bits.</summary>
    Bytes,
}
